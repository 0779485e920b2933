"""Whom a guard registers as a program of a group, and whose word it takes for one."""

import os
import socket
from types import SimpleNamespace

import pytest

from supervisor_zkelect.guard import programs, protocol
from supervisor_zkelect.guard.registration import MOST_TRIES
from supervisor_zkelect.processes import proc
from tests.unit.guard.parts import ProcessManager


class Desk:
    """Programs of a guard that grants everything, of a supervisord with this pid. whose: the group in which the scans have seen
    whoever asks. asked, told: what it asks its guard, and has it tell. answers: what it answers."""

    def __init__(self, supervisord, whose=""):
        self.asked, self.told, self.answers = [], [], []
        self.whose, self.mended = whose, False
        self.manager = ProcessManager()
        self.manager.whose = lambda process: self.whose
        guard = SimpleNamespace(may_run=lambda *asking: self.asked.append(asking) or True, tell=self.told.append)
        self.programs = programs.ProgramRegistrations(
            supervisord, guard, self.manager, None, lambda group, uid: f"{group}-{uid}", self.answer, lambda: self.mended
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
def own():
    return proc.read(os.getpid())


@pytest.mark.parametrize("waits", [True, False])
def test_a_program_that_does_not_wait_for_the_answer_any_longer_is_not_registered(own, waits):
    """It registers again when it comes back, and each takes a move into a cgroup."""
    desk = Desk(os.getppid())
    desk.run(own, waits=waits)
    assert desk.asked == ([("primary", "orders", own.pid, own.start)] if waits else [])
    assert desk.answers == ([{"ok": True, "error": "", "secret": f"primary-{os.getuid()}"}] if waits else [])


@pytest.mark.parametrize("whose, earlier, granted", [
    ("", 0, [True, False]),
    # Nor may it be another group's than the one in which it was seen, or another process with its pid.
    ("other", 0, [False, True]), ("", 1, [False, False]),
])
def test_the_first_registration_of_a_process_counts(own, whose, earlier, granted):
    desk, process = Desk(own.ppid, whose), own._replace(start=own.start - earlier)
    desk.run(process)
    desk.run(process, "other")
    assert desk.granted == granted


@pytest.mark.parametrize("whose, first", [("other", ""), ("", "other"), ("other", "other")])
def test_a_process_does_not_speak_for_another_group(own, whose, first):
    """Its reason would be told as that of the other group's failure."""
    desk = Desk(own.ppid)
    if first:
        desk.run(own, first)
    desk.whose = whose
    desk.refuse(own)
    assert not desk.granted[-1] and desk.told == []


def test_a_refusal_is_told_unless_the_folder_was_mended(own):
    """The program is worth another try then."""
    desk = Desk(own.ppid, "primary")
    desk.mended = True
    desk.refuse(own)
    assert desk.answers == [{"ok": True, "again": True}] and desk.told == []
    desk.mended = False
    desk.refuse(own)
    assert desk.answers[1:] == [{"ok": True, "again": False}]
    assert desk.told == [protocol.ProgramRefused("primary", "orders", "because")]


def test_the_users_of_whoever_registers_are_told_before_it_is_answered(own):
    """It may change what it is, and be gone, before a scan has seen it."""
    desk, known = Desk(own.ppid), []
    desk.answered = lambda: known.append(list(desk.manager.group("primary").did))
    desk.run(own, uid=4321)
    assert known == [[("runs_as", {4321, *proc.uids(own.pid)})]]


def test_a_process_may_not_register_again_and_again(own):
    desk = Desk(own.ppid)
    for _ in range(MOST_TRIES + 2):
        desk.run(own)
    assert desk.granted == [True] * MOST_TRIES + [False, False]
