"""Orders that go to the control znode: written for an operator, and looked after until he knows what became of them. On the
deciding thread.

The order stands in ZooKeeper, and is done by whoever it concerns: this node takes part in it as every other does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional

from supervisor_zkelect.core import control, roles, untrusted
from supervisor_zkelect.listener import election_worker, events
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means
from supervisor_zkelect.zookeeper import giving

#: Seconds between two looks at what becomes of an order.
PACE = 0.1


@dataclass
class Awaited:
    """An order that somebody waits for. id: "" until it is written. by: until when he waits. term: in which it was given."""

    one: Candidacy
    ticket: str
    given: giving.Given
    by: float
    id: str = ""
    term: int = 0
    asking: bool = True
    due: float = math.inf


class OrderDesk(Decider):
    """Obeys `maintenance`, `switchover`, `restart` and `orders`."""

    def __init__(self, means: Means, keepers: Keepers, reply: Callable[[str, Dict[str, Any]], None]) -> None:
        """reply: answers a ticket."""
        super().__init__(means, keepers)
        self._reply = reply
        self._awaited: Dict[str, Awaited] = {}
        self.verbs = {
            "maintenance": self._maintenance, "switchover": self._switchover, "restart": self._restart, "orders": self._orders,
        }

    def _maintenance(self, one: Candidacy, request: Dict[str, Any]) -> None:
        arguments = request.get("args", {})
        kind = "maintenance off" if arguments.get("what") == "off" else "maintenance on"
        self._give(one, request, kind, arguments.get("node") or self._host.settings.node_name, arguments.get("for"))

    def _switchover(self, one: Candidacy, request: Dict[str, Any]) -> None:
        arguments = request.get("args", {})
        kind = "cancel" if arguments.get("cancel") is True else "switchover"
        self._give(one, request, kind, arguments.get("to") or "", arguments.get("in"))

    def _restart(self, one: Candidacy, request: Dict[str, Any]) -> None:
        arguments = request.get("args", {})
        kind = "cancel restart" if arguments.get("cancel") is True else "restart"
        self._give(one, request, kind, "", arguments.get("in"))

    def _orders(self, one: Candidacy, request: Dict[str, Any]) -> None:
        self._give(one, request, "reset" if request.get("args", {}).get("reset") is True else "show", "", None)

    def _give(self, one: Candidacy, request: Dict[str, Any], kind: str, node: str, seconds: Optional[float]) -> None:
        arguments, ticket = request.get("args", {}), request["ticket"]
        by, reason = (untrusted.printable(arguments.get(name) or "", control.LONGEST_REASON) for name in ("by", "reason"))
        wait = arguments.get("wait", 0.0)
        if node and not untrusted.known_name(node) or not _is_time(wait) or seconds is not None and not _is_time(seconds):
            self._reply(ticket, {"ok": False, "exit": 2, "text": "the name of the node, or a time, is none"})
            return
        order = untrusted.printable(arguments.get("id") or "", 64)
        given = giving.Given(kind, node, by, reason, seconds, arguments.get("force") is True, order)
        self._awaited[ticket] = Awaited(one, ticket, given, self._host.now() + wait)
        one.ask(0, election_worker.give_order, ticket, given, self._post)

    def _given(self, event: events.OrderSeen) -> None:
        awaited = self._awaited.get(event.ticket)
        if awaited is None:
            return
        awaited.asking = False
        awaited.id, awaited.term = awaited.id or event.id, event.term
        moment = self._host.now()
        answer = event.answer
        if answer is None and awaited.id and moment >= awaited.by:
            answer = self._stays(awaited) or giving.under_way(awaited.given)
        if answer is None:
            awaited.due = moment + PACE
            return
        del self._awaited[event.ticket]
        self._reply(event.ticket, {"id": awaited.id, **answer.document()})

    def _stays(self, awaited: Awaited) -> Optional[giving.Answer]:
        """Why this node goes on leading, though it was put into maintenance."""
        state = awaited.one.state
        ours = awaited.given.kind == "maintenance on" and awaited.given.node == self._host.settings.node_name
        if not ours or state.role != roles.PRIMARY or not state.stays_why:
            return None
        text = f"{awaited.given.node} goes on leading until another node can: {state.stays_why}"
        return giving.Answer(False, giving.UNDER_WAY, text)

    def handlers(self) -> events.Handlers:
        return {events.OrderSeen: self._given}

    def next_wakeup(self) -> float:
        return min((one.due for one in self._awaited.values()), default=math.inf)

    def keep_time(self, moment: float) -> None:
        """Look what became of the orders that somebody waits for."""
        due: List[Awaited] = [one for one in self._awaited.values() if one.due <= moment and not one.asking]
        for one in due:
            one.asking, one.due = True, math.inf
            one.one.ask(0, election_worker.look_after_order, one.ticket, one.given, one.id, one.term, self._post)


def _is_time(value: Any) -> bool:
    """Whether it is a number of seconds."""
    return type(value) in (int, float) and 0 <= value < 1e9
