"""What kazoo asks sockets with."""

import select
import socket

import pytest

from supervisor_zkelect.session import _poll


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    yield near, far
    near.close()
    far.close()


def test_each_socket_is_ready_for_what_it_was_asked(pair):
    near, far = pair
    assert _poll([near, far], [], [], 0) == ([], [], [])
    assert _poll([far], [near], [], 0) == ([], [near], [])
    near.send(b"x")
    assert _poll([near, far], [near], [], 5) == ([far], [near], [])
    assert _poll([far], [far], [], None) == ([far], [far], [])


def test_a_socket_that_is_both_read_and_written_is_not_readable_because_it_is_writable(pair):
    near, _ = pair
    assert _poll([near], [near], [], 5) == ([], [near], [])


def test_a_hang_up_is_an_answer(pair):
    near, far = pair
    far.close()
    assert _poll([near], [], [], 5) == ([near], [], [])


def test_a_closed_socket_is_refused(pair):
    near, far = pair
    near.close()
    with pytest.raises(ValueError):
        _poll([near], [], [], 0)


class Poller:
    """Tells what it is asked, and says that nothing is ready."""

    def __init__(self):
        self.registered, self.waits = [], []

    def register(self, one, mask):
        self.registered.append(mask)

    def poll(self, wait):
        self.waits.append(wait)
        return []


def test_it_waits_for_what_it_was_asked_and_at_least_as_long(pair, monkeypatch):
    """kazoo takes an answer that comes before the time for a timeout."""
    near, far = pair
    poller = Poller()
    monkeypatch.setattr(select, "poll", lambda: poller)
    _poll([near], [], [], 0.0004)
    _poll([], [far], [], None)
    _poll([near], [near], [], 0)
    assert poller.waits == [1, None, 0]
    assert poller.registered == [select.POLLIN, select.POLLOUT, select.POLLIN | select.POLLOUT]
