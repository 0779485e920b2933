"""How many pictures of the cluster follow the look of who asks now and then."""

import pytest

from supervisor_zkelect.web import picture


class Time:
    """A clock that only waiting moves, and a condition that waits by it."""

    def __init__(self):
        self.moment = 1000.0

    def now(self):
        return self.moment

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def notify(self):
        pass

    def wait(self, seconds):
        assert seconds >= 0
        self.moment += seconds + 1e-6


@pytest.fixture
def one(monkeypatch):
    """A photographer whose thread is the test. taken: when each picture was taken."""
    time = Time()
    monkeypatch.setattr(picture, "clock", time)
    one = picture.Photographer(lambda: None)
    one._wake, one._thread, one.time, one.taken = time, "the test", time, []
    return one


def turn(one):
    """One turn of its thread: whether a picture was taken; if not, the session is closed and the thread ends."""
    took = one._rest(None)
    if took:
        one._began = one.time.moment
        one.taken.append(one.time.moment)
    else:
        one._thread = "the test"
    return took


def test_who_looks_now_and_then_has_one_picture_taken_and_the_session_kept(one):
    one.look(once=True)
    assert turn(one) and one.taken == [1000.0]
    # Nothing more comes, and a minute later the session is closed.
    assert not turn(one) and one.time.moment == pytest.approx(1000.0 + picture.KEPT, abs=0.1)
    one.look(once=True)
    assert turn(one) and len(one.taken) == 2


def test_scrapes_cost_a_picture_each(one):
    for _ in range(5):
        one.look(once=True)
        assert turn(one)
        one.time.moment += 15.0
    assert len(one.taken) == 5


def test_pictures_keep_their_pace_however_often_somebody_looks(one):
    one.look(once=True)
    assert turn(one)
    one.look(once=True)
    assert turn(one) and one.taken[1] - one.taken[0] >= picture.PACE
