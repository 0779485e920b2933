"""Which leases a guard has its keeper renew while no listener does (`guard.py`, rule 5).

No sockets, no processes, no threads. All times are seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Union

from supervisor_zkelect.guard.absence import LIMIT
from supervisor_zkelect.guard.effects import GuardEffects
from supervisor_zkelect.guard.groups import AT_ONCE, NEVER, GuardedGroup, GuardedGroups
from supervisor_zkelect.guard.keeper_protocol import KeptSessionCut, KeptSessionOver, TermGone, TermKept
from supervisor_zkelect.guard.protocol import LeaseRenewed


class Renewals:
    """The leases that the keeper renews. tell: sends a message to the listener, if there is one."""

    def __init__(
        self, groups: GuardedGroups, effects: GuardEffects, clock: Callable[[], float], tell: Callable[[Any], None]
    ) -> None:
        self._groups = groups
        self._effects = effects
        self._now = clock
        self._tell = tell
        self._attach = True
        self.until = NEVER
        """When a listener that came must have renewed its leases by itself."""

    def listener_came(self) -> None:
        """The keeper renews by the connection that it has until the listener does."""
        self._attach, self.until = False, self._now() + LIMIT
        self._order()

    def listener_left(self) -> None:
        self._attach, self.until = True, NEVER

    def begin(self) -> None:
        """Renew all leases that there are."""
        for one in self._groups:
            one.kept = one.leased(self._now())
        self._order()

    def end(self) -> None:
        """Renew none."""
        self.until = NEVER
        if any(one.kept for one in self._groups):
            for one in self._groups:
                one.kept = False
            self._order()

    def drop(self, one: GuardedGroup) -> None:
        """Renew that one no more."""
        if one.kept:
            one.kept = False
            self._order()

    def _order(self) -> None:
        self._effects.keep({one.entry.group: one.entry.token for one in self._groups if one.kept}, self._attach)

    # What the keeper answers

    def kept(self, message: TermKept) -> None:
        one = self._of_term(message)
        if one is not None:
            self._groups.extend(one, one.entry.lease.moved(message.deadline))
            self._tell(LeaseRenewed(message.group, message.token, one.entry.lease.deadline))

    def gone(self, message: TermGone) -> None:
        one = self._of_term(message)
        if one is not None:
            self._lost(one, "its proposal is gone")
            self.drop(one)

    def _lost(self, one: GuardedGroup, why: str) -> None:
        """End a group without a proposal at once, unless it runs by a pause."""
        if one.paused(self._now()):
            self._groups.void(one)
        else:
            self._groups.end(one, AT_ONCE, why)

    def _of_term(self, message: Union[TermKept, TermGone]) -> Optional[GuardedGroup]:
        """The group, if the lease that the keeper renews is of this very term."""
        one = self._groups[message.group]
        return one if one.kept and one.entry.token == message.token else None

    def cut(self, message: KeptSessionCut) -> None:
        self._groups.cut(message.deadline)

    def over(self, message: KeptSessionOver) -> None:
        for one in self._groups:
            if one.kept:
                self._lost(one, "the ZooKeeper session is over")
                one.kept = False
        self._order()
