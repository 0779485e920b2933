"""The meaning of a program's end, in words. Pure.

supervisord itself tells an exit status only of a program that ran for its startsecs, and a signal of none; so the RPC
interface (`rpcinterface.py`) notes how each process ended. What a status means depends on who gave it: the program, the chain
loader in front of it (`run.py`), supervisord's own fork, or a shell.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from supervisor_zkelect.core.untrusted import printable

REFUSED, NOT_EXECUTED, NOT_FOUND = 75, 126, 127
"""The chain loader's statuses; supervisord's fork, too, ends with the last where it cannot execute the command or enter its
folder."""

UNUSABLE = 2
"""The listener's, where its configuration is wrong, or another node has its name."""

_LONGEST = 200
"""Characters of a command or of supervisord's own words that are repeated."""

_OWN = "the program's own"

_QUICKLY = ("Exited too quickly", "Bad exit code")
"""How supervisord begins to say what the status says better."""

_SIGNALS = {
    signal.SIGKILL: "sent by somebody, or by the kernel when memory ran out (see dmesg)",
    signal.SIGTERM: "which somebody sent",
    signal.SIGSYS: "for a system call that it may not make",
    **dict.fromkeys((signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE), "a crash"),
}


class End(NamedTuple):
    """How a process of a program ended last.

    status: its exit status, signal: the number of the one that killed it; None where that is not known. trouble: why
    supervisord could not start it, in its words. log: path of the program's log that has errors, "" without one.
    command: the program's, as its section had it when it was started, uid: the number of the user it ran as; "" and None where
    that is not known.
    """

    status: Optional[int] = None
    signal: Optional[int] = None
    trouble: str = ""
    log: str = ""
    command: str = ""
    uid: Optional[int] = None


def of(item: Mapping[str, Any], wait_status: Optional[int] = None) -> End:
    """The end that an item of supervisord's getProcessInfo tells. wait_status: as waitpid(2) gave it, where that is known."""
    log = str(item.get("stderr_logfile") or item.get("stdout_logfile") or "")
    trouble = str(item.get("spawnerr") or "")
    if trouble and not trouble.startswith(_QUICKLY):
        return End(trouble=trouble, log=log)
    if wait_status is not None and os.WIFSIGNALED(wait_status):
        return End(signal=os.WTERMSIG(wait_status), log=log)
    if wait_status is not None:
        return End(status=os.WEXITSTATUS(wait_status), log=log)
    # supervisord says 0 where it knows none, and -1 of every signal.
    status = item.get("exitstatus")
    known = type(status) is int and status > 0 and not trouble.startswith(_QUICKLY[0])
    return End(status=status if known else None, log=log)


def read(answer: str) -> Dict[str, End]:
    """The ends in an answer of zkelect.getProcessEnds about one group, by program. Raises ValueError when it makes no sense."""
    found: Dict[str, End] = {}
    for one in _items(json.loads(answer)):
        name, status, killed_by, trouble, log, command, uid = one
        found[str(name)] = End(_number(status), _number(killed_by), str(trouble), str(log), str(command), _number(uid))
    return found


def _items(document: Any) -> List[List[Any]]:
    items = document[0] if isinstance(document, list) and document else []
    if not isinstance(items, list) or not all(isinstance(one, list) and len(one) == 7 for one in items):
        raise ValueError("the answer to zkelect.getProcessEnds makes no sense")
    return items


def _number(value: Any) -> Optional[int]:
    return value if type(value) is int else None


def told(end: End, user: str = "") -> str:
    """One line: how it ended, what that means, and which log tells more; "" when nothing is known of it.

    user: the name of the one it ran as, "" where that is not known.
    """
    how = what(end, user)
    if not how:
        return ""
    where = f"its log is {printable(end.log, _LONGEST)}" if end.log else "it has no log: set stderr_logfile in its section"
    return f"{how}; {where}"


def what(end: End, user: str = "") -> str:
    """The same without the log."""
    if end.trouble:
        return f"supervisord could not start it: {printable(end.trouble, _LONGEST)}"
    if end.signal is not None:
        return _killed(end.signal)
    if end.status is None:
        return ""
    meaning = _meaning(end.status, end.command, user)
    return f"exit status {end.status}" + (meaning and f": {meaning}")


def _killed(number: int) -> str:
    try:
        one = signal.Signals(number)
    except ValueError:
        return f"killed by signal {number}"
    return f"killed by {one.name}" + (f", {_SIGNALS[one]}" if one in _SIGNALS else "")


def _meaning(status: int, command: str, user: str) -> str:
    words = command.split()
    verb = [os.path.basename(word) for word in words[:1]] + words[1:2]
    loaded = verb == ["zkelect", "run"]
    words = words[2:] if loaded else words
    words = words[1:] if loaded and words[:1] == ["--"] else words
    name, by = printable(words[0], _LONGEST) if words else "the command", f" as {user}" if user else ""
    # A program may end with these by itself, as a shell that does not find a command in it, and no status tells which it was.
    if status == REFUSED and loaded:
        return f"{_OWN}, or `zkelect run` did not start it"
    if status == UNUSABLE and verb == ["zkelect", "listen"]:
        return "its configuration cannot be used, or another node has its name"
    if status == NOT_EXECUTED:
        why = "it is not a program, or its user may not execute it or enter a folder on its path"
        return f"{_OWN}, or {name} cannot be executed{by}: {why}"
    if status == NOT_FOUND:
        other = f", or `zkelect` itself cannot be executed{by}, as where a folder on the way to it is closed" if loaded else ""
        if by and not loaded:
            other = f", or it cannot be executed{by}"
        there = f"{name} does not exist, or the interpreter that its first line names does not"
        return f"{_OWN}, or {there}{other}, or its directory= cannot be entered"
    if 128 < status < 128 + signal.NSIG:
        return f"a command in it was {_killed(status - 128)}"
    return ""
