"""`zkelect check`: what is wrong with a file, with what supervisord runs, and with what stands in ZooKeeper."""

from __future__ import annotations

import argparse
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

from supervisor_zkelect.operators import connection
from supervisor_zkelect.operators.outcome import DONE, ERROR, USAGE, Trouble, print_json, quiet
from supervisor_zkelect.untrusted import printable

#: Seconds that ZooKeeper has to answer.
ZOOKEEPER_TIME = 5.0


def run(arguments: argparse.Namespace) -> int:
    """Check the file that -c names, or print the reference of all options. Returns the exit status."""
    from supervisor_zkelect import config

    if arguments.options:
        print(config.options_reference(), end="")
        return DONE
    if arguments.election is not None:
        raise Trouble(USAGE, "check -c FILE looks at the whole file; leave the election out")
    from supervisor_zkelect import admission, exposure, inspection, proc

    quiet()
    inspected = inspection.Found([], [])
    problems: List[str] = []
    notes: List[str] = []
    trouble: Optional[str] = None
    try:
        settings = config.load(arguments.configuration)
    except config.ConfigError as error:
        problems = list(error.problems)
    else:
        notes += [*settings.notes, *exposure.of_file(settings)]
        more_problems, more_notes = _check_supervisord(arguments, settings)
        problems += more_problems
        notes += more_notes

        def look(client: Any) -> None:
            for known, found in zip(inspected, inspection.look(client, settings, ZOOKEEPER_TIME)):
                known.extend(found)

        trouble = admission.trouble(settings, ZOOKEEPER_TIME, look)
        notes += inspected.notes
    troubles = [*filter(None, (proc.pidfd_trouble(), trouble)), *inspected.problems]
    status = USAGE if problems else ERROR if troubles else DONE
    problems += troubles
    problems, notes = [printable(line) for line in problems], [printable(line) for line in notes]
    if getattr(arguments, "json", False):
        print_json({"v": 1, "exit": status, "ok": not problems, "problems": problems, "notes": notes})
        return status
    for line in problems:
        print(line)
    for line in notes:
        print(f"note: {line}")
    if not problems:
        print(f"{printable(arguments.configuration)}: no problem found")
    return status


def _check_supervisord(arguments: argparse.Namespace, settings: Any) -> Tuple[List[str], List[str]]:
    """Problems and notes of what supervisord itself says of the groups."""
    from supervisor_zkelect import config, exposure
    from supervisor_zkelect.operators import ask
    from supervisor_zkelect.operators.view import judge
    from supervisor_zkelect.supervisord import Fault, SupervisordError

    unasked = "the groups were not checked"
    try:
        url, username, password = connection.found(arguments, settings)
        call = connection.caller(arguments, settings)
        infos = call("supervisor.getAllConfigInfo")
        processes = call("supervisor.getAllProcessInfo")
        ended = config.check_processes(settings, processes)
        supervisord = call("supervisor.getPID")
        supervisord_uid = _uid_of(supervisord, url)
    except Trouble as error:
        return [], [f"{unasked}: {'; '.join(error.lines)}"]
    except Fault as error:
        return [], [f"{unasked}: supervisord refuses: {error}"]
    except SupervisordError as error:
        return [], [f"{unasked}: supervisord is not running, or not to be reached: {error}"]
    listener = _listener(infos)
    uid = os.geteuid() if supervisord_uid is None else supervisord_uid
    if isinstance(listener.get("uid"), int):
        uid = listener["uid"]
    problems, notes = map(list, config.check_group(settings, infos, uid, supervisord_uid, listener.get("group")))
    problems, notes = problems + ended.problems, notes + ended.notes
    if supervisord_uid is not None:
        notes += exposure.of_processes(settings, supervisord, processes)
    try:
        if not judge(call("zkelect.getReport")).known:
            notes += _check_listener(call, listener)
    except SupervisordError as error:
        if isinstance(error, Fault) and error.code == ask.UNKNOWN_METHOD:
            problems.append(f"supervisord at {url} {ask.NO_INTERFACE}")
        else:
            notes.append(f"the listener was not checked: {error}")
    return problems, notes


def _check_listener(call: Any, listener: Dict[str, Any]) -> List[str]:
    """Notes on a listener that reports nothing. listener: its item of getAllConfigInfo. Raises SupervisordError."""
    from supervisor_zkelect.supervisord import BAD_NAME, Fault

    if not listener:
        there = "no listener reports to supervisord, and no program's command is `zkelect listen`"
        return [f"{there}; add [eventlistener:zkelect]"]
    name = f"{listener['group']}:{listener['name']}"
    try:
        state = call("supervisor.getProcessInfo", name)["statename"]
    except Fault as error:
        if error.code != BAD_NAME:
            raise
        state = "not active"
    remedy = {
        "RUNNING": "has not reported lately", "STARTING": "has not reported yet",
        "STOPPED": f"supervisorctl start {name}", "not active": "supervisorctl update",
    }.get(state, f"supervisorctl tail {name} stderr tells why")
    return [f"the listener {name} is {state}, and this node makes no proposal: {remedy}"]


def _uid_of(pid: int, url: str) -> Optional[int]:
    """The user id of the supervisord at `url`, None when it runs on another host."""
    from urllib.parse import urlsplit

    if not url.startswith("unix:") and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        return None
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _listener(infos: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """The item of getAllConfigInfo that is the listener, or an empty one."""
    for info in infos:
        words = [word.strip("'\"") for word in str(info.get("command", "")).split()]
        named = any(
            os.path.basename(word) == "zkelect" or word.startswith("supervisor_zkelect") for word in words
        )
        if named and "listen" in words:
            return info
    return {}
