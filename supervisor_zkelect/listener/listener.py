"""The event listener: one queue, one deciding thread, and the parts that decide on it.

Everything that happens (supervisord's events, ZooKeeper's answers, health checks, ends of processes, orders, signals) is put
into one queue. The main thread takes it out and gives each event to the part that handles its type. Only this thread holds
state, so there is nothing to lock; what waits for others runs elsewhere (`election_worker.py`, `pool_worker.py`)
and comes back as an event.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from typing import Any, Dict, List, Optional

from supervisor_zkelect.config.settings import ElectionSettings
from supervisor_zkelect.core import messages, role
from supervisor_zkelect.diagnosis import exposure
from supervisor_zkelect.guard import kept_config, link, protocol, record
from supervisor_zkelect.listener import elections, events, trial
from supervisor_zkelect.listener.actions import Actions
from supervisor_zkelect.listener.answers import AnswerDelivered
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy, Ports
from supervisor_zkelect.listener.delivery import Delivery
from supervisor_zkelect.listener.departure import Departure
from supervisor_zkelect.listener.desk import Desk
from supervisor_zkelect.listener.enforcement import Enforcement
from supervisor_zkelect.listener.folder import RuntimeFolder
from supervisor_zkelect.listener.group_control import GroupControl
from supervisor_zkelect.listener.group_side import GroupSide
from supervisor_zkelect.listener.guard_keeper import GuardKeeper
from supervisor_zkelect.listener.host import Host
from supervisor_zkelect.listener.http_watch import HttpAsked, HttpWatch
from supervisor_zkelect.listener.keepers import Keepers
from supervisor_zkelect.listener.lease_keeper import LeaseKeeper
from supervisor_zkelect.listener.leftovers import Leftovers
from supervisor_zkelect.listener.order_desk import OrderDesk
from supervisor_zkelect.listener.paced_log import PacedLog
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.pause_keeper import PauseKeeper
from supervisor_zkelect.listener.programs import Programs, longest_stop
from supervisor_zkelect.listener.reloading import Reloads
from supervisor_zkelect.listener.reporting import Reports
from supervisor_zkelect.listener.session_keeper import SessionKeeper
from supervisor_zkelect.listener.workers import PACE, EventExecutor
from supervisor_zkelect.processes import proc
from supervisor_zkelect.supervisord import eventstream, program_info
from supervisor_zkelect.supervisord.client import MOST_CALLS
from supervisor_zkelect.system import logs, reserve
from supervisor_zkelect.zookeeper import session

log = logging.getLogger(__name__)

#: Events that are taken before the clock is looked at again; one takes less than a millisecond.
EVENTS = 100

#: All types of events that are posted to a listener.
POSTED = (
    *events.OWN, AnswerDelivered, HttpAsked, eventstream.SupervisordEvent, eventstream.StreamEnded, session.Connected,
    session.Suspended, session.Lost, session.Beaten, session.Peeked, protocol.Welcome, link.GuardDown, link.GuardBusy,
    *protocol.EVENTS,
)


class Listener:
    """One run of the listener. `run` returns its exit status."""

    #: makes an election; the simulation has one that is watched
    candidacy = Candidacy

    def __init__(self, host: Host, trouble: Optional[kept_config.ConfigTrouble] = None) -> None:
        """trouble: why the host's settings are those that were kept, and not those of the file."""
        self.host = host
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        #: why no election is begun, and none will be as long as this process lives
        self.obstacle = proc.pidfd_trouble()
        self.log = PacedLog(host.now)
        count = len(host.settings.elections)
        work = EventExecutor(host.pool(min(max(8, 6 * count), MOST_CALLS), "zkelect-rpc"), self.post)
        health = EventExecutor(host.pool(max(2, count), "zkelect-health"), self.post)
        # The parts reach those that are made later by functions.
        self.delivery = Delivery(
            host, work, self.log, lambda moment: self.reports.report(moment), lambda request: self.desk.obey(request),
            lambda ticket, document: self.desk.reply(ticket, document),
        )
        means = Means(host, self.post, work, self.log, self.delivery)
        self._make_keepers(means, trouble)
        parts = self._make_deciders(means, health)
        self.handlers = events.table(self._handlers(parts), POSTED)
        self._ports = Ports(
            means, events.table((one.actions() for one in parts), messages.ACTIONS), lambda: self.sessions.connected,
            self.sessions.elector, self.reports.entry, self.candidacies.schedule,
        )

    def _make_keepers(self, means: Means, trouble: Optional[kept_config.ConfigTrouble]) -> None:
        """Make the parts that keep folder, guard, leases, session and programs."""
        self.candidacies = Candidacies(lambda: self.leases.granted.timeout if self.leases.granted else None)
        self.folder = RuntimeFolder(means, self._lock_taken)
        self.enforcement = Enforcement(means, self.candidacies)
        self.guard = GuardKeeper(
            means, self.candidacies, self.folder, self.enforcement, self._guarded_groups, lambda: self.leases.heartbeat.interval,
            self._guard_came, lambda event: self.pauses.echoed(event),
        )
        self.pauses = PauseKeeper(means, self.candidacies, self.guard)
        self.leases = LeaseKeeper(means, self.candidacies, self.guard, lambda one: self.reloads.settle(one))
        self.leftovers = Leftovers(means, self.candidacies, self.guard.link.send)
        self.programs = Programs(
            means, self.candidacies, trouble, lambda one, seconds: self.reloads.allow(one, seconds), self._begin_when_known,
            self.guard.tell_groups, lambda: self.departure.begun,
        )
        self.sessions = SessionKeeper(
            means, self.candidacies, self.guard, self.leases, self.leftovers, self.programs, lambda: self.departure.begun
        )

    def _make_deciders(self, means: Means, health: EventExecutor) -> List[Part]:
        """Make the parts that decide with them, and serve operators. Returns all parts."""
        keepers = Keepers(
            self.candidacies, self.folder, self.enforcement, self.guard, self.leases, self.leftovers, self.programs, self.sessions
        )
        self.departure = Departure(means, keepers)
        self.http = HttpWatch(means, self.candidacies)
        self.reports = Reports(means, keepers, self.obstacle, self.http)
        self.orders = OrderDesk(means, keepers, lambda ticket, document: self.desk.reply(ticket, document))
        self.desk = Desk(means, keepers, self.reports.unbegun_reason, {
            "reload": lambda request: self.reloads.ask(request["ticket"], request.get("args", {}).get("yes") is True),
        }, self.orders.verbs)
        self.reloads = Reloads(means, keepers, self.departure, self.desk.reply)
        return [
            self.guard, self.leases, self.pauses, self.programs, self.sessions, self.departure, self.desk, self.orders,
            self.reloads, self.http, self.enforcement, Actions(means, keepers, health),
            GroupSide(means, keepers, self.departure.leave_in_time),
        ]

    def _handlers(self, parts: List[Part]) -> List[events.Handlers]:
        ours: events.Handlers = {events.Signalled: self._signalled}
        return [*(one.handlers() for one in parts), self.candidacies.handlers(), self.delivery.handlers(), ours]

    # The loop

    def run(self, source: Any, output: Any) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda number, frame: self.post(events.Signalled(number)))
        threading.Thread(
            target=eventstream.read, args=(source, output, self.post), name="zkelect-events", daemon=True
        ).start()
        self.look_around()
        while not self.departure.finished():
            self._wait()
            # With hundreds of elections events come together, and looking at every clock takes longer than an event.
            for _ in range(min(self.queue.qsize(), EVENTS)):
                self.take(self.queue.get())
            self.keep_time()
        self.departure.end()
        return self.departure.status

    def look_around(self) -> None:
        """Begin: ask supervisord for its programs, and look for what an earlier listener left."""
        if self.obstacle:
            # Neither a guard nor this listener could prove anything dead.
            log.error("this node takes part in no election: %s", self.obstacle)
            return
        self.programs.ask()
        self.folder.take_lock()

    def post(self, event: Any) -> None:
        """Queue an event for the deciding thread. Never waits; any thread may call it."""
        self.queue.put(event)

    def _wait(self) -> None:
        """Wait for an event, and take it; not for longer than until something is due."""
        seconds = self.next_wakeup() - self.host.now()
        try:
            event = self.queue.get(timeout=min(max(seconds, 0.0), PACE))
        except queue.Empty:
            return
        self.take(event)

    def take(self, event: Any) -> None:
        self.handlers[type(event)](event)

    def next_wakeup(self) -> float:
        times = [
            self.candidacies.due, self.folder.lock_at, self.leftovers.due, self.guard.next_wakeup(), self.sessions.next_wakeup(),
            self.programs.next_wakeup(), self.reloads.next_wakeup(), self.desk.next_wakeup(), self.delivery.next_wakeup(),
            self.orders.next_wakeup(), self.http.next_wakeup(), self.departure.next_wakeup(),
            self.enforcement.next_wakeup(self.guard.up),
        ]
        return min(times)

    def keep_time(self) -> None:
        moment = self.host.now()
        self.candidacies.keep_time(moment)
        self.sessions.watch(moment)
        self.guard.keep_time(moment)
        self.folder.keep_time(moment)
        self.enforcement.enforce(moment, self.guard.up)
        self.departure.keep_time(moment)
        if self.folder.lock_at <= moment and not self.departure.begun:
            self.folder.take_lock()
        if self.guard.open_at <= moment:
            self.guard.open()
        self.sessions.keep_time(moment)
        self.programs.keep_time(moment)
        if self.programs.unfit and self.candidacies and not self.candidacies.running and not self.departure.begun:
            # Before it proposes again.
            self.departure.leave_unfit()
        self.reloads.keep_time(moment)
        self.desk.keep_time(moment)
        self.orders.keep_time(moment)
        self.http.keep_time(moment)
        self.delivery.keep_time(moment)

    def abandon(self) -> None:
        """After a defect: where no process would enforce the leases when this one has ended, they end now."""
        if not self.guard.independent:
            self.enforcement.abandon()

    def _signalled(self, event: events.Signalled) -> None:
        if event.number == signal.SIGUSR1:
            self.delivery.changed()
        elif event.number == signal.SIGHUP:
            self.reloads.ask("", False)
        else:
            self.departure.signalled(event.number)

    # The beginning

    def _lock_taken(self) -> None:
        self.sessions.find_former()
        self.guard.open()

    def _guard_came(self) -> None:
        """Tell a guard that has come, the first or another, of the groups; or begin."""
        self.leases.all_soon()
        if not self.candidacies:
            self._begin_when_known()
            return
        # Another guard is started with the reattach_grace that this listener began with, which a reload may have changed.
        self.guard.tell_groups()
        self.pauses.guard_came()
        self.guard.tell_anew()
        self.leftovers.end()
        self.guard.extend(self.candidacies)

    def _guarded_groups(self) -> Dict[str, protocol.GroupPrograms]:
        """The groups, as the guard is told of them: none before the configuration is known to be fit, as it may name a group that
        does not exist, or this listener's own."""
        return self.programs.for_guard(self.leftovers.elections) if self.sessions.session else {}

    def _begin_when_known(self) -> None:
        """Begin when the guard has told what runs, and supervisord of its programs."""
        if not self.guard.up or not self.programs or self.departure.begun:
            return
        groups = [one.group for one in self.host.settings.elections]
        runs = self.sessions.former is not None and any(self.guard.found.get(name, {}).get("granted") for name in groups)
        if self.programs.unfit and not runs:
            self.departure.leave_unfit()
        else:
            self._begin()

    def _begin(self) -> None:
        """Begin each election, now that the groups are known to be fit and the guard is there."""
        inherited = {one.group for one in self.sessions.begin()}
        self.guard.tell_groups()
        for settings in self.host.settings.elections:
            self._begin_election(settings, settings.group in inherited)
        self.leftovers.end()
        self.sessions.connect()

    def _begin_election(self, settings: ElectionSettings, inherited: bool) -> None:
        """inherited: an earlier listener took part in it, by the session that this one goes on with."""
        programs = self.programs.of(settings.group)
        group = GroupControl(settings.group, self.guard.link.send, self.guard.ordered)
        group.unguarded = any(map(program_info.unguarded, programs))
        rules = elections.rules(self.host.settings, settings, longest_stop(programs))
        one = self.candidacy(settings, rules, self._ports, group, settings.health_check())
        self.candidacies.add(one)
        # Where this listener's numbers begin, so that no answer to a former listener passes for one to it.
        now, first = self.host.now(), self.host.pid << 24
        found = self.guard.found.get(settings.group)
        left = settings.group in [one.group for one in self.leftovers.elections]
        if found is not None and goes_on(found, inherited, left, now):
            one.begin(*role.inherit(now, found["token"], found["deadline"], first, found["paused_until"]))
            group.readdress(settings.address)
        else:
            one.begin(*role.begin(now, first))


def goes_on(found: Dict[str, Any], inherited: bool, left: bool, now: float) -> bool:
    """Whether a group's term goes on under this listener. found: what the guard has of it. inherited: whether this listener knows
    the session of that term. left: whether the term is of another election, which is no more. One that a pause keeps from ending
    goes on where no session is known."""
    return bool(found["granted"]) and (inherited or not left and found["paused_until"] > now)


def main(path: str) -> int:
    """Run the listener with the configuration file `path`; returns the exit status: 0, or 2 for bad configuration."""
    reserve.begin()
    logs.begin()
    # kazoo tells each reconnect; the listener says it once.
    logging.getLogger("supervisor_zkelect.kazoo").propagate = False
    found = trial.settings_of(path)
    if found is None:
        return 2
    settings, trouble = found
    if "SUPERVISOR_ENABLED" not in os.environ:
        print("zkelect listen runs under supervisord; add it as an [eventlistener:x] section", file=sys.stderr)
        return 2
    protocol = eventstream.take_standard_output()
    for note in [*settings.doubts, *settings.notes]:
        log.info("%s", note)
    try:
        host = Host(settings)
    except record.RecordError as error:
        print(error, file=sys.stderr)
        return 2
    for note in exposure.of_file(settings) + exposure.of_processes(settings, os.getppid()):
        log.warning("%s", note)
    one = Listener(host, trouble)
    try:
        status = one.run(sys.stdin.buffer, protocol)
    except Exception:
        one.abandon()
        # supervisord starts another listener; the guard keeps the leases meanwhile.
        log.exception("a defect; this listener ends")
        status = 1
    logs.end(status)
