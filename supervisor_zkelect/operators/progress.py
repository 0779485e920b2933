"""What is awaited, shown in one line of a terminal while somebody waits for it."""

from __future__ import annotations

import shutil
from typing import Any

from supervisor_zkelect.core.moments import duration
from supervisor_zkelect.core.untrusted import printable

_CLEAR = "\r\x1b[K"
"""Puts the cursor to the beginning of the line, and empties the line."""


class Progress:
    """One line on a stream, which is gone in the end. Does nothing where that is no terminal."""

    def __init__(self, stream: Any) -> None:
        try:
            self.wanted = stream is not None and stream.isatty()
        except ValueError:
            # It is closed.
            self.wanted = False
        self._stream = stream
        self._shown = False

    def tell(self, what: str, seconds: float) -> None:
        """what: as "waiting for b to stop" has it. seconds: for how long."""
        if not self.wanted:
            return
        line = f"{printable(what)}, {duration(float(int(seconds))) if seconds >= 10 else f'{seconds:.0f} s'}"
        self._write(f"{_CLEAR}{line[:shutil.get_terminal_size().columns - 1]}")
        self._shown = True

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write(_CLEAR)
        self._shown = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody looks any more; whoever waits goes on.
            self.wanted = False


NONE = Progress(None)
"""Shows nothing."""
