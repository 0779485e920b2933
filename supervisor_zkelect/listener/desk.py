"""The operators' desk: takes their orders, and answers them. On the deciding thread.

A look at all that this node depends on, `check`, may wait for seconds for ZooKeeper, a resolver or this machine, on a thread of
the pool by which supervisord is told to stop groups, and is given reports. So there is one at most, and those who ask meanwhile
share the next.
"""

from __future__ import annotations

import math
import os
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Set, Tuple

from supervisor_zkelect.core import control, messages, roles
from supervisor_zkelect.diagnosis import examination
from supervisor_zkelect.listener import cut_off, events, order_worker, pool_worker, telling
from supervisor_zkelect.listener.answers import Answers
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means
from supervisor_zkelect.zookeeper import asked

#: Seconds that an operator waits for an answer of ZooKeeper at most before he is told what is known.
REFRESH_TIME = 0.5

_LOOKS = ("members", "list", "why", "simulate", "events")
"""The orders that only ZooKeeper can answer, and that say so at once where this node is cut off from it."""

Request = Dict[str, Any]
"""ticket, verb, election ("" or None for the only one), args."""


class Desk(Decider):
    """Obeys the orders of operators."""

    def __init__(
        self, means: Means, keepers: Keepers, unbegun: Callable[[], str], node_verbs: Mapping[str, Callable[[Request], None]],
        election_verbs: Mapping[str, Callable[[Candidacy, Request], None]],
    ) -> None:
        """unbegun: why no election is begun, as a predicate of this node. node_verbs: how further orders are obeyed that are
        about the whole node. election_verbs: the same of those about one election."""
        super().__init__(means, keepers)
        self._unbegun = unbegun
        self._answers = Answers(self._host, self._work, self._log)
        self._node_verbs = {"refresh": self._refresh, "check": self._check, **node_verbs}
        #: tickets of those who want a fresh report, and since when the first does
        self._wanted: List[str] = []
        self._wanted_since = -math.inf
        #: tickets of those who are answered by the look that is under way, and by the next
        self._looking: List[str] = []
        self._waiting: List[str] = []
        #: by ticket of those who wait for a resignation: who gave it, and why, and when
        self._resigning: Dict[str, Tuple[control.Order, float]] = {}
        self._election_verbs: Mapping[str, Callable[[Candidacy, Request], None]] = {
            "resign": self._resign, "members": self._members, "history": self._history, "list": self._list,
            "why": self._outlook, "simulate": self._outlook, "events": self._events,
            **election_verbs,
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
            why = f"no election has begun here: this node {self._unbegun()}"
            # Who looks what became of an order asked the listener before this one, and that order stands, or is done.
            if request.get("args", {}).get("look"):
                self._refuse(ticket, cut_off.UNKNOWN, f"it is unknown what became of the order: {why}")
            else:
                self._refuse(ticket, 1, why)
            return
        name = request.get("election") or ""
        one = self._candidacies.by_name.get(name)
        if one is None and not name and len(self._candidacies) == 1:
            one = next(iter(self._candidacies))
        if one is None:
            known = ", ".join(sorted(self._candidacies.by_name))
            self._refuse(ticket, 2, f"there is no election {name!r} here; known: {known}")
        elif verb in _LOOKS and cut_off.told(self._sessions, self._host.now()):
            self.reply(ticket, cut_off.answer(cut_off.told(self._sessions, self._host.now())))
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
        # The end of a report that is under way is an event, which wakes the loop by itself.
        fresh = self._wanted_since + REFRESH_TIME if self._wanted and not self._delivery.under_way else math.inf
        return min(fresh, self._answers.next_wakeup())

    def keep_time(self, moment: float) -> None:
        """Have a fresh report delivered when ZooKeeper has answered all that it needs, or has taken too long."""
        self._answers.keep_time(moment)
        if self._wanted and not self._delivery.under_way and (self._all_read() or moment >= self._wanted_since + REFRESH_TIME):
            self._delivery.tell(self._wanted)
            self._wanted = []

    def _all_read(self) -> bool:
        return not self._sessions.connected or not any(
            one.term.asking or one.queue.asking or one.term.asked_at < self._wanted_since for one in self._candidacies
        )

    def _check(self, request: Request) -> None:
        self._waiting.append(request["ticket"])
        self._begin_check()

    def _begin_check(self) -> None:
        if self._looking or not self._waiting:
            return
        self._looking, self._waiting = self._waiting, []
        self._work.submit(
            partial(pool_worker.check, self._node()),
            lambda error: events.CheckDone({"ok": False, "exit": 1, "text": f"a defect: {error!r}"}),
        )

    def _node(self) -> examination.ExaminedNode:
        """All that this node depends on, beside what a report tells of it."""
        host, granted, looks = self._host, self._leases.granted, None
        if granted is not None and self._sessions.usable:
            client = self._sessions.session.client
            looks = examination.ExaminingSession(client, granted.timeout, self._sessions.session.asked_timeout, granted.session)
        leading = {one.name for one in self._candidacies if one.state.role == roles.PRIMARY}
        return examination.ExaminedNode(
            host.settings, self._programs.trouble is not None, looks, host.supervisord.call, os.getppid(), host.supervisord_uid,
            host.uid, host.group, leading,
        )

    def _checked(self, event: events.CheckDone) -> None:
        for ticket in self._looking:
            self.reply(ticket, event.document)
        self._looking = []
        self._begin_check()

    def _refuse(self, ticket: str, status: int, text: str) -> None:
        self.reply(ticket, {"ok": False, "exit": status, "text": text})

    def _resign(self, one: Candidacy, request: Request) -> None:
        arguments, ticket = request.get("args", {}), request["ticket"]
        order = asked.signed_by(arguments)
        self._resigning[ticket] = order, self._host.now()
        one.decide(messages.Resign(ticket, arguments.get("force") is True, control.said(order)))

    def _members(self, one: Candidacy, request: Request) -> None:
        one.ask(0, telling.answer_members, request["ticket"], self.reply)

    def _list(self, one: Candidacy, request: Request) -> None:
        one.ask(0, telling.answer_list, request["ticket"], self.reply)

    def _events(self, one: Candidacy, request: Request) -> None:
        one.ask(0, telling.answer_events, request["ticket"], self.reply)

    def _outlook(self, one: Candidacy, request: Request) -> None:
        node = self._host.settings.node_name
        one.ask(0, telling.answer_outlook, request["ticket"], self.reply, node, request.get("args", {}))

    def _history(self, one: Candidacy, request: Request) -> None:
        copy = self._host.history_copy(one.name)
        one.ask(0, telling.answer_history, request["ticket"], self.reply, request.get("args", {}), copy)

    def reply(self, ticket: str, document: Dict[str, Any]) -> None:
        """Answer an order. Any thread may call it."""
        self._answers.give(ticket, document)

    def answer(self, one: Candidacy, action: messages.AnswerOperator) -> None:
        """Answer a resignation, as the role machine says, and have it noted in the log of orders."""
        node = self._host.settings.node_name
        document: Dict[str, Any] = {"ok": action.ok, "exit": action.exit, "text": action.text}
        if action.ok:
            document.update(node=action.node, address=action.address, seconds=action.seconds)
        if action.term is None:
            self.reply(action.ticket, document)
        else:
            one.ask(0, telling.answer_failed_resignation, node, action, action.term, document, self.reply)
        order, since = self._resigning.pop(action.ticket, (None, 0.0))
        if action.resigned and order is not None:
            one.ask(0, order_worker.note_resignation, action, order, node, self._host.now() - since)

    def handlers(self) -> events.Handlers:
        return {events.CheckDone: self._checked, **self._answers.handlers()}

    def actions(self) -> events.Actions:
        return {messages.AnswerOperator: self.answer}
