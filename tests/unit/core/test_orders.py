"""How a node obeys what operators have ordered, rule by rule."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import control, messages, pause_messages, role
from supervisor_zkelect.core.orders import AGAIN
from supervisor_zkelect.core.resignation import LOOK_LIMIT
from supervisor_zkelect.core.state import INFINITY, Resigning, next_wakeup
from tests.unit.core.test_role import SETTINGS, UP, Node, failed, leads

ASIDE = messages.ControlSeen("in maintenance", bar_id="m")
GARBAGE = messages.ControlSeen("it cannot be read")
SWITCH = messages.ControlSeen(order="s", to="c")


@pytest.fixture
def node():
    return Node()


def stopped(node):
    """The group is dead, and the term released."""
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    release = next(action for action in node.actions if isinstance(action, messages.Release))
    node.event(messages.Released(release.op))
    return release


def test_no_proposal_before_it_is_known_what_is_ordered(node):
    node.cleared()
    node.state, node.actions = role.step(SETTINGS, node.state, UP, node.now)
    assert not node.did(messages.Propose) and next_wakeup(SETTINGS, node.state) == INFINITY
    assert node.event(messages.ControlSeen()).did(messages.Propose)


@pytest.mark.parametrize("orders", [ASIDE, GARBAGE])
def test_who_may_not_lead_leaves_the_queue(node, orders):
    assert node.standby().event(orders).did(messages.Release)
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at == (("maintenance", "") if orders is ASIDE else ("detached", "waiting")) and not node.did(messages.Propose)
    assert next_wakeup(SETTINGS, node.state) == INFINITY
    assert node.event(messages.ControlSeen()).did(messages.Propose)


def test_what_a_former_listener_may_have_left_is_given_up_before_a_node_is_in_maintenance(node):
    """The connection was lost between ZooKeeper's answer and its event; the proposal may stand at the head of the queue."""
    node.cleared()
    node.state = replace(node.state, alive=True, up=False)
    node.event(ASIDE)
    assert node.at == ("detached", "waiting") and next_wakeup(SETTINGS, node.state) == INFINITY
    node.event(UP._replace(fresh=False))
    assert node.at == ("demoting", "releasing") and node.did(messages.Release)
    assert node.event(messages.Released(node.op(messages.Release))).at == ("maintenance", "")


@pytest.mark.parametrize("orders", [ASIDE, GARBAGE])
def test_a_claim_is_given_up_before_anything_is_started(node, orders):
    node.promoting().event(orders)
    assert node.at == ("demoting", "releasing") and not node.did(messages.StopGroup)


def test_maintenance_ends_by_itself(node):
    node.standby().event(ASIDE._replace(until=node.now + 5))
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at[0] == "maintenance" and next_wakeup(SETTINGS, node.state) == node.now + 5
    assert node.event(messages.Tick(), 5.0).did(messages.Propose)


def test_a_primary_in_maintenance_hands_over_when_somebody_can_take_over(node):
    node.primary().event(ASIDE)
    begin = next(action for action in node.actions if isinstance(action, messages.Begin))
    assert begin.kind == control.STAND_ASIDE and node.at == ("primary", "")
    node.event(messages.OrderNotBegun(begin.op, "nobody"))
    assert node.at == ("primary", "") and "goes on leading" in node.state.leads_on and "nobody" in node.state.leads_on
    assert next_wakeup(SETTINGS, node.state) <= node.now + AGAIN
    node.event(messages.Leased(node.now, node.now + 99.0))
    assert not node.event(messages.Tick(), AGAIN / 2).did(messages.Begin)
    assert node.event(messages.Tick(), AGAIN / 2).did(messages.Begin)
    node.event(messages.Begun(node.op(messages.Begin), ""))
    assert node.at == ("demoting", "stopping")
    stopped(node)
    assert node.at == ("maintenance", "") and not node.state.leads_on


def test_by_force_nobody_is_asked(node):
    assert node.primary().event(ASIDE._replace(forced=True)).at == ("demoting", "stopping")


def test_a_primary_goes_on_where_orders_cannot_be_read(node):
    node.primary().event(GARBAGE)
    assert node.at == ("primary", "") and not node.did(messages.Begin)


def test_maintenance_that_is_taken_back_in_time_stops_nothing(node):
    node.primary().event(ASIDE)
    begin = node.op(messages.Begin)
    node.event(messages.OrderNotBegun(begin, "nobody")).event(messages.ControlSeen())
    node.event(messages.Leased(node.now, node.now + 99.0))
    assert not node.event(messages.Tick(), 2 * AGAIN).did(messages.Begin) and node.state.leads_on == ""


def test_a_switchover_is_begun_before_anything_is_stopped_and_its_target_leads(node):
    node.primary().event(SWITCH)
    begin = next(action for action in node.actions if isinstance(action, messages.Begin))
    assert (begin.kind, begin.order) == (control.SWITCHOVER, "s") and not node.did(messages.StopGroup)
    node.event(messages.Begun(begin.op, "n-0000000007"))
    assert node.at == ("demoting", "stopping")
    assert stopped(node).successor == "n-0000000007" and node.state.successor == ""


def test_a_switchover_that_cannot_be_begun_is_dropped(node):
    node.primary().event(SWITCH)
    node.event(messages.OrderNotBegun(node.op(messages.Begin), "c is away"))
    told = next(action for action in node.actions if isinstance(action, messages.TellOutcome))
    assert (told.order, told.ok) == ("s", False) and "c is away" in told.text and node.at == ("primary", "")


def test_a_switchover_is_tried_again_where_zookeeper_did_not_answer(node):
    node.primary().event(SWITCH).event(messages.Leased(node.now, node.now + 99.0))
    node.event(SWITCH)
    node.event(messages.OrderNotBegun(node.state.beginning.op, "no answer", known=False))
    assert not node.did(messages.TellOutcome)
    assert node.event(messages.Tick(), AGAIN).did(messages.Begin)


def test_a_switchover_waits_for_its_time(node):
    node.primary().event(messages.Leased(node.now, node.now + 99.0))
    node.event(SWITCH._replace(due=node.now + 5))
    assert not node.did(messages.Begin) and next_wakeup(SETTINGS, node.state) <= node.now + 5
    assert node.event(messages.Tick(), 5.0).did(messages.Begin)


def test_what_an_earlier_listener_has_begun_is_gone_on_with(node):
    node.primary().event(SWITCH._replace(begun=41, target="n-0000000007"))
    # Its target may have gone since.
    assert node.at == ("primary", "")
    node.event(messages.Begun(node.op(messages.Begin), "n-0000000007"))
    assert node.at == ("demoting", "stopping") and stopped(node).successor == "n-0000000007"


def test_what_ended_another_term_ends_none(node):
    node.primary().event(SWITCH._replace(begun=40, target="n-0000000007"))
    assert node.at == ("primary", "") and not node.did(messages.Begin) and next_wakeup(SETTINGS, node.state) > node.now


def test_who_leads_already_says_so(node):
    node.primary().event(SWITCH._replace(to="self"))
    told = next(action for action in node.actions if isinstance(action, messages.TellOutcome))
    assert told.ok and not node.did(messages.Begin) and node.at == ("primary", "")


def led(node):
    """It claims a term by an order."""
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    node.event(messages.Claimed(node.op(messages.Claim), "", messages.Leased(node.now, node.now + 9.9), "s"))
    return node.event(messages.ServiceStarted(node.op(messages.StartGroup)))


def test_who_ordered_it_is_told_that_the_target_leads(node):
    led(node).event(messages.Tick(), 0.01)
    node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    node.event(messages.Acked(node.op(messages.Ack)))
    told = next(action for action in node.actions if isinstance(action, messages.TellOutcome))
    assert (told.order, told.ok) == ("s", True) and "a:1" in told.text


@pytest.mark.parametrize("event", [messages.MemberFatal("web"), messages.SessionLost("lost"), messages.ProposalLost("gone")])
def test_who_ordered_it_is_told_that_the_target_cannot(node, event):
    led(node).event(event)
    told = [action for action in node.actions if isinstance(action, messages.TellOutcome)]
    assert [(one.order, one.ok) for one in told] == [("s", False)] and "cannot" in told[0].text


def test_an_order_to_resign_waits_for_the_handover_that_is_being_begun(node):
    node.primary().event(ASIDE).event(messages.Resign("t1"))
    node.event(messages.OrderNotBegun(node.state.beginning.op, "nobody"))
    begin = next(action for action in node.actions if isinstance(action, messages.Begin))
    assert begin.kind == control.RESIGNATION
    node.event(messages.Begun(begin.op, ""))
    assert node.at == ("demoting", "stopping") and [one.ticket for one in node.state.resigning] == ["t1"]


def test_another_session_waits_to_know_what_is_ordered(node):
    node.standby().event(messages.SessionLost("lost"))
    node.state, node.actions = role.step(SETTINGS, node.state, UP, node.now)
    assert not node.did(messages.Propose) and node.event(messages.ControlSeen()).did(messages.Propose)


def test_what_was_taken_back_while_it_was_begun_ends_nothing(node):
    node.primary().event(ASIDE)
    begin = node.op(messages.Begin)
    node.event(messages.ControlSeen())
    node.event(messages.Begun(begin, "n-0000000007"))
    assert node.at == ("primary", "") and not node.did(messages.StopGroup)


def test_a_proposal_of_a_former_listener_is_given_up_by_who_may_not_lead(node):
    """It may stand before all others, in a session that goes on."""
    node.event(UP).event(ASIDE)
    node.cleared()
    assert node.at == ("demoting", "releasing")
    node.event(messages.RequestFailed(node.op(messages.Release), True, "there is none"))
    node.event(messages.Tick(), 1.0)
    assert node.at == ("maintenance", "")


def test_who_was_ordered_to_lead_does_not_step_behind(node):
    node.standby()
    node.state = replace(node.state, failed="ill")
    node.event(SWITCH._replace(to="self"))
    node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    assert node.event(messages.Queried(node.op(messages.Query), True, 1, 2)).did(messages.Claim)


def test_a_standby_that_may_not_leave_the_queue_does_not_close_the_session(node):
    """It carries the node's other elections as well."""
    node.standby().event(ASIDE)
    for _ in range(20):
        request = next((action for action in node.actions if isinstance(action, (messages.Release, messages.Withdraw))), None)
        if request is not None:
            node.event(messages.RequestFailed(request.op, False, "no access", True))
        node.event(messages.Tick(), max(0.0, next_wakeup(SETTINGS, node.state) - node.now))
        assert not node.did(messages.EndSession) and node.at == ("demoting", "releasing")


def test_a_switchover_that_went_elsewhere_is_told_as_failed(node):
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    node.event(messages.Claimed(node.op(messages.Claim), "", messages.Leased(node.now, node.now + 9.9), "s", "c"))
    node.event(messages.ServiceStarted(node.op(messages.StartGroup))).event(messages.Tick(), 0.01)
    node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    node.event(messages.Acked(node.op(messages.Ack)))
    told = next(action for action in node.actions if isinstance(action, messages.TellOutcome))
    assert not told.ok and "not c" in told.text


def test_who_has_withdrawn_waits_for_no_order_to_end(node):
    node.standby().event(ASIDE._replace(until=node.now + 5))
    node.event(messages.Released(node.op(messages.Release))).event(messages.Shutdown("SIGTERM", node.now + 9.0))
    assert node.at == ("withdrawn", "") and next_wakeup(SETTINGS, node.state) == INFINITY
def refused(node, orders=ASIDE, why="nobody"):
    """A primary is ordered to hand over, and nobody can take over."""
    node.primary().event(messages.Leased(node.now, node.now + 99.0)).event(orders)
    return node.event(messages.OrderNotBegun(node.op(messages.Begin), why))


def test_who_goes_on_leading_says_so_once_for_each_reason(node):
    said = ("in maintenance, but goes on leading: nobody", "goes on leading")
    assert [tuple(one) for one in refused(node).actions if isinstance(one, messages.Log)] == [said]
    assert node.state.stays_why == "nobody" and node.state.begin_at == node.now + AGAIN
    node.event(messages.Tick(), AGAIN)
    node.event(messages.OrderNotBegun(node.op(messages.Begin), "nobody"))
    assert not node.did(messages.Log)
    node.event(messages.Tick(), AGAIN)
    assert node.event(messages.OrderNotBegun(node.op(messages.Begin), "nobody is guarded")).did(messages.Log)


def test_the_same_orders_seen_again_hurry_nothing_and_others_do(node):
    refused(node).event(ASIDE, 0.1)
    assert not node.did(messages.Begin) and node.state.stays_why == "nobody" and node.state.begin_at > node.now
    node.event(ASIDE._replace(bar_id="other"), 0.1)
    assert node.did(messages.Begin) and node.state.stays_why == "" and node.state.begin_at == node.now


@pytest.mark.parametrize("stand", ["standby", "primary"])
def test_of_an_order_that_is_over_nothing_is_left(node, stand):
    orders = ASIDE._replace(until=node.now + 5)
    if stand == "primary":
        refused(node, orders)
    else:
        node.standby().event(orders._replace(forced=True))
    node.event(messages.Tick(), 5.0)
    assert node.state.orders == messages.ControlSeen() and node.state.stays_why == "" and node.state.leads_on == ""


def test_a_handover_is_numbered_as_each_request_and_tells_its_order(node):
    node.primary()
    number = node.state.op
    node.event(ASIDE)
    assert node.actions[-1] == messages.Begin(number + 1, control.STAND_ASIDE, "m") and node.state.op == number + 1


def test_an_answer_to_another_handover_is_none(node):
    node.primary().event(messages.Leased(node.now, node.now + 99.0))
    before = node.state
    assert node.event(messages.OrderNotBegun(0, "x")).state == before
    node.event(ASIDE)
    before = node.state
    for number in (before.beginning.op - 1, before.beginning.op + 1):
        assert node.event(messages.OrderNotBegun(number, "x")).state == node.event(messages.Begun(number, "")).state == before


def test_who_leads_already_says_so_and_looks_again_later(node):
    node.primary().event(SWITCH._replace(to="self"))
    assert messages.TellOutcome("s", True, "self led already") in node.actions and node.state.begin_at == node.now + AGAIN


@pytest.mark.parametrize("to, reason", [("c", "switched over to c by order"), ("", "switched over to the next node by order")])
def test_a_term_that_is_switched_over_ends_for_that_reason(node, to, reason):
    node.primary().event(SWITCH._replace(to=to))
    assert node.event(messages.Begun(node.op(messages.Begin), "n-0000000007")).state.reason == reason


@pytest.mark.parametrize("event, why", [
    (messages.MemberFatal("web"), "the program web is in FATAL"), (messages.SessionLost("lost"), "lost"),
])
def test_why_the_target_cannot_lead_is_told_once(node, event, why):
    led(node).event(event)
    assert messages.TellOutcome("s", False, f"self was to lead, and cannot: {why}") in node.actions and node.state.order == ""


@pytest.mark.parametrize("event", [messages.Rivalled("a7 leads"), messages.SessionLost("lost")])
def test_why_the_target_could_not_even_begin_is_told(node, event):
    node.promoting()
    node.state = replace(node.state, order="s")
    node.event(event)
    assert messages.TellOutcome("s", False, f"self was to lead, and cannot: {event.reason}") in node.actions


def test_that_the_target_leads_is_told_once(node):
    led(node).event(messages.Tick(), 0.01)
    node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    assert node.event(messages.Acked(node.op(messages.Ack))).state.order == ""


def test_a_resignation_that_is_over_begins_no_handover(node):
    node.primary().event(messages.Leased(node.now, node.now + 99.0)).event(ASIDE)
    node.state = replace(node.state, resigning=(Resigning("t1", 90.0, 40, left_at=91.0),))
    assert not node.event(messages.OrderNotBegun(node.op(messages.Begin), "nobody")).did(messages.Begin)


def test_a_handover_goes_on_for_a_resignation_that_came_later(node):
    node.primary().event(messages.Leased(node.now, node.now + 99.0)).event(messages.Resign("t1"))
    begin = node.actions[-1]
    assert begin == messages.Begin(node.state.op, control.RESIGNATION, "t1")
    node.event(messages.Resign("t2"), 1.0).event(messages.Tick(), LOOK_LIMIT - 1.0)
    assert [one.ticket for one in node.state.resigning] == ["t2"] and node.state.beginning.op == begin.op
    assert node.event(messages.Begun(begin.op, "")).at == ("demoting", "stopping")


@pytest.mark.parametrize("orders, claims", [
    (messages.ControlSeen(order="s", to="c", begun=40, target="n-0000000050"), True), (messages.ControlSeen(order="s", to="self"), True),
    (messages.ControlSeen(order="s", to="c", begun=40, target="n-0000000007"), False), (messages.ControlSeen(order="s", to="c"), False),
    (messages.ControlSeen(order="s", to="c", target="n-0000000050"), False), (messages.ControlSeen(to="self"), False),
])
def test_who_is_ordered_to_lead_does_not_step_behind_although_it_failed(node, orders, claims):
    leads(failed(node).event(orders))
    assert node.did(messages.Claim) == claims == (not node.did(messages.StepBehind))


@pytest.mark.parametrize("missed, told", [("", (True, "self leads at a:1")), ("c", (False, "self leads at a:1, and not c"))])
def test_who_leads_after_an_order_is_told(node, missed, told):
    led(node).event(messages.Tick(), 0.01)
    node.state = replace(node.state, order_missed=missed)
    node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    assert messages.TellOutcome("s", *told) in node.event(messages.Acked(node.op(messages.Ack))).actions


def test_a_standby_that_may_not_leave_the_queue_asks_on_and_closes_no_session(node):
    node.standby().event(ASIDE)
    counts = []
    for _ in range(6):
        node.event(messages.RequestFailed(node.state.waiting, False, "no access", refused=True))
        counts.append(node.state.refusals)
        node.event(messages.Tick(), 2.0)
    assert counts == [1, 0, 1, 0, 1, 0] and node.at == ("demoting", "releasing") and not node.state.ending


def test_a_term_ends_by_the_order_of_somebody_and_for_his_reason(node):
    node.primary().event(SWITCH._replace(to="c", said=" of root@h: disk"))
    assert node.event(messages.Begun(node.op(messages.Begin), "n-0000000007")).state.reason == "switched over to c by order of root@h: disk"


def test_that_it_has_left_the_queue_for_an_order_is_told(node):
    node.standby().event(ASIDE)
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at[0] == "maintenance" and messages.TellOutcome("m", True, "self left the queue") in node.actions


def fencing(node, fenced=False):
    """A node that leads, while the fence against a former primary fails."""
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 3))
    node.event(messages.Dirty(node.op(messages.Claim), "b", "b:1", 30))
    return node.event(messages.Fenced(node.op(messages.Fence), fenced, "no answer"))


def test_a_switchover_ordered_while_a_fence_fails_is_begun(node):
    """A fence may fail for as long as nobody mends it; another node's may not."""
    fencing(node).event(SWITCH)
    begin = next(action for action in node.actions if isinstance(action, messages.Begin))
    assert (begin.kind, begin.order) == (control.SWITCHOVER, "s")
    node.event(messages.Begun(begin.op, "n-0000000003"))
    node.event(messages.Dead(node.state.waiting, 0.0))
    assert next(action for action in node.actions if isinstance(action, messages.Release)).successor == "n-0000000003"


def test_a_switchover_that_a_former_listener_has_begun_in_this_term_starts_nothing(node):
    """It has ended in the middle of the stop."""
    node.cleared()
    node.state, node.actions = role.step(SETTINGS, node.state, UP, node.now)
    node.event(SWITCH._replace(begun=41, target="n-0000000003"))
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41, found=True, term=41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 3))
    assert node.did(messages.Release) and not node.did(messages.Claim) and not node.did(messages.StartGroup)


@pytest.mark.parametrize("missed", ["", "c", "another node"])
def test_an_order_that_led_to_a_term_and_stands_still_is_told_until_it_is_gone(node, missed):
    """Where this node could not take it out of the control, nobody could give another one for ever."""
    node.primary().event(messages.Leased(node.now, node.now + 99.0))
    node.event(SWITCH._replace(begun=7, missed=missed))
    for _ in range(3):
        told = next(action for action in node.actions if isinstance(action, messages.TellOutcome))
        assert (told.order, told.ok) == ("s", not missed) and told.text.endswith(missed)
        assert node.at == ("primary", "") and not node.did(messages.Begin) and next_wakeup(SETTINGS, node.state) <= node.now + AGAIN
        node.event(messages.Tick(), AGAIN)


@pytest.mark.parametrize("failed", ["refused", "leftover"])
def test_a_node_that_cannot_propose_can_be_put_into_maintenance(node, failed):
    """And asks no more to propose, nor is it taken for another one of its name meanwhile."""
    node.cleared().event(UP)
    op = node.op(messages.Propose)
    node.event(messages.RequestFailed(op, False, "denied", True) if failed == "refused" else messages.DuplicateNodeName(op, "n-7"))
    node.event(ASIDE)
    node.event(messages.RequestFailed(node.op(messages.Release), True, "there is none"))
    assert node.at == ("maintenance", "")
    for _ in range(5):
        assert not node.event(messages.Tick(), 10.0).did(messages.Propose) and not node.did(messages.Quit)


@pytest.mark.parametrize("lease", ["over", "ends"])
def test_the_proposal_of_a_term_that_ended_before_its_session_was_heard_of_is_given_up_for_maintenance(node, lease):
    """It stands at the head of the queue for as long as the session lives, and nobody behind it leads."""
    node.state, node.actions = role.inherit(node.now, 41, node.now + (5.0 if lease == "ends" else 0.0))
    node.event(messages.Tick(), 5.0)
    stop = next(one for one in node.actions if isinstance(one, (messages.StopGroup, messages.KillGroup)))
    node.event(messages.Dead(stop.op, 0.1))
    assert node.at == ("detached", "waiting")
    node.state, _ = role.step(SETTINGS, node.state, UP, node.now)
    node.event(ASIDE)
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at == ("maintenance", "")


def test_what_was_to_come_of_a_term_that_a_pause_keeps_from_beginning_goes_with_it(node):
    """The answer comes when nobody waits for it any more, and all orders of the next term would wait for it."""
    fencing(node).event(messages.Resign("t"))
    begin = node.op(messages.Begin)
    node.event(messages.ControlSeen(pause=pause_messages.PauseSeen("p", "paused", True, stamp=(1, 2))))
    assert node.at == ("standby", "watching")
    node.event(messages.OrderNotBegun(begin, "this election is paused"))
    assert node.state.beginning is None
