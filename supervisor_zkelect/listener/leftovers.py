"""Elections of the former listener that the configuration does not name any more, on the deciding thread."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, List, Set

from supervisor_zkelect.guard import protocol, saved_session
from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.group_control import LEARN
from supervisor_zkelect.listener.host import Host
from supervisor_zkelect.listener.workers import PACE, EventExecutor
from supervisor_zkelect.zookeeper import connect

if TYPE_CHECKING:
    from supervisor_zkelect.listener.session_keeper import SessionKeeper

log = logging.getLogger(__name__)


class Leftovers:
    """Stops the groups of such elections, and releases what the session has in them."""

    def __init__(
        self, host: Host, work: EventExecutor, candidacies: Candidacies, send: Callable[[Any], None],
        sessions: Callable[[], SessionKeeper],
    ) -> None:
        """work: where ZooKeeper is waited for. send: sends a message to the guard."""
        self._host = host
        self._work = work
        self._candidacies = candidacies
        self._send = send
        self._sessions = sessions
        self.elections: List[saved_session.Election] = []
        #: groups that were proven dead since this listener began, so that what a former one started is no more
        self._dead: Set[str] = set()
        #: those whose release was refused when it was tried last
        self._refused: List[saved_session.Election] = []
        #: when their release is tried
        self.due = math.inf

    @property
    def alive(self) -> bool:
        """Whether a group of theirs is not proven dead."""
        return any(one.group not in self._dead for one in self.elections)

    def owns(self, znode: str) -> bool:
        """Whether what the session has in the election at this path is one of theirs."""
        return any(one.znode == znode for one in self.elections)

    def end(self) -> None:
        """Stop the groups that no election has any more; `GroupDead` tells of their ends."""
        for one in self.elections:
            if one.group not in self._candidacies.by_group:
                log.info("%s: the configuration does not name this election any more; ending its group", one.name)
                self._send(protocol.EnsureDeadOrder(one.group, LEARN))

    def group_dead(self, group: str) -> None:
        self._dead.add(group)
        if any(one.group == group for one in self.elections):
            self.due = self._host.now()

    def forget(self) -> None:
        """Drop them all: their session is over."""
        self.elections, self._refused = [], []

    def session_began(self) -> None:
        if self.elections:
            self.due = self._host.now()

    def release(self) -> None:
        """Give up what the session has in elections whose groups are proven dead."""
        self.due = math.inf
        dead = [one for one in self.elections if one.group in self._dead]
        sessions, settings = self._sessions(), self._host.settings
        if not sessions.usable:
            self.due = self._host.now() + PACE
        elif dead:
            client, acl = sessions.session.client, connect.acl_of(settings.acl)
            self._work.submit(partial(pool_worker.release_leftovers, client, dead, acl, settings.session_timeout))

    def _released(self, event: events.LeftoversReleased) -> None:
        sessions = self._sessions()
        for one in event.elections:
            log.info("%s: released", one.name)
        self.elections = [one for one in self.elections if one not in event.elections]
        if event.refused and event.refused == self._refused and not sessions.closing:
            sessions.end(event.refused[0].name)
        self._refused = event.refused
        if self.elections:
            self.due = self._host.now() + PACE
        sessions.save()

    def handlers(self) -> events.Handlers:
        return {events.LeftoversReleased: self._released}
