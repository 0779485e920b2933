"""Events that the role machine takes, and actions that it has done. All times are seconds of one clock.

An event with `op` answers the action that had this number.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple, Union, get_args

from supervisor_zkelect.core import pause_messages as pauses
from supervisor_zkelect.core.control import RestartSeen
from supervisor_zkelect.core.standing import AheadSeen as AheadSeen
from supervisor_zkelect.core.standing import AskFit as AskFit
from supervisor_zkelect.core.standing import BehindSeen as BehindSeen
from supervisor_zkelect.core.standing import FitSeen as FitSeen
from supervisor_zkelect.core.standing import LookAhead as LookAhead
from supervisor_zkelect.core.standing import LookBehind as LookBehind
from supervisor_zkelect.core.standing import Queried as Queried
from supervisor_zkelect.core.standing import Stayed as Stayed
from supervisor_zkelect.core.standing import StepBehind as StepBehind

# Events


class SessionUp(NamedTuple):
    """Connected. `fresh`: another session than before. `grace`: lease.stop_grace. `wait_out`: how long a leftover may live.

    margin: how long a lease must last before a group is started under it: until its next extension is due.
    """

    fresh: bool
    grace: float
    wait_out: float
    timeout: float
    margin: float = 0.0


class SessionDown(NamedTuple):
    """Not connected just now; the session may live."""


class SessionLost(NamedTuple):
    """The session is over, and with it the proposal."""

    reason: str


class Proposed(NamedTuple):
    """The proposal stands; token: its czxid. priority: as it says. term: token of the holder, when it was made by stepping behind
    others or was found; 0 without one. found: whether it was there already."""

    op: int
    proposal: str
    token: int
    priority: int = 100
    term: int = 0
    found: bool = False


class DuplicateNodeName(NamedTuple):
    """Another session's proposal bears this node's name, so none was made."""

    op: int
    proposal: str


class QueueChanged(NamedTuple):
    """The watch that the answer to the query `op` left behind was triggered."""

    op: int
    reason: str


class Leased(NamedTuple):
    """A quorum write sent at `sent` checked the proposal; the lease now ends at `deadline`."""

    sent: float
    deadline: float


class Cut(NamedTuple):
    """The session's timeout became shorter: no lease lasts longer than until `deadline`."""

    deadline: float


class RenewedByKeeper(NamedTuple):
    """While there was no listener, the guard's keeper renewed the lease of the inherited term until `deadline`."""

    token: int
    deadline: float


class Claimed(NamedTuple):
    """`dirty`: the node whose holder was found, or "". lease: what that write proves; None when it cannot be counted.
    order: id of the operator's order that led to it, or ""; to: who was to lead by it, "" for whoever was next. lost:
    token of the term of `dirty`, 0 where that is not known."""

    op: int
    dirty: str
    lease: Optional[Leased] = None
    order: str = ""
    to: str = ""
    lost: int = 0


class Dirty(NamedTuple):
    """The holder of a term that was not released stands, and is to be fenced. The ack is empty, nothing is claimed."""

    op: int
    node: str
    address: str
    token: int


class Fenced(NamedTuple):
    """The fence command ended; `ok`: with exit status 0."""

    op: int
    ok: bool
    reason: str


class ProposalLost(NamedTuple):
    """The proposal does not exist any more, though the session lives."""

    reason: str


class Rivalled(NamedTuple):
    """By another program's rule, somebody else leads this queue."""

    reason: str


class Acked(NamedTuple):
    """The ack has this node's address."""

    op: int


class Released(NamedTuple):
    """The proposal is given up."""

    op: int


class RequestFailed(NamedTuple):
    """A request to ZooKeeper failed. `gone`: the proposal does not exist any more, asking again is useless.

    refused: ZooKeeper answered, and does not do it.
    """

    op: int
    gone: bool
    reason: str
    refused: bool = False


class ServiceStarted(NamedTuple):
    """supervisord has started all members of the group."""

    op: int


class StartFailed(NamedTuple):
    """supervisord could not start all members of the group."""

    op: int
    reason: str


class GrantRevoked(NamedTuple):
    """The guard has ended the grant by itself, and stops the group."""

    reason: str


class Dead(NamedTuple):
    """The group is proven dead; seconds: how long that took."""

    op: int
    seconds: float


class Stuck(NamedTuple):
    """A process of the group cannot be killed."""

    reason: str


class Probed(NamedTuple):
    """The outcome of a health check, or of a look at supervisord's word."""

    op: int
    ok: bool
    reason: str


class MemberChanged(NamedTuple):
    """A member ended, or supervisord's word on it is not RUNNING any more."""


class MemberRuns(NamedTuple):
    """supervisord's word on a member is RUNNING from now on."""


class MemberFatal(NamedTuple):
    """why: what is known of the cause, "" when nothing is."""

    name: str
    why: str = ""


class StoppedByHand(NamedTuple):
    """A member is being stopped, and not by this node's listener."""

    name: str


class StartedByHand(NamedTuple):
    """A member was started, and not by this node's listener."""

    name: str


class OthersCounted(NamedTuple):
    """How many other candidates stand in the queue; -1 where it cannot be read. why: why it cannot."""

    op: int
    others: int
    why: str = ""


class TermSeen(NamedTuple):
    """What ack and holder say; `address` is "" while nobody is primary.

    token: the holder's, 0 without one. known: whether they could be read. read_in: token of the term in which
    they were read, None outside of any. held: the address in the holder, None when nobody asked.
    """

    node: str
    address: str
    token: int = 0
    known: bool = True
    read_in: Optional[int] = None
    held: Optional[str] = None


class Reconfigured(NamedTuple):
    """The settings are others from now on. readdressed: so is the address."""

    readdressed: bool


class ControlSeen(NamedTuple):
    """What operators have ordered, as far as it concerns this node. bar: why it may not lead, and stands in no queue; "" where
    nothing keeps it from that. until: when that ends by itself. bar_id: id of the order of maintenance, "" where the control
    cannot be used. forced: it counts even if nobody can take over. unread: the control could not be read, and may be again.

    order: id of a switchover that stands, or "". due: when it is due. to: who is to lead; "" for whoever is next. begun: token of
    the term that it ends, 0 before. target: the proposal that is to lead then. restart: that is ordered. said: who gave the
    switchover, and why, as a reason has it. pause: one that stands, or is asked for.
    """

    bar: str = ""
    until: float = float("inf")
    bar_id: str = ""
    forced: bool = False
    unread: bool = False
    order: str = ""
    due: float = float("-inf")
    to: str = ""
    begun: int = 0
    target: str = ""
    restart: Optional[RestartSeen] = None
    said: str = ""
    pause: Optional[pauses.PauseSeen] = None


class Begun(NamedTuple):
    """A handover is marked begun, or a restart; target: the proposal that is to lead next, "" where nobody was asked."""

    op: int
    target: str


class NotBegun(NamedTuple):
    """A handover or a restart is not begun, and nothing is stopped for it. known: whether that is for want of somebody to take
    over, or of the order, and not since ZooKeeper does not tell."""

    op: int
    why: str
    known: bool = True


class Resign(NamedTuple):
    """`force`: even if nobody is there to take over; and even if the group cannot be proven dead."""

    ticket: str
    force: bool = False


class Shutdown(NamedTuple):
    """End: the group must be dead by `kill_at`, at once when that is past."""

    reason: str
    kill_at: float


class SessionEnds(NamedTuple):
    """The session is to be closed as soon as no group of the node runs, since another election cannot do without."""

    reason: str


class Tick(NamedTuple):
    """Time passed."""


Event = Union[
    SessionUp, SessionDown, SessionLost, Proposed, DuplicateNodeName, Queried, QueueChanged, BehindSeen, Stayed, FitSeen,
    AheadSeen, Leased, Cut, RenewedByKeeper,
    Claimed, Dirty, Fenced, ProposalLost, Rivalled, Acked, Released, RequestFailed, ServiceStarted, StartFailed, GrantRevoked,
    Dead, Stuck, Probed, MemberChanged, MemberRuns, MemberFatal, StoppedByHand, StartedByHand, OthersCounted, TermSeen,
    Reconfigured, ControlSeen, pauses.ConsentRead, pauses.PauseWritten, pauses.PauseEchoed, Begun, NotBegun, Resign, Shutdown,
    SessionEnds, Tick,
]
"""All that can happen to an election."""

# Actions


class Propose(NamedTuple):
    """Make a proposal."""

    op: int


class Query(NamedTuple):
    """Ask for the place in the queue, and watch whoever is before."""

    op: int


class Claim(NamedTuple):
    """Claim the term, over the holder with the token `fenced` if need be; None: nobody was fenced yet."""

    op: int
    fenced: Optional[int] = None


class Fence(NamedTuple):
    """Run the fence command against the node that may still run the term `token`."""

    op: int
    node: str
    address: str
    token: int


class KeepLease(NamedTuple):
    """Have the proposal checked by the quorum, now and from now on."""


class DropLease(NamedTuple):
    """The proposal needs no lease any more: the group is dead, or is killed now."""


class StartGroup(NamedTuple):
    """Grant the group's programs to start, and have them started."""

    op: int


class StopGroup(NamedTuple):
    """Ask the group to stop, and kill it at `kill_at`, or when its lease ends before that."""

    op: int
    kill_at: float


class KillGroup(NamedTuple):
    """Kill the group at once, and prove it dead."""

    op: int


class EnsureDead(NamedTuple):
    """Prove the group dead, whoever started it."""

    op: int


class Probe(NamedTuple):
    """Check the service's health, or look at supervisord's word."""

    op: int


class Ack(NamedTuple):
    """Write this node's address into the ack."""

    op: int


class Repair(NamedTuple):
    """Write ack and holder of the present term again."""


class Begin(NamedTuple):
    """See who can take over, and mark a switchover begun: no order may take it back then. Of a restart the ack is emptied with
    the mark. kind: as control.py has them. order: id of what was ordered."""

    op: int
    kind: str
    order: str


class TellOutcome(NamedTuple):
    """Write what became of an order, and take it out of the control where it stands there."""

    order: str
    ok: bool
    text: str


class Release(NamedTuple):
    """`dirty`: the group is not proven dead, so the holder stays. successor: the proposal that is to lead then, or ""."""

    op: int
    dirty: bool = False
    successor: str = ""


class Withdraw(NamedTuple):
    """Give up the proposal, leaving ack and holder as they are."""

    op: int


class EndSession(NamedTuple):
    """Close the session as soon as no group of the node runs: the proposal cannot be given up otherwise."""


class CountOthers(NamedTuple):
    """Count the other candidates."""

    op: int


class SeeTerm(NamedTuple):
    """Read ack and holder."""


class AnswerOperator(NamedTuple):
    """tried: nodes that began to lead since, and term: the token of the term after which that was, if its answer is to say
    what became of them."""

    ticket: str
    ok: bool
    exit: int
    text: str
    node: str = ""
    address: str = ""
    seconds: float = 0.0
    tried: Tuple[str, ...] = ()
    term: Optional[int] = None


class Quit(NamedTuple):
    """End the listener with exit status 2, saying `text`."""

    text: str


class Log(NamedTuple):
    """A line for the operator. kind: that of the line, where others have a hand in its text; what stands there is theirs."""

    text: str
    kind: str = ""


Action = Union[
    Propose, Query, StepBehind, LookBehind, AskFit, LookAhead, Claim, Fence, KeepLease, DropLease, StartGroup, StopGroup,
    KillGroup, EnsureDead, Probe, Ack, Repair, Begin, pauses.Consent, pauses.TellPause, pauses.SeeConsent, pauses.EndPause,
    pauses.TakeBackConsent, pauses.EndPauseInTime, TellOutcome, Release, Withdraw, EndSession, CountOthers, SeeTerm,
    AnswerOperator, Quit, Log,
]
"""All that a role machine can have done."""

EVENTS: Tuple[type, ...] = get_args(Event)
ACTIONS: Tuple[type, ...] = get_args(Action)
