"""The end of a listener."""

import math
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.state import Pausing, State
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.departure import GUARD_RETURNS, RELEASE_TIME, Departure
from tests.unit.listener.parts import Host, candidacy, keepers, means


@pytest.fixture
def leaving():
    """A listener without a guard, whose group runs. heard: what its role machine was told."""
    host, heard = Host(), []
    one = candidacy(host, State(role=roles.PRIMARY, step="", deadline=104.0))
    decide = one.decide
    one.decide = lambda event: (heard.append(event), decide(event))
    guard, leftovers = SimpleNamespace(independent=False), SimpleNamespace(alive=False)
    programs = SimpleNamespace(stopwaitsecs=10.0)
    departure = Departure(means(host), keepers(one, programs=programs, guard=guard, leftovers=leftovers))
    return SimpleNamespace(host=host, heard=heard, departure=departure)


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
    assert leaving.heard[1:] == [messages.Shutdown("stopped", latest)]


PAUSED = State(role=roles.PRIMARY, step="", deadline=90.0, paused_until=math.inf, pausing=Pausing("p", "paused"))


def departing(*states):
    """A listener with a guard, and one election in each of these states."""
    host, heard, surveyed = Host(), [], []
    ones = [candidacy(host, state, name=f"e{number}", group=f"g{number}") for number, state in enumerate(states)]
    for one in ones:
        one.decide = heard.append
    guard, leftovers = SimpleNamespace(independent=True), SimpleNamespace(alive=False)
    parts = keepers(*ones, programs=SimpleNamespace(stopwaitsecs=10.0), guard=guard, leftovers=leftovers)
    departure = Departure(means(host), parts)
    departure._work = SimpleNamespace(submit=lambda work, failed: surveyed.append(failed))
    return SimpleNamespace(departure=departure, heard=heard, surveyed=surveyed)


def test_a_listener_that_cannot_ask_supervisord_leaves_its_groups_to_the_guard():
    leaving = departing(State(role=roles.PRIMARY, step="", deadline=104.0, alive=True))
    leaving.departure.signalled(signal.SIGTERM)
    (failed,) = leaving.surveyed
    leaving.departure._surveyed(failed(KeyError("statename")))
    assert leaving.departure.reattaching and leaving.heard == []


@pytest.mark.parametrize("state", [
    PAUSED, *(replace(PAUSED, pausing=Pausing("p", step)) for step in ("looking", "telling")),
    State(step="waiting", inherited=7, deadline=90.0, paused_until=math.inf),
])
@pytest.mark.parametrize("others", [(), (State(role=roles.DEMOTING, step="stopping", deadline=104.0),)])
def test_what_a_pause_keeps_is_left_to_the_guard_at_sigterm_whatever_the_listener_knows_of_it(state, others):
    leaving = departing(state, *others)
    leaving.departure.signalled(signal.SIGTERM)
    assert leaving.surveyed and leaving.heard == []
    leaving.departure._surveyed(events.GroupsSurveyed(False, "SIGTERM"))
    assert leaving.departure.reattaching and leaving.heard == []
    leaving.departure.signalled(signal.SIGTERM)
    assert leaving.heard == [], "once more"


def test_who_cannot_end_yet_takes_no_whole_processor(leaving):
    departure = leaving.departure
    departure.leave("stopped", leaving.host.now() + 5.0, leaving.host.now() + 9.0)
    assert departure.next_wakeup() == leaving.host.now() + 9.0
    leaving.host.moment += 20.0
    assert not departure.finished() and departure.next_wakeup() >= leaving.host.now() + 0.1
