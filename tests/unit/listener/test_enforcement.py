"""A listener without a guard: what it ends by itself, and when."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.listener.enforcement import PACE, PATIENCE, Enforcement
from supervisor_zkelect.listener.listener import Listener
from supervisor_zkelect.supervisord.client import Unreachable
from tests.unit.listener.parts import RULES, Host, Work, candidacies, candidacy, means


@pytest.fixture
def alone():
    """A listener without a guard, whose group runs under a lease to 104."""
    host, work = Host(), Work()
    one = candidacy(host, State(role=roles.PRIMARY, step="", deadline=104.0))
    enforcement = Enforcement(means(host, work), candidacies(one))
    def enforce(moment, guarded=False):
        enforcement.enforce(moment, guarded)

    return SimpleNamespace(host=host, one=one, work=work, enforcement=enforcement, did=host.resort.did, enforce=enforce)


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
    # Until the lease is over the record may still be believed.
    assert alone.did == [("revoke", "primary"), ("kill", "primary"), ("revoke", "primary")] and len(alone.work.given) == 1
    alone.work.do()
    assert asked == [("supervisor.stopProcessGroup", "primary", False)]


@pytest.mark.parametrize("raised", [Unreachable("gone"), MemoryError("no memory")], ids=["unreachable", "no memory"])
def test_a_stop_that_supervisord_has_not_taken_is_asked_for_again(alone, raised):
    """The group is killed at its time, and has had no time to stop otherwise."""
    asked, alone.one.group.kill_at = [], 102.0

    def call(*words):
        asked.append(words)
        if len(asked) == 1 and isinstance(raised, Unreachable):
            raise raised

    alone.host.supervisord = SimpleNamespace(call=call)
    alone.host.moment = 100.0
    alone.enforce(100.0)
    event = alone.work.do() if isinstance(raised, Unreachable) else alone.work.fail(raised)
    asked[:] = asked or [()]
    alone.enforcement.handlers()[type(event)](event)
    alone.enforce(100.0)
    assert len(asked) == 1 and not alone.work.given and alone.enforcement.next_wakeup(False) == 100.0 + PACE
    alone.enforce(100.0 + PACE)
    assert alone.work.do() is None and len(asked) == 2
    assert alone.enforcement.next_wakeup(False) == 102.0
    alone.enforce(101.5)
    assert not alone.work.given


def test_beside_a_guard_it_kills_what_that_did_not_kill_in_time(alone):
    """One whose disk hangs, or that the kernel keeps waiting, is there and kills nothing."""
    alone.enforce(102.9, True)
    alone.enforce(103.0, True)
    assert alone.enforcement.next_wakeup(True) == 103.0 + PATIENCE
    alone.enforce(103.0 + 0.9 * PATIENCE, True)
    assert alone.did == []
    alone.host.resort.again = 103.12
    for moment in (103.1, 103.2, 103.1 + 0.9 * PACE):
        alone.enforce(moment, True)
    assert alone.did == [("kill", "primary")] and alone.enforcement.next_wakeup(True) == 103.1 + PACE
    alone.enforce(103.1 + PACE, True)
    assert alone.did == [("kill", "primary")] * 2, "the record is the guard's, and nobody else is asked"
    assert not alone.work.given


def test_a_guard_has_its_time_again_where_another_lease_came_meanwhile(alone):
    alone.enforce(103.0, True)
    alone.one.state = replace(alone.one.state, deadline=107.0)
    alone.enforce(104.5, True)
    alone.enforce(106.05, True)
    assert alone.did == [] and alone.enforcement.next_wakeup(True) == 106.05 + PATIENCE
    alone.enforce(106.05 + PATIENCE, True)
    assert alone.did == [("kill", "primary")]


def test_all_leases_are_looked_at_where_something_is_due_or_ordered_and_once_a_second(alone, monkeypatch):
    looks = []
    killed_at = type(alone.one).killed_at
    monkeypatch.setattr(type(alone.one), "killed_at", lambda one: looks.append(alone.host.moment) or killed_at(one))
    alone.enforce(100.0, True)
    looks.clear()
    for moment in (100.1, 100.9):
        alone.enforce(moment, True)
    assert not looks and alone.enforcement.next_wakeup(True) == 103.0
    alone.enforce(101.0, True)
    assert looks
    looks.clear()
    alone.enforcement.ordered()
    assert alone.enforcement.next_wakeup(True) < 101.1
    alone.enforce(101.1, True)
    assert looks and alone.enforcement.next_wakeup(True) == 103.0


def test_a_guard_has_half_of_the_time_that_is_set_aside_for_the_kill_at_most(alone):
    alone.one.rules = replace(RULES, kill_time=0.1)
    alone.enforce(103.9, True)
    alone.enforce(103.95, True)
    assert alone.did == [("kill", "primary")]


@pytest.mark.parametrize("change", ["answered", "start", "guard_changed"])
def test_what_was_due_once_is_not_due_sooner_the_next_time(alone, change):
    group = alone.one.group
    group.kill(7)
    alone.enforce(101.0, True)
    assert group.strike_at == 101.0 + PATIENCE
    {"answered": lambda: group.answered(7), "start": lambda: group.start(8, lambda: None), "guard_changed": group.guard_changed}[change]()
    assert group.strike_at == -math.inf


def test_all_groups_are_struck_before_a_disk_is_written_to(alone):
    other = candidacy(alone.host, State(role=roles.PRIMARY, step="", deadline=104.0), name="stock", group="second")
    both = Enforcement(means(alone.host, alone.work), candidacies(alone.one, other))
    for one in (alone.one, other):
        one.group.kill_at = 102.0
    both.enforce(102.0, False)
    assert alone.did[:2] == [("kill", "primary"), ("kill", "second")]
    alone.did.clear()
    both.abandon()
    assert [what for what, _ in alone.did] == ["kill", "kill", "revoke", "revoke", "kill", "kill"]


def test_what_no_order_and_no_lease_is_about_is_left_alone(alone):
    alone.one.state = State(step="waiting")
    alone.enforce(200.0)
    alone.enforcement.abandon()
    assert alone.did == []


@pytest.mark.parametrize("independent, killed", [(False, True), (True, False)])
def test_a_defect_leaves_nothing_to_nobody(alone, independent, killed):
    Listener.abandon(SimpleNamespace(guard=SimpleNamespace(independent=independent), enforcement=alone.enforcement))
    assert bool(alone.did) == killed


def test_a_kill_time_that_was_reloaded_counts_when_the_lease_was_made_for_it(alone):
    """Until then guard and listener end the lease at the same moment, by the kill_time that the lease was given with."""
    alone.host.settings.kill_time = 0.1
    assert alone.one.killed_at() == 103.0
    alone.one.rules = replace(RULES, kill_time=0.1)
    assert alone.one.killed_at() == pytest.approx(103.9)
