"""Events and actions of the role machine (`messages.py`) about who of a queue should lead: its place, those behind, whether
this node is fit."""

from __future__ import annotations

from typing import NamedTuple, Optional

# Events


class Queried(NamedTuple):
    """acked: whether somebody was acked since the proposal was made; known of who leads. rival: who leads by another program's
    rule though nobody is before this node; or "". lasting: path of the znode next ahead where it is no ephemeral one; or "".
    better: of who leads or is next in line, the proposal with a higher priority that stands behind; or "". term: token of the
    holder then, 0 without one. paused: the znode next ahead is the barrier of a pause. ahead: id of the session that owns the
    proposal next ahead; 0 for none."""

    op: int
    leads: bool
    place: int
    candidates: int
    acked: bool = False
    rival: str = ""
    lasting: str = ""
    better: str = ""
    term: int = 0
    paused: bool = False
    ahead: int = 0


class BehindSeen(NamedTuple):
    """better: the proposal of a candidate with a higher priority, "" where there is none; node: its node. term: token of the
    holder, 0 without one. kept: why a primary may hand over to nobody, though there is a better one."""

    op: int
    better: str = ""
    node: str = ""
    term: int = 0
    kept: str = ""


class Stayed(NamedTuple):
    """The proposal was not exchanged, and nothing is changed; why: a line."""

    op: int
    why: str


class FitSeen(NamedTuple):
    """The outcome of a check whether this node is fit to lead."""

    op: int
    ok: bool
    reason: str


class AheadSeen(NamedTuple):
    """term: token of who leads and is acked, 0 where nobody else does. known: whether that could be read."""

    op: int
    term: int = 0
    known: bool = True


# Actions


class StepBehind(NamedTuple):
    """Exchange the proposal for one at the end of the queue. better: the proposal for which, if it stands still; "" for none."""

    op: int
    better: str = ""


class LookBehind(NamedTuple):
    """See whether somebody with a higher priority stands behind. stood: for a primary, the seconds for which he must have stood
    by, if it is to hand over to him; None for the next in line."""

    op: int
    stood: Optional[float] = None


class AskFit(NamedTuple):
    """Check whether this node is fit to lead."""

    op: int


class LookAhead(NamedTuple):
    """See whether somebody else leads and is acked."""

    op: int
