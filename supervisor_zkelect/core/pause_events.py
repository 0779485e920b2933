"""What of a pause is told to operators as an event: that it is asked for, begun, confirmed, resumed or over, and by whom. Pure.

Who runs by it tells most of it. What that node cannot tell, as it is dead, is told by whoever acts in its place.
"""

from __future__ import annotations

from typing import Iterator, Optional, Sequence, Tuple

from supervisor_zkelect.core import messages, pause_messages, roles
from supervisor_zkelect.core.messages import ControlSeen
from supervisor_zkelect.core.pause_messages import PauseSeen
from supervisor_zkelect.core.state import INFINITY, State

Line = Tuple[str, Tuple[str, ...]]
"""A text, and kinds of orders as `happened.Told` has them."""

RESUMED = ("resume", "resume by force", "reset")


def told(before: State, after: State, actions: Sequence[messages.Action]) -> Iterator[Line]:
    """What happened to a pause by a step of the role machine, in order."""
    was, now = _pause(before.orders), _pause(after.orders)
    leads = roles.PRIMARY in (before.role, after.role) or after.role == roles.PROMOTING
    if _known(before.orders) and _known(after.orders):
        yield from _ordered(before, after, was, now, leads)
    yield from _led(before, after, was or now)
    if after.halted and not before.halted:
        yield "leads the queue, and is not promoted" + _for_what(now), ()
    # What could not be written is tried again; and what was taken back with a release need not have been read yet.
    if before.pause_at == -INFINITY and before.step != "releasing":
        for action in actions:
            if isinstance(action, pause_messages.EndPauseInTime):
                yield "ends the pause, as its time is over", ()
            elif isinstance(action, pause_messages.TakeBackConsent):
                yield "takes its consent to the pause back, as that term is over", ()


def _ordered(before: State, after: State, was: Optional[PauseSeen], now: Optional[PauseSeen], leads: bool) -> Iterator[Line]:
    """What operators did about a pause."""
    same = was is not None and now is not None and was.order == now.order
    if leads and now is not None and not now.stands and not same:
        yield f"a pause is asked for{_lasting(now)}{_given(now)}", ()
    consented = before.pausing is not None and before.pausing.step != "consenting"
    if leads and was is not None and not was.stands and now is None and not consented:
        yield "the pause that was asked for is taken back", RESUMED
    if leads and same and now is not None and now.resume and not (was is not None and was.resume):
        yield "the pause is to end", RESUMED
    if before.waits_for_pause and was is not None and was.stands and now is None:
        # Where its node has ended it, that node tells so.
        yield "the pause is ended", RESUMED if not was.consent else RESUMED[1:]


def _led(before: State, after: State, pause: Optional[PauseSeen]) -> Iterator[Line]:
    """What became of the pause of this node's own term."""
    was, now = before.pausing, after.pausing
    step, then = was.step if was is not None else "", now.step if now is not None else ""
    if (step, then) == ("consenting", "telling"):
        yield f"has consented to the pause{_lasting(pause)}{_given(pause)}", ()
    if after.consented and not before.consented:
        yield "paused: the guard has confirmed that the service runs on, whatever becomes of ZooKeeper", ()
    if (step, then) == ("looking", "bounding"):
        yield "the consent to the pause is gone; goes on as an ordinary primary", ()
    if (step, then) == ("resuming", "") and roles.DEMOTING not in (before.role, after.role):
        yield "the pause has ended" + (" by itself, as its time is over" if before.lapsed else ""), ()


def _pause(orders: Optional[ControlSeen]) -> Optional[PauseSeen]:
    return orders.pause if orders is not None else None


def _known(orders: Optional[ControlSeen]) -> bool:
    return orders is not None and not orders.unread


def _for_what(pause: Optional[PauseSeen]) -> str:
    return f": {pause.why}" if pause is not None else ""


def _given(pause: Optional[PauseSeen]) -> str:
    """Who gave it, and why."""
    return pause.why[len("paused"):] if pause is not None and pause.why.startswith("paused") else ""


def _lasting(pause: Optional[PauseSeen]) -> str:
    return f" for {pause.lasts:g} s" if pause is not None and pause.lasts < INFINITY else ""
