"""What a fork needs that goes on by itself instead of executing a program: supervisord's (`fork.py`), and the guard's
(`releaser.py`)."""

from __future__ import annotations

import os
from typing import Tuple

try:
    # What CPython's signal module is made of; that one makes a member of an enumeration of every number, and takes 0.3 ms.
    import _signal as signal
except ImportError:
    import signal


def identity(path: str) -> Tuple[int, ...]:
    """What changes when a file is written anew, and is no other file's. Raises OSError."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def answer_signals() -> None:
    """Handlers of the process that forked would swallow a signal that is to end the fork."""
    for number in range(1, signal.NSIG):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
