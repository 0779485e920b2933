"""The signals that end the processes of a group which supervisord has not ended."""

from __future__ import annotations

import errno
import logging
import signal
from typing import Iterable, Mapping, Optional, Set, Tuple

from supervisor_zkelect.processes.cgroup import Cgroups, Former
from supervisor_zkelect.processes.kernel import Kernel
from supervisor_zkelect.processes.pidfds import Pidfds
from supervisor_zkelect.processes.proc import Process
from supervisor_zkelect.processes.state import Attempts

log = logging.getLogger(__name__)


class Signals:
    """What was tried, and what came of it, is noted in `Attempts`."""

    def __init__(self, kernel: Kernel, pidfds: Pidfds, cgroups: Optional[Cgroups], former: Optional[Former]) -> None:
        self._kernel, self._pidfds, self._cgroups, self._former = kernel, pidfds, cgroups, former

    def known(self, group: str) -> Tuple[int, ...]:
        """The pids of those that can be killed without a scan."""
        return tuple(sorted(self._pidfds.pids(group)))

    def strike(self, group: str, attempts: Attempts) -> None:
        """Kill whoever is known already."""
        for pidfd in self._pidfds.of(group).values():
            try:
                self._kernel.send(pidfd, signal.SIGKILL)
            except OSError as failure:
                if failure.errno != errno.ESRCH:
                    log.error("group %s: %s", group, failure)
        self._kill_cgroup(group, attempts)

    def kill(self, group: str, attempts: Attempts, living: Iterable[Process]) -> None:
        """Kill these, and whoever is in the group's cgroup."""
        denied = []
        pidfds, living = self._pidfds.of(group), list(living)
        # It is for the log alone, and whoever forks for ever is not to be kept in memory.
        attempts.killed &= {process.identity for process in living}
        for process in living:
            try:
                self._kill(process, pidfds)
            except ProcessLookupError:
                continue
            except PermissionError:
                denied.append(process.pid)
            else:
                if process.identity not in attempts.killed:
                    attempts.killed.add(process.identity)
                    log.info("group %s: killed pid %d", group, process.pid)
        self._kill_cgroup(group, attempts)
        if set(denied) - set(attempts.denied):
            attempts.stuck_told = float("-inf")
        attempts.denied = tuple(sorted(denied))

    def _kill(self, process: Process, pidfds: Mapping[Tuple[int, int], int]) -> None:
        if process.identity in pidfds:
            self._kernel.send(pidfds[process.identity], signal.SIGKILL)
        else:
            self._kernel.kill(process, signal.SIGKILL)

    def _kill_cgroup(self, group: str, attempts: Attempts) -> None:
        """After those that are known: what cgroups there are is under one lock of the kernel, which others may hold."""
        try:
            if self._cgroups is not None:
                self._cgroups.kill(group)
            if self._former is not None:
                self._former.kill()
        except OSError as error:
            # They are killed one by one all the same.
            attempts.trouble = f"its cgroup cannot be killed: {error}"

    def terminate(self, attempts: Attempts, living: Iterable[Process], asked: Set[int]) -> None:
        """Ask those to stop whom nobody has asked, once. asked: process groups that supervisord has signalled."""
        for process in living:
            if process.identity in attempts.asked or process.pgrp in asked:
                continue
            attempts.asked.add(process.identity)
            try:
                self._kernel.kill(process, signal.SIGTERM)
            except PermissionError:
                # When it is to be killed that is told.
                continue
