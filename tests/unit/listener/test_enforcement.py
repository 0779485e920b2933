"""A listener without a guard: what it ends by itself, and when."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.listener.enforcement import Enforcement
from supervisor_zkelect.listener.listener import Listener
from tests.unit.listener.parts import RULES, Host, Work, candidacies, candidacy, means


@pytest.fixture
def alone():
    """A listener without a guard, whose group runs under a lease to 104."""
    host, work = Host(), Work()
    one = candidacy(host, State(role=roles.PRIMARY, step="", deadline=104.0))
    enforcement = Enforcement(means(host, work), candidacies(one))
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
