"""Why a role changed, as one word."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import control, messages, pause_messages, reasons, role
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
    (messages.Proposed(20, "n-1", 7), replace(WAITS, step="proposing", waiting=20), NOW, reasons.JOINED),
    (messages.Queried(20, True, 1, 1), replace(STANDS_BY, step="asking", waiting=20), NOW, reasons.ELECTED),
    (messages.Acked(20), PROMOTES, NOW, reasons.ACKED),
    (messages.Released(20), GONE, NOW, reasons.RELEASED),
    (messages.SessionLost("lost"), GONE, NOW, reasons.RELEASED),
    (messages.Probed(19, False, "ill"), replace(LEADS, counter=Counter(1, 1)), NOW, None),
    (messages.Probed(19, False, "ill"), replace(LEADS, counter=Counter(1, 2, True, 0, 1)), NOW, reasons.UNHEALTHY),
    (messages.MemberFatal("web"), LEADS, NOW, reasons.UNHEALTHY),
    (messages.StartFailed(20, "no"), replace(PROMOTES, step="starting"), NOW, reasons.UNHEALTHY),
    (messages.Tick(), replace(PROMOTES, step="probing", healthy_by=NOW), NOW, reasons.UNHEALTHY),
    (messages.Tick(), LEADS, 108.0, reasons.LEASE),
    (messages.Leased(80.0, 100.0), LEADS, 108.0, reasons.LEASE),
    (messages.StoppedByHand("web"), LEADS, 108.0, reasons.LEASE),
    # The guard ends a grant when the lease runs out, and its word may come first.
    (messages.GrantRevoked("the lease"), LEADS, 108.0, reasons.LEASE),
    (messages.SessionLost("lost"), LEADS, 108.0, reasons.SESSION),
    (messages.SessionLost("lost"), LEADS, NOW, reasons.SESSION),
    (messages.SessionLost("lost"), STANDS_BY, NOW, reasons.SESSION),
    (messages.SessionUp(True, 2.0, 6.0, 10.0), LEADS, NOW, reasons.SESSION),
    (messages.SessionEnds("another"), LEADS, NOW, reasons.SESSION),
    (messages.ProposalLost("deleted"), LEADS, NOW, reasons.PROPOSAL),
    (messages.ProposalLost("deleted"), STANDS_BY, NOW, reasons.PROPOSAL),
    (messages.Rivalled("by another rule"), LEADS, NOW, reasons.PROPOSAL),
    (messages.RequestFailed(20, True, "gone"), PROMOTES, NOW, reasons.PROPOSAL),
    (messages.Proposed(20, "n-2", 8), replace(INHERITED, step="proposing", waiting=20), NOW, reasons.PROPOSAL),
    (messages.GrantRevoked("revoked"), LEADS, NOW, reasons.GUARD),
    (messages.StoppedByHand("web"), LEADS, NOW, reasons.BY_HAND),
    (messages.Resign("t", True), LEADS, NOW, reasons.ORDER),
    (messages.Begun(20, "n-2"), beginning(control.SWITCHOVER), NOW, reasons.ORDER),
    (messages.Begun(20, "n-2"), beginning(control.RESIGNATION), NOW, reasons.ORDER),
    (messages.Begun(20, "n-2"), beginning(control.FAILBACK), NOW, reasons.FAILBACK),
    (messages.Begun(20, ""), beginning(control.RESTART), NOW, reasons.ORDER),
    (ControlSeen("aside", bar_id="m"), STANDS_BY, NOW, reasons.ORDER),
    (ControlSeen("aside", bar_id="m"), WAITS, NOW, reasons.ORDER),
    (ControlSeen("aside", bar_id="m", forced=True), LEADS, NOW, reasons.ORDER),
    (ControlSeen(), replace(WAITS, role=MAINTENANCE, step="", orders=ControlSeen("aside", bar_id="m")), NOW, reasons.ORDER),
    (messages.Shutdown("SIGTERM", INFINITY), LEADS, NOW, reasons.SHUTDOWN),
    (messages.Shutdown("SIGTERM", INFINITY), STANDS_BY, NOW, reasons.SHUTDOWN),
    (messages.Shutdown("SIGTERM", INFINITY), replace(WAITS, role=MAINTENANCE, step=""), NOW, reasons.SHUTDOWN),
    (messages.SessionLost("lost"), replace(PROMOTES, paused_until=INFINITY, pausing=Pausing("p", "paused")), NOW, reasons.PAUSE),
    (
        pause_messages.ConsentRead(20, ControlSeen()), replace(LEADS, paused_until=INFINITY, pausing=Pausing("p", "looking", 20), proposal=None),
        NOW, reasons.PAUSE,
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
    assert after.role == DEMOTING and reasons.of(rules, STANDS_BY, after, messages.Tick(), NOW) == reasons.UNFIT


def test_an_unfit_node_that_looked_who_leads_leaves_for_that():
    before = replace(
        STANDS_BY, fitness=Counter(1, 1, False, 0, 1), fit_trouble="no disk", failing_since=0.0, failing_under=6, looking_ahead=20,
        timeout=10.0,
    )
    rules = replace(ORDERS, fit=True)
    after, _ = role.step(rules, before, messages.AheadSeen(20, 6), NOW)
    assert after.role == DEMOTING and reasons.of(rules, before, after, messages.AheadSeen(20, 6), NOW) == reasons.UNFIT


ENDED = replace(GONE, step="stopping")


@pytest.mark.parametrize("before, after, event, why", [
    (replace(PROMOTES, step="claiming"), STANDS_BY, messages.Tick(), reasons.PAUSE),
    # What failed in an earlier term is another matter.
    (replace(LEADS, sick=True, not_before=NOW + 5), replace(ENDED, sick=True, not_before=NOW + 5), messages.ProposalLost("x"), reasons.PROPOSAL),
    (replace(LEADS, pausing=Pausing("p", "paused")), ENDED, messages.Tick(), reasons.PAUSE),
    (replace(LEADS, paused_until=INFINITY), ENDED, messages.Tick(), reasons.PAUSE),
    (replace(LEADS, paused_until=NOW), ENDED, messages.Tick(), reasons.PAUSE),
    (LEADS, ENDED, messages.Tick(), reasons.OTHER),
])
def test_by_what_was_known_before(before, after, event, why):
    assert reasons.of(ORDERS, before, after, event, NOW) == why


#: What the texts of reasons, which people read, begin with -> the words that may stand for them.
TEXTS = {
    "the lease runs out": {reasons.LEASE}, "lost": {reasons.SESSION}, "another session began": {reasons.SESSION},
    "deleted": {reasons.PROPOSAL}, "rival": {reasons.PROPOSAL}, "revoked": {reasons.GUARD}, "SIGTERM": {reasons.SHUTDOWN},
    "switched over": {reasons.ORDER}, "resigned": {reasons.ORDER}, "the program web was stopped": {reasons.BY_HAND},
    "the program web is in FATAL": {reasons.UNHEALTHY}, "the group did not start": {reasons.UNHEALTHY},
    "not healthy within": {reasons.UNHEALTHY}, "2 health checks": {reasons.UNHEALTHY}, "its check `fit`": {reasons.UNFIT},
    "not fit": {reasons.UNFIT}, "the consent to the pause": {reasons.PAUSE}, "goes on in the pause": {reasons.PAUSE},
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
            assert why in reasons.MEANINGS and why != reasons.OTHER, (before, event, after.reason)
            if told is not None and ending and not (before.role == DEMOTING or why == reasons.LEASE):
                assert why in told, (event, after.reason)
    assert seen >= set(reasons.MEANINGS) - {reasons.OTHER, reasons.FAILBACK}


def test_each_reason_is_fit_for_a_label_and_has_a_meaning():
    assert all(text and word.isidentifier() for word, text in reasons.MEANINGS.items())
