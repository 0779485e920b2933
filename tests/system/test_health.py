"""Health checks against real servers and real commands, the well-behaved and the others.

A probe under test gets SHORT seconds where it is to reach its limit, and LONG where it is not. The servers that
drip bytes do so for longer than any probe may listen.
"""

import base64
import contextlib
import ctypes
import gc
import http.server
import itertools
import os
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import psutil
import pytest

from supervisor_zkelect.checks import tcp
from supervisor_zkelect.checks.health import Check
from supervisor_zkelect.checks.http import BODY_LIMIT
from supervisor_zkelect.checks.parse import parse
from supervisor_zkelect.demo import wait
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import clock, resolve
from tests.doors import hanging, refusing

SHORT = 1.0
AMPLE = 3.0
LONG = 30.0
BOUND = 10.0
PAUSE = 0.02


# Servers


@contextlib.contextmanager
def serving(talk, host="127.0.0.1", context=None):
    """A raw server: `talk(connection, stop)` for every connection, in a thread of its own. Gives the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    stop = threading.Event()
    threads = []

    def one(connection):
        with connection, contextlib.suppress(OSError):
            if context is not None:
                with context.wrap_socket(connection, server_side=True) as secured:
                    talk(secured, stop)
            else:
                talk(connection, stop)

    def accept():
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except socket.timeout:
                continue
            connection.settimeout(LONG)
            threads.append(threading.Thread(target=one, args=(connection,)))
            threads[-1].start()

    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((host, 0))
        listener.listen(20)
        listener.settimeout(0.05)
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            acceptor.join()
            for thread in threads:
                thread.join()


def drip(head, text):
    """What a server says that sends `head` and then, for BOUND seconds, one byte of `text` after the other."""

    def talk(connection, stop):
        connection.recv(65536)
        connection.sendall(head)
        end = clock.now() + BOUND
        for byte in itertools.cycle(text):
            connection.sendall(bytes([byte]))
            if stop.wait(PAUSE) or clock.now() > end:
                return

    return talk


def say(answer, stay=False):
    """What a server says that gives one answer, and then closes or stays silent."""

    def talk(connection, stop):
        connection.recv(65536)
        connection.sendall(answer)
        if stay:
            stop.wait()

    return talk


def silence(connection, stop):
    stop.wait()


class Site(http.server.BaseHTTPRequestHandler):
    """/status/N, /text, /private (user:pass), anything; notes what it was asked."""

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        status, body, more = 200, b"", {}
        if self.path.startswith("/status/"):
            status = int(self.path.rpartition("/")[2])
            if status == 302:
                more["Location"] = "/status/200"
        elif self.path == "/text":
            body = "the database is größer".encode()
        elif self.path == "/private":
            expected = "Basic " + base64.b64encode(b"user:pass").decode()
            status = 200 if self.headers.get("Authorization") == expected else 401
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *values):
        """Says nothing."""


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that hangs up is what some tests are about."""


@contextlib.contextmanager
def site(context=None):
    server = Quiet(("127.0.0.1", 0), Site)
    server.asked = []
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def at_limit(check, doing, limit=SHORT):
    """Probe with a short limit, which must hold and be said. limit: in seconds; longer where something must come before."""
    result = check.probe(limit)
    assert not result.ok
    assert f"time limit of {limit:g} s reached while {doing}" in result.reason
    assert result.seconds < BOUND
    return result


def good(check):
    result = check.probe(LONG)
    assert result.ok, result
    return result


def bad(check, part, timeout=LONG):
    """Probe a check that must fail for the reason of which `part` is a piece, and not by its limit."""
    result = check.probe(timeout)
    assert not result.ok
    assert part in result.reason
    assert "time limit" not in result.reason
    assert result.reason.isprintable()
    return result


# TCP


def test_tcp_where_somebody_listens():
    with serving(silence) as port:
        assert good(parse(f"tcp://127.0.0.1:{port}")).reason == "connection accepted"
        good(parse(f"tcp://localhost:{port}"))


def test_tcp_where_nobody_listens():
    with refusing() as (_, port):
        bad(parse(f"tcp://127.0.0.1:{port}"), f"cannot connect to 127.0.0.1:{port}: Connection refused")


def test_tcp_to_a_port_that_swallows_packets():
    with hanging() as (_, port):
        at_limit(parse(f"tcp://127.0.0.1:{port}"), f"connecting to 127.0.0.1:{port}")


def test_ipv6_literals():
    """On a machine without IPv6 the reason is what can be checked."""
    try:
        with serving(say(b"HTTP/1.0 200 OK\r\n\r\n"), host="::1") as port:
            good(parse(f"tcp://[::1]:{port}"))
            good(parse(f"http://[::1]:{port}/"))
    except OSError:
        bad(parse("tcp://[::1]:9"), "cannot connect to [::1]:9")


def test_a_connection_to_oneself_is_no_sign_of_life(monkeypatch):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        assert tcp.is_own_reflection(sock)
    with serving(silence) as port, socket.create_connection(("127.0.0.1", port)) as sock:
        assert not tcp.is_own_reflection(sock)
    # The kernel cannot be told to pick that source port, so the verdict is given instead.
    with serving(silence) as port:
        monkeypatch.setattr(tcp, "is_own_reflection", lambda sock: True)
        bad(parse(f"tcp://127.0.0.1:{port}"), "nothing listens there")


# Names


@pytest.fixture
def resolver(monkeypatch):
    """Stands in for the C library's resolver, which cannot be made to hang without being root: names get the
    addresses in `answers`, after `released` was set."""

    class Resolver:
        def __init__(self):
            self.released = threading.Event()
            self.asked = []
            self.answers = [("127.0.0.1", 9)]

        def __call__(self, host, port, family=0, type=0, proto=0, flags=0):
            if flags & socket.AI_NUMERICHOST:
                return real(host, port, family, type, proto, flags)
            self.asked.append(host)
            self.released.wait(LONG)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address, port in self.answers]

    real = socket.getaddrinfo
    stand_in = Resolver()
    lookups = resolve.Lookups(3)
    monkeypatch.setattr(resolve, "lookups", lookups)
    monkeypatch.setattr(socket, "getaddrinfo", stand_in)
    yield stand_in
    stand_in.released.set()
    wait.until(lambda: not lookups.pending, LONG, "the look-ups to end")


def test_a_name_that_does_not_exist():
    """Without a name server that answers, the limit is the other way to fail."""
    result = parse("tcp://name.invalid:80").probe(LONG)
    assert not result.ok
    assert "host name name.invalid" in result.reason


def test_a_resolver_that_hangs_keeps_no_probe(resolver):
    at_limit(parse("http://db.example/"), "resolving host name db.example")


def test_a_resolver_that_hangs_does_not_touch_addresses(resolver):
    with serving(silence) as port:
        good(parse(f"tcp://127.0.0.1:{port}"))


def test_a_resolver_that_hangs_gets_a_bounded_number_of_threads(resolver):
    for _ in range(3):
        at_limit(parse("tcp://a.example:80"), "resolving")
    assert resolver.asked == ["a.example"]
    at_limit(parse("tcp://b.example:80"), "resolving")
    at_limit(parse("tcp://c.example:80"), "resolving")
    bad(parse("tcp://d.example:80"), "3 look-ups hang already")
    assert resolver.asked == ["a.example", "b.example", "c.example"]


def test_a_resolver_that_answers_again_is_asked_again(resolver):
    with serving(silence) as port:
        resolver.answers = [("127.0.0.1", port)]
        check = parse("tcp://a.example:80")
        at_limit(check, "resolving")
        resolver.released.set()
        good(check)
        wait.until(lambda: not resolve.lookups.pending, LONG, "the first look-up to end")
        good(check)
    assert resolver.asked.count("a.example") >= 2


def test_an_address_that_swallows_packets_does_not_hide_the_next(resolver):
    resolver.released.set()
    with serving(silence) as port, hanging() as (_, hole):
        resolver.answers = [("127.0.0.1", hole), ("127.0.0.1", port)]
        result = parse("tcp://a.example:80").probe(3 * SHORT)
    assert result.ok, result


# HTTP


@pytest.mark.parametrize("status", [200, 204, 299])
def test_http_success(status):
    with site() as server:
        result = good(parse(f"http://127.0.0.1:{server.server_port}/status/{status}"))
    assert result.reason == f"HTTP status {status}"


@pytest.mark.parametrize("status", [199, 300, 401, 404, 500, 503])
def test_http_failure(status):
    with site() as server:
        bad(
            parse(f"http://127.0.0.1:{server.server_port}/status/{status}"),
            f"HTTP status {status}, expected 200-299",
        )


def test_http_redirects_are_not_followed():
    with site() as server:
        url = f"http://127.0.0.1:{server.server_port}/status/302"
        bad(parse(url), "redirects are not followed")
        good(parse(url, status="200,301-302"))
        assert {path for path, _ in server.asked} == {"/status/302"}


def test_http_expected_statuses():
    with site() as server:
        url = f"http://127.0.0.1:{server.server_port}/status/"
        good(parse(url + "404", status="404"))
        bad(parse(url + "200", status="204,404-410"), "HTTP status 200, expected 204,404-410")


def test_http_text_in_the_body():
    with site() as server:
        url = f"http://127.0.0.1:{server.server_port}/text"
        good(parse(url, body="größer"))
        bad(parse(url, body="smaller"), "the expected text is not in the body")


def test_http_request(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    with site() as server:
        good(parse(f"http://localhost:{server.server_port}/echo%20me?a=b&c"))
        path, headers = server.asked[0]
    assert path == "/echo%20me?a=b&c"
    assert headers["Host"] == f"localhost:{server.server_port}"
    assert headers["Connection"] == "close"
    assert "Authorization" not in headers


def test_http_user_and_password():
    with site() as server:
        url = f"127.0.0.1:{server.server_port}/private"
        good(parse(f"http://user:p%61ss@{url}"))
        result = bad(parse(f"http://user:hunter2@{url}"), "HTTP status 401")
        assert "hunter2" not in result.reason and "user" not in result.reason


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "head, text",
    [
        (b"", b"HTTP/1.1 200 OK" + b" " * 9999),
        (HEAD, b"X-Header: y\r\n"),
        (HEAD + b"X: ", b"y"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status line", "headers", "one header", "continue"],
)
def test_http_that_drips_its_head_is_ended_by_the_limit(head, text):
    with serving(drip(head, text)) as port:
        at_limit(parse(f"http://127.0.0.1:{port}/"), f"waiting for the HTTP answer of 127.0.0.1:{port}")


@pytest.mark.parametrize(
    "head, text",
    [
        (HEAD + b"\r\n", b"x"),
        (HEAD + b"Content-Length: 9999\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED, b"0"),
    ],
    ids=["until closed", "length", "chunks", "size of a chunk"],
)
def test_http_that_drips_its_body_is_ended_by_the_limit(head, text):
    with serving(drip(head, text)) as port:
        at_limit(parse(f"http://127.0.0.1:{port}/", body="ready"), f"reading the HTTP body from 127.0.0.1:{port}", AMPLE)
        good(parse(f"http://127.0.0.1:{port}/"))


def test_http_that_accepts_and_says_nothing():
    with serving(silence) as port:
        at_limit(parse(f"http://127.0.0.1:{port}/"), "waiting for the HTTP answer")


@pytest.mark.parametrize("head, text", [(HEAD + b"\r\n", b" ready"), (CHUNKED, b"5\r\nready\r\n")])
def test_http_body_without_end_is_read_until_the_text_was_seen(head, text):
    with serving(drip(head, text)) as port:
        good(parse(f"http://127.0.0.1:{port}/", body="ready"))


def test_http_connection_kept_open_is_not_waited_for():
    with serving(say(HEAD + b"Content-Length: 4\r\n\r\nnope", stay=True)) as port:
        bad(parse(f"http://127.0.0.1:{port}/", body="ready"), "not in the body")
    with serving(say(CHUNKED + b"4\r\nnope\r\n0\r\n\r\n", stay=True)) as port:
        bad(parse(f"http://127.0.0.1:{port}/", body="ready"), "not in the body")


def test_http_body_is_searched_up_to_its_limit():
    filler = b"x" * (BODY_LIMIT - 5)
    with serving(say(HEAD + b"\r\n" + filler + b"ready")) as port:
        good(parse(f"http://127.0.0.1:{port}/", body="ready"))
    with serving(say(HEAD + b"\r\n" + filler + b"xready")) as port:
        bad(parse(f"http://127.0.0.1:{port}/", body="ready"), "not in the body")


@pytest.mark.parametrize(
    "answer, part",
    [
        (b"", "without an HTTP answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not valid HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 " + b"x" * 70000, "not valid HTTP"),
        (CHUNKED + b"zz\r\n", "not valid HTTP"),
    ],
)
def test_http_that_is_none(answer, part):
    with serving(say(answer)) as port:
        bad(parse(f"http://127.0.0.1:{port}/", body="x"), part)


# TLS


EXTENSIONS = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[here]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
authorityKeyIdentifier = keyid
[elsewhere]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:elsewhere.example
authorityKeyIdentifier = keyid
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with authority.pem, other.pem (an authority that signed nothing), and contexts of two servers."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "openssl.cnf").write_text(EXTENSIONS, encoding="utf-8")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=LONG)

    new = ("req", "-config", "openssl.cnf", "-newkey", "rsa:2048", "-nodes")
    for name in ("authority", "other"):
        openssl(*new, "-x509", "-extensions", "authority", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")
    contexts = {}
    for name in ("here", "elsewhere"):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key",
                "-set_serial", str(len(contexts) + 1), "-days", "2", "-extfile", "openssl.cnf",
                "-extensions", name, "-out", f"{name}.pem")
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return folder, contexts


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_tls_with_an_authority_of_ones_own(certificates, host):
    folder, contexts = certificates
    with site(contexts["here"]) as server:
        good(parse(f"https://{host}:{server.server_port}/text", body="database", ca=str(folder / "authority.pem")))


def test_tls_with_another_authority_is_refused(certificates):
    folder, contexts = certificates
    with site(contexts["here"]) as server:
        url = f"https://localhost:{server.server_port}/"
        bad(parse(url, ca=str(folder / "other.pem")), "the certificate is refused: unable to get local issuer")
        bad(parse(url), "the certificate is refused")
        assert server.asked == []


def test_tls_with_another_host_name_is_refused(certificates):
    folder, contexts = certificates
    with site(contexts["elsewhere"]) as server:
        url = f"https://localhost:{server.server_port}/"
        bad(parse(url, ca=str(folder / "authority.pem")), "the certificate is refused: Hostname mismatch")
        assert server.asked == []


def test_tls_expected_and_not_spoken(certificates):
    folder, contexts = certificates
    with site() as server:
        bad(parse(f"https://localhost:{server.server_port}/", ca=str(folder / "authority.pem")), "TLS failed")
    with site(contexts["here"]) as server:
        assert not parse(f"http://localhost:{server.server_port}/").probe(LONG).ok


def test_tls_authority_is_read_again_when_its_file_changed(certificates, tmp_path):
    folder, contexts = certificates
    ca = tmp_path / "ca.pem"
    ca.write_bytes((folder / "other.pem").read_bytes())
    with site(contexts["here"]) as server:
        check = parse(f"https://localhost:{server.server_port}/", ca=str(ca))
        bad(check, "the certificate is refused")
        new = tmp_path / "new.pem"
        new.write_bytes((folder / "authority.pem").read_bytes())
        os.replace(new, ca)
        good(check)
        ca.unlink()
        bad(check, "cannot be read")


def test_tls_handshake_is_bounded():
    with serving(silence) as port:
        at_limit(parse(f"https://127.0.0.1:{port}/"), f"agreeing on TLS with 127.0.0.1:{port}")
    # The start of a TLS record of 16 KiB, one byte at a time.
    with serving(drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x00")) as port:
        at_limit(parse(f"https://127.0.0.1:{port}/"), "agreeing on TLS")


def test_tls_that_drips_is_ended_by_the_limit(certificates):
    folder, contexts = certificates
    ca = str(folder / "authority.pem")
    with serving(drip(HEAD, b"X: y\r\n"), context=contexts["here"]) as port:
        at_limit(parse(f"https://127.0.0.1:{port}/", ca=ca), "waiting for the HTTP answer", AMPLE)
    with serving(drip(HEAD + b"\r\n", b"x"), context=contexts["here"]) as port:
        at_limit(parse(f"https://127.0.0.1:{port}/", body="ready", ca=ca), "reading the HTTP body", AMPLE)


# Commands


def python(code, *words):
    """An exec check that runs a piece of Python."""
    return parse("exec:" + shlex.join([sys.executable, "-I", "-S", "-c", code, *words]))


def shell(script, *words):
    return parse("exec:" + shlex.join(["sh", "-c", script, "sh", *map(str, words)]))


def dead(pid):
    process = proc.read(pid)
    return process is None or process.gone


def starts():
    """The threads that start a command."""
    return [thread for thread in threading.enumerate() if thread.name == "zkelect-start"]


def all_die(*files):
    pids = [int(file.read_text(encoding="ascii")) for file in files]
    wait.until(lambda: all(map(dead, pids)), LONG, f"processes {pids} to end")


def test_exec_success():
    assert good(parse("exec:true")).reason == "exit status 0"


@pytest.mark.parametrize(
    "script, reason",
    [
        ("exit 3", "exit status 3"),
        ("echo one; echo two >&2; exit 1", "exit status 1: two"),
        ("printf 'a\\033[31m\\tb\\n\\n'; exit 1", "exit status 1: a [31m b"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
    ],
)
def test_exec_failure_says_why(script, reason):
    assert bad(shell(script), reason).reason == reason


def test_exec_reason_is_short():
    result = bad(shell("head -c 100000 /dev/zero | tr '\\0' x; exit 1"), "exit status 1: xxx")
    assert len(result.reason) < 300


def test_exec_of_what_cannot_be_run(tmp_path):
    bad(parse("exec:no-such-command --x"), "cannot run no-such-command: the command or its interpreter does not")
    plain = tmp_path / "plain"
    plain.write_text("exit 0\n", encoding="ascii")
    plain.chmod(0o644)
    bad(parse(f"exec:{plain}"), "Permission denied")
    plain.chmod(0o755)
    bad(parse(f"exec:{plain}"), "Exec format error")
    # No shell is asked to make something of what cannot be executed: it would call an empty file a success.
    plain.write_bytes(b"")
    bad(parse(f"exec:{plain}"), "Exec format error")
    bad(parse(f"exec:{tmp_path}"), "Permission denied")
    bad(parse(f"exec:true {'x' * 200_000}"), "Argument list too long")


@pytest.fixture
def hangs(tmp_path):
    """A command that cannot be executed and is never refused either, as on a file system whose server is gone: whoever opens it
    waits for an answer of somebody who gives none (fanotify(7))."""
    command = tmp_path / "hangs"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    watching = watched(command)
    try:
        yield command
    finally:
        os.close(watching)


FAN_CLASS_CONTENT, FAN_CLOEXEC, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD = 0x4, 0x1, 0x1, 0x10000, -100


def watched(path):
    """A descriptor until whose end whoever opens the file waits. Raises OSError where this process may not have that."""
    libc = ctypes.CDLL(None, use_errno=True)
    watching = libc.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, os.O_RDONLY)
    if watching >= 0:
        if libc.fanotify_mark(watching, FAN_MARK_ADD, ctypes.c_uint64(FAN_OPEN_PERM), AT_FDCWD, os.fsencode(path)) == 0:
            return watching
        os.close(watching)
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def can_watch():
    """Whether this process may have others wait for its answer."""
    with tempfile.NamedTemporaryFile() as file:
        try:
            os.close(watched(file.name))
        except OSError:
            return False
    return True


@pytest.mark.skipif(not can_watch(), reason="takes CAP_SYS_ADMIN, and a kernel with fanotify(7)")
def test_exec_that_cannot_even_be_executed_is_ended_by_the_limit(hangs):
    """Whoever starts it would wait for ever, and no fence and no probe after it would have a thread."""
    assert at_limit(parse(f"exec:{hangs}"), f"running {hangs}, killed").ok is False
    wait.until(lambda: not starts(), LONG, "the start to end")
    wait.until(lambda: not [one for one in psutil.Process().children() if one.name() == hangs.name[:15]], LONG, "the child to be dead")


@pytest.mark.skipif(not can_watch(), reason="takes CAP_SYS_ADMIN, and a kernel with fanotify(7)")
def test_exec_that_cannot_even_be_killed_is_started_once_only(hangs, monkeypatch):
    """A check that is asked for ever would take all threads and pids of the node."""
    kill = proc.kill
    monkeypatch.setattr(proc, "kill", lambda process, sig: None)
    at_limit(parse(f"exec:{hangs}"), f"running {hangs}, killed")
    bad(parse(f"exec:{hangs}"), "an earlier start of it hangs in the kernel still")
    good(parse("exec:true"))
    # The thread that started `true` has told so, and may not have ended yet.
    wait.until(lambda: len(starts()) == 1, LONG, "the start that hangs to be the only one")
    (hanging,) = starts()
    monkeypatch.setattr(proc, "kill", kill)
    for one in psutil.Process().children():
        if os.getsid(one.pid) == one.pid:
            one.kill()
    wait.until(lambda: not hanging.is_alive(), LONG, "the start to end")
    wait.until(lambda: "hangs in the kernel" not in parse(f"exec:{hangs}").probe(0.2).reason, LONG, "another start")


def test_exec_whose_start_does_not_come_back_is_ended_by_the_limit(monkeypatch):
    """As where the kernel does not let the child be killed; with everybody's rights."""
    free = threading.Event()

    def never(child, *words, **options):
        free.wait(LONG)
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(subprocess.Popen, "__init__", never)
    at_limit(parse("exec:true"), "running true, killed")
    bad(parse("exec:true"), "an earlier start of it hangs in the kernel still")
    monkeypatch.undo()
    good(parse("exec:true 1"))
    free.set()
    wait.until(lambda: parse("exec:true").probe(LONG).ok, LONG, "another start")


def test_exec_where_there_is_no_thread_to_be_had_is_run_all_the_same(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    good(parse("exec:true"))
    bad(parse("exec:no-such-command"), "cannot run no-such-command")


def test_exec_needs_no_shell_and_gets_none(tmp_path):
    marker = tmp_path / "marker"
    good(parse(f"exec:true ; touch {marker} $(touch {marker})"))
    assert not marker.exists()


def test_exec_gets_nothing_to_read():
    """The listener's own input carries supervisord's events."""
    reader, writer = os.pipe()
    kept = os.dup(0)
    try:
        os.dup2(reader, 0)
        good(shell('test "$(readlink /proc/$$/fd/0)" = /dev/null'))
    finally:
        os.dup2(kept, 0)
        for descriptor in (reader, writer, kept):
            os.close(descriptor)


def test_exec_runs_in_a_session_of_its_own():
    good(python("import os, sys; sys.exit(not os.getsid(0) == os.getpgrp() == os.getpid())"))


def test_exec_inherits_no_descriptor():
    with socket.socket() as sock:
        sock.set_inheritable(True)
        good(python("import os, sys\ntry: os.fstat(int(sys.argv[1]))\nexcept OSError: sys.exit(0)\nsys.exit(1)",
                    str(sock.fileno())))


def test_exec_gets_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERVISOR_PASSWORD", "hunter2")
    monkeypatch.setenv("ZOOKEEPER_DIGEST", "hunter2")
    monkeypatch.setenv("LC_TIME", "C")
    seen = tmp_path / "seen"
    good(shell('env > "$1"', seen))
    text = seen.read_text(encoding="utf-8")
    assert "hunter2" not in text and "SUPERVISOR" not in text
    assert f"PATH={os.environ['PATH']}\n" in text
    assert "LC_TIME=C\n" in text


@pytest.mark.parametrize("status", [0, 1])
def test_exec_that_says_a_lot_does_not_block(status):
    check = shell(f"head -c 3000000 /dev/zero; echo; echo end; exit {status}")
    result = check.probe(LONG)
    assert result.ok == (status == 0)
    assert result.reason == f"exit status {status}: end"


def test_exec_that_never_stops_talking_is_ended_by_the_limit():
    result = at_limit(parse("exec:yes"), "running yes, killed: y", AMPLE)
    assert len(result.reason) < 300


def test_exec_left_over_that_keeps_the_pipe_is_killed_and_not_waited_for(tmp_path):
    file = tmp_path / "pid"
    result = good(shell('sleep 300 & echo $! > "$1"; echo ready', file))
    assert result.seconds < BOUND
    assert result.reason == "exit status 0 (1 left-over processes killed): ready"
    all_die(file)


def test_exec_is_killed_as_a_tree_at_the_limit(tmp_path):
    files = [tmp_path / name for name in ("shell", "child", "stubborn", "session")]
    script = """
        echo $$ > "$1"
        sleep 300 & echo $! > "$2"
        (trap '' TERM INT HUP; exec sleep 300) & echo $! > "$3"
        setsid sleep 300 & echo $! > "$4"
        wait
    """
    at_limit(shell(script, *files), "running sh, killed", AMPLE)
    all_die(*files)


def test_exec_stopped_by_a_signal_is_killed_at_the_limit():
    at_limit(shell("kill -STOP $$"), "running sh, killed")


def own_zombies():
    return {one for one in psutil.Process().children() if one.status() == psutil.STATUS_ZOMBIE}


def test_exec_leaves_no_zombie_and_no_descriptor():
    checks = [parse("exec:true"), parse("exec:no-such-command-here"), shell("sleep 300 & exit 1")]
    for check in checks:
        check.probe(LONG)
    before, zombies = set(os.listdir("/proc/self/fd")), own_zombies()
    for check in checks * 3:
        check.probe(LONG)
    at_limit(parse("exec:sleep 300"), "running sleep, killed")
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) <= before
    # Those of other tests may have been reaped meanwhile.
    assert own_zombies() <= zombies


def test_exec_whose_status_was_lost_is_not_healthy():
    """Where SIGCHLD is ignored, the kernel keeps no exit status."""
    code = (
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "from supervisor_zkelect.checks.parse import parse\n"
        "for command in ('false', 'true', 'sleep 0.2'):\n"
        "    result = parse('exec:' + command).probe(30)\n"
        "    assert not result.ok and 'exit status unknown' in result.reason, result\n"
    )
    environ = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=LONG * 2)
    assert (done.returncode, done.stderr) == (0, "")


# Every kind


def test_probes_of_one_check_run_in_many_threads(certificates):
    folder, contexts = certificates
    results = []
    with site(contexts["here"]) as server:
        checks = [
            parse(f"https://localhost:{server.server_port}/", ca=str(folder / "authority.pem")),
            parse("exec:true"),
        ]
        threads = [
            threading.Thread(target=lambda check=check: results.append(check.probe(LONG)))
            for check in checks * 8
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 16
    assert [result for result in results if not result.ok] == []


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:9", "http://127.0.0.1:9/", "tcp://localhost:9", "exec:true"])
@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_is_never_healthy(url, timeout):
    result = parse(url).probe(timeout)
    assert not result.ok
    assert "time limit" in result.reason


def test_a_fault_of_the_check_itself_is_unhealthy_and_keeps_its_text_to_itself():
    class Broken(Check):
        def ask(self, limit):
            raise ValueError("hunter2")

    result = bad(Broken(), "the check itself failed while starting: ValueError at line")
    assert "hunter2" not in result.reason


def test_signals_that_python_does_not_name_are_said_by_number():
    number = signal.SIGRTMIN + 3
    bad(shell(f"kill -{int(number)} $$"), f"killed by signal {int(number)}")
