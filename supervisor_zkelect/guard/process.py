"""The guard's process: the socket, the pidfds and the signals around `guard.Guard`.

It lives in a session of its own, so that what befalls the listener's does not reach it, and there is one of it per
runtime folder: whoever holds the guard's lock. Signals that would end it are ignored while it is needed (rule 7).

The messages are JSON objects, one per line, both ways; `link.py` has the other side. A program's chain loader
(`run.py`) speaks to the same socket, with one message, and may be anybody: `door.py` tells them apart.

A listener that cannot start this process runs `serve` in a thread of its own (`link.py`): then the groups are
guarded for as long as the listener lives.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import math
import os
import queue
import selectors
import signal
import socket
import sys
import threading
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from supervisor_zkelect.guard import door, keeper_link, locks, members, protocol, record, registration, saved_session, upkeep
from supervisor_zkelect.guard.effects import GuardEffects
from supervisor_zkelect.guard.ending import LOCK_PACE
from supervisor_zkelect.guard.guard import Guard
from supervisor_zkelect.guard.keeper_protocol import KeeperSaid
from supervisor_zkelect.guard.messages import Handler, handlers
from supervisor_zkelect.guard.programs import Programs
from supervisor_zkelect.processes import census, cgroup, execution, manager, proc
from supervisor_zkelect.supervisord.client import BAD_NAME, MOST_CALLS, Fault, Supervisord, SupervisordError
from supervisor_zkelect.system import logs, reserve
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.system.workers import Workers

log = logging.getLogger(__name__)

#: Seconds that a guard waits for its predecessor to end.
PREDECESSOR_TIME = 10.0
#: Bytes of what it says while nobody listens that are kept.
LONGEST_LOG = 1 << 16
#: Seconds after which a guard starts its keeper.
KEEPER_DELAY = 0.3
#: Seconds that supervisord has to tell the state of the listener's process.
STATE_TIME = 2.0
#: Seconds for which the moves of programs into their cgroups are kept quick after something tells that some are to come,
#: and how often that takes doing (`Cgroups.quicken`).
QUICK_TIME, QUICK_PACE = 0.15, 0.008
#: Seconds between two turns of a loop for which nothing is due.
IDLE_TIME = 1.0
#: Seconds for which a thread of this process keeps Python's lock while another waits for it.
SWITCH_INTERVAL = 0.001

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


class Terms(NamedTuple):
    """What a guard is started with.

    folder: the runtime folder. owner: as `record.Owner`. url: supervisord's SUPERVISOR_SERVER_URL. config: the
    listener's configuration file. grace: reattach_grace, in seconds. room: how many elections there are. credentials:
    whether ZooKeeper is told who this node is. session, arguments: the session that supervisord is in, and its command line
    as the kernel shows it, as the listener read them when it began: of a dead one nobody can read them any more. calls: the
    URL for calls to supervisord, "" for the same.
    """

    folder: str
    owner: Tuple[Any, ...]
    url: str
    config: str
    grace: float
    room: int
    credentials: bool = False
    session: int = 0
    arguments: str = ""
    calls: str = ""


class _Place(NamedTuple):
    """What there is one of, for the one guard of a runtime folder: the lock's descriptor, and the name (`locks.claim`)."""

    lock: int
    name: Optional[socket.socket]

    def leave(self) -> None:
        os.close(self.lock)
        if self.name is not None:
            self.name.close()


class Process(GuardEffects):
    """All methods run on one thread; the process manager's events come through a pipe.

    place: what makes this process the one guard. alone: whether nothing but the guard is in this process.
    """

    def __init__(
        self, terms: Terms, credentials: Tuple[Optional[str], Optional[str]], place: _Place, alone: bool
    ) -> None:
        self.terms = terms
        self.said: List[str] = []
        try:
            self.log = upkeep.open_log(terms.folder)
        except OSError as error:
            log.warning("what is said while there is no listener is not kept: %s", error)
            self.log = -1
        self.folder = terms.folder
        self.owner = record.Owner(*terms.owner)
        self.selector = selectors.DefaultSelector()
        self.door = door.Door(self.selector, self.owner.pid, self.take, self.listener_left)
        self.listener: Optional[door.Peer] = None
        self.key = registration.Key(self.folder)
        if self.key.trouble:
            log.error("what programs prove by that they belong is not kept for another guard: %s", self.key.trouble)
        self.lock = -1
        self.keeper = keeper_link.KeeperLink(
            terms.folder, terms.config, terms.credentials, self.selector, self.on_keeper
        )
        #: whether there is a process for it beforehand
        self.alone = alone
        #: group and name of the listener's program, as supervisord has them
        self.listener_name = ""
        #: until when programs are expected, for the thread that keeps their moves quick
        self.expected: "queue.SimpleQueue[float]" = queue.SimpleQueue()
        self.asked_to_end = False
        self.events: List[Callable[[], None]] = []
        self.bell, self.ring = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        here = proc.find(self.owner.pid, self.owner.start) is not None
        self.cgroups, self.former = self.find_cgroups(self.owner.pid if here else None)
        self.supervisord = Supervisord(terms.calls or terms.url, *credentials)
        self.calls = Workers(min(max(8, 4 * terms.room), MOST_CALLS), "zkelect-rpc")
        self.members = members.Members(self.folder, self.owner)
        own, left = self.members.load()
        self.manager = manager.ProcessManager(
            self.supervisord, self.owner.pid, self.post, self.calls, server_url=terms.url,
            cgroups=self.cgroups, instance=record.instance(self.owner), former=self.former,
            identity=census.Identity(self.owner.start, terms.session, os.fsencode(terms.arguments)), left=left,
            keep=lambda *seen: self.members.told.put(seen), secrets=self.key.secret,
        )
        for name, processes in own.items():
            self.manager.group(name).remember(processes)
        former = self.read_former()
        try:
            book: Any = record.Writer(self.folder, self.owner, terms.room + len(former))
        except OSError as error:
            log.error("there is no record, so no program is started: %s", error)
            book = _NoRecord()
        self.guard = Guard(self.owner, terms.grace, self.manager, book, self, now)
        self.handlers = self._handlers()
        #: what chain loaders connect to
        self.listening: Optional[socket.socket] = None
        self.name = place.name
        self.upkeep = upkeep.Upkeep(self.folder, place.lock, self.log, book, self.key, self.open_door)
        self.manager.start()
        if self.cgroups is not None:
            # In a thread of its own, since the kernel may take its time and nobody can interrupt it.
            quick = threading.Thread(
                target=keep_quick, args=(self.cgroups, self.expected), name="zkelect-cgroups", daemon=True
            )
            try:
                quick.start()
            except RuntimeError as error:
                log.warning("moves into cgroups are not kept quick: %s", error)
        self.guard.begin(former)
        try:
            # In a thread of its own, since a file system may have whoever makes a file wait for others' writes.
            threading.Thread(target=self.members.run, name="zkelect-members", daemon=True).start()
        except RuntimeError as error:
            log.warning("what a guard after this one should know of the groups is not kept: %s", error)

    def _handlers(self) -> Mapping[Any, Handler]:
        """What is done with each kind of message."""
        programs = Programs(
            self.owner.pid, self.guard, self.manager, self.cgroups, self.key.secret, self.answer, self.mend_folder
        )
        return handlers(protocol.TO_GUARD.kinds, {
            protocol.Run: programs.on_run, protocol.RunRefused: programs.on_refused, protocol.Hello: self.on_hello,
            protocol.KeepFolder: self.on_keep_folder, **{kind: self.on_order for kind in protocol.ORDERS.values()},
        })

    def find_cgroups(self, pid: Optional[int]) -> Tuple[Optional[cgroup.Cgroups], cgroup.Former]:
        """The cgroups of this supervisord, and those of its former instances. pid: its own, None when it is dead.

        A former instance is of the same URL, user, boot and pid namespace; whether it lives, its pid and start time tell.
        """
        key, own = record.key(self.terms.url), f"{self.owner.pid}-{self.owner.start}"
        made: Dict[str, Dict[str, str]] = {}
        for path, name in cgroup.made("zkelect-").items():
            url, _, rest = name.partition("-")
            beginning = record.instances(self.owner)
            if rest.startswith(beginning):
                made.setdefault(url, {})[path] = rest[len(beginning):]
        mine = made.pop(key, {})
        name = f"zkelect-{key}-{record.instance(self.owner)}"
        found = cgroup.find(pid, name, [path for path, whose in mine.items() if whose == own])
        # One that was started by a program of a former one is inside its cgroup.
        spared = (pid, os.getpid())
        former = cgroup.Former({path: whose for path, whose in mine.items() if whose != own}, lives, spared)
        former.remove()
        for others in made.values():
            # Of other supervisords nothing but what is empty, which nobody may be there to remove.
            cgroup.Former(others, lives).remove()
        return found, former

    def read_former(self) -> List[record.Entry]:
        """What a guard that is dead was in charge of, for the same supervisord."""
        try:
            return record.read(self.folder, self.owner)
        except record.RecordError as error:
            log.info("no earlier record is taken over: %s", error)
            return []

    def post(self, event: Any) -> None:
        """Take an event of the process manager; on any thread."""
        self.later(lambda: self.guard.heard(event))

    def later(self, do: Callable[[], None]) -> None:
        """Have the guard's thread do something; on any thread."""
        self.events.append(do)
        self.wake()

    def say(self, line: str) -> None:
        """Take a line of the log: standard error is a pipe of a listener that is dead."""
        self.said.append(line)
        self.wake()

    def wake(self) -> None:
        try:
            os.write(self.ring, b"\0")
        except BlockingIOError:
            # It is full, so the loop will wake.
            return

    # The loop

    def run(self, ready: Callable[[], None]) -> None:
        """Guard until nothing is left to. `ready` is called when the socket is there."""
        self.open_door()
        if self.name is not None:
            self.door.listen(self.name)
        self.selector.register(self.bell, selectors.EVENT_READ, self.on_bell)
        self.watch_supervisord()
        ready()
        if self.alone:
            # Not just when a guard that took over from a dead one, and its listener, want the processor.
            self.keeper.start_at = now() + KEEPER_DELAY
        while not self.guard.finished(self.asked_to_end):
            self.attempt(self.turn)
        self.keeper.close()
        self.manager.close()
        try:
            os.unlink(os.path.join(self.folder, record.SOCKET))
        except OSError as error:
            log.info("the socket is not there to be removed: %s", error.strerror)
        if self.cgroups is not None:
            self.cgroups.remove()
        self.former.remove()
        log.info("end")

    def attempt(self, work: Callable[..., None], *arguments: Any) -> None:
        """Whatever goes wrong with one message or one process, the leases of the others are still to be kept."""
        try:
            work(*arguments)
        except Exception as error:
            if reserve.short(error):
                reserve.spend()
            try:
                log.exception("%s", error)
            except MemoryError:
                return

    def turn(self) -> None:
        # epoll's clock stands still in a suspend, in which leases go on.
        due = min(self.guard.next_wakeup(), self.keeper.next_wakeup(), self.door.opens_at)
        wait = IDLE_TIME if due == math.inf and self.listener is not None else min(max(0.0, due - now()), 1.0)
        for key, mask in self.selector.select(wait):
            self.attempt(key.data, key.fileobj, mask)
        self.guard.keep_time()
        if self.upkeep.due():
            self.keep_folder()
        self.keeper.keep_time()
        self.door.keep_time()

    def end_when_possible(self, number: int, frame: Any) -> None:
        """A handler for the signals that would end it."""
        self.asked_to_end = True

    def watch_supervisord(self) -> None:
        process = proc.find(self.owner.pid, self.owner.start)
        descriptor = proc.pidfd(process) if process is not None else None
        if descriptor is None:
            self.guard.supervisord_dead()
        else:
            self.selector.register(descriptor, selectors.EVENT_READ, self.on_supervisord_gone)

    def on_supervisord_gone(self, descriptor: int, mask: int) -> None:
        self.selector.unregister(descriptor)
        os.close(descriptor)
        self.guard.supervisord_dead()

    def on_bell(self, descriptor: int, mask: int) -> None:
        try:
            os.read(descriptor, 65536)
        except BlockingIOError:
            pass
        events, self.events = self.events, []
        for do in events:
            self.attempt(do)
        said, self.said = self.said, []
        for line in said:
            if self.listener is not None:
                self.tell(protocol.GuardSaid(line))
            else:
                self.keep_line(line)

    def keep_line(self, line: str) -> None:
        """Keep a line for the next listener."""
        try:
            if os.fstat(self.log).st_size > LONGEST_LOG:
                os.ftruncate(self.log, 0)
            os.pwrite(self.log, line.encode("utf-8", "backslashreplace") + b"\n", os.fstat(self.log).st_size)
        except OSError:
            # There is no place left to complain.
            return

    def tell_kept(self) -> None:
        """Tell a listener what was said while there was none."""
        if self.log < 0:
            return
        for line in os.pread(self.log, 2 * LONGEST_LOG, 0).decode("utf-8", "replace").splitlines():
            self.tell(protocol.GuardSaid(line))
        os.ftruncate(self.log, 0)

    # What the guard has done

    def tell(self, message: Any) -> None:
        if self.listener is not None:
            self.answer(self.listener, protocol.TO_LISTENER.document(message))

    def kill_listener(self) -> None:
        listener = self.listener
        if listener is not None:
            process = proc.read(listener.pid)
            log.warning("the listener, process %d, does not release and is killed", listener.pid)
            if process is not None and process.pid != os.getpid():
                proc.kill(process, signal.SIGKILL)
            self.door.drop(listener)

    def take_lock(self) -> bool:
        if not self.keep_folder():
            log.error("%s is not to be had; this guard kills its groups and ends", self.folder)
            self.guard.disowned()
            return False
        try:
            self.lock = locks.take(os.path.join(self.folder, record.LOCK))
        except OSError as error:
            # It is tried again.
            log.warning("the session's lock cannot be taken: %s", error)
            return False
        return self.lock >= 0

    def mend_folder(self) -> bool:
        """Have put back what somebody removed of the runtime folder; whether something was."""
        before = self.upkeep.put_back
        return self.keep_folder() and self.upkeep.put_back > before

    def keep_folder(self) -> bool:
        """Have put back what somebody removed of the runtime folder; whether the folder is this guard's."""
        return not self.upkeep.look(self.listener is None, self.lock)

    def give_lock_back(self) -> None:
        os.close(self.lock)
        self.lock = -1

    def expect_programs(self, expected: bool) -> None:
        if self.cgroups is not None:
            self.expected.put(now() + QUICK_TIME if expected else 0.0)

    def session_groups(self) -> List[str]:
        former = saved_session.load(self.folder)
        return [] if former is None else [one.group for one in former.elections]

    def keep(self, terms: Dict[str, int], attach: bool) -> None:
        self.keeper.keep(terms, attach)

    def on_keeper(self, message: Any) -> None:
        """What the keeper answers, or has for the log."""
        if isinstance(message, KeeperSaid):
            self.say(message.text)
        else:
            self.guard.keeper_said(message)

    def release(self, ended: Dict[str, Dict[str, Any]]) -> None:
        self.keeper.release(ended, self.lock)

    def ask_for_listener(self) -> None:
        name = self.listener_name

        if name in ("", ":"):
            # No listener has greeted this guard yet.
            self.guard.listener_state("")
            return

        def ask() -> None:
            try:
                info = self.supervisord.call("supervisor.getProcessInfo", name, timeout=STATE_TIME)
                # One that looks elsewhere is as good as none for what runs here.
                state = info["statename"] if self.comes_here(info["pid"]) else "STOPPED"
            except Fault as fault:
                # Without such a program, and while it shuts down, supervisord starts no listener.
                state = "STOPPED" if fault.shutting_down or fault.code == BAD_NAME else ""
            except SupervisordError:
                state = ""
            self.later(lambda: self.guard.listener_state(state))

        try:
            self.calls.submit(ask)
        except RuntimeError:
            # There is no thread to be had.
            self.guard.listener_state("")

    def comes_here(self, pid: int) -> bool:
        """Whether a listener with this pid, if it is one, has this guard's user and runtime folder. Any thread may ask."""
        try:
            if not pid or os.stat(f"/proc/{pid}").st_uid != os.geteuid():
                return not pid
            told = proc.environ(pid)
            return not told or told.get(record.VARIABLE) == os.environ.get(record.VARIABLE)
        except OSError:
            return True

    def call(self, command: List[str], seconds: float, variables: Dict[str, str]) -> None:
        def run() -> None:
            try:
                log.warning("%s: %s", command[0], execution.run(command, now() + seconds, variables))
            except OSError as error:
                log.error("%s cannot be run: %s", command[0], error.strerror)

        try:
            threading.Thread(target=run, name="zkelect-hook", daemon=True).start()
        except RuntimeError as error:
            log.error("%s cannot be run: %s", command[0], error)

    # Conversation

    def open_door(self) -> None:
        path = os.path.join(self.folder, record.SOCKET)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        fresh = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
        try:
            # Through /proc, as a socket's path has room for 107 bytes only (unix(7)).
            fresh.bind(f"/proc/self/fd/{folder}/{record.SOCKET}")
        finally:
            os.close(folder)
        # A chain loader of any user may register; orders are taken from this user and root only.
        os.chmod(path, 0o666)
        fresh.listen(128)
        self.upkeep.door_is = os.lstat(path)
        former, self.listening = self.listening, fresh
        if former is not None:
            self.door.leave(former)
            former.close()
        self.door.listen(fresh)

    def listener_left(self, peer: door.Peer) -> None:
        """The connection of a listener was closed."""
        if peer is self.listener:
            self.listener = None
            # Before another listener looks for what is kept there.
            self.keep_folder()
            self.guard.listener_gone()

    def answer(self, peer: door.Peer, message: Dict[str, Any]) -> None:
        self.door.answer(peer, message)

    def take(self, peer: door.Peer, document: Dict[str, Any]) -> None:
        """Raises ValueError, KeyError or TypeError when it is no message."""
        kind = protocol.TO_GUARD.kind(document)
        if kind not in protocol.FOR_ANYBODY and not peer.trusted:
            self.answer(peer, {"ok": False, "error": "orders are taken from this guard's user only"})
        elif kind is protocol.Hello and document.get("v") != protocol.VERSION:
            # What else stands in it may have another meaning there.
            self.answer(peer, {"ok": False, "busy": self.guard.ending.locked, "pid": os.getpid()})
        else:
            self.handlers[kind](peer, protocol.TO_GUARD.decode(document))

    def on_order(self, peer: door.Peer, order: Any) -> None:
        if peer is not self.listener:
            raise ValueError(f"only a listener orders {type(order).__name__}")
        if isinstance(order, protocol.StartOrder):
            # The programs will look there.
            self.keep_folder()
        self.guard.obey(order)

    def on_keep_folder(self, peer: door.Peer, message: protocol.KeepFolder) -> None:
        self.answer(peer, {"ok": self.keep_folder()})

    def on_hello(self, peer: door.Peer, hello: protocol.Hello) -> None:
        welcome = self.guard.welcome(hello, os.getpid(), self.cgroups.base if self.cgroups else "")
        if welcome.ok:
            self.listener_name = ":".join(hello.listener)
            former, self.listener = self.listener, peer
            self.door.keep(peer)
            if former is not None:
                self.door.drop(former)
        self.answer(peer, protocol.TO_LISTENER.document(welcome))
        if welcome.ok:
            self.tell_kept()


def keep_quick(cgroups: cgroup.Cgroups, expected: "queue.SimpleQueue[float]") -> None:
    """Keep moves into cgroups quick for as long as programs are expected; the queue tells until when."""
    until = 0.0
    while True:
        try:
            until = expected.get(timeout=QUICK_PACE if now() < until else None)
        except queue.Empty:
            pass
        if now() < until:
            try:
                cgroups.quicken()
            except OSError as error:
                until = 0.0
                log.info("moves into cgroups take as long as they take: %s", error)


class _NoRecord:
    """Where the record cannot be written: programs refuse to start, and what runs is guarded all the same."""

    def open(self) -> None:
        return

    def make_room(self, room: int) -> None:
        return

    def put_back(self) -> bool:
        return False

    def put(self, entry: record.Entry) -> None:
        raise OSError(errno.ENODEV, "there is no record")


def lives(name: str) -> bool:
    """Whether "PID-START", the end of an instance's name, is that of a process of this pid namespace that lives."""
    pid, _, start = name.partition("-")
    if not (pid.isdigit() and start.isdigit()):
        return True
    return proc.find(int(pid), int(start)) is not None


def _wait_for_place(folder: str) -> Optional[_Place]:
    """Become the one guard; None when its predecessor does not end. Raises OSError."""
    until = now() + PREDECESSOR_TIME
    pause: Callable[[float], Any] = threading.Event().wait
    while True:
        trouble = record.unusable(folder)
        if trouble:
            raise OSError(errno.EACCES, trouble)
        lock = locks.take(os.path.join(folder, record.GUARD_LOCK))
        if lock >= 0:
            free, name = locks.claim(folder, locks.GUARD)
            if free:
                return _Place(lock, name)
            os.close(lock)
        if now() > until:
            return None
        pause(LOCK_PACE)


def serve(terms: Terms, credentials: Tuple[Optional[str], Optional[str]], ready: Callable[[], None]) -> None:
    """Guard on this thread, until nothing is left to. Raises OSError when another guard does not end.

    credentials: user and password of supervisord's server. ready: called when listeners can connect.
    """
    place = _wait_for_place(terms.folder)
    if place is None:
        raise OSError(errno.EBUSY, "another guard is there already")
    try:
        Process(terms, credentials, place, alone=False).run(ready)
    finally:
        place.leave()


def _stay_in_memory() -> None:
    """Never be paged out, and be the last to be killed when memory runs out, where the kernel allows it."""
    threading.stack_size(256 * 1024)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        log.info("memory is not locked: %s", os.strerror(ctypes.get_errno()))
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-900")
    except OSError:
        # An unprivileged guard cannot.
        return


def main(words: List[str]) -> int:
    """words: `Terms` as JSON."""
    reserve.begin()
    sys.setswitchinterval(SWITCH_INTERVAL)
    terms = Terms(**json.loads(words[0]))
    handler = logs.begin("guard")
    # Whoever started this may ignore it, and would hide how children end.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        place = _wait_for_place(terms.folder)
    except OSError as error:
        print(f"no guard: {error.strerror}", file=sys.stderr)
        return 1
    if place is None:
        print("another guard is there already", file=sys.stderr)
        return 1
    _stay_in_memory()
    credentials = os.environ.get("SUPERVISOR_USERNAME"), os.environ.get("SUPERVISOR_PASSWORD")
    process = Process(terms, credentials, place, alone=True)
    handler.otherwise = process.say
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, process.end_when_possible)
    signal.set_wakeup_fd(process.ring, warn_on_full_buffer=False)
    process.run(_tell_ready)
    return 0


def _tell_ready() -> None:
    """Tell the listener that started this. If it is gone, what was taken over is guarded all the same."""
    try:
        os.write(1, b"ready\n")
    except OSError as error:
        log.info("the listener that started this guard is gone: %s", error)


if __name__ == "__main__":
    logs.end(main(sys.argv[1:]))
