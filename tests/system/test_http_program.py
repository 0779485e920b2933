"""`zkelect http` as a process, without supervisord and without ZooKeeper: its options, its limits, its end."""

import base64
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from lab.certificates import certificates
from lab.web import ask
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc

TIME = 30.0
FILE = """[zkelect]
servers = 127.0.0.1:{closed}
node_name = a
serverurl = unix:///nonexistent/supervisor.sock
session_timeout = 4
{more}
[election:orders]
address = 127.0.0.1:1
"""
MIB = 1 << 20


def zkelect(*words):
    return [sys.executable, "-m", "supervisor_zkelect.command", *words]


def resident(pid):
    """MiB of memory that a process has."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


class Program:
    """One `zkelect http`. port: where it listens."""

    def __init__(self, folder):
        self.file, self.port, self.closed = folder / "zkelect.conf", child.free_port(), child.free_port()
        self.log = folder / "log"
        self.process = None

    def write(self, *lines):
        self.file.write_text(FILE.format(closed=self.closed, more="\n".join([f"http = 127.0.0.1:{self.port}", *lines])))

    def start(self, *lines):
        self.write(*lines)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(zkelect("http", "-c", str(self.file)), stdout=log, stderr=log)
        return self.answers()

    def answers(self):
        until(lambda: self.process.poll() is not None or self.check() == 0, TIME, "zkelect http to answer")
        assert self.process.poll() is None, self.log.read_text()
        return self

    def check(self, *words):
        return subprocess.run(
            zkelect("http", "--check", "-c", str(self.file), *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIME)


@pytest.fixture
def program(tmp_path):
    one = Program(tmp_path)
    yield one
    one.end()


def test_it_answers_until_it_is_told_to_end(program):
    program.start()
    assert ask(program.port, "/live") == (200, {"v": 1, "live": True})
    status, told = ask(program.port, "/primary/orders")
    assert status == 503 and "no record of a guard" in told["why"]
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(TIME) == 0 and program.check() == 1


def test_a_second_one_at_the_same_place_says_so(program):
    program.start()
    done = subprocess.run(zkelect("http", "-c", str(program.file)), capture_output=True, text=True, timeout=TIME)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == (
        f"zkelect: cannot listen at 127.0.0.1:{program.port}: Address already in use"
    )


def test_it_follows_its_file(program):
    program.start("http_names = one.example")
    http, pid = program.port, program.process.pid
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{http}/status", headers={"Host": "two.example"}), timeout=TIME)
    program.write("http_names = two.example")
    asked = urllib.request.Request(f"http://127.0.0.1:{http}/history", headers={"Host": "two.example"})

    def known():
        try:
            return urllib.request.urlopen(asked, timeout=TIME).status == 200
        except urllib.error.HTTPError:
            return False

    until(known, TIME, "the other name to be known")
    program.write("nonsense")
    until(lambda: "the file is not used" in program.log.read_text(), TIME, "the mistake to be told")
    assert ask(http, "/live")[0] == 200
    program.port = child.free_port()
    program.write()
    until(lambda: ask(program.port, "/live")[0] == 200, TIME, "it to answer at the other port")
    assert ask(http, "/live")[0] == 0 and program.process.pid == pid and program.process.poll() is None


def test_tls_and_passwords(program, tmp_path):
    made = certificates(tmp_path / "tls")
    line = subprocess.run(zkelect("http", "--hash", "ann"), input="secret\n", capture_output=True, text=True, timeout=TIME).stdout
    (tmp_path / "users").write_text(line)
    program.start(
        f"http_tls_cert = {made.server_cert}", f"http_tls_key = {made.server_key}", f"http_password_file = {tmp_path / 'users'}"
    )
    trusting = ssl.create_default_context(cafile=made.ca)
    base = f"https://127.0.0.1:{program.port}"
    assert json.load(urllib.request.urlopen(f"{base}/live", context=trusting, timeout=TIME))["live"] is True
    for password, status in (("wrong", 401), ("secret", 200), ("secret", 200)):
        header = base64.b64encode(f"ann:{password}".encode()).decode()
        asked = urllib.request.Request(f"{base}/history", headers={"Authorization": f"Basic {header}"})
        try:
            assert urllib.request.urlopen(asked, context=trusting, timeout=TIME).status == status
        except urllib.error.HTTPError as error:
            assert error.code == status
    # Whoever speaks no TLS is not waited for, and keeps nobody out.
    with socket.create_connection(("127.0.0.1", program.port), TIME) as one:
        one.sendall(b"GET /live HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"200" not in one.recv(1000)
    assert program.check() == 0


def test_it_ends_with_supervisord(program, tmp_path):
    """Its successor starts another one at the same place."""
    program.write()
    parent = tmp_path / "parent.py"
    parent.write_text("import subprocess, sys\nsubprocess.Popen(sys.argv[1:]).wait()\n")
    environ = {**os.environ, "SUPERVISOR_ENABLED": "1", "SUPERVISOR_SERVER_URL": "unix:///nonexistent/supervisor.sock"}
    with program.log.open("ab") as log:
        program.process = subprocess.Popen(
            [sys.executable, str(parent), *zkelect("http", "-c", str(program.file))], env=environ, stdout=log, stderr=log
        )
    program.answers()
    program.process.kill()
    program.process.wait(TIME)
    until(lambda: ask(program.port, "/live")[0] == 0, TIME, "it to end")


def test_what_is_too_much_is_refused_and_costs_little(program):
    """Headers of 64 MiB, and a thousand connections that say nothing or half of it, beside a probe that goes on."""
    program.start()
    until(lambda: ask(program.port, "/status")[0] == 200, TIME, "the cluster to be looked at")
    before = resident(program.process.pid)
    with socket.create_connection(("127.0.0.1", program.port), TIME) as one:
        sent = 0
        try:
            one.sendall(b"GET /live HTTP/1.1\r\nX: ")
            while sent < 64 * MIB:
                sent += one.send(b"x" * MIB)
        except OSError:
            pass
    assert sent < 64 * MIB and ask(program.port, "/live")[0] == 200
    idle = []
    for number in range(1000):
        one = socket.create_connection(("127.0.0.1", program.port), TIME)
        if number % 2:
            one.sendall(b"GET /live HTTP/1.1\r\nX")
        idle.append(one)
        if number % 50 == 0:
            assert ask(program.port, "/primary/orders")[0] == 503
    assert ask(program.port, "/live")[0] == 200
    opened = len(os.listdir(f"/proc/{program.process.pid}/fd"))
    grown = resident(program.process.pid) - before
    for one in idle:
        one.close()
    assert opened < 300 and grown < 20, (opened, grown)


def test_a_client_of_zookeepers_is_loaded_where_somebody_looks(program):
    """With the elector it takes 2 MiB. Nor does this program give orders."""
    program.write()
    code = (
        "import sys\nfrom supervisor_zkelect.config import load\nfrom supervisor_zkelect.web import program, server\n"
        "program.Program(load.from_file(sys.argv[1]), 0)\nprint({'kazoo', 'supervisor_zkelect.operators.verbs'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(program.file)], capture_output=True, text=True, timeout=TIME)
    assert done.stdout == "set()\n", done


def test_it_takes_little_memory_and_does_nothing_while_nobody_asks(program):
    program.start()
    assert ask(program.port, "/primary/orders")[0] == 503
    process = proc.read(program.process.pid)
    assert resident(process.pid) < 40

    def worked():
        with open(f"/proc/{process.pid}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    before, since = worked(), time.monotonic()
    until(lambda: time.monotonic() - since > 5.0, TIME, "some time to pass")
    assert worked() - before <= 0.02
