"""Take a changed configuration file while the service runs.

The file is read and checked first (`pool_worker.py`); one that cannot be used is refused, and nothing changes. Which
change takes what stands in the table of options (`options.OPTIONS`):

    at once       it counts from then on, in the same term
    restart       the listener leaves the service to the guard and ends; the next one goes on in the same term
    new term      the election's group is stopped and its term released first, then as a restart
    new session   all groups are stopped, all terms released and the session closed; the next listener begins anew

The last two are done on the operator's word only, and without it nothing of the file is taken.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Collection, Dict, List, Optional, Set

from supervisor_zkelect.config.options import ELECTION, LIVE, RESTART, SESSION, TERM
from supervisor_zkelect.config.settings import Settings
from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.lease import leaves_room
from supervisor_zkelect.core.state import lease_of
from supervisor_zkelect.listener import elections, events, pool_worker
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.departure import Departure
from supervisor_zkelect.listener.events import Agreed, Reread
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means

log = logging.getLogger(__name__)

#: Seconds that a release may take after the group had its time to stop.
RELEASE_TIME = 5.0
#: Exit status of a listener that is to be started anew: supervisord does so after it with autorestart = unexpected as well.
AGAIN = 75


class Reloads(Decider):
    """Reads the file again on order, and applies its changes."""

    def __init__(
        self, means: Means, keepers: Keepers, departure: Departure, reply: Callable[[str, Dict[str, Any]], None]
    ) -> None:
        """reply: answers an operator's order."""
        super().__init__(means, keepers)
        self._departure = departure
        self._reply = reply
        self._reading = False
        #: until when the times of an election wait for a lease that leaves room for them, at most
        self._waiting: Dict[str, float] = {}
        #: elections whose terms end before this listener does, and until when they are waited for
        self._ending: Optional[Set[str]] = None
        self._end_by = math.inf

    def ask(self, ticket: str, yes: bool) -> None:
        """Read the file again. ticket: of whoever is answered, "" for nobody. yes: terms and session may end."""
        if self._reading or self._ending is not None or self._departure.begun or not self._candidacies:
            doing = "has just started" if not self._candidacies else "is reloading or ending"
            self._tell(ticket, 1, f"the listener {doing}; ask again", [])
            return
        self._reading = True
        host, granted = self._host, self._leases.granted
        paths = [path for path in (one.elector.proposal_path for one in self._candidacies) if path]
        self._work.submit(partial(
            pool_worker.reread, ticket, yes, host.supervisord, host.check_groups, host.settings, granted, paths
        ))

    # What comes of it

    def _reread(self, event: Reread) -> None:
        file, known = self._host.settings.file, self._candidacies.by_name
        self._reading = False
        effects = {change.effect for change in event.changes}
        lines = [f"{change}: {change.effect}" for change in event.changes]
        anew = SESSION in effects
        names = {change.section[len(ELECTION):] for change in event.changes if change.effect == TERM}
        names = set(known) if anew else names & set(known)
        if self._departure.begun:
            self._tell(event.ticket, 1, "the listener is ending; ask again", [])
        elif event.problems or event.settings is None:
            self._tell(event.ticket, 2, f"{file} cannot be used, and nothing is changed", event.problems)
        elif effects <= {LIVE}:
            self._apply(event.settings, event.checks)
            done = "reloaded, and the same term goes on" if lines else "nothing has changed"
            self._tell(event.ticket, 0, f"{file}: {done}", lines)
        elif not self._guard.up:
            self._tell(event.ticket, 1, f"{file}: nothing is changed, since the guard is just being replaced; ask again", lines)
        elif not self._guard.independent:
            why = "it takes another listener, and this one enforces the leases itself, as no guard was to be had"
            does = "supervisorctl restart zkelect does it, and stops what runs"
            self._tell(event.ticket, 1, f"{file}: nothing is changed, since {why}; {does}", lines)
        elif self._stopping(names):
            why = f"{', '.join(self._stopping(names))} is just being stopped, which another listener would undo"
            does = "ask again, or have supervisorctl restart zkelect do it"
            self._tell(event.ticket, 1, f"{file}: nothing is changed, since {why}; {does}", lines)
        elif effects <= {LIVE, RESTART}:
            text = f"{file}: the listener restarts, and the same term goes on"
            self._agree(event.ticket, text, lines, Agreed(set(), False))
        else:
            ends = [f"{name} ({known[name].state.role})" for name in sorted(names)]
            what = f"ends {'the session and ' if anew else ''}this node's part in: {', '.join(ends) or 'no election of now'}"
            if event.yes:
                self._agree(event.ticket, f"{file}: {what}; then the listener restarts", lines, Agreed(names, anew))
            else:
                self._tell(event.ticket, 1, f"{file}: nothing is changed, since it {what}; --yes does it", lines)

    def _tell(self, ticket: str, status: int, text: str, lines: List[str]) -> None:
        for line in lines:
            log.info("reload: %s", line)
        (log.info if status == 0 else log.warning)("reload: %s", text)
        if ticket:
            self._reply(ticket, {"ok": status == 0, "exit": status, "text": text, "lines": lines})

    def _agree(self, ticket: str, text: str, lines: List[str], what: Agreed) -> None:
        """Tell, and begin when that is delivered: this process ends soon."""
        for line in (*lines, text):
            log.info("reload: %s", line)
        answer = {"ok": True, "exit": 0, "text": text, "lines": lines}
        self._work.submit(partial(pool_worker.tell_agreed, self._host.supervisord, ticket, answer, what))

    # At once

    def _apply(self, settings: Settings, checks: Dict[str, Any]) -> None:
        """Go on with these settings, of which every change is taken at once."""
        leases, sessions = self._leases, self._sessions
        self._host.settings, self._programs.trouble = settings, None
        sessions.session.reconfigure(settings)
        if leases.granted is not None:
            leases.set_paces(leases.granted.timeout)
        leases.retick()
        for one in self._candidacies:
            before, after, check = one.settings, settings.election(one.name), checks[one.name]
            assert after is not None, "an election less takes another listener"
            one.settings, one.check, one.fit = after, check, after.fit_check()
            one.hooks.get_ready(after.fence)
            one.timeline.readdress(one.settings.address)
            one.elector.describe(elections.proposal_data(settings, one.settings))
            rules = elections.rules(settings, one.settings, one.rules.stopwaitsecs)
            one.rules = replace(rules, kill_time=one.rules.kill_time)
            readdressed = before.address != one.settings.address
            if readdressed:
                one.group.readdress(one.settings.address)
            one.decide(messages.Reconfigured(readdressed))
            one.write_entry_soon()
            self._wait(one)
        self._guard.tell_groups()
        sessions.save()
        self._delivery.changed()

    def allow(self, one: Candidacy, stopwaitsecs: float) -> None:
        """Leave the group this time to stop from now on; the lease has room for it with one of the next heartbeats."""
        if stopwaitsecs == one.rules.stopwaitsecs:
            return
        log.info("%s: the group has %g s to stop, and not %g s any more", one.name, stopwaitsecs, one.rules.stopwaitsecs)
        one.rules = replace(one.rules, stopwaitsecs=stopwaitsecs)
        self._wait(one)

    def _wait(self, one: Candidacy) -> None:
        """Apply the times of an election as soon as a lease leaves room for them."""
        self._waiting[one.name] = self._host.now() + self._host.settings.session_timeout
        self.settle(one)

    def settle(self, one: Candidacy) -> None:
        """Apply the other times: at once where no group runs, else when the lease leaves room for them until heartbeats at their
        new pace extend it. Without that a shorter promise would end a term that is well."""
        state, settings, now = one.state, self._host.settings, self._host.now()
        if one.name not in self._waiting:
            return
        rules, granted = replace(one.rules, kill_time=settings.kill_time), self._leases.granted
        timeout = settings.session_timeout if granted is None else granted.timeout
        grace = state.grace if granted is None else settings.stop_grace(rules.stopwaitsecs, timeout)
        stop_at = lease_of(rules, replace(state, grace=grace)).stops_at
        room = leaves_room(stop_at, now, timeout, settings.tick_time, self._leases.heartbeat.interval)
        if state.enforced and not room and now < self._waiting[one.name]:
            return
        del self._waiting[one.name]
        one.rules = rules
        if self._sessions.usable:
            one.decide(self._leases.session_up(one, False))
        else:
            one.schedule_tick()

    # By way of another listener

    def _agreed(self, event: Agreed) -> None:
        if self._departure.begun:
            return
        self._departure.status = AGAIN
        known, now = self._candidacies, self._host.now()
        kill_at = now + max((known[name].rules.stopwaitsecs for name in event.elections), default=0.0)
        if event.session:
            self._departure.leave("the configuration takes a new session", kill_at, kill_at + RELEASE_TIME)
            return
        self._ending, self._end_by = event.elections, kill_at + RELEASE_TIME
        for name in event.elections:
            known[name].decide(messages.Shutdown("the configuration takes a new term", kill_at))

    def next_wakeup(self) -> float:
        return math.inf if self._departure.begun else self._end_by

    def keep_time(self, moment: float) -> None:
        """End this listener when the terms that have to are over. What is not is ended by the next one."""
        if self._ending is None or self._departure.begun:
            return
        over = all(self._candidacies[name].state.role == roles.WITHDRAWN for name in self._ending)
        # What was ordered for others meanwhile is done first.
        over = over and not self._stopping(self._ending)
        reason = "another listener starts with the changed configuration"
        if self._guard.independent:
            if moment >= self._end_by or over:
                self._departure.hand_over(moment, reason)
        elif moment >= self._end_by:
            # What enforces the leases now, as the guard was lost meanwhile, ends with this process.
            self._departure.leave_in_time(reason)

    def _stopping(self, ending: Collection[str]) -> List[str]:
        """The elections that are being stopped, but for these. One that only waits for ZooKeeper is stopped already."""
        states = {one.name: one.state for one in self._candidacies if one.name not in ending}
        now = self._host.now()
        return [
            name for name, state in states.items() if state.role == roles.DEMOTING and not state.held(now)
            and (state.step == "stopping" or state.step == "releasing" and state.up)
        ]

    def handlers(self) -> events.Handlers:
        return {Reread: self._reread, Agreed: self._agreed}
