"""The beginning of a handover: before anything is stopped, somebody must be known who takes over."""

from __future__ import annotations

from supervisor_zkelect.core import messages
from supervisor_zkelect.core.state import Beginning
from supervisor_zkelect.core.turn import Turn


def switched(orders: messages.ControlSeen) -> str:
    """What is told of a term that a switchover ends."""
    return f"switched over to {orders.to or 'the next node'} by order{orders.said}"


def begin(turn: Turn, kind: str, order: str, reason: str) -> None:
    """Ask whether somebody can take over, and mark a switchover begun; the answer ends the term."""
    number = turn.state.op + 1
    turn.set(op=number, beginning=Beginning(number, kind, order, reason))
    turn.act(messages.Begin(number, kind, order))
