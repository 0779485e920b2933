"""Inside supervisord: what it says of the listener's program, where no report of a listener may be believed."""

from __future__ import annotations

from typing import Any

from supervisor.process import EventListenerPool
from supervisor.states import ProcessStates, getProcessStateDescription

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.supervisord import exits, program_info


def told(supervisord: Any, group: str, name: str) -> str:
    """One line on a listener's program that does not run: its state in supervisord, and what to do.

    supervisord: supervisor's Supervisor object. The program is looked up, as another is there after `supervisorctl update`.
    """
    pool, full = supervisord.process_groups.get(group), printable(f"{group}:{name}")
    process = pool.processes.get(name) if pool is not None else None
    if process is None:
        return f"supervisord has no {full} any more; see that its section is there, then supervisorctl update"
    state = process.get_state()
    has = f"supervisord has {full} in {getProcessStateDescription(state)}"
    trouble = exits.of({"spawnerr": process.spawnerr}).trouble
    if trouble and state in (ProcessStates.BACKOFF, ProcessStates.FATAL):
        return f"{has} ({printable(trouble, 200)}); correct its section, then supervisorctl update"
    if process.exitstatus == exits.UNUSABLE:
        has += f" after exit status {exits.UNUSABLE}: its configuration cannot be used"
    if state in (ProcessStates.RUNNING, ProcessStates.STARTING, ProcessStates.BACKOFF):
        return f"{has} and starts it again; its log says why it ended"
    if state == ProcessStates.STOPPED:
        return f"{has}; supervisorctl start {full}"
    return f"{has}; see why in its log, then supervisorctl start {full}"


def told_without_report(supervisord: Any) -> str:
    """The same of the event listener that is one of zkelect, by its command or name, where none has ever reported; "" where
    there is none, or it runs."""
    processes = {
        (group, name): process for group, pool in supervisord.process_groups.items() if isinstance(pool, EventListenerPool)
        for name, process in pool.processes.items()
    }
    one = program_info.listener_of([
        {"group": group, "name": name, "command": process.config.command} for (group, name), process in processes.items()
    ])
    if not one or processes[one["group"], one["name"]].get_state() in (ProcessStates.RUNNING, ProcessStates.STARTING):
        return ""
    return told(supervisord, one["group"], one["name"])
