"""Elections of a former listener that the configuration does not name any more."""

import math
from types import SimpleNamespace

import pytest

from supervisor_zkelect.elector import ElectionError, NotConnected
from supervisor_zkelect.guard import release, saved_session
from supervisor_zkelect.listener.leftovers import Leftovers
from supervisor_zkelect.listener.workers import PACE
from tests.unit.listener.parts import NOW, Host, Work, candidacies, means

ONE = saved_session.SavedElection("former", "first", "/e1", "n-", "/ack1")
TWO = saved_session.SavedElection("another", "second", "/e2", "n-", "/ack2")


@pytest.fixture
def one(monkeypatch):
    """Two leftovers. failing: what their release raises, by election; refused: for whom it was refused twice."""
    work, failing, refused = Work(), {}, []
    left = Leftovers(means(Host(acl="open", session_timeout=4.0), work), candidacies(), None)
    left.elections = [ONE, TWO]

    def leave(client, election, acl, timeout):
        if election.name in failing:
            raise failing[election.name]

    monkeypatch.setattr(release, "leave", leave)

    def give_up():
        left.release(object())
        refused.extend(filter(None, [left.released(work.do())]))

    return SimpleNamespace(left=left, work=work, failing=failing, refused=refused, release=give_up)


def test_only_what_is_proven_dead_is_released(one):
    assert one.left.alive
    one.left.group_dead("first")
    assert one.left.due == NOW
    one.release()
    assert one.left.elections == [TWO] and one.left.alive
    one.left.group_dead("second")
    one.release()
    assert one.left.elections == [] and not one.left.alive


def test_without_a_connection_it_is_tried_again(one):
    one.left.group_dead("first")
    one.left.release(None)
    assert one.left.due == NOW + PACE and not one.work.given


def test_a_release_that_meets_a_defect_is_tried_again(one):
    one.left.group_dead("first")
    one.left.release(object())
    assert one.left.due == math.inf
    assert one.left.released(one.work.fail(ValueError("x"))) == ""
    assert one.left.elections == [ONE, TWO] and one.left.due == NOW + PACE


def test_a_release_that_zookeeper_refuses_twice_is_told(one):
    one.left.group_dead("first")
    one.failing["former"] = NotConnected("no answer")
    for _ in range(3):
        one.release()
    assert one.refused == [] and one.left.elections == [ONE, TWO]
    one.failing["former"] = ElectionError("no permission")
    one.release()
    assert one.refused == []
    one.release()
    assert one.refused == ["former"]
    one.left.forget()
    assert not one.left.alive and one.left.due < math.inf
