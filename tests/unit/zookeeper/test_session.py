"""What kazoo asks sockets with, and what a server that takes no session is asked."""

import select
import socket

import pytest
from kazoo import exceptions as kazoo_errors
from kazoo.protocol.connection import ConnectionHandler
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState

from supervisor_zkelect.config import load
from supervisor_zkelect.zookeeper import session
from supervisor_zkelect.zookeeper.session import _poll


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


@pytest.fixture
def refused(monkeypatch, tmp_path):
    """A session of 4 s, with a tick of 0.5 s, at two servers that close every connection. Has the requests that they saw, and
    the time by its own clock."""
    monkeypatch.setattr(session, "now", lambda: refused.now)

    def invoke(connection, timeout, request, xid=None):
        if request.session_id:
            refused.seen.append(request.last_zxid_seen)
            raise kazoo_errors.ConnectionDropped("socket connection broken")
        return Connect(0, 0, 4000, 7, b"password", False), None

    def refused(seconds, times=1):
        refused.now += seconds
        for _ in range(times):
            with pytest.raises(kazoo_errors.ConnectionDropped):
                one.client._connection._invoke(4.0, Connect(0, one.client.last_zxid, 4000, 7, b"password", False))
        return refused.seen

    refused.now, refused.seen = 100.0, []
    monkeypatch.setattr(ConnectionHandler, "_invoke", invoke)
    path = tmp_path / "zkelect.conf"
    path.write_text(
        "[zkelect]\nservers = h:1,h:2\nsession_timeout = 4\ntick_time = 0.5\nnode_name = n\n"
        "[election:orders]\naddress = h:3\nhealth = none\n"
    )
    one = session.Session(load.from_file(str(path)), lambda event: None)
    one.client._connection._invoke(4.0, Connect(0, 0, 4000, 0, b"", False))
    one._changed(one.client, KazooState.CONNECTED)
    one.client.last_zxid = 99
    one._changed(one.client, KazooState.SUSPENDED)
    return refused


def test_a_session_that_no_server_takes_is_asked_for_anew_once_it_must_be_over(refused, caplog):
    assert set(refused(0.0, 5)) == {99}
    assert refused(4.4)[-1] == 99
    assert refused(0.2, 3)[-3:] == [0, 0, 0]
    assert len([one for one in caplog.records if "seen nothing" in one.getMessage()]) == 1


def test_a_session_is_not_asked_for_anew_before_every_server_had_its_turn(refused):
    assert refused(60.0, 2)[-2:] == [99, 99]
    assert refused(0.1)[-1] == 0
