"""Lanes: work in order, on threads that others use too."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from supervisor_zkelect.listener.surroundings import Lane


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_work_is_done_in_its_order_and_one_at_a_time(pool):
    lane, begun, ended = Lane(pool), [], []

    def work(number):
        begun.append((number, len(ended)))
        ended.append(number)

    for future in [lane.submit(work, number) for number in range(200)]:
        future.result(10)
    assert begun == [(number, number) for number in range(200)]


def test_lanes_run_beside_each_other(pool):
    both = threading.Barrier(2)
    futures = [Lane(pool).submit(both.wait, 10) for _ in range(2)]
    assert {future.result(10) for future in futures} == {0, 1}


def test_many_lanes_take_turns(pool):
    gate, order = threading.Event(), []
    held = [Lane(pool).submit(gate.wait, 10) for _ in range(2)]
    lanes = [Lane(pool) for _ in range(3)]
    futures = [lane.submit(order.append, number) for _ in range(2) for number, lane in enumerate(lanes)]
    gate.set()
    for future in held + futures:
        future.result(10)
    assert sorted(order[:3]) == sorted(order[3:]) == [0, 1, 2]


def test_what_fails_is_told_and_the_next_is_done(pool):
    lane = Lane(pool)
    failed, done = lane.submit(int, "x"), lane.submit(int, "1")
    with pytest.raises(ValueError):
        failed.result(10)
    assert done.result(10) == 1


def test_cancelled_work_is_left_out(pool):
    lane, gate = Lane(pool), threading.Event()
    first, second, third = lane.submit(gate.wait, 10), lane.submit(int), lane.submit(int, "3")
    assert second.cancel()
    gate.set()
    assert first.result(10) and third.result(10) == 3
