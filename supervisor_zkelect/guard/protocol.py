"""The messages between the guard, the listener and the chain loader.

A listener greets the guard with `Hello` and is answered with `Welcome`; from then on it sends orders and gets events, without
an answer to each. A chain loader sends one message, `Run` or `RunRefused`, and gets one answer (`run.py`); so does whoever
wants the folder kept. Times are seconds of CLOCK_BOOTTIME unless said otherwise.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Tuple

from supervisor_zkelect.core.figures import STOPWAITSECS
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard.codec import Kinds
from supervisor_zkelect.processes import group_events

VERSION = 6
"""Version of the messages between listener and guard."""


class GroupPrograms(NamedTuple):
    """A group in the listener's configuration.

    via_loader: whether all its programs are started through the chain loader. stopwaitsecs: the longest of its programs',
    supervisord's default before they are known. as_group: whether supervisord may signal their process groups. stop_failed: the
    command for a stop that fails, empty for none, which may take `seconds`.
    """

    election: str
    via_loader: bool = False
    stopwaitsecs: float = STOPWAITSECS
    as_group: bool = True
    stop_failed: Tuple[str, ...] = ()
    seconds: float = 0.0


class Grant(NamedTuple):
    """The permission for a group to run in a term. acked: whether the ack was written in it."""

    election: str
    address: str
    token: int
    lease: Lease
    acked: bool = False


# To the guard, from a listener


class Hello(NamedTuple):
    """A listener begins. v: its VERSION. owner: as `record.Owner`. groups: those of its configuration; none while it does not
    know yet whether that is fit. listener: group and name of its program, as supervisord has them."""

    v: int
    owner: Tuple[str, str, int, int]
    groups: Dict[str, GroupPrograms]
    listener: Tuple[str, str]


class StartOrder(NamedTuple):
    group: str
    op: int
    grant: Grant


class AdoptOrder(NamedTuple):
    """The group already runs under this grant, which the former guard knew."""

    group: str
    grant: Grant


class AddressOrder(NamedTuple):
    """Programs that start from now on get another address."""

    group: str
    address: str


class AckOrder(NamedTuple):
    """The ack was written in the term `token`, or is about to be emptied in it."""

    group: str
    token: int
    acked: bool


class StopOrder(NamedTuple):
    """by: when the group is killed, unless the lease that `grant` tells of ends before."""

    group: str
    op: int
    by: float
    grant: Grant


class KillOrder(NamedTuple):
    group: str
    op: int


class EnsureDeadOrder(NamedTuple):
    """End whatever runs of the group: within its lease if it has one, at once otherwise."""

    group: str
    op: int


class LookOrder(NamedTuple):
    """Tell the states of the group's programs."""

    group: str
    op: int


class MemberNote(NamedTuple):
    """supervisord told the listener of a program of the group. what: its name, its state and its pid."""

    group: str
    what: Tuple[str, str, int]


class LeaseOrder(NamedTuple):
    """Extend grants; `LeaseEcho` answers. leases: token and lease by group."""

    n: int
    leases: Dict[str, Tuple[int, Lease]]


class CutOrder(NamedTuple):
    """The session was attached with a shorter timeout: shorten all leases that last longer than until `deadline`."""

    deadline: float


class GroupsOrder(NamedTuple):
    """As in `Hello`, when more is known of the groups. grace: reattach_grace, in seconds."""

    groups: Dict[str, GroupPrograms]
    grace: float


class Bye(NamedTuple):
    """The listener ends. how: "released", or "reattach" when it leaves the session for the next one."""

    how: str


# To the guard, from others


class Run(NamedTuple):
    """A chain loader is about to execute the program `name` of a group."""

    group: str
    name: str


class RunRefused(NamedTuple):
    """A chain loader ends instead of executing its program."""

    group: str
    name: str
    reason: str


class KeepFolder(NamedTuple):
    """Put back at once what is missing of the runtime folder."""


ORDERS = {
    "start": StartOrder, "adopt": AdoptOrder, "address": AddressOrder, "ack": AckOrder, "stop": StopOrder, "kill": KillOrder,
    "ensure_dead": EnsureDeadOrder, "look": LookOrder, "note": MemberNote, "lease": LeaseOrder, "cut": CutOrder,
    "groups": GroupsOrder, "bye": Bye,
}
"""The orders of a listener that was welcomed."""

TO_GUARD = Kinds("do", {"hello": Hello, "run": Run, "refused": RunRefused, "folder": KeepFolder, **ORDERS})

FOR_ANYBODY = (Run, RunRefused)
"""Messages that anybody may send. All others are taken from the guard's user and root only."""


# To the listener


class Welcome(NamedTuple):
    """The answer to `Hello`; with "ok" the listener's orders are taken from now on.

    busy: the guard is ending, and releases by itself. groups: {"token", "granted", "dead", "deadline", "paused_until"} of those
    in its charge. pid: the guard's. cgroups: the folder of its cgroups, "" where it has none.
    """

    ok: bool
    busy: bool
    v: int
    groups: Dict[str, Dict[str, Any]]
    pid: int
    cgroups: str


class LeaseEcho(NamedTuple):
    """The guard has taken lease order `n`; its process manager took its last turn at `turned`.

    trouble: what the guard lacks for ending a group; then it extended nothing. paused: the groups whose lease a pause keeps from
    ending, by the record as well. doubtful: those of which the record may say something else than is true.
    """

    n: int
    turned: float
    trouble: str = ""
    paused: List[str] = []
    doubtful: List[str] = []


class GuardSaid(NamedTuple):
    """A line of the log of a guard whose standard error nobody reads any more."""

    text: str


class ProgramRegistered(NamedTuple):
    """A program of the group is about to be executed, at `moment`."""

    group: str
    pid: int
    moment: float


class ProgramRefused(NamedTuple):
    """The chain loader has refused to start the program `name` of the group."""

    group: str
    name: str
    reason: str


class GuardRevoked(NamedTuple):
    """The guard has ended a grant by itself."""

    group: str
    reason: str


class LeaseRenewed(NamedTuple):
    """The guard's keeper has renewed the lease of a term that the listener has not renewed yet."""

    group: str
    token: int
    deadline: float


class TermEnded(NamedTuple):
    """The guard has ended a term, and the group is proven dead; moments in seconds since the epoch."""

    group: str
    token: int
    noticed: float
    dead: float
    why: str


EVENTS = (
    LeaseEcho, GuardSaid, ProgramRegistered, ProgramRefused, GuardRevoked, LeaseRenewed, TermEnded,
    group_events.GroupStarted, group_events.GroupStartFailed, group_events.GroupDead, group_events.GroupStuck,
    group_events.MemberDied, group_events.MemberStarted, group_events.Members,
)
"""The events for a listener that was welcomed."""

TO_LISTENER = Kinds("event", {kind.__name__: kind for kind in (Welcome, *EVENTS)})
