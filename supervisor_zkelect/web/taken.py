"""A picture of the cluster, and what stands in its place before there is one."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional


class Away(Exception):
    """ZooKeeper does not answer; the text says why."""


class Taken(NamedTuple):
    """elections: as `reading.ElectionReader` has them, by name. at: when the last of it was confirmed, seconds of CLOCK_BOOTTIME;
    None for never. connected: whether ZooKeeper answers, since when (milliseconds since 1970), and why it does not, in one
    line."""

    elections: Dict[str, Dict[str, Any]] = {}
    at: Optional[float] = None
    connected: bool = False
    since: int = 0
    trouble: str = ""

    def age(self, now: float) -> Optional[float]:
        """How old it is, in seconds."""
        return None if self.at is None else max(0.0, now - self.at)


#: What is told of an election of which nothing is known. unread_since: since when its znodes cannot be read though ZooKeeper
#: answers, in milliseconds since 1970; None where they were read for this picture.
EMPTY: Dict[str, Any] = {
    "nodes": [], "address": "", "coming": "", "trouble": "", "unread_since": None, "changed": None, "left_out": 0, "orders": [],
    "paused": None, "terms": [], "next": {"node": None, "seconds": None, "why": ""},
}
