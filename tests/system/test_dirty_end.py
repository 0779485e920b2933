"""A predecessor that did not release, and a group that cannot be proven dead: what is asked of the operator's commands."""

import json
import os
from pathlib import Path

import pytest

from lab.cluster import CANNOT, NOT_PRIMARY
from supervisor_zkelect.processes import proc

FREEZER = Path("/sys/fs/cgroup/freezer")

#: Tells in a file what it was given, and ends with what stands in another.
COMMAND = """#!/bin/sh
env | grep ^ZKELECT_ | sort > {told}.part; mv {told}.part {told}
exit $(cat {status} 2>/dev/null || echo 0)
"""


def command(node, name):
    """A command for a node; the file that it writes, and the file whose number it ends with."""
    told, status, script = (node.folder / f"{name}.{end}" for end in ("told", "status", "sh"))
    script.write_text(COMMAND.format(told=told, status=status))
    script.chmod(0o755)
    node.overrides.setdefault("election:orders", {})[name] = str(script)
    return told, status


def variables(told):
    return dict(line.split("=", 1) for line in told.read_text().splitlines())


@pytest.fixture
def fenced(make_cluster, zk_server):
    """Two nodes, of which b has a fence command; with the files of it."""
    cluster = make_cluster(zk_server.hosts)
    files = command(cluster["b"], "fence")
    yield cluster, *files


def test_a_dirty_predecessor_is_fenced_before_anything_starts(fenced):
    cluster, told, status = fenced
    status.write_text("1")
    cluster.start()
    token = cluster.token("a")
    cluster["a"].crash()
    cluster.until(lambda: "fence failed and is tried again" in cluster["b"].logs(), "the failure to be told")
    given = variables(told)
    assert given["ZKELECT_OLD_NODE"] == "a" and given["ZKELECT_OLD_TOKEN"] == str(token)
    assert given["ZKELECT_OLD_ADDRESS"] == cluster["a"].addresses["orders"]
    assert (given["ZKELECT_ELECTION"], given["ZKELECT_NODE"]) == ("orders", "b")
    assert int(given["ZKELECT_TOKEN"]) > token
    cluster.role("b", CANNOT)
    assert cluster.ack("b") == "" and not cluster["b"].service_pids()
    status.write_text("0")
    assert cluster.primary("b") and cluster.token("b") == int(given["ZKELECT_TOKEN"])
    cluster.verdict()


def test_a_fence_that_fails_may_be_passed_over(fenced):
    cluster, told, status = fenced
    cluster["b"].overrides["election:orders"]["fence_failed"] = "continue"
    status.write_text("1")
    cluster.start()
    cluster["a"].crash()
    cluster.primary("b")
    assert told.exists() and "goes on, since fence_failed = continue" in cluster["b"].logs()


def test_a_fence_that_hangs_is_killed_with_what_it_started(fenced):
    cluster, told, status = fenced
    script = Path(cluster["b"].overrides["election:orders"]["fence"])
    script.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {told}\nsleep 1000\n")
    cluster["b"].overrides["election:orders"].update(hook_timeout="10", fence_failed="continue")
    cluster.start()
    cluster["a"].crash()
    cluster.primary("b")
    child = proc.read(int(told.read_text()))
    assert child is None or child.gone


def test_who_released_is_not_fenced_and_nobody_fences_itself(fenced):
    cluster, told, status = fenced
    cluster.start()
    assert cluster["a"].zkelect("resign", "orders").returncode == 0
    cluster.settled("b")
    cluster["a"].terminate()
    cluster["b"].crash()
    cluster["b"].start()
    # Its own holder stands, and its own group is proven dead.
    cluster.primary("b")
    assert not told.exists()


@pytest.fixture
def frozen():
    """Put a process where no signal reaches it, SIGKILL included."""
    if os.geteuid() != 0 or not os.access(FREEZER, os.W_OK):
        pytest.skip("takes root and the freezer of cgroup v1")
    folder = FREEZER / f"zkelect-test-{os.getpid()}"
    folder.mkdir()

    def freeze(pid):
        (folder / "cgroup.procs").write_text(str(pid))
        (folder / "freezer.state").write_text("FROZEN")

    def thaw():
        (folder / "freezer.state").write_text("THAWED")

    freeze.thaw = thaw
    yield freeze
    thaw()
    for pid in (folder / "cgroup.procs").read_text().split():
        (FREEZER / "cgroup.procs").write_text(pid)
    folder.rmdir()


def test_a_process_that_cannot_be_killed_is_released_on_an_operators_word(make_cluster, zk_server, frozen):
    cluster = make_cluster(zk_server.hosts)
    told, _ = command(cluster["a"], "stop_failed")
    fence, _ = command(cluster["b"], "fence")
    cluster.start()
    pid, token = cluster.primary("a"), cluster.token("a")
    frozen(pid)
    resigned = cluster["a"].zkelect("resign", "orders", "--timeout", "0.5")
    assert resigned.returncode != 0
    cluster.until(told.exists, "stop_failed to be run")
    given = variables(told)
    assert given["ZKELECT_ELECTION"] == "orders" and str(pid) in given["ZKELECT_PIDS"].split()
    assert (given["ZKELECT_GROUP"], given["ZKELECT_TOKEN"]) == ("primary", str(token))
    # It leads as long as nobody has said otherwise.
    cluster.role("b", NOT_PRIMARY)
    assert "not proven dead" in cluster["a"].logs()
    done = cluster["a"].zkelect("resign", "orders", "--force", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster["b"].addresses["orders"] in json.dumps(json.loads(done.stdout))
    cluster.primary("b")
    assert variables(fence)["ZKELECT_OLD_TOKEN"] == str(token)
    members = json.loads(cluster["b"].zkelect("members", "orders", "--json").stdout)["elections"]["orders"]
    assert [member["node"] for member in members] == ["b"]
    frozen.thaw()
    cluster.settled("b")
    assert not cluster["a"].service_pids()
