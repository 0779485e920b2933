"""The real listener and events that are none: it answers, stays alive, and ends when its input does."""

import os
import shlex
import signal
import subprocess
import sys
import threading

import pytest

from supervisor_zkelect.config import samples
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system.clock import now

LONG = 30.0

#: Lines of which none announces an event.
GARBAGE = b"\n" + b"\0\xff\xfe\n" + b"len:-1\n" + b"len:0x10\n" + "len:²\n".encode() + b"len:" + b"9" * 30 + b"\n"

ANSWER = b"RESULT 2\nOKREADY\n"

#: Stands between supervisord and a listener: garbage before each event, and no pid that is a number. The listener
#: keeps supervisord as its parent, and the child that spoils its input ends with either side.
SPOILER = f"""
import os, re, sys
reading, writing = os.pipe()
if os.fork():
    os.dup2(reading, 0)
    os.close(reading)
    os.close(writing)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(reading)
source = os.fdopen(0, "rb")
for header in source:
    payload = source.read(int(re.findall(rb"len:(\\d+)", header)[-1]))
    payload = re.sub(rb"pid:\\d+", "pid:²".encode(), payload)
    header = re.sub(rb"len:\\d+", b"len:%d strange :: words:" % len(payload), header)
    os.write(writing, {GARBAGE!r} + header + payload)
"""


class Direct:
    """`zkelect listen` under a supervisord that is none: this process writes the events and reads the answers."""

    def __init__(self, folder):
        self.marker = child.new_marker()
        self.log = folder / "log"
        environ = child.environment(
            self.marker, ZKELECT_SERVERS="127.0.0.1:1", ZKELECT_NODE="a", ORDERS_ADDRESS="127.0.0.1:1",
            SUPERVISOR_ENABLED="1", SUPERVISOR_SERVER_URL=f"unix://{folder}/none.sock",
        )
        command = [sys.executable, "-m", "supervisor_zkelect.command", "listen", "-c", str(samples.path("zkelect.conf"))]
        child.watch()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environ, bufsize=0
            )
        self.answers = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        chunk = self.process.stdout.read(65536)
        while chunk:
            self.answers += chunk
            chunk = self.process.stdout.read(65536)

    def send(self, data):
        # A listener that does not read must not hold up the test.
        threading.Thread(target=self._write, args=(memoryview(data),), daemon=True).start()

    def _write(self, data):
        while data:
            data = data[self.process.stdin.write(data):]

    def answered(self, events):
        until(
            lambda: self.answers == b"READY\n" + ANSWER * events, LONG,
            f"{events} answers; the log is {self.log.read_text(errors='replace')[-2000:]}",
        )
        assert self.process.poll() is None


@pytest.fixture
def direct(tmp_path):
    one = Direct(tmp_path)
    yield one
    one.process.kill()
    one.process.wait(LONG)
    child.sweep(one.marker)


def event(name, payload, length=None):
    length = len(payload) if length is None else length
    return b"ver:3.0 server:s serial:1 pool:zkelect poolserial:1 eventname:%s len:%d\n%s" % (name, length, payload)


STRANGE = {
    "garbage between": GARBAGE + event(b"TICK_5", b"when:1") + GARBAGE + b"x" * 300000 + b"\n",
    "binary payload": event(b"REMOTE_COMMUNICATION", bytes(range(256))),
    "huge payload": event(b"PROCESS_COMMUNICATION_STDOUT", b"y" * 2000000),
    "empty payload": event(b"SUPERVISOR_STATE_CHANGE_RUNNING", b""),
    "unknown name": event(b"TEAPOT", b"short:stout"),
    "name of bytes": event(b"\xff\0PROCESS_STATE_", b"groupname:primary"),
    "no name": b"len:3\nabc",
    "no fields": event(b"PROCESS_STATE_RUNNING", b"no fields at all"),
    "fields of nonsense": event(b"PROCESS_STATE_FATAL", "processname groupname:primary pid:² :: : ::".encode()),
    "length too short": event(b"TICK_5", b"when:1 and more", 6),
    "another listener's answers": event(b"TICK_5", b"when:1\nRESULT 4\nFAILREADY\n"),
    "two headers in one line": b"len:7 " + event(b"TICK_5", b"when:1"),
}


def test_strange_events_are_answered_and_survived(direct):
    direct.send(b"".join(STRANGE.values()) + event(b"TICK_60", b"when:60"))
    direct.answered(len(STRANGE) + 1)
    assert b"Traceback" not in direct.log.read_bytes() and b"a defect" not in direct.log.read_bytes()


@pytest.mark.parametrize("last", [b"", b"half a head", event(b"TICK_5", b"short", 10)])
def test_the_end_of_its_input_ends_it(direct, last):
    direct.send(event(b"TICK_5", b"when:1") + last)
    direct.answered(1)
    direct.process.stdin.close()
    assert direct.process.wait(LONG) == 0
    assert "supervisord is gone" in direct.log.read_text() and "Traceback" not in direct.log.read_text()
    assert direct.answers == b"READY\n" + ANSWER


def test_a_signal_ends_it(direct):
    direct.answered(0)
    direct.process.send_signal(signal.SIGTERM)
    assert direct.process.wait(LONG) == 0
    assert "the listener ends: SIGTERM" in direct.log.read_text()


def test_without_supervisord_it_says_what_it_is():
    environ = {**os.environ, "ZKELECT_SERVERS": "127.0.0.1:1", "ZKELECT_NODE": "a", "ORDERS_ADDRESS": "127.0.0.1:1"}
    environ.pop("SUPERVISOR_ENABLED", None)
    command = [sys.executable, "-m", "supervisor_zkelect.command", "listen", "-c", str(samples.path("zkelect.conf"))]
    done = child.run(command, env={**environ, "PYTHONPATH": child.ROOT})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and "[eventlistener:x]" in done.stderr


def test_a_primary_whose_events_are_spoilt(make_cluster, zk_server, tmp_path):
    script = tmp_path / "spoiler.py"
    script.write_text(SPOILER)
    command = f'{shlex.quote(sys.executable)} {shlex.quote(str(script))} zkelect listen -c "%(here)s/zkelect.conf"'
    cluster = make_cluster(
        zk_server.hosts, ("a",), overrides={"eventlistener:zkelect": {"command": command, "events": "EVENT"}}
    ).start()
    node, since = cluster["a"], now()
    listener, pid = node.listener_pid(), cluster.primary("a")
    for data in ("x" * 200000, "\n\n", "größer als gezählt", "len:1 \nRESULT 4\nFAIL", "groupname:primary pid:1"):
        node.rpc.call("supervisor.sendRemoteCommEvent", "PROCESS_STATE_FATAL", data)
    node.kill(pid)
    assert cluster.primary("a", other=pid) != pid
    assert node.listener_pid() == listener and cluster.observers["orders"].verdict(since).names == ["a"]
    until(lambda: "RUNNING" in node.ctl("status", "primary:orders").stdout, LONG, "the event of the new process")
    node.terminate()
    cluster.until(lambda: not node.processes(), "the guard to end too")
    assert cluster.verdict().names == ["a"]
    said = "".join(path.read_text(errors="replace") for path in (node.folder / "logs").glob("zkelect-stderr*"))
    assert "no event header" in said and "the listener ends: " in said, said
    assert "stopped: zkelect (exit status 0)" in (node.folder / "logs" / "supervisord.log").read_text()
