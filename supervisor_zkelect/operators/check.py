"""`zkelect check -c FILE`: find mistakes in a file, in supervisord's programs and in ZooKeeper."""

from __future__ import annotations

import argparse
import os
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import connection, show
from supervisor_zkelect.operators.outcome import USAGE, CommandOutcome, Trouble, quiet

#: Seconds that ZooKeeper has to answer.
ZOOKEEPER_TIME = 5.0


class Side(NamedTuple):
    """supervisord's side. seen: of its programs (`examination.ProgramsSeen`), view: of the listener's report (`view.View`); both
    None where it was not to be asked. same: whether the listener uses the file that is checked. call: its methods."""

    seen: Any
    view: Any
    same: bool
    call: Any


NOBODY = Side(None, None, False, None)


def run(arguments: argparse.Namespace) -> CommandOutcome:
    """Check the file that -c names."""
    from supervisor_zkelect.config import load
    from supervisor_zkelect.config.problems import ConfigError

    if arguments.election is not None:
        raise Trouble(USAGE, "check -c FILE looks at the whole file; leave the election out")
    from supervisor_zkelect.diagnosis import installation
    from supervisor_zkelect.processes import proc

    quiet()
    found, logs = Findings(filter(None, [installation.this_python()])), []
    try:
        settings = load.from_file(arguments.configuration)
    except ConfigError as error:
        found.problems += error.problems
    else:
        logs = _look(arguments, settings, found)
    found.troubles += filter(None, [proc.pidfd_trouble()])
    if found.wrong:
        found.notes += logs
    outcome = show.check(found.document())
    if found.wrong:
        return outcome
    *notes, fine = outcome.lines
    return outcome._replace(lines=(*notes, f"{printable(arguments.configuration)}: {fine}"))


def _look(arguments: argparse.Namespace, settings: Any, found: Findings) -> List[str]:
    """Look at everything that the file names. Returns notes on which logs tell more."""
    from supervisor_zkelect.diagnosis import commands, examination
    from supervisor_zkelect.operators import check_listener
    from supervisor_zkelect.supervisord.client import SupervisordError
    from supervisor_zkelect.zookeeper import admission

    found.add(examination.of_file(settings))
    known = Findings()
    side = _ask(arguments, settings, known)
    granted: List[float] = []

    def look(client: Any, timeout: float) -> None:
        granted.append(timeout)
        session = examination.ExaminingSession(client, timeout, settings.session_timeout, _session(side))
        known.add(examination.of_zookeeper(settings, session))

    trouble = admission.by_client(settings, ZOOKEEPER_TIME, look)
    if side.seen is not None:
        found.add(examination.of_programs(settings, side.seen, granted[0] if granted else None))
    else:
        found.problems += examination.command_problems(settings, commands.Runner(os.geteuid(), None))
    found.add(known)
    found.troubles += filter(None, [trouble])
    if side.view is not None:
        try:
            found.add(_of_listener(side, trouble is None))
        except SupervisordError as error:
            found.notes.append(f"the listener was not checked: {error}")
    return [] if side.call is None else check_listener.logs(side.call, [election.group for election in settings.elections])


def _ask(arguments: argparse.Namespace, settings: Any, found: Findings) -> Side:
    """Ask supervisord for its programs and for the listener's report; problems and notes go to `found`."""
    from supervisor_zkelect.operators.view import judge
    from supervisor_zkelect.supervisord.client import Fault, SupervisordError, Unreachable

    unasked = "the groups were not checked"
    url = ""
    try:
        url = connection.found(arguments, settings).url or ""
        call = connection.caller(arguments, settings)
        seen = _seen(call, settings, url)
    except Trouble as error:
        found.notes.append(f"{unasked}: {'; '.join(error.lines)}")
        return NOBODY
    except Fault as error:
        found.notes.append(f"{unasked}: supervisord refuses: {error}")
        return NOBODY
    except SupervisordError as error:
        refused = isinstance(error, Unreachable) and ("HTTP 401" in error.reason or "HTTP 403" in error.reason)
        remedy = "give its user and password (-u, --password-file)" if refused else (
            "start it, or say where it is (--serverurl URL, or --supervisor-conf FILE)")
        state = "refuses" if refused else "is not running or cannot be reached"
        found.notes.append(f"{unasked}: supervisord at {printable(url)} {state}: {error}; {remedy}")
        return NOBODY
    try:
        view = judge(call("zkelect.getReport"))
    except SupervisordError as error:
        from supervisor_zkelect.operators import ask

        if isinstance(error, Fault) and error.code == ask.UNKNOWN_METHOD:
            found.problems.append(f"supervisord at {url} {ask.NO_INTERFACE}")
        else:
            found.notes.append(f"the listener was not checked: {error}")
        return Side(seen, None, False, call)
    same = view.known and _is_same(view.report.get("config"), arguments.configuration)
    leading = {name for name in view.names if view.role(name) == "primary"} if same else set()
    return Side(seen._replace(leading=leading), view, same, call)


def _seen(call: Any, settings: Any, url: str) -> Any:
    """supervisord's programs, as `examination.ProgramsSeen`. Raises SupervisordError."""
    from supervisor_zkelect.diagnosis import examination
    from supervisor_zkelect.guard import record
    from supervisor_zkelect.processes import proc
    from supervisor_zkelect.supervisord import program_info

    infos, processes, ends = examination.told(call, settings)
    pid = call("supervisor.getPID")
    supervisord_uid = _uid_of(pid, url)
    here = supervisord_uid is not None
    listener = program_info.listener_of(infos)
    named: Any = listener.get("uid")
    uid: int = named if isinstance(named, int) else os.geteuid() if supervisord_uid is None else supervisord_uid

    def variable(name: str) -> Optional[str]:
        return _variable(name, listener, processes, pid, proc.environ) if here else None

    return examination.ProgramsSeen(
        infos, processes, ends, pid if here else None, supervisord_uid, uid, variable("PATH"), listener.get("group"),
        runtime=variable(record.VARIABLE),
    )


def _variable(
    name: str, listener: Mapping[str, Any], processes: Sequence[Mapping[str, Any]], supervisord: int, environ: Any
) -> Optional[str]:
    """A variable of the listener's environment, else of supervisord's, which gives it its own; None where neither may be read, or
    has it."""
    own = (listener.get("group"), listener.get("name"))
    pids = [one["pid"] for one in processes if (one["group"], one["name"]) == own and one["pid"]]
    return next(filter(None, (environ(pid).get(name) for pid in [*pids, supervisord])), None)


def _of_listener(side: Side, link: bool) -> Findings:
    """Findings on the listener, on its connection to ZooKeeper only if `link`. Raises SupervisordError."""
    from supervisor_zkelect.operators import check_listener

    if side.view.known and not side.same:
        file = printable(side.view.report.get("config") or "another one")
        return Findings(notes=[f"the listener that runs uses another file ({file}), and was not asked"])
    return check_listener.of_listener(side.call, side.view, None, link)


def _session(side: Side) -> Optional[int]:
    """The id of the listener's session, as ZooKeeper has it; None where it is not known."""
    try:
        # Written as the signed number that ZooKeeper has, or as all its 64 bits.
        number = int(side.view.report["session"]["id"].replace("0x-", "-"), 16) if side.same else 0
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return (number if number < 1 << 63 else number - (1 << 64)) or None


def _is_same(used: Any, path: str) -> bool:
    try:
        return isinstance(used, str) and os.path.samefile(used, path)
    except (OSError, ValueError):
        return False


def _uid_of(pid: int, url: str) -> Optional[int]:
    """The user id of the supervisord at `url`, None when it runs on another host, or cannot be seen."""
    from urllib.parse import urlsplit

    from supervisor_zkelect.diagnosis import examination

    if not url.startswith("unix:") and not examination.is_here(urlsplit(url).hostname or ""):
        return None
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
