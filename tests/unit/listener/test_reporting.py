"""What a listener reports: of what it has begun and of what it has not, as ZooKeeper last told it."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import ability, role
from supervisor_zkelect.listener import reporting
from supervisor_zkelect.listener.listener import Listener
from supervisor_zkelect.zookeeper.errors import ElectionError

NOW = 1000.0
RULES = role.Settings(
    name="orders", address="x:1", kill_time=1.0, stopwaitsecs=10.0, rise=1, fall=3, health_interval=1.0, promote_timeout=60.0,
    backoff_min=1.0, backoff_max=60.0,
)


@pytest.fixture
def contest():
    settings = SimpleNamespace(
        name="orders", group="primary", address="x:1", election_znode="/e", election_ack="/ack",
    )
    state = role.State(role=role.STANDBY, step="watching", up=True, alive=True, grace=1.0, proposal="n-1", since=900.0)
    return SimpleNamespace(
        settings=settings, state=state, facts=reporting.Facts("y:2", "b", 990.0, 2, 3, 995.0), bare=False, foreign="",
        kill_at=math.inf, rules=RULES, seeing=False, seeing_since=math.inf,
    )


@pytest.fixture
def one(contest):
    listener = SimpleNamespace(
        settings=SimpleNamespace(node_name="a", file="/f", chroot="", elections=[contest.settings]), granted=None,
        host=SimpleNamespace(pid=7), config_trouble=lambda: None, link="connected", link_since=500.0, link_doubt=lambda: "",
        contests={"orders": contest}, obstacle="", guard_trouble="", guard_up=True, locked=True, folder_trouble="",
        unenforced=lambda: "", guardless=lambda: "", session=object(), attach_at=math.inf,
    )
    listener.reports = reporting.Reports(listener)
    return listener


def part(one):
    document = json.loads(json.dumps(one.reports.report(NOW)))
    return document["elections"]["orders"]


def test_what_zookeeper_told_goes_with_the_moment_of_the_question(one):
    told = part(one)
    assert (told["ack"], told["primary_node"], told["ack_at"]) == ("y:2", "b", 990.0)
    assert (told["place"], told["candidates"], told["place_at"]) == (2, 3, 995.0)
    assert told["cannot"] is None and not told["unguarded"] and told["unguarded_why"] == ""


@pytest.mark.parametrize("name, told", [
    (role.STANDBY, None), (role.DETACHED, None), (role.PROMOTING, {"kind": ability.GUARD, "why": "the guard has no thread"}),
])
def test_what_was_missing_for_a_former_lease_hinders_only_who_needs_one(one, contest, name, told):
    contest.state = role.State(role=name, step="", up=True, alive=True, grace=1.0, proposal="n-1", since=900.0)
    one.unenforced = lambda: "the guard has no thread"
    assert part(one)["cannot"] == told


def test_where_no_guard_can_be_had_nobody_can(one):
    one.guardless = lambda: "no guard"
    assert part(one)["cannot"] == {"kind": ability.GUARD, "why": "no guard"}


def test_a_place_is_that_of_a_proposal(contest):
    contest.facts.stand(None, 4, 999.0)
    assert (contest.facts.place, contest.facts.candidates, contest.facts.place_at) == (2, 3, 995.0)
    contest.facts.stand(1, 4, 999.0)
    assert (contest.facts.place, contest.facts.candidates, contest.facts.place_at) == (1, 4, 999.0)
    contest.facts.leave_queue()
    assert (contest.facts.place, contest.facts.candidates, contest.facts.place_at) == (None, None, None)


@pytest.mark.parametrize("changes, away", [
    (dict(), ""),
    (dict(link="suspended"), "no answer"),
    (dict(link="suspended", link_doubt=lambda: "refused"), "refused"),
    (dict(link="lost", link_doubt=lambda: "the credentials were refused"), "the credentials were refused"),
    # It has yet to ask, or asked just now.
    (dict(link="connecting", session=None), ""),
    (dict(link="connecting", attach_at=NOW + 0.02), ""),
    (dict(link="connecting", link_since=NOW - 1.9), ""),
    (dict(link="connecting", link_since=NOW - 2.1), "no answer"),
    (dict(link="connecting", link_since=NOW - 0.1, link_doubt=lambda: "refused"), "refused"),
])
def test_a_node_that_zookeeper_does_not_answer_is_cut_off(one, changes, away):
    vars(one).update(changes)
    assert (part(one)["cannot"] or {}) == ({"kind": ability.ZOOKEEPER, "why": away} if away else {})


def test_a_connection_on_which_no_answer_comes_is_none(one, contest):
    contest.seeing, contest.seeing_since = True, NOW - 1.0
    assert part(one)["cannot"] is None
    contest.seeing_since = NOW - 3.0
    assert part(one)["cannot"] == {"kind": ability.ZOOKEEPER, "why": "no answer for 3 s"}


@pytest.mark.parametrize("changes, reason, kind", [
    (dict(obstacle="no pidfds"), "cannot: no pidfds", ability.KERNEL),
    (dict(guard_up=False, guard_trouble="no thread"), "cannot: no thread", ability.GUARD),
    (dict(locked=False), "waits for the guard, which stops", None),
    (dict(guard_up=False), "waits for its guard", None),
    (dict(), "waits for supervisord", None),
])
def test_elections_that_are_not_begun_are_told_with_the_reason(one, changes, reason, kind):
    one.contests = {}
    vars(one).update(changes)
    told = part(one)
    assert told["role"] == role.DETACHED and told["reason"].startswith(reason)
    assert (told["cannot"] or {}).get("kind") == kind
    assert set(told) == set(json.loads(json.dumps(reporting.Reports(one).unbegun()))["orders"])


def test_both_reports_have_the_same_fields(one):
    begun = set(part(one))
    one.contests = {}
    assert set(part(one)) == begun


def test_a_failed_promotion_is_told_with_its_moment(one, contest):
    assert part(one)["failed"] is None
    contest.state = replace(contest.state, failed="x" * 99_999, failed_at=870.0)
    told = part(one)["failed"]
    assert told["at"] == 870.0 and len(told["why"]) == reporting.LONGEST_TEXT + 1


def test_who_is_unguarded_is_told_why(one, contest):
    contest.bare = True
    assert part(one)["unguarded"] and "zkelect run" in part(one)["unguarded_why"]
    one.guard_up, one.guard_trouble = False, "no memory"
    assert part(one)["unguarded_why"] == "no guard is there: no memory"


def test_texts_of_others_are_cut(one, contest):
    contest.foreign = "x" * 99_999
    assert len(part(one)["trouble"]) <= reporting.LONGEST_TEXT + 1


def test_while_zookeeper_is_silent_questions_do_not_pile_up(contest, monkeypatch):
    """One question is on its way, and one more follows it, however many ask."""
    monkeypatch.setattr("supervisor_zkelect.listener.listener.now", lambda: NOW)
    asked = []
    contest.elector, contest.see_again, contest.looking = None, False, False
    one = SimpleNamespace(
        contests={"orders": contest}, link="connected", refreshing=[], refresh_since=-math.inf,
        ask=lambda contest, op, work: asked.append("term"),
    )

    def look(contest):
        contest.looking = True
        asked.append("queue")

    one.look_at_queue = look
    one.see = lambda contest: Listener.see(one, contest)
    for number in range(50):
        one.refreshing = []
        Listener.refresh(one, str(number))
    assert asked == ["queue", "term"] and contest.see_again
    Listener.term_seen(one, contest, role.TermSeen("b", "y:3", 5))
    assert asked == ["queue", "term", "term"] and not contest.see_again
    assert (contest.facts.ack, contest.facts.at) == ("y:3", NOW)
    Listener.term_seen(one, contest, role.TermSeen("", "", known=False))
    assert (contest.facts.ack, contest.seeing) == ("y:3", False) and len(asked) == 3


def member(node, mine=False):
    return SimpleNamespace(node=node, mine=mine)


SICK = {"token": 40, "node": "c", "begun": {"elected": 1.0}, "ended": {"noticed": 3.0, "why": "svc is in FATAL"}}
FAILED = {"token": 45, "node": "b", "begun": {"elected": 4.0}, "ended": {"noticed": 5.0, "why": "not healthy"}}


@pytest.mark.parametrize("queue, tried, text", [
    (["c"], (), "no; c stepped behind, since its last promotion failed: svc is in FATAL; see zkelect role there"),
    (["d"], (), "no; d stood in the queue, and did not take over: see zkelect role there"),
    (["b", "c"], ("b",), "no; b failed: not healthy; c stepped behind, since its last promotion failed: svc is in FATAL; see zkelect role there"),
    (["a", ""], (), "no"), ([], (), "no"),
])
def test_a_resignation_that_failed_names_who_did_not_take_over(one, contest, queue, tried, text):
    said = []
    terms = [FAILED, SICK] if tried else [SICK]
    contest.elector = SimpleNamespace(
        history=lambda: json.dumps(terms).encode(), each_member=lambda: iter([member("a", True), *map(member, queue)]),
    )
    one.ask = lambda contest, op, work: work()
    one.reply = lambda ticket, document: said.append((ticket, document["text"]))
    Listener.do_Answer(one, contest, role.Answer("t", False, 1, "no", tried=tried, term=41))
    assert said == [("t", text)]


def test_a_queue_that_cannot_be_read_keeps_no_answer_back(one, contest):
    def refuse():
        raise ElectionError("no answer")

    said = []
    contest.elector = SimpleNamespace(history=lambda: json.dumps([FAILED]).encode(), each_member=refuse)
    one.ask, one.reply = lambda contest, op, work: work(), lambda ticket, document: said.append(document["text"])
    Listener.do_Answer(one, contest, role.Answer("t", False, 1, "no", tried=("b",), term=41))
    contest.elector.history = refuse
    Listener.do_Answer(one, contest, role.Answer("t", False, 1, "no", tried=("b",), term=41))
    assert said == ["no; b failed: not healthy", "no; b failed"]
