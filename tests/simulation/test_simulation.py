"""No promise is broken in thousands of schedules, and the simulation finds the faults that are put in."""

import os

import pytest

from tests.simulation.__main__ import first_failure, told
from tests.simulation.schedule import draw, play, shrink
from tests.simulation.session_model import overrun

SCHEDULES = int(os.environ.get("ZKELECT_SCHEDULES", "10000"))


def test_no_promise_is_broken():
    seed = first_failure(0, SCHEDULES)
    assert seed < 0, told(seed)


def test_no_lease_outlasts_its_session():
    assert [found for found in map(overrun, range(1500)) if found] == []


@pytest.mark.parametrize("fault", ["tick left out", "send time taken", "T as asked", "read counted"])
def test_a_wrong_lease_is_found(fault):
    assert any(overrun(seed, frozenset([fault])) for seed in range(1500))


@pytest.mark.parametrize("fault, promise", [
    ("T as asked", "1:"), ("read counts as a write", "1:"), ("release before the proof", "2:"),
    ("ack without the check", "3:"), ("holder written after the start", "4:"), ("failed multi counts", "1:"),
    ("grant not revoked", ""), ("attach without the lock", ""),
])
def test_a_fault_is_found(fault, promise):
    faults = frozenset([fault])
    seed = next(seed for seed in range(3000) if play(draw(seed), faults))
    smaller = shrink(draw(seed), faults)
    transcript = play(smaller, faults)
    assert promise in transcript[-1] and len(smaller.steps) <= len(draw(seed).steps)


def test_the_same_seed_is_the_same_run():
    assert play(draw(5), frozenset(["T as asked"])) == play(draw(5), frozenset(["T as asked"]))
