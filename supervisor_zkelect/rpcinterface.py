"""The RPC interface `zkelect` of supervisord.

    [rpcinterface:zkelect]
    supervisor.rpcinterface_factory = supervisor_zkelect.rpcinterface:make_zkelect_rpcinterface

supervisord's main loop runs this code, so nothing here waits, starts a thread or opens a socket, and no other exception than
supervisor's RPCError leaves a method. It also has supervisord's forks do what `zkelect run` does, as far as that takes
milliseconds (loader/fork.py).

supervisord calls the factory once for each of its HTTP servers. All of them share one mailbox, which hangs on the supervisord
object and is made anew at a reload, when supervisord makes that object anew.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from typing import Any, Callable, List

from supervisor.datatypes import RestartUnconditionally, RestartWhenExitUnexpected
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.states import SupervisorStates, getProcessStateDescription
from supervisor.xmlrpc import Faults, RPCError

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.loader import fork
from supervisor_zkelect.operators import mailbox
from supervisor_zkelect.supervisord import exits, reaped
from supervisor_zkelect.system import clock

#: Seconds for which groups are started in one turn of supervisord's loop; what it has begun it finishes.
START_TIME = 0.1

_ATTRIBUTE = "zkelect_mailbox"


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

    def __init__(self, supervisord: Any, kept: mailbox.Mailbox) -> None:
        self._logger = supervisord.options.logger
        self._mailbox = kept
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
        return self._mailbox.get_report()

    @_published
    def request(self, verb: Any, election: Any, arguments: Any) -> str:
        """Ask the listener for something. It is dropped when the listener does not take it within 15 seconds.

        @param string verb       refresh, list, why, simulate, members, history, events, resign, switchover, restart, maintenance,
                                  pause, resume, orders, forget, check or reload
        @param string election   The election it is about; empty for none
        @param string arguments  A JSON object, or empty
        @return string ticket    What getAnswer wants
        """
        return self._mailbox.request(verb, election, arguments)

    @_published
    def getAnswer(self, ticket: Any) -> str:
        """Return the listener's answer to a request, which is kept for 10 minutes.

        @param string ticket   The ticket that request returned
        @return string result  A JSON object; empty while there is no answer
        """
        return self._mailbox.get_answer(ticket)

    @_published
    def putReport(self, report: Any) -> str:
        """Take a report from the listener, and hand it the requests that it may not have: a report without
        "taken" is handed each once, and one with it all whose tickets no report has named there. For the listener only.

        @param string report   A JSON object
        @return string result  A JSON array of {"ticket", "verb", "election", "args"}
        """
        return self._mailbox.put_report(report)

    @_published
    def answer(self, ticket: Any, answer: Any) -> bool:
        """Answer a request. The first answer counts. For the listener only.

        @param string ticket    The ticket of the request
        @param string answer    A JSON object
        @return boolean result  Always True
        """
        return self._mailbox.answer(ticket, answer)

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
        return json.dumps(started)

    @_published
    def getProcessStates(self, names: Any) -> str:
        """Return what supervisor.getProcessInfo tells of the states of all processes of some groups, as JSON: an array
        with one item for each group, which is an array of [name, statename, pid, spawnerr], or an object {"faultCode",
        "faultString"}. supervisord writes 4 KiB of an answer in each turn of its loop, so with hundreds of programs an
        answer that says everything in XML takes seconds.

        @param array names     The groups' names
        @return string result  The JSON text
        """
        return json.dumps([self._or_fault(self._states, name) for name in _names(names)])

    @_published
    def getProcessEnds(self, names: Any) -> str:
        """Return how the last process of each program of some groups ended, as JSON: an array with one item for each group,
        which is an array of [name, exit status or null, number of the signal or null, why supervisord could not start it or "",
        path of its log or "", command, number of its user], or an object {"faultCode", "faultString"}. Command and user are those
        that it was started with. supervisor.getProcessInfo tells no status of a process that ended before its startsecs.

        @param array names     The groups' names
        @return string result  The JSON text
        """
        return json.dumps([self._or_fault(self._ends, name) for name in _names(names)])

    @_published
    def getAutorestarts(self, names: Any) -> str:
        """Return the option autorestart of each program of some groups, which supervisor.getAllConfigInfo leaves out, as JSON:
        an array with one item for each group, which is an array of [name, "true", "false" or "unexpected"], or an object
        {"faultCode", "faultString"}.

        @param array names     The groups' names
        @return string result  The JSON text
        """
        return json.dumps([self._or_fault(self._autorestarts, name) for name in _names(names)])

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
    """The factory that [rpcinterface:zkelect] names; supervisord calls it for each of its HTTP servers.

    There are no options. One that is set is warned of and kept out: an exception would keep supervisord from
    starting.
    """
    kept = getattr(supervisord, _ATTRIBUTE, None)
    if kept is None:
        kept = mailbox.Mailbox(supervisord)
        setattr(supervisord, _ATTRIBUTE, kept)
        try:
            fork.install(supervisord.options)
        except Exception as error:
            supervisord.options.logger.warn(f"zkelect: programs start more slowly, as forks cannot be prepared: {error!r}")
        try:
            reaped.install(supervisord.options)
        except Exception as error:
            supervisord.options.logger.warn(f"zkelect: cannot note how programs end: {error!r}")
        for option in sorted(config):
            supervisord.options.logger.warn(f"[rpcinterface:zkelect] has no option {option!a}; remove it")
    return ZkelectRPCInterface(supervisord, kept)


def _names(value: Any) -> List[str]:
    if not isinstance(value, list):
        raise RPCError(Faults.BAD_ARGUMENTS, "the names are not an array")
    return [mailbox.string(name, "name") for name in value]
