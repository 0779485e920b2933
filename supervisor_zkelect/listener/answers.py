"""The delivery of answers to operators, which supervisord keeps for them. On the deciding thread, but for `give`.

What supervisord does not take, as it stands still, is delivered later: one answer at a time, so that at most one thread waits for
it beside those that it has use for. The first answer to a request counts there, so one may be delivered twice.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import Any, Deque, Dict, NamedTuple, Optional

from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.host import Host
from supervisor_zkelect.listener.paced_log import PacedLog
from supervisor_zkelect.listener.workers import PACE, EventExecutor

#: Seconds for which supervisord keeps a request (mailbox.KEEP_TIME); an answer is of no use then.
KEPT = 600.0


class OperatorAnswer(NamedTuple):
    """until: when nobody wants it any more. late: supervisord did not take it before."""

    ticket: str
    document: Dict[str, Any]
    until: float
    late: bool = False


class AnswerDelivered(NamedTuple):
    """An answer was delivered, or can never be; or why supervisord does not have it yet."""

    answer: OperatorAnswer
    error: str


def deliver(supervisord: Any, answer: OperatorAnswer) -> Optional[AnswerDelivered]:
    """Deliver an answer. None where that is done at the first try. On a thread of the pool."""
    error = pool_worker.deliver_answer(supervisord, answer.ticket, answer.document)
    return AnswerDelivered(answer, error) if error or answer.late else None


def _lacks(error: BaseException) -> str:
    """What was lacking, as a thread or memory, that may be had later; "" for a defect, which would be one each time."""
    return repr(error) if isinstance(error, (RuntimeError, MemoryError)) else ""


class Answers:
    """Delivers them."""

    def __init__(self, host: Host, work: EventExecutor, log: PacedLog) -> None:
        """work: where supervisord is waited for."""
        self._host = host
        self._work = work
        self._log = log
        #: those that supervisord did not take, in order; whether one of them is on its way, and when the next may be
        self._late: Deque[OperatorAnswer] = deque()
        self._under_way = False
        self._due = -math.inf

    def give(self, ticket: str, document: Dict[str, Any]) -> None:
        """Deliver an answer. Any thread may call it."""
        self._deliver(OperatorAnswer(ticket, document, self._host.now() + KEPT))

    def _deliver(self, answer: OperatorAnswer) -> None:
        work = partial(deliver, self._host.supervisord, answer)
        self._work.submit(work, lambda error: AnswerDelivered(answer, _lacks(error)))

    def next_wakeup(self) -> float:
        # The end of one that is on its way is an event.
        return self._due if self._late and not self._under_way else math.inf

    def keep_time(self, moment: float) -> None:
        while self._late and self._late[0].until <= moment:
            self._late.popleft()
        if self._late and not self._under_way and self._due <= moment:
            self._under_way = True
            self._deliver(self._late.popleft())

    def _delivered(self, event: AnswerDelivered) -> None:
        answer = event.answer
        if answer.late:
            self._under_way = False
        if event.error:
            self._log.warn("supervisord", f"cannot deliver an answer: {event.error}")
            self._due = self._host.now() + PACE
            (self._late.appendleft if answer.late else self._late.append)(answer._replace(late=True))

    def handlers(self) -> events.Handlers:
        return {AnswerDelivered: self._delivered}
