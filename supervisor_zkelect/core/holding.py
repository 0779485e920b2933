"""A term that a pause keeps going: it goes on without its proposal and without a session.

The consent of this node, and the barrier behind its proposal, stand in ZooKeeper whatever becomes of the session, so nobody else
leads; what ends such a term stands in `pausing.py`.
"""

from __future__ import annotations

from supervisor_zkelect.core import messages, pause_messages
from supervisor_zkelect.core.roles import DEMOTING, PRIMARY
from supervisor_zkelect.core.service import Counter
from supervisor_zkelect.core.state import INFINITY, Pausing
from supervisor_zkelect.core.turn import Turn


def go_on(turn: Turn, reason: str) -> None:
    """Go on in a pause, though there is no proposal any more. reason: why there is none."""
    state = turn.state
    # Without the proposal the pause alone counts, also for the guard.
    turn.set(deadline=min(state.deadline, turn.now))
    turn.act(messages.DropLease())
    turn.act(pause_messages.TellPause())
    if state.role == DEMOTING:
        turn.set(proposal=None, lasting="", unadopted=False)
        return
    token = state.token if state.inherited is None else state.inherited
    if state.proposal is not None or state.inherited is not None:
        turn.act(messages.Log(f"goes on in the pause without a proposal: {reason}", "paused without a proposal"))
    pausing = state.pausing or Pausing("", "telling", again=turn.now)
    if state.role != PRIMARY:
        turn.set(token=token)
        turn.go(PRIMARY, "", "goes on in the pause")
    turn.set(
        proposal=None, lasting="", unadopted=False, inherited=None, token=token, led=False, beginning=None, healthy_by=INFINITY,
        pausing=pausing, counter=state.counter or Counter(turn.rules.rise, turn.rules.fall),
    )
    if turn.state.probe_at == INFINITY and not turn.state.probing:
        turn.set(probe_at=turn.now)
