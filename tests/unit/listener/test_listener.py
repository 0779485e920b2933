"""The loop of a listener: each event and each action has one who handles it, or the program does not start."""

import ast
import inspect
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from supervisor_zkelect.guard import link, protocol
from supervisor_zkelect.listener import events, listener
from supervisor_zkelect.operators.verbs import VERBS
from supervisor_zkelect.zookeeper import session
from tests.unit.listener.parts import Host, Serial, candidacy


def tuples(module):
    """The named tuples that a module defines."""
    return {
        one for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, tuple) and one.__module__ == module.__name__
    }


@pytest.fixture
def one():
    host = Host(
        elections=[], session_timeout=4.0, interval_at=lambda timeout: 0.4, ride_through_at=lambda timeout: 1.0, tick_time=1.0
    )
    host.pool = lambda size, name: Serial()
    host.guard = lambda post: SimpleNamespace(pid=8, send=lambda message: None)
    return listener.Listener(host)


def test_each_event_has_one_who_handles_it(one):
    assert set(one.handlers) >= set(listener.POSTED)


def test_all_events_are_known_to_the_listener():
    assert set(listener.POSTED) >= tuples(events) | tuples(link) | tuples(session)


def test_what_nobody_handles_is_an_error_at_the_start():
    with pytest.raises(TypeError, match="no handler for TermChanged"):
        events.table([{events.QueueMoved: print}], [events.QueueMoved, events.TermChanged])
    with pytest.raises(TypeError, match="two handlers for QueueMoved"):
        events.table([{events.QueueMoved: print}, {events.QueueMoved: print}], [])


def test_the_desk_knows_each_verb_that_operators_have(one):
    assert one.desk.verbs == {"refresh"} | {verb.name for verb in VERBS.values() if verb.wait}


def test_another_guard_is_told_of_the_grace_as_it_is_now(one):
    sent = []
    one.guard.link.send = sent.append
    one.guard.up = True
    one.candidacies.add(candidacy(one.host))
    one.host.settings.reattach_grace = 30.0
    one._guard_came()
    assert [order.grace for order in sent if isinstance(order, protocol.GroupsOrder)] == [30.0]


def test_what_is_unknown_is_not_passed_over(one):
    with pytest.raises(KeyError):
        one.take(object())


ROOM = Path(listener.__file__).parent


def of_the_room(path):
    """The modules of the room that one of them imports, whatever for."""
    names = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    names += [
        f"{node.module}.{one.name}" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
        for one in node.names
    ]
    return {name.split(".")[2] for name in names if name.startswith("supervisor_zkelect.listener.")}


def test_no_part_imports_the_loop():
    assert [path.name for path in sorted(ROOM.glob("*.py")) if "listener" in of_the_room(path)] == []


@pytest.mark.parametrize("name", ["election_worker", "order_worker", "pause_worker", "pool_worker", "telling"])
def test_work_off_the_deciding_thread_reaches_no_part(name):
    values = {"events", "history_copy", "lives", "orders_seen", "trial", "workers"}
    assert of_the_room(ROOM / f"{name}.py") <= values | {"election_worker"}


@pytest.mark.parametrize("granted, inherited, left, paused_until, on", [
    (True, True, False, -math.inf, True), (True, False, False, -math.inf, False), (True, False, False, 5.0, False),
    (True, False, False, 5.1, True), (True, False, False, math.inf, True), (False, True, False, math.inf, False),
    (True, False, True, math.inf, False),
])
def test_a_term_goes_on_by_its_session_or_by_a_pause(granted, inherited, left, paused_until, on):
    """Of a session that was closed, or could not be saved, no listener knows, and the pause has the group run on all the same; but
    not for another election that has the group now."""
    assert listener.goes_on({"granted": granted, "paused_until": paused_until}, inherited, left, 5.0) is on
