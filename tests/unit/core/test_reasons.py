"""Why a role changed, as one word."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import control, messages, pause_messages, reasons, role, tally_words
from supervisor_zkelect.core.messages import ControlSeen
from supervisor_zkelect.core.roles import DEMOTING, MAINTENANCE, PRIMARY, PROMOTING, STANDBY, WITHDRAWN
from supervisor_zkelect.core.service import Counter
from supervisor_zkelect.core.state import INFINITY, Beginning, Pausing, Rules, State
from tests.unit.core.walks import RULES, Walk

ORDERS = Rules(**RULES)
NOW = 100.0

LEADS = State(
    role=PRIMARY, step="", since=90.0, up=True, alive=True, grace=2.0, op=20, proposal="n-1", token=7, deadline=109.0, led=True,
    orders=ControlSeen(), counter=Counter(1, 2), probing=19, claimed_at=90.0,
)
STANDS_BY = replace(LEADS, role=STANDBY, step="watching", led=False, deadline=-INFINITY)
PROMOTES = replace(LEADS, role=PROMOTING, step="acking", waiting=20)
WAITS = State(since=90.0, step="waiting", up=True, alive=True, grace=2.0, op=20, orders=ControlSeen())
INHERITED = replace(WAITS, inherited=7, deadline=109.0)
GONE = replace(LEADS, role=DEMOTING, step="releasing", waiting=20)


def beginning(kind):
    return replace(LEADS, beginning=Beginning(20, kind, "s", "handed over"))


CASES = [
    # what happens, to whom, when, and why it changes its role
    (messages.Proposed(20, "n-1", 7), replace(WAITS, step="proposing", waiting=20), NOW, tally_words.JOINED),
    (messages.Queried(20, True, 1, 1), replace(STANDS_BY, step="asking", waiting=20), NOW, tally_words.ELECTED),
    (messages.Acked(20), PROMOTES, NOW, tally_words.ACKED),
    (messages.Released(20), GONE, NOW, tally_words.RELEASED),
    (messages.SessionLost("lost"), GONE, NOW, tally_words.RELEASED),
    (messages.Probed(19, False, "ill"), replace(LEADS, counter=Counter(1, 1)), NOW, None),
    (messages.Probed(19, False, "ill"), replace(LEADS, counter=Counter(1, 2, True, 0, 1)), NOW, tally_words.UNHEALTHY),
    (messages.MemberFatal("web"), LEADS, NOW, tally_words.UNHEALTHY),
    (messages.StartFailed(20, "no"), replace(PROMOTES, step="starting"), NOW, tally_words.UNHEALTHY),
    (messages.Tick(), replace(PROMOTES, step="probing", healthy_by=NOW), NOW, tally_words.UNHEALTHY),
    (messages.Tick(), LEADS, 108.0, tally_words.LEASE),
    (messages.Leased(80.0, 100.0), LEADS, 108.0, tally_words.LEASE),
    (messages.StoppedByHand("web"), LEADS, 108.0, tally_words.LEASE),
    # The guard ends a grant when the lease runs out, and its word may come first.
    (messages.GrantRevoked("the lease"), LEADS, 108.0, tally_words.LEASE),
    (messages.SessionLost("lost"), LEADS, 108.0, tally_words.SESSION),
    (messages.SessionLost("lost"), LEADS, NOW, tally_words.SESSION),
    (messages.SessionLost("lost"), STANDS_BY, NOW, tally_words.SESSION),
    (messages.SessionUp(True, 2.0, 6.0, 10.0), LEADS, NOW, tally_words.SESSION),
    (messages.SessionEnds("another"), LEADS, NOW, tally_words.SESSION),
    (messages.ProposalLost("deleted"), LEADS, NOW, tally_words.PROPOSAL),
    (messages.ProposalLost("deleted"), STANDS_BY, NOW, tally_words.PROPOSAL),
    (messages.Rivalled("by another rule"), LEADS, NOW, tally_words.PROPOSAL),
    (messages.RequestFailed(20, True, "gone"), PROMOTES, NOW, tally_words.PROPOSAL),
    (messages.Proposed(20, "n-2", 8), replace(INHERITED, step="proposing", waiting=20), NOW, tally_words.PROPOSAL),
    (messages.GrantRevoked("revoked"), LEADS, NOW, tally_words.GUARD),
    (messages.StoppedByHand("web"), LEADS, NOW, tally_words.BY_HAND),
    (messages.Resign("t", True), LEADS, NOW, tally_words.ORDER),
    (messages.Begun(20, "n-2"), beginning(control.SWITCHOVER), NOW, tally_words.ORDER),
    (messages.Begun(20, "n-2"), beginning(control.RESIGNATION), NOW, tally_words.ORDER),
    (messages.Begun(20, "n-2"), beginning(control.FAILBACK), NOW, tally_words.FAILBACK),
    (messages.Begun(20, ""), beginning(control.RESTART), NOW, tally_words.ORDER),
    (ControlSeen("aside", bar_id="m"), STANDS_BY, NOW, tally_words.ORDER),
    (ControlSeen("aside", bar_id="m"), WAITS, NOW, tally_words.ORDER),
    (ControlSeen("aside", bar_id="m", forced=True), LEADS, NOW, tally_words.ORDER),
    (ControlSeen(), replace(WAITS, role=MAINTENANCE, step="", orders=ControlSeen("aside", bar_id="m")), NOW, tally_words.ORDER),
    (messages.Shutdown("SIGTERM", INFINITY), LEADS, NOW, tally_words.SHUTDOWN),
    (messages.Shutdown("SIGTERM", INFINITY), STANDS_BY, NOW, tally_words.SHUTDOWN),
    (messages.Shutdown("SIGTERM", INFINITY), replace(WAITS, role=MAINTENANCE, step=""), NOW, tally_words.SHUTDOWN),
    (messages.SessionLost("lost"), replace(PROMOTES, paused_until=INFINITY, pausing=Pausing("p", "paused")), NOW, tally_words.PAUSE),
    (
        pause_messages.ConsentRead(20, ControlSeen()), replace(LEADS, paused_until=INFINITY, pausing=Pausing("p", "looking", 20), proposal=None),
        NOW, tally_words.PAUSE,
    ),
]


@pytest.mark.parametrize("event, before, now, why", CASES)
def test_why_a_role_changed(event, before, now, why):
    after, _ = role.step(ORDERS, before, event, now)
    assert (after.role != before.role) == (why is not None)
    if why is not None:
        assert reasons.of(ORDERS, before, after, event, now) == why


def test_a_node_whose_priority_is_0_leaves_for_that():
    rules = replace(ORDERS, priority=0)
    after, _ = role.step(rules, STANDS_BY, messages.Tick(), NOW)
    assert after.role == DEMOTING and reasons.of(rules, STANDS_BY, after, messages.Tick(), NOW) == tally_words.UNFIT


def test_an_unfit_node_that_looked_who_leads_leaves_for_that():
    before = replace(
        STANDS_BY, fitness=Counter(1, 1, False, 0, 1), fit_trouble="no disk", failing_since=0.0, failing_under=6, looking_ahead=20,
        timeout=10.0,
    )
    rules = replace(ORDERS, fit=True)
    after, _ = role.step(rules, before, messages.AheadSeen(20, 6), NOW)
    assert after.role == DEMOTING and reasons.of(rules, before, after, messages.AheadSeen(20, 6), NOW) == tally_words.UNFIT


ENDED = replace(GONE, step="stopping")


@pytest.mark.parametrize("before, after, event, why", [
    (replace(PROMOTES, step="claiming"), STANDS_BY, messages.Tick(), tally_words.PAUSE),
    # What failed in an earlier term is another matter.
    (replace(LEADS, sick=True, not_before=NOW + 5), replace(ENDED, sick=True, not_before=NOW + 5), messages.ProposalLost("x"), tally_words.PROPOSAL),
    (replace(LEADS, pausing=Pausing("p", "paused")), ENDED, messages.Tick(), tally_words.PAUSE),
    (replace(LEADS, paused_until=INFINITY), ENDED, messages.Tick(), tally_words.PAUSE),
    (replace(LEADS, paused_until=NOW), ENDED, messages.Tick(), tally_words.PAUSE),
    (LEADS, ENDED, messages.Tick(), tally_words.OTHER),
])
def test_by_what_was_known_before(before, after, event, why):
    assert reasons.of(ORDERS, before, after, event, NOW) == why


#: What the texts of reasons, which people read, begin with -> the words that may stand for them.
TEXTS = {
    "the lease runs out": {tally_words.LEASE}, "lost": {tally_words.SESSION}, "another session began": {tally_words.SESSION},
    "deleted": {tally_words.PROPOSAL}, "rival": {tally_words.PROPOSAL}, "revoked": {tally_words.GUARD}, "SIGTERM": {tally_words.SHUTDOWN},
    "switched over": {tally_words.ORDER}, "resigned": {tally_words.ORDER}, "the program web was stopped": {tally_words.BY_HAND},
    "the program web is in FATAL": {tally_words.UNHEALTHY}, "the group did not start": {tally_words.UNHEALTHY},
    "not healthy within": {tally_words.UNHEALTHY}, "2 health checks": {tally_words.UNHEALTHY}, "its check `fit`": {tally_words.UNFIT},
    "not fit": {tally_words.UNFIT}, "the consent to the pause": {tally_words.PAUSE}, "goes on in the pause": {tally_words.PAUSE},
}


def test_each_change_of_role_has_a_reason_and_it_is_that_which_people_are_told():
    """In random walks. What is told of a change is the cause; a cause that is over at the same moment as a lease may be either."""
    seen = set()
    for seed in range(700):
        walk = Walk(seed)
        for _ in range(60):
            event, before = walk.next(), walk.state
            walk.take(event)
            after = walk.state
            if after.role == before.role:
                continue
            why = reasons.of(walk.rules, before, after, event, walk.now)
            seen.add(why)
            told = next((words for text, words in TEXTS.items() if after.reason.startswith(text)), None)
            ending = after.role == DEMOTING and before.role != MAINTENANCE or after.role == WITHDRAWN
            assert why in tally_words.MEANINGS and why != tally_words.OTHER, (before, event, after.reason)
            if told is not None and ending and not (before.role == DEMOTING or why == tally_words.LEASE):
                assert why in told, (event, after.reason)
    assert seen >= set(tally_words.MEANINGS) - {tally_words.OTHER, tally_words.FAILBACK}


def test_each_reason_is_fit_for_a_label_and_has_a_meaning():
    assert all(text and word.isidentifier() for word, text in tally_words.MEANINGS.items())
