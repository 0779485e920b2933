"""Orders that go to the control znode: written for an operator, and looked after until he knows what became of them. On the
deciding thread.

The order stands in ZooKeeper, and is done by whoever it concerns: this node takes part in it as every other does.

Whoever waits asks at intervals, so that he can show what is awaited: his first question gives the order, each further one names
it by `look` and `term`, which the answer to the one before had, and gives nothing. `take_back` names one that he takes back.
`within` says for how many seconds after the question an order may be written: whoever asks has gone then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Dict, List, Optional

from supervisor_zkelect.core import roles, untrusted
from supervisor_zkelect.listener import cut_off, events, order_worker
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means
from supervisor_zkelect.zookeeper import asked, following, pause_giving, results
from supervisor_zkelect.zookeeper.given import TAKE_BACK, UNDER_WAY, Given, OrderAnswer
from supervisor_zkelect.zookeeper.permit import Permit

#: Seconds between two looks at what becomes of an order.
PACE = 0.1


@dataclass
class Awaited:
    """An order that somebody waits for. id: "" until it is written. by: until when he waits. first: the answer to the writing.
    term: in which it was given. last: what is asked for now is the last that he waits for. permit: until when it may be
    written."""

    one: Candidacy
    ticket: str
    given: Given
    by: float
    id: str = ""
    term: int = 0
    first: OrderAnswer = OrderAnswer(True, 0, "")
    asking: bool = True
    last: bool = False
    due: float = math.inf
    permit: Permit = field(default_factory=Permit)


class OrderDesk(Decider):
    """Obeys `maintenance`, `switchover`, `restart`, `pause`, `resume`, `forget` and `orders`."""

    def __init__(self, means: Means, keepers: Keepers, reply: Callable[[str, Dict[str, Any]], None]) -> None:
        """reply: answers a ticket."""
        super().__init__(means, keepers)
        self._reply = reply
        self._awaited: Dict[str, Awaited] = {}
        self.verbs = {verb: partial(self._order, verb) for verb in asked.VERBS}

    def _order(self, verb: str, one: Candidacy, request: Dict[str, Any]) -> None:
        arguments, ticket = request.get("args", {}), request["ticket"]
        wait, look, term, back, within = (arguments.get(name) for name in ("wait", "look", "term", "take_back", "within"))
        try:
            given = asked.given(verb, arguments, self._host.settings.node_name)
            times = [seconds for seconds in (wait, within) if seconds is not None]
            if not all(map(asked.is_time, times)) or type(term) not in (int, type(None)):
                raise asked.NoOrder("wait and within must be numbers of seconds, and term a token")
        except asked.NoOrder as error:
            self._reply(ticket, {"ok": False, "exit": 2, "text": str(error)})
            return
        if given.kind == pause_giving.FORCE:
            given = given._replace(fence=one.settings.fence is not None)
        by = self._host.now() + (wait or 0.0)
        if back:
            given = given._replace(kind=TAKE_BACK, id=self._awaited_id(untrusted.printable(back, 64)))
            if self._withdrawn(given, ticket):
                return
        if look:
            awaited = Awaited(one, ticket, given, by, untrusted.printable(look, 64), term or 0)
            self._awaited[ticket] = awaited
            self._look(awaited)
            return
        away = cut_off.told(self._sessions, self._host.now())
        if away:
            what = ", so it is unknown what is ordered" if given.kind in ("show", "log") else "; nothing was ordered"
            self._reply(ticket, cut_off.answer(away + what))
            return
        until = math.inf if within is None else self._host.now() + within - request.get("age", 0.0)
        awaited = self._awaited[ticket] = Awaited(one, ticket, given, by, permit=Permit(until))
        one.ask(0, order_worker.give_order, ticket, given, awaited.permit, self._post)

    def _awaited_id(self, order: str) -> str:
        """The id of the order that is awaited for one that was given: its own, or that of one that stood already and is the same,
        as a resume that is ordered twice."""
        return next((one.id for one in self._awaited.values() if one.given.id == order and one.id), order)

    def _withdrawn(self, back: Given, ticket: str) -> bool:
        """Answer who takes back an order that nothing was sent of yet, or of which ZooKeeper cannot be asked now. Returns whether
        he is answered."""
        answer = None
        for one in list(self._awaited.values()):
            if one.given.id == back.id and one.given.kind != TAKE_BACK and not one.id and one.permit.withdraw():
                answer = OrderAnswer(False, following.INTERRUPTED, "interrupted; nothing was ordered, and nothing will be")
                # Nobody looks for its answer any more.
                del self._awaited[one.ticket]
        if answer is None and not self._sessions.connected:
            answer = OrderAnswer(False, following.UNKNOWN, "there is no connection to ZooKeeper")
        if answer is not None:
            self._reply(ticket, answer.document())
        return answer is not None

    def _given(self, event: events.OrderSeen) -> None:
        awaited = self._awaited.get(event.ticket)
        if awaited is None:
            return
        awaited.asking = False
        answer = event.answer
        if answer is not None and event.id and not awaited.id:
            # It is written, and is looked after from now on.
            awaited.id, awaited.term, awaited.first, answer = event.id, answer.term, answer, None
        if answer is None:
            moment = self._host.now()
            if moment >= awaited.by:
                answer = self._stays(awaited)
                if answer is None:
                    awaited.last = True
                    self._look(awaited)
                    return
            else:
                awaited.due = min(moment + PACE, awaited.by)
                return
        del self._awaited[event.ticket]
        self._reply(event.ticket, self._document(awaited, answer))

    def _document(self, awaited: Awaited, answer: OrderAnswer) -> Dict[str, Any]:
        first = awaited.first
        shown = answer._replace(checked=answer.checked or first.checked, warning=answer.warning or first.warning)
        document = {"id": awaited.id, **shown.document()}
        return {**document, "term": awaited.term} if answer.exit == UNDER_WAY or "awaited" in answer.more else document

    def _stays(self, awaited: Awaited) -> Optional[OrderAnswer]:
        """Why this node goes on leading, though it was put into maintenance."""
        state = awaited.one.state
        ours = awaited.given.kind == "maintenance on" and awaited.given.node == self._host.settings.node_name
        if not ours or state.role != roles.PRIMARY or not state.stays_why:
            return None
        text = f"{awaited.given.node} goes on leading until another node can: {state.stays_why}"
        return OrderAnswer(False, UNDER_WAY, text)

    def handlers(self) -> events.Handlers:
        return {events.OrderSeen: self._given}

    def next_wakeup(self) -> float:
        return min((one.due for one in self._awaited.values()), default=math.inf)

    def keep_time(self, moment: float) -> None:
        """Look what became of the orders that somebody waits for."""
        due: List[Awaited] = [one for one in self._awaited.values() if one.due <= moment and not one.asking]
        for one in due:
            self._look(one)

    def _look(self, awaited: Awaited) -> None:
        if not self._sessions.connected:
            # Nothing is asked that would be answered only when there is a connection again.
            answer = results.under_way(awaited.given) if awaited.last or self._host.now() >= awaited.by else None
            self._given(events.OrderSeen(awaited.ticket, awaited.id, answer and answer._replace(
                text=f"{answer.text}; {cut_off.told(self._sessions, self._host.now()) or 'there is no connection to ZooKeeper'}"
            )))
            return
        awaited.asking, awaited.due = True, math.inf
        awaited.one.ask(
            0, order_worker.look_after_order, awaited.ticket, awaited.given, awaited.id, awaited.term, awaited.last, self._post
        )
