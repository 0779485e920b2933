"""What a guard's scans have seen, for the guard that comes after it."""

import errno
import json
import os
import subprocess
import threading

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.guard.members import MemberFiles
from supervisor_zkelect.processes import proc


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "1000"]) as process:
        # Until it sleeps its state is another at each look.
        yield until(lambda: (seen := proc.read(process.pid)).state == "S" and seen, 30, "the sleeper to sleep")
        process.kill()


def owner(pid, start, boot="boot"):
    return record.Owner(boot, "pid:[1]", pid, start)


def test_those_that_live_are_told_by_their_group_and_others_with_their_pid_are_not(tmp_path, sleeper):
    members = MemberFiles(str(tmp_path), owner(1, 2))
    members.keep("a/b.new", frozenset({sleeper.identity, (sleeper.pid, sleeper.start - 1), (999999999, 1)}))
    members.keep("other", frozenset({(999999999, 1)}))
    own, former = MemberFiles(str(tmp_path), owner(1, 2)).load()
    assert own == {"a/b.new": [proc.read(sleeper.pid)], "other": []} and not former
    members.keep("a/b.new", frozenset())
    members.keep("a/b.new", frozenset())
    assert MemberFiles(str(tmp_path), owner(1, 2)).load() == ({"other": []}, frozenset())


def test_what_was_removed_is_written_again(tmp_path, sleeper):
    members = MemberFiles(str(tmp_path), owner(1, 2))
    threading.Thread(target=members.run, daemon=True).start()
    members.told.put(("a", frozenset({sleeper.identity})))
    members.told.put(("b", frozenset()))
    until(lambda: os.listdir(tmp_path) == ["members-a"], 30, "the file")
    os.unlink(tmp_path / "members-a")
    members.write_again()
    until(lambda: MemberFiles(str(tmp_path), owner(1, 2)).load()[0] == {"a": [proc.read(sleeper.pid)]}, 30, "it to be back")


def test_of_former_supervisords_only_those_count_that_are_dead_and_of_this_boot(tmp_path, sleeper):
    me = proc.read(os.getpid())
    MemberFiles(str(tmp_path), owner(me.pid, me.start)).keep("living", frozenset({sleeper.identity}))
    MemberFiles(str(tmp_path), owner(me.pid, me.start - 1, "earlier")).keep("boot", frozenset({sleeper.identity}))
    assert MemberFiles(str(tmp_path), owner(1, 2)).load() == ({}, frozenset())
    MemberFiles(str(tmp_path), owner(me.pid, me.start - 1)).keep("dead", frozenset({sleeper.identity}))
    assert {one.pid for one in MemberFiles(str(tmp_path), owner(1, 2)).load()[1]} == {sleeper.pid}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"owner": [], "group": "a", "members": []}', "\0"])
def test_a_file_that_is_none_of_these_costs_the_others_nothing(tmp_path, sleeper, text, caplog):
    members = MemberFiles(str(tmp_path), owner(1, 2))
    members.keep("a", frozenset({sleeper.identity}))
    (tmp_path / "members-b").write_text(text)
    assert list(members.load()[0]) == ["a"] and "members-b: cannot read it" in caplog.text


@pytest.mark.parametrize("short", [errno.ENFILE, errno.EMFILE, errno.ENOMEM])
def test_what_cannot_be_read_just_now_is_not_taken_for_nothing(tmp_path, sleeper, short, monkeypatch):
    members = MemberFiles(str(tmp_path), owner(1, 2))
    members.keep("a", frozenset({sleeper.identity}))

    def find(pid, start):
        raise OSError(short, "no more")

    monkeypatch.setattr(proc, "find", find)
    with pytest.raises(OSError, match="no more"):
        members.load()


def test_what_cannot_be_written_is_told_once_and_read_by_nobody_else(tmp_path, sleeper, caplog):
    folder = tmp_path / "gone"
    members = MemberFiles(str(folder), owner(1, 2))
    for _ in range(3):
        members.keep("a", frozenset({sleeper.identity}))
    assert caplog.text.count("cannot write the group") == 1
    folder.mkdir()
    members.keep("a", frozenset({sleeper.identity}))
    assert os.stat(folder / "members-a").st_mode & 0o777 == 0o600
    assert json.loads((folder / "members-a").read_text())["members"] == [list(sleeper.identity)]
