"""What of a step of the role machine is told to operators as an event. Pure."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core import journal, messages, moments, pause_events, roles
from supervisor_zkelect.core.messages import ControlSeen
from supervisor_zkelect.core.state import INFINITY, State


class Told(NamedTuple):
    """kind: as journal.py has them. given: kinds of orders: it is to be told only if the log of orders has one of them from just
    now, with who gave that, and why. () for what is told in any case."""

    kind: str
    text: str
    given: Tuple[str, ...] = ()


def told(before: State, after: State, actions: Sequence[messages.Action], shift: float = 0.0) -> List[Told]:
    """What happened by a step, in order. shift: seconds from the machine's clock to those since 1970."""
    found: List[Told] = []
    if after.role != before.role:
        found.append(Told(journal.ROLE, f"{before.role} -> {after.role}: {after.reason}"))
    if after.trouble and after.trouble != before.trouble:
        found.append(Told(journal.FAILURE, after.trouble))
    if after.orders is not None and not after.orders.unread and after.orders is not before.orders:
        known = before.orders if before.orders is not None and not before.orders.unread else None
        found += _maintained(known, after.orders)
        if after.role in (roles.PRIMARY, roles.PROMOTING):
            found += _ordered(known, after.orders, shift)
    found += [Told(journal.ORDER, *line) for line in pause_events.told(before, after, actions)]
    # Of a maintenance the change of role tells, also when the listener was started again.
    bar = after.orders.bar_id if after.orders is not None else ""
    outcomes = [one for one in actions if isinstance(one, messages.TellOutcome) and one.order != bar]
    return found + [Told(journal.ORDER, one.text) for one in outcomes]


def _maintained(was: Optional[ControlSeen], now: ControlSeen) -> List[Told]:
    if was is None or was.bar_id == now.bar_id:
        return []
    if now.bar_id:
        return [Told(journal.ORDER, f"ordered: {now.bar}")]
    return [Told(journal.ORDER, "maintenance is taken back", ("maintenance off", "reset"))]


def _ordered(was: Optional[ControlSeen], now: ControlSeen, shift: float) -> List[Told]:
    """What is ordered of the primary. What is taken out of the control may be done as well as taken back."""
    found: List[Told] = []
    known = was or ControlSeen()
    if now.order not in ("", known.order):
        text = f"a switchover to {now.to or 'the next node'} is ordered"
        found.append(Told(journal.ORDER, f"{text}{_for(now.due, shift)}{_by(now.said)}"))
    restart, before = now.restart, known.restart
    if restart is not None and (before is None or before.id != restart.id):
        found.append(Told(journal.ORDER, f"a restart is ordered{_for(restart.due, shift)}{_by(restart.said)}"))
    if known.order and not now.order and not known.begun:
        text = f"the switchover to {known.to or 'the next node'} is taken back"
        found.append(Told(journal.ORDER, text, ("cancel", "reset")))
    if before is not None and restart is None and not before.begun:
        found.append(Told(journal.ORDER, "the restart is taken back", ("cancel restart", "reset")))
    return found


def _for(due: float, shift: float) -> str:
    return "" if due == -INFINITY else f" for {moments.utc(round(1000 * (due + shift)))}"


def _by(said: str) -> str:
    """Who gave an order and why, from its form behind "by order"."""
    return f" by {said[4:]}" if said.startswith(" of ") else said
