"""Who listens on a service's port, where that is none of its own group: the service could not begin there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import AbstractSet, Callable, Iterable, List, Mapping, NamedTuple, Optional

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.diagnosis.addresses import HostPort
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc

ANY = ("0.0.0.0", "::")

GROUP, INSTANCE = b"SUPERVISOR_GROUP_NAME", b"ZKELECT_INSTANCE"

_READ = 1 << 20
"""Bytes of an environment that are looked at."""


LOOK_TIME = 10.0
"""Seconds that a look at all processes of this machine may take."""


class Listening(NamedTuple):
    """A socket that takes connections. pid: of a process that has it, None where this user may not see that. program, user: the
    process's names, "" where they cannot be had."""

    ip: str
    port: int
    pid: Optional[int]
    program: str = ""
    user: str = ""

    @property
    def holder(self) -> str:
        """Who has it, in words."""
        if self.pid is None:
            return "a process that this user may not see (ask as root: zkelect check -c FILE)"
        named = f"{printable(self.program, 100)}, " if self.program else ""
        return f"{named}process {self.pid}" + (f" of the user {printable(self.user, 100)}" if self.user else "")


class Network(NamedTuple):
    """own: the IP addresses of this machine. sockets: those that were asked for."""

    own: AbstractSet[str]
    sockets: List[Listening]


def network(ports: Iterable[int]) -> Network:
    """The addresses of this machine, and who listens on these ports (machine.py). Raises OSError where nobody tells."""
    command = [sys.executable, "-m", "supervisor_zkelect.diagnosis.machine", *map(str, sorted(set(ports)))]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LOOK_TIME, check=False)
        document = json.loads(done.stdout)
        return Network(frozenset(document["own"]), [Listening(*one) for one in document["sockets"]])
    except subprocess.SubprocessError as error:
        raise OSError(f"it takes too long: {error}") from None
    except (KeyError, TypeError, ValueError):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OSError(printable(said[-1], 200) if said else f"exit status {done.returncode}") from None


def strangers(
    place: HostPort, found: Iterable[str], sockets: Iterable[Listening], belongs: Callable[[int], bool]
) -> List[Listening]:
    """Those who listen where the service is to, and do not belong to its group; each process once.

    place: the service's. found: the IP addresses of its host. belongs: of a pid.
    """
    wanted = {*found, *ANY}
    there = [one for one in sockets if one.port == place.port and one.ip.rpartition("::ffff:")[2] in wanted]
    # One process has a socket for each of several addresses; the children of one that forked have the same.
    return [one for one in {one.pid: one for one in there}.values() if one.pid is None or not belongs(one.pid)]


class GroupProcesses:
    """Who belongs to the group of an election, to tell a service from a stranger: whoever descends from a program of the group,
    and what the chain loader has started for it. Nobody is killed by this, so whoever claims to belong is believed.

    The listener asks this, which does without psutil.
    """

    def __init__(self, group: str, infos: Iterable[Mapping[str, object]], supervisord: Optional[int]) -> None:
        """infos: the items of supervisord's getAllProcessInfo. supervisord: its pid, None where it is not on this machine."""
        self._group = os.fsencode(group)
        self._pids: AbstractSet[object] = {info["pid"] for info in infos if info["group"] == group and info.get("pid")}
        try:
            self._instance = record.instance(record.owner_of(supervisord)) if supervisord else ""
        except record.RecordError:
            self._instance = ""

    def __call__(self, pid: int) -> bool:
        seen, one = set(), pid
        while one > 1 and one not in seen:
            if one in self._pids:
                return True
            seen.add(one)
            process = proc.read(one)
            one = process.ppid if process is not None else 0
        if not self._instance:
            return False
        told, _ = proc.variables(pid, [GROUP, INSTANCE], _READ)
        return told == {GROUP: self._group, INSTANCE: self._instance.encode()}
