"""Which record is believed, on real files."""

import errno
import math
import os
import subprocess
import sys

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import book, record
from supervisor_zkelect.web.witness import Witness

ENTRY = record.Entry("orders", "primary", "a:80", 7, True, 0, Lease(1.0, 2.0, 3.0), True)


@pytest.fixture
def folder(tmp_path):
    os.chmod(tmp_path, 0o755)
    return str(tmp_path)


@pytest.fixture
def look(folder):
    """Looks at the record in the folder. ancestor: as `Witness` has it."""
    return lambda ancestor=False: Witness("unix:///s", [os.geteuid()], ancestor, {record.VARIABLE: folder}).look()


OWN = record.owner_of(os.getpid())[2:]


def written(folder, owner, *entries, writer=OWN):
    writer = record.Writer(folder, owner, 2, writer)
    for entry in entries:
        writer.put(entry)
    writer.beat(5.0)
    writer.open()
    return writer


def test_the_record_of_a_living_supervisord_is_believed(folder, look):
    written(folder, record.owner_of(os.getppid()), ENTRY)
    seen = look()
    assert seen.trouble == "" and seen.record == record.Record(5.0, [ENTRY], OWN) and seen.at > 0
    assert look(True).record == seen.record


def test_that_of_a_dead_one_is_not(folder, look):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        written(folder, record.owner_of(process.pid), ENTRY)
        assert look().record is not None
        process.communicate()
    assert look().record is None and look().trouble.endswith("its supervisord is dead")


def test_nor_that_of_another_life_with_the_same_pid(folder, look):
    owner = record.owner_of(os.getppid())
    written(folder, owner._replace(start=owner.start + 1), ENTRY)
    assert look().trouble.endswith("its supervisord is dead")


@pytest.mark.parametrize("change", [{"boot": "another"}, {"namespace": "pid:[1]"}])
def test_nor_that_of_another_boot_or_of_another_pid_namespace(folder, look, change):
    written(folder, record.owner_of(os.getppid())._replace(**change), ENTRY)
    assert look().record is None and "of another boot, or of another pid namespace" in look().trouble


def test_where_supervisord_has_started_this_program_only_its_own_record_counts(folder, look):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        written(folder, record.owner_of(process.pid), ENTRY)
        assert look().record is not None
        assert look(True).record is None and "another supervisord than the one that has started" in look(True).trouble
        process.communicate()


def test_it_is_read_afresh_each_time(folder):
    writer = written(folder, record.owner_of(os.getppid()), ENTRY)
    one = Witness("unix:///s", [os.geteuid()], False, {record.VARIABLE: folder})
    assert one.look().record.entries == [ENTRY]
    writer.put(ENTRY._replace(granted=False))
    assert one.look().record.entries == [ENTRY._replace(granted=False)]


def test_without_a_record_why_is_told(folder, look):
    assert look().record is None and "No such file" in look().trouble
    os.chmod(folder, 0o777)
    assert "can be written by others" in look().trouble


def test_a_record_that_is_torn_is_none(folder, look):
    written(folder, record.owner_of(os.getppid()), ENTRY)
    path = os.path.join(folder, record.RECORD)
    with open(path, "r+b") as file:
        file.seek(record.BLOCK + 20)
        file.write(b"x")
    assert look().record is None and "torn" in look().trouble


def test_one_that_is_being_made_is_none(folder, look):
    record.Writer(folder, record.owner_of(os.getppid()), 2)
    assert look().record is None and "a guard is making it" in look().trouble


@pytest.mark.parametrize("writer", [(0, 0), (-1, 0), (2**22 + 1, 0), "another life"])
def test_one_whose_guard_is_dead_is_none(folder, look, writer):
    """It may have revoked what it could not write, and nothing shows that any more."""
    own = record.owner_of(os.getpid())
    written(folder, record.owner_of(os.getppid()), ENTRY, writer=(own.pid, own.start + 1) if writer == "another life" else writer)
    assert look().record is None and look().trouble == "the guard is dead"


def test_one_whose_guard_cannot_be_looked_at_is_none(folder, monkeypatch):
    written(folder, record.owner_of(os.getppid()), ENTRY)
    one = Witness("unix:///s", [os.geteuid()], False, {record.VARIABLE: folder})
    assert one.look().record is not None

    def opened(path, *words, **more):
        if path.endswith("/comm"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return open(path, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(record, "open", opened, raising=False)
        assert one.look().record is None and one.look().trouble.startswith("the guard cannot be looked at: ")
    assert one.look().record is not None


def test_what_could_not_be_looked_at_once_is_looked_at_again(folder, monkeypatch):
    written(folder, record.owner_of(os.getppid()), ENTRY)
    one = Witness("unix:///s", [os.geteuid()], False, {record.VARIABLE: folder})

    def refuse(pid):
        raise record.RecordError("Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(record, "owner_of", refuse)
        assert one.look().trouble == "Too many open files"
    assert one.look().record is not None


def test_one_too_old_to_tell_who_writes_it_is_judged_by_its_silence(folder, look):
    writer = record.Writer(folder, record.owner_of(os.getppid()), 2)
    writer.put(ENTRY)
    writer.open()
    assert look().record == record.Record(-math.inf, [ENTRY])


def test_one_whose_guard_shows_that_it_could_not_be_written_is_not_believed(folder, look):
    mine = book.Book(folder, record.owner_of(os.getppid()), 2)
    mine.put(ENTRY)
    mine.beat(5.0)
    mine.open()
    assert look().record is not None
    try:
        mine.doubt(True)
        assert look().record is None and look().trouble == "the guard cannot write its record"
    finally:
        mine.doubt(False)
    assert look().record is not None
