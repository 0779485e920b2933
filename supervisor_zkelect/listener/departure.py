"""The end of a listener: it stops its groups, or leaves them to the guard. On the deciding thread."""

from __future__ import annotations

import logging
import math
import signal
from functools import partial
from typing import Optional, Tuple

from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import protocol
from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means
from supervisor_zkelect.supervisord import eventstream

log = logging.getLogger(__name__)

#: Seconds kept back from the listener's own stopwaitsecs for the release.
RELEASE_TIME = 1.5
#: Seconds that a release may take when supervisord, and with it the stopwaitsecs, is gone.
LAST_RELEASE = 5.0
#: Seconds for which a listener that leaves its groups to the guard waits for another where that has just ended.
GUARD_RETURNS = 3.0
#: Seconds between two looks whether a listener can end whose time to end is over.
STAY_PACE = 0.1
#: Seconds for which a history that is being written is waited for.
HISTORY_TIME = 0.5


class Departure(Decider):
    """Decides how and when this listener ends."""

    def __init__(self, means: Means, keepers: Keepers) -> None:
        super().__init__(means, keepers)
        #: by when this listener ends even if ZooKeeper does not answer, and why it does; None while it does not
        self._leaving: Optional[Tuple[float, str]] = None
        #: the groups are left to the guard, and the session to the next listener
        self.reattaching = False
        self._history_by = math.inf
        #: the exit status
        self.status = 0

    @property
    def begun(self) -> bool:
        """Whether this listener is to end."""
        return self._leaving is not None

    @property
    def _all_dead(self) -> bool:
        """Whether every group is proven dead."""
        return self._candidacies.dead and not self._leftovers.alive

    @property
    def _held(self) -> bool:
        """Whether a pause keeps a group from ending, which the end of a listener does not end either."""
        return any(one.state.held(self._host.now()) for one in self._candidacies)

    # Why it ends

    def signalled(self, number: int) -> None:
        """SIGTERM or SIGINT came."""
        reason = signal.Signals(number).name
        groups = [one.settings.group for one in self._candidacies.running]
        if self._held and self.reattaching and self._guard.independent:
            # It ends already, and leaves them.
            return
        stopping = any(one.state.role == roles.DEMOTING for one in self._candidacies) and not self._held
        if self.begun or not groups or stopping or not self._guard.independent:
            self.leave_in_time(reason)
        else:
            work = partial(pool_worker.survey_groups, self._host.supervisord, groups, reason)
            # As where supervisord does not answer.
            self._work.submit(work, lambda error: events.GroupsSurveyed(True, reason))

    def _surveyed(self, event: events.GroupsSurveyed) -> None:
        # What an operator has stopped in a pause, he starts again.
        if (event.alive or self._held) and not self.begun and self._guard.independent:
            log.info("%s while the service runs: leaving it to the guard", event.reason)
            self.hand_over(self._host.now(), event.reason)
        else:
            self.leave_in_time(event.reason)

    def _supervisord_gone(self, event: eventstream.StreamEnded) -> None:
        now = self._host.now()
        self.leave("supervisord is gone", now, now + LAST_RELEASE)

    def _quit(self, one: Candidacy, action: messages.Quit) -> None:
        log.error("%s: %s", self._host.settings.file, action.text)
        self.status = 2
        self.leave("another node has this name", self._host.now() + self._programs.stopwaitsecs - RELEASE_TIME)

    def leave_unfit(self) -> None:
        self.status = 2
        self.leave("the configuration cannot be used", self._host.now())

    # How it ends

    def hand_over(self, moment: float, reason: str) -> None:
        """End, and leave groups and session to the guard and the next listener."""
        self._leaving, self.reattaching = (moment, reason), True

    def leave_in_time(self, reason: str) -> None:
        """Stop all groups in the time that their programs have, release, and end before supervisord kills this listener. What
        has not stopped by then the guard waits for."""
        by = self._host.now() + self._programs.stopwaitsecs - RELEASE_TIME
        kill_at = math.inf if self._guard.independent else Lease.until(by, self._host.settings.kill_time).kill_at
        self.leave(reason, kill_at, by + RELEASE_TIME / 2)

    def leave(self, reason: str, kill_at: float, by: Optional[float] = None) -> None:
        """Stop all groups by `kill_at`, release, and end by `by` even if ZooKeeper does not answer."""
        by = kill_at + RELEASE_TIME / 2 if by is None else by
        if self._leaving is None or by < self._leaving[0]:
            self._leaving = (by, reason)
        self._candidacies.decide(messages.Shutdown(reason, kill_at))

    def keep_time(self, moment: float) -> None:
        """Stop the groups if the guard that they were left to is gone: whoever enforces their leases now ends with this
        process."""
        if self._leaving is None or self._guard.independent or self._all_dead:
            return
        by, reason = self._leaving
        if self.reattaching and moment >= by + GUARD_RETURNS:
            self._leaving, self.reattaching = None, False
            self.leave_in_time(reason)
        elif not self.reattaching and not Lease.until(by - RELEASE_TIME / 2, self._host.settings.kill_time).covers(moment):
            self.leave(reason, moment, by)

    def next_wakeup(self) -> float:
        if self._leaving is None:
            return math.inf
        due, moment = min(self._leaving[0], self._history_by), self._host.now()
        # Who has to stay on, since nobody else would prove the groups dead, looks again now and then.
        return due if due > moment else moment + STAY_PACE

    def finished(self) -> bool:
        """Whether this listener can end now."""
        if self._leaving is None:
            return False
        if self.reattaching:
            return self._guard.independent or self._all_dead
        now = self._host.now()
        withdrawn = all(one.state.role == roles.WITHDRAWN for one in self._candidacies)
        settled = all(one.state.settled for one in self._candidacies) and not self._leftovers.alive
        if withdrawn or settled:
            # What was released is told at once, and a history that is being written is waited for a little.
            self._history_by = min(self._history_by, now + HISTORY_TIME)
            return not any(one.writing for one in self._candidacies) or now >= self._history_by
        # Without an answer from ZooKeeper the session expires by itself. Groups that still have time to stop are the guard's.
        return now >= self._leaving[0] and (self._all_dead or self._guard.independent)

    def end(self) -> None:
        """Tell the log, and close the session, which gives up what is left of proposals."""
        if self.reattaching or not self._all_dead or self._sessions.former is not None:
            # Also where it has not attached to a session in which there may be a proposal: the guard releases that.
            self._guard.link.send(protocol.Bye("reattach"))
        elif self._sessions.session is not None and self._sessions.close_for_good():
            self._guard.link.send(protocol.Bye("released"))
        self._guard.link.reap()
        log.info("the listener ends: %s", self._leaving[1] if self._leaving else "")

    def handlers(self) -> events.Handlers:
        return {events.GroupsSurveyed: self._surveyed, eventstream.StreamEnded: self._supervisord_gone}

    def actions(self) -> events.Actions:
        return {messages.Quit: self._quit}
