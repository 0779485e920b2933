"""What is so in every state of the role machine, whatever has happened: by random walks."""

import typing
from dataclasses import fields

import pytest

from supervisor_zkelect.core import control, messages, role
from supervisor_zkelect.core.roles import DETACHED
from supervisor_zkelect.core.state import State, next_wakeup
from tests.unit.core.walks import Walk

WALKS, STEPS = 300, 60

TYPES = typing.get_type_hints(State)
FRESH = State()

#: What belongs to a term, or to a place in the queue.
OF_A_TERM = (
    "proposal", "lasting", "deadline", "claimed_at", "killed", "healthy_by", "probe_at", "probing", "counter", "led",
    "successor", "beginning", "priority", "next_in_line", "token", "paused_until", "pausing", "lapsed", "halted", "barred",
)

#: What is known of the check `fit` while it is asked.
OF_THE_CHECK = ("fit_at", "asking_fit", "failing_since", "fit_trouble")


@pytest.fixture(scope="module")
def states():
    """The states that walks came to, none that one began with."""
    found = []
    for seed in range(WALKS):
        walk = Walk(seed)
        for _ in range(STEPS):
            walk.take(walk.next())
            found.append(walk.state)
    return found


def test_whoever_has_nothing_to_do_waits():
    """A step that asks for its next turn at once, and does nothing then, takes a whole processor."""
    for seed in range(WALKS):
        walk = Walk(seed)
        for _ in range(STEPS):
            walk.take(walk.next())
            walk.now = max(walk.now, min(next_wakeup(walk.rules, walk.state), walk.now + 1.0))
            before = walk.state
            after, actions = role.step(walk.rules, before, messages.Tick(), walk.now)
            assert (after, actions) != (before, []) or next_wakeup(walk.rules, after) > walk.now, (seed, after)


def test_an_order_that_is_dropped_has_stopped_nothing():
    """By itself; what else is due then may stop the group."""
    dropped = set()
    for seed in range(WALKS):
        walk = Walk(seed)
        for _ in range(STEPS):
            walk.take(walk.next())
            if walk.state.beginning is not None:
                turn = walk.alone(messages.OrderNotBegun(walk.state.beginning.op, "its time was over"))
                dropped |= {walk.state.beginning.kind for one in turn.actions if isinstance(one, messages.TellOutcome) and not one.ok}
                assert (turn.state.role, turn.state.step) == (walk.state.role, walk.state.step), seed
                assert not [one for one in turn.actions if isinstance(one, (messages.StopGroup, messages.KillGroup))], seed
    assert dropped == {control.SWITCHOVER, control.RESTART}


def fits(value, kind):
    """Whether a value has a type as State declares them."""
    if typing.get_origin(kind) is typing.Union:
        return any(fits(value, one) for one in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return type(value) is tuple
    return type(value) in (int, float) if kind is float else type(value) is kind


def test_each_member_has_its_type(states):
    values = {(one.name, type(getattr(state, one.name))): getattr(state, one.name) for state in states for one in fields(State)}
    assert not [(name, kind.__name__) for (name, kind), value in values.items() if not fits(value, TYPES[name])]


@pytest.mark.parametrize("name", OF_A_TERM)
def test_who_waits_has_nothing_of_a_term(states, name):
    waits = [one for one in states if (one.role, one.step) == (DETACHED, "waiting") and one.inherited is None]
    assert {getattr(one, name) for one in waits} == {getattr(FRESH, name)}


@pytest.mark.parametrize("name", OF_THE_CHECK)
def test_of_a_check_that_is_not_asked_nothing_is_known(states, name):
    assert {getattr(one, name) for one in states if one.fitness is None} == {getattr(FRESH, name)}
