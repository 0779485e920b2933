"""The service again in the same term, rule by rule."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import control, messages
from supervisor_zkelect.core.control import RestartSeen
from supervisor_zkelect.core.restarting import AGAIN
from supervisor_zkelect.core.state import INFINITY, next_wakeup
from tests.unit.core.test_role import SETTINGS, Node

TOKEN = 41
ORDER = RestartSeen("r", term=TOKEN)
RESTART = messages.ControlSeen(restart=ORDER)
SWITCH = messages.ControlSeen(order="s", to="c", restart=ORDER._replace(begun=TOKEN))


@pytest.fixture
def node():
    return Node()


def told(node):
    return [(action.order, action.ok, action.text) for action in node.actions if isinstance(action, messages.TellOutcome)]


def lease(node, seconds=99.0):
    return node.event(messages.Leased(node.now, node.now + seconds))


def restarting(node):
    """The order is marked begun, and the group is asked to stop."""
    node.primary().event(RESTART)
    return lease(node.event(messages.Begun(node.op(messages.Begin), "")))


def started(node):
    node.event(messages.Dead(node.state.waiting, 0.1))
    return node


def healthy(node):
    """From the proof of death to the ack."""
    node.event(messages.ServiceStarted(node.op(messages.StartGroup))).event(messages.Tick(), after=0.01)
    node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    return node.event(messages.Acked(node.op(messages.Ack)))


def test_the_order_is_marked_begun_before_anything_is_stopped(node):
    node.primary().event(RESTART)
    begin = next(action for action in node.actions if isinstance(action, messages.Begin))
    assert (begin.kind, begin.order) == (control.RESTART, "r") and not node.did(messages.StopGroup) and node.at == ("primary", "")
    node.event(messages.Begun(begin.op, ""))
    stop = next(action for action in node.actions if isinstance(action, messages.StopGroup))
    assert stop.kill_at == node.now + SETTINGS.stopwaitsecs and node.at == ("promoting", "restarting")
    assert not node.did(messages.DropLease) and not node.did(messages.Release) and node.state.may_run


def test_the_group_is_started_again_in_the_same_term_and_acked_when_it_is_healthy(node):
    started(restarting(node))
    assert node.did(messages.StartGroup) and not node.did(messages.Claim) and node.state.token == TOKEN
    node.event(messages.ServiceStarted(node.op(messages.StartGroup)))
    assert node.at == ("promoting", "probing") and not node.did(messages.Ack)
    node.event(messages.Tick(), after=0.01)
    node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    node.event(messages.Acked(node.op(messages.Ack)))
    assert node.at == ("primary", "") and [(order, ok) for order, ok, _ in told(node)] == [("r", True)]


def test_nothing_is_started_before_the_proof_of_death(node):
    restarting(node).event(messages.Dead(node.state.waiting - 1, 0.1))
    assert not node.did(messages.StartGroup)
    assert not node.event(messages.Stuck("it stays"), after=1.0).did(messages.StartGroup)
    assert started(node).did(messages.StartGroup)


def test_a_lease_with_little_time_left_starts_nothing_until_it_is_extended(node):
    node.primary().event(messages.SessionUp(False, 2.0, 14.0, 10.0, margin=50.0)).event(RESTART)
    node.event(messages.Begun(node.op(messages.Begin), ""))
    started(node)
    assert node.at == ("promoting", "restarting") and not node.did(messages.StartGroup)
    assert lease(node).did(messages.StartGroup)


def test_a_lease_that_is_not_extended_for_so_long_ends_the_term(node):
    node.primary().event(messages.SessionUp(False, 2.0, 14.0, 10.0, margin=500.0)).event(RESTART)
    node.event(messages.Begun(node.op(messages.Begin), ""))
    started(lease(node, 400.0)).event(messages.Tick(), SETTINGS.promote_timeout)
    assert node.at == ("demoting", "stopping") and "not healthy within" in told(node)[0][2]


@pytest.mark.parametrize("event", [
    messages.StoppedByHand("web"), messages.StartedByHand("web"), messages.MemberFatal("web"), messages.MemberChanged(),
    messages.GrantRevoked("the guard has revoked the grant"), messages.Probed(3, False, "refused"),
    messages.TermSeen("self", "", TOKEN, True, None, "a:1"),
])
def test_that_the_group_is_stopped_is_nobodys_hand_and_no_failure(node, event):
    restarting(node)
    before = node.state
    node.event(event)
    assert node.state == before and not node.actions


@pytest.mark.parametrize("event", [
    messages.ProposalLost("deleted"), messages.SessionLost("expired"), messages.Rivalled("rival"), messages.SessionEnds("ends"),
    messages.Shutdown("SIGTERM", INFINITY), messages.Resign("t", True),
])
def test_what_ends_a_term_ends_it_during_a_restart(node, event):
    restarting(node).event(event)
    assert node.at == ("demoting", "stopping") and node.state.killed is isinstance(event, (messages.ProposalLost, messages.SessionLost))
    assert [(order, ok) for order, ok, _ in told(node)] == [("r", False)]


@pytest.mark.parametrize("dead", [False, True])
def test_a_lease_that_runs_out_ends_the_term_as_ever(node, dead):
    node.primary().event(RESTART)
    node.event(messages.Begun(node.op(messages.Begin), ""))
    if dead:
        node.event(messages.SessionUp(False, 2.0, 14.0, 10.0, margin=50.0))
        started(node)
    assert next_wakeup(SETTINGS, node.state) <= node.state.deadline - SETTINGS.kill_time
    node.event(messages.Tick(), node.state.deadline - SETTINGS.kill_time - node.now)
    assert node.at == ("demoting", "stopping") and [(order, ok) for order, ok, _ in told(node)] == [("r", False)]


def test_one_that_does_not_become_healthy_in_time_is_a_failed_service(node):
    started(restarting(node)).event(messages.ServiceStarted(node.op(messages.StartGroup)))
    lease(node).event(messages.Tick(), SETTINGS.promote_timeout)
    assert node.at == ("demoting", "stopping") and node.state.failures == 1 and node.state.failed
    assert node.state.not_before > node.now and told(node)[0][:2] == ("r", False)


def test_the_stop_may_take_longer_than_a_promotion(node):
    restarting(node)
    lease(node, 999.0).event(messages.Tick(), 2 * SETTINGS.promote_timeout)
    assert node.at == ("promoting", "restarting")
    assert started(node).did(messages.StartGroup)


def test_a_program_that_fails_after_the_start_ends_the_term(node):
    started(restarting(node)).event(messages.MemberFatal("web", "no such file"))
    assert node.at == ("demoting", "stopping") and "no such file" in told(node)[0][2]


def test_a_handover_by_order_wins(node):
    restarting(node).event(SWITCH)
    begin = next(action for action in node.actions if isinstance(action, messages.Begin))
    assert begin.kind == control.SWITCHOVER and node.at == ("promoting", "restarting")
    node.event(messages.Begun(begin.op, "n-0000000002"))
    assert node.at == ("demoting", "stopping") and "switched over" in told(node)[0][2] and node.state.successor == "n-0000000002"


def test_a_handover_that_cannot_be_begun_leaves_the_restart_going_on(node):
    restarting(node).event(SWITCH)
    node.event(messages.OrderNotBegun(node.op(messages.Begin), "c is away"))
    assert node.at == ("promoting", "restarting")
    assert healthy(started(node)).at == ("primary", "")


def test_it_waits_for_a_handover_that_is_being_begun(node):
    node.primary().event(messages.Resign("t"))
    begin = node.op(messages.Begin)
    node.event(RESTART)
    assert not node.did(messages.Begin)
    node.event(messages.OrderNotBegun(begin, "nobody"))
    assert next(action.kind for action in node.actions if isinstance(action, messages.Begin)) == control.RESTART


def test_a_resignation_that_comes_while_it_is_begun_is_not_forgotten(node):
    node.primary().event(RESTART)
    begin = node.op(messages.Begin)
    node.event(messages.Resign("t")).event(messages.Begun(begin, ""))
    assert next(action.kind for action in node.actions if isinstance(action, messages.Begin)) == control.RESIGNATION
    assert node.event(messages.Begun(node.op(messages.Begin), "")).at == ("demoting", "stopping")


def test_one_that_comes_while_it_cannot_be_begun_is_not_either(node):
    node.primary().event(RESTART)
    begin = node.op(messages.Begin)
    node.event(messages.Resign("t")).event(messages.OrderNotBegun(begin, "the order was taken back"))
    assert next(action.kind for action in node.actions if isinstance(action, messages.Begin)) == control.RESIGNATION


def test_it_waits_for_its_time(node):
    due = node.now + 0.5
    node.primary().event(messages.ControlSeen(restart=ORDER._replace(due=due, term=0)))
    assert not node.did(messages.Begin) and next_wakeup(SETTINGS, node.state) <= due
    assert node.event(messages.Tick(), due - node.now).did(messages.Begin)


def test_it_waits_until_there_is_a_primary(node):
    node.probing().event(RESTART)
    assert not node.did(messages.Begin)


def test_a_standby_does_nothing_about_it(node):
    assert not node.standby().event(RESTART).actions


def test_one_that_is_taken_back_stops_nothing(node):
    node.primary().event(RESTART)
    begin = node.op(messages.Begin)
    node.event(messages.ControlSeen()).event(messages.Begun(begin, ""))
    assert node.at == ("primary", "")
    node.event(RESTART)
    node.event(messages.OrderNotBegun(node.op(messages.Begin), "the order was taken back"))
    assert node.at == ("primary", "") and told(node)[0][:2] == ("r", False)


def test_it_is_tried_again_where_zookeeper_does_not_answer(node):
    node.primary().event(RESTART)
    lease(node).event(messages.OrderNotBegun(node.state.beginning.op, "silent", known=False))
    assert not told(node) and not node.event(messages.Tick(), AGAIN / 2).did(messages.Begin)
    assert node.event(messages.Tick(), AGAIN / 2).did(messages.Begin)


def test_a_mark_whose_answer_was_lost_is_made_again(node):
    node.primary().event(RESTART)
    lease(node).event(messages.OrderNotBegun(node.state.beginning.op, "silent", known=False))
    node.event(messages.ControlSeen(restart=ORDER._replace(begun=TOKEN)))
    assert node.event(messages.Tick(), AGAIN).did(messages.Begin)


@pytest.mark.parametrize("order", [ORDER._replace(term=7), ORDER._replace(term=0, begun=7)])
def test_one_of_another_term_is_dropped(node, order):
    node.primary().event(messages.ControlSeen(restart=order))
    assert not node.did(messages.Begin) and told(node)[0][:2] == ("r", False)
    assert next_wakeup(SETTINGS, lease(node).state) <= node.now + AGAIN


def test_it_is_done_once_however_long_its_order_stands(node):
    healthy(started(restarting(node)))
    lease(node).event(messages.ControlSeen(restart=ORDER._replace(begun=TOKEN)))
    assert not node.did(messages.Begin)
    lease(node).event(messages.Tick(), AGAIN)
    assert not node.did(messages.Begin) and told(node)[0][:2] == ("r", True)


def test_one_in_which_a_listener_ended_is_not_done_again(node):
    node.primary().event(messages.ControlSeen(restart=ORDER._replace(begun=TOKEN)))
    assert not node.did(messages.Begin) and told(node)[0][:2] == ("r", False)


def test_a_listener_that_starts_the_group_again_in_that_term_has_done_it(node):
    node.promoting().event(messages.ControlSeen(restart=ORDER._replace(begun=TOKEN)))
    lease(node)
    assert healthy(node).at == ("primary", "") and told(node)[0][:2] == ("r", True)


def test_nothing_is_begun_while_this_node_leaves(node):
    node.primary().event(messages.Shutdown("SIGTERM", INFINITY))
    assert not node.event(RESTART).did(messages.Begin)


def test_nothing_is_read_as_begun_by_a_listener_that_did_not_ask(node):
    node.primary().event(messages.Begun(node.state.op, ""))
    assert node.at == ("primary", "")


# What is said, and what is kept


def test_how_long_it_took_is_told_from_the_mark_to_the_ack(node):
    restarting(node).now += 3.0
    node.event(messages.ControlSeen(restart=ORDER._replace(begun=TOKEN)))
    healthy(started(node))
    assert told(node) == [("r", True, "self has restarted the service in 3.010 s")]
    assert (node.state.restart, node.state.restarted, node.state.restart_at) == ("", "r", node.now + AGAIN)
    assert node.state.reason == "healthy and acked as a:1"


def test_of_one_that_another_listener_has_begun_it_is_told_from_the_start(node):
    node.promoting().event(messages.ControlSeen(restart=ORDER._replace(begun=TOKEN)))
    assert node.state.restart == ""
    lease(node)
    assert (node.state.restart, node.state.restart_since) == ("r", node.now)
    node.now += 2.0
    assert told(healthy_by_start(node)) == [("r", True, "self has restarted the service in 2.010 s")]


def healthy_by_start(node):
    node.event(messages.ServiceStarted(node.state.waiting)).event(messages.Tick(), after=0.01)
    node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    return node.event(messages.Acked(node.op(messages.Ack)))


def test_while_it_goes_on_the_role_tells_why(node):
    assert restarting(node).state.reason == "restarted by order"


def test_no_service_is_asked_while_it_is_stopped(node):
    assert node.primary().state.probe_at < INFINITY
    node.event(RESTART)
    assert node.event(messages.Begun(node.op(messages.Begin), "")).state.probe_at == INFINITY


def test_nothing_of_the_term_before_counts_in_it(node):
    node.primary().event(messages.Tick(), SETTINGS.health_interval)
    probe = node.op(messages.Probe)
    lease(node).event(messages.TermSeen("b", "b:1", TOKEN, True, TOKEN, "b:1"))
    for _ in range(5):
        node.event(messages.TermSeen("b", "b:1", TOKEN, True, TOKEN, "b:1"))
    node.state = replace(node.state, trouble="health check failed: refused")
    assert node.state.repairs and node.state.counter is not None and node.state.probing == probe
    node.event(RESTART)
    node.event(messages.Begun(node.op(messages.Begin), ""))
    state = node.state
    assert (state.probing, state.counter, state.probe_at, state.trouble) == (0, None, INFINITY, "")
    assert (state.repairs, state.repair_at, state.healthy_by, state.restart_since) == (0, INFINITY, INFINITY, node.now)
    node.event(messages.Dead(node.state.waiting, 0.1))
    node.event(messages.ServiceStarted(node.op(messages.StartGroup)))
    # The service that was asked is dead.
    assert not node.event(messages.Probed(probe, True, "ok")).did(messages.Ack) and node.at == ("promoting", "probing")


@pytest.mark.parametrize("order, text", [
    (ORDER._replace(term=7), "not restarted: that term is over, and self leads in another one"),
    (ORDER._replace(begun=TOKEN), "a listener ended in the middle of it; supervisorctl status tells since when its programs run"),
])
def test_why_one_is_dropped_is_told_now_and_then(node, order, text):
    lease(node.primary().event(messages.ControlSeen(restart=order)))
    node.event(messages.ControlSeen()).event(messages.ControlSeen(restart=order))
    assert told(node) == [("r", False, text)] and node.state.restart == ""
    assert not told(node.event(messages.Tick(), AGAIN / 2))
    assert told(node.event(messages.Tick(), AGAIN / 2)) == [("r", False, text)]


def test_why_one_cannot_be_begun_is_told(node):
    node.primary().event(RESTART)
    node.event(messages.OrderNotBegun(node.op(messages.Begin), "the order was taken back"))
    assert told(node) == [("r", False, "not restarted: the order was taken back")]


def test_that_one_is_done_is_told_again_while_its_order_stands(node):
    healthy(started(restarting(node)))
    lease(node).event(messages.ControlSeen(restart=ORDER._replace(begun=TOKEN)))
    node.event(messages.Tick(), AGAIN)
    assert told(node) == [("r", True, "the service was restarted")]


def test_the_end_of_a_term_ends_it_once(node):
    restarting(node).event(messages.Resign("t", True))
    assert told(node) == [("r", False, "the term ended during the restart: resigned, by force")] and node.state.restart == ""


def test_another_one_may_follow_in_the_same_term(node):
    healthy(started(restarting(node)))
    lease(node).event(messages.ControlSeen(restart=ORDER._replace(id="q")))
    begin = next(action for action in node.actions if isinstance(action, messages.Begin))
    assert begin.order == "q"
    lease(node.event(messages.Begun(begin.op, "")))
    assert told(healthy(started(node)))[0][:2] == ("q", True)


@pytest.mark.parametrize("event", [
    messages.TermSeen("self", "", TOKEN, True, TOKEN, SETTINGS.address), messages.Reconfigured(True),
])
def test_no_ack_is_written_behind_the_mark_that_empties_it(event):
    node = Node().primary()
    node.event(messages.Leased(node.now, node.now + 999.0)).event(RESTART)
    assert node.did(messages.Begin) and not node.event(event).did(messages.Repair)
    # It is looked at again where nothing comes of it.
    node.event(messages.ControlSeen())
    assert node.event(messages.Tick(), 5.0).did(messages.SeeTerm)
    assert node.event(messages.TermSeen("self", "", TOKEN, True, TOKEN, SETTINGS.address)).did(messages.Repair)


def test_one_that_was_told_as_refused_is_not_asked_for_again(node):
    """While it is, nobody is told as primary; and it may stand for as long as this node may not write the control."""
    lease(node.primary(), 9999.0).event(RESTART)
    node.event(messages.OrderNotBegun(node.op(messages.Begin), "the order cannot be marked begun: denied"))
    assert told(node)[0][:2] == ("r", False)
    for _ in range(3):
        node.event(messages.Tick(), AGAIN)
        assert told(node)[0][:2] == ("r", False) and not node.did(messages.Begin) and node.state.acked
