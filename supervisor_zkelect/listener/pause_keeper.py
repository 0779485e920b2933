"""What a node does about a pause: ZooKeeper is asked, and the guard is told and confirms. On the deciding thread."""

from __future__ import annotations

from typing import Dict

from supervisor_zkelect.core import pause_messages
from supervisor_zkelect.guard import protocol
from supervisor_zkelect.listener import events, pause_worker
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.guard_keeper import GuardKeeper
from supervisor_zkelect.listener.part import Means, Part


class PauseKeeper(Part):
    """Carries out the actions that concern a pause."""

    def __init__(self, means: Means, candidacies: Candidacies, guard: GuardKeeper) -> None:
        super().__init__(means)
        self._candidacies = candidacies
        self._guard = guard
        #: election -> number of the order to the guard whose echo tells of its lease
        self._telling: Dict[str, int] = {}

    def guard_came(self) -> None:
        """Another guard is told everything by its first order, and counts anew."""
        self._telling = dict.fromkeys(self._telling, 1)

    def echoed(self, event: protocol.LeaseEcho) -> None:
        """The guard has taken an order on leases."""
        for name, number in list(self._telling.items()):
            if event.n >= number:
                del self._telling[name]
                one = self._candidacies[name]
                group = one.settings.group
                one.decide(pause_messages.PauseEchoed(group in event.paused, group not in event.doubtful))

    def _tell(self, one: Candidacy, action: pause_messages.TellPause) -> None:
        self._guard.extend([one])
        self._telling[one.name] = self._guard.sent

    def _consent(self, one: Candidacy, action: pause_messages.Consent) -> None:
        """Take the end from a lease only while one would be extended: a pause for a time ends as well, and others lead then."""
        if self._guard.can_enforce():
            one.ask(0, pause_worker.consent, action, self._host.settings.node_name, self._host.life)
        else:
            why = self._guard.unenforced() or "the guard does not answer at this moment"
            self._post(events.ElectionEvent(one.name, pause_messages.PauseWritten(action.op, why)))

    def actions(self) -> events.Actions:
        worker = pause_worker
        return {
            pause_messages.Consent: self._consent,
            pause_messages.TellPause: self._tell,
            pause_messages.SeeConsent: lambda one, action: one.ask(
                0, worker.see_consent, action.op, self._host.settings.node_name, self._host.life
            ),
            pause_messages.EndPause: lambda one, action: one.ask(0, worker.end, action.op),
            pause_messages.TakeBackConsent: lambda one, action: one.ask(action.op, worker.take_back, action),
            pause_messages.EndPauseInTime: lambda one, action: one.ask(0, worker.end_in_time, action),
        }
