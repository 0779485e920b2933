"""Logging that never waits: what standard error has no room for is dropped.

What it writes is one line for each message, and nothing in it acts on a terminal: parts of a message may come from others,
such as a znode's name, what a server says, or a program's output.

Standard error of a listener and of its guard is a pipe to supervisord. A supervisord that is frozen empties it no more,
and nothing that stops a group may wait for it.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import warnings
from typing import Callable, NoReturn, Optional

from supervisor_zkelect.core.untrusted import printable

#: Bytes that a pipe takes at once or not at all (PIPE_BUF, pipe(7)).
WHOLE = 4096


class Lines(logging.Formatter):
    """A message is one printable line. What follows of a traceback is indented, so that none of it looks like a message."""

    def format(self, record: logging.LogRecord) -> str:
        message, *more = super().format(record).split("\n") if record.exc_info else [super().format(record)]
        return "\n    ".join([printable(message), *map(printable, more)])


class Pipe(logging.Handler):
    """otherwise: takes a line when nobody will ever read standard error again; on any thread, and must not block."""

    otherwise: Optional[Callable[[str], None]] = None

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        writable = select.poll()
        writable.register(2, select.POLLOUT)
        try:
            if writable.poll(0):
                os.write(2, line.encode("utf-8", "backslashreplace")[:WHOLE - 1] + b"\n")
        except OSError:
            if self.otherwise is not None:
                self.otherwise(line)


def formatter(name: str) -> logging.Formatter:
    """How a message is written. name: as `begin` takes it."""
    prefix = f"{name}: " if name else ""
    return Lines(f"%(asctime)s.%(msecs)03d %(levelname)s {prefix}%(message)s", "%Y-%m-%d %H:%M:%S")


def begin(name: str = "") -> Pipe:
    """Send this process's log to standard error. name: stands before each line."""
    handler = Pipe()
    handler.setFormatter(formatter(name))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Python writes its warnings to standard error and waits for room there; one is due at each fork (Python 3.12).
    warnings.simplefilter("ignore")
    return handler


def end(status: int) -> NoReturn:
    """End this process now, with this exit status.

    Threads that wait for a dead peer would hold up the interpreter's end for their time limits; and it takes apart for ten
    milliseconds what the kernel does away with in one, while another node's service wants the processor, or this one's.
    """
    logging.shutdown()
    try:
        sys.stderr.flush()
    except (AttributeError, OSError):
        # It is None where a process was started without it, and nobody reads it where that one is gone.
        pass
    os._exit(status)
