"""`check`, asked of a listener: one look at a time, however many ask."""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple

from supervisor_zkelect.core import role
from supervisor_zkelect.diagnosis import examination
from supervisor_zkelect.listener import reporting
from supervisor_zkelect.zookeeper import session


class Checked(NamedTuple):
    """A look is over. document: the answer to those who asked for it."""

    document: Dict[str, Any]


class Checks:
    """Of one listener (`listener.Listener`), on its deciding thread.

    A look may wait for seconds for ZooKeeper, a resolver or this machine, on a thread of the pool by which supervisord is told
    to stop groups, and is given reports. So there is one at most, and those who ask meanwhile share the next.
    """

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        #: tickets: of the look that is under way, and of the next
        self._looking: List[str] = []
        self._waiting: List[str] = []

    def ask(self, ticket: str) -> None:
        self._waiting.append(ticket)
        self._begin()

    def checked(self, event: Checked) -> None:
        for ticket in self._looking:
            self._listener.reply(ticket, event.document)
        self._looking = []
        self._begin()

    def _begin(self) -> None:
        if self._looking or not self._waiting:
            return
        self._looking, self._waiting = self._waiting, []
        node = self._node()

        def work() -> Checked:
            return Checked(examination.of_node(node).document(reporting.LONGEST_LIST))

        def failed(error: BaseException) -> Checked:
            return Checked({"ok": False, "exit": 1, "text": f"a defect: {error!r}"})

        self._listener.pool_post(self._listener.rpc_pool, work, failed)

    def _node(self) -> examination.Node:
        """All that this node depends on, beside what a report tells of it."""
        one, looks = self._listener, None
        if one.link == "connected" and one.granted is not None:
            client = one.session.client
            looks = examination.Session(client, one.granted.timeout, session.asked_of(client), one.granted.session)
        leading = {name for name, contest in one.contests.items() if contest.state.role == role.PRIMARY}
        host = one.host
        return examination.Node(
            one.settings, one.trouble is not None, looks, one.supervisord.call, os.getppid(), host.supervisord_uid, host.uid,
            host.group, leading,
        )
