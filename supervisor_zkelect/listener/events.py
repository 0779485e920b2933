"""Events that a listener posts to itself: outcomes of work off its deciding thread, and changes that its watches tell.

Times are seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, TypeVar

from supervisor_zkelect.config.diff import Change
from supervisor_zkelect.config.settings import Settings
from supervisor_zkelect.core import messages
from supervisor_zkelect.guard import saved_session
from supervisor_zkelect.zookeeper.given import OrderAnswer

Handlers = Mapping[type, Callable[[Any], None]]
"""Type of an event -> who takes it."""

Actions = Mapping[type, Callable[[Any, Any], None]]
"""Type of an action of a role machine -> who does it for a `candidacy.Candidacy`."""


class Signalled(NamedTuple):
    """The process received the signal `number`."""

    number: int


class Configured(NamedTuple):
    """supervisord's answer about its programs, or why there is none."""

    programs: List[Dict[str, Any]]
    error: str


class GroupsSurveyed(NamedTuple):
    """supervisord's answer about the groups that run, when this listener is told to end. alive: whether all run on."""

    alive: bool
    reason: str


class StopNotTaken(NamedTuple):
    """supervisord has not taken the order to stop the group of this election, for which there is no guard."""

    name: str
    error: str


class LeftoversReleased(NamedTuple):
    """The session's proposals in these elections are given up. refused: those for which ZooKeeper refuses that."""

    elections: List[saved_session.SavedElection]
    refused: List[saved_session.SavedElection]


class ReportDelivered(NamedTuple):
    """A report was delivered, or not. requests: operators' orders. named: the tickets of those that it has named as taken."""

    requests: List[Dict[str, Any]]
    error: str
    named: Sequence[str] = ()


class CheckDone(NamedTuple):
    """A look at all that this node depends on is over. document: the answer to those who asked for it."""

    document: Dict[str, Any]


class ZnodesInspected(NamedTuple):
    """The elections' znodes were inspected. notes: one line each."""

    notes: List[str]


class TermChanged(NamedTuple):
    """Ack or holder of an election, whose primary this node was, have changed."""

    name: str


class ControlChanged(NamedTuple):
    """What operators have ordered in an election has changed, maybe."""

    name: str


class ControlRead(NamedTuple):
    """The control of an election was read; seen: None where ZooKeeper did not answer. stamp: its czxid and version."""

    name: str
    seen: Optional[messages.ControlSeen]
    stamp: Tuple[int, ...] = ()


class EntryWritten(NamedTuple):
    """What this node says of itself was written; error: why it was not, or "". differs: how its options differ from the
    primary's, in words, or ""; None where that was not looked at."""

    name: str
    error: str
    differs: Optional[str] = None


class OrderSeen(NamedTuple):
    """What became of an order that an operator has given. id: its own, once it is written. answer: None while it is under way;
    with an id as well right after it was written, when it is to be looked after."""

    ticket: str
    id: str
    answer: Optional[OrderAnswer]


class QueueMoved(NamedTuple):
    """There are other candidates in an election that this node leads."""

    name: str


class ForeignSeen(NamedTuple):
    """One line on what is foreign in an election's queue, or holds what is the election's."""

    name: str
    trouble: str


class QueueSeen(NamedTuple):
    """The answer to a look at an election's queue. rival, trouble, place, candidates: as `elector.Queue` has them, place and
    candidates of `proposal` when it was asked for at `asked`. trouble: None where the queue could not be looked at."""

    name: str
    rival: str
    trouble: Optional[str]
    place: Optional[int] = None
    candidates: Optional[int] = None
    proposal: Optional[str] = None
    asked: float = 0.0


class ProgramEnded(NamedTuple):
    """A program of an election's group ended. state: supervisord's word on it then. token: of the term that it ran in. why:
    how it ended, in one line, "" when that is not known."""

    election: str
    token: Optional[int]
    name: str
    state: str
    why: str


class TermClaimed(NamedTuple):
    """A term was claimed by a transaction sent and answered at these times, in a session of this generation. order: id of the
    order that led to it, or ""; missed: who was to lead by it, "" where this node was. lost: token of the term of `dirty`."""

    name: str
    op: int
    dirty: str
    generation: int
    sent: float
    answered: float
    order: str = ""
    missed: str = ""
    lost: int = 0


class ProposalChanged(NamedTuple):
    """The proposal by which this node leads an election was changed or deleted. token: that proposal's."""

    name: str
    token: Optional[int]


class HistoryWritten(NamedTuple):
    """The history of an election's terms was written, or not."""

    name: str
    terms: List[Dict[str, Any]]
    error: str


class ElectionEvent(NamedTuple):
    """An event for the role machine of one election."""

    name: str
    event: messages.Event


class Reread(NamedTuple):
    """The file was read. checks: the health check of each election. settings: None when the file cannot be used."""

    ticket: str
    yes: bool
    settings: Optional[Settings]
    problems: List[str]
    changes: List[Change]
    checks: Dict[str, Any]


class Agreed(NamedTuple):
    """The operator was told, and what he agreed to can begin. elections: whose terms end. session: whether it ends as well."""

    elections: Set[str]
    session: bool


#: All types of them.
OWN = (
    Signalled, Configured, GroupsSurveyed, StopNotTaken, LeftoversReleased, ReportDelivered, CheckDone, ZnodesInspected,
    TermChanged, ControlChanged, ControlRead, EntryWritten, OrderSeen, QueueMoved, ForeignSeen, QueueSeen, ProgramEnded,
    TermClaimed, ProposalChanged, HistoryWritten, ElectionEvent, Reread, Agreed,
)


Taker = TypeVar("Taker")


def table(parts: Iterable[Mapping[type, Taker]], kinds: Iterable[type]) -> Dict[type, Taker]:
    """One table of the handlers of all parts, by type. Raises TypeError where one of `kinds` has no handler, or a type two."""
    handlers: Dict[type, Taker] = {}
    for part in parts:
        twice = handlers.keys() & part.keys()
        if twice:
            raise TypeError(f"two handlers for {', '.join(sorted(kind.__name__ for kind in twice))}")
        handlers.update(part)
    missing = set(kinds) - handlers.keys()
    if missing:
        raise TypeError(f"no handler for {', '.join(sorted(kind.__name__ for kind in missing))}")
    return handlers
