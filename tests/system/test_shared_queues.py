"""One queue with other programs, by the names of docs/elections.md: kazoo's own Lock and Election, and whoever follows the rules
of Curator and of the Go elector. Whoever leads, leads alone, and hands over to the next in line of whatever kind."""

import threading
import uuid

import pytest
from kazoo.client import KazooClient

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.elector import Elector
from tests.goelector import GoElector

TIME = 30.0


class Kazoo:
    """A candidate by kazoo's Lock, or by its Election, which is one with a function."""

    def __init__(self, hosts, znode):
        self.client = KazooClient(hosts=hosts, timeout=4)
        self.client.start(timeout=TIME)
        self.lock = self.client.Lock(znode)
        self.thread = threading.Thread(target=self.lock.acquire, daemon=True)

    def join(self, znode):
        self.thread.start()
        until(lambda: self.lock.node in self.client.get_children(znode), TIME, "the lock to stand in the queue")

    def leads(self):
        return self.lock.is_acquired

    def leave(self):
        if self.lock.is_acquired:
            self.lock.release()
        else:
            self.lock.cancel()

    def close(self):
        self.client.stop()
        self.client.close()


class KazooElection(Kazoo):
    def __init__(self, hosts, znode):
        super().__init__(hosts, znode)
        election = self.client.Election(znode)
        self.lock, self.ended, self.running = election.lock, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: election.run(self.lead), daemon=True)

    def lead(self):
        self.running.set()
        self.ended.wait(TIME)
        self.running.clear()

    def leads(self):
        return self.running.is_set()

    def leave(self):
        self.ended.set()
        self.thread.join(TIME)


class Curator:
    """A candidate by the rule of Curator's LeaderLatch, whose names have a mark before the digits, and something before that: it
    sorts what follows the mark, and names without it whole, and the first one leads."""

    mark = "latch-"

    def __init__(self, hosts, znode):
        self.client, self.znode = KazooClient(hosts=hosts, timeout=4), znode
        self.client.start(timeout=TIME)

    def join(self, znode):
        path = self.client.create(f"{znode}/_c_{uuid.uuid4()}-{self.mark}", ephemeral=True, sequence=True)
        self.name = path.rpartition("/")[2]

    def leads(self):
        def fixed(name):
            return name.rpartition(self.mark)[2] if self.mark in name else name

        return min(self.client.get_children(self.znode), key=fixed) == self.name

    def leave(self):
        self.client.delete(f"{self.znode}/{self.name}")

    def close(self):
        self.client.stop()
        self.client.close()


class CuratorMutex(Curator):
    """By that of InterProcessMutex and LeaderSelector."""

    mark = "lock-"


class Go:
    def __init__(self, hosts, znode):
        self.one = GoElector(hosts, znode, "x", f"{znode}-ack")

    def join(self, znode):
        self.one.propose()

    def leads(self):
        return self.one.leads()

    def leave(self):
        self.one.close()

    close = leave


KINDS = {
    "kazoo's Lock": (Kazoo, "any", "__lock__"), "kazoo's Election": (KazooElection, "n", "__lock__"),
    "Curator's LeaderLatch": (Curator, "latch", "-"), "Curator's mutex": (CuratorMutex, "lock", "-"), "Go": (Go, "x", ""),
}


@pytest.fixture(params=KINDS)
def shared(request, zk_server, root):
    """Makes candidates of another kind, and electors whose names agree with those."""
    kind, prefix, separator = KINDS[request.param]
    znode, made = f"{root}/election", []

    def other():
        made.append(kind(zk_server.hosts, znode))
        return made[-1]

    def own():
        made.append(Elector.connect(zk_server.hosts, 4.0, znode, prefix, f"{root}/ack", separator=separator))
        return made[-1]

    yield znode, other, own
    for one in made:
        one.close()


def test_a_queue_of_both_kinds_has_one_leader_at_a_time(shared):
    znode, other, own = shared
    first, third = own(), own()
    second, fourth = other(), other()
    first.create_proposal()
    assert first.try_be_leader()
    second.join(znode)
    third.create_proposal()
    fourth.join(znode)
    assert first.try_be_leader() and not third.try_be_leader() and not second.leads() and not fourth.leads()
    assert first.look_at_queue()[:2] == ("", "") and third.try_be_leader().rival == ""
    assert [first.try_be_leader().place, third.try_be_leader().place] == [1, 3]
    first.release()
    until(second.leads, TIME, "the second to lead")
    standing = third.try_be_leader()
    assert not standing and not fourth.leads()
    second.leave()
    assert standing.changed.result(TIME) and third.try_be_leader() and not fourth.leads()
    third.ack_leader("a:1")
    third.release()
    until(fourth.leads, TIME, "the fourth to lead")
    fourth.leave()


def test_the_other_kind_may_come_first(shared):
    znode, other, own = shared
    first, second = other(), own()
    first.join(znode)
    until(first.leads, TIME, "the first to lead")
    second.create_proposal()
    standing = second.try_be_leader()
    assert not standing and standing.rival == "" and standing.place == 2
    first.leave()
    assert standing.changed.result(TIME) and second.try_be_leader()


@pytest.mark.parametrize("kind", [Kazoo, Curator, CuratorMutex, Go])
def test_with_names_of_ones_own_nobody_here_leads_beside_it(join, zk_server, root, kind):
    """As the text below that table has it."""
    one, other = join(prefix="y", separator="-"), kind(zk_server.hosts, f"{root}/e/election")
    one.create_proposal()
    assert one.try_be_leader()
    other.join(f"{root}/e/election")
    try:
        # It leads by its own rule: each of these, as `x` sorts before `y`, and the others do not see it.
        until(other.leads, TIME, "the other kind to lead by its own rule")
        assert not one.try_be_leader() and one.try_be_leader().rival and "lead" in one.look_at_queue().trouble
    finally:
        other.leave()
        other.close()
