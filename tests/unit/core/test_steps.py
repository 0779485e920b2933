"""The role machine, step by step: what counts in each, and what is asked for again."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import messages, role, roles
from supervisor_zkelect.core.service import DELAY_FACTOR, FIRST_DELAY, Counter
from supervisor_zkelect.core.state import INFINITY, Beginning, next_wakeup
from supervisor_zkelect.core.turn import MADE_WAY, RETRY_FIRST, RETRY_MOST
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
    assert role.begin(100.0)[1] == [messages.EnsureDead(1)] and role.inherit(100.0, 41, 109.0)[0].op == 0
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
    # What has been ordered meanwhile is heeded by the transaction before the fence.
    asked = node.event(messages.Tick(), after=RETRY_FIRST + 0.001).actions[-1]
    assert type(asked) is messages.Claim and asked.fenced is None
    again = node.event(messages.Dirty(node.op(messages.Claim), "b", "b:1", 40)).actions[-1]
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


@pytest.mark.parametrize("led, pause", [(False, MADE_WAY), (True, RETRY_FIRST)], ids=["stood by", "led"])
def test_a_proposal_that_is_gone_when_it_is_asked_for_waits_a_moment(node, led, pause):
    """Longer where it stood by: whoever deleted it may have made way for another."""
    node.cleared().event(UP)
    answer(node, messages.Propose, messages.Proposed, "n-1", 41)
    if led:
        answer(node, messages.Query, messages.Queried, True, 1, 2)
    answer(node, messages.Claim if led else messages.Query, messages.RequestFailed, True, "the proposal is gone")
    assert node.at == ("detached", "waiting") and not node.did(messages.Propose) and node.state.proposal is None
    assert node.state.not_before == node.now + pause and node.state.reason == "the proposal is gone"
    assert not node.event(messages.Tick(), after=pause - 0.01).did(messages.Propose)
    assert node.event(messages.Tick(), after=0.01).did(messages.Propose)


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
    node.primary().event(messages.Leased(node.now, 999.0))
    node.now = 101.5
    answer(node.event(messages.Tick()), messages.Probe, messages.Probed, True, "ok")
    assert node.event(messages.MemberChanged(), after=0.1).state.probe_at == 102.5


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
    assert node.at == ("promoting", "claiming")
    fence = node.event(messages.Dirty(node.op(messages.Claim), "b", "b:1", 40)).op(messages.Fence)
    assert node.event(messages.Tick(), after=500.0).at == ("promoting", "fencing")
    node.event(messages.Fenced(fence, True, "exit status 0"))
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


def test_supervisord_has_time_to_tell_of_a_stop_by_hand_once(node):
    node.primary().event(messages.StoppedByHand("web"))
    assert node.state.by_hand
    answer(node, messages.StopGroup, messages.Dead, 0.1)
    answer(node, messages.Release, messages.Released)
    assert node.state.by_hand is False and node.state.rest_until == node.state.not_before == node.now + 1.5
    assert node.state.look_at == node.now + SETTINGS.backoff_min


def test_settings_of_a_probe_that_change_count_from_the_next_one(node):
    node.primary()
    counter = node.state.counter
    node.settings = replace(SETTINGS, rise=4, fall=5)
    node.event(messages.Reconfigured(False))
    assert node.state.counter == replace(counter, rise=4, fall=5) and node.state.failed == ""


# The end of a term


def stopped(node, event):
    """The order by which the event stops the group."""
    node.event(event)
    return next(action for action in node.actions if isinstance(action, (messages.StopGroup, messages.KillGroup)))


def test_a_stop_has_the_time_that_the_group_needs_and_leaves_nothing_of_the_term(node):
    node.primary().event(messages.Resign("t1"))
    assert node.state.counter is not None
    node.state = replace(
        node.state, probing=7, probe_at=500.0, healthy_by=500.0, look_at=500.0, repairs=3, repair_at=500.0, trouble="x", stuck=True,
        looking=7, beginning=Beginning(7, "maintenance", "m", "x"), stays_why="x",
    )
    order = stopped(node, messages.MemberFatal("web"))
    assert order == messages.StopGroup(node.state.waiting, node.now + SETTINGS.stopwaitsecs)
    state = node.state
    assert (state.killed, state.stuck, state.inherited, state.counter, state.trouble) == (False, False, None, None, "")
    assert (state.probing, state.probe_at, state.healthy_by, state.looking, state.look_at) == (0, INFINITY, INFINITY, 0, INFINITY)
    assert (state.beginning, state.stays_why) == (None, "")
    assert (state.repairs, state.repair_at) == (0, INFINITY) and node.did(messages.DropLease) is False


def test_a_stop_has_no_more_time_than_the_listener_has(node):
    node.primary().event(messages.Leased(node.now, node.now + 99.0)).event(messages.Rivalled("x"))
    order = stopped(node, messages.Shutdown("SIGTERM", node.now + 3.0))
    assert order == messages.StopGroup(node.state.waiting, node.now + 3.0)
    # A later end is none, nor is the same, and one that comes sooner is.
    assert not node.event(messages.Shutdown("again", node.now + 3.0)).actions and node.state.leaving.reason == "SIGTERM"
    assert not node.event(messages.Shutdown("SIGTERM", node.now + 4.0)).actions and node.state.leaving.kill_at == node.now + 3.0
    assert stopped(node, messages.Shutdown("supervisord is gone", node.now)) == messages.KillGroup(node.state.waiting)
    assert node.state.killed and node.did(messages.DropLease)
    assert not node.event(messages.Shutdown("supervisord is gone", node.now - 1.0)).actions


def test_a_group_whose_lease_is_over_is_killed(node):
    node.primary()
    node.now = node.state.deadline - SETTINGS.kill_time
    assert isinstance(stopped(node, messages.MemberFatal("web")), messages.KillGroup) and node.state.killed


@pytest.mark.parametrize("event", [messages.SessionLost("expired"), messages.ProposalLost("deleted"), UP])
def test_a_stop_becomes_a_kill_where_the_proposal_is_lost_and_that_once(node, event):
    node.primary().event(messages.Rivalled("x"))
    assert isinstance(stopped(node, event), messages.KillGroup) and node.state.proposal is None
    node.event(messages.SessionLost("expired"))
    assert not node.did(messages.KillGroup)
    node.event(messages.Dead(node.state.waiting, 0.1))
    assert node.at[0] == "detached" and not node.did(messages.Release)


def test_what_stood_ahead_in_the_queue_is_forgotten_with_the_proposal(node):
    node.primary()
    node.state = replace(node.state, lasting="/e/x")
    assert node.event(messages.SessionLost("expired")).state.lasting == ""


def test_a_term_that_was_inherited_is_released_once():
    node = inherited().event(UP).event(messages.MemberFatal("web"))
    node.state = replace(node.state, lasting="/e/x")
    answer(node, messages.StopGroup, messages.Dead, 0.1)
    answer(node, messages.Release, messages.Released)
    assert node.at == ("detached", "waiting") and (node.state.unadopted, node.state.lasting) == (False, "")


def test_another_session_has_nothing_of_a_term_that_was_inherited_and_not_adopted():
    node = inherited().event(UP).event(messages.MemberFatal("web"))
    assert node.state.unadopted
    node.event(UP)
    assert node.state.unadopted is False
    answer(node, messages.KillGroup, messages.Dead, 0.1)
    assert not node.did(messages.Release) and node.at[0] == "detached"


def test_a_release_begins_with_all_that_there_is_to_give_up_whatever_became_of_the_last(node):
    releasing(node)
    for _ in range(2):
        node.event(messages.RequestFailed(node.state.waiting, False, "no access", refused=True))
        node.event(messages.Tick(), after=1.0)
    answer(node, messages.Withdraw, messages.Released)
    assert node.state.withdrawing and node.did(messages.Propose)
    answer(node, messages.Propose, messages.Proposed, "n-2", 60)
    answer(node, messages.Query, messages.Queried, True, 1, 2)
    node.state = replace(node.state, refusals=1)
    node.event(messages.SessionEnds("x"))
    assert (node.state.refusals, node.state.withdrawing) == (0, False)
    assert node.actions[-1] == messages.Release(node.state.waiting, False)


def test_a_loss_of_a_proposal_that_there_is_none_of_is_none(node):
    before = node.cleared().event(messages.SessionDown()).state
    assert node.event(messages.ProposalLost("deleted")).state == before


def test_a_node_whose_proposal_is_gone_begins_anew(node):
    node.promoting()
    node.state = replace(
        node.state, lasting="/e/x", deadline=105.0, claimed_at=99.0, killed=True, healthy_by=500.0, probe_at=500.0, probing=7,
        counter=Counter(1, 1), looking=7, look_at=500.0, led=True, unadopted=True,
        beginning=Beginning(7, "maintenance", "m", "x"),
    )
    node.state = replace(node.state, successor="n-7")
    node.event(messages.SessionLost("expired"))
    state = node.state
    assert node.at == ("detached", "waiting") and node.did(messages.DropLease)
    assert (state.proposal, state.token, state.lasting, state.deadline, state.claimed_at) == (None, None, "", -INFINITY, INFINITY)
    assert (state.killed, state.healthy_by, state.probe_at, state.probing, state.counter) == (False, INFINITY, INFINITY, 0, None)
    assert (state.looking, state.look_at, state.led, state.unadopted, state.by_hand) == (0, INFINITY, False, False, False)
    assert (state.beginning, state.successor) == (None, "")


def test_the_kinds_of_failure_of_a_node_double_its_back_off(node):
    node.probing().event(messages.MemberFatal("web"))
    assert (node.state.failures, node.state.not_before) == (1, node.now + 1.0)
    assert (node.state.failed, node.state.failed_at) == ("the program web is in FATAL", node.now)
    node = Node().primary()
    node.state = replace(node.state, failures=3)
    node.event(messages.MemberFatal("web"))
    # It was healthy, and no promotion failed.
    assert (node.state.failures, node.state.not_before, node.state.failed) == (4, node.now + 8.0, "")


def test_a_term_that_was_healthy_for_long_ends_a_row_of_failures(node):
    for lasted, failures in ((59.9, 4), (60.0, 1)):
        node = Node().primary().event(messages.Leased(101.0, 999.0))
        node.now = 101.0
        node.state = replace(node.state, failures=3, since=node.now)
        node.event(messages.MemberFatal("web"), after=lasted)
        assert node.state.failures == failures
    # One that was promoted for long was not.
    node = Node().probing().event(messages.Leased(100.0, 999.0))
    node.state = replace(node.state, failures=3, healthy_by=999.0)
    assert node.event(messages.MemberFatal("web"), after=90.0).state.failures == 4


def test_a_back_off_has_a_cap_however_many_failures_there_were(node):
    node.primary()
    node.state = replace(node.state, failures=5000)
    assert node.event(messages.MemberFatal("web")).state.not_before == node.now + SETTINGS.backoff_max


def test_while_a_back_off_runs_the_queue_is_looked_at(node):
    node.primary()
    node.state = replace(node.state, failures=3)
    node.event(messages.MemberFatal("web"))
    answer(node, messages.StopGroup, messages.Dead, 0.0)
    answer(node, messages.Release, messages.Released)
    ends = node.state.not_before
    for _ in range(3):
        assert next_wakeup(SETTINGS, node.state) == node.now + SETTINGS.backoff_min
        node.event(messages.Tick(), after=SETTINGS.backoff_min)
        look = node.op(messages.CountOthers)
        assert node.state.looking == look and node.state.look_at == INFINITY
        # An answer to an older look is none.
        node.event(messages.OthersCounted(look - 1, 0))
        assert node.state.looking == look
        node.event(messages.OthersCounted(look, 1))
        assert not node.state.looking and node.state.not_before == ends
    node.event(messages.Tick(), after=ends - node.now)
    assert node.did(messages.Propose) and (node.state.look_at, node.state.looking) == (INFINITY, 0)


def test_a_sole_candidate_waits_for_the_least_back_off_since_its_term_ended(node):
    node.primary()
    node.state = replace(node.state, failures=3)
    node.event(messages.MemberFatal("web"))
    answer(node, messages.StopGroup, messages.Dead, 0.0)
    answer(node, messages.Release, messages.Released)
    node.state = replace(node.state, look_at=node.now + 0.5)
    node.event(messages.Tick(), after=0.5)
    answer(node, messages.CountOthers, messages.OthersCounted, 0)
    assert not node.did(messages.Propose) and node.state.look_at == node.now + SETTINGS.backoff_min
    node.event(messages.Tick(), after=SETTINGS.backoff_min)
    answer(node, messages.CountOthers, messages.OthersCounted, 0)
    assert node.did(messages.Propose)


@pytest.mark.parametrize("changes", [
    {"up": False}, {"grace": -0.1}, {"not_before": 999.0}, {"cleaning": 5}, {"ending": True}, {"orders": None},
    {"orders": messages.ControlSeen("it cannot be read")},
])
def test_what_keeps_a_node_from_proposing(node, changes):
    node.cleared()
    free = {"up": True, "alive": True, "grace": 0.0, "look_at": 500.0, "looking": 3, "orders": messages.ControlSeen(), "unadopted": False}
    node.state = replace(node.state, **{**free, **changes})
    assert not node.event(messages.Tick()).did(messages.Propose)
    node.state = replace(node.state, up=True, grace=0.0, not_before=node.now, cleaning=0, ending=False, orders=messages.ControlSeen())
    assert node.event(messages.Tick()).did(messages.Propose)
    assert (node.state.look_at, node.state.looking) == (INFINITY, 0)


def test_a_node_that_ends_while_it_waits_withdraws(node):
    node.cleared()
    node.state = replace(node.state, look_at=500.0)
    node.event(messages.Shutdown("SIGTERM", node.now + 5.0))
    assert node.at == ("withdrawn", "") and next_wakeup(SETTINGS, node.state) == INFINITY


def test_a_node_that_ends_while_it_proposes_gives_that_up(node):
    node.cleared().event(UP)
    assert node.at == ("detached", "proposing")
    # The proposal may be there, and goes with the session; it is not known yet.
    assert node.event(messages.Shutdown("SIGTERM", node.now + 5.0)).at == ("withdrawn", "")


def test_a_node_that_ends_waits_for_the_proof_of_what_was_started_by_hand(node):
    node.standby().event(messages.StartedByHand("web"))
    killed = node.op(messages.KillGroup)
    node.event(messages.Shutdown("SIGTERM", node.now + 5.0))
    assert node.at == ("demoting", "stopping") and node.state.waiting == killed and node.state.killed
    assert node.state.reason == "SIGTERM"
    node.event(messages.Dead(killed, 0.1))
    assert node.at == ("demoting", "releasing") and node.did(messages.Release)


def test_an_end_of_the_session_moves_what_has_no_proposal_to_wait(node):
    node.cleared().event(UP).event(messages.SessionEnds("x"))
    assert node.state.ending and node.at == ("detached", "waiting") and not node.did(messages.Propose)
    node = Node()
    node.event(messages.SessionEnds("x"))
    assert node.state.ending and node.at == ("detached", "clearing")


# The release


def releasing(node):
    node.primary().event(messages.Rivalled("x"))
    return answer(node, messages.StopGroup, messages.Dead, 0.1)


def test_a_release_gives_up_holder_and_ack_and_a_withdrawal_the_proposal_alone(node):
    releasing(node)
    assert node.actions[-1] == messages.Release(node.state.waiting, False)
    assert (node.state.refusals, node.state.withdrawing, node.state.release_by) == (0, False, node.now + 30.0)
    node.event(messages.RequestFailed(node.state.waiting, False, "no access", refused=True))
    assert (node.state.refusals, node.state.refused, node.state.withdrawing) == (1, True, False)
    node.event(messages.Tick(), after=RETRY_FIRST + 0.001)
    assert node.actions[-1] == messages.Release(node.state.waiting, False)
    node.event(messages.RequestFailed(node.state.waiting, False, "no access", refused=True))
    assert (node.state.refusals, node.state.withdrawing) == (0, True)
    node.event(messages.Tick(), after=2 * RETRY_FIRST + 0.001)
    assert node.actions[-1] == messages.Withdraw(node.state.waiting)
    for _ in range(2):
        assert not node.state.ending
        node.event(messages.RequestFailed(node.state.waiting, False, "no access", refused=True))
        node.event(messages.Tick(), after=1.0)
    assert node.at == ("demoting", "closing") and node.state.ending


def test_a_release_that_is_not_answered_becomes_a_withdrawal_at_its_limit(node):
    releasing(node)
    by = node.state.release_by
    node.event(messages.RequestFailed(node.state.waiting, False, "no answer"), after=by - node.now - 0.1)
    assert not node.state.withdrawing and node.state.refusals == 0
    node.event(messages.Tick(), after=0.1)
    assert node.actions[-1] == messages.Release(node.state.waiting, False)
    node.event(messages.RequestFailed(node.state.waiting, False, "no answer"))
    assert node.state.withdrawing


def test_a_release_on_an_operators_word_is_that_when_it_is_made_again(node):
    node.primary().event(messages.Resign("t1", force=True))
    stop = node.op(messages.StopGroup)
    node.event(messages.Stuck("not gone"))
    node.state = replace(node.state, refusals=1, withdrawing=True)
    node.event(messages.Resign("t2", force=True))
    assert node.actions[-1] == messages.Release(node.state.waiting, True) and node.at == ("demoting", "releasing")
    state = node.state
    assert (state.cleaning, state.stuck, state.killed, state.reason) == (stop, False, True, "resigned, by force")
    assert (state.release_by, state.refusals, state.withdrawing) == (node.now + 30.0, 0, False)
    node.event(messages.RequestFailed(node.state.waiting, False, "no answer"))
    node.event(messages.Tick(), after=RETRY_FIRST + 0.001)
    assert node.actions[-1] == messages.Release(node.state.waiting, True)


def test_on_an_operators_word_the_proposal_of_a_former_listener_is_given_up(node):
    """It stands at the head of the queue, and nobody else could lead."""
    node = inherited().event(UP).event(messages.MemberFatal("web")).event(messages.Stuck("not gone"))
    assert node.state.unadopted and node.state.proposal is None
    node.event(messages.Resign("t1", force=True))
    assert node.actions[-1] == messages.Release(node.state.waiting, True) and node.at == ("demoting", "releasing")


def test_on_an_operators_word_what_has_no_proposal_is_not_released(node):
    node.primary().event(messages.Resign("t1", force=True)).event(messages.ProposalLost("deleted"))
    kill = node.op(messages.KillGroup)
    node.event(messages.Stuck("not gone")).event(messages.Resign("t2", force=True))
    assert node.at == ("detached", "waiting") and not node.did(messages.Release) and node.state.reason == "forced"
    assert node.state.cleaning == kill and not node.did(messages.Propose)
    assert node.event(messages.Dead(kill, 9.0)).did(messages.Propose)


def test_what_was_refused_in_one_step_is_not_in_the_next(node):
    releasing(node).event(messages.RequestFailed(node.state.waiting, False, "no access", refused=True))
    node.event(messages.Tick(), after=RETRY_FIRST + 0.001)
    assert node.state.refused
    answer(node, messages.Release, messages.Released)
    assert node.state.refused is False


def test_a_request_of_a_former_step_that_fails_late_is_about_something_that_is_over(node):
    node.cleared().event(UP)
    late = node.op(messages.Propose)
    node.event(messages.SessionLost("expired"))
    assert node.at == ("detached", "waiting")
    before = node.state
    for number in (1, late):
        for gone in (True, False):
            assert node.event(messages.RequestFailed(number, gone, "late")).state == before


def test_the_session_that_was_closed_gives_everything_up(node):
    releasing(node).event(messages.SessionLost("expired"))
    assert node.at == ("detached", "waiting") and not node.state.ending and node.state.reason == "expired"


# Resignations


def test_a_successor_is_looked_for_again_and_again(node):
    node.primary().event(messages.Resign("t1", force=True))
    answer(node, messages.StopGroup, messages.Dead, 0.1)
    answer(node, messages.Release, messages.Released)
    assert [action for action in node.actions if isinstance(action, messages.SeeTerm)] == [messages.SeeTerm()]
    (one,) = node.state.resigning
    assert one.left and one.ask_at == node.now + 0.05 and one.token == 41 and one.ticket == "t1" and one.since == node.now
    assert next_wakeup(SETTINGS, node.state) <= one.ask_at
    assert not node.event(messages.Tick(), after=0.04).did(messages.SeeTerm)
    node.now = one.ask_at
    assert node.event(messages.Tick()).did(messages.SeeTerm) and node.state.resigning[0].ask_at == node.now + 0.05


def test_several_resignations_are_answered_each(node):
    node.primary().event(messages.Resign("t1"))
    look = node.op(messages.Begin)
    assert not node.event(messages.Resign("t2"), after=1.0).did(messages.Begin), "it is being looked already"
    assert [one.by for one in node.state.resigning] == [node.now + 2.0, node.now + 3.0]
    node.event(messages.Begun(look, ""))
    assert [one.by for one in node.state.resigning] == [INFINITY, INFINITY] and node.at == ("demoting", "stopping")
    answer(node, messages.StopGroup, messages.Dead, 0.1)
    answer(node, messages.Release, messages.Released)
    node.event(messages.TermSeen("b", "b:1", 50))
    assert [action.ticket for action in node.actions if isinstance(action, messages.AnswerOperator)] == ["t1", "t2"]
    assert node.state.resigning == ()


def test_each_node_that_led_without_an_ack_is_noted_once(node):
    node.primary().event(messages.Resign("t1", force=True))
    stop = node.op(messages.StopGroup)
    node.event(messages.TermSeen("b", "", 50))
    assert node.state.resigning[0].tried == (), "the term is not given up yet"
    node.event(messages.Dead(stop, 0.1))
    answer(node, messages.Release, messages.Released)
    for name, token in (("b", 50), ("b", 51), ("", 52), ("self", 53), ("c", 40), ("c", 41), ("d", 54)):
        node.event(messages.TermSeen(name, "", token))
    assert node.state.resigning[0].tried == ("b", "d")


@pytest.mark.parametrize("seen, repaired", [
    (messages.TermSeen("self", "a:1", 41, True, 41, "a:1"), False), (messages.TermSeen("self", "a:1", 41, True, 41, None), False),
    (messages.TermSeen("self", "b:1", 41, True, 41, "a:1"), True), (messages.TermSeen("self", "a:1", 41, True, 41, "b:1"), True),
    (messages.TermSeen("b", "a:1", 50, True, 41, "a:1"), True), (messages.TermSeen("b", "b:1", 50, False, 41, "b:1"), False),
    (messages.TermSeen("b", "b:1", 50, True, 40, "b:1"), False), (messages.TermSeen("", "", 0, True, 41, None), True),
])
def test_what_a_primary_writes_again(node, seen, repaired):
    assert node.primary().event(seen).did(messages.Repair) == repaired
    if repaired:
        assert (node.state.repairs, node.state.repaired_at, node.state.repair_at) == (1, node.now, INFINITY)
    assert not Node().probing().event(seen).did(messages.Repair)


# What a term leaves to the next one


def leads_again(node):
    """The node has lost its proposal and leads with another one."""
    node.event(messages.SessionLost("expired")).event(UP)
    answer(node, messages.Propose, messages.Proposed, "n-2", 60)
    return answer(node, messages.Query, messages.Queried, True, 1, 2)


def test_a_term_knows_nothing_of_who_was_fenced_before_another():
    node = dirty(Node())
    answer(node, messages.Fence, messages.Fenced, True, "exit status 0")
    leads_again(node)
    assert node.actions[-1] == messages.Claim(node.state.waiting) and node.state.fenced is None
    answer(node, messages.Claim, messages.RequestFailed, False, "no answer")
    node.event(messages.Tick(), after=RETRY_FIRST + 0.001)
    assert node.actions[-1] == messages.Claim(node.state.waiting, None)


def test_a_term_waits_for_an_unknown_predecessor_of_its_own():
    node = unknown().event(messages.Tick(), after=9.0)
    leads_again(node)
    assert node.state.quiet_until is None and node.state.healthy_by == node.now + SETTINGS.promote_timeout
    answer(node, messages.Claim, messages.Dirty, "", "go:1", 0)
    assert not node.event(messages.Tick(), after=9.0).did(messages.Fence) and node.at == ("promoting", "claiming")


def test_a_proposal_that_could_not_be_exchanged_is_another_ones_no_more(node):
    node.probing().event(messages.MemberFatal("web"))
    answer(node, messages.StopGroup, messages.Dead, 0.1)
    answer(node, messages.Release, messages.Released)
    node.event(messages.Tick(), after=1.0)
    answer(node, messages.Propose, messages.Proposed, "n-2", 50)
    answer(node, messages.Query, messages.Queried, True, 1, 2)
    # One other candidate is enough to step behind.
    answer(node, messages.StepBehind, messages.RequestFailed, False, "no access", True)
    assert node.state.stays and node.did(messages.Query)
    leads_again(node)
    assert node.state.stays is False and node.did(messages.StepBehind) and node.at == ("standby", "stepping")


def test_a_twin_that_is_gone_is_forgotten(node):
    node.cleared().event(UP)
    answer(node, messages.Propose, messages.DuplicateNodeName, "n-0")
    assert node.state.duplicate_since == node.now
    node.event(messages.Tick(), after=0.5)
    answer(node, messages.Propose, messages.Proposed, "n-1", 41)
    assert node.state.duplicate_since is None and node.state.trouble == "" and node.state.stepped is False
    assert node.at == ("standby", "asking")


@pytest.mark.parametrize("grace, trouble", [(0.0, ""), (0.5, ""), (-0.1, "ZooKeeper grants a session timeout of 10 s, in which kill_time does not fit")])
def test_a_look_at_the_queue_clears_what_an_earlier_one_failed_for(node, grace, trouble):
    node.standby().event(UP._replace(fresh=False, grace=grace))
    number = node.op(messages.Query)
    node.event(messages.RequestFailed(number, False, "no answer")) if not trouble else None
    node.event(messages.Tick(), after=0.0 if trouble else RETRY_FIRST + 0.001)
    node.event(messages.Queried(node.state.waiting, False, 2, 2))
    assert node.state.trouble == trouble and node.state.lasting == ""
    node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    answer(node, messages.Query, messages.Queried, False, 2, 2, False, "", "/e/x")
    assert node.state.lasting == "/e/x"


def test_a_connection_that_is_back_asks_a_standby_that_watches_and_no_other(node):
    node.standby()
    asked = node.event(UP._replace(fresh=False)).op(messages.Query)
    assert node.at == ("standby", "asking")
    assert not node.event(UP._replace(fresh=False)).actions and node.state.waiting == asked


def test_a_resignation_that_was_refused_may_be_repeated(node):
    node.primary().event(messages.Resign("t1"))
    look = node.op(messages.Begin)
    assert look == node.state.beginning.op == node.state.op
    node.event(messages.OrderNotBegun(look, "nobody"))
    assert node.state.beginning is None and not node.state.resigning
    assert node.event(messages.Resign("t2")).did(messages.Begin)


def test_a_successor_is_waited_for_until_its_limit_is_over(node):
    node.primary()
    node.now = 101.0
    node.event(messages.Resign("t1", force=True))
    answer(node, messages.StopGroup, messages.Dead, 0.1)
    answer(node, messages.Release, messages.Released)
    limit = min(60.0 + SETTINGS.promote_timeout, 150.0)
    assert limit == 120.0
    seen = messages.TermSeen("", "")
    assert not node.event(seen, after=limit).did(messages.AnswerOperator)
    assert node.event(seen, after=0.1).did(messages.AnswerOperator)


def test_a_hand_that_comes_rarely_is_no_second_writer(node):
    node.primary().event(messages.Leased(node.now, 9999.0))
    node.now = 101.0
    seen = messages.TermSeen("self", "b:1", 41, True, 41, "a:1")
    for pause, repairs in ((0.0, 1), (59.0, 2), (60.0, 1), (59.0, 2), (1.0, 3), (1.0, 4)):
        node.event(seen, after=pause)
        assert node.state.repairs == repairs and node.state.repair_at == INFINITY and node.did(messages.Repair)
    node.event(seen, after=1.0)
    assert node.state.repairs == 5 and node.state.repair_at == node.now + RETRY_MOST
    assert not node.event(seen, after=1.0).did(messages.Repair) and node.state.repairs == 5
    assert node.event(messages.Tick(), after=RETRY_MOST - 1.0).did(messages.SeeTerm) and node.state.repair_at == INFINITY


@pytest.mark.parametrize("stand", ["probing", "primary"])
def test_other_settings_hurry_no_probe_that_is_on_its_way(node, stand):
    getattr(node, stand)().event(messages.Tick(), after=1.0)
    number = node.op(messages.Probe)
    node.event(messages.Reconfigured(False))
    assert node.state.probe_at == INFINITY and node.state.probing == number


def test_other_settings_leave_the_next_probe_of_a_promotion_where_it_is(node):
    node.probing()
    before = node.state.probe_at
    node.settings = replace(SETTINGS, health_interval=0.001)
    assert node.event(messages.Reconfigured(False)).state.probe_at == before
