"""What falls in a pause of the soak, and what its judge finds."""

import random

import pytest

from lab import journal
from tests.faults import soak, soak_pauses
from tests.faults.soak_pauses import Broken, Paused

PAUSED = Paused("a", 41, 100, 50.0)


def life(token, last):
    return journal.Life("a:1", 1, token, last - 10.0, last, False, ())


def judged(monkeypatch, lives, pid=100, faults=("r12_quorum_gone",), endless=True):
    monkeypatch.setattr(journal, "lives", lambda path: lives)
    monkeypatch.setattr(soak_pauses, "_endless", lambda node: endless)
    if not endless:
        monkeypatch.setattr(soak_pauses, "until", lambda check, limit, what: check() or waited(what))
    soak_pauses.judge(Nodes(pid), PAUSED, faults)


def waited(what):
    raise TimeoutError(what)


class Nodes:
    """A cluster whose services all have this pid."""

    def __init__(self, pid):
        self._pid = pid

    def pid(self, name):
        return self._pid

    def journal(self):
        return ""

    def __getitem__(self, name):
        return name


def test_only_faults_that_there_are_and_that_a_pause_covers_fall_in_it():
    drawn = {
        draw.fault for seed in range(300)
        for draw in soak.draws(random.Random(seed), ["a", "b"], 4.0, [], soak_pauses.COVERED)
    }
    assert drawn == set(soak_pauses.COVERED)


def test_a_pause_that_held_is_no_violation(monkeypatch):
    judged(monkeypatch, [life(7, 40.0), life(41, 60.0)])
    judged(monkeypatch, [life(41, 60.0)], pid=101, faults=("r01_service_killed", "r12_quorum_gone"))


def test_what_a_pause_promises_is_judged(monkeypatch):
    with pytest.raises(Broken, match="lived under 42, while 41"):
        judged(monkeypatch, [life(41, 60.0), life(42, 61.0)])
    with pytest.raises(Broken, match="only ZooKeeper was away"):
        judged(monkeypatch, [life(41, 60.0)], pid=101)
    with pytest.raises(Broken, match="no endless lease"):
        judged(monkeypatch, [life(41, 60.0)], endless=False)
