"""Row 23 of the design's list of faults: whatever ends a group in an ordinary way leaves it the time to stop.

A Redis that is killed instead of asked has lost what was written since it saved last.
"""

import os
import threading

import pytest

from tests.conftest import SCOPE
from tests.faults.conftest import rows_only
from tests.redis import KEYS, Redis, Writer

TIMES = int(os.environ.get("ZKELECT_FAULTS_STOPS", "2" if SCOPE == "ci" else "5"))
"""How often each is tried."""


@pytest.fixture
def stores(make, zookeeper):
    """Two nodes whose group is the demo's service and a Redis; the case, and each node's Redis."""
    made = []

    def start(aof, **overrides):
        overrides = {
            "group:primary": {"programs": "orders,store"},
            "program:store": {"autostart": "false", "autorestart": "true", "stopwaitsecs": "60", "startsecs": "0"},
            **overrides,
        }
        case = make(zookeeper, start=False, overrides=overrides)
        for node in case.nodes.values():
            redis = Redis(node.folder / "redis", aof)
            made.append(redis)
            node.redis = redis
            node.overrides["program:store"]["command"] = "zkelect run -- " + " ".join(redis.words())
        return case.start()

    yield start
    for redis in made:
        redis.close()


def load(case):
    """The node that leads, with a Redis that takes a second to save, and somebody who writes to it."""
    leader = case[case.leader()]
    case.until(leader.redis.answers, "Redis to answer")
    leader.redis.fill()
    return leader, Writer(leader.redis)


def gone(case, leader):
    """Wait until all of the group is dead on the node."""
    case.until(lambda: not leader.service_pids("primary"), "the group to be dead")


ORDERS = {
    "stop zkelect": lambda case, node: node.ctl("stop", "zkelect"),
    "shutdown": lambda case, node: node.ctl("shutdown"),
    "resign": lambda case, node: node.zkelect("resign", "orders"),
    "update": lambda case, node: node.ctl("update"),
    "SIGTERM to supervisord": lambda case, node: node.kill(node.supervisord_pid, sig=15),
    "stop all": lambda case, node: node.ctl("stop", "all"),
    "reload": lambda case, node: node.ctl("reload"),
}


@pytest.mark.every_variant
@pytest.mark.parametrize("order, aof", [
    # One that saves as it ends has more to lose.
    pytest.param(order, aof, id=f"{'AOF' if aof else 'RDB'}-{order}", marks=rows_only if aof and order != "shutdown" else ())
    for aof in (True, False) for order in ORDERS
])
def test_23_a_redis_loses_no_acknowledged_write(stores, order, aof):
    case = stores(aof)
    for number in range(TIMES):
        leader, writer = load(case)
        if order == "update":
            leader.overrides.setdefault("program:store", {})["priority"] = str(500 + number)
            leader.write()
        ORDERS[order](case, leader)
        promised = writer.ended()
        gone(case, leader)
        assert leader.redis.kept() >= promised, leader.logs()
        if not leader.running or order in ("shutdown", "SIGTERM to supervisord"):
            leader.reap()
            leader.start()
        elif order in ("stop zkelect", "stop all"):
            leader.ctl("start", "zkelect")
        case.leader()


def test_23_a_stop_goes_on_with_another_guard(stores):
    """The guard that began it is killed; the one that comes leaves the group what is left of its time."""
    case = stores(False)
    leader, writer = load(case)
    resigning = threading.Thread(target=leader.zkelect, args=("resign", "orders"))
    resigning.start()
    log = leader.redis.folder / "log"
    case.until(lambda: "shutdown" in log.read_text(), "Redis to save", pause=0.005)
    leader.kill(leader.guard_pid())
    promised = writer.ended()
    gone(case, leader)
    assert leader.redis.kept() >= promised, leader.logs()
    resigning.join()
    case.leader()


def test_23_a_lease_is_renewed_while_a_listener_that_left_leaves_its_group_time(stores):
    """The stop takes longer than the lease lasts that the listener had."""
    case = stores(False)
    leader, writer = load(case)
    for number in range(5 * KEYS):
        leader.redis.ask("SET", f"more{number}", "v")
    leader.ctl("stop", "zkelect")
    promised = writer.ended()
    gone(case, leader)
    assert leader.redis.kept() >= promised, leader.logs()
    leader.ctl("start", "zkelect")
    case.leader()


def test_23_a_mistake_in_the_file_is_nothing_to_the_service(stores):
    """The listener is restarted with it, then killed with it: the last good configuration is used, in the same term."""
    case = stores(True)
    leader, writer = load(case)
    name, token = leader.name, case.token(leader.name)
    pids = leader.service_pids("primary")
    right = leader.zkelect_conf.read_text()
    leader.zkelect_conf.write_text(right.replace("health =", "heatlh ="))
    for end in (lambda: leader.ctl("restart", "zkelect"), lambda: leader.kill(leader.listener_pid())):
        former = leader.listener_pid()
        end()
        case.until(lambda: leader.listener_pid() not in (None, former), "another listener")
        case.until(lambda: case.settled(name) in pids and "heatlh" in leader.ctl("role").stdout, "the mistake to be told")
        assert leader.service_pids("primary") == pids and case.token(name) == token
    leader.zkelect_conf.write_text(right)
    before = writer.promised
    case.until(lambda: writer.promised > before, "writes to go on")
    ORDERS["stop zkelect"](case, leader)
    promised = writer.ended()
    gone(case, leader)
    assert leader.redis.kept() >= promised
    leader.ctl("start", "zkelect")
    case.leader()
