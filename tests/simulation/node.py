"""A node: a model machine with the real listener, the real guard and the real release on it.

`install` puts virtual time and model clients where the product's modules look for the real ones: whoever plays schedules does it
in a process of its own, or puts back what was there.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import math
import tempfile
from typing import Any, Callable, Dict, List, Optional, Tuple

from supervisor_zkelect.checks import health
from supervisor_zkelect.config import load
from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.config.programs import check_groups
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core import messages
from supervisor_zkelect.core.state import State
from supervisor_zkelect.guard import effects, guard, keeper, link, protocol, record, release, saved_session
from supervisor_zkelect.guard.codec import Kinds
from supervisor_zkelect.guard.keeper_protocol import ANSWERS, KeeperEnded, SessionReleased
from supervisor_zkelect.listener import candidacy, events, last_resort, listener, lives
from supervisor_zkelect.processes import execution, group_events
from supervisor_zkelect.supervisord import eventstream
from supervisor_zkelect.zookeeper import (
    connect,
    holder,
    kazoo_internals,
    orders,
    pausing,
    proposal,
    queue,
    requests,
    server_clock,
    session,
    term,
)
from tests.simulation.client import Client, OneConnection
from tests.simulation.kernel import ManagerThread
from tests.simulation.machine import Book, Machine, Supervisord
from tests.simulation.world import Flag, Pipe, Pool, Process, World
from tests.simulation.zookeeper import Ensemble, Paths

SIGTERM, SIGUSR1 = 15, 10

PACE = 3.0
"""Seconds that a listener waits for events at most; in a listener of the product it is one."""

EPOCH = 1_700_000_000.0
"""When a simulation begins, seconds since 1970."""

WELCOME_TIME = 1.0
"""Seconds that a guard has to greet a listener (link.WELCOME_TIME)."""

CONFIG = """
[zkelect]
servers = model:2181
node_name = NODE
session_timeout = {asked}
tick_time = {tick}
backoff_min = 0.5
backoff_max = 5
[election:orders]
group = primary
address = NODE
election_znode = {paths.election}
election_ack = {paths.ack}
health_interval = 0.5
promote_timeout = {promote}
"""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all nodes of a schedule share. asked: the session timeout of the configuration, in seconds, as all times.

    grace: reattach_grace. fences: there is a fence command. promote: promote_timeout. priorities: of the nodes that have one.
    failback: as in the file, None for off. fits: whether nodes are asked if they are fit.
    """

    asked: float
    tick: float
    stopwaitsecs: float
    grace: float
    fences: bool
    promote: float
    paths: Paths
    priorities: Tuple[Tuple[str, int], ...] = ()
    failback: Optional[float] = None
    fits: bool = False


class _Check:
    """A health check: the service answers when it lives and is not sick."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def probe(self, timeout: float) -> health.Result:
        ok = bool(self._machine.living) and not self._machine.sick
        return health.Result(ok, "answered" if ok else "no answer", 0.001)


class _Fit:
    """The check `fit`: it passes where nothing is amiss with the machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def probe(self, timeout: float) -> health.Result:
        ok = self._machine.fit()
        return health.Result(ok, "ready" if ok else "no disk", 0.001)


class _Election(ElectionSettings):
    def health_check(self) -> Any:
        return _Check(_here().machine)

    def fit_check(self) -> Any:
        return _Fit(_here().machine) if self.fit != "none" else None


@functools.cache
def _loaded(text: str) -> Settings:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        return load.from_file(file.name, environ={})


@functools.cache
def _settings(text: str, fences: bool, node: str, priority: int, failback: Optional[float], fits: bool) -> Settings:
    loaded = _loaded(text)
    election = {
        **dataclasses.asdict(loaded.elections[0]), "address": node, "priority": priority, "failback": failback,
        "fit": "exec:fit" if fits else "none", "fit_interval": 0.5,
    }
    if fences:
        election["fence"] = ("fence",)
    return dataclasses.replace(loaded, file="zkelect.conf", node_name=node, elections=(_Election(**election),))


def settings_of(plan: Plan, node: str, priority: int) -> Settings:
    text = CONFIG.format(asked=plan.asked, tick=plan.tick, promote=plan.promote, paths=plan.paths)
    return _settings(text, plan.fences, node, priority, plan.failback, plan.fits)


# Where the product's modules find the model

_world: Optional[World] = None


def _here() -> Any:
    return _world.here


def _client_for(settings: Settings, attach: Any = None, timeout: Optional[float] = None, *limits: Any) -> Client:
    return _here().client(attach, timeout or settings.session_timeout)


def install(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """put: sets an attribute; one that is given may remember what was there."""
    def now() -> float:
        return _here().clock()

    for module in (holder, orders, pausing, proposal, queue, requests, server_clock, term, kazoo_internals, session, link, keeper, release):
        put(module, "now", now)
    put(connect, "client_for", _client_for)
    put(lives, "is_alive", lambda instance: _here().machine.supervisord.alive and instance == _here().listener.host.life.instance)
    put(saved_session, "load_surely", lambda folder, owner: _here().machine.disk.saved_by(owner))
    put(saved_session, "Store", lambda folder: _Store(_here().machine.disk))
    put(logging.root.manager, "disable", logging.CRITICAL)


class _Store:
    """Of the saved session (saved_session.Store)."""

    def __init__(self, disk: Any) -> None:
        self._disk = disk

    def save(self, value: saved_session.Saved) -> None:
        self._disk.saved = value

    def forget(self) -> None:
        self._disk.saved = None


class _Told(logging.Handler):
    """Puts the product's own log into the transcript."""

    def emit(self, entry: logging.LogRecord) -> None:
        if _world is not None and _world.here is not None:
            _world.tell(_world.here.name, f"  {type(_world.here).__name__}: {entry.getMessage()}")


def show_logs() -> None:
    logging.disable(logging.NOTSET)
    logging.getLogger().handlers[:] = [_Told()]
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("supervisor_zkelect.kazoo").propagate = False


# Processes of a node


class _OfNode(Process):
    def __init__(self, node: Node) -> None:
        super().__init__(node.world, node.name, node.machine.clock)
        self.node, self.machine = node, node.machine

    def client(self, attach: Optional[Tuple[int, bytes]], timeout: float, kind: Any = Client) -> Client:
        return kind(self, self.node.ensemble, self.node.pipe, attach, timeout)


class _Session(session.Session):
    def drop(self) -> None:
        self.client.dropped()

    def close(self) -> None:
        process = self.client.process
        owns = any(one.state.proposal for one in process.listener.candidacies)
        if process.machine.disk.saved is not None and not owns:
            process.world.broken("2: a session is ended, in which another listener may go on before that arrives")
        super().close()

    def beat(self, paths: Any) -> None:
        super().beat(paths)
        self._tell()

    def peek(self, path: str) -> None:
        super().peek(path)
        self._tell()

    def _tell(self) -> None:
        process = self.client.process
        process.node.promises.beating(process)


class _Host:
    """host.Host of a model."""

    def __init__(self, process: ListenerProcess, supervisord: Supervisord) -> None:
        self._process = process
        self.settings = process.settings
        self.pid, self.uid = id(process), 0
        self.group = self.process = "zkelect"
        self.owner, self.supervisord_uid = supervisord.owner, 0
        self.life = lives.here(supervisord.owner)._replace(machine=process.name)
        self.supervisord = _Calls(process, supervisord)

    def pool(self, size: int, name: str) -> Pool:
        return Pool(self._process, serial=size == 1)

    def now(self) -> float:
        return self._process.clock()

    def wall(self) -> float:
        return EPOCH + self._process.clock()

    def check_groups(self, settings: Settings, programs: List[Dict[str, Any]]) -> Findings:
        return check_groups(settings, programs, self.uid, self.supervisord_uid, self.group)

    def run(self, command: Any, until: float, variables: Any) -> execution.Ended:
        """The fence command: it takes its time, and fails now and then."""
        process = self._process
        world = process.world
        Flag(world).wait(world.delay(0.1, 2.0))
        token = int(variables["ZKELECT_OLD_TOKEN"])
        if world.random.random() < 0.3 or process.node.promises.fence_fails:
            return execution.Ended("exit status 1", 0, [], "")
        process.node.promises.fenced.add(token)
        return execution.Ended("exit status 0", 0, [], "")

    def history_copy(self, election: str) -> None:
        return None

    def serial(self) -> Pool:
        return Pool(self._process, serial=True)

    def aside(self, work: Callable[[], Any], seconds: float = 0.0) -> bool:
        done = Flag(self._process.world)

        def run() -> None:
            work()
            done.set()

        self._process.thread(run)
        return seconds > 0 and done.wait(seconds)

    def guard(self, post: Callable[[Any], None]) -> _Link:
        return _Link(self._process, post)

    def last_resort(self) -> _LastResort:
        return _LastResort(self._process)

    def session(self, post: Callable[[Any], None], attach: Any, timeout: Optional[float]) -> _Session:
        return _Session(self.settings, post, attach, timeout)

    def occupant(self) -> str:
        return ""

    def take_lock(self) -> bool:
        return self._process.machine.disk.take_lock(self._process)

    def give_lock_back(self) -> None:
        self._process.machine.disk.give_lock_back(self._process)

    def store(self) -> _Store:
        return _Store(self._process.machine.disk)

    def saved(self) -> Any:
        return self._process.machine.disk.saved_by(self.owner)

    def keep(self) -> None:
        return

    def keep_folder(self) -> str:
        return ""


class _LastResort:
    """last_resort.LastResort over a model machine, in which nothing is ever short."""

    trouble = ""

    def __init__(self, process: ListenerProcess) -> None:
        self._process = process

    def arm(self, cgroups: str) -> None:
        return

    def know(self, name: str, pid: int) -> None:
        return

    def spare(self, name: str) -> None:
        return

    def complete(self) -> bool:
        return True

    def revoke(self, name: str) -> None:
        disk = self._process.machine.disk
        entry = disk.entries.get(name)
        if disk.owner == self._process.supervisord.owner and entry is not None and entry.granted and not disk.broken:
            disk.put(entry._replace(granted=False, revoked=entry.revoked + 1))

    def kill(self, name: str) -> float:
        self._process.machine.kill_services()
        return self._process.clock() + last_resort.PACE


class _Calls:
    """supervisord.Supervisord, with the listener's own part of it."""

    def __init__(self, process: ListenerProcess, supervisord: Supervisord) -> None:
        self._process, self._supervisord = process, supervisord

    def call(self, method: str, *arguments: Any, timeout: float = 5.0) -> Any:
        if method == "zkelect.putReport":
            self._process.reported(arguments[0])
            orders, self._process.orders = self._process.orders, []
            return json.dumps(orders)
        if method == "zkelect.answer":
            self._process.machine.tell(f"the operator is told: {json.loads(arguments[1])['text']}")
            return True
        return self._supervisord.call(method, *arguments, timeout=timeout)


def _over_a_wire(kinds: Kinds, message: Any) -> Any:
    """A message as it arrives at the other end."""
    return kinds.decode(json.loads(kinds.encode(message)))


class _Link(link.Link):
    """link.Link, whose other end is in a process of the model."""

    def __init__(self, process: ListenerProcess, post: Callable[[Any], None]) -> None:
        self._process, self._post = process, post
        self._guard: Optional[GuardProcess] = None
        self.pid = 0

    def open(self, groups: Dict[str, protocol.GroupPrograms], by: float = math.inf) -> None:
        self._process.thread(lambda: self._greet(groups, by))

    def _greet(self, groups: Dict[str, protocol.GroupPrograms], by: float) -> None:
        node, world = self._process.node, self._process.world
        if node.guard is None or not node.guard.alive:
            delay = world.delay(0.15, 0.5)
            own = self._process.clock() + delay > by
            Flag(world).wait(max(by - self._process.clock(), 0.0) + world.delay(0.005) if own else delay)
            if node.starved and (node.guard is None or not node.guard.alive):
                self._post(link.GuardDown("no process and no thread is to be had"))
                return
            if node.guard is None or not node.guard.alive:
                node.guard = GuardProcess(node, self._process.supervisord, self._process if own else None)
        one, answered, answers = node.guard, Flag(world), []

        def answer(welcome: protocol.Welcome) -> None:
            answers.append(welcome)
            answered.set()

        hello = protocol.Hello(protocol.VERSION, self._process.supervisord.owner, groups, ("zkelect", "zkelect"))
        told = lambda welcome: self._process.after(0.0005, answer, welcome)  # noqa: E731
        one.after(world.delay(0.0005), one.hello, hello, self, told)
        if not answered.wait(WELCOME_TIME):
            one.end()
            self._post(link.GuardBusy())
        elif not answers[0].ok:
            if not answers[0].busy:
                one.end()
            self._post(link.GuardBusy())
        else:
            self._guard, self.pid = one, id(one.host or one)
            self._post(answers[0])

    def arrive(self, message: Any) -> None:
        """A message of the guard."""
        self._post(message)

    def hung_up(self, one: GuardProcess) -> None:
        if self._guard is one:
            self._guard = None
            self._post(link.GuardDown("the guard is gone"))

    def replace(self) -> None:
        if self._guard is not None:
            self._guard.end()

    def send(self, message: Any) -> None:
        one = self._guard
        if one is not None and one.alive:
            one.post(_over_a_wire(protocol.TO_GUARD, message), self)

    def reap(self) -> None:
        return


class ListenerProcess(_OfNode):
    """One life of the listener, a child of `supervisord`."""

    def __init__(self, node: Node, supervisord: Supervisord) -> None:
        super().__init__(node)
        self.supervisord = supervisord
        self.settings = settings_of(node.plan, node.name, node.priority)
        self.orders: List[Dict[str, Any]] = []
        self.born = self.world.now
        self._wake_at = math.inf
        self._ending = self._waking = False
        supervisord.listener = self
        # On a busy machine it takes its time.
        self.after(self.world.delay(0.1, node.plan.asked), self.begin)

    def begin(self) -> None:
        self.listener = _Listener(self)
        self.machine.tell("a listener begins")
        self.listener.look_around()
        self.wake()

    @property
    def state(self) -> Optional[State]:
        """Of its only election; None before there is one."""
        candidacies = getattr(self, "listener", None) and self.listener.candidacies
        return candidacies["orders"].state if candidacies else None

    def hear(self, event: eventstream.SupervisordEvent) -> None:
        """An event of supervisord, which delivers none in a listener's first second."""
        if hasattr(self, "listener") and self.world.now - self.born > 1.0:
            self.listener.post(event)

    def reported(self, text: str) -> None:
        self.node.promises.reported(self, text)

    def wake(self) -> None:
        """The deciding thread takes what is in its queue soon."""
        if not self._waking:
            self._waking = True
            self.after(self.world.delay(0.0001, 0.005), self.turn)

    def turn(self) -> None:
        self._waking = False
        if self._ending:
            return
        one = self.listener
        if one.queue.empty():
            one.keep_time()
        while not one.queue.empty():
            one.take(one.queue.get_nowait())
            one.keep_time()
        if one.departure.finished():
            self._ending = True
            self.thread(self.end)
            return
        self._sleep(one.next_wakeup() - self.clock())

    def _sleep(self, seconds: float) -> None:
        due = self.world.now + self.machine.true(min(max(seconds, 0.0005), PACE))
        if due < self._wake_at:
            self._wake_at = due
            self.after(due - self.world.now, self._woken, due)

    def _woken(self, due: float) -> None:
        if due != self._wake_at:
            return
        self._wake_at = math.inf
        one = self.listener
        early = one.next_wakeup() - self.clock()
        if early > 0.0005 and not one.guard.awaited and not self._ending:
            # What it would have woken for has come meanwhile.
            self._sleep(early)
        else:
            self.turn()

    def end(self) -> None:
        """In order, at the end of its program."""
        self.listener.departure.end()
        self.kill()

    def kill(self) -> None:
        if self.alive:
            super().kill()
            self.machine.tell("the listener has ended")
            self.node.ended(self)

    def freeze(self) -> None:
        super().freeze()
        if self.node.guard is not None and self.node.guard.host is self:
            self.node.guard.freeze()

    def thaw(self) -> None:
        super().thaw()
        if self.node.guard is not None and self.node.guard.host is self:
            self.node.guard.thaw()


class _Candidacy(candidacy.Candidacy):
    """Keeps the books of the promises."""

    def decide(self, event: Any) -> None:
        process, before = _here(), self.state
        if isinstance(event, messages.Leased) and before.token is not None:
            process.node.promises.leased(process, before.token, event.sent)
        super().decide(event)
        after = self.state
        if after.unfit and not before.unfit:
            process.node.promises.left_unfit(process, after, (self.rules.fall, self.rules.fit_interval))
        if (before.role, before.step) != (after.role, after.step):
            if after.step == "probing":
                process.node.promises.probing()
            process.node.promises.moved(process, before, after, event)


class _Listener(listener.Listener):
    candidacy = _Candidacy

    def __init__(self, process: ListenerProcess) -> None:
        self._process = process
        self._sessions: Dict[int, int] = {}
        super().__init__(_Host(process, process.supervisord))
        self._count, self.leases.counted = self.leases.counted, self._counted

    def take(self, event: Any) -> None:
        if isinstance(event, session.Connected):
            self._sessions[event.generation] = event.session
        super().take(event)

    def _counted(self, event: Any) -> bool:
        counted = self._count(event)
        if counted and self._sessions[event.generation] != self.leases.granted.session:
            self._process.world.broken(f"1: an answer to session {self._sessions[event.generation]} counts for another")
        return counted

    def post(self, event: Any) -> None:
        super().post(event)
        self._process.wake()


class GuardProcess(_OfNode, effects.GuardEffects):
    """host: the listener in whose process it is a thread; None for a process of its own."""

    hangs = to_end = False

    def __init__(self, node: Node, supervisord: Supervisord, host: Optional[ListenerProcess] = None) -> None:
        super().__init__(node)
        self.supervisord, self.host = supervisord, host
        self.listener: Optional[_Link] = None
        self._wake_at = math.inf
        disk = self.machine.disk
        former = disk.read(supervisord.owner)
        here, self.world.here = self.world.here, self
        manager = ManagerThread(self, self.machine, supervisord, self._heard).manager
        book = Book(disk, supervisord.owner)
        self.guard = guard.Guard(supervisord.owner, node.plan.grace, manager, book, self, self.clock)
        self.keeper: Optional[KeeperProcess] = None
        self.machine.tell("a guard begins")
        self.guard.begin(former)
        if host is None:
            self.after(world_delay(self.world), self.start_keeper)
        if not supervisord.alive:
            self.guard.supervisord_dead()
        else:
            supervisord.on_death.append(lambda: self.after(0.0005, self.turn, self.guard.supervisord_dead))
        self.world.here = here
        self.after(0.0, self.turn)

    def turn(self, do: Optional[Callable[..., None]] = None, *arguments: Any) -> None:
        if do is not None:
            do(*arguments)
        self.guard.keep_time()
        if self.guard.finished(False):
            self.end()
            return
        wait = min(max(self.guard.next_wakeup() - self.clock(), 0.0), 1.0)
        due = self.world.now + self.machine.true(wait) + 0.0005
        if due < self._wake_at:
            self._wake_at = due
            self.after(due - self.world.now, self._woken, due)

    def _woken(self, due: float) -> None:
        if due == self._wake_at:
            self._wake_at = math.inf
            self.turn()

    def _heard(self, event: Any) -> None:
        if isinstance(event, group_events.GroupDead):
            self.machine.tell(f"the group is proven dead after {event.seconds:.2f} s")
        self.after(self.world.delay(0.0002), self.turn, self.guard.heard, event)

    def hang(self) -> None:
        """The kernel keeps it waiting, for a disk or another process's memory: until it thaws it does not even die."""
        self.hangs = True
        self.freeze()

    def thaw(self) -> None:
        super().thaw()
        self.hangs = False
        if self.to_end:
            self.end()

    def end(self) -> None:
        if self.hangs:
            self.to_end = True
        elif self.alive:
            self.kill()
            self.machine.tell("the guard has ended")
            if self.listener is not None:
                self.listener._process.after(0.0005, self.listener.hung_up, self)

    def hello(self, message: protocol.Hello, link: _Link, answer: Callable[[protocol.Welcome], None]) -> None:
        welcome = self.guard.welcome(_over_a_wire(protocol.TO_GUARD, message), id(self), "")
        if welcome.ok:
            self.listener = link
        answer(welcome)
        self.turn()

    def post(self, message: Any, link: _Link) -> None:
        """A message of a listener, in order."""
        self.after(0.0003, self._obey, message, link)

    def _obey(self, message: Any, link: _Link) -> None:
        if link is self.listener:
            self.turn(self.guard.obey, message)

    def listener_ended(self, link: Any) -> None:
        if self.listener is not None and self.listener is link:
            self.listener = None
            self.turn(self.guard.listener_gone)

    # GuardEffects

    def tell(self, message: Any) -> None:
        link = self.listener
        if link is not None:
            link._process.after(0.0003, link.arrive, _over_a_wire(protocol.TO_LISTENER, message))

    def kill_listener(self) -> None:
        link, self.listener = self.listener, None
        if link is not None:
            link._process.kill()
            self.guard.listener_gone()

    def take_lock(self) -> bool:
        return self.machine.disk.take_lock(self)

    def give_lock_back(self) -> None:
        self.machine.disk.give_lock_back(self)

    def session_groups(self) -> List[str]:
        former = self.machine.disk.saved_by(self.supervisord.owner)
        return [] if former is None else [one.group for one in former.elections]

    # GuardEffects: the keeper

    wanted: Tuple[Dict[str, int], bool] = ({}, False)

    def start_keeper(self) -> None:
        if self.keeper is None or not self.keeper.alive:
            self.keeper = KeeperProcess(self.node, self)
            self.keeper.take("keep", *self.wanted)

    def keep(self, terms: Dict[str, int], attach: bool) -> None:
        self.wanted = (terms, attach)
        if self.keeper is not None:
            self.keeper.after(0.0003, self.keeper.take, "keep", terms, attach)

    def release(self, ended: Dict[str, Dict[str, Any]]) -> None:
        if self.world.random.random() < 0.1:
            raise OSError("Resource temporarily unavailable")
        self.start_keeper()
        self.machine.disk.lock_holders.append(self.keeper)
        self.node.promises.releasing(self)
        self.keeper.after(0.0003, self.keeper.take, "release", ended)

    def keeper_ended(self) -> None:
        self.turn(self.guard.keeper_said, KeeperEnded())
        self.after(1.0, self.start_keeper)

    def ask_for_listener(self) -> None:
        """supervisord says what became of the listener's process; one that hangs says nothing."""
        state = self.node.listener_state()
        delay = self.world.delay(0.002, 0.05) if state else 2.0
        self.after(delay, self.turn, self.guard.listener_state, state)


class _Attached:
    """As `release.Attached`."""

    acl = None

    def __init__(self, process: KeeperProcess, former: saved_session.Saved) -> None:
        identity = former.id, bytes.fromhex(former.password)
        self.client = process.client(identity, former.timeout, OneConnection)
        try:
            connect.start_client(self.client, release.CONNECT_TIME)
        except BaseException:
            self.drop()
            raise
        self.granted = min(former.timeout, self.client.granted)

    def close(self) -> None:
        connect.stop_client(self.client)

    def drop(self) -> None:
        self.client.drop()


def world_delay(world: World) -> float:
    """Seconds until a Python program that is started does something."""
    return world.delay(0.1, 0.4)


class KeeperProcess(_OfNode):
    """The keeper of a guard; it holds the lock for itself as well while it releases."""

    def __init__(self, node: Node, guardian: GuardProcess) -> None:
        super().__init__(node)
        self._guard = guardian
        self._said: List[tuple] = []
        self._bell = Flag(self.world)
        self._keeper = keeper.Keeper("", guardian.supervisord.owner, lambda former, keeping: _Attached(self, former), self._tell)
        self.thread(self._run)

    def take(self, *message: Any) -> None:
        """A message of the guard."""
        self._said.append(message)
        self._bell.set()

    def _tell(self, message: Any) -> None:
        message = _over_a_wire(ANSWERS, message)
        self._guard.after(0.0003, self._guard.turn, self._guard.guard.keeper_said, message)

    def _run(self) -> None:
        while self.alive and self._guard.alive:
            self._bell.wait(min(max(self._keeper.next_wakeup() - self.clock(), 0.0005), 1.0))
            self._bell = Flag(self.world)
            said, self._said = self._said, []
            for what, *words in said:
                if what == "keep":
                    self._keeper.keep(*words)
                else:
                    status = self._keeper.release(*words)
                    self.machine.disk.give_lock_back(self)
                    self._tell(SessionReleased(status))
            self._keeper.keep_time()
        self.kill()

    def kill(self) -> None:
        if self.alive:
            super().kill()
            for server in self.node.ensemble.servers:
                for client in [client for client in server.clients if client.process is self]:
                    client._hang_up(client._wire)
            self._guard.after(0.0005, self._guard.keeper_ended)


class Node:
    """A machine, what runs on it, and what befalls it."""

    def __init__(self, world: World, ensemble: Ensemble, plan: Plan, name: str, rate: float, promises: Any) -> None:
        global _world
        _world = world
        self.world, self.ensemble, self.plan, self.name, self.promises = world, ensemble, plan, name, promises
        self.machine = Machine(world, name, rate, promises.started)
        self.machine.stopwaitsecs = plan.stopwaitsecs
        #: in its file, and what stood there before
        self.priority = self.priority_before = dict(plan.priorities).get(name, 100)
        self.machine.registered = self.registered
        self.machine.disk.told = functools.partial(promises.noted, self.machine)
        self.pipes: List[Pipe] = []
        self.stalled = False
        self.starved = False  # no guard can be had, neither in a process nor in a thread
        self.guard: Optional[GuardProcess] = None
        self.listener: Optional[ListenerProcess] = None
        self.start_supervisord()

    def pipe(self) -> Pipe:
        pipe = Pipe(self.world, 0.001)
        pipe.stalled = self.stalled
        self.pipes = self.pipes[-20:] + [pipe]
        return pipe

    def stall(self, stalled: bool) -> None:
        """Its network holds everything back, or lets it go."""
        self.stalled = stalled
        for pipe in self.pipes:
            pipe.stall(stalled)

    def registered(self, pid: int) -> Optional[bool]:
        """Whether the guard lets a program start; None where there is none that answers."""
        one = self.guard
        return None if one is None or not one.alive or one.frozen else one.guard.may_run("primary", "orders", pid)

    @property
    def state(self) -> Optional[State]:
        """Of its only election; None while no listener lives that has one."""
        return self.listener.state if self.listener is not None and self.listener.alive else None

    @property
    def supervisord(self) -> Supervisord:
        return self.machine.supervisord

    def reprioritize(self, priority: int) -> None:
        """Its file has another priority from now on, which a listener that begins takes."""
        self.priority_before, self.priority = self.priority, priority

    def start_supervisord(self) -> None:
        owner = record.Owner("boot", self.name, self.machine.pid(), self.machine.pid())
        self.machine.supervisord = Supervisord(self.world, self.machine, owner)
        self.listener = ListenerProcess(self, self.machine.supervisord)

    def ended(self, one: ListenerProcess) -> None:
        """A listener has ended: its connections break, its guard hears of it, supervisord starts another."""
        node_guard = self.guard
        if node_guard is not None and node_guard.host is one:
            node_guard.kill()
        link = getattr(one, "listener", None) and one.listener.guard.link
        for server in self.ensemble.servers:
            for client in [client for client in server.clients if client.process is one]:
                client.dropped()
        if node_guard is not None:
            node_guard.after(0.0005, node_guard.listener_ended, link)
        supervisord = one.supervisord
        # Its loop turns once a second, or at once when the guard has nudged it; or just about when the guard releases.
        chance = self.world.random
        delay = chance.choice([0.02, 0.02, chance.uniform(0.0, 1.1), self.plan.grace + chance.uniform(-0.1, 0.3)])
        supervisord.after(delay, self.new_listener, one)

    def new_listener(self, former: ListenerProcess) -> None:
        if self.listener is former and not self.leaving:
            self.listener = ListenerProcess(self, former.supervisord)

    leaving = False

    def listener_state(self) -> str:
        """In supervisord's words; "" while it hangs."""
        if self.supervisord.frozen or not self.supervisord.alive:
            return ""
        if self.listener is not None and self.listener.alive:
            return "STARTING"
        return "STOPPED" if self.leaving else "EXITED"

    def server(self) -> Any:
        """Of the ensemble, the one that its listener is connected to; or any."""
        for server in self.ensemble.servers:
            if any(client.process is self.listener for client in server.clients):
                return server
        return self.ensemble.servers[0]

    # What befalls it

    def terminate_listener(self) -> None:
        one = self.listener
        if hasattr(one, "listener"):
            one.listener.post(events.Signalled(SIGTERM))

    def kill_supervisord(self) -> None:
        one = self.supervisord
        one.kill()
        mine = self.listener
        mine.after(0.003, self._end_of_file, mine)

    def _end_of_file(self, mine: ListenerProcess) -> None:
        if hasattr(mine, "listener"):
            mine.listener.post(eventstream.StreamEnded())
        else:
            mine.kill()

    def stop_listener(self) -> None:
        """`stop zkelect`, and `start zkelect`."""
        self.leaving = True
        self.terminate_listener()

    def start_listener(self) -> None:
        self.leaving = False
        if not self.listener.alive and self.supervisord.alive:
            self.new_listener(self.listener)

    def shutdown(self, then: Callable[[], Any] = lambda: None) -> None:
        """supervisord stops the group, then the listener, then ends."""

        def end() -> None:
            if self.listener.alive:
                self.world.after(0.1, end)
            else:
                self.supervisord.kill()
                self.leaving = False
                then()

        self.supervisord.stopProcessGroup("primary", False)
        self.stop_listener()
        self.world.after(0.1, end)

    def kill_service(self) -> None:
        for service in self.machine.services[:]:
            service.die(0.0)

    def stop_group(self) -> None:
        """An operator stops, or starts, the group by supervisorctl."""
        self.supervisord.do(self.supervisord.stopProcessGroup, "primary", False)

    def start_group(self) -> None:
        self.supervisord.do(self.supervisord.startProcessGroup, "primary", False)

    def order(self, verb: str) -> None:
        """An operator's order, which the listener takes with its next report."""
        if hasattr(self.listener, "listener"):
            self.listener.orders.append({"ticket": "t", "verb": verb, "election": "orders", "args": {}})
            self.listener.listener.post(events.Signalled(SIGUSR1))
