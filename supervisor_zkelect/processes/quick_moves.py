"""Moves of programs into their cgroups that do not wait for all processors.

Where the cgroup file system is mounted without `favordynmods`, the kernel makes each move wait until all processors have taken
notice, 5 to 20 ms, unless another was just made (`cgroup_threadgroup_rwsem`, and `rcu_sync_enter` in kernel/rcu/sync.c). While
programs are expected, this moves its own process to where it is, again and again, so that their moves take 0.1 ms each. A
failover that took 96 ms takes 63 by that (measured).

With ENABLED off, or where this process cannot be moved, a move takes as long as it takes; nothing else depends on it.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from typing import Optional, Tuple

from supervisor_zkelect.processes import cgroup
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

ENABLED = True

TIME, PACE = 0.15, 0.008
"""Seconds for which moves are kept quick after something tells that programs are to come, and how often that takes doing."""


class QuickMoves:
    """A thread that keeps moves quick, since the kernel may take its time and nobody can interrupt it.

    wanted: whether programs are moved at all.
    """

    def __init__(self, wanted: bool) -> None:
        self._expected: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._here = here() if ENABLED and wanted else None
        if self._here is not None:
            try:
                threading.Thread(target=self._run, args=(self._here,), name="zkelect-cgroups", daemon=True).start()
            except RuntimeError as error:
                self._here = None
                log.warning("cannot speed up cgroup moves: %s", error)

    def expect(self, expected: bool) -> None:
        """Programs will come within some hundredths of a second, or not any more."""
        if self._here is not None:
            self._expected.put(now() + TIME if expected else 0.0)

    def _run(self, place: Tuple[str, str]) -> None:
        until = 0.0
        while True:
            try:
                until = self._expected.get(timeout=PACE if now() < until else None)
            except queue.Empty:
                pass
            if now() < until:
                try:
                    quicken(place)
                except OSError as error:
                    until = 0.0
                    log.info("cannot speed up cgroup moves: %s", error)


def quicken(here: Tuple[str, str]) -> None:
    """Have the moves of the next 10 ms take 0.1 ms each. here: as `here` gives it. Raises OSError."""
    own, place = here
    if cgroup.own(os.getpid()) == own:
        cgroup.move(os.getpid(), place)


def here() -> Optional[Tuple[str, str]]:
    """The cgroup of this process, and a folder that shows it and may be written to; None where there is none."""
    try:
        own = cgroup.own(os.getpid())
        places = cgroup.seen(own)[0]
    except OSError:
        return None
    for place in places:
        path = os.path.join(place, "cgroup.procs")
        try:
            with open(path) as file:
                # One mount may hide another.
                if os.access(path, os.W_OK) and str(os.getpid()) in file.read().split():
                    return own, place
        except OSError:
            continue
    return None
