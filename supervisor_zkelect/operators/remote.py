"""Reaching an election from any host: by words of the command line alone, without a node's file."""

from __future__ import annotations

import argparse
import re
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from supervisor_zkelect.config.values import NAME_RULE, is_election_name
from supervisor_zkelect.operators.outcome import ERROR, UNKNOWN, USAGE, Trouble, quiet

#: Options that only go with --servers, with the ones of [zkelect] that they are, as argparse has them.
OPTIONS = ("digest_file", "tls_ca", "tls_cert", "tls_key", "tls_key_password_file")

ZOOKEEPER_TIME = 5.0
"""Seconds that ZooKeeper has to answer."""

STOP_TIME = 1.0
"""Seconds for which the end of a client is waited for: a server that does not answer makes it take longer."""

ROOT = "/zkelect"
"""Where elections stand by default."""

_NAME = "command line"
_ANY = "any"


def wanted(arguments: argparse.Namespace) -> bool:
    """Whether the arguments name servers. Raises Trouble where they do not go together."""
    given = _given(arguments)
    others = [_word(name) for name in given if name != "servers"]
    if "servers" not in given:
        if others:
            raise Trouble(USAGE, f"{others[0]} works only with --servers; give that too, or use -c FILE alone")
        return False
    if getattr(arguments, "configuration", None) is not None:
        raise Trouble(USAGE, "--servers and -c FILE exclude each other; give one of them")
    return True


def settings(arguments: argparse.Namespace) -> Any:
    """The settings (`settings.Settings`) of a client that looks at one election. Raises Trouble with every mistake."""
    from supervisor_zkelect.config import load
    from supervisor_zkelect.config.problems import ConfigError
    from supervisor_zkelect.zookeeper import connect

    given = _given(arguments)
    given.pop("root", None)
    root, election = root_of(arguments), _ANY if arguments.election is None else arguments.election
    given["servers"], chroot = connect.split_hosts(given["servers"])
    main = {"node_name": "client", "chroot": chroot, **given}
    ack = {"address": "none", "election_ack": f"{root}/{election}/ack"}
    values = {**main, "root": root}
    amiss = [_word(name) for name, value in values.items() if not value.isprintable() or re.search(r"(^|\s)[;#]", value)]
    if amiss:
        raise Trouble(USAGE, f"{amiss[0]} contains a control character, or ; or # after a blank; leave that out")
    lines = ["[zkelect]", *_options(main), f"[election:{election}]", *_options(ack)]
    if not is_election_name(election):
        raise Trouble(USAGE, f"{election!r} is not a valid election name; use {NAME_RULE.replace(' in NAME', '')}")
    try:
        return load.from_text("\n".join(lines) + "\n", _NAME)
    except ConfigError as error:
        raise Trouble(USAGE, *map(_told, error.problems)) from None


def root_of(arguments: argparse.Namespace) -> str:
    """Where the elections stand, without a slash at the end."""
    return str(getattr(arguments, "root", None) or ROOT).rstrip("/")


def opened(settings: Any, seconds: float = ZOOKEEPER_TIME) -> Any:
    """A client with a session at the servers of these settings. seconds: that they have to give one. Raises Trouble: whatever
    keeps it from that, nothing is known."""
    from supervisor_zkelect.zookeeper import connect

    quiet()
    client = None
    try:
        client = connect.client_for(settings)
        connect.start_client(client, seconds)
        return client
    except BaseException as error:
        if client is not None:
            end(client)
        if not isinstance(error, Exception):
            raise
        raise Trouble(UNKNOWN, f"unknown: {error or type(error).__name__}") from None


def end(client: Any) -> None:
    """As `connect.end_client`."""
    from supervisor_zkelect.zookeeper import connect

    connect.end_client(client, STOP_TIME)


def _given(arguments: argparse.Namespace) -> Dict[str, str]:
    names = ("servers", "root", *OPTIONS)
    return {name: value for name in names if (value := getattr(arguments, name, None)) is not None}


def _options(values: Dict[str, str]) -> List[str]:
    return [f"{name} = {value.replace('%', '%%')}" for name, value in values.items() if value or name == "servers"]


def _word(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _told(line: str) -> str:
    """A line on an option of a file as one on a word of the command line."""
    found = re.match(rf"{_NAME}: \[[^\]]*\] (\w+)(?: = )?", line)
    if found is None:
        return line
    name = {"election_ack": "root", "election_state": "root", "chroot": "servers"}.get(found[1], found[1])
    return f"{_word(name)} {line[found.end():]}"


class ElectionNames(NamedTuple):
    """The names of elections below a znode, in order. left_out: how many more there are."""

    names: Tuple[str, ...] = ()
    left_out: int = 0

    def told(self) -> str:
        """All of it, in words."""
        if not self.names:
            return "none that this client can see"
        return ", ".join(self.names) + (f" and {self.left_out} more" if self.left_out else "")


def elections(client: Any, root: str, seconds: float) -> ElectionNames:
    """The elections below a znode. seconds: for each request.

    What stands there under a name that no election may have is none: anybody may have made it, and names go to terminals and
    monitors. Raises Trouble where ZooKeeper does not answer, or does not let this client look.
    """
    from kazoo.exceptions import NoNodeError

    with _asking(client, root):
        try:
            children = client.get_children_async(root or "/").get(timeout=seconds)
        except NoNodeError:
            return ElectionNames()
        candidates, found = sorted(filter(is_election_name, children)), []
        for first in range(0, len(candidates), _AT_ONCE):
            some = candidates[first:first + _AT_ONCE]
            answers = [client.exists_async(f"{root}/{name}/election") for name in some]
            found += [name for name, answer in zip(some, answers) if answer.get(timeout=seconds) is not None]
    return ElectionNames(tuple(found[:MOST]), max(0, len(found) - MOST))


def named(client: Any, root: str, name: str, seconds: float) -> str:
    """The name, if an election has it, which need not be one of those that are listed. Raises Trouble."""
    with _asking(client, root):
        if is_election_name(name) and client.exists_async(f"{root}/{name}/election").get(timeout=seconds) is not None:
            return name
    raise Trouble(USAGE, f"there is no election {name} below {root or '/'}; {there(client, root, seconds)}")


def there(client: Any, root: str, seconds: float) -> str:
    """Which elections there are, for whoever named another one. Raises Trouble where ZooKeeper does not answer."""
    try:
        return f"there are: {elections(client, root, seconds).told()}"
    except Trouble as trouble:
        if trouble.status != ERROR:
            raise
        return f"there are: {ElectionNames().told()}"


def too_many(root: str) -> Trouble:
    """Why what is meant for all elections is done to none of them: those that were left out would be so without a word."""
    return Trouble(USAGE, f"there are more than {MOST} elections below {root or '/'}; name one")


@contextmanager
def _asking(client: Any, root: str) -> Iterator[None]:
    from kazoo.exceptions import ConnectionLoss, KazooException, NoAuthError

    try:
        yield
    except NoAuthError:
        raise Trouble(
            ERROR, f"ZooKeeper does not let this user list what is below {root or '/'}; name an election, or see --digest-file"
        ) from None
    except client.handler.timeout_exception:
        raise Trouble(UNKNOWN, "unknown: ZooKeeper did not answer in time") from None
    except KazooException as error:
        why = "did not answer in time" if isinstance(error, ConnectionLoss) else f"refused: {str(error) or type(error).__name__}"
        raise Trouble(UNKNOWN, f"unknown: ZooKeeper {why}") from None


MOST = 100
"""Elections that are looked at."""

#: Znodes that are asked for together.
_AT_ONCE = 200
