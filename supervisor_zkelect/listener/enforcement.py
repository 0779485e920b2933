"""Enforces leases and orders while there is no guard. On the deciding thread."""

from __future__ import annotations

import math
from functools import partial

from supervisor_zkelect.listener import pool_worker
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.part import Means, Part


class Enforcement(Part):
    """Ends groups whose time is over, instead of a guard."""

    def __init__(self, means: Means, candidacies: Candidacies) -> None:
        super().__init__(means)
        self._candidacies = candidacies
        self.last_resort = self._host.last_resort()

    def next_wakeup(self) -> float:
        return min((max(one.killed_at(), one.group.strike_at) for one in self._candidacies), default=math.inf)

    def enforce(self, moment: float) -> None:
        """Kill the groups whose time is over, and ask supervisord to stop those that must end later."""
        for one in self._candidacies:
            group, name = one.group, one.settings.group
            if moment >= one.killed_at() and moment >= group.strike_at:
                group.strike_at = self.last_resort.kill(name)
            if group.kill_at < math.inf and not group.asked_to_stop:
                group.asked_to_stop = True
                self.last_resort.revoke(name)
                self._work.submit(partial(pool_worker.stop_group, self._host.supervisord, name))

    def abandon(self) -> None:
        """End all leases now, since no process enforces them when this one has ended after a defect."""
        for one in self._candidacies:
            if one.state.may_run or one.group.kill_at < math.inf:
                self.last_resort.kill(one.settings.group)
