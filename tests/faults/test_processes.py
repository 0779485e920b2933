"""Rows 1 to 10, 15, 18 and 19 of the design's list of faults: processes that die, stand still, or will not end."""

import signal

import pytest

from lab.node import SERVICE, service_command
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.system.clock import now
from tests.conftest import cgroups_can_be_made
from tests.faults.conftest import DIRTY, TABLE, TICK, TIMEOUT, Beside, only_clean, only_clean_without_enforcer


def loaded(command):
    """What makes this the group's program, behind the chain loader."""
    return {"command": f"zkelect run -- {command}"}


def test_01_service_killed(make, zookeeper):
    """Seven times, since supervisord's own pace of a second may come early by luck.

    The end of a program's output wakes supervisord too, so this one closes its output before. What the start of two
    Pythons takes, the chain loader and the service, is the machine's.
    """
    # Health checks that come while it is just being restarted are to end no term.
    case = make(zookeeper, start=False, overrides={"election:orders": {"fall": "100"}})
    for node in case.nodes.values():
        command = f"sh -c 'exec {service_command(node.addresses['orders'])} >/dev/null 2>&1'"
        node.overrides["program:orders"] = {**loaded(command), "startsecs": "0"}
    case.start()
    pid, token = case.primary("a"), case.token("a")
    gaps = []
    for _ in range(7):
        since = now()
        with Beside("lab.service") as python:
            case["a"].kill(pid)
            pid = case.primary("a", other=pid)
        case.until(lambda: case.observers["orders"].verdict(since).turns, "an answer to be heard")
        gaps.append((case.observers["orders"].verdict(since).turns[0].first - since, python.took))
    assert case.token("a") == token and case.lives()[-1].token == token
    assert sorted(gap - 2 * took for gap, took in gaps)[5] < 0.4, f"silences, and what a Python took to start: {gaps}"


def test_02_service_crashes_until_fatal(make, folder, zookeeper):
    """supervisord's word alone ends the term: no health check does."""
    case = make(zookeeper, start=False, overrides={"election:orders": {"fall": "1000"}})
    broken = folder / "broken"
    for node in case.nodes.values():
        service = service_command(node.addresses["orders"])
        command = f"sh -c 'test {node.name} = a -a -e {broken} && exit 1; exec {service}'"
        node.overrides["program:orders"] = {**loaded(command), "startretries": "1"}
    case.start()
    broken.touch()
    case["a"].kill(case.primary("a"))
    case.settled("b")
    case.until(lambda: case["a"].part("orders")["place"] == 2, "a to be in the queue again, at its end")
    broken.unlink()
    assert case["b"].zkelect("resign", "orders").returncode == 0
    case.settled("a")


def test_02_service_never_healthy(make, zookeeper):
    case = make(zookeeper, overrides={"election:orders": {"promote_timeout": "5"}})
    assert case["a"].zkelect("resign", "orders").returncode == 0
    case.settled("b")
    case["a"].health_file.touch()
    case["b"].zkelect("resign", "orders")
    case.settled("b")
    assert "not healthy within 5 s" in case["a"].logs()
    case["a"].health_file.unlink()


def test_03_health_check_fails(make, zookeeper):
    case = make(zookeeper)
    case["a"].health_file.touch()
    case.settled("b")
    case["a"].health_file.unlink()


def test_04_listener_killed(make, zookeeper):
    case = make(zookeeper)
    pid, token, listener = case.primary("a"), case.token("a"), case["a"].listener_pid()
    case["a"].kill(listener)
    case.until(lambda: case["a"].listener_pid() not in (None, listener), "another listener")
    case.same_term(pid, token)


def test_05_listener_frozen_for_3T(make, zookeeper, passes):
    case = make(zookeeper)
    listener, since = case["a"].listener_pid(), now()
    case["a"].freeze(listener)
    case.primary("b")
    assert not case["a"].service_pids()
    passes(3 * TIMEOUT, since)
    case["a"].thaw(listener)
    case.settled("b")


PATIENT = {"zkelect": {"reattach_grace": "60"}}
"""Far longer than a lease, so that a guard which waits for another listener is told from one that acts at once."""


def test_06_supervisord_killed(make, zookeeper):
    case = make(zookeeper, overrides=PATIENT)
    since = now()
    case["a"].kill(case["a"].supervisord_pid)
    case.led_at_once("b", since)
    assert DIRTY not in case["b"].logs()
    case["a"].reap()
    case.until(lambda: not case["a"].processes(), "everything of a to be gone")
    starts = case.starts("a")
    case["a"].start()
    case.settled("b")
    assert case.starts("a") == starts


@pytest.mark.parametrize("stop", [False, True], ids=["runs_on", "stopped_meanwhile"])
def test_07_supervisord_frozen_for_3T(make, zookeeper, passes, stop):
    case = make(zookeeper)
    pid, token, supervisord, since = case.primary("a"), case.token("a"), case["a"].supervisord_pid, now()
    case["a"].freeze(supervisord)
    if stop:
        # Nobody extends the lease, and the guard cannot ask supervisord.
        case["a"].freeze(case["a"].listener_pid())
        case.primary("b")
    passes(3 * TIMEOUT, since)
    starts = case.starts("a")
    case["a"].thaw()
    if stop:
        case.settled("b")
    else:
        case.same_term(pid, token)
    assert case.starts("a") == starts


@pytest.mark.parametrize("times", [1, 4])
def test_07_supervisord_frozen_while_the_group_is_stopped(make, zookeeper, times):
    """The lease has not run out when it thaws, so only the revoked grant tells that what it starts again may not run.

    Whether it starts the program again depends on what it looks at first; it does in every second run.
    """
    health = {"health_interval": "0.2", "fall": "2"}
    case = make(zookeeper, overrides={"election:orders": health})
    for name, other in ["ab", "ba"] * times:
        starts, supervisord = case.starts(name), case[name].supervisord_pid
        case[name].freeze(supervisord)
        case[name].health_file.touch()
        case.primary(other)
        case[name].thaw(supervisord)
        case[name].health_file.unlink()
        case.settled(other)
        assert case.starts(name) == starts


def test_07_supervisord_frozen_and_cut_off(make, network, folder, passes):
    """The listener ends the term by itself and finds supervisord silent."""
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), place=network["zk"]) as zookeeper:
        case = make(zookeeper, network=network)
        since = now()
        case["a"].freeze(case["a"].supervisord_pid)
        network.cut("a")
        case.primary("b")
        assert not case["a"].service_pids()
        passes(3 * TIMEOUT, since)
        starts = case.starts("a")
        network.heal()
        case["a"].thaw()
        case.settled("b")
        assert case.starts("a") == starts
        case.finish()


def test_08_supervisord_and_listener_killed(make, zookeeper):
    case = make(zookeeper, overrides=PATIENT)
    since = now()
    case["a"].kill(case["a"].supervisord_pid, case["a"].listener_pid())
    case.led_at_once("b", since)
    assert DIRTY not in case["b"].logs()
    case["a"].reap()
    starts = case.starts("a")
    case["a"].start()
    case.settled("b")
    assert case.starts("a") == starts


def test_09_listener_and_guard_killed(make, zookeeper):
    case = make(zookeeper)
    listener, guard = case["a"].listener_pid(), case["a"].guard_pid()
    with Beside("supervisor_zkelect.listener.listener") as python:
        left = case.lease().kill_at - now()
        case["a"].kill(guard, listener)
        case.until(lambda: case["a"].listener_pid() not in (None, listener), "another listener")
        case.until(lambda: case["a"].guard_pid() not in (None, guard), "another guard")
    only_clean_without_enforcer(case, python.took, left)
    case.leader()


def test_09_guard_killed(make, zookeeper):
    case = make(zookeeper)
    pid, token, guard = case.primary("a"), case.token("a"), case["a"].guard_pid()
    with Beside("supervisor_zkelect.guard.process") as python:
        left = case.lease().stop_at - now()
        case["a"].kill(guard)
        case.until(lambda: case["a"].guard_pid() not in (None, guard), "another guard")
    only_clean(case, 2 * python.took, left, "two starts of a Python such as the guard's")
    case.same_term(pid, token)


def test_09_guard_frozen(make, zookeeper):
    case = make(zookeeper)
    pid, token, guard = case.primary("a"), case.token("a"), case["a"].guard_pid()
    with Beside("supervisor_zkelect.guard.process") as python:
        left, since = case.lease().stop_at - now(), now()
        case["a"].freeze(guard)
        case.until(lambda: case["a"].guard_pid() != guard, "the frozen guard to be ended")
        noticed = now() - since
        case.until(lambda: case["a"].guard_pid() is not None, "another guard")
    only_clean(case, noticed + 2 * python.took, left, "noticing it, and two starts of a Python such as the guard's")
    case.same_term(pid, token)


def test_09_guard_frozen_then_listener_killed(make, zookeeper):
    case = make(zookeeper)
    guard = case["a"].guard_pid()
    case["a"].freeze(guard)
    with Beside("supervisor_zkelect.listener.listener") as python:
        left = case.lease().kill_at - now()
        case["a"].kill(case["a"].listener_pid())
        case.until(lambda: case["a"].guard_pid() not in (None, guard), "another guard")
    only_clean_without_enforcer(case, python.took, left)
    case.leader()


def test_09_signals_to_the_guard(make, zookeeper):
    """It ignores them while it holds a group that is not released."""
    case = make(zookeeper)
    pid, token, guard = case.primary("a"), case.token("a"), case["a"].guard_pid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        case["a"].kill(guard, sig=number)
    case.same_term(pid, token)
    assert case["a"].guard_pid() == guard


def test_10_all_three_killed(make, zookeeper):
    case = make(zookeeper)
    node = case["a"]
    node.kill(node.guard_pid(), node.listener_pid(), node.supervisord_pid)
    node.reap()
    case.until(lambda: not node.service_pids(), "the service to die with supervisord", 5)
    case.primary("b")
    starts = case.starts("a")
    node.start()
    case.settled("b")
    assert case.starts("a") == starts


def test_15_whole_node_frozen_for_3T(make, zookeeper, passes):
    """Nothing on the node can act while all of it stands still: here the token tells old from new."""
    case = make(zookeeper)
    token, since = case.token("a"), now()
    case["a"].freeze()
    case.primary("b")
    assert case.token("b") > token
    passes(3 * TIMEOUT, since)
    case["a"].thaw()
    thawed = now()
    case.until(lambda: not case["a"].service_pids(), "the old service to be gone")
    case.settled("b")
    turns = [turn for turn in case.observers["orders"].verdict(thawed).turns if turn.name == "a"]
    heard = max((turn.last for turn in turns), default=thawed) - thawed
    # What is promised is told from what a loaded machine adds where the table is made.
    assert heard < (0.1 if TABLE else 1.0)
    case.finish(overlap=1.0)


def test_18_service_that_ignores_sigterm(make, network, folder):
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), place=network["zk"]) as zookeeper:
        case = make(zookeeper, network=network, start=False)
        for node in case.nodes.values():
            command = service_command(node.addresses["orders"], "--ignore-term")
            node.overrides["program:orders"] = {**loaded(command), "stopwaitsecs": str(int(10 * TIMEOUT))}
        case.start()
        network.cut("a")
        case.primary("b")
        assert not case["a"].service_pids()
        network.heal()
        case.settled("b")
        case.finish()


ORPHANS = """
import os, signal, sys
child = os.fork()
if child:
    os.waitpid(child, 0)
    signal.pause()
os.setsid()
if os.fork():
    os._exit(0)
env = {name: value for name, value in os.environ.items() if KEPT}
os.execve(sys.executable, [sys.executable, "SERVICE", *sys.argv[1:]], env)
"""


@pytest.mark.parametrize("kept", ["True", "not name.startswith(('SUPERVISOR_', 'ZKELECT_E', 'ZKELECT_I'))"],
                         ids=["same_environment", "other_environment"])
def test_19_grandchildren_in_sessions_of_their_own(make, folder, zookeeper, kept):
    """The one that holds the port has lost parent, session and, in one variant, what it could be known by."""
    if kept != "True" and not cgroups_can_be_made():
        pytest.skip("without cgroups this service may escape (docs/safety.md), and this user can make none")
    case = make(zookeeper, start=False)
    script = folder / "orphans.py"
    script.write_text(ORPHANS.replace("KEPT", kept).replace("SERVICE", SERVICE))
    for node in case.nodes.values():
        command = service_command(node.addresses["orders"], "--name", node.name)
        node.overrides["program:orders"] = loaded(command.replace(SERVICE, str(script)))
    case.start()
    assert case["a"].zkelect("resign", "orders").returncode == 0
    case.settled("b")
    case["b"].kill(case["b"].supervisord_pid)
    case.primary("a")
    case["b"].reap()
