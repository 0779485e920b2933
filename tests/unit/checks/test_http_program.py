"""Whether `zkelect http` answers."""

import contextlib
import socket
import threading

import pytest

from supervisor_zkelect.checks import http_program
from tests.unit.web.parts import Served

HTTP = b"HTTP/1.1 200 OK\r\n\r\n"


@contextlib.contextmanager
def answering(data):
    """A server that answers one question so. Yields its place."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        def serve():
            link, _ = door.accept()
            with link:
                link.recv(1000)
                link.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{door.getsockname()[1]}"
        thread.join()


def test_one_that_answers_is_no_trouble():
    with Served() as served:
        assert http_program.trouble(f"127.0.0.1:{served.port}", False) == ""
        assert http_program.trouble(f"localhost:{served.port}", False) == ""


@pytest.mark.parametrize("data, told", [
    (b"", "it hangs up"), (HTTP + b"{}", "another program"), (HTTP + b"[]", "another program"), (HTTP + b"<p>", "another program"),
    (b"HTTP/1.1 404 x\r\n\r\n" + b'{"live": true}', "another program"), (b"SSH-2.0\r\n", "another program"),
    (b"\0" * 9000, "another program"),
])
def test_another_program_is_told_from_one_that_is_silent(data, told):
    with answering(data) as place:
        found = http_program.trouble(place, False)
        assert told in found and place in found and found.endswith("a load balancer sees no primary here")


@pytest.mark.parametrize("data", [HTTP + b'{"live": ' + b" " * 200, b"x" * 200])
def test_one_that_answers_byte_by_byte_has_no_more_time_than_another(data):
    with socket.create_server(("127.0.0.1", 0)) as door:
        gone, sent = threading.Event(), []

        def serve():
            link, _ = door.accept()
            with link, contextlib.suppress(OSError):
                link.recv(1000)
                for byte in data:
                    link.sendall(bytes([byte]))
                    sent.append(byte)
                    gone.wait(0.02)

        thread = threading.Thread(target=serve)
        thread.start()
        found = http_program.trouble(f"127.0.0.1:{door.getsockname()[1]}", False, 0.2)
        gone.set()
        thread.join()
    assert "does not answer" in found and "timed out" in found and sent


def test_of_several_addresses_none_takes_the_time_of_the_others(monkeypatch):
    """One drops what is sent to it, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, Served() as served:
        place = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(place)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", at) for at in (place, ("127.0.0.1", served.port))]
        monkeypatch.setattr(http_program.socket, "getaddrinfo", lambda *words: found)
        assert http_program.trouble("two.example:80", False, 2.0) == ""
        monkeypatch.setattr(http_program.socket, "getaddrinfo", lambda *words: found[:1])
        assert "timed out" in http_program.trouble("two.example:80", False, 0.1)
        for one in waiting:
            one.close()


def test_nobody_there_is_told():
    with socket.create_server(("127.0.0.1", 0)) as door:
        place = f"127.0.0.1:{door.getsockname()[1]}"
        assert "timed out" in http_program.trouble(place, False, 0.05)
    assert http_program.trouble(place, False) == (
        f"zkelect http does not answer at {place} (Connection refused); a load balancer sees no primary here"
    )


def test_one_without_tls_where_tls_is_expected_is_told():
    with answering(HTTP + b'{"live": true}') as place:
        assert "does not answer" in http_program.trouble(place, True)
