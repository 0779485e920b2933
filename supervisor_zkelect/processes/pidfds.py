"""A pidfd of each process that is watched: its end is told at once, and it is killed by it."""

from __future__ import annotations

import itertools
import resource
from typing import Collection, Dict, FrozenSet, Mapping, Optional, Set, Tuple

from supervisor_zkelect.processes.census import Found
from supervisor_zkelect.processes.kernel import Kernel, Poller
from supervisor_zkelect.processes.proc import Process
from supervisor_zkelect.processes.striking import Striker

Identity = Tuple[int, int]

#: At most this many processes of a group that are no members are watched by a pidfd each; others are found dead by scans.
WATCHED = 256
#: The share of this process's limit of descriptors that pidfds may take, but for those of members.
WATCHED_SHARE = 0.5


class Pidfds:
    """Those of the groups' processes. The striker has each as well, and closes it."""

    def __init__(self, kernel: Kernel, watching: Poller, striker: Striker) -> None:
        self._kernel, self._watching, self._striker = kernel, watching, striker
        self._watched: Dict[int, Tuple[str, Process]] = {}
        self._groups: Dict[str, Dict[Identity, int]] = {}
        self._most = int(WATCHED_SHARE * resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    def of(self, group: str) -> Mapping[Identity, int]:
        """Those of a group, by `Process.identity`."""
        return self._groups.setdefault(group, {})

    def pids(self, group: str) -> Set[int]:
        # Other threads ask too; a copy is made in one step.
        return {pid for pid, _ in list(self.of(group))}

    def follow(self, group: str, found: Optional[Found], ended: FrozenSet[Identity] = frozenset()) -> None:
        """Have one of each member, of others that live as far as there is room, and of nobody else but those that ended.

        Raises OSError where one cannot be had.
        """
        members = {process.identity: process for process in (found.members if found is not None else ())}
        others = (process for process in (found.living if found is not None else ()) if process.identity not in members)
        wanted = {**members, **{process.identity: process for process in itertools.islice(others, WATCHED)}}
        for identity in set(self.of(group)) - set(wanted) - ended:
            self._drop(group, identity)
        for process in wanted.values():
            # Without one of each member the lease is not extended: what may be had is for them (`ProcessManager.trouble`).
            if process.identity in members or len(self._watched) < self._most:
                self.watch(group, process)

    def watch(self, group: str, process: Process) -> bool:
        """Whether there is one of it."""
        own = self._groups.setdefault(group, {})
        if process.identity in own:
            return True
        pidfd = self._kernel.pidfd(process)
        if pidfd is None:
            return False
        try:
            self._watching.watch(pidfd)
        except OSError:
            self._kernel.close(pidfd)
            raise
        own[process.identity] = pidfd
        self._watched[pidfd] = (group, process)
        self._striker.hold(group, process.identity, pidfd)
        return True

    def ended(self, group: str, living: Collection[Process]) -> FrozenSet[Identity]:
        """Those that ended after the poll of this turn. The next one tells, when orders that came before have been obeyed.
        """
        alive = {process.identity for process in living}
        gone = [pidfd for identity, pidfd in self.of(group).items() if identity not in alive]
        return frozenset(self._watched[pidfd][1].identity for pidfd in self._watching.ended(gone))

    def take(self, pidfd: int) -> Optional[Tuple[str, Process]]:
        """The group and the process that has ended, which is watched no more."""
        if pidfd not in self._watched:
            return None
        group, process = self._watched[pidfd]
        self._drop(group, process.identity)
        return group, process

    def _drop(self, group: str, identity: Identity) -> None:
        pidfd = self._groups[group].pop(identity)
        del self._watched[pidfd]
        self._watching.unwatch(pidfd)
        # Who kills by it closes it.
        self._striker.drop(group, identity)
