"""Events about the process groups of this node, from the process manager to the guard and the listener."""

from __future__ import annotations

from typing import Dict, NamedTuple, Tuple


class GroupStarted(NamedTuple):
    """supervisord started every member, and each has, or had, a process."""

    group: str
    op: int


class GroupStartFailed(NamedTuple):
    """The group was not started, or not completely; what was started still runs."""

    group: str
    op: int
    reason: str


class GroupDead(NamedTuple):
    """No process of the group is left. `seconds` since the order."""

    group: str
    op: int
    seconds: float


class GroupUnsettled(NamedTuple):
    """Of a group that is proven dead, as GroupDead says next, supervisord may start something again. That is watched for, and
    killed, until GroupAtRest. For the guard alone, as its op, 0, is no order's."""

    group: str
    op: int = 0


class GroupAtRest(NamedTuple):
    """supervisord starts nothing of such a group again."""

    group: str
    op: int = 0


class GroupStuck(NamedTuple):
    """The group should be dead and is not proven so. Sent every 5 s until GroupDead."""

    group: str
    op: int
    pids: Tuple[int, ...]
    reason: str


class MemberDied(NamedTuple):
    """A member of a watched group ended by itself; `name` is the program's, "" when unknown."""

    group: str
    name: str
    pid: int


class MemberStarted(NamedTuple):
    """A member runs, or supervisord tries to start it, though nobody started the group through its handle."""

    group: str
    name: str
    pid: int


class Members(NamedTuple):
    """What supervisord says of each member: {name: (statename, pid, spawnerr)}.

    `error` is "" when supervisord answered.
    """

    group: str
    op: int
    states: Dict[str, Tuple[str, int, str]]
    error: str = ""
