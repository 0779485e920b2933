"""Inside supervisord: a board with the listener's last report, and requests on their way to the listener.

    [rpcinterface:zkelect]
    supervisor.rpcinterface_factory = supervisor_zkelect.rpcinterface:make_zkelect_rpcinterface

supervisord's main loop runs this code, so nothing here waits, starts a thread or opens a socket, all that is
kept has a limit, and no other exception than supervisor's RPCError leaves a method. It also has supervisord's forks do what
`zkelect run` does, as far as that goes in milliseconds (`fork.py`).

The listener pushes a report when something changes and at least every two seconds, and takes with the answer what
operators asked for. The board says whether the report may still be believed: a dead, stopped or silent
listener has no role. supervisord calls the factory once for each of its HTTP servers; the board hangs on the
supervisord object, so that all of them share it, and is made afresh at a reload, when supervisord makes that
object anew.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import os
import re
import signal
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple

from supervisor.datatypes import RestartUnconditionally, RestartWhenExitUnexpected
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.states import SupervisorStates, getProcessStateDescription
from supervisor.xmlrpc import Faults, RPCError

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.loader import fork
from supervisor_zkelect.processes import proc
from supervisor_zkelect.supervisord import exits, ownprogram, reaped
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

#: Seconds for which groups are started in one turn of supervisord's loop; what it has begun it finishes.
START_TIME = 0.1

#: The verb that only asks for a report; it is answered soon or never, and one that nobody took serves all who
#: ask.
REFRESH = "refresh"

_ATTRIBUTE = "zkelect_board"


@dataclass
class _Request:
    ticket: str
    verb: str
    election: str
    arguments: Any
    made: float
    answer: Optional[str] = None
    #: The listeners that took it, by identity.
    takers: Dict[Tuple[int, ...], proc.Process] = field(default_factory=dict)


class Board:
    """What supervisord knows of the listener. Pure but for the clock, /proc and one signal.

    supervisord: supervisor's Supervisor object.
    """

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self._report: Dict[str, Any] = {}
        self._report_text = ""
        self._reporter: Optional[proc.Process] = None
        #: the names of its group and program
        self._program = ("", "")
        self._requests: Dict[str, _Request] = {}

    # the listener's side

    def put_report(self, text: str) -> str:
        report = _read_object(text, "report", LONGEST_REPORT)
        pid: Any = report.get("pid")
        made: Any = report.get("boottime")
        if type(pid) is not int or not 1 < pid < 1 << 31:
            raise RPCError(Faults.BAD_ARGUMENTS, "the report has no pid of its maker")
        if type(made) not in (int, float) or not 0 <= made <= clock.now():
            raise RPCError(Faults.BAD_ARGUMENTS, "the report's boottime is not a time of this machine's past")
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
            self._report, self._report_text, self._reporter = report, _write(report), maker
            program = self._supervisord.options.pidhistory[pid]
            self._program = (program.group.config.name if program.group else program.config.name, program.config.name)
        return _write(self._take(maker))

    def answer(self, ticket: str, text: str) -> bool:
        answer = _write(_read_object(text, "answer", LONGEST_ANSWER))
        request = self._find(ticket)
        if not request.takers:
            raise RPCError(Faults.BAD_ARGUMENTS, f"nobody has taken request {request.ticket}")
        if request.answer is None:
            request.answer = answer
        return True

    # the operator's side

    def request(self, verb: str, election: str, text: str) -> str:
        if not re.fullmatch(r"[a-z][a-z-]{0,30}", _string(verb, "verb")):
            raise RPCError(Faults.BAD_ARGUMENTS, "the verb is not a word of small letters")
        if len(_string(election, "election")) > LONGEST_NAME:
            raise RPCError(Faults.BAD_ARGUMENTS, f"the election's name is longer than {LONGEST_NAME}")
        arguments = _read_object(text or "{}", "arguments", LONGEST_ARGUMENTS)
        self._forget_old()
        why = self._why_unknown(patient=True)
        if why:
            raise RPCError(Faults.NOT_RUNNING, why)
        if verb == REFRESH:
            for request in self._requests.values():
                if request.verb == REFRESH and not request.takers:
                    self._poke()
                    return request.ticket
        self._make_room()
        ticket = os.urandom(8).hex()
        self._requests[ticket] = _Request(ticket, verb, election, arguments, clock.now())
        self._poke()
        return ticket

    def get_answer(self, ticket: str) -> str:
        request = self._find(ticket)
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
        now = clock.now()
        why = self._why_unknown()
        head = {"v": VERSION, "known": not why, "why": why, "now": now, "age": None}
        if self._reporter is not None:
            head["age"] = round(now - self._report["boottime"], 3)
        # The report is in its final form already; large ones are not written again for each who asks.
        return _write(head)[:-1] + f', "report": {self._report_text or "null"}}}'

    # what is true

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
            return f"the listener (pid {pid}) is stopped by a signal; kill -CONT {pid} has it go on"
        if not patient and clock.now() - self._report["boottime"] > REPORT_AGE:
            return f"the listener (pid {pid}) is silent; see its log, and restart it, which leaves a service as it is"
        return ""

    def _why_dead(self) -> str:
        """What supervisord says of the program that the last listener was, and what to do."""
        if self._supervisord.options.mood < SupervisorStates.RUNNING:
            return "supervisord is shutting down or reloading"
        return ownprogram.told(self._supervisord, *self._program)

    def _is_child(self, pid: int) -> bool:
        """Whether supervisord runs the process; then its pid is no other's, since nobody else reaps it."""
        process = self._supervisord.options.pidhistory.get(pid)
        return process is not None and process.pid == pid

    def _poke(self) -> None:
        """Have the listener come for its requests now and not with its next report."""
        listener = self._reporter
        if listener is not None and not self._why_unknown(patient=True) and _catches(listener.pid, signal.SIGUSR1):
            try:
                os.kill(listener.pid, signal.SIGUSR1)
            except OSError as error:
                # A listener with another user=; it comes by itself.
                self._supervisord.options.logger.debug(f"zkelect: cannot signal the listener: {error}")

    # requests

    def _take(self, taker: proc.Process) -> List[Dict[str, Any]]:
        """The requests that this listener has not been given yet."""
        self._forget_old()
        taken = []
        for request in self._requests.values():
            fresh = clock.now() - request.made <= TAKE_TIME
            if request.answer is None and fresh and taker.identity not in request.takers:
                request.takers[taker.identity] = taker
                taken.append(
                    {
                        "ticket": request.ticket,
                        "verb": request.verb,
                        "election": request.election,
                        "args": request.arguments,
                    }
                )
        return taken

    def _find(self, ticket: str) -> _Request:
        self._forget_old()
        request = self._requests.get(_string(ticket, "ticket"))
        if request is None:
            raise RPCError(Faults.BAD_NAME, "no such request; it may be too old, or supervisord was reloaded")
        return request

    def _forget_old(self) -> None:
        now = clock.now()
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


def _published(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let nothing but RPCError out of a method: others become HTTP 500 and a page in supervisord's log."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def guarded(self: ZkelectRPCInterface, *args: Any) -> Any:
        try:
            signature.bind(self, *args)
        except TypeError as error:
            raise RPCError(Faults.INCORRECT_PARAMETERS, str(error)) from None
        try:
            return method(self, *args)
        except RPCError:
            raise
        except Exception as error:
            self._logger.error(f"zkelect: {method.__name__} failed: {type(error).__name__}: {printable(error, 500)}")
            raise RPCError(Faults.FAILED, f"{method.__name__}: {type(error).__name__}") from None

    return guarded


class ZkelectRPCInterface:
    """The namespace zkelect, as supervisord publishes it: every public function here can be called by RPC."""

    def __init__(self, supervisord: Any, board: Board) -> None:
        self._logger = supervisord.options.logger
        self._board = board
        self._supervisord = supervisord
        self._supervisor = SupervisorNamespaceRPCInterface(supervisord)

    @_published
    def getReport(self) -> str:
        """Return the last report of the zkelect listener, and whether it may be believed, as JSON:
        {"v": 1, "known": bool, "why": string, "now": seconds, "age": seconds or null,
        "report": the report or null}. Times are those of the machine's CLOCK_BOOTTIME. A report of a listener
        that is dead, stopped or silent is not known, and "why" says so.

        @return string result  The JSON text
        """
        return self._board.get_report()

    @_published
    def request(self, verb: Any, election: Any, arguments: Any) -> str:
        """Ask the listener for something. It is dropped when the listener does not take it within 15 seconds.

        @param string verb       refresh, members, history, resign, check or reload
        @param string election   The election it is about; empty for none
        @param string arguments  A JSON object, or empty
        @return string ticket    What getAnswer wants
        """
        return self._board.request(verb, election, arguments)

    @_published
    def getAnswer(self, ticket: Any) -> str:
        """Return the listener's answer to a request, which is kept for 10 minutes.

        @param string ticket   The ticket that request returned
        @return string result  A JSON object; empty while there is no answer
        """
        return self._board.get_answer(ticket)

    @_published
    def putReport(self, report: Any) -> str:
        """Take a report from the listener, and hand it the requests that it has not been given yet.
        For the listener only.

        @param string report   A JSON object
        @return string result  A JSON array of {"ticket", "verb", "election", "args"}
        """
        return self._board.put_report(report)

    @_published
    def answer(self, ticket: Any, answer: Any) -> bool:
        """Answer a request. The first answer counts. For the listener only.

        @param string ticket    The ticket of the request
        @param string answer    A JSON object
        @return boolean result  Always True
        """
        return self._board.answer(ticket, answer)

    @_published
    def startProcessGroups(self, names: Any) -> str:
        """Do what supervisor.startProcessGroup does without waiting, for several groups in one request, as far as that goes
        in a tenth of a second, in which supervisord does nothing else. Return as JSON an array with one item for each group:
        an object {"started": what it returns, as an array of [name, status, description], "states": what getProcessStates
        returns then}, an object {"faultCode", "faultString"}, or null for a group that was left alone because the time was
        over.

        @param array names     The groups' names
        @return string result  The JSON text
        """
        until = clock.now() + START_TIME
        started: List[Any] = []
        for name in _names(names):
            started.append(self._or_fault(self._start, name) if not started or clock.now() < until else None)
        return _write(started)

    @_published
    def getProcessStates(self, names: Any) -> str:
        """Return what supervisor.getProcessInfo tells of the states of all processes of some groups, as JSON: an array
        with one item for each group, which is an array of [name, statename, pid, spawnerr], or an object {"faultCode",
        "faultString"}. supervisord writes 4 KiB of an answer in each turn of its loop, so with hundreds of programs an
        answer that says everything in XML takes seconds.

        @param array names     The groups' names
        @return string result  The JSON text
        """
        return _write([self._or_fault(self._states, name) for name in _names(names)])

    @_published
    def getProcessEnds(self, names: Any) -> str:
        """Return how the last process of each program of some groups ended, as JSON: an array with one item for each group,
        which is an array of [name, exit status or null, number of the signal or null, why supervisord could not start it or "",
        path of its log or "", command, number of its user], or an object {"faultCode", "faultString"}. Command and user are those
        that it was started with. supervisor.getProcessInfo tells no status of a process that ended before its startsecs.

        @param array names     The groups' names
        @return string result  The JSON text
        """
        return _write([self._or_fault(self._ends, name) for name in _names(names)])

    @_published
    def getAutorestarts(self, names: Any) -> str:
        """Return the option autorestart of each program of some groups, which supervisor.getAllConfigInfo leaves out, as JSON:
        an array with one item for each group, which is an array of [name, "true", "false" or "unexpected"], or an object
        {"faultCode", "faultString"}.

        @param array names     The groups' names
        @return string result  The JSON text
        """
        return _write([self._or_fault(self._autorestarts, name) for name in _names(names)])

    def _or_fault(self, method: Callable[[str], Any], name: str) -> Any:
        """The method's result, or what went wrong as a struct of system.multicall's kind: with this group alone."""
        try:
            return method(name)
        except RPCError as error:
            return {"faultCode": error.code, "faultString": error.text}
        except Exception as error:
            self._logger.error(f"zkelect: {method.__name__} {name} failed: {type(error).__name__}: {error}")
            return {"faultCode": Faults.FAILED, "faultString": f"FAILED: {name}: {error or type(error).__name__}"}

    def _start(self, name: str) -> Any:
        # It returns a function, for one that wants to wait until they run.
        started = self._supervisor.startProcessGroup(name, False)()
        items = [[one["name"], one["status"], one["description"]] for one in started]
        return {"started": items, "states": self._states(name)}

    def _states(self, name: str) -> Any:
        return [
            [process.config.name, getProcessStateDescription(process.get_state()), process.pid, process.spawnerr or ""]
            for process in self._processes(name)
        ]

    def _ends(self, name: str) -> Any:
        ends = []
        for process in self._processes(name):
            info = self._supervisor.getProcessInfo(f"{name}:{process.config.name}")
            end = exits.of(info, reaped.wait_status(process))
            # What getAllConfigInfo has is what the file had at the last `reread`, and not what was started.
            uid = process.config.uid
            end = end._replace(command=process.config.command, uid=os.getuid() if uid is None else uid)
            ends.append([process.config.name, *end])
        return ends

    def _autorestarts(self, name: str) -> Any:
        # supervisord keeps a class for each value but false.
        words = {RestartUnconditionally: "true", RestartWhenExitUnexpected: "unexpected", False: "false"}
        return [[process.config.name, words.get(process.config.autorestart)] for process in self._processes(name)]

    def _processes(self, name: str) -> List[Any]:
        """supervisord's objects for the processes of a group. Raises RPCError."""
        if self._supervisord.options.mood < SupervisorStates.RUNNING:
            raise RPCError(Faults.SHUTDOWN_STATE)
        group = self._supervisord.process_groups.get(name)
        if group is None:
            raise RPCError(Faults.BAD_NAME, name)
        return list(group.processes.values())


def make_zkelect_rpcinterface(supervisord: Any, **config: str) -> ZkelectRPCInterface:
    """What [rpcinterface:zkelect] names as `supervisor.rpcinterface_factory`; called for each HTTP server.

    There are no options. One that is set is warned of and kept out: an exception would keep supervisord from
    starting.
    """
    board = getattr(supervisord, _ATTRIBUTE, None)
    if board is None:
        board = Board(supervisord)
        setattr(supervisord, _ATTRIBUTE, board)
        try:
            fork.install(supervisord.options)
        except Exception as error:
            supervisord.options.logger.warn(f"zkelect: programs are started by zkelect run alone: {error!r}")
        try:
            reaped.install(supervisord.options)
        except Exception as error:
            supervisord.options.logger.warn(f"zkelect: how programs end is not noted: {error!r}")
        for option in sorted(config):
            supervisord.options.logger.warn(f"[rpcinterface:zkelect] has no option {option!a}; remove it")
    return ZkelectRPCInterface(supervisord, board)


def _string(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise RPCError(Faults.BAD_ARGUMENTS, f"the {what} is not a string")
    return value


def _names(value: Any) -> List[str]:
    if not isinstance(value, list):
        raise RPCError(Faults.BAD_ARGUMENTS, "the names are not an array")
    return [_string(name, "name") for name in value]


def _read_object(text: Any, what: str, longest: int) -> Dict[str, Any]:
    if len(_string(text, what)) > longest:
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
        raise ValueError("a number is too large, or is none")
    return number


def _write(value: Any) -> str:
    """JSON of ASCII alone, without control characters, which XML could not carry."""
    return json.dumps(value)


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal, whose default would be to end it (proc(5), SigCgt)."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            masks = [line.split()[1] for line in file if line.startswith("SigCgt:")]
    except OSError:
        return False
    return bool(masks) and bool(int(masks[0], 16) >> (number - 1) & 1)
