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
