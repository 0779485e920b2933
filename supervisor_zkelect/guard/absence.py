"""How long a guard goes on without a listener, by what supervisord says of the listener's process. Pure.

A listener that is being restarted comes back, however busy the machine is, and is waited for as long as supervisord says
that it starts or runs. One that nobody starts again does not. In between, where supervisord does not answer, or has not
decided yet, the wait ends after LIMIT.

All times are seconds of one clock.
"""

from __future__ import annotations

NEVER = float("inf")

LIMIT = 60.0
"""Seconds for which a listener is waited for that is neither there nor surely coming, counted from when it left."""

COMING = ("STARTING", "RUNNING")
ENDED = ("STOPPED", "FATAL")
"""States of supervisord. All others, such as BACKOFF, EXITED and STOPPING, and no answer at all, decide nothing."""


class Absence:
    """A listener left at `since`. grace: seconds for which one that was stopped is waited for all the same."""

    def __init__(self, since: float, grace: float) -> None:
        self._since = since
        self._grace = grace
        self._ended_since = NEVER

    def told(self, state: str, now: float) -> float:
        """Until when the listener is waited for, unless supervisord says something else by then.

        state: the listener's process's, in supervisord's words; "" when supervisord does not answer.
        """
        if state in ENDED:
            self._ended_since = min(self._ended_since, now)
            return self._ended_since + self._grace
        self._ended_since = NEVER
        return NEVER if state in COMING else self._since + LIMIT
