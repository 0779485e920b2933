"""Who listens on a service's port, where that is none of its own group: the service could not begin there."""

from __future__ import annotations

import os
from typing import AbstractSet, Callable, Iterable, List, Mapping, NamedTuple, Optional

from supervisor_zkelect import proc, record
from supervisor_zkelect.addresses import Place
from supervisor_zkelect.untrusted import printable

ANY = ("0.0.0.0", "::")

GROUP, INSTANCE = b"SUPERVISOR_GROUP_NAME", b"ZKELECT_INSTANCE"

_READ = 1 << 20
"""Bytes of an environment that are looked at."""


class Listening(NamedTuple):
    """A socket that takes connections. pid: of a process that has it, None where this user may not see that."""

    ip: str
    port: int
    pid: Optional[int]


class Holder(NamedTuple):
    """A process that listens. program, user: their names, "" where they cannot be had."""

    pid: Optional[int]
    program: str
    user: str

    def __str__(self) -> str:
        if self.pid is None:
            return "a process that this user may not see (ask as root: zkelect check -c FILE)"
        named = f"{printable(self.program, 100)}, " if self.program else ""
        return f"{named}process {self.pid}" + (f" of the user {printable(self.user, 100)}" if self.user else "")


def listening() -> List[Listening]:
    """All TCP sockets of this network that take connections. Raises OSError where nobody tells."""
    # Only `check` wants it, and the listener's memory stays small without it.
    import psutil

    try:
        found = psutil.net_connections("tcp")
    except psutil.Error as error:
        raise OSError(str(error)) from None
    return [Listening(one.laddr.ip, one.laddr.port, one.pid) for one in found if one.status == psutil.CONN_LISTEN]


def strangers(
    place: Place, found: Iterable[str], sockets: Iterable[Listening], belongs: Callable[[int], bool]
) -> List[Listening]:
    """Those who listen where the service is to, and do not belong to its group; each process once.

    place: the service's. found: the IP addresses of its host. belongs: of a pid.
    """
    wanted = {*found, *ANY}
    there = [one for one in sockets if one.port == place.port and one.ip.rpartition("::ffff:")[2] in wanted]
    # One process has a socket for each of several addresses; the children of one that forked have the same.
    return [one for one in {one.pid: one for one in there}.values() if one.pid is None or not belongs(one.pid)]


def holder(one: Listening) -> Holder:
    """Its names."""
    import psutil

    if one.pid is None:
        return Holder(None, "", "")
    try:
        process = psutil.Process(one.pid)
        return Holder(one.pid, process.name(), process.username())
    except (psutil.Error, OSError):
        return Holder(one.pid, "", "")


class Members:
    """Who belongs to the group of an election, to tell a service from a stranger: whoever descends from a program of the group,
    and what the chain loader has started for it. Nobody is killed by this, so whoever claims to belong is believed."""

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
