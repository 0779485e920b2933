"""What operators have ordered in one election, as the control znode says it. Pure.

    {"v": 1, "nodes": {NODE: {"maintenance": ORDER, "cleared": token}}, "switchover": ORDER with to, due, force, begun, target,
     from, "restart": ORDER with due, begun, term, that of "maintenance" with begun,
     "pause": ORDER with lasts, "paused": the same with node, token, machine, boot, instance, resume}
    ORDER: {"id", "by", "reason", "at", "until"}

It is changed by compare-and-set only, and who claims a term checks its version in the same transaction, so that an order counts
from the moment at which it is written. What cannot be read as control promotes nobody, and nobody but an operator who says so
overwrites it; fields that this version does not know are kept.

Times are milliseconds of ZooKeeper's clock, as the stat of a znode has them, since 1970 in UTC.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple, TypeVar, Union

from supervisor_zkelect.core import moments, untrusted

VERSION = 1
"""The format that this version reads and writes."""

RESIGNATION, SWITCHOVER, STAND_ASIDE, RESTART, FAILBACK = "resignation", "switchover", "maintenance", "restart", "failback"
"""Kinds of handovers: by who asked the node that leads; by an order in the control; by the maintenance of that node; what is
begun as they are, though nobody takes over; and to a node of a higher priority, which nobody has ordered: its order is that
node's proposal."""

LONGEST_REASON = 500
"""Characters of a text in an order."""

_LONGEST_SAID = 200
"""Characters of who gave an order and why, in a history of many terms."""

LATE = 600_000
"""Milliseconds after its time for which a switchover or a restart may still be begun; then it is dropped."""

Document = Dict[str, Any]
T = TypeVar("T")


class Unusable(Exception):
    """The znode holds no control that this version may read or change; the message says why, and what to do."""


class Stamp(NamedTuple):
    """Which control was read: the czxid and the version of the znode; (0, -1) where there is none."""

    czxid: int = 0
    version: int = -1


class Order(NamedTuple):
    """id: made before the first write. by: who and from where, as he says himself. at, until: when it was given, and until when
    it counts, None for no end. force: even if nobody can take over."""

    id: str
    by: str = ""
    reason: str = ""
    at: int = 0
    until: Optional[int] = None
    force: bool = False

    def stands(self, now: Optional[int]) -> bool:
        """Whether it counts now; where the time is not known it does."""
        return self.until is None or now is None or now < self.until

    def document(self) -> Document:
        fields: Document = {"id": self.id, "by": self.by, "reason": self.reason, "at": self.at}
        if self.until is not None:
            fields["until"] = self.until
        if self.force:
            fields["force"] = True
        return fields


class Switchover(NamedTuple):
    """An order that another node is to lead. to: the node; "" for whoever is next. due: when, None for now. begun: token of the
    term that it ends, 0 before that. target: the proposal that is to lead then. source: the node whose term that is."""

    order: Order
    to: str = ""
    due: Optional[int] = None
    begun: int = 0
    target: str = ""
    source: str = ""

    def missed_by(self, node: str) -> str:
        """Who was to lead by it, in words, where this node leads instead; "" where that is as ordered."""
        if self.to:
            return "" if node == self.to else self.to
        return "another node" if node == self.source else ""

    def document(self) -> Document:
        fields = self.order.document()
        if self.to:
            fields["to"] = self.to
        if self.due is not None:
            fields["due"] = self.due
        if self.begun:
            fields.update(begun=self.begun, target=self.target)
        if self.source:
            fields["from"] = self.source
        return fields


class Restart(NamedTuple):
    """An order that the service be started again in the same term. due: when, None for now. begun: token of the term in which it
    is done, 0 before that. term: token of the only term in which it may be begun, 0 for whichever it falls into."""

    order: Order
    due: Optional[int] = None
    begun: int = 0
    term: int = 0

    def document(self) -> Document:
        fields = self.order.document()
        if self.due is not None:
            fields["due"] = self.due
        fields.update((name, token) for name, token in (("begun", self.begun), ("term", self.term)) if token)
        return fields


class RestartSeen(NamedTuple):
    """A restart as a node sees it. id: the order's. due: when, in seconds of the node's own clock. begun, term: as above.
    said: who gave it, and why."""

    id: str
    due: float = float("-inf")
    begun: int = 0
    term: int = 0
    said: str = ""


class Life(NamedTuple):
    """One life of a node: the machine and its boot, by the kernel's ids, and the supervisord, as `record.instance` has it. A name
    alone tells no two nodes apart, and a machine whose id is not known ("") is none that could be recognised."""

    machine: str = ""
    boot: str = ""
    instance: str = ""


class Pause(NamedTuple):
    """An order that nobody is promoted, and nobody steps down, until `resume`.

    lasts: milliseconds after which it ends by itself, counted from the consent; None for no end. node, token, life: who has
    consented to it, in which term, so that its lease has no end; "" and 0 where nobody has, or not any more. resume: id of the
    order by which that node is to end it; "" while it is not.
    """

    order: Order
    lasts: Optional[int] = None
    node: str = ""
    token: int = 0
    life: Life = Life()
    resume: str = ""

    def document(self) -> Document:
        fields = self.order.document()
        if self.lasts is not None:
            fields["lasts"] = self.lasts
        if self.token:
            fields.update(node=self.node, token=self.token, **self.life._asdict())
        if self.resume:
            fields["resume"] = self.resume
        return fields

    def told(self) -> str:
        """As a predicate of the election."""
        by = f" by {self.order.by}" if self.order.by else ""
        return f"paused{by}" + (f": {self.order.reason}" if self.order.reason else "")


class Control(NamedTuple):
    """stamp: of the znode that was read. trouble: why it cannot be used, else "". cleared: node -> token of the term up to which
    an operator has forgiven that its terms failed. asked: a pause that whoever leads is asked for. paused: one that stands.
    leaving: node -> token of its term, which its maintenance has begun to end."""

    stamp: Stamp = Stamp()
    trouble: str = ""
    maintenance: Mapping[str, Order] = {}
    switchover: Optional[Switchover] = None
    restart: Optional[Restart] = None
    cleared: Mapping[str, int] = {}
    asked: Optional[Pause] = None
    paused: Optional[Pause] = None
    leaving: Mapping[str, int] = {}

    def halted(self, token: int) -> str:
        """What keeps a term from being begun by the proposal with this token; "" for nothing. One in which this node has
        consented was claimed before."""
        paused = self.paused
        return "" if paused is None or token and paused.token == token else f"{paused.told()}, so nobody is promoted"

    def barred(self, node: str, now: Optional[int]) -> Optional[Bar]:
        """What keeps a node from leading, and from standing in the queue; None for nothing. now: None where it is not known."""
        if self.trouble:
            return Bar(self.trouble)
        order = self.maintenance.get(node)
        return Bar(in_maintenance(order), order) if order is not None and order.stands(now) else None


class Bar(NamedTuple):
    """why: a line. order: the maintenance, None where the control itself cannot be used."""

    why: str
    order: Optional[Order] = None


def in_maintenance(order: Order) -> str:
    by = f" by {order.by}" if order.by else ""
    return f"in maintenance{by}" + (f": {order.reason}" if order.reason else "")


def maintenance_in_words(order: Order, now: Optional[int] = None) -> str:
    """A maintenance that stands, and until when. now: what ZooKeeper's clock shows."""
    return in_maintenance(order) + until_in_words(order, now)


def until_in_words(order: Order, now: Optional[int]) -> str:
    """Until when an order counts, behind what it is; "" where it has no end. now: what ZooKeeper's clock shows."""
    if order.until is None:
        return ""
    left = "" if now is None else f" for another {moments.duration(max(0, order.until - now) / 1000)},"
    return f",{left} until {moments.utc(order.until)}"


def said(order: Order) -> str:
    """Who gave an order, and why, behind the words "by order"."""
    by = f" of {order.by}" if order.by else ""
    return untrusted.cut(f"{by}: {order.reason}" if order.reason else by, _LONGEST_SAID)


# Reading


def read(data: bytes, stamp: Stamp, path: str = "control") -> Control:
    """The control in a znode's data. path: of the znode, for what is told where it is none."""
    try:
        document = parsed(data, path)
        nodes, switchover, restart = document.get("nodes", {}), document.get("switchover"), document.get("restart")
        asked, paused = (None if document.get(name) is None else _pause(document[name]) for name in ("pause", "paused"))
        begun = _of_nodes(nodes, "maintenance", lambda found: untrusted.number(found.get("begun", 0)))
        leaving = {node: term for node, term in begun.items() if term}
        return Control(
            stamp, "", _of_nodes(nodes, "maintenance", _order), None if switchover is None else _switchover(switchover),
            None if restart is None else _restart(restart), _of_nodes(nodes, "cleared", untrusted.number), asked, paused, leaving,
        )
    except Unusable as error:
        return Control(stamp, str(error))
    except (AttributeError, KeyError, TypeError, ValueError):
        return Control(stamp, _garbage(path))


def _of_nodes(nodes: Any, name: str, read: Callable[[Any], T]) -> Dict[str, T]:
    """What is said under this name of nodes, where it is."""
    return {node: read(one[name]) for node, one in nodes.items() if untrusted.known_name(node) and one.get(name) is not None}


def parsed(data: bytes, path: str = "control") -> Document:
    """The document in a znode's data; {} where that is empty. Raises Unusable."""
    if not data:
        return {}
    document = untrusted.parsed(data)
    if not isinstance(document, dict) or type(document.get("v")) is not int or document["v"] < 1:
        raise Unusable(_garbage(path))
    if document["v"] > VERSION:
        raise Unusable(f"{path} has the format {document['v']}, and this version knows {VERSION}; install a newer version here, "
                       "or take all orders back by `zkelect orders --reset`")
    return document


def _garbage(path: str) -> str:
    return f"{path} holds no orders that can be read, so nobody is promoted; `zkelect orders --reset` makes it anew"


def _order(found: Any) -> Order:
    """Raises TypeError and ValueError where it is none."""
    force = found.get("force", False)
    if type(force) is not bool:
        raise TypeError
    return Order(
        _text(found["id"], 64), _text(found.get("by", "")), _text(found.get("reason", "")), _time(found.get("at", 0)),
        None if found.get("until") is None else _time(found["until"]), force,
    )


def _switchover(found: Any) -> Switchover:
    to, begun = found.get("to", ""), found.get("begun", 0)
    if type(begun) is not int or to and not untrusted.known_name(to):
        raise ValueError
    source = untrusted.known_name(found.get("from"))
    return Switchover(_order(found), to, _due(found), untrusted.number(begun), _text(found.get("target", ""), 400), source)


def _restart(found: Any) -> Restart:
    begun, term = found.get("begun", 0), found.get("term", 0)
    if type(begun) is not int or type(term) is not int:
        raise ValueError
    return Restart(_order(found), _due(found), untrusted.number(begun), untrusted.number(term))


def _due(found: Any) -> Optional[int]:
    return None if found.get("due") is None else _time(found["due"])


def _pause(found: Any) -> Pause:
    token, node = found.get("token", 0), found.get("node", "")
    if type(token) is not int or token and not (untrusted.number(token) and untrusted.known_name(node)):
        raise ValueError
    lasts = None if found.get("lasts") is None else _time(found["lasts"])
    life = Life(*(_text(found.get(name, ""), 200) for name in Life._fields))
    return Pause(_order(found), lasts, node if token else "", token, life, _text(found.get("resume", ""), 64))


def _text(value: Any, most: int = LONGEST_REASON) -> str:
    if not isinstance(value, str):
        raise TypeError
    return untrusted.printable(value, most)


def _time(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= untrusted.LARGEST:
        raise ValueError
    return value


# Changing. Each takes the document of a znode, as `parsed` returns it, and changes it.

Change = Callable[[Document], None]


def amended(data: bytes, now: Optional[int], change: Change, path: str = "control") -> bytes:
    """The data of the znode after a change, without orders that are over. now: None where it is not known. Raises Unusable."""
    document = parsed(data, path)
    if read(data, Stamp(), path).trouble:
        raise Unusable(_garbage(path))
    document.setdefault("v", VERSION)
    try:
        _prune(document, now)
        change(document)
    except (AttributeError, KeyError, TypeError, ValueError):
        # Below a name that is no node's there may be anything.
        raise Unusable(_garbage(path)) from None
    written = json.dumps(document).encode("utf-8")
    if len(written) > untrusted.LONGEST_DOCUMENT:
        raise Unusable(f"{path} would have {len(written)} bytes, and {untrusted.LONGEST_DOCUMENT} are read; take orders back")
    return written


def _prune(document: Document, now: Optional[int]) -> None:
    for node, of_node in list(document.get("nodes", {}).items()):
        order = of_node.get("maintenance") if untrusted.known_name(node) else None
        if order is not None and not _order(order).stands(now):
            end_maintenance(node)(document)
    asked = document.get("pause")
    if asked is not None and now is not None and now > _order(asked).at + LATE:
        # Nobody was there who could have consented.
        end_asking(document)


def end_asking(document: Document) -> None:
    document.pop("pause", None)


def begin_maintenance(node: str, order: Order, former: Optional[Document] = None) -> Change:
    """former: the order that stood until now, which stands again if this one is taken back."""

    def change(document: Document) -> None:
        found = document.setdefault("nodes", {}).setdefault(node, {})["maintenance"] = order.document()
        if former and former.get("id") != order.id:
            found["former"] = {name: value for name, value in former.items() if name != "former"}

    return change


def mark_maintenance(node: str, term: int) -> Change:
    """Mark it begun. term: token of the term that it ends, 0 for none."""

    def change(document: Document) -> None:
        order = document.get("nodes", {}).get(node, {}).get("maintenance")
        if order:
            order["begun"] = term

    return change


def unmarked(node: str, term: int) -> Callable[[Control], Optional[Change]]:
    """What takes the mark of that term away, where it is there still."""
    return lambda found: mark_maintenance(node, 0) if found.leaving.get(node) == term else None


def take_back_maintenance(node: str) -> Change:
    """End it, or have what it has replaced stand again, for as long as that was to."""

    def change(document: Document) -> None:
        former = document["nodes"][node]["maintenance"].get("former")
        try:
            _order(former)
        except (AttributeError, KeyError, TypeError, ValueError):
            end_maintenance(node)(document)
        else:
            document["nodes"][node]["maintenance"] = former

    return change


def end_maintenance(node: str, term: int = 0) -> Change:
    """term: token of the term that goes on, up to which it is forgiven that the node's terms failed; 0 where it is not."""

    def change(document: Document) -> None:
        nodes = document.get("nodes", {})
        if node in nodes:
            nodes[node].pop("maintenance", None)
            if term:
                nodes[node]["cleared"] = term
            if not nodes[node]:
                del nodes[node]

    return change


def forget(node: str) -> Change:
    """Drop all that is said of a node."""

    def change(document: Document) -> None:
        document.get("nodes", {}).pop(node, None)

    return change


def order_switchover(switchover: Switchover) -> Change:
    """Order it, or mark it begun."""

    def change(document: Document) -> None:
        former = document.get("switchover")
        kept = former if isinstance(former, dict) and former.get("id") == switchover.order.id else {}
        document["switchover"] = {**kept, **switchover.document()}

    return change


def end_switchover(document: Document) -> None:
    document.pop("switchover", None)


def order_restart(restart: Restart) -> Change:
    """Order it, or mark it begun."""

    def change(document: Document) -> None:
        former = document.get("restart")
        kept = former if isinstance(former, dict) and former.get("id") == restart.order.id else {}
        document["restart"] = {**kept, **restart.document()}

    return change


def end_restart(document: Document) -> None:
    document.pop("restart", None)


def ended(control: Control, order: str) -> Optional[Change]:
    """What takes the order with this id out of the control, once it is known what came of it; None where it does not stand
    there. A maintenance and a pause that was consented to stand on."""
    if control.switchover is not None and control.switchover.order.id == order:
        return end_switchover
    if control.asked is not None and control.asked.order.id == order:
        return end_asking
    return end_restart if control.restart is not None and control.restart.order.id == order else None


def led_to(control: Control, node: str, token: int) -> Optional[Switchover]:
    """The order that a claim by this node, in the term `token`, comes of, and removes: one that ended another term, or that
    wanted this node to lead, or whoever is next. One order ends at most one term."""
    order = control.switchover
    if order is None:
        return None
    if order.begun:
        return order if order.begun != token else None
    return order if order.to == node or not order.to and order.due is None else None


def overdue(ordered: Union[Switchover, Restart], now: int) -> bool:
    """Whether its time is over, so that it is dropped."""
    due = ordered.order.at if ordered.due is None else ordered.due
    return now > due + LATE


Outcome = Tuple[str, bool, str]
"""Of an order: its id, whether it was done, and what came of it, one line."""
