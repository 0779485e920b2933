"""How a guard gives the session up: the lock, the stops, the proofs, the release (`guard.py`, rules 5 and 6).

No sockets, no processes, no threads. All times are seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

import logging
from typing import Callable, Set

from supervisor_zkelect.guard.effects import GuardEffects
from supervisor_zkelect.guard.groups import NEVER, GuardedGroups

log = logging.getLogger(__name__)

LOCK_PACE = 0.02
"""Seconds between two tries for the session's lock."""

RELEASE_PACE = 1.0
"""Seconds between two runs of a release that failed."""


class Ending:
    """The end of a session that no listener releases. One that has its lock cannot be called off."""

    def __init__(self, groups: GuardedGroups, effects: GuardEffects, clock: Callable[[], float]) -> None:
        self._groups = groups
        self._effects = effects
        self._now = clock
        self.begun = False
        #: groups whose stop was ordered while others run on in a pause
        self._ordered: Set[str] = set()
        self.locked = False
        #: all groups were named and ordered to stop since the lock was taken
        self._stopped = False
        self.releasing = False
        """A release was begun, and has not ended."""
        self.due = NEVER
        """When there is something to do."""

    def begin(self) -> None:
        """Stop all groups, and release when they are dead."""
        self.begun = True
        self.go_on()
        if self.begun and not self.locked:
            log.info("the session's lock is held: another listener is starting; waiting while the lease lasts")

    def spare(self, leave: Callable[[], None]) -> bool:
        """Stop all groups but those that run in a pause, which needs neither a listener nor a session. Once they are dead, leave
        the session to expire. Whether there is one that runs in a pause, and so nothing else to be ended. leave: does that."""
        moment = self._now()
        others = [one for one in self._groups if not one.paused(moment)]
        if len(others) == len(list(self._groups)):
            return False
        for one in others:
            # One that was never looked at is proven dead, too; that is asked once.
            if one.entry.granted or one.held and one.entry.group not in self._ordered:
                log.info("%s: the listener is gone; what runs in a pause goes on, and this group ends", one.entry.election)
                self._groups.end(one, self._groups.stop_time(one), "the listener is gone")
                self._ordered.add(one.entry.group)
        if others and not any(one.held for one in others):
            leave()
        return True

    def call_off(self) -> None:
        self.begun = False
        self._ordered.clear()

    def look_again(self) -> None:
        """A group was proven dead."""
        self.due = self._now()

    def go_on(self) -> None:
        """Take the lock, stop, and when everything is dead have it released. Whatever this cannot do, for want of memory too, is
        done when it is due again."""
        if not self.begun or self.releasing:
            self.due = NEVER
            return
        self.due = self._now() + LOCK_PACE
        self.locked = self.locked or self._effects.take_lock()
        if not self.locked or not self._stopped and not self._stop_all():
            return
        if self._groups.held:
            # Until one is proven dead.
            self.due = NEVER
            return
        self.due = self._now() + RELEASE_PACE
        log.info("all groups are proven dead; releasing")
        try:
            self._effects.release(self._groups.ended)
        except OSError as error:
            log.warning("cannot start the release; trying again: %s", error)
            return
        self.releasing, self.due = True, NEVER

    def _stop_all(self) -> bool:
        """Stop all groups, which may be done twice. Whether it is known which those are; else the lock is given back."""
        try:
            named = self._effects.session_groups()
        except OSError as error:
            log.warning("cannot read the saved session; trying again: %s", error)
            self._effects.give_lock_back()
            self.locked = False
            return False
        for name in named:
            # Of those that neither the record nor a listener has named, nobody else would prove them dead.
            self._groups[name]
        for one in self._groups:
            if one.held:
                self._groups.end(one, self._groups.stop_time(one), "the listener is gone")
        self._stopped = True
        return True

    def ended(self, status: int) -> bool:
        """A release ended, with 0 when the session is given up, or surely over. Whether that is so."""
        self.releasing = False
        if status != 0:
            log.warning("the release ended with status %d; trying again", status)
            self.due = self._now() + RELEASE_PACE
            return False
        self.begun = self.locked = self._stopped = False
        self._effects.give_lock_back()
        return True
