"""Orders that stand in ZooKeeper: maintenance and switchover, by supervisorctl and zkelect, on real nodes."""

import json

import pytest
from kazoo.client import KazooClient

from supervisor_zkelect.operators.outcome import CANNOT, DONE, ERROR, NOT_PRIMARY, USAGE


@pytest.fixture
def three(make_cluster, zk_server):
    """Three nodes of which `a` is primary, and c stands last; in the end nobody may have heard two."""
    cluster = make_cluster(zk_server.hosts, ("a", "b", "c")).start()
    yield cluster
    cluster.verdict()


def test_a_switchover_is_ordered_on_any_node_and_goes_past_who_stands_before(three):
    done = three["b"].ctl("zkelect", "switchover", "--to", "c", "--reason", "a disk of a is full")
    assert done.returncode == DONE and done.stdout.startswith("orders: c leads at "), done.stdout + done.stderr
    three.primary("c")
    three.standby("b")
    again = three["a"].zkelect("switchover", "--to", "c")
    assert again.returncode == ERROR and "c leads already" in again.stderr
    whoever = three["c"].zkelect("switchover", "--json")
    told = json.loads(whoever.stdout)
    assert whoever.returncode == DONE and told["ok"] and told["text"].split()[0] in "ab", told


def test_what_cannot_be_done_stops_nothing(three):
    since = three["a"].logs()
    assert three["a"].ctl("zkelect", "maintenance", "on", "--node", "b").returncode == DONE
    for words, status, told in (
        (("switchover", "--to", "b"), ERROR, "b is in maintenance"),
        (("switchover", "--to", "nobody"), USAGE, "no node nobody is known in"),
        (("switchover", "--cancel"), ERROR, "no switchover is ordered"),
        (("maintenance", "off"), ERROR, "a is not in maintenance"),
        (("maintenance", "aside"), USAGE, "on or off"),
        (("switchover", "--to"), USAGE, "--to wants a value"),
        (("switchover", "--in", "soon"), USAGE, "--in soon is not a number of seconds"),
        (("switchover", "--now"), USAGE, "there is no option --now"),
    ):
        done = three["a"].ctl("zkelect", *words)
        assert done.returncode == status and told in done.stdout + done.stderr, (words, done.stdout, done.stderr)
    assert "primary -> " not in three["a"].logs()[len(since):]


def test_a_switchover_for_later_can_be_taken_back(three):
    assert three["a"].zkelect("switchover", "--to", "b", "--in", "3600").returncode == DONE
    assert three["c"].zkelect("switchover", "--cancel").returncode == DONE
    assert three["c"].zkelect("switchover", "--to", "b", "--in", "1").returncode == DONE
    three.primary("b")


def test_a_node_in_maintenance_stays_out_across_a_restart_of_supervisord(three):
    done = three["a"].ctl("zkelect", "maintenance", "on", "--reason", "memory")
    assert done.returncode == DONE and "a is in maintenance" in done.stdout
    three.primary("b")
    standing = three["c"].ctl("zkelect", "orders")
    assert standing.returncode == DONE and "a: in maintenance by " in standing.stdout and "memory" in standing.stdout
    shown = three["a"].ctl("role")
    assert "maintenance" in shown.stdout and "memory" in shown.stdout and shown.returncode == 5, shown.stdout
    three["a"].terminate()
    three["a"].start()
    three.until(lambda: three["a"].ctl("role").stdout.count("maintenance"), "a to find the order")
    three["b"].kill_all()
    three.primary("c")
    alone = three["c"].zkelect("maintenance", "on")
    assert alone.returncode == ERROR and "nobody could take over" in alone.stderr
    back = three["c"].zkelect("maintenance", "off", "--node", "a")
    assert back.returncode == DONE and "a stands in the queue" in back.stdout
    three.standby("a")


def test_orders_that_cannot_be_read_promote_nobody_until_they_are_reset(three, zk_server):
    client = KazooClient(hosts=zk_server.hosts)
    client.start(timeout=20)
    [root] = {line.split(" = ")[1] for line in three["a"].zkelect_conf.read_text().splitlines() if line.startswith("chroot = ")} or {""}
    client.set(f"{root}/zkelect/orders/ack-state/control", b"garbage")
    three.until(lambda: three["b"].ctl("role").returncode == CANNOT, "b to leave the queue")
    shown = three["b"].ctl("role").stdout
    assert "zkelect orders --reset" in shown, shown
    refused = three["a"].zkelect("switchover", "--to", "b")
    assert refused.returncode == ERROR and "orders --reset" in refused.stderr
    assert three["a"].ctl("role").returncode == DONE
    assert three["a"].zkelect("orders", "--reset").returncode == DONE
    three.standby("b")
    client.stop()
    client.close()


def test_the_whole_cluster_is_seen_from_any_node_and_from_any_host(three, zk_server):
    assert three["c"].zkelect("maintenance", "on", "--node", "b", "--reason", "disk").returncode == DONE
    words = ("--servers", zk_server.hosts + three.chroot, "--root", "/zkelect")

    def rows(*more):
        shown = three["a"].zkelect("list", "--json", *more)
        return {one["node"]: one for one in json.loads(shown.stdout)["elections"]["orders"]["nodes"]} if shown.returncode == DONE else {}

    three.until(lambda: rows().get("c", {}).get("role") == "standby", "c to have told of itself")
    three["c"].kill_all()
    for more in ((), words):
        three.until(lambda: [rows(*more).get(name, {}).get("role") for name in "abc"] == ["primary", "maintenance", "gone"], "all of it")  # noqa: B023
        found = rows(*more)
        assert found["a"]["address"] == three["a"].addresses["orders"] and found["a"]["place"] == 1
        assert "disk" in found["b"]["note"] and found["b"]["place"] is None and "was standby" in found["c"]["note"]
    text = three["a"].ctl("zkelect", "list")
    lines = text.stdout.splitlines()
    assert text.returncode == DONE and lines[1].split()[:3] == ["orders", "a", "primary"] and len(lines) == 5, text.stdout
    missing = three["a"].zkelect("list", "nothing", *words)
    assert missing.returncode == USAGE and "there are: orders" in missing.stderr


def test_a_node_that_does_not_run_is_taken_out_of_maintenance_at_once(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts).start()
    cluster.primary("a")
    assert cluster["a"].zkelect("maintenance", "on", "--node", "b").returncode == DONE
    cluster["b"].terminate()
    done = cluster["a"].zkelect("maintenance", "off", "--node", "b", "--timeout", "2")
    assert done.returncode == DONE and "b does not run just now, and joins when it does" in done.stdout, done.stdout + done.stderr
    assert cluster["a"].ctl("role").returncode == 0
    cluster["b"].start()
    cluster.standby("b")
    assert cluster["b"].ctl("role").returncode == NOT_PRIMARY
