"""Compares the settings with what supervisord says of its programs. Pure: nothing is asked of the system."""

from __future__ import annotations

import functools
import math
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from supervisor_zkelect.config import rules
from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.config.options import ELECTION
from supervisor_zkelect.config.problems import closest, line, listed
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.config.values import NOT_ASCII
from supervisor_zkelect.supervisord import program_info
from supervisor_zkelect.system import accounts

ENDED_TIME = 2.0
"""Seconds for which a program has ended before it counts as one that supervisord does not start again."""

_HANDOVER = 2.0
"""Seconds that the listener needs, beside what its groups take, to hand over before supervisord kills it."""

Info = Mapping[str, Any]
"""An item of supervisord's getAllConfigInfo or getAllProcessInfo."""


def check_groups(
    settings: Settings,
    infos: Iterable[Info],
    uid: int,
    supervisord_uid: Optional[int] = None,
    own_group: Optional[str] = None,
    timeout: Optional[float] = None,
) -> Findings:
    """Check the groups of all elections, and the listener. Because of problems nothing may start; troubles are promises that
    cannot be kept, although everything may start.

    infos: the items of supervisord's getAllConfigInfo, with "autorestart" where that is known.
    uid: the effective user id of the listener.
    supervisord_uid: that of supervisord, under which programs without `user=` run; None when not known.
    own_group: the listener's own group, its SUPERVISOR_GROUP_NAME; None when asked from elsewhere.
    timeout: the session timeout that was granted, in seconds, by default the one that is asked for.
    """
    found = Findings()
    members = _by_group(infos)
    others = sorted(set(members) - {own_group or ""})
    longest = 0.0
    for election in settings.elections:
        programs = members.get(election.group, [])
        say = functools.partial(_of_group, settings, election)
        if own_group is not None and election.group == own_group:
            found.problems.append(say("is the group of this listener itself; name the group of the service"))
        elif not programs:
            found.problems.append(say(_missing_group(election.group, others)))
        else:
            stopwaitsecs = max(float(program.get("stopwaitsecs", 0)) for program in programs)
            longest = max(longest, stopwaitsecs)
            found.problems += map(say, _problems(election, programs, uid, supervisord_uid))
            found.notes += map(say, _ending(election, programs))
            found.notes += map(say, _shortened(settings, stopwaitsecs, timeout))
            found.troubles += map(say, _unguarded(programs))
    for listener in members.get(own_group or "", []):
        found.notes += _hasty_kill(settings, listener, longest)
    return found


def check_processes(settings: Settings, infos: Iterable[Info], ends: Mapping[Tuple[str, str], str] = {}) -> Findings:
    """Look for programs whose end has kept, or would keep, a node from being primary.

    infos: the items of supervisord's getAllProcessInfo. ends: how programs ended, in one line, by group and name; where one is
    missing, supervisord's own words are used.
    """
    found = Findings()
    members = _by_group(infos)
    for election in settings.elections:
        for info in members.get(election.group, []):
            name, state = info["name"], info["statename"]
            ended = state == "EXITED" and info["now"] - info["stop"] >= ENDED_TIME
            if ended and not election.health_check():
                what = f"program {name} has exited with status {info['exitstatus']}: {must_run(election)}"
                found.problems.append(line(settings.file, what, ELECTION + election.name, "health", "none"))
            elif state == "FATAL":
                log = info.get("stderr_logfile") or info.get("stdout_logfile")
                why = f"{info['spawnerr'] or 'supervisord gave up'}" + (f"; its log is {log}" if log else "")
                what = f"program {name} is in FATAL: {ends.get((election.group, name)) or why}"
                found.notes.append(_of_group(settings, election, what))
    return found


def must_run(election: ElectionSettings) -> str:
    """The remedy for a program that ends by itself, in an election without a health check."""
    return (
        f"without a health check a node is primary only while every program of the group runs; move it out of "
        f"[group:{election.group}], or set health in [{ELECTION}{election.name}] to a check of the service"
    )


def _by_group(infos: Iterable[Info]) -> Dict[str, List[Info]]:
    found: Dict[str, List[Info]] = {}
    for info in infos:
        found.setdefault(str(info["group"]), []).append(info)
    return found


def _of_group(settings: Settings, election: ElectionSettings, what: str) -> str:
    return line(settings.file, what, ELECTION + election.name, "group", election.group)


# Lines about one group, each without its file, section and option.


def _missing_group(group: str, known: List[str]) -> str:
    close = closest(group, known)
    if close:
        hint = f"did you mean {close}?"
    elif known:
        hint = f"name one of {listed(known)}, or add [group:{group}] with its programs"
    else:
        hint = f"add [group:{group}] with its programs"
    return f"supervisord has no such group; {hint} (then supervisorctl update)"


def _problems(
    election: ElectionSettings, programs: Sequence[Info], uid: int, supervisord_uid: Optional[int]
) -> Iterator[str]:
    foreign_letters = [program["name"] for program in programs if not program["name"].isascii()]
    if foreign_letters:
        yield f"program {listed(foreign_letters)} {NOT_ASCII}"
    if not all(program.get("inuse", True) for program in programs):
        yield "is in supervisord's configuration but not active; run supervisorctl update"
    eager = [program["name"] for program in programs if program.get("autostart")]
    if eager:
        what = f"program {listed(eager)} has autostart = true, so every node would run it at once"
        yield f"{what}; set autostart = false in its section and run supervisorctl update"
    if uid != 0:
        yield from _foreign(programs, uid, supervisord_uid)
    slow = max(float(program.get("startsecs", 0)) for program in programs)
    if slow >= election.promote_timeout and not election.health_check():
        what = f"is not RUNNING before its startsecs of {slow:g} s have passed"
        remedy = f"set promote_timeout in [{ELECTION}{election.name}] to more than that, or startsecs to less"
        yield f"{what}, and promote_timeout is {election.promote_timeout:g} s; {remedy}"


def _foreign(programs: Sequence[Info], uid: int, supervisord_uid: Optional[int]) -> Iterator[str]:
    """Programs of other users than the listener's, whose number is `uid`."""
    foreign: Dict[int, List[str]] = {}
    for program in programs:
        user = accounts.of_program(program, supervisord_uid)
        if user is not None and user != uid:
            foreign.setdefault(user, []).append(program["name"])
    for user, names in foreign.items():
        what = f"program {listed(names)} runs as uid {user}, which the listener, uid {uid}, may not signal"
        yield f"{what}; give both sections the same user=, or run the listener as root"


def _ending(election: ElectionSettings, programs: Sequence[Info]) -> Iterator[str]:
    """Doubts about programs that may end by themselves, in an election without a health check."""
    if election.health_check():
        return
    hasty = [program["name"] for program in programs if program.get("startsecs") == 0]
    if hasty:
        what = f"program {listed(hasty)} has startsecs = 0, so it is RUNNING even if it ends at once"
        yield f"{what}: set startsecs. For one that ends when its work is done: {must_run(election)}"
    for value in ("false", "unexpected"):
        once = [program["name"] for program in programs if program.get("autorestart") == value]
        if once:
            what = f"program {listed(once)} has autorestart = {value}; one that ends by itself is never RUNNING for long"
            what = f"{what}, so this node could not become or stay primary: set autorestart = true"
            yield f"{what}. For one that ends when its work is done: {must_run(election)}"


def _unguarded(programs: Sequence[Info]) -> Iterator[str]:
    unguarded = [program["name"] for program in programs if program_info.unguarded(program)]
    if unguarded:
        what = f"unguarded: the command of {listed(unguarded)} does not begin with `zkelect run --`, so nothing"
        yield f"{what} stops it from starting after the lease has ended; put `zkelect run --` before it"


def _shortened(settings: Settings, stopwaitsecs: float, timeout: Optional[float]) -> Iterator[str]:
    """A lease that leaves the group less time to stop than it may take."""
    granted = settings.session_timeout if timeout is None else timeout
    grace = settings.stop_grace(stopwaitsecs, granted)
    if grace >= stopwaitsecs:
        return
    longer = rules.shortest_timeout(
        settings.tick_time,
        settings.heartbeat_interval if settings.interval_configured else None,
        settings.ride_through if settings.ride_through_configured else None,
        settings.kill_time,
        stopwaitsecs,
    )
    remedy = f"; session_timeout = {longer:g} would leave all of it" if longer else ""
    if grace < 0:
        yield f"a session of {granted:g} s leaves no room for kill_time ({settings.kill_time:g} s){remedy}"
    else:
        yield (
            f"when its lease ends, the group has {grace:.3g} s to stop instead of its stopwaitsecs of "
            f"{stopwaitsecs:g} s, because the session timeout is {granted:g} s{remedy}"
        )


def _hasty_kill(settings: Settings, listener: Info, longest: float) -> Iterator[str]:
    """A stopwaitsecs of the listener that is too short for a group that takes `longest` seconds to stop."""
    needed = math.ceil(longest + settings.kill_time + _HANDOVER)
    if listener.get("stopwaitsecs", needed) < needed:
        what = f"a group may take {longest:g} s to stop, and the listener waits for it and hands over; set {needed} or more"
        section = f"eventlistener:{listener['group']}"
        yield line(settings.file, what, section, "stopwaitsecs", str(listener["stopwaitsecs"]))
