"""Work that a guard has done off its thread: functions that are given values, reach no state, and give back an event or log."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any, Callable, List, Mapping

from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import execution, proc
from supervisor_zkelect.supervisord.client import BAD_NAME, Fault, Supervisord, SupervisordError
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

STATE_TIME = 2.0
"""Seconds that supervisord has to tell the state of the listener's process."""


def begin(work: Callable[..., None], *arguments: Any, name: str) -> str:
    """Do it on a thread of its own. Returns why that cannot be, or ""."""
    try:
        threading.Thread(target=work, args=arguments, name=name, daemon=True).start()
        return ""
    except RuntimeError as error:
        return str(error)


def listener_state(supervisord: Supervisord, name: str) -> str:
    """The state of the listener's process in supervisord's words, "" when it does not answer. name: "GROUP:PROCESS"."""
    try:
        info = supervisord.call("supervisor.getProcessInfo", name, timeout=STATE_TIME)
        # One that looks elsewhere is as good as none for what runs here.
        return str(info["statename"]) if comes_here(info["pid"]) else "STOPPED"
    except Fault as fault:
        # Without such a program, and while it shuts down, supervisord starts no listener.
        return "STOPPED" if fault.shutting_down or fault.code == BAD_NAME else ""
    except SupervisordError:
        return ""


def comes_here(pid: int) -> bool:
    """Tell whether the process, if it is a listener, has this guard's user and runtime folder."""
    try:
        if not pid or os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return not pid
        told = proc.environ(pid)
        return not told or told.get(record.VARIABLE) == os.environ.get(record.VARIABLE)
    except OSError:
        return True


def run_hook(command: List[str], seconds: float, variables: Mapping[str, str]) -> None:
    """Run an operator's command for so long at most, and log how it ended."""
    try:
        log.warning("%s: %s", command[0], execution.run(command, now() + seconds, variables))
    except OSError as error:
        log.error("%s cannot be run: %s", command[0], error.strerror)
