"""The sign that a record may grant what was revoked."""

import errno
import math
import os
import subprocess
import threading

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import book, groups, process, protocol, record
from supervisor_zkelect.processes import proc
from tests.unit.guard.parts import GRANT, Node

REVOKED = "the guard cannot write its record"

ENTRY = record.Entry("orders", "primary", "h:80", 7, True, 0, Lease(1.0, 2.0, 3.0))


@pytest.fixture
def mine(tmp_path):
    os.chmod(tmp_path, 0o755)
    owner = record.owner_of(os.getppid())
    mine = book.Book(str(tmp_path), owner, 2)
    mine.open()
    yield mine, lambda: record.look(str(tmp_path), owner).writer
    mine.doubt(False)


def test_the_record_names_the_thread_that_writes_it(mine):
    one = proc.read(os.getpid())
    assert mine[1]() == (os.getpid(), one.start)


def test_a_doubt_is_shown_by_that_thread_and_taken_back(mine):
    one, writer = mine
    usual = open("/proc/self/comm").read()
    assert record.unvouched(writer()) == ""
    for _ in range(2):
        one.doubt(True)
        assert record.unvouched(writer()) == REVOKED
    one.doubt(False)
    assert record.unvouched(writer()) == "" and open("/proc/self/comm").read() == usual


def test_a_guard_in_a_thread_shows_it_by_that_thread(tmp_path):
    """Where no process can be had a listener guards in a thread of its own."""
    os.chmod(tmp_path, 0o755)
    told, owner = [], record.owner_of(os.getppid())

    def run():
        mine = book.Book(str(tmp_path), owner, 2)
        mine.open()
        writer = record.look(str(tmp_path), owner).writer
        told.append(record.unvouched(writer))
        mine.doubt(True)
        told.append(record.unvouched(writer))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert told == ["", REVOKED] and not open("/proc/self/comm").read().startswith(record.DOUBTED)


def test_who_is_gone_or_another_vouches_for_nothing(mine):
    one, writer = mine
    one.doubt(True)
    pid, start = writer()
    assert record.unvouched((pid, start)) == REVOKED and record.unvouched((pid, start + 1)) == "the guard is dead"
    for nobody in ((0, 0), (-1, 0), (2**22 + 1, 0)):
        assert record.unvouched(nobody) == "the guard is dead"


def test_a_guard_that_was_killed_and_is_not_reaped_vouches_for_nothing():
    """Its parent may stand still, as a frozen listener does."""
    with subprocess.Popen(["sleep", "1000"]) as child:
        start = proc.read(child.pid).start
        assert record.unvouched((child.pid, start)) == ""
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert record.unvouched((child.pid, start)) == "the guard is dead"


def test_a_record_that_names_no_writer_is_doubted_by_nobody(tmp_path):
    record.Writer(str(tmp_path), record.Owner("b", "n", 1, 1), 1).open()
    assert record.look(str(tmp_path), record.Owner("b", "n", 1, 1)).writer == (0, 0)


def test_a_revocation_that_cannot_be_written_is_shown_until_it_is():
    node = Node().start()
    node.guard.obey(protocol.AckOrder("primary", 7, True))
    assert not node.book.doubted
    node.book.broken = True
    node.guard.obey(protocol.StopOrder("primary", 9, 200.0, GRANT))
    assert node.entry.granted and node.book.doubted
    node.now += groups.WRITE_PACE
    node.guard.keep_time()
    assert node.book.doubted
    node.book.broken = False
    node.now += groups.WRITE_PACE
    node.guard.keep_time()
    assert not node.entry.granted and not node.book.doubted


def test_so_is_one_whose_group_was_released_meanwhile():
    """The lease that the record tells of goes on."""
    node = Node().start()
    node.book.broken = True
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.dead("primary")
    node.now += groups.WRITE_PACE
    node.guard.keep_time()
    assert node.book.doubted
    node.now = GRANT.lease.deadline
    node.guard.keep_time()
    assert not node.book.doubted, "what the record grants is over"


def test_one_whose_name_cannot_be_set_says_so(mine, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(mine[0], "_comm", -1)
        mine[0].doubt(True)
    assert "cannot show that the record is not to be believed" in caplog.text


def test_one_that_does_not_know_its_own_thread_writes_a_record_that_nobody_vouches_for(tmp_path, monkeypatch, caplog):
    """Programs start by it all the same."""
    os.chmod(tmp_path, 0o755)
    owner = record.owner_of(os.getppid())

    def refuse(pid):
        raise record.RecordError("Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(record, "owner_of", refuse)
        one = book.Book(str(tmp_path), owner, 2)
    one.put(ENTRY)
    one.open()
    assert record.read(str(tmp_path), owner) == [ENTRY] and "cannot say who writes the record" in caplog.text
    assert record.unvouched(record.look(str(tmp_path), owner).writer) == "the guard is dead"


def test_what_the_record_grants_for_longer_than_the_lease_lasts_is_doubted_until_it_is_written():
    """A pause without an end is in the record; it was taken back, and the group is dead, when nothing could be written."""
    node = Node().start()
    node.guard.obey(protocol.LeaseOrder(1, {"primary": (7, GRANT.lease._replace(paused_until=math.inf))}))
    assert node.entry.lease.paused_until == math.inf
    node.book.broken = True
    node.guard.obey(protocol.LeaseOrder(2, {"primary": (7, GRANT.lease)}))
    node.guard.obey(protocol.KillOrder("primary", 9))
    node.dead("primary")
    node.now = GRANT.lease.deadline + 1000
    node.guard.keep_time()
    assert node.book.doubted and node.entry.granted
    node.book.broken = False
    node.now += groups.WRITE_PACE
    node.guard.keep_time()
    assert not node.entry.granted and not node.book.doubted


def test_a_stop_strikes_though_there_is_no_memory_to_write_with():
    node = Node().start()
    node.book.put = lambda entry: (_ for _ in ()).throw(MemoryError)
    node.guard.obey(protocol.KillOrder("primary", 9))
    assert node.book.doubted and node.manager.handles["primary"].last("stop", "kill")[0] == "kill"


@pytest.fixture
def full(tmp_path, monkeypatch):
    """Have the disk of the runtime folder full, or not any more, and make a guard's record there. Its folder, and whose it is."""
    os.chmod(tmp_path, 0o755)
    owner, allocate = record.owner_of(os.getppid()), os.posix_fallocate

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill(there):
        monkeypatch.setattr(os, "posix_fallocate", refuse if there else allocate)

    return fill, str(tmp_path), owner


def test_a_record_that_could_not_be_made_comes_back_with_all_that_it_was_told(full):
    fill, folder, owner = full
    fill(True)
    late = process.make_record(folder, owner, 1)
    other = ENTRY._replace(group="second", election="billing")
    for entry in (ENTRY._replace(token=6), ENTRY, other):
        with pytest.raises(OSError):
            late.put(entry)
    late.make_room(4)
    late.make_room(2)
    late.beat(7.0)
    late.doubt(True)
    late.open()
    with pytest.raises(OSError):
        late.put_back(folder)
    fill(False)
    assert late.put_back(folder) is True and late.put_back(folder) is False
    seen = record.look(folder, owner)
    assert seen.entries == [ENTRY, other] and seen.seen == 7.0
    assert record._head(os.path.join(folder, record.RECORD)).room == 4
    assert record.unvouched(seen.writer) == REVOKED
    # From now on it is as any other.
    late.doubt(False)
    late.beat(8.0)
    late.put(ENTRY._replace(token=8))
    late.make_room(5)
    seen = record.look(folder, owner)
    assert record.unvouched(seen.writer) == "" and (seen.seen, seen.entries[0].token) == (8.0, 8)
    assert record._head(os.path.join(folder, record.RECORD)).room == 5
    os.unlink(os.path.join(folder, record.RECORD))
    assert late.put_back(folder) is True


def test_nobody_believes_a_late_record_before_it_was_opened(full):
    """As any other, it is opened when what a guard before left was taken over."""
    fill, folder, owner = full
    fill(True)
    late = process.make_record(folder, owner, 1)
    fill(False)
    late.put_back(folder)
    with pytest.raises(record.RecordError):
        record.look(folder, owner)
    late.open()
    assert record.look(folder, owner).entries == []


@pytest.mark.parametrize("failing", ["posix_fallocate", "fchmod", "pwrite"])
def test_a_record_that_cannot_be_made_costs_no_descriptor(full, monkeypatch, failing):
    """As it is tried again and again."""
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    late = book.LateBook(full[2], 1)
    monkeypatch.setattr(os, failing, refuse)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OSError):
            late.put_back(full[1])
    assert len(os.listdir("/proc/self/fd")) == before
