"""A standby that is told to end has nothing to release: it ends at once, whatever ZooKeeper does."""

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect.system.clock import now

#: The listener's stopwaitsecs, in seconds; nobody who ends at once takes a quarter of it, on the slowest machine.
LONG = 120


@pytest.fixture
def server(tmp_path):
    with ZooKeeper(tmp_path / "zk", tick_ms=500) as zookeeper:
        yield zookeeper


def patient(make_cluster, server):
    overrides = {"eventlistener:zkelect": {"stopwaitsecs": str(LONG)}}
    return make_cluster(server.hosts, timeout=10, tick=0.5, overrides=overrides).start()


@pytest.mark.parametrize("trouble", ["none", "silent", "silent for long", "gone"])
@pytest.mark.parametrize("order", ["shutdown", "stop zkelect"])
def test_a_standby_ends_at_once(make_cluster, server, trouble, order):
    cluster = patient(make_cluster, server)
    node = cluster["b"]
    if trouble.startswith("silent"):
        server.freeze()
    elif trouble == "gone":
        server.kill()
    if trouble in ("gone", "silent for long"):
        cluster.until(lambda: node.report()["session"]["state"] == "suspended", "b to lose its connection")
    since = now()
    node.ctl(*order.split(), timeout=2 * LONG)
    cluster.until(lambda: node.listener_pid() is None, "b's listener to end", LONG)
    assert now() - since < LONG / 4, cluster.logs()
    if trouble == "none":
        members = cluster["a"].zkelect("members", "orders").stdout
        assert " a " in members and " b " not in members, members
    elif trouble == "gone":
        server.start()
    server.thaw()
    cluster.primary("a")
    cluster.verdict()
