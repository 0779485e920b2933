"""The requests of chain loaders: to be registered before they execute their programs, and to report why they do not.

A loader is a child of supervisord that may run as any user. It is believed as far as the kernel says who it is, and what the
scans of the groups have seen of it.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Optional

from supervisor_zkelect.guard import door, protocol
from supervisor_zkelect.guard.guard import Guard
from supervisor_zkelect.guard.registration import First, Secrets
from supervisor_zkelect.processes import cgroup, execution, proc
from supervisor_zkelect.processes.manager import ProcessManager

log = logging.getLogger(__name__)

Answer = Callable[[door.Peer, Dict[str, Any]], None]


class ProgramRegistrations:
    """Registers programs. supervisord: its process. secrets: by which what belongs to a program is known. answer: answers a peer.
    mend: has the runtime folder kept, and tells whether something was put back in it."""

    def __init__(
        self, supervisord: proc.Process, guard: Guard, manager: ProcessManager, cgroups: Optional[cgroup.Cgroups],
        secrets: Secrets, answer: Answer, mend: Callable[[], bool],
    ) -> None:
        self._supervisord = supervisord
        self._guard = guard
        self._manager = manager
        self._cgroups = cgroups
        self._secrets = secrets
        self._answer = answer
        self._mend = mend
        self._first = First()

    def on_run(self, peer: door.Peer, message: protocol.Run) -> None:
        """Register a program, move it into its group's cgroup, and give it its secret."""
        if door.hung_up(peer.connection):
            # It did not wait any longer, and comes again if it has to.
            return
        process, trouble = self._program_of(peer, message.group), ""
        if process is None:
            self._answer(peer, {"ok": False, "error": "no grant"})
            return
        try:
            users = proc.uids(peer.pid) | {peer.uid}
        except OSError:
            # Nothing can be read just now. Without an answer it asks again.
            return
        self._first.count(process)
        if not self._guard.may_run(message.group, _told(message.name), peer.pid, process.start):
            self._answer(peer, {"ok": False, "error": "no grant"})
            return
        self._first.enter(process, message.group)
        handle = self._manager.group(message.group)
        # Before it is answered: whatever it is from then on may be gone before a scan has seen it.
        handle.runs_as(users)
        if self._cgroups is not None:
            try:
                self._cgroups.add(message.group, peer.pid)
            except OSError as error:
                trouble = f"no cgroup: {error.strerror}"
            if proc.find(*process.identity) is None:
                self._let_out(peer.pid)
                return
            if trouble:
                handle.stray()
        # What follows from it may be nowhere else than in the program's environment.
        self._answer(peer, {"ok": True, "error": trouble, "secret": self._secrets(message.group, peer.uid)})

    def _let_out(self, pid: int) -> None:
        """What had this pid has ended, so that another one may have been moved, which would be killed with the group."""
        try:
            if self._cgroups is not None:
                self._cgroups.let_out(pid)
        except ProcessLookupError:
            # Nobody has it.
            return
        except OSError as error:
            log.error("process %d has the number of a program that ended, and cannot leave its cgroup: %s", pid, error.strerror)

    def on_refused(self, peer: door.Peer, message: protocol.RunRefused) -> None:
        """A chain loader ends instead of executing its program. "again" in the answer: it is worth another try."""
        process = self._program_of(peer, message.group)
        if process is None:
            self._answer(peer, {"ok": False, "error": "not a program of this supervisord"})
            return
        self._first.count(process)
        again = self._mend()
        if not again:
            self._guard.tell(protocol.ProgramRefused(message.group, _told(message.name), _told(message.reason)))
        self._answer(peer, {"ok": True, "again": again})

    def _program_of(self, peer: door.Peer, group_name: str) -> Optional[proc.Process]:
        """The process that connected, if supervisord has started it, and it is no other group's as far as anybody has seen.

        What registers brings its process group and its session with it (`Kinship.tree`), which an orphan may share with anybody.
        """
        process = peer.process
        current = None if process is None else proc.find(*process.identity)
        if current is None or not current.started_by(self._supervisord):
            return None
        mine = self._manager.whose(current) in ("", group_name) and self._first.may(current, group_name)
        return current if mine else None


def _told(text: str) -> str:
    """Text from a loader, fit for a log."""
    return execution.one_line(text, execution.REASON_LENGTH)
