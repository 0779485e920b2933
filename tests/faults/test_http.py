"""Whom load balancers are sent to, whatever befalls listener, guard, supervisord and node: `zkelect http` of both nodes is asked every
millisecond. Never are two told to be primary at one moment, and none is behind the end of its lease."""

import signal

import pytest

from lab.web import Poller, WithHttp, overlaps
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.web.verdict import SILENCE
from tests.faults.conftest import TICK, TIMEOUT, Case, rows_only


class WebCase(WithHttp, Case):
    """A case whose nodes have `zkelect http`. excused: seconds for which two services may run, where nothing on a node can help."""

    excused = 0.0

    def told_primary(self, name):
        """Wait until the node is told to be primary, and no other is."""
        others = [other for other in self.nodes if other != name]
        self.until(
            lambda: self.ask(name, "/primary/orders")[0] == 200 and all(self.ask(one, "/primary/orders")[0] != 200 for one in others),
            f"{name} to be told primary, and nobody else",
        )

    def strike(self, *names, sig=signal.SIGKILL, name="a"):
        node = self[name]
        found = {"listener": node.listener_pid, "guard": node.guard_pid, "http": lambda: self.http_pid(name)}
        pids = [node.supervisord_pid if one == "supervisord" else found[one]() for one in names]
        node.freeze(*pids) if sig == signal.SIGSTOP else node.kill(*pids, sig=sig)
        return pids


@pytest.fixture
def case(folder, request, turn, zookeeper):
    """Two nodes, of which `a` is told to be primary; judged and ended after the test."""
    made = WebCase(
        request.node.user_properties, folder, zookeeper.hosts, ("a", "b"), timeout=TIMEOUT, tick=TICK, reached=zookeeper.reached
    ).start()
    try:
        made.told_primary("a")
        yield made
        if not made.judged:
            made.finish(made.excused)
    finally:
        made.end()


@pytest.fixture
def polled(case):
    """The poller of both nodes; what it heard is judged in the end."""
    with Poller(case.ports) as poller:
        yield poller
    assert not overlaps(poller.heard), "two nodes were told to be primary at once"
    assert poller.said("a", 200) and len(poller.heard) > 100


def another(case, name, former):
    """Wait until the node has another process of this kind than the former one, and go on for as many questions as tell of it."""
    found = {"listener": case["a"].listener_pid, "guard": case["a"].guard_pid, "http": lambda: case.http_pid("a")}[name]
    case.until(lambda: found() not in (None, former), f"another {name}")


def listener_killed(case, passes):
    [former] = case.strike("listener")
    another(case, "listener", former)
    return "a"


def listener_frozen(case, passes):
    pids = case.strike("listener", sig=signal.SIGSTOP)
    case.told_primary("b")
    case["a"].thaw(*pids)
    return "b"


def guard_killed(case, passes):
    [former] = case.strike("guard")
    another(case, "guard", former)
    return "a"


def guard_frozen(case, passes):
    [former] = case.strike("guard", sig=signal.SIGSTOP)
    another(case, "guard", former)
    return "a"


def listener_and_guard_killed(case, passes):
    """Whoever leads then, as the machine is quick or slow."""
    case.strike("listener", "guard")
    return ""


def supervisord_killed(case, passes):
    case.strike("supervisord")
    case["a"].reap()
    case.told_primary("b")
    case["a"].start()
    return "b"


def node_frozen(case, passes):
    # Row 15: the service that thaws serves until it is killed. Nobody is told that it is primary.
    case.excused = 0.1
    case["a"].freeze()
    case.told_primary("b")
    passes(TIMEOUT)
    case["a"].thaw()
    return "b"


def shut_down(case, passes):
    case["a"].terminate()
    case.told_primary("b")
    case["a"].start()
    return "b"


def resigned(case, passes):
    assert case["a"].ctl("zkelect", "resign", "orders").returncode == 0
    return "b"


def restarted(case, passes):
    assert case["a"].ctl("zkelect", "restart", "orders").returncode == 0
    return "a"


def sick(case, passes):
    case["a"].health_file.touch()
    case.told_primary("b")
    case["a"].health_file.unlink()
    return "b"


def http_killed(case, passes):
    [former] = case.strike("http")
    another(case, "http", former)
    return "a"


BLOWS = [
    listener_frozen, supervisord_killed, node_frozen, restarted, listener_killed, guard_killed, guard_frozen,
    listener_and_guard_killed, shut_down, resigned, sick, http_killed,
]


@pytest.mark.parametrize("blow", BLOWS, ids=[one.__name__ for one in BLOWS])
def test_http_never_names_two(case, polled, passes, blow):
    heir = blow(case, passes) or case.leader()
    case.told_primary(heir)
    case.leader()
    asked = len(polled.heard)
    case.until(lambda: len(polled.heard) > asked + 100, "both nodes to be asked on")


def test_http_a_restart_of_the_listener_changes_nothing(case, polled):
    """Its program goes on, and so do its connections: no answer is missing, and none is another than before."""
    http, begun = case.http_pid("a"), now()
    case.strike("listener")
    case.until(lambda: case["a"].part("orders").get("role") == "primary" and case["a"].listener_pid(), "another listener to go on")
    assert case["a"].ctl("restart", "zkelect").returncode == 0
    case.until(lambda: case["a"].part("orders").get("role") == "primary", "another listener to go on")
    case.told_primary("a")
    assert case.http_pid("a") == http
    assert {one.status for one in list(polled.heard) if one.node == "a" and one.asked > begun} == {200}


def test_http_nobody_is_primary_behind_his_lease(case, polled):
    """Listener and guard stand still, so nobody acts on it; what the record says is over is over."""
    pids = case.strike("listener", "guard", sig=signal.SIGSTOP)
    lease = case.lease()
    case.until(lambda: polled.said("a", 503), "a to be told no primary any more")
    assert max(one.asked for one in polled.said("a", 200)) < lease.stops_at
    assert min(one.told for one in polled.said("a", 503)) < lease.deadline
    case["a"].thaw(*pids)
    case.leader()


@rows_only
def test_http_in_a_pause_a_guard_must_show_itself(case, polled):
    """The lease has no end then, so that nothing else tells that nobody guards the service any more."""
    assert case["a"].ctl("zkelect", "pause", "orders").returncode == 0
    since = now()
    pids = case.strike("listener", "guard", sig=signal.SIGSTOP)
    case.until(lambda: polled.said("a", 503), "a to be told no primary any more")
    first = min(one.told for one in polled.said("a", 503))
    assert first > since and max(one.asked for one in polled.said("a", 200)) < since + SILENCE + 1
    case["a"].thaw(*pids)
    case.told_primary("a")
    assert case["a"].ctl("zkelect", "resume", "orders").returncode == 0
    case.leader()
