"""The log of orders: who gave which order, when and why, beside what became of it (outcomes.py), in the same znode. Pure.

    {"v": 1, "orders": [{"id", "what", "node", "by", "reason", "at", "until", "due"}], "outcomes": [{"id", "ok", "text", …}]}

It remembers the last orders only: control has what stands. Times are milliseconds of ZooKeeper's clock, since 1970 in UTC.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from supervisor_zkelect.core import outcomes, untrusted
from supervisor_zkelect.core.outcomes import Outcome

RESIGN = "resign"
"""A resignation, which stands nowhere before it is answered, and then here."""

LONGEST_REASON = 200
"""Characters of a reason that are kept here."""


class Noted(NamedTuple):
    """An order that was given. what: as `given.Given.kind` has it, or RESIGN. node: whom it is about, "" for whoever is next, or
    nobody. until, due: until when it counts, when it is due; None for no end, or at once."""

    id: str
    what: str
    node: str = ""
    by: str = ""
    reason: str = ""
    at: int = 0
    until: Optional[int] = None
    due: Optional[int] = None


class LoggedOrder(NamedTuple):
    """order: with nothing but its id where only its outcome is known. outcome: None where that is not known (yet)."""

    order: Noted
    outcome: Optional[Outcome]

    def document(self) -> Dict[str, Any]:
        """For --json: the fields of the order, and "outcome" with "done" (null where that is not known)."""
        fields, outcome = self.order._asdict(), self.outcome
        if outcome is None:
            return {**fields, "done": None, "outcome": None}
        return {**fields, "done": outcome.ok, "outcome": {"text": outcome.text, "node": outcome.node, "at": outcome.at}}


def read(data: bytes) -> List[LoggedOrder]:
    """The log in a znode's data, the newest order last; what cannot be read is left out."""
    known = {one.id: one for one in outcomes.read(data)}
    found = untrusted.document(data).get("orders")
    orders = [_noted(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    told = {one.id for one in orders}
    unnoted = [LoggedOrder(Noted(one.id, ""), one) for one in known.values() if one.id not in told]
    return [*unnoted, *(LoggedOrder(one, known.get(one.id)) for one in orders)]


def _noted(one: Dict[str, Any]) -> Noted:
    words = (untrusted.printable(one.get(field) or "", most) for field, most in (
        ("id", 64), ("what", 64), ("node", 255), ("by", 255), ("reason", LONGEST_REASON),
    ))
    order, what, node, by, reason = words
    until, due = (untrusted.number(one.get(field)) or None for field in ("until", "due"))
    return Noted(order, what, node, by, reason, untrusted.number(one.get("at")), until, due)


def amended(data: bytes, order: Noted, outcome: Optional[Outcome] = None) -> bytes:
    """The data of the znode with another order, and with its outcome where that is known. One with the same id stands first and
    counts: it was given once."""
    kept = [entry.order for entry in read(data) if entry.order.what]
    if all(one.id != order.id for one in kept):
        kept.append(order._replace(reason=untrusted.cut(order.reason, LONGEST_REASON)))
    known = [one._asdict() for one in outcomes.read(data)]
    data = outcomes.fitting({**untrusted.document(data), "orders": [one._asdict() for one in kept], "outcomes": known})
    return data if outcome is None else outcomes.amended(data, outcome)
