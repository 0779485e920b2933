"""What a guard decides when what it needs fails: nothing keeps a group from dying, or a session from being given up."""

import contextlib
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import absence, ending, groups, guard, protocol, record
from supervisor_zkelect.guard import process as guard_process
from supervisor_zkelect.guard.keeper_protocol import KeeperEnded, KeptSessionOver, TermGone
from supervisor_zkelect.processes import group_events
from tests.unit.guard.parts import GRANT, Node, lack


@pytest.fixture
def node():
    return Node()


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
    node.guard.obey(protocol.Bye("released"))
    assert not node.guard.finished(False)
    node.guard.listener_gone()
    assert node.guard.finished(False)


def test_a_release_waits_for_every_group_of_the_session(node):
    """Also of an election that the configuration does not name any more, and that no record told this guard of."""
    node.start()
    node.effects.groups = ["primary", "former"]
    node.leave()
    node.dead()
    node.passes(0.1)
    assert "release" not in node.effects.did and node.handle("former").last("kill", "stop")[0] == "kill"
    node.dead("former")
    node.passes(0.1)
    assert "release" in node.effects.did


def test_what_is_started_while_no_listener_is_there_is_killed_before_the_release(node):
    node.start()
    node.effects.free = False
    node.leave()
    node.passes(1.1)
    node.dead()
    node.guard.heard(group_events.MemberStarted("primary", "svc", 44))
    node.effects.free = True
    node.passes(0.1)
    assert "release" not in node.effects.did
    node.dead()
    node.passes(0.1)
    assert "release" in node.effects.did


def test_what_was_started_while_a_listener_was_there_is_killed_before_the_release_as_well(node):
    """It may have ended before it gave an order, or have stood for no election any more."""
    node.start()
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.dead()
    node.guard.heard(group_events.MemberStarted("primary", "svc", 44))
    node.leave()
    node.passes(1.1)
    assert "release" not in node.effects.did and node.handle().last("kill", "stop")[0] == "kill"
    node.dead()
    node.passes(0.1)
    assert "release" in node.effects.did


def test_a_keeper_that_ends_is_told_apart_from_one_that_ends_while_it_releases(node):
    node.start()
    before = node.guard.next_wakeup()
    node.guard.keeper_said(KeeperEnded())
    assert node.guard.next_wakeup() == before
    node.leave()
    node.dead()
    node.passes(1.1)
    assert node.effects.did == ["release"]
    # It may have released, or not: another finds out.
    node.guard.keeper_said(KeeperEnded())
    node.guard.keeper_said(KeeperEnded())
    node.passes(ending.RELEASE_PACE)
    assert node.effects.did == ["release", "release"] and node.guard.session_open
    node.released(0)
    assert node.effects.did[-1] == "give back" and not node.guard.session_open


def test_a_guard_whose_listener_died_before_it_greeted_ends_with_the_release():
    """The guard of the next supervisord waits for its place."""
    former = Node().start().book.entries["primary"]
    node = Node([former])
    node.guard.supervisord_dead()
    node.dead()
    node.passes(0.0)
    assert node.effects.did == ["release"] and not node.guard.finished(False)
    node.released(1)
    assert not node.guard.finished(False)
    node.passes(ending.RELEASE_PACE)
    node.released(0)
    assert node.guard.finished(False)


@pytest.mark.parametrize("heals", [False, True])
def test_it_stays_while_the_record_grants_what_does_not_stand(node, heals):
    """To refuse what a supervisord that hung starts again when it goes on."""
    node.start()
    node.book.broken = True
    node.leave()
    node.dead()
    node.passes(0.0)
    node.released(0)
    assert node.effects.did == ["release", "give back"]
    assert not node.guard.finished(False) and not node.guard.may_run("primary", "orders", 77)
    node.book.broken = not heals
    assert node.guard.next_wakeup() <= node.now + groups.WRITE_PACE
    node.passes(groups.WRITE_PACE)
    assert node.guard.finished(False) == heals == (not node.book.entries["primary"].granted)
    node.passes(103.0 - node.now)
    assert node.guard.finished(False)


def test_supervisords_word_is_wanted_where_a_revocation_is_not_written(node):
    """A program that it starts again may read the grant that still stands there."""
    node.start()
    assert node.handle().last("trust") == ("trust", True)
    node.book.broken = True
    node.guard.obey(protocol.StopOrder("primary", 9, 102.0, GRANT))
    assert [one[0] for one in node.handle().did[-3:] if one[0] in ("trust", "stop")] == ["trust", "stop"]
    assert node.handle().last("trust") == ("trust", False)
    node.book.broken = False
    node.guard.obey(protocol.KillOrder("primary", 10))
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
    node.extend(1, 7, 103.0, 104.0, 105.0)
    assert not node.guard.may_run("primary", "orders", 77)
    node.book.broken = False
    node.extend(2, 7, 104.0, 105.0, 106.0)
    assert node.guard.may_run("primary", "orders", 77)
    assert [told.n for told in node.effects.told if isinstance(told, protocol.LeaseEcho)] == [1, 2]


def test_no_lease_is_extended_while_the_manager_lacks_what_ends_a_group(node):
    node.start()
    node.manager.trouble = "no descriptors"
    node.extend(1, 7, 103.0, 104.0, 105.0)
    assert node.effects.told[-1] == protocol.LeaseEcho(1, 0.0, "no descriptors")
    assert node.entry.lease.deadline == 104.0
    node.manager.trouble = ""
    node.extend(2, 7, 103.0, 104.0, 105.0)
    assert node.effects.told[-1].trouble == "" and node.entry.lease.deadline == 105.0


def test_what_a_new_listener_ends_has_the_time_of_its_lease_and_no_more(node):
    node.start()
    node.guard.obey(protocol.EnsureDeadOrder("primary", 9))
    assert node.handle().last("stop", "kill") == ("stop", 9, 101.5, 103.0)


def test_what_runs_without_a_lease_is_killed_at_once(node):
    node.greet("primary")
    node.guard.obey(protocol.EnsureDeadOrder("primary", 9))
    assert node.handle().last("stop", "kill") == ("kill", 9)


def test_no_stop_lasts_longer_than_the_lease_did(node):
    node.start()
    node.guard.obey(protocol.StopOrder("primary", 9, 500.0, GRANT))
    assert node.handle().last("stop", "kill") == ("stop", 9, 500.0, 103.0)


def test_a_stop_that_was_begun_lasts_as_long_as_its_lease_is_renewed(node):
    node.start()
    node.guard.obey(protocol.StopOrder("primary", 9, 500.0, GRANT))
    node.extend(1, 7, 103.0, 104.0, 105.0)
    assert node.handle().last("renew", "stop", "kill") == ("renew", 104.0)
    # Of another term.
    node.extend(1, 8, 203.0, 204.0, 205.0)
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
    assert node.effects.keeping == ({"primary": 7}, True) and node.effects.asked == 1
    while node.now < left + waits - 0.5:
        node.guard.listener_state(state)
        node.kept(7, node.now + 4)
        node.passes(0.4)
        assert node.entry.granted
    node.guard.listener_state(state)
    assert not node.guard.ending.begun
    if waits < 1000:
        node.passes(left + waits + 1.1 - node.now)
        assert node.guard.ending.begun and node.handle().last("stop", "kill")[2] == node.now + 1.5


def test_the_leases_are_renewed_until_the_listener_that_came_renews_them(node):
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)
    node.kept(7, 110.0)
    entry = node.entry
    # What is set aside before the deadline stays what it was.
    assert entry.lease == Lease(108.0, 109.0, 110.0)
    welcome = node.greet("primary")
    assert welcome.groups["primary"]["deadline"] == 110.0
    # It attaches itself, and takes the session by that.
    assert node.effects.keeping == ({"primary": 7}, False)
    node.kept(7, 111.0)
    assert node.effects.told[-1] == protocol.LeaseRenewed("primary", 7, 111.0)
    node.extend(1, 7, 110.0, 111.0, 112.0)
    assert node.effects.keeping == ({}, False)
    node.kept(7, 200.0)
    assert node.entry.lease.deadline == 112.0


@pytest.mark.parametrize("what", ["gone", "over"])
def test_what_has_lost_its_proposal_or_session_is_killed_at_once(node, what):
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)
    if what == "gone":
        node.guard.keeper_said(TermGone("primary", 6))
        assert node.entry.granted, "it is another term's"
        node.guard.keeper_said(TermGone("primary", 7))
    else:
        node.guard.keeper_said(KeptSessionOver())
    assert node.handle().last("stop", "kill")[0] == "kill" and node.effects.keeping == ({}, True)


def test_a_lease_is_cut_where_the_session_was_attached_with_a_shorter_timeout(node):
    node.start()
    node.guard.obey(protocol.CutOrder(102.0))
    entry = node.entry
    assert entry.lease == Lease(100.0, 101.0, 102.0)
    node.passes(0.1)
    assert node.handle().last("stop", "kill") == ("stop", -1, node.now + 1.5, 101.0)


def test_what_the_keeper_proved_before_a_cut_does_not_come_after_it(node):
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)
    node.greet("primary")
    node.guard.obey(protocol.CutOrder(102.0))
    node.kept(7, 110.0)
    assert node.entry.lease.deadline == 102.0 and node.effects.keeping == ({}, False)


def test_a_listener_that_does_not_know_its_groups_yet_costs_the_guard_nothing(node):
    node.start()
    node.greet()
    assert node.guard.groups.stop_time(node.guard.groups["primary"]) == node.now + 1.5


def test_a_listener_that_came_and_renews_nothing_is_not_waited_for_without_end(node):
    """Nobody asks whether the service is well meanwhile."""
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)
    node.greet("primary")
    node.kept(7, node.now + 4)
    node.passes(absence.LIMIT - 0.1)
    assert node.effects.keeping == ({"primary": 7}, False)
    node.passes(0.2)
    assert node.effects.keeping == ({}, False)


def test_listeners_that_come_and_go_and_renew_nothing_are_one_absence(node):
    node.start()
    node.guard.listener_gone()
    left = node.now
    for _ in range(5):
        node.passes(10.0)
        node.greet("primary")
        node.guard.listener_gone()
        node.guard.listener_state("BACKOFF")
        assert node.guard.release_by == left + absence.LIMIT
    node.greet("primary")
    node.extend(1, 7, 203.0, 204.0, 205.0)
    node.guard.listener_gone()
    assert node.guard.release_by == node.now + absence.LIMIT


def test_what_cannot_be_killed_does_not_lose_the_session(node):
    node.start()
    node.guard.supervisord_dead()
    node.guard.listener_gone()
    assert node.effects.keeping == ({"primary": 7}, True)
    node.dead()
    assert node.effects.keeping == ({}, True)


def test_a_listener_that_started_this_guard_greets_it_before_the_keeper_takes_the_session():
    node = Node([record.Entry("one", "one", "a", 7, True, 1, Lease(200.0, 201.0, 202.0))])
    node.passes(guard.GREETING - 0.1)
    assert node.effects.keeping == ({}, False)
    node.passes(0.2)
    assert node.effects.keeping == ({"one": 7}, True)


def test_a_release_that_cannot_be_started_is_tried_again(node):
    node.start()
    node.effects.failing = 1
    node.leave()
    node.dead()
    node.passes(0.0)
    assert node.effects.did == []
    node.passes(ending.RELEASE_PACE)
    assert node.effects.did == ["release"]


def test_a_release_is_told_how_the_term_ended_that_did_and_no_former_one(node):
    node.start()
    token = node.entry.token
    node.guard.supervisord_dead()
    node.guard.listener_gone()
    node.passes(0.0)
    node.dead()
    node.passes(0.0)
    ended = node.effects.ended["primary"]
    assert ended["token"] == token and ended["why"] == "supervisord is dead" and ended["noticed"] <= ended["dead"]


def test_a_listener_is_not_hurried_while_its_group_is_not_proven_dead(node):
    """It is the one who keeps the session alive."""
    node.start()
    node.effects.kill_listener = lambda: node.effects.did.append("kill")
    node.guard.supervisord_dead()
    node.passes(100.0)
    assert node.effects.did == []
    node.dead()
    node.passes(guard.LISTENER_TIME + 0.01)
    assert node.effects.did[0] == "kill"


def test_groups_of_which_it_only_heard_are_held(node):
    node.greet("primary")
    node.leave()
    assert node.effects.did == [] and node.handle().last("kill")
    node.dead()
    node.passes(0.0)
    assert node.effects.did == ["release"]


def test_a_former_guards_charges_are_all_taken_over():
    entries = [record.Entry(name, name, "a", 7, granted, 1, Lease(200.0, 201.0, 202.0))
               for name, granted in (("one", True), ("two", True), ("three", False))]
    node = Node(entries)
    assert node.handle("one").last("adopt") and node.handle("two").last("adopt")
    assert node.handle("three").last("stop")[2:] == (201.0, 201.0) and node.guard.groups["three"].held
    node.greet("one")
    assert node.book.room == 2


def test_a_lock_that_could_not_be_taken_for_want_of_memory_is_tried_again(node):
    node.start()

    def refuse():
        raise MemoryError

    node.extend(1, 7, 202.0, 203.0, 204.0)
    node.effects.take_lock = refuse
    with pytest.raises(MemoryError):
        node.leave()
    del node.effects.take_lock
    node.passes(1.0)
    assert node.handle().did[-1][0] == "stop"
    node.dead()
    node.passes(0.0)
    assert node.effects.did == ["release"]


@pytest.mark.parametrize("lacks", ["take_lock", "session_groups", "give_lock_back", "first", "last", "release"])
def test_what_an_end_could_not_do_for_want_of_memory_is_done_later(node, lacks):
    """A guard that has the lock and does not go on would keep the node out of its elections for ever."""
    node.greet("other", "primary")
    node.start()
    node.extend(1, 7, 202.0, 203.0, 204.0)
    node.effects.groups = ["primary", "other"]
    node.effects.short = int(lacks == "give_lock_back")
    lack(*{"first": (node.handle("other"), "kill"), "last": (node.handle(), "stop")}.get(lacks, (node.effects, lacks)))

    def passes():
        with contextlib.suppress(MemoryError):
            node.passes(ending.RELEASE_PACE)

    with contextlib.suppress(MemoryError):
        node.leave()
    for _ in range(3):
        passes()
    node.dead()
    node.dead("other")
    passes()
    passes()
    assert node.effects.did[-1] == "release" and node.guard.next_wakeup() == groups.NEVER


def test_what_a_listener_cannot_be_told_of_is_killed_as_if_it_were_gone(node):
    node.greet("primary")
    node.effects.tell = lambda message: node.guard.listener_gone()
    node.guard.heard(group_events.MemberStarted("primary", "svc", 44))
    assert node.handle().last("kill")


@pytest.mark.parametrize("lacks", ["keep", "trust"])
def test_a_listener_that_could_not_be_welcomed_is_not_there(node, lacks):
    """Nobody would tell of its end, and another would not be waited for."""
    node.start()
    node.guard.listener_gone()
    due = node.guard.next_wakeup()
    lack(node.effects if lacks == "keep" else node.handle(), lacks)
    with pytest.raises(MemoryError):
        node.greet("primary")
    assert not node.guard.listener_here and node.guard.next_wakeup() == due


def test_a_proof_counts_though_there_is_no_memory_to_tell_the_keeper_of_it(node):
    node.start()
    node.extend(1, 7, 202.0, 203.0, 204.0)
    node.leave()
    lack(node.effects, "keep")
    with pytest.raises(MemoryError):
        node.dead()
    node.passes(0.0)
    assert node.effects.did == ["release"]


def test_an_absent_listener_is_asked_for_though_there_was_no_memory_at_first(node):
    node.start()
    node.extend(1, 7, 202.0, 203.0, 204.0)
    node.guard.listener_gone()
    lack(node.effects, "keep")
    with pytest.raises(MemoryError):
        node.passes(0.0)
    node.passes(guard.ASK_PACE)
    assert node.effects.asked == 1 and node.effects.keeping == ({"primary": 7}, True)


def test_a_folder_that_was_made_anew_is_left_alone(node):
    node.start()
    node.effects.take_lock = lambda: node.guard.disowned() or False
    node.leave()
    node.dead()
    node.passes(1.0)
    assert node.effects.did == [] and node.guard.finished(False)


def test_who_is_asked_to_end_goes_on_with_the_next_listener(node):
    node.start()
    node.guard.listener_gone()
    assert not node.guard.finished(True)
    assert node.greet("primary").ok


def test_help_is_called_once_for_a_stop_that_fails(node):
    node.start()
    node.guard.obey(protocol.KillOrder("primary", 9))
    for _ in range(3):
        node.guard.heard(group_events.GroupStuck("primary", 9, (77,), "killed and not gone"))
    (call,) = node.effects.did
    assert call[1:3] == (["help"], 9.0) and call[3]["ZKELECT_PIDS"] == "77"
    node.dead()


def test_programs_are_expected_after_a_start_and_while_supervisord_restarts_one(node):
    node.start()
    node.guard.heard(group_events.MemberDied("primary", "orders", 20))
    assert node.effects.expected == [True, True]
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.guard.heard(group_events.MemberDied("primary", "orders", 21))
    assert node.effects.expected == [True, True, False]


def test_programs_that_do_not_come_through_the_chain_loader_are_not_expected(node):
    node.start()
    node.guard.obey(protocol.GroupsOrder({"primary": protocol.GroupPrograms("orders")}, 2.0))
    node.guard.heard(group_events.MemberDied("primary", "orders", 20))
    assert node.effects.expected == [True]


def test_beside_a_listener_no_keeper_is_there_beforehand(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        guard_process, "GuardProgram", lambda *_, **options: made.append(options) or SimpleNamespace(run=lambda ready: None)
    )
    guard_process.serve(SimpleNamespace(folder=str(tmp_path)), (None, None), lambda: None)
    assert made == [{"alone": False}]


def test_another_address_is_told_to_programs_that_start_later(node):
    node.start()
    node.guard.obey(protocol.AddressOrder("primary", "b"))
    entry = node.book.entries["primary"]
    assert (entry.address, entry.granted, entry.token) == ("b", True, 7)
    node.guard.obey(protocol.AddressOrder("other", "b"))
    assert "other" not in node.book.entries


def test_another_grace_counts_for_the_listener_that_is_there(node):
    node.start()
    node.guard.obey(protocol.GroupsOrder({}, 9.0))
    node.guard.listener_gone()
    node.guard.listener_state("STOPPED")
    assert node.guard.release_by == node.now + 9.0


def test_a_group_of_no_election_any_more_is_left_alone(node):
    """Its election was taken out of the file, and somebody runs it by supervisord alone."""
    node.start()
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.dead()
    node.greet("other")
    done = len(node.handle().did)
    node.guard.heard(group_events.MemberStarted("primary", "svc", 44))
    node.guard.heard(group_events.GroupDead("other", 1, 0.0))
    node.leave()
    node.passes(1.1)
    assert not [one for one in node.handle().did[done:] if one[0] in ("kill", "stop")] and "release" in node.effects.did


def test_a_listener_that_could_not_be_welcomed_ends_no_renewals(node, monkeypatch):
    node.start()
    node.guard.listener_gone()
    node.passes(0.01)
    assert node.effects.keeping == ({"primary": 7}, True)

    def described():
        raise MemoryError

    monkeypatch.setattr(node.guard.groups, "described", described)
    with pytest.raises(MemoryError):
        node.greet("primary")
    for _ in range(400):
        node.guard.listener_state("STARTING")
        node.passes(0.2)
        node.kept(7, node.now + 10.0)
    assert node.effects.keeping == ({"primary": 7}, True) and node.entry.granted
