"""How probes are counted, and when the next one comes."""

import pytest

from supervisor_zkelect.core.service import Counter, next_delay


def states(counter, row):
    """What `healthy` is after each probe of a row like "++-"."""
    seen = []
    for sign in row:
        counter = counter.after(sign == "+")
        seen.append(counter.healthy)
    return seen


@pytest.mark.parametrize(
    "rise, fall, row, expected",
    [
        (1, 1, "+-+", [True, False, True]),
        (1, 3, "+--+---+", [True, True, True, True, True, True, False, True]),
        (3, 1, "++-+++", [None, None, False, False, False, True]),
        (2, 2, "+-+-++", [None, None, None, None, None, True]),
        (2, 3, "---+-++", [None, None, False, False, False, False, True]),
    ],
)
def test_only_a_row_of_equal_probes_changes_the_verdict(rise, fall, row, expected):
    assert states(Counter(rise, fall), row) == expected


def test_a_counter_says_how_many_came_in_a_row():
    counter = Counter(2, 3).after(True).after(True).after(True)
    assert (counter.successes, counter.failures) == (3, 0)
    counter = counter.after(False)
    assert (counter.successes, counter.failures, counter.healthy) == (0, 1, True)


def test_a_counter_is_a_value():
    counter = Counter(1, 1)
    counter.after(True)
    assert counter == Counter(1, 1)
    with pytest.raises(AttributeError):
        counter.healthy = True


@pytest.mark.parametrize("rise, fall, name", [(0, 1, "rise"), (1, 0, "fall"), (-1, 1, "rise")])
def test_a_counter_needs_at_least_one_of_each(rise, fall, name):
    with pytest.raises(ValueError, match=f"^{name} is .* at least 1"):
        Counter(rise, fall)


def test_the_first_probes_come_quickly_and_then_at_the_interval():
    waits = [next_delay(None, 1.0)]
    while len(waits) < 20:
        waits.append(next_delay(waits[-1], 1.0))
    assert waits[0] == 0.005
    assert waits[1] == pytest.approx(0.0075)
    assert waits == sorted(waits)
    assert waits[-1] == 1.0
    assert sum(wait < 1.0 for wait in waits) == 14


def test_no_wait_exceeds_the_interval():
    assert next_delay(None, 0.001) == 0.001
    assert next_delay(0.9, 1.0) == 1.0
    assert next_delay(5.0, 1.0) == 1.0


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan")])
def test_a_schedule_that_would_spin_is_refused(interval):
    with pytest.raises(ValueError, match=f"^interval is {interval}; it must be positive$"):
        next_delay(None, interval)
