"""Clusters for the fault suite, and the verdict on each fault."""

import json
import os
from pathlib import Path

import pytest

from supervisor_zkelect.clock import now
from supervisor_zkelect.demo import netns
from supervisor_zkelect.demo.cluster import Cluster
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.demo.zookeeper import ZooKeeper

TIMEOUT = float(os.environ.get("ZKELECT_FAULTS_TIMEOUT", "4"))
TICK = float(os.environ.get("ZKELECT_FAULTS_TICK", "0.5"))


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory):
    with ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick_ms=int(TICK * 1000)) as server:
        yield server


@pytest.fixture
def network():
    """Namespaces for a ZooKeeper and two nodes; every cut is one of these links."""
    reason = netns.available()
    if reason is not None:
        pytest.skip(reason)
    with netns.Network(["zk", "a", "b"]) as made:
        yield made


@pytest.fixture
def make(tmp_path, request):
    """Make a cluster of two nodes, started. After each test it is judged, and ended."""
    made = []

    def make(servers, names=("a", "b"), start=True, **options):
        cluster = Cluster(tmp_path, servers, names, **{"timeout": TIMEOUT, "tick": TICK, **options})
        made.append(cluster)
        return cluster.start() if start else cluster

    yield make
    for cluster in made:
        if cluster.stack is not None:
            finish(cluster, request.node.name)


def finish(cluster, name="", overlap=0.0):
    """Exactly one primary, nobody ever heard two (for more than `overlap` seconds), and nothing is left behind.

    A test calls it itself while the ZooKeeper or the network that it made is still there.
    """
    try:
        heard = cluster.verdict(overlap=overlap)
        note(name, heard)
        running = [name for name, node in cluster.nodes.items() if node.running]
        primaries = [name for name in running if cluster.pid(name)]
        assert len(primaries) == 1, f"primaries: {primaries}\n{cluster.logs()}"
        cluster.settled(primaries[0])
        for node in cluster.nodes.values():
            node.terminate()
        cluster.until(
            lambda: not any(node.processes() for node in cluster.nodes.values()), "nothing to be left behind"
        )
    finally:
        cluster.stack.close()
        cluster.stack = None


def note(name, heard):
    """One line for the table of script/faults."""
    path = os.environ.get("ZKELECT_FAULTS_TABLE")
    if path:
        row = {"name": name, "gap": heard.gap, "overlap": heard.overlap.seconds, "moments": heard.overlap.moments,
               "names": heard.names}
        with Path(path).open("a") as file:
            file.write(json.dumps(row) + "\n")


@pytest.fixture
def passes():
    """Wait until so many seconds passed: the fault is a time, such as a freeze of 3 T."""
    def wait(seconds):
        since = now()
        until(lambda: now() >= since + seconds, seconds + 30, f"{seconds:g} s to pass")

    return wait
