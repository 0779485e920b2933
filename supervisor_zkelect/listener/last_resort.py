"""Kills groups that no guard kills, by means that were taken before, since then none may be had.

A guard that dies may leave a machine on which no thread, process or descriptor is to be had for another, and the leases
that it enforced go on; one that stands still may not even die. Then the listener's deciding thread ends them
(`enforcement.py`). It does so with descriptors that it took beforehand: of each group the file `cgroup.kill` of its cgroup, and
a pidfd of each of its programs; and the record, for a grant that is to be revoked. A lease for which one of them cannot be had
is not extended. What else belongs to a group is looked for in /proc, if that can be read, as often as it takes: on a thread of
its own, had beforehand as well, since how long a look takes is up to whoever has processes on the machine.

Nothing is proven here, so nothing is released: that is left to the guard that comes.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import queue
import select
import signal
import threading
from typing import Callable, Dict, FrozenSet, List, Optional, Set, Tuple

from supervisor_zkelect.core import paced
from supervisor_zkelect.guard import record, registration
from supervisor_zkelect.processes import cgroup, proc
from supervisor_zkelect.processes.census import Census, Look, SupervisordIdentity
from supervisor_zkelect.system import reserve
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

PACE = 0.02
"""Seconds between two rounds of a kill at least."""

COMPLAINT_PACE = 5.0
"""Seconds between two lines about the same."""

REST = 4
"""How many times as long as a round took the next for the same group waits at least, so that it leaves time for everything
else."""


class _Means:
    """The means to kill one group.

    programs: pidfds by `proc.Process.identity`. wanted: pids of programs that have none yet. known: the programs, for a scan.
    caged: whether its cgroup can be killed.
    """

    def __init__(self) -> None:
        self.caged = False
        self.programs: Dict[Tuple[int, int], int] = {}
        self.wanted: Set[int] = set()
        self.known: Set[proc.Process] = set()


class _Kin:
    """Kills what is kin to groups' programs, on a thread of its own, which all but `ask`, `forget`, `begin` and `end` run on."""

    def __init__(self) -> None:
        self._told: queue.SimpleQueue[Callable[[], bool]] = queue.SimpleQueue()
        #: what is to be looked for, and not before when, by group
        self._wanted: Dict[str, Tuple[FrozenSet[proc.Process], Census]] = {}
        self._rests: Dict[str, float] = {}
        self._known: Dict[str, Set[proc.Process]] = {}
        self._claimed: Dict[str, Set[proc.Process]] = {}
        self._complain = _Complaints()
        self._thread = threading.Thread(target=self._run, name="zkelect-kin", daemon=True)

    def begin(self) -> None:
        """Start the thread, unless it runs. Raises RuntimeError where none can be started."""
        if not self._thread.is_alive():
            self._thread.start()

    def end(self) -> None:
        """End the thread, and wait for it."""
        self._told.put(lambda: False)
        if self._thread.is_alive():
            self._thread.join()

    def ask(self, name: str, known: FrozenSet[proc.Process], census: Census) -> None:
        """Kill what is of the group, once. Asked again meanwhile, it is done once for all."""
        self._told.put(functools.partial(self._want, name, known, census))

    def spare(self, name: str) -> None:
        """The group is started anew: what was to be looked for is over, and whoever is found from now on is not meant."""
        self._told.put(functools.partial(self._drop, name))

    def forget(self) -> None:
        """A guard is there, so that whoever is found from now on is none of this thread's business."""
        self._told.put(self._forget)

    def _want(self, name: str, known: FrozenSet[proc.Process], census: Census) -> bool:
        self._wanted[name] = known, census
        return True

    def _drop(self, name: str) -> bool:
        self._wanted.pop(name, None)
        return True

    def _forget(self) -> bool:
        self._wanted.clear()
        return True

    def _run(self) -> None:
        while True:
            try:
                if not self._turn():
                    return
            except Exception as error:
                try:
                    reserve.spend()
                    self._complain("processes cannot be listed", error)
                except MemoryError:
                    continue

    def _turn(self) -> bool:
        """Take what is told, until a group is to be looked for; False when this is to end."""
        due = min((self._rests.get(name, -math.inf) for name in self._wanted), default=math.inf)
        if not self._hear(None if due == math.inf else max(0.0, due - now())):
            return False
        began = now()
        ready = {name for name in self._wanted if self._rests.get(name, -math.inf) <= began}
        looks: Dict[Census, Look] = {}
        for name in ready:
            # Set first, since nothing may be had for what follows.
            self._rests[name] = began + PACE
            census = self._wanted[name][1]
            if census not in looks:
                census.gone = not proc.alive(census.supervisord)
                looks[census] = census.look()
        # Whoever was found was there before a guard was, unless that is told by now.
        if not self._hear(0.0):
            return False
        for name in ready & self._wanted.keys():
            # What was asked anew with another guard's means waits for a look by those.
            if self._wanted[name][1] in looks:
                known, census = self._wanted.pop(name)
                self._kill(name, known, census, looks[census])
        rest = now() + REST * (now() - began)
        for name in ready:
            self._rests[name] = rest
        return True

    def _hear(self, wait: Optional[float]) -> bool:
        """Take what is told, of which the first may be waited for so long; False when this is to end."""
        try:
            told = self._told.get(timeout=wait)
            while told():
                told = self._told.get_nowait()
        except queue.Empty:
            return True
        return False

    def _kill(self, name: str, known: FrozenSet[proc.Process], census: Census, look: Look) -> None:
        former = self._known.get(name, set())
        found = census.find(name, known | former, look, self._claimed.get(name, set()))
        self._known[name], self._claimed[name] = found.known, found.claimed
        killed: List[int] = []
        for process in found.living:
            try:
                if proc.kill(process):
                    killed.append(process.pid)
            except PermissionError as error:
                self._complain(f"group {name}: process {process.pid} cannot be killed", error)
        if killed:
            log.warning("group %s: no guard has killed it in time; killed pids %s", name, " ".join(map(str, sorted(killed))))


class _Complaints:
    """Says the same once in COMPLAINT_PACE; kills come fifty times a second."""

    def __init__(self) -> None:
        self._said = paced.Paced(1, COMPLAINT_PACE)

    def __call__(self, what: str, error: BaseException) -> None:
        line = self._said.line(f"{what}: {error}", what, now())
        if line:
            log.error("%s", line)


class LastResort:
    """All methods run on one thread, wait for nobody, and raise nothing for want of a descriptor or of memory.

    folder: the runtime folder. owner: the supervisord whose programs they are. url: its SUPERVISOR_SERVER_URL. identity: as
    the listener saw it when it began.
    """

    def __init__(self, folder: str, owner: record.Owner, url: str, identity: SupervisordIdentity) -> None:
        self._identity = identity
        self._folder = folder
        self._owner = owner
        self._url = url
        self._record = -1
        self._cgroups: Optional[cgroup.Cgroups] = None
        self._census: Optional[Census] = None
        self._groups: Dict[str, _Means] = {}
        self._kin = _Kin()
        self._complain = _Complaints()
        self.trouble = ""
        """What could not be had, "" when everything is there."""

    def arm(self, cgroups: str) -> None:
        """Take what all groups need; a guard has just made it. cgroups: the folder of its cgroups, "" where it has none."""
        self._kin.forget()
        self._close(self._record)
        self._record = -1
        try:
            if self._cgroups is not None:
                self._cgroups.close()
            self._cgroups = cgroup.Cgroups(cgroups) if cgroups else None
            secrets = registration.secrets_of(registration.read(self._folder))
            instance = record.instance(self._owner)
            self._census = Census(self._owner.pid, self._url, instance, self._identity, secrets)
            self._census.groups = self._groups
        except (OSError, MemoryError) as error:
            log.warning("cannot tell which processes belong to a group: %s", error)
        for means in self._groups.values():
            means.caged = False
        self.complete()

    def know(self, name: str, pid: int) -> None:
        """A program of the group runs, or is about to, under this pid."""
        self._groups.setdefault(name, _Means()).wanted.add(pid)
        self._take(name)

    def complete(self) -> bool:
        """Whether everything is there; what is missing is tried again."""
        self.trouble = "" if reserve.keep() else "no descriptors or no memory to spare"
        try:
            self._kin.begin()
        except RuntimeError as error:
            self.trouble = f"no thread: {error}"
        path = os.path.join(self._folder, record.RECORD)
        if self._record >= 0 and not record.is_at(self._record, path):
            # The guard has made it anew, as somebody removed it.
            self._close(self._record)
            self._record = -1
        if self._record < 0:
            try:
                self._record = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                # The guard could not make one either, so no program starts.
                pass
            except OSError as error:
                self.trouble = f"the record: {error.strerror}"
        for name, means in self._groups.items():
            if means.wanted or (self._cgroups is not None and not means.caged):
                # A program tells of itself before it is moved into a cgroup, which may have to be made.
                self._take(name)
        return not self.trouble

    def _take(self, name: str) -> None:
        means = self._groups[name]
        try:
            self._cage(name, means)
            self._forget_ended(means)
            for pid in list(means.wanted):
                process = proc.read(pid)
                if process is not None and process.ppid == self._owner.pid and not process.gone:
                    descriptor = None if process.identity in means.programs else proc.pidfd(process)
                    if descriptor is not None:
                        means.programs[process.identity] = descriptor
                        means.known.add(process)
                means.wanted.discard(pid)
        except (OSError, MemoryError) as error:
            self.trouble = f"group {name}: {getattr(error, 'strerror', '') or 'no memory'}"

    def _cage(self, name: str, means: _Means) -> None:
        means.caged = False
        if self._cgroups is not None:
            try:
                self._cgroups.hold(name)
                means.caged = True
            except FileNotFoundError:
                # Not made yet, or the kernel is older than 5.14.
                return

    def _forget_ended(self, means: _Means) -> None:
        poller = select.poll()
        for descriptor in means.programs.values():
            poller.register(descriptor, select.POLLIN)
        ended = {descriptor for descriptor, _ in poller.poll(0)}
        for identity, descriptor in list(means.programs.items()):
            if descriptor in ended:
                del means.programs[identity]
                os.close(descriptor)
        means.known = {process for process in means.known if process.identity in means.programs}

    def spare(self, name: str) -> None:
        """The group is about to be started anew: no kill that waits may meet it."""
        self._kin.spare(name)

    def revoke(self, name: str) -> None:
        """Make the chain loader refuse the group's programs, which supervisord may start again."""
        if self._record < 0:
            return
        try:
            # It names nobody while a guard begins.
            first = record.unpack(os.pread(self._record, record.BLOCK, 0))
            head = record.Head.of_strings(first) if first else None
            if head is None or head.owner != self._owner:
                return
            for index in range(1, head.room + 1):
                strings = record.unpack(os.pread(self._record, record.BLOCK, index * record.BLOCK))
                entry = record.Entry.of_strings(strings) if strings else None
                if entry is not None and entry.group == name and entry.granted:
                    os.pwrite(self._record, record.pack(entry.revoke().strings()), index * record.BLOCK)
        except (OSError, MemoryError, record.RecordError, ValueError, TypeError) as error:
            self._complain(f"group {name}: its grant cannot be revoked", error)

    def kill(self, name: str) -> float:
        """Kill what is of the group; returns when that is to be done again, by the clock."""
        means = self._groups.setdefault(name, _Means())
        self._strike(name, means)
        if self._census is not None:
            self._kin.ask(name, frozenset(means.known), self._census)
        return now() + PACE

    def _strike(self, name: str, means: _Means) -> None:
        """By what is there already."""
        for (pid, _), descriptor in means.programs.items():
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except OSError as error:
                self._complain(f"group {name}: process {pid} cannot be killed", error)
        if self._cgroups is not None:
            try:
                self._cgroups.kill(name)
            except OSError as error:
                self._complain(f"group {name}: its cgroup cannot be killed", error)

    def close(self) -> None:
        """End its thread. Nothing more is killed."""
        self._kin.end()

    @staticmethod
    def _close(descriptor: int) -> None:
        if descriptor >= 0:
            os.close(descriptor)
