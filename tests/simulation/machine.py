"""A node's machine: supervisord, the service that it runs, and what lies on the disk.

supervisord is slow, hangs, restarts what died, and carries out late what it was asked while it hung. A service takes its
time to stop, leaves children behind that outlive it, and passes through the chain loader before it lives.
"""

from __future__ import annotations

import json
import math
from typing import Any, Callable, Dict, List, Optional

from supervisor_zkelect.guard import record
from supervisor_zkelect.loader import run
from supervisor_zkelect.supervisord.client import Unreachable
from supervisor_zkelect.supervisord.eventstream import SupervisordEvent
from tests.simulation.world import Flag, Process, World

GROUP, PROGRAM = "primary", "orders"
STARTSECS, RETRIES = 1.0, 3
LINGERS = 0.25
"""Seconds that a lingering service takes to be gone."""
SIGKILL, SIGTERM = 9, 15
NO_GROUP = {"faultCode": 10, "faultString": "BAD_NAME"}
CALL_LIMIT = 5.0
"""Seconds that a call to supervisord may take (supervisord.Supervisord)."""


class Disk:
    """The runtime folder. It outlives every process."""

    def __init__(self) -> None:
        self.owner: Optional[record.Owner] = None
        self.entries: Dict[str, record.Entry] = {}
        self.saved: Any = None
        self.broken = False  # nothing can be written
        self.seen, self.doubted = -math.inf, False  # as the guard shows them
        self.lock_holders: List[Process] = []
        self.told: Callable[[Optional[record.Entry], record.Entry], None] = lambda before, after: None  # of each entry

    def saved_by(self, owner: record.Owner) -> Any:
        """The saved session, if it is of this supervisord."""
        return self.saved if self.saved is not None and self.saved.owner == owner else None

    def take_lock(self, process: Process) -> bool:
        self.lock_holders = [one for one in self.lock_holders if one.alive]
        if self.lock_holders:
            return False
        self.lock_holders = [process]
        return True

    def give_lock_back(self, process: Process) -> None:
        self.lock_holders = [one for one in self.lock_holders if one is not process]

    def put(self, entry: record.Entry) -> None:
        before, self.entries[entry.group] = self.entries.get(entry.group), entry
        self.told(before, entry)

    def read(self, owner: record.Owner) -> List[record.Entry]:
        """The record, as its readers get it."""
        return list(self.entries.values()) if self.owner == owner else []


class Book:
    """What writes the record (record.Writer)."""

    def __init__(self, disk: Disk, owner: record.Owner) -> None:
        self._disk, self._owner = disk, owner
        disk.owner, disk.entries = None, {}

    def open(self) -> None:
        self._disk.owner = self._owner

    def make_room(self, room: int) -> None:
        return

    def put(self, entry: record.Entry) -> None:
        if self._disk.broken:
            raise OSError("Input/output error")
        self._disk.put(entry)

    def beat(self, moment: float) -> None:
        if self._disk.broken:
            raise OSError("Input/output error")
        self._disk.seen = moment

    def doubt(self, doubtful: bool) -> None:
        self._disk.doubted = doubtful


class Service(Process):
    """One process of the service, from its fork. It is loading until the chain loader lets it live."""

    def __init__(self, world: World, machine: Machine, tied: bool, parent: Process, pid: int, session: int) -> None:
        super().__init__(world, machine.name, machine.clock)
        self.machine = machine
        self.parent, self.pid, self.session = parent, pid, session
        self.executed = False  # since its fork
        self.living = False
        self.doomed = False  # killed, and not gone: it runs nothing any more, and is not proven dead
        self.tied = tied  # it dies with supervisord
        self.token = 0
        self.struck = False  # by SIGKILL

    def die(self, after: float) -> None:
        self.after(after, self._end)

    def signal(self, number: int) -> None:
        if number == SIGKILL and not self.struck:
            self.struck = True
            self.machine.tell_struck()
            self.die(LINGERS if self.machine.lingering else self.world.delay(0.002, 0.05))
        elif number == SIGTERM and not self.machine.obstinate:
            self.die(self.world.delay(0.05, 2.0))

    def _end(self) -> None:
        if self.machine.undying and self.living:
            self.doomed = True
            self.after(0.2, self._end)
            return
        self.kill()
        if self.living:
            self.machine.tell("the service has ended" if self.tied else "a process that the service left has ended")
        self.machine.ended(self)


class Machine:
    """`started` is called when a process of the service begins to live."""

    def __init__(self, world: World, name: str, rate: float, started: Callable[[Machine, Service], None]) -> None:
        self.world, self.name = world, name
        self.rate, self.offset = rate, world.random.uniform(0, 1000)
        self.disk = Disk()
        self.services: List[Service] = []
        self.zombies: List[Service] = []  # that supervisord has not reaped
        self.on_end: List[Callable[[], None]] = []  # called when a process has ended
        self.sick = False
        self.unfit = False
        self.unfit_since: Optional[float] = None  # when its check `fit` was first seen to fail since it last passed
        self.undying = False  # its processes wait for a disk, and no signal reaches them
        self.registered: Callable[[int], Optional[bool]] = lambda pid: True  # what the guard tells a loader, None for nothing
        self.obstinate = False  # the service does not care for SIGTERM
        self.crashing = False  # it ends soon after it began
        self.lingering = False  # a killed one takes its time to be gone
        self.forking = False  # it leaves a process behind each time, and not only now and then
        self.supervisord: Optional[Supervisord] = None
        self._started = started
        self._pids = 5_000_000  # more than a pid of this machine can be
        self._struck_at = -1.0

    def tell(self, what: str) -> None:
        self.world.tell(self.name, what)

    def clock(self) -> float:
        return self.offset + self.world.now * self.rate

    def true_time(self, moment: float) -> float:
        """When this machine's clock shows `moment`."""
        return (moment - self.offset) / self.rate

    def true(self, seconds: float) -> float:
        """Seconds of this machine's clock in true seconds."""
        return seconds / self.rate

    def pid(self) -> int:
        self._pids += 1
        return self._pids

    @property
    def living(self) -> List[Service]:
        """Those that run the service."""
        return [one for one in self.services if one.living and not one.doomed]

    def fork(self, parent: Supervisord, pid: int) -> Service:
        owner = parent.owner
        self.tell("supervisord starts the program")
        service = Service(self.world, self, True, parent, pid, owner.pid)
        self.services.append(service)
        until = self.clock() + run.REGISTER_TIME
        service.after(self.world.delay(0.01, 0.1), self._load, service, owner, pid, until)
        return service

    def _load(self, service: Service, owner: record.Owner, pid: int, until: float) -> None:
        """The chain loader: it looks, registers, looks again, and becomes the program."""
        service.executed = True
        registered = not self._refused(owner) and self.registered(pid)
        if registered is None and self.clock() < until:
            service.after(run.AWAY_PACE, self._load, service, owner, pid, until)
        elif not registered:
            self.tell("the loader refuses to run the program")
            service.die(0.0)
        else:
            service.after(self.world.delay(0.002, 0.1), self._execute, service, owner)

    def _refused(self, owner: record.Owner) -> bool:
        entries = [one for one in self.disk.read(owner) if one.group == GROUP]
        return not entries or bool(run.forbidden(entries[0], self.clock()))

    def _execute(self, service: Service, owner: record.Owner) -> None:
        if self._refused(owner):
            self.tell("the loader refuses to run the program")
            service.die(0.0)
            return
        # No time passes between the last look and this, or the guard's scan would find the loader.
        service.token = self.disk.entries[GROUP].token
        service.living = True
        self._started(self, service)
        if self.world.random.random() < 0.3 or self.forking:
            pid = self.pid()
            child = Service(self.world, self, False, service, pid, pid)
            child.living = child.executed = True
            child.token = service.token
            self.services.append(child)
        if self.crashing:
            service.die(self.world.delay(0.02))

    def kill_services(self) -> None:
        for service in self.services:
            service.signal(SIGKILL)

    def tell_struck(self) -> None:
        if self._struck_at != self.world.now:
            self._struck_at = self.world.now
            self.tell("SIGKILL to the group")

    def ended(self, service: Service) -> None:
        if service in self.services:
            self.services.remove(service)
            if self.supervisord is not None and self.supervisord.main is service and self.supervisord.alive:
                self.zombies.append(service)
                self.supervisord.child_ended()
            self.look_around()

    def fit(self) -> bool:
        """Whether its check `fit` passes, which is asked now."""
        if not self.unfit:
            self.unfit_since = None
        elif self.unfit_since is None:
            self.unfit_since = self.world.now
        return not self.unfit

    def look_around(self) -> None:
        """A process has ended: have those look who watch for that."""
        for told in self.on_end:
            told()


class Supervisord(Process):
    """One life of a supervisord, and the state of its one program."""

    def __init__(self, world: World, machine: Machine, owner: record.Owner) -> None:
        super().__init__(world, machine.name, machine.clock)
        self.machine, self.owner = machine, owner
        self.state = "STOPPED"
        self.main: Optional[Service] = None
        self.main_pid = 0
        self.retries = 0
        self.born = 0.0
        self.listener: Any = None  # takes its events
        self.on_death: List[Callable[[], None]] = []
        self._unreaped = False

    def kill(self) -> None:
        """With it dies what the loader tied to it."""
        super().kill()
        for service in self.machine.services:
            if service.tied:
                service.die(0.0005)
        self.machine.zombies.clear()
        for told in self.on_death:
            told()
        self.machine.look_around()

    # Calls

    def call(self, method: str, *arguments: Any, timeout: float = CALL_LIMIT) -> Any:
        """As supervisord.Supervisord.call; the calling thread waits."""
        answered, answer = Flag(self.world), []

        def carry_out() -> None:
            self.loop()
            answer.append(getattr(self, method.partition(".")[2])(*arguments))
            answered.set()

        self.after(self.world.delay(0.002, 0.05), carry_out)
        if not answered.wait(timeout):
            raise Unreachable("it does not answer")
        return answer[0]

    def getAllConfigInfo(self) -> List[Dict[str, Any]]:
        program = {"group": GROUP, "name": PROGRAM, "inuse": True, "autostart": False, "uid": 0, "startsecs": STARTSECS,
                   "stopwaitsecs": self.machine.stopwaitsecs, "command": "zkelect run -- orders", "killasgroup": False}
        own = {"group": "zkelect", "name": "zkelect", "inuse": True, "autostart": True, "uid": 0, "startsecs": 1,
               "stopwaitsecs": 30, "command": "zkelect listen"}
        return [program, own]

    def getState(self) -> Dict[str, Any]:
        return {"statename": "RUNNING"}

    def getAllProcessInfo(self) -> List[Dict[str, Any]]:
        return [{"group": GROUP, "name": PROGRAM, "statename": self.state, "pid": self.main_pid, "spawnerr": ""}]

    def getProcessEnds(self, groups: List[str]) -> str:
        return json.dumps([[[PROGRAM, None, None, "", "", "zkelect run -- service", 0]] for _ in groups])

    def startProcessGroups(self, groups: List[str]) -> str:
        return json.dumps([self._start(group) if group == GROUP else NO_GROUP for group in groups])

    def _start(self, group: str) -> Dict[str, Any]:
        items = [[one["name"], one["status"], one["description"]] for one in self.startProcessGroup(group, False)]
        return {"started": items, "states": self._states()}

    def getProcessStates(self, groups: List[str]) -> str:
        return json.dumps([self._states() if group == GROUP else NO_GROUP for group in groups])

    def _states(self) -> List[List[Any]]:
        return [[PROGRAM, self.state, self.main_pid, ""]]

    def startProcessGroup(self, group: str, wait: bool) -> List[Dict[str, Any]]:
        if self.state in ("STOPPED", "EXITED", "FATAL"):
            self.retries = 0
            self._spawn()
        return [{"name": PROGRAM, "status": 80, "description": "OK"}]

    def stopProcessGroup(self, group: str, wait: bool) -> List[Dict[str, Any]]:
        if self.state in ("STARTING", "RUNNING"):
            self._become("STOPPING")
            self.machine.tell("the group is asked to stop")
            service = self.main
            if service is not None and not self.machine.obstinate:
                service.die(self.world.delay(0.05, 2.0))
            return [{"name": PROGRAM, "status": 80, "description": "OK"}]
        if self.state == "BACKOFF":
            self._become("STOPPED")
            return [{"name": PROGRAM, "status": 80, "description": "OK"}]
        return []

    # Its loop

    def thaw(self) -> None:
        """Often it restarts what has died before it reads what it was asked meanwhile (FACTS.md)."""
        if self.world.random.random() < 0.5:
            self._kept.insert(0, (self.loop, ()))
        super().thaw()

    def _become(self, state: str) -> None:
        self.state = state
        listener = self.listener
        if listener is not None:
            fields = {"groupname": GROUP, "processname": PROGRAM, "pid": str(self.main_pid)}
            listener.after(self.world.delay(0.001), listener.hear, SupervisordEvent(f"PROCESS_STATE_{state}", fields))

    def _spawn(self) -> None:
        if self.main is None:
            self.main_pid, self.born = self.machine.pid(), self.world.now
            self.main = self.machine.fork(self, self.main_pid)
            self._become("STARTING")
            self.after(STARTSECS, self._stayed, self.main)

    def _stayed(self, service: Service) -> None:
        if self.main is service and self.state == "STARTING" and service.alive:
            self._become("RUNNING")

    def child_ended(self) -> None:
        """It takes notice when its loop turns: once a second, or with the next call."""
        self._unreaped = True
        self.after(self.world.random.uniform(0.0, 1.0), self.loop)

    def loop(self) -> None:
        if not self._unreaped:
            return
        self._unreaped, self.main = False, None
        self.machine.zombies.clear()
        if self.state == "STOPPING":
            self._become("STOPPED")
        elif self.state == "RUNNING":
            self._become("EXITED")
            self._spawn()
        elif self.state == "STARTING":
            self.retries += 1
            self._become("BACKOFF" if self.retries <= RETRIES else "FATAL")
            if self.state == "BACKOFF":
                self.after(self.retries, self._again)
        self.main_pid = 0 if self.main is None else self.main_pid

    def _again(self) -> None:
        if self.state == "BACKOFF":
            self._spawn()
