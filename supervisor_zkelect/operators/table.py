"""Tables that fit the terminal, and colour where there is one. Pure.

Colour is never alone: the word that it stands for is there, too. It is used on a terminal only, and not where the environment has
NO_COLOR, or a terminal that is dumb.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from typing import List, NamedTuple, Optional, Sequence

GOOD, WATCH, BAD, FAINT = "32", "33", "31", "2"
"""Colours, as terminals number them: all is well, something is on its way, something is wrong, and what matters little."""

_GAP = 2

WIDE = 100
"""Columns from which the name of an only election is shown as well."""


class Screen(NamedTuple):
    """Where lines go. width: columns of the terminal, None for as many as it takes. colour: whether it is to have any."""

    width: Optional[int] = None
    colour: bool = False

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour and colour and text.strip() else text


PLAIN = Screen()


class Column(NamedTuple):
    """One column. leaves: 0 for one that always stays; of the others the highest goes first where the terminal is narrow.
    least: columns that its texts keep where they are cut; 0 for texts that are never cut. short: characters at their beginning
    that go in place of the column, 0 for all of it."""

    name: str
    leaves: int = 0
    least: int = 0
    short: int = 0


class Cell(str):
    """A text with a colour."""

    colour: str = ""

    @classmethod
    def of(cls, text: str, colour: str) -> Cell:
        cell = cls(text)
        cell.colour = colour
        return cell


def breadth(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def colourless(text: str) -> str:
    """The text without colours."""
    return re.sub("\x1b\\[[0-9]*m", "", text)


def cut(text: str, width: int) -> str:
    """The text; one that is wider ends there, with an ellipsis."""
    if breadth(text) <= width:
        return text
    kept = ""
    for c in text:
        if breadth(kept + c) > width - 1:
            break
        kept += c
    return f"{kept}…" if width > 0 else ""


def wrapped(line: str, width: Optional[int]) -> List[str]:
    """The line, on several where it is wider; what follows is indented by four columns more."""
    if width is None or breadth(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, max(20, width), subsequent_indent=indent, break_on_hyphens=False) or [line]


def plain(rows: Sequence[Sequence[str]]) -> List[str]:
    """Lines with the cells of each column under one another; the first row is the heading."""
    return lines([Column(name) for name in rows[0]], rows[1:])


def lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], screen: Screen = PLAIN) -> List[str]:
    """A heading and a line for each row. Where they do not fit, first the texts of columns that may be cut become shorter; then
    columns leave, and last the lines end where the terminal does."""
    shown = list(range(len(columns)))
    widths = _fitting(columns, rows, shown, screen.width)
    if screen.width is not None:
        for leaving in sorted((one for one in shown if columns[one].leaves), key=lambda one: -columns[one].leaves):
            if _total(widths) <= screen.width:
                break
            shown = [one for one in shown if one != leaving]
            widths = _fitting(columns, rows, shown, screen.width)
    heading = [column.name for column in columns]
    return [_line([row[one] for one in shown], widths, screen) for row in (heading, *rows)]


_BESIDE = 30
"""Columns in which a text is wrapped beside what stands before it; with fewer it goes below."""


def blocks(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], screen: Screen = PLAIN, below: Sequence[str] = ()
) -> List[List[str]]:
    """The lines of a heading, and of each row. The last column is never cut: where it does not fit its text goes on beside the
    others, or below them. below: what else stands below each row, "" for nothing. Where the rest does not fit columns leave."""
    left = list(columns[:-1])
    texts = [list(row[:-1]) for row in rows]
    for leaving in sorted((one for one in left if one.leaves), key=lambda one: -one.leaves):
        if screen.width is None or _total(_widths(left, texts)) <= screen.width:
            break
        at = left.index(leaving)
        if leaving.short:
            texts = [[*row[:at], row[at][leaving.short:], *row[at + 1:]] for row in texts]
        else:
            left, texts = left[:at] + left[at + 1:], [row[:at] + row[at + 1:] for row in texts]
    widths = _widths(left, texts)
    column = _total(widths) + _GAP
    room = None if screen.width is None else screen.width - column
    beside = room is None or room >= min(_BESIDE, max([breadth(row[-1]) for row in rows], default=0))
    head = columns[-1].name if beside else ""
    # Who, when and for how long is never cut.
    whole = screen._replace(width=None)
    found = [[_line([*(one.name for one in left), head], [*widths, breadth(head)], whole)]]
    for number, (row, cells) in enumerate(zip(rows, texts)):
        said = [""] if not beside else [row[-1]] if room is None else _folded(row[-1], room)
        found.append([_line([*cells, said[0]], [*widths, breadth(said[0])], whole), *(" " * column + one for one in said[1:])])
        for text in (*[row[-1]] * (not beside), *below[number:number + 1]):
            found[-1] += _below(text, screen.width)
    return found


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> List[int]:
    return [max([breadth(one.name), *(breadth(row[number]) for row in rows)]) for number, one in enumerate(columns)]


def _below(text: str, width: Optional[int]) -> List[str]:
    """The text below a row, "-" and "" for nothing."""
    if text in ("", "-"):
        return []
    return [f"    {text}"] if width is None else [f"    {one}" for one in _folded(text, max(20, width) - 4)]


def _folded(text: str, width: int) -> List[str]:
    """The text on as many lines as it takes, of such a width; a word that is wider is broken."""
    lines_: List[str] = []
    for part in textwrap.wrap(text, max(1, width), break_on_hyphens=False) or [""]:
        # A wide character takes two columns, and counts as one so far.
        while breadth(part) > max(2, width):
            piece = cut(part, width + 1).rstrip("…")
            lines_, part = [*lines_, piece], part[len(piece):]
        lines_.append(part)
    return lines_


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int], most: Optional[int]) -> List[int]:
    """The width of each column that is shown."""
    widths = [max([breadth(columns[one].name), *(breadth(row[one]) for row in rows)]) for one in shown]
    if most is None:
        return widths
    for number, one in reversed(list(enumerate(shown))):
        over = _total(widths) - most
        if over > 0 and columns[one].least:
            widths[number] = max(min(widths[number], columns[one].least), widths[number] - over)
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], screen: Screen) -> str:
    parts, left = [], screen.width
    for number, (cell, width) in enumerate(zip(cells, widths)):
        gap = _GAP if number else 0
        if left is not None:
            left -= gap
            if left <= 0:
                break
            width = min(width, left)
            left -= width
        text = cut(cell, width)
        padded = text + " " * (0 if number == len(widths) - 1 else width - breadth(text))
        parts.append(" " * gap + screen.paint(padded, getattr(cell, "colour", "")))
    return "".join(parts).rstrip()
