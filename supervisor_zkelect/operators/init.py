"""`zkelect init`: write a configuration file for one election, and say what is left to do.

What is missing is asked for at a terminal. Nothing is written that `config` would refuse, over a file that exists, or beside
sections of the same names: supervisord would merge those without a word.
"""

from __future__ import annotations

import glob
import os
import shlex
import sys
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Tuple

from supervisor_zkelect.config import load
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.config.values import NAME_RULE, is_election_name
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import configfile, mainfile
from supervisor_zkelect.operators.outcome import USAGE, Trouble
from supervisor_zkelect.system import files

#: Fields without a default: the field, how it is given, the question for it.
_NEEDED: Tuple[Tuple[str, str, str], ...] = (
    ("name", "NAME", "Name of the election, and of its program (such as orders)"),
    ("program", "--program COMMAND", "Command that starts the service in the foreground"),
    ("address", "--address HOST:PORT", "Where clients find the service on this node (host:port)"),
    ("servers", "--servers HOST:PORT,...", "The ZooKeeper servers (host:port,host:port,...), the same on all nodes"),
)

#: Stand-ins for fields that are not known yet, while an answer is tried.
_TRIAL = {"name": "orders", "program": "true", "address": "localhost:1", "servers": "localhost:1"}

LOG_FOLDERS = ("/var/log/supervisor", "/var/log")

SERVERS = "ZKELECT_SERVERS"
"""Environment variable that stands in for --servers."""


@dataclass(frozen=True)
class InitWords:
    """The words of the command line; None for what was not given. output: path of the file. main: supervisord's main file."""

    name: Optional[str] = None
    program: Optional[str] = None
    address: Optional[str] = None
    servers: Optional[str] = None
    health: Optional[str] = None
    node: Optional[str] = None
    group: Optional[str] = None
    output: str = "zkelect.conf"
    main: Optional[str] = None
    force: bool = False


def run(given: InitWords, zkelect: str, ask: Optional[Callable[[str], str]], tell: Callable[[str], None]) -> List[str]:
    """Write the file; returns the lines that say so, and what is left to do.

    zkelect: path of this program. ask: puts a question to a person, and raises EOFError when there is no answer; None where
    nobody is there. tell: shows a person what is wrong with an answer. Raises Trouble.
    """
    main, remarks = _main_file(given)
    if os.path.exists(given.output) and not given.force:
        # Before a person has answered everything.
        raise Trouble(USAGE, _exists(given))
    given = complete(given, ask, tell)
    election = checked(given, zkelect, log_folder(os.path.dirname(os.path.abspath(given.output))))
    taken = conflicts(election, {} if main is None else main.owners(given.output), _members(main, given.output))
    if taken:
        raise Trouble(USAGE, *taken)
    _write(given, configfile.text(election))
    included = main is not None and main.includes(given.output)
    return [
        f"{given.output}: written, for the election {election.name} with the group {election.group}",
        *remarks, "", "Left to do:",
        *left_to_do(given, main, included, os.path.join(os.path.dirname(zkelect), "supervisord"), zkelect),
    ]


def ask(question: str) -> str:
    """Put a question at the terminal. Raises EOFError."""
    print(f"{question}: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise EOFError
    return line


def tell(line: str) -> None:
    """Show a line at the terminal."""
    print(f"  {printable(line)}", file=sys.stderr, flush=True)


# What is written


def complete(given: InitWords, ask: Optional[Callable[[str], str]], tell: Callable[[str], None]) -> InitWords:
    """With what has no default: from the command line, else the environment, else a person. Raises Trouble."""
    if given.servers is None and os.environ.get(SERVERS):
        given = replace(given, servers=os.environ[SERVERS])
    missing = [(field, way, question) for field, way, question in _NEEDED if getattr(given, field) is None]
    if not missing:
        return given
    if ask is None:
        ways = ", ".join(way for _, way, _ in missing)
        raise Trouble(USAGE, f"missing: {ways}; give it on the command line, or run this at a terminal, where it is asked for")
    # With what is given, before a person has answered everything.
    _try(given, {})
    for field, way, question in missing:
        while True:
            try:
                answer = ask(question).strip()
            except EOFError:
                raise Trouble(USAGE, f"missing: {way}") from None
            try:
                _try(given, {field: answer})
                break
            except Trouble as refusal:
                for line in refusal.lines:
                    tell(line)
        answered: Dict[str, Any] = {field: answer}
        given = replace(given, **answered)
    return given


def _try(given: InitWords, more: Dict[str, str]) -> None:
    """Raises Trouble for what cannot be of what is known so far."""
    known = {name: text for name, text in vars(given).items() if text is not None}
    health = given.health if given.health is not None or "address" in {**known, **more} else "none"
    checked(replace(given, health=health, **{**_TRIAL, **{name: known[name] for name in _TRIAL if name in known}, **more}),
            "zkelect", "/var/log")


def checked(given: InitWords, zkelect: str, logs: str) -> configfile.Election:
    """The election that the file is to have. All of `_NEEDED` is given. Raises Trouble with every problem."""
    problems: List[str] = []

    def read(what: str, rule: Callable[[Any], str], text: Any) -> str:
        try:
            return rule(text)
        except ValueError as error:
            problems.append(f"{what} {printable(repr(text), 120)} {error}")
            return ""

    name = read("NAME", _name, given.name)
    words: Dict[str, Any] = dict(
        name=name, zkelect=read("path of zkelect", lambda path: configfile.command([path]), zkelect), logs=logs,
        program=read("--program", lambda text: configfile.command(configfile.program_words(text)), given.program),
        address=read("--address", configfile.value, given.address),
        servers=read("--servers", configfile.value, given.servers),
        node="%(host_node_name)s" if given.node is None else read("--node", configfile.value, given.node),
        conf=os.path.basename(read("--output", configfile.file_path, os.path.abspath(given.output))),
    )
    words["health"] = f"tcp://{words['address']}" if given.health is None else read("--health", configfile.value, given.health)
    if given.group is not None:
        words["group"] = read("--group", _group, given.group)
    if problems:
        raise Trouble(USAGE, *problems)
    election = configfile.Election(**words)
    try:
        doubts = load.from_text(configfile.text(election), given.output).doubts
    except ConfigError as error:
        hint = "" if given.health is not None else "; it is made of --address: give another one, or --health"
        raise Trouble(USAGE, *(line + (hint if "] health = " in line else "") for line in error.problems)) from None
    if doubts:
        raise Trouble(USAGE, *doubts)
    return election


def _name(text: str) -> str:
    if not is_election_name(text):
        raise ValueError(f"is not a valid name; use {NAME_RULE}".replace(" in NAME", ""))
    if text == configfile.LISTENER:
        raise ValueError("is the name of the event listener; choose another one")
    return text


def _group(text: str) -> str:
    if text == configfile.LISTENER:
        raise ValueError("is the group of the event listener; choose another one")
    if not set(text).isdisjoint("[],;#%"):
        raise ValueError("contains one of [ ] , ; # %, which have a meaning in supervisord's files; leave it out")
    return configfile.value(text)


def conflicts(election: configfile.Election, owners: Dict[str, str], members: Dict[str, str]) -> List[str]:
    """Why the election cannot be beside the other files of a supervisord. One line each.

    owners: section -> the file that has it. members: program -> the file whose [group:…] names it.
    """
    ours = [section for section in ("zkelect", "eventlistener:zkelect", "rpcinterface:zkelect") if section in owners]
    if ours:
        path = printable(owners[ours[0]])
        what = f"[election:{election.name}], its program and its group" if "zkelect" in owners else "the election"
        return [
            f"{path} has [{ours[0]}] already, and one listener has all elections of a supervisord; add {what} there "
            "(conf.d/two-elections.conf shows how), or overwrite that file with --output and --force"
        ]
    lines = []
    kinds = ("election", "program", "fcgi-program", "eventlistener")
    for wanted, way, among in (
        (election.name, "NAME", kinds), (election.group, "--group", ("group", *kinds[1:])),
    ):
        for section in (f"{kind}:{wanted}" for kind in among):
            if section in owners:
                lines.append(f"{way} {wanted} is taken: {printable(owners[section])} has [{section}]; choose another {way}")
                break
    if not lines and election.name in members:
        lines.append(
            f"NAME {election.name} is taken: a [group:...] of {printable(members[election.name])} has a program of this name; "
            "choose another NAME"
        )
    return lines


def _members(main: Optional[mainfile.MainFile], without: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for path, sections in () if main is None else main.sections.items():
        if os.path.realpath(path) != os.path.realpath(without):
            for section, options in sections.items():
                if section.startswith("group:"):
                    found.update({name.strip(): path for name in options.get("programs", "").split(",")})
    return found


# Where it is written, and what is left to do


def log_folder(beside: str) -> str:
    """Where log files go. beside: the folder of the configuration, which is taken where this user may write to no other."""
    usable = (folder for folder in LOG_FOLDERS if os.path.isdir(folder) and os.access(folder, os.W_OK))
    return next(usable, "%(here)s")


def own_path() -> str:
    """Path of the program `zkelect` that runs, or of this Python's."""
    started = os.path.abspath(sys.argv[0])
    beside = os.path.join(os.path.dirname(sys.executable), "zkelect")
    for path in (started, beside):
        if os.path.basename(path) == "zkelect" and os.access(path, os.X_OK):
            return path
    return "zkelect"


def _main_file(given: InitWords) -> Tuple[Optional[mainfile.MainFile], List[str]]:
    try:
        folder = os.getcwd()
    except OSError as error:
        raise Trouble(USAGE, f"the current folder cannot be used ({error.strerror}); change to another one") from None
    path = given.main or mainfile.find(folder, sys.argv[0])
    if path is None:
        return None, []
    try:
        main = mainfile.read(path, os.environ)
    except ValueError as error:
        if given.main is not None:
            raise Trouble(USAGE, f"{path}: {error}") from None
        return None, [f"note: {path}: {error}"]
    return main, [f"note: {trouble}" for trouble in main.troubles]


def _exists(given: InitWords) -> str:
    what = "is not a regular file; choose another with --output" if given.force else "exists; overwrite it with --force"
    return f"{given.output} {what}"


def _write(given: InitWords, text: str) -> None:
    try:
        files.publish(given.output, text.encode(), given.force)
    except FileExistsError:
        raise Trouble(USAGE, _exists(given)) from None
    except OSError as error:
        raise Trouble(USAGE, f"{given.output} cannot be written: {error.strerror}; choose another place with --output") from None


_PLUGIN = (
    f"       [{mainfile.CTLPLUGIN}]",
    "       supervisor.ctl_factory = supervisor_zkelect.controllerplugin:make_zkelect_controllerplugin",
)


def left_to_do(
    given: InitWords, main: Optional[mainfile.MainFile], included: bool, supervisord: str, zkelect: str
) -> List[str]:
    """The steps from the file to a running service. included: whether the main file includes it."""
    path = os.path.abspath(given.output)
    # Blanks stand between two names there.
    listed = glob.escape(path).replace(" ", "?")
    name = "supervisord's main file" if main is None else main.path
    steps: List[List[str]] = []
    if main is None:
        steps.append([f"add {listed} to files = under [include] in supervisord's main file"])
    elif not included:
        folders = [os.path.dirname(pattern) for pattern in main.patterns if os.path.basename(pattern) == "*.conf"]
        move = f"move it to {folders[0]}, or " if folders else ""
        steps.append([f"{main.path} does not include {path}: {move}add {listed} to files = under [include]"])
    if main is None or not main.has_plugin:
        steps.append([f"put this into {name}, for supervisorctl's commands:", *_PLUGIN])
    here = f" from {supervisord} (another Python's cannot load this package)" if os.access(supervisord, os.X_OK) else ""
    steps.append([f"restart supervisord{here}; it reads [rpcinterface:zkelect] at its start only"])
    where = "MAINFILE" if main is None else shlex.quote(main.path)
    steps.append([f"check the result:  {shlex.quote(zkelect)} --supervisor-conf {where} check -c {shlex.quote(path)}"])
    steps.append(["do the same on every other node, with that node's address"])
    return [line for number, lines in enumerate(steps, 1) for line in (f"  {number}. {lines[0]}", *lines[1:])]
