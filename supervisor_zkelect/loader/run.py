"""`zkelect run -- COMMAND`: the chain loader in front of a program of a guarded group.

supervisord may start a program at any time: an operator's `start all`, a restart after a crash, a supervisord that was
frozen and thaws. This stands between supervisord's fork and the program: without a grant and a valid lease in the
record it ends with status 75 (EX_TEMPFAIL, sysexits.h) and one line, and the program never runs. With them it registers
its pid with the guard, asks the kernel to kill it when supervisord dies, and becomes the program.

It may run as any user (`user=`), so it only reads the record, and imports as little as it can: every millisecond here
is one of every failover. Where supervisord has the RPC interface, its own fork calls `become` first (`fork.py`).
"""

from __future__ import annotations

import os
import sys
import time

from supervisor_zkelect.guard import record
from supervisor_zkelect.loader import lean
from supervisor_zkelect.system import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping, NoReturn

USAGE = "zkelect run -- COMMAND ARGUMENTS"
REFUSED = 75
MISUSED = 2

REGISTER_TIME = 5.0
"""Seconds that the guard has to answer, or its successor: one is there 0.3 s after it was killed, and one that stands still is
replaced as soon, once that was noticed in 0.4 s. Without an answer the program does not start: nothing would prove what it
leaves behind to be its own. supervisord tries again, and where `startretries` is small this is all the time that there is."""

ANSWER_TIME = 0.5
"""Seconds that the guard has to take a refusal."""

RETRY_PACE, AWAY_PACE = 0.0005, 0.01
"""Seconds between two tries to connect: while the guard's door is crowded, since nobody's place in a queue of the kernel's is
kept, so whoever asks often comes in; and while there is no guard."""

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


class Refused(Exception):
    """The program may not start here; the text says why."""


def main(words: list[str]) -> int:
    """Become the command, or return an exit status."""
    if words[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    command = command_of(words)
    if not command:
        print(f"zkelect run: write `{USAGE}`", file=sys.stderr)
        return MISUSED
    try:
        try:
            become(command, os.environ, REGISTER_TIME, _complain)
        except Refused as refusal:
            if not _tell_guard(str(refusal)):
                raise
            # Its folder, of which something was removed, is whole again.
            become(command, os.environ, REGISTER_TIME, _complain)
    except Refused as refusal:
        group = os.environ.get("SUPERVISOR_GROUP_NAME", "the program")
        print(f"zkelect run: {group} may not start here: {refusal}", file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"zkelect run: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


def _tell_guard(reason: str) -> bool:
    """Tell the listener, by the guard, why a program does not start. Returns whether the guard has restored something since."""
    # Neither the program nor a revocation waits for this.
    from supervisor_zkelect.guard import locks

    url, group = os.environ.get("SUPERVISOR_SERVER_URL"), os.environ.get("SUPERVISOR_GROUP_NAME")
    name = os.environ.get("SUPERVISOR_PROCESS_NAME", "")
    if url is None or group is None:
        return False
    words = tuple(map(_quoted, (group, name, reason)))
    message = b'{"do":"refused","group":%s,"name":%s,"reason":%s}\n' % words
    try:
        for folder in record.folders(url, os.stat(f"/proc/{os.getppid()}").st_uid):
            # By its name, as the trouble may be with the folder.
            link = locks.reach(folder, locks.GUARD)
            if link is None:
                continue
            with link:
                link.settimeout(ANSWER_TIME)
                link.sendall(message)
                return link.recv(1024).startswith(b'{"ok":true,"again":true')
    except OSError:
        # It is told on standard error.
        return False
    return False


def _complain(trouble: str) -> None:
    print(f"zkelect run: {trouble}", file=sys.stderr, flush=True)


def command_of(words: list[str]) -> list[str]:
    """The command in what follows `zkelect run`; [] when there is none."""
    command = words[1:] if words[:1] == ["--"] else words
    return [] if not command or command[0].startswith("-") else command


def become(
    command: list[str], environ: Mapping[str, str], patience: float, complain: Callable[[str], None]
) -> NoReturn:
    """Execute a command in this process's place. It returns by an exception only.

    environ: what supervisord gave the program; it gets more. patience: seconds that the guard has to answer. complain:
    takes what is amiss and keeps no program from starting. Raises Refused, and OSError when the command cannot be executed.
    """
    url, group = environ.get("SUPERVISOR_SERVER_URL"), environ.get("SUPERVISOR_GROUP_NAME")
    if url is None or group is None:
        raise Refused("it was not started by supervisord")
    parent = os.getppid()
    # First of all: from here on supervisord's death is this process's.
    untied = _die_with_parent()
    try:
        owner = record.owner_of(parent)
        if os.getppid() != parent:
            raise Refused("supervisord is dead")
        folders = record.find_folders(url, os.stat(f"/proc/{parent}").st_uid, environ)
    except (record.RecordError, OSError) as error:
        raise Refused(f"there is no record of a listener: {error}") from error
    folder, entry = _grant(folders, owner, group)
    # The guard sees the environment of a process only after its exec, and this may be supervisord's own fork.
    name = environ.get("SUPERVISOR_PROCESS_NAME", "")
    amiss, secret = _register(folder, group, name, patience)
    for trouble in filter(None, (untied, amiss)):
        complain(trouble)
    given = {
        **environ, "ZKELECT_TOKEN": str(entry.token), "ZKELECT_ELECTION": entry.election,
        "ZKELECT_ADDRESS": entry.address, "ZKELECT_INSTANCE": record.instance(owner),
    }
    # What supervisord was started with is none of this program's. With it whatever the program starts is known as its own.
    given.pop("ZKELECT_SECRET", None)
    if secret:
        given["ZKELECT_SECRET"] = secret
    # Last of all: what was granted may have been revoked meanwhile. A revocation that comes later finds this
    # process already there, by its pid and its environment.
    try:
        again = record.find(folder, owner, group)
    except record.RecordError as error:
        raise Refused(str(error)) from error
    _insist(again)
    if again.token != entry.token:
        raise Refused(f"the term {entry.token} is over, and {again.token} has begun")
    os.execvpe(command[0], command, given)


def _insist(entry: record.Entry) -> None:
    reason = forbidden(entry, clock.now())
    if reason:
        raise Refused(reason)


def _grant(folders: list[str], owner: record.Owner, group: str) -> tuple[str, record.Entry]:
    """The entry under which the group may run, and its folder; a listener that had another user may have left another
    folder. Raises Refused."""
    refusals = []
    for folder in folders:
        try:
            entry = record.find(folder, owner, group)
            _insist(entry)
            return folder, entry
        except record.RecordError as error:
            refusals.append(f"there is no record of a listener: {error}")
        except Refused as refusal:
            refusals.append(str(refusal))
    raise Refused("; ".join(refusals))


def forbidden(entry: record.Entry, now: float) -> str:
    """Why the programs of the entry may not start at `now` (seconds of CLOCK_BOOTTIME), "" when they may."""
    if not entry.granted:
        return f"this node is not primary of {entry.election}"
    if not entry.lease.covers(now):
        return f"its lease for {entry.election} is over"
    return ""


def _die_with_parent() -> str:
    """Set the parent-death signal. Returns what went wrong, or ""."""
    try:
        status = lean.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        failed = f"prctl gives {status}" if status else ""
    except (ImportError, AttributeError, OSError) as error:
        failed = f"prctl gives {error}"
    return f"this program will not die with supervisord: {failed}" if failed else ""


def _register(folder: str, group: str, name: str, patience: float) -> tuple[str, str]:
    """Tell the guard this pid, and have it moved into the group's cgroup. Returns what it found amiss, or "", and the secret
    by which the guard knows what belongs to this program, "" without one. Raises Refused, also where no guard takes it in
    for `patience` seconds."""
    message, until = b'{"do":"run","group":%s,"name":%s}\n' % (_quoted(group), _quoted(name)), clock.now() + patience
    while True:
        try:
            answer = _converse(folder, message, until)
            trouble, pace = "it hung up", AWAY_PACE
        except BlockingIOError as error:
            # Others crowd the door.
            answer, trouble, pace = b"", str(error), RETRY_PACE
        except OSError as error:
            # It ended, or was killed: the next one makes a socket of its own.
            answer, trouble, pace = b"", str(error) or type(error).__name__, AWAY_PACE
        if answer:
            break
        if clock.now() + pace >= until:
            raise Refused(f"the guard does not answer ({trouble})")
        time.sleep(pace)
    secret = answer.partition(b'"secret":"')[2].partition(b'"')[0].decode("ascii", "replace")
    if answer.startswith(b'{"ok":true,"error":""'):
        return "", secret
    if answer.startswith(b'{"ok":true,'):
        return f"the guard says: {_error_in(answer)}", secret
    # It may know of a revocation that could not be written.
    raise Refused(f"the guard refuses this program: {_error_in(answer)}")


def _error_in(answer: bytes) -> str:
    """What the guard has against this program, without the secret, which is not for a log. Without a parser for JSON, which takes
    milliseconds to load."""
    told = answer.partition(b',"secret"')[0]
    error = told.partition(b'"error":"')[2].rpartition(b'"')[0]
    return (error or told).decode("utf-8", "replace").strip()


def _converse(folder: str, message: bytes, until: float) -> bytes:
    """The guard's answer, b"" where it ended the conversation. Raises OSError."""
    socket = lean.socket_module()
    link: Any = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Zero would mean not to wait at all.
        link.settimeout(max(0.001, until - clock.now()))
        record.at_socket(folder, link.connect)
        link.sendall(message)
        return bytes(link.recv(1024))
    finally:
        link.close()


def _quoted(text: str) -> bytes:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'.encode()
    # Its import takes several milliseconds.
    import json

    return json.dumps(text).encode()
