"""Rows 16 and 17 of the design's list of faults: what operators do by hand."""

import pytest

from supervisor_zkelect.system.clock import now
from tests.faults.conftest import DIRTY

SICK = "health checks in a row failed"
"""What a listener says that did not notice how its service came to end."""

PATIENT = {"zkelect": {"reattach_grace": "60"}}
"""Far longer than a lease, so that a listener which leaves the release to the guard is told from one that releases."""


def released(case, since):
    """The node gave up in order, so that the other one led at once and not after T."""
    case.led_at_once("b", since)
    assert DIRTY not in case["b"].logs() and SICK not in case["a"].logs(), case.logs()


@pytest.mark.every_variant
@pytest.mark.parametrize("words", ["shutdown", "reload", "stop all", "restart all"])
def test_16_orders_that_hand_over(make, zookeeper, words):
    case = make(zookeeper, overrides=PATIENT)
    starts, since = case.starts("a"), now()
    case["a"].ctl(*words.split())
    released(case, since)
    if words == "shutdown":
        case["a"].reap()
        case["a"].start()
    elif words == "stop all":
        case["a"].ctl("start", "zkelect")
    case.settled("b")
    assert case.starts("a") == starts


@pytest.mark.parametrize("words", ["restart zkelect", "update"])
def test_16_orders_that_change_nothing(make, zookeeper, words):
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    case["a"].ctl(*words.split())
    case.same_term(pid, token)


def test_16_listener_stopped_for_good(make, zookeeper):
    """The guard waits reattach_grace, two seconds, for another one, while the service runs on; then it releases."""
    case = make(zookeeper)
    since = now()
    case["a"].ctl("stop", "zkelect")
    released(case, since)
    case["a"].ctl("start", "zkelect")
    case.settled("b")


def changed(node, section, **options):
    """Change a section of the node's file and have supervisord take it over."""
    node.overrides.setdefault(section, {}).update(options)
    node.write()
    done = node.ctl("update")
    assert done.returncode == 0 and "updated process group" in done.stdout, done


def test_16_update_of_the_listener(make, zookeeper):
    """supervisord stops the listener and starts another: the same term goes on."""
    case = make(zookeeper)
    pid, token, listener = case.primary("a"), case.token("a"), case["a"].listener_pid()
    changed(case["a"], "eventlistener:zkelect", stderr_logfile_backups="3")
    case.until(lambda: case["a"].listener_pid() not in (None, listener), "another listener")
    case.same_term(pid, token)


@pytest.mark.parametrize("section, options", [("program:orders", {"stopwaitsecs": "2"}),
                                              ("group:primary", {"priority": "7"})], ids=["program", "group"])
def test_16_update_of_the_group(make, zookeeper, section, options):
    """supervisord stops the group, which counts as an operator's stop, and does not start it: the other node leads."""
    case = make(zookeeper, overrides={**PATIENT, "program:orders": {"startsecs": "0"}})
    case.until(lambda: case["a"].rpc.call("supervisor.getProcessInfo", "zkelect")["statename"] == "RUNNING",
               "the listener to hear events")
    starts, since = case.starts("a"), now()
    changed(case["a"], section, **options)
    released(case, since)
    case.settled("b")
    assert case.starts("a") == starts
    # What is configured anew still runs when its turn comes.
    assert case["b"].zkelect("resign", "orders").returncode == 0
    case.settled("a")


@pytest.mark.parametrize("words", ["start primary:*", "start all"])
def test_17_started_on_a_standby(make, zookeeper, words):
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    case["b"].ctl(*words.split())
    case.same_term(pid, token)
    assert case.starts("b") == 0


def test_17_started_on_a_standby_whose_listener_is_deaf(make, zookeeper):
    """supervisord sends a listener no events in its first second: what is started then only the loader refuses."""
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    case["b"].rpc.call("supervisor.stopProcess", "zkelect", True, timeout=30)
    case["b"].rpc.call("supervisor.startProcess", "zkelect", False)
    case["b"].rpc.call("supervisor.startAllProcesses", False)
    state = case["b"].rpc.call("supervisor.getProcessInfo", "zkelect")["statename"]
    assert state == "STARTING", "too late: the listener hears already"
    case.same_term(pid, token)
    assert case.starts("b") == 0
    case.until(lambda: not case["b"].service_pids(), "what was started on b to be gone")


@pytest.mark.parametrize("startsecs", ["0", "60"], ids=["RUNNING", "STARTING"])
def test_17_stopped_on_the_primary(make, zookeeper, startsecs):
    """It counts as a resignation, whatever supervisord calls the state of the program."""
    case = make(zookeeper, overrides={**PATIENT, "program:orders": {"startsecs": startsecs}})
    case.until(lambda: case["a"].rpc.call("supervisor.getProcessInfo", "zkelect")["statename"] == "RUNNING",
               "the listener to hear events")
    since = now()
    case["a"].ctl("stop", "primary:*")
    released(case, since)
    case.settled("b")


def test_17_stopped_with_nobody_to_take_over(make, zookeeper):
    """supervisorctl has its answer before the node leads again; supervisord gives none for a program that runs."""
    case = make(zookeeper, ("n",))
    for _ in range(5):
        assert case["n"].ctl("stop", "primary:*", timeout=30).returncode == 0
        case.settled("n")
