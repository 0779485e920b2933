"""What operators are told of a step of the role machine."""

import pytest

from supervisor_zkelect.core import journal, messages, roles
from supervisor_zkelect.core.control import RestartSeen
from supervisor_zkelect.core.happened import told
from supervisor_zkelect.core.messages import ControlSeen
from supervisor_zkelect.core.state import State

NOTHING = ControlSeen()
SWITCHOVER = ControlSeen(order="1", to="c", due=100.0, said=" of ann@desk: disk")
RESTART = ControlSeen(restart=RestartSeen("2", 100.0, said=" of ann@desk: leak"))
ASIDE = ControlSeen(bar="in maintenance by ann@desk: disk", bar_id="3")


def state(orders, role=roles.PRIMARY):
    return State(role=role, orders=orders)


@pytest.mark.parametrize("before, after, text, given", [
    (NOTHING, SWITCHOVER, "a switchover to c is ordered for 1970-01-01 00:18:20+0000 by ann@desk: disk", ()),
    (NOTHING, RESTART, "a restart is ordered for 1970-01-01 00:18:20+0000 by ann@desk: leak", ()),
    (NOTHING, RESTART._replace(restart=RestartSeen("2", said=" of ann@desk")), "a restart is ordered by ann@desk", ()),
    (NOTHING, ASIDE, "ordered: in maintenance by ann@desk: disk", ()),
    (SWITCHOVER, NOTHING, "the switchover to c is taken back", ("cancel", "reset")),
    (RESTART, NOTHING, "the restart is taken back", ("cancel restart", "reset")),
    (ASIDE, NOTHING, "maintenance is taken back", ("maintenance off", "reset")),
])
def test_the_primary_tells_what_is_ordered_by_whom_and_what_is_taken_back(before, after, text, given):
    assert told(state(before), state(after), [], 1000.0) == [(journal.ORDER, text, given)]
    assert told(state(after), state(after), []) == []


def test_a_standby_tells_of_its_own_maintenance_only():
    standby = state(NOTHING, roles.STANDBY)
    assert told(standby, state(SWITCHOVER, roles.STANDBY), []) == told(standby, state(RESTART, roles.STANDBY), []) == []
    assert [one.text for one in told(standby, state(ASIDE, roles.STANDBY), [])] == ["ordered: in maintenance by ann@desk: disk"]


def test_a_listener_that_is_started_again_in_maintenance_tells_of_no_order():
    before = state(None, roles.DETACHED)
    waiting = state(ASIDE, roles.DETACHED)
    after = State(role=roles.MAINTENANCE, orders=ASIDE, reason=ASIDE.bar)
    outcome = messages.TellOutcome("3", True, "c left the queue")
    assert told(before, waiting, []) == []
    assert [one.text for one in told(waiting, after, [outcome])] == ["detached -> maintenance: in maintenance by ann@desk: disk"]


@pytest.mark.parametrize("orders", [None, ControlSeen("cannot be read", unread=True)])
def test_orders_that_could_not_be_read_are_not_taken_back(orders):
    assert told(state(SWITCHOVER), state(orders), []) == []
