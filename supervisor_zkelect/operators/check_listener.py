"""Findings on a listener: from its own report, or from supervisord's word on one that does not report.

The rule: whatever `role` calls a trouble is one, so `check` never finds nothing wrong where a node cannot do its part.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import words
from supervisor_zkelect.operators.view import View, as_dict, is_number
from supervisor_zkelect.operators.words import duration
from supervisor_zkelect.supervisord import exits, program_info
from supervisor_zkelect.supervisord.client import BAD_NAME, Fault, SupervisordError

#: The kind of a hindrance that no server answers (`ability.ZOOKEEPER`, whose import takes longer than `role` does otherwise).
AWAY = "zookeeper"

#: Roles in which a node neither leads nor can be led to.
_OUTSIDE = ("detached", "maintenance", "withdrawn")


def of_view(view: View, elections: Optional[Sequence[str]] = None, link: bool = True) -> Findings:
    """Findings from a report that may be believed. elections: only these. link: include the listener's connection to ZooKeeper,
    about which the caller may know more. Pure."""
    found = Findings()
    report = view.report
    trouble = as_dict(report.get("config_trouble"))
    if trouble:
        found.problems += [printable(line) for line in trouble.get("problems") or () if isinstance(line, str)]
        doing, file = printable(trouble.get("doing") or ""), printable(report.get("config") or "the configuration")
        since = trouble.get("since")
        lasts = f" for {duration(view.now - since)}" if is_number(since) else ""
        found.problems.append(f"{file}: has been unusable{lasts}" + (doing and f": {doing}"))
    session = as_dict(report.get("session"))
    connected = session.get("state") == "connected"
    if link and not (connected and not session.get("trouble")):
        parts = ([] if connected else [session.get("state") or "no session"]) + [session.get("trouble")]
        found.troubles.append(": ".join(["ZooKeeper", *(printable(part) for part in parts if part)]))
    silent = as_dict(report.get("http")).get("trouble")
    found.troubles += [printable(silent)] * bool(silent)
    names = view.names if elections is None else elections
    for name in names:
        found.troubles += [f"[election:{printable(name)}] {line}" for line in _of_election(view, name, connected)]
    if not names:
        found.troubles.append("this node takes part in no election")
    return found


def _of_election(view: View, name: str, connected: bool) -> List[str]:
    facts, doubt = view.facts(name), view.doubt(name)
    if doubt:
        return [f"the role is unknown: {doubt}"]
    cannot = as_dict(facts.get("cannot"))
    # Without a connection that is told for all elections together.
    hindered = cannot.get("why") if connected or cannot.get("kind") != AWAY else ""
    lines = [printable(line) for line in dict.fromkeys([facts.get("trouble"), hindered]) if line]
    if not lines and cannot and connected:
        lines.append(f"this node cannot take part in it ({printable(cannot.get('kind'))})")
    elif not lines and facts["role"] in _OUTSIDE and connected:
        # Without a session there is nothing else to be, and that is told.
        why = printable(facts.get("reason") or facts.get("step") or "")
        lines.append(f"this node takes no part in it ({facts['role']})" + (why and f": {why}"))
    if facts["role"] not in _OUTSIDE:
        # Of a node outside, that is told as the reason why it is.
        lines += filter(None, [words.failure(view, name)])
    if facts.get("unguarded"):
        why = facts.get("unguarded_why") or "no guard runs, or a program's command does not begin with `zkelect run --`"
        lines.append(f"unguarded: {printable(why)}")
    return lines


def of_silence(why: str, listener: Mapping[str, Any], info: Optional[Mapping[str, Any]], end: str = "") -> str:
    """One line on a listener whose report may not be believed: what is wrong, and what to do. Pure.

    why: why not. listener: its item of supervisord's getAllConfigInfo, {} where no program is one. info: of its
    getProcessInfo; None where it is not active. end: how it ended last, "" where that is not known.
    """
    if not listener:
        return f"{why}; no program's command is `zkelect listen`: add [eventlistener:zkelect]"
    name = printable(f"{listener['group']}:{listener['name']}")
    if info is None:
        return f"the listener {name} is not active, and this node makes no proposal: supervisorctl update"
    state, log = printable(info.get("statename")), printable(info.get("stderr_logfile") or "")
    read = f"supervisorctl tail {name} stderr" + (log and f" ({log})")
    if state == "STOPPED":
        return f"the listener {name} is STOPPED, and this node makes no proposal: supervisorctl start {name}"
    if state == "STARTING":
        return f"the listener {name} is STARTING, and has not reported yet: {read} tells more"
    if state == "RUNNING":
        there = f"the listener {name} is RUNNING, and has not reported lately: {why}"
        return f"{there}; {read} tells more, supervisorctl restart {name} may help"
    trouble = exits.of(info).trouble
    if trouble:
        # Its log tells nothing of a command that was never executed.
        how = printable(trouble, 200)
        what = f"the listener {name} is {state} ({how}), and this node makes no proposal"
        return f"{what}: correct its section, then supervisorctl update"
    how = end or printable(info.get("spawnerr") or "")
    return f"the listener {name} is {state}" + (how and f" ({how})") + f", and this node makes no proposal: {read} tells why"


def asked(call: Any, why: str) -> Findings:
    """Findings from supervisord on a listener whose report may not be believed. Raises SupervisordError."""
    listener = program_info.listener_of(call("supervisor.getAllConfigInfo"))
    if not listener:
        return Findings(troubles=[of_silence(why, {}, None)])
    group, name = listener["group"], listener["name"]
    info, end = None, ""
    try:
        info = call("supervisor.getProcessInfo", f"{group}:{name}")
        ends = exits.read(call("zkelect.getProcessEnds", [group]))
        end = exits.what(ends.get(name, exits.End()))
    except (Fault, ValueError) as error:
        # Not active, or a supervisord whose plugin is of an earlier version.
        if info is None and getattr(error, "code", None) != BAD_NAME:
            raise
    return Findings(troubles=[of_silence(why, listener, info, end)])


def of_listener(call: Any, view: View, election: Optional[str], link: bool = True) -> Findings:
    """Findings on the listener without asking it. The arguments are those of `of_view`. Raises SupervisordError."""
    return of_view(view, None if election is None else [election], link) if view.known else asked(call, view.why)


def groups_of(view: View) -> List[str]:
    """The groups of the elections of a report, believed or not."""
    groups = (view.facts(name).get("group") for name in view.names)
    return [group for group in groups if isinstance(group, str)]


def logs(call: Any, groups: Iterable[str]) -> List[str]:
    """One note on which logs tell more: the listener's, and those of the groups' programs. Without supervisord's answer none."""
    wanted = set(groups)
    try:
        listener = program_info.listener_of(call("supervisor.getAllConfigInfo"))
        processes = call("supervisor.getAllProcessInfo")
    except SupervisordError:
        return []
    own = (listener.get("group"), listener.get("name"))
    named: Dict[str, str] = {}
    for one in processes:
        log = one.get("stderr_logfile") or one.get("stdout_logfile")
        if log and (one["group"] in wanted or (one["group"], one["name"]) == own):
            named[f"{one['group']}:{one['name']}"] = log
    first = f"{own[0]}:{own[1]}"
    names = sorted(named, key=lambda name: (name != first, name))
    lines = [f"{printable(name)} {printable(named[name])}" for name in names[:_MOST_LOGS]]
    return [f"for what happened, see the logs: {', '.join(lines)}"] if lines else []


_MOST_LOGS = 6
