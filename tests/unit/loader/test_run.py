"""What the chain loader decides: whether a program may start, and with which environment."""

import json
import os
import socket
import threading

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import record
from supervisor_zkelect.loader import lean, run
from supervisor_zkelect.system.clock import now

ENTRY = record.Entry("orders", "primary", "h:80", 7, True, 0, Lease(1.0, 2.0, 3.0))
YES = b'{"ok":true,"error":"","secret":"s3"}\n'


class Executed(Exception):
    """The program was executed. args: what is given to execvpe."""


class Node:
    """A supervisord, which is this process's parent; its record; and a guard that answers in turn, the last answer for ever.

    before: is called before each answer.
    """

    def __init__(self, folder, monkeypatch):
        os.chmod(folder, 0o755)
        self.folder, self.answers, self.heard, self.before = str(folder), [YES], [], lambda: None
        self.environ = {record.VARIABLE: self.folder, "SUPERVISOR_SERVER_URL": "unix:///none", "SUPERVISOR_GROUP_NAME": "primary"}
        self.owner = record.owner_of(os.getppid())
        self.writer = record.Writer(self.folder, self.owner, 2)
        self.put()
        self.writer.open()
        self.tied, self.complaints = [], []
        monkeypatch.setattr(lean, "prctl", lambda *arguments: self.tied.append(arguments) or 0)
        monkeypatch.setattr(os, "execvpe", self._execute)
        self._door = socket.socket(socket.AF_UNIX)
        # A socket's path has room for 107 bytes.
        opened = os.open(self.folder, os.O_PATH)
        self._door.bind(f"/proc/self/fd/{opened}/{record.SOCKET}")
        os.close(opened)
        self._door.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _execute(self, *arguments):
        raise Executed(*arguments)

    def _serve(self):
        while True:
            try:
                link = self._door.accept()[0]
            except OSError:
                return
            with link:
                self.heard.append(json.loads(link.recv(1000)))
                self.before()
                link.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def put(self, **changes):
        entry = ENTRY._replace(lease=Lease.until(now() + 60.0, 0.5))
        self.writer.put(entry._replace(granted=True))
        self.writer.put(entry._replace(**changes))

    def close(self):
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def become(self, patience=20.0, command=("svc", "-x"), **environ):
        given = {name: value for name, value in {**self.environ, **environ}.items() if value is not None}
        run.become(list(command), given, patience, self.complaints.append)

    def refusal(self, **options):
        with pytest.raises(run.Refused) as refused:
            self.become(**options)
        return str(refused.value)


@pytest.fixture
def node(tmp_path, monkeypatch):
    made = Node(tmp_path, monkeypatch)
    yield made
    made.close()


def test_with_a_grant_it_becomes_the_program_that_is_told_its_term(node):
    with pytest.raises(Executed) as executed:
        node.become(SUPERVISOR_PROCESS_NAME="svc_00", ZKELECT_SECRET="another's", PATH="/p")
    assert executed.value.args == ("svc", ["svc", "-x"], {
        **node.environ, "SUPERVISOR_PROCESS_NAME": "svc_00", "PATH": "/p", "ZKELECT_TOKEN": "7", "ZKELECT_ELECTION": "orders",
        "ZKELECT_ADDRESS": "h:80", "ZKELECT_INSTANCE": record.instance(node.owner), "ZKELECT_SECRET": "s3",
    })
    assert node.heard == [{"do": "run", "group": "primary", "name": "svc_00"}] and node.complaints == []
    # PR_SET_PDEATHSIG, SIGKILL.
    assert node.tied == [(1, 9, 0, 0, 0)]


def test_without_a_secret_of_its_own_it_has_none(node):
    node.answers = [b'{"ok":true,"error":""}\n']
    with pytest.raises(Executed) as executed:
        node.become(ZKELECT_SECRET="another's")
    assert "ZKELECT_SECRET" not in executed.value.args[2] and node.heard[0]["name"] == ""


@pytest.mark.parametrize("missing", ["SUPERVISOR_SERVER_URL", "SUPERVISOR_GROUP_NAME"])
def test_what_supervisord_did_not_start_is_refused(node, missing):
    assert node.refusal(**{missing: None}) == "it was not started by supervisord" and node.tied == []


def test_without_a_grant_it_is_refused_and_asks_nobody(node):
    node.put(granted=False)
    assert node.refusal() == "this node is not primary of orders"
    node.put(lease=Lease.until(now() + 0.4, 0.5))
    assert node.refusal() == "its lease for orders is over"
    assert node.refusal(SUPERVISOR_GROUP_NAME="other") == "there is no record of a listener: no election has the group other"
    assert node.heard == []


def test_what_was_granted_anew_meanwhile_is_another_term(node):
    """Its token and address would be those of the former one."""
    node.before = lambda: node.put(token=ENTRY.token + 1)
    assert node.refusal() == f"the term {ENTRY.token} is over, and {ENTRY.token + 1} has begun"


def test_a_lease_covers_until_the_kill():
    assert run.forbidden(ENTRY, 1.9) == ""
    assert run.forbidden(ENTRY, 2.0) == "its lease for orders is over"
    assert run.forbidden(ENTRY._replace(granted=False), 1.9) == "this node is not primary of orders"


def test_without_a_record_of_this_supervisords_it_is_refused(node, tmp_path):
    nowhere = str(tmp_path / "nowhere")
    refusal = node.refusal(**{record.VARIABLE: nowhere})
    assert refusal == f"there is no record of a listener: {nowhere}: No such file or directory"
    record.Writer(node.folder, node.owner._replace(start=1), 2).open()
    assert node.refusal() == "there is no record of a listener: it belongs to another supervisord, or to an earlier boot"


def test_a_supervisord_that_died_meanwhile_starts_nothing(node, monkeypatch):
    parents = iter([os.getppid(), 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    assert node.refusal() == "supervisord is dead" and node.tied


def test_a_folder_that_another_listener_left_is_passed_over(node, tmp_path, monkeypatch):
    left, empty = tmp_path / "left", tmp_path / "empty"
    for folder in (left, empty):
        folder.mkdir(mode=0o755)
    writer = record.Writer(str(left), node.owner, 1)
    writer.put(ENTRY)
    writer.open()
    asked = []
    monkeypatch.setattr(record, "find_folders", lambda *arguments: asked.append(arguments) or [str(empty), str(left), node.folder])
    with pytest.raises(Executed):
        node.become()
    assert asked[0][0] == "unix:///none" and asked[0][1] == os.stat(f"/proc/{os.getppid()}").st_uid and asked[0][2] == node.environ
    node.put(granted=False)
    assert node.refusal() == (
        f"there is no record of a listener: {empty}/record: No such file or directory; its lease for orders is over; "
        "this node is not primary of orders"
    )


@pytest.mark.parametrize("change, why", [
    ({"granted": False}, "this node is not primary of orders"), ({"lease": Lease(1.0, 2.0, 3.0)}, "its lease for orders is over"),
])
def test_what_is_revoked_while_it_registers_does_not_start(node, change, why):
    node.before = lambda: node.put(**change)
    assert node.refusal() == why and node.heard


def test_in_a_pause_programs_start_whatever_became_of_the_deadline():
    paused = ENTRY._replace(lease=Lease(1.0, 2.0, 3.0, float("inf")))
    assert run.forbidden(paused, 100.0) == "" and run.forbidden(paused._replace(granted=False), 100.0)
    assert run.forbidden(ENTRY._replace(lease=Lease(1.0, 2.0, 3.0, 101.0)), 100.0).endswith("is over"), "kill_time before its end"


def test_a_record_that_is_lost_while_it_registers_is_a_refusal(node):
    node.before = lambda: os.unlink(os.path.join(node.folder, record.RECORD))
    assert node.refusal() == f"{node.folder}/record: No such file or directory"


def test_a_guard_that_knows_of_no_grant_is_believed(node):
    node.answers = [b'{"ok":false,"error":"revoked"}\n']
    assert node.refusal() == "the guard refuses this program: revoked"


def test_what_the_guard_finds_amiss_is_told_without_the_secret(node, monkeypatch):
    node.answers = [b'{"ok":true,"error":"no cgroup","secret":"s3"}\n']
    monkeypatch.setattr(lean, "prctl", lambda *_: 22)
    with pytest.raises(Executed) as executed:
        node.become()
    assert node.complaints == [
        "this program will not die with supervisord: prctl gives 22", "the guard says: no cgroup",
    ]
    assert executed.value.args[2]["ZKELECT_SECRET"] == "s3"


def test_whatever_bytes_a_guard_answers_are_taken_for_what_they_are(node):
    node.answers = [b'{"ok":false,"error":"\xff"}\n']
    assert node.refusal() == "the guard refuses this program: \ufffd"
    node.answers = [b'{"ok":true,"error":"\xff","secret":"\xff","more":"x"}\n']
    with pytest.raises(Executed) as executed:
        node.become()
    assert node.complaints == ["the guard says: \ufffd"] and executed.value.args[2]["ZKELECT_SECRET"] == "\ufffd"
    node.answers = [b'{"ok":true,"error":"no cgroup"}']
    with pytest.raises(Executed) as executed:
        node.become()
    assert node.complaints[1:] == ["the guard says: no cgroup"] and "ZKELECT_SECRET" not in executed.value.args[2]


def test_a_guard_that_hangs_up_is_asked_again_and_not_for_ever(node):
    node.answers = [b"", b"", YES]
    with pytest.raises(Executed):
        node.become()
    assert len(node.heard) == 3
    node.answers = [b""]
    began = now()
    assert node.refusal(patience=0.05) == "the guard does not answer (it hung up)"
    assert now() - began < 10.0


def test_without_a_guard_it_is_refused_after_a_while(node):
    os.unlink(os.path.join(node.folder, record.SOCKET))
    assert node.refusal(patience=0.05) == "the guard does not answer ([Errno 2] No such file or directory)"


def test_a_crowded_door_is_tried_again_soon_and_a_missing_guard_later(node, monkeypatch):
    pauses, errors = [], [BlockingIOError(11, "busy"), ConnectionRefusedError(111, "refused"), OSError()]

    def converse(folder, message, until):
        if errors:
            raise errors.pop(0)
        return YES

    monkeypatch.setattr(run, "_converse", converse)
    monkeypatch.setattr(run.time, "sleep", pauses.append)
    with pytest.raises(Executed):
        node.become()
    assert pauses == [run.RETRY_PACE, run.AWAY_PACE, run.AWAY_PACE]
    errors.append(OSError())
    assert node.refusal(patience=0.0) == "the guard does not answer (OSError)"
    errors.append(BlockingIOError(11, "busy"))
    assert node.refusal(patience=0.0) == "the guard does not answer ([Errno 11] busy)"


@pytest.mark.parametrize("name", ["svc", "svc ä\u2028", 'a"b', "a\\b", "a\tb", "\udcff"])
def test_any_name_reaches_the_guard_as_it_is(node, name):
    with pytest.raises(Executed):
        node.become(SUPERVISOR_PROCESS_NAME=name)
    assert node.heard[0]["name"] == name


@pytest.mark.parametrize("words, command", [
    ([], []), (["--"], []), (["-x"], []), (["--", "-x"], []), (["svc", "--", "-x"], ["svc", "--", "-x"]), (["--", "svc", "-x"], ["svc", "-x"]),
    (["--", "--", "svc"], []),
])
def test_the_command_begins_after_the_dashes_and_is_no_option(words, command):
    assert run.command_of(words) == command


# As a program


@pytest.fixture
def program(node, monkeypatch):
    for name, value in node.environ.items():
        monkeypatch.setenv(name, value)
    return node


def test_the_program_says_how_it_is_used(program, capsys):
    for words in (["-h"], ["--help"], ["-h", "x"]):
        assert run.main(words) == 0
        assert capsys.readouterr().out == "zkelect run -- COMMAND ARGUMENTS\n"
    assert run.main(["-x"]) == 2
    assert capsys.readouterr() == ("", "zkelect run: write `zkelect run -- COMMAND ARGUMENTS`\n")


def test_the_program_becomes_its_command(program):
    with pytest.raises(Executed) as executed:
        run.main(["--", "svc", "-x"])
    assert executed.value.args[:2] == ("svc", ["svc", "-x"]) and executed.value.args[2]["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize("again", [False, True])
def test_what_is_amiss_and_hinders_no_start_is_told_on_standard_error(program, monkeypatch, capsys, again):
    monkeypatch.setattr(lean, "prctl", lambda *_: 22)
    if again:
        program.put(granted=False)
        monkeypatch.setattr(run, "_tell_guard", lambda reason: program.put() or True)
    with pytest.raises(Executed):
        run.main(["--", "svc"])
    assert capsys.readouterr() == ("", "zkelect run: this program will not die with supervisord: prctl gives 22\n")


def test_a_refusal_is_told_to_the_guard_and_on_standard_error(program, capsys):
    program.put(granted=False)
    program.answers = [b'{"ok":true}\n']
    assert run.main(["--", "svc"]) == 75
    assert capsys.readouterr() == ("", "zkelect run: primary may not start here: this node is not primary of orders\n")


def test_it_tries_again_where_the_guard_has_restored_something(program, monkeypatch):
    program.put(granted=False)
    told = []
    monkeypatch.setattr(run, "_tell_guard", lambda reason: told.append(reason) or program.put() or True)
    with pytest.raises(Executed) as executed:
        run.main(["--", "svc"])
    assert told == ["this node is not primary of orders"] and executed.value.args[:2] == ("svc", ["svc"])


def test_a_program_without_a_group_is_refused_as_well(program, monkeypatch, capsys):
    monkeypatch.delenv("SUPERVISOR_GROUP_NAME")
    assert run.main(["--", "svc"]) == 75
    assert capsys.readouterr().err == "zkelect run: the program may not start here: it was not started by supervisord\n"


@pytest.mark.parametrize("error, status", [(FileNotFoundError(2, "No such file"), 127), (PermissionError(13, "Permission denied"), 126)])
def test_a_command_that_cannot_be_executed_has_the_shells_status(program, monkeypatch, capsys, error, status):
    def fail(*_):
        raise error

    monkeypatch.setattr(os, "execvpe", fail)
    assert run.main(["--", "svc"]) == status
    assert capsys.readouterr().err == f"zkelect run: svc: {error.strerror}\n"
