"""The names of listener and guard, which nobody can remove."""

import socket

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import locks, place


def test_a_name_is_had_by_one_and_the_other_has_a_connection_to_it_that_ends_with_it(tmp_path):
    free, door = locks.claim(str(tmp_path), locks.LISTENER)
    assert free and door is not None
    taken, link = locks.claim(str(tmp_path), locks.LISTENER)
    assert not taken and link is not None and locks.is_open(link)
    door.close()
    until(lambda: not locks.is_open(link), 30, "the other end to be gone")
    link.close()
    again, door = locks.claim(str(tmp_path), locks.LISTENER)
    assert again and door is not None
    door.close()


def test_what_the_other_says_is_left_unread_and_it_is_still_there():
    one, other = socket.socketpair()
    with one, other:
        other.send(b"x")
        assert locks.is_open(one) and one.recv(9) == b"x"
        other.close()
        assert not locks.is_open(one)


def test_a_guard_that_cannot_have_its_name_leaves_the_lock(tmp_path, monkeypatch):
    """In a listener's process it would keep itself out for ever."""
    def claim(folder, whose):
        raise OSError(24, "no more")

    monkeypatch.setattr(locks, "claim", claim)
    with pytest.raises(OSError, match="no more"):
        place.take(str(tmp_path))
    monkeypatch.undo()
    mine = place.take(str(tmp_path))
    assert mine is not None
    mine.leave()
