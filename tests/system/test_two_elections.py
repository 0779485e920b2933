"""Elections that stand beside each other, and other programs' candidates in one, with real nodes."""

import json
import uuid

import pytest

from lab.cluster import NOT_PRIMARY, PRIMARY
from tests.goelector import GoElector
from tests.system.test_dirty_end import command, variables


def places(znode, ack, **more):
    return {"election_znode": znode, "election_ack": ack, **more}


@pytest.fixture
def elections(make_cluster, zk_server):
    """Two nodes in one chroot, each in an election of its own; both have a fence command. They are not started."""
    cluster = make_cluster(zk_server.hosts, reached=None)
    cluster.fenced = {}
    for name, node in cluster.nodes.items():
        cluster.fenced[name] = command(node, "fence")[0]

    def make(one, two):
        cluster["a"].overrides["election:orders"].update(one)
        cluster["b"].overrides["election:orders"].update(two)
        return cluster

    return make


def said(cluster, name):
    """What `role` and `check` say on the node, beside the log."""
    node = cluster[name]
    checked = node.zkelect("check", "-c", str(node.zkelect_conf))
    asked = node.ctl("zkelect", "check")
    assert checked.returncode == 1 and asked.returncode, checked.stdout + asked.stdout
    return [node.ctl("role").stdout, checked.stdout, asked.stdout, node.logs(20_000)]


def told(cluster, name, *words):
    """Wait until role, check and log have these words in a line."""
    cluster.until(lambda: all(word in cluster[name].ctl("role").stdout for word in words), f"role on {name} to tell {words}")
    for text in said(cluster, name):
        assert any(all(word in line for word in words) for line in text.splitlines()), (words, text)


@pytest.mark.parametrize("acks", [("/s/ack1", "/s/ack2"), ("/s/ack", "/s/ack/ack")], ids=["in one folder", "nested"])
def test_elections_whose_acks_are_neighbours_never_meet(elections, zk, acks):
    cluster = elections(places("/s/e1", acks[0]), places("/s/e2", acks[1]))
    for name in "ab":
        cluster[name].start()
        cluster.primary(name)
    root = cluster.chroot
    before = [zk.exists(f"{root}{ack}").mzxid for ack in acks]
    cluster["b"].crash()
    cluster["b"].start()
    # Its own holder stands, and nothing of the other's was touched.
    cluster.primary("b")
    assert zk.exists(f"{root}{acks[0]}").mzxid == before[0] and not any(path.exists() for path in cluster.fenced.values())
    for name in "ab":
        node = cluster[name]
        assert node.ctl("role").returncode == PRIMARY
        cluster.until(lambda: node.ctl("zkelect", "check").returncode == 0, "check to find nothing wrong")
    holders = [json.loads(zk.get(f"{root}{ack}-state/holder")[0]) for ack in acks]
    assert [(one["node"], one["election"]) for one in holders] == [("a", f"{root}/s/e1"), ("b", f"{root}/s/e2")]


def test_who_shares_an_ack_by_mistake_is_refused(elections, zk):
    cluster = elections(places("/s/e1", "/s/ack"), places("/s/e2", "/s/ack"))
    cluster["a"].start()
    cluster.primary("a")
    before = zk.exists(f"{cluster.chroot}/s/ack").mzxid
    cluster["b"].start()
    told(cluster, "b", f"held by another election, {cluster.chroot}/s/e1", "election_state of its own")
    assert zk.exists(f"{cluster.chroot}/s/ack").mzxid == before and not cluster["b"].service_pids()
    assert not cluster.fenced["b"].exists()
    # Where the first one has released, nothing is in the way, and then it is the one that waits.
    cluster["a"].terminate()
    cluster.primary("b")
    assert not cluster.fenced["b"].exists()


def test_who_shares_an_ack_with_a_state_of_its_own_fences_nobody(elections, zk):
    cluster = elections(places("/s/e1", "/s/ack"), places("/s/e2", "/s/ack", election_state="/s/other"))
    cluster["a"].start()
    pid = cluster.primary("a")
    cluster["b"].start()
    told(cluster, "b", "/s/ack ", "an election_ack")
    cluster.until(lambda: cluster.ack("a") == cluster["a"].addresses["orders"], "the ack to be the first one's again")
    assert not cluster.fenced["b"].exists() and not cluster["b"].service_pids() and cluster.primary("a") == pid


# A mixed election


@pytest.fixture
def mixed(make_cluster, zk_server, request):
    """A node with a fence command, and what makes candidates of the Go program, with names of one beginning."""
    cluster = make_cluster(zk_server.hosts, names=("a", "b"))
    for node in cluster.nodes.values():
        node.overrides["election:orders"] = {"election_prefix": "x", "sequence_separator": ""}
    cluster.fenced = command(cluster["a"], "fence")[0]
    made = []

    def go(prefix="x"):
        base = f"{cluster.chroot}/zkelect/orders"
        made.append(GoElector(zk_server.hosts, f"{base}/election", prefix, f"{base}/ack"))
        return made[-1].propose()

    cluster.go = go
    for watcher in cluster.observers.values():
        cluster.stack.enter_context(watcher)
    yield cluster
    for one in made:
        one.close()
    cluster.verdict()


def test_a_go_leader_that_vanished_is_fenced_and_leads_again_after_us(mixed, zk):
    one = mixed.go()
    assert one.leads()
    one.acknowledge("go:1")
    mixed["a"].start()
    mixed.standby("a")
    # One beginning, one order: nothing to be told.
    mixed.until(lambda: mixed["a"].ctl("zkelect", "check").returncode == 0, "check to find nothing wrong")
    one.close()
    mixed.primary("a")
    given = variables(mixed.fenced)
    assert (given["ZKELECT_OLD_NODE"], given["ZKELECT_OLD_ADDRESS"], given["ZKELECT_OLD_TOKEN"]) == ("", "go:1", "0")
    assert "(unknown) ended without releasing" in mixed["a"].logs()
    mixed.fenced.unlink()
    two = mixed.go()
    assert not two.leads()
    ordered = mixed["a"].zkelect("resign", "orders", "--timeout", "0.5")
    assert "outcome of resign is unknown" in ordered.stderr or "this node is stopping still" in ordered.stderr, ordered
    mixed.until(two.leads, "the other program to lead")
    mixed.until(lambda: not mixed["a"].service_pids(), "the group to be gone")
    assert mixed.ack("a") == "" and not mixed.fenced.exists()


def test_a_go_leader_after_a_dirty_end_of_ours(mixed, zk):
    mixed["b"].start()
    mixed.primary("b")
    token = mixed.token("b")
    two = mixed.go()
    mixed["b"].crash()
    mixed.until(two.leads, "the other program to lead")
    two.acknowledge("go:2")
    fences = mixed.fenced.with_suffix(".all")
    script = mixed["a"].folder / "fence.sh"
    script.write_text(f"#!/bin/sh\necho \"$ZKELECT_OLD_NODE $ZKELECT_OLD_ADDRESS $ZKELECT_OLD_TOKEN\" >> {fences}\n")
    mixed["a"].start()
    mixed.standby("a")
    two.close()
    mixed.primary("a")
    assert fences.read_text().splitlines() == [f"b {mixed['b'].addresses['orders']} {token}", " go:2 0"]


LOCK = f"{uuid.UUID(int=5).hex}__lock__"
LATCH = f"_c_{uuid.UUID(int=5)}-latch-"


@pytest.mark.parametrize("stem", ["a", LOCK, LATCH], ids=["prefix a", "kazoo", "curator"])
def test_a_primary_gives_way_to_who_leads_by_another_rule(make_cluster, zk_server, stem):
    cluster = make_cluster(zk_server.hosts).start()
    base = f"{cluster.chroot}/zkelect/orders"
    other = GoElector(zk_server.hosts, f"{base}/election", stem, f"{base}/ack").propose()
    try:
        cluster.until(lambda: not cluster["a"].service_pids(), "the group to be stopped")
        for name in "ab":
            told(cluster, name, other.proposal[:20], f"{base}/election")
            assert not cluster["b"].service_pids() and cluster[name].ctl("role").returncode == NOT_PRIMARY
    finally:
        other.close()
    cluster.leader()
    cluster.verdict()


@pytest.mark.parametrize("name, ephemeral", [("n", True), ("readme", False), ("x", True)])
def test_who_cannot_lead_by_another_rule_is_told_only(make_cluster, zk_server, zk, name, ephemeral):
    cluster = make_cluster(zk_server.hosts).start()
    pid = cluster.primary("a")
    zk.create(f"{cluster.chroot}/zkelect/orders/election/{name}", ephemeral=ephemeral, sequence=ephemeral)
    for node in "ab":
        told(cluster, node, f"/zkelect/orders/election: {name}")
    assert cluster.settled("a") == pid


def test_a_lock_of_kazoo_takes_its_turn_among_names_that_end_like_its_own(make_cluster, zk_server, zk):
    overrides = {"election:orders": {"sequence_separator": "__lock__"}}
    cluster = make_cluster(zk_server.hosts, names=("a",), overrides=overrides).start()
    lock = zk.Lock(f"{cluster.chroot}/zkelect/orders/election")
    assert not lock.acquire(blocking=False)
    taken = zk.handler.spawn(lock.acquire)
    cluster.until(lambda: len(lock.contenders()) == 2, "the lock to be waited for")
    cluster.until(lambda: cluster["a"].ctl("zkelect", "check").returncode == 0, "check to find nothing wrong")
    ordered = cluster["a"].zkelect("resign", "orders", "--timeout", "0.5")
    assert "outcome of resign is unknown" in ordered.stderr or "this node is stopping still" in ordered.stderr, ordered
    taken.join(cluster.patience)
    assert lock.is_acquired and not cluster["a"].service_pids()
    cluster.standby("a")
    lock.release()
    cluster.primary("a")
    cluster.verdict()
