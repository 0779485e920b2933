"""When pictures of the cluster are taken."""

import math
import sys
import threading

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.web import picture, reading
from supervisor_zkelect.web.picture import INTEREST, KEPT, PACE, Photographer

TIME = 10.0


class Source:
    """Gives what the test says, and remembers when. closed: how often the session was given up."""

    def __init__(self, clock):
        self.clock, self.read, self.closed, self.answer = clock, [], 0, {"orders": {"nodes": []}}

    def elections(self, seconds, former):
        self.read.append(self.clock.moment)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self):
        self.closed += 1


class Clock:
    moment = 100.0

    def now(self):
        return self.moment


@pytest.fixture
def world(monkeypatch):
    """A photographer whose thread never waits for the time, but for the clock to be moved: `rest` passes what it waits for."""
    clock = Clock()
    source = Source(clock)
    monkeypatch.setattr(picture, "clock", clock)
    monkeypatch.setattr(reading, "ElectionReader", lambda settings: source)
    one = Photographer(lambda: None)
    one._thread = threading.current_thread()
    waits = []

    def wait(seconds):
        waits.append(seconds)
        clock.moment += seconds

    monkeypatch.setattr(one._wake, "wait", wait)
    one.look()
    return one, source, clock, waits


def test_nothing_is_read_before_somebody_looks():
    one = Photographer(lambda: pytest.fail("it was read"))
    assert one.latest.at is None and one.latest.age(5.0) is None and not one.latest.connected
    one.end()


def test_pictures_are_taken_while_somebody_looks_at_most_one_a_second(world):
    one, source, clock, waits = world
    assert one._rest(source)
    one._take(source)
    for _ in range(5):
        one.look()
    assert one._rest(source) and waits == [PACE] and clock.moment == 101.0
    assert one.latest.elections == {"orders": {"nodes": []}} and one.latest.connected and one.latest.age(102.0) == 2.0


def test_they_end_some_seconds_after_the_last_look_and_the_session_later(world):
    one, source, clock, waits = world
    while one._rest(source):
        one._take(source)
    assert max(source.read) <= 100.0 + INTEREST and clock.moment >= 100.0 + KEPT and one._thread is None


def test_a_look_in_between_has_them_go_on(world):
    one, source, clock, waits = world
    clock.moment += INTEREST + 5
    one.look()
    assert one._rest(source) and not waits


def test_what_is_not_told_any_more_stays_with_its_age(world):
    one, source, clock, waits = world
    one._take(source)
    since = one.latest.since
    source.answer = reading.Away("no answer")
    clock.moment += 7.0
    one._take(source)
    assert one.latest.elections == {"orders": {"nodes": []}} and one.latest.age(clock.moment) == 7.0
    assert not one.latest.connected and one.latest.trouble == "no answer" and one.latest.since >= since
    source.answer = {}
    one._take(source)
    assert one.latest.connected and one.latest.trouble == "" and one.latest.age(clock.moment) == 0.0


def test_a_defect_is_told_and_ends_the_session(world):
    one, source, *_ = world
    source.answer = RuntimeError("a mistake")
    one._take(source)
    assert not one.latest.connected and "a mistake" in one.latest.trouble and source.closed == 1


def test_a_session_that_cannot_be_closed_ends_no_pictures(world):
    one, source, *_ = world

    def fail():
        raise RuntimeError("the connection does not end")

    source.close, source.answer = fail, RuntimeError("a mistake")
    one._take(source)
    assert "a mistake" in one.latest.trouble
    source.answer = {}
    one._take(source)
    assert one.latest.connected


def test_the_thread_takes_them_and_ends(monkeypatch):
    source, taken = Source(Clock()), threading.Event()
    monkeypatch.setattr(reading, "ElectionReader", lambda settings: source)
    one = Photographer(lambda: None, taken.set)
    one.look()
    thread = one._thread
    assert taken.wait(TIME) and one.latest.connected
    one.end()
    thread.join(TIME)
    assert not thread.is_alive() and source.closed == 1
    one.look()
    assert one._thread is None


def test_what_cannot_be_loaded_is_told_and_tried_at_the_next_look(monkeypatch):
    """As where another version was installed, whose parts do not go with those that are loaded."""
    source = Source(Clock())
    monkeypatch.setattr(reading, "ElectionReader", lambda settings: source)
    one = Photographer(lambda: None)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "supervisor_zkelect.web.reading", None)
        one.look()
        until(lambda: one._thread is None, TIME, "the thread to end")
        assert "a defect" in one.latest.trouble
    one.look()
    until(lambda: one.latest.connected, TIME, "a picture")
    one.end()


def test_where_no_thread_is_to_be_had_that_is_told(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    one = Photographer(lambda: None)
    assert "no thread" in one.look().trouble and not math.isnan(one.latest.since)
