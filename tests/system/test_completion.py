"""Names for a shell, from a real node, and from one whose supervisord hangs."""

import os
import signal
from functools import partial

import pytest

from supervisor_zkelect.demo.wait import until


@pytest.fixture
def node(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts)
    for name in "ab":
        cluster[name].start()
        cluster.primary(name) if name == "a" else cluster.standby(name)
    return cluster["b"]


def test_a_shell_is_told_elections_and_nodes_or_nothing(node):
    ended = set()

    def tells(what, names):
        done = node.zkelect("__complete", *what.split())
        ended.add((done.returncode, done.stderr))
        return done.stdout.split() == names

    # It says nothing where a busy machine has it take longer than a shell is to wait.
    for what, names in (("elections", ["orders"]), ("nodes", ["a", "b"]), ("nodes orders", ["a", "b"]), ("nodes other", [])):
        until(partial(tells, what, names), 60, f"{what} to be told")
    assert ended == {(0, "")}
    os.kill(node.supervisord_pid, signal.SIGSTOP)
    try:
        hung = node.zkelect("__complete", "nodes")
    finally:
        os.kill(node.supervisord_pid, signal.SIGCONT)
    assert (hung.returncode, hung.stdout, hung.stderr) == (0, "", "")
