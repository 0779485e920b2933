"""The leases of a session: its clock, and the heartbeat that extends them. On the deciding thread."""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Optional

from supervisor_zkelect.core import messages, tally, tally_words
from supervisor_zkelect.core.heartbeat import Heartbeat
from supervisor_zkelect.core.lease import SessionClock, lasts_until, leftover_time, start_margin
from supervisor_zkelect.guard import protocol
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.guard_keeper import GuardKeeper
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.zookeeper import session


class LeaseKeeper(Part):
    """Keeps the session's clock and heartbeat, and extends leases by their answers."""

    def __init__(
        self, means: Means, candidacies: Candidacies, guard: GuardKeeper, extended: Callable[[Candidacy], None]
    ) -> None:
        """extended: told of each candidacy whose lease was extended."""
        super().__init__(means)
        self._candidacies = candidacies
        self._guard = guard
        self._extended = extended
        #: the session (`session.Session`), None before it is begun
        self.session: Any = None
        #: its connection that there is, or was last, while it lives
        self.granted: Optional[session.Connected] = None
        self.clock: Optional[SessionClock] = None
        self.heartbeat = self._heartbeat_at(self._host.settings.session_timeout)
        #: election -> path of its proposal, of those that hold a lease or want one
        self._leased: Dict[str, str] = {}
        self._peeked = 0
        #: what is counted of the session for whoever watches from outside
        self.tally = tally.SessionTally()
        #: what the keeper has told before this session was attached with a shorter timeout counts until then at most
        self._cut_at = math.inf

    # The session

    def new_clock(self, timeout: float, sent: float) -> None:
        """Another session was granted this timeout (seconds), by a request sent then; or the same session another timeout."""
        self.clock = SessionClock(timeout, self._host.settings.tick_time, sent)

    def reconnected(self, sent: float) -> None:
        assert self.clock is not None
        self.clock = self.clock.reconnected(sent)

    def retick(self) -> None:
        """Another tick_time counts from now on."""
        if self.clock is not None:
            self.clock = self.clock._replace(tick=self._host.settings.tick_time)

    def cut(self, timeout: float, sent: float) -> None:
        """No lease of this session lasts longer: it was attached again with a shorter timeout, by a request sent then."""
        self._cut_at = lasts_until(sent, timeout)
        self._candidacies.decide(messages.Cut(self._cut_at))
        self._guard.cut(self._cut_at)
        for one in self._candidacies:
            self._clear_in_time(one)

    def session_over(self) -> None:
        self.tally.lost += self.granted is not None
        self.granted = self.clock = None
        self._leased.clear()

    def session_up(self, one: Candidacy, fresh: bool) -> messages.SessionUp:
        """The session, as a role machine is told of it. fresh: it is another than before."""
        assert self.granted is not None
        settings, timeout = self._host.settings, self.granted.timeout
        tick = settings.tick_time
        grace = settings.stop_grace(one.rules.stopwaitsecs, timeout)
        wait_out = leftover_time(timeout, settings.session_timeout, tick)
        margin = start_margin(timeout, tick, self.heartbeat.interval, settings.ride_through_at(timeout))
        return messages.SessionUp(fresh, grace, wait_out, timeout, margin)

    # The heartbeat

    def _heartbeat_at(self, timeout: float) -> Heartbeat:
        """The heartbeat of a session that begins. timeout: the session's, in seconds."""
        settings = self._host.settings
        return Heartbeat.paced(timeout, settings.interval_at(timeout), settings.ride_through_at(timeout))

    def restart(self) -> None:
        """Another session is to begin."""
        self.heartbeat = self._heartbeat_at(self._host.settings.session_timeout)

    def set_paces(self, timeout: float) -> None:
        """Set the heartbeat to the paces for a session's timeout (seconds), and let the next one come soon."""
        self.heartbeat = self.heartbeat.at_pace_of(self._heartbeat_at(timeout))

    def all_soon(self) -> None:
        """Extend all leases soon."""
        self.heartbeat = self.heartbeat.all_soon()

    def beat(self, moment: float) -> None:
        if self.heartbeat.send_now(moment):
            fresh = [name for name in self._leased if self._candidacies[name].state.step == "leasing"]
            self.heartbeat, checked = self.heartbeat.sending(moment, self._leased, fresh)
            if checked:
                self.session.beat(sorted(self._leased[name] for name in checked))
            else:
                self.session.peek(self._next_proposal())
        elif self.heartbeat.prod_now(moment):
            self.heartbeat = self.heartbeat.after_prodding()
            self.session.prod()
        elif self.heartbeat.drop_now(moment):
            self.heartbeat = self.heartbeat.after_dropping()
            self.session.drop()

    def _next_proposal(self) -> str:
        """The path of one of this node's proposals, each in its turn, so that one deleted by hand is noticed."""
        paths = [path for path in (one.elector.proposal_path for one in self._candidacies) if path]
        self._peeked += 1
        return paths[self._peeked % len(paths)] if paths else "/"

    # Answers

    def answered(self, event: Any) -> bool:
        """Count an answer for the session's clock. False when it belongs to an older session or is none."""
        self.heartbeat = self.heartbeat.after_answer()
        return event.connected and self.counted(event)

    def counted(self, event: Any) -> bool:
        """The same of any answer that is one."""
        if self.clock is None or self.granted is None or event.generation != self.granted.generation:
            return False
        self.clock = self.clock.answered(event.sent, event.answered)
        return True

    def _on_beaten(self, event: session.Beaten) -> None:
        if not self.answered(event):
            return
        if not event.error:
            self.tally.heartbeats[tally_words.QUORUM].add(event.answered - event.sent)
        if event.gone:
            self.heartbeat = self.heartbeat.all_soon()
            for one in self._candidacies:
                if self._leased.get(one.name) in event.gone:
                    one.decide(messages.ProposalLost("its proposal was deleted"))
        elif event.error:
            self._log.warn("ZooKeeper", f"the heartbeat was refused: {event.error}")
            if event.moved:
                # A new connection takes the session back.
                self.session.drop()
        elif self._guard.can_enforce():
            assert self.clock is not None
            deadline, paths = self.clock.deadline(event.sent), set(event.paths)
            extended = [one for one in self._candidacies if self._leased.get(one.name) in paths]
            for one in extended:
                one.decide(messages.Leased(event.sent, deadline))
                self._extended(one)
            self._guard.extend(extended)

    def _on_term_claimed(self, event: events.TermClaimed) -> None:
        one, lease = self._candidacies[event.name], None
        if self.counted(event) and self._guard.can_enforce():
            assert self.clock is not None
            lease = messages.Leased(event.sent, self.clock.deadline(event.sent))
        one.decide(messages.Claimed(event.op, event.dirty, lease, event.order, event.missed, event.lost))
        if lease is not None:
            # Its echo also tells that the guard has taken the order to start.
            self._guard.extend([one])

    def _on_peeked(self, event: session.Peeked) -> None:
        if self.answered(event) and not event.error:
            assert self.granted is not None
            self.tally.heartbeats[tally_words.SERVER].add(event.answered - event.sent)
            for one in self._candidacies:
                if one.elector.proposal_path == event.path and event.owner != self.granted.session:
                    one.decide(messages.ProposalLost("its proposal was deleted"))

    def _on_renewed(self, event: protocol.LeaseRenewed) -> None:
        # Also for an election that has not begun yet.
        deadline, found = min(event.deadline, self._cut_at), self._guard.found.get(event.group)
        if found is not None and found["token"] == event.token:
            found["deadline"] = max(found["deadline"], deadline)
        one = self._candidacies.by_group.get(event.group)
        if one is not None:
            self._clear_in_time(one)
            one.decide(messages.RenewedByKeeper(event.token, deadline))

    def _clear_in_time(self, one: Candidacy) -> None:
        """What an earlier listener left is killed when its lease ends, as that is now."""
        if one.state.step == "clearing" and one.group.busy:
            one.group.kill_at = self._guard.killed_by(one, one.group.stop_by)

    def handlers(self) -> events.Handlers:
        return {
            session.Beaten: self._on_beaten, session.Peeked: self._on_peeked, events.TermClaimed: self._on_term_claimed,
            protocol.LeaseRenewed: self._on_renewed,
        }

    # Actions

    def _keep_lease(self, one: Candidacy, action: messages.KeepLease) -> None:
        path = one.elector.proposal_path
        if path is not None:
            self._leased[one.name] = path
            # The claim itself may have been a lease.
            leasing = one.state.step == "leasing"
            moment = -math.inf if leasing else self._host.now() + self.heartbeat.interval
            self.heartbeat = self.heartbeat.no_later(moment)

    def _drop_lease(self, one: Candidacy, action: messages.DropLease) -> None:
        self._leased.pop(one.name, None)

    def actions(self) -> events.Actions:
        return {messages.KeepLease: self._keep_lease, messages.DropLease: self._drop_lease}
