"""The chain loader, as a child of a process that plays supervisord."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.demo.child import ROOT
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.system.clock import now

#: A supervisord's part: it starts the loader as its child and tells how that ended.
PARENT = """
import json, os, subprocess, sys
done = subprocess.run([os.environ.get("PYTHON", sys.executable), "-m", "supervisor_zkelect.command", "run", *json.loads(sys.argv[1])],
                      capture_output=True, text=True, user=json.loads(sys.argv[2]), group=json.loads(sys.argv[2]))
print(json.dumps([done.returncode, done.stdout, done.stderr]))
"""

SHOW = ["--", sys.executable, "-c", "import os; print(os.environ['ZKELECT_TOKEN'], os.environ['ZKELECT_ADDRESS'])"]


YES = b'{"ok":true,"error":"","secret":"s"}\n'


class Guard:
    """Answers whoever connects. answers: in turn, the last for ever, None for an end without one. heard: the messages."""

    def __init__(self, folder, answers=(YES,)):
        self.path, self.answers, self.heard = os.path.join(folder, record.SOCKET), list(answers), []
        self.door = socket.socket(socket.AF_UNIX)
        opened = os.open(folder, os.O_PATH)
        self.door.bind(f"/proc/self/fd/{opened}/{record.SOCKET}")
        os.close(opened)
        os.chmod(self.path, 0o666)
        self.door.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.door.accept()[0]
            except OSError:
                return
            with connection:
                self.heard.append(connection.recv(1000))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is not None:
                    connection.sendall(answer)

    def end(self):
        if self.door.fileno() >= 0:
            self.door.shutdown(socket.SHUT_RDWR)
            self.door.close()


class Parent:
    def __init__(self, folder):
        self.folder = folder
        self.guard = Guard(folder)
        self.entry = record.Entry("orders", "primary", "h:80", 7, True, 0, Lease.until(now() + 60, 0.0))

    def run(self, *words, entry=None, write=True, user=None, **env):
        """Write the record for a process that waits, then let that process run the loader."""
        environ = {**os.environ, record.VARIABLE: str(self.folder), "SUPERVISOR_SERVER_URL": "unix:///none",
                   "SUPERVISOR_GROUP_NAME": "primary", **env}
        code = "import sys; sys.stdin.readline()\n" + PARENT
        command = [sys.executable, "-c", code, json.dumps(words or SHOW), json.dumps(user)]
        parent = subprocess.Popen(
            command, env={name: value for name, value in environ.items() if value is not None}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )
        if write:
            writer = record.Writer(str(self.folder), record.owner_of(parent.pid), 2)
            writer.put((entry or self.entry)._replace(granted=True))
            writer.put(entry or self.entry)
            writer.open()
        return json.loads(parent.communicate("go\n", timeout=60)[0])


@pytest.fixture
def parent(tmp_path):
    tmp_path.chmod(0o755)
    made = Parent(tmp_path)
    yield made
    made.guard.end()


def test_with_a_grant_it_becomes_the_program(parent):
    assert parent.run() == [0, "7 h:80\n", ""]
    assert json.loads(parent.guard.heard[0])["do"] == "run"


@pytest.mark.parametrize("name", ["r" * 100, "r" * 250, "Läufe " * 30])
def test_a_runtime_folder_may_have_a_long_path(tmp_path, name):
    (tmp_path / name).mkdir()
    made = Parent(tmp_path / name)
    try:
        assert made.run()[0] == 0
    finally:
        made.guard.end()


@pytest.mark.parametrize("answers", [[None, YES], [None, None, b"", YES]])
def test_a_guard_that_ends_meanwhile_is_asked_again(parent, answers):
    """It was killed while the program waited for its answer, say."""
    parent.guard.answers = answers
    assert parent.run() == [0, "7 h:80\n", ""] and len(parent.guard.heard) > 1


@pytest.mark.parametrize("left", ["a socket of nobody", "no socket"])
def test_the_next_guard_is_waited_for(parent, left):
    """For some time after the end of a guard there is only its socket, or none."""
    parent.guard.answers = [None]

    def succeed():
        until(lambda: parent.guard.heard, 30, "the program to ask the first guard")
        first = parent.guard
        first.end()
        if left == "no socket":
            os.unlink(first.path)
        elsewhere = tempfile.mkdtemp(dir=parent.folder)
        second = Guard(elsewhere)
        os.replace(second.path, first.path)
        parent.guard = second

    waiting = threading.Thread(target=succeed)
    waiting.start()
    status, out, err = parent.run()
    waiting.join(30)
    assert (status, out, err) == (0, "7 h:80\n", "") and len(parent.guard.heard) == 1


@pytest.mark.parametrize("left", ["a socket of nobody", "no socket", "a guard that says nonsense"])
def test_a_program_that_cannot_register_does_not_run(parent, left):
    """Nothing would prove what it leaves behind to be the group's."""
    if left == "a guard that says nonsense":
        parent.guard.answers = [b"HTTP/1.1 400\n"]
    else:
        parent.guard.end()
    if left == "no socket":
        os.unlink(parent.guard.path)
    status, out, err = parent.run()
    assert (status, out) == (75, "") and "guard" in err and err.count("\n") == 1


@pytest.mark.parametrize("changes, told", [
    ({"granted": False}, "not primary of orders"), ({"lease": NO_LEASE}, "lease for orders is over"),
    ({"group": "another"}, "no election has the group primary"),
])
def test_without_a_grant_it_refuses_in_one_line(parent, changes, told):
    status, out, err = parent.run(entry=parent.entry._replace(**changes))
    assert (status, out) == (75, "") and told in err and err.count("\n") == 1


def test_without_a_record_or_a_supervisord_it_refuses(parent):
    assert parent.run(write=False)[0] == 75
    assert parent.run(SUPERVISOR_GROUP_NAME=None)[0] == 75
    assert parent.run(SUPERVISOR_SERVER_URL=None)[0] == 75


def test_a_record_of_another_supervisord_is_none(parent):
    """Such as that of a supervisord which is dead."""
    writer = record.Writer(str(parent.folder), record.owner_of(os.getpid()), 2)
    writer.put(parent.entry)
    writer.open()
    status, _, err = parent.run(write=False)
    assert status == 75 and "another supervisord" in err


@pytest.mark.parametrize("words, status", [([], 2), (["--"], 2), (["-x"], 2), (["--", "/nonexistent/program"], 127)])
def test_a_wrong_command_is_one_line(parent, words, status):
    found, _, err = parent.run(*words) if words else parent.run("--")
    assert found == status and "Traceback" not in err


def test_the_program_dies_with_supervisord(parent):
    marks = parent.folder / "pid"
    code = f"import os, signal; open({str(marks)!r}, 'w').write(str(os.getpid())); signal.pause()"
    script = "import sys; sys.stdin.readline()\nimport os; os.spawnvp(os.P_WAIT, sys.argv[1], sys.argv[1:])"
    env = {**os.environ, record.VARIABLE: str(parent.folder), "SUPERVISOR_SERVER_URL": "unix:///none",
           "SUPERVISOR_GROUP_NAME": "primary"}
    loader = [sys.executable, "-m", "supervisor_zkelect.command", "run", "--", sys.executable, "-c", code]
    process = subprocess.Popen([sys.executable, "-c", script, *loader], env=env, stdin=subprocess.PIPE)
    writer = record.Writer(str(parent.folder), record.owner_of(process.pid), 2)
    writer.put(parent.entry)
    writer.open()
    process.stdin.write(b"go\n")
    process.stdin.flush()
    pid = int(until(lambda: marks.exists() and marks.read_text(), 30, "the program to run"))
    process.kill()
    process.wait(30)
    until(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read().split()[2], 10,
          "the program to die with its parent")


@pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/usr/bin/python3"), reason="takes root, and an interpreter that all may run"
)
def test_it_works_as_another_user():
    """With no more than these modules of the package, and the interpreter that every user may run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        package = folder / "supervisor_zkelect"
        package.mkdir()
        for module in ("__init__", "command", "core/__init__", "core/lease", "guard/__init__", "guard/record", "loader/__init__",
                       "loader/lean", "loader/run", "system/__init__", "system/clock"):
            to = package / f"{module}.py"
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(ROOT, "supervisor_zkelect", f"{module}.py"), to)
        program = ["--", "/usr/bin/python3", "-c", SHOW[-1].replace("print(", "print(os.geteuid(), ")]
        parent = Parent(folder)
        try:
            status, out, err = parent.run(*program, user=65534, PYTHONPATH=str(folder), PYTHON="/usr/bin/python3")
        finally:
            parent.guard.end()
        assert (status, out) == (0, "65534 7 h:80\n"), err
