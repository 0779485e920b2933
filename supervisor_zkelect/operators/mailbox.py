"""The mailbox between operators and the listener, in supervisord: its last report, requests on their way, and answers.

The listener pushes a report when something changes and at least every two seconds, and takes with the answer what operators
asked for. An answer may come too late for it, so each request goes with every answer until a report names its ticket. A dead,
stopped or silent listener has no role: the mailbox says whether its report may still be believed.

supervisord's main loop runs this, so nothing here waits, starts a thread or opens a socket, and all that is kept has a limit.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
from dataclasses import dataclass, field
from typing import Any, Collection, Dict, List, Optional, Set, Tuple

from supervisor.states import SupervisorStates
from supervisor.xmlrpc import Faults, RPCError

from supervisor_zkelect.processes import proc
from supervisor_zkelect.supervisord import ownprogram
from supervisor_zkelect.system import clock

#: Version of the documents that getReport and putReport exchange. What a newer one adds is passed on unread.
VERSION = 1

#: Seconds after which a report is no longer believed.
REPORT_AGE = 5.0

#: Seconds within which the listener has to take a request; later it would come as a surprise, and is dropped.
TAKE_TIME = 15.0

#: Seconds for which a request and its answer are kept.
KEEP_TIME = 600.0

#: Requests kept, answered or not.
MOST_REQUESTS = 100

#: Longest texts, in characters.
LONGEST_REPORT = 1 << 20
LONGEST_ANSWER = 1 << 18
LONGEST_ARGUMENTS = 1 << 14
LONGEST_NAME = 255

#: The verb that only asks for a report; it is answered soon or never, and one that nobody took serves all who ask.
REFRESH = "refresh"


@dataclass
class _Request:
    ticket: str
    verb: str
    election: str
    arguments: Any
    made: float
    answer: Optional[str] = None
    #: The listeners that it was given to, by identity, and those of them that have told that they took it.
    takers: Dict[Tuple[int, ...], proc.Process] = field(default_factory=dict)
    sure: Set[Tuple[int, ...]] = field(default_factory=set)


class TicketedRequests:
    """The requests by ticket, in the order in which they came. Pure: `now` is seconds of CLOCK_BOOTTIME."""

    def __init__(self) -> None:
        self._requests: Dict[str, _Request] = {}

    def add(self, verb: str, election: str, arguments: Any, now: float) -> str:
        """Keep a request; returns its ticket. Raises RPCError where too many wait."""
        self._forget_old(now)
        if verb == REFRESH:
            for request in self._requests.values():
                if request.verb == REFRESH and not request.takers:
                    return request.ticket
        self._make_room()
        ticket = os.urandom(8).hex()
        self._requests[ticket] = _Request(ticket, verb, election, arguments, now)
        return ticket

    def take(self, taker: proc.Process, now: float, taken: Optional[Collection[str]] = None) -> List[Dict[str, Any]]:
        """The requests that this listener may not have. taken: tickets of those that it has; None for one of an earlier version,
        which does not tell, and would carry out twice what it is given twice."""
        self._forget_old(now)
        given = []
        for request in self._requests.values():
            if taken is not None and request.ticket in taken:
                request.sure.add(taker.identity)
            has = taker.identity in (request.takers if taken is None else request.sure)
            if request.answer is None and now - request.made <= TAKE_TIME and not has:
                request.takers[taker.identity] = taker
                given.append({
                    "ticket": request.ticket, "verb": request.verb, "election": request.election, "args": request.arguments,
                    "age": round(now - request.made, 3),
                })
        return given

    def find(self, ticket: Any, now: float) -> _Request:
        """The request with this ticket. Raises RPCError."""
        self._forget_old(now)
        request = self._requests.get(string(ticket, "ticket"))
        if request is None:
            raise RPCError(Faults.BAD_NAME, "no such request; it may be too old, or supervisord was reloaded")
        return request

    def _forget_old(self, now: float) -> None:
        for request in list(self._requests.values()):
            limit = TAKE_TIME if request.verb == REFRESH else KEEP_TIME
            if now - request.made > limit:
                del self._requests[request.ticket]

    def _make_room(self) -> None:
        """Drop the oldest answers, and refreshes, until one more fits. Raises RPCError when none can go."""
        spare = [r.ticket for r in self._requests.values() if r.answer is not None or r.verb == REFRESH]
        while len(self._requests) >= MOST_REQUESTS and spare:
            del self._requests[spare.pop(0)]
        if len(self._requests) >= MOST_REQUESTS:
            raise RPCError(Faults.FAILED, f"{MOST_REQUESTS} requests wait for the listener; try again later")


class Mailbox:
    """The last report, and whether it may be believed; the requests. It reads the clock and /proc, and sends one signal.

    supervisord: supervisor's Supervisor object.
    """

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self._report: Dict[str, Any] = {}
        self._report_text = ""
        self._reporter: Optional[proc.Process] = None
        #: the names of its group and program
        self._program = ("", "")
        self._requests = TicketedRequests()

    # The listener's side. Texts are JSON objects; whatever is wrong with what is given raises RPCError.

    def put_report(self, text: str) -> str:
        """Keep a report, unless it was overtaken by a later one; returns the requests that its maker may not have. "taken" in it
        are the tickets of some that it has."""
        report = _read_object(text, "report", LONGEST_REPORT)
        taken: Any = report.pop("taken", None)
        if taken is not None and not (isinstance(taken, list) and all(isinstance(ticket, str) for ticket in taken)):
            raise RPCError(Faults.BAD_ARGUMENTS, "the tickets in the report are not an array of strings")
        pid: Any = report.get("pid")
        made: Any = report.get("boottime")
        if type(pid) is not int or not 1 < pid < 1 << 31:
            raise RPCError(Faults.BAD_ARGUMENTS, "the report has no valid pid")
        if type(made) not in (int, float) or not 0 <= made <= clock.now():
            raise RPCError(Faults.BAD_ARGUMENTS, "the report's boottime is not in the past of this machine's clock")
        if not isinstance(report.get("elections"), dict):
            raise RPCError(Faults.BAD_ARGUMENTS, "the report has no elections")
        maker = proc.read(pid)
        if maker is None or not self._is_child(pid):
            raise RPCError(Faults.BAD_ARGUMENTS, f"process {pid} is not run by this supervisord")
        same = self._reporter is not None and self._reporter.identity == maker.identity
        if not same and self._reporter is not None and not self._why_unknown():
            raise RPCError(
                Faults.FAILED,
                f"process {self._reporter.pid} reports already; run one zkelect listener in a supervisord",
            )
        # What was held up on its way must not replace what overtook it.
        if not same or made >= self._report["boottime"]:
            self._report, self._report_text, self._reporter = report, json.dumps(report), maker
            program = self._supervisord.options.pidhistory[pid]
            self._program = (program.group.config.name if program.group else program.config.name, program.config.name)
        return json.dumps(self._requests.take(maker, clock.now(), taken))

    def answer(self, ticket: str, text: str) -> bool:
        """Keep an answer, unless there is one. True."""
        answer = json.dumps(_read_object(text, "answer", LONGEST_ANSWER))
        request = self._requests.find(ticket, clock.now())
        if not request.takers:
            raise RPCError(Faults.BAD_ARGUMENTS, f"nobody has taken request {request.ticket}")
        if request.answer is None:
            request.answer = answer
        return True

    # The operator's side

    def request(self, verb: str, election: str, text: str) -> str:
        """Keep a request and wake the listener; returns the ticket. text: its arguments, "" for none."""
        if not re.fullmatch(r"[a-z][a-z-]{0,30}", string(verb, "verb")):
            raise RPCError(Faults.BAD_ARGUMENTS, "the verb is not a word of small letters")
        if len(string(election, "election")) > LONGEST_NAME:
            raise RPCError(Faults.BAD_ARGUMENTS, f"the election's name is longer than {LONGEST_NAME}")
        arguments = _read_object(text or "{}", "arguments", LONGEST_ARGUMENTS)
        why = self._why_unknown(patient=True)
        if why:
            raise RPCError(Faults.NOT_RUNNING, why)
        ticket = self._requests.add(verb, election, arguments, clock.now())
        self._wake_listener()
        return ticket

    def get_answer(self, ticket: str) -> str:
        """The answer; "" while there is none, but may be one."""
        request = self._requests.find(ticket, clock.now())
        if request.answer is not None:
            return request.answer
        if clock.now() - request.made > TAKE_TIME:
            if not request.takers:
                raise RPCError(
                    Faults.NOT_RUNNING, f"no listener took the request within {TAKE_TIME:g} s; dropped"
                )
            if not any(proc.alive(taker) for taker in request.takers.values()):
                raise RPCError(Faults.NOT_RUNNING, "the listener that took the request is gone")
        return ""

    def get_report(self) -> str:
        """The last report, and whether it may be believed, as `getReport` of the RPC interface has it."""
        now = clock.now()
        why = self._why_unknown()
        head = {"v": VERSION, "known": not why, "why": why, "now": now, "age": None}
        if self._reporter is not None:
            head["age"] = round(now - self._report["boottime"], 3)
        # The report is in its final form already; large ones are not written again for each who asks.
        return json.dumps(head)[:-1] + f', "report": {self._report_text or "null"}}}'

    # Whether the listener lives

    def _why_unknown(self, patient: bool = False) -> str:
        """Why the report cannot be believed; empty when it can. patient: whatever its age."""
        if self._reporter is None:
            told = ownprogram.told_without_report(self._supervisord) or "see supervisorctl status and the listener's log"
            return f"no zkelect listener has reported to this supervisord; {told}"
        pid = self._reporter.pid
        current = proc.read(pid)
        same = current is not None and current.identity == self._reporter.identity
        if current is None or not same or current.gone or not self._is_child(pid):
            return f"the listener (pid {pid}) is dead; {self._why_dead()}"
        if current.state in "Tt":
            return f"the listener (pid {pid}) is stopped by a signal; kill -CONT {pid} resumes it"
        if not patient and clock.now() - self._report["boottime"] > REPORT_AGE:
            return f"the listener (pid {pid}) is silent; see its log, and restart it, which does not interrupt the service"
        return ""

    def _why_dead(self) -> str:
        """supervisord's word on the program that the last listener was, and what to do."""
        if self._supervisord.options.mood < SupervisorStates.RUNNING:
            return "supervisord is shutting down or reloading"
        return ownprogram.told(self._supervisord, *self._program)

    def _is_child(self, pid: int) -> bool:
        """Whether supervisord runs the process; then its pid is no other's, since nobody else reaps it."""
        process = self._supervisord.options.pidhistory.get(pid)
        return process is not None and process.pid == pid

    def _wake_listener(self) -> None:
        """Make the listener fetch its requests now and not with its next report."""
        listener = self._reporter
        if listener is not None and not self._why_unknown(patient=True) and _catches(listener.pid, signal.SIGUSR1):
            try:
                os.kill(listener.pid, signal.SIGUSR1)
            except OSError as error:
                # A listener with another user=; it comes by itself.
                self._supervisord.options.logger.debug(f"zkelect: cannot signal the listener: {error}")


def string(value: Any, what: str) -> str:
    """The value, if it is a string. Raises RPCError."""
    if not isinstance(value, str):
        raise RPCError(Faults.BAD_ARGUMENTS, f"the {what} is not a string")
    return value


def _read_object(text: Any, what: str, longest: int) -> Dict[str, Any]:
    if len(string(text, what)) > longest:
        raise RPCError(Faults.BAD_ARGUMENTS, f"the {what} is longer than {longest} characters")
    try:
        value = json.loads(text, parse_int=_read_int, parse_float=_read_float, parse_constant=_read_float)
    except (ValueError, RecursionError) as error:
        raise RPCError(Faults.BAD_ARGUMENTS, f"the {what} is not JSON: {str(error)[:200]!a}") from None
    if not isinstance(value, dict):
        raise RPCError(Faults.BAD_ARGUMENTS, f"the {what} is not a JSON object")
    return value


def _read_int(text: str) -> int:
    # Converting takes time with the square of the length; no number of ours has more digits than this.
    if len(text) > 30:
        raise ValueError("a number is too long")
    return int(text)


def _read_float(text: str) -> float:
    number = float(text) if len(text) <= 100 else math.inf
    if not math.isfinite(number):
        raise ValueError("a number is infinite or not a number")
    return number


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal, whose default would be to end it (proc(5), SigCgt)."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            masks = [line.split()[1] for line in file if line.startswith("SigCgt:")]
    except OSError:
        return False
    return bool(masks) and bool(int(masks[0], 16) >> (number - 1) & 1)
