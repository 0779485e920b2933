"""The cgroups of a guard's supervisord, and what was left of those of its former instances."""

from __future__ import annotations

import os
from typing import Dict, Optional, Tuple

from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import cgroup, proc


def find(owner: record.Owner, url: str) -> Tuple[Optional[cgroup.Cgroups], cgroup.Former]:
    """The cgroups of a supervisord, None where none can be had, and those of its former instances. url: its
    SUPERVISOR_SERVER_URL.

    A former instance is of the same URL, user, boot and pid namespace; whether it lives, its pid and start time tell.
    """
    pid = owner.pid if proc.find(owner.pid, owner.start) is not None else None
    key, own = record.key(url), f"{owner.pid}-{owner.start}"
    made: Dict[str, Dict[str, str]] = {}
    beginning = record.instances(owner)
    for path, name in cgroup.made("zkelect-").items():
        whose, _, rest = name.partition("-")
        if rest.startswith(beginning):
            made.setdefault(whose, {})[path] = rest[len(beginning):]
    mine = made.pop(key, {})
    name = f"zkelect-{key}-{record.instance(owner)}"
    found = cgroup.find(pid, name, [path for path, instance in mine.items() if instance == own])
    # One that was started by a program of a former one is inside its cgroup.
    spared = (pid, os.getpid())
    former = cgroup.Former({path: instance for path, instance in mine.items() if instance != own}, lives, spared)
    former.remove()
    for others in made.values():
        # Of other supervisords nothing but what is empty, which nobody may be there to remove.
        cgroup.Former(others, lives).remove()
    return found, former


def lives(name: str) -> bool:
    """Tell whether "PID-START", the end of an instance's name, names a living process of this pid namespace."""
    pid, _, start = name.partition("-")
    if not (pid.isdigit() and start.isdigit()):
        return True
    return proc.find(int(pid), int(start)) is not None
