"""Whoever asks, however often, leaves nothing behind: neither in the client of ZooKeeper nor in any process of a node."""

import json
import socket

import psutil
import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.elector import Elector

#: Seconds that a change takes to be told at most.
LONG = 20.0

#: Questions after which a process has what it needs, and how many more are asked. Two watches more of each are 0.7 KiB.
WARM, QUESTIONS = 400, 2000

#: KiB that a process may grow by meanwhile, for what its allocator does.
MOST = 300


@pytest.fixture
def two(zk_server, root):
    """An elector that leads, and one that stands behind it, each with a session of its own."""
    made = [Elector.connect(zk_server.hosts, 4.0, f"{root}/e/election", "n", f"{root}/e/ack") for _ in range(2)]
    for one in made:
        one.create_proposal()
    assert made[0].try_be_leader().leads
    made[0].claim("a", "x:1")
    yield made
    for one in made:
        one.close()


def kept(one):
    """What the client keeps to be called with changes, by znode."""
    return {path: len(found) for path, found in one._client._data_watchers.items() if found}


def test_asking_again_and_again_leaves_one_watch_of_each_znode(two, zk, root):
    first, second = two
    for _ in range(50):
        changed = first.watch_term()[2]
        first.try_be_leader()
        standing = second.try_be_leader()
        second.watch_term()
    for one in two:
        assert set(kept(one).values()) == {1}, kept(one)
    assert not changed.done() and not standing.changed.done()
    zk.set(f"{root}/e/ack", b"y:2")
    assert changed.result(LONG) and not standing.changed.done()
    first.withdraw()
    assert "deleted" in standing.changed.result(LONG)


def test_what_is_watched_is_told_after_a_reconnect_too_and_nothing_of_it_stays(two, zk, root):
    first, second = two
    for _ in range(3):
        standing = second.try_be_leader()
        second._client._connection._socket.shutdown(socket.SHUT_RDWR)
        until(lambda: not second._client.connected, LONG, "the connection to be lost")
        until(lambda: second._client.connected, LONG, "a connection")
    until(lambda: kept(second), LONG, "the watch to be left again")
    assert set(kept(second).values()) == {1} and len(kept(second)) == 1
    first.withdraw()
    assert "deleted" in standing.changed.result(LONG)
    assert second.try_be_leader().leads
    until(lambda: set(vars(second._client)["zkelect_callbacks"]) == set(kept(second)), LONG, "what is over to be forgotten")


def ask(node, verb):
    """Have the listener answer a question, as `ask.run` does, on one connection and without a pause."""
    ticket = node.rpc.call("zkelect.request", verb, "" if verb == "refresh" else "orders", "{}")
    answer = until(lambda: node.rpc.call("zkelect.getAnswer", ticket), LONG, f"{verb} to be answered", 0.001)
    assert json.loads(answer)["ok"]
    json.loads(node.rpc.call("zkelect.getReport"))


def sizes(node):
    """KiB that the processes of a node take, by what they are."""
    pids = {"listener": node.listener_pid(), "guard": node.guard_pid(), "supervisord": node.supervisord_pid}
    return {name: psutil.Process(pid).memory_info().rss // 1024 for name, pid in pids.items()}


@pytest.mark.parametrize("name", ["a", "b"], ids=["primary", "standby"])
def test_questions_cost_no_memory_that_stays(steady, name):
    node = steady[name]
    for number in range(WARM + QUESTIONS):
        if number == WARM:
            before = sizes(node)
        ask(node, ("refresh", "refresh", "refresh", "refresh", "members", "history")[number % 6])
    grown = {process: size - before[process] for process, size in sizes(node).items()}
    assert max(grown.values()) < MOST, (before, grown)
    assert steady.settled("a")
