"""What stands is told, kept, and taken back in words, and nobody who knows no better is told anything else."""

import json

import pytest

from supervisor_zkelect.core import control, places
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.elector import NotBegun
from supervisor_zkelect.zookeeper import following, results
from supervisor_zkelect.zookeeper.given import Given
from tests.unit.zookeeper.cluster import CONTROL, STATE, Cluster

GARBAGE = (b"garbage", b'{"v": 99}')


@pytest.fixture
def three():
    return Cluster("a", "b", "c")


def give(cluster, kind, node="", by="root@vm", **more):
    return following.attempt(cluster.tool(), Given(kind, node, by, **more))


def log(cluster):
    return {one.order.id: (one.order.what, one.outcome.text if one.outcome else None) for one in cluster.tool().order_log()}


# A second maintenance


def test_a_second_maintenance_does_not_erase_what_the_first_says(three):
    assert give(three, "maintenance on", "c", reason="disk", seconds=540.0).ok
    before = three.control()
    answer = give(three, "maintenance on", "c")
    assert answer.exit == 1 and three.control() == before
    assert "c is in maintenance already (by root@vm: disk, for another 9 m" in answer.text


@pytest.mark.parametrize("more, reason, until", [
    ({"reason": "fan"}, "fan", True), ({"seconds": 60.0}, "disk", True), ({"force": True}, "", False),
])
def test_what_is_said_replaces_it_and_what_is_not_said_stays(three, more, reason, until):
    give(three, "maintenance on", "c", reason="disk", seconds=540.0, id="1")
    answer = give(three, "maintenance on", "c", id="2", **more)
    assert answer.ok and "this replaces what stood before: in maintenance by root@vm: disk" in answer.checked[0]
    order = three.control()["nodes"]["c"]["maintenance"]
    assert order["id"] == "2" and order["reason"] == reason and ("until" in order) is until
    assert log(three)["1"] == ("maintenance on", "it was replaced by root@vm") and log(three)["2"] == ("maintenance on", None)


def test_an_order_about_a_node_that_stands_in_no_queue_has_its_outcome(three):
    three.nodes["c"].withdraw()
    give(three, "maintenance on", "c", id="1")
    give(three, "maintenance on", "c", reason="fan", id="2")
    assert log(three) == {"1": ("maintenance on", "c did not stand in the queue"), "2": ("maintenance on", "c did not stand in the queue")}


@pytest.mark.parametrize("done, told", [(False, "it was taken back by root@vm"), (True, "c left the queue")])
def test_a_maintenance_that_is_ended_has_its_outcome(three, done, told):
    give(three, "maintenance on", "c", id="1")
    if done:
        three.tool().tell_outcome(Outcome("1", True, "c left the queue"))
    assert give(three, "maintenance off", "c", id="2").ok
    assert log(three) == {"1": ("maintenance on", told), "2": ("maintenance off", "it was taken out of maintenance")}


# Until when


def test_who_orders_maintenance_for_a_while_is_told_until_when(three):
    given = Given("maintenance on", "c", seconds=540.0, id="1")
    tool = three.tool()
    following.attempt(tool, given)
    three.nodes["c"].withdraw()
    text = results.came_of(tool, given, "1", 0).text
    order = three.control()["nodes"]["c"]["maintenance"]
    assert "c is in maintenance, for another 8 m 59 s" in text or "c is in maintenance, for another 9 m 0 s" in text
    assert f"until {control.moments.utc(order['until'])}, or until zkelect maintenance off ends that" in text
    row = next(row for row in three.tool().overview().rows if row.node == "c")
    assert f"until {control.moments.utc(order['until'])}" in row.note


# A control that nobody can use


@pytest.mark.parametrize("data", GARBAGE)
def test_a_primary_does_not_hand_over_while_the_control_cannot_be_used_and_names_it(three, data):
    three.tool().prepare()
    three.ensemble.set(CONTROL, data)
    for node in "bc":
        three.nodes[node].withdraw()
    with pytest.raises(NotBegun, match="control.*zkelect orders --reset.*this node stays"):
        three.nodes["a"].begin(control.RESIGNATION, "t", "a")


@pytest.mark.parametrize("orders, told", [
    ([], "took back nothing"), ([("maintenance on", "c")], "took back maintenance of c"),
    ([("maintenance on", "c"), ("switchover", "b")], "took back maintenance of c, a switchover to b"),
])
def test_a_reset_says_and_logs_what_it_took_back(three, orders, told):
    for number, (kind, node) in enumerate(orders):
        give(three, kind, node, id=str(number))
    answer = give(three, "reset", id="r")
    assert answer.text == f"{told}; nothing is ordered any more" and log(three)["r"] == ("reset", told)
    assert all(log(three)[str(number)][1] == "all orders were taken back by root@vm" for number in range(len(orders)))


@pytest.mark.parametrize("data", GARBAGE)
def test_a_reset_of_what_cannot_be_read_says_so(three, data):
    three.tool().prepare()
    three.ensemble.set(CONTROL, data)
    assert give(three, "reset").text.startswith("took back garbage") and three.ensemble.znodes[CONTROL].data == b""


# Nodes that are gone, or that nobody knows


def test_a_dead_node_is_taken_out_of_maintenance_at_once(three):
    give(three, "maintenance on", "b")
    three.end("b")
    tool, given = three.tool(), Given("maintenance off", "b")
    following.attempt(tool, given)
    answer = results.came_of(tool, given, "x", 0)
    assert answer.exit == 0 and answer.text == "done; b does not run just now, and joins when it does"


def test_a_node_that_lives_is_waited_for(three):
    three.nodes["b"].withdraw()
    assert results.came_of(three.tool(), Given("maintenance off", "b"), "x", 0) is None


def test_who_ordered_a_switchover_to_a_node_that_died_is_told_why(three):
    give(three, "switchover", "b", id="s")
    one = three.nodes["a"]
    one.release(successor=one.begin("switchover", "s", "a"))
    three.end("b")
    three.lead("c")
    answer = results.came_of(three.tool(), Given("switchover", "b"), "s", 0)
    assert answer.exit == 1 and answer.text == "c leads at c:1, and not b; b's session ended meanwhile"


@pytest.mark.parametrize("kind", ["switchover", "maintenance on", "maintenance off", "forget"])
def test_a_node_that_nobody_knows_is_a_wrong_word(three, kind):
    answer = give(three, kind, "nope")
    assert (answer.exit, answer.text) == (2, "no node nope is known in orders; there are: a, b, c")


# Two at once


def test_the_second_of_two_switchovers_is_told_of_the_first(three):
    give(three, "switchover", "c", id="1")
    assert "another switchover is ordered, switchover to c" in give(three, "switchover", "b").text
    one = three.nodes["a"]
    target = one.begin("switchover", "1", "a")
    assert give(three, "switchover", "b").text.startswith("another switchover, to c, is under way")
    one.release(successor=target)
    three.nodes["c"].try_be_leader()
    three.nodes["c"].claim("c", "c:1")
    # The order does not stand any more, and b, whose proposal was in the way, has yet to propose anew.
    assert "switchover" not in json.loads(three.ensemble.znodes[CONTROL].data)
    assert "b" not in [member.node for member in three.tool().members()]
    assert give(three, "switchover", "b").text.startswith("another switchover, to c, is under way")
    assert places.nodes_of(STATE) in [path.rpartition("/")[0] for path in three.ensemble.znodes]
