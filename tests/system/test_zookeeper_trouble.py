"""ZooKeeper cut off, restarted, and led by another: short trouble is no trouble, long trouble stops in time."""

import shutil

import pytest

from lab import journal, netns
from lab.zookeeper import Ensemble, ZooKeeper
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system.clock import now

#: session_timeout and tick_time in seconds.
VALUES = [(10, 2), (4, 0.5)]


def unbroken(cluster, since, pid, token):
    """The service of `a` ran on, in the same term."""
    assert cluster.settled("a") == pid
    assert cluster.token("a") == token
    assert [turn.pid for turn in cluster.observers["orders"].verdict(since).turns] == [pid]


@pytest.mark.parametrize("timeout, tick", VALUES)
def test_a_node_cut_off(make_cluster, tmp_path, timeout, tick):
    reason = netns.available()
    if reason is not None:
        pytest.skip(reason)
    with netns.Network(["zk", "a", "b"]) as network:
        with ZooKeeper(tmp_path / "zk", tick_ms=int(tick * 1000), place=network["zk"]) as zookeeper:
            cluster = make_cluster(zookeeper.hosts, timeout=timeout, tick=tick, network=network)
            try:
                cluster.start()
                pid, token, since = cluster.primary("a"), cluster.token("a"), now()
                network.cut("a")
                until(lambda: now() >= since + 0.3 * timeout, timeout, "0.3 T to pass")
                network.heal()
                unbroken(cluster, since, pid, token)
                network.cut("a")
                cluster.primary("b")
                assert not cluster["a"].service_pids()
                network.heal()
                cluster.settled("b")
                cluster.verdict()
            finally:
                cluster.stack.close()


#: A server may need seconds to start on a busy machine, and how long a lease lasts is not what is asked here.
LONG = {"maxSessionTimeout": 20000}


def test_a_zookeeper_killed_and_restarted(make_cluster, tmp_path):
    with ZooKeeper(tmp_path / "zk", tick_ms=200, extra=LONG) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=20).start()
        pid, token, since = cluster.primary("a"), cluster.token("a"), now()
        zookeeper.restart()
        unbroken(cluster, since, pid, token)
        cluster.verdict()


def test_an_ensemble_whose_leader_is_killed(make_cluster, tmp_path):
    with Ensemble(tmp_path / "zk", size=3, tick_ms=500, extra=LONG) as ensemble:
        cluster = make_cluster(ensemble.hosts, timeout=20, tick=0.5).start()
        pid, token, since = cluster.primary("a"), cluster.token("a"), now()
        leader = ensemble.leader()
        leader.kill()
        until(lambda: ensemble.leader() not in (None, leader), 60, "another leader")
        unbroken(cluster, since, pid, token)
        leader.start()
        cluster.verdict()


def test_servers_that_grant_less_after_a_restart(make_cluster, tmp_path):
    """What was counted from the longer timeout is cut, and the term goes on under the shorter one."""
    with ZooKeeper(tmp_path / "zk", tick_ms=1000) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=20, tick=1).start()
        pid, token = cluster.primary("a"), cluster.token("a")
        zookeeper.extra["maxSessionTimeout"] = 10000
        zookeeper.restart()
        cluster.until(lambda: "timeout is 10 s now, and was 20 s" in cluster["a"].logs(), "the change to be told")
        deadlines = [cluster["a"].part("orders")["deadline"]]

        def renewed():
            deadlines.append(cluster["a"].part("orders")["deadline"])
            return deadlines[-1] > deadlines[0] + 3

        cluster.until(renewed, "the lease to be renewed under the shorter timeout")
        assert cluster.settled("a") == pid and cluster.token("a") == token
        assert cluster.verdict().names == ["a"]


@pytest.fixture
def server(tmp_path):
    with ZooKeeper(tmp_path / "zk", tick_ms=500) as zookeeper:
        yield zookeeper


def anew(cluster, before):
    """One primary again, whichever, in a term of another session; and one line about it on each node."""
    for name, session in before.items():
        cluster.until(
            lambda: cluster[name].report().get("session", {}).get("state") == "connected"
            and cluster[name].report()["session"]["id"] != session, f"{name} to have another session",
        )
    cluster.leader()
    for node in cluster.nodes.values():
        lines = [line for line in node.logs(20000).splitlines() if "asks for its session as one that has seen nothing" in line]
        assert len(lines) == 1, cluster.logs()
    never_two(cluster)


def never_two(cluster):
    """As `Cluster.verdict`, but that tokens, which ZooKeeper counts, begin anew with its data."""
    assert not cluster.observers["orders"].verdict().overlap and not journal.overlap(cluster.journal()), cluster.logs()


def sessions(cluster):
    return {name: node.report()["session"]["id"] for name, node in cluster.nodes.items()}


@pytest.mark.parametrize("away", [0, 10])
def test_a_zookeeper_that_lost_its_data(make_cluster, server, away):
    """It closes the connection of whoever has seen more than it has. away: seconds, and more than any lease or session."""
    cluster = make_cluster(server.hosts, timeout=4, tick=0.5).start()
    before, since = sessions(cluster), now()
    server.kill()
    shutil.rmtree(server.folder / "data")
    until(lambda: now() >= since + away, away + 30, "the time to pass")
    server.start()
    anew(cluster, before)


def test_a_zookeeper_restored_from_a_backup(make_cluster, server):
    """What was done since is lost: who led, and the sessions of the nodes."""
    server.stop()
    shutil.copytree(server.folder / "data", server.folder / "backup")
    server.start()
    cluster = make_cluster(server.hosts, timeout=4, tick=0.5).start()
    assert cluster["a"].zkelect("resign", "orders").returncode == 0
    cluster.settled("b")
    before = sessions(cluster)
    server.kill()
    shutil.rmtree(server.folder / "data")
    shutil.copytree(server.folder / "backup", server.folder / "data")
    server.start()
    anew(cluster, before)


def test_an_ensemble_that_lost_its_data(make_cluster, tmp_path):
    with Ensemble(tmp_path / "zk", size=3, tick_ms=500) as ensemble:
        cluster = make_cluster(ensemble.hosts, timeout=4, tick=0.5).start()
        before = sessions(cluster)
        for server in ensemble.servers:
            server.kill()
            shutil.rmtree(server.folder / "data" / "version-2")
        ensemble.start()
        anew(cluster, before)
