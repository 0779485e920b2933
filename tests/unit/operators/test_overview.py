"""`list`, `why`, `simulate` and `check --cluster` from answers written out by hand; and from garbage."""

import json

import pytest

from supervisor_zkelect.core import nodes
from supervisor_zkelect.core.figures import Figures
from supervisor_zkelect.core.nodes import NodeEntry, Seen
from supervisor_zkelect.operators import cluster, foresee, overview
from supervisor_zkelect.operators.outcome import DONE, ERROR, UNKNOWN, USAGE
from supervisor_zkelect.operators.table import PLAIN, Screen, breadth
from supervisor_zkelect.operators.verbs import VERBS, Reply
from supervisor_zkelect.operators.view import View, judge
from supervisor_zkelect.zookeeper.presence import Overview
from tests.unit.operators.test_schemas import fits
from tests.unit.operators.test_show_and_ask import NOW as NOW_THERE
from tests.unit.operators.test_show_and_ask import STANDBY
from tests.unit.operators.test_show_and_ask import answer as report

NOW = 1_764_451_800.0
FIGURES = Figures(timeout=4.0, tick=0.5, interval=0.4, ride_through=1.6)._asdict()
ENTRY = NodeEntry("1f", "standby", "watching", round(1000 * (NOW - 125)), "b:1", True, (7, 3), "1.0", tags={"rack": "b"}, figures=FIGURES)


def answer(*seen, holder="a", stamp=(7, 3), terms=(), whole=True, ordered=(), trouble=""):
    differs = nodes.differences(seen, holder)
    rows = nodes.rows(seen, holder, "a:1" if holder else "", {**dict(ordered), **differs}, stamp)
    found = Overview(rows, "a:1" if holder else "", trouble, "", seen, dict(ordered), differs, stamp, round(1000 * (NOW - 60)))
    return json.loads(json.dumps({**found.document(whole), "terms": list(terms), "here": "b"}))


LEADS = Seen("a", ENTRY._replace(state="primary", step="", tags={"rack": "a", "zone": "2"}), True, 1)
STANDS = Seen("b", ENTRY, True, 2)
PAIR = answer(LEADS, STANDS)


def test_all_nodes_are_listed_with_times_tags_and_the_last_change():
    lines = overview.listed({"orders": PAIR}, now=NOW).lines
    assert lines[0].split() == ["ELECTION", "NODE", "ROLE", "FOR", "SINCE", "ADDRESS", "PLACE", "TAGS", "NOTE"]
    assert lines[1].split()[:3] == ["orders", "a", "primary"] and "2 m 5 s" in lines[1] and "rack:a, zone:2" in lines[1]
    assert lines[2].split()[:3] == ["orders", "b", "standby"] and lines[3].startswith("last change of the ack: 20") and "1 m 0 s ago" in lines[3]


@pytest.mark.parametrize("tag, names", [("rack:a", ["a"]), ("rack: b", ["b"]), ("rack", ["a", "b"]), ("zone:2", ["a"]), ("rack:", []), ("x:y", [])])
def test_tags_pick_nodes(tag, names):
    outcome = overview.listed({"orders": PAIR}, PLAIN, {"tag": tag}, NOW)
    assert [one["node"] for one in outcome.document["elections"]["orders"]["nodes"]] == names and outcome.exit == DONE
    assert bool(names) or f"no node has the tag {tag}; write KEY:VALUE, or KEY for any value" in outcome.lines


def test_a_tag_without_a_key_is_refused():
    assert overview.listed({"orders": PAIR}, PLAIN, {"tag": ":b"}, NOW).exit == USAGE


@pytest.mark.parametrize("width", range(20, 140, 7))
def test_the_list_fits_and_keeps_who_plays_which_role(width):
    long = STANDS._replace(entry=ENTRY._replace(trouble="no room on " + "a disk " * 20))
    lines = overview.listed({"orders": answer(LEADS, long)}, Screen(width), {}, NOW).lines
    assert all(breadth(line) <= max(width, 70) for line in lines[:3])
    assert width < 40 or "standby" in lines[2] and "2 m 5 s" in lines[2] and "no room" in lines[2]


def test_who_differs_is_named_with_the_option():
    other = ENTRY._replace(options={"tick_time": "1", "acl": "open"}, digest="2")
    leads = LEADS._replace(entry=LEADS.entry._replace(options={"tick_time": "2", "acl": "open"}, digest="1"))
    found = answer(leads, STANDS._replace(entry=other))
    assert "differs from a in tick_time (1, not 2)" in overview.listed({"orders": found}, now=NOW).lines[2]
    checked = cluster.check({"orders": found})
    assert checked.exit == ERROR and checked.lines == ("[election:orders] b differs from a in tick_time (1, not 2)",)


def test_a_cluster_that_is_well_has_no_problem():
    checked = cluster.check({"orders": PAIR})
    assert checked.exit == DONE and checked.lines == ("no problem found",) and checked.document["ok"]


def test_what_is_ordered_or_newer_is_noted_and_what_is_missing_is_wrong():
    newer = STANDS._replace(entry=ENTRY._replace(version="2.0"))
    checked = cluster.check({"orders": answer(LEADS, newer, Seen("c", ENTRY, False, None), ordered={"b": "in maintenance by x"})})
    assert checked.exit == ERROR and "[election:orders] c is gone, or cut off" in checked.lines
    assert "note: [election:orders] b is in maintenance by x" in checked.lines
    assert "note: [election:orders] the nodes have several versions: 1.0 on a; 2.0 on b" in checked.lines
    assert cluster.check({"orders": answer(STANDS, holder="")}).lines[0] == "[election:orders] nobody is primary"


def why(found, **given):
    return foresee.why({"orders": found}, None, PLAIN, given)


def test_why_tells_the_reason_the_next_the_times_and_what_is_in_the_way():
    outcome = why(PAIR)
    text = "\n".join(outcome.lines)
    assert text.startswith("orders: b is not primary: it stands by in place 2, behind a; a is primary at a:1")
    assert "its host is gone" in text and "b is primary after about 5." in text and "next is b" in text and "nothing is in the way" in text
    told = outcome.document["elections"]["orders"]
    assert told["next"] == "b" and told["faults"]["host"]["leader"] == "b" and not told["leads"] and outcome.exit == DONE
    json.dumps(outcome.document)
    assert why(PAIR, node="a").document["elections"]["orders"]["leads"]


def test_without_zookeeper_the_node_tells_what_it_knows_itself():
    away = judge(report({"orders": STANDBY}, session={"state": "lost", "since": NOW_THERE - 7.0, "trouble": "no answer"}))
    outcome = foresee.why({"orders": {"ok": False, "exit": 1, "text": "no answer in time"}}, away, PLAIN, {})
    assert outcome.exit == ERROR and outcome.error == "no answer in time" and outcome.lines[0].startswith("orders: this node says: stands by")


def simulate(found, **given):
    return foresee.simulate({"orders": found}, PLAIN, given)


def test_a_fault_is_rehearsed_as_a_timeline():
    outcome = simulate(PAIR, fault="network")
    text = "\n".join(outcome.lines)
    assert outcome.lines[0] == "orders: a: it is cut off from ZooKeeper" and "ZooKeeper  the session of a expires" in text
    assert "b          primary: the ack is written (healthy and acked as b:1)" in text and "then: b is primary after" in text
    steps = outcome.document["elections"]["orders"]["steps"]
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps) and outcome.document["elections"]["orders"]["leader"] == "b"
    assert "b goes on" not in text and "a goes on leading" in "\n".join(simulate(PAIR, fault="host", node="b").lines)


TERM = {
    "token": 7, "node": "a", "address": "a:1", "begun": {"noticed": 100.0, "elected": 100.25, "claimed": 100.3, "acked": 101.0},
    "ended": {"noticed": 200.0, "dead": 200.5, "released": 200.75, "why": "resigned"},
}


def test_a_past_term_is_told_as_a_timeline_with_its_cause():
    outcome = simulate(answer(LEADS, STANDS, terms=[{**TERM, "token": 9}, TERM]), term="7")
    assert outcome.lines[0] == "orders: term 7 of a at a:1" and outcome.lines[-1] == "  because: resigned"
    assert outcome.lines[4].split()[2:] == "+1.000 s the ack is written: primary".split() and "it served for 1 m 39 s" in outcome.lines[-2]
    assert [step["at"] for step in outcome.document["elections"]["orders"]["steps"]] == [0.0, 0.25, 0.3, 1.0, 100.0, 100.5, 100.75]


@pytest.mark.parametrize("given, status, told", [
    ({}, USAGE, "say --fault service|supervisord|host|network|zookeeper"), ({"fault": "host", "term": "7"}, USAGE, "say --fault"),
    ({"fault": "fire"}, USAGE, "there are: service"), ({"term": "x"}, USAGE, "is not the token"), ({"term": "8"}, ERROR, "no term"),
    ({"fault": "host", "node": "z"}, USAGE, "no node z is known in orders; there are: a, b"),
])
def test_what_cannot_be_rehearsed_is_told(given, status, told):
    outcome = simulate(PAIR, **given)
    assert outcome.exit == status and told in outcome.error and not outcome.lines


@pytest.mark.parametrize("given, status, told", [
    ({"fault": "host", "node": "z"}, USAGE, "no node z is known in orders"), ({"term": "9"}, ERROR, "no term with the token 9"),
])
def test_what_no_election_can_rehearse_has_failed(given, status, told):
    outcome = foresee.simulate({"orders": PAIR, "stock": PAIR}, PLAIN, given)
    assert outcome.exit == status and told in outcome.error and "elections" not in outcome.document
    assert outcome.error.startswith("orders: ") and "; stock: " in outcome.error
    another = answer(LEADS, Seen("z", ENTRY, True, 2), terms=[{**TERM, "token": 9}])
    outcome = foresee.simulate({"orders": PAIR, "stock": another}, PLAIN, given)
    assert outcome.exit == DONE and list(outcome.document["elections"]) == ["stock"] and told in outcome.lines[0]
    assert list(outcome.document["unplayed"]) == ["orders"] and told in outcome.document["unplayed"]["orders"]


@pytest.mark.parametrize("node", [{}, {"node": "b"}])
def test_an_election_that_cannot_be_rehearsed_beside_others_is_told_and_counts(node):
    """Of the node that is asked for it knows, and nobody stands in the queue."""
    gone = answer(Seen("b", ENTRY, False, None), holder="")
    outcome = foresee.simulate({"billing": gone, "orders": PAIR}, PLAIN, {"fault": "host", **node})
    why = "nobody stands in the queue, so nothing can be rehearsed"
    assert outcome.document["unplayed"] == {"billing": why} and list(outcome.document["elections"]) == ["orders"]
    assert outcome.exit == outcome.document["exit"] == ERROR and outcome.lines[0] == f"billing: {why}"
    fits("simulate", outcome.document)
    silent = {"ok": False, "exit": 4, "text": "no answer"}
    outcome = foresee.simulate({"billing": gone, "orders": PAIR, "stock": silent}, PLAIN, {"fault": "host", **node})
    assert outcome.exit == ERROR and outcome.document["unread"] == {"stock": "no answer"}
    assert "unplayed" not in foresee.simulate({"orders": PAIR}, PLAIN, {"fault": "host"}).document


def test_where_nobody_stands_nothing_is_rehearsed():
    assert simulate(answer(holder=""), fault="host").exit == ERROR
    assert "nobody is primary" in why(answer(holder="")).lines[0]


GARBAGE = [
    {"ok": True}, {"ok": True, "nodes": 7, "terms": {}}, {"ok": True, "nodes": [None, 7, [], {}], "address": 9, "changed": "x"},
    {"ok": True, "nodes": [{"node": {}, "role": [], "since": "x", "place": -1, "tags": 7, "note": {"a": 1}, "figures": [], "version": 9}]},
    {"ok": True, "nodes": [{"node": "\x1b[2J", "since": 1e300, "place": True, "tags": {"\x1b": "\x1b"}}], "changed": float("inf")},
    {"ok": True, "terms": [None, {"token": 7, "begun": {"acked": "x"}, "ended": {"why": "\x1b"}}]},
]


@pytest.mark.parametrize("found", GARBAGE)
@pytest.mark.parametrize("verb, given", [
    ("list", {}), ("list", {"tag": "a:b"}), ("why", {}), ("why", {"node": "x"}), ("simulate", {"fault": "host"}), ("simulate", {"term": "7"}),
    ("history", {}), ("history", {"since": "2h"}), ("check", {"cluster": True}), ("members", {}),
])
def test_garbage_is_shown_as_unknown(verb, given, found):
    reply = Reply(View(False, "", None, 0.0, {}), None, {"orders": found}, Screen(60), None, given)
    outcome = VERBS[verb].chosen(given).show(reply)
    assert outcome.exit in (DONE, ERROR, UNKNOWN, USAGE) and "\x1b" not in "".join(outcome.lines) + outcome.error
    json.dumps(outcome.document)
    refused = VERBS[verb].chosen(given).show(reply._replace(answers={"orders": {"ok": False, "exit": 4, "text": "silent"}}))
    assert (refused.exit, refused.error) == (UNKNOWN, "silent")


def test_a_node_that_nobody_knows_is_told_in_one_line():
    outcome = why(PAIR, node="nope")
    assert (outcome.exit, outcome.error, outcome.lines) == (USAGE, "no node nope is known in orders; there are: a, b", ())


def test_of_a_known_node_that_is_gone_nothing_is_rehearsed_and_it_is_said_why():
    outcome = simulate(answer(LEADS, STANDS, Seen("c", ENTRY, False, None)), fault="host", node="c")
    assert outcome.exit == ERROR and outcome.error.startswith("c is gone already") and "in the queue: a, b" in outcome.error


def test_a_node_in_maintenance_that_is_down_is_no_fault():
    outcome = cluster.check({"orders": answer(LEADS, STANDS, Seen("c", ENTRY, False, None), ordered=[("c", "in maintenance by x")])})
    assert outcome.exit == DONE and "note: [election:orders] c is gone, or cut off" in outcome.lines


def test_a_primary_that_is_gone_is_called_primary_by_nobody():
    gone, aside = LEADS._replace(live=False, place=None), STANDS._replace(place=None, entry=ENTRY._replace(state="maintenance"))
    found, says = answer(gone, aside, ordered={"b": "in maintenance by x"}), "nobody is primary: the ack still names a, which is gone, or cut off"
    outcome = foresee.why({"orders": found}, None, Screen(None, True), {})
    assert outcome.document["elections"]["orders"]["primary"] is None and outcome.lines[0].startswith("\x1b[31morders: b is not primary: ")
    assert outcome.lines[0].rstrip("\x1b[0m").endswith(says)
    assert cluster.check({"orders": found}).document["problems"][0] == f"[election:orders] {says}"
    assert "[election:orders] a is gone, or cut off" in cluster.check({"orders": found}).lines


def test_what_is_to_come_fits_the_terminal():
    coming = "restart by ann@desk at 2026-11-30 03:00:00+0000, in 2 h 0 m: " + "leak " * 20
    lines = overview.listed({"orders": {**PAIR, "coming": coming}}, Screen(60), {}, NOW).lines
    told = [line for line in lines if "leak" in line or "restart by" in line]
    assert len(told) > 1 and all(breadth(line) <= 60 for line in told) and " ".join(told).count("leak") == 20
