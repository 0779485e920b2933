"""The chain loader in the fork of a process that plays supervisord, and in a real one's."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect import rpcinterface
from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.loader import fork
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system.clock import now

#: A supervisord's part. It handles signals as supervisord does, forks, and tells how the fork ended; 99 when the short
#: way was not taken.
PARENT = """
import json, os, signal, sys
from supervisor_zkelect.loader import fork

signal.signal(signal.SIGTERM, lambda *_: None)
words, env, fork.PATIENCE, upgraded = json.loads(sys.argv[1])
if upgraded:
    fork._WRITTEN = []
sys.stdin.readline()
pid = os.fork()
if not pid:
    fork.attempt(words, env)
    os._exit(99)
print(pid, flush=True)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

#: Tells what it was given, and what the kernel sends it when its parent dies (PR_GET_PDEATHSIG).
SHOW = """
import ctypes, os
number = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(number), 0, 0, 0)
words = [os.environ[f"ZKELECT_{name}"] for name in ("TOKEN", "ELECTION", "ADDRESS", "INSTANCE")]
print(*words, number.value, os.environ.get("STRAY"), file=open("told", "w"))
"""

COMMAND = ["--", sys.executable, "-c", SHOW]
YES = b'{"ok":true,"error":""}\n'


class Stage:
    """The runtime folder with a record for the process that plays supervisord, and a guard.

    answer: the guard's, always the same; None when it does not answer. meanwhile: done before it does.
    """

    patience, upgraded = 10, False

    def __init__(self, folder, answer):
        self.folder, self.answer = folder, answer
        self.meanwhile = lambda: None
        self.entry = record.Entry("orders", "primary", "h:80", 7, True, 0, Lease.until(now() + 60, 0.0))
        self.heard = []
        self.over = threading.Event()
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(folder / record.SOCKET))
        self.door.listen()

    def guard(self):
        with self.door.accept()[0] as connection:
            self.heard.append(json.loads(connection.recv(1000)))
            self.meanwhile()
            if self.answer is not None:
                connection.sendall(self.answer)
            self.over.wait(60)

    def start(self, words, entry=None, written=True):
        env = {**os.environ, record.VARIABLE: str(self.folder), "SUPERVISOR_SERVER_URL": "unix:///none",
               "SUPERVISOR_GROUP_NAME": "primary", "SUPERVISOR_PROCESS_NAME": "orders"}
        told = json.dumps([words, env, self.patience, self.upgraded])
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=self.folder, env={**os.environ, "STRAY": "supervisord's own"},
        )
        self.instance = record.instance(record.owner_of(parent.pid))
        if written:
            self.writer = record.Writer(str(self.folder), record.owner_of(parent.pid), 2)
            self.writer.put((entry or self.entry)._replace(granted=True))
            self.writer.put(entry or self.entry)
            self.writer.open()
        threading.Thread(target=self.guard, daemon=True).start()
        parent.stdin.write("go\n")
        parent.stdin.flush()
        return parent, int(parent.stdout.readline())

    def run(self, words, **more):
        """The exit status of the fork, negative for the signal that killed it."""
        parent, _ = self.start(words, **more)
        return self.ended(parent)

    def ended(self, parent):
        status = int(parent.stdout.readline())
        parent.wait(60)
        return status


@pytest.fixture
def stage(tmp_path):
    tmp_path.chmod(0o755)
    with contextlib.ExitStack() as stack:
        def make(answer=YES):
            made = Stage(tmp_path, answer)
            stack.callback(made.door.close)
            stack.callback(made.over.set)
            return made
        yield make


def test_a_fork_becomes_the_program(stage):
    """With the environment that supervisord meant for it, known to the guard and mortal with its parent."""
    made = stage()
    assert made.run(COMMAND) == 0
    assert (made.folder / "told").read_text() == f"7 orders h:80 {made.instance} {signal.SIGKILL:d} None\n"
    assert made.heard == [{"do": "run", "group": "primary", "name": "orders"}]


@pytest.mark.parametrize("words", [[], ["--"], ["-x"], ["--", "/nonexistent/program"]])
def test_a_wrong_command_is_left_to_zkelect_run(stage, words):
    assert stage().run(words) == 99


@pytest.mark.parametrize("changes", [{"granted": False}, {"lease": NO_LEASE}, {"group": "another"}])
def test_a_refusal_is_left_to_zkelect_run(stage, changes):
    made = stage()
    assert made.run(COMMAND, entry=made.entry._replace(**changes)) == 99
    assert not (made.folder / "told").exists()


def test_without_a_record_it_is_left_to_zkelect_run(stage):
    made = stage()
    assert made.run(COMMAND, written=False) == 99
    assert not (made.folder / "told").exists()


@pytest.mark.parametrize("answer", [b'{"ok":false,"error":"no grant"}\n', b'{"ok":true,"error":"no cgroup"}\n', None])
def test_what_the_guard_does_not_simply_grant_is_left_to_zkelect_run(stage, answer):
    made = stage(answer)
    made.patience = fork.PATIENCE
    assert made.run(COMMAND) == 99
    assert not (made.folder / "told").exists()


def test_a_grant_that_is_revoked_meanwhile_is_none(stage):
    """The last look at the record comes after the guard's answer."""
    made = stage()
    made.meanwhile = lambda: made.writer.put(made.entry._replace(granted=False, revoked=1))
    assert made.run(COMMAND) == 99
    assert not (made.folder / "told").exists()


def test_a_signal_that_stops_the_program_is_not_swallowed(stage):
    made = stage(None)
    parent, pid = made.start(COMMAND)
    until(lambda: made.heard, 30, "the fork to ask the guard")
    os.kill(pid, signal.SIGTERM)
    assert made.ended(parent) == -signal.SIGTERM


def test_after_an_upgrade_zkelect_run_decides(stage):
    """supervisord runs on with what it has imported."""
    made = stage()
    made.upgraded = True
    assert made.run(COMMAND) == 99
    assert not (made.folder / "told").exists()


def test_supervisord_starts_what_is_granted_by_itself(make_cluster, zk_server, pythons):
    cluster = make_cluster(zk_server.hosts, ("a",))
    lines = pythons(cluster["a"])
    cluster.start()
    pid = cluster.primary("a")

    def short_way():
        """Whether its next start goes without `zkelect run`. That takes over where the guard does not answer within 0.1 s."""
        nonlocal pid
        known = len(lines.read_text())
        cluster["a"].kill(pid)
        pid = cluster.primary("a", other=pid)
        more = lines.read_text()[known:]
        return "lab/service.py" in more and "zkelect run" not in more

    cluster.until(short_way, "a start by supervisord itself")


def test_what_supervisord_inherited_is_not_handed_on(make_cluster, zk_server, tmp_path):
    file = tmp_path / "inherited"
    file.touch()
    cluster = make_cluster(zk_server.hosts, ("a",))
    node = cluster["a"]
    node.wrapper = ["sh", "-c", f'exec 9<{file}; exec "$@"', "sh"]
    cluster.start()
    service, listener = cluster.primary("a"), node.listener_pid()
    assert has_open(node.supervisord_pid, file)
    assert not has_open(service, file) and not has_open(listener, file)


def has_open(pid, file):
    for one in os.scandir(f"/proc/{pid}/fd"):
        # A connection of whoever looks at the service may end meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samefile(one.path, file):
                return True
    return False


def test_another_program_called_zkelect_is_executed(make_cluster, zk_server):
    """Such as one that sets limits first."""
    cluster = make_cluster(zk_server.hosts, ("a",))
    node = cluster["a"]
    folder = node.folder / "other"
    folder.mkdir()
    zkelect = shutil.which("zkelect", path=node.environment["PATH"])
    (folder / "zkelect").write_text(f'#!/bin/sh\n[ "$1" != run ] || echo "$@" >>{folder}/runs\nexec {zkelect} "$@"\n')
    (folder / "zkelect").chmod(0o755)
    node.environment["PATH"] = f"{folder}:{node.environment['PATH']}"
    cluster.start()
    cluster.primary("a")
    assert (folder / "runs").read_text().startswith("run -- ")


def test_a_supervisord_that_cannot_be_helped_starts(tmp_path):
    """It may be of a version that starts programs in another way."""
    said = []
    options = SimpleNamespace(logger=SimpleNamespace(warn=said.append))
    assert rpcinterface.make_zkelect_rpcinterface(SimpleNamespace(options=options)) is not None
    assert len(said) == 2 and "forks cannot be prepared" in said[0] and "how programs end" in said[1]


def test_a_program_that_ends_while_there_is_no_guard_starts_with_the_next(make_cluster, zk_server):
    """And has what proves whatever it leaves behind to be the group's."""
    cluster = make_cluster(zk_server.hosts, ("a",))
    node = cluster["a"]
    cluster.start()
    pid, listener = cluster.primary("a"), node.listener_pid()
    node.freeze(listener)
    try:
        node.kill(node.guard_pid())
        before = proc.children(node.supervisord_pid)
        node.kill(pid)
        until(lambda: proc.children(node.supervisord_pid) - before, 30, "supervisord to start the program again")
    finally:
        node.thaw(listener)
    other = cluster.primary("a", other=pid)
    assert proc.environ(other).get("ZKELECT_SECRET")
