"""`zkelect run -- COMMAND`: the chain loader in front of a program of a guarded group.

supervisord may start a program at any time: an operator's `start all`, a restart after a crash, a supervisord that was
frozen and thaws. This stands between supervisord's fork and the program: without a grant and a valid lease in the
record it ends with status 75 (EX_TEMPFAIL, sysexits.h) and one line, and the program never runs. With them it registers
its pid with the guard, asks the kernel to kill it when supervisord dies, and becomes the program.

It may run as any user (`user=`), so it only reads the record, and imports as little as it can: every millisecond here
is one of every failover.
"""

from __future__ import annotations

import os
import sys

from supervisor_zkelect import clock, record

USAGE = "zkelect run -- COMMAND ARGUMENTS"
REFUSED = 75
MISUSED = 2

REGISTER_TIME = 0.5
"""Seconds that the guard has to answer. Without its answer the program starts all the same: the guard finds it by its
kin and its environment as well."""

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def main(words: "list[str]") -> int:
    """Become the command, or return an exit status."""
    command = words[1:] if words[:1] == ["--"] else words
    if words[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if not command or command[0].startswith("-"):
        print(f"zkelect run: write `{USAGE}`", file=sys.stderr)
        return MISUSED
    url, group = os.environ.get("SUPERVISOR_SERVER_URL"), os.environ.get("SUPERVISOR_GROUP_NAME")
    if url is None or group is None:
        return _refuse(group, "it was not started by supervisord")
    parent = os.getppid()
    # First of all: from here on supervisord's death is this process's.
    untied = _die_with_parent()
    try:
        owner = record.owner_of(parent)
        if os.getppid() != parent:
            return _refuse(group, "supervisord is dead")
        folder = record.find_folder(url, os.stat(f"/proc/{parent}").st_uid)
        entry = _entry(folder, owner, group)
    except (record.RecordError, OSError) as error:
        return _refuse(group, f"there is no record of a listener: {error}")
    reason = forbidden(entry, clock.now())
    if reason:
        return _refuse(group, reason)
    refused, trouble = _register(os.path.join(folder, record.SOCKET), group)
    if refused:
        return _refuse(group, refused)
    troubles = [untied, trouble]
    os.environ.update(
        ZKELECT_TOKEN=str(entry.token), ZKELECT_ELECTION=entry.election, ZKELECT_ADDRESS=entry.address,
        ZKELECT_INSTANCE=record.instance(owner),
    )
    for trouble in filter(None, troubles):
        print(f"zkelect run: {trouble}", file=sys.stderr)
    sys.stderr.flush()
    try:
        # Last of all: what was granted may have been revoked meanwhile. A revocation that comes later finds this
        # process already there, by its pid and its environment.
        reason = forbidden(_entry(folder, owner, group), clock.now())
        if reason:
            return _refuse(group, reason)
        os.execvp(command[0], command)
    except record.RecordError as error:
        return _refuse(group, str(error))
    except OSError as error:
        print(f"zkelect run: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


def _refuse(group: "str | None", reason: str) -> int:
    print(f"zkelect run: {group or 'the program'} may not start here: {reason}", file=sys.stderr)
    return REFUSED


def _entry(folder: str, owner: record.Owner, group: str) -> record.Entry:
    entry = record.find(folder, owner, group)
    if entry is not None:
        return entry
    raise record.RecordError(f"no election has the group {group}")


def forbidden(entry: record.Entry, now: float) -> str:
    """Why the programs of the entry may not start at `now` (seconds of CLOCK_BOOTTIME), "" when they may."""
    if not entry.granted:
        return f"this node is not primary of {entry.election}"
    if now >= entry.kill_at:
        return f"its lease for {entry.election} is over"
    return ""


def _die_with_parent() -> str:
    """Set the parent-death signal. Returns what went wrong, or ""."""
    try:
        failed = _prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    except (ImportError, AttributeError, OSError) as error:
        failed = error
    return f"this program will not die with supervisord: prctl gives {failed}" if failed else ""


def _prctl(*arguments: int) -> int:
    try:
        # What CPython's ctypes is made of; the module itself takes several milliseconds to import.
        import _ctypes

        return _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl"), arguments)
    except (ImportError, AttributeError):
        import ctypes

        return ctypes.CDLL(None).prctl(*arguments)


def _register(path: str, group: str) -> "tuple[str, str]":
    """Tell the guard this pid, and have it moved into the group's cgroup. Returns why it refuses, and what went wrong;
    each is "" when there is nothing."""
    try:
        # What CPython's socket module is made of; the module itself takes several milliseconds to import.
        import _socket as socket
    except ImportError:
        import socket

    link = None
    try:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(REGISTER_TIME)
        link.connect(path)
        link.sendall(b'{"do":"run","group":%s}\n' % _quoted(group))
        answer = link.recv(1024)
    except OSError as error:
        return "", f"the guard does not answer ({error or type(error).__name__})"
    finally:
        if link is not None:
            link.close()
    if answer.startswith(b'{"ok":true,"error":""'):
        return "", ""
    told = answer.decode("utf-8", "replace").strip()
    if answer.startswith(b'{"ok":false'):
        # It may know of a revocation that could not be written.
        return f"the guard says {told}", ""
    return "", f"the guard says {told or 'nothing'}"


def _quoted(text: str) -> bytes:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'.encode()
    # Its import takes several milliseconds.
    import json

    return json.dumps(text).encode()
