"""Giving orders: writing one, and into the log of orders, or saying why not.

Each function is given an elector, which need not stand in the queue, and waits for ZooKeeper only. `asked.py` makes an order
(`given.py`) of what somebody has typed; `refusals.py` has what speaks against one, `results.py` what became of it; `following.py`
tells what an order that is under way waits for, and takes it back.
"""

from __future__ import annotations

import os
from typing import Callable, Optional, Set, Tuple, TypeVar

from supervisor_zkelect.core import control, control_words, moments, pauses
from supervisor_zkelect.core.control import Control, Order, Restart, Switchover
from supervisor_zkelect.core.order_log import Noted
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.zookeeper import precheck
from supervisor_zkelect.zookeeper.desk import DeskCalls
from supervisor_zkelect.zookeeper.errors import AccessDenied, ElectionError, NotConnected, TimedOut
from supervisor_zkelect.zookeeper.given import CANCELLED, USAGE, Given, OrderAnswer, Unanswered, stands
from supervisor_zkelect.zookeeper.permit import Permit
from supervisor_zkelect.zookeeper.refusals import refusal, unknown

T = TypeVar("T")

#: Milliseconds in a second.
_MS = 1000

CLOCKS_DIFFER = 30.0
"""Seconds by which the clock of whoever gives an order may differ from ZooKeeper's without being told: what it takes to ask."""

#: Outcomes of kinds that are done when they are written.
_DONE = {
    "maintenance off": "it was taken out of maintenance",
    **{kind: f"the {what} was taken back" for kind, what in CANCELLED.items()},
}


def give(elector: DeskCalls, given: Given, permit: Optional[Permit] = None) -> OrderAnswer:
    """Write the order, where nothing speaks against it, and as long as the permit lets it, if there is one. Raises
    ElectionError, and control.Unusable."""
    permit = permit or Permit()
    if given.kind in _READ:
        return _READ[given.kind](elector, given)
    elector.prepare()
    if given.kind in _AT_ONCE:
        return _AT_ONCE[given.kind](elector, given, permit)
    shown, order = elector.server_time(), given.id or os.urandom(16).hex()
    moment = given.due if given.seconds is None else shown + round(_MS * given.seconds)
    wanted = Order(order, given.by, given.reason, shown, None, given.force)
    holder = elector.holder()
    term = holder.token if holder is not None else 0
    warning = _clocks(given, shown)
    if is_told(elector, order):
        return OrderAnswer(True, 0, "", order, term, (), warning)
    before, refused, missing, checked = Control(), "", "", precheck.Checked()

    def change(found: Control) -> Optional[control.Change]:
        nonlocal before, refused, missing, checked
        before, refused, checked = found, "", precheck.Checked()
        if stands(found, order):
            return None
        missing = unknown(elector, found, given)
        refused = missing or refusal(elector, found, given, shown)
        if given.kind == "switchover" and not refused:
            checked = precheck.of_switchover(elector, found, given.node, shown)
            refused = "" if given.force else checked.strange
        if refused or given.dry:
            return None
        permit.use()
        return _change(given, wanted, moment, term)

    try:
        elector.amend_control(change)
    except (NotConnected, TimedOut) as error:
        if not permit.sent:
            raise
        found = _looked_up(elector, given, order, before, term, error)
        if found is not None:
            return found
    if refused:
        return OrderAnswer(False, USAGE if missing else 1, refused, warning=warning)
    if given.dry:
        would = f"{checked.would}{_when(moment, shown)}; nothing is ordered"
        return OrderAnswer(True, 0, would, checked=checked.lines, warning=warning)
    tell_dropped(elector, before, shown)
    amiss = note(elector, given, wanted, moment)
    replaced = _replaced(elector, given, before, order, shown)
    return _written(elector, given, before, order, moment, shown)._replace(
        term=term, checked=(*replaced, *checked.lines), warning="; ".join(filter(None, [warning, amiss]))
    )


def _change(given: Given, wanted: Order, moment: Optional[int], term: int) -> control.Change:
    if given.kind == "maintenance on":
        return _maintenance(given, wanted, moment)
    if given.kind == "maintenance off":
        return control.end_maintenance(given.node, term)
    if given.kind in CANCELLED:
        return control.end_restart if given.kind == "cancel restart" else control.end_switchover
    if given.kind == "restart":
        return control.order_restart(Restart(wanted, moment, 0, term if moment is None else 0))
    return control.order_switchover(Switchover(wanted, given.node, moment))


def tell(elector: DeskCalls, outcome: Outcome) -> None:
    """Write what became of an order, as far as that may be: what was done for it is done."""
    try:
        elector.tell_outcome(outcome)
    except ElectionError:
        pass


def tell_dropped(elector: DeskCalls, before: Control, shown: int) -> None:
    """Write what became of a pause that nobody can consent to any more, and that was dropped by a write. before: the control as
    it was. shown: what ZooKeeper's clock shows."""
    if before.asked is not None and pauses.asked_in_time(before, shown) is None:
        tell(elector, Outcome(before.asked.order.id, False, pauses.TOO_LATE))


def _maintenance(given: Given, wanted: Order, moment: Optional[int]) -> control.Change:
    """One that stands is replaced where that is said: what is not said of reason and end stays, unless it is forced."""

    def change(document: control.Document) -> None:
        former = document.get("nodes", {}).get(given.node, {}).get("maintenance") or {}
        kept = {} if given.force else {name: former[name] for name in ("reason", "until") if former.get(name)}
        reason, until = wanted.reason or kept.get("reason", ""), kept.get("until") if moment is None else moment
        control.begin_maintenance(given.node, wanted._replace(reason=reason, until=until), former)(document)

    return change


def _replaced(elector: DeskCalls, given: Given, before: Control, order: str, shown: int) -> Tuple[str, ...]:
    """What an order of maintenance has replaced, a line each, and write what became of either."""
    former = before.maintenance.get(given.node) if given.kind == "maintenance on" else None
    if former is not None and (former.id == order or not former.stands(shown)):
        former = None
    if given.kind == "maintenance on" and _stands_aside(elector, given.node):
        # The node has nothing to do for it, and so nothing to tell.
        tell(elector, Outcome(order, True, f"{given.node} did not stand in the queue"))
    if former is None:
        return ()
    tell(elector, Outcome(former.id, False, "it was replaced" + (f" by {given.by}" if given.by else "")))
    return (f"this replaces what stood before: {control.maintenance_in_words(former, shown)}",)


def _stands_aside(elector: DeskCalls, node: str) -> bool:
    """Whether a node is known to stand in no queue. The order is written, whatever can be read now."""
    try:
        return node not in [one.node for one in elector.members()]
    except ElectionError:
        return False


def _written(
    elector: DeskCalls, given: Given, before: Control, order: str, moment: Optional[int], shown: int
) -> OrderAnswer:
    by = f" by {given.by}" if given.by else ""
    if given.kind == "maintenance off" and given.node in before.maintenance:
        # Where its node has left the queue for it, that was told before, and counts.
        tell(elector, Outcome(before.maintenance[given.node].id, False, f"it was taken back{by}"))
    if given.kind in CANCELLED:
        standing = before.restart if given.kind == "cancel restart" else before.switchover
        if standing is not None:
            tell(elector, Outcome(standing.order.id, False, f"it was taken back{by}"))
        return OrderAnswer(True, 0, f"the {CANCELLED[given.kind]} is taken back")
    if given.kind in CANCELLED.values() and moment is not None and not is_told(elector, order):
        return OrderAnswer(True, 0, f"ordered{_when(moment, shown)}; zkelect {given.kind} --cancel takes it back")
    return OrderAnswer(True, 0, "", order)


def _when(moment: Optional[int], shown: int) -> str:
    return "" if moment is None else f" for {moments.utc(moment)}, in {moments.duration((moment - shown) / _MS)}"


def note(elector: DeskCalls, given: Given, wanted: Order, moment: Optional[int], came: str = "") -> str:
    """Write the order into the log of orders. came: what came of it, where it is done. Returns what is amiss with that: the order
    counts without it."""
    until, due = (moment, None) if given.kind == "maintenance on" else (None, moment)
    noted = Noted(wanted.id, given.kind, given.node, given.by, given.reason, wanted.at, until, due)
    done = came or _DONE.get(given.kind)
    try:
        elector.note_order(noted, None if done is None else Outcome(wanted.id, True, done, at=wanted.at))
    except ElectionError as error:
        return f"it does not stand in the log of orders: {error}"
    return ""


def _clocks(given: Given, shown: int) -> str:
    """A warning where the clock of whoever gives an order is not ZooKeeper's. shown: what that shows."""
    if given.clock is None or abs(given.clock - shown) <= _MS * CLOCKS_DIFFER:
        return ""
    which = "ahead of" if given.clock > shown else "behind"
    apart = moments.duration(abs(given.clock - shown) / _MS)
    return f"the clock of this host is {apart} {which} ZooKeeper's, which shows {moments.utc(shown)} and by which orders go"


def look_again(elector: DeskCalls, lost: ElectionError, read: Callable[[], T]) -> T:
    """What is read after an answer was lost. What was sent before in this session, or in one that is over, is done by now, or
    never. lost: how it was. Raises Unanswered where nothing can be read either."""
    try:
        elector.reconnect()
        return read()
    except ElectionError:
        raise Unanswered(str(lost)) from None


def is_told(elector: DeskCalls, order: str) -> bool:
    """Whether it is known what became of an order, so that it was written, and is not to be given again."""
    return any(one.id == order for one in elector.outcomes())


def _looked_up(
    elector: DeskCalls, given: Given, order: str, before: Control, term: int, lost: ElectionError
) -> Optional[OrderAnswer]:
    """The answer to an order whose own was lost, from the znodes; None where it was written, and is gone on with. before: the
    control that it was to change. Raises Unanswered where they cannot be read either."""
    found, holder, told = look_again(
        elector, lost, lambda: (elector.read_control(), elector.holder(), {one.id for one in elector.outcomes()})
    )
    if found.trouble:
        raise Unanswered(found.trouble) from None
    switched = (holder.token if holder is not None else 0) != term
    if given.kind in CANCELLED:
        what = CANCELLED[given.kind]
        was, standing = (one.restart if what == "restart" else one.switchover for one in (before, found))
        if was is not None and standing is not None and standing.order.id == was.order.id:
            return OrderAnswer(False, 1, f"the {what} was not taken back: {lost}")
        # It may have been done in place of that.
        done = what == "switchover" and switched or was is not None and was.order.id in told
        return OrderAnswer(True, 0, f"no {what} is ordered any more") if done else None
    if given.kind == "maintenance off":
        aside, still = (one.maintenance.get(given.node) for one in (before, found))
        written = aside is None or still is None or still.id != aside.id
    else:
        written = order in told or stands(found, order)
    if written:
        return None
    if given.kind == "switchover" and switched:
        return OrderAnswer(True, 0, "", order, term)
    return OrderAnswer(False, 1, f"the order was not written: {lost}")


def _show(elector: DeskCalls, given: Given) -> OrderAnswer:
    found = elector.read_control()
    if found.trouble:
        return OrderAnswer(False, 1, found.trouble)
    shown, warning = _clock(elector, given) if found.stamp != control.Stamp() else (0, "")
    lines = control_words.told(found, shown)
    return OrderAnswer(
        True, 0, "; ".join(lines) or "nothing is ordered", warning=warning, more=control_words.in_fields(found, shown)
    )


def _clock(elector: DeskCalls, given: Given) -> Tuple[int, str]:
    """What ZooKeeper's clock shows, which takes the right to make a znode: for who may only read, that of his own host, and a
    warning."""
    try:
        return elector.server_time(), ""
    except AccessDenied:
        if given.clock is None:
            raise
        return given.clock, "ZooKeeper's clock cannot be read without the right to write, so times go by the clock of this host"


def _log(elector: DeskCalls, given: Given) -> OrderAnswer:
    entries = [entry.document() for entry in elector.order_log()]
    return OrderAnswer(True, 0, f"{len(entries) or 'no'} order{'s' * (len(entries) != 1)} known", more={"log": entries})


def _reset(elector: DeskCalls, given: Given, permit: Permit) -> OrderAnswer:
    before, begun, refused, shown = Control(), Control(), "", elector.server_time()

    def left(found: Control) -> Optional[bytes]:
        nonlocal before, begun, refused
        before, begun, refused = found, _going_on(elector, found), _no_reset(found)
        if refused:
            return None
        permit.use()
        return _alone(begun)

    try:
        elector.reset_control(left)
    except (NotConnected, TimedOut) as error:
        if not permit.sent:
            raise
        found = look_again(elector, error, elector.read_control)
        if found.trouble or (_ids(before) - _ids(begun)) & _ids(found):
            return OrderAnswer(False, 1, f"the orders were not taken back: {error}")
    if refused:
        return OrderAnswer(False, 1, refused)
    goes_on = control_words.taken_back(begun)
    back = [one for one in control_words.taken_back(before) if one not in goes_on]
    what = f"took back {', '.join(text for _, text in back) or 'nothing'}"
    what += "".join(f"; {text} has begun, and goes on" for _, text in goes_on)
    amiss = note(elector, given, Order(given.id or os.urandom(16).hex(), given.by, given.reason, shown), None, what)
    for order, _ in back:
        if order:
            tell(elector, Outcome(order, False, "all orders were taken back" + (f" by {given.by}" if given.by else "")))
    return OrderAnswer(True, 0, f"{what}; nothing{' else' if goes_on else ''} is ordered any more", warning=amiss)


def _going_on(elector: DeskCalls, found: Control) -> Control:
    """What of the control has begun, and is carried out whatever becomes of it: it stays, so that the nodes know by which order
    they do what they do. What a later term has left there is a remnant."""
    switchover, restart = found.switchover, found.restart
    if not (switchover is not None and switchover.begun or restart is not None and restart.begun or found.leaving):
        return Control()
    holder = elector.holder()
    last = holder.token if holder is not None else 0
    leaving = {node: term for node, term in found.leaving.items() if term == last and node in found.maintenance}
    # One that was begun while a fence failed has no holder of its own.
    standing = {last, *(one.token for one in elector.members())}
    goes_on = switchover is not None and bool(switchover.begun) and (not last or switchover.begun in standing)
    return Control(
        maintenance={node: found.maintenance[node] for node in leaving}, leaving=leaving,
        switchover=switchover if goes_on else None,
        restart=restart if restart is not None and restart.begun and last == restart.begun else None,
    )


def _alone(begun: Control) -> bytes:
    """The data of a control with these orders alone, if there are such."""
    changes = [control.begin_maintenance(node, order) for node, order in begun.maintenance.items()]
    changes += [control.mark_maintenance(node, term) for node, term in begun.leaving.items()]
    changes += [control.order_switchover(begun.switchover)] if begun.switchover is not None else []
    changes += [control.order_restart(begun.restart)] if begun.restart is not None else []
    data = b""
    for change in changes:
        data = control.amended(data, None, change)
    return data


def _no_reset(found: Control) -> str:
    """Why nothing is taken back; "" where nothing speaks against it. Without its pause the term that has consented to that may be
    killed, where `resume` lets it go on or stops it as it should be."""
    pause = found.paused
    if pause is None or not pause.token:
        return ""
    dead = f"zkelect resume --force, if {pause.node} is dead"
    return f"it is {pause.told()}, and {pause.node} runs by that; zkelect resume ends it, or {dead}"


def _ids(found: Control) -> Set[str]:
    return {order for order, _ in control_words.taken_back(found)}


def _forget(elector: DeskCalls, given: Given, permit: Permit) -> OrderAnswer:
    """Take out what is kept of a node that is gone for good: its entry, and its maintenance."""
    node = given.node
    there = node in elector.known_nodes()
    in_control = node in elector.read_control().maintenance
    members = [one.node for one in elector.members()]
    if not there and not in_control and node not in members:
        return OrderAnswer(False, USAGE, unknown(elector, elector.read_control(), given))
    permit.use()
    if node in members or not elector.forget_node(node):
        return OrderAnswer(False, 1, f"{node} lives; stop its supervisord first, or wait until its session is over")
    elector.amend_control(lambda found: control.forget(node) if node in found.maintenance or node in found.cleared else None)
    shown = elector.server_time()
    wanted = Order(given.id or os.urandom(16).hex(), given.by, given.reason, shown)
    noted = Noted(wanted.id, given.kind, node, given.by, given.reason, shown)
    try:
        elector.note_order(noted, Outcome(wanted.id, True, f"{node} is forgotten", at=shown))
    except ElectionError as error:
        return OrderAnswer(True, 0, f"{node} is forgotten", warning=f"it does not stand in the log of orders: {error}")
    return OrderAnswer(True, 0, f"{node} is forgotten; it is known again when it comes back")


_READ = {"show": _show, "log": _log}
_AT_ONCE = {"reset": _reset, "forget": _forget}
