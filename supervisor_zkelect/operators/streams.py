"""Where answers go: a terminal, a pipe that may be closed, a disk that may be full, or nowhere."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, Iterable, Optional

from supervisor_zkelect.operators.table import Screen


def stand_in() -> None:
    """Open a file for each standard stream that was closed when this process began. Python has None for it then, and whatever
    is opened next would get its number."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # It stays open as long as the process.
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115


def columns(stream: Any) -> Optional[int]:
    """The width of the terminal that the stream is; None when it is none."""
    try:
        return shutil.get_terminal_size().columns if stream is not None and stream.isatty() else None
    except ValueError:
        # It is closed.
        return None


def screen(stream: Any) -> Screen:
    """The stream as a screen. It has colour where it is a terminal that can show it, and nobody has said NO_COLOR
    (https://no-color.org)."""
    width = columns(stream)
    return Screen(width, width is not None and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb")


def encodable(stream: Any, text: str) -> str:
    """The text as the stream can show it: a character that a terminal does not know must not cost the answer."""
    encoding: Optional[str] = getattr(stream, "encoding", None)
    return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text


def write(stream: Any, lines: Iterable[str]) -> str:
    """Write the lines, and whatever was written before, and see all gone. Returns why it got nowhere; "" if it did, and also
    where nobody reads any more, as of a pipe into `head`: whoever ends reading has what he wanted."""
    try:
        # print would take None for the standard output.
        if stream is not None:
            for line in lines:
                print(line, file=stream)
            stream.flush()
        return ""
    except BrokenPipeError:
        hush(stream)
        return ""
    except (OSError, ValueError) as error:
        hush(stream)
        return getattr(error, "strerror", None) or str(error)


def hush(stream: Any) -> None:
    """Let nothing more be written to a stream that takes nothing: Python would fail once more when it flushes at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        # It is no file, or closed.
        pass
