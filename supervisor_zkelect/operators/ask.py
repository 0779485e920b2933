"""Carry a verb to the listener, by way of supervisord, and its answer back.

Everything goes through a caller, `call(method, *args)`, which returns what supervisord answers or raises
`supervisor_zkelect.supervisord.client.SupervisordError`.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import threading
import time
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from supervisor_zkelect.core.roles import DEMOTING
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import show, waiting
from supervisor_zkelect.operators.outcome import ERROR, INTERRUPTED, UNDER_WAY, UNKNOWN, USAGE, CommandOutcome, failure
from supervisor_zkelect.operators.progress import NONE, Progress
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.table import PLAIN, Screen
from supervisor_zkelect.operators.verbs import ALL_OR_ONE, NODE, ONE, VERBS, Reply, Verb, unnamed
from supervisor_zkelect.operators.view import View, as_dict, judge
from supervisor_zkelect.supervisord.client import Fault, Supervisord, SupervisordError, Unreachable

#: Seconds that a listener has to show that it lives.
REFRESH_TIME = 2.5

#: Seconds that a listener has to answer, of those for which an order is waited for.
ANSWER_TIME = 1.0

#: Seconds before whoever gives an order goes, after which a listener writes it no more: it answers that meanwhile.
_LEAD_TIME = 0.3

#: Elections that are asked about together; the mailbox keeps more questions than that.
_TOGETHER = 50

#: Seconds that a listener has to take back an order, whose user waits no longer.
_TAKE_BACK_TIME = 5.0

#: Seconds between two questions for an answer: the first, and what it grows to.
_PAUSE = (0.01, 0.2)

# Codes of supervisor.xmlrpc.Faults, which are part of supervisor's documented interface.
UNKNOWN_METHOD = 1
NO_INTERFACE = "has no [rpcinterface:zkelect]; add that section and restart supervisord"
MAY_BE_DONE = "interrupted; the request may be carried out all the same: see zkelect role"
_BAD_NAME = 10
_NOT_RUNNING = 70

Call = Callable[..., Any]


def run(
    verb: str,
    call: Call,
    election: Optional[str] = None,
    timeout: Optional[float] = None,
    refresh_time: float = REFRESH_TIME,
    given: Optional[Mapping[str, Any]] = None,
    screen: Screen = PLAIN,
    progress: Progress = NONE,
    reader: Optional[Reader] = None,
) -> CommandOutcome:
    """Carry out one of VERBS. Never raises SupervisordError.

    election: its name, or None for what the verb means without one.
    timeout: seconds to wait for the outcome, by default the verb's. refresh_time: seconds for a sign of life.
    given: what was said with it, by the names that its options have for the listener.
    screen: where it is shown. progress: where it is shown what is awaited. reader: who looks on, as `Reply` has it.

    Raises KeyError for another verb.
    """
    said = dict(given or {})
    row = VERBS[verb].chosen(said)
    requested = False
    try:
        view = _view(call, refresh_time)
        if not row.wait:
            return row.show(Reply(view, election, {}, screen, call, said, reader))
        seconds = row.wait if timeout is None else timeout
        wrong = _names_wrong(row, view, election, said.get("all") is True)
        if wrong is not None:
            return wrong
        requested = True
        answers = _answers(row, call, view, election, seconds, said, progress)
        return row.show(Reply(view, election, answers, screen, call, said, reader))
    except SupervisordError as error:
        return _failed(error, row.afar and row.name != "check")
    except KeyboardInterrupt:
        if not row.acts:
            raise
        return failure(INTERRUPTED, MAY_BE_DONE if requested else waiting.NOTHING_ORDERED)
    finally:
        progress.end()


def _failed(error: SupervisordError, afar: bool) -> CommandOutcome:
    """afar: whether ZooKeeper alone could be asked as well."""
    if isinstance(error, Unreachable):
        refused = "HTTP 401" in error.reason or "HTTP 403" in error.reason
        if refused:
            return failure(ERROR, f"supervisord: {error.reason}")
        hint = "it may hang or be stopped by a signal" if error.sent else "see whether it runs, or say where it is (-s URL)"
        other = "; `zkelect` with --servers HOSTS asks ZooKeeper alone" if afar else ""
        return failure(UNKNOWN, f"supervisord: {error.reason}; {hint}{other}")
    if isinstance(error, Fault) and error.code == UNKNOWN_METHOD:
        return failure(ERROR, f"supervisord {NO_INTERFACE}")
    if isinstance(error, Fault) and error.code == _NOT_RUNNING:
        return failure(UNKNOWN, f"unknown: {error.text.partition(': ')[2] or error.text}")
    return failure(ERROR, f"supervisord: {error}")


def _names_wrong(verb: Verb, view: View, election: Optional[str], every: bool) -> Optional[CommandOutcome]:
    """Why the listener is not asked at all; None where it is. every: whether all elections are meant by the operator's word."""
    if not view.known:
        return None if verb.doubted else failure(UNKNOWN, f"unknown: {view.why}; {show.age_text(view)}")
    if verb.means == NODE and election is not None:
        return failure(USAGE, f"{verb.name} is for the whole node; leave the election out")
    if election is not None and election not in view.names:
        return show.no_election(view, election)
    if every and election is not None:
        return failure(USAGE, ALL_OR_ONE)
    if verb.means == ONE and election is None and len(view.names) != 1 and not (every and view.names):
        there = ", ".join(printable(name) for name in view.names) or "none"
        return failure(USAGE, unnamed(verb.name, there))
    return None


def _answers(
    verb: Verb, call: Call, view: View, election: Optional[str], timeout: float, arguments: Dict[str, Any], progress: Progress
) -> Dict[str, Dict[str, Any]]:
    """The listener's answers, by the elections that it is asked for. timeout: seconds for all of them."""
    if not view.known:
        return {}
    deadline = time.monotonic() + timeout
    names = view.names if verb.each and election is None else [election or ""]
    if verb.acts:
        acted = _one_after_the_other(verb, call, names, deadline, timeout, arguments, progress)
        return _of_those_who_know(acted) if verb.ordered and election is None and arguments.get("node") else acted
    answers: Dict[str, Dict[str, Any]] = {}
    # What only looks is asked for several elections at once.
    for first in range(0, len(names), _TOGETHER):
        some = names[first:first + _TOGETHER]
        tickets = [call("zkelect.request", verb.name, name, json.dumps(arguments)) for name in some]
        for name, ticket in zip(some, tickets):
            answers[name] = _answer(call, verb.name, ticket, max(deadline, time.monotonic() + ANSWER_TIME), timeout)
    return answers


def _one_after_the_other(
    verb: Verb, call: Call, names: Sequence[str], deadline: float, timeout: float, arguments: Dict[str, Any], progress: Progress
) -> Dict[str, Dict[str, Any]]:
    """The answers of several elections in which something is done. What goes wrong with one of them hides no other's."""
    answers: Dict[str, Dict[str, Any]] = {}
    for name in names:
        try:
            said = {**arguments, **signed()}
            if verb.ordered:
                way = _ByListener(call, verb.name, name, deadline, timeout, said)
                left = max(0.0, deadline - time.monotonic() - ANSWER_TIME)
                answers[name] = waiting.follow(way, left, progress, writes(verb, arguments))
            else:
                ticket = call("zkelect.request", verb.name, name, json.dumps(said))
                until = max(deadline, time.monotonic() + ANSWER_TIME)
                answers[name] = _answer(call, verb.name, ticket, until, timeout, progress)
                if UNDER_WAY in verb.statuses and answers[name].get("exit") == UNKNOWN:
                    answers[name] = _stopping(call, name) or answers[name]
        except SupervisordError as error:
            if len(names) == 1:
                raise
            failed = _failed(error, verb.afar)
            answers[name] = {"ok": False, "exit": failed.exit, "text": failed.error}
        except KeyboardInterrupt:
            answers[name] = waiting.interrupted(MAY_BE_DONE)
        if answers[name].get("exit") == INTERRUPTED:
            break
    return waiting.with_all(answers, names)


def _stopping(call: Call, election: str) -> Optional[Dict[str, Any]]:
    """The answer to who has waited for long enough where this node is stopping; None where it is not known to be."""
    view = _view(call, REFRESH_TIME)
    if not view.known or view.role(election) != DEMOTING:
        return None
    text = "under way: this node is stopping still, and does not lead then; see zkelect list"
    return {"ok": False, "exit": UNDER_WAY, "text": text}


def _of_those_who_know(answers: Dict[str, Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """The answers of the elections that know the node which was named; those of all where none does. Only they are meant where
    no election was named."""
    return {name: answer for name, answer in answers.items() if answer.get("exit") != USAGE} or answers


class _ByListener:
    """The way of an order by a listener. arguments: what was said with it. deadline: until when the answer counts, a
    time.monotonic()."""

    def __init__(
        self, call: Call, verb: str, election: str, deadline: float, timeout: float, arguments: Mapping[str, Any]
    ) -> None:
        self._call, self._verb, self._election = call, verb, election
        self._deadline, self._timeout, self._arguments = deadline, timeout, arguments
        #: Of the order that is awaited: his own, or, as the listener says, one that stands already and is the same.
        self._order = arguments["id"]

    def give(self, seconds: float) -> waiting.Document:
        return self._ask({"wait": seconds})

    def look(self, answer: waiting.Document, seconds: float) -> waiting.Document:
        return self._ask({"wait": seconds, "look": answer["id"], "term": answer["term"]})

    def take_back(self) -> waiting.Document:
        self._timeout, self._deadline = _TAKE_BACK_TIME, time.monotonic() + _TAKE_BACK_TIME
        try:
            return self._ask({"take_back": self._order})
        except SupervisordError as error:
            # It is interrupted all the same, and nothing is to be ordered after it.
            failed = _failed(error, False)
            return {"ok": False, "exit": failed.exit, "text": failed.error}

    def _ask(self, more: Mapping[str, Any]) -> waiting.Document:
        # The listener says what is under way a moment before nobody waits for it any more.
        until = max(self._deadline, time.monotonic() + ANSWER_TIME)
        within = max(_LEAD_TIME, until - time.monotonic() - _LEAD_TIME)
        said = json.dumps({**self._arguments, "within": round(within, 3), **more})
        ticket = self._call("zkelect.request", self._verb, self._election, said)
        answer = _answer(self._call, self._verb, ticket, until, self._timeout, late="; it writes nothing any more")
        self._order = answer.get("id") or self._order
        return answer


def signed() -> Dict[str, Any]:
    """Who gives an order, its id, which it has before anything is asked, as the question may be asked twice, and what this host's
    clock shows."""
    return {"by": orderer(), "id": os.urandom(16).hex(), "clock": round(1000 * time.time())}


def writes(verb: Verb, arguments: Mapping[str, Any]) -> bool:
    """Whether what is said so is to be written, and not only looked at."""
    return arguments.get("reset") is True if verb.name == "orders" else arguments.get("dry") is not True


def orderer() -> str:
    """Who gives an order here: the user, behind sudo as well, and the host."""
    try:
        user = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{printable(user, 100)}@{printable(socket.gethostname(), 100)}"


def _view(call: Call, refresh_time: float) -> View:
    """Ask the listener for a sign of life, then supervisord for its last report."""
    asked = time.monotonic()
    fresh_within = None
    try:
        ticket = call("zkelect.request", "refresh", "", "{}")
        if poll(call, ticket, asked + refresh_time) is None:
            fresh_within = time.monotonic() - asked
    except Fault as fault:
        if fault.code == UNKNOWN_METHOD:
            raise
        # No listener to ask, which the report's answer tells, or no room for a question: then its age
        # decides.
    return judge(call("zkelect.getReport"), fresh_within)


def _answer(
    call: Call, verb: str, ticket: str, deadline: float, timeout: float, progress: Progress = NONE, late: str = ""
) -> Dict[str, Any]:
    """The listener's answer. One of our own, with exit status 4, when there is none in time. late: what is to be said then."""
    try:
        answer = poll(call, ticket, deadline, True, lambda waited: progress.tell(f"waiting for the outcome of {verb}", waited))
        if answer is not None:
            return answer
        text = f"the listener did not answer within {timeout:g} s; the outcome of {verb} is unknown{late}"
    except Unreachable as error:
        text = f"the outcome of {verb} is unknown: supervisord: {error.reason}"
    except Fault as fault:
        if fault.code not in (_BAD_NAME, _NOT_RUNNING):
            raise
        text = f"the outcome of {verb} is unknown: {fault.text.partition(': ')[2] or fault.text}"
    return {"ok": False, "exit": UNKNOWN, "text": text}


def poll(
    call: Call, ticket: str, deadline: float, patient: bool = False, tell: Callable[[float], None] = lambda waited: None
) -> Optional[Dict[str, Any]]:
    """The answer to a request, None when there is none at the deadline, a time.monotonic().

    patient: a supervisord that is there but does not answer in time is asked again. tell: told of the seconds waited, after one.
    """
    begun = time.monotonic()
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
                raise Unreachable("cannot understand the listener's answer; is it of another version?") from None
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        if time.monotonic() - begun >= 1.0:
            tell(time.monotonic() - begun)
        never.wait(min(pause, left))
        pause = min(pause * 1.5, longest)


def caller(
    url: str, username: Optional[str] = None, password: Optional[str] = None, timeout: float = 5.0
) -> Call:
    """A `call` for the supervisord at `url`, each call with a limit of `timeout` seconds.

    Raises ValueError for what is no unix:// or http:// URL.
    """
    return Supervisord(url, username, password, timeout).call
