"""Wait for a condition, never for a length of time."""

from __future__ import annotations

import threading
from typing import Callable, TypeVar

from supervisor_zkelect import clock

T = TypeVar("T")

PAUSE = 0.005
"""Seconds between two looks at a condition."""


def until(condition: Callable[[], T], timeout: float, what: str, pause: float = PAUSE) -> T:
    """Ask `condition` every `pause` seconds until its answer is true, and return that answer.

    condition: called without arguments. An Exception that it raises counts as "not yet".
    timeout: seconds. The condition is asked at least once, and once more when the time is over.
    what: the thing waited for, as it should read in an error: "node a to be primary".

    Raises TimeoutError, which names `what`, the time, and the condition's last exception or answer.
    """
    never = threading.Event()
    deadline = clock.now() + timeout
    while True:
        last = clock.now() >= deadline
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
        never.wait(pause)
