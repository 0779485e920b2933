"""One program group on this node: started, watched, stopped, killed, and proven dead.

Two kinds of threads. RPC calls to supervisord, which may hang for seconds, run in a pool and come back as
answers. One manager thread for all groups does everything else: it polls pidfds, keeps the times at which
groups are killed, reads /proc, kills, and proves. It never waits for an RPC, a lock, ZooKeeper or a name
server. What the handles (`Group`) and the pool want of it is put into its queue as a callable, so that every
record here has one owner.

Who belongs to a group is asked anew in every scan, and proven (`census.py`). A child of supervisord between fork and exec
still looks like supervisord, and one that has overwritten its environment looks like nobody's (`forming`): while there is one
whose group supervisord has not told, nothing is proven, unless it may be somebody's orphan. Such a one, and a process that
carries the group's name and cannot prove that it belongs, is left alone, and holds a proof up for DOUBT_TIME at most, once in
a stop.

How long a scan takes is up to whoever has processes on the machine. So when a group's time is over, another thread kills
whatever is known of it (`striking.py`), and the process manager sees to the rest and proves.

The rule of the proof is in `core/proof.py`. Where supervisord has not answered, the process manager goes on as
a sentry when the death is proven: it kills whatever
supervisord starts again, until supervisord has answered and the rounds are clean.

What is beyond it: a process that clears its environment, leaves its session and loses its parents before any
scan has seen one of them, and the milliseconds that a restart by a supervisord which thaws lives until the
sentry sees it.
"""

from __future__ import annotations

import collections
import errno
import functools
import heapq
import itertools
import logging
import math
import os
import queue
import resource
import select
import signal
import socket
import threading
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Callable, Deque, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

from supervisor_zkelect.core.proof import DOUBT_TIME, GRACE_PACE, KILL_WAITS, Order, Stop
from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.census import Census, Found, Identity, Look
from supervisor_zkelect.processes.cgroup import Cgroups, Former
from supervisor_zkelect.processes.group_events import (
    GroupDead, GroupStarted, GroupStartFailed, GroupStuck, MemberDied, MemberStarted, Members,
)
from supervisor_zkelect.processes.striking import Striker
from supervisor_zkelect.supervisord.client import (
    ALREADY_STARTED, BAD_NAME, SUCCESS, Fault, Started, Supervisord, SupervisordError, Unreachable,
)
from supervisor_zkelect.system import clock, reserve

log = logging.getLogger(__name__)

#: Seconds between two GroupStuck events.
STUCK_EVERY = 5.0
#: Seconds between two scans meanwhile.
DOUBT_PACE = 0.05
#: Seconds between scans of a group that runs, so that descendants are known before their parents die.
REST = 1.0
#: The same where all processes of the group were found in its cgroup, which tells what they fork: what is looked for then
#: was moved out of it by root's hand. A scan lists all of /proc.
REST_IN_CGROUP = 10.0
#: How many times as long as a scan took those wait for the next that are not being stopped: with thousands of processes
#: they take a fifth of the time, however many programs are started at once. And the same where the cgroup tells.
REST_SHARE, REST_SHARE_LOADED = 4, 19
#: Seconds until the first scan after something has happened to the members, and the same where the chain loader tells
#: their pids and the cgroup what they fork: then nothing hides by being quick, and supervisord needs the processor.
SOON, SOON_LOADED = 0.005, 0.05
#: Seconds between two looks of a sentry at supervisord's children; reading them takes some 20 µs.
SENTRY_PACE = 0.01
#: Seconds that supervisord has to fork all members, some milliseconds each and more on a busy machine; and then until each
#: member has a pid.
FORK_LIMIT, START_LIMIT = 60.0, 10.0
#: Seconds until supervisord is asked again how far a start has come that it has answered.
CONFIRM_PACE = 0.1
#: At most this many processes of a group are watched by a pidfd each; others are found dead by scans.
WATCHED = 256
#: The share of this process's limit of descriptors that pidfds may take.
WATCHED_SHARE = 0.5
#: Seconds for which supervisord's word is taken again, as long as no event of it and no end of a process says otherwise:
#: when all members run, and when not. With hundreds of programs it takes some 10 ms for each question.
LOOK_AGE, UNSTEADY_AGE = 1.0, 0.5
#: At most this many questions for it are on their way, for the groups of about this many members each. Each takes some
#: turns of supervisord's loop, which with hundreds of programs are a millisecond each; what is asked meanwhile goes together.
MOST_ASKED, MEMBERS_ASKED = 1, 50
#: At most this many requests to start groups are on their way, each for this many groups at most: half of what supervisord
#: does to start a program is to take the request and to answer it.
MOST_STARTS, GROUPS_STARTED = 2, 25
#: How many times as long as the answer took it counts while not all run, so that a busy supervisord is not asked all the
#: time.
UNSTEADY_SHARE = 10
#: How often supervisord's loop is turned after an answer that a member is STARTING, and for how long, in seconds: then it
#: takes notice that its startsecs are over, which by itself it does once a second.
TURN_PACE, TURN_TIME = 0.1, 2.0

_Then = Callable[[Any, Optional[SupervisordError]], None]

_RISING = ("STARTING", "RUNNING")


@dataclass
class _Starting:
    op: int
    #: whether an earlier start request was still open
    open_before: bool
    #: when supervisord said that it has started them
    answered: float = math.inf
    pace: float = 0.02
    #: as in _Question
    changes: int = 0
    moment: float = 0.0


@dataclass
class Agenda:
    """When the first scan of a group may be due. It may be too early, never too late: with hundreds of groups a turn that
    looks at every one's time takes longer than what there is to do in it."""

    soonest: float = math.inf


@dataclass
class GroupState:
    """What the process manager knows of one group. Only the process manager's thread touches it."""

    name: str
    agenda: Agenda
    #: new (nothing is known), starting, started, stopping, dead (proven so)
    mode: str = "new"
    known: Set[proc.Process] = field(default_factory=set)
    _scan_at: float = math.inf
    pace: float = REST
    starting: Optional[_Starting] = None
    #: op of a start that waits until supervisord has answered the stop before it
    waiting: Optional[int] = None
    #: a start request is on its way; one may still be carried out. An earlier listener may have sent one.
    start_flying: bool = False
    start_open: bool = True
    #: whether a start that supervisord carries out late is refused by the chain loader, as the configuration says
    loaded: bool = False
    #: the last scan found somebody outside the cgroup; those that it found there, as they were told last
    exposed: bool = False
    seen: FrozenSet[tuple] = frozenset()
    #: some were, since the group was proven dead last; all strangers were read since this guard began
    strayed: bool = False
    swept: bool = False
    #: those that registered and live; those that supervisord has named, and that have not
    entered: Set[tuple] = field(default_factory=set)
    unregistered: Set[tuple] = field(default_factory=set)
    #: those that belonged by what they carried; the identities of all that belonged
    claimed: Set[proc.Process] = field(default_factory=set)
    identities: FrozenSet[tuple] = frozenset()
    #: orders to stop so far
    ordered: int = 0
    #: programs that supervisord has started for this term, and those that came through the chain loader
    names: FrozenSet[str] = frozenset()
    loaders: Set[str] = field(default_factory=set)
    stop: Optional[Stop] = None
    stop_flying: bool = False
    stop_sent: float = -math.inf
    trouble: str = ""
    stuck_told: float = -math.inf
    denied: Tuple[int, ...] = ()
    killed: Set[tuple] = field(default_factory=set)
    #: descendants that were asked to stop
    asked: Set[tuple] = field(default_factory=set)
    #: whether supervisord signals the members' process groups, and those groups
    as_group: bool = False
    pgrps: Set[int] = field(default_factory=set)
    struck: bool = False
    watching: bool = False
    learning: bool = False
    #: what supervisord said of the members, until when that counts, and how many events have told of a change
    states: Dict[str, Tuple[str, int, str]] = field(default_factory=dict)
    states_until: float = -math.inf
    changes: int = 0
    forming_since: float = math.inf
    members: Dict[tuple, str] = field(default_factory=dict)
    pidfds: Dict[tuple, int] = field(default_factory=dict)
    children: Optional[FrozenSet[int]] = None
    scanned_at: float = -math.inf
    told: Set[tuple] = field(default_factory=set)

    @property
    def scan_at(self) -> float:
        """When its next scan is wanted."""
        return self._scan_at

    @scan_at.setter
    def scan_at(self, moment: float) -> None:
        self._scan_at = moment
        self.agenda.soonest = min(self.agenda.soonest, moment)

    @property
    def registered(self) -> bool:
        """Whether the chain loader was seen before every program. supervisord may tell of a configuration that they do
        not run by yet."""
        return self.loaded and bool(self.names) and self.names <= self.loaders


@dataclass
class _Question:
    """Somebody wants to know what supervisord says of a group's members. changes, moment: how many events had told of a
    change when it was asked, and when that was."""

    record: GroupState
    then: _Then
    names: Tuple[str, ...]
    changes: int = 0
    moment: float = 0.0


class Group:
    """The handle of one group. Methods return at once; a result comes as an event with the same op."""

    def __init__(self, manager: ProcessManager, record: GroupState) -> None:
        self.name = record.name
        self._manager = manager
        self._record = record

    def start(self, op: int) -> None:
        """Have supervisord start all members → GroupStarted or GroupStartFailed.

        Refused while a stop is not finished, and when supervisord does not answer a stop within START_LIMIT
        since the group died.
        """
        self._manager._do(self._manager._start, self._record, op)

    def stop(self, op: int, kill_at: float, lease_end: float = math.inf) -> None:
        """Have supervisord stop all members, and kill what is left at `kill_at` → GroupStuck …, GroupDead.

        kill_at: seconds of the process manager's clock. Of several orders the earliest counts, whichever came first.
        lease_end: when everything is killed whatever the orders say, until `renew` moves it.
        Descendants that outlive all members are asked with SIGTERM, unless supervisord has asked them, and have the
        time that is left.
        """
        soonest = self._manager._now() + KILL_WAITS
        self._manager._striker.order(self.name, max(soonest, kill_at), max(soonest, lease_end))
        self._manager._do(self._manager._order, self._record, op, kill_at, lease_end)

    def renew(self, lease_end: float) -> None:
        """The lease of a group that is being stopped ends at another time."""
        self._manager._striker.renew(self.name, lease_end)
        self._manager._do(self._manager._renew, self._record, lease_end)

    def kill(self, op: int) -> None:
        """Kill all processes → GroupStuck …, GroupDead.

        supervisord is told first, lest it restarts them, and has 30 ms to answer.
        """
        self._manager._striker.order(self.name, self._manager._now() + KILL_WAITS)
        self._manager._do(self._manager._order, self._record, op, -math.inf)

    def watch(self, on: bool) -> None:
        """While on, every member's end is told as MemberDied, and supervisord made to restart it at once."""
        self._manager._do(self._manager._watch, self._record, on)

    def look(self, op: int) -> None:
        """Ask supervisord for the members' states → Members."""
        self._manager._do(self._manager._look, self._record, op)

    def trust(self, loaded: bool) -> None:
        """Tell whether all programs of the group are started through the chain loader, so that a start which
        supervisord carries out late runs nothing after a stop."""
        self._manager._do(self._manager._trust, self._record, loaded)

    def signalled_as_group(self, as_group: bool) -> None:
        """Tell whether supervisord may signal the process groups of the programs that it stops (`stopasgroup`)."""
        self._manager._do(setattr, self._record, "as_group", as_group)

    def remember(self, processes: Iterable[proc.Process]) -> None:
        """Take processes as the group's that somebody has seen in it."""
        self._manager._do(self._record.known.update, set(processes))

    def adopt(self) -> None:
        """Take a group that runs as one that was started through this handle; its processes are found by a scan."""
        self._manager._do(self._manager._adopt, self._record)

    def expect(self, pid: int, name: str, start: Optional[int] = None) -> None:
        """Take a child of supervisord as the program `name` of the group whatever its environment says, because it has
        said so itself. start: when it began, as in `proc.Process`, if that is known."""
        self._manager._do(self._manager._expect, self._record, pid, name, start)

    def stray(self) -> None:
        """A program of the group could not be moved into its cgroup."""
        self._manager._do(self._manager._stray, self._record)

    def runs_as(self, users: Iterable[int]) -> None:
        """Tell as which users a program of the group has registered."""
        self._manager._do(self._manager._runs_as, self._record, frozenset(users))

    def note(self, event: Tuple[str, str, int]) -> None:
        """Take a PROCESS_STATE event of supervisord for this group: (process name, state name, pid or 0).

        For a group that was not started, STARTING and RUNNING → MemberStarted.
        """
        self._manager._do(self._manager._note, self._record, event)


class ProcessManager:
    """Keeps the groups of one supervisord. See the module's text.

    supervisord: for the calls. supervisord_pid: its pid, a listener's parent. post: takes the events; called
    on the process manager's thread, must not block. rpc_pool: where calls to supervisord run; a hung supervisord
    occupies a worker for each group that is being stopped, and MOST_STARTS, MOST_ASKED and one more, for the limit of
    a call. clock: seconds, the same as in `Group.stop`. server_url: the SUPERVISOR_SERVER_URL that the programs are
    given; default this process's own, else the URL of `supervisord`. cgroups: those that the groups' processes are
    moved into, if any. instance: the ZKELECT_INSTANCE that the programs carry, "" when they carry none. former: what is
    left in the cgroups of former instances of this supervisord; left: what else is left of them. Whichever group it was, it
    must be dead before any group is proven so. identity: of supervisord, where somebody knows it who saw it alive. keep:
    takes a group and the identities of its members that are in no cgroup when they change, on its thread. secrets:
    as for `census.Census`.
    """

    def __init__(
        self,
        supervisord: Supervisord,
        supervisord_pid: int,
        post: Callable[[Any], None],
        rpc_pool: Executor,
        clock: Callable[[], float] = clock.now,
        server_url: Optional[str] = None,
        cgroups: Optional[Cgroups] = None,
        instance: str = "",
        former: Optional[Former] = None,
        identity: Optional[Identity] = None,
        left: FrozenSet[proc.Process] = frozenset(),
        keep: Callable[[str, FrozenSet[tuple]], None] = lambda group, identities: None,
        secrets: Callable[[str, int], str] = lambda group, uid: "",
    ) -> None:
        url = server_url or os.environ.get("SUPERVISOR_SERVER_URL") or supervisord.url
        self._supervisord = supervisord
        self._post = post
        self._pool = rpc_pool
        self._now = clock
        self._census = Census(supervisord_pid, url, instance, identity, secrets)
        self._cgroups = cgroups
        self._striker = Striker(clock, getattr(cgroups, "base", ""))
        self._former = former
        self._left = left
        self._keep = keep
        self._records: Dict[str, GroupState] = {}
        self._agenda = Agenda()
        self._commands: queue.SimpleQueue = queue.SimpleQueue()
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        # poll(2) would go through the pidfds of all members at each turn.
        self._poll = select.epoll()
        self._poll.register(self._bell, select.EPOLLIN)
        self._watched: Dict[int, Tuple[GroupState, proc.Process]] = {}
        self._supervisord_fd: Optional[int] = None
        self._timers: List[Tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        #: until when supervisord's loop is turned; −inf when it is not
        self._turn_until = -math.inf
        self._asking_whose = False
        self._questions: Deque[_Question] = collections.deque()
        self._asking = 0
        self._starts: Deque[Tuple[GroupState, _Starting]] = collections.deque()
        self._starts_flying = 0
        self._closing = False
        self._failed = ""
        self._most_watched = int(WATCHED_SHARE * resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._scan_ended, self._scan_took = -math.inf, 0.0
        self._children: Optional[FrozenSet[int]] = frozenset()
        self._children_at = -math.inf
        self.turned_at = clock()
        """When the process manager's thread last took a turn, by the clock."""
        self._thread = threading.Thread(target=self._run, name="zkelect-manager", daemon=True)

    def start(self) -> None:
        """Start the thread. Raises OSError when the kernel has no pidfds (Linux before 5.3)."""
        self._follow_supervisord()
        self._striker.start()
        self._thread.start()

    def close(self) -> None:
        """End the thread and wait for it. Nothing is stopped or killed."""
        if self._thread.is_alive():
            self._do(self._close)
            self._thread.join()
        self._striker.close()
        if self._supervisord_fd is not None:
            os.close(self._supervisord_fd)
        self._watched.clear()
        self._supervisord_fd = None
        self._poll.close()
        self._bell.close()
        self._ring.close()

    def group(self, name: str) -> Group:
        """The handle of a group. Raises ValueError for the group that this process belongs to itself."""
        if name == os.environ.get("SUPERVISOR_GROUP_NAME"):
            raise ValueError(f"group {name} is the listener's own; name the group of the programs instead")
        return Group(self, self._records.setdefault(name, GroupState(name, self._agenda)))

    def whose(self, process: proc.Process) -> str:
        """The group that a process was last seen in, "" when in none. On any thread."""
        return next((record.name for record in self._groups() if process.identity in record.identities), "")

    @property
    def trouble(self) -> str:
        """What this process lacks for ending a group; "" when nothing. No lease is to be extended meanwhile."""
        spared = "" if reserve.keep() else "the guard has no descriptors or no memory to spare"
        return self._failed or spared or self._striker.trouble

    def wake_supervisord(self) -> None:
        """Turn supervisord's loop, so that it reaps and restarts now what has died."""
        self._do(self._wake_supervisord)

    def supervisord_gone(self) -> None:
        """supervisord closed our standard input. It counts as dead as soon as its process is, not before."""
        self._do(self._check_supervisord)

    # What follows runs on the process manager's thread, save _do.

    def _do(self, command: Callable[..., None], *args: Any) -> None:
        self._commands.put(functools.partial(command, *args))
        try:
            self._ring.send(b"\0")
        except OSError:
            # Full: it is awake anyway. Closed: nobody is there any more.
            return

    def _groups(self) -> List[GroupState]:
        # group() adds to them from other threads; a copy is made in one step.
        return list(self._records.copy().values())

    def _close(self) -> None:
        self._closing = True

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception as error:
                # This thread is the one that kills. It must outlive whatever goes wrong, such as a lack of
                # descriptors or memory.
                try:
                    self._fall_back(error)
                    # Not a busy loop when the failure repeats at once.
                    select.poll().poll(10)
                except Exception:
                    # Not even that; the next turn tries again.
                    continue

    def _fall_back(self, error: Exception) -> None:
        """Something could not be had, or is a defect: go on with the reserve, and kill by what is there."""
        reserve.spend()
        self._failed = f"the guard cannot look after the groups: {error!r}"
        for record in self._groups():
            self._without_scan(record, error)
        try:
            log.exception("manager: %s", error)
        except MemoryError:
            return

    def _turn(self) -> None:
        # Those of the last turn's timers and scans.
        self._put_starts()
        self._put_questions()
        ready = self._poll.poll(self._wait())
        self.turned_at = self._now()
        self._hush()
        # Orders first: one that came before a process ended counts for its end.
        self._obey()
        self._put_starts()
        self._put_questions()
        for descriptor, _ in ready:
            if descriptor == self._supervisord_fd:
                self._check_supervisord()
            elif descriptor != self._bell.fileno():
                self._ended(descriptor)
        now = self._now()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        if self._agenda.soonest <= now:
            self._scan_due(now)
            # That of one whose scan is not wanted yet is no later than it is due.
            times = (one.scan_at if one.scan_at > now else self._due(one) for one in self._groups())
            self._agenda.soonest = min(times, default=math.inf)

    def _scan_due(self, now: float) -> None:
        wanted = [record for record in self._groups() if record.scan_at <= now]
        due = [record for record in wanted if self._due(record) <= now and self._worth(record, now)]
        if not due:
            return
        for record in due:
            if record.stop is not None and not record.struck and record.stop.killing(now, self._census.gone):
                # Before anything is read, since reading takes time with the number of processes on the machine.
                record.struck = True
                self._strike(record)
        began, failed = self._now(), ""
        strangers = [record for record in due if not self._all_inside(record)]
        look = self._census.look(bool(strangers), not all(record.swept for record in strangers))
        for record in due:
            try:
                self._scan(record, look)
            except Exception as error:
                # The other groups must have their scans whatever is wrong with this one.
                failed = f"the guard cannot look after the group {record.name}: {error!r}"
                reserve.spend()
                self._without_scan(record, error)
                log.exception("group %s: %s", record.name, error)
        self._failed = failed
        if any(record.stop is None for record in due):
            # Those that are being stopped have their own pace, and must not keep the others from theirs.
            self._scan_ended = self._now()
            self._scan_took = self._scan_ended - began

    def _sheltered(self, record: GroupState) -> bool:
        """Whether its processes enter the cgroup before they can fork, as far as was seen."""
        return record.loaded and self._cgroups is not None and not record.exposed

    def _all_inside(self, record: GroupState) -> bool:
        """Whether nothing of the group can be anywhere but in its cgroup, where its programs are before they run: each has
        registered, whatever the configuration says."""
        return self._sheltered(record) and record.swept and not record.strayed and not record.unregistered

    def _due(self, record: GroupState) -> float:
        """When a group is to be scanned; one that is not being stopped waits until a scan has been rested from."""
        if record.stop is not None:
            return record.scan_at
        share = REST_SHARE_LOADED if self._sheltered(record) else REST_SHARE
        return max(record.scan_at, self._scan_ended + share * self._scan_took)

    def _rest(self, now: float, rest: float = REST) -> float:
        """When a group is scanned next about which nothing is urgent: all of them at once, as the table of processes is
        what takes time."""
        return rest * math.floor(now / rest + 1)

    def _wait(self) -> float:
        """Seconds until something is due; at most 1, as epoll's clock stands still in a suspend."""
        if not self._commands.empty():
            return 0
        due = min(self._agenda.soonest, self._timers[0][0] if self._timers else math.inf)
        return min(1.0, max(0.0, due - self._now()))

    def _hush(self) -> None:
        try:
            while self._bell.recv(4096):
                pass
        except BlockingIOError:
            return

    def _obey(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            command()

    def _later(self, seconds: float, command: Callable[..., None], *args: Any) -> None:
        entry = (self._now() + seconds, next(self._serial), functools.partial(command, *args))
        heapq.heappush(self._timers, entry)

    def _ask(self, then: _Then, call: Callable[..., Any], *args: Any) -> None:
        """Make a call to supervisord in the pool; `then(result, error)` follows on the process manager's thread."""

        def ended(future: Future) -> None:
            result, error = None, None
            if future.cancelled():
                error = Unreachable("not asked", sent=False)
            elif future.exception() is None:
                result = future.result()
            elif isinstance(future.exception(), SupervisordError):
                error = future.exception()
            else:
                error = Unreachable(f"{type(future.exception()).__name__}: {future.exception()}")
            self._do(then, result, error)

        try:
            future = self._pool.submit(call, *args)
        except RuntimeError as error:
            # Where it has no thread to spare, another of the pool's may make the call all the same.
            self._do(then, None, Unreachable(str(error)))
        else:
            future.add_done_callback(ended)

    # supervisord itself

    def _follow_supervisord(self) -> None:
        if self._census.gone:
            return
        self._supervisord_fd = proc.pidfd(self._census.supervisord)
        if self._supervisord_fd is None:
            self._check_supervisord()
        else:
            self._poll.register(self._supervisord_fd, select.EPOLLIN)

    def _check_supervisord(self) -> None:
        if self._census.gone or proc.alive(self._census.supervisord):
            return
        log.warning("supervisord (pid %d) is dead", self._census.supervisord.pid)
        self._census.gone = True
        if self._supervisord_fd is not None:
            self._poll.unregister(self._supervisord_fd)
            os.close(self._supervisord_fd)
            self._supervisord_fd = None
        for record in self._groups():
            if record.stop is not None:
                record.stop.again()
                record.scan_at = self._now()

    def _wake_supervisord(self) -> None:
        """Turn supervisord's loop, so that it reaps and restarts now; by itself it does so once a second."""
        if not self._census.gone:
            self._supervisord.wake()

    # Starting

    def _start(self, record: GroupState, op: int) -> None:
        if record.stop is not None and record.stop.sentry and record.waiting is None:
            # With hundreds of groups its answers take their time.
            record.waiting = op
            self._later(START_LIMIT, self._unconfirmed, record, op)
            return
        if record.stop is not None:
            reason = "it is being stopped"
        elif record.starting is not None:
            reason = "it is being started"
        elif self._census.gone:
            reason = "supervisord is dead"
        else:
            reason = ""
        if reason:
            self._post(GroupStartFailed(record.name, op, reason))
            return
        self._changed(record)
        record.mode = "starting"
        record.names, record.loaders = frozenset(), set()
        record.starting = _Starting(op, record.start_open)
        self._starts.append((record, record.starting))

    def _put_starts(self) -> None:
        """Request the starts that wait, of several groups at once where there are many."""
        while self._starts and self._starts_flying < MOST_STARTS:
            batch: List[Tuple[GroupState, _Starting]] = []
            most = GROUPS_STARTED if self._supervisord.has_interface else 1
            while self._starts and len(batch) < most:
                record, starting = self._starts.popleft()
                # Of one that was stopped meanwhile supervisord hears nothing.
                if record.starting is starting:
                    record.start_flying = record.start_open = True
                    starting.changes, starting.moment = record.changes, self._now()
                    self._scan_soon(record)
                    batch.append((record, starting))
            if batch:
                self._starts_flying += 1
                answer, names = functools.partial(self._starts_answered, batch), [record.name for record, _ in batch]
                self._ask(answer, self._supervisord.start_groups, names, FORK_LIMIT)

    def _starts_answered(
        self, batch: List[Tuple[GroupState, _Starting]], answer: Any, error: Optional[SupervisordError]
    ) -> None:
        self._starts_flying -= 1
        answers = [(*one, answer[one[0].name] if error is None else error) for one in batch]
        if isinstance(error, Unreachable):
            # Those that wait need not find out for themselves.
            waiting = [(record, starting) for record, starting in self._starts if record.starting is starting]
            answers += [(*one, Unreachable(error.reason, sent=False)) for one in waiting]
            self._starts.clear()
        again = []
        for record, starting, found in answers:
            if found is None and record.starting is starting:
                record.start_flying, record.start_open = False, starting.open_before
                again.append((record, starting))
                continue
            if found is None:
                found = Unreachable("it was not started yet", sent=False)
            failed = isinstance(found, SupervisordError)
            # Each for itself, whatever goes wrong with another.
            self._do(self._start_answered, record, starting, None if failed else found, found if failed else None)
        self._starts.extendleft(reversed(again))

    def _unconfirmed(self, record: GroupState, op: int) -> None:
        """A start has waited long enough for supervisord's answer to the stop before it."""
        if record.waiting == op:
            record.waiting = None
            self._post(GroupStartFailed(record.name, op, "supervisord has not confirmed the stop yet"))

    def _start_answered(
        self, record: GroupState, starting: _Starting, found: Optional[Started], error: Optional[SupervisordError]
    ) -> None:
        record.start_flying = False
        if error is None or isinstance(error, Fault):
            record.start_open = False
        elif not error.sent:
            record.start_open = starting.open_before
        if record.stop is not None:
            # What is still open a later stop settles; what is not must not hold the proof up.
            record.stop.start_open = record.stop.start_open and record.start_open
            record.scan_at = self._now()
            return
        if record.starting is not starting:
            return
        starting.answered = self._now()
        self._scan_soon(record)
        if error is not None:
            self._start_failed(record, str(error))
            return
        bad = [item for item in found.items if item["status"] not in (SUCCESS, ALREADY_STARTED)]
        if bad:
            self._start_failed(record, "; ".join(f"{item['name']}: {item['description']}" for item in bad))
            return
        names = tuple(item["name"] for item in found.items)
        record.names = frozenset(names)
        if found.states is None:
            self._confirm(record, starting, names)
        else:
            self._hear(record, starting.changes, starting.moment, found.states)
            self._confirmed(record, starting, names, found.states, None)

    def _confirm(self, record: GroupState, starting: _Starting, names: Tuple[str, ...]) -> None:
        if record.starting is starting:
            self._question(record, functools.partial(self._confirmed, record, starting, names), names)

    def _confirmed(
        self,
        record: GroupState,
        starting: _Starting,
        names: Tuple[str, ...],
        infos: Any,
        error: Optional[SupervisordError],
    ) -> None:
        if record.starting is not starting:
            return
        if isinstance(error, Unreachable) and self._now() - starting.answered < START_LIMIT:
            # It has started them, and is busy.
            self._later(CONFIRM_PACE, self._confirm, record, starting, names)
            return
        if error is not None:
            self._start_failed(record, str(error))
            return
        # A member may have ended before a scan finds it; supervisord makes each the leader of a process group.
        record.pgrps.update(info["pid"] for info in infos if info["pid"])
        waiting = [info for info in infos if info["statename"] == "BACKOFF"]
        fine = ("STARTING", "RUNNING", "EXITED", "BACKOFF")
        bad = [info for info in infos if info["statename"] not in fine]
        if waiting and self._now() - starting.answered > START_LIMIT:
            bad += waiting
        if bad:
            told = (f"{info['name']} is {info['statename']} {info['spawnerr']}".rstrip() for info in bad)
            self._start_failed(record, "; ".join(told))
        elif waiting:
            self._later(starting.pace, self._confirm, record, starting, names)
            starting.pace = min(2 * starting.pace, 0.5)
        else:
            record.mode, record.starting = "started", None
            self._post(GroupStarted(record.name, starting.op))

    def _start_failed(self, record: GroupState, reason: str) -> None:
        # Some members may run, so it counts as started until it is stopped.
        starting, record.starting, record.mode = record.starting, None, "started"
        self._post(GroupStartFailed(record.name, starting.op, reason))

    def _adopt(self, record: GroupState) -> None:
        if record.mode == "new":
            record.mode = "started"
            self._scan_soon(record)
            # The members' pids, as a program may have overwritten the environment by which it is known. And where an
            # answer comes back, a start request that somebody made before is done with.
            self._question(record, functools.partial(self._adopted, record))

    def _adopted(self, record: GroupState, infos: Any, error: Optional[SupervisordError]) -> None:
        if error is None and record.stop is None and record.starting is None:
            record.start_open = False

    def _trust(self, record: GroupState, loaded: bool) -> None:
        record.loaded = loaded
        # It rests for another time than before.
        self._agenda.soonest = -math.inf
        if record.stop is not None:
            record.stop.via_loader = record.stop.via_loader and loaded
            if loaded and record.stop.start_open:
                # A guard that took over may have ordered the stop before it heard of the programs.
                record.stop.start_open = False
                record.scan_at = min(record.scan_at, self._now())

    def _expect(self, record: GroupState, pid: int, name: str, start: Optional[int] = None) -> None:
        process = proc.read(pid)
        if process is None or process.gone or start not in (None, process.start):
            return
        record.known.add(process)
        self._census.told.setdefault(process.identity, record.name)
        record.loaders.add(name)
        record.entered.add(process.identity)
        record.pgrps.add(process.pgrp)
        record.unregistered.discard(process.identity)
        # Until its exec it looks like any fork of supervisord; the other groups need not wait for it.
        self._census.foreign.add(process.identity)
        if record.stop is None and self._cgroups is not None and self._watch_pidfd(record, process):
            record.members[process.identity] = name
        else:
            record.scan_at = min(record.scan_at, self._now())

    def _stray(self, record: GroupState) -> None:
        record.strayed = True
        if record.stop is None:
            # Nothing but scans tells what it forks.
            record.pace = SOON
            record.scan_at = min(record.scan_at, self._now() + SOON)

    def _runs_as(self, record: GroupState, users: FrozenSet[int]) -> None:
        self._census.users.setdefault(record.name, set()).update(users)

    # Stopping

    def _order(self, record: GroupState, op: int, kill_at: float, lease_end: float = math.inf) -> None:
        now = self._now()
        record.ordered += 1
        self._changed(record)
        if record.waiting is not None:
            waiting, record.waiting = record.waiting, None
            self._post(GroupStartFailed(record.name, waiting, "it was stopped before it was started"))
        if record.starting is not None:
            starting, record.starting = record.starting, None
            self._post(GroupStartFailed(record.name, starting.op, "it was stopped before it was started"))
        if record.stop is None:
            start_open = record.start_open and not record.loaded
            record.stop = Stop(began=now, start_open=start_open, via_loader=record.registered)
            record.mode = "stopping"
            record.stuck_told, record.denied, record.killed, record.trouble = -math.inf, (), set(), ""
            record.asked = set()
            record.struck = False
        record.stop.lease_end = min(record.stop.lease_end, lease_end)
        # Before anything that may fail for want of a descriptor.
        record.stop.order(Order(op, now, kill_at))
        record.scan_at = now
        record.known |= {process for process in self._left if proc.alive(process)}
        self._send_stop(record)

    def _renew(self, record: GroupState, lease_end: float) -> None:
        if record.stop is not None:
            record.stop.lease_end = lease_end
            record.scan_at = min(record.scan_at, max(self._now(), lease_end))

    def _send_stop(self, record: GroupState) -> None:
        if record.stop_flying or self._census.gone:
            return
        record.stop_flying = True
        record.stop_sent = self._now()
        answer = functools.partial(self._stop_answered, record, not record.start_flying)
        self._ask(answer, self._supervisord.call, "supervisor.stopProcessGroup", record.name, False)

    def _stop_answered(
        self, record: GroupState, after_start: bool, items: Any, error: Optional[SupervisordError]
    ) -> None:
        record.stop_flying = False
        stop = record.stop
        if stop is None:
            return
        if error is None or (isinstance(error, Fault) and (error.shutting_down or error.code == BAD_NAME)):
            # While it shuts down, and without such a group, supervisord starts nothing.
            stop.answered(self._now(), bool(items), after_start)
            record.start_open = stop.start_open
            record.trouble = ""
        else:
            stop.asked = True
            record.trouble = str(error)
        record.scan_at = min(record.scan_at, self._now())

    def _stop_step(self, record: GroupState, found: Found) -> None:
        stop, gone = record.stop, self._census.gone
        now = self._now()
        self._ask_whose(record, found, now)
        found = self._bounded(stop, found)
        nobody = not found.living and not found.forming
        doubts = nobody and stop.doubts(now, bool(found.unsure))
        if doubts and stop.doubt_ends >= now + DOUBT_TIME:
            log.warning("group %s: some carry its name and do not prove that they belong; they are left alone: pids %s%s",
                        record.name, " ".join(map(str, sorted(found.unsure)[:10])), " …" if len(found.unsure) > 10 else "")
        stop.scanned(nobody and not doubts)
        if found.living and stop.ready(now, gone):
            if stop.sentry or now >= stop.kill_at:
                self._kill(record, found.living)
            elif not (found.members or found.forming):
                self._ask_descendants(record, found.living)
        if stop.dead(now, gone):
            for order in stop.report():
                self._post(GroupDead(record.name, order.op, now - order.since))
        if stop.settled(gone):
            self._settle(record)
            return
        if stop.killing(now, gone) and not stop.sentry:
            self._tell_stuck(record, found, now)
        pace = stop.pace(now, gone, bool(found.living))
        if found.forming:
            pace = min(pace, 0.005)
        if doubts:
            pace = max(pace, DOUBT_PACE)
        if stop.sentry:
            pace = SENTRY_PACE
        record.scan_at = now + pace
        if found.living or record.trouble:
            wait = 2 * GRACE_PACE
        elif found.forming or record.start_flying:
            wait = 0.02
        else:
            wait = 0.0
        if now - record.stop_sent >= wait:
            self._send_stop(record)

    def _bounded(self, stop: Stop, found: Found) -> Found:
        """Whoever may have come by becoming supervisord's child, with those in doubt, as others could hold a stop up for ever:
        where supervisord is process 1, or takes orphans in, anybody's orphans are its children. In its own session they are
        its programs' only, and count until it has told whose its children are; then it has told to stop what is in its books.
        """
        session = self._census.supervisord.session if found.nameless else 0
        bounded = {process for process in found.nameless if stop.books or process.session != session}
        if not bounded:
            return found
        return found._replace(
            forming=found.forming - bounded, unsure=found.unsure | {process.pid for process in bounded}
        )

    def _ask_descendants(self, record: GroupState, living: Set[proc.Process]) -> None:
        """Ask those to stop whom supervisord, whose children have ended, has not asked, once."""
        for process in living:
            if process.identity in record.asked or (record.as_group and process.pgrp in record.pgrps):
                continue
            record.asked.add(process.identity)
            try:
                proc.kill(process, signal.SIGTERM)
            except PermissionError:
                # When it is to be killed that is told.
                continue

    def _settle(self, record: GroupState) -> None:
        record.mode, record.stop, record.scan_at = "dead", None, self._rest(self._now())
        self._striker.done(record.name, record.ordered)
        record.strayed = False
        record.unregistered = set()
        record.pgrps = set()
        record.start_open = False
        record.children = None
        record.told = set()
        self._watch_pidfds(record, Found(set(), {}, set(), set(), False))
        if record.waiting is not None:
            waiting, record.waiting = record.waiting, None
            self._start(record, waiting)

    def _strike(self, record: GroupState) -> None:
        """Kill whoever is known already."""
        for descriptor in record.pidfds.values():
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            except OSError as failure:
                if failure.errno != errno.ESRCH:
                    log.error("group %s: %s", record.name, failure)
        self._kill_cgroup(record)

    def _kill_cgroup(self, record: GroupState) -> None:
        """After those that are known: what cgroups there are is under one lock of the kernel, which others may hold."""
        try:
            if self._cgroups is not None:
                self._cgroups.kill(record.name)
            if self._former is not None:
                self._former.kill()
        except OSError as error:
            # They are killed one by one all the same.
            record.trouble = f"its cgroup cannot be killed: {error}"

    def _kill(self, record: GroupState, living: Set[proc.Process]) -> None:
        denied = []
        for process in living:
            try:
                if process.identity in record.pidfds:
                    signal.pidfd_send_signal(record.pidfds[process.identity], signal.SIGKILL)
                else:
                    proc.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError:
                denied.append(process.pid)
            else:
                if process.identity not in record.killed:
                    record.killed.add(process.identity)
                    log.info("group %s: killed pid %d", record.name, process.pid)
        self._kill_cgroup(record)
        if set(denied) - set(record.denied):
            record.stuck_told = -math.inf
        record.denied = tuple(sorted(denied))

    def _tell_stuck(self, record: GroupState, found: Found, now: float) -> None:
        stop = record.stop
        since = stop.kill_since if math.isinf(record.stuck_told) else record.stuck_told
        if now - since < STUCK_EVERY and not (record.denied and math.isinf(record.stuck_told)):
            return
        record.stuck_told = now
        living = {process.pid: process for process in found.living}
        pids = sorted(living) or sorted(process.pid for process in found.forming)
        denied = [pid for pid in record.denied if pid in living]
        if denied:
            reason = "this process may not kill them: run the listener as root or as the programs' user"
        elif living:
            states = ", ".join(f"{pid} in state {process.state}" for pid, process in sorted(living.items()))
            reason = f"killed and not gone: {states}"
        elif found.forming:
            reason = "a child of supervisord, maybe of this group, has not executed its program yet, or hides what it is"
        elif stop.start_open:
            reason = "supervisord does not answer and may still carry out a start that was asked for before"
        else:
            reason = "supervisord starts members again after each stop"
        if record.trouble:
            reason += f" ({record.trouble})"
        listed = " ".join(map(str, pids)) or "none"
        log.error("group %s is not dead: %s; pids: %s", record.name, reason, listed)
        self._post(GroupStuck(record.name, stop.op, tuple(pids), reason))

    def _without_scan(self, record: GroupState, error: Exception) -> None:
        """/proc could not be read: kill what can be killed without, and try again soon."""
        now = self._now()
        record.scan_at = now + 0.02
        if record.stop is None:
            return
        record.stop.again()
        if not record.stop.killing(now, self._census.gone):
            return
        self._strike(record)
        if now - record.stuck_told >= STUCK_EVERY:
            record.stuck_told = now
            pids = tuple(sorted(pid for pid, _ in record.pidfds))
            reason = f"its processes cannot be listed: {error}"
            self._post(GroupStuck(record.name, record.stop.op, pids, reason))

    # Watching

    def _watch(self, record: GroupState, on: bool) -> None:
        record.watching = on
        if record.stop is None and on:
            self._scan_soon(record)

    def _look(self, record: GroupState, op: int) -> None:
        if self._now() < record.states_until:
            self._tell_members(record, op, record.states)
        else:
            self._question(record, functools.partial(self._looked, record, op))

    def _looked(self, record: GroupState, op: int, infos: Any, error: Optional[SupervisordError]) -> None:
        self._tell_members(record, op, _states(infos or ()), "" if error is None else str(error))

    def _tell_members(
        self, record: GroupState, op: int, states: Dict[str, Tuple[str, int, str]], error: str = ""
    ) -> None:
        self._post(Members(record.name, op, states, error))
        if any(state == "STARTING" for state, _, _ in states.values()):
            if self._turn_until == -math.inf:
                self._later(TURN_PACE, self._turn_supervisord)
            self._turn_until = self._now() + TURN_TIME

    def _turn_supervisord(self) -> None:
        if self._now() >= self._turn_until:
            self._turn_until = -math.inf
            return
        if not (self._asking or self._starts_flying):
            self._wake_supervisord()
        self._later(TURN_PACE, self._turn_supervisord)

    def _question(self, record: GroupState, then: _Then, names: Tuple[str, ...] = ()) -> None:
        """Have supervisord asked what it says of the members; `then` as in `_ask`. names: members that exist."""
        self._questions.append(_Question(record, then, names))

    def _put_questions(self) -> None:
        """Make one call for many groups: with hundreds of them, calls are most of what a guard and supervisord do."""
        while self._questions and self._asking < MOST_ASKED:
            batch, members = [], 0
            while self._questions and members < MEMBERS_ASKED:
                one = self._questions.popleft()
                one.changes, one.moment = one.record.changes, self._now()
                batch.append(one)
                members += max(1, len(one.record.states))
            groups: Dict[str, Set[str]] = {}
            for one in batch:
                groups.setdefault(one.record.name, set()).update(one.names)
            self._asking += 1
            self._ask(functools.partial(self._answered, batch), self._supervisord.group_infos, groups)

    def _answered(self, batch: List[_Question], answer: Any, error: Optional[SupervisordError]) -> None:
        self._asking -= 1
        for one in batch:
            # Each for itself, whatever goes wrong with another.
            self._do(self._answer, one, answer[one.record.name] if error is None else error)

    def _answer(self, question: _Question, found: Any) -> None:
        if isinstance(found, SupervisordError):
            question.then(None, found)
        else:
            self._hear(question.record, question.changes, question.moment, found)
            question.then(found, None)

    def _hear(self, record: GroupState, changes: int, moment: float, infos: List[Dict[str, Any]]) -> None:
        """Take what supervisord says of the members. changes, moment: as in _Question."""
        self._learn(record, infos)
        if changes != record.changes or record.mode not in ("starting", "started"):
            return
        record.states = _states(infos)
        watched = {pid for pid, _ in record.pidfds}
        steady = all(state == "RUNNING" and pid in watched for state, pid, _ in record.states.values())
        unsteady = min(UNSTEADY_AGE, UNSTEADY_SHARE * (self._now() - moment))
        record.states_until = self._now() + (LOOK_AGE if steady else unsteady)

    def _changed(self, record: GroupState) -> None:
        """What supervisord said of the members may not be true any more."""
        record.states_until = -math.inf
        record.changes += 1

    def _note(self, record: GroupState, event: Tuple[str, str, int]) -> None:
        name, state, pid = event
        rising = state in _RISING
        self._changed(record)
        if record.stop is not None:
            if rising:
                # Only a stop request or a scan that is made from now on can tell what became of it.
                record.stop.again()
                record.scan_at = self._now()
                self._send_stop(record)
        elif record.mode in ("new", "dead"):
            if rising:
                self._post(MemberStarted(record.name, name, pid))
        else:
            self._scan_soon(record)
            if rising and pid:
                self._name(record, pid)
            if rising and not record.learning and not record.loaded:
                # A program may drop the environment by which it is known; supervisord knows its pid. The chain loader
                # has told it.
                record.learning = True
                self._question(record, functools.partial(self._learned, record), (name,))

    def _learned(self, record: GroupState, infos: Any, error: Optional[SupervisordError]) -> None:
        record.learning = False

    def _learn(self, record: GroupState, infos: List[Dict[str, Any]]) -> None:
        # A pid that supervisord has not reaped is nobody else's.
        for info in infos:
            process = self._name(record, info["pid"]) if info["pid"] else None
            if process is not None:
                record.known.add(process)
                self._census.told[process.identity] = record.name

    def _name(self, record: GroupState, pid: int) -> Optional[proc.Process]:
        """supervisord has named a pid: its process, None when it is dead."""
        process = self._census.claim(pid)
        if process is None:
            # Which one it was nobody can tell any more.
            record.strayed = record.strayed or all(entered != pid for entered, _ in record.entered)
        elif process.identity not in record.entered:
            record.unregistered.add(process.identity)
        return process

    def _ask_whose(self, record: GroupState, found: Found, now: float) -> None:
        """Ask supervisord to whom those of its children belong that take long to execute their program, or do not carry
        what it tells a program."""
        if not found.forming:
            record.forming_since = math.inf
            return
        record.forming_since = min(record.forming_since, now)
        if now - record.forming_since < 0.2 or self._asking_whose or self._census.gone:
            return
        self._asking_whose = True
        record.forming_since = now
        answer = functools.partial(self._told_whose, frozenset(found.forming), now)
        self._ask(answer, self._supervisord.call, "supervisor.getAllProcessInfo")

    def _told_whose(
        self, forming: FrozenSet[proc.Process], asked: float, infos: Any, error: Optional[SupervisordError]
    ) -> None:
        self._asking_whose = False
        if error is not None:
            return
        # Each was there before supervisord was asked, so a program's pid is in its books by now. Whoever is not there is no
        # program: a child of whatever became supervisord by execve(2), an orphan that it has inherited, a plugin's.
        groups = {info["pid"]: info["group"] for info in infos}
        for process in forming:
            owner = self._records.get(groups.get(process.pid, ""))
            if owner is not None:
                owner.known.add(process)
                owner.scan_at = min(owner.scan_at, self._now())
                self._census.told[process.identity] = owner.name
            # To all others.
            self._census.foreign.add(process.identity)
        for record in self._groups():
            if record.stop is not None and record.stop.began <= asked:
                record.stop.books = True

    def _scan_soon(self, record: GroupState) -> None:
        """Scan soon, and then ever less often."""
        record.pace = SOON_LOADED if self._sheltered(record) else SOON
        record.scan_at = min(record.scan_at, self._now() + record.pace)

    def _worth(self, record: GroupState, now: float) -> bool:
        """Whether a due scan can bring anything: for a sentry or a dead group, if the children changed."""
        sentry = record.stop is not None and record.stop.sentry
        if not sentry and record.mode != "dead":
            return True
        children = self._children_now()
        changed = children is None or children is not record.children
        record.children = children
        if changed or (sentry and now - record.scanned_at >= 0.05):
            return True
        record.scan_at = now + SENTRY_PACE if sentry else self._rest(now)
        return False

    def _children_now(self) -> Optional[FrozenSet[int]]:
        """supervisord's children, asked for once in a turn; the same object for as long as they are the same."""
        if self._children_at != self.turned_at:
            self._children_at = self.turned_at
            found = set() if self._census.gone else proc.children(self._census.supervisord.pid)
            if found is None:
                self._children = None
            elif found != self._children:
                self._children = frozenset(found)
        return self._children

    def _inside(self, record: GroupState, look: Look) -> Set[proc.Process]:
        """Who is in the group's cgroup; for one that is being stopped, in those of former instances too."""
        pids = [] if self._cgroups is None else self._cgroups.pids(record.name)
        if pids:
            self._striker.cage(record.name)
        if self._former is not None and record.stop is not None:
            pids += self._former.pids()
        inside = set()
        for pid in pids:
            # One that was forked since the table was read must not be missed.
            process = look.kin.processes.get(pid)
            if process is None:
                process = proc.read(pid)
                if process is not None:
                    self._census.add(process, look)
            if process is not None:
                inside.add(process)
        return inside

    def _scan(self, record: GroupState, look: Look) -> None:
        within = self._inside(record, look)
        record.known |= within
        found = self._census.find(record.name, record.known, look, record.claimed, record.swept)
        self._enroll(record, within, look)
        record.claimed = found.claimed
        record.swept = record.swept or found.complete
        record.identities = frozenset(process.identity for process in found.living)
        self._expose(record, found.living - within, found.claimed)
        now = self._now()
        record.scanned_at = now
        ended = self._ends(record, found) if record.stop is None else frozenset()
        record.known = found.known
        record.pgrps.update(member.pgrp for member in found.members)
        former = record.members
        record.members = {one.identity: name or former.get(one.identity, "") for one, name in found.members.items()}
        record.members.update((identity, former[identity]) for identity in ended & former.keys())
        if record.stop is not None:
            self._watch_pidfds(record, found)
            self._stop_step(record, found)
        elif record.mode == "dead":
            record.scan_at = now + 0.005 if found.forming - found.nameless else self._rest(now)
            if found.nameless:
                record.scan_at = min(record.scan_at, now + DOUBT_PACE)
            self._ask_whose(record, found, now)
            if found.forming:
                record.children = None
            for process, name in found.members.items():
                if process.identity not in record.told:
                    record.told.add(process.identity)
                    self._post(MemberStarted(record.name, name, process.pid))
        else:
            self._watch_pidfds(record, found, ended)
            self._ask_whose(record, found, now)
            if found.unreaped and record.watching:
                self._wake_supervisord()
            rest = REST_IN_CGROUP if found.living and not (record.exposed or record.unregistered) else REST
            record.scan_at = now + record.pace if record.pace < rest else self._rest(now, rest)
            record.pace = min(2 * record.pace, rest)

    def _enroll(self, record: GroupState, within: Set[proc.Process], look: Look) -> None:
        """Take those for registered that can only have come by what they have from a registration, with a guard before this
        one; and forget who is dead, but not that it never registered."""
        record.unregistered -= {one.identity for one in within if self._census.carries_secret(one, record.name)}
        present = {one.identity for one in look.kin.processes.values()}
        record.entered &= present
        if not record.unregistered <= present:
            record.unregistered &= present
            record.strayed = True

    def _expose(self, record: GroupState, outside: Set[proc.Process], claimed: Set[proc.Process]) -> None:
        record.exposed = bool(outside)
        record.strayed = record.strayed or record.exposed
        # What a process carries tells the next guard as well; what it is kin to counts for more.
        seen = frozenset(process.identity for process in outside - claimed)
        # While it is being stopped, what was told before is enough, and nothing is to be done but to kill.
        if seen != record.seen and (record.stop is None or not seen):
            record.seen = seen
            self._keep(record.name, seen)

    def _watch_pidfds(self, record: GroupState, found: Found, ended: FrozenSet[tuple] = frozenset()) -> None:
        """Have a pidfd of each living process, the members first, and of nobody else but those that ended."""
        wanted = {process.identity: process for process in itertools.chain(found.members, found.living)}
        wanted = dict(itertools.islice(wanted.items(), WATCHED))
        for identity in set(record.pidfds) - set(wanted) - ended:
            self._drop_pidfd(record, identity)
        for process in wanted.values():
            if len(self._watched) < self._most_watched:
                self._watch_pidfd(record, process)

    def _watch_pidfd(self, record: GroupState, process: proc.Process) -> bool:
        """Whether there is a pidfd of it."""
        if process.identity in record.pidfds:
            return True
        descriptor = proc.pidfd(process)
        if descriptor is None:
            return False
        try:
            self._poll.register(descriptor, select.EPOLLIN)
        except OSError:
            os.close(descriptor)
            raise
        record.pidfds[process.identity] = descriptor
        self._watched[descriptor] = (record, process)
        self._striker.hold(record.name, process.identity, descriptor)
        return True

    def _ends(self, record: GroupState, found: Found) -> FrozenSet[tuple]:
        """Those that ended after the poll of this turn. The next one tells, when orders that came before have been obeyed.
        """
        living = {process.identity for process in found.living}
        ended = select.poll()
        for identity, descriptor in record.pidfds.items():
            if identity not in living:
                ended.register(descriptor, select.POLLIN)
        return frozenset(self._watched[descriptor][1].identity for descriptor, _ in ended.poll(0))

    def _drop_pidfd(self, record: GroupState, identity: tuple) -> None:
        descriptor = record.pidfds.pop(identity)
        del self._watched[descriptor]
        self._poll.unregister(descriptor)
        # Who kills by it closes it.
        self._striker.drop(record.name, identity)

    def _ended(self, descriptor: int) -> None:
        """A watched process ended."""
        if descriptor not in self._watched:
            return
        record, process = self._watched[descriptor]
        self._drop_pidfd(record, process.identity)
        self._changed(record)
        name = record.members.pop(process.identity, None)
        if record.stop is not None:
            # One scan for the last of them and not one for each of fifty.
            if not record.pidfds or (name is not None and not record.members):
                record.scan_at = self._now()
        elif name is not None:
            if record.watching:
                self._wake_supervisord()
                self._post(MemberDied(record.name, name, process.pid))
            self._scan_soon(record)


def _states(infos: Iterable[Dict[str, Any]]) -> Dict[str, Tuple[str, int, str]]:
    return {info["name"]: (info["statename"], info["pid"], info["spawnerr"]) for info in infos}
