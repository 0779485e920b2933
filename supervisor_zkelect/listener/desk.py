"""The operators' desk: takes their orders, and answers them. On the deciding thread."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, Mapping, Set

from supervisor_zkelect.core import messages
from supervisor_zkelect.listener import election_worker, pool_worker
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.host import Host
from supervisor_zkelect.listener.workers import EventExecutor

Request = Dict[str, Any]
"""ticket, verb, election ("" or None for the only one), args."""


class Desk:
    """Obeys the orders of operators."""

    def __init__(
        self, host: Host, work: EventExecutor, candidacies: Candidacies, unbegun: Callable[[], str],
        node_verbs: Mapping[str, Callable[[Request], None]],
    ) -> None:
        """work: where supervisord is waited for. unbegun: why no election is begun, as a predicate of this node. node_verbs: how
        an order is obeyed that is about the whole node."""
        self._host = host
        self._work = work
        self._candidacies = candidacies
        self._unbegun = unbegun
        self._node_verbs = node_verbs
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

    def _refuse(self, ticket: str, status: int, text: str) -> None:
        self.reply(ticket, {"ok": False, "exit": status, "text": text})

    def _resign(self, one: Candidacy, request: Request) -> None:
        one.decide(messages.Resign(request["ticket"], request.get("args", {}).get("force") is True))

    def _members(self, one: Candidacy, request: Request) -> None:
        one.ask(0, partial(election_worker.answer_members, one.elector, request["ticket"], self.reply))

    def _history(self, one: Candidacy, request: Request) -> None:
        one.ask(0, partial(election_worker.answer_history, one.elector, request["ticket"], self.reply))

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
        node, worker = self._host.settings.node_name, election_worker.answer_failed_resignation
        one.ask(0, partial(worker, one.elector, node, action, action.term, document, self.reply))

    def actions(self) -> Mapping[type, Callable[[Candidacy, Any], None]]:
        return {messages.AnswerOperator: self.answer}
