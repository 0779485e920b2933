"""What tests of several modules share: one real ZooKeeper, and a place of one's own in it."""

import os
import signal
import tempfile
import uuid

import pytest
from kazoo.client import KazooClient

from supervisor_zkelect.demo.zookeeper import ZooKeeper

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a script's background, and inherited by what tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def zk_server(tmp_path_factory):
    """A running ZooKeeper with a tick of 200 ms; tests that stop a server start one of their own."""
    with ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick_ms=200) as server:
        if not server.running:
            server.start()
        yield server


@pytest.fixture
def zk(zk_server):
    """A plain kazoo client, to look at what the code under test did."""
    client = KazooClient(hosts=zk_server.hosts, timeout=4)
    client.start(timeout=30)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def root(zk):
    """The path of a znode that no other test uses."""
    path = f"/t-{uuid.uuid4().hex}"
    zk.ensure_path(path)
    yield path
    zk.delete(path, recursive=True)


def cgroups_can_be_made():
    """Whether there is a cgroup2 file system that this user may write to."""
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split()[4] for line in file if " - cgroup2 " in line]
    for mount in mounts:
        try:
            os.rmdir(tempfile.mkdtemp(prefix="zkelect-test-", dir=mount))
            return True
        except OSError:
            continue
    return False
