"""The delivery of a listener's reports to supervisord, on the deciding thread; at most one is on its way."""

from __future__ import annotations

import json
import logging
import math
from functools import partial
from typing import Any, Callable, Dict, List

from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.host import Host
from supervisor_zkelect.listener.paced_log import PacedLog
from supervisor_zkelect.listener.workers import PACE, EventExecutor

log = logging.getLogger(__name__)

#: Seconds between two reports while nothing changes; delivering one is a quarter of what a standby does.
REPORT_PACE = 2.0
#: Seconds after which a step is reported that does not last.
STEP_PACE = 0.2


class Delivery:
    """Delivers reports to supervisord, and takes operators' orders with the answers. An answer may come too late, or be lost, so
    supervisord gives an order until a report names its ticket, and what is given again is passed over."""

    def __init__(
        self, host: Host, work: EventExecutor, log: PacedLog, report: Callable[[float], Dict[str, Any]],
        obey: Callable[[Dict[str, Any]], None], reply: Callable[[str, Dict[str, Any]], None],
    ) -> None:
        """work: where supervisord is waited for. report: makes one, as of a moment. obey: takes an operator's order, which comes
        with the answer to a report. reply: answers one."""
        self._host = host
        self._work = work
        self._log = log
        self._report = report
        self._obey = obey
        self._reply = reply
        self.under_way = False
        self._changed = False
        self._due = host.now()
        #: tickets: who is answered when the next report, or the one that is on its way, is delivered
        self._fresh_for: List[str] = []
        #: tickets of the orders that have come, and that no report which was delivered has named
        self._taken: List[str] = []

    def changed(self) -> None:
        """Deliver a report at once."""
        self._changed = True

    def within(self, seconds: float) -> None:
        """Deliver a report within these seconds."""
        self._due = min(self._due, self._host.now() + seconds)

    def tell(self, tickets: List[str]) -> None:
        """Deliver a report at once, while none is under way, and then answer."""
        self._fresh_for = tickets
        self._changed = True

    def next_wakeup(self) -> float:
        return math.inf if self.under_way else self._due

    def keep_time(self, moment: float) -> None:
        if not self.under_way and (self._changed or self._due <= moment):
            self.under_way, self._changed, self._due = True, False, moment + REPORT_PACE
            report = json.dumps({**self._report(moment), "taken": self._taken})
            work = partial(pool_worker.deliver_report, self._host.supervisord, report, tuple(self._taken))
            self._work.submit(work, lambda error: events.ReportDelivered([], repr(error)))

    def _delivered(self, event: events.ReportDelivered) -> None:
        self.under_way = False
        for ticket in self._fresh_for:
            self._reply(ticket, {"ok": not event.error})
        self._fresh_for = []
        had = self._taken
        if event.error:
            self._log.warn("supervisord", f"cannot deliver the report: {event.error}")
            self.within(PACE)
        else:
            # supervisord gives those no more that it has named.
            self._taken = [ticket for ticket in self._taken if ticket not in event.named]
        for request in event.requests:
            ticket = request.get("ticket", "")
            if ticket in had:
                continue
            self._taken.append(ticket)
            try:
                self._obey(request)
            except Exception as error:
                # Without an answer supervisord would give it to the next listener as well.
                log.exception("a defect")
                self._reply(ticket, {"ok": False, "exit": 4, "text": f"a defect: {error!r}"})

    def handlers(self) -> events.Handlers:
        return {events.ReportDelivered: self._delivered}
