"""The outcomes of an operator's commands, as lines, document and exit status: pure functions of what was answered.

Shared by supervisorctl's commands and `zkelect`.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import order_lines, table, words
from supervisor_zkelect.operators.outcome import (
    DONE,
    ERROR,
    INTERRUPTED,
    UNDER_WAY,
    USAGE,
    VERSION,
    CommandOutcome,
    failure,
    worst,
)
from supervisor_zkelect.operators.view import View, as_dict, as_text, exit_of, is_number
from supervisor_zkelect.operators.words import duration

#: For what is not looked at. Never changed.
NOTHING = Findings()

#: What stands ordered, in an answer.
_STANDING = ("maintenance", "switchover", "restart", "paused")

_COLUMNS = ("ELECTION", "ROLE", "FOR", "TOKEN", "PRIMARY", "PLACE", "NOTE")


def role(view: View, election: Optional[str] = None) -> CommandOutcome:
    """One line per election."""
    return _show(view, election, full=False)


def status(view: View, election: Optional[str] = None) -> CommandOutcome:
    """The node, its session, then as `role` does, and what moved each election last."""
    return _show(view, election, full=True)


def _show(view: View, election: Optional[str], full: bool) -> CommandOutcome:
    if election is not None and view.known and election not in view.names:
        return no_election(view, election)
    names = view.names if election is None else [election]
    status = exit_of(view, names)
    lines = _node_lines(view) if full else []
    if names:
        lines += table.plain([_COLUMNS, *(_row(view, name) for name in names)])
    lines += _said_lines(view, names)
    if full:
        lines += _detail_lines(view, names)
    if not view.known:
        lines.append(f"unknown: {view.why}; {age_text(view)}")
    elif not names:
        lines.append("this node takes part in no election; add a section [election:NAME] to its file")
    elif not full:
        lines.append(f"node {printable(view.report.get('node'))}, {age_text(view)}{_link_text(view)}")
    lines += _config_lines(view) + _http_lines(view)
    return CommandOutcome(status, tuple(lines), _document(view, names, status))


def no_election(view: View, election: str) -> CommandOutcome:
    there = ", ".join(printable(name) for name in view.names) or "none"
    return failure(USAGE, f"this node has no election {printable(election)}; there are: {there}")


def _row(view: View, name: str) -> Tuple[str, ...]:
    doubt = view.doubt(name)
    if doubt:
        # The reason that holds for all of them stands once, below.
        note = "" if not view.known else doubt
        return (printable(name), "unknown", "-", "-", "-", "-", note)
    facts = view.facts(name)
    paused = as_dict(facts.get("paused"))
    notes = [
        as_text(facts.get("step")), "unguarded" if facts.get("unguarded") else "",
        "paused" if paused.get("stands") is True else "a pause is asked for" if paused else "",
    ]
    return (
        printable(name),
        view.role(name),
        _since(view, facts.get("since")),
        as_text(facts.get("token")) or "-",
        _where(view, name),
        _place(view, name),
        "; ".join(note for note in notes if note),
    )


def _where(view: View, name: str) -> str:
    """Who is primary, as the ack has it; one that is gone, or that ZooKeeper has not confirmed for a while, is last known."""
    facts = view.facts(name)
    address, node = as_text(facts.get("ack")), as_text(facts.get("primary_node"))
    where = f"{address} ({node})" if address and node else address or (f"({node})" if node else "")
    age = view.past(name, "ack_at")
    if where and age is None and facts.get("primary_gone") is True:
        return f"last known {where}, which is gone, or cut off"
    if not where or age is None:
        return where or "-"
    return f"last known {where}, {duration(age)} ago"


def _place(view: View, name: str) -> str:
    facts = view.facts(name)
    place, candidates = facts.get("place"), facts.get("candidates")
    if not is_number(place):
        return "-"
    was = "" if view.past(name, "place_at") is None else "was "
    return f"{was}{place}" + (f" of {candidates}" if is_number(candidates) else "")


def _said_lines(view: View, names: Sequence[str]) -> List[str]:
    """A line for each election: what is wrong, and what to do about it; none for a primary without trouble."""
    said = [(name, words.line(view, name)) for name in names if not view.doubt(name)]
    return [f"{printable(name)}: {line}" for name, line in said if line]


def _link_text(view: View) -> str:
    """Trouble between the node and ZooKeeper; what is shown of other nodes may be outdated then."""
    session = as_dict(view.report.get("session"))
    if session.get("state") == "connected":
        return ""
    why = f": {as_text(session['trouble'])}" if session.get("trouble") else ""
    return f"; ZooKeeper {shown(session.get('state'))} for {_since(view, session.get('since'))}{why}"


def _config_lines(view: View) -> List[str]:
    """The mistakes in the node's configuration, since when, and what it uses instead."""
    trouble = as_dict(view.report.get("config_trouble"))
    if not view.known or not trouble:
        return []
    problems = [f"  {as_text(problem)}" for problem in trouble.get("problems") or () if isinstance(problem, str)]
    head = f"the configuration has been unusable for {_since(view, trouble.get('since'))}; {as_text(trouble.get('doing'))}:"
    return [head, *problems, "  correct the file; zkelect check -c FILE tells more, and zkelect reload loads it"]


def _http_lines(view: View) -> List[str]:
    """That `zkelect http` does not answer, where it is configured."""
    trouble = as_dict(view.report.get("http")).get("trouble")
    return [as_text(trouble)] if view.known and trouble else []


def _node_lines(view: View) -> List[str]:
    if not view.known:
        return []
    report, session = view.report, as_dict(view.report.get("session"))
    lines = [
        f"node {shown(report.get('node'))}: listener {shown(report.get('pid'))}, zkelect "
        f"{shown(report.get('version'))}, {shown(report.get('config'))}; {age_text(view)}"
    ]
    text = f"session {shown(session.get('state'))} for {_since(view, session.get('since'))}"
    if session.get("id"):
        text += f", {as_text(session['id'])}"
    if is_number(session.get("timeout")):
        text += f", timeout {session['timeout']:g} s"
    if session.get("trouble"):
        text += f"; {as_text(session['trouble'])}"
    return lines + [text]


def _detail_lines(view: View, names: Sequence[str]) -> List[str]:
    lines = []
    for name in names:
        if view.doubt(name):
            continue
        facts = view.facts(name)
        parts = [f"group {shown(facts.get('group'))}", f"address {shown(facts.get('address'))}"]
        if facts.get("proposal"):
            parts.append(f"proposal {as_text(facts['proposal'])}")
        if is_number(facts.get("deadline")):
            parts.append(f"lease {max(0.0, facts['deadline'] - view.now):.1f} s")
        paused = as_dict(facts.get("paused"))
        if paused:
            known = "" if not paused.get("held") else "the lease has no end" if paused.get("confirmed") else "not confirmed yet"
            left = f"for another {paused['until'] - view.now:.0f} s" if is_number(paused.get("until")) else ""
            parts.append("; ".join(filter(None, [as_text(paused.get("why")), known, left])) + ", until zkelect resume")
        if facts.get("reason"):
            parts.append(f"because: {as_text(facts['reason'])}")
        lines.append(f"{printable(name)}: {', '.join(parts)}")
    return lines


def _document(view: View, names: Sequence[str], status: int) -> Dict[str, Any]:
    """For --json. What is unknown carries no fact of an older report."""
    elections: Dict[str, Dict[str, Any]] = {}
    for name in names:
        doubt = view.doubt(name)
        elections[name] = {"role": "unknown", "why": doubt} if doubt else _facts(view, name)
        elections[name]["exit"] = view.status(name)
    document = {"v": VERSION, "exit": status, "known": view.known, "why": view.why, "age": view.age}
    if view.known:
        kept = ("node", "pid", "version", "config", "config_trouble", "boottime", "time", "session", "http")
        document.update({key: view.report[key] for key in kept if key in view.report})
        document["now"] = view.now
    document["elections"] = elections
    return document


def _facts(view: View, name: str) -> Dict[str, Any]:
    """The reported facts of an election, and what follows from them."""
    facts = {**view.facts(name), "says": words.line(view, name)}
    for moment in ("ack_at", "place_at"):
        if is_number(facts.get(moment)):
            facts[moment.replace("_at", "_age")] = round(max(0.0, view.now - facts[moment]), 3)
    return facts


def resign(election: str, answer: Dict[str, Any]) -> CommandOutcome:
    """Who leads after a resignation, at which address, after how long."""
    document = {**answer, "v": VERSION, "election": election}
    if answer.get("ok") is not True:
        return refused(answer, document)
    document["exit"] = DONE
    seconds = answer.get("seconds")
    after = f", after {seconds:.2f} s" if is_number(seconds) else ""
    text = as_text(answer.get("text"))
    if answer.get("node"):
        where = f" at {as_text(answer['address'])}" if answer.get("address") else ", no address yet"
        line = f"{printable(election)}: {as_text(answer['node'])} leads now{where}{after}"
    else:
        line = f"{printable(election)}: {text or 'resigned; nobody leads yet'}" + ("" if text else after)
    return CommandOutcome(DONE, (line,), document)


def orders(answers: Mapping[str, Dict[str, Any]], screen: table.Screen = table.PLAIN) -> CommandOutcome:
    """What became of an order in each election, or what stands there; the worst that failed decides."""
    told = {name: {**answer, "v": VERSION, "election": name} for name, answer in answers.items()}
    document = next(iter(told.values())) if len(told) == 1 else {"v": VERSION, "elections": told}
    standing = {
        name: {one: answer[one] for one in _STANDING} for name, answer in answers.items()
        if all(one in answer for one in _STANDING)
    }
    if standing and len(answers) == 1:
        document["elections"] = standing
    lines, logs = [], [order_lines.log_rows(name, answer) for name, answer in answers.items() if "log" in answer]
    for name, answer in answers.items():
        if answer.get("ok") is True and "log" not in answer:
            lines.append(f"{printable(name)}: {as_text(answer.get('text'))}")
        lines += order_lines.beside(name, answer)
    lines = [part for line in lines for part in table.wrapped(line, screen.width)]
    rows = [row for one in logs for row in one[1:]]
    lines += order_lines.log_lines(rows, screen) if rows else ["the log of orders is empty: nothing was ordered"] * bool(logs)
    failed = [(name, refused(answer, document)) for name, answer in answers.items() if answer.get("ok") is not True]
    if not failed:
        return CommandOutcome(DONE, tuple(lines), {**document, "exit": DONE})
    status = worst(outcome.exit for _, outcome in failed)
    texts = [f"{printable(name)}: {outcome.error}" if len(answers) > 1 else outcome.error for name, outcome in failed]
    return refused({"exit": status, "text": "; ".join(texts)}, document)._replace(lines=tuple(lines))


def reload(answer: Dict[str, Any]) -> CommandOutcome:
    """The changes, the mistakes in the file, or what would end; a line each."""
    lines = tuple(printable(line) for line in answer.get("lines") or () if isinstance(line, str))
    document = {**answer, "v": VERSION}
    if answer.get("ok") is not True:
        return refused(answer, document)._replace(lines=lines)
    return CommandOutcome(DONE, (*lines, as_text(answer.get("text"))), {**document, "exit": DONE})


def check(answer: Dict[str, Any], known: Findings = NOTHING, logs: Sequence[str] = ()) -> CommandOutcome:
    """Problems, a line each: those known of the listener, and those that it finds when it is asked. logs: notes on which logs
    tell more, for when anything is wrong."""
    declined = answer.get("ok") is not True and "problems" not in answer
    if declined and not known.wrong:
        return refused(answer, {**answer, "v": VERSION})
    told, found_notes = (
        [printable(item) for item in answer.get(key) or () if isinstance(item, str)]
        for key in ("problems", "notes")
    )
    if declined:
        told.append(as_text(answer.get("text")) or "the listener could not do that; see its log")
    problems = list(dict.fromkeys([*known.problems, *known.troubles, *told]))
    fine = answer.get("ok") is True and not problems
    notes = list(dict.fromkeys([*known.notes, *found_notes, *(() if fine else logs)]))
    status = DONE if fine else max(_statuses(answer, known, declined))
    lines = problems + [f"note: {note}" for note in notes]
    if fine:
        lines.append("no problem found")
    document = {"v": VERSION, "exit": status, "ok": fine, "problems": problems, "notes": notes}
    return CommandOutcome(status, tuple(lines), document)


def _statuses(answer: Dict[str, Any], known: Findings, declined: bool) -> List[int]:
    """The exit statuses that known and answered troubles call for; a wrong configuration counts more than others."""
    found = [USAGE] * bool(known.problems) + [ERROR] * bool(known.troubles or declined)
    well = answer.get("ok") is True and not answer.get("problems")
    return found if well or declined else [*found, _status(answer, USAGE)]


def refused(answer: Dict[str, Any], document: Dict[str, Any]) -> CommandOutcome:
    """What the listener could not do, or did not."""
    status = _status(answer, ERROR)
    line = as_text(answer.get("text")) or "the listener could not do that; see its log"
    return CommandOutcome(status, (), {**document, "ok": False, "exit": status, "error": line}, line)


def _status(answer: Dict[str, Any], default: int) -> int:
    """The exit status that the listener asks for. A refusal is never a success."""
    status = answer.get("exit")
    return status if type(status) is int and (1 <= status <= UNDER_WAY or status == INTERRUPTED) else default


# Words


def shown(value: Any) -> str:
    """A value of others in a table."""
    return as_text(value) or "-"


def _since(view: View, moment: Any) -> str:
    return duration(view.now - moment) if is_number(moment) else "-"


def age_text(view: View) -> str:
    return "there is no report" if view.age is None else f"last report {duration(view.age)} ago"
