"""Where the servers are and where an election has its znodes, what may not stand in the place of what, and how each may be
written. Pure.

    election znode     proposals, and nothing else below it
    ack                the primary's address
    state              the one znode below which the plugin keeps all the rest: holder, history, control, outcomes, events, nodes
"""

from __future__ import annotations

import re
from typing import List, Tuple

from supervisor_zkelect.core import untrusted

LONGEST_NAME_PART = 100
"""Characters."""

LONGEST_PATH = 1024
"""Characters of the path of a znode, with its chroot: a holder that names a longer one is not believed (`is_path`)."""

_SHOWN = 120
"""Characters of what is wrong that are repeated."""

SUFFIX = "-state"
"""What the ack's path has behind it to be the state's, unless another place is configured."""


def state_of(ack: str) -> str:
    """The state's path for an ack, by default."""
    return ack + SUFFIX


def holder_of(state: str) -> str:
    return f"{state}/holder"


def history_of(state: str) -> str:
    return f"{state}/history"


def control_of(state: str) -> str:
    return f"{state}/control"


def nodes_of(state: str) -> str:
    return f"{state}/nodes"


def events_of(state: str) -> str:
    return f"{state}/events"


def outcomes_of(state: str) -> str:
    return f"{state}/outcomes"


KAZOO_MARK = "__lock__"
"""What kazoo's Lock and Election look for right before the ten digits; they see no other candidate."""


def barrier_of(proposal: str) -> str:
    """The name of the barrier behind a proposal, by the name of that (`zookeeper/barrier.py`)."""
    mark = KAZOO_MARK if proposal[:-10].endswith(KAZOO_MARK) else ""
    return proposal + mark + proposal[-10:]


def barred_by(name: str) -> str:
    """The proposal behind which a child of an election znode stands as a barrier, by its name; "" where that is no barrier's."""
    digits = name[-10:]
    for mark in (KAZOO_MARK, ""):
        proposal = name[:-10 - len(mark)]
        if len(proposal) > 10 and digits.isdigit() and digits.isascii() and barrier_of(proposal) == name:
            return proposal
    return ""


def is_barrier(name: str) -> bool:
    """Whether a child of an election znode has a barrier's name."""
    return bool(barred_by(name))


def inside(inner: str, outer: str) -> bool:
    """Whether a path lies below another one."""
    return inner.startswith(outer + "/")


def meet(one: str, other: str) -> bool:
    """Whether two paths are the same, or one lies below the other."""
    return one == other or inside(one, other) or inside(other, one)


def is_path(path: object) -> bool:
    """Whether this, which a stranger may have written, can be the path of a znode below the root."""
    if not isinstance(path, str) or len(path) > LONGEST_PATH or not path.isprintable():
        return False
    return path.startswith("/") and not {"", ".", ".."} & set(path[1:].split("/"))


# What somebody may configure. Each raises ValueError: what is wrong, and what would be right.


def znode(text: str) -> str:
    """The text, if it may be the path of a znode below the root."""
    if not text.startswith("/"):
        raise ValueError(f"is a relative path; begin it with a slash: /{_shown(text)}")
    if text == "/":
        raise ValueError("is the root; name a znode below it, such as /zkelect/orders")
    if "//" in text or text.endswith("/"):
        raise ValueError(f"has an empty part; write {_shown(re.sub('/+', '/', text).rstrip('/') or '/NAME')}")
    if {".", ".."} & set(text.split("/")):
        raise ValueError("has a part . or .., which ZooKeeper refuses; write the full path")
    if len(text) > LONGEST_PATH:
        raise ValueError(f"has {len(text)} characters; shorten it to {LONGEST_PATH}, a chroot counted in")
    if _refused(text):
        raise ValueError("contains a control character, or another that ZooKeeper refuses; remove it")
    return text


def name_part(text: str, longest: int = LONGEST_NAME_PART) -> str:
    """The text, if it may be a part of a proposal's name. longest: in characters."""
    if "/" in text or _refused(text) or len(text) > longest:
        raise ValueError(f"cannot be part of a znode's name; use at most {longest} characters, no slash and no control character")
    return text


def servers(text: str) -> Tuple[str, ...]:
    """The servers of a list with commas, each as host:port."""
    found: List[str] = []
    for item in (item.strip() for item in text.split(",")):
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[\w.-]+)(?::(\d{1,5}))?", item, re.ASCII)
        if match is None:
            hint = ", and set the path as chroot" if "/" in item and "://" not in item else ""
            raise ValueError(
                f"{_shown(item)!r} is not host:port; write host:port, several separated by commas, "
                f"an IPv6 address in brackets{hint}"
            )
        if match[1][0] != "[" and not all(0 < len(label) < 64 for label in re.sub(r"\.$", "", match[1]).split(".")):
            # Python's resolver raises something else than "not found" for these, which would end kazoo's thread.
            raise ValueError(f"{_shown(item)!r} is no host name; each part between dots has 1 to 63 characters")
        port = int(match[2] or 2181)
        if not 1 <= port <= 65535:
            raise ValueError(f"{_shown(item)!r} has a bad port; a port is a number from 1 to 65535")
        server = f"{match[1]}:{port}"
        if server in found:
            raise ValueError(f"names {server} twice; name each server once")
        found.append(server)
    return tuple(found)


def _refused(text: str) -> bool:
    """Whether ZooKeeper's PathUtils.validatePath refuses it, or a terminal should not get it. The former has the text in UTF-16,
    and refuses what takes two units there."""
    return not text.isprintable() or re.search("[\ufff0-\U0010ffff]", text) is not None


def _shown(text: str) -> str:
    return untrusted.cut(untrusted.printable(text), _SHOWN)
