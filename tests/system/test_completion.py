"""Names for a shell, from a real node, and from one whose supervisord hangs."""

import os
import signal

import pytest


@pytest.fixture
def node(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts)
    for name in "ab":
        cluster[name].start()
        cluster.primary(name) if name == "a" else cluster.standby(name)
    return cluster["b"]


def test_a_shell_is_told_elections_and_nodes_or_nothing(node):
    told = {what: node.zkelect("__complete", *what.split()) for what in ("elections", "nodes", "nodes orders", "nodes other")}
    assert {what: (done.returncode, done.stdout.split(), done.stderr) for what, done in told.items()} == {
        "elections": (0, ["orders"], ""), "nodes": (0, ["a", "b"], ""), "nodes orders": (0, ["a", "b"], ""), "nodes other": (0, [], ""),
    }
    os.kill(node.supervisord_pid, signal.SIGSTOP)
    try:
        hung = node.zkelect("__complete", "nodes")
    finally:
        os.kill(node.supervisord_pid, signal.SIGCONT)
    assert (hung.returncode, hung.stdout, hung.stderr) == (0, "", "")
