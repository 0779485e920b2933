"""Orders that are under way: what each waits for, and of whom; who has not recognised it yet; taking it back."""

from __future__ import annotations

from typing import Optional

from supervisor_zkelect.core import control, pauses
from supervisor_zkelect.core.control import Control, Unusable
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.core.roles import DEMOTING
from supervisor_zkelect.zookeeper import pause_giving, results
from supervisor_zkelect.zookeeper.errors import AccessDenied, ElectionError, NotConnected, TimedOut
from supervisor_zkelect.zookeeper.given import TAKE_BACK, UNDER_WAY, Given, OrderAnswer, Unanswered
from supervisor_zkelect.zookeeper.giving import give
from supervisor_zkelect.zookeeper.pausing import PauseCalls
from supervisor_zkelect.zookeeper.permit import Expired, Permit

UNKNOWN = 4
"""Exit status of a tool that ZooKeeper does not answer."""

NOTHING = "ZooKeeper did not answer in time; nothing was ordered, and nothing will be"
"""What is told of an order that was not written, and is not written later."""

UNREAD = "ZooKeeper did not answer in time, so it is unknown what is ordered"
"""What is told of orders that were to be shown."""

INTERRUPTED = 130
"""Exit status of a tool whose user has had enough, as a shell has it for Ctrl-C."""


#: What became of an order that is to be taken back, beside the name of a node whose maintenance it was: no node has such a name.
_BEGUN, _ENDED = "/begun", "/ended"


def attempt(elector: PauseCalls, given: Given, permit: Optional[Permit] = None) -> OrderAnswer:
    """Give the order, or take it back, and say what came of that. Raises nothing that an election does.

    permit: until when it may be written; None for as long as that takes."""
    permit = permit or Permit()
    what = "the orders were not read" if given.kind in ("show", "log") else "the order was not written"
    try:
        with elector.ending_by(permit.until):
            if given.kind in pause_giving.KINDS:
                return pause_giving.give(elector, given, permit)
            return take_back(elector, given.id, given.by) if given.kind == TAKE_BACK else give(elector, given, permit)
    except Unanswered as error:
        return OrderAnswer(False, UNKNOWN, f"it is unknown whether the order was written: {error}")
    except Expired:
        return OrderAnswer(False, UNKNOWN, NOTHING)
    except (NotConnected, TimedOut) as error:
        if given.kind == TAKE_BACK or permit.sent:
            return OrderAnswer(False, UNKNOWN, f"it is unknown whether the order stands: {error}")
        return OrderAnswer(False, UNKNOWN, UNREAD if given.kind in ("show", "log") else NOTHING)
    except (ElectionError, Unusable) as error:
        return OrderAnswer(False, 1, f"{what}: {error}")


def came_of(elector: PauseCalls, given: Given, order: str, term: int) -> Optional[OrderAnswer]:
    """What became of an order that was written, as `results.came_of`; None while it is under way. Raises ElectionError."""
    if given.kind not in pause_giving.KINDS:
        return results.came_of(elector, given, order, term)
    answer = pause_giving.came_of(elector, given, order)
    return None if answer.exit == UNDER_WAY else answer


def awaited(elector: PauseCalls, given: Given) -> str:
    """What an order that is under way waits for: "b to stop". Raises ElectionError."""
    if given.kind == "maintenance off":
        entry = elector.entry_of(given.node)
        unfit = f", which is not fit: {entry.unfit}" if entry is not None and entry.unfit else ""
        return f"{given.node} to come into the queue{unfit}"
    late, holder = elector.unrecognised(), elector.holder()
    if given.kind == "maintenance on":
        if given.node in late:
            return f"{given.node} to recognise the order"
        leads = holder is not None and holder.node == given.node
        return f"{given.node} to {'hand over' if leads else 'leave the queue'}"
    found, leader = elector.read_control(), holder.node if holder is not None and holder.node else "the primary"
    if given.kind == "restart":
        begun = found.restart is None or found.restart.begun
        return f"the service of {leader} to be healthy" if begun else f"{leader} to {_beginning(leader in late)}"
    standing = found.switchover
    if standing is not None and not standing.begun:
        return f"{leader} to {_beginning(leader in late)}"
    if standing is not None and holder is not None and holder.token == standing.begun:
        return f"{leader} to stop"
    if standing is not None or holder is None:
        return f"{given.node or 'the next node'} to lead"
    return f"the service of {leader} to be healthy"


def _beginning(late: bool) -> str:
    return "recognise the order" if late else "begin"


def waited_enough(elector: PauseCalls, given: Given, order: str = "") -> OrderAnswer:
    """The answer to who has waited for long enough: what is awaited, and who has not recognised the order yet. What cannot be
    read of that is left out. Also one that has failed may have something awaited: that another node leads. order: its id, where
    that is another than the one with which it was given."""
    answer = results.under_way(given)
    try:
        failed = results.nobody_leads(elector, given, order or given.id)
        if failed is not None:
            return failed
        if given.kind in pause_giving.KINDS:
            answer = pause_giving.came_of(elector, given, order or given.id)
            if answer.exit != UNDER_WAY:
                return answer
            what, late = answer.more["awaited"], elector.unrecognised()
            text = f"{answer.text} (not yet recognised by {', '.join(late)})" if late else answer.text
        else:
            what, late = awaited(elector, given), elector.unrecognised()
            there = f"; not yet recognised by {', '.join(late)}" if late else ""
            text = f"{answer.text} (waiting for {what}{there})"
    except ElectionError:
        return answer
    return OrderAnswer(False, UNDER_WAY, text, more={"awaited": what, "unrecognised": late})


def take_back(elector: PauseCalls, order: str, by: str = "") -> OrderAnswer:
    """Take an order back that has not begun, or say that it stands: for who waited for it, and has had enough. order: its id.
    Raises ElectionError, and control.Unusable."""
    what = ""

    def change(found: Control) -> Optional[control.Change]:
        nonlocal what
        what = ""
        standing = found.switchover
        if standing is not None and standing.order.id == order:
            what = _BEGUN if standing.begun else _ENDED
            return None if standing.begun else control.end_switchover
        restart = found.restart
        if restart is not None and restart.order.id == order:
            what = _BEGUN if restart.begun else _ENDED
            return None if restart.begun else control.end_restart
        for pause in (found.asked, found.paused):
            if pause is not None and order in (pause.order.id, pause.resume):
                asked = pause is found.asked
                what = _ENDED if asked else _BEGUN
                return pauses.end if asked else None
        what = next((node for node, one in found.maintenance.items() if one.id == order), "")
        if found.leaving.get(what):
            what = _BEGUN
            return None
        return control.take_back_maintenance(what) if what else None

    elector.amend_control(change)
    if what == _BEGUN:
        return OrderAnswer(False, INTERRUPTED, "interrupted; the order has begun, and stands: see zkelect list")
    if not what:
        return OrderAnswer(False, INTERRUPTED, f"interrupted; {_ended(elector, order)}")
    try:
        elector.tell_outcome(Outcome(order, False, "it was taken back" + (f" by {by}" if by else "")))
    except AccessDenied:
        # It is taken back all the same.
        pass
    if what == _ENDED:
        return OrderAnswer(False, INTERRUPTED, "interrupted; the order is taken back, and nothing was stopped for it")
    before = elector.read_control().maintenance.get(what)
    stands = before is not None and before.stands(elector.server_time())
    now = f"stays {control.maintenance_in_words(before)}" if before and stands else "stays in the queue, or comes back into it"
    # One that was forced is begun without a mark.
    entry = elector.entry_of(what)
    stops = f"; {what} is stopping all the same" if entry is not None and entry.state == DEMOTING else ""
    return OrderAnswer(False, INTERRUPTED, f"interrupted; the order is taken back: {what} {now}{stops}")


def _ended(elector: PauseCalls, order: str) -> str:
    """What is known of an order that does not stand: also of one that is done when it is written, as `maintenance off`."""
    came = next((one for one in elector.outcomes() if one.id == order), None)
    if came is None:
        return "the order does not stand, or is done already: see zkelect list and zkelect orders --log"
    return f"it is done already: {came.text}" if came.ok else f"the order does not stand any more: {came.text}"
