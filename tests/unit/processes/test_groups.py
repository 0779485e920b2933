"""What a process manager does for its groups when nothing is to be had."""

import contextlib
import errno
import itertools
import math
import os
import resource
import subprocess
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.census import Census, Found
from supervisor_zkelect.processes.manager import ProcessManager
from supervisor_zkelect.processes.member_states import MemberStates
from supervisor_zkelect.processes.pidfds import WATCHED, Pidfds
from supervisor_zkelect.processes.scanning import Scanner
from supervisor_zkelect.processes.stopping import FORMING_TIME


class Pool:
    """Answers nothing. lacks: what a call finds instead of a thread; None: it is made, and never answered. asked: the calls made."""

    def __init__(self):
        self.lacks, self.asked = RuntimeError("no thread"), []

    def submit(self, call, *words):
        if self.lacks is not None:
            raise self.lacks
        self.asked.append(words)
        return Future()


class Node:
    """A process manager whose thread does not run. lacks: what whoever hears its events gets instead. killed: whose cgroups were
    killed."""

    def __init__(self, left=frozenset()):
        self.moment, self.lacks, self.killed, self.pool = 0.0, None, [], Pool()
        self.manager = ProcessManager(
            SimpleNamespace(url="unix:///none", call=None), Census(os.getpid(), "unix:///none"), self.hear, self.pool, clock=lambda: self.moment,
            cgroups=SimpleNamespace(base="", kill=self.killed.append, pids=lambda name: []), left=left,
        )
        self.groups = self.manager.groups
        self.state = self.groups.state("primary")

    def hear(self, event):
        if self.lacks is not None:
            raise self.lacks


@pytest.fixture
def node():
    made = Node()
    yield made
    made.manager.close()


def test_a_secret_may_name_each_group_that_is_in_charge_by_now(node):
    node.groups.state("later")
    assert list(node.groups.census.groups) == ["primary", "later"]


def test_an_order_to_stop_stands_though_nobody_can_be_told_of_the_start_that_it_ends(node):
    node.groups.starter.start(node.state, 1)
    node.lacks = MemoryError()
    with pytest.raises(MemoryError):
        node.groups.stop(node.state, 2, -math.inf)
    assert node.state.stop.kill_at == -math.inf
    assert node.state.start is None


@pytest.mark.parametrize("lacks", [RuntimeError("no thread"), MemoryError()])
def test_what_could_not_be_asked_of_supervisord_is_asked_again(node, lacks):
    """Else it would count as on its way for ever, and nothing of its kind would be asked any more."""

    def ask():
        node.moment += 2 * FORMING_TIME
        node.groups.member_states.look(other, 2)
        node.groups.stopper.ask_whose(other, unknown)
        node.groups.turn(node.manager._obey, ())

    unknown, other = Found(set(), {}, {proc.read(os.getppid())}, set(), False), node.groups.state("other")
    node.pool.lacks = lacks
    node.groups.stop(node.state, 1, math.inf)
    for _ in range(3):
        ask()
    node.pool.lacks = None
    for _ in range(3):
        ask()
    methods = [words[0] for words in node.pool.asked]
    assert methods.count("supervisor.stopProcessGroup") == methods.count("supervisor.getAllProcessInfo") == 1
    assert ["other"] in methods


def test_what_former_instances_left_counts_also_where_nothing_can_be_read_just_now(monkeypatch):
    left = frozenset({proc.read(os.getppid())})
    node = Node(left)

    def alive(process):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(proc, "alive", alive)
    node.groups.stop(node.state, 1, -math.inf)
    assert left <= node.state.kin.known
    monkeypatch.undo()
    node.manager.close()


@pytest.mark.parametrize("error", [None, MemoryError(), OSError(errno.EMFILE, os.strerror(errno.EMFILE))])
def test_whoever_asks_for_the_members_is_answered_whatever_becomes_of_reading_them(error):
    asked, told = [], []

    def learn(infos, census):
        if error is not None:
            raise error

    states = MemberStates(lambda: 0.0, None, None, None, SimpleNamespace(add=asked.append), None)
    states.question(SimpleNamespace(name="primary", kin=SimpleNamespace(learn=learn, programs=())), lambda infos, wrong: told.append(infos))
    with contextlib.suppress(MemoryError, OSError):
        asked[0].then([], None)
    assert told == [[]]


def test_without_memory_to_tell_who_it_is_a_group_is_killed(node, monkeypatch):
    node.groups.stop(node.state, 1, -math.inf)
    node.moment = 1.0

    def refuse(pidfds, group):
        raise MemoryError

    monkeypatch.setattr(Pidfds, "pids", refuse)
    with pytest.raises(MemoryError):
        node.groups.fall_back(OSError(24, "Too many open files"))
    assert node.killed == ["primary"]


def some(count, first):
    return {proc.Process(pid, 1, 50, pid, 1, "S", 1) for pid in range(first, first + count)}


@pytest.mark.parametrize("limit, members, others, watched", [
    (10_000, 300, 300, 300 + WATCHED), (10_000, 3, 5, 8),
    # The half of it, but for members.
    (20, 3, 20, 10), (20, 15, 20, 15),
])
def test_every_member_has_a_pidfd_and_others_as_far_as_there_is_room(monkeypatch, limit, members, others, watched):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    numbers = itertools.count(100)
    kernel = SimpleNamespace(pidfd=lambda process: next(numbers))
    ignore = lambda *_: None  # noqa: E731
    made = Pidfds(kernel, SimpleNamespace(watch=ignore, unwatch=ignore), SimpleNamespace(hold=ignore, drop=ignore))
    inside = some(members, 1000)
    found = Found(inside | some(others, 1_000_000), dict.fromkeys(inside, "a"), set(), set(), False)
    for _ in range(2):
        made.follow("primary", found)
        assert {process.pid for process in inside} <= made.pids("primary") and len(made.pids("primary")) == watched
    made.follow("primary", None)
    assert made.pids("primary") == set()


def test_a_member_without_a_pidfd_is_told_as_trouble(node, monkeypatch):
    """No lease is extended meanwhile."""
    with subprocess.Popen(["/bin/sleep", "1000"]) as child:
        try:
            def refuse(process):
                raise OSError(errno.EMFILE, "Too many open files")

            node.state.kin.known.add(proc.read(child.pid))
            node.state.mode, node.state.scan_at = "started", 0.0
            with monkeypatch.context() as patched:
                patched.setattr(resource, "getrlimit", lambda which: (0, 0))
                node.groups._pidfds = Pidfds(proc, node.groups._watching, node.manager.striker)
                patched.setattr(proc, "pidfd", refuse)
                node.groups.turn(lambda: None, ())
                assert "Too many open files" in node.manager.trouble
            node.moment = 2.0
            node.groups.turn(lambda: None, ())
            assert node.manager.trouble == "" and node.groups.watched("primary") == {child.pid}
        finally:
            child.kill()


class Kernel:
    """/proc, with a table of processes that was read before."""

    def __init__(self, *earlier):
        self._earlier = earlier

    def table(self, *given):
        return {one.pid: one for one in self._earlier}

    def __getattr__(self, name):
        return getattr(proc, name)


def test_a_member_is_not_taken_for_whoever_had_its_pid_when_the_table_was_read(node):
    """Else that one's session would be the group's, and be killed with it."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as child:
        real, bystander = proc.read(child.pid), proc.read(os.getppid())
        former = real._replace(start=real.start - 5, ppid=1, pgrp=bystander.pgrp, session=bystander.session)
        kernel, heard = Kernel(former, bystander), []
        scanner = Scanner(
            lambda: 0.0, kernel, Census(os.getpid(), "unix:///none", kernel=kernel), SimpleNamespace(pids=lambda name: [child.pid]), None,
            lambda name: None, lambda name, seen: None, lambda state: None, lambda state, found: heard.append(found),
            lambda state, error: heard.append(error),
        )
        node.groups.stop(node.state, 1, -math.inf)
        scanner.scan([node.state], 0.0)
        child.kill()
    assert [{one.identity for one in found.living} for found in heard] == [{real.identity}]


@pytest.mark.parametrize("listed, vanished", [("gone", True), ("zombie", True), ("alive", False), ("", False)])
def test_who_is_gone_from_a_cgroup_before_it_is_looked_at_may_have_forked(node, listed, vanished):
    """A chain of such processes would be missed by every scan, and outlive the proof."""
    with contextlib.ExitStack() as stack:
        pids = []
        if listed:
            child = stack.enter_context(subprocess.Popen(["sleep", "300"]))
            pids.append(child.pid)
            stack.callback(child.kill)
        if vanished:
            child.kill()
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        if listed == "gone":
            child.wait()
        heard = []
        scanner = Scanner(
            lambda: 0.0, proc, Census(os.getpid(), "unix:///none"), SimpleNamespace(pids=lambda name: pids), None,
            lambda name: None, lambda name, seen: None, lambda state: None, lambda state, found: heard.append(found),
            lambda state, error: heard.append(error),
        )
        node.groups.stop(node.state, 1, -math.inf)
        scanner.scan([node.state], 0.0)
        [found] = heard
        assert found.vanished == vanished and bool(found.living) == (listed == "alive")
