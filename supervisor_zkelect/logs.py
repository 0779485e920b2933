"""Logging that never waits: what standard error has no room for is dropped.

Standard error of a listener and of its guard is a pipe to supervisord. A supervisord that is frozen empties it no more,
and nothing that stops a group may wait for it.
"""

from __future__ import annotations

import logging
import os
import select

#: Bytes that a pipe takes at once or not at all (PIPE_BUF, pipe(7)).
WHOLE = 4096


class _Pipe(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        data = self.format(record).encode("utf-8", "backslashreplace")[:WHOLE - 1] + b"\n"
        writable = select.poll()
        writable.register(2, select.POLLOUT)
        try:
            if writable.poll(0):
                os.write(2, data)
        except OSError:
            # Nobody reads it any more.
            return


def begin(name: str = "") -> None:
    """Send this process's log to standard error. name: stands before each line."""
    handler = _Pipe()
    prefix = f"{name}: " if name else ""
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s.%(msecs)03d %(levelname)s {prefix}%(message)s", "%Y-%m-%d %H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
