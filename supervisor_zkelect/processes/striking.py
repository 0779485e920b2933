"""The thread that kills when a group's time is over, and does nothing else.

The process manager reads /proc, and how long that takes is up to whoever has processes on the machine. So the kill itself
does not wait for it. This thread has all that a kill takes beforehand: of each known process of a group a pidfd, and
`cgroup.kill` of its cgroup. It is told of an order to stop at the moment when the order is given, sleeps until the earliest
time, and strikes; again and again, until the process manager has proven the group dead. It reads nothing, proves nothing, and
never starts anything.

A descriptor that it was given is its own: it is the one that closes it, on this thread, so that it can never strike by a number
that is somebody else's by then. All it is told comes through one queue.
"""

from __future__ import annotations

import functools
import logging
import math
import queue
import signal
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Optional, Tuple

from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.cgroup import Cgroups
from supervisor_zkelect.processes.kernel import Kernel

log = logging.getLogger(__name__)

PACE, SLOWEST = 0.02, 1.0
"""Seconds between the first two strikes at a group, each time twice as many, and at most."""


@dataclass
class _Target:
    """One group. descriptors: pidfds by `proc.Process.identity`. orders: how many came. by, lease_end: when it is killed.
    lacks: what could not be had for it; or ""."""

    descriptors: Dict[Tuple[int, int], int] = field(default_factory=dict)
    orders: int = 0
    by: float = math.inf
    lease_end: float = math.inf
    again: float = -math.inf
    pace: float = PACE
    lacks: str = ""

    @property
    def due(self) -> float:
        return max(min(self.by, self.lease_end), self.again)

    def by_now(self, moment: float) -> bool:
        """Whether its time is over."""
        return min(self.by, self.lease_end) <= moment


class Striker:
    """clock: seconds, the same as in `order`. base: the folder of the groups' cgroups, "" where there is none."""

    def __init__(self, clock: Callable[[], float], base: str = "", kernel: Kernel = proc) -> None:
        self._now, self._kernel = clock, kernel
        # Of its own, as the descriptors that it holds are.
        self._cgroups: Optional[Cgroups] = Cgroups(base) if base else None
        self._told: queue.SimpleQueue[Optional[Callable[[], None]]] = queue.SimpleQueue()
        self._targets: Dict[str, _Target] = {}
        self._thread = threading.Thread(target=self._run, name="zkelect-striker", daemon=True)

    def start(self) -> None:
        """Raises RuntimeError when there is no thread to be had."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, wait for it, and close what it holds. Nothing is killed."""
        self._told.put(None)
        if self._thread.is_alive():
            self._thread.join()
        while not self._told.empty():
            command = self._told.get()
            if command is not None:
                command()
        for target in self._targets.values():
            for descriptor in target.descriptors.values():
                self._kernel.close(descriptor)
            target.descriptors.clear()
        if self._cgroups is not None:
            self._cgroups.close()

    # Any thread

    @property
    def trouble(self) -> str:
        """What could not be had for a group that may have to be killed, which is tried again at each `cage`; or ""."""
        return next((target.lacks for target in list(self._targets.values()) if target.lacks), "")

    def order(self, group: str, by: float, lease_end: float = math.inf) -> None:
        """Kill the group at `by`, or at the end of its lease. Of several orders the earliest counts."""
        self._tell(self._order, group, by, lease_end)

    def renew(self, group: str, lease_end: float) -> None:
        """The lease of a group that is being stopped ends at another time."""
        self._tell(self._renew, group, lease_end)

    def done(self, group: str, orders: int) -> None:
        """The group is dead, and these are all orders that the one who has proven it knows of. Others count on."""
        self._tell(self._done, group, orders)

    def hold(self, group: str, identity: Tuple[int, int], descriptor: int) -> None:
        """Take a pidfd of a process of the group."""
        self._tell(self._hold, group, identity, descriptor)

    def drop(self, group: str, identity: Tuple[int, int]) -> None:
        """Close that pidfd."""
        self._tell(self._drop, group, identity)

    def cage(self, group: str) -> None:
        """The group has a cgroup: take what it can be killed with."""
        self._tell(self._cage, group)

    def _tell(self, command: Callable[..., None], group: str, *values: Any) -> None:
        self._told.put(functools.partial(command, self._targets.setdefault(group, _Target()), group, *values))

    # This thread

    def _order(self, target: _Target, group: str, by: float, lease_end: float) -> None:
        target.orders += 1
        target.by = min(target.by, by)
        target.lease_end = min(target.lease_end, lease_end)

    def _renew(self, target: _Target, group: str, lease_end: float) -> None:
        if target.by < math.inf or target.lease_end < math.inf:
            target.lease_end = lease_end

    def _done(self, target: _Target, group: str, orders: int) -> None:
        if target.orders == orders:
            target.by = target.lease_end = math.inf
            target.again, target.pace, target.lacks = -math.inf, PACE, ""

    def _hold(self, target: _Target, group: str, identity: Tuple[int, int], descriptor: int) -> None:
        target.descriptors[identity] = descriptor

    def _drop(self, target: _Target, group: str, identity: Tuple[int, int]) -> None:
        descriptor = target.descriptors.pop(identity, -1)
        if descriptor >= 0:
            self._kernel.close(descriptor)

    def _cage(self, target: _Target, group: str) -> None:
        if self._cgroups is not None:
            try:
                self._cgroups.hold(group)
                target.lacks = ""
            except FileNotFoundError:
                # It is removed by now, or the kernel is older than 5.14.
                target.lacks = ""
            except OSError as error:
                target.lacks = f"group {group}: what kills its cgroup: {error.strerror}"

    def _run(self) -> None:
        while True:
            try:
                if not self._wait():
                    return
                self._strike_due()
            except Exception as error:
                # Whatever it is, the next strike is still to come.
                try:
                    log.exception("striker: %s", error)
                except MemoryError:
                    continue

    def _wait(self) -> bool:
        """Until somebody tells something, or a time is over; at most a second, as this clock goes on in a suspend and the
        queue's does not. False when this is to end."""
        due = min((target.due for target in list(self._targets.values())), default=math.inf)
        return self._hear(min(1.0, max(0.0, due - self._now())))

    def _hear(self, wait: float) -> bool:
        """Take what is told, of which the first may be waited for so long; False when this is to end."""
        try:
            command = self._told.get(timeout=wait)
            while True:
                if command is None:
                    return False
                command()
                command = self._told.get_nowait()
        except queue.Empty:
            return True

    def _strike_due(self) -> None:
        moment = self._now()
        for group, target in list(self._targets.items()):
            if target.due <= moment:
                target.again, target.pace = moment + target.pace, min(2 * target.pace, SLOWEST)
                self._strike(group, target)

    def _strike(self, group: str, target: _Target) -> None:
        for descriptor in target.descriptors.values():
            try:
                self._kernel.send(descriptor, signal.SIGKILL)
            except OSError:
                # It is dead, or the process manager tells why it is not.
                continue
        if not self._hear(0.0):
            self._told.put(None)
            return
        # What is in the cgroup by now may be of another term.
        if self._cgroups is not None and target.by_now(self._now()):
            try:
                # After those that are known: what cgroups there are is under one lock of the kernel, which others may hold.
                self._cgroups.kill(group)
            except OSError:
                # As above.
                return
