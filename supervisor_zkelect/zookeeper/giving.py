"""Giving orders: what is looked at before one is written, and how whoever gave it learns what became of it.

Each function is given an elector, which need not stand in the queue, and waits for ZooKeeper only. `asked.py` makes an order of
what somebody has typed; `following.py` tells what an order that is under way waits for, and takes it back.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from supervisor_zkelect.core import control, control_words, moments, nodes, ranks, succession
from supervisor_zkelect.core.control import Control, Order, Pause, Restart, Switchover
from supervisor_zkelect.core.order_log import Noted
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.zookeeper import precheck
from supervisor_zkelect.zookeeper.desk import DeskCalls
from supervisor_zkelect.zookeeper.errors import ElectionError, NotConnected, TimedOut
from supervisor_zkelect.zookeeper.orders import candidates, knows_orders
from supervisor_zkelect.zookeeper.permit import Permit
from supervisor_zkelect.zookeeper.presence import PresenceCalls
from supervisor_zkelect.zookeeper.queue import Member

#: Milliseconds in a second.
_MS = 1000

#: Kinds by which an order is taken back, and what that is.
_CANCELLED = {"cancel": "switchover", "cancel restart": "restart"}

USAGE = 2
"""Exit status of a tool that was told a word which is wrong, as the name of a node that nobody knows."""

UNDER_WAY = 7
"""Exit status of a tool whose waiting has ended before its order was done, while that stands or has begun."""

TAKE_BACK = "take back"
"""The kind of an order that takes another one back, by its id."""

CLOCKS_DIFFER = 30.0
"""Seconds by which the clock of whoever gives an order may differ from ZooKeeper's without being told: what it takes to ask."""

#: Outcomes of kinds that are done when they are written.
_DONE = {
    "maintenance off": "it was taken out of maintenance",
    **{kind: f"the {what} was taken back" for kind, what in _CANCELLED.items()},
}


class Unanswered(ElectionError):
    """It is unknown whether an order was written; the message says why."""


class Given(NamedTuple):
    """An order as it was given.

    kind: "maintenance on", "maintenance off", "switchover", "cancel", "restart", "cancel restart", "show", "log", "reset",
    "forget", or "take back" of one with the id. node: whom it is about; "" for whoever is next. by: who gave it. reason: why.
    seconds: for how long it counts, or until it is due; None for no end, or now. force: even if nobody can take over, or if a
    member that knows no orders is passed over. id: made before anything was asked, so that an order which is given twice is one;
    "" for one that is made here.
    due: when it is due, by ZooKeeper's clock, milliseconds; None for what `seconds` says. dry: only look what would happen.
    clock: what the clock of whoever gives it shows, milliseconds; None where that is not known.
    fence: whether a fence is set, None where that is not known. Kinds of a pause stand in `pause_giving.py`.
    """

    kind: str
    node: str = ""
    by: str = ""
    reason: str = ""
    seconds: Optional[float] = None
    force: bool = False
    id: str = ""
    due: Optional[int] = None
    dry: bool = False
    clock: Optional[int] = None
    fence: Optional[bool] = None


class Answer(NamedTuple):
    """What a tool shows: whether it is done; the exit status; one line. id: of the order that is to be waited for, or "". term:
    token of the term in which it was given. checked: what was looked at, a line each. warning: a line, or "". more: further
    fields of the document."""

    ok: bool
    exit: int
    text: str
    id: str = ""
    term: int = 0
    checked: Tuple[str, ...] = ()
    warning: str = ""
    more: Mapping[str, Any] = {}

    def document(self) -> Dict[str, Any]:
        fields: Dict[str, Any] = {"ok": self.ok, "exit": self.exit, "text": self.text, **self.more}
        if self.checked:
            fields["checked"] = list(self.checked)
        if self.warning:
            fields["warning"] = self.warning
        return fields


def give(elector: DeskCalls, given: Given, permit: Optional[Permit] = None) -> Answer:
    """Write the order, where nothing speaks against it, and as long as the permit lets it, if there is one. Raises
    ElectionError, and control.Unusable."""
    permit = permit or Permit()
    elector.prepare()
    if given.kind in _READ:
        return _READ[given.kind](elector)
    if given.kind in _AT_ONCE:
        permit.use()
        return _AT_ONCE[given.kind](elector, given)
    shown, order = elector.server_time(), given.id or os.urandom(16).hex()
    moment = given.due if given.seconds is None else shown + round(_MS * given.seconds)
    wanted = Order(order, given.by, given.reason, shown, None, given.force)
    holder = elector.holder()
    term = holder.token if holder is not None else 0
    warning = _clocks(given, shown)
    if any(one.id == order for one in elector.outcomes()):
        return Answer(True, 0, "", order, term, (), warning)
    refused, missing, checked = "", "", precheck.Checked()

    def change(found: Control) -> Optional[control.Change]:
        nonlocal refused, missing, checked
        refused, checked = "", precheck.Checked()
        if _stands(found, order):
            return None
        missing = _unknown(elector, found, given)
        refused = missing or refusal(elector, found, given, shown)
        if given.kind == "switchover" and not refused:
            checked = precheck.of_switchover(elector, found, given.node, shown)
            refused = "" if given.force else checked.strange
        if refused or given.dry:
            return None
        permit.use()
        return _change(given, wanted, moment, term)

    try:
        before = elector.amend_control(change)
    except (NotConnected, TimedOut) as error:
        if not permit.sent:
            raise
        return _looked_up(elector, given, order, term, error)
    if refused:
        return Answer(False, USAGE if missing else 1, refused, warning=warning)
    if given.dry:
        would = f"{checked.would}{_when(moment, shown)}; nothing is ordered"
        return Answer(True, 0, would, checked=checked.lines, warning=warning)
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
    if given.kind in _CANCELLED:
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


def _maintenance(given: Given, wanted: Order, moment: Optional[int]) -> control.Change:
    """One that stands is replaced where that is said: what is not said of reason and end stays, unless it is forced."""

    def change(document: control.Document) -> None:
        former = document.get("nodes", {}).get(given.node, {}).get("maintenance") or {}
        kept = {} if given.force else {name: former[name] for name in ("reason", "until") if former.get(name)}
        reason, until = wanted.reason or kept.get("reason", ""), kept.get("until") if moment is None else moment
        control.begin_maintenance(given.node, wanted._replace(reason=reason, until=until))(document)

    return change


def _replaced(elector: DeskCalls, given: Given, before: Control, order: str, shown: int) -> Tuple[str, ...]:
    """What an order of maintenance has replaced, a line each, and write what became of either."""
    former = before.maintenance.get(given.node) if given.kind == "maintenance on" else None
    if former is not None and (former.id == order or not former.stands(shown)):
        former = None
    if given.kind == "maintenance on" and given.node not in [one.node for one in elector.members()]:
        # The node has nothing to do for it, and so nothing to tell.
        tell(elector, Outcome(order, True, f"{given.node} did not stand in the queue"))
    if former is None:
        return ()
    tell(elector, Outcome(former.id, False, "it was replaced" + (f" by {given.by}" if given.by else "")))
    return (f"this replaces what stood before: {control.maintenance_in_words(former, shown)}",)


def _written(
    elector: DeskCalls, given: Given, before: Control, order: str, moment: Optional[int], shown: int
) -> Answer:
    by = f" by {given.by}" if given.by else ""
    if given.kind == "maintenance off" and given.node in before.maintenance:
        # Where its node has left the queue for it, that was told before, and counts.
        tell(elector, Outcome(before.maintenance[given.node].id, False, f"it was taken back{by}"))
    if given.kind in _CANCELLED:
        standing = before.restart if given.kind == "cancel restart" else before.switchover
        if standing is not None:
            elector.tell_outcome(Outcome(standing.order.id, False, f"it was taken back{by}"))
        return Answer(True, 0, f"the {_CANCELLED[given.kind]} is taken back")
    if given.kind in _CANCELLED.values() and moment is not None:
        return Answer(True, 0, f"ordered{_when(moment, shown)}; zkelect {given.kind} --cancel takes it back")
    return Answer(True, 0, "", order)


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


def _looked_up(elector: DeskCalls, given: Given, order: str, term: int, lost: ElectionError) -> Answer:
    """What is known of an order whose answer was lost, from the znodes. Raises Unanswered where they cannot
    be read either. What was sent before in this session, or in one that is over, is done by now, or never."""
    try:
        elector.reconnect()
        found, holder = elector.read_control(), elector.holder()
        told = any(one.id == order for one in elector.outcomes())
    except ElectionError:
        raise Unanswered(str(lost)) from None
    if given.kind in _CANCELLED:
        what, standing = _CANCELLED[given.kind], found.restart if given.kind == "cancel restart" else found.switchover
        if standing is not None:
            return Answer(False, 1, f"the {what} was not taken back: {lost}")
        return Answer(True, 0, f"no {what} is ordered any more")
    over = given.kind == "switchover" and (holder.token if holder is not None else 0) != term
    out = given.kind == "maintenance off" and given.node not in found.maintenance
    if over or out or told or _stands(found, order):
        return Answer(True, 0, "", order, term)
    return Answer(False, 1, f"the order was not written: {lost}")


def _show(elector: DeskCalls) -> Answer:
    found, shown = elector.read_control(), elector.server_time()
    lines = control_words.told(found, shown)
    return Answer(True, 0, "; ".join(lines) or "nothing is ordered", more=control.in_fields(found, shown))


def _log(elector: DeskCalls) -> Answer:
    entries = [entry.document() for entry in elector.order_log()]
    return Answer(True, 0, f"{len(entries) or 'no'} order{'s' * (len(entries) != 1)} known", more={"log": entries})


def _reset(elector: DeskCalls, given: Given) -> Answer:
    before = elector.read_control()
    elector.reset_control()
    shown, back = elector.server_time(), control_words.taken_back(before)
    what = f"took back {', '.join(text for _, text in back) or 'nothing'}"
    amiss = note(elector, given, Order(given.id or os.urandom(16).hex(), given.by, given.reason, shown), None, what)
    for order, _ in back:
        if order:
            tell(elector, Outcome(order, False, "all orders were taken back" + (f" by {given.by}" if given.by else "")))
    return Answer(True, 0, f"{what}; nothing is ordered any more", warning=amiss)


def _forget(elector: DeskCalls, given: Given) -> Answer:
    """Take out what is kept of a node that is gone for good: its entry, and its maintenance."""
    node = given.node
    there = node in elector.known_nodes()
    in_control = node in elector.read_control().maintenance
    members = [one.node for one in elector.members()]
    if not there and not in_control and node not in members:
        return Answer(False, USAGE, _unknown(elector, elector.read_control(), given))
    if node in members or not elector.forget_node(node):
        return Answer(False, 1, f"{node} lives; stop its supervisord first, or wait until its session is over")
    elector.amend_control(lambda found: control.end_maintenance(node) if node in found.maintenance else None)
    shown = elector.server_time()
    wanted = Order(given.id or os.urandom(16).hex(), given.by, given.reason, shown)
    noted = Noted(wanted.id, given.kind, node, given.by, given.reason, shown)
    try:
        elector.note_order(noted, Outcome(wanted.id, True, f"{node} is forgotten", at=shown))
    except ElectionError as error:
        return Answer(True, 0, f"{node} is forgotten", warning=f"it does not stand in the log of orders: {error}")
    return Answer(True, 0, f"{node} is forgotten; it is known again when it comes back")


_READ = {"show": _show, "log": _log}
_AT_ONCE = {"reset": _reset, "forget": _forget}


def _stands(found: Control, order: str) -> bool:
    """Whether it was written already: its answer was lost, or it was given to a listener that ended."""
    standing = [one.order for one in (found.switchover, found.restart) if one is not None]
    return order in [one.id for one in (*found.maintenance.values(), *standing)]


def _unknown(elector: PresenceCalls, found: Control, given: Given) -> str:
    """That nobody knows the node which the order names; "" where somebody does, or where it need not be known."""
    if not given.node or given.kind == "maintenance on" and given.force:
        return ""
    names = {*elector.known_nodes(), *found.maintenance, *(one.node for one in elector.members() if one.node)}
    if given.node in names:
        return ""
    place = elector.election_znode.split("/")
    return nodes.unknown(given.node, place[-2] if place[-1] == "election" and len(place) > 2 else place[-1], sorted(names))


def refusal(elector: DeskCalls, found: Control, given: Given, shown: int) -> str:
    """Why the order is not written; "" where nothing speaks against it. shown: what ZooKeeper's clock shows."""
    if found.trouble:
        return found.trouble
    standing = found.switchover
    if given.due is not None and given.due <= shown:
        ago = moments.duration((shown - given.due) / _MS)
        return f"{moments.utc(given.due)} is over: ZooKeeper's clock shows {moments.utc(shown)}, {ago} later"
    if given.kind in _CANCELLED:
        ordered = found.restart if given.kind == "cancel restart" else standing
        if ordered is None:
            return f"no {_CANCELLED[given.kind]} is ordered"
        return "it has begun, and cannot be taken back; see zkelect list" if ordered.begun else ""
    paused = found.paused or found.asked
    if paused is not None and given.kind in ("restart", "switchover"):
        return _hands_off(paused)
    if given.kind == "restart":
        return _no_restart(elector, found, given)
    aside = {node for node, order in found.maintenance.items() if order.stands(shown)}
    if given.kind == "maintenance off":
        return "" if given.node in found.maintenance else f"{given.node} is not in maintenance"
    if given.kind == "switchover" and standing is not None:
        to = standing.to or "the next node"
        if standing.begun:
            return f"another switchover, to {to}, is under way; wait until it is done"
        return f"another switchover is ordered, {control.in_words(standing, shown)}; zkelect switchover --cancel takes it back"
    if given.kind == "switchover" and given.node in aside:
        return f"{given.node} is in maintenance; zkelect maintenance off --node {given.node} ends that"
    members = elector.members()
    if paused is not None and given.node in (paused.node, *(one.node for one in members[:1])):
        return _hands_off(paused)
    to = given.node if given.kind == "switchover" else ""
    # Past whom a switchover takes force, its precheck says.
    following = succession.of(candidates(members[1:]), found, to, True, shown)
    if given.kind == "switchover":
        return _no_switchover(elector, members, given, following)
    if given.node == (members[0].node if members else "") and following.place is None and not given.force:
        return f"{given.node} leads, and nobody could take over; start another node, or give the service up with --force"
    if given.node in aside and not (given.force or given.reason or given.seconds is not None):
        order = found.maintenance[given.node]
        by = f"by {order.by}: " if order.by else ""
        why = f"{by}{order.reason or 'no reason given'}{control.until_in_words(order, shown)}"
        return f"{given.node} is in maintenance already ({why}); --reason or --for change that, --force replaces it"
    return ""


def _hands_off(paused: Pause) -> str:
    return f"it is {paused.told()}, so nobody steps down; zkelect resume ends that"


def _why_aside(entry: Optional[nodes.Entry]) -> str:
    """Why a node stands in no queue by its own word, in brackets."""
    if entry is None or entry.priority and not entry.unfit:
        return ""
    return f" ({f'not fit: {entry.unfit}' if entry.priority else ranks.NEVER})"


def _other_switchover(elector: DeskCalls) -> str:
    """That a switchover is under way that does not stand any more, as its target has claimed the term; "" where none is."""
    last = next((one for one in reversed(elector.order_log()) if one.order.what == "switchover"), None)
    if last is None or last.outcome is not None or elector.read_ack():
        return ""
    return f"another switchover, to {last.order.node or 'the next node'}, is under way; wait until it is done"


def _no_switchover(elector: DeskCalls, members: List[Member], given: Given, following: succession.Next) -> str:
    """following: who would lead then."""
    node = given.node
    if not members:
        return "nobody leads, so there is nothing to switch over; see zkelect list"
    if node == members[0].node:
        return f"{node} leads already"
    if not knows_orders(members[0]):
        return f"{members[0].node or members[0].name} leads and knows no orders; hand over there, or update it"
    if following.kind == succession.ABSENT:
        aside = f"{node} does not stand in the queue{_why_aside(elector.entry_of(node))}; see zkelect list"
        return _other_switchover(elector) or aside
    entry = elector.entry_of(node) if node and not given.force else None
    if entry is not None and entry.unfit:
        return f"{node} is not fit to lead: {entry.unfit}; correct that, or see --force"
    start = "; start another node first" if following.kind == succession.NOBODY else ""
    return f"{following.why}{start}"


def _no_restart(elector: PresenceCalls, found: Control, given: Given) -> str:
    members, holder = elector.members(), elector.holder()
    if not members or holder is None or not elector.read_ack() and not found.restart:
        return "nobody is primary, so there is nothing to restart; see zkelect list"
    if found.restart is not None:
        what = "has begun; wait until it is done" if found.restart.begun else "is ordered; zkelect restart --cancel takes it back"
        return f"another restart {what}"
    if not knows_orders(members[0]):
        return f"{members[0].node or members[0].name} leads and knows no orders; restart the service there, or update it"
    if found.switchover is not None and (found.switchover.begun or given.seconds is None and found.switchover.due is None):
        return "a switchover is under way; the service is started anew by that"
    return ""


def came_of(elector: PresenceCalls, given: Given, order: str, term: int) -> Optional[Answer]:
    """What became of an order that was written; None while it is under way. term: token of the term in which it was given. Raises
    ElectionError."""
    if given.kind in ("switchover", "restart"):
        answer = _outcome(elector, given, order)
        if answer is not None or _stands(elector.read_control(), order):
            return answer
        if given.kind == "restart":
            # It is taken out when its outcome is written.
            return _outcome(elector, given, order) or Answer(False, 1, "the order does not stand any more; see zkelect history")
        return _led(elector, given, term)
    stands = given.node in [one.node for one in elector.members()]
    if given.kind == "maintenance on":
        return None if stands else Answer(True, 0, _aside_now(elector, given, order))
    if not stands and not elector.lives(given.node):
        return Answer(True, 0, f"done; {given.node} does not run just now, and joins when it does")
    return Answer(True, 0, f"{given.node} stands in the queue") if stands else None


def _aside_now(elector: PresenceCalls, given: Given, order: str) -> str:
    """That a node is in maintenance, and until when."""
    standing = elector.read_control().maintenance.get(given.node)
    if standing is None or standing.id != order:
        return f"{given.node} left the queue; the order does not stand any more"
    if standing.until is None:
        return f"{given.node} is in maintenance, until zkelect maintenance off ends that"
    until = control.until_in_words(standing, elector.server_time())
    return f"{given.node} is in maintenance{until}, or until zkelect maintenance off ends that"


def _outcome(elector: PresenceCalls, given: Given, order: str) -> Optional[Answer]:
    for outcome in elector.outcomes():
        if outcome.id == order:
            why = "" if outcome.ok or given.kind != "switchover" else _ended(elector, given)
            return Answer(outcome.ok, 0 if outcome.ok else 1, outcome.text + why)
    return None


def _ended(elector: PresenceCalls, given: Given) -> str:
    """That the node which was to lead is gone, behind what happened."""
    return "" if not given.node or elector.lives(given.node) else f"; {given.node}'s session ended meanwhile"


def _led(elector: PresenceCalls, given: Given, term: int) -> Optional[Answer]:
    """What came of a switchover that does not stand any more, and whose outcome is not written yet, or never will be."""
    holder, ack = elector.holder(), elector.read_ack()
    if holder is not None and holder.token == term and ack:
        return Answer(False, 1, f"{holder.node} leads still, and the order does not stand any more")
    if holder is None or not ack:
        return None
    ok = given.node in ("", holder.node)
    why = "" if ok else f", and not {given.node}{_ended(elector, given)}"
    return Answer(ok, 0 if ok else 1, f"{holder.node} leads at {holder.address}{why}")


def under_way(given: Given) -> Answer:
    """The answer to who has waited for long enough."""
    what = {
        "maintenance on": f"{given.node} stands in the queue still, and leaves it as soon as it has recognised the order",
        "maintenance off": f"{given.node} does not stand in the queue yet; see whether it runs",
    }.get(given.kind, "the order stands, or has begun; see zkelect list")
    return Answer(False, UNDER_WAY, f"under way: {what}")
