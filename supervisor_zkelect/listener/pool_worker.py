"""Work on the threads of a listener's pools, beside its deciding thread: it waits for supervisord, a service or ZooKeeper.

Each function is given values, and returns an event, or None; it cannot reach the listener's state.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core import messages
from supervisor_zkelect.diagnosis import examination, inspection
from supervisor_zkelect.elector import ElectionError, NotConnected, TimedOut
from supervisor_zkelect.guard import release, saved_session
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.workers import LONGEST_LIST, PACE
from supervisor_zkelect.processes import execution
from supervisor_zkelect.supervisord import exits
from supervisor_zkelect.supervisord.client import Fault, SupervisordError
from supervisor_zkelect.system import accounts

log = logging.getLogger(__name__)

#: Seconds that a look at the znodes of all elections may take.
INSPECTION_TIME = 5.0


# supervisord (`supervisord`: supervisord.client.Supervisord, or its fake)


def read_programs(supervisord: Any) -> events.Configured:
    """Ask supervisord for the configuration of its programs."""
    try:
        return events.Configured(supervisord.call("supervisor.getAllConfigInfo"), "")
    except SupervisordError as error:
        return events.Configured([], str(error))


def stop_group(supervisord: Any, group: str) -> None:
    """Ask supervisord to stop a group that there is no guard for."""
    try:
        supervisord.call("supervisor.stopProcessGroup", group, False)
    except SupervisordError as error:
        log.warning("%s: there is no guard, and supervisord cannot be asked to stop the group: %s", group, error)


def read_end(
    supervisord: Any, election: str, group: str, token: Optional[int], name: str, state: str
) -> events.ProgramEnded:
    """Ask how the program `name` of a group ended, which supervisord's events do not tell."""
    try:
        end = exits.read(supervisord.call("zkelect.getProcessEnds", [group], timeout=PACE)).get(name, exits.End())
    except (SupervisordError, ValueError):
        # It may have run since before an upgrade of this package.
        end = exits.End()
    user = "" if end.uid is None else accounts.name_of(end.uid)
    return events.ProgramEnded(election, token, name, state, exits.told(end, user))


def survey_groups(supervisord: Any, groups: Sequence[str], reason: str) -> events.GroupsSurveyed:
    """Ask whether supervisord lets the groups run on while it ends this listener."""
    try:
        infos = supervisord.call("supervisor.getAllProcessInfo")
    except Fault:
        # It is shutting down.
        return events.GroupsSurveyed(False, reason)
    except SupervisordError:
        # It hangs, and so does whatever it was about to do.
        return events.GroupsSurveyed(True, reason)
    states = [info["statename"] for info in infos if info["group"] in groups]
    return events.GroupsSurveyed(all(state in ("STARTING", "RUNNING", "BACKOFF") for state in states), reason)


def deliver_report(supervisord: Any, report: str) -> events.ReportDelivered:
    """Deliver a report (JSON), and take what operators have ordered."""
    try:
        return events.ReportDelivered(json.loads(supervisord.call("zkelect.putReport", report, timeout=PACE)), "")
    except (SupervisordError, ValueError) as error:
        return events.ReportDelivered([], str(error))


def deliver_answer(supervisord: Any, ticket: str, document: Dict[str, Any]) -> None:
    """Answer an operator's order."""
    try:
        supervisord.call("zkelect.answer", ticket, json.dumps(document))
    except SupervisordError as error:
        log.warning("cannot deliver an answer: %s", error)


# ZooKeeper


def release_leftovers(
    client: Any, elections: Sequence[saved_session.Election], acl: Any, timeout: float
) -> events.LeftoversReleased:
    """Give up what the session has in elections whose groups are proven dead. timeout: in seconds, of each request."""
    left, refused = [], []
    for one in elections:
        try:
            release.leave(client, one, acl, timeout)
        except ElectionError as error:
            log.warning("%s: %s", one.name, error)
            left.append(one)
            if not isinstance(error, (NotConnected, TimedOut)):
                refused.append(one)
    return events.LeftoversReleased([one for one in elections if one not in left], refused)


def inspect_znodes(client: Any, settings: Settings) -> events.ZnodesInspected:
    """Find znodes that strangers may change though the configuration says otherwise."""
    return events.ZnodesInspected(inspection.look(client, settings, INSPECTION_TIME).notes)


# This node


def check(node: examination.Node) -> events.CheckDone:
    """Look at all that this node depends on, for seconds."""
    return events.CheckDone(examination.of_node(node).document(LONGEST_LIST))


# The service


def run_fence(
    settings: ElectionSettings, op: int, variables: Dict[str, str], now: Callable[[], float],
    run: Callable[[Sequence[str], float, Mapping[str, str]], execution.Ended],
) -> events.ElectionEvent:
    """Run the fence command of an election. now, run: as those of `Host`."""
    command = settings.fence or ()
    try:
        ended = run(command, now() + settings.hook_timeout, variables)
    except (OSError, ValueError) as error:
        return events.ElectionEvent(settings.name, messages.Fenced(op, False, f"it cannot be run: {error}"))
    return events.ElectionEvent(settings.name, messages.Fenced(op, ended.ok, str(ended)))


def probe(name: str, op: int, check: Any, limit: float) -> events.ElectionEvent:
    """Probe the service of an election. check: its health check. limit: seconds."""
    result = check.probe(limit)
    return events.ElectionEvent(name, messages.Probed(op, result.ok, result.reason))
