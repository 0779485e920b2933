"""What this node says of itself in one election, written for other hosts to see."""

from __future__ import annotations

import functools
import math
from functools import partial
from typing import Any, Callable, Dict, List, Sequence, Tuple

from supervisor_zkelect.core import happened, journal, messages, nodes, roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.listener import events, telling
from supervisor_zkelect.listener.paced_log import REPEAT
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.workers import EventExecutor

#: Seconds until a change of this node is written.
ENTRY_PACE = 0.3
#: Seconds until another text of a check that goes on failing is written, which may be another one each time.
LATE_PACE = 60.0
#: Seconds until it is looked again whether a change can be written that could not.
UNWRITTEN_PACE = 5.0
#: Seconds in which the same failure is noted once.
FAILURE_PACE = 60.0
#: Roles and steps in which an election stays; the others are told if they last.
SETTLED = {
    (roles.DETACHED, "waiting"), (roles.STANDBY, "watching"), (roles.PRIMARY, ""), (roles.MAINTENANCE, ""), (roles.WITHDRAWN, ""),
}


class EntryWriter(Part):
    """due: when the entry is to be written next. differs: how this node's options differ from the primary's; "" where they do
    not."""

    def __init__(self, means: Means, connected: Callable[[], bool], entry: Callable[[], nodes.NodeEntry]) -> None:
        """connected: whether there is a connection to ZooKeeper. entry: makes what is to be written."""
        super().__init__(means)
        self.due = math.inf
        self.differs = ""
        self._connected = connected
        self._entry = entry
        self._writing = self._late = False
        #: what was written last, and in which session
        self._last: Tuple[Any, ...] = ()
        #: what is to be noted, and what is being noted; when which failure was told
        self._news: List[journal.News] = []
        self._noting: List[journal.News] = []
        self._failures: Dict[str, float] = {}
        #: session of a proposal that stood before this node's -> when it was seen to be gone
        self._vanished: Dict[int, float] = {}

    def schedule(self, moment: float) -> None:
        """Write it soon. A node that is about to lead has other things to ask of ZooKeeper first."""
        if self.due > moment + ENTRY_PACE or self._late:
            self.due, self._late = min(self.due, moment + ENTRY_PACE), False

    def schedule_late(self, moment: float) -> None:
        """Write it some time: something has changed that others need not see at once."""
        if self.due == math.inf:
            self.due, self._late = moment + LATE_PACE, True

    def write(self, moment: float, name: str, state: State, elector: Elector, work: EventExecutor) -> None:
        self.due, self._late = math.inf, False
        if (state.role, state.step) not in SETTLED and state.role != roles.DEMOTING or self._writing:
            self.schedule(moment)
            return
        # What may not be read may not be written either, and that is told already.
        unread = state.orders is None or state.orders.unread
        entry = self._entry()
        # When it entered its role is the same by its boot clock; by the wall clock it wavers.
        told = (elector.session_id, state.since, entry._replace(since=0))
        # A release comes after this on the same executor, and must not wait for more than it takes to be seen leaving.
        leaving = state.role == roles.DEMOTING
        if self._last == told and (leaving or not self._news and not self._vanished):
            return
        if unread or not self._connected():
            # It stays due until there is a connection, and the control is known.
            self.due = moment + UNWRITTEN_PACE
            return
        self._writing, self._last = True, told
        node = self._host.settings.node_name
        failed = lambda error: events.EntryWritten(name, f"a defect: {error!r}")  # noqa: E731
        if leaving:
            work.submit(partial(telling.write_entry, elector, name, node, entry), failed)
            return
        self._noting, self._news = self._news, []
        more = telling.More(self._host.history_copy(name), tuple(self._noting), self._vanished)
        self._vanished = {}
        work.submit(partial(telling.write_entry, elector, name, node, entry, more), failed)

    def note(self, before: State, after: State, actions: Sequence[messages.Action]) -> None:
        """Have noted what happened by a step of the role machine, when the entry is written next; nobody waits for it."""
        for told in happened.told(before, after, actions, self._host.wall() - self._host.now()):
            self._note(*told)

    def vanished(self, session: int) -> None:
        """The proposal that stood directly before this node's is gone; session: id of that which owned it. Whether that is over
        is looked at when the entry is written next."""
        self._vanished = {**self._vanished, session: self._host.wall()}
        self.schedule(self._host.now())

    def _note(self, kind: str, text: str, given: Tuple[str, ...] = ()) -> None:
        now = self._host.now()
        if kind == journal.FAILURE:
            # A trouble that comes and goes is told now and then.
            if self._failures.get(text, -math.inf) > now - FAILURE_PACE:
                return
            self._failures = {known: at for known, at in self._failures.items() if at > now - FAILURE_PACE}
            self._failures[text] = now
        self._news = journal.collected(self._news, journal.News(self._host.wall(), kind, text, given))
        self.schedule(now)

    def written(self, event: events.EntryWritten) -> None:
        self._writing = False
        if not event.error and event.differs is not None and event.differs != self.differs:
            self.differs = event.differs
            self._delivery.changed()
            if event.differs:
                self._log.warn(event.name, f"this node {event.differs}; correct one of the two", "differs")
        noting, self._noting = self._noting, []
        if event.error:
            self._news = functools.reduce(journal.collected, self._news, noting)
            self._last = ()
            self.due = self._host.now() + REPEAT
            self._log.warn(event.name, f"cannot write what other hosts see of this node: {event.error}", "entry")
