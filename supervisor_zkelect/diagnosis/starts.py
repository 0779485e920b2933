"""What refuses each start of a program: commands, folders and the runtime folder, as far as they are closed to the user that it
runs as. Told by modes (access.py); files are looked at, and nothing is executed.
"""

from __future__ import annotations

import functools
import os
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.diagnosis import access, commands, installation
from supervisor_zkelect.diagnosis.access import ENTER, EXECUTE, READ, WRITE
from supervisor_zkelect.guard import record
from supervisor_zkelect.supervisord import program_info
from supervisor_zkelect.system import accounts

_SHOWN = 300
"""Characters of a path that are repeated."""

_GRANT = "grant that, or set another user="


class ProgramStarter(NamedTuple):
    """The supervisord that starts the programs. pid, uid: its process, and the user it runs as. path: its PATH, "" where it has
    none. runtime: the runtime folder that ZKELECT_RUNTIME_DIR names. None for what is not known, or not set."""

    pid: int
    uid: Optional[int]
    path: Optional[str] = None
    runtime: Optional[str] = None


def problems(file: str, infos: Iterable[Mapping[str, Any]], groups: Sequence[str], starter: ProgramStarter) -> List[str]:
    """What lets no program start. The other arguments are those of `installation.problems`, which tells what is missing."""
    found = installation.SharedLines(file)
    # Hundreds of programs may have the same.
    of_command, of_directory, of_runtime = map(functools.cache, (_of_command, _of_directory, _of_runtime))
    for info, user in _users(infos, groups, starter):
        folder = str(info.get("directory", "none"))
        told = [("command", of_command(word, user)) for word in _words(info) if os.path.isabs(word)]
        if os.path.isabs(folder):
            told.append((f"directory = {printable(folder, _SHOWN)}", of_directory(folder, user)))
        if starter.runtime and os.path.isabs(starter.runtime) and program_info.is_loaded(program_info.split(info)):
            told.append((f"user = {_name(user)}", of_runtime(starter.runtime, user)))
        for option, what in told:
            if what:
                found.add(info, option, what)
    return found.lines()


def notes(file: str, infos: Iterable[Mapping[str, Any]], groups: Sequence[str], starter: ProgramStarter) -> List[str]:
    """The same of commands without a path, of which another PATH may have others."""
    said = installation.SharedLines(file)
    of_command = functools.cache(_of_command)
    for info, user in _users(infos, groups, starter):
        for word in _words(info):
            if "/" in word or starter.path is None:
                continue
            there = [path for path in installation.places(word, starter.path) if installation.executable(path) is not False]
            troubles = [of_command(path, user) for path in there]
            if troubles and all(troubles):
                said.add(info, "command", f"{troubles[0]}, unless environment= sets another PATH")
    return said.lines()


def groups_of(pid: int) -> FrozenSet[int]:
    """The groups of a process; none where they cannot be read."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        return frozenset(map(int, fields["Gid"].split()[3:] + fields["Groups"].split()))
    except (OSError, KeyError, ValueError):
        return frozenset()


def _users(
    infos: Iterable[Mapping[str, Any]], groups: Sequence[str], starter: ProgramStarter
) -> Iterator[Tuple[Mapping[str, Any], access.AccessUser]]:
    """The listener and the programs with their users, as far as these are known."""
    users: Dict[int, access.AccessUser] = {}
    for info in installation.concerned(infos, groups):
        uid = accounts.of_program(info, starter.uid)
        if uid is not None and uid not in users:
            # Whoever runs as supervisord does keeps its groups.
            own = groups_of(starter.pid) if uid == starter.uid else frozenset()
            users[uid] = access.AccessUser(uid, own | frozenset(accounts.groups_of(uid)))
        if uid is not None:
            yield info, users[uid]


def _words(info: Mapping[str, Any]) -> List[str]:
    return [one.word for one in installation.commands([info], [info["group"]])]


def _of_command(path: str, user: access.AccessUser) -> str:
    """Why a user cannot execute a file that somebody may execute; "" where nothing is known against it."""
    if installation.executable(path) is False:
        return ""
    who = f"{_name(user)}, as whom it runs"
    shut = access.closed(path, user, EXECUTE)
    if shut:
        return f"{printable(path, _SHOWN)} cannot be executed by {who}, who {_may_not(shut, EXECUTE)}; {_GRANT}"
    head = commands.head_of(path)
    # Whoever is neither may not see what that user may execute.
    trouble = commands.interpreter_trouble(path, head) if os.geteuid() in (0, user.uid) else ""
    if trouble:
        return trouble
    interpreter = commands.interpreter_of(head) if head[:2] == b"#!" else ""
    shut = access.closed(interpreter, user, EXECUTE) if os.path.isabs(interpreter) else ""
    if shut:
        named = f"{printable(path, _SHOWN)}: its first line names the interpreter {printable(interpreter, _SHOWN)}"
        return f"{named}, which cannot be executed by {who}, who {_may_not(shut, EXECUTE)}; {_GRANT}"
    return ""


def _of_directory(path: str, user: access.AccessUser) -> str:
    """Why a program of this user cannot begin in the folder; "" where nothing is known against it."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return "does not exist; make it, or correct its path"
    except OSError:
        return ""
    shut = access.closed(path, user, ENTER)
    return f"{_name(user)}, as whom it runs, {_may_not(shut, ENTER)}; {_GRANT}" if shut else ""


def _of_runtime(folder: str, user: access.AccessUser) -> str:
    """Why the chain loader refuses each start of this user's; "" where nothing is known against it."""
    wanted = ((folder, ENTER), (os.path.join(folder, record.RECORD), READ), (os.path.join(folder, record.SOCKET), WRITE))
    for path, want in wanted:
        shut = access.closed(path, user, want)
        if shut:
            why = f"each start is refused, since that user {_may_not(shut, want)}, and the runtime folder is"
            remedy = f"grant that, or set {record.VARIABLE} to another folder in supervisord's environment"
            return f"{why} {printable(folder, _SHOWN)}; {remedy}"
    return ""


def _may_not(path: str, wanted: int) -> str:
    deed = "enter" if os.path.isdir(path) else {EXECUTE: "execute", READ: "read", WRITE: "write to"}[wanted]
    return f"may not {deed} {printable(path, _SHOWN)}"


def _name(user: access.AccessUser) -> str:
    return printable(accounts.name_of(user.uid), 100)
