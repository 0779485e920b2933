"""Priorities as proposals have them. Pure.

A proposal is never written again, so all who compare see the same; a node whose priority is changed makes another one.
"""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Sequence

DEFAULT, MOST = 100, 1000
"""The priority of a node that says nothing of it, and the highest. A node with 0 never leads."""

NEVER = "priority = 0 in its file, so it never leads"


class RankedCandidate(NamedTuple):
    """One that stands in the queue. name: of its proposal. made: when that was made, milliseconds of ZooKeeper's clock."""

    name: str
    node: str
    session: int
    priority: int
    made: int


def of(info: Mapping[str, Any]) -> int:
    """The priority in a proposal's data; the default where there is none that could be one."""
    found = info.get("priority")
    return found if type(found) is int and 0 <= found <= MOST else DEFAULT


def better(behind: Sequence[RankedCandidate], priority: int) -> List[RankedCandidate]:
    """Those with a higher priority, the best first; of the same, who stands before. behind: in the order of the queue."""
    return sorted((one for one in behind if one.priority > priority), key=lambda one: -one.priority)
