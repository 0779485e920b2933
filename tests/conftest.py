"""What tests of several modules share: one real ZooKeeper, and a place of one's own in it."""

import contextlib
import fcntl
import os
import re
import signal
import tempfile
import uuid
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from lab import netns
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a script's background, and inherited by what tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # As below nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


SCOPE = os.environ.get("ZKELECT_FAULTS_SCOPE", "ci")
"""What a run is for: "ci", all tests, but one variant only of each with nodes; "rows", every variant of every row of the list of
faults, and the variants of other tests that "ci" leaves; "full", the whole matrix of enforcers, too."""

ONCE = (
    "tests/simulation/", "tests/stories/test_stories.py::test_a_story_goes", "tests/unit/core/test_transitions.py",
    "tests/unit/test_elector_types.py", "tests/browser/",
)
"""How the tests begin that look at the results of one long computation, or by one browser, which each process has for itself."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each worker takes the next test, or all that ask for the same long computation or browser (ONCE).

    As many workers as there are turns take those first that need one, and the others what needs none, or they would wait for
    turns and do nothing. What needs no nodes comes last for all: it works, and nodes are not to compete with it.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return next((one for one in ONCE if nodeid.startswith(one)), nodeid)

        def _assign_work_unit(self, node):
            if self.nodes.index(node) >= TURNS:
                last = next((scope for scope in reversed(self.workqueue) if not without_nodes(scope)), None)
                if last is not None:
                    self.workqueue.move_to_end(last, last=False)
            super()._assign_work_unit(node)

    return Scheduling(config, log)


def pytest_collection_modifyitems(config, items):
    """Choose what this run is for, and, for the scheduler, put what needs a turn first and what needs no nodes last."""
    left = further_variants(items)
    if SCOPE == "ci":
        for item in left:
            item.add_marker(pytest.mark.skip(reason="a further variant with nodes: left to script/faults"))
    else:
        done = [item for item in items if item.nodeid.startswith("tests/system/") and item not in left]
        config.hook.pytest_deselected(items=done)
        items[:] = [item for item in items if item not in done]
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (without_nodes(item.nodeid), "turn" not in item.fixturenames))


def further_variants(items):
    """All variants of tests with nodes but one of each test, the first one that may run; none of those marked every_variant."""
    first, left = set(), set()
    for item in items:
        name, bracket, _ = item.nodeid.partition("[")
        if item.get_closest_marker("every_variant") is not None:
            continue
        if bracket and "turn" in item.fixturenames and not any(mark.args[0] for mark in item.iter_markers("skipif")):
            (left if name in first else first).add(item if name in first else name)
    return left


def without_nodes(nodeid):
    return nodeid.startswith(("tests/unit/", "tests/stories/", "tests/browser/"))


@pytest.fixture(scope="session", autouse=True)
def nothing_left():
    """What these tests start ends with them, whatever happens: processes, networks, cgroups."""
    yield
    links = f"{netns.LINKS}{os.getpid()}-"
    with contextlib.suppress(TimeoutError):
        until(lambda: not left(links), 30, "nothing to be left")
    assert not left(links)
    remove_cgroups()


def left(links):
    return child.marked(child.RUN) or [name for name in os.listdir("/sys/class/net") if name.startswith(links)]


def remove_cgroups():
    """Those whose supervisord was killed with all that could remove them. What has a process in it stays."""
    for mount in cgroup_mounts():
        for folder in Path(mount).glob("zkelect-*"):
            name = re.fullmatch(r"zkelect-(?:[0-9a-f]{8}-)?[0-9a-f-]{36}-(\d+)-(\d+)-(\d+)", folder.name)
            if name and not may_live(*map(int, name.groups())):
                for path, _, _ in os.walk(folder, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(path)


def may_live(namespace, pid, start):
    """Whether a supervisord does that record.instance has these of."""
    if os.readlink("/proc/self/ns/pid") == f"pid:[{namespace}]":
        return proc.alive(proc.Process(pid, start, 0, 0, 0, "S", 1))
    return any(pid_namespace(one) == f"pid:[{namespace}]" for one in proc.table())


def pid_namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


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


TURNS = (os.cpu_count() or 1) + 1
"""How many clusters run at a time on this machine, in however many copies of these tests."""


@pytest.fixture
def turn():
    """For a test with nodes, whose leases bound what it waits for: it begins when few enough others are at it."""
    folder = Path(tempfile.gettempdir()) / f"supervisor-zkelect-turns-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    files = [(folder / str(number)).open("w") for number in range(TURNS)]
    try:
        until(lambda: any(taken(file) for file in files), 3600, f"one of the {TURNS} locks in {folder}")
        yield
    finally:
        for file in files:
            file.close()


def taken(file):
    """Lock the file, unless another process has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def cgroup_mounts():
    with open("/proc/self/mountinfo") as file:
        return [line.split()[4] for line in file if " - cgroup2 " in line]


def cgroups_can_be_made():
    """Whether there is a cgroup2 file system that this user may write to."""
    for mount in cgroup_mounts():
        try:
            os.rmdir(tempfile.mkdtemp(prefix="zkelect-test-", dir=mount))
            return True
        except OSError:
            continue
    return False
