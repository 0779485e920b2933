"""The role machine, step by step: what counts in each, and what is asked for again."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import messages, role, roles
from supervisor_zkelect.core.service import DELAY_FACTOR, FIRST_DELAY
from supervisor_zkelect.core.state import INFINITY, next_wakeup
from supervisor_zkelect.core.turn import RETRY_FIRST, RETRY_MOST
from tests.unit.core.test_role import SETTINGS, UP, Node, dirty, unknown


@pytest.fixture
def node():
    return Node()


def answer(node, request, event, *more):
    """Have the request that the node has just made answered."""
    return node.event(event(node.op(request), *more))


def inherited(token=41, deadline=9.0):
    node = Node()
    node.state, node.actions = role.inherit(node.now, token, node.now + deadline)
    return node


# Requests


def test_requests_are_numbered_upwards_from_where_they_begin():
    state, (action,) = role.begin(100.0, 6)
    assert (action, state.op, state.waiting) == (messages.EnsureDead(7), 7, 7)
    assert role.begin(100.0)[1] == [messages.EnsureDead(1)]
    state, actions = role.inherit(100.0, 41, 109.0, 6)
    assert (state.op, state.token, state.inherited, state.deadline, actions) == (6, None, 41, 109.0, [])
    assert (state.role, state.step, state.since, state.reason) == (roles.DETACHED, "waiting", 100.0, "taken over")
    state, actions = role.step(SETTINGS, state, UP, 100.0)
    assert actions == [messages.Propose(7)] and (state.op, state.waiting) == (7, 7)


@pytest.mark.parametrize("request_, prepare", [
    (messages.Propose, lambda node: node.cleared().event(UP)),
    (messages.Query, lambda node: answer(node.cleared().event(UP), messages.Propose, messages.Proposed, "n-1", 41)),
    (messages.Claim, lambda node: answer(
        answer(node.cleared().event(UP), messages.Propose, messages.Proposed, "n-1", 41), messages.Query, messages.Queried, True, 1, 2)),
    (messages.Release, lambda node: answer(node.primary().event(messages.MemberFatal("web")), messages.StopGroup, messages.Dead, 0.1)),
])
def test_a_request_that_fails_is_made_again_after_ever_longer_waits(node, request_, prepare):
    prepare(node)
    wait = RETRY_FIRST
    for _ in range(9 if request_ is not messages.Release else 5):
        number = node.op(request_)
        at = node.at
        node.event(messages.RequestFailed(number, False, "no answer"))
        assert node.at == at and not node.actions and node.state.waiting == 0 and node.state.trouble == "no answer"
        assert next_wakeup(SETTINGS, node.state) == node.state.retry_at == pytest.approx(node.now + wait)
        assert not node.event(messages.Tick(), after=wait / 2).did(request_)
        # An answer that comes after all is about something that is over.
        before = node.state
        assert node.event(messages.RequestFailed(number, True, "gone")).state == before
        node.event(messages.Tick(), after=wait / 2 + 1e-9)
        assert node.op(request_) > number and node.state.retry_at == INFINITY
        wait = min(2 * wait, RETRY_MOST)
    assert wait == RETRY_MOST or request_ is messages.Release


def test_an_ack_that_fails_is_written_again(node):
    node.probing().event(messages.Tick(), after=0.01)
    answer(node, messages.Probe, messages.Probed, True, "ok")
    answer(node, messages.Ack, messages.RequestFailed, False, "no answer")
    assert node.event(messages.Tick(), after=RETRY_FIRST + 0.001).did(messages.Ack)


def test_a_fence_and_a_claim_that_are_made_again_are_the_same():
    node = dirty(Node())
    first = node.actions[-1]
    answer(node, messages.Fence, messages.Fenced, False, "exit status 1")
    again = node.event(messages.Tick(), after=RETRY_FIRST + 0.001).actions[-1]
    assert type(again) is messages.Fence and again[1:] == first[1:] == ("b", "b:1", 40)
    answer(node, messages.Fence, messages.Fenced, True, "exit status 0")
    first = node.actions[-1]
    answer(node, messages.Claim, messages.RequestFailed, False, "no answer")
    again = node.event(messages.Tick(), after=RETRY_FIRST + 0.001).actions[-1]
    assert type(again) is messages.Claim and again.fenced == first.fenced == 40


def test_a_connection_that_is_back_asks_at_once(node):
    node.cleared().event(UP)
    answer(node, messages.Propose, messages.RequestFailed, False, "no connection")
    node.event(messages.SessionDown())
    assert not node.state.up and node.state.alive
    assert node.event(UP._replace(fresh=False)).did(messages.Propose)
    # Where nothing is to be asked again nothing is.
    assert not node.event(UP._replace(fresh=False)).actions


def test_what_a_session_is_granted_is_kept(node):
    node.cleared().event(messages.SessionUp(True, 2.5, 14.0, 10.0, 1.5))
    state = node.state
    assert (state.up, state.alive, state.grace, state.wait_out, state.timeout, state.margin) == (True, True, 2.5, 14.0, 10.0, 1.5)
    node.event(messages.SessionUp(False, 0.0, 15.0, 11.0, 1.0))
    state = node.state
    assert (state.grace, state.wait_out, state.timeout, state.margin, state.trouble) == (0.0, 15.0, 11.0, 1.0, "")


def test_a_session_that_is_lost_is_neither_up_nor_alive(node):
    node.standby().event(messages.SessionLost("expired"))
    assert (node.state.up, node.state.alive, node.state.ending) == (False, False, False)


def test_a_proposal_that_is_gone_when_it_is_asked_for_waits_a_moment(node):
    node.cleared().event(UP)
    answer(node, messages.Propose, messages.Proposed, "n-1", 41)
    answer(node, messages.Query, messages.RequestFailed, True, "the proposal is gone")
    assert node.at == ("detached", "waiting") and not node.did(messages.Propose) and node.state.proposal is None
    assert node.state.not_before == node.now + RETRY_FIRST
    assert node.event(messages.Tick(), after=RETRY_FIRST).did(messages.Propose)


# The start of a group


def test_a_lease_must_last_for_the_margin_before_a_group_is_started(node):
    node.cleared().event(UP._replace(margin=1.0))
    answer(node, messages.Propose, messages.Proposed, "n-1", 41)
    answer(node, messages.Query, messages.Queried, True, 1, 2)
    answer(node, messages.Claim, messages.Claimed, "")
    # 0.3 s are for the kill, 2 s for the stop.
    assert not node.event(messages.Leased(node.now, node.now + 3.3)).did(messages.StartGroup)
    node.event(messages.Leased(node.now, node.now + 3.31))
    assert node.did(messages.StartGroup) and node.at == ("promoting", "starting") and node.state.healthy_by == node.now + 60.0


def test_a_group_that_runs_already_goes_on_under_any_lease_that_it_has():
    node = inherited().event(UP._replace(margin=1.0))
    answer(node, messages.Propose, messages.Proposed, "n-1", 41)
    assert node.state.led
    answer(node, messages.Query, messages.Queried, True, 1, 2)
    node.now += 6.5
    answer(node, messages.Claim, messages.Claimed, "")
    node.event(messages.Leased(node.now, node.now + 2.5))
    assert node.at == ("promoting", "probing") and node.state.inherited is None and not node.did(messages.StartGroup)
    assert node.state.healthy_by == node.now + 60.0
    assert node.event(messages.Tick(), after=FIRST_DELAY + 0.001).did(messages.Probe)


def test_a_lease_that_was_inherited_counts_until_another_is_there(node):
    node = inherited(deadline=9.0).event(UP)
    answer(node, messages.Propose, messages.Proposed, "n-1", 41)
    answer(node, messages.Query, messages.Queried, True, 1, 2)
    assert node.state.deadline == node.now + 9.0
    fresh = Node().promoting()
    assert fresh.state.deadline == -INFINITY and fresh.state.claimed_at == fresh.now


def test_a_group_is_probed_ever_less_often_until_it_is_healthy(node):
    node.probing().event(messages.Leased(node.now, node.now + 999.0))
    wait, waits = FIRST_DELAY, []
    for _ in range(20):
        waits.append(next_wakeup(SETTINGS, node.state) - node.now)
        assert waits[-1] == pytest.approx(min(wait, SETTINGS.health_interval))
        wait *= DELAY_FACTOR
        node.event(messages.Tick(), after=waits[-1] + 1e-9)
        answer(node, messages.Probe, messages.Probed, False, "refused")
    assert waits[-1] == pytest.approx(SETTINGS.health_interval)
    # The next promotion begins anew.
    node.event(messages.StoppedByHand("web"))
    assert (node.state.probing, node.state.probe_at, node.state.healthy_by) == (0, INFINITY, INFINITY)


def test_an_answer_of_a_probe_counts_once(node):
    node.primary().event(messages.Tick(), after=1.0)
    number = node.op(messages.Probe)
    for _ in range(9):
        node.event(messages.Probed(number, False, "refused"))
    assert node.at == ("primary", "") and node.state.counter.failures == 1 and node.state.probing == 0


def test_a_group_that_is_being_acked_is_probed_and_acked_once(node):
    node.probing().event(messages.Tick(), after=0.01)
    answer(node, messages.Probe, messages.Probed, True, "ok")
    assert node.at == ("promoting", "acking")
    node.event(messages.Tick(), after=0.1)
    answer(node, messages.Probe, messages.Probed, False, "refused")
    assert node.at == ("promoting", "acking") and not node.did(messages.Ack)
    node.event(messages.Tick(), after=0.1)
    answer(node, messages.Probe, messages.Probed, True, "ok")
    assert not node.did(messages.Ack) and next_wakeup(SETTINGS, node.state) > node.now


def test_a_primary_is_probed_at_its_interval(node):
    node.primary().event(messages.Leased(node.now, node.now + 999.0))
    node.event(messages.Tick(), after=1.0)
    for ok in (True, False, True):
        answer(node, messages.Probe, messages.Probed, ok, "")
        assert next_wakeup(SETTINGS, node.state) == node.now + SETTINGS.health_interval
        node.event(messages.Tick(), after=SETTINGS.health_interval)


def test_that_a_program_changes_hurries_no_health_check_of_a_primary(node):
    node.primary()
    before = node.state.probe_at
    assert node.event(messages.MemberChanged(), after=0.001).state.probe_at == before > node.now


def test_after_the_ack_a_node_is_well(node):
    node.primary()
    state = node.state
    assert (state.trouble, state.failed, state.token, state.stuck) == ("", "", 41, False)
    assert state.counter.rise == SETTINGS.rise and state.counter.fall == SETTINGS.fall and state.counter.healthy


# A predecessor that is fenced


def test_after_a_fence_a_promotion_has_its_time_again():
    node = dirty(Node())
    answer(node, messages.Fence, messages.Fenced, False, "exit status 1")
    node.event(messages.Tick(), after=500.0)
    assert node.at == ("promoting", "fencing")
    answer(node, messages.Fence, messages.Fenced, True, "exit status 0")
    assert node.state.healthy_by == node.now + SETTINGS.promote_timeout and node.state.trouble == ""
    answer(node, messages.Claim, messages.Claimed, "")
    assert node.event(messages.Tick(), after=59.9).at[0] == "promoting"
    assert node.event(messages.Tick(), after=0.1).at[0] == "demoting"


def test_while_an_unknown_predecessor_is_waited_for_no_answer_is():
    node = unknown()
    assert node.state.waiting == 0 and node.state.quiet_until == node.now + UP.timeout
    for number in range(1, 9):
        node.event(messages.Claimed(number, ""))
    assert node.at == ("promoting", "claiming")
    assert node.state.healthy_by == node.now + UP.timeout + SETTINGS.promote_timeout


# Other hands


@pytest.mark.parametrize("stand", ["standby", "promoting"])
@pytest.mark.parametrize("event", [
    messages.MemberFatal("web"), messages.StoppedByHand("web"), messages.GrantRevoked("x"), messages.Stuck("x"),
])
def test_news_of_a_group_that_does_not_run_here_move_nothing(node, stand, event):
    before = getattr(node, stand)().state
    assert node.event(event).state == before


@pytest.mark.parametrize("event", [messages.MemberFatal("web"), messages.StoppedByHand("web"), messages.GrantRevoked("x")])
def test_news_of_a_group_that_is_being_stopped_change_nothing(node, event):
    node.primary().event(messages.Rivalled("x"))
    before = node.state
    assert node.event(event).state == before and not node.actions


def test_a_group_that_was_inherited_is_not_one_that_was_started_by_hand():
    node = inherited().event(UP)
    assert not node.event(messages.StartedByHand("web")).actions and not node.state.cleaning


def test_what_is_started_by_hand_is_killed_and_proven_dead(node):
    node.standby().event(messages.StartedByHand("web"))
    number = node.op(messages.KillGroup)
    assert node.state.cleaning == number > 0
    node.event(messages.Stuck("killed and not gone"))
    assert node.state.stuck and node.state.trouble == "killed and not gone"
    node.event(messages.Dead(number - 1, 0.1))
    assert node.state.cleaning == number
    node.event(messages.Dead(number, 0.1))
    assert not node.state.cleaning and not node.state.stuck and node.state.trouble == "" and node.at == ("standby", "watching")


def test_a_group_that_would_not_die_is_told_until_it_is_dead(node):
    node.primary().event(messages.Rivalled("x"))
    number = node.op(messages.StopGroup)
    node.event(messages.Stuck("killed and not gone"))
    assert node.state.stuck and node.state.trouble == "killed and not gone"
    node.event(messages.Dead(number, 0.1))
    assert not node.state.stuck and node.state.trouble == ""
    first = Node()
    first.event(messages.Stuck("killed and not gone"))
    assert first.state.stuck
    first.cleared()
    assert not first.state.stuck and first.at == ("detached", "waiting")


def test_settings_of_a_probe_that_change_count_from_the_next_one(node):
    node.primary()
    counter = node.state.counter
    node.settings = replace(SETTINGS, rise=4, fall=5)
    node.event(messages.Reconfigured(False))
    assert node.state.counter == replace(counter, rise=4, fall=5) and node.state.failed == ""
