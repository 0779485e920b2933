"""Whom a node lets go first, and to whom a primary hands back, rule by rule."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import control, messages, role
from supervisor_zkelect.core.priority import BACK_MOST
from supervisor_zkelect.core.state import INFINITY, next_wakeup
from tests.unit.core.test_role import SETTINGS, UP, Node

T = UP.timeout


@pytest.fixture
def node():
    return Node()


def proposed(node, **more):
    node.cleared().event(UP)
    return node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41, **more))


def queried(node, leads=False, place=2, **more):
    return node.event(messages.Queried(node.op(messages.Query), leads, place, 3, **more))


def stepped(node, term, **more):
    """It has stepped behind, while the term with this token went on."""
    node.event(messages.Proposed(node.op(messages.StepBehind), "n-0000000005", 45, term=term, **more))
    return node


def test_the_next_in_line_steps_behind_a_better_one(node):
    queried(proposed(node), better="n-0000000002", term=40)
    step = next(action for action in node.actions if isinstance(action, messages.StepBehind))
    assert node.at == ("standby", "stepping") and step.better == "n-0000000002"
    assert any("n-0000000002, whose priority is higher" in one.text for one in node.actions if isinstance(one, messages.Log))


def test_nobody_else_does(node):
    assert queried(proposed(node), place=3, better="n-0000000002", term=40).at == ("standby", "watching")
    assert next_wakeup(SETTINGS, node.state) == INFINITY
    node.event(messages.Tick(), 5 * T)
    assert not node.did(messages.LookBehind)


def test_who_leads_steps_behind_a_better_one_before_it_claims(node):
    queried(proposed(node), leads=True, place=1, better="n-0000000002")
    assert node.did(messages.StepBehind) and not node.did(messages.Claim)


def test_the_next_in_line_looks_every_t(node):
    queried(proposed(node))
    assert not node.event(messages.Tick(), T - 0.1).did(messages.LookBehind)
    assert node.event(messages.Tick(), 0.1).did(messages.LookBehind)
    look = next(action for action in node.actions if isinstance(action, messages.LookBehind))
    assert look.stood is None and next_wakeup(SETTINGS, node.state) == node.now + T
    # A former answer counts no more.
    assert node.event(messages.BehindSeen(look.op - 1, "n-0000000002", "c", 40)).at == ("standby", "watching")
    assert node.event(messages.BehindSeen(look.op, "", "", 40)).at == ("standby", "watching")
    node.event(messages.Tick(), T)
    node.event(messages.BehindSeen(node.op(messages.LookBehind), "n-0000000002", "c", 40))
    assert node.at == ("standby", "stepping") and node.did(messages.StepBehind)


def test_without_a_connection_it_does_not_look(node):
    queried(proposed(node)).event(messages.SessionDown())
    assert next_wakeup(SETTINGS, node.state) == INFINITY and not node.event(messages.Tick(), 2 * T).did(messages.LookBehind)


def test_between_two_claims_it_steps_once(node):
    queried(proposed(node), better="n-0000000002", term=40)
    queried(stepped(node, 40), better="n-0000000006", term=40)
    assert node.at == ("standby", "watching")
    node.event(messages.Tick(), T)
    node.event(messages.BehindSeen(node.op(messages.LookBehind), "n-0000000006", "d", 40))
    assert node.at == ("standby", "watching")
    # Another one has claimed a term since.
    node.event(messages.Tick(), T)
    node.event(messages.BehindSeen(node.op(messages.LookBehind), "n-0000000006", "d", 42))
    assert node.at == ("standby", "stepping")


@pytest.mark.parametrize("term, acked, again", [(40, False, False), (40, True, False), (0, True, False), (42, False, True)])
def test_that_the_ack_was_written_since_proves_no_claim_where_somebody_led_at_the_step(node, term, acked, again):
    """The release of the one who led then empties it."""
    queried(proposed(node), better="n-0000000002", term=40)
    queried(stepped(node, 40), leads=True, place=1, better="n-0000000006", term=term, acked=acked)
    assert node.did(messages.StepBehind) == again and node.did(messages.Claim) != again


@pytest.mark.parametrize("term, acked, again", [(0, False, False), (0, True, True), (39, False, False), (42, False, True)])
def test_where_nobody_led_at_the_step_it_does(node, term, acked, again):
    queried(proposed(node), leads=True, place=1, better="n-0000000002", term=39)
    queried(stepped(node, 39), leads=True, place=1, better="n-0000000006", term=term, acked=acked)
    assert node.did(messages.StepBehind) == again


def test_its_own_claim_makes_room_for_another_step(node):
    queried(proposed(node), leads=True, place=1, better="n-0000000002")
    queried(stepped(node, 0), leads=True, place=1)
    assert node.did(messages.Claim)
    node.event(messages.RequestFailed(node.op(messages.Claim), True, "gone"))
    node.event(messages.Tick(), 1.0)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000009", 49))
    assert queried(node, leads=True, place=1, better="n-0000000006").did(messages.StepBehind)


def test_a_proposal_that_was_found_may_have_stepped(node):
    queried(proposed(node, term=40, found=True), better="n-0000000002", term=40)
    assert node.at == ("standby", "watching")


@pytest.mark.parametrize("orders", [
    messages.ControlSeen(order="s", to="self"), messages.ControlSeen(order="s", begun=40, target="n-0000000001"),
])
def test_who_is_to_lead_by_order_keeps_its_place(node, orders):
    proposed(node).event(orders)
    node.event(messages.Queried(node.state.waiting, False, 2, 3, better="n-0000000002", term=40))
    assert node.at == ("standby", "watching")
    node.event(messages.Tick(), T)
    node.event(messages.BehindSeen(node.op(messages.LookBehind), "n-0000000002", "c", 40))
    assert node.at == ("standby", "watching")


def test_who_could_not_step_claims(node):
    queried(proposed(node), leads=True, place=1, better="n-0000000002")
    node.event(messages.Stayed(node.op(messages.StepBehind), "it is gone"))
    assert queried(node, leads=True, place=1, better="n-0000000002").did(messages.Claim)


def test_a_step_that_failed_is_made_again_behind_the_same(node):
    queried(proposed(node), better="n-0000000002", term=40)
    node.event(messages.RequestFailed(node.op(messages.StepBehind), False, "no answer"))
    node.event(messages.Tick(), 1.0)
    assert next(one for one in node.actions if isinstance(one, messages.StepBehind)).better == "n-0000000002"


def test_a_term_that_goes_on_steps_behind_nobody():
    node = Node()
    node.state, node.actions = role.inherit(node.now, 41, node.now + 9.0)
    node.event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41, found=True))
    assert queried(node, leads=True, place=1, better="n-0000000002", term=99).did(messages.Claim)


def test_another_priority_is_another_proposal(node):
    queried(proposed(node))
    node.settings = replace(SETTINGS, priority=200)
    assert node.event(messages.Reconfigured(False)).at == ("standby", "stepping")
    queried(stepped(node, 40, priority=200))
    assert node.at == ("standby", "watching") and not node.event(messages.Tick(), 1.0).did(messages.StepBehind)


def test_a_primary_leads_on_with_another_priority(node):
    node.primary()
    for priority in (200, 50, 0):
        node.settings = replace(SETTINGS, priority=priority)
        node.event(messages.Leased(node.now, node.now + 99.0)).event(messages.Reconfigured(False))
        assert node.at == ("primary", "") and not node.did(messages.StepBehind)


def test_with_priority_0_it_stands_in_no_queue(node):
    node.settings = replace(SETTINGS, priority=0)
    node.cleared().event(UP)
    assert not node.did(messages.Propose) and "never leads" in node.state.aside


@pytest.mark.parametrize("at", ["standby", "promoting"])
def test_with_priority_0_it_leaves_the_queue_before_anything_is_started(node, at):
    getattr(node, at)()
    node.settings = replace(SETTINGS, priority=0)
    assert node.event(messages.Reconfigured(False)).did(messages.Release) and node.at == ("demoting", "releasing")
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at == ("detached", "waiting") and "priority = 0" in node.state.reason
    node.settings = SETTINGS
    assert node.event(messages.Reconfigured(False)).did(messages.Propose)


# Failback

BACK = replace(SETTINGS, failback=30.0)


def primary(node, **claimed):
    node.settings = BACK
    return node.primary().event(messages.Leased(node.now, node.now + 999.0))


def test_a_primary_hands_back_to_a_better_node(node):
    primary(node)
    assert not node.event(messages.Tick(), T - 0.1).did(messages.LookBehind)
    look = next(one for one in node.event(messages.Tick(), 0.1).actions if isinstance(one, messages.LookBehind))
    assert look.stood == 30.0
    node.event(messages.BehindSeen(look.op, "n-0000000002", "c"))
    begin = next(one for one in node.actions if isinstance(one, messages.Begin))
    assert (begin.kind, begin.order) == (control.FAILBACK, "n-0000000002") and not node.did(messages.StopGroup)
    node.event(messages.Begun(begin.op, "n-0000000002"))
    assert node.at == ("demoting", "stopping") and node.state.reason == "hands back to c, whose priority is higher"


def test_without_the_option_it_hands_back_to_nobody(node):
    node.primary().event(messages.Leased(node.now, node.now + 999.0))
    assert not node.event(messages.Tick(), 2 * T).did(messages.LookBehind)


def looked(node):
    node.event(messages.Tick(), T)
    return node.event(messages.BehindSeen(node.op(messages.LookBehind), "n-0000000002", "c"))


@pytest.mark.parametrize("orders", [
    messages.ControlSeen(order="s", to="b", due=1e9), messages.ControlSeen("in maintenance", bar_id="m"), messages.ControlSeen("garbage"),
])
def test_it_undoes_no_order(node, orders):
    primary(node).event(orders)
    if node.state.beginning is not None:
        node.event(messages.OrderNotBegun(node.state.beginning.op, "nobody"))
    assert node.at == ("primary", "")
    looked(node)
    assert not any(isinstance(one, messages.Begin) and one.kind == control.FAILBACK for one in node.actions)


def test_where_it_cannot_be_begun_that_is_said_and_it_is_looked_for_again(node):
    looked(primary(node))
    node.event(messages.OrderNotBegun(node.op(messages.Begin), "it is gone"))
    assert node.at == ("primary", "") and logged(node) == ["does not hand back: it is gone"] and node.state.begin_at <= node.now
    assert looked(node).did(messages.Begin)


def test_what_operators_order_meanwhile_waits_for_its_answer(node):
    looked(primary(node))
    begin = node.op(messages.Begin)
    node.event(messages.ControlSeen(order="s", to="b"))
    assert node.state.beginning.kind == control.FAILBACK and not node.did(messages.Begin)
    assert node.event(messages.OrderNotBegun(begin, "ordered")).did(messages.Begin)
    assert node.state.beginning.kind == control.SWITCHOVER


def test_a_proposal_that_a_lost_step_may_have_left_is_given_up_where_the_node_is_to_stand_in_no_queue(node):
    queried(proposed(node), better="n-0000000002", term=40)
    node.event(messages.RequestFailed(node.state.waiting, True, "gone"))
    assert node.at == ("detached", "waiting") and node.state.unadopted
    node.event(messages.ControlSeen("in maintenance", bar_id="m"))
    assert node.at == ("demoting", "releasing") and node.did(messages.Release)


def test_else_it_is_looked_for(node):
    queried(proposed(node), better="n-0000000002", term=40)
    assert node.event(messages.ProposalLost("its proposal was deleted")).did(messages.Propose)


def test_with_the_session_it_is_gone(node):
    queried(proposed(node), better="n-0000000002", term=40)
    assert not node.event(messages.SessionLost("expired")).state.unadopted


def failed(node):
    node.state = replace(node.state, failed="sick")
    return node


@pytest.mark.parametrize("acked, passes", [(True, True), (False, False)])
def test_one_that_failed_and_stepped_as_next_in_line_lets_the_others_try_where_somebody_was_acked_since(node, acked, passes):
    queried(failed(proposed(node)), better="n-0000000002", term=40)
    queried(stepped(node, 40), leads=True, place=1, acked=acked)
    assert node.did(messages.StepBehind) == passes and node.did(messages.Claim) != passes


def test_one_that_failed_and_could_not_step_claims(node):
    queried(failed(proposed(node)), leads=True, place=1)
    node.event(messages.Stayed(node.op(messages.StepBehind), "in maintenance"))
    assert queried(node, leads=True, place=1).did(messages.Claim)


def test_another_priority_that_cannot_be_proposed_is_tried_again_after_t(node):
    queried(proposed(node), place=3)
    node.settings = replace(SETTINGS, priority=200)
    node.event(messages.Reconfigured(False))
    node.event(messages.Stayed(node.op(messages.StepBehind), "in maintenance"))
    queried(node, place=3)
    assert node.at == ("standby", "watching") and next_wakeup(node.settings, node.state) == node.now + T
    assert not node.event(messages.Tick(), T - 0.1).did(messages.StepBehind)
    assert node.event(messages.Tick(), 0.1).did(messages.StepBehind)


def logged(node):
    return [one.text for one in node.actions if isinstance(one, messages.Log)]


def test_where_nobody_may_be_handed_to_it_looks_ever_more_seldom_and_says_so_once(node):
    primary(node)
    paces, said = [], []
    for _ in range(6):
        before = node.now
        while not node.event(messages.Tick(), 1.0).did(messages.LookBehind):
            pass
        paces.append(round(node.now - before))
        node.event(messages.BehindSeen(node.op(messages.LookBehind), kept="c: its last term has failed"))
        said += logged(node)
    assert paces == [T, T, 2 * T, 4 * T, BACK_MOST, BACK_MOST]
    assert said == ["does not hand back: c: its last term has failed"]
    # It may be forgiven.
    node.event(messages.ControlSeen())
    assert node.state.behind_at == node.now + T
    node.event(messages.BehindSeen(node.state.looking_behind, kept="c: its last term has failed"))
    node.event(messages.Tick(), BACK_MOST)
    node.event(messages.BehindSeen(node.op(messages.LookBehind), "n-0000000002", "c"))
    assert node.did(messages.Begin)
