"""The transition table against the role machine: each pair of a step and an event, and where it leads."""

import collections
import importlib.util
from pathlib import Path

import pytest

from supervisor_zkelect.core import messages, role
from supervisor_zkelect.core.roles import STEPS
from supervisor_zkelect.core.transitions import PAIRS, TABLE, Move, step_of
from tests.unit.core.walks import Walk

ALL = [step for steps in STEPS.values() for step in steps]
#: In how many states of one kind each event is tried, and how often in each, as events differ in what they say.
ENOUGH, TRIES = 12, 4
#: Walks: so many at least, and at most where something of the table was not seen before.
FEWEST, MOST = 600, 3200


def kind_of(state):
    return (
        state.role, state.step, state.inherited is None, bool(state.looking), bool(state.failed), any(one.left for one in state.resigning),
        state.up, bool(state.cleaning), state.stuck, state.beginning and state.beginning.kind, bool(state.waiting),
        bool(state.looking_ahead), state.pausing and state.pausing.step, state.paused_until > 0, state.halted,
    )


def was_seen(reached, did, pair):
    move = PAIRS[pair]
    return not isinstance(move, Move) or pair in did and set(move.to.split()) <= reached[pair]


@pytest.fixture(scope="module")
def seen():
    """(step, event) -> the steps after it, and whether it ever did more than the time that passes with it."""
    reached, did, tried = collections.defaultdict(set), set(), collections.Counter()
    for seed in range(MOST):
        if seed >= FEWEST and seed % 50 == 0 and all(was_seen(reached, did, pair) for pair in PAIRS):
            break
        walk = Walk(seed)
        for _ in range(60):
            next_event, before = walk.next(), walk.state
            tried[kind_of(before)] += 1
            if tried[kind_of(before)] <= ENOUGH:
                step = step_of(before.role, before.step)
                time = role.step(walk.rules, before, messages.Tick(), walk.now)
                for kind in TRIES * messages.EVENTS:
                    event = walk.event(kind)
                    alone = walk.alone(event)
                    reached[step, kind].add(step_of(alone.state.role, alone.state.step))
                    idle = (before, []) if kind is messages.Tick else time
                    if role.step(walk.rules, before, event, walk.now) != idle:
                        did.add((step, kind))
            # Time passes after each event, which some moves wait for.
            between, after = walk.alone(next_event).state, walk.alone(next_event, messages.Tick()).state
            reached[step_of(between.role, between.step), messages.Tick].add(step_of(after.role, after.step))
            walk.take(next_event)
    assert {step for step, _ in reached} == set(ALL)
    return reached, did


def test_each_event_has_a_row_and_each_pair_a_move_or_a_reason():
    assert set(TABLE) == set(messages.EVENTS)
    assert set(PAIRS) == {(step, kind) for step in ALL for kind in messages.EVENTS}
    assert all(isinstance(one, Move) or one for one in PAIRS.values())


def test_the_machine_ignores_what_the_table_says_and_nothing_else(seen):
    _, did = seen
    wrong = [
        f"{kind.__name__} in {step}: {'does nothing' if isinstance(move, Move) else 'does something'}"
        for (step, kind), move in PAIRS.items() if ((step, kind) in did) != isinstance(move, Move)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_machine_goes_where_the_table_says_and_nowhere_else(seen):
    reached, _ = seen
    wrong = []
    for (step, kind), move in PAIRS.items():
        to = set(move.to.split()) if isinstance(move, Move) else set()
        found = reached[step, kind] - {step}
        if found != to:
            wrong.append(f"{kind.__name__} in {step}: to {' '.join(sorted(found))}; in the table {' '.join(sorted(to))}")
    assert not wrong, "\n".join(wrong)


LINE = "    messages.Stuck: Row([Move(_EVERYWHERE, demotion.stuck)]),\n"


@pytest.mark.parametrize("row, told", [
    ("", "no row for Stuck"),
    ('    messages.Stuck: Row([Move("waiting", demotion.stuck)]),\n', "no move for Stuck in clearing"),
    ('    messages.Stuck: Row([Move(_EVERYWHERE, demotion.stuck), Move("primary", demotion.stuck)]),\n', "two moves for Stuck in primary"),
    ('    messages.Stuck: Row([Move("waiting lost", demotion.stuck, "dead")], "why"),\n', "Stuck: no step dead, lost"),
])
def test_a_table_with_a_gap_is_an_error_when_it_is_made(row, told):
    assert refusal(row) == told


def test_all_events_without_a_row_are_named(monkeypatch):
    class Odd:
        pass

    monkeypatch.setattr(messages, "EVENTS", (*messages.EVENTS, Odd))
    assert refusal("") == "no row for Stuck, Odd"


def refusal(row):
    """What is wrong with a table that has this row in place of one that it has."""
    spec = importlib.util.find_spec("supervisor_zkelect.core.transitions")
    text = Path(spec.origin).read_text()
    assert text.count(LINE) == 1
    module = importlib.util.module_from_spec(spec)
    with pytest.raises(TypeError) as refused:
        exec(compile(text.replace(LINE, row), spec.origin, "exec"), vars(module))
    return str(refused.value)
