"""What this node says of itself in one election, written for other hosts to see."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Callable, Tuple

from supervisor_zkelect.core import nodes, roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.listener import events, telling
from supervisor_zkelect.listener.paced_log import REPEAT
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.workers import EventExecutor

#: Seconds until a change of this node is written.
ENTRY_PACE = 0.3
#: Roles and steps in which an election stays; the others are told if they last.
SETTLED = {
    (roles.DETACHED, "waiting"), (roles.STANDBY, "watching"), (roles.PRIMARY, ""), (roles.MAINTENANCE, ""), (roles.WITHDRAWN, ""),
}


class EntryWriter(Part):
    """due: when the entry is to be written next. differs: how this node's options differ from the primary's; "" where they do
    not."""

    def __init__(self, means: Means, connected: Callable[[], bool], entry: Callable[[], nodes.Entry]) -> None:
        """connected: whether there is a connection to ZooKeeper. entry: makes what is to be written."""
        super().__init__(means)
        self.due = math.inf
        self.differs = ""
        self._connected = connected
        self._entry = entry
        self._writing = False
        #: what was written last, and in which session
        self._last: Tuple[Any, ...] = ()

    def schedule(self, moment: float) -> None:
        """Write it soon. A node that is about to lead has other things to ask of ZooKeeper first."""
        if self.due == math.inf:
            self.due = moment + ENTRY_PACE

    def write(self, moment: float, name: str, state: State, elector: Elector, work: EventExecutor) -> None:
        self.due = math.inf
        if (state.role, state.step) not in SETTLED and state.role != roles.DEMOTING or self._writing:
            self.schedule(moment)
            return
        # What may not be read may not be written either, and that is told already.
        unread = state.orders is None or state.orders.unread
        entry = self._entry()
        # When it entered its role is the same by its boot clock; by the wall clock it wavers.
        told = (elector.session_id, state.since, entry._replace(since=0))
        if unread or not self._connected() or self._last == told:
            return
        self._writing, self._last = True, told
        copy = self._host.history_file(name)
        work.submit(partial(telling.write_entry, elector, name, self._host.settings.node_name, entry, copy))

    def written(self, event: events.EntryWritten) -> None:
        self._writing = False
        if not event.error and event.differs != self.differs:
            self.differs = event.differs
            self._delivery.changed()
            if event.differs:
                self._log.warn(event.name, f"this node {event.differs}; correct one of the two", "differs")
        if event.error:
            self._last = ()
            self.due = self._host.now() + REPEAT
            self._log.warn(event.name, f"cannot write what other hosts see of this node: {event.error}", "entry")
