"""Pools that go on where no further thread can be started."""

import threading

import pytest

from supervisor_zkelect.system.workers import KEPT, Workers


@pytest.fixture
def starve(monkeypatch):
    """No thread can be started from then on."""

    def starve():
        def refuse(thread):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)

    return starve


def test_it_begins_with_threads_that_work_beside_each_other(starve):
    pool = Workers(9, "test")
    starve()
    both = threading.Barrier(KEPT)
    futures = [pool.submit(both.wait, 10) for _ in range(KEPT)]
    assert sorted(future.result(10) for future in futures) == list(range(KEPT))
    pool.shutdown()


def test_work_waits_for_a_thread_that_is_there(starve):
    pool = Workers(9, "test")
    starve()
    gate = threading.Event()
    held = [pool.submit(gate.wait, 10) for _ in range(KEPT)]
    last = pool.submit(int, "7")
    assert not last.done()
    gate.set()
    assert last.result(10) == 7 and all(future.result(10) for future in held)
    pool.shutdown()


def test_without_any_thread_it_says_so(starve):
    starve()
    with pytest.raises(RuntimeError):
        Workers(2, "test").submit(int)
