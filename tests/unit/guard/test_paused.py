"""A guard while a pause keeps a lease from ending."""

import math

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import protocol, record
from supervisor_zkelect.guard.keeper_protocol import KeptSessionOver, TermGone, TermKept
from tests.unit.guard.parts import GRANT, Node, lack

ENDLESS = GRANT.lease._replace(paused_until=math.inf)


@pytest.fixture
def node():
    return Node().start()


def pause(node, lease=ENDLESS, n=1, token=7):
    node.guard.obey(protocol.LeaseOrder(n, {"primary": (token, lease)}))
    return node.effects.told[-1]


def test_a_paused_group_is_neither_stopped_nor_killed_at_its_deadline(node):
    echo = pause(node)
    assert (echo.paused, echo.doubtful) == (["primary"], []) and node.entry.lease == ENDLESS
    node.passes(1e6)
    assert node.entry.granted and not [one for one in node.handle().did if one[0] in ("stop", "kill")]


def test_without_the_flag_the_ordinary_lease_ends_it_at_once(node):
    pause(node)
    node.passes(50.0)
    echo = pause(node, GRANT.lease, 2)
    assert echo.paused == [] and node.entry.lease == GRANT.lease
    node.passes(0.1)
    assert not node.entry.granted


def test_only_for_the_token_granted(node):
    assert pause(node, token=8).paused == [] and node.entry.lease == GRANT.lease


def test_an_unwritten_record_is_no_confirmation(node):
    node.book.broken = True
    assert pause(node).paused == [] and node.effects.told[-1].doubtful == ["primary"]
    node.book.broken = False
    pause(node, ENDLESS._replace(deadline=105.0), 2)
    node.book.broken = True
    echo = pause(node, GRANT.lease._replace(deadline=105.0), 3)
    assert (echo.paused, echo.doubtful) == ([], ["primary"]), "the record says that it has no end"


def test_a_guard_that_could_not_end_it_begins_no_pause_and_takes_one_back(node):
    node.manager.trouble = "no descriptors"
    assert pause(node).paused == []
    node.manager.trouble = ""
    pause(node, n=2)
    node.manager.trouble = "no descriptors"
    assert pause(node, GRANT.lease, 3).paused == [] and node.entry.lease == GRANT.lease


@pytest.mark.parametrize("what", [TermGone("primary", 7), KeptSessionOver()])
def test_neither_the_session_nor_the_proposal_is_needed(node, what):
    pause(node)
    node.guard.listener_gone()
    node.passes(0.0)
    node.guard.keeper_said(what)
    node.passes(100.0)
    assert node.entry.granted and node.effects.keeping[0] == {}


def test_where_the_proposal_is_gone_the_pause_alone_counts(node):
    end = GRANT.lease._replace(paused_until=102.5)
    pause(node, end._replace(deadline=200.0, kill_at=199.0, stop_at=198.0))
    pause(node, end._replace(deadline=101.0, kill_at=100.0, stop_at=99.0), 2)
    assert node.entry.lease.deadline == 101.0
    node.passes(0.6)
    assert not node.entry.granted, "asked to stop in time before the pause ends"


def test_a_shorter_lease_leaves_the_stop_its_time(node):
    pause(node, GRANT.lease._replace(paused_until=102.5))
    former = node.entry.lease
    # Of a listener that knows of no session yet, and so of no time for the stop.
    pause(node, Lease(99.0, 99.0, 99.5, 102.5), 2)
    assert node.entry.lease == former.moved(99.5)


def test_the_same_where_the_keeper_finds_it_gone(node):
    pause(node, GRANT.lease._replace(paused_until=102.5))
    node.guard.listener_gone()
    node.passes(0.0)
    node.guard.keeper_said(TermGone("primary", 7))
    assert node.entry.granted and node.entry.lease == Lease(98.0, 99.0, 100.0, 102.5)
    node.passes(0.6)
    assert not node.entry.granted


@pytest.mark.parametrize("state", ["STOPPED", "FATAL", "", "EXITED"])
def test_without_a_listener_it_runs_on(node, state):
    pause(node)
    node.guard.listener_gone()
    for _ in range(100):
        node.guard.listener_state(state)
        node.passes(1.0)
    assert node.entry.granted and not node.guard.ending.begun


@pytest.fixture
def two(node):
    """Of two groups one runs in a pause, and the listener is gone."""
    node.greet("primary", "other")
    node.guard.obey(protocol.StartOrder("other", 6, GRANT))
    pause(node)
    node.guard.listener_gone()
    node.passes(0.0)
    return node


def stays_away(node, seconds=10):
    for _ in range(seconds):
        node.guard.listener_state("STOPPED")
        node.passes(1.0)
        for name, (token, _) in {"primary": (7, 0), "other": (7, 0)}.items():
            if name in node.effects.keeping[0]:
                node.guard.keeper_said(TermKept(name, token, node.now + 9.0))


def test_while_one_runs_on_in_a_pause_the_others_are_handed_over_where_no_listener_comes(two):
    assert set(two.effects.keeping[0]) == {"primary", "other"}
    stays_away(two, 1)
    assert two.book.entries["other"].granted, "it is waited for"
    stays_away(two)
    assert two.entry.granted and not two.book.entries["other"].granted and two.handle("other").last("stop", "kill")[0] == "stop"
    assert two.effects.keeping[0] == {"primary": 7, "other": 7}, "it has the time that its stop takes"
    two.dead("other")
    stays_away(two)
    assert two.entry.granted and two.effects.keeping[0] == {}, "the session expires, with the other's proposal"
    assert not two.guard.ending.begun and not two.guard.finished(False)


def test_one_that_was_never_looked_at_is_proven_dead_and_holds_up_nothing(two):
    """As a group that only stands by, after a guard was killed."""
    two.guard.groups["idle"]
    stays_away(two)
    asked = [one for one in two.handle("idle").did if one[0] in ("stop", "kill")]
    assert len(asked) == 1
    two.dead("other")
    two.dead("idle")
    stays_away(two)
    assert two.entry.granted and two.effects.keeping[0] == {}, "the session expires"


def test_one_that_could_not_be_stopped_for_want_of_memory_is_stopped_later(two):
    lack(two.handle("other"), "stop")
    with pytest.raises(MemoryError):
        stays_away(two)
    stays_away(two)
    assert two.handle("other").last("stop")
    two.dead("other")
    stays_away(two)
    assert two.entry.granted and two.effects.keeping[0] == {}, "the session expires"


def test_a_listener_that_comes_back_in_time_finds_all_of_them(two):
    two.guard.listener_state("RUNNING")
    stays_away(two, 1)
    assert two.greet("primary", "other").ok and two.book.entries["other"].granted and two.entry.granted


def test_when_the_pause_is_over_all_is_released_where_no_listener_comes(two):
    stays_away(two)
    two.dead("other")
    two.guard.groups.extend(two.guard.groups["primary"], two.entry.lease._replace(paused_until=-math.inf))
    stays_away(two)
    assert not two.entry.granted and two.guard.ending.begun


def test_supervisord_dead_ends_it(node):
    pause(node)
    node.guard.supervisord_dead()
    assert not node.entry.granted and node.handle().last("stop", "kill")[0] == "kill"


def test_a_stop_by_order_leaves_it_its_time(node):
    pause(node)
    node.passes(50.0)
    node.guard.obey(protocol.StopOrder("primary", 9, node.now + 3.0, GRANT))
    assert node.handle().last("stop", "kill") == ("stop", 9, node.now + 3.0, math.inf)


def test_the_next_guard_finds_it_in_the_record():
    entry = record.Entry("orders", "primary", "a", 7, True, 0, Lease(1.0, 2.0, 3.0, math.inf))
    assert record.Entry.of_strings(entry.strings()) == entry
    node = Node([entry])
    node.passes(1000.0)
    assert node.guard.groups["primary"].entry.granted
    assert node.guard.groups.described()["primary"]["paused_until"] == math.inf


def test_a_pause_that_ends_by_itself_ends_without_a_listener(node):
    pause(node, GRANT.lease._replace(paused_until=200.0))
    node.guard.listener_gone()
    node.passes(97.0)
    assert node.entry.granted
    node.passes(1.5)
    assert not node.entry.granted, "asked to stop in time before its end"
