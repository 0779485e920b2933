"""A pool of threads of which some are there from the beginning, for when the machine has no thread to spare."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

KEPT = 4
"""Threads that a pool begins with; what they wait for is supervisord, ZooKeeper or a service, one of which may hang."""


class Workers(ThreadPoolExecutor):
    """At most `size` threads, of which up to KEPT are started at once, as far as they can be.

    Work for which no further thread can be started waits for one of those that are there. Only where there is none at all
    `submit` raises RuntimeError.
    """

    def __init__(self, size: int, name: str) -> None:
        super().__init__(size, name)
        gate = threading.Event()
        try:
            for _ in range(min(size, KEPT)):
                self.submit(gate.wait)
        except RuntimeError:
            # `submit` tells whoever has work.
            pass
        finally:
            gate.set()

    def _adjust_thread_count(self) -> None:
        # Called by `submit`, which has queued the work by then.
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise
