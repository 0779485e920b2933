"""The node's session at ZooKeeper: begins it or takes it over, saves it, gives it up. On the deciding thread."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import Any, Callable, List, Optional

from supervisor_zkelect.config.settings import ElectionSettings
from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.state import lease_of
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.guard import saved_session
from supervisor_zkelect.listener import elections, events, pool_worker
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.folder import LOCK_PACE
from supervisor_zkelect.listener.guard_keeper import GuardKeeper
from supervisor_zkelect.listener.lease_keeper import LeaseKeeper
from supervisor_zkelect.listener.leftovers import Leftovers
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.programs import Programs
from supervisor_zkelect.listener.session_file import SessionFile
from supervisor_zkelect.listener.workers import PACE
from supervisor_zkelect.zookeeper import session

log = logging.getLogger(__name__)

#: Seconds for which a listener that begins leaves the session to the keeper at most, and what it leaves of other leases.
ATTACH_TIME, ATTACH_MARGIN = 60.0, 0.5
#: Seconds without a connection to ZooKeeper after which one that begins is told to have none.
UNREACHED = 2.0
#: Seconds that closing the session may take; ZooKeeper expires it otherwise.
CLOSE_TIME = 2.0


class SessionKeeper(Part):
    """Begins, saves and ends the session, and tells elections of its link."""

    def __init__(
        self, means: Means, candidacies: Candidacies, guard: GuardKeeper, leases: LeaseKeeper, leftovers: Leftovers,
        programs: Programs, leaving: Callable[[], bool],
    ) -> None:
        """leaving: whether this listener is to end."""
        super().__init__(means)
        self._candidacies = candidacies
        self._guard = guard
        self._leases = leases
        self._leftovers = leftovers
        self._programs = programs
        self._leaving = leaving
        self.session: Any = None
        self._file = SessionFile(means)
        #: the session of an earlier listener that is to be gone on with, until there is a connection
        self.former: Optional[saved_session.Saved] = None
        #: "connecting", "connected", "suspended" or "lost", and since when
        self.link = "connecting"
        self.link_since = self._host.now()
        self._link_trouble = ""
        #: when the session is begun, or looked at again whether it may be; and when it is begun in any case
        self.attach_at = self._attach_by = math.inf
        #: when a client that has ended is made anew, or what is left of that is tried again: whether the new one is to be
        #: started, and what there is to do for those before it
        self._renew_at = math.inf
        self._unstarted = False
        self._old: List[Callable[[], None]] = []
        #: the session is to be closed when no group runs; and the first generation that counts since one was
        self.closing = False
        self._first_generation = 0
        #: whether there was no session yet
        self._first = True

    # Beginning

    def find_former(self) -> None:
        """Look for the session of an earlier listener, with the lock held."""
        self.former = self._file.find_former()

    def begin(self) -> List[saved_session.SavedElection]:
        """Make the session. Returns the elections that an earlier listener had, and this one has, too."""
        attach, timeout = None, None
        kept: List[saved_session.SavedElection] = []
        former = self.former
        if former is not None:
            attach, timeout = (former.id, bytes.fromhex(former.password)), former.timeout
            # A proposal keeps the name under which it was made, and nobody would know this node by it under another one.
            mine = elections.to_save(self._host.settings) if former.node == self._host.settings.node_name else []
            kept = [one for one in former.elections if one in mine]
            self._leftovers.take(former.node, [one for one in former.elections if one not in kept])
        self.session = self._leases.session = self._host.session(self._post, attach, timeout)
        return kept

    def connect(self) -> None:
        """Connect as soon as that may be."""
        self._attach_by = self._host.now() + ATTACH_TIME
        self._attach()

    def _attach(self) -> None:
        """Connect, which takes a session that this listener goes on with from the guard's keeper.

        While groups of elections that are no more have time left to stop, only the keeper renews their leases; so that comes
        first, as long as it leaves the other leases time enough.
        """
        now = self._host.now()
        stop_times = [lease_of(one.rules, one.state).stops_at for one in self._candidacies if one.state.inherited is not None]
        stopping = self._leftovers.alive or any(map(self._guard.clears_in_time, self._candidacies))
        if stopping and now < min([self._attach_by, *(moment - ATTACH_MARGIN for moment in stop_times)]):
            self.attach_at = now + LOCK_PACE
        else:
            self.attach_at = math.inf
            self.session.start()

    def elector(self, election: ElectionSettings) -> Elector:
        """An elector in the present session."""
        return elections.make_elector(self.session.client, self._host.settings, election)

    # Saving

    def save(self) -> None:
        """Save the session for the next listener, or for a release."""
        granted = self._leases.granted
        if granted is not None and not self._leaving():
            self._file.save(granted, self._leftovers.node or self._host.settings.node_name, self._leftovers.elections)
            self._programs.keep_configuration()

    @property
    def unsaved(self) -> str:
        """Why the session could not be saved; "" when nothing is amiss."""
        return self._file.trouble

    # The link

    @property
    def connected(self) -> bool:
        return self.link == "connected"

    @property
    def usable(self) -> bool:
        """Whether there is a session with a connection."""
        return self.connected and self._leases.granted is not None

    def doubt(self) -> str:
        """Why there is no connection to ZooKeeper, as far as that is known."""
        return self._link_trouble or (self.session.trouble if self.session and not self.connected else "")

    def _set_link(self, link: str, trouble: str = "") -> None:
        if link != self.link:
            self.link, self.link_since = link, self._host.now()
            self._delivery.changed()
            level = logging.INFO if link == "connected" else logging.WARNING
            self._log.link(link + (trouble and f": {trouble}"), level)
        self._link_trouble = trouble

    def _on_connected(self, event: session.Connected) -> None:
        if event.generation < self._first_generation:
            return
        leases = self._leases
        before, leases.granted = leases.granted, event
        fresh = before is None or before.generation != event.generation
        self._set_link("connected")
        timeout = event.timeout
        # By what timeout the leases were counted that are there, which an earlier listener may have had.
        counted = before.timeout if before and not fresh else self.former.timeout if self.former is not None else timeout
        if timeout != counted:
            log.warning("ZooKeeper: the session's timeout is %g s now, and was %g s", timeout, counted)
        if fresh or leases.clock is None or timeout != counted:
            leases.new_clock(timeout, event.sent)
            self._log.link(f"session 0x{event.session:x} with a timeout of {timeout:g} s", logging.INFO)
            self._session_began(event)
        else:
            leases.reconnected(event.sent)
        if timeout < counted:
            leases.cut(timeout, event.sent)
        leases.set_paces(timeout)
        for one in self._candidacies:
            one.decide(leases.session_up(one, fresh))
            one.read_control()
            if one.state.role == roles.PRIMARY:
                one.schedule_read(self._host.now())
            one.write_history()

    def _session_began(self, event: session.Connected) -> None:
        """Do what a session needs that is new, or has another timeout."""
        if self._first and (self.former is None or self.former.id != event.session):
            self._leftovers.elections = []
            for one in self._candidacies:
                if one.state.inherited is not None:
                    one.decide(messages.SessionLost("the session of the inherited term is over"))
        self.former, self._first = None, False
        if self._host.settings.acl != "open":
            self._work.submit(partial(pool_worker.inspect_znodes, self.session.client, self._host.settings))
        self.save()
        self._leftovers.session_began()

    def _on_inspected(self, event: events.ZnodesInspected) -> None:
        for note in event.notes:
            self._log.warn("ZooKeeper", note)

    def _on_suspended(self, event: session.Suspended) -> None:
        self._leases.tally.suspended += 1
        self._set_link("suspended", self.session.trouble)
        self._candidacies.decide(messages.SessionDown())

    def _on_lost(self, event: session.Lost) -> None:
        if event.generation < self._first_generation:
            return
        why = "the credentials were refused" if event.refused else "the session is over"
        self._over(why, "the ZooKeeper session is lost")
        if event.refused:
            self._renew_at = self._host.now() + PACE

    def _over(self, trouble: str, reason: str) -> None:
        self._set_link("lost", trouble)
        self._leases.session_over()
        self._candidacies.decide(messages.SessionLost(reason))

    def _on_released(self, event: events.LeftoversReleased) -> None:
        refused = self._leftovers.released(event)
        if refused and not self.closing:
            self.end(None, refused)
        self.save()

    def handlers(self) -> events.Handlers:
        return {
            session.Connected: self._on_connected, session.Suspended: self._on_suspended, session.Lost: self._on_lost,
            events.ZnodesInspected: self._on_inspected, events.LeftoversReleased: self._on_released,
        }

    # Another session

    def _renew(self) -> None:
        """Make the client anew: one whose credentials were refused, or whose thread has ended, does not try again by itself."""
        if self._leaving():
            return
        self._old.append(self.session.renew())
        self._unstarted = True
        for one in self._candidacies:
            one.new_session()
        self._replace()

    def _replace(self) -> None:
        """Stop the clients that were replaced, and start the new one; what fails is tried again, and what is done is not."""
        try:
            while self._old:
                self._host.aside(self._old[0])
                self._old.pop(0)
            if self._unstarted:
                self.session.start()
                self._unstarted = False
        except RuntimeError as error:
            # Their threads cannot be had now. The groups are ended by then, or under a guard's lease.
            self._log.warn("ZooKeeper", f"no client can be replaced: {error}", "renew")
            self._renew_at = self._host.now() + PACE

    def _renew_in_time(self) -> None:
        """Go on with what could not be done, or renew a client that has ended: under any other one groups may run by now."""
        self._renew_at = math.inf
        if self._old or self._unstarted:
            self._replace()
        elif self.session.ended:
            self._renew()

    def end(self, asking: Optional[Candidacy], name: str) -> None:
        """Close the session as soon as no group is alive under it, for the election `name`, which cannot be released. asking: its
        candidacy, None for an election of an earlier listener, whose name one of this listener may have, too."""
        self.closing = True
        why = f"the session is closed, since ZooKeeper refuses to release {name}"
        for other in self._candidacies:
            if other is not asking:
                other.decide(messages.SessionEnds(why))

    def actions(self) -> events.Actions:
        return {messages.EndSession: lambda one, action: self.end(one, one.name)}

    def _close(self) -> None:
        """Replace a session that must end, once no group is alive under it and ZooKeeper can be told: the next one knows none."""
        states = [one.state for one in self._candidacies]
        # It may have ended by itself; and a listener that ends closes it last of all.
        self.closing = any(state.ending for state in states) and not self._leaving()
        if not self.closing or not self.connected or self._leftovers.alive or not all(state.settled for state in states):
            return
        self.closing = False
        self._leftovers.forget()
        self._leases.restart()
        # A request to end the session may arrive late, and nobody is to go on in it then.
        self._file.forget()
        self._renew()
        self._first_generation = self.session.generation
        self._over("closed, to give up what ZooKeeper does not let this node release", "the session was closed")

    def close_for_good(self) -> bool:
        """Close the session of a listener that ends, which gives up what is left of proposals. Whether nothing is left of it."""
        released = all(not one.state.proposal or one.state.settled for one in self._candidacies)
        if released:
            # A request to end the session may arrive late, and nobody is to go on in it then.
            self._file.forget()
        # Without a connection nobody is asked; the proposals of the queue go with the session, which expires.
        seconds = 0.0 if released and not self.connected else CLOSE_TIME
        closed = self._host.aside(self.session.close, seconds) or released
        if closed:
            self._file.forget()
        return closed

    # Time

    def next_wakeup(self) -> float:
        beat_at = self._leases.heartbeat.next_wakeup() if self.connected else math.inf
        return min(self.attach_at, self._renew_at, self._file.due, beat_at)

    def watch(self, moment: float) -> None:
        """Beat; or, without a connection, warn of a ZooKeeper that does not answer, and have an ended client renewed."""
        if self.connected:
            self._leases.beat(moment)
        elif self.session is not None and not self._leaving() and self.attach_at == math.inf:
            if moment - self.link_since >= UNREACHED:
                where = ",".join(self._host.settings.servers)
                why, kind = (self.session.trouble, "unreached") if self.session.trouble else ("no answer", "silent")
                # A reason is told as soon as there is one, though it was told before that there is no answer.
                self._log.warn("ZooKeeper", f"cannot reach {where}: {why}; trying again", kind)
            if self.session.ended and self._renew_at == math.inf:
                self._renew_at = moment + PACE

    def keep_time(self, moment: float) -> None:
        """Connect, renew or close what is due."""
        if self.attach_at <= moment:
            self._attach()
        if self._leftovers.due <= moment:
            self._leftovers.release(self.session.client if self.usable else None)
        if self._file.due <= moment:
            # Without a session, or on the way out, there is nothing to save.
            self._file.due = math.inf
            self.save()
        if self._renew_at <= moment:
            self._renew_in_time()
        if self.closing:
            self._close()
