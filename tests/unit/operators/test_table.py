"""Tables that fit the terminal, colour that is never alone, and times as people write and read them."""

import re
import time

import pytest

from supervisor_zkelect.operators import streams, table, times
from supervisor_zkelect.operators.table import BAD, Cell, Column, Screen, breadth, cut, lines

COLUMNS = (Column("NODE"), Column("SINCE", 9), Column("PLACE", 5), Column("NOTE", 0, 10))
ROWS = [["node-a.example", "2026-11-29 21:30:00+0000", "1", "a disk is full " * 4], ["b", "-", "2", ""]]


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width, columns, whole", [
    (None, ["NODE", "SINCE", "PLACE", "NOTE"], True), (200, ["NODE", "SINCE", "PLACE", "NOTE"], True),
    (70, ["NODE", "SINCE", "PLACE", "NOTE"], False), (50, ["NODE", "PLACE", "NOTE"], False), (30, ["NODE", "NOTE"], False),
    (9, ["NODE"], False),
])
def test_texts_are_cut_first_and_then_columns_leave_the_least_important_first(width, columns, whole):
    found = lines(COLUMNS, ROWS, Screen(width))
    assert found[0].split() == columns
    assert all(breadth(line) <= (width or 999) for line in found)
    assert (ROWS[0][3].strip() in found[1]) == whole and (whole or "…" in found[1])


@pytest.mark.parametrize("width", range(0, 120))
def test_no_line_is_longer_than_the_terminal(width):
    rows = [[Cell.of("节点" * 5, BAD), "x" * 30, "é" * 3, "注" * 50], *ROWS]
    assert all(breadth(plain(line)) <= width for line in lines(COLUMNS, rows, Screen(width, True)))


def test_a_word_stands_where_colour_is():
    rows = [[Cell.of("gone", BAD), "-", "1", ""]]
    coloured, bare = lines(COLUMNS, rows, Screen(80, True)), lines(COLUMNS, rows, Screen(80))
    assert "\x1b[31mgone" in coloured[1] and "\x1b" not in "".join(bare)
    assert [plain(line).rstrip() for line in coloured] == bare


@pytest.mark.parametrize("environment, colour", [
    ({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ({"TERM": "dumb"}, False), ({}, False),
])
def test_colour_is_for_terminals_that_want_it(environment, colour, monkeypatch):
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    class Terminal:
        terminal = True

        def isatty(self):
            return self.terminal

    assert streams.screen(Terminal()).colour == colour
    Terminal.terminal = False
    assert streams.screen(Terminal()) == Screen(None, False)


@pytest.mark.parametrize("text, width, shown", [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("节点x", 4, "节…"), ("abc", 0, ""), ("a", 1, "a")])
def test_what_is_cut_says_so(text, width, shown):
    assert cut(text, width) == shown


def test_plain_tables_have_a_heading():
    assert table.plain([("A", "B"), ("long", "x")]) == ["A     B", "long  x"]


@pytest.fixture
def zone(monkeypatch):
    monkeypatch.setenv("TZ", "XYZ-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW = 1_764_451_800.0  # 2025-11-29 21:30:00 UTC, and 3:00 of the next day in the zone


@pytest.mark.parametrize("text, moment", [
    ("30s", NOW - 30), ("2h", NOW - 7200), ("3d", NOW - 3 * 86400), ("1w", NOW - 7 * 86400),
    ("2025-11-29 21:00Z", NOW - 1800), ("2025-11-29T21:00:00+00:00", NOW - 1800), ("2025-11-29 21:00 +0000", NOW - 1800),
    ("2025-11-30 02:30", NOW - 1800), ("2025-11-30", NOW - 3 * 3600), ("02:30", NOW - 1800), ("04:00", NOW - 23 * 3600),
    ("", None), ("soon", None), ("-1h", None), ("2h30m", None), ("2025-13-01", None), ("9999999999999d", None), ("25:00", None),
])
def test_a_time_is_read_as_it_is_written(zone, text, moment):
    assert times.since(text, NOW) == moment


def test_a_time_is_shown_with_its_zone(zone):
    assert times.moment(NOW) == "2025-11-30 03:00:00+0530" and times.ago(NOW - 125, NOW) == "2 m 5 s"
    assert times.moment(1e30) == "-" and times.ago(NOW + 3600, NOW) == "-"
