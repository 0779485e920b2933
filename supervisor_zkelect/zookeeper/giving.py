"""Giving orders: what is looked at before one is written, and how whoever gave it learns what became of it.

Each function is given an elector, which need not stand in the queue, and waits for ZooKeeper only.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional

from supervisor_zkelect.core import control, nodes, ranks
from supervisor_zkelect.core.control import Control, Order, Restart, Switchover
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.zookeeper.orders import knows_orders
from supervisor_zkelect.zookeeper.presence import PresenceCalls
from supervisor_zkelect.zookeeper.queue import Member

#: Milliseconds in a second.
_MS = 1000

#: Kinds by which an order is taken back, and what that is.
_CANCELLED = {"cancel": "switchover", "cancel restart": "restart"}

UNDER_WAY = 7
"""Exit status of a tool whose waiting has ended before its order was done, while that stands or has begun."""


class Given(NamedTuple):
    """An order as it was given.

    kind: "maintenance on", "maintenance off", "switchover", "cancel", "restart", "cancel restart", "show" or "reset". node: whom
    it is about; "" for whoever is next. by: who gave it. reason: why. seconds: for how long it counts, or until it is due; None
    for no end, or now. force: even if nobody can take over, or if a member that knows no orders is passed over. id: made before
    anything was asked, so that an order which is given twice is one; "" for one that is made here.
    """

    kind: str
    node: str = ""
    by: str = ""
    reason: str = ""
    seconds: Optional[float] = None
    force: bool = False
    id: str = ""


class Answer(NamedTuple):
    """What a tool shows: whether it is done; the exit status; one line. id: of the order that is to be waited for, or "". term:
    token of the term in which it was given."""

    ok: bool
    exit: int
    text: str
    id: str = ""
    term: int = 0

    def document(self) -> Dict[str, Any]:
        return {"ok": self.ok, "exit": self.exit, "text": self.text}


def give(elector: PresenceCalls, given: Given) -> Answer:
    """Write the order, where nothing speaks against it. Raises ElectionError, and control.Unusable."""
    elector.prepare()
    if given.kind == "show":
        return Answer(True, 0, "; ".join(told(elector.read_control(), elector.server_time())) or "nothing is ordered")
    if given.kind == "reset":
        elector.reset_control()
        return Answer(True, 0, "nothing is ordered any more")
    shown, order = elector.server_time(), given.id or os.urandom(16).hex()
    moment = None if given.seconds is None else shown + round(_MS * given.seconds)
    wanted = Order(order, given.by, given.reason, shown, None, given.force)
    holder = elector.holder()
    term = holder.token if holder is not None else 0
    if any(one.id == order for one in elector.outcomes()):
        return Answer(True, 0, "", order, term)
    refused = ""

    def change(found: Control) -> Optional[control.Change]:
        nonlocal refused
        refused = "" if _stands(found, order) else refusal(elector, found, given, shown)
        if refused or _stands(found, order):
            return None
        if given.kind == "maintenance on":
            return control.begin_maintenance(given.node, wanted._replace(until=moment))
        if given.kind == "maintenance off":
            return control.end_maintenance(given.node, term)
        if given.kind in _CANCELLED:
            return control.end_restart if given.kind == "cancel restart" else control.end_switchover
        if given.kind == "restart":
            return control.order_restart(Restart(wanted, moment, 0, term if moment is None else 0))
        return control.order_switchover(Switchover(wanted, given.node, moment))

    before = elector.amend_control(change)
    if refused:
        return Answer(False, 1, refused)
    if given.kind in _CANCELLED:
        standing = before.restart if given.kind == "cancel restart" else before.switchover
        if standing is not None:
            elector.tell_outcome(Outcome(standing.order.id, False, "it was taken back"))
        return Answer(True, 0, f"the {_CANCELLED[given.kind]} is taken back")
    if given.kind in _CANCELLED.values() and moment is not None:
        return Answer(True, 0, f"ordered, and done in {given.seconds:g} s; zkelect {given.kind} --cancel takes it back")
    return Answer(True, 0, "", order, term)


def _stands(found: Control, order: str) -> bool:
    """Whether it was written already: its answer was lost, or it was given to a listener that ended."""
    standing = [one.order for one in (found.switchover, found.restart) if one is not None]
    return order in [one.id for one in (*found.maintenance.values(), *standing)]


def refusal(elector: PresenceCalls, found: Control, given: Given, shown: int) -> str:
    """Why the order is not written; "" where nothing speaks against it. shown: what ZooKeeper's clock shows."""
    if found.trouble:
        return found.trouble
    standing = found.switchover
    if given.kind in _CANCELLED:
        ordered = found.restart if given.kind == "cancel restart" else standing
        if ordered is None:
            return f"no {_CANCELLED[given.kind]} is ordered"
        return "it has begun, and cannot be taken back; see zkelect list" if ordered.begun else ""
    if given.kind == "restart":
        return _no_restart(elector, found, given)
    aside = {node for node, order in found.maintenance.items() if order.stands(shown)}
    if given.kind == "maintenance off":
        return "" if given.node in found.maintenance else f"{given.node} is not in maintenance"
    if given.kind == "switchover" and standing is not None:
        what = "has begun; wait until it is done" if standing.begun else "is ordered; zkelect switchover --cancel takes it back"
        return f"another switchover {what}"
    if given.kind == "switchover" and given.node in aside:
        return f"{given.node} is in maintenance; zkelect maintenance off --node {given.node} ends that"
    members = elector.members()
    others = [one for one in members[1:] if one.node not in aside]
    if given.kind == "switchover":
        return _no_switchover(elector, members, given, bool(others))
    if given.node == (members[0].node if members else "") and not others and not given.force:
        return f"{given.node} leads, and nobody could take over; start another node, or give the service up with --force"
    known = {one.node for one in members} | aside
    if given.node not in known and given.node not in elector.known_nodes() and not given.force:
        return f"there is no node {given.node} in this election; see zkelect list"
    return ""


def _why_aside(entry: Optional[nodes.Entry]) -> str:
    """Why a node stands in no queue by its own word, in brackets."""
    if entry is None or entry.priority and not entry.unfit:
        return ""
    return f" ({f'not fit: {entry.unfit}' if entry.priority else ranks.NEVER})"


def _no_switchover(elector: PresenceCalls, members: List[Member], given: Given, others: bool) -> str:
    node = given.node
    if not members:
        return "nobody leads, so there is nothing to switch over; see zkelect list"
    if node == members[0].node:
        return f"{node} leads already"
    if not knows_orders(members[0]):
        return f"{members[0].node or members[0].name} leads and knows no orders; hand over there, or update it"
    if node and node not in [one.node for one in members]:
        return f"{node} does not stand in the queue{_why_aside(elector.entry_of(node))}; see zkelect list"
    entry = elector.entry_of(node) if node and not given.force else None
    if entry is not None and entry.unfit:
        return f"{node} is not fit to lead: {entry.unfit}; correct that, or see --force"
    return "" if node or others else "no other candidate could take over; start another node first"


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


def told(found: Control, shown: int) -> List[str]:
    """What stands in the control, a line each. shown: what ZooKeeper's clock shows."""
    if found.trouble:
        return [found.trouble]
    lines = [
        f"{node}: {control.in_maintenance(order)}{_left(order.until, shown, 'for another')}"
        for node, order in sorted(found.maintenance.items()) if order.stands(shown)
    ]
    standing = found.switchover
    if standing is not None:
        by = f" by {standing.order.by}" if standing.order.by else ""
        when = ", begun" if standing.begun else _left(standing.due, shown, "in")
        lines.append(f"switchover to {standing.to or 'the next node'}{by}{when}")
    restart = found.restart
    if restart is not None:
        by, why = (f" {word} {text}" if text else "" for word, text in (("by", restart.order.by), ("for", restart.order.reason)))
        lines.append(f"restart{by}{why}{', begun' if restart.begun else _left(restart.due, shown, 'in')}")
    return lines


def _left(moment: Optional[int], shown: int, word: str) -> str:
    return "" if moment is None else f", {word} {max(0, moment - shown) / _MS:.0f} s"


def came_of(elector: PresenceCalls, given: Given, order: str, term: int) -> Optional[Answer]:
    """What became of an order that was written; None while it is under way. term: token of the term in which it was given. Raises
    ElectionError."""
    if given.kind in ("switchover", "restart"):
        answer = _outcome(elector, order)
        if answer is not None or _stands(elector.read_control(), order):
            return answer
        if given.kind == "restart":
            # It is taken out when its outcome is written.
            return _outcome(elector, order) or Answer(False, 1, "the order does not stand any more; see zkelect history")
        return _led(elector, given, term)
    stands = given.node in [one.node for one in elector.members()]
    if given.kind == "maintenance on":
        return None if stands else Answer(True, 0, f"{given.node} is in maintenance, until zkelect maintenance off ends that")
    return Answer(True, 0, f"{given.node} stands in the queue") if stands else None


def _outcome(elector: PresenceCalls, order: str) -> Optional[Answer]:
    for outcome in elector.outcomes():
        if outcome.id == order:
            return Answer(outcome.ok, 0 if outcome.ok else 1, outcome.text)
    return None


def _led(elector: PresenceCalls, given: Given, term: int) -> Optional[Answer]:
    """What came of a switchover that does not stand any more, and whose outcome is not written yet, or never will be."""
    holder, ack = elector.holder(), elector.read_ack()
    if holder is not None and holder.token == term and ack:
        return Answer(False, 1, f"{holder.node} leads still, and the order does not stand any more")
    if holder is None or not ack:
        return None
    ok = given.node in ("", holder.node)
    return Answer(ok, 0 if ok else 1, f"{holder.node} leads at {holder.address}")


def under_way(given: Given) -> Answer:
    """The answer to who has waited for long enough."""
    what = {
        "maintenance on": f"{given.node} stands in the queue still, and leaves it as soon as it has recognised the order",
        "maintenance off": f"{given.node} does not stand in the queue yet; see whether it runs",
    }.get(given.kind, "the order stands, or has begun; see zkelect list")
    return Answer(False, UNDER_WAY, f"under way: {what}")
