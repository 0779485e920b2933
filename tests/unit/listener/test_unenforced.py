"""A listener without a guard: what it ends by itself, and when (`listener.Listener.enforce`)."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import role
from supervisor_zkelect.listener.listener import GUARD_RETURNS, RELEASE_TIME, Listener

RULES = role.Settings(
    name="orders", address="x:1", kill_time=1.0, stopwaitsecs=10.0, rise=1, fall=3, health_interval=1.0, promote_timeout=60.0,
    backoff_min=1.0, backoff_max=60.0,
)


class LastResort:
    trouble = ""

    def __init__(self):
        self.did = []

    def revoke(self, name):
        self.did.append(("revoke", name))

    def kill(self, name):
        self.did.append(("kill", name))
        return 1000.0


@pytest.fixture
def alone():
    """A listener without a guard, whose group runs under a lease to 104."""
    contest = SimpleNamespace(
        state=role.State(role=role.PRIMARY, step="", deadline=104.0), settings=SimpleNamespace(group="primary"),
        kill_at=math.inf, asked_to_stop=False, strike_at=-math.inf, rules=RULES,
    )
    one = SimpleNamespace(
        contests={"orders": contest}, contest=contest, settings=SimpleNamespace(kill_time=1.0), last_resort=LastResort(),
        guard_up=False, guard=SimpleNamespace(pid=8), host=SimpleNamespace(pid=7), asked=[],
    )
    one.ask_to_stop = one.asked.append
    one.killed_at = lambda contest: Listener.killed_at(one, contest)
    return one


def test_it_kills_at_the_end_of_the_lease_and_not_before(alone):
    Listener.enforce(alone, 102.9)
    assert alone.last_resort.did == []
    Listener.enforce(alone, 103.0)
    Listener.enforce(alone, 103.1)
    assert alone.last_resort.did == [("kill", "primary")]
    Listener.enforce(alone, 1000.0)
    assert len(alone.last_resort.did) == 2


def test_it_revokes_and_asks_first_where_there_is_time(alone):
    alone.contest.kill_at = 102.0
    for moment in (101.0, 101.5, 102.0):
        Listener.enforce(alone, moment)
    assert alone.last_resort.did == [("revoke", "primary"), ("kill", "primary")] and alone.asked == ["primary"]


def test_what_no_order_and_no_lease_is_about_is_left_alone(alone):
    alone.contest.state, alone.guarded = role.State(step="waiting"), False
    Listener.enforce(alone, 200.0)
    Listener.abandon(alone)
    assert alone.last_resort.did == []


@pytest.mark.parametrize("up, pid, killed", [(False, 8, True), (True, 7, True), (True, 8, False)])
def test_a_defect_leaves_nothing_to_nobody(alone, up, pid, killed):
    """A guard that is a thread of the listener ends with it."""
    alone.guard_up, alone.guard.pid = up, pid
    alone.guarded = Listener.guarded.fget(alone)
    Listener.abandon(alone)
    assert bool(alone.last_resort.did) == killed


def test_a_kill_time_that_was_reloaded_counts_when_the_lease_was_made_for_it(alone):
    """Until then guard and listener end the lease at the same moment, by the kill_time that the lease was given with."""
    alone.settings.kill_time = 0.1
    assert Listener.killed_at(alone, alone.contest) == 103.0
    alone.contest.rules = replace(RULES, kill_time=0.1)
    assert Listener.killed_at(alone, alone.contest) == pytest.approx(103.9)


def test_what_a_former_listener_had_begun_to_stop_is_waited_for_while_its_lease_lasts(alone, monkeypatch):
    alone.settings.kill_time, alone.contest.state = 0.1, role.State()
    alone.charges = {"primary": {"dead": False, "deadline": 104.0}}
    monkeypatch.setattr("supervisor_zkelect.listener.listener.now", lambda: alone.now)
    for alone.now, waits in ((102.9, True), (103.0, False)):
        assert Listener.clears_in_time(alone, alone.contest) is waits
    alone.now, alone.charges["primary"]["dead"] = 102.0, True
    assert not Listener.clears_in_time(alone, alone.contest)


def test_a_listener_that_leaves_waits_for_another_guard_and_then_ends_its_groups_itself(alone):
    left = []
    alone.leaving, alone.reattaching = (100.0, "stopped"), True
    alone.leave_in_time = left.append
    Listener.leave_unguarded(alone, 100.0 + GUARD_RETURNS - 0.01)
    assert left == [] and alone.reattaching
    Listener.leave_unguarded(alone, 100.0 + GUARD_RETURNS)
    assert left == ["stopped"] and alone.leaving is None and not alone.reattaching


def test_a_listener_that_stops_its_groups_kills_them_before_it_ends_itself(alone):
    left = []
    alone.leaving, alone.reattaching = (110.0, "stopped"), False
    alone.leave = lambda *arguments: left.append(arguments)
    latest = 110.0 - RELEASE_TIME / 2 - 1.0
    Listener.leave_unguarded(alone, latest - 0.01)
    assert left == []
    Listener.leave_unguarded(alone, latest)
    assert left == [("stopped", latest, 110.0)]
