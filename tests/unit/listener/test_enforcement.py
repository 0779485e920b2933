"""A listener without a guard: what it ends by itself, and when."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import role
from supervisor_zkelect.listener.departure import GUARD_RETURNS, RELEASE_TIME, Departure
from supervisor_zkelect.listener.enforcement import Enforcement
from supervisor_zkelect.listener.guard_keeper import GuardKeeper
from supervisor_zkelect.listener.listener import Listener
from tests.unit.listener.parts import RULES, Host, Work, candidacies, candidacy


@pytest.fixture
def alone():
    """A listener without a guard, whose group runs under a lease to 104."""
    host, work = Host(), Work()
    one = candidacy(host, role.State(role=role.PRIMARY, step="", deadline=104.0))
    enforcement = Enforcement(host, work, candidacies(one))
    return SimpleNamespace(
        host=host, one=one, work=work, enforcement=enforcement, did=host.resort.did, enforce=enforcement.enforce
    )


def test_it_kills_at_the_end_of_the_lease_and_not_before(alone):
    alone.enforce(102.9)
    assert alone.did == []
    alone.enforce(103.0)
    alone.enforce(103.1)
    assert alone.did == [("kill", "primary")]
    alone.enforce(1000.0)
    assert len(alone.did) == 2


def test_it_revokes_and_asks_first_where_there_is_time(alone):
    asked = []
    alone.host.supervisord = SimpleNamespace(call=lambda *words: asked.append(words))
    alone.one.group.kill_at = 102.0
    for moment in (101.0, 101.5, 102.0):
        alone.enforce(moment)
    assert alone.did == [("revoke", "primary"), ("kill", "primary")] and len(alone.work.given) == 1
    alone.work.do()
    assert asked == [("supervisor.stopProcessGroup", "primary", False)]


def test_what_no_order_and_no_lease_is_about_is_left_alone(alone):
    alone.one.state = role.State(step="waiting")
    alone.enforce(200.0)
    alone.enforcement.abandon()
    assert alone.did == []


@pytest.mark.parametrize("apart, killed", [(False, True), (True, False)])
def test_a_defect_leaves_nothing_to_nobody(alone, apart, killed):
    Listener.abandon(SimpleNamespace(guard=SimpleNamespace(apart=apart), enforcement=alone.enforcement))
    assert bool(alone.did) == killed


def keeper(host, ones, post=lambda event: None, pid=8):
    """A guard's keeper whose guard has this pid."""
    host.guard = lambda post: SimpleNamespace(pid=pid)
    return GuardKeeper(host, post, None, ones, None, None, None, None, None, None)


@pytest.mark.parametrize("up, pid, apart", [(False, 8, False), (True, 7, False), (True, 8, True)])
def test_a_guard_that_is_a_thread_of_the_listener_ends_with_it(up, pid, apart):
    guard = keeper(Host(), candidacies(), pid=pid)
    guard.up = up
    assert guard.apart is apart


def test_a_kill_time_that_was_reloaded_counts_when_the_lease_was_made_for_it(alone):
    """Until then guard and listener end the lease at the same moment, by the kill_time that the lease was given with."""
    alone.host.settings.kill_time = 0.1
    assert alone.one.killed_at() == 103.0
    alone.one.rules = replace(RULES, kill_time=0.1)
    assert alone.one.killed_at() == pytest.approx(103.9)


def test_what_a_former_listener_had_begun_to_stop_is_waited_for_while_its_lease_lasts(alone):
    alone.host.settings.kill_time, alone.one.state = 0.1, role.State()
    guard = keeper(alone.host, candidacies(alone.one))
    guard.found = {"primary": {"dead": False, "deadline": 104.0}}
    for alone.host.moment, waits in ((102.9, True), (103.0, False)):
        assert guard.clears_in_time(alone.one) is waits
    alone.host.moment, guard.found["primary"]["dead"] = 102.0, True
    assert not guard.clears_in_time(alone.one)


@pytest.fixture
def leaving(alone):
    """Its departure. heard: the group's Shutdown events."""
    one, guard = alone.one, SimpleNamespace(apart=False, up=False)
    alone.heard, decide = [], one.decide
    one.decide = lambda event: (alone.heard.append(event), decide(event))
    programs, leftovers = SimpleNamespace(stopwaitsecs=10.0), SimpleNamespace(alive=False)
    alone.departure = Departure(alone.host, alone.work, candidacies(one), programs, guard, None, leftovers)
    return alone


def test_a_listener_that_leaves_waits_for_another_guard_and_then_ends_its_groups_itself(leaving):
    departure = leaving.departure
    departure.hand_over(100.0, "stopped")
    departure.keep_time(100.0 + GUARD_RETURNS - 0.01)
    assert leaving.heard == [] and departure.reattaching
    departure.keep_time(100.0 + GUARD_RETURNS)
    assert [event.reason for event in leaving.heard] == ["stopped"] and departure.begun and not departure.reattaching


def test_a_listener_that_stops_its_groups_kills_them_before_it_ends_itself(leaving):
    departure = leaving.departure
    departure.leave("stopped", 200.0, 110.0)
    latest = 110.0 - RELEASE_TIME / 2 - 1.0
    departure.keep_time(latest - 0.01)
    assert len(leaving.heard) == 1
    departure.keep_time(latest)
    assert leaving.heard[1:] == [role.Shutdown("stopped", latest)]
