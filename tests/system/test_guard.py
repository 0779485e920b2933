"""The guard and its listener: one of the two is there, whatever happens to the other."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab import netns
from lab.node import Node
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import process, record
from supervisor_zkelect.processes import proc
from tests.conftest import cgroups_can_be_made

#: Keeps guard processes of a node from starting while the file exists; named sitecustomize.py, Python runs it first.
NO_GUARD = """
import os, sys
with open("/proc/self/cmdline", "rb") as file:
    if b"supervisor_zkelect.guard.process" in file.read() and os.path.exists({flag!r}):
        os._exit(1)
"""


#: Has guard processes of a node tell what they import and open, from when the file exists.
TELLING = """
import os, sys
with open("/proc/self/cmdline", "rb") as file:
    guard = b"supervisor_zkelect.guard.process" in file.read()
if guard:
    told = os.open({told!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def hook(event, arguments):
        if event in ("import", "open", "exec", "compile", "subprocess.Popen") and os.path.exists({flag!r}):
            os.write(told, f"{{event}} {{arguments[0]}}\\n".encode())

    sys.addaudithook(hook)
"""


def refusing(node: Node):
    """Prepare a node so that its guards do not start while the returned file exists."""
    flag = node.folder / "no-guard"
    (node.folder / "sitecustomize.py").write_text(NO_GUARD.format(flag=str(flag)))
    node.environment["PYTHONPATH"] = str(node.folder)
    return flag


def test_on_the_path_that_kills_nothing_is_imported_and_no_other_file_opened(make_cluster, zk_server):
    """A disk that hangs, or a package that is just being replaced, must not keep a guard from killing."""
    cluster = make_cluster(zk_server.hosts)
    node = cluster["a"]
    flag, told = node.folder / "telling", node.folder / "told"
    (node.folder / "sitecustomize.py").write_text(TELLING.format(flag=str(flag), told=str(told)))
    node.environment["PYTHONPATH"] = str(node.folder)
    cluster.start()
    flag.touch()
    node.freeze(node.listener_pid(), node.supervisord_pid)
    cluster.primary("b")
    flag.unlink()
    lines = told.read_text().splitlines()
    runtime = node.environment[record.VARIABLE]
    foreign = [line for line in lines if not line.startswith(("open /proc/", "open /sys/fs/cgroup/", f"open {runtime}"))]
    assert lines and not foreign, foreign
    node.thaw()
    cluster.settled("b")


def test_a_guard_expects_programs_that_come_through_the_chain_loader(make_cluster, zk_server):
    """It was greeted before supervisord had told of its programs, and is told later."""
    if not cgroups_can_be_made():
        pytest.skip("there is no cgroup2 file system here that this user may write to")
    cluster = make_cluster(zk_server.hosts, ("a",))
    node = cluster["a"]
    flag, told = node.folder / "telling", node.folder / "told"
    (node.folder / "sitecustomize.py").write_text(TELLING.format(flag=str(flag), told=str(told)))
    node.environment["PYTHONPATH"] = str(node.folder)
    cluster.start()
    pid = cluster.primary("a")
    flag.touch()
    node.kill(pid)
    # Where the guard itself is: it is about to make moves quick (cgroup.Cgroups.quicken).
    cluster.until(lambda: f"open /proc/{node.guard_pid()}/cgroup" in told.read_text(), "the guard to expect a program")
    cluster.primary("a", other=pid)


def test_a_supervisord_that_inherits_a_child_leads_and_hands_over(make_cluster, zk_server):
    """As where a script begins a helper and then becomes supervisord, in a container or not."""
    wrapper = ("sh", "-c", 'tail -F /dev/null & exec "$@"', "sh")
    cluster = make_cluster(zk_server.hosts, wrapper=wrapper).start()
    assert cluster["a"].zkelect("resign", "orders").returncode == 0
    cluster.settled("b")
    helpers = [one for one in cluster["a"].processes() if proc.cmdline(one.pid).startswith(b"tail\0")]
    assert [one.ppid for one in helpers] == [cluster["a"].supervisord_pid]
    cluster.verdict()


def test_supervisord_and_guard_killed_together(pair):
    """The listener, left alone, has a guard kill what is left, and releases."""
    pair["a"].kill(pair["a"].guard_pid(), pair["a"].supervisord_pid)
    pair.settled("b")
    pair.until(lambda: not pair["a"].processes(), "everything of a to be gone")


def test_supervisord_and_guard_of_a_standby_killed_while_zookeeper_is_silent(make_cluster, tmp_path):
    """The listener cannot close its session, and has nothing to wait for."""
    with ZooKeeper(tmp_path / "zk", tick_ms=500) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, tick=0.5)
        cluster.start()
        node = cluster["b"]
        zookeeper.freeze()
        node.kill(node.guard_pid(), node.supervisord_pid)
        node.reap()
        cluster.until(lambda: not node.processes(), "everything of b to be gone")
        zookeeper.thaw()
        cluster.settled("a")


def test_a_listener_guards_by_itself_where_no_guard_starts(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts)
    flag = refusing(cluster["a"])
    cluster.start()
    pid, token = cluster.primary("a"), cluster.token("a")
    flag.touch()
    cluster["a"].kill(cluster["a"].guard_pid())
    cluster.until(lambda: "guarding in a thread of this listener" in cluster["a"].logs(), "the listener to guard")
    assert cluster.settled("a") == pid and cluster.token("a") == token
    # Nobody would guard the group after it, so it ends in order.
    cluster["a"].ctl("restart", "zkelect")
    cluster.settled("b")
    assert cluster.verdict().names == ["a", "b"]


def test_a_listener_that_guards_by_itself_outlives_supervisord(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts)
    refusing(cluster["a"]).touch()
    cluster.start()
    cluster["a"].kill(cluster["a"].supervisord_pid)
    cluster.settled("b")
    cluster.until(lambda: not cluster["a"].processes(), "everything of a to be gone")
    cluster.verdict()


def test_a_guard_that_stands_still_is_noticed_while_zookeeper_is_silent(make_cluster, tmp_path):
    """No lease is extended then, so nothing but the listener's own questions can tell."""
    reason = netns.available()
    if reason is not None:
        pytest.skip(reason)
    with netns.Network(["zk", "a", "b"]) as network:
        with ZooKeeper(tmp_path / "zk", tick_ms=500, place=network["zk"]) as zookeeper:
            cluster = make_cluster(zookeeper.hosts, tick=0.5, network=network)
            try:
                cluster.start()
                guard = cluster["a"].guard_pid()
                network.cut("a")
                cluster["a"].freeze(guard)
                cluster.primary("b")
                assert not cluster["a"].service_pids()
                network.heal()
                cluster.settled("b")
                cluster.verdict()
            finally:
                cluster.stack.close()


def test_a_guard_whose_listener_ends_before_it_is_ready_ends_in_order(tmp_path):
    """It may have taken groups over, so it waits for another listener first."""
    reading, writing = os.pipe()
    os.close(reading)
    terms = process.Terms(str(tmp_path), record.owner_of(os.getpid()), f"unix://{tmp_path}/none", "none", 2.0, 1)
    command = [sys.executable, "-m", "supervisor_zkelect.guard.process", json.dumps(terms._asdict())]
    with open(tmp_path / "log", "wb") as said:
        guard = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=said, cwd=child.ROOT)
    os.close(writing)
    try:
        assert guard.wait(60) == 0
    finally:
        guard.kill()
        guard.wait()
    told = (tmp_path / "log").read_text()
    assert "Traceback" not in told and "the listener that started this guard is gone" in told, told


def test_a_guard_knows_how_its_children_end_whoever_started_it(tmp_path):
    """Where the signal is ignored no status is kept, and a release that succeeded would be tried again for ever."""
    terms = process.Terms(str(tmp_path), record.owner_of(os.getpid()), f"unix://{tmp_path}/none", "none", 2.0, 1)
    command = [sys.executable, "-m", "supervisor_zkelect.guard.process", json.dumps(terms._asdict())]
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        guard = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=child.ROOT)
    finally:
        signal.signal(signal.SIGCHLD, former)
    try:
        assert guard.stdout.readline() == b"ready\n"
        ignored = re.search(r"^SigIgn:\s+(\w+)$", Path(f"/proc/{guard.pid}/status").read_text(), re.M).group(1)
        assert not int(ignored, 16) & 1 << signal.SIGCHLD - 1
    finally:
        guard.kill()
        guard.communicate()


def test_a_guard_that_was_signalled_goes_on_with_the_next_listener(steady):
    pid, token, listener = steady.primary("a"), steady.token("a"), steady["a"].listener_pid()
    steady["a"].kill(steady["a"].guard_pid(), sig=signal.SIGHUP)
    steady["a"].kill(listener)
    steady.until(lambda: steady["a"].listener_pid() not in (None, listener), "another listener")
    assert steady.settled("a") == pid and steady.token("a") == token


def test_what_a_guard_says_without_a_listener_is_told_to_the_next(steady):
    """Its first listener's standard error is its own: it is closed for good once another listener has come."""
    steady["a"].kill(steady["a"].listener_pid())
    steady.until(lambda: "goes on in the same term" in steady["a"].logs(50000), "the other listener to go on with the term")
    steady["a"].kill(steady["a"].listener_pid())
    line = r"guard, process \d+: .*the listener is gone; its leases are renewed"
    steady.until(lambda: re.search(line, steady["a"].logs(50000)), "the guard's line in the log")


#: Keeps listeners of a node from beginning until somebody opens the pipe, as a machine does that is busy.
SLOW = """
import os, sys

def hook(event, arguments):
    if event == "import" and arguments[0] == "kazoo" and os.path.exists({busy!r}):
        os.close(os.open({busy!r}, os.O_RDONLY))

sys.addaudithook(hook)
"""


def deadline(node):
    """Until when the node's group may run, as its record has it."""
    (entry,) = record.read(node.environment[record.VARIABLE], record.owner_of(node.supervisord_pid))
    return entry.lease.deadline


def test_a_listener_that_takes_long_to_begin_is_waited_for(make_cluster, zk_server):
    """As on a busy machine: for longer than the lease lasts that the one before it left."""
    cluster = make_cluster(zk_server.hosts)
    node = cluster["a"]
    busy = node.folder / "busy"
    (node.folder / "sitecustomize.py").write_text(SLOW.format(busy=str(busy)))
    node.environment["PYTHONPATH"] = str(node.folder)
    cluster.start()
    pid, token = cluster.primary("a"), cluster.token("a")
    os.mkfifo(busy)
    node.kill(node.listener_pid())
    until(lambda: node.listener_pid() is not None, 60, "another listener")
    left = deadline(node)
    cluster.until(lambda: deadline(node) > left + 2 * 4, "the keeper to renew the lease for two session timeouts")
    with open(busy, "w"):
        busy.unlink()
    assert cluster.settled("a") == pid and cluster.token("a") == token, cluster.logs()
    assert cluster.verdict().names == ["a"]
