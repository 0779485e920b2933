"""What a guard orders, answers and tells, rule by rule (`guard.py`)."""

import time

import pytest

from supervisor_zkelect.core.figures import STOPWAITSECS
from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.guard import absence, ending, groups, guard, protocol, record
from supervisor_zkelect.guard.keeper_protocol import KeptSessionCut, KeptSessionOver, TermGone
from supervisor_zkelect.processes import group_events
from tests.unit.guard.parts import GRANT, OWNER, Node


@pytest.fixture
def node():
    return Node()


def alone(node):
    """The listener left, and the keeper renews the lease of the group that runs."""
    node.start()
    node.guard.listener_gone()
    node.passes(0.0)


# Grants


def test_a_group_that_is_only_named_has_no_grant(node):
    welcome = node.greet("primary")
    assert welcome.groups == {"primary": {"token": 0, "granted": False, "dead": False, "deadline": -float("inf"), "paused_until": -float("inf")}}
    assert node.guard.groups["primary"].entry == record.Entry("", "primary", "", 0, False, 0, NO_LEASE)
    assert node.guard.groups.held and not node.guard.groups["primary"].leased(node.now)
    assert not node.guard.may_run("primary", "svc", 77) and not node.guard.may_run("other", "svc", 77)
    assert node.guard.groups.get("other") is None and list(node.guard.groups) == [node.guard.groups.get("primary")]


def test_a_start_gives_the_grant_before_anything_is_started(node):
    seen = []
    node.greet("primary")
    node.manager.group("primary").start = lambda op: seen.append((op, node.entry))
    node.guard.obey(protocol.StartOrder("primary", 5, GRANT))
    assert seen == [(5, record.Entry("orders", "primary", "a", 7, True, 0, GRANT.lease))]
    assert node.effects.expected == [True]


def test_a_program_that_registers_is_expected_by_the_manager_and_told_to_the_listener(node):
    node.start()
    node.passes(0.5)
    assert node.guard.may_run("primary", "svc", 77, 1234)
    assert node.handle().last("expect") == ("expect", 77, "svc", 1234)
    assert node.effects.told[-1] == protocol.ProgramRegistered("primary", 77, 100.5)
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.effects.told.clear()
    assert not node.guard.may_run("primary", "svc", 78) and not node.effects.told


def test_once_supervisord_is_dead_a_start_gives_no_grant(node):
    node.greet("primary")
    node.guard.supervisord_dead()
    node.guard.obey(protocol.StartOrder("primary", 5, GRANT))
    assert not node.entry.granted and not node.guard.may_run("primary", "svc", 77)


def test_a_group_that_is_started_again_is_held_and_its_former_end_forgotten(node):
    node.start()
    node.guard.obey(protocol.KillOrder("primary", 9))
    assert not node.guard.groups.described()["primary"]["dead"]
    node.dead()
    assert not node.guard.groups.held and node.guard.groups.ended and node.guard.groups.described()["primary"]["dead"]
    node.guard.obey(protocol.StartOrder("primary", 10, GRANT._replace(token=8)))
    assert node.guard.groups.held and not node.guard.groups.ended
    assert node.guard.groups.described() == {"primary": {"token": 8, "granted": True, "dead": False, "deadline": 104.0, "paused_until": -float("inf")}}
    assert node.entry == record.Entry("orders", "primary", "a", 8, True, 1, GRANT.lease)


def test_a_running_group_of_a_guard_that_died_is_adopted_with_its_grant(node):
    node.greet("primary")
    node.guard.obey(protocol.AdoptOrder("primary", GRANT))
    assert node.entry == record.Entry("orders", "primary", "a", 7, True, 0, GRANT.lease)
    assert ("adopt",) in node.handle().did
    # One whose grant was revoked meanwhile stays revoked; one that has a grant keeps it.
    node.guard.obey(protocol.AdoptOrder("primary", GRANT._replace(token=8)))
    assert node.entry.token == 7
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.guard.obey(protocol.AdoptOrder("primary", GRANT._replace(token=8)))
    assert (node.entry.token, node.entry.granted, node.entry.revoked) == (7, False, 1)


def test_what_is_adopted_after_supervisords_death_is_killed(node):
    node.greet("primary")
    node.guard.supervisord_dead()
    node.guard.groups["primary"].entry = node.guard.groups["primary"].entry._replace(revoked=0)
    node.guard.obey(protocol.AdoptOrder("primary", GRANT))
    assert node.handle().did[-1][0] == "kill" and not node.entry.granted
    assert node.guard.groups["primary"].ended["why"] == "supervisord is dead"


# Stops


@pytest.mark.parametrize("how, why", [
    (lambda node: node.passes(2.0), "the lease ran out: nobody extended it"),
    (lambda node: node.guard.supervisord_dead(), "supervisord is dead"),
    (lambda node: node.extend(1, 7, 900.0, 901.0, 902.0) or node.leave(), "the listener is gone"),
    (lambda node: node.guard.disowned(), "somebody made the runtime folder anew"),
    (lambda node: node.guard.obey(protocol.StopOrder("primary", 9, 109.0, GRANT)), guard.ORDERED),
    (lambda node: node.guard.obey(protocol.KillOrder("primary", 9)), guard.ORDERED),
    (lambda node: node.guard.obey(protocol.EnsureDeadOrder("primary", 9)), guard.ORDERED),
    (lambda node: alone(node) or node.guard.keeper_said(TermGone("primary", 7)), "its proposal is gone"),
    (lambda node: alone(node) or node.guard.keeper_said(KeptSessionOver()), "the ZooKeeper session is over"),
])
def test_why_a_term_ended_is_kept_for_the_history(node, how, why):
    node.start()
    before = time.time()
    how(node)
    ended = node.guard.groups["primary"].ended
    assert ended == {"token": 7, "why": why, "noticed": ended["noticed"]} and before <= ended["noticed"] <= time.time()
    assert (node.entry.granted, node.entry.revoked) == (False, 1)
    assert node.effects.expected[-1] is False
    node.dead()
    assert not node.guard.groups.held and ended["noticed"] <= ended["dead"] <= time.time()
    assert node.guard.groups.ended == {"primary": ended}
    if node.guard.listener_here:
        assert protocol.TermEnded("primary", **ended) in node.effects.told
        node.effects.told.clear()
        node.dead()
        assert not any(isinstance(one, protocol.TermEnded) for one in node.effects.told), "it was told before"


def test_the_guards_own_orders_have_numbers_below_zero_which_no_listener_is_told_of(node):
    node.start()
    node.passes(2.0)
    assert node.handle().last("stop")[1] == -1
    node.effects.told.clear()
    node.guard.heard(group_events.GroupStarted("primary", -1))
    assert not node.effects.told
    node.guard.heard(group_events.GroupStarted("primary", 0))
    assert not node.effects.told
    for event in (group_events.GroupStarted("primary", 1), group_events.MemberDied("primary", "svc", 20)):
        node.guard.heard(event)
        assert node.effects.told[-1] == event
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.guard.supervisord_dead()
    assert node.handle().last("kill")[1] == -2


def test_a_lease_that_ends_is_told_and_the_group_asked_to_stop_with_the_time_that_is_left(node):
    node.start()
    assert node.guard.next_wakeup() == 102.0
    node.passes(1.9)
    assert node.entry.granted
    node.passes(0.1)
    assert node.effects.told == [protocol.GuardRevoked("primary", "the lease runs out: nobody extended it")]
    assert node.handle().last("stop", "kill") == ("stop", -1, 103.5, 103.0)
    assert node.guard.next_wakeup() > node.now
    node.passes(0.1)
    assert len(node.effects.told) == 1


def test_a_lease_that_ends_before_any_listener_came_is_enforced_as_well():
    node = Node([record.Entry("one", "one", "a", 7, True, 1, Lease(100.5, 120.0, 121.0))])
    node.passes(0.5)
    assert node.handle("one").last("stop", "kill") == ("stop", -1, 100.5 + STOPWAITSECS, 120.0)


def test_a_group_whose_lease_has_no_time_left_is_killed_at_once(node):
    node.start()
    node.passes(3.0)
    assert node.handle().last("stop", "kill")[0] == "kill"


def test_a_stop_whose_time_is_over_is_a_kill(node):
    node.start()
    node.guard.obey(protocol.StopOrder("primary", 9, 100.0, GRANT))
    assert node.handle().last("stop", "kill") == ("kill", 9)


def test_a_guard_that_came_while_a_group_was_being_stopped_is_told_its_lease(node):
    node.greet("primary")
    node.guard.obey(protocol.StopOrder("primary", 9, 101.0, GRANT))
    assert node.handle().last("stop", "kill") == ("stop", 9, 101.0, 103.0)
    assert node.guard.groups["primary"].entry == record.Entry("orders", "primary", "a", 7, False, 0, GRANT.lease)
    assert node.guard.groups.ended == {}
    # One that knows its own goes by that.
    node.guard.obey(protocol.StopOrder("primary", 10, 101.0, GRANT._replace(token=8, lease=Lease(200.0, 201.0, 202.0))))
    assert node.handle().last("stop", "kill") == ("stop", 10, 101.0, 103.0)


def test_a_group_that_is_not_known_has_supervisords_own_time_to_stop(node):
    node.start()
    node.guard.obey(protocol.GroupsOrder({}, 2.0))
    assert node.guard.groups.stop_time(node.guard.groups["primary"]) == node.now + STOPWAITSECS
    node.guard.supervisord_dead()
    assert node.guard.groups.stop_time(node.guard.groups["primary"]) == groups.AT_ONCE


def test_a_death_of_a_group_that_has_a_grant_is_a_former_ones(node):
    node.start()
    node.guard.heard(group_events.GroupDead("primary", 4, 0.1))
    assert node.guard.groups["primary"].held and node.entry.granted


def test_with_supervisord_gone_all_groups_end_and_the_manager_knows(node):
    node.start()
    gone = []
    node.manager.supervisord_gone = lambda: gone.append(node.handle().did[-1][0])
    node.guard.supervisord_dead()
    # It needs no answer of supervisord's for the kills.
    assert gone == ["start"] and node.handle().did[-1] == ("kill", -1)


# The record


def test_the_record_has_room_for_what_is_configured_and_what_still_runs(node):
    node.start()
    programs = protocol.GroupPrograms("other", False, 1.0, False)
    node.guard.obey(protocol.GroupsOrder({"second": programs, "third": programs}, 2.0))
    assert node.book.room == 3
    assert node.handle("second").did == [("trust", False), ("signalled_as_group", False)]
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.guard.obey(protocol.GroupsOrder({"second": programs._replace(via_loader=True, as_group=True)}, 2.0))
    assert node.book.room == 1
    assert node.handle("second").did[-2:] == [("trust", True), ("signalled_as_group", True)]


def test_a_record_that_cannot_be_enlarged_is_told(node, caplog):
    def fail(room):
        raise OSError(28, "No space left on device")

    node.book.make_room = fail
    node.greet("primary")
    assert "cannot enlarge the record: [Errno 28] No space left on device" in caplog.text


def test_a_record_that_cannot_be_written_is_told_each_minute_and_written_when_it_can_be(node, caplog):
    node.start()
    node.book.broken = True
    node.guard.obey(protocol.KillOrder("primary", 9))
    assert node.guard.next_wakeup() == node.now + groups.WRITE_PACE
    assert node.guard.groups.misread and not node.guard.groups["primary"].written
    for _ in range(10):
        node.passes(groups.WRITE_PACE)
    assert caplog.text.count("cannot write the record: [Errno 5] Input/output error") == 1
    node.book.broken = False
    assert node.entry.granted
    node.passes(groups.WRITE_PACE)
    assert not node.entry.granted and not node.guard.groups.misread
    assert node.guard.next_wakeup() > node.now + groups.WRITE_PACE
    node.passes(groups.COMPLAINT_PACE)
    node.book.broken = True
    node.guard.obey(protocol.StartOrder("primary", 11, GRANT._replace(lease=Lease(900.0, 901.0, 902.0))))
    assert caplog.text.count("cannot write the record") == 2
    # No program comes through the chain loader that could be asked, so supervisord's word is wanted.
    assert node.handle().last("trust") == ("trust", False)


def test_a_stop_writes_what_could_not_be_written_before(node):
    node.start()
    node.book.broken = True
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.book.broken = False
    node.guard.obey(protocol.KillOrder("primary", 10))
    assert not node.entry.granted and node.entry.revoked == 1 and node.guard.groups["primary"].written


def test_a_taken_over_group_is_written_as_it_was_before_the_record_is_opened():
    entries = [record.Entry(name, name, "a", 7, granted, 1, Lease(200.0, 201.0, 202.0)) for name, granted in (("one", True), ("two", False))]
    node = Node()
    opened = []
    node.book.open = lambda: opened.append(dict(node.book.entries))
    node.guard.begin(entries)
    assert opened == [{"one": entries[0], "two": entries[1]}]
    assert node.handle("one").did == [("adopt",)] and node.handle("two").did == [("stop", -1, 201.0, 201.0)]
    assert node.guard.next_wakeup() <= 200.0 and node.guard.session_open


# Leases


def test_a_lease_that_is_no_longer_extends_nothing(node):
    node.start()
    node.extend(1, 7, 90.0, 91.0, 104.0)
    assert node.entry.lease == GRANT.lease


def test_of_a_group_that_the_listener_had_stopped_it_is_not_told_that_its_grant_is_revoked(node):
    """It may have it started again at that moment, in the same term."""
    node.start()
    node.guard.obey(protocol.StopOrder("primary", 9, 500.0, GRANT))
    node.effects.told.clear()
    node.extend(1, 7, 103.0, 104.0, 105.0)
    assert node.effects.told == [protocol.LeaseEcho(1, 0.0, "")] and node.entry.lease.deadline == 105.0
    node.start()
    node.guard.groups.end(node.guard.groups["primary"], 0.0, "the lease ran out")
    node.effects.told.clear()
    node.extend(2, 7, 106.0, 107.0, 108.0)
    assert node.effects.told[0] == protocol.GuardRevoked("primary", "the guard has revoked the grant")


def test_only_the_grant_that_stands_is_extended(node):
    node.start()
    node.guard.obey(protocol.LeaseOrder(1, {"primary": (6, Lease(200.0, 201.0, 202.0)), "other": (7, Lease(200.0, 201.0, 202.0))}))
    assert node.entry.lease == GRANT.lease and "other" not in node.book.entries
    refused = "the guard has revoked the grant"
    assert node.effects.told == [
        protocol.GuardRevoked("primary", refused), protocol.GuardRevoked("other", refused), protocol.LeaseEcho(1, 0.0, ""),
    ]
    node.effects.told.clear()
    node.manager.turned_at = 99.5
    node.extend(2, 7, 103.0, 104.0, 105.0)
    assert node.effects.told == [protocol.LeaseEcho(2, 99.5, "")]
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.effects.told.clear()
    node.extend(3, 7, 104.0, 105.0, 106.0)
    assert node.effects.told == [protocol.GuardRevoked("primary", refused), protocol.LeaseEcho(3, 99.5, "")]
    assert node.handle().last("renew") == ("renew", 105.0) and node.entry.lease.deadline == 106.0
    node.dead()
    node.extend(4, 7, 105.0, 106.0, 107.0)
    assert node.handle().last("renew") == ("renew", 105.0) and node.entry.lease == NO_LEASE


def test_the_kill_of_a_group_that_is_being_stopped_moves_with_a_cut(node):
    node.start()
    node.guard.obey(protocol.StopOrder("primary", 9, 500.0, GRANT))
    node.guard.obey(protocol.CutOrder(104.0))
    assert not [one for one in node.handle().did if one[0] == "renew"], "it is as long as it was"
    node.guard.obey(protocol.CutOrder(103.5))
    assert node.handle().last("renew") == ("renew", 102.5) and node.entry.lease == Lease(101.5, 102.5, 103.5)


def test_a_cut_leaves_alone_what_has_no_lease_any_more(node):
    node.start()
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.dead()
    node.guard.obey(protocol.CutOrder(101.0))
    assert node.entry.lease == NO_LEASE


def test_what_the_keeper_cuts_is_cut(node):
    alone(node)
    node.guard.keeper_said(KeptSessionCut(102.0))
    assert node.entry.lease == Lease(100.0, 101.0, 102.0)


def test_the_keeper_renews_what_runs_under_a_lease_and_nothing_else(node):
    former = [
        record.Entry(name, name, "a", token, granted, 1, Lease(*times))
        for name, token, granted, times in (
            ("runs", 7, True, (200.0, 201.0, 202.0)), ("stops", 8, False, (200.0, 201.0, 202.0)), ("over", 9, False, (98.0, 99.0, 100.0)),
            ("termless", 0, False, (200.0, 201.0, 202.0)),
        )
    ]
    node = Node(former)
    node.passes(guard.GREETING)
    assert node.effects.keeping == ({"runs": 7, "stops": 8}, True)
    node.guard.heard(group_events.GroupDead("stops", -1, 0.1))
    assert node.effects.keeping == ({"runs": 7}, True)
    node.guard.keeper_said(TermGone("runs", 7))
    assert node.effects.keeping == ({}, True)


def test_what_lost_its_proposal_is_not_renewed_again_however_long_a_listener_is_waited_for(node):
    alone(node)
    node.guard.keeper_said(TermGone("primary", 7))
    for _ in range(3):
        node.guard.listener_state("RUNNING")
        node.passes(guard.ASK_PACE)
        assert node.effects.keeping == ({}, True)


# The listener


def test_what_is_started_without_a_grant_is_the_listeners_to_judge_while_there_is_one(node):
    node.greet("primary")
    started = group_events.MemberStarted("primary", "svc", 44)
    node.guard.heard(started)
    assert node.effects.told == [started] and not [one for one in node.handle().did if one[0] in ("kill", "stop")]


def test_what_is_started_again_under_its_grant_runs_on_without_a_listener(node):
    alone(node)
    node.guard.heard(group_events.MemberStarted("primary", "svc", 44))
    node.guard.heard(group_events.Members("primary", 3, {}))
    assert node.entry.granted and not [one for one in node.handle().did if one[0] in ("kill", "stop")]


def test_other_news_of_a_group_without_a_grant_kill_nothing(node):
    node.start()
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.guard.listener_gone()
    orders = [one for one in node.handle().did if one[0] in ("kill", "stop")]
    node.guard.heard(group_events.Members("primary", 3, {}))
    assert [one for one in node.handle().did if one[0] in ("kill", "stop")] == orders


@pytest.mark.parametrize("change", [{"v": protocol.VERSION + 1}, {"owner": ("boot", "namespace", 11, 100)}])
def test_a_listener_of_another_version_or_supervisord_is_not_welcome(node, change):
    hello = protocol.Hello(protocol.VERSION, tuple(OWNER), {}, ("zkelect", "zkelect"))
    refused = node.guard.welcome(hello._replace(**change), 77, "/cgroups")
    assert refused == protocol.Welcome(False, False, protocol.VERSION, {}, 77, "/cgroups")
    assert not node.guard.listener_here and not node.guard.session_open
    assert node.guard.welcome(hello, 77, "/cgroups") == protocol.Welcome(True, False, protocol.VERSION, {}, 77, "/cgroups")
    assert node.guard.listener_here and node.guard.session_open


def test_a_guard_that_gives_the_session_up_is_busy_until_it_has(node):
    node.start()
    node.leave()
    welcome = node.greet("primary")
    assert (welcome.ok, welcome.busy) == (False, True) and not node.guard.listener_here
    node.dead()
    node.passes(0.0)
    node.released(0)
    welcome = node.greet("primary")
    assert (welcome.ok, welcome.busy) == (True, False)
    # It is given up once.
    node.passes(99.0)
    assert node.effects.did == ["release", "give back"]


def test_a_listener_that_comes_while_the_lock_is_held_calls_the_end_off(node):
    node.start()
    node.extend(1, 7, 900.0, 901.0, 902.0)
    node.effects.free = False
    node.leave()
    assert node.greet("primary").ok
    node.effects.free = True
    node.passes(1.0)
    assert node.entry.granted and node.effects.did == [] and not node.guard.ending.locked


def test_a_listener_that_left_is_asked_for_at_once_and_again_and_again(node, caplog):
    caplog.set_level("INFO")
    woken = []
    node.manager.wake_supervisord = lambda: woken.append(1)
    node.start()
    node.guard.listener_gone()
    assert woken == [1] and node.guard.next_wakeup() == node.now
    assert "the listener is gone; its leases are renewed until it is back" in caplog.text
    for count in range(1, 4):
        node.passes(0.0)
        assert node.effects.asked == count and node.guard.next_wakeup() > node.now
        node.guard.listener_state("RUNNING")
        assert node.guard.next_wakeup() == node.now + guard.ASK_PACE
        node.passes(guard.ASK_PACE - 0.01)
        assert node.effects.asked == count
        node.now += 0.01


def test_without_a_session_a_listener_that_leaves_is_not_waited_for(node):
    woken = []
    node.manager.wake_supervisord = lambda: woken.append(1)
    node.greet("primary")
    node.guard.obey(protocol.Bye("released"))
    node.guard.listener_gone()
    node.passes(0.0)
    assert not woken and node.effects.asked == 0 and node.effects.keeping[0] == {}


def test_a_listener_that_leaves_the_session_for_the_next_one_is_waited_for(node):
    node.start()
    node.guard.obey(protocol.Bye("reattach"))
    node.guard.listener_gone()
    node.passes(0.0)
    assert node.guard.session_open and node.effects.asked == 1 and node.effects.keeping == ({"primary": 7}, True)


def counts(node):
    """Whether what supervisord says of the listener has any effect."""
    before = node.guard.release_by, node.guard.ask_at
    node.guard.listener_state("STOPPED")
    return before != (node.guard.release_by, node.guard.ask_at)


def test_what_supervisord_says_of_the_listener_counts_while_one_is_waited_for_only(node):
    assert not counts(node), "there is no session"
    node.start()
    assert not counts(node), "a listener is there"
    node.guard.listener_gone()
    assert counts(node)
    node.passes(2.01)
    assert node.guard.ending.begun and not counts(node), "its time is over"


def test_a_dead_supervisord_starts_no_listener(node):
    node.start()
    node.guard.listener_gone()
    node.guard.supervisord_dead()
    assert not counts(node)


def test_a_listener_has_a_moment_to_release_after_the_proofs(node):
    node.start()
    killed = []
    node.effects.kill_listener = lambda: killed.append(node.now)
    node.guard.supervisord_dead()
    node.dead()
    node.passes(0.0)
    assert node.guard.next_wakeup() == node.now + guard.LISTENER_TIME
    node.passes(guard.LISTENER_TIME - 0.01)
    assert not killed
    # What else is proven dead meanwhile gives it no more time.
    node.dead()
    node.passes(0.01)
    assert len(killed) == 1 and node.effects.did == []
    node.passes(1.0)
    assert len(killed) == 1
    node.guard.listener_gone()
    node.passes(0.0)
    assert node.effects.did == ["release"]


def test_a_session_that_is_given_up_by_the_listener_is_not_given_up_again(node):
    node.start()
    killed = []
    node.effects.kill_listener = lambda: killed.append(node.now)
    node.guard.supervisord_dead()
    node.dead()
    node.guard.obey(protocol.Bye("released"))
    node.passes(99.0)
    assert not killed and node.effects.did == [] and not node.guard.finished(False) and node.guard.finished(True)
    node.guard.listener_gone()
    assert node.guard.finished(False)


def test_a_guard_without_a_listener_waits_for_one_and_not_for_ever(node):
    assert not node.guard.finished(True)
    node.passes(guard.GREET_TIME - 0.01)
    assert not node.guard.finished(False)
    node.passes(0.01)
    assert node.guard.finished(False)


def test_a_guard_stays_for_a_session_and_for_a_group(node):
    node.greet()
    assert not node.guard.finished(True), "the session is open"
    node.guard.obey(protocol.Bye("released"))
    assert node.guard.finished(True)
    node.start()
    node.guard.obey(protocol.Bye("released"))
    assert not node.guard.finished(True), "the group may be running"


def test_a_listener_that_came_has_a_time_in_which_it_renews_by_itself(node):
    node.start()
    node.extend(1, 7, 900.0, 901.0, 902.0)
    node.passes(2.0)
    node.guard.listener_gone()
    node.passes(0.0)
    node.greet("primary")
    assert node.guard.next_wakeup() == node.now + absence.LIMIT and node.effects.keeping == ({"primary": 7}, False)
    node.passes(absence.LIMIT)
    assert node.effects.keeping == ({}, False) and node.guard.next_wakeup() == 900.0


def test_orders_that_concern_one_group_reach_its_handle(node):
    node.start()
    node.guard.obey(protocol.LookOrder("primary", 12))
    assert node.handle().did[-1] == ("look", 12)
    node.guard.obey(protocol.MemberNote("primary", ("svc", "EXITED", 0)))
    assert node.handle().did[-1] == ("note", ("svc", "EXITED", 0))


# The end


def test_a_death_beside_a_listener_ends_no_session(node):
    node.start()
    node.effects.take_lock = lambda: pytest.fail("nobody gives the session up")
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.dead()
    node.passes(0.0)
    assert node.effects.did == []


def test_a_death_before_any_listener_came_ends_no_session():
    node = Node([record.Entry("one", "one", "a", 7, False, 1, Lease(200.0, 201.0, 202.0))])
    node.effects.take_lock = lambda: pytest.fail("nobody gives the session up")
    node.dead("one")
    node.passes(0.0)
    assert not node.guard.groups.held and node.guard.session_open


def test_a_lock_that_is_held_is_tried_soon_again(node, caplog):
    caplog.set_level("INFO")
    node.start()
    node.effects.free = False
    node.leave()
    for _ in range(3):
        assert node.guard.next_wakeup() == node.now + ending.LOCK_PACE
        node.passes(ending.LOCK_PACE)
    assert caplog.text.count("the session's lock is held: another listener is starting; waiting while the lease lasts") == 1


def test_a_lock_that_is_free_is_nobodys(node, caplog):
    caplog.set_level("INFO")
    node.start()
    node.leave()
    assert "lock is held" not in caplog.text and node.guard.ending.locked
    assert node.handle().last("stop", "kill")[0] == "stop"


def test_what_is_dead_is_not_stopped_again_by_the_end(node):
    node.start()
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.dead()
    node.leave()
    assert node.handle().last("stop", "kill") == ("kill", 9) and node.effects.did == ["release"]


def test_a_session_that_cannot_be_read_just_now_is_not_released_without_its_groups(node):
    node.start()
    node.effects.short = 2
    node.leave()
    assert "release" not in node.effects.did and not node.guard.ending.locked
    node.effects.groups = ["hidden"]
    for _ in range(3):
        node.passes(0.1)
    assert node.handle("hidden").last("stop", "kill") and not node.entry.granted
    node.dead()
    assert "release" not in node.effects.did
    node.dead("hidden")
    node.passes(0.1)
    assert "release" in node.effects.did


@pytest.mark.parametrize("rest", ["at rest", "supervisord dead"])
def test_it_stays_while_a_silent_supervisord_may_start_what_nobody_else_kills(node, rest):
    node.start()
    node.leave()
    node.guard.heard(group_events.GroupUnsettled("primary"))
    node.dead()
    node.passes(0.1)
    node.released(0)
    assert not node.guard.finished(False)
    if rest == "at rest":
        node.guard.heard(group_events.GroupAtRest("primary"))
    else:
        node.guard.supervisord_dead()
        node.dead()
    assert node.guard.finished(False) and not [one for one in node.effects.told if isinstance(one, (group_events.GroupUnsettled, group_events.GroupAtRest))]


def test_a_release_that_fails_is_tried_again_after_a_pause(node):
    node.start()
    node.effects.failing = 1
    node.leave()
    node.dead()
    node.passes(0.0)
    assert node.guard.next_wakeup() == node.now + ending.RELEASE_PACE
    node.passes(ending.RELEASE_PACE)
    assert node.effects.did == ["release"] and not node.guard.finished(False)
    node.released(1)
    assert node.guard.next_wakeup() == node.now + ending.RELEASE_PACE and node.guard.session_open
    node.passes(ending.RELEASE_PACE)
    node.released(0)
    assert node.effects.did == ["release", "release", "give back"] and node.guard.finished(False)
    assert node.effects.ended == {"primary": node.guard.groups["primary"].ended}


def test_a_group_that_cannot_be_proven_dead_calls_for_help_with_what_is_known(node):
    node.start()
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.guard.heard(group_events.GroupStuck("primary", 9, (77, 78), "killed and not gone"))
    assert node.effects.did == [("call", ["help"], 9.0, {
        "ZKELECT_ELECTION": "primary", "ZKELECT_GROUP": "primary", "ZKELECT_TOKEN": "7", "ZKELECT_PIDS": "77 78",
        "ZKELECT_REASON": "killed and not gone",
    })]
    assert node.effects.told[-1] == group_events.GroupStuck("primary", 9, (77, 78), "killed and not gone")
    # After its death another stop may fail.
    node.dead()
    node.guard.heard(group_events.GroupStuck("primary", 9, (79,), "again"))
    assert len(node.effects.did) == 2
    node.guard.obey(protocol.GroupsOrder({}, 2.0))
    node.dead()
    node.guard.heard(group_events.GroupStuck("primary", 9, (79,), "again"))
    assert len(node.effects.did) == 2


def test_a_listener_that_had_stayed_is_waited_for_anew_when_it_is_gone(node):
    """Of a standby nobody renews a lease, and its next listener's crash is no continuation of the one an hour before."""
    node.greet("primary")
    node.guard.listener_gone()
    node.passes(1.0)
    node.greet("primary")
    node.passes(absence.LIMIT)
    node.guard.listener_gone()
    assert node.guard.release_by == node.now + absence.LIMIT
    node.passes(1.0)
    node.greet("primary")
    node.passes(absence.LIMIT - 1.0)
    gone = node.now
    node.guard.listener_gone()
    assert node.guard.release_by < gone + absence.LIMIT, "one that did not stay is a further try"


def test_a_listener_that_cannot_be_killed_just_now_is_killed_later(node):
    node.start()
    killed, fails = [], [OSError(24, "no more")]

    def kill():
        if fails:
            raise fails.pop()
        killed.append(node.now)

    node.effects.kill_listener = kill
    node.guard.supervisord_dead()
    node.dead()
    node.now += 100.0
    with pytest.raises(OSError, match="no more"):
        node.guard.keep_time()
    assert node.now < node.guard.release_by <= node.now + guard.ASK_PACE
    node.passes(guard.ASK_PACE)
    assert killed == [node.now] and node.guard.release_by == guard.NEVER
