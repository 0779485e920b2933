"""The rules of the role machine, one by one."""

import sys
from dataclasses import replace

import pytest

from supervisor_zkelect.core import messages, role, roles
from supervisor_zkelect.core.demotion import RELEASE_LIMIT, STOPPED_REST
from supervisor_zkelect.core.promotion import LOOKS
from supervisor_zkelect.core.resignation import LOOK_LIMIT, SUCCESSOR_LIMIT, SUCCESSOR_MOST
from supervisor_zkelect.core.state import CALM, CONTESTED, INFINITY, Rules, lasting_trouble, lease_of, next_wakeup
from supervisor_zkelect.core.turn import RETRY_MOST

SETTINGS = Rules(
    name="orders", node="self", address="a:1", kill_time=0.3, stopwaitsecs=10.0, rise=1, fall=3,
    health_interval=1.0, promote_timeout=60.0, backoff_min=1.0, backoff_max=60.0,
)
UP = messages.SessionUp(fresh=True, grace=2.0, wait_out=14.0, timeout=10.0)


class Node:
    """Drives one machine and remembers what it did."""

    def __init__(self):
        self.now = 100.0
        self.settings = None
        self.state, self.actions = role.begin(self.now)

    def event(self, event, after=0.0):
        self.now += after
        self.state, self.actions = role.step(self.settings or SETTINGS, self.state, event, self.now)
        if isinstance(event, messages.SessionUp) and event.fresh:
            # What operators have ordered is read in each session: nothing.
            self.state, more = role.step(self.settings or SETTINGS, self.state, messages.ControlSeen(), self.now)
            self.actions += more
        return self

    def op(self, kind):
        return next(action.op for action in self.actions if isinstance(action, kind))

    def did(self, kind):
        return any(isinstance(action, kind) for action in self.actions)

    @property
    def at(self):
        return (self.state.role, self.state.step)

    def cleared(self):
        return self.event(messages.Dead(1, 0.0))

    def standby(self):
        self.cleared().event(UP)
        self.event(messages.Proposed(self.op(messages.Propose), "n-0000000001", 41))
        return self.event(messages.Queried(self.op(messages.Query), False, 2, 2))

    def promoting(self):
        self.cleared().event(UP)
        self.event(messages.Proposed(self.op(messages.Propose), "n-0000000001", 41))
        self.event(messages.Queried(self.op(messages.Query), True, 1, 2))
        return self.event(messages.Claimed(self.op(messages.Claim), ""))

    def probing(self):
        self.promoting().event(messages.Leased(self.now, self.now + 9.9))
        return self.event(messages.ServiceStarted(self.op(messages.StartGroup)))

    def primary(self):
        self.probing().event(messages.Tick(), after=0.01)
        self.event(messages.Probed(self.op(messages.Probe), True, "ok"))
        return self.event(messages.Acked(self.op(messages.Ack)))


@pytest.fixture
def node():
    return Node()


def test_proves_leftovers_dead_before_it_proposes(node):
    node.event(UP)
    assert node.at == ("detached", "clearing") and not node.did(messages.Propose)
    assert node.cleared().did(messages.Propose)


def test_a_standby_asks_again_only_when_told(node):
    node.standby()
    # The next in line looks who stands behind.
    assert node.at == ("standby", "watching") and next_wakeup(SETTINGS, node.state) == node.now + UP.timeout
    assert not node.event(messages.QueueChanged(node.state.waiting - 1, "stale")).did(messages.Query)
    assert node.event(messages.QueueChanged(node.state.waiting, "deleted")).did(messages.Query)


def test_claims_and_leases_before_it_starts(node):
    node.promoting()
    assert node.at == ("promoting", "leasing") and node.did(messages.KeepLease) and not node.did(messages.StartGroup)
    assert node.event(messages.Leased(node.now, node.now + 9.9)).did(messages.StartGroup)


def test_a_write_sent_before_the_claim_gives_no_lease(node):
    node.promoting()
    assert not node.event(messages.Leased(node.now - 0.001, node.now + 9.9), after=0.1).did(messages.StartGroup)


def test_the_claim_itself_may_be_the_lease(node):
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    claim, sent = node.op(messages.Claim), node.now
    assert node.event(messages.Claimed(claim, "", messages.Leased(sent, sent + 9.9)), after=0.05).did(messages.StartGroup)
    # Heartbeats follow, and one that was sent since the claim was counts.
    assert node.did(messages.KeepLease) and node.state.claimed_at == sent


def test_a_claim_whose_lease_is_too_short_waits_for_a_heartbeat(node):
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    node.event(messages.Claimed(node.op(messages.Claim), "", messages.Leased(node.now, node.now + 0.1)))
    assert node.did(messages.KeepLease) and not node.did(messages.StartGroup) and node.at == ("promoting", "leasing")
    assert node.event(messages.Leased(node.now, node.now + 9.9)).did(messages.StartGroup)


def test_a_lease_too_short_starts_nothing(node):
    node.promoting()
    assert not node.event(messages.Leased(node.now, node.now + 2.3)).did(messages.StartGroup)


def test_a_claimed_term_whose_lease_is_over_waits_for_the_next_without_a_tick(node):
    """Nothing follows from the time that passes then, however long ZooKeeper is silent."""
    node.promoting().event(messages.Leased(node.now, node.now + 2.3), after=5)
    assert node.at == ("promoting", "leasing") and next_wakeup(SETTINGS, node.state) > node.now


def test_acks_only_what_is_healthy(node):
    node.probing().event(messages.Tick(), after=0.01)
    node.event(messages.Probed(node.op(messages.Probe), False, "refused"))
    assert node.at == ("promoting", "probing") and not node.did(messages.Ack)
    node.event(messages.Tick(), after=0.01)
    assert node.event(messages.Probed(node.op(messages.Probe), True, "ok")).did(messages.Ack)
    assert node.event(messages.Acked(node.op(messages.Ack))).at == ("primary", "")


def test_stops_in_time_when_the_lease_is_not_extended(node):
    node.primary()
    due = node.state.deadline - 0.3 - 2.0
    assert next_wakeup(SETTINGS, node.state) <= due
    assert node.event(messages.Tick(), after=due - node.now - 0.01).at[0] == "primary"
    node.event(messages.Tick(), after=0.02)
    stop = next(action for action in node.actions if isinstance(action, messages.StopGroup))
    # Its stopwaitsecs; when the lease ends, the guard knows.
    assert stop.kill_at == node.now + SETTINGS.stopwaitsecs


def test_the_lease_is_renewed_until_a_stop_is_over(node):
    node.primary().event(messages.MemberFatal("orders"))
    assert node.at == ("demoting", "stopping") and node.did(messages.StopGroup) and not node.did(messages.DropLease)
    deadline, stopping = node.state.deadline, node.op(messages.StopGroup)
    node.event(messages.Leased(node.now, deadline + 1.0))
    assert node.state.deadline == deadline + 1.0
    node.event(messages.Dead(stopping, 0.01))
    assert node.did(messages.DropLease) and node.did(messages.Release)


def test_a_lease_that_was_cut_ends_sooner(node):
    node.primary()
    deadline = node.state.deadline
    node.event(messages.Cut(deadline + 1.0))
    assert node.state.deadline == deadline
    node.event(messages.Cut(node.now + 2.5), after=0.3)
    assert node.at == ("demoting", "stopping") and node.did(messages.StopGroup)


def test_what_the_keeper_proved_while_there_was_no_listener_counts_for_the_inherited_term(node):
    node.state, _ = role.inherit(node.now, 7, node.now + 4.0)
    node.event(messages.RenewedByKeeper(6, node.now + 9.0))
    assert node.state.deadline == node.now + 4.0
    node.event(messages.RenewedByKeeper(7, node.now + 9.0))
    assert node.state.deadline == node.now + 9.0


def test_an_inherited_term_that_ends_before_its_proposal_is_looked_for_is_released(node):
    """Its lease is renewed by the keeper meanwhile, and its token is the inherited one."""
    node.state, _ = role.inherit(node.now, 7, node.now + 4.0)
    node.event(UP)
    node.event(messages.MemberFatal("orders"))
    assert node.at == ("demoting", "stopping") and node.state.token == 7
    stopping = node.op(messages.StopGroup)
    node.event(messages.RenewedByKeeper(7, node.now + 9.0))
    assert node.state.deadline == node.now + 9.0
    node.event(messages.Dead(stopping, 0.1))
    assert node.at == ("demoting", "releasing") and node.did(messages.Release)
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at == ("detached", "waiting") and node.state.token is None


def test_an_inherited_term_whose_session_is_lost_is_not_released(node):
    node.state, _ = role.inherit(node.now, 7, node.now + 4.0)
    node.event(messages.SessionLost("expired"))
    assert node.did(messages.KillGroup)
    node.event(messages.Dead(node.op(messages.KillGroup), 0.1))
    assert not node.did(messages.Release) and node.at == ("detached", "waiting")


def test_an_extended_lease_goes_on(node):
    node.primary()
    node.event(messages.Leased(node.now, node.now + 14.9), after=5.0)
    assert node.event(messages.Tick(), after=5.0).at[0] == "primary"


def test_a_lost_session_kills_without_grace_and_releases_nothing(node):
    node.primary().event(messages.SessionLost("expired"))
    assert node.did(messages.KillGroup) and not node.did(messages.StopGroup)
    node.event(messages.Dead(node.op(messages.KillGroup), 0.01))
    assert node.at[0] == "detached" and not node.did(messages.Release)
    assert node.event(UP).did(messages.Propose)


def test_another_session_is_a_lost_one(node):
    assert node.primary().event(UP).did(messages.KillGroup)


def test_a_deleted_proposal_kills_without_grace(node):
    assert node.primary().event(messages.ProposalLost("deleted")).did(messages.KillGroup)


def test_releases_only_after_the_proof_of_death(node):
    node.primary().event(messages.MemberFatal("web"))
    assert node.did(messages.StopGroup) and not node.did(messages.Release)
    op = node.op(messages.StopGroup)
    assert not node.event(messages.Dead(op - 1, 0.0)).did(messages.Release)
    assert node.event(messages.Dead(op, 0.5)).did(messages.Release)


def test_a_release_that_fails_is_made_again(node):
    node.primary().event(messages.MemberFatal("web"))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.5))
    node.event(messages.RequestFailed(node.op(messages.Release), False, "no connection"))
    assert node.event(messages.Tick(), after=0.2).did(messages.Release)


def test_failing_checks_step_down_and_back_off(node):
    node.primary()
    for _ in range(3):
        node.event(messages.Tick(), after=1.0)
        node.event(messages.Leased(node.now, node.now + 9.9))
        node.event(messages.Tick())
        node.event(messages.Probed(node.state.probing, False, "refused"))
    assert node.at == ("demoting", "stopping")
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at == ("detached", "waiting") and not node.did(messages.Propose)
    assert node.event(messages.Tick(), after=1.1).did(messages.Propose)


def test_the_back_off_doubles_up_to_its_cap(node):
    node.primary()
    for failures, wait in ((1, 2.0), (4, 16.0), (20, 60.0)):
        state = replace(node.state, failures=failures)
        after, _ = role.step(SETTINGS, state, messages.MemberFatal("web"), node.now)
        assert after.not_before - node.now == pytest.approx(wait)


def test_a_sole_candidate_tries_again_at_the_minimum(node):
    node.primary()
    node.state = replace(node.state, failures=5)
    node.event(messages.MemberFatal("web"))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    node.event(messages.Released(node.op(messages.Release)))
    node.event(messages.Tick(), after=1.0)
    assert node.event(messages.OthersCounted(node.op(messages.CountOthers), 0)).did(messages.Propose)


def test_with_others_in_the_queue_the_back_off_holds(node):
    node.primary()
    node.state = replace(node.state, failures=5)
    node.event(messages.MemberFatal("web"))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    node.event(messages.Released(node.op(messages.Release)))
    node.event(messages.Tick(), after=1.0)
    assert not node.event(messages.OthersCounted(node.op(messages.CountOthers), 1)).did(messages.Propose)


def test_never_healthy_in_time_steps_down(node):
    node.probing()
    node.event(messages.Leased(node.now, node.now + 100.0))
    assert node.event(messages.Tick(), after=60.1).at[0] == "demoting"


@pytest.fixture
def told(node, monkeypatch):
    """A primary whose health is supervisord's word, which was found good for long; its next look is at 120."""
    monkeypatch.setattr(sys.modules[__name__], "SETTINGS", replace(SETTINGS, told=True))
    node.primary().event(messages.Leased(node.now, 1000.0))
    for _ in range(LOOKS):
        assert look(node) <= node.now + 1
        answer(node, "")
    assert node.at[0] == "primary" and look(node) == 120.0
    return node


def look(node):
    """When supervisord's word is asked for next."""
    return next_wakeup(SETTINGS, node.state)


def asks(node):
    """The time of the next look comes; returns its number."""
    node.now = look(node)
    return node.event(messages.Tick()).op(messages.Probe)


def answer(node, trouble):
    """The next look, and its answer; trouble: what is wrong."""
    node.event(messages.Probed(asks(node), not trouble, trouble))


def test_supervisords_word_is_asked_for_when_it_tells_that_a_program_runs(node, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SETTINGS", replace(SETTINGS, told=True))
    node.probing()
    answer(node, "web is STARTING")
    assert look(node) == node.now + SETTINGS.health_interval
    stale = node.event(messages.MemberRuns(), after=0.3).op(messages.Probe)
    number = node.event(messages.MemberRuns()).op(messages.Probe)
    # An answer from before it does not count, whatever it is.
    assert not node.event(messages.Probed(stale, True, "")).did(messages.Ack)
    assert node.event(messages.Probed(number, True, "")).did(messages.Ack)


def test_supervisords_word_need_not_stay_good_for_long(node, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SETTINGS", replace(SETTINGS, told=True, rise=4))
    node.probing()
    answer(node, "web is STARTING")
    number = node.event(messages.MemberRuns(), after=0.3).op(messages.Probe)
    begun = node.now
    node.event(messages.Probed(number, True, ""))
    for _ in range(3):
        answer(node, "")
    assert node.did(messages.Ack) and node.now < begun + 1


def test_that_a_program_runs_hurries_no_health_check(node):
    node.probing()
    before = look(node)
    node.event(messages.MemberRuns())
    assert look(node) == before


def test_supervisords_word_is_asked_for_when_it_changes(told):
    told.event(messages.MemberChanged(), after=0.5)
    begun = told.now
    # supervisord may not know of it yet; a program that came back in time is no failure.
    answer(told, "")
    answer(told, "orders is STARTING")
    for _ in range(LOOKS):
        assert look(told) <= told.now + 1
        answer(told, "")
    assert (told.at[0], told.state.trouble, look(told)) == ("primary", "", 120.0) and told.now < begun + 7


def test_a_change_during_a_look_puts_no_answer_aside(told):
    """A program that comes and goes hides none that is gone, and an answer from before the change hides no change."""
    stale = asks(told)
    told.event(messages.MemberChanged())
    told.event(messages.Probed(stale, True, ""))
    assert look(told) == told.now + 1
    for _ in range(SETTINGS.fall):
        number = asks(told)
        told.event(messages.MemberChanged(), after=0.1)
        told.event(messages.Probed(number, False, "orders is EXITED"))
    assert told.at[0] == "demoting"


def test_resign_needs_somebody_to_take_over(node):
    node.primary().event(messages.Resign("t1"))
    node.event(messages.OrderNotBegun(node.op(messages.Begin), "no other candidate stands in the queue"))
    answer = node.actions[0]
    assert node.at[0] == "primary" and (answer.ok, answer.exit) == (False, 1)


def test_resign_is_refused_where_zookeeper_does_not_answer(node):
    """Nobody could take over, and the service runs on. What is answered later is about something that is over."""
    node.primary().event(messages.Leased(node.now, node.now + 99.0)).event(messages.Resign("t1"))
    look, by = node.op(messages.Begin), node.now + LOOK_LIMIT
    assert not answers(node, messages.Resign("t2"), 1.0)
    assert not answers(node, messages.Tick(), by - node.now - 0.1) and next_wakeup(SETTINGS, node.state) <= by
    [first] = answers(node, messages.Tick(), 0.1)
    assert (first.ticket, first.ok, first.exit) == ("t1", False, 1)
    assert first.text.startswith("ZooKeeper does not answer, so nobody could take over") and "resign --force" in first.text
    [second] = answers(node, messages.Tick(), 1.0)
    assert second.ticket == "t2" and not node.state.resigning and node.at == ("primary", "")
    assert node.event(messages.Begun(look, "n-2")).at == ("primary", "") and not node.did(messages.StopGroup)
    assert node.event(messages.Resign("t3")).did(messages.Begin)


def test_resign_is_refused_with_the_reason_where_the_queue_cannot_be_read(node):
    node.primary().event(messages.Resign("t1"))
    [answer] = answers(node, messages.OrderNotBegun(node.op(messages.Begin), "list the queue: NoAuthError", known=False))
    assert node.at == ("primary", "") and (answer.ok, answer.exit) == (False, 1)
    assert "list the queue: NoAuthError" in answer.text and "start another node" not in answer.text


@pytest.mark.parametrize("event, why", [
    (messages.Cut(0.0), "the lease runs out"), (messages.SessionLost("expired"), "expired"), (messages.MemberFatal("web"), "in FATAL"),
    (messages.ProposalLost("deleted"), "deleted"), (messages.Shutdown("SIGTERM", 999.0), "SIGTERM"),
])
def test_resign_is_answered_at_once_where_the_term_ends_before_the_queue_is_known(node, event, why):
    node.primary().event(messages.Resign("t1"))
    [answer] = answers(node, event)
    assert node.at[0] == "demoting" and (answer.ok, answer.exit) == (False, 1) and why in answer.text
    assert not node.state.resigning


def test_a_forced_resignation_does_not_wait_for_the_look_of_another(node):
    node.primary().event(messages.Resign("t1"))
    assert not answers(node, messages.Resign("t2", force=True)) and node.at[0] == "demoting"
    assert not answers(node, messages.Tick(), LOOK_LIMIT + 1.0)
    assert [one.ticket for one in node.state.resigning] == ["t1", "t2"]


def test_that_zookeeper_does_not_answer_is_told_where_nobody_is_known_to_lead(node):
    [answer] = answers(resigned(node), messages.TermSeen("", "", known=False), SUCCESSOR_MOST)
    assert "nobody is known to be primary" in answer.text and "ZooKeeper does not answer" in answer.text
    assert answer.term is None, "there is nothing to be read"


def test_resign_answers_when_the_successor_is_known(node):
    node.primary().event(messages.Resign("t1"))
    node.event(messages.Begun(node.op(messages.Begin), ""))
    assert not node.event(messages.TermSeen("a", "a:1")).did(messages.AnswerOperator)
    node.event(messages.Dead(node.op(messages.StopGroup) if node.did(messages.StopGroup) else node.state.waiting, 0.1))
    node.event(messages.Released(node.op(messages.Release)))
    assert node.did(messages.SeeTerm)
    node.event(messages.TermSeen("b", "b:1"), after=0.5)
    answer = next(action for action in node.actions if isinstance(action, messages.AnswerOperator))
    assert answer.ok and answer.node == "b" and answer.seconds == pytest.approx(0.5)


def resigned(node):
    """The term with the token 41 is released, and another node may lead."""
    node.primary().event(messages.Resign("t1"))
    node.event(messages.Begun(node.op(messages.Begin), ""))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    return node.event(messages.Released(node.op(messages.Release)))


def answers(node, event, after=0.1):
    node.event(event, after)
    return [action for action in node.actions if isinstance(action, messages.AnswerOperator)]


@pytest.mark.parametrize("seen", [
    messages.TermSeen("", ""), messages.TermSeen("b", "", 50), messages.TermSeen("self", "a:1", 41), messages.TermSeen("", "a:1", 0),
    messages.TermSeen("self", "a:1", 50), messages.TermSeen("", "", known=False),
], ids=["nobody", "b promotes", "its own stale ack", "an ack without a holder", "its own next term", "not known"])
def test_resign_does_not_take_that_for_a_successor(node, seen):
    assert not answers(resigned(node), seen)
    assert answers(node, messages.TermSeen("b", "b:1", 50))[0].ok


@pytest.mark.parametrize("seen", [
    messages.TermSeen("b", "b:1", 50), messages.TermSeen("b", "a:1", 50), messages.TermSeen("", "b:1", 0), messages.TermSeen("self", "b:1", 41),
], ids=["b", "b at an address that both have", "an implementation without holders", "the same over a stale holder"])
def test_resign_takes_that_for_a_successor(node, seen):
    answer = answers(resigned(node), seen)[0]
    assert (answer.ok, answer.exit, answer.address) == (True, 0, seen.address)


def test_resign_fails_when_this_node_leads_again(node):
    resigned(node)
    assert not answers(node, messages.TermSeen("b", "", 50))
    node.event(messages.Proposed(node.state.waiting, "n-0000000003", 60))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2)).event(messages.Claimed(node.op(messages.Claim), ""))
    node.event(messages.Leased(node.now, node.now + 9.9)).event(messages.ServiceStarted(node.op(messages.StartGroup)))
    node.event(messages.Tick(), after=0.01).event(messages.Probed(node.op(messages.Probe), True, "ok"))
    node.event(messages.Acked(node.op(messages.Ack)))
    answer = answers(node, messages.TermSeen("self", "a:1", 60))[0]
    assert (answer.ok, answer.exit, answer.tried, answer.term) == (False, 1, ("b",), 41) and "a:1" in answer.text


def test_resign_fails_when_nobody_leads_for_as_long_as_a_promotion_may_take(node):
    limit = min(SUCCESSOR_LIMIT + SETTINGS.promote_timeout, SUCCESSOR_MOST)
    assert not answers(resigned(node), messages.TermSeen("b", "", 50), limit - 0.2)
    answer = answers(node, messages.TermSeen("b", "", 50), 0.3)[0]
    assert (answer.ok, answer.exit, answer.tried) == (False, 1, ("b",)) and "nobody is primary" in answer.text


def test_a_group_that_takes_long_to_stop_leaves_the_successor_its_time(node):
    """Nobody could lead before the release."""
    node.primary().event(messages.Resign("t1"))
    node.event(messages.Begun(node.op(messages.Begin), ""))
    stop = node.op(messages.StopGroup)
    assert not answers(node, messages.TermSeen("self", "a:1", 41), 2 * SUCCESSOR_MOST)
    node.event(messages.Dead(stop, 2 * SUCCESSOR_MOST))
    node.event(messages.Released(node.op(messages.Release)))
    assert not answers(node, messages.TermSeen("", ""), 0.01)
    assert answers(node, messages.TermSeen("b", "b:1", 50))[0].ok


def test_a_later_term_that_this_node_gives_up_begins_no_new_wait_for_the_successor(node):
    """As where the service fails on all nodes: somebody waits for the answer."""
    resigned(node)
    [one] = node.state.resigning
    node.event(messages.Tick(), after=SETTINGS.backoff_min)
    node.event(messages.Proposed(node.state.waiting, "n-0000000003", 60))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2)).event(messages.Claimed(node.op(messages.Claim), ""))
    node.event(messages.Leased(node.now, node.now + 9.9)).event(messages.MemberFatal("web"))
    stop = node.state.waiting
    node.event(messages.Dead(stop, 0.1)).event(messages.Released(node.op(messages.Release)))
    assert node.at[0] == "detached" and node.state.resigning[0].left_at == one.left_at


def test_resign_is_no_success_when_the_listener_ends_first(node):
    node.primary().event(messages.Resign("t1")).event(messages.Begun(node.op(messages.Begin), ""))
    stop = node.op(messages.StopGroup)
    node.event(messages.Shutdown("SIGTERM", node.now + 5)).event(messages.Dead(node.state.waiting or stop, 0.1))
    answer = answers(node, messages.Released(node.op(messages.Release)))[0]
    assert node.at[0] == "withdrawn" and (answer.ok, answer.exit) == (False, 1)


def failed(node):
    """The node led and did not become healthy; it stands in the queue again."""
    node.probing().event(messages.MemberFatal("web"))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1)).event(messages.Released(node.op(messages.Release)))
    node.event(messages.Tick(), after=SETTINGS.backoff_min)
    return proposed(node, node.op(messages.Propose), 50)


def proposed(node, op, token):
    return node.event(messages.Proposed(op, f"n-{token:010d}", token))


def leads(node, candidates=3, acked=False):
    if not node.did(messages.Query):
        node.event(messages.Queried(node.state.waiting, False, 2, candidates))
        node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    return node.event(messages.Queried(node.op(messages.Query), True, 1, candidates, acked))


def test_who_failed_its_promotion_steps_behind_the_others(node):
    leads(failed(node))
    assert node.did(messages.StepBehind) and not node.did(messages.Claim)
    proposed(node, node.op(messages.StepBehind), 60)
    assert node.at == ("standby", "asking") and (node.state.proposal, node.state.token) == ("n-0000000060", 60)


def test_where_all_failed_the_one_that_leads_again_tries(node):
    proposed(leads(failed(node)), node.state.waiting, 60)
    assert leads(node).did(messages.Claim)


def test_it_steps_behind_again_once_somebody_was_acked_since(node):
    proposed(leads(failed(node)), node.state.waiting, 60)
    assert leads(node, acked=True).did(messages.StepBehind)


def test_a_sole_candidate_that_failed_tries(node):
    assert leads(failed(node), candidates=1).did(messages.Claim)


def test_who_may_not_exchange_its_proposal_tries(node):
    leads(failed(node)).event(messages.RequestFailed(node.state.waiting, False, "no access", refused=True))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 3, True))
    assert node.did(messages.Claim)


def test_stepping_behind_is_tried_again_when_it_was_not_answered(node):
    leads(failed(node)).event(messages.RequestFailed(node.state.waiting, False, "no answer"))
    assert node.event(messages.Tick(), after=node.state.retry_at - node.now).did(messages.StepBehind)


def test_a_failed_promotion_is_remembered(node):
    leads(failed(node))
    assert node.at == ("standby", "stepping") and node.state.failed == "the program web is in FATAL"
    assert node.state.failed_at == node.now - SETTINGS.backoff_min


def test_what_ends_a_promotion_that_is_well_is_no_failure_of_it(node):
    assert not node.probing().event(messages.StoppedByHand("web")).state.failed


def test_a_promotion_that_succeeds_makes_a_failed_one_forgotten(node):
    leads(failed(node), candidates=1).event(messages.Claimed(node.op(messages.Claim), ""))
    node.event(messages.Leased(node.now, node.now + 9.9)).event(messages.ServiceStarted(node.op(messages.StartGroup)))
    node.event(messages.Tick(), after=0.01).event(messages.Probed(node.op(messages.Probe), True, "ok"))
    assert node.state.failed
    assert not node.event(messages.Acked(node.op(messages.Ack))).state.failed and node.at == ("primary", "")


def test_another_configuration_makes_a_failed_promotion_forgotten(node):
    """It may mend what failed, so the node neither complains of that nor steps behind."""
    node = failed(node)
    node.event(messages.Queried(node.state.waiting, False, 2, 3))
    assert not node.event(messages.Reconfigured(False)).state.failed
    node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    assert node.event(messages.Queried(node.op(messages.Query), True, 1, 3, True)).did(messages.Claim)


def test_who_was_healthy_since_does_not_step_behind(node):
    leads(failed(node), candidates=1).event(messages.Claimed(node.op(messages.Claim), ""))
    node.event(messages.Leased(node.now, node.now + 9.9)).event(messages.ServiceStarted(node.op(messages.StartGroup)))
    node.event(messages.Tick(), after=0.01).event(messages.Probed(node.op(messages.Probe), True, "ok"))
    node.event(messages.Acked(node.op(messages.Ack))).event(messages.MemberFatal("web"))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1)).event(messages.Released(node.op(messages.Release)))
    node.event(messages.Tick(), after=SETTINGS.backoff_max)
    assert leads(proposed(node, node.op(messages.Propose), 70)).did(messages.Claim)


REFUSED = dict(gone=False, reason="ZooKeeper does not let this node", refused=True)


def release_refused(node, times):
    """The release of a resigned primary is refused, as often as said. Returns the requests."""
    node.primary().event(messages.Resign("t1")).event(messages.Begun(node.op(messages.Begin), ""))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    return refuse(node, times)


def refuse(node, times):
    asked = []
    for _ in range(times):
        asked += [type(action) for action in node.actions if isinstance(action, (messages.Release, messages.Withdraw))]
        node.event(messages.RequestFailed(node.state.waiting, **REFUSED))
        if node.state.retry_at < INFINITY:
            node.event(messages.Tick(), after=node.state.retry_at - node.now)
    return asked


def test_a_release_that_is_refused_becomes_a_withdrawal_and_then_the_sessions_end(node):
    begun = node.now
    asked = release_refused(node, 4)
    assert asked == [messages.Release, messages.Release, messages.Withdraw, messages.Withdraw]
    assert node.at == ("demoting", "closing") and node.did(messages.EndSession) and node.state.settled
    assert node.now - begun < 2.0 and not node.state.may_run
    node.event(messages.SessionLost("closed"))
    assert node.at == ("detached", "waiting") and node.did(messages.SeeTerm)
    assert node.event(UP).did(messages.Propose)


def test_the_session_ends_also_where_the_term_was_inherited_and_not_looked_for(node):
    """Its proposal leads, and nobody may read the queue any more."""
    node.state, node.actions = role.inherit(node.now, 41, node.now + 10.0)
    node.event(UP._replace(fresh=False))
    by = node.now + 60.0
    while not node.did(messages.EndSession):
        assert node.now < by
        if node.did(messages.StopGroup) or node.did(messages.KillGroup):
            node.event(messages.Dead(node.state.waiting, 0.1))
        elif any(node.did(kind) for kind in (messages.Propose, messages.Release, messages.Withdraw)):
            node.event(messages.RequestFailed(node.state.waiting, False, "denied", True))
        else:
            node.event(messages.Tick(), 0.5)
    assert node.at == ("demoting", "closing")


def test_a_withdrawal_that_is_granted_closes_no_session(node):
    release_refused(node, 2)
    assert node.did(messages.Withdraw)
    assert node.event(messages.Released(node.state.waiting)).did(messages.Propose)


def test_a_release_that_is_not_answered_is_made_again_for_long(node):
    node.primary().event(messages.Resign("t1")).event(messages.Begun(node.op(messages.Begin), ""))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    by, withdrew = node.now + RELEASE_LIMIT, False
    while not node.did(messages.EndSession):
        assert node.now < by + 3 * RETRY_MOST
        assert node.did(messages.Release) or node.now >= by
        withdrew = withdrew or node.did(messages.Withdraw)
        node.event(messages.RequestFailed(node.state.waiting, False, "no answer"))
        if not node.did(messages.EndSession):
            node.event(messages.Tick(), after=node.state.retry_at - node.now)
    assert withdrew


@pytest.mark.parametrize("stand", ["standby", "promoting", "probing", "primary"])
def test_what_is_healthy_is_handed_over_before_the_session_ends(node, stand):
    getattr(node, stand)()
    running = node.state.may_run
    node.event(messages.SessionEnds("the session is closed"))
    if running:
        assert node.did(messages.StopGroup) and not node.state.settled
        node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    # A proposal that never led goes with the session.
    assert node.state.settled == (stand == "standby")
    node.event(messages.Released(node.op(messages.Release)))
    assert node.state.settled and not node.event(messages.Tick(), after=60.0).did(messages.Propose)
    node.event(messages.SessionLost("closed"))
    assert node.event(UP).did(messages.Propose)


@pytest.mark.parametrize("stand", ["clearing", "cleaning", "stopping"])
def test_a_group_that_is_not_proven_dead_keeps_the_session(node, stand):
    if stand == "cleaning":
        node.standby().event(messages.StartedByHand("web"))
    elif stand == "stopping":
        node.primary()
    node.event(messages.SessionEnds("the session is closed"))
    if stand == "cleaning":
        node.event(messages.Released(node.op(messages.Release)))
    assert not node.state.settled


def test_resign_on_a_standby_is_refused(node):
    answer = node.standby().event(messages.Resign("t1")).actions[0]
    assert answer.exit == 3 and "standby" in answer.text


def test_stopped_by_hand_counts_as_a_resignation(node):
    assert node.primary().event(messages.StoppedByHand("web")).at[0] == "demoting"


def test_stopped_at_the_end_of_the_lease_is_not_stopped_by_hand(node):
    """The guard may have done that, and the listener, frozen until then, hears of it from supervisord first."""
    node.primary()
    node.event(messages.StoppedByHand("web"), after=lease_of(SETTINGS, node.state).stop_at - node.now)
    assert node.at[0] == "demoting" and "lease" in node.state.reason and not node.state.by_hand


@pytest.mark.parametrize("others", [0, 1])
def test_after_a_stop_by_hand_supervisord_has_time_to_tell_of_it(node, others):
    node.primary().event(messages.StoppedByHand("web"))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    node.event(messages.Released(node.op(messages.Release)))
    rested = node.now + STOPPED_REST
    while not node.did(messages.Propose):
        node.event(messages.Tick(), after=max(0.0, next_wakeup(SETTINGS, node.state) - node.now))
        if node.did(messages.CountOthers):
            node.event(messages.OthersCounted(node.op(messages.CountOthers), others))
    assert node.now == rested


def test_started_by_hand_on_a_standby_is_killed_before_it_may_lead(node):
    node.standby().event(messages.StartedByHand("web"))
    kill = node.op(messages.KillGroup)
    node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 1))
    node.event(messages.Claimed(node.op(messages.Claim), ""))
    assert not node.event(messages.Leased(node.now, node.now + 9.9)).did(messages.StartGroup)
    assert node.event(messages.Dead(kill, 0.1)).did(messages.StartGroup)


def test_its_own_leftover_is_waited_out_and_a_twin_is_not(node):
    node.cleared().event(UP)
    node.event(messages.DuplicateNodeName(node.op(messages.Propose), "n-0000000000"))
    node.event(messages.Tick(), after=0.6)
    assert node.did(messages.Propose) and not node.did(messages.Quit)
    node.event(messages.DuplicateNodeName(node.op(messages.Propose), "n-0000000000"), after=14.0)
    assert node.did(messages.Quit)


@pytest.mark.parametrize("fresh", [True, False], ids=["another session", "the same session"])
def test_its_own_leftover_is_waited_out_from_the_last_connection_on(node, fresh):
    """ZooKeeper's next leader gives every session its whole timeout again, also that of the leftover."""
    node.cleared().event(UP)
    node.event(messages.DuplicateNodeName(node.state.waiting, "n-0000000000"))
    node.event(messages.SessionDown(), 1.0)
    if fresh:
        node.event(messages.SessionLost("expired"), 8.0)
    node.event(UP._replace(fresh=fresh), 8.0)
    node.event(messages.DuplicateNodeName(node.state.waiting, "n-0000000000"))
    node.event(messages.Tick(), 12.0)
    node.event(messages.DuplicateNodeName(node.state.waiting, "n-0000000000"))
    assert not node.did(messages.Quit)
    node.event(messages.Tick(), 2.1)
    assert node.event(messages.DuplicateNodeName(node.state.waiting, "n-0000000000")).did(messages.Quit)


def test_a_timeout_that_cannot_carry_the_kill_never_leads(node):
    node.cleared().event(UP._replace(grace=-0.1))
    assert node.at == ("detached", "waiting") and not node.did(messages.Propose) and "kill_time" in node.state.trouble


def test_shutdown_stops_proves_releases_and_ends(node):
    node.primary().event(messages.Shutdown("SIGTERM", node.now + 5.0))
    stop = next(action for action in node.actions if isinstance(action, messages.StopGroup))
    assert stop.kill_at == node.now + 5.0
    node.event(messages.Dead(stop.op, 0.1))
    assert node.event(messages.Released(node.op(messages.Release))).at == ("withdrawn", "")


def test_shutdown_without_time_kills(node):
    assert node.primary().event(messages.Shutdown("supervisord is gone", node.now)).did(messages.KillGroup)


def test_a_standby_shuts_down_by_leaving_the_queue(node):
    node.standby().event(messages.Shutdown("SIGTERM", node.now + 5.0))
    assert node.event(messages.Released(node.op(messages.Release))).at == ("withdrawn", "")


def test_answers_to_what_is_over_change_nothing(node):
    node.primary()
    before = node.state
    for event in (messages.Queried(1, True, 1, 1), messages.ServiceStarted(1), messages.Dead(1, 0), messages.Acked(2), messages.Released(1),
                  messages.RequestFailed(3, True, "gone"), messages.Probed(1, False, "x")):
        node.event(event)
        assert node.state == before


# A predecessor that ended dirty, and a group that cannot be proven dead


def dirty(node):
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    return node.event(messages.Dirty(node.op(messages.Claim), "b", "b:1", 40))


def test_a_dirty_predecessor_is_fenced_before_the_term_is_claimed():
    node = dirty(Node())
    assert node.actions[-1][1:] == ("b", "b:1", 40) and node.at == (roles.PROMOTING, "fencing")
    assert not node.did(messages.Claim)
    node.event(messages.Fenced(node.op(messages.Fence), True, "exit status 0"))
    assert node.actions[-1].fenced == 40 and node.at == (roles.PROMOTING, "claiming")
    node.event(messages.Claimed(node.op(messages.Claim), "b"))
    assert node.at == (roles.PROMOTING, "leasing")


def test_a_fence_that_fails_is_run_again_and_nothing_is_claimed():
    node = dirty(Node())
    waits = []
    for _ in range(3):
        node.event(messages.Fenced(node.op(messages.Fence), False, "exit status 1"))
        assert node.at == (roles.PROMOTING, "fencing") and "exit status 1" in node.state.trouble
        assert not node.did(messages.Fence) and not node.did(messages.Claim)
        waits.append(node.state.retry_at - node.now)
        node.event(messages.Tick(), after=RETRY_MOST)
        assert not node.did(messages.Fence) and node.did(messages.Claim), "what was ordered meanwhile is heeded first"
        node.event(messages.Dirty(node.op(messages.Claim), "b", "b:1", 40))
        assert node.did(messages.Fence) and "exit status 1" in node.state.trouble
    assert waits == sorted(waits) and waits[0] < waits[-1]


def test_a_fence_that_fails_is_passed_over_where_the_settings_say_so():
    node = dirty(Node())
    number = node.op(messages.Fence)
    node.state, node.actions = role.step(
        replace(SETTINGS, fence_failed_continues=True), node.state, messages.Fenced(number, False, "exit status 1"), node.now
    )
    assert node.did(messages.Claim)


def test_an_answer_of_an_older_fence_counts_for_nothing():
    node = dirty(Node())
    node.event(messages.Fenced(node.op(messages.Fence) - 1, True, "exit status 0"))
    assert node.at == (roles.PROMOTING, "fencing")


def test_a_term_that_ends_while_its_predecessor_is_fenced_starts_nothing():
    node = dirty(Node())
    number = node.op(messages.Fence)
    node.event(messages.SessionLost("expired"))
    assert node.at == (roles.DETACHED, "waiting")
    assert not node.event(messages.Fenced(number, True, "exit status 0")).did(messages.Claim)


def stuck(node):
    node.primary().event(messages.Resign("t", force=True))
    assert node.did(messages.StopGroup)
    return node


def test_a_forced_resignation_asks_for_no_successor():
    node = stuck(Node())
    assert not node.did(messages.CountOthers) and node.at == (roles.DEMOTING, "stopping")


def test_a_group_that_is_not_proven_dead_is_released_on_an_operators_word_only():
    node = stuck(Node())
    stop = node.op(messages.StopGroup)
    node.event(messages.Resign("early", force=True))
    assert node.actions[-1].ok is False, "it is being stopped, and nothing has failed"
    node.event(messages.Stuck("killed and not gone: 7 in state D"))
    assert not node.did(messages.Release)
    node.event(messages.Resign("plain"))
    assert not node.did(messages.Release)
    node.event(messages.Resign("word", force=True))
    assert node.actions[-1] == messages.Release(node.state.waiting, True)
    node.event(messages.Released(node.state.waiting))
    assert node.at == (roles.DETACHED, "waiting") and not node.did(messages.Propose)
    node.event(UP._replace(fresh=False))
    assert not node.did(messages.Propose), "it proposes again only after the proof"
    assert node.event(messages.Dead(stop, 30.0)).did(messages.Propose)


def test_a_node_that_ends_does_not_withdraw_while_a_group_that_was_started_by_hand_is_not_proven_dead():
    """The withdrawal ends the session, and with it what the node has in its other elections."""
    node = Node().primary().event(messages.Shutdown("SIGTERM", 110.0))
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    released = node.op(messages.Release)
    killed = node.event(messages.StartedByHand("svc")).op(messages.KillGroup)
    assert node.event(messages.Released(released)).at == (roles.DETACHED, "waiting")
    assert node.event(messages.Tick(), after=9.0).at == (roles.DETACHED, "waiting") and not node.did(messages.Propose)
    assert node.event(messages.Dead(killed, 9.0)).at == (roles.WITHDRAWN, "")


READDRESSED = replace(SETTINGS, address="a:2", rise=2, fall=1, health_interval=0.2)


def test_another_address_is_written_in_the_same_term(node):
    node.primary()
    node.settings = READDRESSED
    assert node.event(messages.Reconfigured(True)).did(messages.Repair) and node.at == ("primary", "")
    # What was read before it was written is no news; what still stands afterwards is written again.
    assert node.event(messages.TermSeen("a", "a:2", 41, True, 41, "a:1")).did(messages.Repair)
    assert not node.event(messages.TermSeen("a", "a:2", 41, True, 41, "a:2")).did(messages.Repair)


def test_an_address_that_changes_on_the_way_to_the_ack_is_written_after_it(node):
    node.probing()
    node.settings = READDRESSED
    assert not node.event(messages.Reconfigured(True)).did(messages.Repair)
    for _ in range(2):
        node.event(messages.Tick(), after=0.2)
        node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    node.event(messages.Acked(node.op(messages.Ack)))
    assert node.event(messages.TermSeen("a", "a:2", 41, True, 41, "a:1")).did(messages.Repair)


def test_other_health_options_count_at_once(node):
    node.primary()
    node.settings = READDRESSED
    node.event(messages.Reconfigured(False))
    assert not node.did(messages.Repair) and next_wakeup(node.settings, node.state) == pytest.approx(node.now + 0.2)
    node.event(messages.Tick(), after=0.2)
    node.event(messages.Probed(node.op(messages.Probe), False, "no answer"))
    assert node.at[0] == "demoting"


@pytest.mark.parametrize("stage", ["standby", "promoting", "cleared"])
def test_other_settings_move_nothing(node, stage):
    getattr(node, stage)()
    before = node.at
    node.settings = READDRESSED
    assert node.event(messages.Reconfigured(True)).at == before and not node.actions


# A predecessor that noted no holder, and candidates of other programs


def unknown():
    """A node that leads, and finds the ack of somebody who noted no holder."""
    node = Node().cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    return node.event(messages.Dirty(node.op(messages.Claim), "", "go:1", 0))


def test_who_noted_no_holder_is_fenced_a_timeout_later():
    node = unknown()
    assert node.at == ("promoting", "claiming") and "go:1" in node.state.trouble
    assert not node.did(messages.Fence) and next_wakeup(SETTINGS, node.state) == node.now + UP.timeout
    # A reconnect asks sooner, and waits on.
    node.event(messages.SessionUp(False, 2.0, 14.0, 10.0), after=4.0)
    node.event(messages.Dirty(node.op(messages.Claim), "", "go:1", 0))
    assert not node.did(messages.Fence)
    node.event(messages.Tick(), after=6.0).event(messages.Dirty(node.op(messages.Claim), "", "go:1", 0))
    assert node.did(messages.Fence)
    node.event(messages.Fenced(node.op(messages.Fence), True, "exit status 0"))
    assert node.actions[-1].fenced == 0
    # A second one, of which the first one's holder told.
    node.event(messages.Dirty(node.op(messages.Claim), "", "go:2", 0))
    assert node.did(messages.Fence)


def test_who_writes_the_ack_again_meanwhile_is_not_fenced():
    node = unknown().event(messages.Tick(), after=10.0)
    node.event(messages.RequestFailed(node.op(messages.Claim), False, "another election's", refused=True))
    assert node.at == ("promoting", "claiming") and not node.did(messages.Fence) and node.state.trouble == "another election's"


def test_the_wait_is_no_part_of_the_time_to_become_healthy():
    node = Node()
    node.settings = replace(SETTINGS, promote_timeout=5.0)
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2)).event(messages.Dirty(node.op(messages.Claim), "", "go:1", 0))
    node.event(messages.Tick(), after=10.0)
    assert node.at == ("promoting", "claiming") and node.did(messages.Claim)


def test_a_primary_gives_way_to_who_leads_by_another_rule():
    node = Node()
    node.primary()
    node.event(messages.Rivalled("by another program's rule a0000000007 leads"))
    # As in a resignation: it is asked, and has its time.
    assert node.at == ("demoting", "stopping") and node.did(messages.StopGroup) and not node.did(messages.KillGroup)
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    assert node.did(messages.Release)


def test_a_node_goes_behind_who_leads_by_another_rule():
    """Where it stays before a candidate of another program, each of the two might wait for the other."""
    node = Node().cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), False, 1, 2, False, "a0000000002"))
    assert node.at == ("standby", "stepping") and node.did(messages.StepBehind)
    step = node.op(messages.StepBehind)
    refused, _ = role.step(SETTINGS, node.state, messages.RequestFailed(step, False, "no", refused=True), node.now)
    assert refused.stays and refused.step == "asking"
    node.event(messages.Proposed(step, "n-0000000003", 43))
    assert node.event(messages.Queried(node.op(messages.Query), False, 2, 2)).at == ("standby", "watching")


def test_a_rival_that_nobody_comes_behind_is_stepped_behind_once():
    """Its digits are the last that there are, so that this node stands first again, and would step for ever."""
    node = Node().cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    rival = "!9999999999"
    node.event(messages.Queried(node.op(messages.Query), False, 1, 2, rival=rival))
    node.event(messages.Proposed(node.op(messages.StepBehind), "n-0000000002", 42))
    for _ in range(3):
        asked = node.op(messages.Query)
        node.event(messages.Queried(asked, False, 1, 2, rival=rival))
        assert node.at == ("standby", "watching") and not node.did(messages.StepBehind)
        # The same again, after a change of the rival, and after a connection that was lost.
        node.event(messages.QueueChanged(asked, "changed"))
    node.event(messages.ProposalLost("deleted"))
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000003", 43))
    node.event(messages.Queried(node.op(messages.Query), False, 1, 2, rival=rival))
    assert node.at == ("standby", "watching")
    # Another one is another's, and may wait for this node.
    node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    node.event(messages.Queried(node.op(messages.Query), False, 1, 2, rival="a0000000002"))
    node.event(messages.Proposed(node.op(messages.StepBehind), "n-0000000004", 44))
    assert node.event(messages.Queried(node.op(messages.Query), True, 1, 1)).at == ("promoting", "claiming")


def test_who_has_not_started_yet_gives_way_at_once():
    node = Node().promoting().event(messages.Rivalled("x"))
    assert node.at == ("demoting", "releasing") and node.did(messages.Release)
    assert Node().standby().event(messages.Rivalled("x")).at == ("standby", "watching")


def test_an_ack_that_two_write_is_written_after_a_pause():
    node = Node()
    node.primary()
    seen = messages.TermSeen("self", "other:1", 41, True, 41, "a:1")
    for _ in range(CONTESTED):
        assert node.event(seen, after=0.2).did(messages.Repair)
    assert not node.event(seen, after=0.2).did(messages.Repair)
    node.event(messages.Tick(), after=RETRY_MOST)
    assert node.did(messages.SeeTerm) and node.event(seen).did(messages.Repair) and node.state.contested(node.now)
    # Long afterwards it is somebody's hand again.
    node.now += CALM
    assert not node.state.contested(node.now)
def test_a_candidate_that_never_goes_is_told_until_it_is_gone():
    node = Node().standby()
    node.event(messages.QueueChanged(node.state.waiting, "changed"))
    path = "/e/n-0000000000"
    node.event(messages.Queried(node.state.waiting, False, 2, 2, lasting=path))
    assert node.at == (roles.STANDBY, "watching") and path in node.state.trouble
    assert node.state.trouble == lasting_trouble(path)
    # A connection that was lost meanwhile leaves nothing of it, and the queue is looked at again.
    node.event(messages.SessionDown()).event(UP._replace(fresh=False))
    node.event(messages.Queried(node.op(messages.Query), False, 2, 2, lasting=path))
    assert node.state.trouble == lasting_trouble(path)
    node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 1))
    assert node.state.trouble == "" and node.at == (roles.PROMOTING, "claiming")


def test_what_is_started_by_hand_is_killed_also_where_this_election_has_withdrawn(node):
    """The listener may have others to stop for minutes, and somebody else leads this one."""
    node.standby().event(messages.Shutdown("SIGTERM", node.now + 60.0))
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at == ("withdrawn", "") and node.state.settled
    assert node.event(messages.StartedByHand("web")).did(messages.KillGroup) and not node.state.settled
    assert node.event(messages.Dead(node.op(messages.KillGroup), 0.0)).at == ("withdrawn", "") and node.state.settled


@pytest.mark.parametrize("then", ["switched over", "maintenance"])
def test_the_session_ends_also_where_a_proposal_was_found_that_may_lead(node, then):
    """What a former listener left stands at the head of the queue for as long as this one's session lives."""
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41, found=True))
    if then == "switched over":
        node.event(messages.ControlSeen(order="s", to="c", begun=41, target="n-0000000003"))
        node.event(messages.Queried(node.state.waiting, True, 1, 3))
    else:
        node.event(messages.ControlSeen("in maintenance", bar_id="m"))
    assert node.at == ("demoting", "releasing")
    refuse(node, 4)
    assert node.at == ("demoting", "closing") and node.did(messages.EndSession)


def test_who_may_not_even_look_ends_no_session(node):
    """It carries the node's other elections, whose services run, and most likely nothing was left in this one."""
    node.cleared().event(UP)
    node.event(messages.RequestFailed(node.state.waiting, False, "denied", True))
    node.event(messages.ControlSeen("what operators have ordered cannot be read", unread=True))
    refuse(node, 20)
    assert node.at == ("demoting", "releasing")


def test_one_that_stands_behind_others_ends_no_session(node):
    """It carries the node's other elections, and nobody waits for this one."""
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41, found=True))
    node.event(messages.Queried(node.state.waiting, False, 2, 2)).event(messages.ControlSeen("in maintenance", bar_id="m"))
    refuse(node, 20)
    assert node.at == ("demoting", "releasing")
