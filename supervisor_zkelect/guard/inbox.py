"""Calls from other threads for the guard's thread."""

from __future__ import annotations

import os
from collections import deque
from typing import Callable, Deque, List


class Inbox:
    """Calls for the guard's thread, put in on any thread. `bell` is a descriptor that is readable while there may be some; what
    is written to `ring` rings it."""

    def __init__(self) -> None:
        self.bell, self.ring = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        #: One that is filled and emptied: another thread may have looked up what is replaced, and puts its call there.
        self._calls: Deque[Callable[[], None]] = deque()

    def close(self) -> None:
        os.close(self.bell)
        os.close(self.ring)

    def put(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        self.wake()

    def wake(self) -> None:
        try:
            os.write(self.ring, b"\0")
        except BlockingIOError:
            # It is full, so the loop will wake.
            return

    def take(self) -> List[Callable[[], None]]:
        """All calls that were put in, on the guard's thread."""
        try:
            os.read(self.bell, 65536)
        except BlockingIOError:
            pass
        return [self._calls.popleft() for _ in range(len(self._calls))]
