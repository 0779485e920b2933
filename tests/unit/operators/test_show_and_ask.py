"""What an operator is shown and with which exit status, from answers written out by hand."""

from __future__ import annotations

import io
import json
import math
import socket
import threading
import time
from xmlrpc.server import SimpleXMLRPCServer

import pytest

from supervisor_zkelect.operators import ask, order_lines, overview, show, table, verbs
from supervisor_zkelect.operators.outcome import CANNOT, DONE, ERROR, NOT_PRIMARY, ON_ITS_WAY, RANKS, UNKNOWN, USAGE
from supervisor_zkelect.operators.progress import Progress
from supervisor_zkelect.operators.view import View, judge
from supervisor_zkelect.supervisord.client import Fault, Unreachable

NOW = 1000.0

PRIMARY = {
    "role": "primary",
    "step": "",
    "since": 870.0,
    "token": 42,
    "proposal": "n-0000000007",
    "group": "primary",
    "address": "10.0.0.5:8080",
    "ack": "10.0.0.5:8080",
    "primary_node": "a",
    "place": 1,
    "candidates": 2,
    "deadline": 1007.5,
    "reason": "healthy",
    "unguarded": True,
    "trouble": "",
}
STANDBY = {**PRIMARY, "role": "standby", "token": None, "place": 2, "deadline": None, "primary_node": "b"}


def answer(elections, known=True, why="", age=0.2, now=NOW, **report):
    body = {
        "v": 1,
        "node": "a",
        "pid": 77,
        "version": "0.1.0",
        "config": "/etc/zkelect.conf",
        "boottime": now - (age or 0),
        "session": {"state": "connected", "id": "0x1f", "timeout": 10.0, "since": 400.0, "trouble": ""},
        "elections": elections,
        **report,
    }
    head = {"v": 1, "known": known, "why": why, "age": age, "now": now}
    return json.dumps({**head, "report": body if age is not None else None})


def view(elections, **more):
    return judge(answer(elections, **more))


class Peer:
    """Answers as supervisord's mailbox would: by a table of what each method returns."""

    def __init__(self, report, answers=(), **methods):
        self.report = report
        self.answers = dict(answers)
        self.methods = methods
        self.asked = []

    def __call__(self, method, *args):
        self.asked.append((method, *args))
        name = method.partition(".")[2]
        if name in self.methods:
            outcome = self.methods[name]
            if isinstance(outcome, Exception):
                raise outcome
            return outcome(*args) if callable(outcome) else outcome
        if name == "request":
            return args[0]
        if name == "getAnswer":
            found = {"refresh": {"ok": True}, **self.answers}.get(args[0], "")
            if isinstance(found, Exception):
                raise found
            return json.dumps(found) if found != "" else ""
        assert name == "getReport", name
        return self.report

    @property
    def verbs(self):
        return [args[0] for method, *args in self.asked if method == "zkelect.request"]


# Roles and exit statuses


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["primary"], DONE),
        (["primary", "primary"], DONE),
        (["standby"], NOT_PRIMARY),
        (["promoting"], ON_ITS_WAY),
        (["demoting"], ON_ITS_WAY),
        (["detached"], ON_ITS_WAY),
        (["withdrawn"], ON_ITS_WAY),
        (["primary", "standby"], NOT_PRIMARY),
        (["primary", "demoting", "standby"], ON_ITS_WAY),
        (["primary", ""], UNKNOWN),
        (["standby", ""], UNKNOWN),
        (["detached", ""], UNKNOWN),
        (["a role of the future"], ON_ITS_WAY),
        ([], ON_ITS_WAY),
    ],
)
def test_exit_status_is_that_of_all_elections_together(roles, expected):
    elections = {str(number): {**PRIMARY, "role": role} for number, role in enumerate(roles)}
    outcome = show.role(view(elections))
    assert outcome.exit == expected
    assert outcome.document["exit"] == expected


@pytest.mark.parametrize("role", ["standby", "promoting", "demoting", "detached"])
def test_what_should_and_cannot_is_worse_than_anything_but_never_said_of_a_primary(role):
    cannot = {"kind": "twin", "why": "another one has this name"}
    elections = {"a": {**PRIMARY, "cannot": cannot}, "b": {**STANDBY, "role": ""}, "c": {**STANDBY, "role": role, "cannot": cannot}}
    outcome = show.role(view(elections))
    assert outcome.exit == CANNOT == RANKS[-1]
    assert [outcome.document["elections"][name]["exit"] for name in "abc"] == [DONE, UNKNOWN, CANNOT]
    assert show.role(view({"a": elections["a"]})).exit == DONE


@pytest.mark.parametrize("cannot", [None, "", {}, [], "twin", 1])
def test_what_is_no_hindrance_is_none(cannot):
    assert show.role(view({"orders": {**STANDBY, "cannot": cannot}})).exit == NOT_PRIMARY


@pytest.mark.parametrize("deadline", [NOW - 0.001, NOW, None, "soon", True, math.inf, math.nan, -math.inf])
def test_a_primary_whose_lease_has_run_out_or_is_none_is_unknown(deadline):
    shown = show.role(view({"orders": {**PRIMARY, "deadline": deadline}}))
    assert shown.exit == UNKNOWN
    assert shown.document["elections"]["orders"]["role"] == "unknown"
    assert "lease" in shown.document["elections"]["orders"]["why"]
    row = shown.lines[1].split()
    assert row[:6] == ["orders", "unknown", "-", "-", "-", "-"]
    assert "primary" not in row[1] and "10.0.0.5" not in shown.lines[1]


def test_only_the_doubtful_election_is_unknown():
    shown = show.role(view({"late": {**PRIMARY, "deadline": 1.0}, "orders": PRIMARY}))
    assert [line.split()[1] for line in shown.lines[1:3]] == ["unknown", "primary"]
    assert (
        show.role(view({"late": {**PRIMARY, "deadline": 1.0}, "orders": PRIMARY}), "orders").exit
        == DONE
    )


@pytest.mark.parametrize("role", [None, 1, "", ["primary"], {"primary": 1}])
def test_a_role_that_is_none_is_unknown(role):
    assert show.role(view({"orders": {**PRIMARY, "role": role}})).exit == UNKNOWN


@pytest.mark.parametrize("known", [False, None, "yes", 1])
def test_nothing_but_true_makes_a_report_known(known):
    assert show.role(view({"orders": PRIMARY}, known=known, why="x")).exit == UNKNOWN


def test_an_unknown_role_shows_no_fact_of_the_last_report_but_its_age():
    seen = view({"orders": PRIMARY}, known=False, why="the listener (pid 77) is dead", age=125.0)
    for shown in (show.role, show.status):
        outcome = shown(seen)
        text = "\n".join(outcome.lines) + json.dumps(outcome.document)
        assert outcome.exit == UNKNOWN
        assert "orders" in text and "the listener (pid 77) is dead" in text
        for stale in ("10.0.0.5", "42", "primary", "0x1f", "n-0000000007", "connected"):
            assert stale not in text.replace("PRIMARY", "")
        assert "last report 2 m 5 s ago" in outcome.lines[-1]
        assert outcome.document["age"] == 125.0 and outcome.document["known"] is False


def test_without_any_report():
    outcome = show.role(judge(answer({}, known=False, why="nobody has reported", age=None)))
    assert outcome.exit == UNKNOWN
    assert outcome.lines == ("unknown: nobody has reported; there is no report",)
    named = show.role(judge(answer({}, known=False, why="nobody", age=None)), "orders")
    assert named.exit == UNKNOWN and named.lines[1].split()[:2] == ["orders", "unknown"]


def test_a_report_older_than_the_question_that_nobody_answered_is_not_believed():
    text = answer({"orders": PRIMARY}, age=1.6)
    assert judge(text, 1.5).known is False
    assert "pid 77" in judge(text, 1.5).why
    assert judge(text, 1.7).known is True
    assert judge(text, None).known is True


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', "{}", '{"known": true}', '{"now": "x"}', None, "[" * 9999]
)
def test_an_answer_that_makes_no_sense_is_no_answer(text):
    with pytest.raises(Unreachable):
        judge(text)


def test_an_answer_without_age_or_report_is_not_known():
    document = json.loads(answer({"orders": PRIMARY}))
    assert judge(json.dumps({**document, "age": None})).known is False
    assert judge(json.dumps({**document, "report": None})).known is False
    assert judge(json.dumps({**document, "report": [1]})).known is False


# What is shown


def test_role_is_one_line_per_election_and_one_of_what_is_wrong_with_it():
    unguarded = (
        "unguarded, so nothing stops the service if the listener cannot: there is no guard, or `zkelect run --` is not before "
        "each program's command"
    )
    outcome = show.role(view({"stock": STANDBY, "orders": PRIMARY, "well": {**PRIMARY, "unguarded": False}}))
    assert outcome.lines == (
        "ELECTION  ROLE     FOR       TOKEN  PRIMARY            PLACE   NOTE",
        "orders    primary  2 m 10 s  42     10.0.0.5:8080 (a)  1 of 2  unguarded",
        "stock     standby  2 m 10 s  -      10.0.0.5:8080 (b)  2 of 2  unguarded",
        "well      primary  2 m 10 s  42     10.0.0.5:8080 (a)  1 of 2",
        f"orders: {unguarded}",
        f"stock: stands by and could take over; there is nothing to do; {unguarded}",
        "node a, last report 0.2 s ago",
    )
    assert outcome.document["elections"]["orders"]["token"] == 42
    assert outcome.document["node"] == "a"


def test_role_tells_when_zookeeper_is_away():
    """What is shown of the others is what it said last."""
    session = {"state": "suspended", "since": NOW - 18.0}
    facts = {**STANDBY, "ack_at": NOW - 19.0, "place_at": NOW - 300.0}
    shown = show.role(view({"orders": facts}, session=session))
    assert shown.lines[-1].endswith("; ZooKeeper suspended for 18 s")
    assert "last known 10.0.0.5:8080 (b), 19 s ago" in shown.lines[1] and " was 2 of 2" in shown.lines[1]
    document = shown.document["elections"]["orders"]
    assert (document["ack"], document["ack_age"], document["place_age"]) == ("10.0.0.5:8080", 19.0, 300.0)


def test_what_the_listener_could_not_read_is_last_known_though_its_session_lives():
    facts = {**STANDBY, "ack_at": NOW - 5.0, "place_at": NOW - 0.3}
    row = show.role(view({"orders": facts})).lines[1]
    assert "last known 10.0.0.5:8080 (b), 5.0 s ago" in row and "was" not in row
    assert "last known" not in show.role(view({"orders": {**facts, "ack_at": NOW - 1.9}})).lines[1]
    nobody = {**facts, "ack": None, "primary_node": None}
    assert "last known" not in show.role(view({"orders": nobody})).lines[1]


def test_a_primary_that_is_gone_is_last_known_in_the_row_of_another_node():
    facts = {**STANDBY, "ack_at": NOW - 0.3}
    assert "  last known 10.0.0.5:8080 (b), which is gone, or cut off  " in show.role(view({"orders": {**facts, "primary_gone": True}})).lines[1]
    for other in ({**facts, "primary_gone": False}, {**facts, "primary_gone": True, "ack": None, "primary_node": None}):
        assert "last known" not in show.role(view({"orders": other})).lines[1]
    assert "last known 10.0.0.5:8080 (b), 9.0 s ago" in show.role(view({"orders": {**facts, "primary_gone": True, "ack_at": NOW - 9}})).lines[1]


@pytest.mark.parametrize("moment", [None, "x", [], True, math.nan, NOW + 50])
def test_a_moment_that_is_none_makes_no_fact_of_the_past_nor_a_failure(moment):
    facts = {**STANDBY, "ack_at": moment, "place_at": moment}
    shown = show.role(view({"orders": facts}))
    assert "last known" not in shown.lines[1] and shown.exit == NOT_PRIMARY
    away = show.role(view({"orders": facts}, session={"state": "lost", "since": NOW - 7.0}))
    assert "last known 10.0.0.5:8080 (b)" in away.lines[1] and "was 2 of 2" in away.lines[1]


def test_notes_hold_step_and_guard_and_the_line_below_what_is_wrong():
    facts = {**PRIMARY, "role": "promoting", "step": "probing", "trouble": "refused", "until": NOW + 20.0}
    shown = show.role(view({"orders": facts}))
    assert shown.lines[1].endswith("  probing; unguarded")
    assert shown.lines[2].startswith("orders: waits for the service to be healthy, and gives up in 20 s; refused; unguarded")


def test_status_shows_node_session_and_reason():
    text = "\n".join(show.status(view({"orders": PRIMARY})).lines)
    for piece in (
        "node a",
        "listener 77",
        "0.1.0",
        "/etc/zkelect.conf",
        "last report 0.2 s ago",
        "connected",
        "0x1f",
        "timeout 10 s",
        "lease 7.5 s",
        "because: healthy",
        "proposal n-0000000007",
    ):
        assert piece in text


@pytest.mark.parametrize("shown", [show.role, show.status])
@pytest.mark.parametrize(
    "facts",
    [{"role": "standby"}, {**STANDBY, "since": "x", "place": None, "ack": None}, {**STANDBY, "token": [1]}],
)
def test_missing_and_strange_facts_are_shown_as_well_as_can_be(shown, facts):
    outcome = shown(view({"orders": facts}, session=None, config=None, pid=None))
    assert outcome.exit == NOT_PRIMARY
    assert any("standby" in line for line in outcome.lines)


def test_what_a_terminal_would_obey_is_written_out():
    evil = {**STANDBY, "ack": "\x1b[2J\nx", "trouble": "\ud800\u202e", "reason": "\r"}
    for shown in (show.role, show.status):
        for line in shown(view({"o\nx": evil})).lines:
            assert line.isprintable(), line
            line.encode("utf-8")


def test_an_election_that_is_not_there_is_a_wrong_command():
    outcome = show.role(view({"orders": PRIMARY, "stock": PRIMARY}), "order")
    assert outcome.exit == USAGE
    assert outcome.error == "this node has no election order; there are: orders, stock"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.9, "59 s"),
        (60, "1 m 0 s"),
        (3599, "59 m 59 s"),
        (3600, "1 h 0 m"),
        (86399, "23 h 59 m"),
        (200000, "2 d 7 h"),
    ],
)
def test_durations(seconds, text):
    assert show.duration(seconds) == text


# Asking


def test_run_asks_for_a_fresh_report_first():
    peer = Peer(answer({"orders": PRIMARY}))
    assert ask.run("role", peer).exit == DONE
    assert [entry[0] for entry in peer.asked] == ["zkelect.request", "zkelect.getAnswer", "zkelect.getReport"]
    assert peer.verbs == ["refresh"]


def test_run_does_not_believe_a_listener_that_does_not_answer():
    peer = Peer(answer({"orders": PRIMARY}, age=0.9), getAnswer="")
    outcome = ask.run("role", peer, refresh_time=0.05)
    assert outcome.exit == UNKNOWN
    assert "does not answer" in outcome.lines[-1] and "last report 0.9 s ago" in outcome.lines[-1]


def test_run_believes_a_report_made_after_the_question():
    peer = Peer(answer({"orders": PRIMARY}, age=0.0), getAnswer="")
    assert ask.run("role", peer, refresh_time=0.05).exit == DONE


def test_where_nobody_can_be_asked_the_board_decides():
    refuse = Fault(70, "NOT_RUNNING: the listener (pid 77) is dead")
    dead = Peer(answer({"orders": PRIMARY}, known=False, why="the listener (pid 77) is dead"), request=refuse)
    assert ask.run("role", dead).exit == UNKNOWN
    full = Peer(answer({"orders": PRIMARY}), request=Fault(30, "FAILED: 100 requests wait"))
    assert ask.run("role", full).exit == DONE


@pytest.mark.parametrize("verb", verbs.VERBS)
@pytest.mark.parametrize(
    ("error", "status", "piece"),
    [
        (Unreachable("unix:///s did not answer within 5 s"), UNKNOWN, "did not answer"),
        (Unreachable("unix:///s: No such file", sent=False), UNKNOWN, "No such file"),
        (Unreachable("x refuses the user name or password (HTTP 401)"), ERROR, "password"),
        (Fault(1, "UNKNOWN_METHOD"), ERROR, "[rpcinterface:zkelect]"),
    ],
)
def test_errors_are_one_line(verb, error, status, piece):
    outcome = ask.run(verb, Peer("", request=error, getReport=error))
    assert (outcome.exit, outcome.lines) == (status, ())
    assert piece in outcome.error and outcome.error.isprintable()
    assert outcome.document == {"v": 1, "exit": status, "error": outcome.error}


def test_run_refuses_another_verb():
    with pytest.raises(KeyError):
        ask.run("explode", Peer(""))


@pytest.mark.parametrize("verb", ["members", "resign"])
def test_nothing_is_asked_of_a_listener_that_is_not_known_to_live(verb):
    peer = Peer(answer({"orders": PRIMARY}, known=False, why="the listener (pid 77) is dead"))
    outcome = ask.run(verb, peer, "orders")
    assert outcome.exit == UNKNOWN and "is dead" in outcome.error
    assert peer.verbs == ["refresh"]


# resign


def resign(reply, elections=None, election="orders", **more):
    peer = Peer(answer(elections or {"orders": PRIMARY}), {"resign": reply})
    return ask.run("resign", peer, election, **more), peer


def test_resign_says_who_leads_where_and_after_how_long():
    outcome, peer = resign(
        {"ok": True, "node": "b", "address": "10.0.0.6:8080", "seconds": 1.234, "text": "x"}, given={"reason": "disk"}
    )
    assert outcome.lines == ("orders: b leads now at 10.0.0.6:8080, after 1.23 s",)
    assert (
        outcome.exit == DONE and outcome.document["node"] == "b" and outcome.document["election"] == "orders"
    )
    [said] = arguments_of(peer, "resign")
    assert said["by"] == ask.orderer() and len(said["id"]) == 32 and said["reason"] == "disk"


def test_resign_when_nobody_took_over():
    assert resign({"ok": True, "text": "resigned; nobody leads"})[0].lines == (
        "orders: resigned; nobody leads",
    )
    assert "nobody leads" in resign({"ok": True, "node": "", "seconds": 3.0})[0].lines[0]


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"ok": False, "exit": 3, "text": "not primary"}, NOT_PRIMARY),
        ({"ok": False, "exit": 1, "text": "stuck"}, ERROR),
        ({"ok": False, "exit": 0, "text": "a refusal is no success"}, ERROR),
        ({"ok": False, "exit": "3"}, ERROR),
        ({"ok": "true"}, ERROR),
        ({}, ERROR),
    ],
)
def test_resign_refused(reply, status):
    outcome, _ = resign(reply)
    assert (outcome.exit, outcome.lines) == (status, ())
    assert outcome.error and outcome.document["exit"] == status and outcome.document["ok"] is False
    if "text" in reply:
        assert outcome.error == reply["text"]


def test_resign_without_a_name_takes_the_only_election():
    outcome, peer = resign({"ok": True, "node": "b"}, election=None)
    assert outcome.exit == DONE and len(arguments_of(peer, "resign")) == 1
    outcome, peer = resign({"ok": True}, {"orders": PRIMARY, "stock": PRIMARY}, election=None)
    assert outcome.exit == USAGE and "orders, stock" in outcome.error and peer.verbs == ["refresh"]


TWO = {"orders": PRIMARY, "stock": PRIMARY}


class Each:
    """A mailbox that answers each election with one of its own, in the order in which they are asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []
        self.peer = Peer(answer(TWO), request=self._request, getAnswer=lambda ticket: json.dumps(self.told[ticket]))
        self.told = {"refresh": {"ok": True}}

    def _request(self, verb, election, arguments):
        if verb == "refresh":
            return "refresh"
        self.asked.append(election)
        self.told[election] = self.answers.pop(0)
        return election


NOBODY_THERE = {"ok": False, "exit": 1, "text": "nobody could take over"}


@pytest.mark.parametrize("verb", ["switchover", "restart", "pause", "resume", "resign"])
def test_one_that_is_refused_keeps_the_others_from_nothing(verb):
    each = Each(NOBODY_THERE, {"ok": True, "exit": 0, "text": "done there"})
    outcome = ask.run(verb, each.peer, given={"all": True})
    assert each.asked == ["orders", "stock"] and outcome.exit == ERROR
    assert outcome.error == "orders: nobody could take over" and outcome.lines == ("stock: done there",)
    assert outcome.document["elections"]["stock"]["ok"] is True and outcome.document["elections"]["orders"]["ok"] is False


@pytest.mark.parametrize("verb", ["switchover", "resign"])
@pytest.mark.parametrize("trouble, status, told", [
    (Unreachable("did not answer within 5 s"), UNKNOWN, ("stock: supervisord: did not answer within 5 s", None)),
    (KeyboardInterrupt(), 130, ("stock: interrupted; ", "till: not ordered")),
])
def test_what_goes_wrong_in_one_election_hides_nothing_of_the_others(verb, trouble, status, told):
    """The first is done; the second goes wrong; the third is ordered, or told as not ordered."""
    done = {"ok": True, "exit": 0, "text": "b leads"}
    each = Each(done, {"ok": False, "exit": 130, "text": "interrupted; it is taken back"} if told[1] else done)
    request = each.peer.methods["request"]

    def goes_wrong(verb, election, said):
        if election == "stock" and "take_back" not in said:
            raise trouble
        return request(verb, election, said)

    each.peer.report, each.peer.methods["request"] = answer({**TWO, "till": STANDBY}), goes_wrong
    outcome = ask.run(verb, each.peer, given={"all": True})
    assert outcome.exit == status and outcome.lines[0] == "orders: b leads" and told[0] in outcome.error
    assert told[1] in outcome.error if told[1] else outcome.lines[1:] == ("till: b leads",)


@pytest.mark.parametrize("answers, status, lines", [
    (({"ok": False, "exit": 3, "text": "standby"}, {"ok": True, "node": "b", "address": "b:1"}), DONE, ("stock: b leads now at b:1",)),
    (({"ok": True, "exit": 0, "text": "b leads"}, {"ok": True, "exit": 0, "text": "c leads"}), DONE, ("orders: b leads", "stock: c leads")),
    (({"ok": False, "exit": 3, "text": "standby"}, {"ok": False, "exit": 3, "text": "standby"}), 3, ()),
])
def test_a_node_resigns_in_all_elections_that_it_leads(answers, status, lines):
    outcome = ask.run("resign", Each(*answers).peer, given={"all": True})
    assert (outcome.exit, outcome.lines) == (status, lines)


@pytest.mark.parametrize("elections, election, told", [
    (TWO, "orders", "--all and the name of an election exclude each other"), (TWO, None, "or take --all; there are: orders, stock"),
    ({}, None, "or take --all; there are: none"),
])
def test_all_elections_are_meant_by_word_alone(elections, election, told):
    peer = Peer(answer(elections))
    outcome = ask.run("restart", peer, election, given={"all": True} if election or not elections else {})
    assert outcome.exit == USAGE and told in outcome.error and peer.verbs == ["refresh"]


def test_resign_whose_outcome_does_not_come_is_unknown():
    outcome, _ = resign("", timeout=0.05)
    assert outcome.exit == UNKNOWN and "within 0.05 s" in outcome.error
    for fault in (
        Fault(70, "NOT_RUNNING: the listener that took the request is gone"),
        Fault(10, "BAD_NAME: old"),
    ):
        outcome, _ = resign(fault)
        assert outcome.exit == UNKNOWN and "outcome of resign is unknown" in outcome.error
    outcome, _ = resign(Unreachable("connection refused", sent=False))
    assert outcome.exit == UNKNOWN and "outcome of resign is unknown" in outcome.error


def test_a_resignation_that_is_waited_for_no_longer_is_under_way_while_the_node_stops():
    stops = {**PRIMARY, "role": "demoting", "step": "stopping"}
    outcome, _ = resign("", {"orders": stops}, timeout=0.05)
    assert outcome.exit == 7 and "this node is stopping still" in outcome.error
    for other in ({**PRIMARY, "role": "standby"}, PRIMARY):
        assert resign("", {"orders": other}, timeout=0.05)[0].exit == UNKNOWN
    gone, _ = resign(Fault(70, "NOT_RUNNING: the listener that took the request is gone"), {"orders": PRIMARY})
    assert gone.exit == UNKNOWN


def test_a_supervisord_that_is_late_once_is_asked_again():
    replies = [Unreachable("did not answer within 5 s"), json.dumps({"ok": True, "node": "b"})]

    def get_answer(ticket):
        if ticket == "refresh":
            return '{"ok": true}'
        reply = replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    peer = Peer(answer({"orders": PRIMARY}), getAnswer=get_answer)
    assert ask.run("resign", peer, "orders", timeout=30).exit == DONE


# members, check


MEMBERS = [
    {
        "place": 1,
        "node": "a",
        "address": "10.0.0.5:8080",
        "proposal": "n-01",
        "token": 42,
        "mine": True,
        "leads": True,
    },
    {
        "place": 2,
        "node": "",
        "address": None,
        "proposal": "x0000000002",
        "token": 43,
        "mine": False,
        "leads": False,
    },
]


def test_members_is_the_queue_in_order():
    peer = Peer(answer({"orders": PRIMARY}), {"members": {"ok": True, "members": MEMBERS}})
    outcome = ask.run("members", peer)
    assert outcome.exit == DONE
    assert outcome.lines == (
        "ELECTION  PLACE  NODE  ADDRESS        PROPOSAL     TOKEN  NOTE",
        "orders    1      a     10.0.0.5:8080  n-01         42     leads, this node",
        "orders    2      -     -              x0000000002  43",
    )
    assert outcome.document["elections"] == {"orders": MEMBERS}


def test_members_of_an_empty_queue_and_refused():
    assert "nobody" in overview.members({"orders": {"ok": True, "members": []}}).lines[1]
    refused = overview.members({"orders": {"ok": False, "exit": 1, "text": "ZooKeeper does not answer"}})
    assert (refused.exit, refused.error) == (ERROR, "ZooKeeper does not answer")


def test_check_prints_every_problem():
    outcome = show.check({"ok": False, "problems": ["one", "two\n"], "notes": ["three"]})
    assert outcome.lines == ("one", "two\\n", "note: three")
    assert outcome.exit == USAGE
    assert show.check({"ok": False, "exit": 1, "problems": ["x"], "notes": []}).exit == ERROR
    assert show.check({"ok": True, "problems": ["x"], "notes": []}).exit == USAGE
    assert show.check({"ok": True, "problems": [], "notes": []}).exit == DONE
    assert show.check({"ok": True}).exit == DONE
    assert show.check({"ok": False, "exit": 4, "text": "silent"})[::3] == (UNKNOWN, "silent")


# Servers


def test_a_name_with_several_addresses_is_tried_at_each(monkeypatch):
    """As localhost is where it means ::1 first, and supervisord listens at 127.0.0.1 alone."""
    server = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
    server.register_function(lambda: "here", "where")
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    resolve = socket.getaddrinfo

    def resolve_both(host, *args, **more):
        if host != "both.example":
            return resolve(host, *args, **more)
        return [found for one in ("127.0.0.2", "127.0.0.1") for found in resolve(one, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_both)
    try:
        call = ask.caller(f"http://both.example:{port}")
        assert [call("where"), call("where")] == ["here", "here"]
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(Unreachable) as caught:
        ask.caller(f"http://both.example:{port}")("where")
    assert f"http://both.example:{port}" in caught.value.reason


@pytest.mark.parametrize("name", ["app#1", "what?", "[1]"])
def test_a_socket_may_have_any_path(name, tmp_path, monkeypatch):
    """Also a relative one."""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    for url in (f"unix://{name}/s.sock", f"unix://{tmp_path}/{name}/s.sock"):
        with pytest.raises(Unreachable, match="No such file") as caught:
            ask.caller(url)("where")
        assert url in caught.value.reason


@pytest.mark.parametrize("url", ["", "ftp://x", "unix://", "http://", "http://x:y", "http://x:99999"])
def test_what_is_no_url_of_supervisord(url):
    with pytest.raises(ValueError):
        ask.caller(url)


# The configuration


def test_role_tells_what_is_wrong_with_the_configuration():
    trouble = {"since": NOW - 130.0, "problems": ["f: [zkelect] colour = red\x1b"], "doing": "the last good one is used"}
    for shown in (show.role, show.status):
        outcome = shown(view({"orders": PRIMARY}, config_trouble=trouble))
        assert outcome.lines[-3:] == (
            "the configuration has been unusable for 2 m 10 s; the last good one is used:", "  f: [zkelect] colour = red\\x1b",
            "  correct the file; zkelect check -c FILE tells more, and zkelect reload loads it",
        )
        assert (outcome.exit, outcome.document["config_trouble"]) == (DONE, trouble)
    assert "unusable" not in str(show.role(view({"orders": PRIMARY}, config_trouble=None)).lines)


def reload(reply, election=None, **more):
    peer = Peer(answer({"orders": PRIMARY}), {"reload": reply})
    return ask.run("reload", peer, election, **more), peer


def test_reload_shows_what_has_changed_or_would_end():
    outcome, peer = reload({"ok": True, "text": "reloaded", "lines": ["[zkelect] kill_time: at once"]})
    assert (outcome.exit, outcome.lines) == (DONE, ("[zkelect] kill_time: at once", "reloaded"))
    outcome, peer = reload({"ok": False, "exit": 1, "text": "--yes does it", "lines": ["[zkelect] tls: new session"]})
    assert outcome[::3] == (ERROR, "--yes does it") and outcome.lines == ("[zkelect] tls: new session",)
    outcome, peer = reload({"ok": False, "exit": 2, "text": "cannot be used", "lines": ["f: line 1"]}, given={"yes": True})
    assert outcome.exit == USAGE and peer.verbs == ["refresh", "reload"]


def test_reload_is_of_the_whole_file():
    outcome, peer = reload({}, "orders")
    assert outcome.exit == USAGE and peer.verbs == ["refresh"]


def test_members_that_had_no_room_are_counted():
    answer = {"ok": True, "members": [{"place": 1, "node": "a", "leads": True}], "left_out": 41}
    outcome = overview.members({"orders": answer})
    assert len(outcome.lines) == 3 and "and 41 more" in outcome.lines[2]


# Orders


UNDER_WAY_TOLD = {"ok": False, "exit": 7, "text": "under way", "id": "s", "term": 42, "awaited": "a to stop"}


def arguments_of(peer, verb="switchover"):
    return [json.loads(args[2]) for method, *args in peer.asked if method == "zkelect.request" and args[0] == verb]


def test_who_waits_at_a_terminal_gives_his_order_once_and_asks_again_by_its_id(monkeypatch):
    monkeypatch.setattr(ask, "ANSWER_TIME", 0.05)
    told = iter([UNDER_WAY_TOLD, {"ok": True, "exit": 0, "text": "b leads", "id": "s"}])
    peer = Peer(answer({"orders": PRIMARY}), {})
    peer.methods["getAnswer"] = lambda ticket: json.dumps({"ok": True} if ticket == "refresh" else next(told))
    screen = io.StringIO()
    screen.isatty = lambda: True
    outcome = ask.run("switchover", peer, "orders", timeout=30, given={"to": "b"}, progress=Progress(screen))
    assert outcome.exit == DONE and outcome.lines == ("orders: b leads",) and "waiting for a to stop" in screen.getvalue()
    first, second = arguments_of(peer)
    assert "look" not in first and first["wait"] == 1.0 and first["to"] == "b" and "@" in first["by"] and first["clock"] > 1e12
    assert (second["look"], second["term"], second["id"]) == ("s", 42, first["id"])


@pytest.mark.parametrize("verb, given", [
    ("switchover", {"to": "b"}), ("pause", {}), ("resume", {}), ("maintenance", {"what": "off"}), ("orders", {"reset": True}),
])
def test_ctrl_c_has_the_listener_take_the_order_back(verb, given):
    told = iter([KeyboardInterrupt(), {"ok": False, "exit": 130, "text": "interrupted; the order is taken back"}])

    def answered(ticket):
        found = {"ok": True} if ticket == "refresh" else next(told)
        if isinstance(found, BaseException):
            raise found
        return json.dumps(found)

    peer = Peer(answer({"orders": PRIMARY}), getAnswer=answered)
    outcome = ask.run(verb, peer, "orders", timeout=30, given=given)
    assert outcome.exit == 130 and outcome.error == "interrupted; the order is taken back"
    first, second = arguments_of(peer, verb)
    assert second["take_back"] == first["id"]


def test_ctrl_c_orders_nothing_more_also_where_it_cannot_be_told_what_became_of_the_order(monkeypatch):
    def interrupted(ticket):
        raise KeyboardInterrupt

    peer, asked = Peer(answer(TWO), getAnswer=interrupted), []

    def request(verb, election, said):
        asked.append((election, "take_back" in said))
        if "take_back" in said:
            raise Unreachable("no answer", True)
        return "t"

    monkeypatch.setattr(ask, "_view", lambda call, refresh_time: judge(answer(TWO), 1.0))
    peer.methods["request"] = request
    outcome = ask.run("switchover", peer, given={"all": True})
    assert outcome.exit == 130 and asked == [("orders", False), ("orders", True)]
    assert "orders: interrupted; the order may stand" in outcome.error and "stock: not ordered" in outcome.error


def test_ctrl_c_takes_back_the_order_that_is_awaited_which_may_have_stood_before():
    told = iter([UNDER_WAY_TOLD, {"ok": False, "exit": 130, "text": "interrupted; the order has begun, and stands"}])
    peer = Peer(answer({"orders": PRIMARY}), getAnswer=lambda ticket: json.dumps(next(told)))
    way = ask._ByListener(peer, "resume", "orders", ask.time.monotonic() + 30.0, 30.0, {"id": "x"})
    way.give(1.0)
    way.take_back()
    first, second = arguments_of(peer, "resume")
    assert first["id"] == "x" and second["take_back"] == UNDER_WAY_TOLD["id"]


def test_what_was_looked_at_and_a_warning_stand_below_the_outcome():
    outcome = show.orders({"orders": {"ok": True, "text": "b leads", "checked": ["a leads", "b\x1b"], "warning": "the clock is off"}})
    assert outcome.lines == ("orders: b leads", "  checked: a leads", "  checked: b\\x1b", "orders: warning: the clock is off")
    refused = show.orders({"orders": {"ok": False, "exit": 1, "text": "no", "warning": "the clock is off"}})
    assert refused.error == "no" and refused.lines == ("orders: warning: the clock is off",)


def test_the_log_of_orders_is_a_table_with_the_newest_first(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    one = {"id": "s", "what": "switchover", "node": "c", "by": "root@h", "reason": "disk", "at": 1000, "until": None, "due": 4000}
    log = [
        {**one, "done": True, "outcome": {"text": "c leads", "node": "c", "at": 5000}}, {**one, "what": "maintenance on", "done": None, "due": None},
        {**one, "done": False, "outcome": {"text": "it was taken back", "at": 0}, "due": None}, {"done": True, "outcome": {"text": "x"}},
        {**one, "what": "cancel", "node": "", "done": True, "outcome": {"text": "y"}, "due": None},
    ]
    lines = show.orders({"orders": {"ok": True, "text": "4", "log": log}}).lines
    assert lines[0].split() == ["ELECTION", "GIVEN", "BY", "ORDER", "OUTCOME", "REASON"]
    assert "root@h  switchover --cancel  " in lines[1] and "unknown" in lines[2] and "not done: it was taken back" in lines[3]
    assert "maintenance on c" in lines[4] and "not known" in lines[4]
    assert "1970-01-01 00:00:01+0000  root@h  switchover c at 1970-01-01 00:00:04+0000  c leads, 4.0 s later" in lines[5]
    assert show.orders({"orders": {"ok": True, "text": "", "log": []}}).lines == ("the log of orders is empty: nothing was ordered",)
    for width in (40, 80):
        narrow = show.orders({"orders": {"ok": True, "text": "4", "log": log}}, table.Screen(width)).lines
        assert all(table.breadth(line) <= width for line in narrow)
        assert "    by root@h: disk" in narrow and "not done: it was taken back" in " ".join(" ".join(narrow).split())


def test_what_was_looked_at_for_an_order_fits_the_terminal():
    answer = {"ok": True, "text": "c would lead " * 9, "checked": ["c stands in the queue " * 9], "warning": "clocks differ " * 9}
    lines = show.orders({"orders": answer}, table.Screen(60)).lines
    assert all(table.breadth(line) <= 60 for line in lines) and " ".join(lines).count("clocks") == 9


@pytest.mark.parametrize("verb", ["role", "status", "check"])
def test_roles_and_checks_fit_the_terminal(verb):
    view = View(False, "the listener does not answer " * 6, None, 0.0, {})
    lines = verbs.VERBS[verb].show(verbs.Reply(view, None, {"": {"ok": True, "problems": ["x y " * 60]}}, table.Screen(60), lambda *asked: [])).lines
    assert len(lines) > 1 and all(table.breadth(line) <= 60 for line in lines)


def test_a_moment_that_no_calendar_has_is_shown():
    assert order_lines.local(1e30) == "1e+30 ms"


def test_a_resignation_shows_that_it_is_waited_for_and_an_interrupted_one_may_be_carried_out(monkeypatch):
    moment = [100.0]
    monkeypatch.setattr(ask.time, "monotonic", lambda: moment[0])

    def answered(ticket):
        if ticket == "refresh":
            return json.dumps({"ok": True})
        moment[0] += 0.7
        if moment[0] > 102.0:
            raise KeyboardInterrupt
        return ""

    screen = io.StringIO()
    screen.isatty = lambda: True
    outcome = ask.run("resign", Peer(answer({"orders": PRIMARY}), getAnswer=answered), "orders", timeout=30, progress=Progress(screen))
    assert outcome.exit == 130 and "may be carried out all the same" in outcome.error
    assert screen.getvalue() == "\r\x1b[Kwaiting for the outcome of resign, 1 s\r\x1b[K"


@pytest.mark.parametrize("verb", ["resign", "switchover", "reload"])
def test_who_has_had_enough_before_anything_was_requested_is_told_that_nothing_was_ordered(verb):
    """A listener that hangs is waited for before that."""
    def answered(ticket):
        raise KeyboardInterrupt

    peer = Peer(answer({"orders": PRIMARY}), getAnswer=answered)
    outcome = ask.run(verb, peer)
    assert (outcome.exit, outcome.error) == (130, "interrupted; nothing was ordered") and peer.verbs == ["refresh"]


def test_who_only_looks_and_has_had_enough_just_ends():
    def answered(ticket):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask.run("members", Peer(answer({"orders": PRIMARY}), getAnswer=answered), "orders")


@pytest.mark.parametrize("verb, hinted", [("list", True), ("switchover", True), ("role", False), ("resign", False), ("check", False)])
def test_where_supervisord_is_down_what_zookeeper_alone_can_tell_is_hinted_at(verb, hinted):
    def call(method, *arguments):
        raise Unreachable("Connection refused", sent=False)

    assert ("--servers HOSTS asks ZooKeeper alone" in ask.run(verb, call).error) is hinted


def test_an_order_goes_with_the_time_for_which_it_may_be_written():
    sent = []

    def call(method, *arguments):
        sent.append(json.loads(arguments[2]) if method == "zkelect.request" else None)
        return "t" if method == "zkelect.request" else '{"ok": true, "exit": 0, "text": "x"}'

    way = ask._ByListener(call, "switchover", "orders", ask.time.monotonic() + 1.0, 1.0, {"id": "s"})
    way.give(0.0)
    assert 0.3 <= sent[0]["within"] <= 0.7


def test_what_stands_ordered_is_in_fields_by_election():
    standing = {"maintenance": [{"node": "c"}], "switchover": None, "restart": None, "paused": {"stands": True}}
    document = show.orders({"orders": {"ok": True, "text": "c: in maintenance", **standing}}).document
    assert document["elections"] == {"orders": standing} and document["text"] == "c: in maintenance" and document["v"] == 1
    both = {name: {"ok": True, "text": "", **standing} for name in ("orders", "stock")}
    assert show.orders(both).document["elections"]["stock"]["maintenance"] == [{"node": "c"}]
    assert "elections" not in show.orders({"orders": {"ok": True, "text": "done"}}).document


UNDER_WAY, REFUSED, AWAY, INTERRUPTED = (
    {"ok": False, "exit": status, "text": text} for status, text in ((7, "under way"), (1, "refused"), (4, "silent"), (130, "interrupted"))
)


@pytest.mark.parametrize("answers, status", [
    ((UNDER_WAY, REFUSED), 1), ((REFUSED, UNDER_WAY), 1), ((UNDER_WAY, AWAY), 4), ((AWAY, REFUSED), 1), ((REFUSED, INTERRUPTED), 130),
    ((UNDER_WAY, UNDER_WAY), 7), ((AWAY, {**REFUSED, "exit": 2}), 2),
])
def test_of_several_elections_each_refusal_is_told_and_the_worst_decides(answers, status):
    outcome = show.orders({"stock": {"ok": True, "text": "done"}, **dict(zip(("billing", "orders"), answers))})
    assert outcome.exit == status == outcome.document["exit"] and outcome.lines == ("stock: done",)
    assert outcome.error == f"billing: {answers[0]['text']}; orders: {answers[1]['text']}" == outcome.document["error"]
    assert outcome.document["elections"]["billing"]["exit"] == answers[0]["exit"] and outcome.document["ok"] is False


@pytest.mark.parametrize("verb, given, status, told", [
    ("maintenance", {"what": "on", "node": "c"}, DONE, "stock: c is out of the queue"),
    ("forget", {"node": "c"}, DONE, "stock: c is out of the queue"), ("maintenance", {"what": "on"}, USAGE, "orders: no node c is known"),
])
def test_a_node_that_is_named_means_the_elections_that_know_it(verb, given, status, told):
    unknown = {"ok": False, "exit": 2, "text": "no node c is known in orders; there are: a"}
    peer = Peer(
        answer({"orders": STANDBY, "stock": STANDBY}), request=lambda verb, election, said: f"{verb} {election}".strip(),
        answers={f"{verb} orders": unknown, f"{verb} stock": {"ok": True, "exit": 0, "text": "c is out of the queue"}},
    )
    outcome = ask.run(verb, peer, given=given)
    assert outcome.exit == status and told in (outcome.error or outcome.lines[0])
    assert ask.run(verb, peer, "orders", given=given).exit == USAGE
    peer.answers[f"{verb} stock"] = unknown
    assert ask.run(verb, peer, given=given).exit == USAGE
