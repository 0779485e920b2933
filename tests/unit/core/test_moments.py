"""Moments and lengths of time, in words and in common."""

import pytest

from supervisor_zkelect.core import moments


@pytest.mark.parametrize("pace", [0.02, 0.1, 0.3, 0.7, 1.0, 10.0])
def test_a_common_moment_is_never_the_present_one(pace):
    """Whoever acts at a moment that has come, rounded as it is, is not to act at it again."""
    for number in range(5000):
        moment = moments.common(number * pace, pace)
        assert number * pace < moment <= (number + 1.001) * pace
        assert moments.common(number * pace + pace / 3, pace) == pytest.approx((number + 1) * pace)


@pytest.mark.parametrize("seconds, text", [
    (-1, "0.0 s"), (0.04, "0.0 s"), (0.5, "0.5 s"), (9.94, "9.9 s"), (10, "10 s"), (59.9, "59 s"), (60, "1 m 0 s"), (125, "2 m 5 s"),
    (3599, "59 m 59 s"), (3600, "1 h 0 m"), (7500, "2 h 5 m"), (86399, "23 h 59 m"), (86400, "1 d 0 h"), (93600, "1 d 2 h"), (200000, "2 d 7 h"),
])
def test_durations(seconds, text):
    assert moments.duration(seconds) == text


@pytest.mark.parametrize("moment, text", [
    (0, "1970-01-01 00:00:00+0000"), (1_800_000_000_999, "2027-01-15 08:00:00+0000"), (1 << 62, f"{1 << 62} ms"),
])
def test_moments(moment, text):
    assert moments.utc(moment) == text
