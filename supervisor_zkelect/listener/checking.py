"""`check`, asked of a listener: one look at a time, however many ask. On the deciding thread."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Callable, Dict, List

from supervisor_zkelect.core import roles
from supervisor_zkelect.diagnosis import examination
from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means


class Checks(Decider):
    """Looks at all that this node depends on, for operators.

    A look may wait for seconds for ZooKeeper, a resolver or this machine, on a thread of the pool by which supervisord is
    told to stop groups, and is given reports. So there is one at most, and those who ask meanwhile share the next.
    """

    def __init__(self, means: Means, keepers: Keepers, reply: Callable[[str, Dict[str, Any]], None]) -> None:
        """reply: answers an operator's order."""
        super().__init__(means, keepers)
        self._reply = reply
        #: tickets: of the look that is under way, and of the next
        self._looking: List[str] = []
        self._waiting: List[str] = []

    def ask(self, ticket: str) -> None:
        self._waiting.append(ticket)
        self._begin()

    def _done(self, event: events.CheckDone) -> None:
        for ticket in self._looking:
            self._reply(ticket, event.document)
        self._looking = []
        self._begin()

    def _begin(self) -> None:
        if self._looking or not self._waiting:
            return
        self._looking, self._waiting = self._waiting, []
        self._work.submit(
            partial(pool_worker.check, self._node()),
            lambda error: events.CheckDone({"ok": False, "exit": 1, "text": f"a defect: {error!r}"}),
        )

    def _node(self) -> examination.Node:
        """All that this node depends on, beside what a report tells of it."""
        host, granted, looks = self._host, self._leases.granted, None
        if granted is not None and self._sessions.usable:
            client = self._sessions.session.client
            looks = examination.Session(client, granted.timeout, self._sessions.session.asked_timeout, granted.session)
        leading = {one.name for one in self._candidacies if one.state.role == roles.PRIMARY}
        return examination.Node(
            host.settings, self._programs.trouble is not None, looks, host.supervisord.call, os.getppid(), host.supervisord_uid,
            host.uid, host.group, leading,
        )

    def handlers(self) -> events.Handlers:
        return {events.CheckDone: self._done}
