"""Ctrl-C beside kazoo's client, which takes any exception for a connection that was closed: `except:` stands around the waking of
its thread, and what a signal raises just then is lost. So it is noted, and asked for where nothing of kazoo's is under way."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Interrupts:
    """In a `with` statement the first SIGINT is noted; the next one, and all after the statement, do what was set before."""

    def __init__(self) -> None:
        self._came = False
        self._former: Any = None

    def __enter__(self) -> Interrupts:
        # Python lets no other thread set a handler, nor runs it there.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            self._former = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)

    def _note(self, number: int, frame: object) -> None:
        self._came = True
        signal.signal(signal.SIGINT, self._former)

    def check(self) -> None:
        """Raise KeyboardInterrupt where one has come, once."""
        if self._came:
            self._came = False
            raise KeyboardInterrupt
