"""All elections of a listener that have begun, on its deciding thread."""

from __future__ import annotations

import math
from typing import Callable, Dict, Iterator, List, Optional

from supervisor_zkelect.core import messages
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.candidacy import Candidacy

#: Looks at the queues that a node leads, to see what is foreign in them, in a session's timeout; and how often one is looked
#: at in that time at least.
QUEUE_LOOKS, QUEUE_LEAST = 10, 1


class Candidacies:
    """The elections that have begun, by name and by group."""

    def __init__(self, timeout: Callable[[], Optional[float]]) -> None:
        """timeout: seconds, of the session; None while there is none."""
        self.by_name: Dict[str, Candidacy] = {}
        self.by_group: Dict[str, Candidacy] = {}
        #: when one of them may be due; it may be too early, never too late
        self.due = math.inf
        self._timeout = timeout

    def add(self, one: Candidacy) -> None:
        self.by_name[one.name] = self.by_group[one.settings.group] = one

    def __iter__(self) -> Iterator[Candidacy]:
        return iter(self.by_name.values())

    def __len__(self) -> int:
        return len(self.by_name)

    def __getitem__(self, name: str) -> Candidacy:
        return self.by_name[name]

    @property
    def running(self) -> List[Candidacy]:
        """Those whose groups may run."""
        return [one for one in self if one.state.may_run]

    @property
    def dead(self) -> bool:
        """Whether every group is proven dead."""
        states = [one.state for one in self]
        return all(not one.may_run and not one.cleaning and one.step != "clearing" for one in states)

    def schedule(self, moment: float) -> None:
        """Look after one of them at this moment."""
        # With hundreds of elections a look at every one's time takes longer than an event.
        self.due = min(self.due, moment)

    def keep_time(self, moment: float) -> None:
        if self.due > moment:
            return
        pace = self._look_pace()
        for one in self:
            one.keep_time(moment, pace)
        self.due = min((one.next_wakeup() for one in self), default=math.inf)

    def _look_pace(self) -> float:
        """Seconds between two looks at a queue that this node leads; infinity without a session."""
        timeout = self._timeout()
        led = sum(one.leads for one in self)
        return math.inf if timeout is None else timeout * min(led / QUEUE_LOOKS, 1 / QUEUE_LEAST)

    def decide(self, event: messages.Event) -> None:
        """Let all of them take the event."""
        for one in self:
            one.decide(event)

    def handlers(self) -> events.Handlers:
        return {
            events.ElectionEvent: lambda event: self[event.name].heard(event.event),
            events.ProposalChanged: lambda event: self[event.name].verify(event.token),
            events.ControlChanged: lambda event: self[event.name].read_control(),
            events.ControlRead: lambda event: self[event.name].control_read(event),
            events.EntryWritten: lambda event: self[event.name].entry_written(event),
            events.QueueMoved: lambda event: self[event.name].look_at_queue(),
            events.QueueSeen: lambda event: self[event.name].queue_seen(event),
            events.ForeignSeen: lambda event: self[event.name].foreign_seen(event.trouble),
            events.TermChanged: lambda event: self[event.name].term_changed(),
            events.HistoryWritten: lambda event: self[event.name].history_written(event),
        }
