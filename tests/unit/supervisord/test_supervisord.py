"""Which address of supervisord a call takes: that of a socket's path, and of a host name that has several."""

import contextlib
import socket
import threading
import time

import pytest

from supervisor_zkelect.supervisord.client import Supervisord, Unreachable
from tests.doors import hanging, refusing

ANSWER = b"<?xml version='1.0'?><methodResponse><params><param><value><int>7</int></value></param></params></methodResponse>"


@contextlib.contextmanager
def answering(place):
    """A supervisord in so far as each call is answered with 7; yields (address, list of calls). place: a host, or a path."""
    family = socket.AF_UNIX if "/" in place else socket.AF_INET6 if ":" in place else socket.AF_INET
    with socket.socket(family) as door:
        door.bind(place if family == socket.AF_UNIX else (place, 0))
        door.listen(8)
        calls = []

        def serve():
            while True:
                try:
                    connection = door.accept()[0]
                except OSError:
                    return
                with connection:
                    calls.append(connection.recv(65536))
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\n\r\n".encode()
                    connection.sendall(head + ANSWER)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield door.getsockname(), calls
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("name", ["app#1", "what?", "100%", "a%23b", "two words", "[1]", "a;b", "app#1?b", "user@host:80"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_socket_may_have_any_path(name, relative, tmp_path, monkeypatch):
    """supervisord writes unix:// and the path as it is, also for a relative one, as supervisorctl takes it."""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    path = f"{name}/s.sock" if relative else str(tmp_path / name / "s.sock")
    with answering(path):
        assert Supervisord(f"unix://{path}").call("supervisor.getPID") == 7


@pytest.fixture
def names(monkeypatch):
    """Have every name resolve to these addresses."""

    def resolve(*addresses):
        found = [
            (socket.AF_INET6 if ":" in one[0] else socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return resolve


def test_an_address_that_refuses_is_passed_over(names):
    with refusing() as dead, answering("127.0.0.1") as (address, calls):
        names(dead, dead, address)
        door = Supervisord("http://localhost:9001")
        assert door.call("supervisor.getPID") == 7
        assert b"Host: localhost:9001" in calls[0]
        # From now on it is the first, also for what waits for nothing.
        door.wake()
        assert door.call("supervisor.getPID") == 7
        assert len(calls) == 3 and calls[1] == b""


def test_an_address_that_hangs_costs_a_part_of_the_limit_once(names):
    with hanging() as dead, answering("127.0.0.1") as (address, _):
        names(dead, address)
        door = Supervisord("http://localhost:9001", timeout=2.0)
        begun = time.monotonic()
        assert door.call("supervisor.getPID") == 7
        assert time.monotonic() - begun < 2.0
        # From now on it is not asked first.
        begun = time.monotonic()
        assert door.call("supervisor.getPID", timeout=60) == 7
        assert time.monotonic() - begun < 30


def test_a_family_that_this_machine_has_not_is_passed_over(names, monkeypatch):
    made = socket.socket

    def without(family=socket.AF_INET, *arguments, **options):
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return made(family, *arguments, **options)

    with answering("127.0.0.1") as (address, _):
        names(("::1", 9001, 0, 0), address)
        monkeypatch.setattr(socket, "socket", without)
        assert Supervisord("http://localhost:9001").call("supervisor.getPID") == 7


def test_where_none_answers_the_reason_is_told_and_nothing_was_sent(names):
    with refusing() as one, refusing() as other:
        names(one, other)
        with pytest.raises(Unreachable, match="http://localhost:9001: Connection refused") as error:
            Supervisord("http://localhost:9001").call("supervisor.getPID")
        assert not error.value.sent


def test_a_request_that_may_have_been_taken_is_not_sent_again(names):
    """A supervisord that hangs has taken the connection."""
    with socket.socket() as frozen, answering("127.0.0.1") as (address, calls):
        frozen.bind(("127.0.0.1", 0))
        frozen.listen(8)
        names(frozen.getsockname(), address)
        with pytest.raises(Unreachable) as error:
            Supervisord("http://localhost:9001").call("supervisor.getPID", timeout=0.3)
        assert error.value.sent and not calls


def test_an_ipv6_literal():
    try:
        with answering("::1") as (address, calls):
            assert Supervisord(f"http://[::1]:{address[1]}").call("supervisor.getPID") == 7
            assert f"Host: [::1]:{address[1]}".encode() in calls[0]
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error.strerror}")
