"""Times as somebody types them."""

import time
from datetime import datetime, timezone

import pytest

from supervisor_zkelect.operators import cli, local_time, times
from supervisor_zkelect.operators.outcome import USAGE


def utc(*fields):
    return round(datetime(*fields, tzinfo=timezone.utc).timestamp() * 1000)


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    """Clocks are put forward on 2026-03-29 from 02:00 to 03:00, and back on 2026-10-25 from 03:00 to 02:00."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("text, moment", [
    ("2026-11-30T03:00Z", utc(2026, 11, 30, 3)), ("2026-11-30T03:00:07z", utc(2026, 11, 30, 3, 0, 7)), ("2026-11-30 03:00", utc(2026, 11, 30, 2)),
    ("2026-07-01T03:00", utc(2026, 7, 1, 1)), ("2026-11-30T03:00+05:30", utc(2026, 11, 29, 21, 30)), ("2026-11-30T03:00-0100", utc(2026, 11, 30, 4)),
    ("2026-11-30T03:00+01", utc(2026, 11, 30, 2)), ("2026-11-30T03:00:00.25Z", utc(2026, 11, 30, 3) + 250), (" 2026-11-30T03:00 +01:00 ", utc(2026, 11, 30, 2)),
    ("2026-10-25T02:30+02:00", utc(2026, 10, 25, 0, 30)), ("2026-10-25T03:00", utc(2026, 10, 25, 2)), ("2026-03-29T03:00", utc(2026, 3, 29, 1)),
])
def test_what_a_time_means(text, moment):
    assert local_time.parse(text) == moment


@pytest.mark.parametrize("text, what, readings", [
    ("2026-10-25T02:30", "comes twice", ("2026-10-25T02:30:00+02:00 (2026-10-25 00:30:00+0000)", "2026-10-25T02:30:00+01:00 (2026-10-25 01:30:00+0000)")),
    ("2026-10-25 02:00:00", "comes twice", ("2026-10-25T02:00:00+02:00 (2026-10-25 00:00:00+0000)", "2026-10-25T02:00:00+01:00 (2026-10-25 01:00:00+0000)")),
    ("2026-03-29T02:30", "never comes", ("2026-03-29T01:30:00+01:00 (2026-03-29 00:30:00+0000)", "2026-03-29T03:30:00+02:00 (2026-03-29 01:30:00+0000)")),
])
def test_a_time_that_a_change_of_the_clocks_makes_doubtful_is_refused_with_both_readings(text, what, readings):
    with pytest.raises(ValueError) as caught:
        local_time.parse(text)
    assert what in str(caught.value) and str(caught.value).endswith(f"write {' or '.join(readings)}")


@pytest.mark.parametrize("text", [
    "", "noon", "03:00", "2026-11-30", "2026-11-30T25:00", "2026-02-30T03:00", "2026-11-30T03:00+99:00", "2026-11-30T03:00+01:99", "1969-12-31T03:00Z",
    "2026-11-30T03:00Zulu", "0000-01-01T00:00", "٢٠٢٦-11-30T03:00", "0001-01-01T00:00",
])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError):
        local_time.parse(text)


@pytest.mark.parametrize("text, moment", [
    ("2026-10-25T02:30", utc(2026, 10, 25, 0, 30)), ("2026-03-29T02:30", utc(2026, 3, 29, 0, 30)), ("2026-11-30T03:00", utc(2026, 11, 30, 2)),
])
def test_where_more_does_no_harm_the_earlier_of_two_moments_is_meant(text, moment):
    assert local_time.earliest(text) == moment and times.since(text, 2e9) == moment / 1000


@pytest.mark.parametrize("now, moment", [((2026, 10, 25, 2), (2026, 10, 25, 0, 30)), ((2026, 10, 25, 0, 15), (2026, 10, 24, 0, 30))])
def test_a_time_of_day_is_that_of_today_where_it_has_come(now, moment):
    assert times.since("02:30", utc(*now) / 1000) == utc(*moment) / 1000


@pytest.mark.parametrize("text", ["2026-02-30", "2026-02-30 03:00", "24:00", "2026-11-30T03:00Zulu", "٣0m"])
def test_what_is_no_time_is_none_behind_since(text):
    assert times.since(text, 2e9) is None


def test_the_command_line_says_what_is_wrong_with_a_time(capsys):
    assert cli.main(["switchover", "--at", "2026-10-25T02:30"]) == USAGE
    told = capsys.readouterr().err
    assert "comes twice here" in told and told.count("\n") == 1


def test_a_time_as_it_is_shown_may_be_typed():
    assert local_time.parse("2026-11-30 03:00:00+0000") == utc(2026, 11, 30, 3)
