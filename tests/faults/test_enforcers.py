"""Listener, guard and supervisord, killed and frozen, one and two at a time, at each moment of a term.

A case is a blow to one or two of them, a moment of node a's term at which it falls, and a setting in which a's
programs run. Whatever stands still is thawed after 3 T; whatever is dead and not restarted by the others is started
again. Each time: overlap 0, nothing left behind, one primary in the end, tokens in order.

What the promises exclude (docs/safety.md), and so is no case:

- listener and guard frozen at once, or the guard dead and the listener frozen: then nobody is left who could act. Of
  three at once, which is not tried here, the same holds for listener and guard dead and supervisord, which would
  start another listener, frozen.

`script/test` runs one moment and one setting for each blow: the n-th blow falls at the moment n mod 4, in the setting
n mod 3. `script/faults` does the same; `script/faults --full` runs them all.
"""

import itertools
import math
import os
import pwd
import signal

import pytest

from lab.node import WITHOUT_CGROUPS, service_command
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system.clock import now
from tests.conftest import SCOPE
from tests.faults.conftest import TIMEOUT, Beside, as_nobody, only_clean_without_enforcer

ENFORCERS = ("listener", "guard", "supervisord")
SIGNALS = {"killed": signal.SIGKILL, "frozen": signal.SIGSTOP}
MOMENTS = ("starting", "promoting", "primary", "demoting")
SETTINGS = ("root", "user", "without_cgroups")


def excluded(blow):
    """Whether nobody is left who could act."""
    return blow.get("listener") == "frozen" and "guard" in blow


SINGLES = [{one: how} for one in ENFORCERS for how in SIGNALS]
PAIRS = [
    {one: first, other: second}
    for one, other in itertools.combinations(ENFORCERS, 2)
    for first in SIGNALS
    for second in SIGNALS
]
BLOWS = [blow for blow in SINGLES + PAIRS if not excluded(blow)]
CASES = [
    (blow, moment, setting)
    for number, blow in enumerate(BLOWS)
    for which, moment in enumerate(MOMENTS)
    for where, setting in enumerate(SETTINGS)
    if SCOPE == "full" or (which, where) == (number % len(MOMENTS), number % len(SETTINGS)) and (SCOPE == "rows" or number % 3 == 0)
]


DEAF = {"listener": "killed", "supervisord": "frozen"}
"""Nobody can start another listener, which the guard waits for; what was not acked by then stays so until the thaw."""


def name_of(case):
    blow, moment, setting = case
    return "-".join(["_".join(f"{one}_{how}" for one, how in blow.items()), moment, setting])


@pytest.mark.every_variant
@pytest.mark.parametrize("blow, moment, setting", CASES, ids=map(name_of, CASES))
def test_enforcers(make, zookeeper, passes, blow, moment, setting):
    case = prepared(make, zookeeper, moment, setting)
    node = case["a"]
    reached(case, moment)
    both = blow.get("listener") == "killed" and "guard" in blow
    # One that did not answer for a second is replaced, and its end would be a blow besides.
    case.until(lambda: node.guard_pid() is not None, "a's guard to be there")
    since = now()
    with Beside("supervisor_zkelect.listener.listener") as python:
        strike(node, blow)
        kill_at = case.lease().kill_at if both else math.inf
        node.health_file.unlink(missing_ok=True)
        # Also while something stands still, one of the two serves and is known to.
        names = heirs(blow, moment)
        if not (blow == DEAF and moment in ("starting", "promoting")):
            case.until(lambda: any(serves(case, name) for name in names), f"{names} to serve, with what is left")
    if "frozen" in blow.values():
        passes(3 * TIMEOUT, since)
        node.thaw()
    if blow.get("supervisord") == "killed":
        node.reap()
        case.until(lambda: not node.processes(), "everything of a to be gone")
        node.start()
    case.leader()
    if both:
        only_clean_without_enforcer(case, python.took, kill_at - since)


def heirs(blow, moment):
    """The nodes of which one must serve after the blow: "b" where a has to be dead, else whichever."""
    if blow.get("supervisord") == "killed" or blow.get("listener") == "frozen":
        return "b"
    # Another listener takes up the term and not the order to resign.
    return "b" if moment == "demoting" and "listener" not in blow else "ab"


def serves(case, name):
    """Whether the node's service answers and the ack names it."""
    return case.pid(name) and case.ack(name) == case[name].addresses["orders"]


def prepared(make, zookeeper, moment, setting):
    """Two nodes of which b is primary; a's programs run in the setting, and it is ready for its moment."""
    if setting != "root" and os.geteuid() != 0:
        pytest.skip("takes root")
    case = make(zookeeper, ("b", "a"), start=False)
    if setting == "without_cgroups":
        case["a"].wrapper = list(WITHOUT_CGROUPS)
    for node in case.nodes.values():
        words = ["--ignore-term"] if moment == "demoting" else []
        command = service_command(node.addresses["orders"], *words)
        node.overrides["program:orders"] = {"command": f"zkelect run -- {command}"}
        if setting == "user":
            as_nobody(case, node, command)
        if moment == "demoting":
            # Long enough for a lease to run out meanwhile.
            node.overrides["program:orders"]["stopwaitsecs"] = str(math.ceil(2 * TIMEOUT))
    return case.start()


def reached(case, moment):
    """Lead node a to the moment."""
    node = case["a"]
    if moment == "promoting":
        node.health_file.touch()
    supervisord, known = node.supervisord_pid, proc.children(node.supervisord_pid)
    resign(case["b"])
    if moment == "starting":
        # When it is found among supervisord's children, it is still supervisord itself or the chain loader.
        case.until(lambda: proc.children(supervisord) - known, "a to start a program", pause=0.001)
    elif moment == "promoting":
        case.role_is("a", "promoting", step="probing")
        case.until(lambda: case.pid("a"), "the service of a to run")
    else:
        case.settled("a")
        check_setting(case)
        if moment == "demoting":
            resign(node)
            case.role_is("a", "demoting", step="stopping")


def resign(node):
    """Order it, and do not wait for what comes of it."""
    node.rpc.call("zkelect.request", "resign", "orders", "{}")


def check_setting(case):
    """The service runs as the setting says."""
    node, pid = case["a"], case.pid("a")
    if node.wrapper:
        assert "/zkelect-" not in open(f"/proc/{pid}/cgroup").read()
    if "user" in node.overrides["program:orders"]:
        assert os.stat(f"/proc/{pid}").st_uid == pwd.getpwnam("nobody").pw_uid


def strike(node, blow):
    """All at the same moment: the processes are looked up before the first is hit."""
    pids = {"listener": node.listener_pid, "guard": node.guard_pid, "supervisord": lambda: node.supervisord_pid}
    targets = [(proc.read(pids[one]()), SIGNALS[how]) for one, how in blow.items()]
    for process, number in targets:
        proc.kill(process, number)
