"""Where an election has its znodes, and what may not stand in the place of what. Pure.

    election znode     proposals, and nothing else below it
    ack                the primary's address
    state              the one znode below which the plugin keeps all the rest: holder, history
"""

from __future__ import annotations

SUFFIX = "-state"
"""What the ack's path has behind it to be the state's, unless another place is configured."""


def state_of(ack: str) -> str:
    """The state's path for an ack, by default."""
    return ack + SUFFIX


def holder_of(state: str) -> str:
    return f"{state}/holder"


def history_of(state: str) -> str:
    return f"{state}/history"


def inside(inner: str, outer: str) -> bool:
    """Whether a path lies below another one."""
    return inner.startswith(outer + "/")


def meet(one: str, other: str) -> bool:
    """Whether two paths are the same, or one lies below the other."""
    return one == other or inside(one, other) or inside(other, one)


def is_path(path: object) -> bool:
    """Whether this, which a stranger may have written, can be the path of a znode below the root."""
    if not isinstance(path, str) or len(path) > 1024 or not path.isprintable():
        return False
    return path.startswith("/") and path != "/" and not {"", ".", ".."} & set(path[1:].split("/"))
