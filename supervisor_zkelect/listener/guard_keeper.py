"""The conversation with the guard: when it is opened, what it is told of leases, when it is replaced. On the deciding thread."""

from __future__ import annotations

import logging
import math
from typing import Any, Callable, Dict, Iterable, Tuple

from supervisor_zkelect.core import roles, silence
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.core.silence import Silence
from supervisor_zkelect.core.state import lease_of
from supervisor_zkelect.guard import link, protocol
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.delivery import STEP_PACE
from supervisor_zkelect.listener.enforcement import Enforcement
from supervisor_zkelect.listener.folder import LOCK_PACE, RuntimeFolder
from supervisor_zkelect.listener.group_control import LEARN
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.workers import PACE
from supervisor_zkelect.system import reserve

log = logging.getLogger(__name__)

#: Seconds for which a guard may lack what it takes to end a group; another process has descriptors of its own.
GUARD_LACKS = 1.0
#: Seconds within which the guard's process manager must have taken a turn; with thousands of processes one takes a second.
MANAGER_SILENCE = 5.0


class GuardKeeper(Part):
    """Opens the conversation with a guard, tells it of leases, and replaces one that stands still."""

    def __init__(
        self, means: Means, candidacies: Candidacies, folder: RuntimeFolder, enforcement: Enforcement,
        groups: Callable[[], Dict[str, protocol.GroupPrograms]], interval: Callable[[], float], came: Callable[[], None],
        echoed: Callable[[protocol.LeaseEcho], None],
    ) -> None:
        """groups: what the guard is told of each group (`guard.Guard.welcome`). interval: seconds between two heartbeats. came:
        called when a guard has come. echoed: told of each echo."""
        super().__init__(means)
        self._candidacies = candidacies
        self._folder = folder
        self._enforcement = enforcement
        self._groups = groups
        self._interval = interval
        self._came, self._tell_echo = came, echoed
        self.link = self._host.guard(self._post)
        self.up = False
        #: why no guard can be had, "" when nothing is known against it
        self.trouble = ""
        #: group -> "token", "granted", "dead", "deadline" of those that the guard had in its charge when it came
        self.found: Dict[str, Dict[str, Any]] = {}
        #: when one is opened
        self.open_at = math.inf
        #: what the guard that is there lacks, and since when
        self._lacks = ""
        self._lacks_since = math.inf
        self._silence = Silence(self._host.now())
        #: when it is told something anyway
        self._tell_at = math.inf
        self._sent = self._echoed = 0
        #: until when leases last at most by an order that is not known to have been taken, and whose echo will tell
        self._cut_at, self._cut_by = math.inf, 0

    # Opening

    @property
    def independent(self) -> bool:
        """Whether the guard is there, and outlives this listener."""
        return self.up and self.link.pid != self._host.pid

    @property
    def sent(self) -> int:
        """Number of the order on leases that was sent last."""
        return self._sent

    @property
    def awaited(self) -> bool:
        """Whether what was sent last is not echoed yet."""
        return self._sent != self._echoed

    def open(self) -> None:
        self.open_at = math.inf
        running = self._candidacies.running
        by = min((lease_of(one.rules, one.state).kills_at for one in running), default=math.inf)
        self.link.open(self._groups(), by)

    def tell_groups(self) -> None:
        """Tell it anew what it is told of each group."""
        self.link.send(protocol.GroupsOrder(self._groups(), self._host.settings.reattach_grace))

    def _retry(self, delay: float) -> None:
        if not self._candidacies and self._folder.locked:
            # Nothing is begun: whoever has to release first needs the lock.
            self._folder.give_lock_back(delay)
        else:
            self.open_at = self._host.now() + delay

    def _on_up(self, event: protocol.Welcome) -> None:
        self.up, self._silence, self.trouble = True, self._silence.echoed(), ""
        self._lacks, self._lacks_since = "", math.inf
        self._enforcement.last_resort.arm(event.cgroups)
        for one in self._candidacies:
            one.group.guard_changed()
        self._sent = self._echoed = 0
        self.found = event.groups
        self._cut_found()
        self._came()

    def _on_busy(self, event: link.GuardBusy) -> None:
        self._log.warn("zkelect", "waiting for the guard to stop and release what an earlier listener left")
        self._retry(LOCK_PACE)

    def _on_down(self, event: link.GuardDown) -> None:
        if self.up:
            log.warning("%s; starting another", event.reason)
        else:
            self._log.warn("zkelect", event.reason)
            # What it failed for may be what is kept.
            reserve.spend()
            self.trouble = event.reason
            self._delivery.within(STEP_PACE)
        # One that has echoed nothing may fail in the same way at once.
        delay = 0.0 if self.up and self._echoed else PACE
        self.up = False
        for one in self._candidacies:
            one.group.guard_changed()
        self._retry(delay)

    # Leases

    def ordered(self) -> None:
        """An order was given. What follows is echoed, which tells that it was taken; one echo does for all orders of a turn."""
        self._tell_at = -math.inf
        self._enforcement.ordered()

    def tell_anew(self) -> None:
        """Tell a new guard what runs under which lease, and repeat what the old one did not answer. It may be the same one, which
        has heard some of it."""
        if self._cut_at < math.inf:
            # First, as those that are extended later last longer.
            self.cut(self._cut_at)
        for one in self._candidacies:
            state = one.state
            if state.enforced and state.step != "restarting":
                self.link.send(protocol.AdoptOrder(one.settings.group, one.grant()))
                one.group.readdress(one.settings.address)
                if state.role == roles.PRIMARY:
                    # The old guard may have ended before it wrote that. Of a term that is inherited the record knows better.
                    one.tell_ack()
            elif not state.may_run and not one.group.busy and self.found.get(one.settings.group, {}).get("granted"):
                # By a record that could not be written when the grant was revoked; in a pause that has no end.
                self.link.send(protocol.EnsureDeadOrder(one.settings.group, LEARN))
            one.group.repeat()
            if one.check is None and state.probing:
                one.group.look(state.probing)

    def cut(self, deadline: float) -> None:
        """No lease lasts longer than until then that is not extended later: the session has a shorter timeout."""
        self._cut_at, self._cut_by = min(self._cut_at, deadline), self._sent + 1
        self._cut_found()
        self.link.send(protocol.CutOrder(self._cut_at))
        self.ordered()

    def _cut_found(self) -> None:
        for found in self.found.values():
            found["deadline"] = min(found["deadline"], self._cut_at)

    def extend(self, extended: Iterable[Candidacy]) -> None:
        """Extend the leases of these, as their states have them."""
        leases: Dict[str, Tuple[int, Lease]] = {}
        for one in extended:
            if one.state.may_run and one.state.renewed and one.state.inherited is None:
                grant = one.grant()
                leases[one.settings.group] = (grant.token, grant.lease)
        # A pause that has ended makes one shorter.
        self._enforcement.ordered()
        running = any(one.state.may_run or one.group.busy for one in self._candidacies)
        # When the next heartbeat is answered they are extended anyway.
        self._tell_at = self._host.now() + self._interval() + silence.HASTE if running else math.inf
        self._sent += 1
        self.link.send(protocol.LeaseOrder(self._sent, leases))

    def missing(self) -> str:
        """Why no lease could be extended, "" when there is a guard, or one may be had."""
        missing = self.trouble and not self.up
        return f"the lease is not extended, as there is no guard: {self.trouble}" if missing else ""

    def unenforced(self) -> str:
        """Why no lease is extended, "" when nothing is known against it. What guard and listener lack is looked for with each
        lease, and not where there is none."""
        missing, last_resort = self.missing(), self._enforcement.last_resort
        if missing:
            return missing
        if self._lacks:
            return f"the lease is not extended: {self._lacks}"
        if last_resort.trouble:
            return f"the lease is not extended, as this listener could not end it itself: {last_resort.trouble}"
        return ""

    def can_enforce(self) -> bool:
        """Whether somebody would enforce a lease that is extended now."""
        return (
            self.up and self._silence.short and not self._lacks and self._enforcement.last_resort.complete()
        )

    def killed_by(self, one: Candidacy, stop_by: float) -> float:
        """When the guard kills what it has found of a group, which is asked to stop until `stop_by`: it has the time that the
        lease leaves, which the keeper may renew meanwhile. Minus infinity for what nobody has started under a lease."""
        found = self.found.get(one.settings.group)
        if found is None:
            return -math.inf
        return min(stop_by, one.rules.lease(found["deadline"])._replace(paused_until=found["paused_until"]).kills_at)

    def clears_in_time(self, one: Candidacy) -> bool:
        """Whether what a former listener had begun to stop still has some of its lease left for that."""
        found = self.found.get(one.settings.group)
        if one.state.step != "clearing" or found is None or found["dead"]:
            return False
        return one.rules.lease(found["deadline"]).covers(self._host.now())

    # Watching

    def next_wakeup(self) -> float:
        if self.awaited:
            return min(self.open_at, self._host.now() + silence.HASTE / 3)
        return min(self.open_at, self._tell_at) if self.up else self.open_at

    def keep_time(self, moment: float) -> None:
        """Replace a guard that stands still."""
        self._silence = self._silence.turned(moment, self.up and self.awaited)
        if not self._silence.short and moment >= self._silence.patient_until:
            late = any(not lease_of(one.rules, one.state).covers(moment) for one in self._candidacies.running)
            if self._silence.too_long(moment, late):
                self._silence = self._silence.echoed()
                self._replace("stands still")
        elif self.up and moment >= self._tell_at:
            # ZooKeeper may have been silent for longer than it takes to notice a guard that stands still.
            self.extend(self._candidacies)

    def _replace(self, why: str) -> None:
        log.warning("the guard, process %d, %s; replacing it", self.link.pid, why)
        self.link.replace()

    def _on_echo(self, event: protocol.LeaseEcho) -> None:
        self._echoed = event.n
        if event.n >= self._cut_by:
            self._cut_at = math.inf
        self._silence = self._silence.echoed()
        moment = self._host.now()
        if moment - event.turned > MANAGER_SILENCE and not self._silence.excuses(moment):
            self._replace("does not watch the groups")
        self._lacks = event.trouble
        self._lacks_since = min(self._lacks_since, moment) if event.trouble else math.inf
        if moment - self._lacks_since > GUARD_LACKS:
            self._lacks_since = math.inf
            self._replace(f"cannot enforce leases: {event.trouble}")
        self._tell_echo(event)

    def _on_said(self, event: protocol.GuardSaid) -> None:
        log.info("guard, process %d: %s", self.link.pid, event.text)

    def handlers(self) -> events.Handlers:
        return {
            protocol.Welcome: self._on_up, link.GuardBusy: self._on_busy, link.GuardDown: self._on_down,
            protocol.LeaseEcho: self._on_echo, protocol.GuardSaid: self._on_said,
        }
