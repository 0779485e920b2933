"""What a listener reports: of what it has begun and of what it has not, as ZooKeeper last told it."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import ability, messages, roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.core.tally import BOUNDS, SessionTally
from supervisor_zkelect.listener import reporting
from supervisor_zkelect.listener.candidacy import Facts
from tests.unit.listener.parts import NOW, Host, candidacies, candidacy, keepers, means


@pytest.fixture
def orders():
    state = State(role=roles.STANDBY, step="watching", up=True, alive=True, grace=1.0, proposal="n-1", since=900.0)
    one = candidacy(Host(), state)
    one.facts = Facts("y:2", "b", 990.0, 2, 3, 995.0)
    return one


@pytest.fixture
def one(orders):
    """A listener with one election. reports: its reports."""
    listener = SimpleNamespace(
        obstacle="", candidacies=candidacies(orders), folder=SimpleNamespace(locked=True, trouble=""),
        guard=SimpleNamespace(up=True, trouble="", unenforced=lambda: "", missing=lambda: ""), granted=None,
        sessions=SimpleNamespace(
            session=object(), link="connected", link_since=500.0, doubt=lambda: "", attach_at=math.inf, connected=True, unsaved=""
        ),
    )

    def reports():
        host = Host(elections=[orders.settings])
        programs = SimpleNamespace(config_trouble=lambda: None)
        known = keepers(
            candidacies=listener.candidacies, folder=listener.folder, guard=listener.guard, sessions=listener.sessions,
            leases=SimpleNamespace(granted=None, tally=SessionTally()), programs=programs,
        )
        return reporting.Reports(means(host), known, listener.obstacle, SimpleNamespace(report=lambda: listener.http, trouble=""))

    listener.reports, listener.http = reports, None
    return listener


def part(one):
    document = json.loads(json.dumps(one.reports().report(NOW)))
    return document["elections"]["orders"]


def test_a_primary_that_is_gone_is_told_until_it_is_another(one, orders):
    orders.heard(messages.TermSeen("b", "y:2", 5, gone=True))
    assert part(one)["primary_gone"] is True
    orders.heard(messages.TermSeen("", "", known=False))
    assert part(one)["primary_gone"] is True
    orders.heard(messages.TermSeen("c", "z:2", 6))
    assert part(one)["primary_gone"] is False
    orders.facts.gone, orders.facts.ack = True, ""
    assert part(one)["primary_gone"] is False
    orders.decide = lambda event: None
    orders.heard(messages.Acked(5))
    assert orders.facts.gone is False


def test_what_zookeeper_told_goes_with_the_moment_of_the_question(one):
    told = part(one)
    assert (told["ack"], told["primary_node"], told["ack_at"]) == ("y:2", "b", 990.0)
    assert (told["place"], told["candidates"], told["place_at"]) == (2, 3, 995.0)
    assert told["cannot"] is None and not told["unguarded"] and told["unguarded_why"] == ""


@pytest.mark.parametrize("name, told", [
    (roles.STANDBY, None), (roles.DETACHED, None), (roles.PROMOTING, {"kind": ability.GUARD, "why": "the guard has no thread"}),
])
def test_what_was_missing_for_a_former_lease_hinders_only_who_needs_one(one, orders, name, told):
    orders.state = State(role=name, step="", up=True, alive=True, grace=1.0, proposal="n-1", since=900.0)
    one.guard.unenforced = lambda: "the guard has no thread"
    assert part(one)["cannot"] == told


def test_where_no_guard_can_be_had_nobody_can(one):
    one.guard.missing = lambda: "no guard"
    assert part(one)["cannot"] == {"kind": ability.GUARD, "why": "no guard"}


def test_a_session_that_cannot_be_saved_is_a_trouble(one):
    assert part(one)["trouble"] == ""
    one.sessions.unsaved = "the session cannot be saved: No space left on device"
    assert part(one)["trouble"] == "the session cannot be saved: No space left on device"


def test_a_place_is_that_of_a_proposal(orders):
    orders.facts.stand(None, 4, 999.0)
    assert (orders.facts.place, orders.facts.candidates, orders.facts.place_at) == (2, 3, 995.0)
    orders.facts.stand(1, 4, 999.0)
    assert (orders.facts.place, orders.facts.candidates, orders.facts.place_at) == (1, 4, 999.0)
    orders.facts.leave_queue()
    assert (orders.facts.place, orders.facts.candidates, orders.facts.place_at) == (None, None, None)


@pytest.mark.parametrize("changes, away", [
    (dict(), ""),
    (dict(link="suspended"), "no answer"),
    (dict(link="suspended", doubt=lambda: "refused"), "refused"),
    (dict(link="lost", doubt=lambda: "the credentials were refused"), "the credentials were refused"),
    # It has yet to ask, or asked just now.
    (dict(link="connecting", session=None), ""),
    (dict(link="connecting", attach_at=NOW + 0.02), ""),
    (dict(link="connecting", link_since=NOW - 1.9), ""),
    (dict(link="connecting", link_since=NOW - 2.1), "no answer"),
    (dict(link="connecting", link_since=NOW - 0.1, doubt=lambda: "refused"), "refused"),
])
def test_a_node_that_zookeeper_does_not_answer_is_cut_off(one, changes, away):
    vars(one.sessions).update(changes)
    one.sessions.connected = one.sessions.link == "connected"
    assert (part(one)["cannot"] or {}) == ({"kind": ability.ZOOKEEPER, "why": away} if away else {})


def test_a_connection_on_which_no_answer_comes_is_none(one, orders):
    orders.term.asking, orders.term.asking_since = True, NOW - 1.0
    assert part(one)["cannot"] is None
    orders.term.asking_since = NOW - 3.0
    assert part(one)["cannot"] == {"kind": ability.ZOOKEEPER, "why": "no answer for 3 s"}


@pytest.mark.parametrize("part_of, changes, reason, kind", [
    ("", dict(obstacle="no pidfds"), "cannot: no pidfds", ability.KERNEL),
    ("guard", dict(up=False, trouble="no thread"), "cannot: no thread", ability.GUARD),
    ("folder", dict(locked=False), "waits for the guard to stop", None),
    ("guard", dict(up=False), "waits for its guard", None),
    ("", dict(), "waits for supervisord", None),
])
def test_elections_that_are_not_begun_are_told_with_the_reason(one, part_of, changes, reason, kind):
    begun = set(part(one))
    one.candidacies = candidacies()
    vars(getattr(one, part_of) if part_of else one).update(changes)
    told = part(one)
    assert told["role"] == roles.DETACHED and told["reason"].startswith(reason)
    assert (told["cannot"] or {}).get("kind") == kind
    # Both reports have the same fields.
    assert set(told) == begun


def test_a_failed_promotion_is_told_with_its_moment(one, orders):
    assert part(one)["failed"] is None
    orders.state = replace(orders.state, failed="x" * 99_999, failed_at=870.0)
    told = part(one)["failed"]
    assert told["at"] == 870.0 and len(told["why"]) == reporting.LONGEST_TEXT + 1


def test_who_is_unguarded_is_told_why(one, orders):
    orders.group.unguarded = True
    assert part(one)["unguarded"] and "zkelect run" in part(one)["unguarded_why"]
    one.guard.up, one.guard.trouble = False, "no memory"
    assert part(one)["unguarded_why"] == "there is no guard: no memory"


def test_texts_of_others_are_cut(one, orders):
    orders.queue.foreign = "x" * 99_999
    assert len(part(one)["trouble"]) <= reporting.LONGEST_TEXT + 1


def test_a_primary_tells_since_when_its_term_goes_on_and_not_since_its_restart(one, orders, monkeypatch):
    monkeypatch.setattr(Host, "wall", lambda self: 5000.0)
    monkeypatch.setattr(reporting.Reports, "_figures", lambda self, one: {})
    monkeypatch.setattr(reporting.Reports, "_tags", lambda self, one: {})
    monkeypatch.setattr(reporting.agreement, "options", lambda settings, election: {})
    orders.state = State(role=roles.PRIMARY, step="", token=7, since=NOW - 2.0)
    orders.timeline.begun["acked"] = 4000.0
    assert one.reports().entry(orders).since == 4_000_000
    orders.state = State(role=roles.STANDBY, step="watching", since=NOW - 2.0)
    assert one.reports().entry(orders).since == 4_998_000


@pytest.mark.parametrize("role, told", [(roles.PRIMARY, "control holds no orders; zkelect orders --reset"), (roles.STANDBY, "")])
def test_a_primary_tells_that_the_control_cannot_be_used(one, orders, role, told):
    bar = "control holds no orders; zkelect orders --reset"
    orders.state = State(role=role, step="", up=True, alive=True, orders=messages.ControlSeen(bar), since=900.0, token=7)
    assert part(one)["trouble"] == told
    orders.state = replace(orders.state, orders=messages.ControlSeen("in maintenance", bar_id="m"))
    assert part(one)["trouble"] == ""


def test_what_was_counted_is_told(one, orders):
    orders.decide(messages.SessionLost("lost"))
    told = json.loads(json.dumps(one.reports().report(NOW)))
    assert told["guard"] is True and told["counters"]["bounds"] == list(BOUNDS)
    counted, = told["counters"]["elections"]
    assert counted["election"] == "orders" and counted["transitions"] == [["standby", "detached", "session", 1]]
    assert told["counters"]["session"]["lost"] == 0 and "counters" not in told["elections"]["orders"]


def test_the_counts_of_hundreds_of_elections_leave_room_for_their_roles(one, orders, monkeypatch):
    """supervisord takes no report that is too long."""
    monkeypatch.setattr(reporting, "LONGEST_COUNTERS", 400)
    name = orders.name
    many = [candidacy(Host(), orders.state, name=f"{name}{number}", group=f"g{number}") for number in range(9)]
    one.candidacies = candidacies(*many)
    told = one.reports().report(NOW)
    kept = [counted["election"] for counted in told["counters"]["elections"]]
    assert len(told["elections"]) == 9 and 0 < len(kept) < 9 and kept == sorted(told["elections"])[:len(kept)]
    assert len(json.dumps(told["counters"]["elections"])) <= 400
