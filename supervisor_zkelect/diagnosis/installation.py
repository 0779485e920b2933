"""Defects of an installation: commands that supervisord would not find, logs that it deletes, versions that do not
go together, a supervisord of another Python. One line each.

Everything is told by plain values: the items of supervisord's getAllConfigInfo, its PATH, version numbers. Only `executable`,
`this_python` and the links of `other_python` are looked for.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.supervisord import program_info

AUTO = "auto"
"""The value in getAllConfigInfo of a log file that supervisord is going to name."""

DEFAULT_PATH = "/bin:/usr/bin:/usr/local/bin"
"""Where supervisord looks without a PATH of its own (supervisor.options.ServerOptions.get_path)."""

WITHOUT_PKG_RESOURCES = (4, 3)
"""The first supervisor that starts without pkg_resources."""

_MOST = 300
"""Characters of a path, or of a PATH, that are shown."""

_NAMED = 3
"""Sections of which one line tells."""


class Command(NamedTuple):
    """A word that names a program which supervisord, or the chain loader, executes. info: the item of getAllConfigInfo."""

    info: Mapping[str, Any]
    word: str


def problems(file: str, infos: Iterable[Mapping[str, Any]], groups: Sequence[str]) -> List[str]:
    """Commands that cannot be executed, whatever PATH there is.

    file: the configuration that is checked. infos: the items of getAllConfigInfo. groups: those of the elections; the listener
    is looked at as well.
    """
    found = SharedLines(file)
    for command in commands(infos, groups):
        if os.path.isabs(command.word) and executable(command.word) is False:
            word = printable(command.word, _MOST)
            what = f"{word} does not exist or is not executable; correct its path, or make it executable"
            found.add(command.info, "command", what)
    return found.lines()


def notes(file: str, infos: Iterable[Mapping[str, Any]], groups: Sequence[str], path: Optional[str]) -> List[str]:
    """Commands that supervisord's PATH does not have, and logs that supervisord deletes.

    path: supervisord's PATH, "" where it has none, None when it is not known. The other arguments are those of `problems`. A PATH
    that `environment=` sets is told by nobody, so what is missing in supervisord's is no more than worth telling.
    """
    infos = list(infos)
    said = SharedLines(file)
    for command in commands(infos, groups):
        if path is not None and "/" not in command.word and not on_path(command.word, path):
            what = f"supervisord's PATH ({printable(path, _MOST)}) has no {printable(command.word, _MOST)}"
            said.add(command.info, "command", f"{what}; write its full path, unless environment= sets another PATH")
    for info in concerned(infos, groups):
        for option in deleted_logs(info):
            what = "supervisord deletes this log at its next start; name a file, such as one in /var/log"
            said.add(info, f"{option} = AUTO", what)
    return said.lines()


def version_problem(supervisor: str, python: Sequence[int], has_pkg_resources: bool) -> str:
    """Why supervisord of this version cannot start with this Python, "" when it can.

    supervisor: its version, such as "4.2.5". python: such as (3, 12). has_pkg_resources: whether that module can be imported.
    """
    if has_pkg_resources or numbers(supervisor) >= WITHOUT_PKG_RESOURCES:
        return ""
    version = ".".join(map(str, python[:2]))
    return (
        f"supervisor {printable(supervisor, 20)} needs pkg_resources, which this Python {version} does not have (it is part of "
        "setuptools before 82; environments of Python 3.12 and later come without); pip install 'supervisor>=4.3', or "
        "'setuptools<82'"
    )


def this_python() -> str:
    """`version_problem` of the supervisor that is installed for this Python; "" where there is none."""
    # These take longer to import than `zkelect role` otherwise takes to ask supervisord.
    import importlib.metadata
    import importlib.util

    try:
        supervisor = importlib.metadata.version("supervisor")
    except importlib.metadata.PackageNotFoundError:
        return ""
    return version_problem(supervisor, sys.version_info[:2], importlib.util.find_spec("pkg_resources") is not None)


def other_python(supervisord: Sequence[str], prefix: str) -> str:
    """A note where supervisord was started by another Python, or another virtual environment, than this one; "" otherwise.

    supervisord: its command line, interpreter first. prefix: this Python's (sys.prefix).
    """
    python = supervisord[0] if supervisord else ""
    folders = os.path.dirname(python), os.path.join(prefix, "bin")
    if not os.path.isabs(python) or os.path.realpath(folders[0]) == os.path.realpath(folders[1]):
        return ""
    return (
        f"supervisord runs under {printable(python, _MOST)}, but zkelect is installed in {printable(prefix, _MOST)}; "
        "install it for "
        f"that Python, or start {printable(os.path.join(prefix, 'bin', 'supervisord'), _MOST)}"
    )


def numbers(version: str) -> Tuple[int, ...]:
    """The numbers that a version begins with: (4, 3, 0) of "4.3.0", (4, 3) of "4.3.dev1"."""
    found = []
    for part in version.split("."):
        if not (part.isascii() and part.isdigit()):
            break
        found.append(int(part))
    return tuple(found)


def concerned(infos: Iterable[Mapping[str, Any]], groups: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The listener, and the programs of the elections' groups."""
    return (info for info in infos if info["group"] in groups or program_info.is_listener(info))


def commands(infos: Iterable[Mapping[str, Any]], groups: Sequence[str]) -> Iterator[Command]:
    """The commands that start the listener and the programs: the first word, and the first behind `zkelect run --`."""
    for info in concerned(infos, groups):
        words = program_info.split(info)
        if words:
            yield Command(info, words[0])
        loaded = program_info.loaded_command(words)
        if loaded:
            yield Command(info, loaded[0])


def deleted_logs(info: Mapping[str, Any]) -> List[str]:
    """The options of a program, an item of getAllConfigInfo, whose log supervisord deletes when it starts."""
    options = ["stderr_logfile"] if program_info.is_listener(info) else ["stdout_logfile", "stderr_logfile"]
    if info.get("redirect_stderr"):
        options.remove("stderr_logfile")
    return [option for option in options if _is_automatic(str(info.get(option, "")), info["name"], option.partition("_")[0])]


def _is_automatic(path: str, name: str, channel: str) -> bool:
    """Whether supervisord has named, or is going to name, a log file (supervisor.options.ServerOptions.get_autochildlog_name)."""
    return path == AUTO or os.path.basename(path).startswith(f"{name}-{channel}---") and path.endswith(".log")


def on_path(word: str, path: str) -> bool:
    """Whether supervisord finds a program by this PATH; True where that is not known."""
    # A relative one counts from supervisord's own folder.
    return any(not os.path.isabs(one) or executable(one) is not False for one in places(word, path))


def places(word: str, path: str) -> List[str]:
    """Where a program may be by this PATH."""
    return [os.path.join(folder, word) for folder in (path or DEFAULT_PATH).split(os.pathsep)]


def path_of(environment: bytes) -> Optional[str]:
    """The PATH in an environment as /proc/PID/environ has it: "" where it has none, None where nothing could be read."""
    if not environment:
        return None
    found = (entry[len(b"PATH="):] for entry in environment.split(b"\0") if entry.startswith(b"PATH="))
    return os.fsdecode(next(found, b""))


def executable(path: str) -> Optional[bool]:
    """Whether there is a file that somebody may execute; None where this user may not look."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return None
    return not stat.S_ISDIR(mode) and bool(mode & 0o111)


class SharedLines:
    """One line for all programs of which the same is to be told."""

    def __init__(self, file: str) -> None:
        self._file = printable(file)
        self._sections: Dict[Tuple[str, str], List[str]] = {}

    def add(self, info: Mapping[str, Any], option: str, what: str) -> None:
        kind = "eventlistener" if program_info.is_listener(info) else "program"
        self._sections.setdefault((option, what), []).append(f"[{kind}:{printable(info['name'])}]")

    def lines(self) -> List[str]:
        lines = []
        for (option, what), sections in self._sections.items():
            more = f" and {len(sections) - _NAMED} more" if len(sections) > _NAMED else ""
            lines.append(f"{self._file}: {', '.join(sections[:_NAMED])}{more} {option}: {what}")
        return lines
