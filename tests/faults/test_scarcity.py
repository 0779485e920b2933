"""Row 33 of the design's list of faults: no thread, process, descriptor or memory is to be had while a term must be ended.

Node a leads, is starved, loses an enforcer or not, and is cut off from ZooKeeper at that moment. Its group must be dead
before b's starts; and when there is enough again, both nodes are as before.
"""

import contextlib
import os
import resource
import subprocess
import tempfile
from pathlib import Path

import pytest

from lab.node import WITHOUT_CGROUPS
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from tests.faults.conftest import TICK, as_root

pytestmark = as_root

SCARCE = "the lease is not extended"
"""What `role` says while a node leads whose lease nobody could end."""

#: Forks while the file exists until the kernel refuses, and goes on trying: at a pace that leaves the others a processor.
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

#: Waits until the file exists, forks a child then that leaves its session, and says so.
LATE = """
import os, signal, time
forked = False
while True:
    if os.path.exists({flag!r}) and not forked:
        forked = True
        if os.fork() == 0:
            os.setsid()
            signal.pause()
        open({full!r}, "w").close()
    time.sleep(0.005)
"""

#: Waits until the file exists, and takes memory then until it is killed for that.
EATER = """
import os, time
eaten = []
while True:
    if os.path.exists({flag!r}):
        eaten.append(b"x" * (8 << 20))
    else:
        time.sleep(0.005)
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
def cut_off(limited, make, network, folder):
    """Make a cluster whose nodes can be cut off, not started yet. Its processes end before the cgroups that they are in."""
    with contextlib.ExitStack() as stack:

        def made(**options):
            zookeeper = stack.enter_context(
                ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), place=network["zk"])
            )
            case = make(zookeeper, network=network, start=False, **options)
            case.network = network
            return case

        yield made


def beside(case, folder, text):
    """Have a program of this text run beside the service on node a; returns the flag that it waits for, and what it makes."""
    node, flag, full = case["a"], folder / "flag", folder / "full"
    (folder / "beside.py").write_text(text.format(flag=str(flag), full=str(full)))
    node.overrides["program:beside"] = {
        "command": f"zkelect run -- python3 {folder}/beside.py", "autostart": "false", "autorestart": "true",
    }
    node.overrides["group:primary"] = {"programs": "orders,beside"}
    return flag, full


def handed_over(case):
    """Node a, which is starved, is cut off; b serves when nothing of a's group lives any more."""
    running = [proc.read(pid) for pid in case["a"].service_pids("primary")]
    case.network.cut("a")
    case.primary("b")
    # A supervisord that nobody could ask to stop them starts its programs again, and each is refused. The service's own
    # journal and the observer tell of the time before, in the verdict.
    assert running and not [one for one in running if one is not None and proc.alive(one)]
    assert not case.pid("a")


def whole_again(case):
    case.network.heal()
    case.settled("b")
    case.until(lambda: not case["a"].part("orders")["unguarded"], "a to be guarded again")
    case.finish()


@pytest.mark.parametrize("cgroups", [True, False], ids=["cgroups", "without_cgroups"])
def test_33_service_takes_all_processes(cut_off, limited, folder, cgroups):
    """It forks until the kernel refuses, and on; then the guard is killed, and whatever ends leaves its room to the service."""
    case = cut_off()
    node = case["a"]
    if not cgroups:
        node.wrapper = list(WITHOUT_CGROUPS)
    limit = limited(node, "pids")
    flag, full = beside(case, folder, HOG)
    case.start()
    (limit / "pids.max").write_text("200")
    flag.touch()
    case.until(full.exists, "the service to have taken all processes")
    node.kill(node.guard_pid())
    handed_over(case)
    flag.unlink()
    whole_again(case)


@pytest.mark.parametrize("killed", ["guard", "nobody"])
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


CASES = {
    "guard": ("guard",),
    "guard_alone": ("guard", "frozen"),
    "listener": ("listener", "killed"),
    "both": ("listener", "guard"),
    "both_alone": ("listener", "guard", "killed"),
}
"""Who is starved, and whether the guard is killed then or the listener stands still."""

LIMITS = {"files": ("NOFILE", 3), "few_files": ("NOFILE", 16), "memory": ("AS", 1)}


@pytest.mark.parametrize("who, what, left", [
    pytest.param(who, what, left, id=f"{name}-{who}")
    for name, (what, left) in LIMITS.items() for who in CASES
])
def test_33_no_descriptor_and_no_memory(cut_off, folder, who, what, left):
    """Nothing can be had any more but what there is, and a process of the group has just left its session."""
    case = cut_off()
    node = case["a"]
    flag, full = beside(case, folder, LATE)
    case.start()
    listener, guard = node.listener_pid(), node.guard_pid()
    number = getattr(resource, f"RLIMIT_{what}")
    for name, pid in (("listener", listener), ("guard", guard)):
        if name in CASES[who]:
            resource.prlimit(pid, number, (left, resource.prlimit(pid, number)[1]))
    flag.touch()
    case.until(full.exists, "a process to have left its session")
    if "frozen" in CASES[who]:
        node.freeze(listener)
    if "killed" in CASES[who]:
        node.kill(guard)
    handed_over(case)
    for pid in (listener, guard):
        with contextlib.suppress(ProcessLookupError):
            hard = resource.prlimit(pid, number)[1]
            resource.prlimit(pid, number, (hard, hard))
    node.thaw()
    whole_again(case)


@pytest.mark.parametrize("killed", ["guard", "nobody"])
def test_33_memory_cgroup_is_full(cut_off, limited, folder, killed):
    """A program eats what is left of it, is killed for that, started again, and eats on."""
    case = cut_off()
    node = case["a"]
    limit = limited(node, "memory")
    flag, _ = beside(case, folder, EATER)
    case.start()
    name = "memory.max" if (limit / "memory.max").exists() else "memory.limit_in_bytes"
    (limit / name).write_text(str(192 << 20))
    flag.touch()
    if killed == "guard":
        node.kill(node.guard_pid())
    handed_over(case)
    flag.unlink()
    whole_again(case)


@pytest.mark.parametrize("killed", ["guard", "nobody"])
def test_33_runtime_folder_is_full(cut_off, small_disk, folder, killed):
    """Neither a byte nor another file has room where record, socket and locks are, and the guard's log is gone."""
    small = folder / "small"
    small.mkdir()
    fill = small_disk(small, 64)
    case = cut_off()
    node = case["a"]
    node.environment[record.VARIABLE] = str(small)
    case.start()
    fill()

    def without_log():
        """Before the guard has made it anew."""
        (small / record.GUARD_LOG).unlink(missing_ok=True)
        status = os.statvfs(small)
        options = f"remount,nr_inodes={status.f_files - status.f_ffree}"
        subprocess.run(["mount", "-o", options, str(small)], check=True, timeout=30)
        return not (small / record.GUARD_LOG).exists()

    case.until(without_log, "no file to have room where the guard's log was")
    if killed == "guard":
        listener, guard = node.listener_pid(), node.guard_pid()
        node.freeze(listener)
        node.kill(guard)
        # The room of the log, which the guard had open.
        case.until(lambda: os.statvfs(small).f_ffree, "the guard's log to leave its room")
        (small / "filler.more").touch()
        node.thaw(listener)
        case.until(lambda: node.guard_pid() not in (None, guard), "another guard")
    handed_over(case)
    whole_again(case)
