"""The demo's output: lines with the time since it began, a number for each event, nothing wider than the table."""

from __future__ import annotations

import signal
import textwrap
from typing import Optional, TextIO

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.demo.table import WIDTH
from supervisor_zkelect.system import clock

STAMP = 9
"""Columns of the time before a line."""


class Came:
    """The signal that came, and is to end the program."""

    def __init__(self) -> None:
        self._number = 0

    def signal(self, number: int) -> None:
        self._number = number
        self.check()

    def check(self) -> None:
        """Raise what it means, where one has come: somebody may have taken the exception for another one."""
        if self._number:
            raise KeyboardInterrupt if self._number == signal.SIGINT else SystemExit(128 + self._number)

    def taken(self) -> None:
        """It has done what it was to do."""
        self._number = 0


class Telling:
    """Writes to `out`. Raises what that does, BrokenPipeError where nobody reads any more; and before each line what the signal
    means that came, if one has."""

    def __init__(self, out: TextIO, came: Optional[Came] = None) -> None:
        self.out = out
        self.came = came or Came()
        self.begun = clock.now()
        self.events = 0

    def line(self, text: str = "") -> None:
        """The text as it is, and at once."""
        self.came.check()
        print(text, file=self.out, flush=True)

    def paragraph(self, text: str) -> None:
        """Sentences without a time, and an empty line."""
        self._wrapped("", text, "")
        self.line()

    def tell(self, text: str) -> None:
        """A sentence, with the time."""
        self._wrapped(f"{clock.now() - self.begun:5.1f} s  ", text)

    def event(self, text: str) -> None:
        """The next event, under the next number."""
        self.events += 1
        self.line()
        self.tell(f"{self.events}. {text}")

    def result(self, text: str) -> None:
        """The outcome of an event."""
        self._wrapped(" " * STAMP, text)

    def command(self, node: str, words: str, output: str) -> None:
        """A command that was given on a node, and its output."""
        self.line(f"{'':{STAMP}}{node}$ {words}")
        for line in output.strip().splitlines():
            self.line(f"{'':{STAMP}}  {printable(line)}")

    def _wrapped(self, first: str, text: str, indent: str = " " * STAMP) -> None:
        # Paths and addresses stay in one piece, so that they can be copied.
        for line in textwrap.wrap(
            text, WIDTH, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
        ):
            self.line(line)
