"""A restart by order: the service again, in the same term.

The primary marks the order begun, in a transaction that checks its proposal and empties the ack: clients that read it wait, as
at a handover, and are not sent to a service that stops, or that is not healthy yet. Then the group is stopped, with its
stopwaitsecs, proven dead, started under the same token, probed as in a promotion, and acked again. One that is not healthy within
promote_timeout has failed, and another node leads.

It is the least of all orders: whatever else ends the term, a handover by order included, ends it at once, and the restart with
it. While it goes on nothing of the group counts as a failure or as somebody's hand; lease and proposal count as ever.
"""

from __future__ import annotations

from supervisor_zkelect.core import control, handover, messages
from supervisor_zkelect.core.roles import PROMOTING
from supervisor_zkelect.core.state import INFINITY, Beginning, restart_due
from supervisor_zkelect.core.turn import Turn

#: Seconds until a restart that could not be marked begun is tried again, and until its outcome is told again where it stands
#: still.
AGAIN = 2.0


def obey(turn: Turn) -> None:
    """Begin the restart that is ordered and due, or drop one that is over."""
    state, now = turn.state, turn.now
    ordered = state.orders.restart if state.orders is not None else None
    if ordered is None:
        return
    if (state.role, state.step) == (PROMOTING, "starting") and ordered.begun == state.token:
        # An earlier listener of this node has begun it.
        turn.set(restart=ordered.id, restart_since=state.restart_since if state.restart else now)
    if restart_due(state) > now:
        return
    turn.set(restart_at=now + AGAIN)
    if ordered.id == state.restarted:
        _tell(turn, ordered.id, True, "the service was restarted")
    elif ordered.id == state.restart_refused:
        _tell(turn, ordered.id, False, "not restarted")
    elif {ordered.begun, ordered.term} - {0, state.token}:
        _tell(turn, ordered.id, False, f"not restarted: that term is over, and {turn.rules.node} leads in another one")
    elif ordered.begun and ordered.id != state.restart_asked:
        text = "a listener ended in the middle of it; supervisorctl status tells since when its programs run"
        _tell(turn, ordered.id, False, text)
    else:
        turn.set(restart_asked=ordered.id)
        handover.begin(turn, control.RESTART, ordered.id, f"restarted by order{ordered.said}")


def begun(turn: Turn, beginning: Beginning) -> None:
    """The order is marked begun, and the ack empty."""
    turn.go(PROMOTING, "restarting", beginning.reason)
    turn.set(
        restart=beginning.order, restart_since=turn.now, probe_at=INFINITY, probing=0, counter=None, healthy_by=INFINITY,
        trouble="", repairs=0, repair_at=INFINITY,
    )
    turn.request("waiting", messages.StopGroup, turn.now + turn.rules.stopwaitsecs)


def not_begun(turn: Turn, beginning: Beginning, event: messages.OrderNotBegun) -> None:
    turn.set(restart_at=turn.now + AGAIN)
    if event.known:
        turn.set(restart_refused=beginning.order)
        _tell(turn, beginning.order, False, f"not restarted: {event.why}")


def done(turn: Turn) -> None:
    """The service is acked: say so to who ordered its restart."""
    state = turn.state
    if state.restart:
        _tell(turn, state.restart, True, f"{turn.rules.node} has restarted the service in {turn.now - state.restart_since:.3f} s")
        turn.set(restart="", restarted=state.restart, restart_at=turn.now + AGAIN)


def failed(turn: Turn, reason: str) -> None:
    """The term ends, and a restart in it."""
    if turn.state.restart:
        _tell(turn, turn.state.restart, False, f"the term ended during the restart: {reason}")
        turn.set(restart="")


def _tell(turn: Turn, order: str, ok: bool, text: str) -> None:
    turn.act(messages.TellOutcome(order, ok, text))
