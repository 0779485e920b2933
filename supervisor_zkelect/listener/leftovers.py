"""Elections of the former listener that the configuration does not name any more, on the deciding thread."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import Any, Callable, List, Optional, Set

from supervisor_zkelect.guard import protocol, saved_session
from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.group_control import LEARN
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.workers import PACE
from supervisor_zkelect.zookeeper import connect

log = logging.getLogger(__name__)


class Leftovers(Part):
    """Stops the groups of such elections, and releases what the session has in them."""

    def __init__(self, means: Means, candidacies: Candidacies, send: Callable[[Any], None]) -> None:
        """send: sends a message to the guard."""
        super().__init__(means)
        self._candidacies = candidacies
        self._send = send
        self.elections: List[saved_session.SavedElection] = []
        self._node = ""
        #: groups that were proven dead since this listener began, so that what a former one started is no more
        self._dead: Set[str] = set()
        #: those whose release was refused when it was tried last
        self._refused: List[saved_session.SavedElection] = []
        #: when their release is tried
        self.due = math.inf

    def take(self, node: str, elections: List[saved_session.SavedElection]) -> None:
        """node: this one's name when the former listener began with them."""
        self._node, self.elections = node, elections

    @property
    def node(self) -> str:
        """The name under which this node stands in them, "" where there are none."""
        return self._node if self.elections else ""

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

    def release(self, client: Optional[Any]) -> None:
        """Give up what the session has in elections whose groups are proven dead. client: the session's, None where it is not
        connected."""
        self.due = math.inf
        dead, settings = [one for one in self.elections if one.group in self._dead], self._host.settings
        if client is None:
            self.due = self._host.now() + PACE
        elif dead:
            acl = connect.acl_of(settings.acl)
            work = partial(pool_worker.release_leftovers, client, dead, acl, settings.session_timeout)
            self._work.submit(work, lambda error: events.LeftoversReleased([], []))

    def released(self, event: events.LeftoversReleased) -> str:
        """Drop what is released. Returns the name of an election for which ZooKeeper has refused that twice, "" for none."""
        for one in event.elections:
            log.info("%s: released", one.name)
        self.elections = [one for one in self.elections if one not in event.elections]
        again = bool(event.refused) and event.refused == self._refused
        self._refused = event.refused
        if self.elections:
            self.due = self._host.now() + PACE
        return event.refused[0].name if again else ""
