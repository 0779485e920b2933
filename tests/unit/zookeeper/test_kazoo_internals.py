"""Private parts of kazoo, which another release may have otherwise, and what is put in their place."""

import inspect
import select
import socket
from collections import deque

import pytest
from kazoo.client import KazooClient
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.connection import ConnectionHandler

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.zookeeper import connect, kazoo_internals
from tests.false_server import Server, grant

LONG = 30


@pytest.mark.parametrize("name, parameters", [
    ("_connect", ["host", "hostip", "port"]), ("_invoke", ["timeout", "request", "xid"]), ("_read", ["length", "timeout"]),
    ("_read_header", ["timeout"]), ("_read_socket", ["read_timeout"]),
])
def test_the_connection_has_what_is_put_in_its_place(name, parameters):
    assert list(inspect.signature(getattr(ConnectionHandler, name)).parameters) == ["self", *parameters]
    # What is set on one connection counts.
    assert f"self.{name}(" in inspect.getsource(ConnectionHandler)


@pytest.mark.parametrize("name", ["create_connection", "select"])
def test_the_connection_asks_the_clients_handler(name):
    assert callable(getattr(KazooClient().handler, name)) and f"self.handler.{name}(" in inspect.getsource(ConnectionHandler)


def test_a_client_that_is_not_started_has_what_is_read():
    client = KazooClient()
    assert client._pending == deque() and client._stopped.is_set()
    assert client._connection._socket is None and client._connection._connection_routine is None


@pytest.fixture
def server():
    server = Server(grant(8000))
    yield server
    server.close()


@pytest.fixture
def make(server):
    clients = []

    def make():
        clients.append(connect.make_client(server.hosts, 10.0))
        return clients[-1]

    yield make
    for client in clients:
        # Nobody answers when it closes its session.
        kazoo_internals.ask_timeout(client, 0.1)
        connect.stop_client(client)


def test_a_request_waits_under_its_number_until_it_is_answered(make):
    client = make()
    connect.start_client(client, LONG)
    answer = client.exists_async("/x")
    until(lambda: client._pending, LONG, "the request to be sent")
    assert client._pending[0][1] is answer and client._pending[0][2] == 1


def test_each_session_that_is_granted_is_told_of(make):
    client, told = make(), []
    kazoo_internals.on_connect(client, lambda *grant: told.append(grant))
    connect.start_client(client, LONG)
    assert [grant[1:3] for grant in told] == [(8.0, 7)]
    assert told[0][3] == client.client_id[1]


def test_the_next_connect_request_asks_for_the_timeout_that_is_set(make):
    client, asked = make(), []

    def prepare(request, timeout, sent):
        asked.append(request.time_out)
        return request, timeout

    kazoo_internals.on_connect(client, lambda *grant: None, prepare)
    assert kazoo_internals.asked_timeout(client) == 10
    kazoo_internals.ask_timeout(client, 5)
    connect.start_client(client, LONG)
    assert kazoo_internals.asked_timeout(client) == 5 and asked == [5000]


def test_a_connection_that_is_shut_down_is_replaced(make, server):
    client = make()
    kazoo_internals.shut_down_connection(client)
    connect.start_client(client, LONG)
    kazoo_internals.shut_down_connection(client)
    until(lambda: server.asked == 2, LONG, "another connection")
    assert not kazoo_internals.has_ended(client)


@pytest.mark.parametrize("had", [0, 1, 2])
def test_a_client_that_gets_too_few_threads_leaves_none_and_can_be_started_again(make, monkeypatch, had):
    client, begun, spawn = make(), [], SequentialThreadingHandler.spawn

    def scarce(handler, *arguments, **options):
        if len(begun) == had:
            raise RuntimeError("can't start new thread")
        begun.append(spawn(handler, *arguments, **options))
        return begun[-1]

    with monkeypatch.context() as patch:
        patch.setattr(SequentialThreadingHandler, "spawn", scarce)
        with pytest.raises(RuntimeError):
            client.start_async()
    kazoo_internals.undo_start(client)
    assert len(begun) == had and not any(thread.is_alive() for thread in begun)
    # It may be stopped as it is, too.
    connect.stop_client(client)
    connect.start_client(client, LONG)


def test_a_client_whose_thread_ends_has_ended(make, monkeypatch):
    monkeypatch.setattr(ConnectionHandler, "zk_loop", lambda self: None)
    client = make()
    assert not kazoo_internals.has_ended(client)
    client.start_async()
    until(lambda: kazoo_internals.has_ended(client), LONG, "the thread to end")


def test_an_attempt_to_connect_gets_more_time_after_each_that_failed(make, monkeypatch):
    given = []

    def dial(handler, *arguments, timeout, **options):
        given.append(timeout)
        raise OSError("refused")

    monkeypatch.setattr(SequentialThreadingHandler, "create_connection", dial)
    make().start_async()
    until(lambda: len(given) > 3, LONG, "some attempts")
    assert given[:4] == [0.5, 1.0, 2.0, 4.0]


def test_a_connection_repeats_lost_packets_soon(make):
    client = make()
    connect.start_client(client, LONG)
    assert client._connection._socket.getsockopt(socket.IPPROTO_TCP, kazoo_internals.TCP_THIN_LINEAR_TIMEOUTS) == 1


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    yield near, far
    near.close()
    far.close()


def test_each_socket_is_ready_for_what_it_was_asked(pair):
    near, far = pair
    assert kazoo_internals.poll([near, far], [], [], 0) == ([], [], [])
    assert kazoo_internals.poll([far], [near], [], 0) == ([], [near], [])
    near.send(b"x")
    assert kazoo_internals.poll([near, far], [near], [], 5) == ([far], [near], [])
    assert kazoo_internals.poll([far], [far], [], None) == ([far], [far], [])


def test_a_socket_that_is_both_read_and_written_is_not_readable_because_it_is_writable(pair):
    near, _ = pair
    assert kazoo_internals.poll([near], [near], [], 5) == ([], [near], [])


def test_a_hang_up_is_an_answer(pair):
    near, far = pair
    far.close()
    assert kazoo_internals.poll([near], [], [], 5) == ([near], [], [])


def test_a_closed_socket_is_refused(pair):
    near, far = pair
    near.close()
    with pytest.raises(ValueError):
        kazoo_internals.poll([near], [], [], 0)


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
    kazoo_internals.poll([near], [], [], 0.0004)
    kazoo_internals.poll([], [far], [], None)
    kazoo_internals.poll([near], [near], [], 0)
    assert poller.waits == [1, None, 0]
    assert poller.registered == [select.POLLIN, select.POLLOUT, select.POLLIN | select.POLLOUT]
