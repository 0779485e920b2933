"""Until when leading is proven, by what one session was answered. Counts as `supervisor_zkelect.core.lease` says; asks nothing.

The servers' tickTime is not known here, so the longest is taken that there can be, half of the session's timeout. With a
check every tenth of the timeout a deadline lies between 0.4 and 0.5 of it ahead.
"""

from __future__ import annotations

import math
import threading
from typing import Any, List, NamedTuple, Optional, Union

from kazoo import exceptions as kazoo_errors

from supervisor_zkelect.core.lease import SessionClock, lasts_until

STANDS, GONE, UNKNOWN = "stands", "gone", "unknown"


class _Session(NamedTuple):
    id: int
    clock: SessionClock


class _Proven(NamedTuple):
    """Until when a proposal is proven, in seconds of CLOCK_BOOTTIME. token: its own. session: by the answers to that one."""

    token: int
    session: int
    deadline: float


class Proof:
    """Collects the answers to an elector's session. All times are seconds of CLOCK_BOOTTIME.

    Threads note here beside each other: who asks, the client's own that connects, and the one that renews.
    granted: the session timeout, in seconds, where the caller knows it and `connected` is not told.
    """

    def __init__(self, granted: Optional[float]) -> None:
        self._granted = granted
        #: Each note is made of the former ones, and one that were lost could leave a longer timeout than was granted.
        self._noting = threading.RLock()
        self._session: Optional[_Session] = None
        self._proven: Optional[_Proven] = None

    @property
    def timeout(self) -> Optional[float]:
        """The session timeout as granted, in seconds; None where nobody knows it."""
        return self._session.clock.timeout if self._session else self._granted

    def connected(self, sent: float, timeout: float, session: int) -> None:
        """A connect request, sent at `sent`, was answered: timeout in seconds, 0 for a session that is over."""
        if timeout <= 0:
            return
        with self._noting:
            before, proven = self._session, self._proven
            if before is None or before.id != session:
                self._session = _Session(session, SessionClock(timeout, math.inf, sent))
                return
            shorter = min(timeout, before.clock.timeout)
            if proven is not None and shorter < before.clock.timeout:
                self._proven = proven._replace(deadline=min(proven.deadline, lasts_until(sent, shorter)))
            self._session = _Session(session, before.clock.reconnected(sent)._replace(timeout=shorter))

    def answered(self, session: int, sent: float, answered: float) -> None:
        """A request was answered that was sent in this session and not before `sent`."""
        with self._noting:
            clock = self._clock(session)
            if clock is not None:
                self._session = _Session(session, clock.answered(sent, answered))

    def checked(self, session: int, token: int, sent: float, answered: float) -> None:
        """The same of a request by which the quorum has checked the proposal with this token."""
        with self._noting:
            clock, proven = self._clock(session), self._proven
            if clock is not None:
                deadline = clock.deadline(sent)
                if proven is None or (proven.token, proven.session) != (token, session) or proven.deadline < deadline:
                    self._proven = _Proven(token, session, deadline)
                self.answered(session, sent, answered)

    def deadline(self, token: Optional[int]) -> Optional[float]:
        """Until when the proposal with this token is proven to stand and lead; None where nothing proves it."""
        proven = self._proven
        if proven is None or proven.token != token or proven.deadline == -math.inf:
            return None
        return proven.deadline

    def _clock(self, session: int) -> Optional[SessionClock]:
        if self._session is not None and self._session.id == session:
            return self._session.clock
        return SessionClock(self._granted, math.inf, -math.inf) if self._granted is not None else None


def verdict(results: Union[List[Any], BaseException, None], stat: Any, token: int) -> str:
    """STANDS, GONE or UNKNOWN, by a transaction that checks a proposal and a look at the proposal after it.

    results, stat: as the client answers; an exception or None for a transaction that was not answered. The look tells whether
    it is the proposal with this token, and not another of its name.
    """
    if not isinstance(results, list):
        return UNKNOWN
    if any(isinstance(result, kazoo_errors.NoNodeError) for result in results):
        return GONE
    if any(isinstance(result, Exception) for result in results):
        return UNKNOWN
    if isinstance(stat, BaseException):
        return UNKNOWN
    return STANDS if stat is not None and stat.czxid == token else GONE
