"""A pause on real nodes: ZooKeeper goes away and comes back, and the service does not notice; nobody leads beside who is paused."""

import json

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.operators.outcome import DONE, ERROR, NOT_PRIMARY, UNDER_WAY, UNKNOWN
from supervisor_zkelect.system.clock import now

TIMEOUT = 4


def lease_of(node):
    return record.read(node.environment[record.VARIABLE], record.owner_of(node.supervisord_pid))[0].lease


def listed(node):
    shown = node.zkelect("list", "--json")
    return json.loads(shown.stdout)["elections"]["orders"] if shown.returncode == DONE else {}


def test_zookeeper_may_go_away_and_the_service_does_not_notice(make_cluster, tmp_path):
    with ZooKeeper(tmp_path / "zk", tick_ms=200) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=TIMEOUT).start()
        pid, token = cluster.primary("a"), cluster.token("a")
        done = cluster["b"].ctl("zkelect", "pause", "--reason", "upgrade")
        assert done.returncode == DONE and "a runs on whatever becomes of ZooKeeper" in done.stdout, done.stdout + done.stderr
        shown = cluster["a"].ctl("role")
        assert shown.returncode == DONE and "upgrade: runs on whatever becomes of ZooKeeper" in shown.stdout, shown.stdout
        again = cluster["a"].zkelect("pause")
        assert again.returncode == ERROR and "paused by" in again.stderr and "already" in again.stderr
        for words in (("resign",), ("switchover",), ("maintenance", "on")):
            refused = cluster["a"].zkelect(*words)
            assert refused.returncode == ERROR and "zkelect resume" in refused.stderr, (words, refused.stderr)
        assert "paused by" in listed(cluster["b"])["coming"] and "a runs on" in listed(cluster["b"])["coming"]
        zookeeper.stop()
        lease = lease_of(cluster["a"])
        until(lambda: now() > lease.deadline + TIMEOUT, 5 * TIMEOUT, "the ordinary lease to be over for long")
        assert cluster.pid("a") == pid and cluster["a"].service_pids() == {pid}
        assert "runs on whatever becomes of ZooKeeper" in cluster["a"].ctl("role").stdout
        zookeeper.start()
        cluster.standby("b")
        until(lambda: cluster["a"].report()["session"]["state"] == "connected", 30, "the primary to be connected as well")
        assert cluster.pid("a") == pid and cluster.token("a") == token
        resumed = cluster["a"].zkelect("resume", timeout=90)
        assert resumed.returncode == DONE and "resumed: " in resumed.stdout, resumed.stdout + resumed.stderr
        first = resumed.stdout.split("resumed: ")[1].split()[0]
        if first == "a":
            # Its session outlived the silence, and so did its term.
            assert cluster.settled("a") == pid and cluster.token("a") == token
        cluster.leader()
        assert listed(cluster["a"])["coming"] == ""
        cluster.verdict()


def test_events_and_the_log_of_orders_tell_of_it(make_cluster, tmp_path):
    with ZooKeeper(tmp_path / "zk", tick_ms=200) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=TIMEOUT).start()
        cluster.primary("a")
        afar = ("--servers", zookeeper.hosts + cluster.chroot)
        assert cluster["b"].zkelect("pause", "--reason", "upgrade", *afar).returncode == DONE
        paused = json.loads(cluster["a"].zkelect("orders", "--json").stdout)["elections"]["orders"]["paused"]
        assert (paused["stands"], paused["node"], paused["token"], paused["reason"], paused["resume"]) == (
            True, "a", cluster.token("a"), "upgrade", False,
        )
        assert cluster["b"].zkelect("resume", "--reason", "done", *afar, timeout=90).returncode == DONE

        def told():
            shown = cluster["b"].zkelect("events", "--json")
            found = json.loads(shown.stdout)["elections"]["orders"]["events"] if shown.returncode == DONE else []
            return [one["text"] for one in found if one["kind"] == "order"]

        until(lambda: "the pause has ended" in told(), 30, "the events of the pause")
        asked, consented, confirmed, ending, _ = told()
        assert asked.startswith("a pause is asked for by ") and asked.endswith(": upgrade")
        assert consented == asked.replace("a pause is asked for", "has consented to the pause")
        assert confirmed.startswith("paused: the guard has confirmed") and ending.startswith("the pause is to end by ")
        log = json.loads(cluster["a"].zkelect("orders", "--log", "--json").stdout)["log"]
        assert [(one["what"], one["reason"], one["done"]) for one in log] == [("pause", "upgrade", True), ("resume", "done", True)]
        cluster.verdict()


@pytest.mark.parametrize("how", ["stop zkelect", "kill the listener"])
def test_without_a_listener_it_runs_on_beyond_every_lease(make_cluster, tmp_path, how):
    with ZooKeeper(tmp_path / "zk", tick_ms=200) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=TIMEOUT).start()
        pid = cluster.primary("a")
        assert cluster["a"].zkelect("pause").returncode == DONE
        node = cluster["a"]
        if how == "stop zkelect":
            node.ctl("stop", "zkelect")
            until(lambda: "STOPPED" in node.ctl("status", "zkelect").stdout, 20, "the listener to be gone")
        zookeeper.kill()
        if how != "stop zkelect":
            node.kill(node.listener_pid())
        lease = lease_of(node)
        until(lambda: now() > lease.deadline + TIMEOUT, 5 * TIMEOUT, "the ordinary lease to be over for long")
        assert node.service_pids() == {pid}
        zookeeper.start()
        if how == "stop zkelect":
            node.ctl("start", "zkelect")
        until(lambda: "zkelect resume" in node.ctl("role").stdout, 60, "the next listener to know of the pause")
        assert node.service_pids() == {pid}
        resumed = node.zkelect("resume", timeout=90)
        assert resumed.returncode == DONE, resumed.stdout + resumed.stderr
        cluster.leader()
        cluster.verdict()


def test_a_dead_primary_has_no_successor_until_that_is_said(make_cluster, tmp_path):
    with ZooKeeper(tmp_path / "zk", tick_ms=200) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=TIMEOUT).start()
        cluster.primary("a")
        assert cluster["a"].zkelect("pause").returncode == DONE
        refused = cluster["b"].zkelect("resume", "--force", "--node-is-dead", "a")
        assert refused.returncode == ERROR and "its listener lives" in refused.stderr, refused.stderr
        lost = cluster["a"]
        # Its host, so nobody is left there who would take the consent back.
        lost.crash()
        until(lambda: [one for one in listed(cluster["b"])["nodes"] if one["node"] == "a" and one["role"] in ("gone", "primary, cut off")],
              60, "the session of a to be over")
        asked = cluster["b"].zkelect("resume", "--timeout", "5")
        assert asked.returncode == UNDER_WAY and "--node-is-dead a" in asked.stderr, asked.stderr
        assert cluster["b"].ctl("role").returncode == NOT_PRIMARY and not cluster["b"].service_pids()
        facts = cluster["b"].zkelect("resume", "--force")
        assert facts.returncode == ERROR and "two will run for as long as it is cut off" in facts.stderr, facts.stderr
        assert "no fence is set" in facts.stderr and "last heard" in facts.stderr
        wrong = cluster["b"].zkelect("resume", "--force", "--node-is-dead", "b")
        assert wrong.returncode == ERROR and "--node-is-dead a" in wrong.stderr
        done = cluster["b"].zkelect("resume", "--force", "--node-is-dead", "a")
        assert done.returncode == DONE and "resumed by force" in done.stdout, done.stdout + done.stderr
        cluster.primary("b")
        cluster.verdict()


def test_without_zookeeper_nothing_is_paused(make_cluster, tmp_path):
    with ZooKeeper(tmp_path / "zk", tick_ms=200) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=20).start()
        cluster.primary("a")
        zookeeper.kill()
        done = cluster["a"].zkelect("pause", "--timeout", "8", timeout=60)
        assert done.returncode in (UNKNOWN, ERROR), done.stdout + done.stderr
