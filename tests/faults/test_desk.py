"""Rows 24 and 26 to 28 of the design's list of faults: what is ordered, and nodes that fail while it is done."""

import json
import threading

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect.operators.outcome import DONE, ERROR, NOT_PRIMARY, UNDER_WAY
from tests.faults.conftest import TICK, TIMEOUT, rows_only

CONTENTS = {"garbage": b"\xff{", "of a newer format": json.dumps({"v": 99, "nodes": []}).encode()}


def listed(node):
    shown = node.zkelect("list", "--json")
    return json.loads(shown.stdout)["elections"]["orders"] if shown.returncode == DONE else {"nodes": [], "coming": "?"}


def nothing_ordered(case, name):
    case.until(lambda: case[name].zkelect("orders").stdout.endswith("nothing is ordered\n"), "the order to be done or dropped")


# 24


def broken(hand, case, znode, how):
    path = f"{case['a'].part('orders')['ack_znode']}-state/{znode}"
    case.until(lambda: hand.exists(path), f"{path} to be there")
    if how == "deleted":
        hand.delete(path, recursive=True)
    else:
        hand.set(path, CONTENTS[how])
    return path


@pytest.mark.parametrize("znode, how", [
    ("control", "deleted"), *((znode, how) for znode in ("nodes/a", "history", "events") for how in ("deleted", *CONTENTS)),
], ids=str)
def test_24_what_members_tell_is_broken(make, zookeeper, hand, znode, how):
    """The term goes on, and the election: orders are taken, and what is missing is made anew."""
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    case.standby("b")
    path = broken(hand, case, znode, how)
    case.same_term(pid, token)
    done = case["b"].zkelect("switchover", "--to", "b", "--reason", "broken")
    assert done.returncode == DONE, done.stderr
    case.settled("b")
    case.until(lambda: hand.exists(path), f"{path} to be made anew")
    case.until(lambda: {one["node"]: one["role"] for one in listed(case["a"])["nodes"]}.get("b") == "primary", "b to be listed")


@rows_only
@pytest.mark.parametrize("how", CONTENTS)
def test_24_orders_that_cannot_be_read_promote_nobody(make, zookeeper, hand, how):
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    path = broken(hand, case, "control", how)
    case.until(lambda: "orders --reset" in case["b"].ctl("role").stdout, "b to say what is wrong")
    assert (case.primary("a"), case.token("a")) == (pid, token)
    case["a"].crash()
    case.until(lambda: not any(one["node"] == "a" and one["live"] for one in listed(case["b"])["nodes"]), "the session of a to be over")
    assert not case["b"].service_pids() and hand.get(path)[0] == CONTENTS[how]
    assert case["b"].zkelect("orders", "--reset").returncode == DONE
    case.settled("b")


# 26, 27


def paused(case, name):
    done = case[name].zkelect("pause", "--reason", "row 26")
    assert done.returncode == DONE, done.stdout + done.stderr


@rows_only
def test_26_paused_through_an_outage_a_kill_and_a_restart_of_the_node(make, folder, passes):
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000)) as zookeeper:
        case = make(zookeeper)
        pid = case.primary("a")
        paused(case, "b")
        zookeeper.kill()
        passes(5 * TIMEOUT)
        assert case["a"].service_pids() == {pid}
        case["a"].kill(pid)
        case.until(lambda: case["a"].service_pids() - {pid}, "supervisord to start the service again")
        zookeeper.start()
        case.until(lambda: "runs on whatever becomes of ZooKeeper" in case["a"].ctl("role").stdout, "a to be connected again")
        assert case["a"].ctl("role").returncode == DONE
        case["a"].crash()
        case["a"].start()
        # By its own proof that the former term is dead it takes back what that had consented to.
        case.until(lambda: "nobody is promoted" in listed(case["b"])["coming"], "a to take its consent back")
        for name in "ab":
            assert case[name].ctl("role").returncode != DONE and "paused" in case[name].ctl("role").stdout
            assert not case[name].service_pids()
        resumed = case["b"].zkelect("resume")
        assert resumed.returncode == DONE, resumed.stdout + resumed.stderr
        case.leader()
        case.finish()


@rows_only
def test_27_a_paused_primary_is_cut_off_and_resume_waits_for_it(make, network, folder, passes):
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), place=network["zk"]) as zookeeper:
        case = make(zookeeper, network=network)
        pid = case.primary("a")
        paused(case, "b")
        network.cut("a")
        passes(2 * TIMEOUT)
        asked = case["b"].zkelect("resume", "--wait", "5")
        assert asked.returncode == UNDER_WAY and "a, who runs by the pause" in asked.stderr, asked.stderr
        assert case["b"].ctl("role").returncode == NOT_PRIMARY and not case["b"].service_pids()
        assert case["a"].service_pids() == {pid}
        network.heal()
        case.until(lambda: listed(case["b"])["coming"] == "", "the pause to be over")
        case.leader()
        case.finish()


# 28


class Typed(threading.Thread):
    """A command that is given while something else happens."""

    def __init__(self, node, *words):
        super().__init__(daemon=True)
        self._node, self._words = node, words
        self.done = None
        self.start()

    def run(self):
        self.done = self._node.zkelect(*self._words, timeout=120)

    def came(self):
        self.join(150)
        assert self.done is not None, f"{self._words} does not end"
        return self.done


def three(make, zookeeper):
    case = make(zookeeper, names=("a", "b", "c"))
    case.primary("a")
    case.standby("c")
    return case


@rows_only
@pytest.mark.parametrize("when", ["before", "while", "the primary"])
def test_28_a_switchover_and_a_node_that_dies(make, zookeeper, when):
    """The target just before the order or while it is done, or the primary while it hands over."""
    case = three(make, zookeeper)
    if when == "before":
        case["c"].crash()
    order = Typed(case["b"], "switchover", "--to", "c")
    if when != "before":
        case.until(lambda: not case["a"].service_pids(), "a to stop")
        case["c" if when == "while" else "a"].crash()
    done = order.came()
    case.leader()
    nothing_ordered(case, "b")
    if when == "before":
        assert done.returncode == ERROR or "c leads" not in done.stdout, done.stdout
    case.finish()


@rows_only
def test_28_two_switchovers_at_once(make, zookeeper):
    """One is done and the other refused, or one after the other: never half of each."""
    case = three(make, zookeeper)
    orders = [Typed(case["b"], "switchover", "--to", "b"), Typed(case["c"], "switchover", "--to", "c")]
    statuses = [one.came().returncode for one in orders]
    assert DONE in statuses and set(statuses) <= {DONE, ERROR}, [one.done.stderr for one in orders]
    assert case.leader() in ("b", "c")
    nothing_ordered(case, "a")
    case.finish()
