"""Logging that never waits: what standard error has no room for is dropped.

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

#: Bytes that a pipe takes at once or not at all (PIPE_BUF, pipe(7)).
WHOLE = 4096


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


def begin(name: str = "") -> Pipe:
    """Send this process's log to standard error. name: stands before each line."""
    handler = Pipe()
    prefix = f"{name}: " if name else ""
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s.%(msecs)03d %(levelname)s {prefix}%(message)s", "%Y-%m-%d %H:%M:%S")
    )
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
