"""The groups in a guard's charge: their grants, their leases and their stops (`guard.py`, rules 1 to 4).

No sockets, no processes, no threads. All times are seconds of CLOCK_BOOTTIME, but for those of `GuardedGroup.ended`.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Protocol

from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.guard import record
from supervisor_zkelect.guard.protocol import AckOrder, AddressOrder, AdoptOrder, Grant, GroupPrograms, StartOrder
from supervisor_zkelect.processes.manager import Group, ProcessManager

log = logging.getLogger(__name__)

BEAT_PACE = 0.5
"""Seconds between two notes in the record that its writer runs, at least; the guard's loop turns each second (`process.py`)."""

WRITE_PACE = 0.2
"""Seconds between two tries to write what the record does not say."""

COMPLAINT_PACE = 60.0
"""Seconds between two lines about a record that cannot be written."""

NEVER, AT_ONCE = float("inf"), -float("inf")


class RecordPort(Protocol):
    """Where the entries are written (`record.Writer`)."""

    def open(self) -> None: ...

    def make_room(self, room: int) -> None: ...

    def put(self, entry: record.Entry) -> None: ...

    def beat(self, moment: float) -> None: ...

    def doubt(self, doubtful: bool) -> None: ...


@dataclasses.dataclass
class GuardedGroup:
    """A group in the guard's charge."""

    entry: record.Entry
    handle: Group
    dead: bool = False
    """It is proven dead, and nothing was granted since."""
    told: record.Entry = dataclasses.field(init=False)
    """What the record says of it."""
    kept: bool = False
    """The keeper renews its lease."""
    ordered: bool = False
    """The listener had it stopped, and has not had it started since."""
    watched: bool = False
    """It is dead, and what a supervisord that does not answer may start of it again is killed by this guard alone."""
    called: bool = False
    """The command for a stop that fails was run, and the group is not proven dead since."""
    ended: Dict[str, Any] = dataclasses.field(default_factory=dict)
    """The term that ended last, as `GuardEffects.release` has it."""

    def __post_init__(self) -> None:
        self.told = self.entry

    @property
    def written(self) -> bool:
        """Whether the record says what `entry` does."""
        return self.told == self.entry

    @property
    def held(self) -> bool:
        """Whether a process of the group may be running."""
        return self.entry.granted or not self.dead

    def leased(self, now: float) -> bool:
        """Tell whether it runs under a lease, or is being stopped within one."""
        return self.held and self.entry.token != 0 and self.entry.lease.covers(now)

    def paused(self, now: float) -> bool:
        """Tell whether a pause keeps its lease from ending, whoever renews it."""
        return bool(self.entry.granted and now < self.entry.lease.paused_until)

    def misread(self, now: float) -> bool:
        """Tell whether somebody may read a grant that was revoked, or changed: under the lease of which the record tells."""
        return not self.written and (self.entry.lease.covers(now) or self.told.granted and self.told.lease.covers(now))


class GuardedGroups:
    """All groups of a guard, by name.

    manager: starts and ends them. book: where the entries are written. clock: gives the time. expect: is told whether programs
    of a group will register within some hundredths of a second.
    """

    def __init__(
        self, manager: ProcessManager, book: RecordPort, clock: Callable[[], float], expect: Callable[[bool], None]
    ) -> None:
        self._manager = manager
        self._book = book
        self._now = clock
        self._expect = expect
        self._groups: Dict[str, GuardedGroup] = {}
        self._configured: Dict[str, GroupPrograms] = {}
        #: numbers of the guard's own orders; the listener's are above zero
        self._own_ops = itertools.count(-1, -1)
        self._complained_at = AT_ONCE
        self._write_at = NEVER
        self._beat_at = AT_ONCE
        self.supervisord_gone = False

    def __iter__(self) -> Iterator[GuardedGroup]:
        return iter(list(self._groups.values()))

    def __getitem__(self, name: str) -> GuardedGroup:
        """The group; one that is new is in this guard's charge from now on."""
        if name not in self._groups:
            fresh = GuardedGroup(record.Entry("", name, "", 0, False, 0, NO_LEASE), self._manager.group(name))
            self._groups[name] = fresh
            if self.supervisord_gone:
                # A listener that ends may have no orders for it, and this guard would wait for a proof that nobody makes.
                self.end(fresh, AT_ONCE, "supervisord is dead")
        return self._groups[name]

    def get(self, name: str) -> Optional[GuardedGroup]:
        """The group, None when it is not in this guard's charge."""
        return self._groups.get(name)

    @property
    def held(self) -> bool:
        """Whether a process of any group may be running."""
        return any(one.held for one in self._groups.values())

    @property
    def watched(self) -> bool:
        """Whether supervisord may start something again that nobody but this guard kills."""
        return not self.supervisord_gone and any(one.watched for one in self._groups.values())

    @property
    def misread(self) -> bool:
        """Whether the record holds a grant that was revoked."""
        return any(one.misread(self._now()) for one in self._groups.values())

    @property
    def paused(self) -> List[str]:
        """The groups that run in a pause, as whoever reads the record knows."""
        return [name for name, one in self._groups.items() if one.written and one.paused(self._now())]

    @property
    def doubtful(self) -> List[str]:
        """The groups of which the record may say something else than is true."""
        return [name for name, one in self._groups.items() if not one.written]

    @property
    def ended(self) -> Dict[str, Dict[str, Any]]:
        """The terms that this guard ended, as `GuardEffects.release` has them."""
        return {name: one.ended for name, one in self._groups.items() if one.ended}

    def described(self) -> Dict[str, Dict[str, Any]]:
        """All of them, as `protocol.Welcome` has them."""
        return {
            name: {
                "token": one.entry.token, "granted": one.entry.granted, "dead": one.dead, "deadline": one.entry.lease.deadline,
                "paused_until": one.entry.lease.paused_until,
            }
            for name, one in self._groups.items()
        }

    # Time

    def next_wakeup(self) -> float:
        ends: List[float] = [one.entry.lease.stops_at for one in self if one.entry.granted]
        return min([self._write_at, *ends])

    def unextended(self) -> List[GuardedGroup]:
        """The groups whose lease nobody extended, and that are due to be asked to stop."""
        moment = self._now()
        return [one for one in self if one.entry.granted and moment >= one.entry.lease.stops_at]

    def keep_time(self) -> None:
        moment = self._now()
        if moment >= self._beat_at:
            self._beat(moment)
        if moment >= self._write_at:
            self._write_at = NEVER
            for one in self:
                if one.misread(moment):
                    self._put(one)
            self._book.doubt(self.misread)

    # The record

    def _beat(self, moment: float) -> None:
        """Note in the record that the guard runs: without it nobody may believe a lease that has no end."""
        self._beat_at = moment + BEAT_PACE
        try:
            self._book.beat(moment)
        except OSError as error:
            self._complain(error)

    def take_over(self, former: List[record.Entry]) -> None:
        """Take over the groups of a guard that is dead: under their grants, or with a proof still to be made.

        Not with their acks, which the listener tells again. A revocation that the former guard could not write is in no record,
        and nobody may be sent to that service.
        """
        for entry in former:
            one = self._groups[entry.group] = GuardedGroup(entry, self._manager.group(entry.group))
            self._put(one, acked=False)
            if entry.granted:
                one.handle.adopt()
            else:
                # Its stop may have begun just before, in the time that its lease leaves.
                one.handle.stop(next(self._own_ops), entry.lease.kills_at, entry.lease.kills_at)
        self._beat(self._now())
        self._book.open()

    def know(self, configured: Dict[str, GroupPrograms]) -> None:
        """Take the groups of a configuration, and make room in the record for them and for those that still run."""
        self._configured = configured
        for name, programs in configured.items():
            handle = self[name].handle
            handle.trust(programs.via_loader)
            handle.signalled_as_group(programs.as_group)
        running = {name for name, one in self._groups.items() if one.entry.granted}
        try:
            self._book.make_room(len(running | set(configured)))
        except OSError as error:
            log.error("cannot enlarge the record: %s", error)

    def programs(self, name: str) -> GroupPrograms:
        """The programs of a group by the configuration; defaults for a group that it does not name."""
        return self._configured.get(name, GroupPrograms(""))

    def is_named(self, name: str) -> bool:
        """Whether the configuration names the group."""
        return name in self._configured

    def _put(self, one: GuardedGroup, **changes: Any) -> None:
        one.entry = one.entry._replace(**changes)
        try:
            self._book.put(one.entry)
            one.told = one.entry
        except (OSError, ValueError, MemoryError) as error:
            # A loader that reads something else there asks this guard, and is refused.
            self._book.doubt(True)
            self._write_at = min(self._write_at, self._now() + WRITE_PACE)
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if self._now() - self._complained_at > COMPLAINT_PACE:
            self._complained_at = self._now()
            log.error("cannot write the record: %s", error)

    # Grants

    def start(self, order: StartOrder) -> None:
        """Start a group under a grant. Once supervisord is dead, none is given."""
        one = self[order.group]
        self._put(one, granted=not self.supervisord_gone, **order.grant._asdict())
        one.handle.trust(one.written and self.programs(order.group).via_loader)
        one.dead, one.ordered, one.ended = False, False, {}
        one.handle.start(order.op)
        self.expect_programs(order.group)

    def adopt(self, order: AdoptOrder) -> None:
        """Renew the grant of a group that runs, after the guard that gave it died."""
        one = self[order.group]
        if not one.entry.granted and not one.entry.revoked:
            one.ordered = False
            self._put(one, granted=True, **order.grant._asdict())
            one.handle.adopt()
            if self.supervisord_gone:
                self.end(one, AT_ONCE, "supervisord is dead")

    def readdress(self, order: AddressOrder) -> None:
        """Change the address for programs that start from now on."""
        one = self._groups.get(order.group)
        if one is not None and one.entry.granted:
            self._put(one, address=order.address)

    def acked(self, order: AckOrder) -> None:
        """Note whether the ack is written, for who answers load balancers. Only under the grant of that very term."""
        one = self._groups.get(order.group)
        if one is not None and one.entry.granted and one.entry.token == order.token:
            self._put(one, acked=order.acked)

    def may_run(self, name: str, program: str, pid: int, start: Optional[int] = None) -> bool:
        """Tell whether a program that is about to be executed has a grant that it can read. start: when the process began, as in
        `proc.Process`."""
        one = self._groups.get(name)
        if one is None or not one.entry.granted or not one.written:
            return False
        one.handle.expect(pid, program, start)
        return True

    def expect_programs(self, name: str) -> None:
        """Announce that programs of a group will register soon."""
        if self.programs(name).via_loader:
            self._expect(True)

    # Leases

    def extend(self, one: GuardedGroup, lease: Lease) -> None:
        """Extend the lease of a group; one that is being stopped may use it as well. Nothing is extended while the process
        manager lacks what it takes to end the group."""
        able, former = not self._manager.trouble, one.entry.lease
        # In a pause its proposal may be gone, so that the pause alone counts.
        shorter = lease.paused_until > AT_ONCE and lease.deadline < former.deadline
        # A shorter one leaves its stop as much time as before.
        longer = lease if able and lease.deadline > former.deadline else former.moved(lease.deadline) if shorter else former
        # A pause is what the listener says it is, and taking one back needs nothing.
        paused = lease.paused_until if able else min(lease.paused_until, former.paused_until)
        extended = longer._replace(paused_until=paused)
        if extended != former:
            self._put(one, lease=extended)
            if not one.entry.granted:
                one.handle.renew(extended.kills_at)

    def void(self, one: GuardedGroup) -> None:
        """The proposal is gone, and a pause alone keeps the group's lease from ending."""
        moment = self._now()
        if one.entry.lease.deadline > moment:
            self._put(one, lease=one.entry.lease.moved(moment))

    def cut(self, deadline: float) -> None:
        """Shorten all leases that last longer than until `deadline`."""
        for one in self:
            if one.leased(self._now()) and one.entry.lease.deadline > deadline:
                self._put(one, lease=one.entry.lease.moved(deadline))
                if not one.entry.granted:
                    one.handle.renew(one.entry.lease.kills_at)

    # Stops

    def stop(self, one: GuardedGroup, op: int, kill_at: float, why: str, grant: Optional[Grant] = None) -> None:
        """Revoke, then have the process manager stop, kill and prove.

        kill_at: unless the lease ends before. why: for the history of terms. grant: under which the group runs, for a guard
        that came while it was being stopped already.
        """
        if grant is not None and not one.entry.token:
            self._put(one, **grant._asdict())
        self._expect(False)
        if one.entry.granted:
            one.ended = {"token": one.entry.token, "noticed": time.time(), "why": why}
            self._put(one, **one.entry.revoke()._asdict())
        elif not one.written:
            self._put(one)
        if not one.written:
            # Somebody may read a grant there.
            one.handle.trust(False)
        one.dead = False
        if kill_at <= self._now() or not one.entry.lease.covers(self._now()):
            one.handle.kill(op)
        else:
            one.handle.stop(op, kill_at, one.entry.lease.kills_at)

    def end(self, one: GuardedGroup, kill_at: float, why: str) -> None:
        """Stop a group by this guard's own order; see `stop`."""
        self.stop(one, next(self._own_ops), kill_at, why)

    def end_all(self, why: str) -> None:
        """Kill all of them at once; see `stop`."""
        for one in self:
            self.end(one, AT_ONCE, why)

    def stop_time(self, one: GuardedGroup) -> float:
        """When a group's stopwaitsecs are over, if it is asked to stop now."""
        return AT_ONCE if self.supervisord_gone else self._now() + self.programs(one.entry.group).stopwaitsecs

    def proven_dead(self, one: GuardedGroup) -> bool:
        """Note that a group is proven dead. Returns whether that ends a term which was not reported yet."""
        one.dead, one.called = True, False
        if one.written and one.entry.lease != NO_LEASE:
            # Whoever drains its clients for as long as it may run need not wait. What could not be written goes on being doubted
            # under the lease that somebody may read.
            self._put(one, lease=NO_LEASE)
        if one.ended and "dead" not in one.ended:
            one.ended["dead"] = time.time()
            return True
        return False
