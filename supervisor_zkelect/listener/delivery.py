"""The delivery of a listener's reports to supervisord, on the deciding thread; at most one is on its way."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List

from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.host import Host
from supervisor_zkelect.listener.paced_log import PacedLog
from supervisor_zkelect.listener.workers import PACE, EventExecutor

if TYPE_CHECKING:
    from supervisor_zkelect.listener.candidacies import Candidacies

#: Seconds between two reports while nothing changes; delivering one is a quarter of what a standby does.
REPORT_PACE = 2.0
#: Seconds after which a step is reported that does not last.
STEP_PACE = 0.2
#: Seconds that an operator waits for an answer of ZooKeeper at most before he is told what is known.
REFRESH_TIME = 0.5


class Delivery:
    """Delivers reports to supervisord, and takes operators' orders with the answers."""

    def __init__(
        self, host: Host, work: EventExecutor, log: PacedLog, candidacies: Candidacies, connected: Callable[[], bool],
        report: Callable[[float], Dict[str, Any]], obey: Callable[[Dict[str, Any]], None],
        reply: Callable[[str, Dict[str, Any]], None],
    ) -> None:
        """work: where supervisord is waited for. connected: whether there is a connection to ZooKeeper. report: makes one, as of
        a moment. obey: takes an operator's order, which comes with the answer to a report. reply: answers one."""
        self._host = host
        self._work = work
        self._log = log
        self._candidacies = candidacies
        self._connected = connected
        self._report = report
        self._obey = obey
        self._reply = reply
        self._under_way = False
        self._changed = False
        self._due = host.now()
        #: who wants a fresh report, since when; who gets it with the report that is on its way
        self._wanted: List[str] = []
        self._wanted_since = -math.inf
        self._fresh_for: List[str] = []

    def changed(self) -> None:
        """Deliver a report at once."""
        self._changed = True

    def within(self, seconds: float) -> None:
        """Deliver a report within these seconds."""
        self._due = min(self._due, self._host.now() + seconds)

    def refresh(self, ticket: str) -> None:
        """Deliver a report that is true now, and then answer; ack, holder and queue are read first."""
        if not self._wanted:
            self._wanted_since = self._host.now()
            if self._connected():
                for one in self._candidacies:
                    if one.state.proposal is not None and not one.queue.asking:
                        one.look_at_queue()
                    one.read_term()
        self._wanted.append(ticket)

    def next_wakeup(self) -> float:
        return min(
            math.inf if self._under_way else self._due, self._wanted_since + REFRESH_TIME if self._wanted else math.inf
        )

    def keep_time(self, moment: float) -> None:
        if self._under_way:
            return
        if self._wanted and (self._all_read() or moment >= self._wanted_since + REFRESH_TIME):
            self._fresh_for, self._wanted = self._wanted, []
            self._changed = True
        if self._changed or self._due <= moment:
            self._under_way, self._changed, self._due = True, False, moment + REPORT_PACE
            work = partial(pool_worker.deliver_report, self._host.supervisord, json.dumps(self._report(moment)))
            self._work.submit(work, lambda error: events.ReportDelivered([], repr(error)))

    def _all_read(self) -> bool:
        """Whether ZooKeeper has answered all that a fresh report needs."""
        return not self._connected() or not any(
            one.term.asking or one.queue.asking or one.term.asked_at < self._wanted_since for one in self._candidacies
        )

    def _delivered(self, event: events.ReportDelivered) -> None:
        self._under_way = False
        for ticket in self._fresh_for:
            self._reply(ticket, {"ok": not event.error})
        self._fresh_for = []
        if event.error:
            self._log.warn("supervisord", f"cannot deliver the report: {event.error}")
            self.within(PACE)
        for request in event.requests:
            self._obey(request)

    def handlers(self) -> events.Handlers:
        return {events.ReportDelivered: self._delivered}
