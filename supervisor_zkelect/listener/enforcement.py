"""Enforces leases and orders where the guard does not: there is none, or it stands still. On the deciding thread."""

from __future__ import annotations

import math
from functools import partial
from typing import List

from supervisor_zkelect.core.state import lease_of
from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.part import Means, Part

PATIENCE = 0.1
"""Seconds that a guard has to kill a group whose time is over, before this listener does so beside it; but no more than half of
`kill_time`. A guard can be there and kill nothing: its disk hangs, or the kernel keeps it waiting in /proc."""

PACE = 1.0
"""Seconds between two kills beside a guard, which also proves; and between two looks at all leases, at most."""


class Enforcement(Part):
    """Ends groups whose time is over."""

    def __init__(self, means: Means, candidacies: Candidacies) -> None:
        super().__init__(means)
        self._candidacies = candidacies
        self.last_resort = self._host.last_resort()
        #: beside a guard: when the first group is due as far as the last look has told, which orders make it tell anew; and when
        #: that was. With hundreds of elections a look at every lease takes longer than an event.
        self._due = self._looked_at = -math.inf

    def next_wakeup(self, guarded: bool) -> float:
        if guarded:
            return self._due
        asked = [one.group.ask_at for one in self._candidacies if one.group.kill_at < math.inf]
        return min(self._first_due(), *asked) if asked else self._first_due()

    def ordered(self) -> None:
        """Something was ordered, so that a group may be due sooner."""
        self._due = -math.inf

    def _first_due(self) -> float:
        return min((max(one.killed_at(), one.group.strike_at) for one in self._candidacies), default=math.inf)

    def enforce(self, moment: float, guarded: bool) -> None:
        """Kill the groups whose time is over, and ask supervisord to stop those that must end later.

        guarded: whether there is a guard. It asks, revokes and proves, and has some time to kill.
        """
        if guarded and moment < min(self._due, self._looked_at + PACE):
            return
        struck: List[Candidacy] = []
        for one in self._candidacies:
            if moment < one.killed_at():
                if guarded:
                    # Another lease has come meanwhile, and the guard has its time again when that ends.
                    one.group.strike_at = -math.inf
            elif moment >= one.group.strike_at:
                if guarded and one.group.strike_at == -math.inf:
                    one.group.strike_at = moment + min(PATIENCE, one.rules.kill_time / 2)
                    continue
                again = self.last_resort.kill(one.settings.group)
                one.group.strike_at = max(again, moment + PACE) if guarded else again
                struck.append(one)
        if guarded:
            self._due, self._looked_at = self._first_due(), moment
            return
        for one in struck:
            # When no group is left to be killed, as a disk that hangs holds this up. Once the lease is over the record says so.
            if lease_of(one.rules, one.state).covers(moment):
                self.last_resort.revoke(one.settings.group)
        for one in self._candidacies:
            group, name = one.group, one.settings.group
            if group.kill_at < math.inf and group.ask_at <= moment:
                group.ask_at = math.inf
                self.last_resort.revoke(name)
                work = partial(pool_worker.stop_group, self._host.supervisord, one.name, name)
                self._work.submit(work, partial(_not_asked, one.name))

    def _not_taken(self, event: events.StopNotTaken) -> None:
        """supervisord was not to be reached, or the call was lost; it is asked again, also for a stop that it has begun."""
        one = self._candidacies.by_name.get(event.name)
        if one is not None and one.group.ask_at == math.inf:
            why = f"there is no guard, and supervisord cannot be asked to stop the group: {event.error}"
            self._log.warn(event.name, why, "stop")
            one.group.ask_at = self._host.now() + PACE

    def handlers(self) -> events.Handlers:
        return {events.StopNotTaken: self._not_taken}

    def abandon(self) -> None:
        """End all leases now, since no process enforces them when this one has ended after a defect."""
        groups = [one.settings.group for one in self._candidacies if one.state.may_run or one.group.kill_at < math.inf]
        # What supervisord starts again before the grant is revoked is killed as well.
        for end in (self.last_resort.kill, self.last_resort.revoke, self.last_resort.kill):
            for name in groups:
                end(name)


def _not_asked(election: str, error: BaseException) -> events.StopNotTaken:
    return events.StopNotTaken(election, repr(error))
