"""The kernel of a model machine, and the product's process manager over it, in virtual time."""

from __future__ import annotations

import math
from typing import Any, Callable, Collection, Dict, FrozenSet, Iterable, List, Optional, Sequence, Set, Tuple

from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.census import Census
from supervisor_zkelect.processes.manager import ProcessManager
from supervisor_zkelect.supervisord import client
from tests.simulation.machine import GROUP, PROGRAM, Machine, Service, Supervisord
from tests.simulation.world import Pool, Process

URL, SECRET = "unix:///model", "secret"
SUPERVISORD, LOADER = b"supervisord\0", b"zkelect\0run\0"
NAMESPACES = ("pid", "mnt", "net")
FORKED = 0x00000040
"""PF_FORKNOEXEC."""


class Kernel:
    """As one process of the machine finds it: `processes.kernel.Kernel` and `Poller`. ring: called when it is to look."""

    def __init__(self, machine: Machine, ring: Callable[[], None]) -> None:
        self._machine, self.ring = machine, ring
        self._some_ended = False
        self._pidfds: Dict[int, proc.Process] = {}
        self._watched: Set[int] = set()
        self._serial = 0
        machine.on_end.append(self._look)

    def _look(self) -> None:
        self._some_ended = True
        self.ring()

    def table(self) -> Dict[int, proc.Process]:
        found = {service.pid: self._seen(service) for service in self._machine.services + self._machine.zombies}
        supervisord = self._machine.supervisord
        if supervisord.alive:
            found[supervisord.owner.pid] = self._seen_supervisord(supervisord)
        return found

    def _seen(self, service: Service) -> proc.Process:
        state, flags = ("S" if service.alive else "Z"), (0 if service.executed else FORKED)
        return proc.Process(service.pid, service.pid, _parent(service), service.pid, service.session, state, 1, flags, 0)

    def _seen_supervisord(self, supervisord: Supervisord) -> proc.Process:
        pid, start = supervisord.owner.pid, supervisord.owner.start
        return proc.Process(pid, start, 1, pid, pid, "S", 1, 0, 0)

    def _service(self, pid: int) -> Optional[Service]:
        for one in self._machine.services + self._machine.zombies:
            if one.pid == pid:
                return one
        return None

    def read(self, pid: int) -> Optional[proc.Process]:
        supervisord = self._machine.supervisord
        if supervisord.alive and supervisord.owner.pid == pid:
            return self._seen_supervisord(supervisord)
        service = self._service(pid)
        return None if service is None else self._seen(service)

    def alive(self, process: proc.Process) -> bool:
        found = self.read(process.pid)
        return found is not None and found.start == process.start and not found.gone

    def children(self, pid: int) -> Optional[Set[int]]:
        services = self._machine.services + self._machine.zombies
        return {one.pid for one in services if _parent(one) == pid}

    def cmdline(self, pid: int, most: Optional[int] = None) -> bytes:
        service = self._service(pid)
        if service is None or not service.executed:
            return SUPERVISORD[:most]
        return LOADER[:most]

    def has_environment(self, pid: int) -> bool:
        return True

    def variables(self, pid: int, names: Sequence[bytes], most: int) -> Tuple[Dict[bytes, bytes], Optional[int]]:
        service = self._service(pid)
        if service is None or not service.executed:
            return {}, 0 if service is None else 100
        told = {b"SUPERVISOR_GROUP_NAME": GROUP, b"SUPERVISOR_PROCESS_NAME": PROGRAM, b"SUPERVISOR_SERVER_URL": URL}
        if service.living:
            # It has registered.
            told[b"ZKELECT_SECRET"] = SECRET
        return {name: told[name].encode() for name in names if name in told}, 100

    def uids(self, pid: int) -> FrozenSet[int]:
        return frozenset((0,))

    def namespaces(self, pid: int) -> Tuple[str, ...]:
        return NAMESPACES

    def kill(self, process: proc.Process, sig: int) -> bool:
        service = self._service(process.pid)
        if service is None or not service.alive:
            return False
        service.signal(sig)
        return True

    def pidfd(self, process: proc.Process) -> Optional[int]:
        if self.read(process.pid) is None:
            return None
        self._serial += 1
        self._pidfds[self._serial] = process
        return self._serial

    def send(self, pidfd: int, sig: int) -> None:
        if not self.kill(self._pidfds[pidfd], sig):
            raise ProcessLookupError

    def close(self, pidfd: int) -> None:
        del self._pidfds[pidfd]

    def watch(self, pidfd: int) -> None:
        self._watched.add(pidfd)

    def unwatch(self, pidfd: int) -> None:
        self._watched.discard(pidfd)

    def ended(self, pidfds: Iterable[int]) -> List[int]:
        found = {pidfd: self.read(self._pidfds[pidfd].pid) for pidfd in pidfds}
        return [pidfd for pidfd, process in found.items() if process is None or process.gone]

    def wait(self, seconds: float) -> Collection[int]:
        """Those that have ended of the watched; nobody waits in virtual time."""
        some, self._some_ended = self._some_ended, False
        return self.ended(sorted(self._watched)) if some else ()


def _parent(service: Service) -> int:
    parent = service.parent
    return 1 if not parent.alive else parent.owner.pid if isinstance(parent, Supervisord) else parent.pid


class Calls(client.Supervisord):
    """The product's client of a model supervisord."""

    def __init__(self, supervisord: Supervisord) -> None:
        super().__init__(URL)
        self._model = supervisord

    def call(self, method: str, *args: Any, timeout: Optional[float] = None) -> Any:
        return self._model.call(method, *args, timeout=timeout or self.timeout)

    def wake(self) -> None:
        self._model.after(self._model.world.delay(0.001), self._model.loop)


class ManagerThread:
    """Takes the turns of a process manager, on a thread of `process`. post: takes its events."""

    def __init__(self, process: Process, machine: Machine, supervisord: Supervisord, post: Callable[[Any], None]) -> None:
        self._process, self._machine = process, machine
        self._rung = False
        self._wake_at = math.inf
        self._kernel = Kernel(machine, self._ring)
        self.manager = ProcessManager(
            Calls(supervisord), Census(supervisord.owner.pid, URL, secrets=lambda group, uid: SECRET, kernel=self._kernel), post,
            Pool(process, serial=False), process.clock, watching=self._kernel,
        )
        self.manager.groups.follow_supervisord()

    def _ring(self) -> None:
        if not self._rung and self._process.alive:
            self._rung = True
            self._process.after(0.0003, self._turn)

    def _turn(self) -> None:
        self._rung = False
        self.manager.turn(self._kernel.wait(0.0))
        due = self._process.world.now + self._machine.true(max(self.manager.rest(), 0.0005))
        if due < self._wake_at or self._wake_at <= self._process.world.now:
            self._wake_at = due
            self._process.after(due - self._process.world.now, self._woken, due)

    def _woken(self, due: float) -> None:
        if due == self._wake_at:
            self._turn()

