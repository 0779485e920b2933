"""ZooKeeper's clock, as a client knows it: from the ctime of a znode that it made itself."""

from __future__ import annotations

from typing import Optional

from supervisor_zkelect.system.clock import now


class ServerClock:
    """What the servers' clock shows now. It counts by this machine's boot clock between two readings."""

    def __init__(self) -> None:
        self._offset: Optional[float] = None

    def heard(self, written: int, answered: float) -> None:
        """A znode was just made by this client. written: when, milliseconds, as its stat says. answered: when that was known,
        seconds of CLOCK_BOOTTIME."""
        self._offset = written / 1000 - answered

    def now(self) -> Optional[int]:
        """Milliseconds since 1970 in UTC, late by what an answer takes at most; None before anything was made."""
        return None if self._offset is None else round(1000 * (now() + self._offset))

    def here(self, moment: int) -> Optional[float]:
        """A moment of the servers' clock, milliseconds, in seconds of CLOCK_BOOTTIME; None before anything was made."""
        return None if self._offset is None else moment / 1000 - self._offset
