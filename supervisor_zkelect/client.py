"""What an operator is shown, and with which exit status: shared by supervisorctl's commands and `zkelect`.

Everything goes through a caller, `call(method, *args)`, which returns what supervisord answers or raises
`supervisor_zkelect.supervisord.SupervisordError`. What to show is decided by functions that are given the
answer and do nothing else.

The rule for a role: it is shown only when a living listener has just vouched for it. So the listener is first
asked for a fresh report. If it neither answers nor reports within REFRESH_TIME, if supervisord says that it
is dead or stopped, or if the lease of a primary has run out by the clock of its machine, the role is unknown,
and nothing of an older report is shown but its age.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from supervisor_zkelect import history
from supervisor_zkelect.supervisord import Fault, Supervisord, SupervisordError, Unreachable
from supervisor_zkelect.untrusted import printable

# Exit statuses. 3 and 4 are those of LSB's `status`: not running, and unknown.
DONE = 0
ERROR = 1
USAGE = 2
NOT_PRIMARY = 3
UNKNOWN = 4

#: Version of the documents that --json prints.
VERSION = 1

VERBS = ("role", "status", "members", "history", "resign", "check", "reload")

#: Seconds that a listener has to show that it lives.
REFRESH_TIME = 2.5

#: Seconds that the listener has to answer, unless the caller says otherwise. `members`, `history` and `check`
#: ask ZooKeeper; a resignation takes as long as the group takes to stop, and another one to start.
WAIT = {"members": 15.0, "history": 15.0, "check": 30.0, "resign": 180.0, "reload": 30.0}

#: Seconds between two questions for an answer: the first, and what it grows to.
_PAUSE = (0.01, 0.2)

# Codes of supervisor.xmlrpc.Faults, which are part of supervisor's documented interface.
UNKNOWN_METHOD = 1
NO_INTERFACE = "has no [rpcinterface:zkelect]; add that section and restart supervisord"
_BAD_NAME = 10
_NOT_RUNNING = 70

Call = Callable[..., Any]


class Outcome(NamedTuple):
    """What a command came to: `lines` for a person, `document` for --json, and the exit status.

    error: one line when the command failed, else empty.
    """

    exit: int
    lines: Tuple[str, ...]
    document: Dict[str, Any]
    error: str = ""


def failure(exit: int, text: str) -> Outcome:
    """The outcome of a command that could not do what was asked."""
    line = printable(text)
    return Outcome(exit, (), {"v": VERSION, "exit": exit, "error": line}, line)


def run(
    verb: str,
    call: Call,
    election: Optional[str] = None,
    timeout: Optional[float] = None,
    refresh_time: float = REFRESH_TIME,
    force: bool = False,
    yes: bool = False,
) -> Outcome:
    """Carry out one of VERBS. Never raises SupervisordError.

    election: its name, or None for all (`resign` then needs a node with one election).
    timeout: seconds to wait for the outcome, by default WAIT. refresh_time: seconds for a sign of life.
    force: for `resign`; even if nobody takes over, or if the group cannot be proven dead.
    yes: for `reload`; even if terms or the session of this node end by it.

    Raises ValueError for another verb.
    """
    if verb not in VERBS:
        raise ValueError(f"{verb!r} is none of {', '.join(VERBS)}")
    try:
        view = _view(call, refresh_time)
        if verb in ("role", "status"):
            return (show_role if verb == "role" else show_status)(view, election)
        return _ask(verb, call, view, election, WAIT[verb] if timeout is None else timeout, force or yes)
    except SupervisordError as error:
        return _failed(error)


def _failed(error: SupervisordError) -> Outcome:
    if isinstance(error, Unreachable):
        refused = "HTTP 401" in error.reason or "HTTP 403" in error.reason
        return failure(ERROR if refused else UNKNOWN, f"supervisord: {error.reason}")
    if isinstance(error, Fault) and error.code == UNKNOWN_METHOD:
        return failure(ERROR, f"supervisord {NO_INTERFACE}")
    if isinstance(error, Fault) and error.code == _NOT_RUNNING:
        return failure(UNKNOWN, f"unknown: {error.text.partition(': ')[2] or error.text}")
    return failure(ERROR, f"supervisord: {error}")


# What is known


class View(NamedTuple):
    """What may be said of a node at one moment.

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
        return sorted(_dict(self.report.get("elections")))

    def facts(self, election: str) -> Dict[str, Any]:
        """What the report says of one election."""
        return _dict(_dict(self.report.get("elections")).get(election))

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
        deadline = facts.get("deadline")
        if not _is_number(deadline):
            return "the report calls it primary, without a lease"
        if deadline <= self.now:
            return "the lease of the primary has run out"
        return ""

    def role(self, election: str) -> str:
        """The role in this election, "unknown" when it is in doubt."""
        return "unknown" if self.doubt(election) else printable(self.facts(election)["role"])


def judge(answer: str, fresh_within: Optional[float] = None) -> View:
    """What the answer of zkelect.getReport is worth.

    fresh_within: seconds; a report that is older is not believed, because the listener was asked for another
    one that long ago and has not answered. None: it has answered.

    Raises Unreachable when the answer makes no sense.
    """
    try:
        document = json.loads(answer)
    except (ValueError, TypeError, RecursionError):
        document = None
    if not isinstance(document, dict) or not _is_number(document.get("now")):
        raise Unreachable("the answer to zkelect.getReport makes no sense; is it of another version?")
    report, age = _dict(document.get("report")), document.get("age")
    age = max(0.0, age) if _is_number(age) else None
    known = document.get("known") is True and bool(report) and age is not None
    why = "" if known else printable(document.get("why") or "there is no report")
    if known and fresh_within is not None and age > fresh_within:
        known = False
        why = f"the listener (pid {printable(report.get('pid'))}) does not answer"
    return View(known, why, age, float(document["now"]), report)


def exit_of(view: View, elections: Sequence[str]) -> int:
    """0 when this node is primary in all of these elections, 4 when that is not known, else 3.

    A node that is known not to be primary in one of them is not primary, whatever else is unknown.
    """
    roles = [view.role(name) for name in elections]
    if any(role not in ("primary", "unknown") for role in roles):
        return NOT_PRIMARY
    return UNKNOWN if "unknown" in roles or not roles else DONE


# role and status


_COLUMNS = ("ELECTION", "ROLE", "FOR", "TOKEN", "PRIMARY", "PLACE", "NOTE")


def show_role(view: View, election: Optional[str] = None) -> Outcome:
    """One line per election."""
    return _show(view, election, full=False)


def show_status(view: View, election: Optional[str] = None) -> Outcome:
    """The node, its session, then as `show_role` does, and what moved each election last."""
    return _show(view, election, full=True)


def _show(view: View, election: Optional[str], full: bool) -> Outcome:
    if election is not None and view.known and election not in view.names:
        return _no_election(view, election)
    names = view.names if election is None else [election]
    status = exit_of(view, names)
    lines = _node_lines(view) if full else []
    if names:
        lines += table([_COLUMNS] + [_row(view, name) for name in names])
    if full:
        lines += _detail_lines(view, names)
    if not view.known:
        lines.append(f"unknown: {view.why}; {_age_text(view)}")
    elif not names:
        lines.append("this node takes part in no election")
    elif not full:
        lines.append(f"node {printable(view.report.get('node'))}, {_age_text(view)}{_link_text(view)}")
    lines += _config_lines(view)
    return Outcome(status, tuple(lines), _document(view, names, status))


def _no_election(view: View, election: str) -> Outcome:
    there = ", ".join(printable(name) for name in view.names) or "none"
    return failure(USAGE, f"this node has no election {printable(election)}; there are: {there}")


def _row(view: View, name: str) -> Tuple[str, ...]:
    doubt = view.doubt(name)
    if doubt:
        # The reason that holds for all of them stands once, below.
        note = "" if not view.known else doubt
        return (printable(name), "unknown", "-", "-", "-", "-", note)
    facts = view.facts(name)
    address, node = _text(facts.get("ack")), _text(facts.get("primary_node"))
    where = f"{address} ({node})" if address and node else address or (f"({node})" if node else "-")
    place, candidates = facts.get("place"), facts.get("candidates")
    queue = (
        "-" if not _is_number(place) else f"{place}" + (f" of {candidates}" if _is_number(candidates) else "")
    )
    notes = [_text(facts.get("step")), _text(facts.get("trouble"))]
    if facts.get("unguarded"):
        notes.insert(1, "unguarded")
    return (
        printable(name),
        view.role(name),
        _since(view, facts.get("since")),
        _text(facts.get("token")) or "-",
        where,
        queue,
        "; ".join(note for note in notes if note),
    )


def _link_text(view: View) -> str:
    """What is amiss between the node and ZooKeeper, whose word on the others may be of the past then."""
    session = _dict(view.report.get("session"))
    if session.get("state") == "connected":
        return ""
    why = f": {_text(session['trouble'])}" if session.get("trouble") else ""
    return f"; ZooKeeper {_shown(session.get('state'))} for {_since(view, session.get('since'))}{why}"


def _config_lines(view: View) -> List[str]:
    """What is wrong with the node's configuration, since when, and what it goes on with."""
    trouble = _dict(view.report.get("config_trouble"))
    if not view.known or not trouble:
        return []
    problems = [f"  {_text(problem)}" for problem in trouble.get("problems") or () if isinstance(problem, str)]
    head = f"the configuration has been unusable for {_since(view, trouble.get('since'))}; {_text(trouble.get('doing'))}:"
    return [head, *problems]


def _node_lines(view: View) -> List[str]:
    if not view.known:
        return []
    report, session = view.report, _dict(view.report.get("session"))
    lines = [
        f"node {_shown(report.get('node'))}: listener {_shown(report.get('pid'))}, zkelect "
        f"{_shown(report.get('version'))}, {_shown(report.get('config'))}; {_age_text(view)}"
    ]
    words = f"session {_shown(session.get('state'))} for {_since(view, session.get('since'))}"
    if session.get("id"):
        words += f", {_text(session['id'])}"
    if _is_number(session.get("timeout")):
        words += f", timeout {session['timeout']:g} s"
    if session.get("trouble"):
        words += f"; {_text(session['trouble'])}"
    return lines + [words]


def _detail_lines(view: View, names: Sequence[str]) -> List[str]:
    lines = []
    for name in names:
        if view.doubt(name):
            continue
        facts = view.facts(name)
        words = [f"group {_shown(facts.get('group'))}", f"address {_shown(facts.get('address'))}"]
        if facts.get("proposal"):
            words.append(f"proposal {_text(facts['proposal'])}")
        if _is_number(facts.get("deadline")):
            words.append(f"lease {max(0.0, facts['deadline'] - view.now):.1f} s")
        if facts.get("reason"):
            words.append(f"because: {_text(facts['reason'])}")
        lines.append(f"{printable(name)}: {', '.join(words)}")
    return lines


def _document(view: View, names: Sequence[str], status: int) -> Dict[str, Any]:
    """For --json. What is unknown carries no fact of an older report."""
    elections = {}
    for name in names:
        doubt = view.doubt(name)
        elections[name] = {"role": "unknown", "why": doubt} if doubt else dict(view.facts(name))
    document = {"v": VERSION, "exit": status, "known": view.known, "why": view.why, "age": view.age}
    if view.known:
        kept = ("node", "pid", "version", "config", "config_trouble", "boottime", "time", "session")
        document.update({key: view.report[key] for key in kept if key in view.report})
        document["now"] = view.now
    document["elections"] = elections
    return document


# What the listener does for an operator


def _ask(verb: str, call: Call, view: View, election: Optional[str], timeout: float, force: bool) -> Outcome:
    """force: what `resign --force` and `reload --yes` say."""
    if not view.known:
        outcome = failure(UNKNOWN, f"unknown: {view.why}; {_age_text(view)}")
        hint = "; zkelect check -c FILE asks without a listener" if verb == "check" else ""
        return outcome._replace(error=outcome.error + hint)
    if verb == "reload" and election is not None:
        return failure(USAGE, "reload takes the whole file; leave the election out")
    if election is not None and election not in view.names:
        return _no_election(view, election)
    names = view.names if election is None else [election]
    if verb == "resign" and len(names) != 1:
        there = ", ".join(printable(name) for name in names) or "none"
        return failure(USAGE, f"name the election to resign from; there are: {there}")
    deadline = time.monotonic() + timeout
    if verb == "resign":
        return show_resign(names[0], _answer(call, verb, names[0], deadline, timeout, {"force": True} if force else {}))
    if verb == "check":
        return show_check(_answer(call, verb, election or "", deadline, timeout))
    if verb == "reload":
        return show_reload(_answer(call, verb, "", deadline, timeout, {"yes": True} if force else {}))
    answers = {name: _answer(call, verb, name, deadline, timeout) for name in names}
    return show_members(answers) if verb == "members" else show_history(answers)


def show_resign(election: str, answer: Dict[str, Any]) -> Outcome:
    """Who leads after a resignation, at which address, after how long."""
    document = {**answer, "v": VERSION, "election": election}
    if answer.get("ok") is not True:
        return _refused(answer, document)
    document["exit"] = DONE
    seconds = answer.get("seconds")
    after = f", after {seconds:.2f} s" if _is_number(seconds) else ""
    text = _text(answer.get("text"))
    if answer.get("node"):
        where = f" at {_text(answer['address'])}" if answer.get("address") else ", no address yet"
        line = f"{printable(election)}: {_text(answer['node'])} leads now{where}{after}"
    else:
        line = f"{printable(election)}: {text or 'resigned; nobody leads yet'}" + ("" if text else after)
    return Outcome(DONE, (line,), document)


def show_reload(answer: Dict[str, Any]) -> Outcome:
    """What was changed, what is wrong with the file, or what would end; a line each."""
    lines = tuple(printable(line) for line in answer.get("lines") or () if isinstance(line, str))
    document = {**answer, "v": VERSION}
    if answer.get("ok") is not True:
        return _refused(answer, document)._replace(lines=lines)
    return Outcome(DONE, (*lines, _text(answer.get("text"))), {**document, "exit": DONE})


def show_members(answers: Dict[str, Dict[str, Any]]) -> Outcome:
    """The queues of elections, in order. answers: by election."""
    rows: List[Sequence[str]] = [("ELECTION", "PLACE", "NODE", "ADDRESS", "PROPOSAL", "TOKEN", "NOTE")]
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    for name, answer in answers.items():
        if answer.get("ok") is not True:
            return _refused(answer, {**answer, "v": VERSION, "election": name})
        members = [_dict(member) for member in answer.get("members") or () if isinstance(member, dict)]
        document["elections"][name] = members
        for member in members:
            notes = [word for key, word in (("leads", "leads"), ("mine", "this node")) if member.get(key)]
            cells = [_shown(member.get(key)) for key in ("place", "node", "address", "proposal", "token")]
            rows.append([printable(name), *cells, ", ".join(notes)])
        if not members:
            rows.append([printable(name), "-", "nobody", "-", "-", "-", ""])
        if answer.get("left_out"):
            rows.append([printable(name), "-", f"and {_text(answer['left_out'])} more", "-", "-", "-", ""])
    return Outcome(DONE, tuple(table(rows)), document)


def show_history(answers: Dict[str, Dict[str, Any]]) -> Outcome:
    """The last terms of elections, the latest first, with what each step took. answers: by election."""
    rows: List[Sequence[str]] = [("ELECTION", "TOKEN", "NODE", "SINCE", "LASTED", "BEGUN", "ENDED", "BECAUSE")]
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    for name, answer in answers.items():
        if answer.get("ok") is not True:
            return _refused(answer, {**answer, "v": VERSION, "election": name})
        terms = [_dict(term) for term in answer.get("terms") or () if isinstance(term, dict)]
        document["elections"][name] = terms
        for row in history.rows(terms):
            since = "-" if row.since is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.since))
            lasted = "-" if row.lasted is None else duration(row.lasted)
            rows.append([
                printable(name), str(row.token), _shown(row.node), since, lasted, _steps(row.begun), _steps(row.ended),
                _shown(row.why),
            ])
        if not terms:
            rows.append([printable(name), "-", "nobody", "-", "-", "-", "-", "-"])
    return Outcome(DONE, tuple(table(rows)), document)


def _steps(steps: Sequence[Tuple[str, float]]) -> str:
    """How long it all took, and each step of it, in milliseconds."""
    if not steps:
        return "-"
    parts = " ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in steps)
    return f"{sum(seconds for _, seconds in steps) * 1000:.0f} ms: {parts}"


def show_check(answer: Dict[str, Any]) -> Outcome:
    """What the listener finds wrong, a line each."""
    if answer.get("ok") is not True and "problems" not in answer:
        return _refused(answer, {**answer, "v": VERSION})
    problems, notes = (
        [printable(item) for item in answer.get(key) or () if isinstance(item, str)]
        for key in ("problems", "notes")
    )
    fine = answer.get("ok") is True and not problems
    status = DONE if fine else _status(answer, USAGE)
    lines = problems + [f"note: {note}" for note in notes]
    if fine:
        lines.append("no problem found")
    document = {"v": VERSION, "exit": status, "ok": fine, "problems": problems, "notes": notes}
    return Outcome(status, tuple(lines), document)


def _refused(answer: Dict[str, Any], document: Dict[str, Any]) -> Outcome:
    status = _status(answer, ERROR)
    line = _text(answer.get("text")) or "the listener could not do it; see its log"
    return Outcome(status, (), {**document, "ok": False, "exit": status, "error": line}, line)


def _status(answer: Dict[str, Any], default: int) -> int:
    """The exit status that the listener asks for. A refusal is never a success."""
    status = answer.get("exit")
    return status if type(status) is int and 1 <= status <= 4 else default


# Talking


def _view(call: Call, refresh_time: float) -> View:
    """Have the listener show that it lives, then ask what it said last."""
    asked = time.monotonic()
    fresh_within = None
    try:
        ticket = call("zkelect.request", "refresh", "", "{}")
        if _poll(call, ticket, asked + refresh_time) is None:
            fresh_within = time.monotonic() - asked
    except Fault as fault:
        if fault.code == UNKNOWN_METHOD:
            raise
        # No listener to ask, which the report's answer tells, or no room for a question: then its age
        # decides.
    return judge(call("zkelect.getReport"), fresh_within)


def _answer(
    call: Call, verb: str, election: str, deadline: float, timeout: float, arguments: Dict[str, Any] = {}
) -> Dict[str, Any]:
    """The listener's answer. One of our own, with exit status 4, when there is none in time."""
    ticket = call("zkelect.request", verb, election, json.dumps(arguments))
    try:
        answer = _poll(call, ticket, deadline, patient=True)
    except Unreachable as error:
        text = f"the outcome of {verb} is unknown: supervisord: {error.reason}"
        return {"ok": False, "exit": UNKNOWN, "text": text}
    except Fault as fault:
        if fault.code not in (_BAD_NAME, _NOT_RUNNING):
            raise
        why = fault.text.partition(": ")[2] or fault.text
        return {"ok": False, "exit": UNKNOWN, "text": f"the outcome of {verb} is unknown: {why}"}
    if answer is None:
        return {
            "ok": False,
            "exit": UNKNOWN,
            "text": f"the listener did not answer within {timeout:g} s; the outcome of {verb} is unknown",
        }
    return answer


def _poll(call: Call, ticket: str, deadline: float, patient: bool = False) -> Optional[Dict[str, Any]]:
    """The answer to a request, None when there is none at the deadline, a time.monotonic().

    patient: a supervisord that is there but does not answer in time is asked again.
    """
    pause, longest = _PAUSE
    never = threading.Event()
    while True:
        text = ""
        try:
            text = call("zkelect.getAnswer", ticket)
        except Unreachable as error:
            if not (patient and error.sent and time.monotonic() < deadline):
                raise
        if text:
            try:
                return _dict(json.loads(text))
            except (ValueError, RecursionError):
                raise Unreachable("the listener's answer makes no sense; is it of another version?") from None
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        never.wait(min(pause, left))
        pause = min(pause * 1.5, longest)


def caller(
    url: str, username: Optional[str] = None, password: Optional[str] = None, timeout: float = 5.0
) -> Call:
    """A `call` for the supervisord at `url`, each call with a limit of `timeout` seconds.

    A host name that has several addresses, as localhost has, is tried at each, like supervisorctl does.

    Raises ValueError for what is no unix:// or http:// URL.
    """
    parts = urlsplit(url)
    urls = [url]
    if parts.scheme == "http" and parts.hostname:
        port = parts.port or 80
        try:
            found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError:
            found = []
        hosts = list(dict.fromkeys(info[4][0] for info in found))
        urls = [f"http://{f'[{host}]' if ':' in host else host}:{port}" for host in hosts] or [url]
    doors = [Supervisord(one, username, password, timeout) for one in urls]

    def call(method: str, *args: Any) -> Any:
        for door in list(doors[:-1]):
            try:
                return door.call(method, *args)
            except Unreachable as error:
                if error.sent:
                    raise
                # Nobody listens there; the next question need not try it again.
                doors.remove(door)
        try:
            return doors[-1].call(method, *args)
        except Unreachable as error:
            raise Unreachable(error.reason.replace(doors[-1].url, url), error.sent) from error

    return call


# Words


def table(rows: Sequence[Sequence[str]]) -> List[str]:
    """Lines with the cells of each column under one another; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def duration(seconds: float) -> str:
    """A length of time in its two largest units: "0.4 s", "12 s", "3 m 5 s", "2 d 4 h"."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def _text(value: Any) -> str:
    return "" if value is None else printable(value)


def _shown(value: Any) -> str:
    return _text(value) or "-"


def _since(view: View, moment: Any) -> str:
    return duration(view.now - moment) if _is_number(moment) else "-"


def _age_text(view: View) -> str:
    return "there is no report" if view.age is None else f"last report {duration(view.age)} ago"


def _dict(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    # json.loads takes NaN and Infinity, which compare with nothing or with everything.
    return type(value) in (int, float) and abs(value) < 1e18
