"""Asking: what an operator wants from the listener, by way of supervisord.

Everything goes through a caller, `call(method, *args)`, which returns what supervisord answers or raises
`supervisor_zkelect.supervisord.client.SupervisordError`.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any, Callable, Dict, Optional
from urllib.parse import urlsplit

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import show
from supervisor_zkelect.operators.outcome import ERROR, UNKNOWN, USAGE, Outcome, failure
from supervisor_zkelect.operators.view import View, as_dict, judge
from supervisor_zkelect.supervisord.client import Fault, Supervisord, SupervisordError, Unreachable

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


def run(
    verb: str,
    call: Call,
    election: Optional[str] = None,
    timeout: Optional[float] = None,
    refresh_time: float = REFRESH_TIME,
    force: bool = False,
    yes: bool = False,
    width: Optional[int] = None,
) -> Outcome:
    """Carry out one of VERBS. Never raises SupervisordError.

    election: its name, or None for all (`resign` then needs a node with one election).
    timeout: seconds to wait for the outcome, by default WAIT. refresh_time: seconds for a sign of life.
    force: for `resign`; even if nobody takes over, or if the group cannot be proven dead.
    yes: for `reload`; even if terms or the session of this node end by it.
    width: for `history`; columns that there are, None for as many as it takes.

    Raises ValueError for another verb.
    """
    if verb not in VERBS:
        raise ValueError(f"{verb!r} is none of {', '.join(VERBS)}")
    try:
        view = _view(call, refresh_time)
        if verb in ("role", "status"):
            return (show.role if verb == "role" else show.status)(view, election)
        return _ask(verb, call, view, election, WAIT[verb] if timeout is None else timeout, force or yes, width)
    except SupervisordError as error:
        return _failed(error)


def _failed(error: SupervisordError) -> Outcome:
    if isinstance(error, Unreachable):
        refused = "HTTP 401" in error.reason or "HTTP 403" in error.reason
        if refused:
            return failure(ERROR, f"supervisord: {error.reason}")
        hint = "it may hang or be stopped by a signal" if error.sent else "see whether it runs, or say where it is (-s URL)"
        return failure(UNKNOWN, f"supervisord: {error.reason}; {hint}")
    if isinstance(error, Fault) and error.code == UNKNOWN_METHOD:
        return failure(ERROR, f"supervisord {NO_INTERFACE}")
    if isinstance(error, Fault) and error.code == _NOT_RUNNING:
        return failure(UNKNOWN, f"unknown: {error.text.partition(': ')[2] or error.text}")
    return failure(ERROR, f"supervisord: {error}")


def _ask(
    verb: str, call: Call, view: View, election: Optional[str], timeout: float, force: bool, width: Optional[int]
) -> Outcome:
    """force: what `resign --force` and `reload --yes` say."""
    if not view.known and verb != "check":
        return failure(UNKNOWN, f"unknown: {view.why}; {show.age_text(view)}")
    if verb == "reload" and election is not None:
        return failure(USAGE, "reload takes the whole file; leave the election out")
    if election is not None and view.known and election not in view.names:
        return show.no_election(view, election)
    names = view.names if election is None else [election]
    if verb == "resign" and len(names) != 1:
        there = ", ".join(printable(name) for name in names) or "none"
        return failure(USAGE, f"name the election to resign from; there are: {there}")
    deadline = time.monotonic() + timeout
    if verb == "resign":
        return show.resign(names[0], _answer(call, verb, names[0], deadline, timeout, {"force": True} if force else {}))
    if verb == "check":
        return _check(call, view, election, deadline, timeout)
    if verb == "reload":
        return show.reload(_answer(call, verb, "", deadline, timeout, {"yes": True} if force else {}))
    answers = {name: _answer(call, verb, name, deadline, timeout) for name in names}
    return show.members(answers) if verb == "members" else show.history(answers, width)


def _check(call: Call, view: View, election: Optional[str], deadline: float, timeout: float) -> Outcome:
    """What is wrong by the listener's report and by its answer, or by supervisord's word on it."""
    # Only `check` needs it, and `role` is to begin fast.
    from supervisor_zkelect.operators import check_listener

    known = check_listener.of_listener(call, view, election)
    answer: Dict[str, Any] = {"ok": True, "problems": []}
    if view.known:
        answer = _answer(call, "check", election or "", deadline, timeout)
    wrong = known.wrong or answer.get("ok") is not True
    return show.check(answer, known, check_listener.logs(call, check_listener.groups_of(view)) if wrong else ())


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
                return as_dict(json.loads(text))
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
