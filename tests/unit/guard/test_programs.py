"""Whom a guard registers as a program of a group, and whose word it takes for one."""

import os
import socket
import subprocess
from types import SimpleNamespace

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import programs, protocol
from supervisor_zkelect.guard.registration import MOST_TRIES
from supervisor_zkelect.processes import proc
from tests.unit.guard.parts import ProcessManager


class Desk:
    """Programs of a guard that grants everything. supervisord: this process unless another is given. whose: the group in which
    the scans have seen whoever asks. asked, told: what it asks its guard, and has it tell. answers: what it answers."""

    def __init__(self, whose="", supervisord=None, cgroups=None):
        self.asked, self.told, self.answers = [], [], []
        self.whose, self.mended = whose, False
        self.manager = ProcessManager()
        self.manager.whose = lambda process: self.whose
        guard = SimpleNamespace(may_run=lambda *asking: self.asked.append(asking) or True, tell=self.told.append)
        self.programs = programs.ProgramRegistrations(
            supervisord or proc.read(os.getpid()), guard, self.manager, cgroups, lambda group, uid: f"{group}-{uid}", self.answer, lambda: self.mended
        )

    def answer(self, peer, message):
        self.answers.append(message)
        self.answered()

    def answered(self):
        """What happens then."""

    @property
    def granted(self):
        return [answer["ok"] for answer in self.answers]

    def run(self, process, group="primary", name="orders", uid=None, waits=True):
        """Have a process ask to be registered."""
        here, there = socket.socketpair()
        with here, there:
            if not waits:
                there.close()
            self.programs.on_run(peer_of(here, process, uid), protocol.Run(group, name))

    def refuse(self, process, group="primary"):
        """Have a process tell that its program does not start."""
        self.programs.on_refused(peer_of(None, process), protocol.RunRefused(group, "orders", "because"))


def peer_of(connection, process, uid=None):
    return SimpleNamespace(connection=connection, pid=process.pid, process=process, uid=os.getuid() if uid is None else uid)


@pytest.fixture
def start():
    """Start a child. fork: what it does before it executes anything."""
    made = []

    def start(fork):
        made.append(subprocess.Popen(["/bin/sleep", "1000"], preexec_fn=fork))
        return proc.read(made[-1].pid)

    yield start
    for one in made:
        one.kill()
        one.wait()


@pytest.fixture
def own(start):
    """What this process has started as supervisord does."""
    return start(os.setpgrp)


@pytest.mark.parametrize("fork, started", [
    (os.setpgrp, True),
    # A daemon that was begun by supervisord, or taken in as an orphan; its worker, in a process group of whoever made it.
    (os.setsid, False), (lambda: None, False),
], ids=["program", "session", "group"])
def test_what_is_supervisord_s_child_and_was_not_started_by_it_does_not_register(start, fork, started):
    """Whoever registers brings its process group and its session with it: others' processes, which would be killed."""
    desk, process = Desk(), start(fork)
    desk.run(process)
    desk.refuse(process)
    assert desk.granted == [started] * 2
    assert [bool(desk.asked), bool(desk.manager.handles)] == [started] * 2


@pytest.mark.parametrize("change", [dict(pid=-1), dict(session=-1)])
def test_another_s_child_does_not_register(own, change):
    desk = Desk(supervisord=proc.read(os.getpid())._replace(**change))
    desk.run(own)
    assert desk.granted == [False]


@pytest.mark.parametrize("waits", [True, False])
def test_a_program_that_does_not_wait_for_the_answer_any_longer_is_not_registered(own, waits):
    """It registers again when it comes back, and each takes a move into a cgroup."""
    desk = Desk()
    desk.run(own, waits=waits)
    assert desk.asked == ([("primary", "orders", own.pid, own.start)] if waits else [])
    assert desk.answers == ([{"ok": True, "error": "", "secret": f"primary-{os.getuid()}"}] if waits else [])


@pytest.mark.parametrize("whose, earlier, granted", [
    ("", 0, [True, False]),
    # Nor may it be another group's than the one in which it was seen, or another process with its pid.
    ("other", 0, [False, True]), ("", 1, [False, False]),
])
def test_the_first_registration_of_a_process_counts(own, whose, earlier, granted):
    desk, process = Desk(whose), own._replace(start=own.start - earlier)
    desk.run(process)
    desk.run(process, "other")
    assert desk.granted == granted


@pytest.mark.parametrize("whose, first", [("other", ""), ("", "other"), ("other", "other")])
def test_a_process_does_not_speak_for_another_group(own, whose, first):
    """Its reason would be told as that of the other group's failure."""
    desk = Desk()
    if first:
        desk.run(own, first)
    desk.whose = whose
    desk.refuse(own)
    assert not desk.granted[-1] and desk.told == []


def test_a_refusal_is_told_unless_the_folder_was_mended(own):
    """The program is worth another try then."""
    desk = Desk("primary")
    desk.mended = True
    desk.refuse(own)
    assert desk.answers == [{"ok": True, "again": True}] and desk.told == []
    desk.mended = False
    desk.refuse(own)
    assert desk.answers[1:] == [{"ok": True, "again": False}]
    assert desk.told == [protocol.ProgramRefused("primary", "orders", "because")]


def test_the_users_of_whoever_registers_are_told_before_it_is_answered(own):
    """It may change what it is, and be gone, before a scan has seen it."""
    desk, known = Desk(), []
    desk.answered = lambda: known.append(list(desk.manager.group("primary").did))
    desk.run(own, uid=4321)
    assert known == [[("runs_as", {4321, *proc.uids(own.pid)})]]


def test_a_process_may_not_register_again_and_again(own):
    desk = Desk()
    for _ in range(MOST_TRIES + 2):
        desk.run(own)
    assert desk.granted == [True] * MOST_TRIES + [False, False]


def test_a_program_whose_users_cannot_be_read_just_now_has_no_answer(own, monkeypatch):
    """So it comes again; and what it did not get does not count as a try."""
    desk = Desk()
    with monkeypatch.context() as patched:
        def refuse(pid):
            raise OSError(24, "Too many open files")

        patched.setattr(proc, "uids", refuse)
        for _ in range(MOST_TRIES):
            desk.run(own)
    assert desk.answers == [] and desk.asked == []
    desk.run(own)
    assert desk.granted == [True]


class Cgroups:
    """move, back: what happens when a process is moved into a cgroup, and out again. `moves`: in order."""

    def __init__(self, move, back=lambda: None):
        self.move, self.back, self.moves = move, back, []

    def add(self, group, pid):
        self.moves.append((group, pid))
        self.move()

    def let_out(self, pid):
        self.moves.append(("", pid))
        self.back()


def fails(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize("move, back, told", [
    (lambda: None, lambda: None, False), (fails(ProcessLookupError(3, "No such process")), fails(ProcessLookupError()), False),
    (lambda: None, fails(PermissionError(1, "Operation not permitted")), True),
])
def test_whoever_has_the_number_of_a_program_that_ended_leaves_the_cgroup_again(own, caplog, move, back, told):
    """It is a stranger, and would be killed with the group."""
    def end():
        proc.kill(own)
        until(lambda: proc.find(*own.identity) is None, 30, "it to end")
        move()

    cgroups = Cgroups(end, back)
    desk = Desk(cgroups=cgroups)
    desk.run(own)
    assert cgroups.moves == [("primary", own.pid), ("", own.pid)] and desk.answers == []
    assert ("cannot leave its cgroup" in caplog.text) is told and ("stray",) not in desk.manager.group("primary").did


@pytest.mark.parametrize("move, error", [(lambda: None, ""), (fails(PermissionError(1, "Operation not permitted")), "no cgroup: Operation not permitted")])
def test_a_program_that_lives_stays_where_it_was_moved(own, move, error):
    cgroups = Cgroups(move)
    desk = Desk(cgroups=cgroups)
    desk.run(own)
    assert cgroups.moves == [("primary", own.pid)] and desk.granted == [True] and desk.answers[0]["error"] == error
    assert (("stray",) in desk.manager.group("primary").did) == bool(error)
