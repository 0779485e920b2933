"""The one line on what is wrong in an election and what to do about it."""

import itertools
import json
import math

import pytest

from supervisor_zkelect.core import ability
from supervisor_zkelect.operators import show, words
from supervisor_zkelect.operators.view import judge

NOW = 1000.0

FACTS = {
    "role": "standby", "step": "watching", "since": 870.0, "token": 42, "group": "primary", "address": "x:1", "ack": "y:2",
    "primary_node": "b", "ack_at": 999.9, "place": 2, "place_at": 999.9, "candidates": 2, "deadline": 1004.5, "reason": "resigned",
    "unguarded": False, "trouble": "", "cannot": None, "until": None, "failed": None,
}


def said(session=None, **changes):
    report = {
        "node": "a", "pid": 7, "boottime": NOW, "elections": {"orders": {**FACTS, **changes}},
        "session": {"state": "connected", "since": 900.0, "trouble": "", **(session or {})},
    }
    view = judge(json.dumps({"v": 1, "known": True, "why": "", "age": 0.1, "now": NOW, "report": report}))
    line = words.line(view, "orders")
    assert line.isprintable() and "  " not in line
    return line


FAILED = {"why": "orders is in FATAL", "at": 986.0}

AWAY = {"state": "suspended", "since": 983.0, "trouble": "zk:2181 refuses connections"}


@pytest.mark.parametrize("changes, line", [
    (dict(), "stands by and could take over; there is nothing to do"),
    (dict(place=4, candidates=5), "stands by behind 3 others, and could take over after them"),
    (dict(ack=None, primary_node=None), "stands by; nobody is primary: see zkelect members, then run role on the node that leads the queue"),
    (dict(ack=None, primary_node=None, ack_at=None), "stands by and could take over; there is nothing to do"),
    (dict(ack=None, primary_node=None, ack_at=990.0), "stands by and could take over; there is nothing to do"),
    (dict(step="asking"), "stands by and could take over; there is nothing to do"),
    (dict(step="asking", trouble="no answer"), "stands in the queue, but cannot find out its place; no answer"),
    (dict(step="stepping"), "steps behind the others in the queue"),
    (dict(failed=FAILED), "stands by, but its last promotion failed 14 s ago: orders is in FATAL; correct that"),
    (dict(failed=FAILED, place=4, candidates=5), "stands by, but its last promotion failed 14 s ago: orders is in FATAL; correct that"),
    (dict(failed=FAILED, ack=None, primary_node=None), "stands by, but its last promotion failed 14 s ago: orders is in FATAL; correct "
     "that; nobody is primary: see zkelect members, then run role on the node that leads the queue"),
    (dict(failed={"why": "\x1b[2J", "at": None}), "stands by, but its last promotion failed: \\x1b[2J; correct that"),
    (dict(failed=FAILED, step="asking", trouble="no answer"), "stands in the queue, but cannot find out its place; no answer"),
    (dict(role="primary", step="", deadline=1004.5), ""),
    (dict(role="primary", step="", trouble="health check failed: 503"), "health check failed: 503"),
    (dict(role="primary", step="", session=AWAY),
     "primary for 4.5 s at most, as ZooKeeper does not answer: zk:2181 refuses connections"),
    (dict(role="promoting", step="probing", until=1020.0, trouble="not healthy yet: 503"),
     "waits for the service to be healthy, and gives up in 20 s; not healthy yet: 503"),
    (dict(role="promoting", step="fencing"), "runs the fence command against the former primary"),
    (dict(role="demoting", step="stopping", until=1003.0), "stops the programs, and kills them in 3.0 s, because: resigned"),
    (dict(role="demoting", step="releasing"), "the programs are dead, releases the election, because: resigned"),
    (dict(role="detached", step="waiting", until=1012.0, reason="svc is in FATAL"),
     "takes no part for another 12 s, because: svc is in FATAL; correct that (supervisorctl tail PROGRAM, zkelect history)"),
    (dict(role="detached", step="waiting"), "is about to stand for election, because: resigned"),
    (dict(role="detached", step="beginning", reason="waits for its guard"), "is starting, because: waits for its guard"),
    (dict(role="withdrawn", step="", reason="SIGTERM"), "takes no part any more, because: SIGTERM"),
    (dict(session=AWAY, trouble="read the holder: no answer in time", cannot={"kind": "zookeeper", "why": "zk refuses"}),
     "cut off from ZooKeeper for 17 s: zk refuses; " + words.REMEDIES["zookeeper"]),
    (dict(role="detached", step="proposing", until=1006.0, trouble="n-1 stands", cannot={"kind": "twin", "why": "n-1 stands"}),
     f"should take part but cannot: n-1 stands (at most 6.0 s more if it is this node's own); {words.REMEDIES['twin']}"),
    (dict(trouble="foreign", cannot={"kind": "queue", "why": "delete it"}), "should take part but cannot: delete it; foreign"),
    (dict(role="detached", step="waiting", aside="priority = 0 in its file, so it never leads", priority=0),
     "takes no part: priority = 0 in its file, so it never leads"),
    (dict(role="detached", step="waiting", aside="not fit: no disk", unfit="no disk", priority=100),
     "takes no part: not fit: no disk; it joins again when that check passes"),
    (dict(unfit="no disk"), "stands by, but its check `fit` fails: no disk; it leaves the queue if that lasts while there is a primary"),
    (dict(role="primary", step="", aside="priority = 0 in its file, so it never leads"),
     "leads on until its term ends, though priority = 0 in its file, so it never leads; zkelect resign hands over"),
    (dict(role="a role of the future", step="x"), ""),
])
def test_each_situation_has_its_line(changes, line):
    assert said(**changes) == line


@pytest.mark.parametrize("kind", [
    ability.GUARD, ability.FOLDER, ability.ZOOKEEPER, ability.TIMEOUT, ability.TWIN, ability.FENCE, ability.ALIVE,
])
def test_each_hindrance_whose_line_does_not_say_it_has_a_remedy(kind):
    assert said(cannot={"kind": kind, "why": "x"}).endswith(f"x; {words.REMEDIES[kind]}")


@pytest.mark.parametrize("role, told", [
    ("primary", True), ("standby", True), ("promoting", True), ("demoting", True), ("detached", False),
])
def test_who_is_unguarded_while_its_group_may_run_is_told_so(role, told):
    assert ("unguarded, so nothing stops the service" in said(role=role, unguarded=True, unguarded_why="no guard")) == told


@pytest.mark.parametrize("value", [
    None, "", "\x1b[2J\n\ud800", 0, -1, 10**400, 1.5, True, math.nan, math.inf, [], ["x"], {}, {"kind": ["x"]},
])
def test_strange_facts_are_shown_as_well_as_can_be(value):
    for name, role in itertools.product(FACTS, ("primary", "standby", "promoting", "demoting", "detached", "withdrawn", "new")):
        facts = {"role": role, **({name: value} if name != "role" else {})}
        report = {"node": "a", "pid": 7, "boottime": NOW, "session": {"state": value, "since": value, "trouble": value},
                  "elections": {"orders": {**FACTS, **facts}}}
        view = judge(json.dumps({"v": 1, "known": True, "why": "", "age": 0.1, "now": NOW, "report": report}))
        for shown in (show.role(view), show.status(view)):
            assert all(line.isprintable() for line in shown.lines) and shown.exit in (0, 3, 4, 5, 6)
            json.dumps(shown.document)
