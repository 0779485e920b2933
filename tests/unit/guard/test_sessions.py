"""The sessions of supervisords, noted for the guards of those that come after them."""

import errno
import json
import os

import pytest

from supervisor_zkelect.guard import record, sessions

#: A session in which somebody lives, and one in which nobody does.
ALIVE, EMPTY = os.getsid(0), 4_000_000_000


def owner(pid, boot="boot"):
    return record.Owner(boot, "pid:[7]", pid, pid + 1)


def test_those_of_former_supervisords_are_told_while_somebody_lives_in_them(tmp_path):
    assert sessions.note(str(tmp_path), owner(1), ALIVE) == frozenset()
    assert sessions.note(str(tmp_path), owner(1), ALIVE) == frozenset(), "its own is no former one"
    assert sessions.note(str(tmp_path), owner(2), EMPTY) == {ALIVE}
    assert sessions.note(str(tmp_path), owner(3), 77) == {ALIVE}
    assert sessions.note(str(tmp_path), owner(4), ALIVE) == frozenset(), "it is that of this supervisord, too"
    assert sessions.note(str(tmp_path), owner(3, "later"), 77) == frozenset(), "another boot"


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
