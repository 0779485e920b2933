"""Work on the threads of a listener's pools, beside its deciding thread: it waits for supervisord, a service or ZooKeeper.

Each function is given values, and returns an event, or None; it cannot reach the listener's state.
"""

from __future__ import annotations

import json
import logging
import math
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from supervisor_zkelect.config import diff, load
from supervisor_zkelect.config.diff import Change
from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.config.options import SESSION
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core import messages
from supervisor_zkelect.diagnosis import examination, inspection
from supervisor_zkelect.elector import ElectionError, NotConnected, TimedOut
from supervisor_zkelect.guard import release, saved_session
from supervisor_zkelect.listener import events, trial
from supervisor_zkelect.listener.workers import LONGEST_LIST, PACE
from supervisor_zkelect.processes import execution
from supervisor_zkelect.supervisord import exits
from supervisor_zkelect.supervisord.client import Fault, SupervisordError, Unreachable
from supervisor_zkelect.system import accounts
from supervisor_zkelect.zookeeper import admission, connect, session

log = logging.getLogger(__name__)

#: Seconds for ZooKeeper's servers to answer, where the file names others or other credentials.
REACH_TIME = 5.0

#: Seconds that a look at the znodes of all elections may take.
INSPECTION_TIME = 5.0

GroupsCheck = Callable[[Settings, List[Dict[str, Any]]], Findings]


# supervisord (`supervisord`: supervisord.client.Supervisord, or its fake)


def read_programs(supervisord: Any) -> events.Configured:
    """Ask supervisord for the configuration of its programs."""
    try:
        return events.Configured(supervisord.call("supervisor.getAllConfigInfo"), "")
    except SupervisordError as error:
        return events.Configured([], str(error))


def stop_group(supervisord: Any, election: str, group: str) -> Optional[events.StopNotTaken]:
    """Ask supervisord to stop a group that there is no guard for. None where it has taken that."""
    try:
        supervisord.call("supervisor.stopProcessGroup", group, False)
        return None
    except SupervisordError as error:
        return events.StopNotTaken(election, str(error))


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


def deliver_report(supervisord: Any, report: str, named: Sequence[str] = ()) -> events.ReportDelivered:
    """Deliver a report (JSON), and take what operators have ordered. named: tickets that it names as taken."""
    try:
        return events.ReportDelivered(json.loads(supervisord.call("zkelect.putReport", report, timeout=PACE)), "", named)
    except (SupervisordError, ValueError) as error:
        return events.ReportDelivered([], str(error))


def deliver_answer(supervisord: Any, ticket: str, document: Dict[str, Any]) -> str:
    """Answer an operator's order. Why supervisord may take the answer later only; "" when it has it, or never will."""
    try:
        supervisord.call("zkelect.answer", ticket, json.dumps(document))
    except Unreachable as error:
        return str(error)
    except SupervisordError as error:
        log.warning("cannot deliver an answer: %s", error)
    return ""


# ZooKeeper


def release_leftovers(
    client: Any, elections: Sequence[saved_session.SavedElection], acl: Any, timeout: float
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


# The configuration file


def reread(
    ticket: str, yes: bool, supervisord: Any, check: GroupsCheck, old: Settings, granted: Optional[session.Connected],
    paths: List[str],
) -> events.Reread:
    """Read and check the file. ticket, yes: as `reloading.Reloads.ask` takes them. check: as `Host.check_groups`. old: the
    settings so far. granted: None without a session. paths: of this node's proposals."""
    try:
        return events.Reread(ticket, yes, *_look(supervisord, check, old, granted, paths))
    except Exception as error:
        # Without an answer nobody could ask again.
        log.exception("a defect")
        return events.Reread(ticket, yes, None, [f"a defect: {error!r}"], [], {})


def tell_agreed(supervisord: Any, ticket: str, answer: Dict[str, Any], what: events.Agreed) -> events.Agreed:
    """Answer the operator, if there is one, before what he has agreed to begins."""
    if ticket:
        error = deliver_answer(supervisord, ticket, answer)
        if error:
            # Who waits for it must not keep the file from being used.
            log.warning("cannot deliver an answer: %s", error)
    return what


def _look(
    supervisord: Any, check: GroupsCheck, old: Settings, granted: Optional[session.Connected], paths: List[str]
) -> Tuple[Optional[Settings], List[str], List[Change], Dict[str, Any]]:
    """The last four fields of `events.Reread`."""
    try:
        settings = load.from_file(old.file)
        checks = {election.name: election.health_check() for election in settings.elections}
        programs = supervisord.call("supervisor.getAllConfigInfo")
    except ConfigError as error:
        return None, error.problems, [], {}
    except (SupervisordError, ValueError) as error:
        return None, [f"{old.file}: {error}"], [], {}
    changes = diff.changes(old, settings)
    problems = list(check(settings, programs).problems)
    anew = any(change.effect == SESSION for change in changes)
    if granted is not None and not anew and settings.stop_grace(math.inf, granted.timeout) < 0:
        problems.append(f"{old.file}: [zkelect] kill_time does not fit into the session's {granted.timeout:g} s")
    login = trial.login_changes(changes)
    if not problems and login:
        refused = trial.login_trouble(settings)
        problems += [f"{old.file}: {', '.join(login)}: {refused}"] if refused else []
    if not problems and (anew or settings.servers != old.servers):
        trouble = admission.trouble(settings, REACH_TIME)
        if trouble:
            problems.append(f"{old.file}: {trouble}")
        elif not anew and granted is not None and not _serve(settings, paths, granted.session):
            changes = [
                change._replace(effect=SESSION) if change.option == "servers" else change for change in changes
            ]
    return settings, problems, changes, checks


def _serve(settings: Settings, paths: List[str], owner: int) -> bool:
    """Whether the servers have this session's proposals, and so are of the same ensemble."""
    try:
        client = connect.open_client(settings, REACH_TIME)
    except ElectionError:
        return False
    try:
        for path in paths:
            client.sync_async(path).get(timeout=REACH_TIME)
            stat = client.exists_async(path).get(timeout=REACH_TIME)
            if stat is None or stat.ephemeralOwner != owner:
                return False
        return True
    finally:
        connect.stop_client(client)


# This node


def check(node: examination.ExaminedNode) -> events.CheckDone:
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


def ask_fit(name: str, op: int, check: Any, limit: float) -> events.ElectionEvent:
    """Check whether this node is fit to lead an election. check: None where it was taken out of the file meanwhile. limit:
    seconds."""
    if check is None:
        return events.ElectionEvent(name, messages.FitSeen(op, True, "there is no check"))
    result = check.probe(limit)
    return events.ElectionEvent(name, messages.FitSeen(op, result.ok, result.reason))
