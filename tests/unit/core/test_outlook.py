"""Why a node is not primary, and what would follow if the primary failed, from one document."""

import pytest

from supervisor_zkelect.core import figures, outlook, rehearsal
from supervisor_zkelect.core.figures import Figures

FIGURES = Figures(timeout=4.0, tick=0.5, interval=0.4, ride_through=1.6)._asdict()


def node(name, place, role="standby", **more):
    return {
        "node": name, "role": role, "since": 1.7e12, "address": f"{name}:1", "place": place, "note": "", "live": True,
        "guarded": True, "told": True, "state": role, "step": "", "figures": FIGURES, "recognised": True, **more,
    }


def cluster(*nodes, **more):
    return outlook.cluster({"ok": True, "nodes": list(nodes), "address": "a:1", **more})


PAIR = (node("a", 1, "primary"), node("b", 2))
GONE = (
    node("a", None, "primary, cut off", live=False, state="primary"), node("b", None, "maintenance", ordered="in maintenance"),
)


@pytest.mark.parametrize("nodes, who, told", [
    (PAIR, "a", "a is primary at a:1"),
    (PAIR, "", "a is primary at a:1"),
    (PAIR, "b", "b is not primary: it stands by in place 2, behind a; a is primary at a:1"),
    (PAIR, "z", "z is not known in this election"),
    ((*PAIR, node("c", None, "maintenance", ordered="in maintenance by x: disk")), "c", "c is not primary: it is in maintenance by x: disk"),
    ((*PAIR, node("c", None, "gone", live=False, state="standby")), "c", "is down, or cut off; it was standby"),
    ((*PAIR, node("c", 3, failed="never healthy")), "c", "its last promotion failed, so that others go first: never healthy"),
    ((*PAIR, node("c", None, "detached", trouble="no guard")), "c", "it does not stand in the queue (detached): no guard"),
    ((*PAIR, node("c", None, "detached", unfit="no disk")), "c", "it does not stand in the queue (it is not fit: no disk)"),
    ((*PAIR, node("c", None, "detached", priority=0)), "c", "it does not stand in the queue (priority = 0 in its file, so it never leads)"),
    ((node("b", 1, "promoting", step="probing"),), "b", "it leads the queue, and is on its way: promoting probing; nobody is primary"),
    (GONE, "b", "b is not primary: it is in maintenance; nobody is primary: the ack still names a, which is gone, or cut off"),
    (GONE, "a", "a is not primary: its session with ZooKeeper is over: the node is down, or cut off; it was primary; nobody is primary"),
    (GONE, "", "nobody is primary: the ack still names a, which is gone, or cut off"),
])
def test_one_line_says_why_a_node_is_not_primary(nodes, who, told):
    assert told in outlook.standing(cluster(*nodes), who)


def test_who_is_next_and_when_comes_of_the_rehearsal():
    seen = cluster(*PAIR, node("c", 3))
    said = outlook.outlook(seen, "b")
    assert said.next == "b" and not said.leads and said.hindrances == ()
    assert {one.fault: one.played for one in said.cases} == {
        fault: rehearsal.play(outlook.parts_of(seen), fault, "a") for fault in figures.FAULTS
    }
    assert outlook.outlook(seen, "a").leads and "session timeout of 4 s" in said.basis and "guesses" in said.basis


@pytest.mark.parametrize("more, told", [
    (dict(live=False, place=None), ["no other node stands in the queue", "b is gone, or cut off"]),
    (dict(place=None, ordered="in maintenance by x"), ["no other node stands in the queue", "b is in maintenance by x"]),
    (dict(guarded=False), ["b is unguarded"]),
    (dict(failed="sick"), ["b failed its last promotion: sick"]),
    (dict(differs="differs from a in tick_time (1, not 2)"), ["b differs from a in tick_time (1, not 2)"]),
    (dict(trouble="no guard"), ["b no guard"]),
    (dict(recognised=False), ["b has not recognised the last order yet"]),
    (dict(told=False), ["b tells nothing of itself, so that its times are guesses"]),
])
def test_what_stands_in_the_way_is_told(more, told):
    lines = outlook.hindrances(cluster(PAIR[0], {**PAIR[1], **more}), "b")
    assert len(lines) == len(told) and all(line.startswith(start) for line, start in zip(lines, told)), lines


def test_a_primary_whose_session_is_over_leads_no_more():
    said = outlook.outlook(cluster(*GONE), "b")
    assert said.primary == "" and not said.leads and said.cases == () and said.next == ""
    assert "a is gone, or cut off" in said.hindrances and not outlook.outlook(cluster(*GONE), "a").leads
    assert cluster(*GONE).outdated == "a" and cluster(*PAIR).outdated == ""


def test_in_a_pause_it_leads_on_and_that_it_is_away_is_told():
    seen = cluster(*GONE, paused="paused by ann, a runs on until zkelect resume", paused_on="a")
    assert seen.primary == "a" and seen.outdated == ""
    assert "a is primary at a:1, as the ack says, but its session is over" in outlook.standing(seen, "a")
    assert outlook.standing(seen, "b").endswith("; a is primary at a:1")
    assert "a, the primary, is gone, or cut off" in outlook.hindrances(seen, "")
    assert not any("the primary" in line for line in outlook.hindrances(cluster(*PAIR), "b"))


def test_in_a_pause_by_which_nobody_runs_on_who_is_gone_leads_no_more():
    seen = cluster(*GONE, paused="paused by ann, nobody is promoted until zkelect resume")
    assert seen.primary == "" and seen.outdated == "a"


def test_who_is_gone_is_not_next_though_its_proposal_stands_still():
    assert outlook.outlook(cluster(PAIR[0], {**PAIR[1], "live": False}, node("c", 3)), "").next == "c"


def test_whoever_has_the_highest_priority_is_next_and_of_the_same_who_stands_before():
    seen = cluster(PAIR[0], PAIR[1], node("c", 3, priority=101), node("d", 4, priority=101))
    assert [part.name for part in outlook.parts_of(seen)] == ["a", "c", "d", "b"] and outlook.outlook(seen, "").next == "c"


#: Its term with the token 7 was that of a host that died: another one's follows it without a release.
LOST = [{"token": 9, "node": "a", "begun": {"acked": 1000.0}}, {"token": 7, "node": "c", "begun": {"acked": 990.0}, "ended": {}}]


@pytest.mark.parametrize("more, order", [
    (dict(), ["a", "b", "c"]), (dict(cleared=6), ["a", "b", "c"]), (dict(cleared=7), ["a", "c", "b"]),
    (dict(cleared="7"), ["a", "b", "c"]),
])
def test_nobody_lets_pass_whose_last_term_has_failed(more, order):
    seen = cluster(PAIR[0], PAIR[1], node("c", 3, priority=200, **more), terms=LOST)
    assert [part.name for part in outlook.parts_of(seen)] == order and outlook.outlook(seen, "").next == order[1]
    told = ["c is let pass by nobody, as its last term has failed"] * (order[1] == "b")
    assert outlook.hindrances(seen, order[1]) == told


@pytest.mark.parametrize("figures, order", [({**FIGURES, "backoff_max": 10.0}, ["a", "c", "b"]), (FIGURES, ["a", "b", "c"])])
def test_a_term_that_served_for_as_long_as_who_would_let_it_pass_asks_for_has_not_failed(figures, order):
    seen = cluster(PAIR[0], {**PAIR[1], "figures": figures}, node("c", 3, priority=200), terms=LOST)
    assert [part.name for part in outlook.parts_of(seen)] == order


def test_one_that_nobody_lets_pass_leads_when_those_before_it_have_stepped_behind():
    """a steps behind d, and is last then; whose turn it is has nobody better behind."""
    seen = cluster(PAIR[0], node("b", 2, priority=50), node("c", 3, priority=200), node("d", 4, priority=60), terms=LOST)
    assert [part.name for part in outlook.parts_of(seen)] == ["a", "c", "d", "b"]


def test_who_is_first_in_line_leads_whatever_its_last_term_was():
    seen = cluster(PAIR[0], node("c", 2, priority=200), node("b", 3), terms=LOST)
    assert [part.name for part in outlook.parts_of(seen)] == ["a", "c", "b"] and outlook.hindrances(seen, "c") == []


def test_who_stands_in_no_queue_is_let_pass_by_nobody_anyway():
    seen = cluster(PAIR[0], PAIR[1], node("c", None, "detached", priority=200), terms=LOST)
    assert outlook.hindrances(seen, "b") == ["c does not stand in the queue (detached)"]


@pytest.mark.parametrize("priority", [100, 50])
def test_of_no_higher_priority_there_is_nothing_to_tell(priority):
    seen = cluster(PAIR[0], PAIR[1], node("c", 3, priority=priority), terms=LOST)
    assert outlook.hindrances(seen, "b") == []


def test_in_a_pause_that_is_why_who_leads_the_queue_is_not_primary():
    paused = "paused by ann, nobody is promoted until zkelect resume"
    seen = cluster(node("b", 1), node("c", 2), paused=paused)
    assert outlook.standing(seen, "b") == f"b is not primary: {paused}; nobody is promoted before that; nobody is primary"
    assert outlook.standing(seen, "c").startswith("c is not primary: it stands by in place 2, behind b")


def test_only_the_faults_that_are_asked_for_are_played():
    said = outlook.outlook(cluster(*PAIR), "", (figures.HOST,))
    assert [one.fault for one in said.cases] == [figures.HOST] and said.next == "b"
    assert said == outlook.outlook(cluster(*PAIR), "")._replace(cases=said.cases)


def test_in_a_pause_nothing_is_foretold_but_that():
    paused = "paused by ann: disk, a runs on until zkelect resume"
    said = outlook.outlook(cluster(*PAIR, paused=paused, coming=paused), "b")
    assert said.cases == () and said.next == "" and said.coming == ""
    assert said.hindrances == (f"{paused}: nobody takes over before that",)


def test_orders_that_cannot_be_read_stand_in_the_way_of_everybody():
    said = outlook.outlook(cluster(*PAIR, trouble="control holds no orders that can be read"), "b")
    assert said.next == "" and said.hindrances[0].startswith("control holds no orders")
    assert all(one.played.leader != "b" for one in said.cases) and "control holds no orders" in said.says


def test_a_switchover_that_is_to_come_and_an_unguarded_primary_are_told():
    lines = outlook.hindrances(cluster({**PAIR[0], "guarded": False}, PAIR[1], coming="switchover to b"), "b")
    assert not any("switchover" in line for line in lines) and "a, the primary, is unguarded" in lines[0]
    assert outlook.outlook(cluster(*PAIR, coming="switchover to b"), "b").coming == "switchover to b"


@pytest.mark.parametrize("document", [
    {}, {"nodes": 7}, {"nodes": [7, None, {}, {"node": None}]}, {"nodes": [{"node": "a", "place": "1", "since": "x", "figures": 7}]},
    {"nodes": [{"node": "a", "role": "primary", "place": 1, "figures": {"timeout": "x", "interval": -1, "rise": float("nan")}}], "terms": 7},
    {"nodes": [{"node": "a\x1b[2J", "role": "primary", "place": 1}], "terms": [7, {"token": "x", "begun": 9, "ended": []}]},
])
def test_garbage_is_left_out(document):
    said = outlook.outlook(outlook.cluster(document), "a")
    assert "\x1b" not in str(said) and said.says


def test_where_nobody_leads_nothing_is_rehearsed():
    said = outlook.outlook(cluster(node("b", 1, "promoting")), "")
    assert said.cases == () and said.says == "nobody is primary" and said.next == ""


def test_of_a_node_that_is_gone_and_in_maintenance_both_is_told():
    seen = cluster(*PAIR, node("c", None, "gone", live=False, ordered="in maintenance by x"))
    assert "c is not primary: it is in maintenance by x; and its session with ZooKeeper is over" in outlook.standing(seen, "c")
    assert outlook.hindrances(seen, "b") == ["c is in maintenance by x", "c is gone, or cut off"]
