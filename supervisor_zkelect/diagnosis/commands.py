"""Whether the commands of the configuration can be executed, by the user that they run as."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import List, NamedTuple, Optional, Tuple

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.system import accounts

PATIENCE = 5.0
"""Seconds that a file system has to tell of one file."""

_HEAD = 256
"""Bytes of a file that the kernel looks at to find its interpreter."""

_SHOWN = 200
"""Characters of a path that are repeated."""


class Runner(NamedTuple):
    """Who executes a command: a user id, and the PATH by which it is found; None where that is not known."""

    uid: int
    path: Optional[str]


def trouble(command: str, runner: Runner) -> str:
    """Why a command, without its arguments, cannot be executed; "" where nothing is known against it."""
    if "/" not in command and runner.path is None or "/" in command and not command.startswith("/"):
        return ""
    there = [path for path in _places(command, runner) if os.path.lexists(path)]
    if not there:
        where = "" if "/" in command else f" in any folder of PATH ({printable(runner.path, _SHOWN)})"
        return f"{printable(command, _SHOWN)} does not exist{where}; correct its path"
    answers = [(path, _may(path, runner.uid)) for path in there]
    fit = [path for path, may in answers if may is not False]
    if not fit:
        what = f"{printable(there[0], _SHOWN)} cannot be executed by {accounts.name_of(runner.uid)}, who runs it"
        return f"{what}: name a file, not a folder, and let that user execute it and enter every folder above it"
    return interpreter_trouble(fit[0], head_of(fit[0]))


def _places(command: str, runner: Runner) -> List[str]:
    if "/" in command:
        return [command]
    return [os.path.join(folder, command) for folder in (runner.path or "").split(os.pathsep) if folder]


def _may(path: str, uid: int) -> Optional[bool]:
    """Whether the user may execute the file; None where that cannot be told. Lists of access rights count, which the file's
    mode does not tell, so the kernel is asked: for another user by a process of that one."""
    if uid == os.geteuid():
        return os.path.isfile(path) and os.access(path, os.X_OK, effective_ids=True)
    if os.geteuid() != 0:
        return None
    groups = accounts.groups_of(uid)
    try:
        asked = subprocess.run(
            ["/bin/sh", "-c", '[ -f "$1" ] && [ -x "$1" ]', "sh", path], user=uid, group=groups[0] if groups else None,
            extra_groups=groups, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env={},
            timeout=PATIENCE, check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return asked.returncode == 0


def head_of(path: str) -> bytes:
    """The beginning of a file; b"" where that may not be read."""
    try:
        # Another kind could block for ever when opened.
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(_HEAD) or b"\n"
    except OSError:
        return b""


def interpreter_trouble(path: str, head: bytes) -> str:
    """Why the kernel cannot execute a file that may be executed and begins so; "" where nothing is known against it."""
    if head[:2] != b"#!":
        # What has zero bytes may be of a kind that the kernel was taught (binfmt_misc).
        if not head or b"\0" in head or head[:4] == b"\x7fELF":
            return ""
        what = f"{printable(path, _SHOWN)} is no program: its first line is not such as #!/bin/sh"
        return f"{what}; add one that names its interpreter"
    name = interpreter_of(head)
    if name and not shutil.which(name):
        interpreter = printable(name, _SHOWN)
        what = f"{printable(path, _SHOWN)}: its first line names the interpreter {interpreter}, which cannot be executed"
        return f"{what}; correct that line" + (", and end it with LF, not CR LF" if "\r" in name else "")
    return ""


def interpreter_of(head: bytes) -> str:
    """The path in a first line; "" when that is cut off."""
    line, end, _ = head[2:].partition(b"\n")
    words: Tuple[bytes, ...] = tuple(line.strip(b" \t").replace(b"\t", b" ").split(b" "))
    return os.fsdecode(words[0]) if end or len(words) > 1 else ""
