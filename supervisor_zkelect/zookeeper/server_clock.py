"""ZooKeeper's clock, as a client knows it: from the ctime of a znode that it made itself."""

from __future__ import annotations

import math
from typing import Optional

from supervisor_zkelect.system.clock import now

FRESH = 60.0
"""Seconds after which a reading is worth another one, where an answer hangs on it: the servers' leader, and its clock, may be
another by then."""


class ServerClock:
    """What the servers' clock shows now. It counts by this machine's boot clock between two readings."""

    def __init__(self) -> None:
        self._offset: Optional[float] = None
        self._heard_at = -math.inf

    def heard(self, written: int, answered: float) -> None:
        """A znode was just made by this client. written: when, milliseconds, as its stat says. answered: when that was known,
        seconds of CLOCK_BOOTTIME."""
        self._offset, self._heard_at = written / 1000 - answered, answered

    @property
    def fresh(self) -> bool:
        return now() < self._heard_at + FRESH

    def now(self) -> Optional[int]:
        """Milliseconds since 1970 in UTC, late by what an answer takes at most; None before anything was made."""
        return None if self._offset is None else round(1000 * (now() + self._offset))
