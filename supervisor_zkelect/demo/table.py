"""The demo's closing table: for how long a client heard nobody, beside what its two parts need alone. Pure."""

from __future__ import annotations

import textwrap
from typing import List, NamedTuple, Optional, Sequence

from supervisor_zkelect.demo.observer import Observation, Overlap

WIDTH = 100
"""Columns that no line is longer than."""

HEADER = (
    ("", "with", "supervisord alone,", "ZooKeeper's"),
    ("what happens", "zkelect", "without zkelect", "timeout alone"),
)
WIDTHS = (20, 9, 47, 13)


class Figure(NamedTuple):
    """One figure.

    seconds: as measured; 0 for no silence at all; None where there is nothing to measure, and `words` say why.
    words: what belongs to the figure, or stands in its place.
    """

    seconds: Optional[float]
    words: str = ""


def never(words: str) -> Figure:
    """Words in the place of a figure."""
    return Figure(None, words)


class EventRow(NamedTuple):
    """One event: with zkelect, with a supervisord without it, and by ZooKeeper's session timeout."""

    event: str
    ours: Figure
    supervisord: Figure
    zookeeper: Figure


class Measured(NamedTuple):
    """All that the table tells.

    overlap: for how long two services answered at once, as the client heard. questions: how many it asked.
    period: between two of its questions. undisturbed: its longest pause between two answers while nothing happened.
    start: of the service by itself, from the order to its first answer. timeout: ZooKeeper's session timeout. In seconds.
    """

    rows: Sequence[EventRow]
    overlap: Overlap
    questions: int
    period: float
    undisturbed: float
    start: float
    timeout: float


def silence(heard: Observation) -> float:
    """Seconds: the longest time between two answers; 0 where one process answered every question that it was asked."""
    if len(heard.turns) == 1 and heard.turns[0].answers == heard.questions[heard.turns[0].name]:
        return 0.0
    return heard.gap


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"


def shown(cell: Figure) -> str:
    """A cell's text; figures stand below each other."""
    if cell.seconds is None:
        return cell.words
    figure = f"{milliseconds(cell.seconds) if cell.seconds else 'none':>{WIDTHS[1]}}"
    return f"{figure}, {cell.words}" if cell.words else figure


def lines(measured: Measured) -> List[str]:
    """The table with what has to be said of it, in lines of at most WIDTH columns."""
    table = [_line(cells) for cells in HEADER] + [_line(["-" * width for width in WIDTHS])]
    for row in measured.rows:
        table.append(_line([row.event, *map(shown, (row.ours, row.supervisord, row.zookeeper))]))
    both = f"{1000 * measured.overlap.seconds:.1f} ms"
    questions = f"how long two services answered at once, over {measured.questions:,} questions"
    table.append(_line(["two at once", f"{both:>{WIDTHS[1]}}", questions, ""]))
    return [*table, "", *_legend(measured)]


def _line(cells: Sequence[str]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, WIDTHS)).rstrip()


def _legend(measured: Measured) -> List[str]:
    told = {
        "with zkelect": f"the longest time without an answer, for a client that asks both nodes every "
        f"{milliseconds(measured.period)}; {milliseconds(measured.undisturbed)} while nothing happened. "
        "\"none\": it got an answer to every question",
        "supervisord alone": "a third supervisord, without zkelect, ran the same service and was dealt the same. By itself it "
        "looks for dead programs once a second; zkelect wakes it",
        "ZooKeeper's timeout": "a bare ZooKeeper client was struck the same way: how long until ZooKeeper deleted its "
        f"entry. The session timeout is {measured.timeout:g} s in this run, and counts from the client's last sign of "
        "life. Then the service has yet to start elsewhere, and nobody has ended one that hangs",
        "the service": "a small Python program; from supervisord's start of it to its first answer "
        f"{milliseconds(measured.start)} go by, which are part of each figure above in which it starts",
    }
    found: List[str] = ["All figures were measured in this run."]
    for name, text in told.items():
        found += textwrap.wrap(text + ".", WIDTH, initial_indent=f"  {name:21}", subsequent_indent=" " * 23)
    return found
