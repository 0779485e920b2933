"""Events that the role machine takes, and actions that it has done. All times are seconds of one clock.

What concerns session, proposal and term stands here; the group in `group_messages.py`, operators' orders in `order_messages.py`,
a pause in `pause_messages.py`, and the place in the queue in `standing.py`.

An event with `op` answers the action that had this number.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple, Union, get_args

from supervisor_zkelect.core import pause_messages as pauses
from supervisor_zkelect.core.group_messages import Dead as Dead
from supervisor_zkelect.core.group_messages import EnsureDead as EnsureDead
from supervisor_zkelect.core.group_messages import GrantRevoked as GrantRevoked
from supervisor_zkelect.core.group_messages import KillGroup as KillGroup
from supervisor_zkelect.core.group_messages import MemberChanged as MemberChanged
from supervisor_zkelect.core.group_messages import MemberFatal as MemberFatal
from supervisor_zkelect.core.group_messages import MemberRuns as MemberRuns
from supervisor_zkelect.core.group_messages import Probe as Probe
from supervisor_zkelect.core.group_messages import Probed as Probed
from supervisor_zkelect.core.group_messages import ServiceStarted as ServiceStarted
from supervisor_zkelect.core.group_messages import StartedByHand as StartedByHand
from supervisor_zkelect.core.group_messages import StartFailed as StartFailed
from supervisor_zkelect.core.group_messages import StartGroup as StartGroup
from supervisor_zkelect.core.group_messages import StopGroup as StopGroup
from supervisor_zkelect.core.group_messages import StoppedByHand as StoppedByHand
from supervisor_zkelect.core.group_messages import Stuck as Stuck
from supervisor_zkelect.core.order_messages import AnswerOperator as AnswerOperator
from supervisor_zkelect.core.order_messages import Begin as Begin
from supervisor_zkelect.core.order_messages import Begun as Begun
from supervisor_zkelect.core.order_messages import ControlSeen as ControlSeen
from supervisor_zkelect.core.order_messages import CountOthers as CountOthers
from supervisor_zkelect.core.order_messages import OrderNotBegun as OrderNotBegun
from supervisor_zkelect.core.order_messages import OthersCounted as OthersCounted
from supervisor_zkelect.core.order_messages import Resign as Resign
from supervisor_zkelect.core.order_messages import TellOutcome as TellOutcome
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
    order: id of the operator's order that led to it, or ""; missed: who was to lead by it, "" where this node was. lost:
    token of the term of `dirty`, 0 where that is not known."""

    op: int
    dirty: str
    lease: Optional[Leased] = None
    order: str = ""
    missed: str = ""
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


class TermSeen(NamedTuple):
    """What ack and holder say; `address` is "" while nobody is primary.

    token: the holder's, 0 without one. known: whether they could be read. read_in: token of the term in which
    they were read, None outside of any. held: the address in the holder, None when nobody asked. gone: whether the session of
    that primary is over and no pause stands, where that was looked at.
    """

    node: str
    address: str
    token: int = 0
    known: bool = True
    read_in: Optional[int] = None
    held: Optional[str] = None
    gone: bool = False

    @property
    def leader(self) -> str:
        """The node that has written this ack, "" where that is not known. Another address in the holder is that of a term before:
        a program that notes no holder leads now."""
        return self.node if self.held in (None, self.address) else ""


class Reconfigured(NamedTuple):
    """The settings are others from now on. readdressed: so is the address."""

    readdressed: bool


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
    Reconfigured, ControlSeen, pauses.ConsentRead, pauses.PauseWritten, pauses.PauseEchoed, Begun, OrderNotBegun, Resign,
    Shutdown, SessionEnds, Tick,
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


class Ack(NamedTuple):
    """Write this node's address into the ack."""

    op: int


class Repair(NamedTuple):
    """Write ack and holder of the present term again."""


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


class SeeTerm(NamedTuple):
    """Read ack and holder."""


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
