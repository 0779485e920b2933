"""Events and actions of the role machine (`messages.py`) that concern what operators order, but for a pause. All times are
seconds of one clock.

An event with `op` answers the action that had this number.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

from supervisor_zkelect.core import pause_messages as pauses
from supervisor_zkelect.core.control import RestartSeen

# Events


class ControlSeen(NamedTuple):
    """What operators have ordered, as far as it concerns this node. bar: why it may not lead, and stands in no queue; "" where
    nothing keeps it from that. until: when that ends by itself. bar_id: id of the order of maintenance, "" where the control
    cannot be used. forced: it counts even if nobody can take over. unread: the control could not be read, and may be again.

    order: id of a switchover that stands, or "". due: when it is due. to: who is to lead; "" for whoever is next. begun: token of
    the term that it ends, 0 before. target: the proposal that is to lead then. missed: who was to lead by it, in words, where
    this node leads instead. restart: that is ordered. said: who gave the switchover, and why, as a reason has it. pause: one that
    stands, or is asked for.
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
    missed: str = ""


class Begun(NamedTuple):
    """A handover is marked begun, or a restart; target: the proposal that is to lead next, "" where nobody was asked."""

    op: int
    target: str


class OrderNotBegun(NamedTuple):
    """A handover or a restart is not begun, and nothing is stopped for it. known: whether that is for want of somebody to take
    over, or of the order, and not since ZooKeeper does not tell."""

    op: int
    why: str
    known: bool = True


class OthersCounted(NamedTuple):
    """How many other candidates stand in the queue; -1 where it cannot be read. why: why it cannot."""

    op: int
    others: int
    why: str = ""


class Resign(NamedTuple):
    """`force`: even if nobody is there to take over; and even if the group cannot be proven dead. said: who gave the order, and
    why, as `control.said` has it; "" where that is not known."""

    ticket: str
    force: bool = False
    said: str = ""


# Actions


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


class CountOthers(NamedTuple):
    """Count the other candidates."""

    op: int


class AnswerOperator(NamedTuple):
    """resigned: whether the term was given up for it, which is to stand in the log of orders. tried: nodes that began to lead
    since, and term: the token of the term after which that was, if its answer is to say what became of them."""

    ticket: str
    ok: bool
    exit: int
    text: str
    node: str = ""
    address: str = ""
    seconds: float = 0.0
    tried: Tuple[str, ...] = ()
    term: Optional[int] = None
    resigned: bool = False
