"""What the work of an election comes to where it is about priorities and fitness."""

import json
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages
from supervisor_zkelect.core.ranks import RankedCandidate
from supervisor_zkelect.elector import AccessDenied, Barred, SessionGone, Standing, Stays, TimedOut
from supervisor_zkelect.listener import election_worker, elections, events, pool_worker
from supervisor_zkelect.zookeeper.stepping import HandBack, Stepped
from tests.unit.listener.parts import settings_of
from tests.unit.listener.test_election_worker import failing

BETTER = RankedCandidate("n-0000000002", "c", 7, 200, 0)


def standing(leads, place, candidates):
    return lambda claiming: Standing(leads, "/e/n", Future(), place, candidates)


def asked(looks=(), **more):
    """An elector. looks: the questions about who is better."""
    def better(own):
        looks.append(own)
        return [BETTER]

    return SimpleNamespace(better=better, term_in_progress=lambda: 40, acked_since=False, **more)


@pytest.mark.parametrize("leads, place, candidates, look", [
    (True, 1, 1, False), (True, 1, 3, True), (False, 2, 3, True), (False, 2, 2, False), (False, 3, 9, False), (False, 1, 2, False),
])
def test_only_who_leads_or_is_next_in_line_reads_who_stands_behind(leads, place, candidates, look):
    looks, posted = [], []
    elector = asked(looks, try_be_leader=standing(leads, place, candidates))
    election_worker.query(elector, "orders", 5, 41, 50, posted.append)
    event = posted[0].event
    assert looks == ([50] if look else [])
    assert (event.better, event.term) == (("n-0000000002", 40) if look else ("", 0))


def test_who_is_next_in_line_is_told_who_is_better():
    seen = election_worker.look_behind(asked([]), messages.LookBehind(5), 50, 60.0)
    assert seen == messages.BehindSeen(5, "n-0000000002", "c", 40)
    nobody = SimpleNamespace(better=lambda own: [])
    assert election_worker.look_behind(nobody, messages.LookBehind(5), 50, 60.0) == messages.BehindSeen(5)


@pytest.mark.parametrize("found, seen", [
    (HandBack(BETTER), messages.BehindSeen(5, "n-0000000002", "c")), (HandBack(), messages.BehindSeen(5)),
    (HandBack(None, "c: not fit"), messages.BehindSeen(5, kept="c: not fit")),
])
def test_a_primary_is_told_to_whom_it_hands_back(found, seen):
    given = []
    elector = SimpleNamespace(hand_back_to=lambda *words: (given.append(words), found)[1])
    assert election_worker.look_behind(elector, messages.LookBehind(5, 30.0), 50, 60.0) == seen and given == [(50, 30.0, 60.0)]


@pytest.mark.parametrize("error", [TimedOut("no answer"), AccessDenied("refused")])
def test_what_cannot_be_told_is_nobody(error):
    elector = SimpleNamespace(better=failing(error), hand_back_to=failing(error), serving=failing(error))
    for stood in (None, 30.0):
        assert election_worker.look_behind(elector, messages.LookBehind(5, stood), 50, 60.0) == messages.BehindSeen(5)
    assert election_worker.look_ahead(elector, 5) == messages.AheadSeen(5, known=False)


def test_who_serves_is_told_by_its_token():
    assert election_worker.look_ahead(SimpleNamespace(serving=lambda: 40), 5) == messages.AheadSeen(5, 40)


def test_a_step_is_told_with_what_the_proposal_says():
    given = []
    elector = SimpleNamespace(
        step_behind=lambda *words: given.append(words) or Stepped("n-0000000009", 40), proposal="n-0000000009", token=49,
        proposed=b'{"priority": 70}', data=b'{"priority": 80}',
    )
    assert election_worker.step_behind(elector, 5, "n-2", "a", 60.0) == messages.Proposed(5, "n-0000000009", 49, 70, 40)
    assert given == [("n-2", "a", 60.0)]
    elector.proposal = None
    with pytest.raises(SessionGone):
        election_worker.step_behind(elector, 5, "", "a", 60.0)


@pytest.mark.parametrize("error", [Stays("it is gone"), Barred("in maintenance")])
def test_who_may_not_step_keeps_its_place(error):
    told = election_worker.step_behind(SimpleNamespace(step_behind=failing(error)), 5, "n-2", "a", 60.0)
    assert told == messages.Stayed(5, str(error))


@pytest.mark.parametrize("found, term", [(False, 0), (True, 40)])
def test_a_proposal_that_was_found_says_what_it_said(found, term):
    mine = SimpleNamespace(node="a", session=1, mine=True, info={"priority": 70})
    elector = asked(
        prepare=lambda: None, create_proposal=lambda: None, each_member=lambda: [mine], session_id=1, proposal="n-1", token=41, found=found,
    )
    assert election_worker.propose(elector, 5, "a", False) == messages.Proposed(5, "n-1", 41, 70, term, found)


@pytest.mark.parametrize("priority, more", [(100, {}), (0, {"priority": 0}), (200, {"priority": 200})])
def test_a_proposal_says_a_priority_that_is_not_the_default(priority, more):
    data = elections.proposal_data(SimpleNamespace(node_name="a"), settings_of(priority=priority))
    assert json.loads(data) == {"v": 1, "node": "a", "address": "x:1", "orders": 1, **more}


@pytest.mark.parametrize("check, seen", [
    (None, (True, "there is no check")), (SimpleNamespace(probe=lambda limit: SimpleNamespace(ok=False, reason=f"no disk in {limit}")), (False, "no disk in 2.0")),
])
def test_whether_a_node_is_fit_is_asked_within_a_limit(check, seen):
    assert pool_worker.ask_fit("orders", 5, check, 2.0) == events.ElectionEvent("orders", messages.FitSeen(5, *seen))
