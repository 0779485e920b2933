"""What a guard puts back of its runtime folder, and the names that nobody can remove."""

import errno
import os
import socket
import subprocess
import sys

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import kept_log, locks, record, registration, saved_session, sessions, upkeep
from supervisor_zkelect.system import files
from tests.unit.guard.test_record import ENTRY, OWNER, written

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")

ELECTION = saved_session.SavedElection("orders", "primary", "/e", "n-", "/ack")
SESSION = saved_session.Saved(7, "00ff", 4.0, OWNER, "a", "zk:2181", [ELECTION])

NAMING = """
import sys
from supervisor_zkelect.guard import locks
free, door = locks.claim(sys.argv[1], locks.GUARD)
print(free, door is not None, flush=True)
sys.stdin.read()
"""


class Kept:
    """A runtime folder with what a guard and a listener have in it."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.writer = written(self.folder, ENTRY)
        self.store = saved_session.Store(self.folder)
        self.store.save(SESSION)
        self.lock = locks.take(self.path(record.GUARD_LOCK))
        self.key = registration.Key(self.folder)
        for name in (record.CONFIGURATION, sessions.FILE):
            files.replace(self.path(name), 10 * name.encode())
        log = kept_log.open_log(self.folder)
        self.written_again = []
        self.upkeep = upkeep.Upkeep(
            self.folder, self.lock, log, self.writer, self.key, self.open_door, lambda: self.written_again.append(True)
        )
        self.upkeep.begin()
        self.look()

    def open_door(self, folder):
        open(os.path.join(folder, record.SOCKET), "w").close()
        self.upkeep.door_is = os.lstat(os.path.join(folder, record.SOCKET))

    def path(self, name):
        return os.path.join(self.folder, name)

    def look(self, alone=True):
        return self.upkeep.look(alone, -1)


@pytest.fixture
def kept(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(0o755)
    return Kept(folder)


def remove_all(folder):
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def test_all_is_made_anew(kept):
    before = set(os.listdir(kept.folder))
    remove_all(kept.folder)
    kept.written_again.clear()
    assert kept.look() == "" and kept.written_again == [True]
    assert set(os.listdir(kept.folder)) == before
    assert kept.look() == "" and kept.written_again == [True], "nothing was missing"
    assert record.read(kept.folder, OWNER) == [ENTRY]
    assert saved_session.load(kept.folder, None) == SESSION
    assert locks.take(kept.path(record.GUARD_LOCK)) < 0
    # What is written from now on is read from there.
    kept.writer.put(ENTRY._replace(granted=False))
    assert not record.read(kept.folder, OWNER)[0].granted
    modes = {name: os.stat(kept.path(name)).st_mode & 0o777 for name in (record.RECORD, record.SESSION)}
    assert modes == {record.RECORD: 0o644, record.SESSION: 0o600}


def test_the_session_is_the_listeners_while_there_is_one(kept):
    os.unlink(kept.path(record.SESSION))
    kept.look(alone=False)
    assert not os.path.exists(kept.path(record.SESSION))
    kept.store.put_back(kept.folder)
    assert saved_session.load(kept.folder, None) == SESSION


def test_what_was_written_since_is_what_is_put_back(kept):
    kept.store.save(SESSION._replace(id=8))
    os.unlink(kept.path(record.SESSION))
    kept.look()
    assert saved_session.load(kept.folder, None).id == 8


@pytest.mark.parametrize("name", [record.RECORD, record.SESSION, record.CONFIGURATION, sessions.FILE, record.KEY])
@pytest.mark.parametrize("length", [0, 5])
def test_what_was_cut_short_is_put_back(kept, name, length):
    with open(kept.path(name), "rb") as file:
        whole = file.read()
    os.truncate(kept.path(name), length)
    assert kept.look() == ""
    with open(kept.path(name), "rb") as file:
        assert file.read() == whole
    assert all(one.startswith("guard.") for one in os.listdir(kept.folder) if "." in one), "what was made aside is gone"
    kept.writer.put(ENTRY._replace(granted=False))
    kept.store.put_back(kept.folder)
    assert not record.read(kept.folder, OWNER)[0].granted and saved_session.load(kept.folder, None) == SESSION


def test_the_listener_puts_back_its_session_that_was_cut_short(kept):
    os.truncate(kept.path(record.SESSION), 0)
    kept.look(alone=False)
    assert saved_session.load(kept.folder, None) is None
    kept.store.put_back(kept.folder)
    assert saved_session.load(kept.folder, None) == SESSION


def test_what_goes_before_the_first_look_is_put_back(kept):
    files.replace(kept.path(record.CONFIGURATION), b"y")
    other = upkeep.Upkeep(kept.folder, kept.lock, -1, kept.writer, kept.key, kept.open_door, list)
    other.begin()
    os.unlink(kept.path(record.CONFIGURATION))
    other.look(True, -1)
    with open(kept.path(record.CONFIGURATION), "rb") as file:
        assert file.read() == b"y"


def test_another_configuration_that_is_kept_is_what_is_put_back(kept):
    files.replace(kept.path(record.CONFIGURATION), b"x")
    kept.look(alone=False)
    os.unlink(kept.path(record.CONFIGURATION))
    kept.look(alone=False)
    with open(kept.path(record.CONFIGURATION), "rb") as file:
        assert file.read() == b"x"


def test_another_guards_folder_is_left_alone(kept):
    os.rename(kept.folder, kept.folder + ".aside")
    os.mkdir(kept.folder, 0o755)
    other = locks.take(kept.path(record.GUARD_LOCK))
    assert "another guard" in kept.look() and kept.upkeep.taken and not kept.upkeep.in_place
    assert os.listdir(kept.folder) == [record.GUARD_LOCK]
    os.close(other)
    assert kept.look() == "" and not kept.upkeep.taken and kept.upkeep.in_place


def test_a_session_that_another_process_holds_is_taken(kept):
    held = locks.take(kept.path(record.LOCK))
    os.unlink(kept.path(record.LOCK))
    other = locks.take(kept.path(record.LOCK))
    assert "held by another" in kept.upkeep.look(True, held) and kept.upkeep.taken
    os.close(other)
    assert kept.upkeep.look(True, held) == "" and not kept.upkeep.taken
    os.close(held)


def of_anybody(folder):
    os.chmod(folder, 0o777)


def of_nobody(folder):
    os.chown(folder, 65534, 65534)


def a_file(folder):
    os.rename(folder, folder + ".aside")
    open(folder, "w").close()


@pytest.mark.parametrize("change", [of_anybody, a_file, pytest.param(of_nobody, marks=as_root)])
def test_what_others_put_in_its_place_is_taken(kept, change):
    change(kept.folder)
    assert kept.look() and kept.upkeep.taken


def refuse(number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    return refused


@pytest.mark.parametrize("name, number", [("open", errno.EMFILE), ("access", errno.EROFS), ("mkdir", errno.ENOSPC)])
def test_what_cannot_be_told_or_had_is_nobody_elses(kept, monkeypatch, name, number):
    """It is tried again, and nothing is killed for it."""
    if name == "mkdir":
        remove_all(kept.folder)
    with monkeypatch.context() as patched:
        patched.setattr(os, name, (lambda *_: False) if name == "access" else refuse(number))
        assert kept.look() and not kept.upkeep.taken
        assert kept.upkeep.in_place is (name != "mkdir")
    assert kept.look() == "" and kept.upkeep.in_place


def test_a_record_is_replaced_as_a_whole(kept, monkeypatch):
    """A chain loader may read at any moment."""
    os.unlink(kept.path(record.RECORD))
    seen = []
    real = os.pwrite

    def pwrite(*arguments):
        seen.append(os.path.exists(kept.path(record.RECORD)))
        return real(*arguments)

    monkeypatch.setattr(os, "pwrite", pwrite)
    assert kept.writer.put_back(kept.folder)
    assert seen and not any(seen)


def test_a_full_disk_is_told_and_tried_again(kept, monkeypatch):
    os.unlink(kept.path(record.RECORD))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        assert "No space left" in kept.look()
        assert [name for name in os.listdir(kept.folder) if name.startswith(record.RECORD)] == []
    assert kept.look() == ""
    assert record.read(kept.folder, OWNER) == [ENTRY]


def test_files_are_kept_fresh(kept):
    names = [kept.path(name) for name in os.listdir(kept.folder)] + [kept.folder]
    for name in names:
        os.utime(name, (1, 1))
    upkeep.touch(kept.folder)
    assert all(os.stat(name).st_mtime > 1 and os.stat(name).st_atime > 1 for name in names)


def naming(folder, **options):
    command = [sys.executable, "-c", NAMING, folder]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
    return process, process.stdout.readline().split()


def test_a_name_is_one_processs_until_it_ends(tmp_path):
    first, told = naming(str(tmp_path))
    assert told == ["True", "True"]
    free, link = locks.claim(str(tmp_path), locks.GUARD)
    assert not free and link is not None
    link.close()
    link = locks.reach(str(tmp_path), locks.GUARD)
    assert link is not None
    link.close()
    assert locks.reach(str(tmp_path), locks.LISTENER) is None
    assert locks.reach(str(tmp_path / "other"), locks.GUARD) is None
    first.kill()
    first.communicate()
    free, door = locks.claim(str(tmp_path), locks.GUARD)
    assert free and door is not None
    door.close()


def test_a_long_path_has_a_name(tmp_path):
    folder = str(tmp_path / ("ä" * 200))
    free, door = locks.claim(folder, locks.LISTENER)
    assert free and door is not None
    door.close()


@as_root
def test_a_strangers_name_is_passed_over(tmp_path):
    """Whoever binds it first must not keep a node from working, nor pass for its guard."""
    stranger = os.fork()
    if stranger == 0:
        try:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            door.bind(locks.name_of(str(tmp_path), locks.GUARD))
            door.listen(5)
            while True:
                door.accept()
        finally:
            os._exit(1)
    try:
        name = locks.name_of(str(tmp_path), locks.GUARD)[1:].decode()
        until(lambda: "@" + name in open("/proc/net/unix").read(), 30, "the stranger to have the name")
        assert locks.reach(str(tmp_path), locks.GUARD) is None
        assert locks.claim(str(tmp_path), locks.GUARD) == (True, None)
    finally:
        os.kill(stranger, 9)
        os.waitpid(stranger, 0)
