"""What a guard decides: who runs under which lease, when a group is stopped, and when the session is released.

The guard is one small process per node that stops groups when nobody else can. It outlives the listener. The listener
tells it what to start and stop, and until when each lease lasts; every order to the groups goes through here, so that there
is one owner of what runs, one `ProcessManager` that stops and proves, and one writer of the shared record.
While there is no listener, a keeper (`keeper.py`), a process that is there beforehand, renews the leases and releases. The
process around the guard, with its socket, is `process.py`.

Rules
-----
1.  A group runs under a grant: an entry in the record with a token, and the times at which it is asked to stop and is
    killed. Only the listener gives grants and extends them, and only for the token granted. None is extended while the
    process manager lacks what it takes to end it (`ProcessManager.trouble`).
2.  Every stop revokes the grant first, in the record, then asks, then kills, then proves. The group has its stopwaitsecs,
    cut only by its lease, which is renewed while the stop goes on. Killed at once is only what runs without a lease, or
    with a session or proposal that is gone, or whose supervisord is dead, or whose runtime folder somebody else has
    taken. A record that cannot be written keeps nothing from dying.
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
    killed and cannot be proven dead is killed again and again, and never released; `stop_failed` is run once.
7.  A guard ends when no group is held, no session is open and no listener is there, and not before. Groups that the
    listener's configuration names are held until they are proven dead.

No sockets, no processes, no threads: what has effects is done by `Hands`. All times are seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import Any, Dict, List, Optional

from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.guard import record
from supervisor_zkelect.guard.absence import LIMIT, Absence
from supervisor_zkelect.processes import group_events
from supervisor_zkelect.processes.manager import Group, ProcessManager
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

PROTOCOL = 3
"""Version of the messages between listener and guard."""

LISTENER_TIME = 0.3
"""Seconds that a living listener has to release after supervisord's death. It needs some 30 ms after the proof."""

LOCK_PACE = 0.02
"""Seconds between two tries for the session's lock."""

ASK_PACE = 0.2
"""Seconds between two questions to supervisord for the listener that is awaited."""

STOPWAITSECS = 10.0
"""What a group has to stop before its programs are known: supervisord's default."""

GREETING = 1.0
"""Seconds after which a guard that took over from a dead one begins to do without a listener."""

GREET_TIME = 10.0
"""Seconds that a new guard waits for a listener."""

RELEASE_PACE = 1.0
"""Seconds between two runs of a release that failed."""

WRITE_PACE = 0.2
"""Seconds between two tries to write what the record does not say."""

ORDERED = "the listener had it stopped, and ended before it could tell why"
"""For the history of terms, which the listener writes itself where it lives."""

NEVER, AT_ONCE = float("inf"), -float("inf")


class Hands:
    """What a guard has done by others, and is told the outcome of."""

    def tell(self, message: Dict[str, Any]) -> None:
        """Send a message to the listener that is there."""
        raise NotImplementedError

    def kill_listener(self) -> None:
        """Kill the listener and end the conversation; `listener_gone` follows."""
        raise NotImplementedError

    def take_lock(self) -> bool:
        """Take the session's lock. False while somebody else has it."""
        raise NotImplementedError

    def give_lock_back(self) -> None:
        raise NotImplementedError

    def expect_programs(self, expected: bool) -> None:
        """Programs will register within some hundredths of a second, or not any more: prepare what can be done before."""

    def keep(self, terms: Dict[str, int], attach: bool) -> None:
        """Have the keeper renew the leases of these groups from now on, by the tokens of their terms, and of no others;
        `kept`, `proposal_gone`, `cut` and `session_over` follow. Without any it leaves the session alone.

        attach: whether it may attach to the session, which takes that from a listener that has.
        """
        raise NotImplementedError

    def ask_for_listener(self) -> None:
        """Ask supervisord for the state of the listener's process; `listener_state` follows."""
        raise NotImplementedError

    def session_groups(self) -> List[str]:
        """The groups of all elections that the saved session may have a proposal in, and a release would give up."""
        return []

    def release(self, ended: Dict[str, Dict[str, Any]]) -> None:
        """Have the session released; `released` follows. Raises OSError when that cannot be begun.

        ended: of each group whose term the guard ended, the "token", "why", and when it was "noticed" and proven "dead"
            in seconds since the epoch, for the history of terms.
        """
        raise NotImplementedError

    def call(self, command: List[str], seconds: float, variables: Dict[str, str]) -> None:
        """Run an operator's command beside everything else, for so long at most, and log how it ended."""
        raise NotImplementedError


@dataclasses.dataclass
class Charge:
    """A group in the guard's charge."""

    entry: record.Entry
    handle: Group
    dead: bool = False  # proven so, and nothing was granted since
    written: bool = True  # the record says what `entry` does
    kept: bool = False  # the keeper renews its lease
    called: bool = False  # the command for a stop that fails was run, and the group is not proven dead since
    ended: Dict[str, Any] = dataclasses.field(default_factory=dict)  # the term that ended last, as `Hands.release` has it

    @property
    def held(self) -> bool:
        return self.entry.granted or not self.dead

    @property
    def leased(self) -> bool:
        """Whether it runs under a lease, or has what is left of one to stop."""
        return self.held and self.entry.token != 0 and self.entry.lease.covers(now())

    def misread(self, moment: float) -> bool:
        """Whether a chain loader may read a grant that does not stand any more, unless the guard refuses it."""
        return not self.written and self.entry.lease.covers(moment)


class Guard:
    """See the module's text. One thread calls all methods; only `keep_time` acts because of the time.

    owner: the supervisord. grace: reattach_grace. manager: what it posts goes to `heard`. book: where the entries are written.
    """

    def __init__(self, owner: record.Owner, grace: float, manager: ProcessManager, book: record.Writer, hands: Hands) -> None:
        self.owner = owner
        self.grace = grace
        self.manager = manager
        self.book = book
        self.hands = hands
        self.charges: Dict[str, Charge] = {}
        self.listener_here = False
        self.session_open = False
        self.supervisord_gone = False
        self.release_by = NEVER  # without a listener, or for the one that is there
        self.stop_by = NEVER  # when a lease may run out; it may be too early, never too late
        self.ending = False  # the groups are being killed in order to release
        self.locked = False
        self.lock_at = NEVER
        self.releasing = False
        self.groups: Dict[str, Dict[str, Any]] = {}  # what the listener says of each; see `welcome`
        self.complained_at = AT_ONCE
        self.write_at = NEVER  # what the record does not say
        self.absence, self.awaiting = Absence(now(), grace), False
        self.away_since: Optional[float] = None  # when the last listener left that had renewed a lease
        self.kept_until = NEVER  # until when a listener that came must have renewed its leases by itself
        self.ask_at = NEVER  # when supervisord is asked for the listener
        self.greeted = False
        self.greet_by = now() + GREET_TIME
        self.op = 0

    def begin(self, former: List[record.Entry]) -> None:
        """Take over what a guard that is dead was in charge of: under its grant, or with a proof still to be made."""
        for entry in former:
            charge = self.charges[entry.group] = Charge(entry, self.manager.group(entry.group))
            self.put(charge)
            if entry.granted:
                charge.handle.adopt()
                charge.handle.watch(True)
            else:
                # Its stop may have begun just before, in the time that its lease leaves.
                charge.handle.stop(self.own_op(), entry.lease.kill_at, entry.lease.kill_at)
        self.book.open()
        if former:
            self.session_open = True
            self.await_listener()
            # The listener that started this guard is about to greet it.
            self.ask_at = now() + GREETING

    def own_op(self) -> int:
        """Numbers of the guard's own orders; the listener's are above zero."""
        self.op -= 1
        return self.op

    # Time

    def finished(self, asked_to_end: bool) -> bool:
        """Whether nothing is left to guard. asked_to_end: somebody wants it to end, as soon as it may."""
        if self.session_open or self.releasing or any(charge.held for charge in self.charges.values()):
            return False
        if any(charge.misread(now()) for charge in self.charges.values()):
            # A supervisord that hung may start again what was killed meanwhile.
            return False
        if self.listener_here:
            return asked_to_end
        return self.greeted or now() >= self.greet_by

    def next_wakeup(self) -> float:
        return min(self.release_by, self.lock_at, self.stop_by, self.write_at, self.ask_at, self.kept_until)

    def keep_time(self) -> None:
        moment = now()
        if moment >= self.stop_by:
            self.stop_unextended(moment)
        if moment >= self.write_at:
            self.write_at = NEVER
            for charge in self.charges.values():
                if charge.misread(moment):
                    self.put(charge)
        if moment >= self.ask_at:
            self.ask_for_listener()
        if moment >= self.kept_until:
            self.keep_none()
        if moment >= self.release_by:
            self.end_all()
        if moment >= self.lock_at:
            self.release()

    def stop_unextended(self, moment: float) -> None:
        for charge in self.charges.values():
            if charge.entry.granted and moment >= charge.entry.lease.stop_at:
                log.warning("%s: nobody extended the lease; the group is stopped", charge.entry.election)
                self.stop(charge, self.own_op(), self.stop_time(charge), "the lease ran out: nobody extended it")
                self.tell("Revoked", group=charge.entry.group, reason="the lease runs out: nobody extended it")
        self.stop_by = min((one.entry.lease.stop_at for one in self.charges.values() if one.entry.granted), default=NEVER)

    # What happens to those it watches

    def supervisord_dead(self) -> None:
        log.warning("supervisord, process %d, is dead", self.owner.pid)
        self.supervisord_gone = True
        self.release_by = NEVER if self.listener_here else now()
        self.manager.supervisord_gone()
        for charge in self.charges.values():
            self.stop(charge, self.own_op(), AT_ONCE, "supervisord is dead")
        self.hurry_listener()

    def hurry_listener(self) -> None:
        """After supervisord's death, and the proof, a listener that is there has some time to release. Without the proof
        it must go on keeping the session alive."""
        if self.supervisord_gone and self.listener_here and not any(one.held for one in self.charges.values()):
            self.release_by = min(self.release_by, now() + LISTENER_TIME)

    def listener_gone(self) -> None:
        self.listener_here, self.kept_until = False, NEVER
        if not self.session_open:
            return
        self.manager.wake_supervisord()
        log.info("the listener is gone%s", "" if self.supervisord_gone else "; its leases are renewed until it is back")
        self.await_listener()

    def await_listener(self) -> None:
        """There is none, and the session is open."""
        if self.supervisord_gone:
            # What cannot be killed must not lose the session: another node would start beside it.
            self.keep_leased()
            self.release_by = now()
            return
        if self.away_since is None:
            self.away_since = now()
        self.absence, self.awaiting = Absence(self.away_since, self.grace), False
        self.release_by = self.absence.told("", now())
        self.ask_at = now()

    def ask_for_listener(self) -> None:
        """There is none: ask for it, and have the keeper do its part of the work from now on."""
        self.ask_at = NEVER
        if not self.awaiting:
            self.awaiting = True
            self.keep_leased()
        self.hands.ask_for_listener()

    def listener_state(self, state: str) -> None:
        """What supervisord says of the listener's process; "" when it does not answer."""
        if self.listener_here or not self.session_open or self.supervisord_gone or self.ending:
            return
        self.release_by = self.absence.told(state, now())
        self.ask_at = now() + ASK_PACE

    def heard(self, event: Any) -> None:
        """The process manager says something of a group."""
        charge = self.charge(event.group)
        if isinstance(event, group_events.GroupDead) and not charge.entry.granted:
            charge.dead, charge.called = True, False
            self.kept_no_more(charge)
            if charge.ended and "dead" not in charge.ended:
                charge.ended["dead"] = time.time()
                self.tell("TermEnded", group=event.group, **charge.ended)
            self.lock_at = now()
            self.hurry_listener()
        elif isinstance(event, group_events.GroupStuck):
            self.call_for_help(charge, event)
        elif isinstance(event, group_events.MemberStarted) and not self.listener_here and not charge.entry.granted:
            # A listener would have it killed. Nobody is to release while it runs.
            self.stop(charge, self.own_op(), AT_ONCE, "it was started without a grant")
        elif isinstance(event, group_events.MemberDied) and charge.entry.granted:
            # supervisord may start it again.
            self.expect_programs(event.group)
        if getattr(event, "op", 1) > 0:
            self.tell(type(event).__name__, **vars(event))

    def expect_programs(self, name: str) -> None:
        if self.groups.get(name, {}).get("loaded"):
            self.hands.expect_programs(True)

    def call_for_help(self, charge: Charge, event: group_events.GroupStuck) -> None:
        known = self.groups.get(event.group, {})
        if not known.get("stop_failed") or charge.called:
            return
        charge.called = True
        self.hands.call(known["stop_failed"], known["seconds"], {
            "ZKELECT_ELECTION": known["election"], "ZKELECT_GROUP": event.group,
            "ZKELECT_TOKEN": str(charge.entry.token), "ZKELECT_PIDS": " ".join(map(str, event.pids)),
            "ZKELECT_REASON": event.reason,
        })

    # Releasing

    def end_all(self) -> None:
        """The time of the listener is over: stop all groups, and release when they are dead."""
        self.release_by = self.ask_at = NEVER
        if self.listener_here:
            # It had its time after supervisord's death.
            self.hands.kill_listener()
            self.release_by = NEVER
        self.ending = True
        self.release()
        if self.ending and not self.locked:
            log.info("the session's lock is held, so another listener begins; it is waited for while the lease lasts")

    def release(self) -> None:
        """Take the lock, stop, and when everything is dead have it released."""
        self.lock_at = NEVER
        if not self.ending or self.listener_here or self.releasing:
            return
        if not self.locked:
            self.locked = self.hands.take_lock()
            if not self.locked:
                self.lock_at = now() + LOCK_PACE
                return
            for name in self.hands.session_groups():
                # Of those that neither the record nor a listener has named, nobody else would prove them dead.
                self.charge(name)
            for charge in self.charges.values():
                if charge.held:
                    self.stop(charge, self.own_op(), self.stop_time(charge), "the listener is gone")
        if any(charge.held for charge in self.charges.values()):
            return
        log.info("all groups are proven dead; releasing")
        try:
            self.hands.release({name: charge.ended for name, charge in self.charges.items() if charge.ended})
            self.releasing = True
        except OSError as error:
            log.warning("the release cannot be started and is tried again: %s", error)
            self.lock_at = now() + RELEASE_PACE

    def disowned(self) -> None:
        """Somebody has made the runtime folder anew, and with it the locks: what is in this guard's charge ends, and the
        session is left to expire, as it may be in other hands."""
        for charge in self.charges.values():
            self.stop(charge, self.own_op(), AT_ONCE, "somebody made the runtime folder anew")
        self.session_open = self.ending = False
        self.release_by = NEVER
        self.keep_none()

    def released(self, status: int) -> None:
        """The release ended; 0 when the session is given up, or surely over."""
        self.releasing = False
        if status != 0:
            log.warning("the release ended with status %d; it is tried again", status)
            self.lock_at = now() + RELEASE_PACE
            return
        self.session_open = self.ending = self.locked = False
        # Its work is done, greeted or not, and the guard of the next supervisord waits for this one's place.
        self.greet_by = now()
        self.hands.give_lock_back()

    # Keeping the leases

    def keep_leased(self) -> None:
        """Have the keeper renew all leases that there are."""
        for charge in self.charges.values():
            charge.kept = charge.leased
        self.keep()

    def keep_none(self) -> None:
        self.kept_until = NEVER
        for charge in self.charges.values():
            charge.kept = False
        self.keep()

    def keep(self) -> None:
        """Tell the keeper whose leases it renews."""
        self.hands.keep(
            {name: one.entry.token for name, one in self.charges.items() if one.kept}, not self.listener_here
        )

    def keeper_said(self, message: Dict[str, Any]) -> None:
        """Take an answer of the keeper (`keeper.py`), or that it has ended."""
        if "kept" in message:
            self.kept(message["kept"], message["token"], message["deadline"])
        elif "gone" in message:
            self.proposal_gone(message["gone"], message["token"])
        elif "cut" in message:
            self.cut(message["cut"])
        elif "over" in message:
            self.session_over()
        elif self.releasing:
            # A keeper that has ended may have released; another finds out.
            self.released(message.get("released", 1))

    def kept_no_more(self, charge: Charge) -> None:
        if charge.kept:
            charge.kept = False
            self.keep()

    def kept(self, name: str, token: int, deadline: float) -> None:
        """The keeper had the quorum check the term's proposal: its lease lasts until `deadline`."""
        charge = self.charges[name]
        if charge.kept and charge.entry.token == token:
            self.extend(charge, charge.entry.lease.moved(deadline))
            self.tell("Renewed", group=name, token=token, deadline=charge.entry.lease.deadline)

    def proposal_gone(self, name: str, token: int) -> None:
        """The keeper found that the term's proposal does not exist any more: another node may lead."""
        charge = self.charges[name]
        if charge.kept and charge.entry.token == token:
            self.stop(charge, self.own_op(), AT_ONCE, "its proposal is gone")
            self.kept_no_more(charge)

    def cut(self, deadline: float) -> None:
        """The session was attached with a shorter timeout: no lease lasts longer than until `deadline`."""
        for charge in self.charges.values():
            if charge.leased and charge.entry.lease.deadline > deadline:
                self.put(charge, lease=charge.entry.lease.moved(deadline))
                if not charge.entry.granted:
                    charge.handle.renew(charge.entry.lease.kill_at)

    def session_over(self) -> None:
        """The keeper found that the session is over."""
        for charge in self.charges.values():
            if charge.kept:
                self.stop(charge, self.own_op(), AT_ONCE, "the ZooKeeper session is over")
                charge.kept = False
        self.keep()

    def extend(self, charge: Charge, lease: Lease) -> None:
        """The lease of a group lasts longer, which one that is being stopped may use as well."""
        if lease.deadline > charge.entry.lease.deadline and not self.manager.trouble:
            self.put(charge, lease=lease)
            if not charge.entry.granted:
                charge.handle.renew(lease.kill_at)

    # The groups

    def charge(self, name: str) -> Charge:
        if name not in self.charges:
            entry = record.Entry("", name, "", 0, False, 0, NO_LEASE)
            self.charges[name] = Charge(entry, self.manager.group(name))
            if self.supervisord_gone:
                # A listener that ends may have no orders for it, and this guard would wait for a proof that nobody makes.
                self.stop(self.charges[name], self.own_op(), AT_ONCE, "supervisord is dead")
        return self.charges[name]

    def put(self, charge: Charge, **changes: Any) -> None:
        charge.entry = charge.entry._replace(**changes)
        if charge.entry.granted:
            # With hundreds of groups a look at every one's time takes longer than a turn.
            self.stop_by = min(self.stop_by, charge.entry.lease.stop_at)
        try:
            self.book.put(charge.entry)
            charge.written = True
        except (OSError, ValueError) as error:
            # A loader that reads something else there asks this guard, and is refused.
            charge.written = False
            self.write_at = min(self.write_at, now() + WRITE_PACE)
            if now() - self.complained_at > 60.0:
                self.complained_at = now()
                log.error("the record cannot be written: %s", error)

    def stop(self, charge: Charge, op: int, kill_at: float, why: str) -> None:
        """Revoke, then have the process manager stop, kill and prove. kill_at: unless the lease ends before. why: for the history
        of terms."""
        self.hands.expect_programs(False)
        if charge.entry.granted:
            charge.ended = {"token": charge.entry.token, "noticed": time.time(), "why": why}
            self.put(charge, granted=False, revoked=charge.entry.revoked + 1)
        elif not charge.written:
            self.put(charge)
        if not charge.written:
            # Somebody may read a grant there.
            charge.handle.trust(False)
        charge.dead = False
        charge.handle.watch(False)
        if kill_at <= now() or not charge.entry.lease.covers(now()):
            charge.handle.kill(op)
        else:
            charge.handle.stop(op, kill_at, charge.entry.lease.kill_at)

    def stop_time(self, charge: Charge) -> float:
        """When a group's stopwaitsecs are over, if it is asked to stop now."""
        if self.supervisord_gone:
            return AT_ONCE
        return now() + self.groups.get(charge.entry.group, {}).get("stopwaitsecs", STOPWAITSECS)

    # Conversation

    def tell(self, event: str, /, **values: Any) -> None:
        """An event for the listener, if there is one."""
        if self.listener_here:
            self.hands.tell({"event": event, **values})

    def welcome(self, message: Dict[str, Any]) -> Dict[str, Any]:
        """Answer a listener's greeting; when "ok" is true, its orders are taken from now on.

        "groups" in it are those of its configuration, each with its "election", "loaded" (whether all its programs are
        started through the chain loader), the longest "stopwaitsecs" of its programs and whether supervisord may signal them
        "as_group", once they are known, and, where there is one, the command "stop_failed" with its limit "seconds".
        """
        fits = message["v"] == PROTOCOL and tuple(message["owner"]) == tuple(self.owner)
        busy = self.locked
        if fits and not busy:
            self.listener_here = self.session_open = self.greeted = True
            self.ending, self.release_by, self.ask_at = False, NEVER, NEVER
            # What it keeps until this listener does, it keeps by the connection that it has.
            self.keep()
            self.kept_until = now() + LIMIT
            if message["groups"]:
                # One that does not know yet whether its configuration is fit tells of none.
                self.do_groups(message)
            self.hurry_listener()
        groups = {
            name: {"token": charge.entry.token, "granted": charge.entry.granted, "dead": charge.dead,
                   "deadline": charge.entry.lease.deadline}
            for name, charge in self.charges.items()
        }
        return {"event": "Welcome", "ok": fits and not busy, "busy": busy, "v": PROTOCOL, "groups": groups}

    def do_groups(self, message: Dict[str, Any]) -> None:
        self.groups, self.grace = message["groups"], float(message.get("grace", self.grace))
        for name, known in self.groups.items():
            handle = self.charge(name).handle
            handle.trust(known["loaded"])
            handle.signalled_as_group(known.get("as_group", True))
        self.make_room()

    def make_room(self) -> None:
        """Have room in the record for the groups that a listener may start, and for those that still run."""
        running = {name for name, charge in self.charges.items() if charge.entry.granted}
        try:
            self.book.make_room(len(running | set(self.groups)))
        except OSError as error:
            log.error("the record cannot be made larger: %s", error)

    def may_run(self, name: str, program: str, pid: int, start: Optional[int] = None) -> bool:
        """A program of the group `name` registers, because it is about to be executed: whether it has a grant, and has
        read that. start: when the process began, as in `proc.Process`."""
        charge = self.charges.get(name)
        if charge is None or not charge.entry.granted or not charge.written:
            return False
        charge.handle.expect(pid, program, start)
        self.tell("Registered", group=name, pid=pid, moment=now())
        return True

    def obey(self, message: Dict[str, Any]) -> None:
        """An order of the listener. Raises KeyError, TypeError, ValueError or AttributeError when it is none."""
        getattr(self, "do_" + message["do"])(message)

    def entry_of(self, message: Dict[str, Any]) -> Dict[str, Any]:
        lease = Lease(*(message[name] for name in Lease._fields))
        return {**{name: message[name] for name in ("election", "address", "token")}, "lease": lease}

    def do_start(self, message: Dict[str, Any]) -> None:
        charge = self.charge(message["group"])
        self.put(charge, granted=not self.supervisord_gone, **self.entry_of(message))
        charge.handle.trust(charge.written and self.groups.get(message["group"], {}).get("loaded", False))
        charge.dead, charge.ended = False, {}
        charge.handle.start(int(message["op"]))
        charge.handle.watch(True)
        self.expect_programs(message["group"])

    def do_adopt(self, message: Dict[str, Any]) -> None:
        """A listener whose guard died grants anew what runs."""
        charge = self.charge(message["group"])
        if not charge.entry.granted and not charge.entry.revoked:
            self.put(charge, granted=True, **self.entry_of(message))
            charge.handle.adopt()
            charge.handle.watch(True)
            if self.supervisord_gone:
                self.stop(charge, self.own_op(), AT_ONCE, "supervisord is dead")

    def do_address(self, message: Dict[str, Any]) -> None:
        """The address of the term is another, for the programs that are started from now on."""
        charge = self.charges.get(message["group"])
        if charge is not None and charge.entry.granted:
            self.put(charge, address=str(message["address"]))

    def do_stop(self, message: Dict[str, Any]) -> None:
        """"by": when the group is killed, unless its lease, which stands in the message as in `do_start`, ends before."""
        charge = self.charge(message["group"])
        if not charge.entry.token:
            # This guard came while the group was being stopped already.
            self.put(charge, **self.entry_of(message))
        self.stop(charge, int(message["op"]), float(message["by"]), ORDERED)

    def do_kill(self, message: Dict[str, Any]) -> None:
        self.stop(self.charge(message["group"]), int(message["op"]), AT_ONCE, ORDERED)

    def do_seize(self, message: Dict[str, Any]) -> None:
        """Whatever runs of the group is to end: in the time of the lease under which it does, at once without one."""
        charge = self.charge(message["group"])
        self.stop(charge, int(message["op"]), self.stop_time(charge), ORDERED)

    def do_look(self, message: Dict[str, Any]) -> None:
        self.charge(message["group"]).handle.look(int(message["op"]))

    def do_note(self, message: Dict[str, Any]) -> None:
        name, state, pid = message["what"]
        self.charge(message["group"]).handle.note((str(name), str(state), int(pid)))

    def do_lease(self, message: Dict[str, Any]) -> None:
        # What could not be ended then must end sooner.
        trouble = self.manager.trouble
        for name, (token, *lease) in message["leases"].items():
            charge = self.charges.get(name)
            if charge is not None and charge.entry.token == token and charge.held:
                self.extend(charge, Lease(*lease))
                self.kept_no_more(charge)
                self.away_since = None
            if charge is None or not charge.entry.granted or charge.entry.token != token:
                self.tell("Revoked", group=name, reason="the guard has revoked the grant")
        self.tell("Echo", n=message["n"], turned=self.manager.turned_at, **({"trouble": trouble} if trouble else {}))

    def do_cut(self, message: Dict[str, Any]) -> None:
        # The listener has attached. What the keeper proved before that must not come after it.
        self.keep_none()
        self.cut(float(message["deadline"]))

    def do_bye(self, message: Dict[str, Any]) -> None:
        """The listener ends; it has released the session, or leaves it for the next one."""
        if message["how"] == "released":
            self.session_open = False
            self.release_by = NEVER
            self.keep_none()
