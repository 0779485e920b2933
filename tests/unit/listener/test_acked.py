"""Whether the ack is written, as the guard is told of it for load balancers."""

import pytest

from supervisor_zkelect.core import control, messages, roles
from supervisor_zkelect.core.state import Beginning, State
from supervisor_zkelect.guard import protocol
from tests.unit.listener.parts import Host, candidacy


@pytest.fixture
def sent():
    return []


@pytest.fixture
def make(sent):
    """Makes a candidacy in a state, whose words to the guard are kept with its actions, in their order."""

    def make(**state):
        given = {"step": "", "up": True, "alive": True, "proposal": "n-1", "token": 7, "deadline": 1e6, "margin": 0.0, "grace": 1.0, **state}
        one = candidacy(Host(), State(**given))
        one.group.send = sent.append
        one._act = sent.extend
        return one

    return make


def acks(sent):
    return [one for one in sent if isinstance(one, protocol.AckOrder)]


def test_it_is_told_at_once_behind_the_ack(make, sent):
    make(role=roles.PROMOTING, step="acking", waiting=3).decide(messages.Acked(3))
    assert acks(sent) == [protocol.AckOrder("primary", 7, True)]


def test_it_is_taken_back_before_a_restart_has_the_ack_emptied(make, sent):
    one = make(role=roles.PRIMARY)
    one.decide(messages.ControlSeen(restart=control.RestartSeen(id="r", due=0.0)))
    places = [type(found) for found in sent]
    assert places.index(protocol.AckOrder) < places.index(messages.Begin)
    assert acks(sent) == [protocol.AckOrder("primary", 7, False)]


def test_it_is_told_again_where_a_restart_is_not_begun(make, sent):
    one = make(role=roles.PRIMARY, beginning=Beginning(5, control.RESTART, "r", "restarted"))
    one.decide(messages.OrderNotBegun(5, "taken back"))
    assert acks(sent) == [protocol.AckOrder("primary", 7, True)]


def test_a_handover_takes_nothing_back_before_it_stops_the_group(make, sent):
    """The ack stands until the release, and the service serves until its stop."""
    one = make(role=roles.PRIMARY)
    one.decide(messages.ControlSeen(order="s", due=0.0, to="b"))
    assert one.state.beginning is not None and acks(sent) == []
    one.decide(messages.Begun(one.state.beginning.op, "n-2"))
    assert one.state.role == roles.DEMOTING and acks(sent) == [], "the stop revokes"


def test_the_grant_has_it_for_a_guard_that_knows_of_nothing(make):
    assert make(role=roles.PRIMARY).grant().acked
    assert not make(role=roles.PROMOTING, step="probing").grant().acked
    assert not make(role=roles.PRIMARY, beginning=Beginning(5, control.RESTART, "r", "")).grant().acked
    assert not make(inherited=7, step="waiting").grant().acked
