"""Why a node's role changed, as one of a few words: what is counted must not grow with the texts that people read. Pure."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from supervisor_zkelect.core import control, messages, pause_messages
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, MAINTENANCE, PRIMARY, PROMOTING, STANDBY, WITHDRAWN
from supervisor_zkelect.core.state import INFINITY, Rules, State, lease_of
from supervisor_zkelect.core.tally_words import (
    ACKED,
    BY_HAND,
    ELECTED,
    FAILBACK,
    GUARD,
    JOINED,
    LEASE,
    ORDER,
    OTHER,
    PAUSE,
    PROPOSAL,
    RELEASED,
    SESSION,
    SHUTDOWN,
    UNFIT,
    UNHEALTHY,
)

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
    if isinstance(event, messages.Queried) and before.inherited is None:
        # Nothing that ran depended on the answer.
        return _standing(before, after)
    return _listed(_MAY_END, event) or _standing(before, after)


def _listed(kinds: Kinds, event: Any) -> Optional[str]:
    return next((reason for types, reason in kinds if isinstance(event, types)), None)


def _standing(before: State, after: State) -> str:
    """What has been against this node for a while."""
    if after.leaving is not None:
        return SHUTDOWN
    if before.pausing is not None or before.paused_until > -INFINITY:
        return PAUSE
    if after.orders is not None and after.orders.bar or after.handed_over:
        return ORDER
    return UNFIT if after.aside or after.fit_trouble else OTHER
