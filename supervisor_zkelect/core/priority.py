"""Priorities: whom a node lets go first, and to whom a primary hands back. Pure.

They compare by what the proposals say (`ranks.py`), and by nothing else.

Only the next in line looks at who stands behind it, every T and before it claims, so that a change of the queue wakes one node as
before. Behind a better one it steps at most once between two claims: whatever priorities there are, a queue comes to rest.
"""

from __future__ import annotations

from typing import Optional

from supervisor_zkelect.core import control, handover, messages
from supervisor_zkelect.core.roles import PRIMARY, STANDBY
from supervisor_zkelect.core.state import INFINITY
from supervisor_zkelect.core.turn import Turn

#: Longest wait between two looks of a primary whom it may hand over to, in seconds.
BACK_MOST = 60.0

# Stepping behind


def may_step(turn: Turn, term: int, acked: bool) -> bool:
    """Whether somebody has claimed a term since this node stepped behind others. term: token of the holder, 0 without one. acked:
    whether somebody was acked since the present proposal was made; to be relied on where it was made while nobody led."""
    state = turn.state
    if state.stays or state.inherited is not None or state.paused:
        return False
    return not state.stepped or term > state.stepped_in or state.stepped_first and acked


def is_ordered(turn: Turn) -> bool:
    """Whether this node is to lead by an order that stands."""
    state, orders = turn.state, turn.state.orders
    if orders is None:
        return False
    return bool(orders.begun and orders.target == state.proposal or orders.order and orders.to == turn.rules.node)


def yields(turn: Turn, event: messages.Queried) -> bool:
    """Whether a better one, who stands behind, goes first."""
    again = not may_step(turn, event.term, event.acked) or turn.now < turn.state.stay_until
    return bool(event.better) and not again and not is_ordered(turn)


def step(turn: Turn, why: str, better: str = "", first: bool = False, kind: str = "") -> None:
    """Step behind the others. better: the proposal for which, where there is one. first: nobody stands before this node. kind: of
    the line, as `messages.Log` has it."""
    turn.act(messages.Log(why, kind))
    turn.go(STANDBY, "stepping")
    turn.set(better=better, stepping_first=first)
    turn.ask(messages.StepBehind, better)


def stayed(turn: Turn, event: messages.Stayed) -> None:
    """Nothing was exchanged: who was better is gone, or this node is to lead by order."""
    turn.act(messages.Log(f"keeps its place: {event.why}", "keeps its place"))
    turn.set(stay_until=turn.now + turn.state.timeout)
    turn.go(STANDBY, "asking")
    turn.ask(messages.Query)


def propose_anew(turn: Turn) -> None:
    """Make another proposal where the present one, which does not lead, has another priority than the file."""
    if turn.now >= turn.state.stay_until > -INFINITY:
        turn.set(stay_until=-INFINITY)
    state = turn.state
    if state.paused:
        # Nobody is promoted, so nobody is to go first; and the exchange would be refused again and again.
        return
    watching = (state.role, state.step) == (STANDBY, "watching") and state.inherited is None and state.up
    wanted = turn.rules.priority
    changed = wanted and state.priority not in (None, wanted) and turn.now >= state.stay_until
    if watching and changed and not state.stays and not is_ordered(turn):
        step(turn, f"its priority is {wanted} from now on, and was {state.priority}")


# Looking


def schedule_look(turn: Turn) -> None:
    """The queue behind was just looked at, or there is something to look for from now on."""
    turn.set(behind_at=turn.now + turn.state.timeout if _looks(turn) else INFINITY)


def _looks(turn: Turn) -> bool:
    state, rules = turn.state, turn.rules
    if (state.role, state.step) == (STANDBY, "watching"):
        return state.next_in_line
    return state.role == PRIMARY and rules.failback is not None


def look(turn: Turn) -> None:
    """Look who stands behind, where that is due."""
    state = turn.state
    if not _looks(turn):
        if state.behind_at < INFINITY or state.looking_behind:
            turn.set(behind_at=INFINITY, looking_behind=0)
        return
    if state.behind_at == INFINITY:
        schedule_look(turn)
    elif state.behind_at <= turn.now and state.up:
        schedule_look(turn)
        stood: Optional[float] = turn.rules.failback if state.role == PRIMARY else None
        turn.request("looking_behind", messages.LookBehind, stood)


def behind_seen(turn: Turn, event: messages.BehindSeen) -> None:
    state = turn.state
    if event.op != state.looking_behind:
        return
    turn.set(looking_behind=0)
    if not event.better:
        if event.kept:
            not_handed_back(turn, event.kept)
        return
    if state.role == PRIMARY:
        _hand_back(turn, event)
    elif may_step(turn, event.term, False) and turn.now >= state.stay_until and not is_ordered(turn):
        step(turn, f"steps behind {event.node or event.better}, whose priority is higher", event.better, kind="steps behind")


def not_handed_back(turn: Turn, why: str) -> None:
    """There is a better one, and nobody may hand over to it: that is looked for again ever more seldom."""
    pause = min(BACK_MOST, max(turn.state.timeout, 2 * turn.state.back_pause))
    if why != turn.state.back_why:
        turn.act(messages.Log(f"does not hand back: {why}", "does not hand back"))
    turn.set(back_pause=pause, back_why=why, behind_at=max(turn.state.behind_at, turn.now + pause))


def look_again(turn: Turn) -> None:
    """What kept it from handing back may be over: look at the usual pace."""
    if turn.state.back_pause:
        turn.set(back_pause=0.0, behind_at=min(turn.state.behind_at, turn.now + turn.state.timeout))


def _hand_back(turn: Turn, event: messages.BehindSeen) -> None:
    """Hand over to a better node, unless an operator has ordered something."""
    orders = turn.state.orders
    idle = orders is not None and not orders.bar and not orders.order and not orders.restart
    if idle and turn.state.may_begin and turn.rules.failback is not None and not turn.state.resigning:
        reason = f"hands back to {event.node}, whose priority is higher"
        handover.begin(turn, control.FAILBACK, event.better, reason)
