"""A service that has hidden from everything but its cgroup, and its enforcers killed at once.

Nothing but the cgroup tells whose the process is that serves: it has forked, left its session and its parents, cleared its
environment, and ignores SIGTERM (`test_hostile.SCRIPT`). It must be dead before the other node leads, or before its own
node proposes again.
"""

import sys

import pytest

from lab import service
from lab.node import SERVICE, WITHOUT_CGROUPS, service_command
from supervisor_zkelect.processes import proc
from tests.conftest import cgroups_can_be_made
from tests.faults.conftest import TICK, TIMEOUT, as_root
from tests.faults.test_hostile import ALL, SCRIPT, hidden, holders, in_cgroup


@pytest.fixture
def hiding(make, folder, zookeeper, passes, request):
    """A cluster whose primary, a, serves by a process that has hidden, from all but its cgroup by default."""
    timeout, hides = getattr(request, "param", (TIMEOUT, ALL))
    if hides == ALL and not cgroups_can_be_made():
        pytest.skip("there is no cgroup2 file system here that this user may write to")
    case = make(zookeeper, start=False, timeout=timeout)
    script, gone = folder / "hostile.py", folder / "gone"
    script.write_text(SCRIPT)
    for node in case.nodes.values():
        words = service_command(node.addresses["orders"], "--name", node.name, "--journal", str(case.journal()))
        words = words.replace(f"{sys.executable} {SERVICE}", "")
        command = f"{sys.executable} {script} {sys.executable} {service.__file__} {hides} {gone}{words}"
        node.wrapper = [] if hides == ALL else list(WITHOUT_CGROUPS)
        node.overrides["program:orders"] = {"command": f"zkelect run -- {command}"}
    case.start()
    assert in_cgroup(case, "a") == (hides == ALL)
    hidden(case, "a", hides, gone, passes)
    yield case
    # By their marks, as the other processes of a node, these cannot be found.
    for name in case.nodes:
        for process in holders(case, name):
            proc.kill(process)


SLOWLY = f"{ALL}-slowly"
"""Where there are no cgroups a scan has seen the process before it has hidden: what the scan knew outlives the guard."""

KINDS = ["cgroups", "without_cgroups"]


@as_root
@pytest.mark.parametrize("hiding", [(TIMEOUT, ALL), (TIMEOUT, SLOWLY)], indirect=True, ids=KINDS)
def test_32_guard_and_supervisord_killed_and_the_listener_lives(hiding):
    """The guard that the listener starts anew knows whose the groups were, though supervisord is no more."""
    node = hiding["a"]
    node.kill(node.guard_pid(), node.supervisord_pid)
    node.reap()
    hiding.primary("b")
    assert not holders(hiding, "a")
    hiding.until(lambda: not node.processes(), "everything of a to be gone")


# Until its supervisord is started again nothing on the node can end the process, so that start and the second before it
# are to fit into T on a busy machine, too.
@as_root
@pytest.mark.parametrize("hiding", [(20 * TICK, ALL), (20 * TICK, SLOWLY)], indirect=True, ids=KINDS)
def test_32_all_three_killed_and_supervisord_started_again(hiding, passes):
    """Without a pid namespace: what is in the former supervisord's cgroup dies before the node proposes."""
    node = hiding["a"]
    node.kill(node.listener_pid(), node.guard_pid(), node.supervisord_pid)
    node.reap()
    passes(1.0)
    assert holders(hiding, "a")
    node.start()
    hiding.role_is("a", "standby")
    assert not holders(hiding, "a")
    hiding.primary("b")
