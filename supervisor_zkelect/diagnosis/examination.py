"""The subjects of `check`: the file, supervisord's programs, this machine, ZooKeeper. Shared by the listener, which is asked, and
`zkelect check -c FILE`, which looks by itself. What a listener reports of itself is judged in operators/check_listener.py.
"""

from __future__ import annotations

import json
import os
import sys
from typing import AbstractSet, Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from kazoo import exceptions as kazoo_errors

from supervisor_zkelect.checks.command import Exec
from supervisor_zkelect.config import diff, load
from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.config.options import ELECTION, OPTIONS
from supervisor_zkelect.config.problems import ConfigError, line
from supervisor_zkelect.config.programs import check_groups, check_processes
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.diagnosis import (
    addresses,
    commands,
    elsewhere,
    exposure,
    inspection,
    installation,
    neighbours,
    ports,
    rights,
    starts,
    ticks,
)
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.supervisord import exits
from supervisor_zkelect.supervisord.client import SupervisordError
from supervisor_zkelect.system import accounts, resolve
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import admission

#: Seconds that a resolver has for one name, and for all names together.
NAME_TIME, NAMES_TIME = 2.0, 6.0

#: Seconds that ZooKeeper has for one request, and for each of the looks at the znodes of all elections.
REQUEST_TIME, ZNODES_TIME = 5.0, 5.0

#: Bytes of supervisord's command line that are read.
LONGEST_COMMAND = 4096

Call = Callable[..., Any]

Told = Tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]], Mapping[Tuple[str, str], str]]


class ProgramsSeen(NamedTuple):
    """supervisord's account of its programs, and who runs what.

    infos, processes: its getAllConfigInfo, `with_autorestarts`, and getAllProcessInfo. ends: how programs ended, in one line,
    by group and name.
    pid: supervisord's, None where it is not on this machine. supervisord_uid: the user it runs as, None where that is not known.
    uid, path: the listener's user and PATH, None for a PATH that is not known. own_group: the listener's group. leading: the
    elections of which this node is primary. runtime: the runtime folder, where ZKELECT_RUNTIME_DIR names it.
    """

    infos: Sequence[Mapping[str, Any]]
    processes: Sequence[Mapping[str, Any]]
    ends: Mapping[Tuple[str, str], str]
    pid: Optional[int]
    supervisord_uid: Optional[int]
    uid: int
    path: Optional[str]
    own_group: Optional[str]
    leading: AbstractSet[str] = frozenset()
    runtime: Optional[str] = None


class ExaminingSession(NamedTuple):
    """The session by which a node looks at ZooKeeper. client: kazoo's, started. timeout: what was granted, asked: what was asked
    for, in seconds. listener: the id of the listener's session, None where that is not known."""

    client: Any
    timeout: float
    asked: float
    listener: Optional[int]


class ExaminedNode(NamedTuple):
    """A listener, as it is asked. used: the settings that it uses. unused: whether the file is not used, as it could not be.
    call: supervisord's methods. parent: supervisord's pid. The rest as `ProgramsSeen` has it."""

    used: Settings
    unused: bool
    session: Optional[ExaminingSession]
    call: Call
    parent: int
    supervisord_uid: int
    uid: int
    own_group: Optional[str]
    leading: AbstractSet[str]


def of_node(node: ExaminedNode) -> Findings:
    """A listener's findings when it is asked."""
    found, path = Findings(), node.used.file
    try:
        settings = load.from_file(path)
    except ConfigError as error:
        found.problems += error.problems
    else:
        found.add(of_file(settings))
        try:
            seen = ProgramsSeen(
                *told(node.call, settings), node.parent, node.supervisord_uid, node.uid, os.environ.get("PATH", os.defpath),
                node.own_group, node.leading, os.environ.get(record.VARIABLE),
            )
            found.add(of_programs(settings, seen, node.session.timeout if node.session else None))
        except SupervisordError as error:
            found.troubles.append(f"supervisord: {error}")
        changes = ", ".join(map(str, diff.changes(node.used, settings)))
        if node.unused:
            found.notes.append(f"{path}: is well now, and is not used yet; zkelect reload takes it")
        elif changes:
            found.notes.append(f"{path}: changed and not used yet: {changes}; zkelect reload takes it")
    if node.session is not None:
        found.add(of_zookeeper(node.used, node.session))
    return found


def of_file(settings: Settings) -> Findings:
    """Findings in the file alone."""
    return Findings(problems=settings.doubts, notes=[*settings.notes, *exposure.of_file(settings)])


def told(call: Call, settings: Settings) -> Told:
    """The first fields of `ProgramsSeen`. Raises SupervisordError."""
    groups = [election.group for election in settings.elections]
    infos = with_autorestarts(call, groups, call("supervisor.getAllConfigInfo"))
    return infos, call("supervisor.getAllProcessInfo"), ends_of(call, settings, infos)


def ends_of(call: Call, settings: Settings, infos: Sequence[Mapping[str, Any]]) -> Dict[Tuple[str, str], str]:
    """How the programs of the elections' groups ended, by group and name. Raises SupervisordError, but not where supervisord has
    no interface that tells it."""
    found: Dict[Tuple[str, str], str] = {}
    for group in {election.group for election in settings.elections} & {info["group"] for info in infos}:
        try:
            ends = exits.read(call("zkelect.getProcessEnds", [group]))
        except (SupervisordError, ValueError):
            continue
        for name, end in ends.items():
            found[group, name] = exits.told(end, "" if end.uid is None else accounts.name_of(end.uid))
    return found


def with_autorestarts(call: Call, groups: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> List[Mapping[str, Any]]:
    """The items of getAllConfigInfo; those of the groups with `autorestart` as in the section: "true", "false" or "unexpected".
    Where supervisord has no interface that tells it, as with a plugin of an earlier version, they are without. Raises nothing."""
    known: Dict[Tuple[str, str], str] = {}
    for group in set(groups) & {info["group"] for info in infos}:
        try:
            [answer] = json.loads(call("zkelect.getAutorestarts", [group]))
            known.update({(group, name): value for name, value in answer if isinstance(value, str)})
        except (SupervisordError, ValueError, TypeError):
            continue
    keys = [(info["group"], info["name"]) for info in infos]
    return [{**info, "autorestart": known[key]} if key in known else info for key, info in zip(keys, infos)]


def of_programs(settings: Settings, seen: ProgramsSeen, granted: Optional[float] = None) -> Findings:
    """Findings about supervisord's programs, and about this machine where they run on it. granted: the session timeout
    that the servers grant, in seconds; None where that is not known."""
    found = Findings()
    found.add(check_groups(settings, seen.infos, seen.uid, seen.supervisord_uid, seen.own_group, granted))
    found.add(check_processes(settings, seen.processes, seen.ends))
    found.add(of_installation(settings, seen))
    if seen.pid is None:
        found.problems += command_problems(settings, commands.Runner(os.geteuid(), None))
        found.notes.append(_UNSEEN)
        return found
    found.notes += exposure.of_processes(settings, seen.pid, seen.processes)
    found.problems += command_problems(settings, commands.Runner(seen.uid, seen.path))
    found.add(of_network(settings, seen))
    return found


_UNSEEN = (
    "supervisord is on another machine, or its process cannot be seen here, so the commands and environments of its programs, "
    "the addresses and the ports were not looked at; run zkelect check -c FILE where supervisord runs"
)


def is_here(host: str) -> bool:
    """Whether an IP address or a name is this machine's, as far as that can be told."""
    try:
        ips = resolve.addresses_of(host, NAME_TIME)
        # Most are loopback ones, for which nobody need be asked.
        mine: AbstractSet[str] = set() if any(addresses.is_own(ip, set()) for ip in ips) else ports.network(()).own
        return any(addresses.is_own(ip, mine) for ip in ips)
    except (OSError, ValueError):
        return False


def of_installation(settings: Settings, seen: ProgramsSeen) -> Findings:
    """Commands that supervisord does not find, or that a program's user may not execute, logs that supervisord deletes, and a
    supervisord of another Python than this one."""
    groups = [election.group for election in settings.elections]
    if seen.pid is None:
        # The logs alone, which supervisord itself tells.
        return Findings(notes=[
            *installation.notes(settings.file, seen.infos, groups, None), *elsewhere.notes(settings.file, seen.infos, groups),
        ])
    path = installation.path_of(exposure.environment(seen.pid))
    words = os.fsdecode(proc.cmdline(seen.pid, LONGEST_COMMAND)).split("\0")
    starter = starts.ProgramStarter(seen.pid, seen.supervisord_uid, path, seen.runtime)
    return Findings(
        problems=[
            *installation.problems(settings.file, seen.infos, groups),
            *starts.problems(settings.file, seen.infos, groups, starter),
        ],
        notes=[
            *installation.notes(settings.file, seen.infos, groups, path),
            *elsewhere.notes(settings.file, seen.infos, groups),
            *starts.notes(settings.file, seen.infos, groups, starter),
            *filter(None, [installation.other_python(words, sys.prefix)]),
        ],
    )


def command_problems(settings: Settings, runner: commands.Runner) -> List[str]:
    """The commands of the file that cannot be executed by the user who runs them."""
    return [
        _line(settings, election, option, f"{words[0]}" + (" …" if len(words) > 1 else ""), what)
        for election in settings.elections for option, words in _commands(election)
        if (what := commands.trouble(words[0], runner))
    ]


def _commands(election: ElectionSettings) -> Iterator[Tuple[str, Sequence[str]]]:
    """The options of an election that name a command, with its words."""
    for option in OPTIONS:
        words = getattr(election, option.name, None) if option.type == "command" else None
        if words:
            yield option.name, words
    for name, check in (("health", election.health_check()), ("fit", election.fit_check())):
        if isinstance(check, Exec):
            yield name, check.argv


def of_network(settings: Settings, seen: ProgramsSeen) -> Findings:
    """Where the addresses of the file lead, and who listens there that should not."""
    found = Findings()
    asked = (addresses.place_of(election.address) for election in settings.elections)
    try:
        mine, sockets = ports.network(place.port for place in asked if place is not None)
    except OSError as error:
        found.notes.append(f"the addresses and ports of this machine were not looked at: {error}")
        return found
    names = _Names(NAMES_TIME)
    for election in settings.elections:
        check = election.health_check()
        asked_at = check.place if check else None
        places = {"address": addresses.place_of(election.address)}
        if asked_at is not None and (places["address"] is None or asked_at[0] != places["address"].host):
            places["health"] = addresses.HostPort(*asked_at)
        for option, place in places.items():
            if place is None:
                continue
            say = _teller(settings, election, option, election.address if option == "address" else str(check))
            try:
                ips = names.addresses_of(place.host)
            except ValueError as error:
                found.notes.append(say(str(error)))
                continue
            found.notes += [say(doubt) for doubt in addresses.doubts(place.host, ips, mine)]
            if option == "address" and any(addresses.is_own(ip, mine) for ip in ips):
                members = ports.GroupProcesses(election.group, seen.processes, seen.pid)
                lines = [
                    say(f"{one.holder} listens on port {place.port}, and does not belong to group {election.group}")
                    for one in ports.strangers(place, ips, sockets, members)
                ]
                if election.name in seen.leading:
                    # The service is healthy; it may well be reached by way of another program, such as a container's.
                    found.notes += lines
                else:
                    remedy = "whose service could not begin there; end it, or use another port"
                    found.troubles += [f"{line}, {remedy}" for line in lines]
    return found


class _Names:
    """Looks each host name up once, and all of them within so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._end = now() + seconds
        self._known: Dict[str, Union[List[str], str]] = {}

    def addresses_of(self, host: str) -> List[str]:
        """Its IP addresses. Raises ValueError: why there are none."""
        if host not in self._known:
            self._known[host] = self._asked(host)
        found = self._known[host]
        if isinstance(found, str):
            raise ValueError(found)
        return found

    def _asked(self, host: str) -> Union[List[str], str]:
        left = self._end - now()
        if left <= 0:
            return f"host name {printable(host)} was not looked up, as other names took too long"
        try:
            return resolve.addresses_of(host, min(left, NAME_TIME))
        except ValueError as error:
            return f"{error}; correct it, or see that this node's resolver knows it"


def of_zookeeper(settings: Settings, session: ExaminingSession) -> Findings:
    """Findings about the znodes, and about the session that ZooKeeper grants."""
    found = Findings()
    found.add(timeout_findings(settings, session.timeout, session.asked))
    try:
        refused = admission.refusal(session.client, settings, REQUEST_TIME)
    except (session.client.handler.timeout_exception, kazoo_errors.KazooException) as error:
        refused = f"ZooKeeper: {error or type(error).__name__}"
    found.troubles += [refused] if refused else []
    found.add(inspection.look(session.client, settings, ZNODES_TIME))
    found.notes += rights.of_orders(session.client, settings, REQUEST_TIME)
    found.notes += ticks.notes(settings, REQUEST_TIME)
    end = now() + ZNODES_TIME
    for election in settings.elections:
        left = end - now()
        if left <= 0:
            found.notes.append("ZooKeeper took too long for a look at the candidates of every election")
            break
        found.troubles += neighbours.problems(session.client, settings, election, left, session.listener)
    return found


def timeout_findings(settings: Settings, granted: float, asked: float) -> Findings:
    """Findings about a granted session timeout that is not the configured one. Pure. All in seconds."""
    configured = settings.session_timeout
    if not granted or abs(granted - configured) < 0.001:
        return Findings()
    head = f"{printable(settings.file)}: [zkelect] session_timeout = {configured:g}:"
    if abs(asked - configured) >= 0.001:
        what = f"the session has {granted:g} s, as when it began; the next session gets another"
        return Findings(notes=[f"{head} {what} (zkelect reload --yes makes one)"])
    limit = "maxSessionTimeout" if granted < configured else "minSessionTimeout"
    what = f"the servers grant {granted:g} s, and that counts; set session_timeout = {granted:g}"
    return Findings(problems=[f"{head} {what}, or {limit} = {configured * 1000:.0f} in the servers' zoo.cfg"])


def _teller(settings: Settings, election: ElectionSettings, option: str, value: str) -> Callable[[str], str]:
    return lambda what: _line(settings, election, option, value, what)


def _line(settings: Settings, election: ElectionSettings, option: str, value: str, what: str) -> str:
    return line(settings.file, what, ELECTION + election.name, option, value)
