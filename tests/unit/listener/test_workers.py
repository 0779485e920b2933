"""Serial executors: work in order, on threads that others use too."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from supervisor_zkelect.listener.workers import EventExecutor, SerialExecutor


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_work_is_done_in_its_order_and_one_at_a_time(pool):
    executor, begun, ended = SerialExecutor(pool), [], []

    def work(number):
        begun.append((number, len(ended)))
        ended.append(number)

    for future in [executor.submit(work, number) for number in range(200)]:
        future.result(10)
    assert begun == [(number, number) for number in range(200)]


def test_executors_run_beside_each_other(pool):
    both = threading.Barrier(2)
    futures = [SerialExecutor(pool).submit(both.wait, 10) for _ in range(2)]
    assert {future.result(10) for future in futures} == {0, 1}


def test_many_executors_take_turns(pool):
    gate, order = threading.Event(), []
    held = [SerialExecutor(pool).submit(gate.wait, 10) for _ in range(2)]
    executors = [SerialExecutor(pool) for _ in range(3)]
    futures = [executor.submit(order.append, number) for _ in range(2) for number, executor in enumerate(executors)]
    gate.set()
    for future in held + futures:
        future.result(10)
    assert sorted(order[:3]) == sorted(order[3:]) == [0, 1, 2]


def test_what_fails_is_told_and_the_next_is_done(pool):
    executor = SerialExecutor(pool)
    failed, done = executor.submit(int, "x"), executor.submit(int, "1")
    with pytest.raises(ValueError):
        failed.result(10)
    assert done.result(10) == 1


def test_cancelled_work_is_left_out(pool):
    executor, gate = SerialExecutor(pool), threading.Event()
    first, second, third = executor.submit(gate.wait, 10), executor.submit(int), executor.submit(int, "3")
    assert second.cancel()
    gate.set()
    assert first.result(10) and third.result(10) == 3


@pytest.mark.parametrize("work, posted", [(lambda: "done", ["done"]), (lambda: None, []), (lambda: int("x"), ["failed"])])
def test_the_event_of_work_is_posted_or_that_of_its_failure(work, posted):
    events = []
    with ThreadPoolExecutor(1) as pool:
        EventExecutor(pool, events.append).submit(work, lambda error: "failed")
    assert events == posted


class Short:
    """A pool that has no memory for a submission, once; taken: whether it does that one all the same, later."""

    def __init__(self, pool, number, taken):
        self._pool, self._left, self._taken = pool, number, taken

    def submit(self, work):
        self._left -= 1
        if self._left == 0:
            if self._taken:
                self._pool.submit(work)
            raise MemoryError
        return self._pool.submit(work)


@pytest.mark.parametrize("taken", [True, False], ids=["taken all the same", "not taken"])
@pytest.mark.parametrize("number", [1, 2])
def test_what_a_pool_had_no_memory_for_keeps_nothing_else_from_being_done(number, taken):
    """Nothing would be asked of ZooKeeper for that election any more, while its session lives."""
    done, gate = [], threading.Event()
    with ThreadPoolExecutor(2) as pool:
        executor = SerialExecutor(Short(pool, number, taken))
        futures = []
        for name in "abc":
            try:
                futures.append(executor.submit(lambda name=name: (gate.wait(10) if name == "a" else None, done.append(name))))
            except MemoryError:
                assert name == "a" and number == 1
        gate.set()
        for future in futures:
            future.result(10)
    # Where the pool had taken the first it may be done as well.
    assert done[-2:] == ["b", "c"] and done[:-2] in ([], ["a"]) and (number == 1 or done[0] == "a")
