"""Who lives, who stands in the queue, and whose word counts, as it is read from ZooKeeper."""

import time

import pytest

from supervisor_zkelect.core import control, nodes, outlook
from supervisor_zkelect.operators import cluster as cluster_check
from supervisor_zkelect.operators import overview
from supervisor_zkelect.zookeeper import presence
from tests.unit.zookeeper.cluster import CONTROL, STATE, Cluster
from tests.unit.zookeeper.memory import Client


def seen(cluster, name):
    return next(one for one in cluster.tool().seen_nodes() if one.name == name)


def test_who_stands_in_the_queue_lives_though_it_has_told_nothing_in_its_session():
    cluster = Cluster("a", "b")
    cluster.ensemble.delete(f"{STATE}/nodes/b/live")
    one = seen(cluster, "b")
    assert one.live and one.place == 2
    cluster.ensemble.set(f"{STATE}/nodes/b", nodes.NodeEntry(session="77", state="standby").data())
    assert seen(cluster, "b") == nodes.Seen("b", None, True, 2)
    whole = outlook.cluster(cluster.tool().overview().document(whole=True))
    assert "it stands by in place 2, behind a" in outlook.standing(whole, "b")
    assert outlook.hindrances(whole, "b") == ["b tells nothing of itself, so that its times are guesses"]


def test_who_is_gone_is_gone():
    cluster = Cluster("a", "b")
    cluster.end("b")
    one = seen(cluster, "b")
    assert not one.live and one.place is None and one.entry.state == "standby"


def test_the_word_of_a_node_in_its_new_session_counts_beside_its_proposal_of_before():
    """It was cut off, has stopped its service, and is back, while its old session is not over yet."""
    cluster = Cluster("a", "b")
    cluster.tell("a", state="primary")
    assert [row.role for row in cluster.tool().overview().rows] == ["primary", "standby"]
    cluster.nodes["a"] = cluster._elector(Client(cluster.ensemble))
    cluster.tell("a", state="detached", step="waiting")
    row = next(row for row in cluster.tool().overview().rows if row.node == "a")
    assert (row.role, row.place) == ("detached", None) and "the ack still says so" in row.note


def test_the_word_of_a_session_of_before_does_not_count_beside_a_new_proposal():
    cluster = Cluster("a", "b")
    cluster.tell("a", state="primary")
    former = cluster.nodes["a"].session_id
    for path in [path for path, one in cluster.ensemble.znodes.items() if one.ephemeralOwner == former and "/election/" in path]:
        cluster.ensemble.delete(path)
    one = cluster._elector(Client(cluster.ensemble), b'{"v": 1, "node": "a", "address": "a:1", "orders": 1}')
    one.create_proposal()
    assert seen(cluster, "a") == nodes.Seen("a", None, True, 2)


def test_who_is_left_out_is_gone_and_told(monkeypatch):
    monkeypatch.setattr(presence, "MOST_NODES", 3)
    cluster = Cluster("x", "y", "z")
    for name in "abc":
        cluster.ensemble.create(f"{STATE}/nodes/{name}")
    cluster.end("x")
    found = cluster.tool().overview()
    assert [one.name for one in found.seen] == ["x", "y", "z"] and found.left_out == 3
    outcome = overview.listed({"orders": found.document()})
    told = "orders: 3 more nodes are left out; zkelect forget removes one that is gone"
    assert told in outcome.lines and outcome.document["elections"]["orders"]["left_out"] == 3
    assert f"note: {told}" in cluster_check.check({"orders": found.document(whole=True)}).lines


HOUR = 3_600_000


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_whether_maintenance_is_over_goes_by_zookeepers_clock(off):
    """However wrong that of the host is which looks."""
    cluster = Cluster("a", "b")
    cluster.ensemble.clock = round(1000 * time.time()) + off
    until = cluster.ensemble.clock + 60_000
    cluster.tool().amend_control(lambda found: control.begin_maintenance("b", control.Order("1", until=until)))
    whole = outlook.cluster(cluster.tool().overview(exact=True).document(whole=True))
    assert whole.peer("b").ordered
    cluster.ensemble.clock = until + 1
    whole = outlook.cluster(cluster.tool().overview(exact=True).document(whole=True))
    assert not whole.peer("b").ordered


def test_who_may_make_nothing_sees_maintenance_by_his_own_clock():
    cluster = Cluster("a", "b")
    cluster.tool().amend_control(lambda found: control.begin_maintenance("b", control.Order("1", until=round(1000 * time.time()) + HOUR)))
    cluster.ensemble.denied = {("create", STATE), ("create", CONTROL)}
    assert outlook.cluster(cluster.tool().overview(exact=True).document(whole=True)).peer("b").ordered


def test_nothing_is_made_for_a_look_where_no_order_ends_by_itself():
    cluster = Cluster("a", "b")
    cluster.tool().amend_control(lambda found: control.begin_maintenance("b", control.Order("1")))
    before = cluster.ensemble.zxid
    assert outlook.cluster(cluster.tool().overview(exact=True).document(whole=True)).peer("b").ordered
    assert cluster.ensemble.zxid == before


def test_up_to_which_term_failures_are_forgotten_is_told_with_the_node():
    cluster = Cluster("a", "b")
    cluster.tool().amend_control(lambda found: control.begin_maintenance("b", control.Order("1")))
    cluster.tool().amend_control(lambda found: control.end_maintenance("b", 7))
    whole = outlook.cluster(cluster.tool().overview(exact=True).document(whole=True))
    assert (whole.peer("a").cleared, whole.peer("b").cleared) == (0, 7)
