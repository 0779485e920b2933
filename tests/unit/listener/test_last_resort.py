"""The thread that looks for kin while there is no guard."""

import threading

import pytest

from supervisor_zkelect.listener import last_resort
from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.census import Found


class Census:
    """One that finds a process for each group, and stops in a look when it is told to."""

    supervisord = proc.Process(0, 0, 0, 0, 0, "X", 0)

    def __init__(self):
        self.looked, self.goes_on, self.fails = threading.Semaphore(0), threading.Semaphore(0), 0
        self.looks = 0

    def look(self):
        self.looks += 1
        self.looked.release()
        self.goes_on.acquire()
        if self.fails:
            self.fails -= 1
            raise MemoryError
        return self.looks

    def find(self, name, known, look, claimed):
        process = proc.Process(look, hash(name), 1, 1, 1, "R", 1)
        return Found(living={process}, members={}, forming=set(), known={process}, unreaped=False)


@pytest.fixture
def kin(monkeypatch):
    killed = []
    done = threading.Semaphore(0)

    def kill(process):
        killed.append((process.pid, process.start))
        done.release()
        return True

    monkeypatch.setattr(last_resort.proc, "kill", kill)
    made = last_resort._Kin()
    made.killed, made.done, made.census = killed, done, Census()
    made.begin()
    yield made
    for _ in range(100):
        made.census.goes_on.release()
    made.end()


def test_one_look_is_for_all_groups(kin):
    kin.ask("one", frozenset(), kin.census)
    assert kin.census.looked.acquire(timeout=60)
    for name in ("two", "three", "two"):
        kin.ask(name, frozenset(), kin.census)
    kin.census.goes_on.release()
    assert kin.census.looked.acquire(timeout=60)
    kin.census.goes_on.release()
    for _ in range(3):
        assert kin.done.acquire(timeout=60)
    assert sorted(kin.killed) == sorted([(1, hash("one")), (2, hash("two")), (2, hash("three"))])


def test_a_group_does_not_wait_for_the_rest_after_another_one(kin, monkeypatch):
    monkeypatch.setattr(last_resort, "REST", 1e9)
    for number, name in enumerate(("one", "two", "three"), 1):
        kin.ask(name, frozenset(), kin.census)
        assert kin.census.looked.acquire(timeout=60)
        kin.census.goes_on.release()
        assert kin.done.acquire(timeout=60)
        assert kin.killed[-1] == (number, hash(name))


@pytest.mark.parametrize("asked", [("one",), ("one", "two"), ("one", "one")])
def test_what_was_asked_before_a_guard_came_is_not_done_after_it(kin, asked):
    """Who is found then may be of a new term."""
    kin.ask(asked[0], frozenset(), kin.census)
    assert kin.census.looked.acquire(timeout=60)
    for name in asked[1:]:
        kin.ask(name, frozenset(), kin.census)
    kin.forget()
    kin.census.goes_on.release()
    # Asked after that, it is done.
    kin.ask("last", frozenset(), kin.census)
    assert kin.census.looked.acquire(timeout=60)
    kin.census.goes_on.release()
    assert kin.done.acquire(timeout=60)
    assert kin.killed == [(2, hash("last"))]


def test_what_is_asked_with_another_guards_means_while_it_looks_is_done_by_those(kin):
    other = Census()
    kin.ask("one", frozenset(), kin.census)
    assert kin.census.looked.acquire(timeout=60)
    kin.forget()
    kin.ask("one", frozenset(), other)
    kin.census.goes_on.release()
    assert other.looked.acquire(timeout=60)
    other.goes_on.release()
    assert kin.done.acquire(timeout=60) and kin.killed == [(1, hash("one"))]


@pytest.mark.parametrize("looking", [True, False])
def test_a_kill_that_waits_does_not_meet_what_is_started_after_it(kin, looking, monkeypatch):
    if not looking:
        # The look before has begun a rest, for which the next one waits.
        monkeypatch.setattr(last_resort, "REST", 1e9)
        kin.ask("one", frozenset(), kin.census)
        assert kin.census.looked.acquire(timeout=60)
        kin.census.goes_on.release()
        assert kin.done.acquire(timeout=60)
        kin.killed.clear()
    kin.ask("one", frozenset(), kin.census)
    if looking:
        assert kin.census.looked.acquire(timeout=60)
    kin.spare("one")
    kin.census.goes_on.release(2)
    kin.ask("last", frozenset(), kin.census)
    assert kin.census.looked.acquire(timeout=60)
    assert kin.done.acquire(timeout=60)
    assert [name for _, name in kin.killed] == [hash("last")] and "one" not in kin._wanted


def test_nothing_to_be_had_is_no_end_of_it(kin, monkeypatch):
    def full(*said):
        raise MemoryError

    monkeypatch.setattr(kin, "_complain", full)
    kin.census.fails = 2
    kin.ask("one", frozenset(), kin.census)
    for _ in range(3):
        assert kin.census.looked.acquire(timeout=60)
        kin.census.goes_on.release()
    assert kin.done.acquire(timeout=60) and kin.killed == [(3, hash("one"))]
