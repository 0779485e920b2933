"""Waiting for work that waits for ZooKeeper, so that Ctrl-C need not wait for it, too."""

from __future__ import annotations

import threading
import time
from typing import Callable, List, Optional, TypeVar

_T = TypeVar("_T")

GLANCE = 0.05
"""Seconds between two looks whether somebody has pressed Ctrl-C."""

_LONGEST = 1e9


def done(work: Callable[[], _T], check: Callable[[], None], seconds: float = _LONGEST) -> Optional[_T]:
    """What the work comes to, which another thread does; None where it takes longer than so many seconds. check: called
    meanwhile; what it raises ends the waiting, and not the work. Raises what the work raises."""
    found: List[_T] = []
    failed: List[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)
        finally:
            ended.set()

    threading.Thread(target=run, daemon=True).start()
    deadline = time.monotonic() + seconds
    while not ended.wait(GLANCE) and time.monotonic() < deadline:
        check()
    if failed:
        raise failed[0]
    return found[0] if found else None
