"""What became of an order that was written, as whoever gave it is told.

Each function is given an elector and waits for ZooKeeper: on a tool's thread, or off the listener's deciding thread.
"""

from __future__ import annotations

from typing import Optional

from supervisor_zkelect.core import control, ranks
from supervisor_zkelect.core.control import Order, Switchover
from supervisor_zkelect.core.history import LATELY
from supervisor_zkelect.zookeeper.given import UNDER_WAY, Given, OrderAnswer, stands
from supervisor_zkelect.zookeeper.past import PastCalls


def came_of(elector: PastCalls, given: Given, order: str, term: int) -> Optional[OrderAnswer]:
    """What became of an order that was written; None while it is under way. term: token of the term in which it was given. Raises
    ElectionError."""
    if given.kind in ("switchover", "restart"):
        answer = _outcome(elector, given, order)
        if answer is not None and not answer.ok and given.kind == "switchover":
            return _led_instead(elector, answer, term)
        if answer is not None or stands(elector.read_control(), order):
            return answer
        if given.kind == "restart":
            # It is taken out when its outcome is written.
            gone = OrderAnswer(False, 1, "the order does not stand any more; see zkelect history")
            return _outcome(elector, given, order) or gone
        return _led(elector, given, order, term)
    there = given.node in [one.node for one in elector.members()]
    if given.kind == "maintenance on":
        return _put_aside(elector, given, order) if there else OrderAnswer(True, 0, _aside_now(elector, given, order))
    newer = elector.read_control().maintenance.get(given.node)
    if newer is not None and (newer.until is None or newer.stands(elector.server_time())):
        return OrderAnswer(False, 1, f"{given.node} is {control.maintenance_in_words(newer)} again")
    if not there and not elector.lives(given.node):
        return OrderAnswer(True, 0, f"done; {given.node} does not run just now, and joins when it does")
    if there:
        return OrderAnswer(True, 0, f"{given.node} stands in the queue")
    entry = elector.entry_of(given.node)
    if entry is not None and not entry.priority:
        return OrderAnswer(True, 0, f"done; {given.node} does not stand in the queue: {ranks.NEVER}")
    return None


def _put_aside(elector: PastCalls, given: Given, order: str) -> Optional[OrderAnswer]:
    """What became of the maintenance of a node that stands in the queue; None while that is ordered."""
    found = elector.read_control()
    standing = found.maintenance.get(given.node)
    if standing is not None and standing.id == order:
        over = standing.until is not None and not standing.stands(elector.server_time())
        return OrderAnswer(False, 1, f"its time was over before {given.node} had left the queue") if over else None
    if found.trouble:
        return OrderAnswer(False, 1, found.trouble)
    gone = f"the order does not stand any more, and {given.node} stands in the queue; see zkelect orders --log"
    return _outcome(elector, given, order) or OrderAnswer(False, 1, gone)


def _aside_now(elector: PastCalls, given: Given, order: str) -> str:
    """That a node is in maintenance, and until when."""
    standing = elector.read_control().maintenance.get(given.node)
    if standing is None or standing.id != order:
        return f"{given.node} left the queue; the order does not stand any more"
    if standing.until is None:
        return f"{given.node} is in maintenance, until zkelect maintenance off ends that"
    until = control.until_in_words(standing, elector.server_time())
    return f"{given.node} is in maintenance{until}, or until zkelect maintenance off ends that"


def _outcome(elector: PastCalls, given: Given, order: str) -> Optional[OrderAnswer]:
    for outcome in elector.outcomes():
        if outcome.id == order:
            why = "" if outcome.ok or given.kind != "switchover" else _ended(elector, given)
            return OrderAnswer(outcome.ok, 0 if outcome.ok else 1, outcome.text + why)
    return None


def _led_instead(elector: PastCalls, failed: OrderAnswer, term: int) -> Optional[OrderAnswer]:
    """The answer to who ordered a switchover that has failed, with who leads now; None while nobody is primary."""
    holder, ack = elector.holder(), elector.read_ack()
    if holder is not None and holder.token == term:
        # Nothing was stopped for it.
        return failed
    if holder is None or not ack:
        return None
    leads = f"{holder.node} leads at {holder.address}"
    return failed if leads in failed.text else failed._replace(text=f"{failed.text}; {leads}")


def nobody_leads(elector: PastCalls, given: Given, order: str) -> Optional[OrderAnswer]:
    """The answer to who has waited for long enough after his switchover has failed; None where it has not."""
    failed = _outcome(elector, given, order) if given.kind == "switchover" else None
    if failed is None or failed.ok:
        return None
    return failed._replace(text=f"{failed.text}; nobody is primary yet", more={"awaited": "another node to lead"})


def _ended(elector: PastCalls, given: Given) -> str:
    """That the node which was to lead is gone, behind what happened."""
    return "" if not given.node or elector.lives(given.node) else f"; {given.node}'s session ended meanwhile"


def _led(elector: PastCalls, given: Given, order: str, term: int) -> Optional[OrderAnswer]:
    """What came of a switchover that does not stand any more, and whose outcome is not written yet, or never will be."""
    holder, ack = elector.holder(), elector.read_ack()
    if holder is not None and holder.token == term and ack:
        return OrderAnswer(False, 1, f"{holder.node} leads still, and the order does not stand any more")
    if holder is None or not ack:
        return None
    # Whoever has claimed by the order knows which node led before, and tells it, if that may be.
    source = "" if given.node else next((one.get("node", "") for one in elector.terms(LATELY) if one["token"] == term), "")
    if not given.node and not source:
        return None
    missed = Switchover(Order(order), given.node, source=source).missed_by(holder.node)
    why = f", and not {missed}{_ended(elector, given)}" if missed else ""
    return OrderAnswer(not missed, 1 if missed else 0, f"{holder.node} leads at {holder.address}{why}")


def under_way(given: Given) -> OrderAnswer:
    """The answer to who has waited for long enough."""
    what = {
        "maintenance on": f"{given.node} stands in the queue still, and leaves it as soon as it has recognised the order",
        "maintenance off": f"{given.node} does not stand in the queue yet; see whether it runs",
    }.get(given.kind, "the order stands, or has begun; see zkelect list")
    return OrderAnswer(False, UNDER_WAY, f"under way: {what}")
