"""How long a guard waits for a listener, by what supervisord says of it."""

import math

import pytest

from supervisor_zkelect.guard.absence import LIMIT, NEVER, Absence


@pytest.mark.parametrize("state", ["STARTING", "RUNNING"])
def test_one_that_comes_is_waited_for(state):
    assert Absence(100.0, 2.0).told(state, 100.0 + 10 * LIMIT) == NEVER == math.inf


@pytest.mark.parametrize("state", ["STOPPED", "FATAL"])
def test_one_that_was_stopped_has_the_grace_from_when_that_was_seen(state):
    absence = Absence(100.0, 2.0)
    assert absence.told(state, 103.0) == 105.0
    assert absence.told(state, 104.0) == 105.0
    # It was started after all, and stopped again.
    absence.told("STARTING", 104.5)
    assert absence.told(state, 110.0) == 112.0


@pytest.mark.parametrize("state", ["BACKOFF", "EXITED", "STOPPING", "UNKNOWN", ""])
def test_where_nothing_is_decided_the_wait_has_a_bound(state):
    absence = Absence(100.0, 2.0)
    absence.told("STARTING", 150.0)
    assert absence.told(state, 155.0) == 100.0 + LIMIT
