"""What a guard decides when what it needs fails: nothing keeps a group from dying, or a session from being given up."""

import errno
import os
import queue
import socket
import subprocess
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import guard, record
from supervisor_zkelect.guard import process as guard_process
from supervisor_zkelect.guard.registration import MOST_TRIES, First
from supervisor_zkelect.processes import group_events, proc

OWNER = record.Owner("boot", "namespace", 10, 100)


class Handle:
    """Remembers what a group was ordered."""

    def __init__(self):
        self.did = []

    def __getattr__(self, what):
        return lambda *arguments: self.did.append((what, *arguments))

    def last(self, *whats):
        return [one for one in self.did if one[0] in whats][-1]


class ProcessManager:
    turned_at = 0.0
    trouble = ""

    def __init__(self):
        self.handles = {}

    def group(self, name):
        return self.handles.setdefault(name, Handle())

    def wake_supervisord(self):
        pass

    def supervisord_gone(self):
        pass


class Book:
    broken = False

    def __init__(self):
        self.entries = {}

    def open(self):
        pass

    def make_room(self, room):
        self.room = room

    def put(self, entry):
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")
        self.entries[entry.group] = entry


class Hands(guard.Hands):
    def __init__(self):
        self.told, self.did, self.failing, self.expected = [], [], 0, []
        self.free, self.groups = True, []
        self.keeping, self.asked = ({}, False), 0

    def tell(self, message):
        self.told.append(message)

    def take_lock(self):
        return self.free

    def give_lock_back(self):
        self.did.append("give back")

    def expect_programs(self, expected):
        self.expected.append(expected)

    def keep(self, terms, attach):
        self.keeping = (terms, attach)

    def ask_for_listener(self):
        self.asked += 1

    def release(self, ended):
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.did.append("release")
        self.ended = ended

    def session_groups(self):
        return self.groups

    def call(self, command, seconds, variables):
        self.did.append(("call", command, seconds, variables))


class Node:
    """A guard with a listener, whose group `primary` runs under a lease, in a time of its own."""

    def __init__(self, monkeypatch, former=()):
        self.now = 100.0
        monkeypatch.setattr(guard, "now", lambda: self.now)
        self.manager, self.book, self.hands = ProcessManager(), Book(), Hands()
        self.guard = guard.Guard(OWNER, 2.0, self.manager, self.book, self.hands)
        self.guard.begin(list(former))

    def greet(self, *names):
        groups = {
            name: {"election": name, "loaded": True, "seconds": 9.0, "stop_failed": ["help"], "stopwaitsecs": 1.5}
            for name in names
        }
        return self.guard.welcome({"v": guard.PROTOCOL, "owner": list(OWNER), "groups": groups})

    def start(self, name="primary"):
        self.greet("primary")
        self.guard.obey({
            "do": "start", "group": name, "op": 5, "election": "orders", "address": "a", "token": 7,
            "stop_at": self.now + 2, "kill_at": self.now + 3, "deadline": self.now + 4,
        })
        return self

    def order(self, what, **values):
        """Have the listener order something of the group that `start` started."""
        lease = {"election": "orders", "address": "a", "token": 7, "stop_at": 102.0, "kill_at": 103.0, "deadline": 104.0}
        self.guard.obey({"do": what, "group": "primary", **lease, **values})

    def leave(self):
        """The listener ends, and supervisord does not start another."""
        self.guard.listener_gone()
        self.passes(0.0)
        self.guard.listener_state("STOPPED")
        self.passes(2.01)

    def passes(self, seconds):
        self.now += seconds
        self.guard.keep_time()

    def dead(self, name="primary"):
        self.guard.heard(group_events.GroupDead(name, self.handle(name).last("kill", "stop")[1], 0.1))

    def handle(self, name="primary"):
        return self.manager.handles[name]


@pytest.fixture
def node(monkeypatch):
    return Node(monkeypatch)


def test_a_record_that_cannot_be_written_keeps_nothing_from_dying(node):
    node.start()
    node.book.broken = True
    node.passes(2.1)
    assert node.handle().last("stop", "kill")[:1] == ("stop",) and node.handle().last("stop")[2:] == (node.now + 1.5, 103.0)


def test_a_guard_that_comes_after_supervisords_death_proves_what_a_listener_names(node):
    """Nobody else orders it where that listener led nothing, and the guard would stay for a group that it never saw."""
    node.guard.supervisord_dead()
    node.greet("primary")
    assert node.handle().last("kill", "stop")[0] == "kill"
    node.dead()
    node.guard.obey({"do": "bye", "how": "released"})
    assert not node.guard.finished(False)
    node.guard.listener_gone()
    assert node.guard.finished(False)


def test_a_release_waits_for_every_group_of_the_session(node):
    """Also of an election that the configuration does not name any more, and that no record told this guard of."""
    node.start()
    node.hands.groups = ["primary", "former"]
    node.leave()
    node.dead()
    node.passes(0.1)
    assert "release" not in node.hands.did and node.handle("former").last("kill", "stop")[0] == "kill"
    node.dead("former")
    node.passes(0.1)
    assert "release" in node.hands.did


def test_what_is_started_while_no_listener_is_there_is_killed_before_the_release(node):
    node.start()
    node.hands.free = False
    node.leave()
    node.passes(1.1)
    node.dead()
    node.guard.heard(group_events.MemberStarted("primary", "svc", 44))
    node.hands.free = True
    node.passes(0.1)
    assert "release" not in node.hands.did
    node.dead()
    node.passes(0.1)
    assert "release" in node.hands.did


def test_a_keeper_that_ends_is_told_apart_from_one_that_ends_while_it_releases(node):
    node.start()
    before = node.guard.next_wakeup()
    node.guard.keeper_said({"ended": True})
    assert node.guard.next_wakeup() == before
    node.leave()
    node.dead()
    node.passes(1.1)
    assert node.hands.did == ["release"]
    # It may have released, or not: another finds out.
    node.guard.keeper_said({"ended": True})
    node.guard.keeper_said({"ended": True})
    node.passes(guard.RELEASE_PACE)
    assert node.hands.did == ["release", "release"] and node.guard.session_open
    node.guard.keeper_said({"released": 0})
    assert node.hands.did[-1] == "give back" and not node.guard.session_open


def test_a_guard_whose_listener_died_before_it_greeted_ends_with_the_release(monkeypatch):
    """The guard of the next supervisord waits for its place."""
    former = Node(monkeypatch).start().book.entries["primary"]
    node = Node(monkeypatch, [former])
    node.guard.supervisord_dead()
    node.dead()
    node.passes(0.0)
    assert node.hands.did == ["release"] and not node.guard.finished(False)
    node.guard.released(1)
    assert not node.guard.finished(False)
    node.passes(guard.RELEASE_PACE)
    node.guard.released(0)
    assert node.guard.finished(False)


@pytest.mark.parametrize("heals", [False, True])
def test_it_stays_while_the_record_grants_what_does_not_stand(node, heals):
    """To refuse what a supervisord that hung starts again when it goes on."""
    node.start()
    node.book.broken = True
    node.leave()
    node.dead()
    node.passes(0.0)
    node.guard.released(0)
    assert node.hands.did == ["release", "give back"]
    assert not node.guard.finished(False) and not node.guard.may_run("primary", "orders", 77)
    node.book.broken = not heals
    assert node.guard.next_wakeup() <= node.now + guard.WRITE_PACE
    node.passes(guard.WRITE_PACE)
    assert node.guard.finished(False) == heals == (not node.book.entries["primary"].granted)
    node.passes(103.0 - node.now)
    assert node.guard.finished(False)


def test_supervisords_word_is_wanted_where_a_revocation_is_not_written(node):
    """A program that it starts again may read the grant that still stands there."""
    node.start()
    assert node.handle().last("trust") == ("trust", True)
    node.book.broken = True
    node.order("stop", op=9, by=102.0)
    assert [one[0] for one in node.handle().did[-3:] if one[0] in ("trust", "stop")] == ["trust", "stop"]
    assert node.handle().last("trust") == ("trust", False)
    node.book.broken = False
    node.guard.obey({"do": "kill", "group": "primary", "op": 10})
    assert not node.book.entries["primary"].granted


def test_neither_does_it_when_supervisord_dies(node):
    node.start()
    node.book.broken = True
    node.guard.supervisord_dead()
    assert node.handle().last("stop", "kill")[0] == "kill"


def test_where_the_record_says_something_else_a_program_is_refused(node):
    node.start()
    assert node.guard.may_run("primary", "orders", 77)
    node.book.broken = True
    node.guard.obey({"do": "lease", "n": 1, "leases": {"primary": (7, 103.0, 104.0, 105.0)}})
    assert not node.guard.may_run("primary", "orders", 77)
    node.book.broken = False
    node.guard.obey({"do": "lease", "n": 2, "leases": {"primary": (7, 104.0, 105.0, 106.0)}})
    assert node.guard.may_run("primary", "orders", 77)
    assert [told["n"] for told in node.hands.told if told["event"] == "Echo"] == [1, 2]


def test_no_lease_is_extended_while_the_manager_lacks_what_ends_a_group(node):
    node.start()
    node.manager.trouble = "no descriptors"
    node.guard.obey({"do": "lease", "n": 1, "leases": {"primary": (7, 103.0, 104.0, 105.0)}})
    assert node.hands.told[-1]["event"] == "Echo" and node.hands.told[-1]["trouble"] == "no descriptors"
    assert node.book.entries["primary"].lease.deadline == 104.0
    node.manager.trouble = ""
    node.guard.obey({"do": "lease", "n": 2, "leases": {"primary": (7, 103.0, 104.0, 105.0)}})
    assert "trouble" not in node.hands.told[-1] and node.book.entries["primary"].lease.deadline == 105.0


def test_what_a_new_listener_ends_has_the_time_of_its_lease_and_no_more(node):
    node.start()
    node.order("seize", op=9)
    assert node.handle().last("stop", "kill") == ("stop", 9, 101.5, 103.0)


def test_what_runs_without_a_lease_is_killed_at_once(node):
    node.greet("primary")
    node.guard.obey({"do": "seize", "group": "primary", "op": 9})
    assert node.handle().last("stop", "kill") == ("kill", 9)


def test_no_stop_lasts_longer_than_the_lease_did(node):
    node.start()
    node.order("stop", op=9, by=500.0)
    assert node.handle().last("stop", "kill") == ("stop", 9, 500.0, 103.0)


def test_a_stop_that_was_begun_lasts_as_long_as_its_lease_is_renewed(node):
    node.start()
    node.order("stop", op=9, by=500.0)
    node.guard.obey({"do": "lease", "n": 1, "leases": {"primary": (7, 103.0, 104.0, 105.0)}})
    assert node.handle().last("renew", "stop", "kill") == ("renew", 104.0)
    # Of another term.
    node.guard.obey({"do": "lease", "n": 1, "leases": {"primary": (8, 203.0, 204.0, 205.0)}})
    assert node.handle().last("renew", "stop", "kill") == ("renew", 104.0)


@pytest.mark.parametrize("state, waits", [
    ("RUNNING", 1000), ("STARTING", 1000), ("BACKOFF", 59), ("EXITED", 59), ("STOPPING", 59), ("", 59),
    ("STOPPED", 1.9), ("FATAL", 1.9),
])
def test_a_listener_is_waited_for_by_what_supervisord_says_of_it(node, state, waits):
    node.start()
    node.guard.listener_gone()
    left = node.now
    node.passes(0.0)
    assert node.hands.keeping == ({"primary": 7}, True) and node.hands.asked == 1
    while node.now < left + waits - 0.5:
        node.guard.listener_state(state)
        node.guard.kept("primary", 7, node.now + 4)
        node.passes(0.4)
        assert node.guard.charges["primary"].entry.granted
    node.guard.listener_state(state)
    assert not node.guard.ending
    if waits < 1000:
        node.passes(left + waits + 1.1 - node.now)
        assert node.guard.ending and node.handle().last("stop", "kill")[2] == node.now + 1.5


def test_the_leases_are_renewed_until_the_listener_that_came_renews_them(node):
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)
    node.guard.kept("primary", 7, 110.0)
    entry = node.guard.charges["primary"].entry
    # What is set aside before the deadline stays what it was.
    assert entry.lease == (108.0, 109.0, 110.0)
    welcome = node.greet("primary")
    assert welcome["groups"]["primary"]["deadline"] == 110.0
    # It attaches itself, and takes the session by that.
    assert node.hands.keeping == ({"primary": 7}, False)
    node.guard.kept("primary", 7, 111.0)
    assert node.hands.told[-1] == {"event": "Renewed", "group": "primary", "token": 7, "deadline": 111.0}
    node.guard.obey({"do": "lease", "n": 1, "leases": {"primary": (7, 110.0, 111.0, 112.0)}})
    assert node.hands.keeping == ({}, False)
    node.guard.kept("primary", 7, 200.0)
    assert node.guard.charges["primary"].entry.lease.deadline == 112.0


@pytest.mark.parametrize("what", ["gone", "over"])
def test_what_has_lost_its_proposal_or_session_is_killed_at_once(node, what):
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)
    if what == "gone":
        node.guard.proposal_gone("primary", 6)
        assert node.guard.charges["primary"].entry.granted, "it is another term's"
        node.guard.proposal_gone("primary", 7)
    else:
        node.guard.session_over()
    assert node.handle().last("stop", "kill")[0] == "kill" and node.hands.keeping == ({}, True)


def test_a_lease_is_cut_where_the_session_was_attached_with_a_shorter_timeout(node):
    node.start()
    node.guard.obey({"do": "cut", "deadline": 102.0})
    entry = node.guard.charges["primary"].entry
    assert entry.lease == (100.0, 101.0, 102.0)
    node.passes(0.1)
    assert node.handle().last("stop", "kill") == ("stop", -1, node.now + 1.5, 101.0)


def test_what_the_keeper_proved_before_a_cut_does_not_come_after_it(node):
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)
    node.greet("primary")
    node.guard.obey({"do": "cut", "deadline": 102.0})
    node.guard.kept("primary", 7, 110.0)
    assert node.guard.charges["primary"].entry.lease.deadline == 102.0 and node.hands.keeping == ({}, False)


def test_a_listener_that_does_not_know_its_groups_yet_costs_the_guard_nothing(node):
    node.start()
    node.greet()
    assert node.guard.stop_time(node.guard.charges["primary"]) == node.now + 1.5


def test_a_listener_that_came_and_renews_nothing_is_not_waited_for_without_end(node):
    """Nobody asks whether the service is well meanwhile."""
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)
    node.greet("primary")
    node.guard.kept("primary", 7, node.now + 4)
    node.passes(guard.LIMIT - 0.1)
    assert node.hands.keeping == ({"primary": 7}, False)
    node.passes(0.2)
    assert node.hands.keeping == ({}, False)


def test_listeners_that_come_and_go_and_renew_nothing_are_one_absence(node):
    node.start()
    node.guard.listener_gone()
    left = node.now
    for _ in range(5):
        node.passes(10.0)
        node.greet("primary")
        node.guard.listener_gone()
        node.guard.listener_state("BACKOFF")
        assert node.guard.release_by == left + guard.LIMIT
    node.greet("primary")
    node.guard.obey({"do": "lease", "n": 1, "leases": {"primary": (7, 203.0, 204.0, 205.0)}})
    node.guard.listener_gone()
    assert node.guard.release_by == node.now + guard.LIMIT


def test_what_cannot_be_killed_does_not_lose_the_session(node):
    node.start()
    node.guard.supervisord_dead()
    node.guard.listener_gone()
    assert node.hands.keeping == ({"primary": 7}, True)
    node.dead()
    assert node.hands.keeping == ({}, True)


def test_a_listener_that_started_this_guard_greets_it_before_the_keeper_takes_the_session(monkeypatch):
    node = Node(monkeypatch, [record.Entry("one", "one", "a", 7, True, 1, Lease(200.0, 201.0, 202.0))])
    node.passes(guard.GREETING - 0.1)
    assert node.hands.keeping == ({}, False)
    node.passes(0.2)
    assert node.hands.keeping == ({"one": 7}, True)


def test_a_release_that_cannot_be_started_is_tried_again(node):
    node.start()
    node.hands.failing = 1
    node.leave()
    node.dead()
    node.passes(0.0)
    assert node.hands.did == []
    node.passes(guard.RELEASE_PACE)
    assert node.hands.did == ["release"]


def test_a_release_is_told_how_the_term_ended_that_did_and_no_former_one(node):
    node.start()
    token = node.guard.charges["primary"].entry.token
    node.guard.supervisord_dead()
    node.guard.listener_gone()
    node.passes(0.0)
    node.dead()
    node.passes(0.0)
    ended = node.hands.ended["primary"]
    assert ended["token"] == token and ended["why"] == "supervisord is dead" and ended["noticed"] <= ended["dead"]


def test_a_listener_is_not_hurried_while_its_group_is_not_proven_dead(node):
    """It is the one who keeps the session alive."""
    node.start()
    node.hands.kill_listener = lambda: node.hands.did.append("kill")
    node.guard.supervisord_dead()
    node.passes(100.0)
    assert node.hands.did == []
    node.dead()
    node.passes(guard.LISTENER_TIME + 0.01)
    assert node.hands.did[0] == "kill"


def test_groups_of_which_it_only_heard_are_held(node):
    node.greet("primary")
    node.leave()
    assert node.hands.did == [] and node.handle().last("kill")
    node.dead()
    node.passes(0.0)
    assert node.hands.did == ["release"]


def test_a_former_guards_charges_are_all_taken_over(monkeypatch):
    entries = [record.Entry(name, name, "a", 7, granted, 1, Lease(200.0, 201.0, 202.0))
               for name, granted in (("one", True), ("two", True), ("three", False))]
    node = Node(monkeypatch, entries)
    assert node.handle("one").last("adopt") and node.handle("two").last("adopt")
    assert node.handle("three").last("stop")[2:] == (201.0, 201.0) and node.guard.charges["three"].held
    node.greet("one")
    assert node.book.room == 2


def test_a_folder_that_was_made_anew_is_left_alone(node):
    node.start()
    node.hands.take_lock = lambda: node.guard.disowned() or False
    node.leave()
    node.dead()
    node.passes(1.0)
    assert node.hands.did == [] and node.guard.finished(False)


def test_who_is_asked_to_end_goes_on_with_the_next_listener(node):
    node.start()
    node.guard.listener_gone()
    assert not node.guard.finished(True)
    assert node.greet("primary")["ok"]


def test_help_is_called_once_for_a_stop_that_fails(node):
    node.start()
    node.guard.obey({"do": "kill", "group": "primary", "op": 9})
    for _ in range(3):
        node.guard.heard(group_events.GroupStuck("primary", 9, (77,), "killed and not gone"))
    (call,) = node.hands.did
    assert call[1:3] == (["help"], 9.0) and call[3]["ZKELECT_PIDS"] == "77"
    node.dead()


def test_programs_are_expected_after_a_start_and_while_supervisord_restarts_one(node):
    node.start()
    node.guard.heard(group_events.MemberDied("primary", "orders", 20))
    assert node.hands.expected == [True, True]
    node.guard.obey({"do": "kill", "group": "primary", "op": 9})
    node.guard.heard(group_events.MemberDied("primary", "orders", 21))
    assert node.hands.expected == [True, True, False]


def test_programs_that_do_not_come_through_the_chain_loader_are_not_expected(node):
    node.start()
    node.guard.obey({"do": "groups", "groups": {"primary": {"election": "orders", "loaded": False}}})
    node.guard.heard(group_events.MemberDied("primary", "orders", 20))
    assert node.hands.expected == [True]


def test_without_cgroups_nothing_is_kept_for_moves_that_nobody_makes():
    """A program that ends again and again must not fill the guard's memory."""
    process = SimpleNamespace(cgroups=None, expected=queue.SimpleQueue())
    guard_process.Process.expect_programs(process, True)
    assert process.expected.empty()


def registering(supervisord, asked, answers):
    """A guard's process that grants everything. asked, answers: take what it asks its guard, and what it answers."""
    made = SimpleNamespace(
        owner=SimpleNamespace(pid=supervisord), cgroups=None, answer=lambda peer, message: answers.append(message),
        guard=SimpleNamespace(may_run=lambda *asking: asked.append(asking) or True), first=First(),
        manager=ProcessManager(), secrets=lambda group, uid: f"{group}-{uid}",
        on_run=lambda *asking: guard_process.Process.on_run(made, *asking),
        program_of=lambda peer: guard_process.Process.program_of(made, peer),
        on_refused=lambda *told: guard_process.Process.on_refused(made, *told),
        may_register=lambda *asking: guard_process.Process.may_register(made, *asking),
        upkeep=SimpleNamespace(put_back=0), keep_folder=lambda: True,
    )
    made.manager.whose = lambda process: ""
    return made


def peer_of(connection, process):
    return SimpleNamespace(connection=connection, pid=process.pid, process=process, uid=os.getuid(), trusted=True)


@pytest.mark.parametrize("waits", [True, False])
def test_a_program_that_does_not_wait_for_the_answer_any_longer_is_not_registered(waits):
    """It registers again when it comes back, and each takes a move into a cgroup."""
    asked, answers = [], []
    here, there = socket.socketpair()
    with here, there:
        process = registering(os.getppid(), asked, answers)
        if not waits:
            there.close()
        own = proc.read(os.getpid())
        guard_process.Process.on_run(process, peer_of(here, own), "primary", "orders")
    assert asked == ([("primary", "orders", own.pid, own.start)] if waits else [])
    assert answers == ([{"ok": True, "error": "", "secret": f"primary-{os.getuid()}"}] if waits else [])


def test_a_program_that_does_not_tell_its_name_is_known_by_its_environment():
    """Its chain loader is of an earlier version, which the guard would keep from starting otherwise."""
    asked = []
    process = registering(os.getpid(), asked, [])
    here, there = socket.socketpair()
    with here, there, subprocess.Popen(["sleep", "1000"], env={"SUPERVISOR_PROCESS_NAME": "orders"}) as child:
        try:
            until(lambda: proc.cmdline(child.pid).startswith(b"sleep"), 30, "the program to run")
            own = proc.read(child.pid)
            guard_process.Process.take(process, peer_of(here, own), {"do": "run", "group": "primary"})
        finally:
            child.kill()
    assert asked == [("primary", "orders", own.pid, own.start)]


@pytest.mark.parametrize("message", [
    {}, {"do": 1}, {"do": ["run"]}, {"do": "run"}, {"do": "run", "group": 7}, {"do": "run", "group": "primary", "name": None},
    {"do": "refused", "group": "primary", "name": "orders", "reason": {}}, {"do": "welcome"}, {"do": "start"},
])
def test_what_is_no_message_is_refused(message):
    process = registering(os.getpid(), [], [])
    process.listener = None
    with pytest.raises((KeyError, TypeError, ValueError)):
        guard_process.Process.take(process, SimpleNamespace(trusted=True, process=None), message)


def registration_of(process, group, whose="", current=None):
    """Register a process, which stands for a child of supervisord; the answer."""
    answers = []
    guard = registering(process.ppid, [], answers)
    guard.manager.whose = lambda one: whose
    here, there = socket.socketpair()
    with here, there:
        guard_process.Process.on_run(guard, peer_of(here, current or process), group, "orders")
        guard_process.Process.on_run(guard, peer_of(here, current or process), "other", "orders")
    return [answer["ok"] for answer in answers]


def test_the_first_registration_of_a_process_counts():
    own = proc.read(os.getpid())
    assert registration_of(own, "primary") == [True, False]
    # Nor may it be another group's than the one in which it was seen, or another process with its pid.
    assert registration_of(own, "primary", whose="other") == [False, True]
    assert registration_of(own, "primary", current=own._replace(start=own.start - 1)) == [False, False]


@pytest.mark.parametrize("whose, first", [("other", "primary"), ("", "other"), ("other", "other")])
def test_a_process_does_not_speak_for_another_group(whose, first):
    """Its reason would be told as that of the other group's failure."""
    answers, told = [], []
    process, own = registering(os.getppid(), [], []), proc.read(os.getpid())
    process.answer = lambda peer, message: answers.append(message["ok"])
    process.guard.tell = lambda what, **more: told.append(more["group"])
    process.manager.whose = lambda process: whose
    process.first.enter(own, first)
    here, there = socket.socketpair()
    with here, there:
        guard_process.Process.on_refused(process, peer_of(here, own), "primary", "orders", "because")
        assert (answers, told) == ([False], [])
        process.manager.whose, process.first = (lambda process: "primary"), First()
        guard_process.Process.on_refused(process, peer_of(here, own), "primary", "orders", "because")
    assert (answers, told) == ([False, True], ["primary"])


def test_the_users_of_whoever_registers_are_told_before_it_is_answered():
    """It may change what it is, and be gone, before a scan has seen it."""
    told = []
    own = proc.read(os.getpid())
    guard = registering(own.ppid, [], [])
    guard.answer = lambda peer, message: told.append(list(guard.manager.group("primary").did))
    here, there = socket.socketpair()
    with here, there:
        peer = peer_of(here, own)
        peer.uid = 4321
        guard_process.Process.on_run(guard, peer, "primary", "orders")
    assert told == [[("runs_as", {4321, *proc.uids(own.pid)})]]


def test_a_process_may_not_register_again_and_again():
    process, answers = registering(os.getppid(), [], []), []
    process.answer = lambda peer, message: answers.append(message["ok"])
    here, there = socket.socketpair()
    with here, there:
        for _ in range(MOST_TRIES + 2):
            guard_process.Process.on_run(process, peer_of(here, proc.read(os.getpid())), "primary", "orders")
    assert answers == [True] * MOST_TRIES + [False, False]


def test_beside_a_listener_no_keeper_is_there_beforehand(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        guard_process, "Process", lambda *_, **options: made.append(options) or SimpleNamespace(run=lambda ready: None)
    )
    guard_process.serve(SimpleNamespace(folder=str(tmp_path)), (None, None), lambda: None)
    assert made == [{"alone": False}]


def test_another_address_is_told_to_programs_that_start_later(node):
    node.start()
    node.guard.obey({"do": "address", "group": "primary", "address": "b"})
    entry = node.book.entries["primary"]
    assert (entry.address, entry.granted, entry.token) == ("b", True, 7)
    node.guard.obey({"do": "address", "group": "other", "address": "b"})
    assert "other" not in node.book.entries


def test_another_grace_counts_for_the_listener_that_is_there(node):
    node.start()
    node.guard.obey({"do": "groups", "groups": {}, "grace": 9.0})
    node.guard.listener_gone()
    node.guard.listener_state("STOPPED")
    assert node.guard.release_by == node.now + 9.0
