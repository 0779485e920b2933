"""Why a node's role changed, as one of a few words: what is counted must not grow with the texts that people read. Pure."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from supervisor_zkelect.core import control, messages, pause_messages
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, MAINTENANCE, PRIMARY, PROMOTING, STANDBY, WITHDRAWN
from supervisor_zkelect.core.state import INFINITY, Rules, State, lease_of

JOINED, ELECTED, ACKED, RELEASED, UNHEALTHY, LEASE, SESSION, PROPOSAL, GUARD, ORDER, FAILBACK, BY_HAND, PAUSE, UNFIT, SHUTDOWN = (
    "joined", "elected", "acked", "released", "unhealthy", "lease", "session", "proposal", "guard", "order", "failback",
    "by_hand", "pause", "unfit", "shutdown",
)

OTHER = "other"

MEANINGS: Dict[str, str] = {
    JOINED: "its proposal stands in the queue",
    ELECTED: "it leads the queue",
    ACKED: "the service is healthy, and the ack is written",
    RELEASED: "the group is dead, and the proposal given up, or gone already",
    UNHEALTHY: "the service failed: a program in FATAL, health checks, a start that failed or took too long",
    LEASE: "the lease ran out, as ZooKeeper's quorum did not answer in time",
    SESSION: "the session with ZooKeeper was lost, or had to be closed",
    PROPOSAL: "the proposal was gone, or did not lead",
    GUARD: "the guard ended the grant by itself",
    ORDER: "an operator's order: switchover, resign, maintenance, restart, or their end",
    FAILBACK: "a node of a higher priority had stood by for long enough",
    BY_HAND: "a program of the group was stopped by hand",
    PAUSE: "a pause, or its end",
    UNFIT: "priority 0, or a check `fit` that fails",
    SHUTDOWN: "the listener or supervisord ends",
    OTHER: "none of these",
}
"""All reasons, and what they mean. One never changes its meaning, and none goes away; there may be more of them one day."""

Kinds = Tuple[Tuple[Tuple[type, ...], str], ...]

#: Events that end a term, or a place in the queue, whatever else is true.
_ENDS: Kinds = (
    ((messages.SessionLost,), SESSION), ((messages.ProposalLost, messages.Rivalled), PROPOSAL), ((messages.Shutdown,), SHUTDOWN),
)

#: Events that may end it, where its lease has not run out at the same moment.
_MAY_END: Kinds = (
    ((messages.SessionUp, messages.SessionEnds), SESSION),
    ((messages.RequestFailed, messages.Queried, messages.Proposed), PROPOSAL),
    ((messages.GrantRevoked,), GUARD), ((messages.Resign, messages.Begun), ORDER), ((pause_messages.ConsentRead,), PAUSE),
    ((messages.AheadSeen,), UNFIT),
)


def of(rules: Rules, before: State, after: State, event: Any, now: float) -> str:
    """Why the event changed the role. now: when."""
    if after.role == STANDBY:
        return JOINED if before.role == DETACHED else PAUSE
    if after.role == PROMOTING:
        return ELECTED if before.role == STANDBY else ORDER
    if after.role == PRIMARY:
        return ACKED if isinstance(event, messages.Acked) else PAUSE
    if after.role == WITHDRAWN:
        return SHUTDOWN
    if after.role == MAINTENANCE or (before.role, after.role) == (MAINTENANCE, DETACHED):
        return ORDER
    if after.role == DETACHED and before.role == DEMOTING:
        return RELEASED
    return _of_an_end(rules, before, after, event, now)


def _of_an_end(rules: Rules, before: State, after: State, event: Any, now: float) -> str:
    """Why this node leaves the queue, or its term ends."""
    if after.role == DEMOTING and after.sick and after.not_before > max(before.not_before, now):
        return UNHEALTHY
    if after.by_hand and isinstance(event, messages.StoppedByHand):
        return BY_HAND
    sure = _listed(_ENDS, event)
    if sure is not None:
        return sure
    if before.enforced and lease_of(rules, after).stops_at <= now:
        return LEASE
    if isinstance(event, messages.Begun) and before.beginning is not None and before.beginning.kind == control.FAILBACK:
        return FAILBACK
    return _listed(_MAY_END, event) or _standing(before, after)


def _listed(kinds: Kinds, event: Any) -> Optional[str]:
    return next((reason for types, reason in kinds if isinstance(event, types)), None)


def _standing(before: State, after: State) -> str:
    """What has been against this node for a while."""
    if after.leaving is not None:
        return SHUTDOWN
    if before.pausing is not None or before.paused_until > -INFINITY:
        return PAUSE
    if after.orders is not None and after.orders.bar:
        return ORDER
    return UNFIT if after.aside or after.fit_trouble else OTHER
