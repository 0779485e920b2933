"""Until when an order may be written: whoever gave it is told afterwards that it was not, and it must not be carried out then."""

from __future__ import annotations

import math
import threading

from supervisor_zkelect.system import clock
from supervisor_zkelect.zookeeper.errors import ElectionError


class Expired(ElectionError):
    """An order was not written, and will not be: the time for that is over, or it was withdrawn."""


class Permit:
    """until: seconds of CLOCK_BOOTTIME. sent: whether something was sent to be written. Any thread may call it."""

    def __init__(self, until: float = math.inf) -> None:
        self.until = until
        self.sent = False
        self._withdrawn = False
        self._lock = threading.Lock()

    def use(self) -> None:
        """To be called just before something is sent. Raises Expired where that may not be any more."""
        with self._lock:
            if self._withdrawn or clock.now() >= self.until:
                raise Expired("the time for which it was waited is over")
            self.sent = True

    def withdraw(self) -> bool:
        """Have nothing sent from now on. Returns whether nothing was sent before."""
        with self._lock:
            self._withdrawn = True
            return not self.sent
