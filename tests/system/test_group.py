"""The process manager and its groups against real supervisords and real processes."""

from __future__ import annotations

import json
import os
import pwd
import queue
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import member_states, proc, schedule
from supervisor_zkelect.processes.census import Census, SupervisordIdentity
from supervisor_zkelect.processes.group_events import (
    GroupDead,
    GroupStarted,
    GroupStartFailed,
    GroupStuck,
    MemberDied,
    Members,
    MemberStarted,
)
from supervisor_zkelect.processes.kernel import Poller
from supervisor_zkelect.processes.manager import ProcessManager
from supervisor_zkelect.processes.member_states import TURN_PACE
from supervisor_zkelect.processes.state import GroupState
from supervisor_zkelect.supervisord import calls as supervisord_calls
from supervisor_zkelect.supervisord.client import Fault, Supervisord, Unreachable
from supervisor_zkelect.supervisord.groups import GroupCalls
from supervisor_zkelect.system import clock

LONG = 30.0

#: A service of many habits: it tells what it sees in files whose names it is given.
SERVICE = """
import ctypes, os, signal, sys, threading, time

habits = sys.argv[1:]
marks = habits.pop(0)

def mark(name):
    with open(os.path.join(marks, name), "a") as file:
        file.write("%d %.4f\\n" % (os.getpid(), time.clock_gettime(time.CLOCK_BOOTTIME)))

def rest():
    while True:
        signal.pause()

def end(number, frame):
    mark("term")
    os._exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in habits else end)
if "daemon" in habits:
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        if "polite" not in habits:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        mark("daemon")
        if "headless" in habits:
            # The main thread ends, and the process lives on in another.
            threading.Thread(target=rest).start()
            ctypes.CDLL(None).pthread_exit(None)
        rest()
    os.wait()
if "child" in habits:
    if os.fork() == 0:
        if "polite" not in habits:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        mark("child")
        rest()
mark("up")
if "crash" in habits:
    sys.exit(3)
rest()
"""

#: supervisord with a pause between fork and exec for as long as a file exists.
SLOW_EXEC = """
import os, sys, threading
from supervisor.options import ServerOptions
execve = ServerOptions.execve

def slow(self, filename, argv, env):
    while os.path.exists(HOLD) and env["SUPERVISOR_PROCESS_NAME"] in open(HOLD).read():
        threading.Event().wait(0.002)
    return execve(self, filename, argv, env)

ServerOptions.execve = slow
from supervisor.supervisord import main
main()
"""


#: Becomes supervisord, after it has begun a helper; takes orphans, as process 1 does. A helper that comes later, when the
#: file "go" is there, is the orphan of one that ends. One that makes many leaves orphans in sessions of their own all the time,
#: which carry the name of the group and live for some moments; no more than MOST at once, the dead that supervisord has not
#: reaped yet among them, as it reaps a hundred in a turn of its loop, and the machine's pids would be used up.
ENTRY = """
import ctypes, os, sys, time
marks, helper, *command = sys.argv[1:]
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
if os.fork() == 0:
    environ = {} if "bare" in helper else os.environ
    if "later" in helper:
        while not os.path.exists(os.path.join(marks, "go")):
            time.sleep(0.01)
        if os.fork():
            os._exit(0)
    with open(os.path.join(marks, "helper"), "w") as file:
        file.write("%d 0\\n" % os.getpid())
    MOST, left = 200, []
    while "many" in helper:
        told, tell = os.pipe()
        parent = os.fork()
        if not parent:
            os.setsid()
            orphan = os.fork()
            if orphan:
                os.write(tell, b"%d" % orphan)
            else:
                environ = {**os.environ, "SUPERVISOR_GROUP_NAME": "primary", "ZKELECT_SECRET": ""}
                os.execve("/bin/sleep", ["sleep", "0.3"], environ)
            os._exit(0)
        os.waitpid(parent, 0)
        left.append("/proc/%s" % os.read(told, 20).decode())
        os.close(told)
        os.close(tell)
        while len(left) >= MOST:
            # Nothing tells whoever is not its parent that a process was reaped, so it is looked for again and again.
            left = [path for path in left if os.path.exists(path)]
            time.sleep(0.001)
    os.execve(sys.executable, [sys.executable, "-c", "import signal; signal.pause()", marks], environ)
os.execv(command[0], command)
"""


class Kernel:
    """The real one; `meanwhile` is called before the table of processes is read."""

    def __init__(self, meanwhile=lambda: None) -> None:
        self.meanwhile = meanwhile

    def __getattr__(self, name):
        return getattr(proc, name)

    def table(self):
        self.meanwhile()
        return proc.table()


class Waits(Poller):
    """Tells of each wait."""

    def __init__(self, told) -> None:
        super().__init__()
        self._told = told

    def wait(self, seconds):
        self._told()
        return super().wait(seconds)


class Node:
    """A supervisord of its own, and a process manager for it in this process."""

    def __init__(self, folder: Path, name: str = "n") -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.marks = self.folder / "marks"
        self.marks.mkdir(mode=0o777)
        self.marks.chmod(0o777)
        self.url = f"unix://{self.folder}/s.sock"
        self.word = uuid.uuid4().hex
        self.events: queue.Queue = queue.Queue()
        self.sections: list = []
        self.ports: list = []
        self.supervisord = None
        self.manager = None
        self.pool = None
        self._past: list = []
        #: called when the process manager's thread begins to wait
        self.waiting = lambda: None
        self._ops = 100
        (self.folder / "service.py").write_text(SERVICE)

    def service(self, *habits: str) -> str:
        words = [sys.executable, "-I", "-S", f"{self.folder}/service.py", str(self.marks), *habits]
        return " ".join(shlex.quote(word) for word in words)

    def program(self, name: str, command: str, **options) -> Node:
        defaults = {"autostart": "false", "autorestart": "true", "startsecs": "0", "stopwaitsecs": "8"}
        lines = [f"{key} = {value}" for key, value in {**defaults, "command": command, **options}.items()]
        self.sections.append("\n".join([f"[program:{name}]", *lines]))
        return self

    def group(self, name: str, *programs: str) -> Node:
        self.sections.append(f"[group:{name}]\nprograms = {','.join(programs)}")
        return self

    def inet(self, options: str = "") -> str:
        """Have supervisord listen on a free port of 127.0.0.1, too; returns the URL."""
        port = child.free_port()
        self.ports.append(port)
        self.sections.append(f"[inet_http_server]\nport = 127.0.0.1:{port}\n{options}")
        return f"http://127.0.0.1:{port}"

    def up(self, slow_exec: bool = False, interface: bool = True, helper: str = "") -> Node:
        """Start supervisord, then a manager. interface: whether it has the RPC interface of this package. helper: as in
        ENTRY."""
        if interface:
            self.sections.append(
                "[rpcinterface:zkelect]\n"
                "supervisor.rpcinterface_factory = supervisor_zkelect.rpcinterface:make_zkelect_rpcinterface"
            )
        (self.folder / "s.conf").write_text(
            "\n\n".join(
                [
                    f"[supervisord]\nlogfile = {self.folder}/s.log\npidfile = {self.folder}/s.pid\n"
                    f"childlogdir = {self.folder}\nloglevel = debug",
                    f"[unix_http_server]\nfile = {self.folder}/s.sock\nchmod = 0777",
                    "[rpcinterface:supervisor]\n"
                    "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
                    *self.sections,
                    "",
                ]
            )
        )
        command = [str(Path(sys.executable).with_name("supervisord"))]
        if slow_exec:
            self.hold = self.folder / "hold"
            (self.folder / "slow.py").write_text(f"HOLD = {str(self.hold)!r}\n{SLOW_EXEC}")
            command = [sys.executable, f"{self.folder}/slow.py"]
        if helper:
            command = [sys.executable, "-c", ENTRY, str(self.marks), helper, *command]
        output = open(self.folder / "out", "ab")
        with output:
            self.supervisord = subprocess.Popen(
                [*command, "-n", "-c", f"{self.folder}/s.conf"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # As of programs that have registered.
                env={**os.environ, "ZKELECT_TEST": self.word, "ZKELECT_SECRET": self.word},
                start_new_session=True,
            )
        self.rpc = Supervisord(self.url)
        self.groups = GroupCalls(self.rpc)
        until(lambda: self.rpc.call("supervisor.getState")["statename"] == "RUNNING", LONG, "supervisord to answer")
        self.join()
        return self

    def join(self) -> ProcessManager:
        """A process manager as a listener would make it."""
        self.pool = ThreadPoolExecutor(8)
        self.kernel = Kernel()
        self.manager = ProcessManager(
            self.rpc, Census(self.supervisord.pid, self.url, secrets=lambda group, uid: self.word, kernel=self.kernel),
            self.events.put, self.pool, watching=Waits(lambda: self.waiting()),
        )
        self._past.append((self.manager, self.pool))
        self.manager.start()
        return self.manager

    def handle(self, name: str = "primary"):
        return self.manager.group(name)

    def op(self) -> int:
        self._ops += 1
        return self._ops

    def expect(self, kind, timeout: float = LONG, **fields):
        """The next event of this kind and with these fields; others before it are dropped."""
        deadline = clock.now() + timeout
        dropped = []
        while True:
            try:
                event = self.events.get(timeout=max(0.001, deadline - clock.now()))
            except queue.Empty:
                raise AssertionError(f"no {kind.__name__} {fields} in {timeout} s, only {dropped}") from None
            if isinstance(event, kind) and all(getattr(event, key) == value for key, value in fields.items()):
                return event
            dropped.append(event)

    def expect_all(self, kind, names: list) -> None:
        """Wait for an event of this kind of each group, and of no other."""
        left = set(names)
        while left:
            event = self.events.get(timeout=LONG)
            assert isinstance(event, kind), event
            left.remove(event.group)

    def start(self, name: str = "primary") -> None:
        op = self.op()
        self.handle(name).start(op)
        self.expect(GroupStarted, group=name, op=op)

    def kill(self, name: str = "primary") -> GroupDead:
        op = self.op()
        self.handle(name).kill(op)
        return self.expect(GroupDead, group=name, op=op)

    def seen(self, mark: str) -> list:
        """The (pid, time) pairs that services left under this mark."""
        try:
            lines = (self.marks / mark).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(int(pid), float(when)) for pid, when in (line.split() for line in lines if " " in line)]

    def wait_marks(self, mark: str, count: int = 1) -> list:
        what = f"{count} marks of {mark}"
        return until(lambda: len(self.seen(mark)) >= count and self.seen(mark), LONG, what)

    def wait_state(self, state: str) -> None:
        """Wait until supervisord says this of the only member."""
        what = f"the member to be {state}"
        until(lambda: self.infos()[0]["statename"] == state, LONG, what)

    def wait_watched(self, pid: int, wanted: bool = True) -> None:
        """Wait until the process manager has a pidfd of this process, or has none any more."""
        until(lambda: (pid in self.manager.groups.watched("primary")) == wanted, LONG, f"{pid} to be watched: {wanted}")

    def state(self, name: str) -> GroupState:
        """What the process manager knows of a group."""
        return self.manager.groups.state(name)

    def processes(self) -> set:
        """All living processes that supervisord or a descendant started, whatever became of them."""
        found = set()
        for process in proc.table().values():
            if process.gone or process.pid == self.supervisord.pid:
                continue
            told = proc.environ(process.pid).get("ZKELECT_TEST")
            if told == self.word or str(self.marks).encode() in proc.cmdline(process.pid):
                found.add(process)
        return found

    def pids(self, name: str = "primary") -> dict:
        return {info["name"]: info["pid"] for info in self.infos(name)}

    def infos(self, name: str = "primary") -> list:
        """What supervisord says of the members."""
        return self.groups.infos([name])[name]

    def signal(self, number: int) -> None:
        self.supervisord.send_signal(number)
        if number == signal.SIGSTOP:
            until(lambda: proc.read(self.supervisord.pid).state == "T", LONG, "supervisord to be stopped")

    def down(self) -> None:
        """End everything, whatever state it is in."""
        for one, _ in self._past:
            one.close()
        if self.supervisord is not None:
            self.supervisord.kill()
            self.supervisord.wait()

            def none_left():
                for process in self.processes():
                    proc.kill(process, signal.SIGKILL)
                return not self.processes()

            until(none_left, LONG, "the test's processes to be gone")
        for _, pool in self._past:
            pool.shutdown()
        for port in self.ports:
            child.give_back(port)


@pytest.fixture
def nodes(tmp_path):
    made = []

    def make(name: str = "n") -> Node:
        made.append(Node(tmp_path, name))
        return made[-1]

    tmp_path.chmod(0o755)
    try:
        yield make
    finally:
        for node in made:
            node.down()


@pytest.fixture
def node(nodes):
    return nodes()


def one_service(node: Node, *habits: str, **options) -> Node:
    return node.program("a", node.service(*habits), **options).group("primary", "a").up()


def watched_service(node: Node) -> int:
    """A service whose end is told; its pid."""
    one_service(node)
    node.start()
    pid = node.wait_marks("up")[0][0]
    node.wait_watched(pid)
    return pid


def quiet(node: Node, seconds: float) -> None:
    """Nothing of the node runs during this time."""
    deadline = clock.now() + seconds
    until(lambda: node.processes() or clock.now() >= deadline, seconds + LONG, "the end of the watch")
    assert not node.processes()


# Starting


def test_a_started_group_runs(node):
    one_service(node)
    node.start()
    assert node.wait_marks("up")[0][0] == node.pids()["a"]


def test_a_program_that_cannot_be_executed_fails_the_start(node):
    node.program("a", node.service()).program("b", "/nowhere/to/be/found").group("primary", "a", "b").up()
    op = node.op()
    node.handle().start(op)
    failed = node.expect(GroupStartFailed, op=op)
    assert "b: NO_FILE" in failed.reason
    node.kill()
    assert not node.processes()


def test_an_unknown_group_fails_the_start_and_is_dead(node):
    one_service(node)
    op = node.op()
    node.handle("other").start(op)
    assert "BAD_NAME" in node.expect(GroupStartFailed, op=op).reason
    node.kill("other")
    # That there is no such group is an answer, and not silence.
    until(lambda: node.state("other").mode == "dead", LONG, "the stop to be settled")


def test_a_start_while_it_is_stopped_is_refused(node):
    one_service(node, "deaf")
    node.start()
    node.wait_marks("up")
    node.handle().stop(1, clock.now() + 1.0)
    node.handle().start(2)
    assert node.expect(GroupStartFailed, op=2).reason == "it is being stopped"
    node.expect(GroupDead, op=1)
    assert not node.processes()


def test_states_tell_of_a_member_that_is_given_up(node):
    one_service(node, "crash", startsecs="1", startretries="0")
    op = node.op()
    node.handle().start(op)

    def fatal():
        op = node.op()
        node.handle().look(op)
        state, pid, trouble = node.expect(Members, op=op).states["a"]
        return state == "FATAL" and pid == 0 and trouble.startswith("Exited too quickly")

    until(fatal, LONG, "the program to be FATAL")
    node.handle("other").look(7)
    assert "BAD_NAME" in node.expect(Members, op=7).error


# Stopping


def test_a_polite_member_sees_the_stop_signal_and_has_its_time(node):
    one_service(node)
    node.start()
    pid = node.wait_marks("up")[0][0]
    op = node.op()
    node.handle().stop(op, clock.now() + LONG)
    dead = node.expect(GroupDead, op=op)
    assert not node.processes()
    assert [seen for seen, _ in node.seen("term")] == [pid]
    assert dead.seconds < LONG / 2


def test_a_deaf_member_is_killed_when_its_time_is_over_and_not_before(node):
    one_service(node, "deaf")
    node.start()
    member = proc.read(node.wait_marks("up")[0][0])
    ordered = clock.now()
    kill_at = ordered + 0.7
    node.handle().stop(1, kill_at)
    until(lambda: not proc.alive(member), LONG, "the member to die")
    assert clock.now() >= kill_at
    # Counted from when the order was taken, which may have been late.
    assert 0 < node.expect(GroupDead, op=1).seconds <= clock.now() - ordered
    assert not node.processes()


@pytest.mark.parametrize("lease", [False, True])
def test_a_kill_at_its_time_waits_for_no_scan(node, lease):
    """However long that takes: the order may come, and its time be over, while the process manager reads."""
    one_service(node, "deaf")
    node.start()
    pid = node.wait_marks("up")[0][0]
    node.wait_watched(pid)
    member = proc.read(pid)
    begun, over = threading.Event(), threading.Event()
    node.kernel.meanwhile = lambda: begun.set() or over.wait(LONG)
    try:
        node.handle().note(("a", "RUNNING", 0))
        assert begun.wait(LONG)
        kill_at = clock.now() + 0.3
        node.handle().stop(1, *((kill_at + 1000, kill_at) if lease else (kill_at,)))
        until(lambda: not proc.alive(member), LONG / 2, "the member to die")
        assert kill_at <= clock.now() < kill_at + LONG / 2
    finally:
        over.set()
    node.expect(GroupDead, op=1)
    assert not node.processes()


def test_a_kill_brings_a_stop_forward_and_a_later_stop_does_not_delay_it(node):
    one_service(node, "deaf")
    node.start()
    node.wait_marks("up")
    node.handle().stop(1, clock.now() + 1000)
    node.handle().stop(2, clock.now() + 0.5)
    node.handle().stop(3, clock.now() + 2000)
    assert node.expect(GroupDead, op=1).seconds < LONG
    node.expect(GroupDead, op=2)
    node.expect(GroupDead, op=3)
    assert not node.processes()
    node.start()
    node.wait_marks("up", 2)
    node.handle().stop(4, clock.now() + 1000)
    node.handle().kill(5)
    node.handle().kill(6)
    for op in (4, 5, 6):
        node.expect(GroupDead, op=op)
    assert not node.processes()
    node.kill()


def test_descendants_in_sessions_of_their_own_die_with_the_group(node):
    one_service(node, "daemon", "child", "deaf")
    node.start()
    node.wait_marks("daemon")
    node.wait_marks("child")
    node.wait_marks("up")
    assert len(node.processes()) == 3
    node.kill()
    assert not node.processes()


def test_descendants_that_outlive_their_members_are_asked_to_stop(node):
    """supervisord knows nothing of them."""
    one_service(node, "daemon", "child", "polite")
    node.start()
    for mark in ("daemon", "child", "up"):
        # A Python that has just been forked forgets what it was sent before.
        node.wait_marks(mark)
    node.handle().stop(1, clock.now() + 1000)
    node.expect(GroupDead, op=1)
    assert not node.processes()
    assert len({pid for pid, _ in node.seen("term")}) == len(node.seen("term")) == 3


def test_descendants_that_supervisord_may_have_asked_are_not_asked_again(node):
    """A second signal tells many programs to end without more ado."""
    one_service(node, "daemon", "child", "polite")
    node.handle().signalled_as_group(True)
    node.start()
    (child, _), = node.wait_marks("child")
    node.wait_marks("daemon")
    node.wait_marks("up")
    node.handle().stop(1, clock.now() + 1000)
    node.wait_marks("term", 2)
    for _ in range(2):
        # Whoever asked the child as well would have done so by now.
        before = node.state("primary").scanned_at
        until(lambda before=before: node.state("primary").scanned_at > before, LONG, "another scan")
    node.handle().stop(2, clock.now() + 0.1)
    node.expect(GroupDead, op=1)
    assert not node.processes()
    assert len(node.seen("term")) == 2 and child not in [pid for pid, _ in node.seen("term")]


def test_descendants_that_do_not_stop_are_killed_when_their_time_is_over(node):
    one_service(node, "daemon", "child")
    node.start()
    for mark in ("daemon", "child", "up"):
        # Each is deaf from then on.
        node.wait_marks(mark)
    node.handle().stop(1, clock.now() + 1000)
    node.wait_marks("term")
    until = clock.now() + 0.5
    node.handle().stop(2, until)
    node.expect(GroupDead, op=1)
    assert not node.processes() and clock.now() >= until
    assert len(node.seen("term")) == 1


@pytest.mark.parametrize("habit", ["whole", "headless"])
def test_a_daemon_whose_parents_are_all_gone_is_found(node, habit):
    one_service(node, "daemon", "crash", habit, startsecs="1", startretries="0")
    node.handle().start(node.op())
    daemon = proc.read(node.wait_marks("daemon")[0][0])
    node.wait_state("FATAL")
    until(lambda: proc.read(daemon.pid).state == ("Z" if habit == "headless" else "S"), LONG, "it to rest")
    # Another process manager has seen none of them alive.
    node.join()
    assert proc.alive(daemon)
    node.kill()
    assert not proc.alive(daemon)


def test_a_program_that_drops_its_environment_is_found(node):
    node.program("a", "/usr/bin/env -i " + node.service("child", "deaf")).group("primary", "a").up()
    node.start()
    node.wait_marks("child")
    node.wait_marks("up")
    assert len(node.processes()) == 2
    assert not any(proc.environ(process.pid) for process in node.processes())
    node.kill()
    assert not node.processes()


def test_a_stop_overtakes_a_start(node):
    one_service(node, "daemon")
    for _ in range(20):
        start, stop = node.op(), node.op()
        node.handle().start(start)
        node.handle().kill(stop)
        node.expect(GroupDead, op=stop)
        assert not node.processes()
    quiet(node, 1.2)


def test_a_start_that_a_stop_overtakes_is_answered(node):
    one_service(node)
    node.signal(signal.SIGSTOP)
    node.handle().start(1)
    node.handle().kill(2)
    node.expect(GroupStartFailed, op=1)
    node.signal(signal.SIGCONT)
    node.expect(GroupDead, op=2)


def test_crash_loops_end_with_the_stop(node):
    node.program("a", node.service("crash"), startsecs="0")
    node.program("b", node.service("crash"), startsecs="1", startretries="1000")
    node.program("c", "/bin/false", startsecs="0")
    node.group("primary", "a", "b", "c").up()
    for _ in range(10):
        node.handle().start(node.op())
        count = len(node.seen("up"))
        until(lambda: len(node.seen("up")) > count + 3, LONG, "members to crash")
        node.kill()
        assert not node.processes()
        count = len(node.seen("up"))
        quiet(node, 0.3)
        assert len(node.seen("up")) == count
    quiet(node, 2.5)


def test_fifty_programs_die(node):
    names = [f"p{number}" for number in range(50)]
    for number, name in enumerate(names):
        node.program(name, node.service(*(["deaf"] if number % 2 else [])))
    node.group("primary", *names).up()
    node.start()
    node.wait_marks("up", 50)
    node.handle().stop(1, clock.now() + 1000)
    node.wait_marks("term", 25)
    node.handle().stop(2, clock.now() + 0.3)
    node.expect(GroupDead, op=1)
    assert not node.processes()
    assert len(node.seen("term")) == 25


def test_a_program_with_a_user_of_its_own_dies(node):
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    uid = pwd.getpwnam(user).pw_uid
    node.program("a", "/bin/sh -c " + shlex.quote("trap '' TERM; while :; do sleep 1; done"), user=user)
    node.group("primary", "a").up()
    node.start()

    def users():
        return {psutil.Process(process.pid).uids().effective for process in node.processes()}

    until(lambda: users() == {uid}, LONG, "the user to be set")
    node.handle().stop(1, clock.now() + 0.3)
    node.expect(GroupDead, op=1)
    assert not node.processes()


#: A process manager that may signal nobody: run by root, it becomes the user nobody.
STUCK = """
import os, pwd, queue, sys
from concurrent.futures import ThreadPoolExecutor
from supervisor_zkelect.processes.census import Census
from supervisor_zkelect.processes.manager import ProcessManager
from supervisor_zkelect.processes.group_events import GroupStuck
from supervisor_zkelect.supervisord.client import Supervisord
supervisord = Supervisord(sys.argv[1])
os.setresuid(*3 * [pwd.getpwnam("nobody").pw_uid])
events = queue.Queue()
manager = ProcessManager(supervisord, Census(int(sys.argv[2]), sys.argv[1]), events.put, ThreadPoolExecutor(4))
manager.start()
group = manager.group("primary")
group.look(0)
events.get(timeout=20)
group.kill(1)
event = events.get(timeout=20)
assert isinstance(event, GroupStuck) and event.op == 1, event
print(*event.pids, event.reason)
manager.close()
"""


if os.geteuid() == 0:

    def test_a_member_that_may_not_be_killed_is_reported(node):
        url = node.inet()
        one_service(node, "deaf")
        node.start()
        pid = node.wait_marks("up")[0][0]
        command = [sys.executable, "-c", STUCK, url, str(node.supervisord.pid)]
        path = os.pathsep.join(sys.path)
        environ = {**os.environ, "PYTHONPATH": path}
        output = subprocess.check_output(command, timeout=2 * LONG, env=environ)
        assert output.decode().startswith(f"{pid} this process may not kill them")


# supervisord in trouble


def test_a_frozen_supervisord_delays_no_kill_and_restarts_nothing(node):
    one_service(node, "deaf", "daemon")
    node.start()
    node.wait_marks("up")
    node.kill()
    node.start()
    node.wait_marks("up", 2)
    members = node.processes()
    node.signal(signal.SIGSTOP)
    kill_at = clock.now() + 0.3
    node.handle().stop(1, kill_at)
    until(lambda: not any(proc.alive(member) for member in members), LONG, "the members to die")
    assert kill_at <= clock.now() < kill_at + LONG / 2
    node.expect(GroupDead, op=1)
    node.handle().start(2)
    assert "not confirmed" in node.expect(GroupStartFailed, op=2).reason
    node.signal(signal.SIGCONT)
    until(lambda: node.state("primary").mode == "dead", LONG, "supervisord to confirm the stop")
    assert not node.processes()
    quiet(node, 1.5)
    node.start()


def test_a_start_that_lies_on_a_frozen_supervisords_socket_is_awaited(node):
    one_service(node)
    node.rpc = Supervisord(node.url, timeout=0.5)
    node.join()
    node.kill()
    node.signal(signal.SIGSTOP)
    start_without_answer(node)
    node.handle().kill(2)
    node.expect(GroupStartFailed, op=1)
    stuck = node.expect(GroupStuck, op=2)
    assert "may still carry out a start" in stuck.reason
    assert not node.seen("up")
    node.signal(signal.SIGCONT)
    node.expect(GroupDead, op=2)
    assert not node.processes()
    quiet(node, 1.5)


def test_a_supervisord_that_dies_ends_the_wait_for_an_open_start(node):
    one_service(node)
    node.signal(signal.SIGSTOP)
    node.handle().start(1)
    node.handle().kill(2)
    node.supervisord.kill()
    node.manager.supervisord_gone()
    node.expect(GroupDead, op=2)
    assert not node.processes()


def test_nothing_survives_a_killed_supervisord(node):
    one_service(node, "deaf", "daemon", "child")
    node.start()
    node.wait_marks("daemon")
    node.wait_marks("child")
    node.wait_marks("up")
    node.supervisord.kill()
    node.manager.supervisord_gone()
    node.kill()
    assert not node.processes()
    node.handle().start(9)
    assert node.expect(GroupStartFailed, op=9).reason == "supervisord is dead"


def test_what_an_older_supervisord_left_is_killed(node):
    one_service(node, "deaf", "daemon", "child", stopwaitsecs="1")
    node.start()
    node.wait_marks("daemon")
    node.wait_marks("child")
    node.wait_marks("up")
    node.supervisord.kill()
    node.supervisord.wait()
    assert len(node.processes()) == 3
    node.up()
    node.handle().kill(1)
    node.expect(GroupDead, op=1)
    assert not node.processes()


#: Overwrites its environment, as nginx, redis and others do that show a title of their own, and ignores SIGTERM.
CLOBBER = """
import ctypes, os, signal, sys
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
start, end = int(fields[47]), int(fields[48])
ctypes.memset(start, 0, end - start)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
os.rename(sys.argv[1] + ".part", sys.argv[1])
while True:
    signal.pause()
"""


@pytest.mark.parametrize("adopt", [True, False])
def test_a_service_that_overwrites_its_environment_is_found_by_another_manager(node, adopt):
    script, mark = node.folder / "clobber.py", node.folder / "pid"
    script.write_text(CLOBBER)
    node.program("svc", f"{sys.executable} {script} {mark}").group("primary", "svc").up()
    node.start()
    pid = int(until(lambda: mark.exists() and mark.read_text(), LONG, "the service to run"))
    assert not proc.environ(pid).get("SUPERVISOR_GROUP_NAME")
    node.manager.close()
    node.join()
    if adopt:
        node.handle().adopt()
    node.handle().kill(7)
    node.expect(GroupDead, op=7)
    assert not proc.alive(proc.Process(pid, 0, 0, 0, 0, "R", 1)) and (proc.read(pid) is None or proc.read(pid).gone)


def start_without_answer(node):
    """Ask a supervisord that stands still for a start, as op 1."""
    node.handle().start(1)
    until(lambda: node.state("primary").start_flying, LONG, "the start to be asked for")


def test_a_start_that_hangs_does_not_hold_up_the_proof_where_the_loader_would_refuse(node):
    one_service(node, "deaf")
    node.signal(signal.SIGSTOP)
    node.handle().trust(True)
    start_without_answer(node)
    node.handle().kill(2)
    node.expect(GroupDead, op=2)
    node.signal(signal.SIGCONT)
    # Without a loader it starts after all, and the sentry sees to it.
    until(lambda: node.state("primary").stop is None, LONG, "supervisord to confirm the stop")
    assert not node.processes()


def test_that_the_loader_would_refuse_counts_when_it_is_heard_after_the_order_too(node):
    """As of a guard that takes over and kills before a listener has told it of the programs."""
    one_service(node, "deaf")
    node.signal(signal.SIGSTOP)
    start_without_answer(node)
    node.handle().kill(2)
    until(lambda: node.state("primary").stop, LONG, "the stop to begin")
    node.handle().trust(True)
    node.expect(GroupDead, op=2)
    node.signal(signal.SIGCONT)
    until(lambda: node.state("primary").stop is None, LONG, "supervisord to confirm the stop")
    assert not node.processes()


def test_a_stop_during_shutdown_ends(node):
    node.program("a", node.service("deaf"), stopwaitsecs="60")
    node.program("z", node.service("deaf"), stopwaitsecs="60")
    node.sections.append("[group:primary]\nprograms = a\npriority = 1")
    node.sections.append("[group:other]\nprograms = z\npriority = 2")
    node.up()
    node.start()
    node.rpc.call("supervisor.startProcessGroup", "other", False)
    node.wait_marks("up", 2)
    node.rpc.call("supervisor.shutdown")
    node.kill()
    assert {proc.environ(p.pid)["SUPERVISOR_GROUP_NAME"] for p in node.processes()} == {"other"}
    # The refusal is an answer, and not silence.
    until(lambda: node.state("primary").mode == "dead", LONG, "the stop to be settled")


def test_a_fork_that_has_not_executed_its_program_delays_the_proof(node):
    node.program("a", node.service("deaf")).group("primary", "a").up(slow_exec=True)
    node.hold.write_text("a")
    # Not through the handle, which would learn the pid from supervisord.
    node.rpc.call("supervisor.startProcess", "primary:a", False)
    until(lambda: proc.children(node.supervisord.pid), LONG, "the fork")
    node.supervisord.kill()
    node.supervisord.wait()
    node.handle().kill(1)
    assert "has not executed its program" in node.expect(GroupStuck, op=1).reason
    node.hold.unlink()
    node.expect(GroupDead, op=1)
    quiet(node, 0.5)


def test_a_fork_that_supervisord_knows_is_killed_or_left_alone(node):
    node.program("a", node.service("deaf")).group("primary", "a")
    node.program("b", node.service("deaf")).group("other", "b").up(slow_exec=True)
    node.hold.write_text("a b")
    # Not through the handle, which would learn the pid from supervisord.
    node.rpc.call("supervisor.startProcessGroup", "primary", False)
    node.rpc.call("supervisor.startProcessGroup", "other", False)
    mine = until(lambda: node.pids("primary")["a"], LONG, "the fork")
    other = proc.read(until(lambda: node.pids("other")["b"], LONG, "the other fork"))
    node.kill()
    assert proc.read(mine) is None or proc.read(mine).gone
    assert proc.alive(other) and other.unexecuted


# Watching


@pytest.mark.parametrize("helper", ["older", "older bare", "later", "later bare"])
def test_a_child_that_supervisord_has_only_inherited_holds_nothing_up(node, helper):
    """It may look like a program that has overwritten its environment; supervisord's books have no such program."""
    node.program("a", node.service()).group("primary", "a").up(helper=helper)
    for _ in range(2):
        node.kill()
        (node.marks / "go").touch()
        pid = node.wait_marks("helper")[0][0]
        until(lambda: proc.read(pid).ppid == node.supervisord.pid and proc.cmdline(pid).endswith(b"marks\0"), LONG, "it")
        node.start()
    node.kill()
    assert proc.alive(proc.read(pid))


def test_orphans_that_come_all_the_time_hold_a_stop_up_for_a_second(node):
    """Anybody in a container may leave some to its process 1, with whatever they carry."""
    node.program("a", node.service()).group("primary", "a").up(helper="many")
    node.wait_marks("helper")
    for _ in range(2):
        node.start()
        node.kill()

    def orphaned():
        return any(one.ppid == node.supervisord.pid and proc.cmdline(one.pid).startswith(b"sleep") for one in node.processes())

    # Each of them lives for 0.3 s, and a look at all processes takes as long on a busy machine.
    until(orphaned, LONG, "a look that finds one of them alive")


def test_a_helper_that_comes_when_the_group_is_dead_is_not_looked_at_for_ever(node):
    node.program("a", node.service()).group("primary", "a").up(helper="later bare")
    node.kill()
    (node.marks / "go").touch()
    until(lambda: node.manager.groups.census.foreign, LONG, "supervisord to be asked whose it is")


def test_a_member_that_dies_is_told_and_restarted_at_once(node):
    one_service(node, startsecs="1")
    node.start()
    took = []
    for count in range(1, 8):
        pid = node.wait_marks("up", count)[-1][0]
        node.wait_state("RUNNING")
        node.wait_watched(pid)
        killed = clock.now()
        os.kill(pid, signal.SIGKILL)
        died = node.expect(MemberDied, pid=pid)
        assert (died.group, died.name) == ("primary", "a")
        took.append(node.wait_marks("up", count + 1)[-1][1] - killed)
    # supervisord alone needs a second.
    assert statistics.median(took) < 0.9, took
    print("restart after a kill, ms:", " ".join(f"{1000 * seconds:.1f}" for seconds in took))


def scan(manager, state) -> None:
    """Have a group scanned by a process manager whose thread does not run, and that is told of no end."""
    before = state.scanned_at

    def scanned() -> bool:
        state.scan_at = 0.0
        manager.turn(())
        return state.scanned_at > before

    until(scanned, LONG, "a scan")


def test_a_death_between_the_poll_and_the_scan_of_one_turn_is_told():
    """This process stands for supervisord, and the process manager's steps are taken one by one."""
    url, told = "unix:///none", []
    variables = {"SUPERVISOR_GROUP_NAME": "primary", "SUPERVISOR_PROCESS_NAME": "a", "SUPERVISOR_SERVER_URL": url}
    with ThreadPoolExecutor(1) as pool, subprocess.Popen(["sleep", "1000"], env={**os.environ, **variables}) as child:
        poller = Poller()
        manager = ProcessManager(Supervisord(url), Census(os.getpid(), url), told.append, pool, watching=poller)
        try:
            state = manager.groups.state("primary")
            state.mode = "started"
            until(lambda: proc.cmdline(child.pid).startswith(b"sleep"), LONG, "the program to run")
            scan(manager, state)
            assert manager.groups.watched("primary") == {child.pid}
            child.kill()
            until(lambda: proc.read(child.pid).gone, LONG, "the program to be dead")
            scan(manager, state)
            assert not told
            manager.turn(poller.wait(LONG))
            assert told == [MemberDied("primary", "a", child.pid)] and not manager.groups.watched("primary")
        finally:
            child.kill()
            manager.close()


def test_a_stop_tells_of_no_death(node):
    watched_service(node)
    node.handle().kill(1)
    assert isinstance(node.events.get(timeout=LONG), GroupDead)
    assert not list(node.events.queue)


def test_a_member_started_by_somebody_else_is_told(node):
    one_service(node)
    node.kill()
    node.handle().note(("a", "STARTING", 0))
    assert node.expect(MemberStarted).name == "a"
    node.rpc.call("supervisor.startProcess", "primary:a", False)
    told = node.expect(MemberStarted)
    assert (told.group, told.name, told.pid) == ("primary", "a", node.pids()["a"])
    node.kill()
    assert not node.processes()


# Strangers


def test_others_are_left_alone(nodes):
    node, twin = nodes("n"), nodes("twin")
    for each in (node, twin):
        each.program("a", each.service("daemon", "deaf")).group("primary", "a")
        each.program("b", each.service("daemon", "deaf")).group("other", "b").up()
        each.start()
        each.rpc.call("supervisor.startProcessGroup", "other", False)
        each.wait_marks("daemon", 2)
        each.wait_marks("up", 2)
        assert len(each.processes()) == 4
    twins = twin.processes()
    others = {p for p in node.processes() if proc.environ(p.pid)["SUPERVISOR_GROUP_NAME"] == "other"}
    assert len(others) == 2
    node.kill()
    assert {p.identity for p in node.processes()} == {p.identity for p in others}
    assert {p.identity for p in twin.processes()} == {p.identity for p in twins}
    node.supervisord.kill()
    node.manager.supervisord_gone()
    node.kill()
    assert {p.identity for p in node.processes()} == {p.identity for p in others}
    assert {p.identity for p in twin.processes()} == {p.identity for p in twins}


def test_the_listeners_own_group_is_refused(node, monkeypatch):
    one_service(node)
    monkeypatch.setenv("SUPERVISOR_GROUP_NAME", "zkelect")
    with pytest.raises(ValueError, match="zkelect is the listener's own"):
        node.manager.group("zkelect")


# The calls


def test_a_call_has_one_limit_for_all_of_it(tmp_path):
    """A server that sends a byte every few milliseconds for ever."""
    address = str(tmp_path / "s")
    enough = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(1)

        def dribble():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                for _ in range(1000):
                    if enough.wait(0.02):
                        return
                    try:
                        connection.send(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=dribble)
        thread.start()
        try:
            began = clock.now()
            with pytest.raises(Unreachable, match="did not answer within 0.5 s"):
                Supervisord(f"unix://{address}").call("supervisor.getState", timeout=0.5)
            assert 0.4 < clock.now() - began < 10
        finally:
            enough.set()
            thread.join()


def test_calls_to_a_frozen_a_missing_and_a_wrong_server(node, tmp_path):
    one_service(node)
    node.signal(signal.SIGSTOP)
    with pytest.raises(Unreachable) as error:
        node.rpc.call("supervisor.getState", timeout=0.2)
    assert error.value.sent
    node.signal(signal.SIGCONT)
    assert node.rpc.call("supervisor.getPID") == node.supervisord.pid
    with pytest.raises(Unreachable) as error:
        Supervisord(f"unix://{tmp_path}/none").call("supervisor.getState")
    assert not error.value.sent
    with pytest.raises(Fault) as error:
        node.rpc.call("supervisor.startProcess", "none")
    assert error.value.code == 10 and not error.value.shutting_down
    with pytest.raises(ValueError, match="unix:///path or http://host:port"):
        Supervisord("https://localhost")


def test_calls_over_inet_with_a_password(node):
    url = node.inet("username = u\npassword = pässword")
    one_service(node)
    assert Supervisord(url, "u", "pässword").call("supervisor.getAllConfigInfo")[0]["stopwaitsecs"] == 8
    with pytest.raises(Unreachable, match="refuses the user name or password"):
        Supervisord(url, "u", "wrong").call("supervisor.getState")


@pytest.mark.parametrize("interface", [True, False])
def test_calls_follow_a_group_whose_members_change(node, interface):
    node.program("a", node.service()).group("primary", "a").up(interface=interface)
    node.handle().look(98)
    assert sorted(node.expect(Members, op=98).states) == ["a"]
    text = (node.folder / "s.conf").read_text().replace("programs = a", "programs = a,b")
    (node.folder / "s.conf").write_text(text + "\n[program:b]\nautostart = false\ncommand = /bin/cat\n")
    node.rpc.call("supervisor.reloadConfig")
    node.rpc.call("supervisor.removeProcessGroup", "primary")
    node.rpc.call("supervisor.addProcessGroup", "primary")
    node.start()
    node.handle().look(99)
    assert sorted(node.expect(Members, op=99).states) == ["a", "b"]


def many(node, count: int = 40, **options) -> list:
    """Have as many groups of one program each, and start supervisord; the groups' names."""
    names = [f"g{number}" for number in range(count)]
    for name in names:
        node.program(f"p-{name}", "/bin/cat").group(name, f"p-{name}")
    node.up(**options)
    return names


def calls_of(node) -> list:
    """The methods that are called from now on."""
    call, calls = node.rpc.call, []
    node.rpc.call = lambda method, *arguments, **more: calls.append(method) or call(method, *arguments, **more)
    return calls


@pytest.mark.parametrize("interface", [True, False])
def test_one_call_tells_of_many_groups(node, interface):
    names = many(node, interface=interface)
    node.handle(names[0]).look(99)
    node.expect(Members, op=99)
    calls = calls_of(node)
    node.signal(signal.SIGSTOP)
    for op, name in enumerate([*names, "none"]):
        node.handle(name).look(op)
    until(lambda: len(calls) == supervisord_calls.MOST_ASKED, LONG, "the first looks to be asked for")
    node.signal(signal.SIGCONT)
    told = {}
    while len(told) <= len(names):
        members = node.expect(Members)
        told[members.group] = members
    for name in names:
        assert told[name].states == {f"p-{name}": ("STOPPED", 0, "")} and not told[name].error
    assert "BAD_NAME" in told["none"].error
    # The first, and one for the rest.
    assert len(calls) <= supervisord_calls.MOST_ASKED + 1
    assert set(calls) <= {"zkelect.getProcessStates" if interface else "supervisor.getAllProcessInfo"}


@pytest.mark.parametrize("interface", [True, False])
def test_many_groups_are_started_by_few_requests(node, interface):
    node.program("wrong", "/nonexistent/program").group("wrong", "wrong")
    names = many(node, interface=interface)
    calls = calls_of(node)
    node.signal(signal.SIGSTOP)
    for op, name in enumerate([*names, "wrong", "none"]):
        node.handle(name).start(op)
    until(lambda: len(calls) >= supervisord_calls.MOST_STARTS, LONG, "the first starts to be asked for")
    node.signal(signal.SIGCONT)
    told = {}
    while len(told) <= len(names) + 1:
        event = node.events.get(timeout=LONG)
        told[event.group] = event
    assert all(isinstance(told[name], GroupStarted) for name in names)
    assert "NO_FILE" in told["wrong"].reason or "can't find command" in told["wrong"].reason
    assert "BAD_NAME" in told["none"].reason
    assert len(proc.children(node.supervisord.pid)) == len(names)
    starts = [call for call in calls if "startProcessGroup" in call]
    if interface:
        assert len(starts) <= len(names) / 2
    else:
        # One attempt, or two at once, and then each for itself.
        assert starts.count("supervisor.startProcessGroup") == len(names) + 2
        assert starts.count("zkelect.startProcessGroups") <= supervisord_calls.MOST_STARTS


@pytest.mark.parametrize("told", [True, False], ids=["with the states", "by a supervisord of before an upgrade"])
def test_a_start_tells_the_states_or_they_are_asked_for(node, told):
    node.program("a", node.service()).program("b", "/bin/cat").group("primary", "a,b").up()
    call, calls = node.rpc.call, calls_of(node)

    def items_alone(method, *arguments, **more):
        answer = call(method, *arguments, **more)
        calls.append(method)
        return json.dumps([one["started"] for one in json.loads(answer)]) if "start" in method else answer

    if not told:
        node.rpc.call = items_alone
    node.start()
    asked = list(calls)
    node.handle().look(99)
    states = node.expect(Members, op=99).states
    pids = {info["name"]: info["pid"] for info in node.infos("primary")}
    assert {name: pid for name, (_, pid, _) in states.items()} == pids and all(pids.values())
    assert asked == ["zkelect.startProcessGroups", *["zkelect.getProcessStates"] * (not told)]


def test_what_has_changed_before_a_start_is_answered_is_asked_for(node):
    node.program("a", node.service()).group("primary", "a").up()
    call = node.rpc.call

    def changing(method, *arguments, **more):
        answer = call(method, *arguments, **more)
        if "start" in method:
            node.handle().note(("a", "EXITED", 0))
        return answer

    node.rpc.call = changing
    node.start()
    calls = calls_of(node)
    node.handle().look(99)
    assert node.expect(Members, op=99).states["a"][0] in ("STARTING", "RUNNING")
    assert calls == ["zkelect.getProcessStates"]


def test_supervisord_never_hears_of_a_start_that_is_stopped_before_its_turn(node):
    names = many(node, supervisord_calls.MOST_STARTS + 1)
    # Else somebody may have asked for a start before there was this manager.
    node.kill(names[-1])
    until(lambda: node.state(names[-1]).stop is None, LONG, "supervisord to confirm it")
    calls = calls_of(node)
    node.signal(signal.SIGSTOP)
    for op, name in enumerate(names[:-1]):
        node.handle(name).start(op)
        until(lambda: len(calls) == op + 1, LONG, "the start to be asked for")
    node.handle(names[-1]).start(8)
    node.handle(names[-1]).kill(9)
    assert node.expect(GroupStartFailed, op=8).reason == "it was stopped before it was started"
    # No start of it can lie on supervisord's socket, so its silence is enough.
    node.expect(GroupDead, op=9)
    node.signal(signal.SIGCONT)
    # Their answers come on two connections, in either order.
    node.expect_all(GroupStarted, names[:-1])
    assert [call for call in calls if "start" in call] == ["zkelect.startProcessGroups"] * supervisord_calls.MOST_STARTS
    assert len(proc.children(node.supervisord.pid)) == len(names) - 1


def test_supervisord_is_turned_while_a_program_starts(node, monkeypatch):
    """It would notice once a second that a program has run for its startsecs."""
    # Longer than usual, as a busy machine turns it more seldom.
    monkeypatch.setattr(member_states, "TURN_TIME", 6.0)
    node.program("a", "/bin/cat", startsecs="6").group("primary", "a").up()
    node.start()
    wake, woken = node.rpc.wake, []
    node.rpc.wake = lambda: woken.append(1) or wake()
    node.handle().look(1)
    assert node.expect(Members, op=1).states["a"][0] == "STARTING"
    until(lambda: len(woken) >= 8, LONG, "supervisord's loop to be turned")
    node.wait_state("RUNNING")
    node.handle().look(2)
    assert node.expect(Members, op=2).states["a"][0] == "RUNNING"
    until(lambda: not woken.clear() and not threading.Event().wait(5 * TURN_PACE) and not woken, LONG, "an end of it")


@pytest.mark.parametrize("family", ["unix", "inet"])
def test_a_wake_up_has_a_program_restarted_and_leaves_nothing(node, family):
    node.program("a", node.service(), startsecs="0").group("primary", "a")
    url = node.inet() if family == "inet" else node.url
    node.up()
    node.start()
    door, before, begun = Supervisord(url), open_files(node.supervisord.pid), clock.now()
    for count in range(2, 12):
        pid, _ = node.wait_marks("up", count - 1)[-1]
        os.kill(pid, signal.SIGKILL)
        until(lambda: node.seen("up")[count - 1:] or door.wake(), LONG, "the service to be restarted")
    # By itself supervisord turns once a second, twice for each restart.
    assert clock.now() - begun < 10
    until(lambda: open_files(node.supervisord.pid) <= before, LONG, "the connections to be closed")
    assert "Traceback" not in (node.folder / "s.log").read_text()


def test_a_wake_up_of_nobody_hurts_nobody(tmp_path):
    Supervisord(f"unix://{tmp_path}/none").wake()
    Supervisord(f"unix://{tmp_path}/{'x' * 200}").wake()
    Supervisord("http://127.0.0.1:1").wake()
    Supervisord("http://no.such.host.invalid:1").wake()


def open_files(pid: int) -> int:
    return psutil.Process(pid).num_fds()


def test_an_answer_of_another_kind_is_told(node):
    node.program("a", "/bin/cat").group("primary", "a").program("b", "/bin/cat").group("other", "b").up()
    both = ["primary", "other"]
    for answer in ("[]", "", "7", "[[], 7]", "[[[1]], []]", '[{"faultCode": 10}, []]', "{}", "[null, []]"):
        node.rpc.call = lambda *_, **__: answer
        with pytest.raises(Unreachable, match="does not answer as it should"):
            node.groups.infos(both)
    for answer in ("[]", "[[]]", "7", "[[], [], []]", "[[[1, 2]], []]", '[{"started": []}, []]',
                   '[{"started": [], "states": [[1, 2]]}, []]'):
        node.rpc.call = lambda *_, **__: answer
        with pytest.raises(Unreachable, match="does not answer as it should"):
            node.groups.start(both, 5.0)


@pytest.mark.parametrize("interface", [True, False])
def test_a_supervisord_that_shuts_down_starts_nothing_and_says_so(node, interface):
    node.program("a", node.service("deaf"), stopwaitsecs="60").group("primary", "a")
    node.program("b", "/bin/cat").group("other", "b").up(interface=interface)
    node.start()
    node.wait_marks("up")
    node.signal(signal.SIGTERM)
    until(lambda: shuts_down(node), LONG, "supervisord to shut down")
    found = node.groups.infos(["primary", "other"])
    assert [found[name].shutting_down for name in ("primary", "other")] == [True, True]
    for names in (["primary", "other"], ["other"]):
        started = node.groups.start(names, 5.0)
        if len(names) == 1 or interface:
            assert [started[name].shutting_down for name in names] == [True] * len(names)
        else:
            assert set(started.values()) == {None} and not node.groups.has_interface
    node.kill()


def test_starts_that_supervisord_has_no_time_for_are_asked_for_again(node):
    names = many(node, 20)
    call, asked = node.rpc.call, []

    def only_the_first(method, *arguments, **more):
        if method != "zkelect.startProcessGroups":
            return call(method, *arguments, **more)
        asked.extend(arguments[0])
        left = [None] * (len(arguments[0]) - 1)
        return json.dumps([*json.loads(call(method, arguments[0][:1], **more)), *left])

    node.rpc.call = only_the_first
    node.signal(signal.SIGSTOP)
    for op, name in enumerate(names):
        node.handle(name).start(op)
    until(lambda: asked, LONG, "the first starts to be asked for")
    node.signal(signal.SIGCONT)
    node.expect_all(GroupStarted, names)
    assert len(proc.children(node.supervisord.pid)) == len(names) and len(asked) > len(names)


def test_where_supervisord_is_silent_nobody_waits_for_his_turn_to_find_out(node, monkeypatch):
    monkeypatch.setattr(supervisord_calls, "FORK_LIMIT", 0.5)
    names = many(node, 40)
    calls = calls_of(node)
    node.signal(signal.SIGSTOP)
    for op, name in enumerate(names):
        node.handle(name).start(op)
    node.expect_all(GroupStartFailed, names)
    assert len([call for call in calls if "start" in call]) <= 2 * supervisord_calls.MOST_STARTS
    node.signal(signal.SIGCONT)


def test_a_start_that_waited_for_the_end_of_a_stop_is_asked_for_at_once(node):
    node.program("a", node.service("deaf")).group("primary", "a").up()
    node.start()
    node.signal(signal.SIGSTOP)
    node.kill()
    waits, state = [], node.state("primary")
    node.waiting = lambda: waits.append(state.start is not None and not state.start_flying and state.start.answered == float("inf"))
    node.handle().start(7)
    until(lambda: node.state("primary").waiting, LONG, "the start to wait")
    node.signal(signal.SIGCONT)
    node.expect(GroupStarted, op=7)
    assert waits and not any(waits)


def shuts_down(node) -> bool:
    try:
        node.rpc.call("supervisor.getPID")
    except Fault as fault:
        return fault.shutting_down
    return False


@pytest.mark.parametrize("interface", [True, False])
def test_one_call_tells_of_groups_that_changed_as_well(node, interface):
    for name in "abce":
        node.program(name, "/bin/cat")
    node.group("same", "a").group("less", "b", "c").program("d", "/bin/cat").group("gone", "d").up(interface=interface)
    assert len(node.infos("less")) == 2
    conf = node.folder / "s.conf"
    conf.write_text(conf.read_text().replace("programs = b,c", "programs = b,e"))
    node.rpc.call("supervisor.reloadConfig")
    for name in ("less", "gone"):
        node.rpc.call("supervisor.removeProcessGroup", name)
    node.rpc.call("supervisor.addProcessGroup", "less")
    found = node.groups.infos(["same", "less", "gone"])
    assert [[info["name"] for info in found[name]] for name in ("same", "less")] == [["a"], ["b", "e"]]
    assert isinstance(found["gone"], Fault) and found["gone"].code == 10


def test_a_group_that_stops_keeps_no_other_from_its_scans(node):
    """However long a scan takes: on a machine with thousands of processes it is longer than a stopping group's pace."""
    node.program("a", node.service("deaf")).group("primary", "a")
    node.program("b", node.service()).group("other", "b").up()
    for name in ("primary", "other"):
        node.start(name)
    node.wait_marks("up", 2)
    scans = set()
    node.kernel.meanwhile = lambda: threading.Event().wait(0.04)
    node.handle().stop(1, clock.now() + 1000)
    until(lambda: node.state("primary").stop, LONG, "the stop to begin")
    scans.clear()
    node.handle("other").note(("b", "RUNNING", 0))
    until(lambda: scans.add(node.state("other").scanned_at) or len(scans) > 3, LONG, "scans of the group that runs")
    assert node.state("primary").stop is not None


def test_a_fork_that_has_registered_delays_no_proof_but_its_own_group_s(node):
    node.program("a", node.service()).group("primary", "a")
    node.program("b", node.service()).group("other", "b").up(slow_exec=True)
    node.start()
    node.hold.write_text("b")
    before = proc.children(node.supervisord.pid)
    node.rpc.call("supervisor.startProcess", "other:b", False)
    fork, = until(lambda: proc.children(node.supervisord.pid) - before, LONG, "the fork")
    node.signal(signal.SIGSTOP)
    node.handle("other").expect(fork, "b")
    node.kill()
    assert not proc.read(fork).gone
    node.handle("other").kill(1)
    until(lambda: proc.read(fork) is None or proc.read(fork).gone, LONG, "the fork to be killed as well")


def test_an_order_counts_for_an_end_that_comes_after_it_while_a_scan_is_made(node):
    pid = watched_service(node)

    def meanwhile():
        node.kernel.meanwhile = lambda: None
        node.handle().stop(1, clock.now() + LONG)
        os.kill(pid, signal.SIGKILL)
        until(lambda: proc.read(pid) is None or proc.read(pid).gone, LONG, "the service to be dead")

    node.kernel.meanwhile = meanwhile
    assert isinstance(node.events.get(timeout=LONG), GroupDead)


#: A parent that reaps nobody and takes orphans (PR_SET_CHILD_SUBREAPER), a process that stands for supervisord, its fork.
FAMILY = """
import ctypes, os, signal
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
reader, writer = os.pipe()
one = os.fork()
if not one:
    fork = os.fork()
    if fork:
        os.write(writer, b"%d\\n" % fork)
    signal.pause()
print(one, os.read(reader, 100).decode(), flush=True)
signal.pause()
"""


@pytest.fixture
def family():
    """The pids of the three, in a session of their own, as forks look alike."""
    command = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        pids = [parent.pid, *map(int, parent.stdout.readline().split())]
        processes = [proc.read(pid) for pid in pids]
        yield pids
        for process in processes:
            proc.kill(process)


def orphaned(pid: int, by: int) -> None:
    former = proc.read(pid).ppid
    os.kill(former, signal.SIGKILL)
    until(lambda: proc.read(pid).ppid == by, LONG, "an orphan")


def dead(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: proc.read(pid).gone, LONG, f"{pid} to be dead")


def test_the_fork_of_a_dead_supervisord_is_looked_at_until_it_is_dead(family):
    parent, supervisord, fork = family
    census = Census(supervisord, "unix:///none")
    census.look()
    orphaned(fork, parent)
    census.gone = True
    for _ in range(2):
        assert {one.pid for one in census.look().forks} == {fork}
    dead(fork)
    assert not census.look().forks


def test_a_supervisord_that_was_dead_before_is_known_by_what_was_seen_of_it(family):
    """A guard that begins after its death cannot look for itself; its pid may be a stranger's, and none of it is a child."""
    parent, supervisord, fork = family
    seen = proc.read(supervisord)
    identity = SupervisordIdentity(seen.start, seen.session, proc.cmdline(supervisord))
    reused = Census(supervisord, "unix:///none", identity=identity._replace(start=seen.start - 1))
    assert reused.gone and reused.claim(fork) is None
    assert not Census(supervisord, "unix:///none", identity=identity).gone
    orphaned(fork, parent)
    until(lambda: not proc.alive(seen), LONG, "it to be dead")
    # Its zombie would still tell, as its parent reaps nobody.
    later = Census(supervisord, "unix:///none", identity=identity._replace(start=seen.start + 1))
    assert later.gone and {one.pid for one in later.look().forks} == {fork}
    assert later.supervisord.session == seen.session


def test_an_orphan_that_nobody_reaps_is_dead_all_the_same(family, monkeypatch):
    """As where process 1 of a container is no init."""
    parent, _, orphan = family
    monkeypatch.setenv("SUPERVISOR_GROUP_NAME", "zkelect")
    manager = ProcessManager(Supervisord("unix:///none"), Census(os.getpid(), "unix:///none"), lambda event: None, None)
    state, living = manager.groups.state("primary"), []
    state.mode, state.kin.known = "started", {proc.read(orphan)}
    orphaned(orphan, parent)
    for step in (lambda: None, lambda: dead(orphan)):
        step()
        scan(manager, state)
        living.append(orphan in {pid for pid, _ in state.kin.identities})
    assert living == [True, False]
    manager.close()


def test_long_rests_are_for_groups_that_are_in_their_cgroup():
    """This process stands for supervisord; what the configuration says of the chain loader is not enough."""
    url, inside, kept = "unix:///none", [], []
    variables = {"SUPERVISOR_GROUP_NAME": "primary", "SUPERVISOR_PROCESS_NAME": "a", "SUPERVISOR_SERVER_URL": url}
    cgroups, times = SimpleNamespace(pids=lambda name: inside), SimpleNamespace(moment=0.0)

    def takes_a_second():
        times.moment += 1

    with ThreadPoolExecutor(1) as pool, subprocess.Popen(["sleep", "1000"], env={**os.environ, **variables}) as child:
        manager = ProcessManager(
            Supervisord(url), Census(os.getpid(), url, kernel=Kernel(takes_a_second)), lambda event: None, pool,
            lambda: times.moment, cgroups=cgroups, keep=lambda *seen: kept.append(seen),
        )
        try:
            state = manager.groups.state("primary")
            state.mode, state.kin.via_loader = "started", True
            until(lambda: proc.cmdline(child.pid).startswith(b"sleep"), LONG, "the program to run")
            for within, share in (([], schedule.REST_SHARE), ([child.pid], schedule.REST_SHARE_SHELTERED)):
                inside[:] = within
                times.moment += 1000.0
                state.scan_at = 0.0
                manager.turn(())
                # Each took a second.
                before = state.scanned_at
                state.scan_at, times.moment = 0.0, before + share - 0.1
                manager.turn(())
                assert state.scanned_at == before
                times.moment = before + share
                manager.turn(())
                assert state.scanned_at == before + share + 1
            # Who is in the cgroup is told by that.
            assert kept == [("primary", frozenset({proc.read(child.pid).identity})), ("primary", frozenset())]
        finally:
            child.kill()
            manager.close()
