"""The listener's side of the conversation with a guard."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import link, process, protocol, record
from supervisor_zkelect.processes import proc


@pytest.fixture
def posted():
    return queue.SimpleQueue()


@pytest.fixture
def greeted(tmp_path, monkeypatch, posted):
    """The guard's end of a conversation that a listener has opened."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(record.SOCKET)
        listening.listen(1)
        terms = process.Terms(str(tmp_path), record.owner_of(os.getpid())._replace(pid=1, start=1), "unix:///none", "none", 2.0, 1)
        link.Link(terms, (None, None), posted.put).open({})
        connection, _ = listening.accept()
    return connection


def test_an_order_that_the_guard_refuses_does_not_end_the_conversation(greeted, posted):
    """Else one order that goes wrong in the guard would cost all groups their leases."""
    echo = protocol.LeaseEcho(1, 2.0)
    with greeted as connection:
        welcome = protocol.Welcome(True, False, protocol.VERSION, {}, os.getpid(), "")
        connection.sendall(protocol.TO_LISTENER.encode(welcome))
        connection.sendall(b'{"ok":false,"error":"not understood"}\n' + protocol.TO_LISTENER.encode(echo))
        assert isinstance(posted.get(timeout=60), protocol.Welcome)
        assert posted.get(timeout=60) == echo
    assert isinstance(posted.get(timeout=60), link.GuardDown)


def standing_still(*words):
    """A process that does nothing, with these arguments."""
    made = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()", *words])
    # It has none for some microseconds within execve(2), after which Popen knows that it has worked.
    until(lambda: proc.cmdline(made.pid), 60, "its arguments")
    return made


@pytest.mark.parametrize("words, replaced", [
    ("-m supervisor_zkelect.guard.process", True), ("-m supervisor_zkelect.guardmain", True), ("zkelect listen", False),
])
def test_a_guard_of_another_version_is_replaced_unless_a_listener_is_the_guard(greeted, posted, words, replaced):
    """It keeps what a listener left for as long as one runs, which would wait for it in vain."""
    guard = standing_still(*words.split())
    try:
        with greeted as connection:
            answer = {"event": "Welcome", "ok": False, "busy": False, "v": 3, "groups": {}, "pid": guard.pid, "cgroups": ""}
            connection.sendall(json.dumps(answer).encode() + b"\n")
            assert posted.get(timeout=60) == link.GuardBusy()
        if replaced:
            assert guard.wait(60) == -signal.SIGKILL
        else:
            assert guard.poll() is None
    finally:
        guard.kill()
        guard.wait(60)


def test_the_guard_of_another_supervisord_that_lives_is_left_alone(greeted, posted, tmp_path):
    guard = standing_still("-m", "supervisor_zkelect.guard.process")
    writer = record.Writer(str(tmp_path), record.owner_of(os.getpid()), 1)
    writer.open()
    writer.put(record.Entry("orders", "primary", "a:1", 7, True, 0, Lease(1.0, 2.0, 3.0)))
    try:
        with greeted as connection:
            answer = {"event": "Welcome", "ok": False, "busy": False, "v": 3, "groups": {}, "pid": guard.pid, "cgroups": ""}
            connection.sendall(json.dumps(answer).encode() + b"\n")
            assert posted.get(timeout=60) == link.GuardBusy()
        assert guard.poll() is None
    finally:
        guard.kill()
        guard.wait(60)
        writer.close()


def test_a_guard_that_takes_no_connection_is_replaced(tmp_path, monkeypatch, posted):
    """Anybody may fill the queue of one that stands still, and whoever waits for room in it would wait for ever."""
    monkeypatch.chdir(tmp_path)
    guard = standing_still("-m", "supervisor_zkelect.guard.process")
    owner = record.owner_of(os.getpid())
    writer = record.Writer(str(tmp_path), owner, 1, (guard.pid, proc.read(guard.pid).start))
    writer.open()
    crowd = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(record.SOCKET)
        listening.listen(0)
        try:
            while True:
                crowd.append(socket.socket(socket.AF_UNIX))
                crowd[-1].setblocking(False)
                crowd[-1].connect(record.SOCKET)
        except BlockingIOError:
            pass
        link.Link(process.Terms(str(tmp_path), tuple(owner), "unix:///none", "none", 2.0, 1), (None, None), posted.put).open({})
        assert posted.get(timeout=60) == link.GuardBusy()
    assert guard.wait(60) == -signal.SIGKILL
    for one in crowd:
        one.close()
    writer.close()


@pytest.mark.parametrize("fails, killed", [(1, True), (2, False)])
def test_a_guard_that_cannot_be_ended_for_want_of_descriptors_is_left_to_the_next_call(posted, monkeypatch, fails, killed):
    """The listener that is to replace it must not end of that."""
    guard, read, left = standing_still("-m", "supervisor_zkelect.guard.process"), proc.read, [OSError(24, "no more")] * fails

    def look(pid):
        if left:
            raise left.pop()
        return read(pid)

    monkeypatch.setattr(proc, "read", look)
    spent = []
    monkeypatch.setattr(link.reserve, "spend", lambda: spent.append(True))
    one = link.Link(process.Terms("/", ("b", "n", 1, 2), "unix:///none", "none", 2.0, 1), (None, None), posted.put)
    one.pid = guard.pid
    try:
        one.replace()
        assert spent == [True] and (guard.wait(60) == -signal.SIGKILL if killed else guard.poll() is None)
        one.replace()
        assert guard.wait(60) == -signal.SIGKILL
    finally:
        guard.kill()
        guard.wait(60)
