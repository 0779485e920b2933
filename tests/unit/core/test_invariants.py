"""What is so in every state of the role machine, whatever has happened: by random walks."""

import random
import typing
from dataclasses import fields

import pytest

from supervisor_zkelect.core import control, messages, role
from supervisor_zkelect.core.roles import DETACHED, MAINTENANCE, STANDBY
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

#: What may be forgotten at any moment once it is of no use any more, so that no Tick is due for it.
TIDIED = (*OF_THE_CHECK, "fitness", "looking_ahead", "admit_by", "stay_until")

#: How many Ticks in a row may find something to do at the same moment.
TICKS = 3


def walked():
    """The walks after each of their steps."""
    for seed in range(WALKS):
        walk = Walk(seed)
        for _ in range(STEPS):
            walk.take(walk.next())
            yield seed, walk


@pytest.fixture(scope="module")
def states():
    """The states that walks came to, none that one began with."""
    return [walk.state for _, walk in walked()]


def test_whoever_has_nothing_to_do_waits():
    """A step that asks for its next turn at once, again and again, takes a whole processor."""
    for seed, walk in walked():
        walk.now = max(walk.now, min(next_wakeup(walk.rules, walk.state), walk.now + 1.0))
        state = walk.state
        for _ in range(TICKS):
            before = state
            state, actions = role.step(walk.rules, before, messages.Tick(), walk.now)
            if next_wakeup(walk.rules, state) > walk.now:
                break
            assert (state, actions) != (before, []), (seed, state)
        else:
            pytest.fail(f"walk {seed} asks for one turn after the other: {state}")


def test_nothing_is_due_before_its_time():
    """What a Tick does that comes too early would have been done too late, or never, without one."""
    for number, (seed, walk) in enumerate(walked()):
        due = next_wakeup(walk.rules, walk.state)
        early = random.Random(f"{seed} {number}").uniform(walk.now, min(due, walk.now + 100.0))
        if walk.now < early < due:
            after, actions = role.step(walk.rules, walk.state, messages.Tick(), early)
            changed = [name for name, value in vars(after).items() if value != getattr(walk.state, name)]
            assert not actions, (seed, walk.state, actions)
            assert not [name for name in changed if name not in TIDIED or getattr(after, name) != getattr(FRESH, name)], seed


def test_only_who_leads_begins_to_hand_over(states):
    """What is not begun any more, and is thought to be, keeps every later order waiting."""
    assert not [one for one in states if one.role in (DETACHED, STANDBY, MAINTENANCE) and one.beginning is not None]


def test_an_order_that_is_dropped_has_stopped_nothing():
    """By itself; what else is due then may stop the group."""
    dropped = set()
    for seed, walk in walked():
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
