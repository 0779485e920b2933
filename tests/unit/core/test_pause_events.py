"""What operators are told of a pause as events."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import happened, journal, messages, pause_messages
from supervisor_zkelect.core.pausing import AGAIN
from supervisor_zkelect.core.state import INFINITY
from tests.unit.core.test_role import UP, Node

PAUSE = "resume", "resume by force", "reset"
ASKED = pause_messages.PauseSeen("p", "paused by ann@desk: upgrade", stands=False, stamp=(1, 1))
STANDS = ASKED._replace(stands=True, consent=41, stamp=(1, 2))


class Watched(Node):
    """A node that keeps what it tells of a pause."""

    def __init__(self):
        super().__init__()
        self.events = []

    def event(self, event, after=0.0):
        before = self.state
        super().event(event, after)
        self.events += [
            (one.text, one.given) if one.given else one.text
            for one in happened.told(before, self.state, self.actions) if one.kind == journal.ORDER
        ]
        return self

    def sees(self, pause, after=0.0):
        return self.event(messages.ControlSeen(pause=pause), after)

    def new(self):
        found, self.events = self.events, []
        return found


def paused(lasts=INFINITY):
    node = Watched().primary()
    node.new()
    node.sees(ASKED._replace(lasts=lasts))
    node.event(pause_messages.PauseWritten(node.op(pause_messages.Consent), sent=node.now, lasts=lasts))
    node.event(pause_messages.PauseEchoed(True, True)).sees(STANDS._replace(lasts=lasts))
    assert node.state.consented
    return node


def ends(node):
    """It has an end again, and that is written."""
    node.event(messages.Leased(node.now, node.now + 60.0)).event(pause_messages.PauseEchoed(False, True))
    return node.event(pause_messages.PauseWritten(node.op(pause_messages.EndPause))).sees(None)


@pytest.mark.parametrize("lasts, said", [(INFINITY, ""), (1800.0, " for 1800 s")])
def test_a_pause_is_told_from_its_asking_to_its_confirmation(lasts, said):
    assert paused(lasts).new() == [
        f"a pause is asked for{said} by ann@desk: upgrade", f"has consented to the pause{said} by ann@desk: upgrade",
        "paused: the guard has confirmed that the service runs on, whatever becomes of ZooKeeper",
    ]


def test_who_resumes_is_told_and_that_the_pause_has_ended():
    node = paused()
    node.new()
    node.event(messages.Leased(node.now, node.now + 60.0)).sees(STANDS._replace(resume=True)).sees(STANDS._replace(resume=True))
    assert node.new() == [("the pause is to end", PAUSE)]
    assert ends(node).new() == ["the pause has ended"]


def test_that_it_ends_by_itself_is_told():
    node = paused(100.0)
    node.event(messages.Leased(node.now, node.now + 900.0))
    node.new()
    assert ends(node.event(messages.Tick(), 99.5)).new() == ["the pause has ended by itself, as its time is over"]


def test_that_it_is_taken_back_is_told():
    node = Watched().primary()
    node.state = replace(node.state, pause_at=INFINITY)
    node.new()
    node.sees(ASKED)
    assert not node.did(pause_messages.Consent) and node.sees(None).new() == [
        "a pause is asked for by ann@desk: upgrade", ("the pause that was asked for is taken back", PAUSE),
    ]


def test_it_is_told_once_and_by_who_is_about_to_lead_as_well():
    node = Watched().promoting()
    node.sees(None).new()
    node.sees(ASKED).sees(ASKED._replace(stamp=(1, 9)))
    assert node.new() == ["a pause is asked for by ann@desk: upgrade"]


@pytest.mark.parametrize("written, told", [(False, [("the pause that was asked for is taken back", PAUSE)]), (True, [])])
def test_that_it_is_taken_back_is_told_until_it_is_consented_to(written, told):
    node = Watched().primary()
    node.sees(ASKED)
    if written:
        node.event(pause_messages.PauseWritten(node.op(pause_messages.Consent), sent=node.now))
    node.new()
    assert node.sees(None).new() == told


def test_of_a_control_that_cannot_be_read_nothing_is_told():
    node = Watched().primary()
    node.sees(ASKED).new()
    unread = messages.ControlSeen("cannot be read", unread=True)
    assert node.event(unread).new() == [] and node.sees(ASKED).new() == []


def test_a_term_that_ends_while_its_pause_is_ended_has_not_ended_that():
    node = paused()
    node.event(messages.Leased(node.now, node.now + 60.0)).sees(STANDS._replace(resume=True))
    node.event(pause_messages.PauseEchoed(False, True))
    assert node.op(pause_messages.EndPause)
    node.new()
    node.event(messages.ProposalLost("deleted"))
    assert node.state.role == "demoting" and node.new() == []
    node.event(messages.Dead(node.state.waiting, 0.1)).event(messages.Released(node.state.waiting))
    assert node.state.role == "detached" and node.state.pausing is None
    assert node.new() == ["takes its consent to the pause back, as that term is over"]


def test_who_is_further_behind_tells_of_no_end():
    node = Watched().standby()
    node.sees(STANDS._replace(consent=0)).new()
    assert not node.state.waits_for_pause and node.sees(None).new() == []


def test_that_its_consent_is_gone_is_told():
    node = paused()
    node.new()
    node.event(messages.Leased(node.now, node.now + 60.0)).sees(None)
    node.event(pause_messages.ConsentRead(node.op(pause_messages.SeeConsent), messages.ControlSeen()))
    assert node.new() == ["the consent to the pause is gone; goes on as an ordinary primary"]


def test_who_would_lead_tells_that_nobody_is_promoted_and_of_the_end():
    node = Watched().standby()
    node.sees(STANDS._replace(consent=0)).new()
    node.event(messages.QueueChanged(node.state.waiting, "b is gone"))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    assert node.state.halted and node.new() == ["leads the queue, and is not promoted: paused by ann@desk: upgrade"]
    assert node.sees(None).new() == [("the pause is ended", PAUSE)]


def test_behind_a_barrier_only_the_end_by_force_is_told():
    node = Watched().standby()
    node.state = replace(node.state, barred=True)
    node.sees(STANDS).new()
    assert node.state.waits_for_pause and node.sees(None).new() == [("the pause is ended", PAUSE[1:])]


def test_what_is_done_in_the_place_of_who_is_dead_is_told_once():
    node = Watched().standby()
    node.sees(STANDS._replace(lasts=10.0)).new()
    node.event(messages.Tick(), 20.0)
    assert node.did(pause_messages.EndPauseInTime) and node.new() == ["ends the pause, as its time is over"]
    node.event(messages.Tick(), AGAIN)
    assert node.did(pause_messages.EndPauseInTime) and node.new() == []
    node = Watched().standby()
    node.sees(STANDS._replace(over=True))
    assert node.did(pause_messages.TakeBackConsent)
    assert node.new() == ["takes its consent to the pause back, as that term is over"]


def test_a_session_that_begins_anew_tells_nothing_twice():
    node = paused()
    node.new()
    node.event(UP).sees(STANDS)
    assert not [one for one in node.new() if "paused" not in str(one)]
