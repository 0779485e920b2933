"""The last report of this node's listener, as supervisord keeps it, for `/standby`, `/ready` and `/metrics`. No listener is asked
for it."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import view
from supervisor_zkelect.operators.outcome import NOT_PRIMARY
from supervisor_zkelect.operators.view import View
from supervisor_zkelect.supervisord.client import SupervisordError
from supervisor_zkelect.system import clock

FRESH = 0.5
"""Seconds for which a report is answered by, before supervisord is asked again."""

STALE = 3.0
"""Seconds after which one says nothing any more."""


class Report(NamedTuple):
    """view: None where there is none, and why. at: when supervisord was asked, seconds of CLOCK_BOOTTIME."""

    view: Optional[View] = None
    why: str = "supervisord was not asked yet"
    at: float = -float("inf")

    def still(self, now: float) -> Optional[View]:
        """The view while it says something. now: seconds of CLOCK_BOOTTIME."""
        return self.view if now - self.at <= STALE else None

    def standby(self, election: str, now: float) -> str:
        """Why the node could not take over in an election; "" where it stands by and could. now: seconds of CLOCK_BOOTTIME."""
        said = self.still(now)
        if said is None:
            return self.why or "supervisord does not answer"
        doubt = said.doubt(election)
        if doubt:
            return printable(doubt)
        if said.status(election) == NOT_PRIMARY:
            return ""
        facts = said.facts(election)
        trouble = view.as_text(facts.get("trouble"))
        return f"this node is {view.as_text(facts.get('role'))}" + (f": {trouble}" if trouble else "")


class Reporter:
    """Asks supervisord for the report. call: as `ask.Call`. `latest` may be read on any thread."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self.latest = Report()
        #: when supervisord had answered last, or failed to; one that is silent is not asked without end
        self._told_at = -float("inf")

    @property
    def fresh(self) -> bool:
        return clock.now() - self._told_at < FRESH

    def refresh(self) -> Report:
        """Ask supervisord unless that was done just now; takes as long as it takes, on any thread, but on one at a time."""
        if not self.fresh:
            asked = clock.now()
            try:
                self.latest = Report(view.judge(self._call("zkelect.getReport")), "", asked)
            except SupervisordError as error:
                self.latest = Report(None, f"supervisord: {printable(error)}", asked)
            self._told_at = clock.now()
        return self.latest
