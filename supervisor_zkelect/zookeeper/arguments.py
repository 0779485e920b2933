"""The arguments of an `Elector`. Each function returns a valid value, or raises BadArgument: what is wrong, and what would be
right. Pure."""

from __future__ import annotations

import math
from typing import Any, Callable, Collection, Iterable, List, NamedTuple, Optional, Tuple

from kazoo.security import ACL

from supervisor_zkelect.core import places, untrusted
from supervisor_zkelect.zookeeper.errors import BadArgument

LONGEST_DATA = (1 << 20) - (16 << 10)
"""Bytes that a znode may hold: what servers take in a request by default (jute.maxbuffer), less room for the paths in it."""

LONGEST_TIME = 3600.0
"""Seconds, of a session and of a call. ZooKeeper counts milliseconds in 32 bits, and a client that is asked to count more does
not come back."""

_SHOWN = 100
"""Characters of what is wrong that are repeated."""

_CLIENT = ("add_listener", "remove_listener", "exists_async", "get_async", "get_children_async", "create_async", "transaction")


class Places(NamedTuple):
    """An election's znodes. stem: what its candidates' names begin with, up to the digits."""

    election: str
    ack: str
    state: str
    stem: str


def places_of(
    root: str, election_znode: object, election_prefix: object, election_ack: object, separator: object,
    election_state: object,
) -> Places:
    """root: what the client puts before each path."""
    znode, ack = path("election_znode", election_znode, root), path("election_ack", election_ack, root)
    state = places.state_of(ack) if election_state is None else path("election_state", election_state, root)
    if ack == znode or places.inside(ack, znode):
        raise BadArgument(f"election_ack, {ack}, is, or lies below, election_znode, where only proposals may stand; move it")
    for name, other in (("election_znode", znode), ("election_ack", ack)):
        if places.meet(state, other):
            raise BadArgument(f"election_state, {state}, is, or lies above or below, {name}, {other}; choose another path")
    prefix, between = name_part("election_prefix", election_prefix), name_part("separator", separator)
    if not prefix:
        raise BadArgument("election_prefix is empty; give what the names of proposals begin with, such as n")
    return Places(znode, ack, state, prefix + between)


def path(name: str, value: object, root: str = "") -> str:
    """The path of a znode below the root. root: what comes before it."""
    right = _by_rule(name, value, places.znode, f"; give an absolute path such as /zkelect/orders/{name}")
    if len(root + right) > places.LONGEST_PATH:
        most = f"{places.LONGEST_PATH} characters with its chroot"
        raise BadArgument(f"{name} is {shown(value)}: it is longer than {most}; shorten it")
    return right


def name_part(name: str, value: object) -> str:
    """A part of a proposal's name, or both parts in one."""
    return _by_rule(name, value, lambda right: places.name_part(right, 2 * places.LONGEST_NAME_PART))


def _by_rule(name: str, value: object, rule: Callable[[str], str], remedy: str = "") -> str:
    """Text that a rule lets pass, which says by a ValueError what is wrong. remedy: what is told beside that."""
    right = text(name, value)
    try:
        return rule(right)
    except ValueError as error:
        raise BadArgument(f"{name} is {shown(value)}: it {error}{remedy}") from None


def text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadArgument(f"{name} is {shown(value)}; give text")
    return value


def data(name: str, value: object) -> bytes:
    """Data that fits into a znode."""
    if not isinstance(value, bytes):
        raise BadArgument(f"{name} is {shown(value)}; give bytes")
    if len(value) > LONGEST_DATA:
        raise BadArgument(f"{name} has {len(value)} bytes; give at most {LONGEST_DATA}, as ZooKeeper takes no more in a znode")
    return value


def information(value: object) -> bytes:
    """Data of an ack, encoded."""
    if not isinstance(value, (str, bytes)):
        raise BadArgument(f"info is {shown(value)}; give text or bytes")
    try:
        return data("info", value.encode("utf-8") if isinstance(value, str) else value)
    except UnicodeEncodeError:
        raise BadArgument(f"info is {shown(value)}: it has a lone surrogate, which UTF-8 cannot have; leave that out") from None


def seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LONGEST_TIME:
        raise BadArgument(f"{name} is {shown(value)}; give seconds, more than 0 and at most {LONGEST_TIME:g}")
    return value


def wait(name: str, value: object) -> float:
    """Seconds that somebody is ready to wait; None is for ever."""
    return math.inf if value is None else seconds(name, value)


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadArgument(f"{name} is {shown(value)}; give True or False")
    return value


def token(name: str, value: object) -> Optional[int]:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise BadArgument(f"{name} is {shown(value)}; give a holder's token, or None")
    return value


def function(name: str, value: object) -> None:
    if not callable(value):
        raise BadArgument(f"{name} is {shown(value)}; give a function")


def watcher(value: object, granted: bool) -> None:
    """Who is to be told when leading is lost. granted: whether it is known what the servers granted."""
    if value is not None:
        function("lost", value)
        if not granted:
            raise BadArgument("lost needs to know what the servers granted this client; give granted=…, or use Elector.connect")


def node(value: object) -> str:
    """The name of a node."""
    return _by_rule("node", value, untrusted.node_name)


def address(value: object) -> str:
    return _by_rule("address", value, untrusted.address)


def acl(value: object) -> Optional[List[ACL]]:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not value or not all(map(_is_acl, value)):
        raise BadArgument(f"acl is {shown(value)}; give a list of kazoo.security.ACL, such as make_digest_acl makes")
    return list(value)


def _is_acl(value: Any) -> bool:
    if not isinstance(value, ACL) or not isinstance(value.perms, int):
        return False
    whose = value.id
    return isinstance(getattr(whose, "scheme", None), str) and isinstance(getattr(whose, "id", None), str)


def chroot(client: object) -> str:
    """The client's chroot, which it puts before each path."""
    value = getattr(client, "chroot", "")
    return value if isinstance(value, str) else ""


def client(value: object) -> None:
    if isinstance(value, type) or not all(callable(getattr(value, name, None)) for name in _CLIENT):
        raise BadArgument(f"client is {shown(value)}; give a started kazoo.client.KazooClient, or use Elector.connect")

def servers(value: object) -> Tuple[str, str]:
    """Text or a list, each "host:port", with "/chroot" at the end if wanted: the servers with commas, and the chroot or ""."""
    items = value if isinstance(value, (list, tuple)) else [text("servers", value)]
    joined = ",".join(text("servers", item) for item in items)
    hosts, slash, rest = joined.partition("/")
    try:
        right = ",".join(places.servers(hosts))
    except ValueError as error:
        raise BadArgument(f"servers is {shown(joined)}: {error}; give host:port,host:port") from None
    if "," in rest:
        raise BadArgument(f"servers is {shown(joined)}: a chroot stands once, at the end; give host:port,host:port/chroot")
    root = slash + rest.rstrip("/") if rest.strip("/") else ""
    return right, path("the chroot in servers", root) if root else ""


def digest(value: object) -> Optional[str]:
    if value is None:
        return None
    # The message must not repeat a secret.
    if not isinstance(value, str):
        raise BadArgument(f"digest is of the type {type(value).__name__}; give text, user:password")
    user, colon, _ = value.partition(":")
    if not colon or not user:
        raise BadArgument("digest has no colon, or nothing before it; give user:password")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadArgument("digest has a lone surrogate, which UTF-8 cannot have; give user:password in plain text") from None
    return value


def known(given: Iterable[str], right: Collection[str]) -> None:
    """Refuse keywords that are none of the right ones."""
    for name in given:
        import difflib

        near = difflib.get_close_matches(name, right, 1, 0.6)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(right))}"
        raise BadArgument(f"{untrusted.printable(name, _SHOWN)} is no argument of an elector; {meant}")


def shown(value: object) -> str:
    """A value for a message, in one short line."""
    if isinstance(value, (str, bytes)):
        return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}…"
    if value is None or isinstance(value, float) or isinstance(value, int) and value.bit_length() < 64:
        return repr(value)
    return f"of the type {type(value).__name__}"
