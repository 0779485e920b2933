"""The operators' desk: takes their orders, and answers them. On the deciding thread."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Set

from supervisor_zkelect.core import messages
from supervisor_zkelect.listener import election_worker, events, pool_worker
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means

#: Seconds that an operator waits for an answer of ZooKeeper at most before he is told what is known.
REFRESH_TIME = 0.5

Request = Dict[str, Any]
"""ticket, verb, election ("" or None for the only one), args."""


class Desk(Decider):
    """Obeys the orders of operators."""

    def __init__(
        self, means: Means, keepers: Keepers, unbegun: Callable[[], str], node_verbs: Mapping[str, Callable[[Request], None]]
    ) -> None:
        """unbegun: why no election is begun, as a predicate of this node. node_verbs: how further orders are obeyed that are
        about the whole node."""
        super().__init__(means, keepers)
        self._unbegun = unbegun
        self._node_verbs = {"refresh": self._refresh, **node_verbs}
        #: tickets of those who want a fresh report, and since when the first does
        self._wanted: List[str] = []
        self._wanted_since = -math.inf
        self._election_verbs: Mapping[str, Callable[[Candidacy, Request], None]] = {
            "resign": self._resign, "members": self._members, "history": self._history,
        }

    @property
    def verbs(self) -> Set[str]:
        """The orders that it knows."""
        return {*self._node_verbs, *self._election_verbs}

    def obey(self, request: Request) -> None:
        ticket, verb = request["ticket"], request["verb"]
        if verb in self._node_verbs:
            self._node_verbs[verb](request)
            return
        if not self._candidacies:
            self._refuse(ticket, 1, f"no election has begun here: this node {self._unbegun()}")
            return
        name = request.get("election") or ""
        one = self._candidacies.by_name.get(name)
        if one is None and not name and len(self._candidacies) == 1:
            one = next(iter(self._candidacies))
        if one is None:
            known = ", ".join(sorted(self._candidacies.by_name))
            self._refuse(ticket, 2, f"there is no election {name!r} here; known: {known}")
        elif verb in self._election_verbs:
            self._election_verbs[verb](one, request)
        else:
            self._refuse(ticket, 2, f"this listener does not know the order {verb!r}")

    def _refresh(self, request: Request) -> None:
        """Deliver a report that is true now, and then answer; ack, holder and queue are read first."""
        if not self._wanted:
            self._wanted_since = self._host.now()
            if self._sessions.connected:
                for one in self._candidacies:
                    if one.state.proposal is not None and not one.queue.asking:
                        one.look_at_queue()
                    one.read_term()
        self._wanted.append(request["ticket"])

    def next_wakeup(self) -> float:
        return self._wanted_since + REFRESH_TIME if self._wanted else math.inf

    def keep_time(self, moment: float) -> None:
        """Have a fresh report delivered when ZooKeeper has answered all that it needs, or has taken too long."""
        if self._wanted and not self._delivery.under_way and (self._all_read() or moment >= self._wanted_since + REFRESH_TIME):
            self._delivery.tell(self._wanted)
            self._wanted = []

    def _all_read(self) -> bool:
        return not self._sessions.connected or not any(
            one.term.asking or one.queue.asking or one.term.asked_at < self._wanted_since for one in self._candidacies
        )

    def _refuse(self, ticket: str, status: int, text: str) -> None:
        self.reply(ticket, {"ok": False, "exit": status, "text": text})

    def _resign(self, one: Candidacy, request: Request) -> None:
        one.decide(messages.Resign(request["ticket"], request.get("args", {}).get("force") is True))

    def _members(self, one: Candidacy, request: Request) -> None:
        one.ask(0, election_worker.answer_members, request["ticket"], self.reply)

    def _history(self, one: Candidacy, request: Request) -> None:
        one.ask(0, election_worker.answer_history, request["ticket"], self.reply)

    def reply(self, ticket: str, document: Dict[str, Any]) -> None:
        """Answer an order. Any thread may call it."""
        self._work.submit(partial(pool_worker.deliver_answer, self._host.supervisord, ticket, document))

    def answer(self, one: Candidacy, action: messages.AnswerOperator) -> None:
        """Answer a resignation, as the role machine says."""
        document: Dict[str, Any] = {"ok": action.ok, "exit": action.exit, "text": action.text}
        if action.ok:
            document.update(node=action.node, address=action.address, seconds=action.seconds)
        if action.term is None:
            self.reply(action.ticket, document)
            return
        node = self._host.settings.node_name
        one.ask(0, election_worker.answer_failed_resignation, node, action, action.term, document, self.reply)

    def actions(self) -> events.Actions:
        return {messages.AnswerOperator: self.answer}
