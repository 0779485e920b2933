"""Orders while ZooKeeper does not answer: nothing is carried out that the tool has given up on, and nobody waits for nothing."""

import time

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect.operators.outcome import DONE, UNKNOWN


@pytest.fixture
def server(tmp_path):
    with ZooKeeper(tmp_path / "zookeeper", tick_ms=1000) as server:
        if not server.running:
            server.start()
        yield server


def test_an_order_that_came_too_late_is_never_written_and_a_node_that_is_cut_off_says_so_at_once(make_cluster, server):
    cluster = make_cluster(server.hosts, timeout=20, tick=1).start()
    cluster.primary("a")
    cluster.standby("b")
    server.freeze()
    late = cluster["b"].zkelect("switchover", "--to", "b", "--wait", "1")
    assert late.returncode == UNKNOWN and "nothing" in late.stderr, late.stderr
    cluster.until(lambda: "cut off from ZooKeeper for" in cluster["b"].zkelect("list").stderr, "b to know it")
    for words, told in ((("list",), ""), (("why",), ""), (("events",), ""), (("orders",), "unknown what is ordered"),
                        (("maintenance", "on"), "nothing was ordered")):
        begun = time.monotonic()
        done = cluster["b"].zkelect(*words)
        assert done.returncode == UNKNOWN and "cut off from ZooKeeper for" in done.stderr and told in done.stderr, done.stderr
        # Each would wait for ZooKeeper for fifteen seconds otherwise, and these take two processes' start.
        assert time.monotonic() - begun < 12.0
    server.thaw()
    cluster.until(lambda: cluster["b"].zkelect("orders").returncode == DONE, "b to reach ZooKeeper")
    standing, log = cluster["b"].zkelect("orders"), cluster["b"].zkelect("orders", "--log")
    assert "nothing is ordered" in standing.stdout and "nothing was ordered" in log.stdout, (standing.stdout, log.stdout)
