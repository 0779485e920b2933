"""The rules of a guard: which group runs under which lease, when it is stopped, and when the session is released.

The guard is one small process per node that stops groups when nobody else can. It outlives the listener. The listener
tells it what to start and stop, and until when each lease lasts; every order to the groups goes through here, so that there
is one owner of what runs, one `ProcessManager` that stops and proves, and one writer of the shared record.
While there is no listener, a keeper (`keeper.py`), a process that is there beforehand, renews the leases and releases. The
process around the guard, with its socket, is `process.py`.

`groups.py` has rules 1 to 3, `renewals.py` what the keeper renews, `ending.py` the release; this module says when.

Rules
-----
1.  A group runs under a grant: an entry in the record with a token, and the times at which it is asked to stop and is
    killed. Only the listener gives grants and extends them, and only for the token granted. None is extended while the
    process manager lacks what it takes to end it (`ProcessManager.trouble`).
2.  Every stop revokes the grant first, in the record, then asks, then kills, then proves. The group has its stopwaitsecs,
    cut only by its lease, which is renewed while the stop goes on. Killed at once is only what runs without a lease, or
    with a session or proposal that is gone, or whose supervisord is dead, or whose runtime folder somebody else has
    taken. A record that cannot be written keeps nothing from dying. Once a group is proven dead it has no lease.
3.  A lease that nobody extends ends: asked to stop at `stop_at`, killed at `kill_at`, whatever the listener does.
4.  supervisord is dead: every group is killed at once, and none is started. When all are proven dead, the listener
    releases; if it is gone, or does not within LISTENER_TIME of the proof, it is killed, and the guard releases.
5.  The listener is gone without having released: supervisord is woken to start another, and the keeper renews the
    leases for as long as one is waited for (`absence.py`), and those of each group until the listener that came renews
    them itself, for which it has `absence.LIMIT`. If none comes, the guard takes the session's lock, stops all groups,
    proves them dead, and releases. Whoever holds the lock decides: a listener that begins has it first of all, so a guard
    that has it is busy, and one that waits for it goes on enforcing the leases, and waits no longer when the listener has
    come.
6.  The keeper releases, which gets the lock with the word to do so, when all groups are proven dead. A group that is
    killed and cannot be proven dead is killed again and again, and never released; `stop_failed` is run once. While a group
    runs in a pause, only the others are stopped for want of a listener, and then the session is left to expire, in which their
    proposals stand, as well as those of elections in which this node does not lead.
7.  A guard ends when no group is held, no session is open and no listener is there, and not before. Groups that the
    listener's configuration names are held until they are proven dead. While a supervisord that does not answer may start
    again what nobody but the guard kills, it stays as well.

No sockets, no processes, no threads: `GuardEffects` has the side effects. All times are seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Optional

from supervisor_zkelect.guard import keeper_protocol, protocol, record
from supervisor_zkelect.guard.absence import LIMIT, Absence
from supervisor_zkelect.guard.codec import handlers
from supervisor_zkelect.guard.effects import GuardEffects
from supervisor_zkelect.guard.ending import Ending
from supervisor_zkelect.guard.groups import AT_ONCE, NEVER, GuardedGroup, GuardedGroups, RecordPort
from supervisor_zkelect.guard.renewals import Renewals
from supervisor_zkelect.processes import group_events
from supervisor_zkelect.processes.manager import ProcessManager

log = logging.getLogger(__name__)

LISTENER_TIME = 0.3
"""Seconds that a living listener has to release after supervisord's death. It needs some 30 ms after the proof."""

ASK_PACE = 0.2
"""Seconds between two questions to supervisord for the listener that is awaited."""

GREETING = 1.0
"""Seconds after which a guard that took over from a dead one begins to do without a listener."""

GREET_TIME = 10.0
"""Seconds that a new guard waits for a listener."""

ORDERED = "the listener had it stopped, and ended before it could tell why"
"""For the history of terms, which the listener writes itself where it lives."""


class Guard:
    """See the module's text. One thread calls all methods; only `keep_time` acts because of the time.

    owner: the supervisord. grace: reattach_grace. manager: what it posts goes to `heard`. book: where
    the entries are written. clock: gives the time.
    """

    def __init__(
        self, owner: record.Owner, grace: float, manager: ProcessManager, book: RecordPort, effects: GuardEffects,
        clock: Callable[[], float],
    ) -> None:
        self.owner = owner
        self.grace = grace
        self.manager = manager
        self.effects = effects
        self.now = clock
        self.groups = GuardedGroups(manager, book, clock, effects.expect_programs)
        self.renewals = Renewals(self.groups, effects, clock, self.tell)
        self.ending = Ending(self.groups, effects, clock)
        self.listener_here = False
        self.session_open = False
        self.release_by = NEVER  # without a listener, or for the one that is there
        self.absence, self.awaiting = Absence(clock(), grace), False
        #: when the last listener left that had renewed a lease, or had stayed; and when the last one came
        self.away_since: Optional[float] = None
        self.here_since = clock()
        self.ask_at = NEVER  # when supervisord is asked for the listener
        self.greeted = False
        self.greet_by = clock() + GREET_TIME
        self._orders = handlers(protocol.ORDERS.values(), {
            protocol.StartOrder: self.groups.start, protocol.AdoptOrder: self.groups.adopt,
            protocol.AddressOrder: self.groups.readdress, protocol.AckOrder: self.groups.acked, protocol.StopOrder: self._stop,
            protocol.KillOrder: self._kill, protocol.EnsureDeadOrder: self._ensure_dead,
            protocol.LookOrder: self._look, protocol.MemberNote: self._note, protocol.LeaseOrder: self._lease,
            protocol.CutOrder: self._cut, protocol.GroupsOrder: self._groups_known, protocol.Bye: self._bye,
        })
        self._answers = handlers(keeper_protocol.ANSWERS.kinds - {keeper_protocol.KeeperSaid}, {
            keeper_protocol.TermKept: self.renewals.kept, keeper_protocol.TermGone: self.renewals.gone,
            keeper_protocol.KeptSessionOver: self.renewals.over, keeper_protocol.KeptSessionCut: self.renewals.cut,
            keeper_protocol.SessionReleased: self._released, keeper_protocol.KeeperEnded: self._keeper_ended,
        })

    def begin(self, former: List[record.Entry]) -> None:
        """Take over the groups of a guard that is dead."""
        self.groups.take_over(former)
        if former:
            self.session_open = True
            self._await_listener()
            # The listener that started this guard is about to greet it.
            self.ask_at = self.now() + GREETING

    # Time

    def finished(self, asked_to_end: bool) -> bool:
        """Tell whether nothing is left to guard. asked_to_end: somebody wants the guard to end as soon as it may."""
        # Where the record grants what does not stand, a supervisord that hung may start again what was killed meanwhile.
        if self.session_open or self.ending.releasing or self.groups.held or self.groups.misread or self.groups.watched:
            return False
        if self.listener_here:
            return asked_to_end
        return self.greeted or self.now() >= self.greet_by

    def next_wakeup(self) -> float:
        return min(self.release_by, self.ending.due, self.groups.next_wakeup(), self.ask_at, self.renewals.until)

    def keep_time(self) -> None:
        moment = self.now()
        for one in self.groups.unextended():
            # Before anything is logged, which may wait for whoever reads the log.
            self.groups.end(one, self.groups.stop_time(one), "the lease ran out: nobody extended it")
            self.tell(protocol.GuardRevoked(one.entry.group, "the lease runs out: nobody extended it"))
            log.warning("%s: nobody extended the lease; stopping the group", one.entry.election)
        self.groups.keep_time()
        if moment >= self.ask_at:
            self._ask_for_listener()
        if moment >= self.renewals.until:
            self.renewals.end()
        if moment >= self.release_by:
            self._end_all()
        if moment >= self.ending.due:
            self.ending.go_on()

    # What happens to those it watches

    def supervisord_dead(self) -> None:
        log.warning("supervisord, process %d, is dead", self.owner.pid)
        self.groups.supervisord_gone = True
        self.release_by = NEVER if self.listener_here else self.now()
        self.manager.supervisord_gone()
        self.groups.end_all("supervisord is dead")
        self._hurry_listener()

    def _hurry_listener(self) -> None:
        """Limit the time that a listener has to release after supervisord's death, once all groups are proven dead. Before the
        proof it must keep the session alive."""
        if self.groups.supervisord_gone and self.listener_here and not self.groups.held:
            self.release_by = min(self.release_by, self.now() + LISTENER_TIME)

    def listener_gone(self) -> None:
        self.listener_here = False
        if self.now() - self.here_since >= LIMIT:
            # One that stayed is not the next try of those before it.
            self.away_since = None
        self.renewals.listener_left()
        if not self.session_open:
            return
        self.manager.wake_supervisord()
        log.info("the listener is gone%s", "" if self.groups.supervisord_gone else "; its leases are renewed until it is back")
        self._await_listener()

    def _await_listener(self) -> None:
        """Begin to wait for a listener while the session is open."""
        if self.groups.supervisord_gone:
            # What cannot be killed must not lose the session: another node would start beside it.
            self.renewals.begin()
            self.release_by = self.now()
            return
        if self.away_since is None:
            self.away_since = self.now()
        self.absence, self.awaiting = Absence(self.away_since, self.grace), False
        self.release_by = self.absence.told("", self.now())
        self.ask_at = self.now()

    def _ask_for_listener(self) -> None:
        """Ask supervisord for the absent listener; the keeper renews the leases from now on."""
        # Also after what this could not do for want of memory.
        self.ask_at = self.now() + ASK_PACE
        if not self.awaiting:
            self.renewals.begin()
            self.awaiting = True
        self.ask_at = NEVER
        self.effects.ask_for_listener()

    def listener_state(self, state: str) -> None:
        """Take the state of the listener's process by supervisord; "" when supervisord does not answer."""
        if self.listener_here or not self.session_open or self.groups.supervisord_gone or self.ending.begun:
            return
        self.release_by = self.absence.told(state, self.now())
        self.ask_at = self.now() + ASK_PACE

    def heard(self, event: Any) -> None:
        """Take an event of the process manager."""
        one = self.groups[event.group]
        if isinstance(event, (group_events.GroupUnsettled, group_events.GroupAtRest)):
            one.watched = isinstance(event, group_events.GroupUnsettled)
        elif isinstance(event, group_events.GroupDead) and not one.entry.granted:
            # First, so that it is looked at whatever becomes of the rest.
            self.ending.look_again()
            ended = self.groups.proven_dead(one)
            self._hurry_listener()
            self.renewals.drop(one)
            if ended:
                self.tell(protocol.TermEnded(event.group, **one.ended))
        elif isinstance(event, group_events.GroupStuck):
            self._call_for_help(one, event)
        elif isinstance(event, group_events.MemberStarted) and not one.entry.granted and self.groups.is_named(event.group):
            # Nobody is to release while it runs, whoever has it killed.
            one.dead = False
        elif isinstance(event, group_events.MemberDied) and one.entry.granted:
            # supervisord may start it again.
            self.groups.expect_programs(event.group)
        if getattr(event, "op", 1) > 0:
            self.tell(event)
        if isinstance(event, group_events.MemberStarted) and not self.listener_here and not one.entry.granted:
            # A listener that was told would have it killed.
            self.groups.end(one, AT_ONCE, "it was started without a grant")

    def _call_for_help(self, one: GuardedGroup, event: group_events.GroupStuck) -> None:
        known = self.groups.programs(event.group)
        if not known.stop_failed or one.called:
            return
        one.called = True
        self.effects.call(list(known.stop_failed), known.seconds, _said_of_a_failed_stop(known.election, one, event))

    # Releasing

    def _end_all(self) -> None:
        """The listener's time is over: stop all groups, and release when they are dead."""
        if not self.listener_here and not self.groups.supervisord_gone and self.ending.spare(self.renewals.end):
            self.release_by = NEVER
            return
        self.release_by = self.ask_at = NEVER
        if self.listener_here:
            # It had its time after supervisord's death. What cannot be done now, for want of descriptors, is tried again.
            self.release_by = self.now() + ASK_PACE
            self.effects.kill_listener()
            self.release_by = NEVER
        if not self.listener_here:
            self.ending.begin()

    def disowned(self) -> None:
        """Somebody has made the runtime folder anew, and with it the locks: what is in this guard's charge ends, and the
        session is left to expire, as it may be in other hands."""
        self.groups.end_all("somebody made the runtime folder anew")
        self.session_open = False
        self.ending.call_off()
        self.release_by = NEVER
        self.renewals.end()

    def _released(self, message: keeper_protocol.SessionReleased) -> None:
        if self.ending.releasing and self.ending.ended(message.status):
            self.session_open = False
            # Its work is done, greeted or not, and the guard of the next supervisord waits for this one's place.
            self.greet_by = self.now()

    def _keeper_ended(self, message: keeper_protocol.KeeperEnded) -> None:
        # It may have released; another finds out.
        self._released(keeper_protocol.SessionReleased(1))

    def keeper_said(self, message: Any) -> None:
        """Take an answer of the keeper (`keeper_protocol.ANSWERS`)."""
        self._answers[type(message)](message)

    # Conversation

    def tell(self, message: Any) -> None:
        """Tell the listener, if there is one."""
        if self.listener_here:
            self.effects.tell(message)

    def welcome(self, hello: protocol.Hello, pid: int, cgroups: str) -> protocol.Welcome:
        """Answer a listener's greeting; when "ok" is true, its orders are taken from now on.

        pid, cgroups: as in `protocol.Welcome`.
        """
        busy = self.ending.locked
        ok = hello.v == protocol.VERSION and hello.owner == tuple(self.owner) and not busy
        if ok and hello.groups:
            # One that does not know yet whether its configuration is fit tells of none.
            self.groups.know(hello.groups)
        welcome = protocol.Welcome(ok, busy, protocol.VERSION, self.groups.described(), pid, cgroups)
        if ok:
            # Last, as one that could not be welcomed, for want of memory, is not there, and nobody would tell of its end.
            self.renewals.listener_came()
            self.listener_here = self.session_open = self.greeted = True
            self.here_since = self.now()
            self.ending.call_off()
            self.release_by = self.ask_at = NEVER
            self._hurry_listener()
        return welcome

    def may_run(self, name: str, program: str, pid: int, start: Optional[int] = None) -> bool:
        """A program of the group `name` registers; see `GuardedGroups.may_run`."""
        if not self.groups.may_run(name, program, pid, start):
            return False
        self.tell(protocol.ProgramRegistered(name, pid, self.now()))
        return True

    def obey(self, order: Any) -> None:
        """Carry out an order of the listener (`protocol.ORDERS`)."""
        self._orders[type(order)](order)

    def _stop(self, order: protocol.StopOrder) -> None:
        self.groups[order.group].ordered = True
        self.groups.stop(self.groups[order.group], order.op, order.by, ORDERED, order.grant)

    def _kill(self, order: protocol.KillOrder) -> None:
        self.groups.stop(self.groups[order.group], order.op, AT_ONCE, ORDERED)

    def _ensure_dead(self, order: protocol.EnsureDeadOrder) -> None:
        one = self.groups[order.group]
        self.groups.stop(one, order.op, self.groups.stop_time(one), ORDERED)

    def _look(self, order: protocol.LookOrder) -> None:
        self.groups[order.group].handle.look(order.op)

    def _note(self, order: protocol.MemberNote) -> None:
        self.groups[order.group].handle.note(order.what)

    def _lease(self, order: protocol.LeaseOrder) -> None:
        # What could not be ended then must end sooner.
        trouble = self.manager.trouble
        for name, (token, lease) in order.leases.items():
            one = self.groups.get(name)
            if one is not None and one.entry.token == token and one.held:
                self.groups.extend(one, lease)
                self.renewals.drop(one)
                self.away_since = None
            # Of what it has stopped itself the listener knows, and of a restart it must not hear when that has ended.
            stopped = one is not None and one.ordered and one.entry.token == token
            if not stopped and (one is None or not one.entry.granted or one.entry.token != token):
                self.tell(protocol.GuardRevoked(name, "the guard has revoked the grant"))
        self.tell(protocol.LeaseEcho(order.n, self.manager.turned_at, trouble, self.groups.paused, self.groups.doubtful))

    def _cut(self, order: protocol.CutOrder) -> None:
        # The listener has attached. What the keeper proved before that must not come after it.
        self.renewals.end()
        self.groups.cut(order.deadline)

    def _groups_known(self, order: protocol.GroupsOrder) -> None:
        self.grace = order.grace
        self.groups.know(order.groups)

    def _bye(self, order: protocol.Bye) -> None:
        if order.how == "released":
            self.session_open = False
            self.release_by = NEVER
            self.renewals.end()


def _said_of_a_failed_stop(election: str, one: GuardedGroup, event: group_events.GroupStuck) -> Dict[str, str]:
    """The variables of the operator's command."""
    return {
        "ZKELECT_ELECTION": election, "ZKELECT_GROUP": event.group, "ZKELECT_TOKEN": str(one.entry.token),
        "ZKELECT_PIDS": " ".join(map(str, event.pids)), "ZKELECT_REASON": event.reason,
    }
