"""How a node obeys a pause, rule by rule."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import messages, pause_messages, role, transitions
from supervisor_zkelect.core.lease import DRIFT
from supervisor_zkelect.core.pausing import AGAIN
from supervisor_zkelect.core.roles import PRIMARY, PROMOTING, STEPS
from supervisor_zkelect.core.state import FURTHER, INFINITY, lease_of, next_wakeup
from tests.unit.core.test_role import SETTINGS, UP, Node

ASKED = pause_messages.PauseSeen("p", "paused", stands=False, stamp=(1, 1))
STANDS = ASKED._replace(stands=True, consent=41, stamp=(1, 2))
FORCED = STANDS._replace(consent=0)
#: `Node` has nothing ordered in a fresh session.
AGAIN_UP = UP._replace(fresh=False)


def seen(pause):
    return messages.ControlSeen(pause=pause)


@pytest.fixture
def node():
    return Node()


def renewed(node, seconds=5.0):
    return node.event(messages.Leased(node.now, node.now + seconds))


def paused(node, pause=ASKED, lasts=INFINITY):
    """A primary that has consented, as its guard has confirmed."""
    node.primary().event(seen(pause))
    consent = node.op(pause_messages.Consent)
    node.event(pause_messages.PauseWritten(consent, sent=node.now, lasts=lasts))
    node.event(pause_messages.PauseEchoed(True, True)).event(seen(STANDS._replace(lasts=lasts)))
    assert node.state.consented
    return node


def test_who_leads_consents_and_its_lease_has_no_end_from_the_answer_on(node):
    node.primary().event(seen(ASKED))
    assert node.op(pause_messages.Consent) and not node.state.held(node.now), "what is on its way is no promise"
    sent = node.now
    node.event(pause_messages.PauseWritten(node.op(pause_messages.Consent), sent=sent), 0.5)
    assert node.state.held(1e9) and node.did(pause_messages.TellPause) and not node.state.consented, "the guard has not confirmed"
    node.event(pause_messages.PauseEchoed(True, True))
    assert node.state.consented
    node.event(messages.Tick(), 1e6)
    assert node.at == ("primary", "")


def test_the_guard_is_told_until_it_confirms(node):
    node.primary().event(seen(ASKED))
    node.event(pause_messages.PauseWritten(node.op(pause_messages.Consent), sent=node.now))
    node.event(pause_messages.PauseEchoed(False, True))
    assert not node.state.consented and next_wakeup(SETTINGS, node.state) <= node.now + AGAIN
    assert node.event(messages.Tick(), AGAIN).did(pause_messages.TellPause)


@pytest.mark.parametrize("state", [
    {"pausing": None, "proposal": None}, {"up": False}, {"role": "promoting", "step": "probing"},
    {"leaving": messages.Shutdown("x", INFINITY)},
])
def test_nobody_else_consents(node, state):
    node.primary()
    node.state = replace(node.state, **state)
    assert not node.event(seen(ASKED)).did(pause_messages.Consent)


def test_a_consent_that_is_refused_is_tried_again_while_it_is_asked_for(node):
    node.primary().event(seen(ASKED))
    node.event(pause_messages.PauseWritten(node.op(pause_messages.Consent), "ZooKeeper does not answer"))
    assert not node.state.held(node.now) and node.state.pausing is None
    renewed(node)
    assert not node.event(messages.Tick(), AGAIN / 2).did(pause_messages.Consent)
    assert node.event(messages.Tick(), AGAIN / 2).did(pause_messages.Consent)
    node.event(pause_messages.PauseWritten(node.op(pause_messages.Consent), "it was taken back")).event(seen(None))
    renewed(node)
    assert not node.event(messages.Tick(), 2 * AGAIN).did(pause_messages.Consent)


@pytest.mark.parametrize("event", [
    messages.SessionLost("lost"), messages.ProposalLost("deleted"), messages.StoppedByHand("web"), messages.MemberFatal("web"),
    messages.SessionDown(), messages.RequestFailed(0, True, "gone"),
])
def test_what_ends_a_term_otherwise_does_not_end_one_in_a_pause(node, event):
    paused(node).event(event)
    node.event(messages.Tick(), 1000.0)
    assert node.at == ("primary", "") and not node.did(messages.KillGroup) and node.state.token == 41


def test_a_sick_service_is_told_and_its_failures_are_forgotten_at_resume(node):
    paused(node)
    for _ in range(SETTINGS.fall + 2):
        node.event(messages.Tick(), SETTINGS.health_interval)
        node.event(messages.Probed(node.state.probing, False, "ill"))
    assert node.at == ("primary", "") and "ill" in node.state.trouble
    renewed(node).event(seen(STANDS._replace(resume=True)))
    node.event(pause_messages.PauseEchoed(False, True))
    node.event(pause_messages.PauseWritten(node.op(pause_messages.EndPause)))
    assert node.state.counter.failures == 0 and node.state.trouble == ""


def test_operators_hear_why_nobody_resigns(node):
    paused(node)
    for force in (False, True):
        node.event(messages.Resign("t", force))
        [answer] = [one for one in node.actions if isinstance(one, messages.AnswerOperator)]
        assert (answer.ok, answer.exit) == (False, 1) and "zkelect resume" in answer.text
    aside = messages.ControlSeen("in maintenance", bar_id="m", pause=STANDS)
    assert not node.event(aside).did(messages.Begin) and node.at == ("primary", "")


def test_resume_takes_the_flag_back_and_has_that_confirmed_before_it_is_written(node):
    renewed(paused(node)).event(seen(STANDS._replace(resume=True)))
    assert not node.state.held(node.now) and node.did(pause_messages.TellPause) and not node.did(pause_messages.EndPause)
    assert not node.event(pause_messages.PauseEchoed(True, True)).did(pause_messages.EndPause), "the guard has it still"
    renewed(node).event(messages.Tick(), AGAIN)
    assert not node.event(pause_messages.PauseEchoed(False, False)).did(pause_messages.EndPause), "the record may have it still"
    renewed(node).event(messages.Tick(), AGAIN)
    assert node.event(pause_messages.PauseEchoed(False, True)).did(pause_messages.EndPause)
    node.event(pause_messages.PauseWritten(node.op(pause_messages.EndPause)))
    assert node.at == ("primary", "") and node.state.pausing is None
    assert not node.event(seen(None)).did(pause_messages.Consent)


def in_step(node, step):
    """A node that leads anew by the proposal of a term of its own that is proven dead, and whose consent nobody could take back."""
    node.promoting().event(messages.Leased(node.now, node.now + 99.0))
    if step != "starting":
        node.event(messages.ServiceStarted(node.op(messages.StartGroup)))
    if step == "acking":
        node.event(messages.Tick(), 0.01).event(messages.Probed(node.op(messages.Probe), True, "ok"))
    assert node.at == ("promoting", step)
    return node


@pytest.mark.parametrize("answered", ["starting", "probing", "acking"])
def test_a_pause_that_a_former_term_consented_to_is_ended_in_each_step_of_the_next(node, answered):
    """An answer that counts only in a later step is waited for for ever."""
    in_step(node, answered).event(seen(STANDS._replace(resume=True, own=True)))
    assert node.did(pause_messages.TellPause)
    assert node.event(pause_messages.PauseEchoed(False, True)).did(pause_messages.EndPause)
    node.event(pause_messages.PauseWritten(node.op(pause_messages.EndPause), "ZooKeeper refuses"))
    assert node.event(messages.Tick(), AGAIN).did(pause_messages.EndPause)
    node.event(pause_messages.PauseWritten(node.op(pause_messages.EndPause)))
    assert node.at == ("promoting", answered) and node.state.pausing is None and node.state.orders.pause is None


@pytest.mark.parametrize("kind", [pause_messages.PauseEchoed, pause_messages.PauseWritten])
def test_what_ends_a_pause_is_heard_wherever_one_may_be_ended(kind):
    """A pause is led in every step in which a group may run by this node's order, but for its stop, which ends that."""
    running = [(PROMOTING, step) for step in STEPS[PROMOTING]] + [(PRIMARY, "")]
    begun = role.begin(100.0)[0]
    may_run = [transitions.step_of(*one) for one in running if replace(begun, role=one[0], step=one[1]).may_run]
    assert may_run and [step for step in may_run if isinstance(transitions.PAIRS[step, kind], str)] == []


def test_a_resume_that_fails_is_sent_again_under_an_ordinary_lease(node):
    renewed(paused(node)).event(seen(STANDS._replace(resume=True))).event(pause_messages.PauseEchoed(False, True))
    node.event(pause_messages.PauseWritten(node.op(pause_messages.EndPause), "ZooKeeper does not answer"))
    renewed(node, 9.0)
    assert node.event(messages.Tick(), AGAIN).did(pause_messages.EndPause)
    assert node.event(messages.Tick(), 9.0).at == ("demoting", "stopping"), "the lease runs out"


def test_resume_waits_for_a_lease_and_for_a_connection(node):
    paused(node).event(messages.SessionDown()).event(messages.Tick(), 100.0)
    node.event(seen(STANDS._replace(resume=True)))
    assert node.state.held(node.now)
    node.event(messages.SessionUp(False, 2.0, 6.0, 10.0))
    assert node.state.held(node.now), "no answer of the quorum yet"
    assert not renewed(node, 9.0).state.held(node.now)


def test_without_its_proposal_it_stops_at_resume_and_ends_the_pause_when_it_is_proven_dead(node):
    paused(node).event(messages.SessionLost("expired")).event(AGAIN_UP).event(seen(STANDS))
    assert node.at == ("primary", "") and not node.did(messages.Propose)
    node.event(seen(STANDS._replace(resume=True)))
    assert node.at == ("demoting", "stopping") and node.did(messages.StopGroup)
    node.event(messages.Dead(node.op(messages.StopGroup), 0.1))
    [back] = [one for one in node.actions if isinstance(one, pause_messages.TakeBackConsent)]
    assert (back.token, back.released) == (41, True) and not node.did(messages.Release)
    node.event(messages.RequestFailed(back.op, False, "no answer"))
    [again] = [one for one in node.event(messages.Tick(), 1.0).actions if isinstance(one, pause_messages.TakeBackConsent)]
    assert node.event(messages.Released(again.op)).did(messages.Propose) and not node.state.held(node.now)


def test_a_shutdown_stops_in_time_and_releases(node):
    paused(node).event(messages.Shutdown("SIGTERM", INFINITY))
    assert node.at == ("demoting", "stopping") and node.did(messages.StopGroup)
    node.event(messages.SessionLost("expired"))
    assert not node.did(messages.KillGroup), "nobody leads beside it"
    node.event(messages.Dead(node.state.waiting, 0.1))
    assert node.at == ("withdrawn", "")


def test_a_consent_that_seems_gone_is_looked_for_behind_a_sync(node):
    renewed(paused(node)).event(seen(None))
    look = node.op(pause_messages.SeeConsent)
    assert node.state.held(node.now), "one server's word is not enough"
    node.event(pause_messages.ConsentRead(look, None))
    look = node.event(messages.Tick(), AGAIN).op(pause_messages.SeeConsent)
    node.event(pause_messages.ConsentRead(look, seen(STANDS)))
    assert node.state.held(node.now) and node.did(pause_messages.TellPause)
    node.event(pause_messages.PauseEchoed(True, True))
    assert node.state.consented


def test_a_look_that_is_never_answered_ends_nothing(node):
    """What a fresh session reads may be older than the consent, and ZooKeeper may go away just then: it stands."""
    paused(node).event(messages.SessionLost("expired")).event(UP).event(seen(None))
    look = node.op(pause_messages.SeeConsent)
    node.event(messages.SessionDown()).event(pause_messages.ConsentRead(look, None)).event(messages.Tick(), 1e6)
    assert node.at == ("primary", "") and node.state.held(node.now) and not node.did(pause_messages.TellPause)


@pytest.mark.parametrize("gone", [None, FORCED, STANDS._replace(consent=99), ASKED])
def test_where_the_consent_is_gone_it_is_an_ordinary_primary(node, gone):
    renewed(paused(node), 9.0).event(seen(gone))
    node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), seen(gone)))
    assert node.at == ("primary", "") and not node.state.held(node.now) and node.did(pause_messages.TellPause)
    assert node.event(pause_messages.PauseEchoed(False, True)).did(pause_messages.EndPause), "the barrier may stand"


def test_the_ordinary_lease_is_proof_enough_where_the_connection_is_lost_just_then(node):
    renewed(paused(node), 9.0).event(seen(None))
    look = node.op(pause_messages.SeeConsent)
    node.event(messages.SessionDown()).event(pause_messages.ConsentRead(look, seen(None)))
    assert node.at == ("primary", "") and not node.state.held(node.now) and not node.did(messages.KillGroup)


@pytest.mark.parametrize("proposal", [True, False])
def test_where_the_consent_is_gone_and_the_lease_too_it_is_killed(node, proposal):
    paused(node)
    if proposal:
        node.event(messages.Tick(), 100.0)
    else:
        node.event(messages.SessionLost("expired")).event(UP)
    node.event(seen(None))
    node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), seen(None)))
    assert node.at == ("demoting", "stopping") and node.did(messages.KillGroup)


def test_garbage_in_the_control_is_no_word_on_the_consent(node):
    renewed(paused(node)).event(messages.ControlSeen("it cannot be read"))
    assert node.at == ("primary", "") and node.state.held(node.now) and not node.did(pause_messages.SeeConsent)


def test_a_listener_that_inherits_a_paused_term_goes_on_without_session_and_proposal(node):
    node.state, _ = role.inherit(100.0, 41, 90.0, 0, INFINITY)
    node.event(messages.Tick(), 1000.0)
    assert node.state.inherited == 41, "its lease is over, and the pause is not"
    node.event(messages.SessionLost("over"))
    assert node.at == ("primary", "") and node.state.token == 41 and node.state.inherited is None
    node.event(AGAIN_UP).event(seen(STANDS)).event(pause_messages.PauseEchoed(True, True))
    assert node.state.consented and node.state.pausing.order == "p" and not node.did(messages.Propose)


def test_one_that_finds_its_proposal_is_not_ended_by_a_sick_service(node):
    node.state, _ = role.inherit(100.0, 41, 90.0, 0, INFINITY)
    node.event(seen(STANDS)).event(AGAIN_UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    node.event(messages.Claimed(node.op(messages.Claim), "", messages.Leased(node.now, node.now + 9.9)))
    assert node.at == ("promoting", "probing")
    node.event(messages.Tick(), SETTINGS.promote_timeout + 1)
    assert node.at == ("promoting", "probing") and next_wakeup(SETTINGS, node.state) > node.now


def test_a_pause_that_ends_by_itself_is_relied_on_for_less_than_its_time(node):
    paused(node, lasts=100.0)
    assert node.state.paused_until == pytest.approx(node.now + 100.0 * (1 - DRIFT)) and node.state.held(node.now + 98.9)
    assert next_wakeup(SETTINGS, node.state) <= node.state.paused_until
    node.now = node.state.paused_until - 2.0
    renewed(node, 9.0).event(messages.Tick(), 2.0)
    assert not node.state.held(node.now) and node.did(pause_messages.TellPause) and node.at == ("primary", "")
    assert node.event(pause_messages.PauseEchoed(False, True)).did(pause_messages.EndPause)
    node.event(pause_messages.PauseWritten(node.op(pause_messages.EndPause), "no answer"))
    assert not node.event(seen(STANDS._replace(lasts=100.0))).did(pause_messages.Consent), "its time does not begin anew"


def test_whoever_is_cut_off_when_it_ends_is_stopped_before(node):
    paused(node, lasts=100.0).event(messages.SessionLost("expired"))
    node.event(messages.Tick(), node.state.paused_until - node.now - 0.1)
    assert node.at == ("demoting", "stopping")


def test_without_its_proposal_no_ordinary_lease_counts_when_the_pause_ends(node):
    paused(node, lasts=6.0)
    renewed(node, 9.0).event(messages.ProposalLost("deleted"))
    assert node.at == ("primary", "") and node.did(pause_messages.TellPause), "the guard is to know"
    node.event(messages.RenewedByKeeper(41, node.now + 9.0))
    node.event(messages.Tick(), node.state.paused_until - node.now - 0.1)
    assert node.at == ("demoting", "stopping")


def test_nobody_begins_a_term_in_a_pause(node):
    node.standby().event(seen(FORCED))
    node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    assert node.at == ("standby", "watching") and not node.did(messages.Claim)
    assert not node.event(messages.Tick(), 1000.0).did(messages.Query)
    assert node.event(seen(None)).did(messages.Query)


def test_a_claim_that_a_pause_refused_waits_without_a_limit(node):
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    claim = node.op(messages.Claim)
    node.event(seen(FORCED))
    assert node.at == ("promoting", "claiming"), "it may have been claimed already"
    node.event(messages.RequestFailed(claim, False, "paused", True))
    assert node.at == ("standby", "watching") and node.state.halted and not node.state.failures


@pytest.mark.parametrize("fails", ["before it is paused", "afterwards"])
def test_a_fence_that_fails_is_not_tried_again_in_a_pause(node, fails):
    node.cleared().event(UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    fence = node.event(messages.Dirty(node.op(messages.Claim), "b", "b:1", 40)).op(messages.Fence)
    for event in (messages.Fenced(fence, False, "exit status 1"), seen(FORCED))[::1 if fails == "before it is paused" else -1]:
        assert node.at == ("promoting", "fencing"), "what runs already is not known to be over"
        node.event(event)
    assert node.at == ("standby", "watching") and node.state.halted
    assert not node.event(messages.Tick(), 1000.0).did((messages.Fence, messages.Claim))
    assert node.event(seen(None)).did(messages.Query)


def test_a_claim_that_was_made_goes_on_and_then_consents(node):
    node.promoting().event(seen(FORCED)).event(messages.Leased(node.now, node.now + 9.9))
    node.event(messages.ServiceStarted(node.op(messages.StartGroup))).event(messages.Tick(), 0.01)
    node.event(messages.Probed(node.op(messages.Probe), True, "ok"))
    assert node.event(messages.Acked(node.op(messages.Ack))).did(pause_messages.Consent)


def test_who_is_next_ends_a_pause_when_more_than_its_time_is_over(node):
    pause = STANDS._replace(consent=7, lasts=100.0)
    node.standby().event(seen(pause))
    node.event(messages.QueueChanged(node.state.waiting, "created"))
    node.event(messages.Queried(node.op(messages.Query), False, 2, 3, paused=True))
    assert node.state.pause_over == pytest.approx(100.0 + 100.0 * (1 + DRIFT))
    assert not node.event(messages.Tick(), 100.5).did(pause_messages.EndPauseInTime)
    again = pause._replace(stamp=(1, 9))
    node.event(seen(again))
    assert not node.event(messages.Tick(), 100.5).did(pause_messages.EndPauseInTime), "another consent begins its time anew"
    [end] = [one for one in node.event(messages.Tick(), 0.6).actions if isinstance(one, pause_messages.EndPauseInTime)]
    assert end.stamp == (1, 9)
    assert node.event(messages.Tick(), AGAIN).did(pause_messages.EndPauseInTime), "it stands still"


def test_whoever_is_further_behind_ends_it_a_little_later(node):
    node.standby().event(seen(STANDS._replace(consent=7, lasts=100.0)))
    over = node.state.pause_over
    assert node.event(messages.Tick(), over - node.now).state.step == "watching" and not node.did(pause_messages.EndPauseInTime)
    assert next_wakeup(SETTINGS, node.state) == pytest.approx(over + FURTHER)
    assert node.event(messages.Tick(), FURTHER).did(pause_messages.EndPauseInTime), "who would lead next may be one that ends none"


def test_a_consent_of_a_term_that_is_proven_dead_is_taken_back(node):
    node.standby().event(seen(STANDS._replace(consent=7)))
    assert not node.did(pause_messages.TakeBackConsent), "it is another's, whatever its name"
    node.event(seen(STANDS._replace(consent=7, over=True)))
    [back] = [one for one in node.actions if isinstance(one, pause_messages.TakeBackConsent)]
    assert (back.token, back.released) == (7, False)
    assert not node.event(messages.Tick(), AGAIN / 2).did(pause_messages.TakeBackConsent)
    assert node.event(messages.Tick(), AGAIN / 2).did(pause_messages.TakeBackConsent)


def test_not_before_what_a_former_life_left_is_proven_dead(node):
    node.event(UP).event(seen(STANDS._replace(consent=7, over=True)))
    assert node.at == ("detached", "clearing") and not node.did(pause_messages.TakeBackConsent)
    assert node.cleared().did(pause_messages.TakeBackConsent)


def test_the_consent_of_a_term_that_was_lost_while_it_was_written_is_taken_back(node):
    node.primary().event(seen(ASKED)).event(messages.SessionLost("expired"))
    node.event(messages.Dead(node.op(messages.KillGroup), 0.1))
    assert node.at[0] == "detached" and node.state.buried == 41
    assert node.event(UP).event(seen(STANDS)).did(pause_messages.TakeBackConsent)


def test_a_session_may_be_closed_under_a_paused_group(node):
    paused(node).event(messages.SessionEnds("another election"))
    assert node.at == ("primary", "") and node.state.settled
    node.event(messages.SessionLost("closed"))
    assert node.at == ("primary", "") and not node.state.ending


@pytest.mark.parametrize("way", ["seen", "read behind a sync"])
def test_the_time_of_a_pause_counts_from_the_first_reading_of_it_whichever_way_it_is_read(node, way):
    old, new = STANDS._replace(consent=7, lasts=10.0, stamp=(1, 5)), STANDS._replace(consent=9, lasts=100.0, stamp=(1, 6))
    renewed(paused(node), 90.0).event(seen(old))
    if way == "seen":
        node.event(seen(new), 5.0)
    else:
        node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), seen(new)), 5.0)
    node.event(seen(new), 5.0)
    assert node.state.pause_over == pytest.approx(node.now - 5.0 + 100.0 * (1 + DRIFT))


def test_a_listener_that_inherits_nothing_takes_back_what_this_supervisord_has_consented_to(node):
    own = STANDS._replace(consent=7, own=True)
    node.event(UP).event(seen(own))
    assert node.at == ("detached", "clearing") and not node.did(pause_messages.TakeBackConsent)
    node.cleared()
    assert node.at == ("detached", "proposing") and not node.did(pause_messages.TakeBackConsent), "the proposal of that term may stand"
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    [back] = [one for one in node.actions if isinstance(one, pause_messages.TakeBackConsent)]
    assert (back.token, back.released) == (7, False)


def test_with_the_proposal_of_that_term_it_goes_on_instead(node):
    node.event(UP).event(seen(STANDS._replace(own=True))).cleared()
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    assert node.at == ("promoting", "claiming") and not node.did(pause_messages.TakeBackConsent)


@pytest.mark.parametrize("way", ["inherited", "primary", "demoting"])
def test_no_consent_is_taken_back_while_its_group_may_run(node, way):
    if way == "inherited":
        node.state, _ = role.inherit(100.0, 41, 190.0, 0, INFINITY)
    else:
        paused(node)
    if way == "demoting":
        node.event(messages.Shutdown("x", INFINITY))
    node.event(AGAIN_UP).event(seen(STANDS._replace(own=True, consent=7)))
    assert not node.did(pause_messages.TakeBackConsent)


def test_the_token_of_whatever_is_given_up_is_known_as_that_of_a_term_that_is_dead(node):
    node.standby()
    token = node.state.token
    node.event(messages.SessionLost("expired"))
    assert node.at[0] == "detached" and node.state.buried == token


def inheriting(node, paused_until=INFINITY, pause=STANDS):
    """A listener that finds its group running in a pause, its proposal too, and claims its term again."""
    node.state, _ = role.inherit(100.0, 41, 190.0, 0, paused_until)
    node.event(AGAIN_UP)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    return node


def goes_on(node):
    node.event(messages.Queried(node.state.waiting, True, 1, 2))
    node.event(messages.Claimed(node.op(messages.Claim), "", messages.Leased(node.now, node.now + 9.9)))
    assert node.at == ("promoting", "probing")
    return node


def becomes_primary(node):
    node.event(messages.Tick(), 0.01).event(messages.Probed(node.op(messages.Probe), True, "ok"))
    node.event(messages.Acked(node.op(messages.Ack)))
    assert node.at == ("primary", "")
    return node


def test_a_consent_that_is_found_gone_before_an_inherited_term_goes_on_is_ended_after_it_does(node):
    inheriting(node).event(seen(None))
    node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), seen(None)))
    assert node.did(pause_messages.TellPause) and not node.state.held(node.now)
    node.event(pause_messages.PauseEchoed(False, True))
    assert not node.did(pause_messages.EndPause), "what ZooKeeper would answer counts for nothing yet"
    goes_on(node).event(messages.Tick(), AGAIN)
    assert node.did(pause_messages.TellPause)
    assert node.event(pause_messages.PauseEchoed(False, True)).did(pause_messages.EndPause)
    node.event(pause_messages.PauseWritten(node.op(pause_messages.EndPause)))
    assert node.state.pausing is None


def test_one_that_is_found_before_an_inherited_term_goes_on_is_confirmed_after_it_does(node):
    inheriting(node).event(seen(None))
    node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), seen(STANDS)))
    node.event(pause_messages.PauseEchoed(True, True))
    goes_on(node).event(messages.Tick(), AGAIN).event(pause_messages.PauseEchoed(True, True))
    assert node.state.consented


@pytest.mark.parametrize("step", ["bounding", "resuming"])
@pytest.mark.parametrize("event", ["health", "fatal", "by hand"])
def test_what_was_amiss_in_the_pause_does_not_end_the_term_at_its_end(node, step, event):
    paused(node)
    for _ in range(SETTINGS.fall + 2):
        node.event(messages.Tick(), SETTINGS.health_interval)
        node.event(messages.Probed(node.state.probing, False, "ill"))
    renewed(node, 60.0).event(seen(STANDS._replace(resume=True)))
    if step == "resuming":
        node.event(pause_messages.PauseEchoed(False, True))
    assert node.state.pausing.step == step
    if event == "health":
        node.event(messages.Tick(), SETTINGS.health_interval)
        node.event(messages.Probed(node.state.probing, False, "ill"))
        assert node.state.counter.failures == 1
    else:
        node.event(messages.MemberFatal("web") if event == "fatal" else messages.StoppedByHand("web"))
    assert node.at == ("primary", "") and not node.did((messages.StopGroup, messages.KillGroup))


def test_a_term_that_was_being_promoted_has_its_time_anew_at_the_end_of_a_pause(node):
    goes_on(inheriting(node).event(seen(STANDS)))
    node.event(messages.Tick(), SETTINGS.promote_timeout + 1)
    renewed(node, 60.0).event(seen(STANDS._replace(resume=True))).event(messages.Tick(), 0.1)
    assert node.at == ("promoting", "probing") and not node.state.held(node.now)
    assert node.state.healthy_by >= node.now + SETTINGS.promote_timeout - 0.2


@pytest.mark.parametrize("step", ["looking", "telling"])
def test_the_end_of_the_session_waits_until_the_guard_has_confirmed(node, step):
    renewed(paused(node)).event(seen(None))
    if step == "telling":
        node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), seen(STANDS)))
    assert node.state.pausing.step == step
    node.event(messages.SessionEnds("another election"))
    assert node.at == ("primary", "") and not node.state.settled
    if step == "looking":
        node.event(pause_messages.ConsentRead(node.state.pausing.op, seen(STANDS)))
    assert node.event(pause_messages.PauseEchoed(True, True)).state.settled


def test_what_an_earlier_listener_left_paused_goes_on_where_the_session_is_to_be_closed(node):
    node.state, _ = role.inherit(100.0, 41, 190.0, 0, INFINITY)
    node.event(messages.SessionEnds("another election"))
    assert node.state.inherited == 41 and not node.did((messages.StopGroup, messages.KillGroup))


def test_where_the_session_is_to_be_closed_a_term_whose_pause_is_over_ends(node):
    renewed(paused(node), 60.0).event(messages.SessionEnds("another election"))
    node.event(seen(STANDS._replace(resume=True)))
    assert node.at == ("demoting", "stopping") and node.did(messages.StopGroup), "nobody waits for it for ever"


@pytest.mark.parametrize("late, ended", [(-0.01, None), (0.01, messages.StopGroup), (5.0, messages.KillGroup)])
def test_where_the_consent_is_gone_the_ordinary_lease_counts_at_once(node, late, ended):
    """For the guard too: no step waits for a heartbeat while a lease without an end and without a consent stands there."""
    renewed(paused(node), 9.0)
    lease = lease_of(SETTINGS, node.state).ordinary
    node.event(seen(None), lease.stop_at + late - node.now)
    node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), seen(None)))
    if ended is not messages.KillGroup:
        assert not node.state.held(node.now) and lease_of(SETTINGS, node.state).kills_at == lease.kill_at
    if ended is None:
        assert node.at == ("primary", "") and node.state.pausing.step == "bounding" and node.did(pause_messages.TellPause)
    else:
        assert node.at == ("demoting", "stopping") and node.did(ended)


@pytest.mark.parametrize("lasts, ends", [(100.0, True), (INFINITY, False)])
@pytest.mark.parametrize("paused_until", [99.0, -INFINITY])
def test_a_listener_that_inherits_a_pause_whose_time_is_over_ends_it(node, paused_until, lasts, ends):
    inheriting(node, paused_until)
    renewed(becomes_primary(goes_on(node)), 60.0).event(seen(STANDS._replace(lasts=lasts)))
    assert node.did(pause_messages.Consent) is not ends
    if ends:
        assert node.state.pausing.step == "bounding"
        assert node.event(pause_messages.PauseEchoed(False, True)).did(pause_messages.EndPause)


def test_a_pause_whose_time_ends_while_the_control_is_unread_is_ended_then(node):
    renewed(paused(node, lasts=100.0), 300.0)
    node.state = replace(node.state, orders=None, pausing=None)
    node.event(messages.Tick(), 99.5)
    assert not node.state.held(node.now)
    node.event(seen(STANDS._replace(lasts=100.0)))
    assert not node.did(pause_messages.Consent) and node.state.pausing.step == "bounding"


def test_a_new_pause_is_consented_to_after_one_that_lapsed_unread(node):
    inheriting(node, -INFINITY)
    renewed(becomes_primary(goes_on(node)), 60.0).event(seen(ASKED._replace(order="q", lasts=50.0)))
    consent = node.op(pause_messages.Consent)
    node.event(pause_messages.PauseWritten(consent, "no answer")).event(seen(STANDS._replace(order="q", lasts=50.0)))
    assert renewed(node, 60.0).event(messages.Tick(), AGAIN).did(pause_messages.Consent), "it was this listener's, and is new"


def test_nobody_steps_behind_others_in_a_pause(node):
    node.standby()
    node.state = replace(node.state, priority=SETTINGS.priority + 1)
    node.event(seen(STANDS._replace(consent=7)))
    assert not node.did(messages.StepBehind)
    node.event(seen(None))
    assert node.did(messages.StepBehind)


def test_a_pause_that_is_being_ended_by_who_inherited_it_is_not_said_to_be_confirmed(node):
    inheriting(node, -INFINITY).event(seen(STANDS._replace(lasts=100.0)))
    node.event(messages.Queried(node.state.waiting, True, 1, 2))
    assert node.at == ("promoting", "claiming") and node.state.pausing.step == "paused" and not node.state.consented


def test_a_pause_that_is_asked_for_while_the_end_of_the_former_is_sent_again_is_consented_to(node):
    """It was written, and its answer lost."""
    renewed(paused(node), 1e6).event(seen(STANDS._replace(resume=True))).event(pause_messages.PauseEchoed(False, True))
    ended = node.op(pause_messages.EndPause)
    node.event(messages.SessionDown()).event(pause_messages.PauseWritten(ended, "ZooKeeper does not answer"))
    node.event(AGAIN_UP).event(seen(ASKED._replace(order="q", stamp=(1, 4))))
    node.event(messages.Tick(), AGAIN).event(pause_messages.PauseWritten(node.op(pause_messages.EndPause)))
    assert node.event(messages.Tick(), AGAIN).did(pause_messages.Consent)


def ends(node):
    """The pause of a primary that keeps no lease any more is ended, whatever the control says."""
    renewed(node, 1e6).event(messages.Tick(), AGAIN)
    assert node.state.pausing.step == "bounding"
    node.event(pause_messages.PauseEchoed(False, True)).event(pause_messages.PauseWritten(node.op(pause_messages.EndPause)))
    assert node.state.pausing is None and node.event(messages.Tick(), AGAIN).state.may_begin


def test_a_pause_for_a_time_that_somebody_else_ends_before_an_inherited_term_goes_on_is_over(node):
    inheriting(node, -INFINITY).event(seen(STANDS._replace(lasts=100.0))).event(seen(None))
    becomes_primary(goes_on(node))
    if node.state.pausing is not None:
        ends(node)
    assert node.state.may_begin


def test_a_pause_that_vanishes_before_its_time_could_be_ended_is_over(node):
    """A standby has ended it while this node was not connected."""
    renewed(node.primary(), 1e6).event(seen(STANDS._replace(lasts=100.0)))
    node.event(messages.SessionDown()).event(pause_messages.PauseWritten(node.state.pausing.op, "its time is over", True))
    node.event(AGAIN_UP).event(seen(None))
    if node.state.pausing is not None:
        ends(node)
    assert node.event(messages.Tick(), AGAIN).state.may_begin


@pytest.mark.parametrize("proposal, killed", [(True, False), (False, True)], ids=["its proposal stands", "its proposal is gone"])
def test_a_term_that_stops_in_a_pause_looks_whether_its_consent_is_gone(node, proposal, killed):
    """It has all of its stopwaitsecs by that alone, and another node may lead."""
    node.settings = replace(SETTINGS, stopwaitsecs=600.0)
    renewed(paused(node), 9.9)
    if not proposal:
        node.event(messages.SessionLost("expired"))
    node.event(messages.Shutdown("SIGTERM", INFINITY))
    assert node.at == ("demoting", "stopping") and node.state.held(node.now)
    node.event(AGAIN_UP if proposal else UP).event(seen(None))
    node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), None))
    assert next_wakeup(node.settings, node.state) <= node.now + AGAIN
    node.event(messages.Tick(), AGAIN)
    node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), seen(None)))
    assert node.did(messages.KillGroup) == killed
    # By the ordinary lease, of which the guard is told.
    assert killed or not node.state.held(node.now) and node.did(pause_messages.TellPause)


def test_a_node_that_is_halted_goes_on_where_the_consent_turns_out_to_be_its_own(node):
    """What it had read was older."""
    node.event(UP).event(seen(FORCED)).event(messages.Dead(1, 0.0))
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    assert node.state.halted
    assert node.event(seen(STANDS._replace(own=True))).did(messages.Query)


@pytest.mark.parametrize("against", ["the timeout", "the session's end"])
def test_what_keeps_a_term_from_beginning_keeps_none_from_going_on_in_a_pause(node, against):
    node.state, _ = role.inherit(100.0, 41, 190.0, 0, INFINITY)
    if against == "the session's end":
        node.event(messages.SessionEnds("another election"))
        assert node.event(AGAIN_UP).did(messages.Propose)
    else:
        assert node.event(AGAIN_UP._replace(grace=-0.5)).did(messages.Propose)


def test_the_time_of_a_pause_goes_on_in_another_session(node):
    """Sessions are lost just while ZooKeeper is worked on, and it would never be over."""
    node.standby().event(seen(STANDS._replace(consent=7, lasts=100.0)))
    over = node.state.pause_over
    node.event(messages.SessionLost("expired"), 90.0).event(UP).event(seen(STANDS._replace(consent=7, lasts=100.0)))
    assert node.state.pause_over == over
