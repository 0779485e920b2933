"""A node as an operator may see it at one moment: the listener's last report, and whether it can be believed. Pure.

The rule for a role: it is shown only when a living listener has just vouched for it. So the listener is first
asked for a fresh report. If it neither answers nor reports in time, if supervisord says that it is dead or stopped, or if
the lease of a primary has run out by the clock of its machine, the role is unknown, and nothing of an older report is shown
but its age.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators.outcome import CANNOT, DONE, NOT_PRIMARY, ON_ITS_WAY, RANKS, UNKNOWN
from supervisor_zkelect.supervisord.client import Unreachable

if TYPE_CHECKING:
    # The standard library has it from Python 3.10 on.
    from typing_extensions import TypeGuard

#: Seconds since ZooKeeper confirmed something, up to which it is shown as it is now. A question has it asked again.
FRESH = 2.0


class View(NamedTuple):
    """A node as an operator may see it at one moment.

    known: whether `report` may be believed; why: why not, empty if so. age: seconds since the report was
    made, None without one. now: the CLOCK_BOOTTIME of supervisord's machine. report: the last report,
    believed or not.
    """

    known: bool
    why: str
    age: Optional[float]
    now: float
    report: Dict[str, Any]

    @property
    def names(self) -> List[str]:
        """The elections of the report, in order. They stay known when the roles are not."""
        return sorted(as_dict(self.report.get("elections")))

    def facts(self, election: str) -> Dict[str, Any]:
        """The reported facts of one election."""
        return as_dict(as_dict(self.report.get("elections")).get(election))

    def doubt(self, election: str) -> str:
        """Why the role in this election is unknown; empty when it is known."""
        if not self.known:
            return self.why
        facts = self.facts(election)
        role = facts.get("role")
        if not isinstance(role, str) or not role:
            return "the report has no role"
        if role != "primary":
            return ""
        paused = as_dict(facts.get("paused"))
        end = paused.get("until")
        if paused.get("held") is True and (end is None or is_number(end) and end > self.now):
            return ""
        deadline = facts.get("deadline")
        if not is_number(deadline):
            return "the report calls it primary, without a lease"
        if deadline <= self.now:
            return "the lease of the primary has run out"
        return ""

    def role(self, election: str) -> str:
        """The role in this election, "unknown" when it is in doubt."""
        return "unknown" if self.doubt(election) else printable(self.facts(election)["role"])


    @property
    def connected(self) -> bool:
        """Whether the node has a connection to ZooKeeper, as far as is known."""
        return as_dict(self.report.get("session")).get("state") == "connected"

    def past(self, election: str, moment: str) -> Optional[float]:
        """For how many seconds ZooKeeper has not confirmed what it said by the fact `moment`; None while that is known to be so
        now. A listener of another version may not tell the moment."""
        at = self.facts(election).get(moment)
        age = max(0.0, self.now - at) if is_number(at) else None
        if not self.connected:
            since = as_dict(self.report.get("session")).get("since")
            return age if age is not None else max(0.0, self.now - since) if is_number(since) else 0.0
        return age if age is not None and age > FRESH else None

    def status(self, election: str) -> int:
        """The exit status for this election alone: one of RANKS."""
        return UNKNOWN if self.doubt(election) else status_of(self.facts(election))


def judge(answer: str, fresh_within: Optional[float] = None) -> View:
    """The view that an answer of zkelect.getReport gives.

    fresh_within: seconds; a report that is older is not believed, because the listener was asked for another
    one that long ago and has not answered. None: it has answered.

    Raises Unreachable when the answer makes no sense.
    """
    try:
        document = json.loads(answer)
    except (ValueError, TypeError, RecursionError):
        document = None
    if not isinstance(document, dict) or not is_number(document.get("now")):
        raise Unreachable("cannot understand the answer to zkelect.getReport; is the plugin in supervisord of another version?")
    report, age = as_dict(document.get("report")), document.get("age")
    age = max(0.0, age) if is_number(age) else None
    known = document.get("known") is True and bool(report) and age is not None
    why = "" if known else printable(document.get("why") or "there is no report")
    if known and fresh_within is not None and age is not None and age > fresh_within:
        known = False
        pid = printable(report.get("pid"))
        why = f"the listener (pid {pid}) does not answer; see its log, and restart it, which does not interrupt the service"
    return View(known, why, age, float(document["now"]), report)


def status_of(facts: Dict[str, Any]) -> int:
    """The exit status for an election of which these facts are reported and believed."""
    role = facts.get("role")
    if role == "primary":
        return DONE
    if as_dict(facts.get("cannot")):
        return CANNOT
    asks_in_vain = facts.get("step") == "asking" and bool(facts.get("trouble"))
    return NOT_PRIMARY if role == "standby" and not asks_in_vain else ON_ITS_WAY


def exit_of(view: View, elections: Sequence[str]) -> int:
    """The worst exit status of these elections; of none 5, as such a node takes no part, or 4 where that is not known."""
    if not elections:
        return ON_ITS_WAY if view.known else UNKNOWN
    return max(map(view.status, elections), key=RANKS.index)


def as_dict(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> List[Dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """As it may be shown; "" for None."""
    return "" if value is None else printable(value)


def is_number(value: Any) -> TypeGuard[float]:
    # json.loads takes NaN and Infinity, which compare with nothing or with everything.
    return type(value) in (int, float) and abs(value) < 1e18
