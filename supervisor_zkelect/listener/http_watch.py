"""Whether `zkelect http` answers, where it is configured: a load balancer that it does not answer sees no primary. On the
deciding thread; a worker asks."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Dict, NamedTuple, Optional

from supervisor_zkelect.checks import http_program
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.part import Means, Part

PACE = 10.0
"""Seconds between two questions."""

FALL = 2
"""Unanswered questions in a row before a trouble is reported: after fewer it may just be restarting."""


class HttpAsked(NamedTuple):
    """`zkelect http` was asked whether it answers. place: where. trouble: why it does not, in one line, "" where it does."""

    place: str
    trouble: str


def ask(place: str, tls: bool) -> HttpAsked:
    """Ask. Off the deciding thread; takes a second at most."""
    return HttpAsked(place, http_program.trouble(place, tls))


class HttpWatch(Part):
    """Asks now and then, and tells what is wrong."""

    def __init__(self, means: Means, candidacies: Candidacies) -> None:
        super().__init__(means)
        self._candidacies = candidacies
        self._due = self._host.now() + PACE
        self._failures = 0
        self._why = ""

    @property
    def trouble(self) -> str:
        """Why it does not answer, "" where it does, or is not configured."""
        return self._why if self._failures >= FALL and self._host.settings.http else ""

    def report(self) -> Optional[Dict[str, Any]]:
        """For the listener's report; None where it is not configured."""
        settings = self._host.settings
        return {"at": settings.http, "trouble": self.trouble} if settings.http else None

    def next_wakeup(self) -> float:
        return self._due if self._host.settings.http else math.inf

    def keep_time(self, moment: float) -> None:
        settings = self._host.settings
        if moment < self._due or not settings.http:
            return
        self._due = math.inf
        place = settings.http
        work = partial(ask, place, bool(settings.http_tls_cert))
        self._work.submit(work, lambda error: HttpAsked(place, f"zkelect http cannot be asked: {error!r}"))

    def _asked(self, event: HttpAsked) -> None:
        self._due = self._host.now() + PACE
        if event.place != self._host.settings.http:
            # The file names another by now.
            self._failures = 0
            return
        before = self.trouble
        self._failures, self._why = (self._failures + 1, event.trouble) if event.trouble else (0, "")
        if self.trouble != before:
            self._delivery.changed()
            for one in self._candidacies:
                one.write_entry_soon()
        if self.trouble:
            self._log.warn("http", self.trouble)

    def handlers(self) -> events.Handlers:
        return {HttpAsked: self._asked}
