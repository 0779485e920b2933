"""Priorities, failback and the check `fit`, on real nodes."""

import json

import pytest

from supervisor_zkelect.operators.outcome import DONE, ERROR, ON_ITS_WAY
from tests.system.test_edits import rewrite

SECTION = "election:orders"


@pytest.fixture
def nodes(make_cluster, zk_server):
    """Makes nodes with options of their own, without starting them; in the end nobody may have heard two."""
    made = []

    def make(options, **shared):
        cluster = make_cluster(zk_server.hosts, tuple(options), overrides={SECTION: shared})
        for name, more in options.items():
            cluster[name].overrides.setdefault(SECTION, {}).update(more)
        for watcher in cluster.observers.values():
            cluster.stack.enter_context(watcher)
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        cluster.verdict()


def started(cluster):
    """All nodes, in order, of which the first one leads."""
    for number, name in enumerate(cluster.nodes):
        cluster[name].start()
        cluster.standby(name) if number else cluster.primary(name)
    return cluster


def queue(cluster, name="a"):
    shown = cluster[name].zkelect("members", "--json")
    return [one["node"] for one in json.loads(shown.stdout)["elections"]["orders"]] if shown.returncode == DONE else []


def test_the_highest_priority_leads_after_a_failover(nodes):
    cluster = started(nodes({"a": {}, "b": {"priority": "50"}, "c": {"priority": "200"}}))
    # b is next in line, and lets c pass.
    cluster.until(lambda: queue(cluster) == ["a", "c", "b"], "b to step behind c")
    assert cluster["a"].part("orders")["role"] == "primary" and cluster["b"].ctl("role").returncode == 3
    cluster["a"].kill_all()
    cluster.primary("c")
    cluster.standby("b")


def test_who_comes_just_before_the_end_of_a_term_is_let_pass_before_the_claim(nodes):
    cluster = started(nodes({"a": {}, "b": {}, "c": {"priority": "101"}}))
    cluster["a"].terminate()
    cluster.primary("c")


def test_a_node_with_priority_0_never_leads(nodes):
    cluster = nodes({"a": {}, "b": {"priority": "0"}})
    cluster["a"].start()
    cluster.primary("a")
    cluster["b"].start()
    cluster.until(lambda: "never leads" in cluster["b"].ctl("role").stdout, "b to say that it never leads")
    shown = cluster["b"].ctl("role")
    assert shown.returncode == ON_ITS_WAY and "takes no part" in shown.stdout, shown.stdout
    cluster.until(lambda: "never leads" in cluster["a"].zkelect("list").stdout, "the list to say so")
    refused = cluster["a"].zkelect("resign")
    assert refused.returncode == ERROR and "no other candidate" in refused.stderr
    refused = cluster["a"].zkelect("switchover", "--to", "b")
    assert refused.returncode == ERROR and "b does not stand in the queue" in refused.stderr
    # Another file, at once, and it stands in the queue.
    rewrite(cluster["b"], ("priority = 0\n", "priority = 7\n"))
    assert cluster["b"].zkelect("reload").returncode == DONE
    cluster.standby("b")


def test_a_changed_priority_is_another_proposal_and_no_failover(nodes):
    cluster = started(nodes({"a": {"priority": "100"}, "b": {"priority": "90"}, "c": {"priority": "80"}}))
    token = cluster.token("a")
    rewrite(cluster["b"], ("priority = 90\n", "priority = 70\n"))
    assert cluster["b"].zkelect("reload").returncode == DONE
    cluster.until(lambda: queue(cluster) == ["a", "c", "b"], "b to propose anew")
    rewrite(cluster["a"], ("priority = 100\n", "priority = 1\n"))
    assert cluster["a"].zkelect("reload").returncode == DONE
    assert cluster.primary("a") and cluster.token("a") == token


def test_a_primary_hands_back_once(nodes):
    cluster = started(nodes({"a": {"priority": "200"}, "b": {}}, failback="2"))
    cluster["a"].kill_all()
    cluster.primary("b")
    cluster["a"].start()
    cluster.primary("a")
    cluster.standby("b")
    told = cluster["b"].ctl("zkelect", "history")
    assert told.stdout.count("hands back to a, whose priority is higher") == 1, told.stdout


def test_a_standby_that_is_not_fit_leaves_the_queue_and_comes_back(nodes, tmp_path):
    disk = tmp_path / "disk"
    disk.touch()
    cluster = nodes({"a": {}, "b": {}, "c": {}}, fit_interval="0.2", fall="2")
    cluster["b"].overrides[SECTION]["fit"] = f"exec:test -e {disk}"
    started(cluster)
    disk.unlink()
    cluster.until(lambda: "its check `fit` fails" in cluster["b"].ctl("role").stdout, "b to say that its check fails")
    cluster.until(lambda: "not fit" in cluster["c"].zkelect("list").stdout, "the list to say so")
    refused = cluster["a"].zkelect("switchover", "--to", "b")
    assert refused.returncode == ERROR and "b is not fit to lead: " in refused.stderr, refused.stderr
    cluster.until(lambda: queue(cluster) == ["a", "c"], "b to leave the queue")
    shown = cluster["b"].ctl("role")
    assert shown.returncode == ON_ITS_WAY and "takes no part: not fit" in shown.stdout, shown.stdout
    disk.touch()
    cluster.until(lambda: queue(cluster) == ["a", "c", "b"], "b to come back")
    assert cluster["b"].ctl("role").returncode == 3
