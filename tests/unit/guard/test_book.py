"""The sign that a record may grant what was revoked."""

import os
import threading

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import book, groups, protocol, record
from supervisor_zkelect.processes import proc
from tests.unit.guard.parts import GRANT, Node

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
    assert not record.doubted(writer())
    for _ in range(2):
        one.doubt(True)
        assert record.doubted(writer())
    one.doubt(False)
    assert not record.doubted(writer()) and open("/proc/self/comm").read() == usual


def test_a_guard_in_a_thread_shows_it_by_that_thread(tmp_path):
    """Where no process can be had a listener guards in a thread of its own."""
    os.chmod(tmp_path, 0o755)
    told, owner = [], record.owner_of(os.getppid())

    def run():
        mine = book.Book(str(tmp_path), owner, 2)
        mine.open()
        writer = record.look(str(tmp_path), owner).writer
        told.append(record.doubted(writer))
        mine.doubt(True)
        told.append(record.doubted(writer))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert told == [False, True] and not open("/proc/self/comm").read().startswith(record.DOUBTED)


def test_who_is_gone_or_another_shows_nothing(mine):
    one, writer = mine
    one.doubt(True)
    pid, start = writer()
    assert record.doubted((pid, start)) and not record.doubted((pid, start + 1))
    for nobody in ((0, 0), (-1, 0), (2**22 + 1, 0)):
        assert not record.doubted(nobody)


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
    monkeypatch.setattr(mine[0], "_comm", "/nonexistent/comm")
    mine[0].doubt(True)
    assert "cannot show that the record is not to be believed" in caplog.text
