"""Wait for a condition, never for a length of time."""

from __future__ import annotations

import threading
from typing import Callable, Optional, TypeVar

from supervisor_zkelect.system import clock

T = TypeVar("T")

PAUSE = 0.005
"""Seconds between the first looks at a condition."""

LONGEST_PAUSE = 0.05
"""Seconds between two looks at one that takes long."""


def until(condition: Callable[[], T], timeout: float, what: str, pause: Optional[float] = None) -> T:
    """Ask `condition` again and again until its answer is true, and return that answer.

    condition: called without arguments. An Exception that it raises counts as "not yet".
    timeout: seconds. The condition is asked at least once, and once more when the time is over.
    what: the thing waited for, as it should read in an error: "node a to be primary".
    pause: seconds between two looks. By default PAUSE, and a twentieth of the time waited up to LONGEST_PAUSE: a look may
        take as much of a processor as what is waited for needs.

    Raises TimeoutError, which names `what`, the time, and the condition's last exception or answer.
    """
    never = threading.Event()
    begun = clock.now()
    while True:
        waited = clock.now() - begun
        last = waited >= timeout
        error = None
        answer = None
        try:
            answer = condition()
        except Exception as problem:  # whatever the condition met may be over at the next look
            error = problem
        if answer:
            return answer
        if last:
            seen = f"last error: {type(error).__name__}: {error}" if error else f"last answer: {answer!r}"
            raise TimeoutError(f"waited {timeout:g} s for {what}; {seen}") from error
        never.wait(min(max(PAUSE, waited / 20), LONGEST_PAUSE) if pause is None else pause)
