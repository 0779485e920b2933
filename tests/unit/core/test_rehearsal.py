"""What would follow from a fault, by the machine that decides: who leads, after how long."""

import pytest

from supervisor_zkelect.core import figures, lease, messages, rehearsal
from supervisor_zkelect.core.figures import HOST, NETWORK, SERVICE, SUPERVISORD, ZOOKEEPER, Figures, of
from supervisor_zkelect.core.history import Pace
from supervisor_zkelect.core.rehearsal import PlayedNode, play

FIGURES = Figures(timeout=4.0, tick=0.5, interval=0.4, ride_through=1.6, kill_time=0.3, stopwaitsecs=1.0)
PACE = Pace(0.01, 0.2, 0.3, 0.5, 0.01, 3)
NODES = [PlayedNode(name, f"{name}:1", FIGURES, PACE) for name in "abc"]
EXPIRED = lease.expired_within(4.0, 0.5)


def said(played):
    return [(step.node, step.role or step.why) for step in played.steps]


@pytest.mark.parametrize("fault, after", [
    # Three failed checks of one second each, the stop, the start, the first healthy answer.
    (SERVICE, 3 * 1.0 + 0.5 + 0.2 + 0.3), (SUPERVISORD, 0.3 + 0.2 + 0.3), (HOST, EXPIRED + 0.2 + 0.3), (NETWORK, EXPIRED + 0.2 + 0.3),
])
def test_the_next_in_the_queue_leads_after_the_time_that_the_options_make(fault, after):
    played = play(NODES, fault, "a")
    assert played.leader == "b" and after <= played.after <= after + 0.3, played


def test_who_is_cut_off_stops_before_anybody_else_leads():
    played = play(NODES, NETWORK, "a")
    # Asked to stop at the end of its lease, less what is set aside.
    assert 0 < played.stopped < lease.lasts_until(0.0, 4.0) and played.silent == pytest.approx(played.after - played.stopped)
    order = said(played)
    assert order.index(("a", "demoting")) < order.index(("", "the session of a expires")) < order.index(("b", "primary"))


def test_while_zookeeper_is_away_the_primary_stops_in_time_and_nobody_leads():
    played = play(NODES, ZOOKEEPER, "a")
    assert played.leader == "" and played.after is None and 0 < played.stopped < lease.lasts_until(0.0, 4.0)
    assert "primary" not in {step.role for step in played.steps}


def test_a_host_that_is_gone_does_nothing_more():
    played = play(NODES, HOST, "a")
    assert played.stopped is None and [step.role for step in played.steps if step.node == "a"] == [""]


def test_a_zookeeper_that_is_away_is_away_for_all():
    here, there = (play(NODES, ZOOKEEPER, name) for name in "ab")
    # It is away from the heartbeat of one, or of the other, on.
    assert there.leader == "" and there.stopped == pytest.approx(here.stopped, abs=FIGURES.interval)


@pytest.mark.parametrize("fault", [HOST, NETWORK, SUPERVISORD])
def test_where_a_standby_fails_the_primary_goes_on(fault):
    played = play(NODES, fault, "b")
    assert (played.leader, played.after, played.stopped) == ("a", None, None)


def test_who_may_not_lead_is_passed_over():
    barred = [NODES[0], NODES[1]._replace(bar="in maintenance by x"), NODES[2]]
    assert play(barred, HOST, "a").leader == "c"
    assert play([NODES[0], NODES[1]._replace(failed="never healthy"), NODES[2]], HOST, "a").leader == "c"
    assert play([NODES[0], NODES[1]._replace(bar="in maintenance by x")], HOST, "a").leader == ""


@pytest.mark.parametrize("fault", [SERVICE, HOST, SUPERVISORD])
def test_where_nobody_else_stands_nobody_takes_over(fault):
    played = play(NODES[:1], fault, "a")
    assert (played.leader, played.after) == ("", None) and len(played.steps) <= 200


def test_a_fence_command_comes_before_the_claim():
    fenced = [one._replace(figures=FIGURES._replace(fences=1.0)) for one in NODES]
    assert ("b", "promoting", "fencing") in [step[1:4] for step in play(fenced, HOST, "a").steps]
    assert ("b", "promoting", "fencing") not in [step[1:4] for step in play(fenced, SUPERVISORD, "a").steps]


def test_a_service_without_a_check_is_given_up_when_supervisord_does():
    told = [one._replace(figures=FIGURES._replace(told=1.0)) for one in NODES]
    played = play(told, SERVICE, "a")
    assert played.leader == "b" and played.after < 2.0 and "FATAL" in played.steps[0].why


@pytest.mark.parametrize("fault, victim", [("earthquake", "a"), (HOST, "z"), (HOST, "")])
def test_what_cannot_be_played_is_refused(fault, victim):
    with pytest.raises(ValueError):
        play(NODES, fault, victim)


def test_options_that_leave_no_lease_make_no_primary():
    hopeless = [one._replace(figures=FIGURES._replace(kill_time=9.0)) for one in NODES]
    assert play(hopeless, HOST, "a") == (HOST, "a", (), "", None, None, None)


@pytest.mark.parametrize("found", [{}, {"timeout": 0.0}, {"interval": 0.0}, {"health_interval": 0.0}, {"backoff_min": 0.0}])
def test_figures_that_cannot_be_are_those_of_the_defaults(found):
    assert of(found) == Figures()


def test_every_figure_of_others_can_be_played():
    wild = {name: number for name, number in zip(Figures._fields, [1e8, 1e-9, 1e-6, 0.0, 1e8] * 4)}
    part = PlayedNode("a", "a:1", of(wild), PACE)
    for fault in figures.FAULTS:
        play([part, part._replace(name="b")], fault, "a")


def test_every_action_of_the_machine_is_played():
    assert set(rehearsal._ACTIONS) == set(messages.ACTIONS)
