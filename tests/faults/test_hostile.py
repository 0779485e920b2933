"""A service that does all it can to survive its stop, alone and against what each node has to find it by."""

import os
import sys

import pytest

from lab import service
from lab.node import SERVICE, WITHOUT_CGROUPS, service_command
from supervisor_zkelect.processes import proc
from tests.conftest import cgroups_can_be_made
from tests.faults.conftest import as_root

#: Ignores SIGTERM in all its processes, and hides the one that holds the port: behind a parent that ends, in a
#: session of its own, with an empty environment. It waits with that until a group is scanned no more than once per
#: second.
SCRIPT = """
import os, signal, sys, time
python, service, hides, gone, *words = sys.argv[1:]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
words += ["--ignore-term", "--token", os.environ["ZKELECT_TOKEN"]]
time.sleep(2.5)
first = os.fork()
if first:
    if "parent" in hides:
        # A zombie would still show whose child it was.
        os.waitpid(first, 0)
    while True:
        signal.pause()
if "session" in hides:
    os.setsid()
if "parent" in hides and os.fork():
    while "slowly" in hides and not os.path.exists(gone):
        time.sleep(0.01)
    os._exit(0)
os.execve(python, [python, service, *words], {} if "environment" in hides else os.environ)
"""

ALL = "parent-session-environment"

#: Without cgroups docs/safety.md excludes ALL at once: parent, session and environment gone before any scan, of which
#: there is one per second, has seen the process.
HIDES = ["parent-session", "parent-environment", "session-environment", f"{ALL}-slowly"]

CASES = [("cgroups", ALL)] + [("without_cgroups", hides) for hides in HIDES]


@as_root
@pytest.mark.parametrize("setting, hides", CASES, ids=map("-".join, CASES))
def test_hostile_service(make, folder, zookeeper, passes, setting, hides):
    """It is dead when the other node leads: after an orderly resignation, and after the death of its supervisord."""
    case = make(zookeeper, start=False)
    script, gone = folder / "hostile.py", folder / "gone"
    script.write_text(SCRIPT)
    for node in case.nodes.values():
        if setting == "without_cgroups":
            node.wrapper = list(WITHOUT_CGROUPS)
        words = service_command(node.addresses["orders"], "--name", node.name, "--journal", str(case.journal()))
        words = words.replace(f"{sys.executable} {SERVICE}", "")
        command = f"{sys.executable} {script} {sys.executable} {service.__file__} {hides} {gone}{words}"
        node.overrides["program:orders"] = {"command": f"zkelect run -- {command}"}
    if setting == "cgroups" and not cgroups_can_be_made():
        pytest.skip("there is no cgroup2 file system here that this user may write to")
    case.start()
    assert in_cgroup(case, "a") == (setting == "cgroups")
    hidden(case, "a", hides, gone, passes)
    assert case["a"].zkelect("resign", "orders").returncode == 0
    case.primary("b")
    assert not holders(case, "a")
    hidden(case, "b", hides, gone, passes)
    case["b"].kill(case["b"].supervisord_pid)
    case.primary("a")
    assert not holders(case, "b")
    case["b"].reap()


def hidden(case, name, hides, gone, passes):
    """Wait until the process that serves is as well hidden as it is going to be."""
    pid = case.pid(name)
    if "session-environment" in hides and case[name].wrapper:
        # Nothing but its kin tells where it belongs, so a scan, of which there is one per second, has to see it there.
        passes(2.5)
    gone.touch()
    if "parent" in hides:
        case.until(lambda: b"hostile.py" not in proc.cmdline(proc.read(pid).ppid), "its parent to be gone")
    assert os.path.exists(f"/proc/{pid}")
    assert bool(proc.environ(pid)) != ("environment" in hides)
    assert (proc.read(pid).session == pid) == ("session" in hides and "parent" not in hides)
    gone.unlink(missing_ok=True)


def holders(case, name):
    """Processes of the node's service, known by their command lines, which it does not change."""
    address = case[name].addresses["orders"].encode()
    return [process for process in proc.table().values() if address in proc.cmdline(process.pid).split(b"\0")
            and b"--listen" in proc.cmdline(process.pid) and not process.gone]


def in_cgroup(case, name):
    with open(f"/proc/{case.pid(name)}/cgroup") as file:
        return "/zkelect-" in file.read()
