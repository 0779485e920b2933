"""Clusters of nodes for the tests of whole systems."""

import pytest

from supervisor_zkelect.demo.cluster import Cluster


@pytest.fixture
def make_cluster(tmp_path):
    """Make a Cluster in the test's folder; it is ended, and nothing of it may be left, whatever happens."""
    made = []

    def make(servers, names=("a", "b"), **options):
        made.append(Cluster(tmp_path, servers, names, **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stack.close()
        left = [process for node in cluster.nodes.values() for process in node.processes()]
        assert not left, f"left behind: {left}"


@pytest.fixture
def pair(make_cluster, zk_server):
    """Two nodes of which `a` is primary; in the end nobody may have heard two."""
    cluster = make_cluster(zk_server.hosts).start()
    yield cluster
    cluster.verdict()
