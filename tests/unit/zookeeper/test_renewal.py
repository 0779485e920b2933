"""The thread that has a proposal checked again and again, where something is amiss with it."""

import queue
import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect.zookeeper.renewal import Renewal

LONG = 30


class Client:
    """Answers each check at once. identities: what it says it is, one after the other. error: raised instead of asking."""

    def __init__(self, *identities, error=None):
        self._identities, self._error = list(identities), error
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    @property
    def client_id(self):
        return self._identities.pop(0) if self._identities else None

    def transaction(self):
        self.asked.set()
        self.go_on.wait(LONG)
        if self._error is not None:
            raise self._error
        return SimpleNamespace(check=lambda path, version: None, commit_async=lambda: SimpleNamespace(exception=None, value=[True]))

    def exists_async(self, path):
        seen = SimpleNamespace(exception=None, value=SimpleNamespace(czxid=5))
        return SimpleNamespace(rawlink=lambda call: call(seen))


class Proof:
    """checked: the sessions in which the proposal was proven."""

    def __init__(self):
        self.proven = queue.SimpleQueue()

    def deadline(self, token):
        return None

    def checked(self, session, token, sent, answered):
        self.proven.put(session)


def renewal(client, proof, told):
    return Renewal(client, "/e/n-1", 5, 7, 1000.0, proof, told)


@pytest.mark.parametrize("error", [TypeError("x"), MemoryError(), OSError("x")])
def test_a_renewal_that_meets_a_defect_tells_that_leading_cannot_be_proven(error):
    told = queue.SimpleQueue()
    one = renewal(Client(error=error), Proof(), told.put)
    assert told.get(timeout=LONG) == one.why == f"a defect: {error!r}"


def test_a_renewal_that_was_ended_tells_nothing_whatever_it_meets():
    client, told = Client(error=TypeError("x")), queue.SimpleQueue()
    client.go_on.clear()
    before = set(threading.enumerate())
    one = renewal(client, Proof(), told.put)
    (thread,) = set(threading.enumerate()) - before
    assert client.asked.wait(LONG)
    one.end()
    client.go_on.set()
    thread.join(LONG)
    assert one.why == "" and told.empty()


def test_a_connection_that_is_lost_while_an_answer_is_looked_at_makes_no_trouble():
    """Its identity is there when it is asked for, and would be gone when it were asked for again."""
    proof, told = Proof(), queue.SimpleQueue()
    one = renewal(Client((7, b"")), proof, told.put)
    assert proof.proven.get(timeout=LONG) == 7
    one.end()
    assert told.empty()
