"""The command that `zkelect primary --watch --exec` runs at each change."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from supervisor_zkelect.core.sighting import Known
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.operators.reaction import RESTS, Reaction
from supervisor_zkelect.processes import proc

#: Seconds that anything may take.
LONG = 20

#: Writes what it is told, and waits until a file is there; its status is what that has.
COMMAND = """
echo "$ZKELECT_ELECTION|$ZKELECT_PRIMARY|$ZKELECT_TOKEN|$MINE" >>"$1/told"
while [ ! -e "$1/go" ]; do sleep 0.01; done
exit $(cat "$1/go")
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("MINE", "kept")
    return ["sh", "-c", COMMAND, "sh", str(tmp_path)]


@pytest.fixture
def told(tmp_path):
    def lines():
        path = tmp_path / "told"
        return path.read_text().splitlines() if path.exists() else []

    return lines


@contextlib.contextmanager
def errors_of(tmp_path):
    """What has been written to standard error so far, by the command as well. pytest's own capture may not be read while somebody
    writes: it goes back to the beginning of the file that all of them share."""
    kept, former = os.dup(2), sys.stderr
    with open(tmp_path / "errors", "a", buffering=1) as file:
        try:
            os.dup2(file.fileno(), 2)
            sys.stderr = file
            yield (tmp_path / "errors").read_text
        finally:
            sys.stderr = former
            os.dup2(kept, 2)
            os.close(kept)


def wait_for(told, *lines):
    until(lambda: told() == list(lines), LONG, f"{lines}, and not {told()}")


def test_it_runs_with_what_is_known_and_one_run_at_a_time(command, told, tmp_path, capfd):
    with Reaction(command, "orders") as reaction:
        reaction.note(Known("a:1", 7, "a"))
        wait_for(told, "orders|a:1|7|kept")
        # While it runs only the latest change is kept.
        for known in (Known(""), Known("b:1", 8, "b"), Known("c:1")):
            reaction.note(known)
        (tmp_path / "go").write_text("0")
        wait_for(told, "orders|a:1|7|kept", "orders|c:1||kept")
        reaction.note(Known(""))
        wait_for(told, "orders|a:1|7|kept", "orders|c:1||kept", "orders|||kept")
    assert capfd.readouterr() == ("", "")


def test_what_came_back_to_what_it_was_told_is_no_change(command, told, tmp_path):
    first = Known("a:1", 7, "a")
    with Reaction(command, "orders") as reaction:
        reaction.note(first)
        wait_for(told, "orders|a:1|7|kept")
        reaction.note(Known(""))
        reaction.note(first)
        (tmp_path / "go").write_text("0")
        until(lambda: reaction._next is None, LONG, "the change to be looked at")
        reaction.note(Known("b:1"))
        wait_for(told, "orders|a:1|7|kept", "orders|b:1||kept")


def test_a_failure_is_told_in_one_line_and_tried_at_once_when_something_is_told(command, told, tmp_path):
    (tmp_path / "go").write_text("3")
    with errors_of(tmp_path) as errors, Reaction(command, "orders", (1000.0,)) as reaction:
        reaction.note(Known("a:1", 7))
        told_error = "zkelect: sh: exit status 3; it runs again in 1000 s, or when orders's primary changes\n"
        until(lambda: errors() == told_error, LONG, "the line")
        # Also where the change comes back to what failed.
        reaction.note(Known("a:1", 7))
        wait_for(told, "orders|a:1|7|kept", "orders|a:1|7|kept")


def test_a_failure_is_tried_again_though_nothing_changes_until_it_is_done(command, told, tmp_path, capfd):
    (tmp_path / "go").write_text("3")
    with Reaction(command, "orders", (0.01, 0.02)) as reaction:
        reaction.note(Known("a:1", 7))
        until(lambda: len(told()) >= 4, LONG, "three more runs")
        (tmp_path / "go").write_text("0")
        reaction.note(Known("b:1", 8))
        until(lambda: told()[-1] == "orders|b:1|8|kept", LONG, "the change")
        until(lambda: reaction._next is None, LONG, "the change to be taken")
    lines = told()
    assert lines.count("orders|b:1|8|kept") == 1 and set(lines[:-1]) == {"orders|a:1|7|kept"}
    errors = capfd.readouterr().err.splitlines()
    assert "again in 0.01 s" in errors[0] and "again in 0.02 s" in errors[1] and "again in 0.02 s" in errors[2]


def test_the_rests_grow_to_half_a_minute():
    assert RESTS == (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


def test_it_ends_at_once_while_it_waits_for_another_try(tmp_path):
    with errors_of(tmp_path) as errors, Reaction(["false"], "orders", (1000.0,)) as reaction:
        reaction.note(Known("a:1"))
        until(lambda: "exit status 1" in errors(), LONG, "the line")
    assert "zkelect-exec" not in {one.name for one in threading.enumerate()}


def test_a_command_that_cannot_be_started_is_told(tmp_path):
    gone = tmp_path / "gone"
    with errors_of(tmp_path) as errors, Reaction([str(gone)], "orders", (1000.0,)) as reaction:
        reaction.note(Known("a:1"))
        until(lambda: "cannot be started" in errors(), LONG, "the line")
        gone.write_text("#!/bin/sh\necho on standard output; kill -9 $$\n")
        gone.chmod(0o755)
        reaction.note(Known("b:1"))
        until(lambda: "killed by SIGKILL" in errors(), LONG, "the line")
    assert errors().splitlines() == [
        f"zkelect: {gone}: cannot be started: No such file or directory; it runs again in 1000 s, or when orders's primary changes",
        "on standard output",
        f"zkelect: {gone}: killed by SIGKILL; it runs again in 1000 s, or when orders's primary changes",
    ]


def test_one_whose_end_cannot_be_waited_for_is_killed_and_tried_again(tmp_path, monkeypatch):
    opened, script = os.pidfd_open, 'echo $$ >>"$1/pids"; exec sleep 1000'
    want = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.EPERM, "Operation not permitted")]

    def pidfd_open(pid, flags=0):
        if want and flags == 0 and threading.current_thread().name == "zkelect-exec":
            raise want.pop()
        return opened(pid, flags)

    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    with errors_of(tmp_path) as errors, Reaction(["sh", "-c", script, "sh", str(tmp_path)], "orders", (0.01,)) as reaction:
        reaction.note(Known("a:1"))
        until(lambda: not want and any(map(runs, pids(tmp_path))), LONG, "the third run")
    assert errors().count("was killed, as its end could not be waited for") == 2 and "Too many open files" in errors()
    assert not any(map(runs, pids(tmp_path)))


def test_how_it_ended_is_known_where_who_started_the_tool_ignores_that(tmp_path):
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with errors_of(tmp_path) as errors, Reaction(["sh", "-c", "exit 3"], "orders", (1000.0,)) as reaction:
            reaction.note(Known("a:1"))
            until(lambda: "exit status 3" in errors(), LONG, "the line")
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, former)


#: Leaves a child in a session of its own, whose number it writes, and runs on.
TREE = 'setsid sh -c \'echo $$ >>"$0/pids"; exec sleep 1000\' "$1" & echo $$ >>"$1/pids"; wait'


def pids(folder):
    path = folder / "pids"
    return [proc.read(int(line)) for line in path.read_text().split()] if path.exists() else []


def runs(process):
    return process is not None and proc.alive(process)


def test_it_is_killed_as_a_tree(tmp_path):
    with Reaction(["sh", "-c", TREE, "sh", str(tmp_path)], "orders") as reaction:
        reaction.note(Known("a:1"))
        until(lambda: len(pids(tmp_path)) == 2, LONG, "both processes")
        both = pids(tmp_path)
        assert all(map(runs, both))
    until(lambda: not any(map(runs, both)), LONG, "both to be dead")
    assert "zkelect-exec" not in {one.name for one in threading.enumerate()}


TOOL = """
import signal, sys
from supervisor_zkelect.core.sighting import Known
from supervisor_zkelect.operators.reaction import Reaction
with Reaction(sys.argv[1:], "orders") as reaction:
    reaction.note(Known("a:1"))
    while True:
        signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_the_tool(number, tmp_path):
    tool = subprocess.Popen(
        [sys.executable, "-c", TOOL, "sh", "-c", TREE, "sh", str(tmp_path)], stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    try:
        until(lambda: len(pids(tmp_path)) == 2, LONG, "both processes")
        both = sorted(pids(tmp_path), key=lambda one: one.ppid != tool.pid)
        tool.send_signal(number)
        status = tool.wait(LONG)
        if number in (signal.SIGTERM, signal.SIGHUP):
            assert status == 128 + number
        # Killed outright, it can do nothing for what the command has started.
        mine = both[:1] if number == signal.SIGKILL else both
        until(lambda: not any(map(runs, mine)), LONG, "them to be dead")
    finally:
        tool.kill()
        for one in filter(runs, both):
            os.kill(one.pid, signal.SIGKILL)
