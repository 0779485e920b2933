"""Waiting for work that waits for ZooKeeper, so that Ctrl-C need not wait for it, too."""

from __future__ import annotations

import threading
import time
from typing import Callable, Generic, List, Optional, TypeVar

_T = TypeVar("_T")

GLANCE = 0.05
"""Seconds between two looks whether somebody has pressed Ctrl-C."""

_LONGEST = 1e9


class Errand(Generic[_T]):
    """Work that another thread does, from now on. It may be waited for several times."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._work = work
        self._found: List[_T] = []
        self._failed: List[BaseException] = []
        self._ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:
            self._failed.append(error)
        finally:
            self._ended.set()

    def outcome(self, check: Callable[[], None], seconds: float = _LONGEST) -> Optional[_T]:
        """What the work comes to; None where that takes longer than so many seconds. check: called meanwhile; what it raises ends
        the waiting, and not the work. Raises what the work raises."""
        deadline = time.monotonic() + seconds
        while not self._ended.wait(GLANCE) and time.monotonic() < deadline:
            check()
        if self._failed:
            raise self._failed[0]
        return self._found[0] if self._found else None


def done(work: Callable[[], _T], check: Callable[[], None], seconds: float = _LONGEST) -> Optional[_T]:
    """What the work comes to, as `Errand.outcome`."""
    return Errand(work).outcome(check, seconds)
