"""Clients that are stopped while a resolver is waited for, which kazoo waits for as well, without a limit."""

import socket
import threading

import pytest

from supervisor_zkelect.discovery import Primary
from supervisor_zkelect.elector import Elector, NotConnected
from supervisor_zkelect.zookeeper import connect

LONG = 60
SERVERS = "zk.invalid:2181"


@pytest.fixture
def resolver(monkeypatch):
    """A resolver that does not answer before the end of the test. asked: whether it was."""

    def getaddrinfo(*arguments, **options):
        resolver.asked.set()
        resolver.gate.wait(LONG)
        raise socket.gaierror("no answer")

    def resolver():
        pass

    resolver.asked, resolver.gate = threading.Event(), threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield resolver
    resolver.gate.set()


def ends(work):
    """Do work, which may hang; returns what it raised."""
    raised = []

    def do():
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(LONG / 2)
    assert not thread.is_alive(), "it hangs"
    return raised


def connected():
    return Elector.connect(SERVERS, 0.5, "/e", "n", "/ack")


def test_an_elector_that_cannot_be_connected_says_so(resolver):
    (error,) = ends(connected)
    assert isinstance(error, NotConnected) and resolver.asked.is_set()


def test_an_elector_is_closed(resolver, monkeypatch):
    monkeypatch.setattr(connect, "start_client", lambda client, limit: client.start_async())
    monkeypatch.setattr(Elector, "prepare", lambda self: None)
    one = connected()
    assert resolver.asked.wait(LONG)
    assert ends(one.close) == []


def test_who_follows_the_primary_can_end(resolver):
    one = Primary(SERVERS, "orders")
    assert resolver.asked.wait(LONG)
    assert ends(one.close) == []


def test_what_fails_in_time_is_told_and_without_a_thread_it_is_done_all_the_same(monkeypatch):
    class Client:
        stopped = 0

        def stop(self):
            self.stopped += 1

        def close(self):
            raise OSError("no")

    client = Client()
    with pytest.raises(OSError):
        connect.stop_in_time(client, LONG)

    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(OSError):
        connect.stop_in_time(client, LONG)
    assert client.stopped == 2
