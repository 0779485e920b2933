"""Row 33 of the design's list of faults: no thread, process, descriptor or memory is to be had while a term must be ended.

Node a leads, is starved, loses an enforcer or not, and is cut off from ZooKeeper at that moment. Its group must be dead
before b's starts; and when there is enough again, both nodes are as before.
"""

import contextlib
import os
import resource
import signal
import tempfile
from pathlib import Path

import pytest

from supervisor_zkelect import proc, record
from supervisor_zkelect.demo.node import WITHOUT_CGROUPS, service_command
from supervisor_zkelect.demo.zookeeper import ZooKeeper
from tests.faults.conftest import TICK, as_root

pytestmark = as_root

SCARCE = "the lease is not extended"
"""What `role` says while a node leads whose lease nobody could end."""

#: Forks while the file exists until the kernel refuses, and goes on trying.
HOG = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    try:
        if os.path.exists({flag!r}) and os.fork() == 0:
            signal.pause()
    except OSError:
        open({full!r}, "w").close()
    time.sleep(0.0005)
"""


def controller(name):
    """Where cgroups with this controller are made; the test is skipped where there are none."""
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split() for line in file]
    for words in mounts:
        point, kind, options = words[4], words[words.index("-") + 1], words[-1].split(",")
        if kind == "cgroup" and name in options:
            return point
        if kind == "cgroup2" and name in Path(point, "cgroup.subtree_control").read_text().split():
            return point
    pytest.skip(f"there is no cgroup controller {name} here")


@pytest.fixture
def limited():
    """Have all processes of a node in a cgroup of a controller's; returns its folder, in which limits are written."""
    made = []

    def limit(node, name):
        folder = Path(tempfile.mkdtemp(prefix="zkelect-test-", dir=controller(name)))
        made.append(folder)
        node.wrapper = ["sh", "-c", f'echo $$ > {folder}/cgroup.procs; exec "$@"', "sh", *node.wrapper]
        return folder

    yield limit
    for folder in made:
        folder.rmdir()


@pytest.fixture
def cut_off(make, network, folder):
    """Make a cluster whose nodes can be cut off, not started yet, of whose programs `begin` starts the nodes."""
    with contextlib.ExitStack() as stack:

        def made(**options):
            zookeeper = stack.enter_context(
                ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), place=network["zk"])
            )
            case = make(zookeeper, network=network, start=False, **options)
            case.network = network
            return case

        yield made


def handed_over(case):
    """Node a is cut off and starved; b serves when nothing of a's group lives any more."""
    case.network.cut("a")
    case.primary("b")
    # The service's own journal and the observer tell of the time before, in the verdict.
    assert not case["a"].service_pids("primary")


def whole_again(case):
    case.network.heal()
    case.settled("b")
    case.until(lambda: not case["a"].part("orders")["unguarded"], "a to be guarded again")
    case.finish()


@pytest.mark.parametrize("cgroups", [True, False], ids=["cgroups", "without_cgroups"])
def test_33_service_takes_all_processes(cut_off, limited, folder, cgroups):
    """It forks until the kernel refuses, and on; then the guard is killed, and whatever ends leaves its room to the service."""
    case = cut_off()
    node, flag, full = case["a"], folder / "flag", folder / "full"
    if not cgroups:
        node.wrapper = list(WITHOUT_CGROUPS)
    limit = limited(node, "pids")
    (folder / "hog.py").write_text(HOG.format(flag=str(flag), full=str(full)))
    node.overrides["program:hog"] = {"command": f"zkelect run -- python3 {folder}/hog.py", "autostart": "false"}
    node.overrides["group:primary"] = {"programs": "orders,hog"}
    case.start()
    (limit / "pids.max").write_text("200")
    flag.touch()
    case.until(full.exists, "the service to have taken all processes")
    node.kill(node.guard_pid())
    handed_over(case)
    flag.unlink()
    whole_again(case)


@pytest.mark.parametrize("killed", ["nobody", "guard"])
def test_33_no_process_and_no_thread(cut_off, limited, killed):
    case = cut_off()
    node = case["a"]
    limit = limited(node, "pids")
    case.start()
    (limit / "pids.max").write_text("0")
    if killed == "guard":
        node.kill(node.guard_pid())
        case.until(lambda: SCARCE in node.part("orders")["trouble"], "role to say why the lease is not extended")
    handed_over(case)
    (limit / "pids.max").write_text("max")
    whole_again(case)
