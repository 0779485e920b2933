"""The sessions of supervisords, noted for the guards of those that come after them."""

import errno
import json
import subprocess
import sys

import pytest

from supervisor_zkelect.guard import record, sessions
from supervisor_zkelect.processes import proc

#: A session in which nobody lives.
EMPTY = 4_000_000_000


@pytest.fixture
def alive():
    """A session in which somebody lives. This process may have none with a number: 0 in a container that was entered."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, start_new_session=True,
    ) as leader:
        yield leader.pid


def owner(pid, boot="boot"):
    return record.Owner(boot, "pid:[7]", pid, pid + 1)


def test_those_of_former_supervisords_are_told_while_somebody_lives_in_them(tmp_path, alive):
    assert sessions.note(str(tmp_path), owner(1), alive) == frozenset()
    assert sessions.note(str(tmp_path), owner(1), alive) == frozenset(), "its own is no former one"
    assert sessions.note(str(tmp_path), owner(2), EMPTY) == {alive}
    assert sessions.note(str(tmp_path), owner(3), 77) == {alive}
    assert sessions.note(str(tmp_path), owner(4), alive) == frozenset(), "it is that of this supervisord, too"
    assert sessions.note(str(tmp_path), owner(3, "later"), 77) == frozenset(), "another boot"


def test_a_session_that_began_outside_the_container_has_no_number_that_could_be_told(tmp_path, alive, monkeypatch):
    outsider = proc.read(alive)._replace(session=0)
    monkeypatch.setattr(proc, "table", lambda: {alive: outsider})
    assert sessions.note(str(tmp_path), owner(1), 0) == frozenset()
    assert sessions.note(str(tmp_path), owner(2), alive) == frozenset(), "whoever entered the container is in session 0"
    assert sessions.note(str(tmp_path), owner(3), 0) == frozenset()


def test_the_latest_are_kept(tmp_path):
    for pid in range(1, sessions.MOST + 9):
        sessions.note(str(tmp_path), owner(pid), pid)
    noted = json.loads((tmp_path / sessions.FILE).read_text())
    assert len(noted) == sessions.MOST and list(noted.values())[-1] == sessions.MOST + 8


@pytest.mark.parametrize("text", ["", "[1]", "7", "{", '{"boot-7-1-2": "x"}', '{"boot-7-1-2": -1}', "[" * 100_000])
def test_what_is_no_such_file_tells_nothing_and_is_written_anew(tmp_path, text):
    (tmp_path / sessions.FILE).write_text(text)
    assert sessions.note(str(tmp_path), owner(2), 77) == frozenset()
    assert json.loads((tmp_path / sessions.FILE).read_text())[record.instance(owner(2))] == 77


def test_what_cannot_be_read_just_now_is_not_taken_for_nothing(tmp_path, monkeypatch):
    def scarce(path, *mode):
        raise OSError(errno.EMFILE, "no more")

    monkeypatch.setattr(sessions, "open", scarce, raising=False)
    with pytest.raises(OSError, match="no more"):
        sessions.note(str(tmp_path), owner(2), 77)


def test_what_cannot_be_written_is_told(tmp_path, monkeypatch, caplog):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sessions.files, "replace", full)
    assert sessions.note(str(tmp_path), owner(2), 77) == frozenset() and "cannot note supervisord's session" in caplog.text
