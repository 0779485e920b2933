"""The event listener: one queue, one deciding thread, and the wiring around it.

Everything that happens (supervisord's events, ZooKeeper's answers, health checks, ends of processes, orders, signals)
is put into one queue. The main thread takes it out, lets the role machines decide, and hands their actions to those
who do them: a serial executor per election for ZooKeeper, a pool for health checks, one for calls to supervisord, and
the guard's process manager. Only the main thread holds state, so there is nothing to lock.
"""

from __future__ import annotations

import json
import logging
import math
import os
import queue
import re
import signal
import sys
import threading
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

from supervisor_zkelect.config import load
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.config.programs import ENDED_TIME, GroupCheck, check_groups, must_run
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core import course, history, paced, places, role, untrusted
from supervisor_zkelect.diagnosis import exposure, inspection
from supervisor_zkelect.guard import kept_config, link, record, release, saved_session
from supervisor_zkelect.listener import checking, events, reloading, reporting
from supervisor_zkelect.processes import execution, group_events, proc
from supervisor_zkelect.supervisord import eventstream, exits, program_info
from supervisor_zkelect.system import accounts, logs, reserve
from supervisor_zkelect.zookeeper import session
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.elector import (
    AnotherElection, ElectionError, Elector, NotConnected, NotLeader, ProposalGone, SessionGone, TimedOut,
)
from supervisor_zkelect.core.heartbeat import Heartbeat
from supervisor_zkelect.core.lease import Lease, SessionClock, drop_after, effective_tick, lasts_until, waiting_interval
from supervisor_zkelect.supervisord.client import Fault, MOST_CALLS, SupervisordError
from supervisor_zkelect.listener.host import Host, last_good

log = logging.getLogger(__name__)

#: Seconds between two asks of a supervisord or ZooKeeper that does not answer.
PACE = 1.0
#: Seconds between two reports to supervisord while nothing changes; delivering one is a quarter of what a standby does.
REPORT_PACE = 2.0
#: Events that are taken before the clock is looked at again; one takes less than a millisecond.
EVENTS = 100
#: Looks at the queues that a node leads, to see what is foreign in them, in a session's timeout; and how often one is looked
#: at in that time at least.
QUEUE_LOOKS, QUEUE_LEAST = 10, 1
#: Seconds between two looks at ack and holder while others change them.
SEE_PACE = 0.2
#: Seconds that an operator waits for them at most before he is told what is known.
SEE_TIME = 0.5
#: What FATAL means, when nothing else is known of its cause.
GIVEN_UP = "at each try it could not be started, or ended before its startsecs"
#: Seconds between two lines about the same trouble.
REPEAT = 60.0
#: Steps of an election of one kind that are told at once, and seconds after which one more is.
STEPS, STEPS_PACE = 30, 5.0
#: Changes of the link to ZooKeeper that are told at once, and seconds after which one more is.
LINKS, LINK_PACE = 12, 10.0
#: Seconds between two looks at supervisord's programs while they are not fit, and the group runs on in its term.
FIT_PACE = 2.0
#: Problems of the configuration that a report repeats.
MOST_PROBLEMS = 5
#: Seconds that a look at the znodes of all elections may take.
INSPECTION_TIME = 5.0
#: Candidates in such a list: none takes less than a hundred characters.
MOST_MEMBERS = reporting.LONGEST_LIST // 100
#: Seconds kept back from the listener's own stopwaitsecs for the release.
RELEASE_TIME = 1.5
#: Seconds that a release may take when supervisord, and with it the stopwaitsecs, is gone.
LAST_RELEASE = 5.0
#: stopwaitsecs of the listener when supervisord does not tell it: supervisord's default.
STOPWAITSECS = 10.0
#: Seconds between two looks at the runtime folder, of which somebody may remove what he likes.
FOLDER_PACE = 0.2
#: Seconds between two tries for the session's lock, which a guard that releases holds.
LOCK_PACE = 0.02
#: Seconds of this listener's own running time in which the guard must echo what it is told, else it is replaced: usually,
#: and when a group should be killed by now.
GUARD_SILENCE, GUARD_HASTE = 0.4, 0.06
#: Seconds for which a guard may lack what it takes to end a group; another process has descriptors of its own.
GUARD_LACKS = 1.0
#: Seconds between two turns of this listener, which has something to do each second, that tell of its having stood still.
STOOD_STILL = 2.0
#: Seconds for which a listener that leaves its groups to the guard waits for another where that has just ended.
GUARD_RETURNS = 3.0
#: Seconds within which the guard's process manager must have taken a turn; with thousands of processes one takes a second.
MANAGER_SILENCE = 5.0
#: Roles and steps in which an election stays; and seconds until the others are reported, if they last so long.
SETTLED = {(role.DETACHED, "waiting"), (role.STANDBY, "watching"), (role.PRIMARY, ""), (role.WITHDRAWN, "")}
STEP_PACE = 0.2
#: Seconds for which a listener that begins leaves the session to the keeper at most, and what it leaves of other leases.
ATTACH_TIME, ATTACH_MARGIN = 60.0, 0.5
#: Number of the question about the members that only this listener wants an answer to.
LEARN = 1 << 62
#: Seconds that writing the history of terms may take.
NOTE_TIME = 0.5
#: Seconds that closing the session may take; ZooKeeper expires it otherwise.
CLOSE_TIME = 2.0


@dataclass
class Contest:
    """One election of this listener."""

    settings: ElectionSettings
    rules: role.Settings
    state: role.State
    #: when the state is to be given a Tick
    wake_at: float
    group: link.Handle
    elector: Elector
    pool: Executor
    #: for its fence command
    hooks: Optional[Executor]
    check: Any
    running: set
    #: a program of the group is started without the chain loader
    bare: bool
    #: for the history of terms
    course: course.Course
    #: number of the order to the guard that is not answered yet, and the order, to be repeated to a new guard
    order: Optional[Tuple[int, Callable[[], None]]] = None
    #: program -> why the chain loader refused to start it in this term
    refused: Dict[str, str] = field(default_factory=dict)
    #: program that has ended, and is not RUNNING again -> how, in one line, "" while that is not known
    ends: Dict[str, str] = field(default_factory=dict)
    #: program -> since when supervisord says that it has exited
    exited: Dict[str, float] = field(default_factory=dict)
    facts: reporting.Facts = field(default_factory=reporting.Facts)
    #: when ack and holder were asked for last, when they are to be asked for, whether the answer is on its way, since when
    #: there was none, and whether they are to be asked for once more then
    asked_at: float = -math.inf
    see_at: float = math.inf
    seeing: bool = False
    seeing_since: float = math.inf
    see_again: bool = False
    #: whether the answer on the queue is on its way
    looking: bool = False
    #: what is foreign in the queue, and when that is looked at again
    foreign: str = ""
    queue_at: float = math.inf
    #: whether the history of terms is being written, and when it may be tried again
    noting: bool = False
    note_at: float = -math.inf
    #: when an order that the guard has not answered has the group killed; and while there is no guard, whether supervisord was
    #: asked to stop it, and when it is killed again
    kill_at: float = math.inf
    asked_to_stop: bool = False
    strike_at: float = -math.inf


class Listener:
    """One run of the listener. `run` returns its exit status."""

    def __init__(self, settings: Settings, host: Host, trouble: Optional[kept_config.Trouble] = None) -> None:
        """trouble: why `settings` are those that were kept, and not those of the file."""
        self.settings = settings
        self.trouble = trouble
        #: what is wrong with supervisord's programs, and since when; they were found to be fit before a group was started
        self.unfit: Tuple[str, ...] = ()
        self.unfit_since = math.inf
        self.host = host
        self.queue: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self.contests: Dict[str, Contest] = {}
        self.by_group: Dict[str, Contest] = {}
        #: when one of them may be due; it may be too early, never too late
        self.due = math.inf
        self.rpc_pool = host.pool(min(max(8, 6 * len(settings.elections)), MOST_CALLS), "zkelect-rpc")
        self.health_pool = host.pool(max(2, len(settings.elections)), "zkelect-health")
        self.supervisord = host.supervisord
        self.guard = host.guard(self.post)
        self.last_resort = host.last_resort()
        self.guard_up = False
        #: why no election is begun, and none will be as long as this process lives
        self.obstacle = proc.pidfd_trouble()
        self.guard_trouble = ""
        #: what the guard that is there lacks, and since when
        self.guard_lacks = ""
        self.guard_lacks_since = math.inf
        self.guard_at = math.inf
        self.guard_quiet = 0.0
        self.turned_at = now()
        self.patient_until = -math.inf
        self.tell_at = math.inf
        self.leases_sent = self.leases_echoed = 0
        self.locked = False
        self.lock_at = math.inf
        self.folder_at = now()
        self.folder_trouble = ""
        self.programs: List[Dict[str, Any]] = []
        self.charges: Dict[str, Dict[str, Any]] = {}
        #: elections of the former listener that the configuration does not name any more, and when to try again
        self.retiring: List[saved_session.Election] = []
        #: groups that were proven dead since this listener began, so that what a former one started is no more
        self.ended: Set[str] = set()
        self.retire_at = math.inf
        #: when the session is begun, or looked at again whether it may be; and when it is begun in any case
        self.attach_at = self.attach_by = math.inf
        #: what the keeper has told before this session was attached with a shorter timeout counts until then at most
        self.cut_at = math.inf
        #: those whose release was refused when it was tried last
        self.refused: List[saved_session.Election] = []
        self.store: Optional[saved_session.Store] = None
        self.former: Optional[saved_session.Saved] = None
        self.session: Any = None
        self.reattaching = False
        self.link = "connecting"
        self.link_since = now()
        self.link_trouble = ""
        self.granted: Optional[session.Connected] = None
        self.clock: Optional[SessionClock] = None
        self.heartbeat = self.heartbeat_at(settings.session_timeout)
        self.leased: Dict[str, str] = {}
        self.peeked = 0
        self.renew_at = math.inf
        #: the session is to be closed when no group runs; and the first generation that counts since one was
        self.closing = False
        self.first_generation = 0
        self.configure_at = math.inf
        self.stopwaitsecs = STOPWAITSECS
        self.pushing = False
        self.push_at = now()
        #: who wants a fresh report, since when; who gets it with the report that is on its way
        self.refreshing: List[str] = []
        self.refresh_since = -math.inf
        self.refreshed: List[str] = []
        self.changed = False
        self.leaving: Optional[Tuple[float, str]] = None
        self.note_by = math.inf
        self.status = 0
        self.said, self.links_said = paced.Paced(1, REPEAT), paced.Paced(LINKS, LINK_PACE)
        self.steps_said = paced.Paced(STEPS, STEPS_PACE)
        self.reloads = reloading.Reloads(self)
        self.reports = reporting.Reports(self)
        self.checks = checking.Checks(self)

    # The loop

    def run(self, source: Any, output: Any) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda number, frame: self.post(events.Signalled(number)))
        threading.Thread(
            target=eventstream.read, args=(source, output, self.post), name="zkelect-events", daemon=True
        ).start()
        self.look_around()
        while not self.finished():
            self.take(self.next_event())
            # With hundreds of elections events come together, and looking at every clock takes longer than an event.
            for _ in range(min(self.queue.qsize(), EVENTS)):
                self.take(self.queue.get())
            self.keep_time()
        self.end()
        return self.status

    def look_around(self) -> None:
        """Begin: what supervisord says of its programs, and what an earlier listener left."""
        if self.obstacle:
            # Neither a guard nor this listener could prove anything dead.
            log.error("this node takes part in no election: %s", self.obstacle)
            return
        self.ask_configuration()
        self.take_lock()

    def post(self, event: Any) -> None:
        """Have the deciding thread take the event. Never waits; any thread may call it."""
        self.queue.put(event)

    def next_event(self) -> Any:
        wait = self.next_wakeup() - now()
        try:
            return self.queue.get(timeout=min(max(wait, 0.0), PACE))
        except queue.Empty:
            return role.Tick()

    def next_wakeup(self) -> float:
        times = [self.due, self.renew_at, self.configure_at, self.guard_at, self.lock_at, self.retire_at, self.attach_at,
                 self.reloads.end_by]
        if not self.pushing:
            times.append(self.push_at)
        if self.leases_sent != self.leases_echoed:
            times.append(now() + GUARD_HASTE / 3)
        elif self.guard_up:
            times.append(self.tell_at)
        if not self.guard_up:
            times += [max(self.killed_at(one), one.strike_at) for one in self.contests.values()]
        if self.refreshing:
            times.append(self.refresh_since + SEE_TIME)
        if self.link == "connected":
            times.append(self.heartbeat.next_wakeup())
        if self.leaving is not None:
            times += (self.leaving[0], self.note_by)
        return min(times)

    def take(self, event: Any) -> None:
        handler = getattr(self, "on_" + type(event).__name__, None)
        if handler is not None:
            handler(event)

    def keep_time(self) -> None:
        moment = now()
        if self.due <= moment:
            self.keep_time_of_contests(moment)
        if self.link == "connected":
            self.beat(moment)
        elif self.session is not None and self.leaving is None and self.attach_at == math.inf:
            if moment - self.link_since >= reporting.UNREACHED:
                where = ",".join(self.settings.servers)
                trouble = f"no server of {where} takes this node: {self.session.trouble or 'no answer'}; trying on"
                self.say("ZooKeeper", trouble, "unreached")
            if self.session.ended and self.renew_at == math.inf:
                self.renew_at = moment + PACE
        self.watch_guard(moment)
        if self.locked and moment >= self.folder_at:
            self.keep_folder(moment)
        if not self.guard_up:
            self.enforce(moment)
        if self.leaving is not None and not self.guarded and not self.quiet:
            self.leave_unguarded(moment)
        if self.lock_at <= moment:
            self.take_lock()
        if self.guard_at <= moment:
            self.guard_at = math.inf
            self.open_guard()
        if self.attach_at <= moment:
            self.attach()
        if self.retire_at <= moment:
            self.retire()
        if self.renew_at <= moment:
            self.renew_at = math.inf
            self.renew()
        if self.closing:
            self.close_session()
        if self.configure_at <= moment:
            self.ask_configuration()
        if self.unfit and self.contests and self.leaving is None:
            if not any(one.state.may_run for one in self.contests.values()):
                # Before it proposes again.
                self.leave_unfit()
        self.reloads.keep_time(moment)
        fresh = self.link != "connected" or not any(
            one.seeing or one.looking or one.asked_at < self.refresh_since for one in self.contests.values()
        )
        if self.refreshing and not self.pushing and (fresh or moment >= self.refresh_since + SEE_TIME):
            self.refreshed, self.refreshing = self.refreshing, []
            self.changed = True
        if not self.pushing and (self.changed or self.push_at <= moment):
            self.push(moment)

    def keep_time_of_contests(self, moment: float) -> None:
        for contest in self.contests.values():
            if contest.wake_at <= moment:
                self.decide(contest, role.Tick())
            if contest.see_at <= moment:
                self.see(contest)
            if contest.queue_at <= moment:
                self.keep_queue_seen(contest)
        times = (min(one.wake_at, one.see_at, one.queue_at) for one in self.contests.values())
        self.due = min(times, default=math.inf)

    def wake(self, contest: Contest) -> None:
        """Note when the role machine is to be given a Tick."""
        contest.wake_at = role.next_wakeup(contest.rules, contest.state)
        # With hundreds of elections a look at every one's time takes longer than an event.
        self.due = min(self.due, contest.wake_at)

    def see_by(self, contest: Contest, moment: float) -> None:
        """Have ack and holder read then."""
        contest.see_at = moment
        self.due = min(self.due, moment)

    def keep_queue_seen(self, contest: Contest) -> None:
        """Glance whether the queue that this node leads is another, as a candidate of another program may lead by its own rule.
        Without a watch, which each of many candidates that join would wake."""
        contest.queue_at = math.inf
        if contest.state.role not in (role.PROMOTING, role.PRIMARY) or self.granted is None:
            return
        led = sum(one.state.role in (role.PROMOTING, role.PRIMARY) for one in self.contests.values())
        self.see_queue_by(contest, now() + self.granted.timeout * min(led / QUEUE_LOOKS, 1 / QUEUE_LEAST))
        if self.link == "connected":
            contest.elector.glance_at_queue(lambda: self.post(events.QueueMoved(contest.settings.name)))

    def see_queue_by(self, contest: Contest, moment: float) -> None:
        contest.queue_at = moment
        self.due = min(self.due, moment)

    def on_QueueMoved(self, event: events.QueueMoved) -> None:
        self.look_at_queue(self.contests[event.name])

    def look_at_queue(self, contest: Contest) -> None:
        """See where this node stands in the queue, and what is foreign in it."""
        contest.looking = True
        elector, name = contest.elector, contest.settings.name

        def work() -> Any:
            asked = now()
            try:
                return events.QueueSeen(name, *elector.look_at_queue(), elector.proposal, asked)
            except ElectionError as error:
                # It is looked at again; what ZooKeeper refuses is told where it is needed.
                log.debug("%s: %s", name, error)
                return events.QueueSeen(name, "", None)

        self.pool_post(contest.pool, work, lambda error: events.QueueSeen(name, "", None))

    def on_QueueSeen(self, event: events.QueueSeen) -> None:
        contest = self.contests[event.name]
        contest.looking = False
        if event.trouble is None:
            return
        if event.proposal == contest.state.proposal:
            contest.facts.stand(event.place, event.candidates, event.asked)
        self.on_ForeignSeen(events.ForeignSeen(event.name, event.trouble))
        if event.rival:
            self.decide(contest, role.Rivalled(f"by another program's rule {event.rival} leads"))

    def on_ForeignSeen(self, event: events.ForeignSeen) -> None:
        contest = self.contests[event.name]
        if event.trouble != contest.foreign:
            contest.foreign, self.changed = event.trouble, True
        if event.trouble:
            # Its text is by those who may name a znode, and as many others as they like.
            self.say(event.name, event.trouble, f"foreign {event.name}")

    def finished(self) -> bool:
        if self.leaving is None:
            return False
        if self.reattaching:
            return self.guarded or self.quiet
        withdrawn = all(one.state.role == role.WITHDRAWN for one in self.contests.values())
        settled = all(one.state.settled for one in self.contests.values()) and not self.retiring_alive()
        if withdrawn or settled:
            # What was released is told at once, and a history that is being written is waited for a little.
            self.note_by = min(self.note_by, now() + NOTE_TIME)
            return not any(one.noting for one in self.contests.values()) or now() >= self.note_by
        # Without an answer from ZooKeeper the session expires by itself. Groups that still have time to stop are the guard's.
        return now() >= self.leaving[0] and (self.quiet or self.guarded)

    @property
    def quiet(self) -> bool:
        """Whether every group is proven dead."""
        states = [contest.state for contest in self.contests.values()]
        dead = all(not one.may_run and not one.cleaning and one.step != "clearing" for one in states)
        return dead and not self.retiring_alive()

    @property
    def guarded(self) -> bool:
        """Whether the guard is there, and outlives this listener."""
        return self.guard_up and self.guard.pid != self.host.pid

    def end(self) -> None:
        """Tell the log, and close the session, which gives up what is left of proposals."""
        if self.reattaching or not self.quiet or self.former is not None:
            # Also where it has not attached to a session in which there may be a proposal: the guard releases that.
            self.guard.bye("reattach")
        elif self.session is not None:
            released = all(not one.state.proposal or one.state.settled for one in self.contests.values())
            if released:
                # A request to end the session may arrive late, and nobody is to go on in it then.
                self.store.forget()
            # Without a connection nobody is asked; the proposals of the queue go with the session, which expires.
            seconds = 0.0 if released and self.link != "connected" else CLOSE_TIME
            if self.host.aside(self.session.close, seconds) or released:
                self.store.forget()
                self.guard.bye("released")
        self.guard.reap()
        log.info("end: %s", self.leaving[1] if self.leaving else "")

    def decide(self, contest: Contest, event: Any) -> None:
        """Let the role machine take the event, and have its actions done."""
        before = contest.state
        contest.state, actions = role.step(contest.rules, before, event, now())
        self.wake(contest)
        contest.course.moved(before, contest.state, event, time.time())
        if (contest.state.role, contest.state.step) != (before.role, before.step):
            # On the way to them supervisord has groups to start and stop, which wait for each report that it takes. But
            # nobody is to read for longer than it takes that a node is primary which is not.
            at_once = (contest.state.role, contest.state.step) in SETTLED or before.role == role.PRIMARY
            self.push_at = min(self.push_at, now() + (0.0 if at_once else STEP_PACE))
            if contest.state.role == role.PRIMARY:
                self.see_by(contest, now())
            if contest.state.role == role.PROMOTING != before.role:
                self.see_queue_by(contest, now())
        if contest.state.proposal is None and before.proposal is not None:
            # It is looked at from within the queue only.
            contest.foreign = ""
        if contest.state.proposal != before.proposal:
            contest.facts.leave_queue()
        if isinstance(event, role.Queried) and contest.state.proposal is not None:
            contest.facts.stand(event.place, event.candidates, now())
        if before.inherited is not None and contest.state.inherited is None and contest.state.may_run:
            # Which of its processes run, so that one that is stopped by hand is told from one that fails.
            contest.group.look(LEARN)
        if contest.state.trouble != before.trouble:
            self.push_at = min(self.push_at, now() + STEP_PACE)
            if contest.state.trouble:
                self.say(contest.settings.name, contest.state.trouble, foreign_kind(contest.settings.name, contest.state))
        for action in actions:
            getattr(self, "do_" + type(action).__name__)(contest, action)
        self.note(contest)

    def note(self, contest: Contest) -> None:
        """Write what is new of the history of terms, which nobody waits for."""
        terms = contest.course.news()
        if not terms or contest.noting or self.link != "connected" or now() < contest.note_at:
            return
        contest.noting = True
        elector, name = contest.elector, contest.settings.name

        def work() -> events.HistoryWritten:
            try:
                elector.amend_history(lambda data: history.amended(data, terms), NOTE_TIME)
                return events.HistoryWritten(name, terms, "")
            except ElectionError as error:
                return events.HistoryWritten(name, terms, str(error))
            except Exception as error:
                log.exception("a defect")
                return events.HistoryWritten(name, terms, repr(error))

        self.pool_post(contest.pool, work)

    def on_HistoryWritten(self, event: events.HistoryWritten) -> None:
        contest = self.contests[event.name]
        contest.noting = False
        if event.error:
            # Beside what the election itself asks, this must not take ZooKeeper's time.
            contest.note_at = now() + REPEAT
            self.say(event.name, f"the history of terms could not be written: {event.error}", "history")
        else:
            contest.course.written(event.terms)
            self.note(contest)

    def say(self, subject: str, trouble: str, kind: str = "") -> None:
        """A line about trouble, once a minute for the same, or for the same kind."""
        line = f"{subject}: {trouble}"
        line = self.said.line(line, kind or line, now())
        if line:
            log.warning("%s", line)

    def pool_post(
        self, pool: Executor, work: Callable[[], Any], failed: Optional[Callable[[BaseException], Any]] = None
    ) -> None:
        """Do `work` in the pool and post what it returns. failed: what is posted when it raises, for want of memory too."""

        def done(future: "Future[Any]") -> None:
            if not future.cancelled() and future.exception() is not None:
                log.error("a defect: %r", future.exception(), exc_info=future.exception())
                if failed is not None:
                    self.post(failed(future.exception()))

        pool.submit(lambda: self.post(work())).add_done_callback(done)

    # supervisord

    def ask_configuration(self) -> None:
        self.configure_at = math.inf

        def work() -> events.Configured:
            try:
                return events.Configured(self.supervisord.call("supervisor.getAllConfigInfo"), "")
            except SupervisordError as error:
                return events.Configured([], str(error))

        self.pool_post(self.rpc_pool, work, lambda error: events.Configured([], repr(error)))

    def on_Configured(self, event: events.Configured) -> None:
        if event.error:
            self.say("supervisord", event.error)
            self.configure_at = now() + PACE
            return
        check = self.check_groups(event.programs)
        if check.problems and not self.contests and self.fall_back(check.problems):
            check = self.check_groups(event.programs)
        if not self.contests:
            for note in [*check.troubles, *check.notes]:
                log.info("%s", note)
        self.found_unfit(check.problems)
        host = self.host
        for program in event.programs:
            if (program["group"], program["name"]) == (host.group, host.process):
                self.stopwaitsecs = float(program.get("stopwaitsecs", STOPWAITSECS))
        if self.leaving is None:
            self.programs = event.programs
            if self.contests:
                self.take_programs()
            else:
                self.begin_when_known()

    def take_programs(self) -> None:
        """Go by what supervisord says now of the programs of the groups; an `update` may have changed that."""
        for contest in self.contests.values():
            programs = [one for one in self.programs if one["group"] == contest.settings.group]
            if programs:
                contest.bare = any(map(program_info.unguarded, programs))
                self.reloads.allow(contest, longest_stop(programs))
        self.guard.tell_groups(self.groups(), self.settings.reattach_grace)
        self.changed = True

    def check_groups(self, programs: List[Dict[str, Any]]) -> GroupCheck:
        return check_groups(self.settings, programs, self.host.uid, self.host.supervisord_uid, self.host.group)

    def fall_back(self, problems: List[str]) -> bool:
        """Go on with the last good configuration, where there is another one than that with these problems."""
        if self.trouble is not None:
            return False
        try:
            trouble = self.host.fall_back(problems)
        except kept_config.NoCopy:
            return False
        for problem in problems:
            log.error("%s", problem)
        log.error("%s: %s", self.settings.file, trouble)
        self.settings, self.trouble = self.host.settings, trouble
        return True

    def found_unfit(self, problems: List[str]) -> None:
        """What is wrong with the programs is told, and ends this listener unless a group runs: that runs on in its term."""
        self.unfit_since = min(self.unfit_since, now()) if problems else math.inf
        self.unfit, self.changed = tuple(problems), self.changed or self.unfit != tuple(problems)
        for problem in problems:
            self.say("the configuration", problem)
        if not problems:
            return
        self.configure_at = now() + FIT_PACE

    def leave_unfit(self) -> None:
        self.status = 2
        self.leave("the configuration cannot be used", now())

    def begin_when_known(self) -> None:
        """Begin when the guard has told what runs, and supervisord of its programs."""
        if not self.guard_up or not self.programs or self.leaving is not None:
            return
        groups = [one.group for one in self.settings.elections]
        runs = self.former is not None and any(self.charges.get(name, {}).get("granted") for name in groups)
        if self.unfit and not runs:
            self.leave_unfit()
        else:
            self.begin()

    # The guard, and what an earlier listener left

    def take_lock(self) -> None:
        """Take the session's lock; then whoever held it has released, and this listener may look what there is."""
        self.lock_at = math.inf
        if self.leaving is not None:
            return
        self.locked = self.host.take_lock()
        if not self.locked:
            self.say("zkelect", "waiting for the guard, which stops and releases what an earlier listener left")
            self.lock_at = now() + LOCK_PACE
            return
        # Whether its session exists where `servers` says, as they are configured now, only ZooKeeper can tell.
        former = self.host.saved()
        if self.store is None:
            self.store = self.host.store()
        self.former = former if former is not None and list(former.owner) == list(self.host.owner) else None
        self.open_guard()

    def keep_folder(self, moment: float) -> None:
        """Have put back what somebody removed of the runtime folder, and tell where that cannot be."""
        self.folder_at = moment + FOLDER_PACE
        trouble = self.host.keep_folder()
        if trouble != self.folder_trouble:
            self.folder_trouble, self.changed = trouble, True
        if trouble:
            self.say("runtime folder", f"{trouble}; until it is this node's again no program starts here", "folder")

    def open_guard(self) -> None:
        running = [one for one in self.contests.values() if one.state.may_run]
        by = min((role.lease_of(one.rules, one.state).kill_at for one in running), default=math.inf)
        self.guard.open(self.groups(), by)

    def groups(self) -> Dict[str, Dict[str, Any]]:
        """What the guard is told of each group (`guard.Guard.welcome`): nothing before the configuration is known to be fit,
        as it may name a group that there is not, or this listener's own."""
        known: Dict[str, Dict[str, Any]] = {}
        if not self.session:
            return known
        for one in self.settings.elections:
            hook = {"seconds": one.hook_timeout, "stop_failed": list(one.stop_failed or ())}
            known[one.group] = {"election": one.name, **hook, **self.programs_of(one.group)}
        for former in self.retiring:
            known.setdefault(former.group, {"election": former.name, **self.programs_of(former.group)})
        return known

    def programs_of(self, name: str) -> Dict[str, Any]:
        """What the guard is told of a group's programs."""
        programs = [program for program in self.programs if program["group"] == name]
        if not programs:
            return {"loaded": False}
        return {
            "loaded": not any(program_info.unguarded(program) for program in programs), "stopwaitsecs": longest_stop(programs),
            # supervisord does not tell stopasgroup, which goes with killasgroup only.
            "as_group": any(program.get("killasgroup", True) for program in programs),
        }

    def elections(self) -> List[saved_session.Election]:
        """The elections of the configuration, as they are saved with the session."""
        root = self.settings.chroot
        return [
            saved_session.Election(one.name, one.group, root + one.election_znode, one.election_prefix + one.sequence_separator,
                           root + one.election_ack,
                           "" if one.election_state == places.state_of(one.election_ack) else root + one.election_state)
            for one in self.settings.elections
        ]

    def on_Up(self, event: link.Up) -> None:
        self.guard_up, self.guard_quiet, self.guard_trouble = True, 0.0, ""
        self.guard_lacks, self.guard_lacks_since = "", math.inf
        self.last_resort.arm(event.cgroups)
        for contest in self.contests.values():
            contest.asked_to_stop, contest.strike_at = False, -math.inf
        self.leases_sent = self.leases_echoed = 0
        self.heartbeat = self.heartbeat.all_soon()
        self.charges = event.groups
        if self.contests:
            self.tell_anew()
        else:
            self.begin_when_known()

    def on_Busy(self, event: link.Busy) -> None:
        self.say("zkelect", "waiting for the guard, which stops and releases what an earlier listener left")
        self.retry_guard(LOCK_PACE)

    def on_Down(self, event: link.Down) -> None:
        if self.guard_up:
            log.warning("%s; another is started", event.reason)
        else:
            self.say("zkelect", event.reason)
            # What it failed for may be what is kept.
            reserve.spend()
            self.guard_trouble = event.reason
            self.push_at = min(self.push_at, now() + STEP_PACE)
        delay = 0.0 if self.guard_up else PACE
        self.guard_up = False
        self.retry_guard(delay)

    def killed_at(self, contest: Contest) -> float:
        """When the contest's group must be killed: by an order, or because the lease ends."""
        if not contest.state.may_run:
            return contest.kill_at
        return min(contest.kill_at, role.lease_of(contest.rules, contest.state).kill_at)

    def enforce(self, moment: float) -> None:
        """End what must end while there is no guard."""
        for contest in self.contests.values():
            if moment >= self.killed_at(contest) and moment >= contest.strike_at:
                contest.strike_at = self.last_resort.kill(contest.settings.group)
            if contest.kill_at < math.inf and not contest.asked_to_stop:
                contest.asked_to_stop = True
                self.last_resort.revoke(contest.settings.group)
                self.ask_to_stop(contest.settings.group)

    def ask_to_stop(self, name: str) -> None:
        def work() -> role.Tick:
            try:
                self.supervisord.call("supervisor.stopProcessGroup", name, False)
            except SupervisordError as error:
                log.warning("%s: no guard is there, and supervisord cannot be asked to stop it: %s", name, error)
            return role.Tick()

        self.pool_post(self.rpc_pool, work)

    def abandon(self) -> None:
        """After a defect: where no process would enforce the leases when this one has ended, they end now."""
        if self.guarded:
            return
        for contest in self.contests.values():
            if contest.state.may_run or contest.kill_at < math.inf:
                self.last_resort.kill(contest.settings.group)

    def guardless(self) -> str:
        """Why no lease could be extended, "" when there is a guard, or one may be had."""
        missing = self.guard_trouble and not self.guard_up
        return f"the lease is not extended, as no guard can be had: {self.guard_trouble}" if missing else ""

    def unenforced(self) -> str:
        """Why no lease is extended, "" when nothing is known against it. What guard and listener lack is looked for with each
        lease, and not where there is none."""
        guardless = self.guardless()
        if guardless:
            return guardless
        if self.guard_lacks:
            return f"the lease is not extended: {self.guard_lacks}"
        if self.last_resort.trouble:
            return f"the lease is not extended, as this listener could not end it itself: {self.last_resort.trouble}"
        return ""

    def retry_guard(self, delay: float) -> None:
        if not self.contests and self.locked:
            # Nothing is begun: whoever has to release first needs the lock.
            self.host.give_lock_back()
            self.locked = False
            self.lock_at = now() + max(delay, LOCK_PACE)
        else:
            self.guard_at = now() + delay

    def tell_anew(self) -> None:
        """Tell a new guard what runs under which lease, and repeat what the old one did not answer."""
        for contest in self.contests.values():
            state = contest.state
            if state.may_run and state.role != role.DEMOTING:
                contest.group.adopt(**self.grant(contest))
            if contest.order is not None:
                contest.order[1]()
            if contest.check is None and state.probing:
                contest.group.look(state.probing)
        self.end_retiring()
        self.extend_leases(self.contests.values())

    def grant(self, contest: Contest) -> Dict[str, Any]:
        state = contest.state
        token = state.token if state.inherited is None else state.inherited
        return {
            "election": contest.settings.name, "address": contest.settings.address, "token": token,
            **role.lease_of(contest.rules, state)._asdict(),
        }

    def watch_guard(self, moment: float) -> None:
        """Replace a guard that stands still. Only time in which this listener ran itself counts."""
        if moment - self.turned_at > STOOD_STILL:
            # So did the guard, maybe, and now all of the node want the processor. One that runs kills at once; another
            # takes longer to begin than this one may need to come to its turn.
            self.patient_until = moment + GUARD_SILENCE
        passed, self.turned_at = min(moment - self.turned_at, GUARD_HASTE / 3), moment
        waiting = self.guard_up and self.leases_sent != self.leases_echoed
        self.guard_quiet = self.guard_quiet + passed if waiting else 0.0
        if waiting and self.guard_quiet > GUARD_HASTE and moment >= self.patient_until:
            running = [one for one in self.contests.values() if one.state.may_run]
            late = any(not role.lease_of(one.rules, one.state).covers(moment) for one in running)
            if late or self.guard_quiet > GUARD_SILENCE:
                self.guard_quiet = 0.0
                log.warning("the guard, process %d, stands still and is replaced", self.guard.pid)
                self.guard.replace()
        elif self.guard_up and moment >= self.tell_at:
            # ZooKeeper may have been silent for longer than it takes to notice a guard that stands still.
            self.extend_leases(self.contests.values())

    def on_Echo(self, event: link.Echo) -> None:
        self.leases_echoed = event.n
        self.guard_quiet = 0.0
        moment = now()
        stood_still = moment < self.patient_until or moment - self.turned_at > STOOD_STILL
        if moment - event.turned > MANAGER_SILENCE and not stood_still:
            log.warning("the guard, process %d, does not look after the groups and is replaced", self.guard.pid)
            self.guard.replace()
        self.guard_lacks = event.trouble
        self.guard_lacks_since = min(self.guard_lacks_since, moment) if event.trouble else math.inf
        if moment - self.guard_lacks_since > GUARD_LACKS:
            self.guard_lacks_since = math.inf
            log.warning("the guard, process %d, is replaced: %s", self.guard.pid, event.trouble)
            self.guard.replace()

    def on_Said(self, event: link.Said) -> None:
        log.info("of the guard, process %d: %s", self.guard.pid, event.text)

    def on_Renewed(self, event: link.Renewed) -> None:
        # Also for an election that has not begun yet.
        deadline, charge = min(event.deadline, self.cut_at), self.charges.get(event.group)
        if charge is not None and charge["token"] == event.token:
            charge["deadline"] = max(charge["deadline"], deadline)
        contest = self.by_group.get(event.group)
        if contest is not None:
            self.decide(contest, role.Renewed(event.token, deadline))

    def on_Revoked(self, event: link.Revoked) -> None:
        contest = self.by_group.get(event.group)
        if contest is not None:
            self.decide(contest, role.Revoked(event.reason))

    def extend_leases(self, contests: Iterable[Contest]) -> None:
        leases = {}
        for contest in contests:
            if contest.state.may_run and contest.state.renewed and contest.state.inherited is None:
                grant = self.grant(contest)
                leases[contest.settings.group] = (grant["token"], *(grant[name] for name in Lease._fields))
        running = any(one.state.may_run or one.order is not None for one in self.contests.values())
        # When the next heartbeat is answered they are extended anyway.
        self.tell_at = now() + self.heartbeat.interval + GUARD_HASTE if running else math.inf
        self.leases_sent += 1
        self.guard.lease(self.leases_sent, leases)

    def begin(self) -> None:
        """Let each election begin, now that the groups are known to be fit and the guard is there."""
        attach, timeout, programs = None, None, self.programs
        kept: List[saved_session.Election] = []
        if self.former is not None:
            attach, timeout = (self.former.id, bytes.fromhex(self.former.password)), self.former.timeout
            kept = [one for one in self.former.elections if one in self.elections()]
            self.retiring = [one for one in self.former.elections if one not in kept]
        self.session = self.host.session(self.post, attach, timeout)
        self.guard.tell_groups(self.groups(), self.settings.reattach_grace)
        for settings in self.settings.elections:
            stopwaitsecs = longest_stop(one for one in programs if one["group"] == settings.group)
            check = settings.health_check()
            contest = Contest(
                settings=settings,
                rules=self.rules(settings, stopwaitsecs),
                state=role.State(),
                wake_at=math.inf,
                group=self.guard.group(settings.group),
                elector=self.make_elector(settings),
                pool=self.host.serial(),
                hooks=None,
                check=check if check else None,
                running=set(),
                bare=any(program_info.unguarded(one) for one in programs if one["group"] == settings.group),
                course=course.Course(self.settings.node_name, settings.address),
            )
            self.contests[settings.name] = self.by_group[settings.group] = contest
            charge = self.charges.get(settings.group)
            same = any(one.group == settings.group for one in kept)
            if charge is not None and charge["granted"] and same:
                contest.state, actions = role.inherit(now(), charge["token"], charge["deadline"], self.first_op())
                contest.group.readdress(settings.address)
            else:
                contest.state, actions = role.begin(now(), self.first_op())
            self.wake(contest)
            for action in actions:
                getattr(self, "do_" + type(action).__name__)(contest, action)
        self.end_retiring()
        self.attach_by = now() + ATTACH_TIME
        self.attach()

    def attach(self) -> None:
        """Connect, and take a session that is to be gone on with from the guard's keeper by that.

        While groups of elections that are no more have time left to stop, only the keeper renews their leases; so that comes
        first, as long as it leaves the other leases time enough.
        """
        stop_times = [role.lease_of(one.rules, one.state).stop_at for one in self.contests.values() if one.state.inherited is not None]
        stopping = self.retiring_alive() or any(map(self.clears_in_time, self.contests.values()))
        if stopping and now() < min([self.attach_by, *(moment - ATTACH_MARGIN for moment in stop_times)]):
            self.attach_at = now() + LOCK_PACE
        else:
            self.attach_at = math.inf
            self.session.start()

    def clears_in_time(self, contest: Contest) -> bool:
        """Whether what a former listener had begun to stop still has some of its lease left for that."""
        charge = self.charges.get(contest.settings.group)
        if contest.state.step != "clearing" or charge is None or charge["dead"]:
            return False
        return contest.rules.lease(charge["deadline"]).covers(now())

    def rules(self, settings: ElectionSettings, stopwaitsecs: float) -> role.Settings:
        """What the role machine needs to know of an election. stopwaitsecs: the longest of its programs."""
        return role.Settings(
            name=settings.name, address=settings.address, kill_time=self.settings.kill_time,
            stopwaitsecs=stopwaitsecs, rise=settings.rise, fall=settings.fall,
            health_interval=settings.health_interval, promote_timeout=settings.promote_timeout,
            backoff_min=self.settings.backoff_min, backoff_max=self.settings.backoff_max,
            fence_failed_continues=settings.fence_failed == "continue", told=not settings.health_check(),
            node=self.settings.node_name,
        )

    def first_op(self) -> int:
        """Where this listener's numbers begin, so that no answer to a former listener passes for one to it."""
        return self.host.pid << 24

    # Elections that the configuration does not name any more

    def retiring_alive(self) -> bool:
        """Whether a group of theirs is not proven dead."""
        return any(one.group not in self.ended for one in self.retiring)

    def end_retiring(self) -> None:
        """Have the groups stopped that no election has any more; their deaths are told by `GroupDead`."""
        for one in self.retiring:
            if one.group not in self.by_group:
                log.info("%s: the configuration does not name this election any more; its group is ended", one.name)
                self.guard.group(one.group).seize(LEARN)

    def retire(self) -> None:
        """Give up what the session has in an election whose group is proven dead."""
        self.retire_at = math.inf
        dead = [one for one in self.retiring if one.group in self.ended]
        if self.granted is None or self.link != "connected":
            self.retire_at = now() + PACE
            return
        client, acl = self.session.client, session.acl_of(self.settings.acl)

        def work() -> events.LeftoversReleased:
            left, refused = [], []
            for one in dead:
                try:
                    release.leave(client, one, acl, self.settings.session_timeout)
                except ElectionError as error:
                    log.warning("%s: %s", one.name, error)
                    left.append(one)
                    if not isinstance(error, (NotConnected, TimedOut)):
                        refused.append(one)
            return events.LeftoversReleased([one for one in dead if one not in left], refused)

        if dead:
            self.pool_post(self.rpc_pool, work)

    def on_LeftoversReleased(self, event: events.LeftoversReleased) -> None:
        for one in event.elections:
            log.info("%s: released", one.name)
        self.retiring = [one for one in self.retiring if one not in event.elections]
        if event.refused and event.refused == self.refused and not self.closing:
            self.end_session(event.refused[0].name)
        self.refused = event.refused
        if self.retiring:
            self.retire_at = now() + PACE
        self.save_session()

    def save_session(self) -> None:
        """Keep what the next listener, or a release, needs of the session."""
        if self.granted is not None and self.leaving is None:
            self.store.save(saved_session.Saved(
                self.granted.session, self.session.password.hex(), self.granted.timeout, self.host.owner,
                self.settings.node_name, ",".join(self.settings.servers) if self.settings.plain else "",
                self.elections() + self.retiring, self.settings.tick_time,
            ))
            self.keep_configuration()

    def keep_configuration(self) -> None:
        """Keep the configuration, in which supervisord's programs are fit and ZooKeeper has taken this node's session."""
        if self.trouble is None and not self.unfit:
            try:
                self.host.keep()
            except OSError as error:
                self.say("zkelect", f"the configuration could not be kept: {error}", "keep")

    def make_elector(self, settings: ElectionSettings) -> Elector:
        root = self.settings.chroot
        return Elector(
            self.session.client, root + settings.election_znode, settings.election_prefix,
            root + settings.election_ack, separator=settings.sequence_separator,
            election_state=root + settings.election_state, data=self.proposal_data(settings),
            acl=session.acl_of(self.settings.acl), timeout=self.settings.session_timeout,
        )

    def proposal_data(self, settings: ElectionSettings) -> bytes:
        data = {"v": 1, "node": self.settings.node_name, "address": settings.address}
        return json.dumps(data).encode("utf-8")

    def on_Checked(self, event: checking.Checked) -> None:
        self.checks.checked(event)

    def on_Reread(self, event: reloading.Reread) -> None:
        self.reloads.reread(event)

    def on_Agreed(self, event: reloading.Agreed) -> None:
        self.reloads.agreed(event)

    def on_Event(self, event: eventstream.Event) -> None:
        if event.name == "SUPERVISOR_STATE_CHANGE_STOPPING":
            self.leave_in_time("supervisord is shutting down")
            return
        if event.name == "PROCESS_GROUP_ADDED":
            self.ask_configuration()
            return
        contest = self.by_group.get(event.fields.get("groupname", ""))
        if contest is None or not event.name.startswith("PROCESS_STATE_"):
            return
        name, state = event.fields.get("processname", ""), event.name[len("PROCESS_STATE_"):]
        pid = event.fields.get("pid", "")
        pid = int(pid) if re.fullmatch("[0-9]{1,10}", pid) else 0
        contest.group.note((name, state, pid))
        if state == "RUNNING":
            contest.running.add(pid)
            contest.refused.pop(name, None)
            contest.ends.pop(name, None)
            self.last_resort.know(contest.settings.group, pid)
        elif state == "STOPPING" and pid in contest.running:
            # Only a process that ran in this term counts: the event of an earlier stop may come late.
            self.decide(contest, role.MemberStopped(name))
        elif state in ("EXITED", "BACKOFF", "FATAL"):
            self.ask_end(contest, name, state)
        self.decide(contest, role.MemberRuns() if state == "RUNNING" else role.MemberChanged())

    def ask_end(self, contest: Contest, name: str, state: str) -> None:
        """Have supervisord say how a program of the group ended, which its events do not tell."""
        election, group, token = contest.settings.name, contest.settings.group, contest.state.token
        contest.ends.setdefault(name, "")

        def work() -> events.ProgramEnded:
            try:
                end = exits.read(self.supervisord.call("zkelect.getProcessEnds", [group], timeout=PACE)).get(name, exits.End())
            except (SupervisordError, ValueError):
                # It may have run since before an upgrade of this package.
                end = exits.End()
            user = "" if end.uid is None else accounts.name_of(end.uid)
            return events.ProgramEnded(election, token, name, state, exits.told(end, user))

        self.pool_post(self.rpc_pool, work, lambda error: events.ProgramEnded(election, token, name, state, ""))

    def on_ProgramEnded(self, event: events.ProgramEnded) -> None:
        contest = self.contests[event.election]
        if contest.state.token != event.token:
            # It ran in another term.
            return
        if event.why:
            if event.name in contest.ends:
                contest.ends[event.name] = event.why
            if contest.state.may_run:
                self.say(event.election, f"the program {event.name} ended: {event.why}")
        if event.state == "FATAL":
            why = contest.refused.get(event.name) or "; ".join(filter(None, (GIVEN_UP, event.why)))
            hint = "" if contest.check else f"; {must_run(contest.settings)}"
            self.decide(contest, role.MemberFatal(event.name, why if event.name in contest.refused else why + hint))

    def on_Ended(self, event: eventstream.Ended) -> None:
        self.leave("supervisord is gone", now(), now() + LAST_RELEASE)

    def on_Signalled(self, event: events.Signalled) -> None:
        if event.number == signal.SIGUSR1:
            self.changed = True
            return
        if event.number == signal.SIGHUP:
            self.reloads.ask("", False)
            return
        reason = signal.Signals(event.number).name
        groups = [one.settings.group for one in self.contests.values() if one.state.may_run]
        stopping = any(one.state.role == role.DEMOTING for one in self.contests.values())
        if self.leaving is not None or not groups or stopping or not self.guarded:
            self.leave_in_time(reason)
        else:
            self.pool_post(self.rpc_pool, lambda: self.look_at_groups(groups, reason))

    def leave_in_time(self, reason: str) -> None:
        """Stop all groups in the time that their programs have, release, and end before supervisord kills this listener. What
        has not stopped by then the guard waits for."""
        by = now() + self.stopwaitsecs - RELEASE_TIME
        kill_at = math.inf if self.guarded else Lease.until(by, self.settings.kill_time).kill_at
        self.leave(reason, kill_at, by + RELEASE_TIME / 2)

    def look_at_groups(self, groups: List[str], reason: str) -> events.GroupsSurveyed:
        """Whether supervisord lets the groups run on while it ends this listener."""
        try:
            infos = self.supervisord.call("supervisor.getAllProcessInfo")
        except Fault:
            # It is shutting down.
            return events.GroupsSurveyed(False, reason)
        except SupervisordError:
            # It hangs, and so does whatever it was about to do.
            return events.GroupsSurveyed(True, reason)
        states = [info["statename"] for info in infos if info["group"] in groups]
        return events.GroupsSurveyed(all(state in ("STARTING", "RUNNING", "BACKOFF") for state in states), reason)

    def on_GroupsSurveyed(self, event: events.GroupsSurveyed) -> None:
        if event.alive and self.leaving is None and self.guarded:
            log.info("%s while the service runs: it is left to the guard", event.reason)
            self.leaving, self.reattaching = (now(), event.reason), True
        else:
            self.leave_in_time(event.reason)

    def leave_unguarded(self, moment: float) -> None:
        """The guard that the groups were to be left to is gone, and what would enforce their leases ends with this process."""
        by, reason = self.leaving
        if self.reattaching and moment >= by + GUARD_RETURNS:
            self.leaving, self.reattaching = None, False
            self.leave_in_time(reason)
        elif not self.reattaching and not Lease.until(by - RELEASE_TIME / 2, self.settings.kill_time).covers(moment):
            self.leave(reason, moment, by)

    def leave(self, reason: str, kill_at: float, by: Optional[float] = None) -> None:
        """Stop all groups by `kill_at`, release, and end by `by` even if ZooKeeper does not answer."""
        by = kill_at + RELEASE_TIME / 2 if by is None else by
        if self.leaving is None or by < self.leaving[0]:
            self.leaving = (by, reason)
        for contest in self.contests.values():
            self.decide(contest, role.Shutdown(reason, kill_at))

    # The session

    def set_link(self, link: str, trouble: str = "") -> None:
        if link != self.link:
            self.link, self.link_since, self.changed = link, now(), True
            self.say_link(link + (trouble and f": {trouble}"), logging.INFO if link == "connected" else logging.WARNING)
        self.link_trouble = trouble

    def say_link(self, text: str, level: int) -> None:
        """A line about the link to ZooKeeper; one that breaks again and again does not fill the log."""
        line = self.links_said.line(f"ZooKeeper: {text}", "", now())
        if line:
            log.log(level, "%s", line)

    def on_Connected(self, event: session.Connected) -> None:
        if event.generation < self.first_generation:
            return
        former, self.granted = self.granted, event
        fresh = former is None or former.generation != event.generation
        self.set_link("connected")
        timeout = event.timeout
        # By what timeout the leases were counted that are there, which an earlier listener may have had.
        counted = former.timeout if not fresh else self.former.timeout if self.former is not None else timeout
        if timeout != counted:
            log.warning("ZooKeeper: the session's timeout is %g s now, and was %g s", timeout, counted)
        if fresh or self.clock is None or timeout != counted:
            self.clock = SessionClock(timeout, self.settings.tick_time, event.sent)
            self.say_link(f"session 0x{event.session:x} with a timeout of {timeout:g} s", logging.INFO)
            if self.former is not None and self.former.id != event.session:
                self.retiring = []
                for contest in self.contests.values():
                    if contest.state.inherited is not None:
                        self.decide(contest, role.SessionLost("the session of the inherited term is over"))
            self.former = None
            self.inspect_znodes()
            self.save_session()
            if self.retiring:
                self.retire_at = now()
        else:
            self.clock = self.clock.reconnected(event.sent)
        if timeout < counted:
            self.cut_leases(lasts_until(event.sent, timeout))
        self.set_paces(timeout)
        for contest in self.contests.values():
            self.decide(contest, self.session_up(contest, fresh))
            if contest.state.role == role.PRIMARY:
                self.see_by(contest, now())
            self.note(contest)

    def inspect_znodes(self) -> None:
        """Tell of znodes that strangers may change though the configuration says otherwise."""
        if self.settings.acl == "open":
            return
        client, settings = self.session.client, self.settings

        def work() -> events.ZnodesInspected:
            return events.ZnodesInspected(inspection.look(client, settings, INSPECTION_TIME).notes)

        self.pool_post(self.rpc_pool, work)

    def on_ZnodesInspected(self, event: events.ZnodesInspected) -> None:
        for note in event.notes:
            self.say("ZooKeeper", note)

    def set_paces(self, timeout: float) -> None:
        """Have the heartbeat go at the paces for a session's timeout, and soon."""
        paces = self.heartbeat_at(timeout)
        self.heartbeat = replace(
            self.heartbeat, interval=paces.interval, waiting=paces.waiting, drop_after=paces.drop_after
        ).all_soon()

    def session_up(self, contest: Contest, fresh: bool) -> role.SessionUp:
        timeout, tick = self.granted.timeout, self.settings.tick_time
        grace = self.settings.stop_grace(contest.rules.stopwaitsecs, timeout)
        wait_out = max(timeout, self.settings.session_timeout) + 2 * tick + PACE
        # After a long silence the first lease counts from before it; the next one is a tick and a beat away.
        margin = min(self.settings.ride_through_at(timeout), effective_tick(tick, timeout) + self.heartbeat.interval)
        return role.SessionUp(fresh, grace, wait_out, timeout, margin)

    def cut_leases(self, deadline: float) -> None:
        """No lease of this session lasts longer: it was attached again with a shorter timeout."""
        self.cut_at = deadline
        for contest in self.contests.values():
            self.decide(contest, role.Cut(deadline))
        self.guard.cut(deadline)

    def on_Suspended(self, event: session.Suspended) -> None:
        self.set_link("suspended", self.session.trouble)
        for contest in self.contests.values():
            self.decide(contest, role.SessionDown())

    def on_Lost(self, event: session.Lost) -> None:
        why = "the credentials were refused" if event.refused else "the session is over"
        self.session_over(why, "the ZooKeeper session is lost")
        if event.refused:
            self.renew_at = now() + PACE

    def session_over(self, trouble: str, reason: str) -> None:
        self.set_link("lost", trouble)
        self.granted = self.clock = None
        self.leased.clear()
        for contest in self.contests.values():
            self.decide(contest, role.SessionLost(reason))

    def renew(self) -> None:
        """A client whose credentials were refused, or whose thread has ended, does not try again by itself."""
        if self.leaving is not None:
            return
        try:
            self.host.aside(self.session.renew())
        except RuntimeError as error:
            # Its threads cannot be had now. The groups are ended by then, or under a guard's lease.
            self.say("ZooKeeper", f"no client can be started: {error}", "renew")
            self.renew_at = now() + PACE
        for contest in self.contests.values():
            contest.elector = self.make_elector(contest.settings)

    def do_EndSession(self, contest: Contest, action: role.EndSession) -> None:
        self.end_session(contest.settings.name)

    def end_session(self, name: str) -> None:
        """Close the session as soon as no group is alive under it, for the election `name`, which cannot be released."""
        self.closing = True
        why = f"the session is closed, since ZooKeeper refuses to release {name}"
        for other in self.contests.values():
            if other.settings.name != name:
                self.decide(other, role.SessionEnds(why))

    def close_session(self) -> None:
        """Have another session instead of one that must end, once no group of the node is alive under it."""
        states = [one.state for one in self.contests.values()]
        # It may have ended by itself; and a listener that ends closes it last of all.
        self.closing = any(state.ending for state in states) and self.leaving is None
        if not self.closing or self.retiring_alive() or not all(state.settled for state in states):
            return
        self.closing, self.retiring, self.refused = False, [], []
        self.heartbeat = self.heartbeat_at(self.settings.session_timeout)
        # A request to end the session may arrive late, and nobody is to go on in it then.
        self.store.forget()
        self.renew()
        self.first_generation = self.session.generation
        self.session_over("closed, to give up what ZooKeeper does not let this node release", "the session was closed")

    def beat(self, moment: float) -> None:
        if self.heartbeat.send_now(moment):
            fresh = [name for name in self.leased if self.contests[name].state.step == "leasing"]
            self.heartbeat, checked = self.heartbeat.sending(moment, self.leased, fresh)
            if checked:
                self.session.beat(sorted(self.leased[name] for name in checked))
            else:
                self.session.peek(self.next_proposal())
        elif self.heartbeat.prod_now(moment):
            self.heartbeat = self.heartbeat.after_prodding()
            self.session.prod()
        elif self.heartbeat.drop_now(moment):
            self.heartbeat = self.heartbeat.after_dropping()
            self.session.drop()

    def heartbeat_at(self, timeout: float) -> Heartbeat:
        """The heartbeat of a session that begins. timeout: the session's, in seconds."""
        interval = self.settings.interval_at(timeout)
        return Heartbeat(
            interval, waiting_interval(interval, self.settings.ride_through_at(timeout)), drop_after=drop_after(timeout)
        )

    def next_proposal(self) -> str:
        """The path of one of this node's proposals, each in its turn, so that one deleted by hand is noticed."""
        paths = [path for path in (one.elector.proposal_path for one in self.contests.values()) if path]
        self.peeked += 1
        return paths[self.peeked % len(paths)] if paths else "/"

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

    def on_Beaten(self, event: session.Beaten) -> None:
        if not self.answered(event):
            return
        if event.gone:
            self.heartbeat = self.heartbeat.all_soon()
            for contest in self.contests.values():
                if self.leased.get(contest.settings.name) in event.gone:
                    self.decide(contest, role.ProposalGone("its proposal was deleted"))
        elif event.error:
            self.say("ZooKeeper", f"the heartbeat was refused: {event.error}")
            if event.moved:
                # A new connection takes the session back.
                self.session.drop()
        elif self.enforced():
            deadline, paths = self.clock.deadline(event.sent), set(event.paths)
            extended = [one for one in self.contests.values() if self.leased.get(one.settings.name) in paths]
            for contest in extended:
                self.decide(contest, role.Leased(event.sent, deadline))
                self.reloads.settle(contest)
            self.extend_leases(extended)

    def enforced(self) -> bool:
        """Whether somebody would enforce a lease that is extended now."""
        return (
            self.guard_up and self.guard_quiet <= GUARD_HASTE and not self.guard_lacks and self.last_resort.complete()
        )

    def on_TermClaimed(self, event: events.TermClaimed) -> None:
        contest, lease = self.contests[event.name], None
        if self.counted(event) and self.enforced():
            lease = role.Leased(event.sent, self.clock.deadline(event.sent))
        self.decide(contest, role.Claimed(event.op, event.dirty, lease))
        if lease is not None:
            # Its echo also tells that the guard has taken the order to start.
            self.extend_leases([contest])

    def on_Peeked(self, event: session.Peeked) -> None:
        if self.answered(event) and not event.error:
            for contest in self.contests.values():
                if contest.elector.proposal_path == event.path and event.owner != self.granted.session:
                    self.decide(contest, role.ProposalGone("its proposal was deleted"))

    # What the role machines want of ZooKeeper

    def ask(self, contest: Contest, op: int, work: Callable[[], Any]) -> None:
        """Do `work` in the election's own executor and post its event, or what went wrong as Failed."""
        name = contest.settings.name

        def attempt() -> events.ElectionEvent:
            try:
                return events.ElectionEvent(name, work())
            except (ProposalGone, NotLeader, SessionGone) as error:
                return events.ElectionEvent(name, role.Failed(op, True, str(error)))
            except (NotConnected, TimedOut) as error:
                return events.ElectionEvent(name, role.Failed(op, False, str(error)))
            except ElectionError as error:
                return events.ElectionEvent(name, role.Failed(op, False, str(error), refused=True))
            except Exception as error:
                # A step must not wait for ever because of a defect here.
                log.exception("a defect")
                return events.ElectionEvent(name, role.Failed(op, False, f"a defect: {error!r}", refused=True))

        self.pool_post(contest.pool, attempt)

    def on_ElectionEvent(self, event: events.ElectionEvent) -> None:
        contest = self.contests[event.name]
        if isinstance(event.event, role.TermSeen):
            self.term_seen(contest, event.event)
        elif isinstance(event.event, role.Acked):
            facts = contest.facts
            facts.ack, facts.primary_node, facts.at = contest.settings.address, self.settings.node_name, now()
        elif isinstance(event.event, role.Probed) and contest.check and not event.event.ok:
            why = [f"the program {name} ended: {end}" for name, end in sorted(contest.ends.items()) if end]
            event = event._replace(event=event.event._replace(reason="; ".join([event.event.reason, *why])))
        self.decide(contest, event.event)

    def term_seen(self, contest: Contest, seen: role.TermSeen) -> None:
        contest.seeing, contest.seeing_since = False, math.inf
        if not seen.known and contest.state.role == role.PRIMARY:
            self.see_by(contest, now() + PACE)
        if seen.known:
            facts = contest.facts
            facts.ack, facts.primary_node, facts.at = seen.address, seen.node, contest.asked_at
        if contest.see_again:
            contest.see_again = False
            self.see(contest)

    def do_Propose(self, contest: Contest, action: role.Propose) -> None:
        elector, node = contest.elector, self.settings.node_name
        inherited = contest.state.inherited is not None
        if any(one.znode == elector.election_znode for one in self.retiring):
            # The session's proposal there is an earlier configuration's, and is given up as soon as its group is dead: it
            # must not be taken for the one to start a group by.
            trouble = "what an earlier configuration had in this election is not given up yet"
            self.post(events.ElectionEvent(contest.settings.name, role.Failed(action.op, False, trouble)))
            return

        def work() -> Any:
            elector.prepare()
            if elector.proposal is None:
                for member in elector.each_member():
                    if member.node == node and member.session != elector.session_id:
                        return role.Twin(action.op, member.name)
            elector.create_proposal()
            for member in elector.each_member():
                if member.mine:
                    break
                # By an inherited proposal a group may run; it is not given up before that is proven dead.
                if member.node == node and member.session != elector.session_id and not inherited:
                    elector.withdraw()
                    return role.Twin(action.op, member.name)
            return role.Proposed(action.op, elector.proposal, elector.token)

        self.ask(contest, action.op, work)

    def do_Query(self, contest: Contest, action: role.Query) -> None:
        elector, name = contest.elector, contest.settings.name

        token = contest.state.token

        def changed(future: "Future[str]") -> None:
            if not future.cancelled():
                self.post(events.ElectionEvent(name, role.QueueChanged(action.op, future.result())))

        def own_changed(future: "Future[str]") -> None:
            if not future.cancelled():
                self.ask(contest, 0, verify)

        def verify() -> Any:
            """The leading proposal was changed or deleted; the heartbeat's check knows it by its name only."""
            if elector.token != token:
                # It was another term's.
                return role.Tick()
            try:
                standing = elector.try_be_leader()
            except ElectionError as error:
                # What cannot be proven does not keep a node primary.
                return role.ProposalGone(f"its proposal was changed, and {error}")
            if not standing.leads:
                return role.ProposalGone("its proposal does not lead any more")
            standing.changed.add_done_callback(own_changed)
            return role.Tick()

        def work() -> role.Queried:
            standing = elector.try_be_leader(claiming=True)
            acked = standing.leads and elector.acked_since
            if standing.rival:
                self.post(events.ForeignSeen(name, elector.look_at_queue().trouble))
            self.post(events.ElectionEvent(name, role.Queried(
                action.op, standing.leads, standing.place, standing.candidates, acked, standing.rival, standing.lasting
            )))
            standing.changed.add_done_callback(own_changed if standing.leads else changed)
            return role.Tick()

        self.ask(contest, action.op, work)

    def do_StepBehind(self, contest: Contest, action: role.StepBehind) -> None:
        elector = contest.elector

        def work() -> role.Proposed:
            elector.step_behind()
            return role.Proposed(action.op, elector.proposal, elector.token)

        self.ask(contest, action.op, work)

    def do_Claim(self, contest: Contest, action: role.Claim) -> None:
        elector, node, address = contest.elector, self.settings.node_name, contest.settings.address
        name, ours = contest.settings.name, self.session
        # In a term that is gone on with there is nobody before this node, whatever somebody has made of its holder.
        fences = contest.settings.fence is not None and contest.state.inherited is None

        def work() -> Any:
            generation = ours.generation
            before = elector.predecessor(action.fenced) if fences else None
            if before is not None and before.node == node:
                # What this node left itself was proven dead before it proposed.
                before = elector.predecessor(before.token)
            if before is not None:
                return role.Dirty(action.op, before.node, before.address, before.token)
            dirty = elector.claim(node, address)
            found, times = "" if dirty is None else dirty.node or "(unknown)", elector.claimed
            if times is None:
                raise SessionGone("the session was lost as soon as the term was claimed")
            self.post(events.TermClaimed(name, action.op, found, generation, *times))
            return role.Tick()

        self.ask(contest, action.op, work)

    def do_Fence(self, contest: Contest, action: role.Fence) -> None:
        settings = contest.settings
        variables = {
            "ZKELECT_ELECTION": settings.name, "ZKELECT_NODE": self.settings.node_name,
            "ZKELECT_TOKEN": str(contest.state.token), "ZKELECT_OLD_NODE": action.node,
            "ZKELECT_OLD_ADDRESS": action.address, "ZKELECT_OLD_TOKEN": str(action.token),
        }

        def work() -> events.ElectionEvent:
            try:
                ended = execution.run(settings.fence, now() + settings.hook_timeout, variables)
            except (OSError, ValueError) as error:
                return events.ElectionEvent(settings.name, role.Fenced(action.op, False, f"it cannot be run: {error}"))
            return events.ElectionEvent(settings.name, role.Fenced(action.op, ended.ok, str(ended)))

        if contest.hooks is None:
            # One after the other: a term that was lost may have left its command running.
            contest.hooks = self.host.pool(1, f"zkelect-hooks-{settings.name}")
        self.pool_post(contest.hooks, work)

    def do_Ack(self, contest: Contest, action: role.Ack) -> None:
        elector, address = contest.elector, contest.settings.address

        def work() -> role.Acked:
            elector.ack_leader(address)
            return role.Acked(action.op)

        self.ask(contest, action.op, work)

    def do_Repair(self, contest: Contest, action: role.Repair) -> None:
        elector, address = contest.elector, contest.settings.address

        name = contest.settings.name

        def work() -> role.Tick:
            try:
                elector.repair(address, address)
            except AnotherElection as error:
                self.post(events.ForeignSeen(name, str(error)))
            finally:
                # It is looked at again, whatever came of it.
                self.post(events.TermChanged(name))
            return role.Tick()

        self.ask(contest, 0, work)

    def do_Release(self, contest: Contest, action: role.Release) -> None:
        elector = contest.elector

        def work() -> role.Released:
            if elector.proposal is None:
                # That of a term which an earlier listener began, and which ends before it was looked for.
                elector.adopt_proposal()
            elector.release(action.dirty)
            return role.Released(action.op)

        self.ask(contest, action.op, work)

    def do_Withdraw(self, contest: Contest, action: role.Withdraw) -> None:
        elector = contest.elector

        def work() -> role.Released:
            elector.withdraw()
            return role.Released(action.op)

        self.ask(contest, action.op, work)

    def do_Look(self, contest: Contest, action: role.Look) -> None:
        elector = contest.elector

        def work() -> role.Looked:
            try:
                # Who can take over; what no session owns never does.
                return role.Looked(action.op, elector.others())
            except ElectionError as error:
                return role.Looked(action.op, -1, str(error))

        self.ask(contest, 0, work)

    def do_SeeTerm(self, contest: Contest, action: role.SeeTerm) -> None:
        self.see(contest)

    def on_TermChanged(self, event: events.TermChanged) -> None:
        contest = self.contests[event.name]
        if contest.state.role == role.PRIMARY:
            self.see_by(contest, max(now(), contest.asked_at + SEE_PACE))

    def see(self, contest: Contest) -> None:
        """Have ack and holder read, and watched while this node is primary: nobody else has to wake at a change."""
        contest.see_at = math.inf
        if contest.seeing:
            # Whoever asks while ZooKeeper is silent must not fill the executor with the same question.
            contest.see_again = True
            return
        contest.asked_at = contest.seeing_since = now()
        contest.seeing = True
        elector, name = contest.elector, contest.settings.name
        term = contest.state.token if contest.state.role == role.PRIMARY else None

        def changed(future: "Future[str]") -> None:
            if not future.cancelled():
                self.post(events.TermChanged(name))

        def work() -> role.TermSeen:
            try:
                if term is None:
                    holder, ack = elector.holder(), elector.read_ack()
                else:
                    holder, ack, future = elector.watch_term()
                    future.add_done_callback(changed)
            except Exception as error:
                if not isinstance(error, ElectionError):
                    log.exception("a defect")
                return role.TermSeen("", "", known=False)
            node, token, held = holder or ("", 0, "")
            return role.TermSeen(node, _shown(ack), token, True, term, held)

        self.ask(contest, 0, work)

    def do_KeepLease(self, contest: Contest, action: role.KeepLease) -> None:
        path = contest.elector.proposal_path
        if path is not None:
            self.leased[contest.settings.name] = path
            # The claim itself may have been a lease.
            leasing = contest.state.step == "leasing"
            self.heartbeat = self.heartbeat.no_later(-math.inf if leasing else now() + self.heartbeat.interval)

    def do_DropLease(self, contest: Contest, action: role.DropLease) -> None:
        self.leased.pop(contest.settings.name, None)

    # What they want of the group

    def do_Seize(self, contest: Contest, action: role.Seize) -> None:
        charge = self.charges.get(contest.settings.group)
        held = charge is not None and charge["granted"]
        contest.kill_at = contest.rules.lease(charge["deadline"]).kill_at if held else -math.inf
        self.order(contest, action.op, lambda: contest.group.seize(action.op))

    def order(self, contest: Contest, op: int, order: Callable[[], None]) -> None:
        """Have the guard do it, and a new guard too, until it is answered."""
        contest.order = (op, order)
        order()
        # What follows is echoed, which tells that the order was taken; one echo does for all orders of this turn.
        self.tell_at = -math.inf

    def do_StartGroup(self, contest: Contest, action: role.StartGroup) -> None:
        contest.running.clear()
        contest.refused.clear()
        contest.ends.clear()
        contest.kill_at = math.inf
        contest.exited.clear()
        self.order(contest, action.op, lambda: contest.group.start(action.op, **self.grant(contest)))

    def do_StopGroup(self, contest: Contest, action: role.StopGroup) -> None:
        contest.kill_at = action.kill_at
        self.order(contest, action.op, lambda: contest.group.stop(action.op, action.kill_at, **self.grant(contest)))

    def do_KillGroup(self, contest: Contest, action: role.KillGroup) -> None:
        contest.kill_at = -math.inf
        self.order(contest, action.op, lambda: contest.group.kill(action.op))

    def do_Probe(self, contest: Contest, action: role.Probe) -> None:
        if contest.check is None:
            contest.group.look(action.op)
            return
        check, limit, name = contest.check, contest.settings.health_timeout, contest.settings.name

        def work() -> events.ElectionEvent:
            result = check.probe(limit)
            return events.ElectionEvent(name, role.Probed(action.op, result.ok, result.reason))

        self.pool_post(self.health_pool, work, lambda error: events.ElectionEvent(name, role.Probed(action.op, False, repr(error))))

    def answer_of(self, event: Any) -> Optional[Contest]:
        """The contest that an event of the guard is about; an order that it answers is not repeated any more."""
        contest = self.by_group.get(event.group)
        if contest is not None and contest.order is not None and contest.order[0] == getattr(event, "op", None):
            contest.order, contest.kill_at = None, math.inf
        return contest

    def on_GroupStarted(self, event: group_events.GroupStarted) -> None:
        contest = self.answer_of(event)
        if contest is not None:
            self.decide(contest, role.Started(event.op))

    def on_GroupStartFailed(self, event: group_events.GroupStartFailed) -> None:
        contest = self.answer_of(event)
        if contest is not None:
            self.decide(contest, role.StartFailed(event.op, event.reason))

    def on_GroupDead(self, event: group_events.GroupDead) -> None:
        contest = self.answer_of(event)
        self.ended.add(event.group)
        if any(one.group == event.group for one in self.retiring):
            self.retire_at = now()
        if contest is not None:
            self.decide(contest, role.Dead(event.op, event.seconds))

    def on_GroupStuck(self, event: group_events.GroupStuck) -> None:
        pids = ", ".join(str(pid) for pid in event.pids)
        log.error("%s: not proven dead: %s%s", event.group, event.reason, pids and f" (pids {pids})")
        contest = self.by_group.get(event.group)
        if contest is not None:
            self.decide(contest, role.Stuck(event.reason))

    def on_Registered(self, event: link.Registered) -> None:
        contest = self.by_group.get(event.group)
        if contest is not None:
            contest.running.add(event.pid)
            self.last_resort.know(event.group, event.pid)
            contest.course.executed(event.moment - now() + time.time())

    def on_Refused(self, event: link.Refused) -> None:
        contest = self.by_group.get(event.group)
        if contest is None:
            return
        self.say(contest.settings.name, f"`zkelect run` did not start the program {event.name}: {event.reason}")
        if contest.state.may_run:
            contest.refused[event.name] = f"`zkelect run` did not start it (exit status 75): {event.reason}"

    def on_TermEnded(self, event: link.TermEnded) -> None:
        contest = self.by_group.get(event.group)
        if contest is not None:
            contest.course.guarded(event._asdict())

    def on_MemberDied(self, event: group_events.MemberDied) -> None:
        # How it ended, and where its log is, only supervisord can tell, when it has taken notice.
        log.info("%s: the process %d of %s ended by itself", event.group, event.pid, event.name)
        contest = self.by_group.get(event.group)
        if contest is not None:
            self.decide(contest, role.MemberChanged())

    def on_MemberStarted(self, event: group_events.MemberStarted) -> None:
        contest = self.answer_of(event)
        if contest is not None:
            self.decide(contest, role.MemberStarted(event.name))

    def on_Members(self, event: group_events.Members) -> None:
        contest = self.answer_of(event)
        if contest is None:
            return
        sick = [
            f"{name} is {state[0]}" + self.cause(contest, name, state[0])
            for name, state in sorted(event.states.items()) if state[0] != "RUNNING"
        ]
        for name, state in event.states.items():
            if state[0] in ("STARTING", "RUNNING"):
                contest.running.add(state[1])
                self.last_resort.know(event.group, state[1])
        ok = not event.error and not sick and bool(event.states)
        if event.op != LEARN:
            self.decide(contest, role.Probed(event.op, ok, event.error or ", ".join(sick) or "every program RUNNING"))

    def cause(self, contest: Contest, name: str, state: str) -> str:
        """What is known of why a program does not run, to follow its state; "" for nothing."""
        if state != "EXITED":
            contest.exited.pop(name, None)
            why = contest.refused.get(name) or contest.ends.get(name)
            return f": {why}" if why else ""
        # One that supervisord starts again is in this state for a second.
        since = contest.exited.setdefault(name, now())
        ended = contest.check is None and now() - since >= ENDED_TIME
        why = contest.ends.get(name, "")
        hint = f"it has ended, and {must_run(contest.settings)}" if ended else ""
        return "".join(f": {text}" for text in (hint, why) if text)

    # Orders and reports

    def do_Log(self, contest: Contest, action: role.Log) -> None:
        text = f"{contest.settings.name}: {action.text}"
        # Times and numbers differ in what is said again and again, when somebody changes ack or queue all the time.
        kind = f"{contest.settings.name}: {action.kind}" if action.kind else re.sub("[0-9]+", "#", text)
        line = self.steps_said.line(text, kind, now())
        if line:
            log.info("%s", line)

    def do_Quit(self, contest: Contest, action: role.Quit) -> None:
        log.error("%s: %s", self.settings.file, action.text)
        self.status = 2
        self.leave("twin", now() + self.stopwaitsecs - RELEASE_TIME)

    def do_Answer(self, contest: Contest, action: role.Answer) -> None:
        document = {"ok": action.ok, "exit": action.exit, "text": action.text}
        if action.ok:
            document.update(node=action.node, address=action.address, seconds=action.seconds)
        if action.term is None:
            self.reply(action.ticket, document)
            return
        elector = contest.elector

        def work() -> role.Tick:
            """Those who failed have written why, also of a former term those who did not try in this one."""
            terms: List[Dict[str, Any]] = []
            waiting: List[str] = []
            try:
                terms = history.read(elector.history())
                told = {self.settings.node_name, *action.tried, *(one.get("node") for one in terms if one["token"] > action.term)}
                waiting = [one.node for one in islice(elector.each_member(), MOST_MEMBERS) if not one.mine and one.node not in told]
            except ElectionError:
                pass
            text = [*history.failures(terms, action.term, action.tried), *history.passed(terms, waiting)]
            self.reply(action.ticket, {**document, "text": "; ".join([action.text, *text])})
            return role.Tick()

        self.ask(contest, 0, work)

    def reply(self, ticket: str, document: Dict[str, Any]) -> None:
        def work() -> role.Tick:
            try:
                self.supervisord.call("zkelect.answer", ticket, json.dumps(document))
            except SupervisordError as error:
                log.warning("an answer could not be delivered: %s", error)
            return role.Tick()

        self.pool_post(self.rpc_pool, work)

    def push(self, moment: float) -> None:
        """Deliver a report; at most one is on its way."""
        self.pushing, self.changed, self.push_at = True, False, moment + REPORT_PACE
        report = json.dumps(self.reports.report(moment))

        def work() -> events.ReportDelivered:
            try:
                return events.ReportDelivered(json.loads(self.supervisord.call("zkelect.putReport", report, timeout=PACE)), "")
            except (SupervisordError, ValueError) as error:
                return events.ReportDelivered([], str(error))

        self.pool_post(self.rpc_pool, work, lambda error: events.ReportDelivered([], repr(error)))

    def link_doubt(self) -> str:
        """Why there is no connection to ZooKeeper, as far as that is known."""
        return self.link_trouble or (self.session.trouble if self.session and self.link != "connected" else "")

    def config_trouble(self) -> Optional[Dict[str, Any]]:
        """What is wrong with the configuration, since when, and with what this listener goes on."""
        problems = [*(self.trouble.problems if self.trouble else ()), *self.unfit]
        if not problems:
            return None
        since = min(self.trouble.since if self.trouble else math.inf, self.unfit_since)
        doing = str(self.trouble) if self.trouble else "the group runs on to the end of its term"
        return {"since": since, "problems": problems[:MOST_PROBLEMS], "doing": doing}

    def on_ReportDelivered(self, event: events.ReportDelivered) -> None:
        self.pushing = False
        for ticket in self.refreshed:
            self.reply(ticket, {"ok": not event.error})
        self.refreshed = []
        if event.error:
            self.say("supervisord", f"the report could not be delivered: {event.error}")
            self.push_at = min(self.push_at, now() + PACE)
        for request in event.requests:
            self.obey(request)

    def obey(self, request: Dict[str, Any]) -> None:
        ticket, verb, name = request["ticket"], request["verb"], request.get("election") or ""
        if verb == "refresh":
            self.refresh(ticket)
            return
        if verb == "check":
            self.checks.ask(ticket)
            return
        if verb == "reload":
            self.reloads.ask(ticket, request.get("args", {}).get("yes") is True)
            return
        contest = self.contests.get(name)
        if contest is None and not name and len(self.contests) == 1:
            contest = next(iter(self.contests.values()))
        if contest is None and not self.contests:
            why = f"no election has begun here: this node {self.reports.unbegun_reason()}"
            self.reply(ticket, {"ok": False, "exit": 1, "text": why})
        elif contest is None:
            known = ", ".join(sorted(self.contests))
            self.reply(ticket, {"ok": False, "exit": 2, "text": f"there is no election {name!r} here; known: {known}"})
        elif verb == "resign":
            self.decide(contest, role.Resign(ticket, request.get("args", {}).get("force") is True))
        elif verb == "members":
            self.members(contest, ticket)
        elif verb == "history":
            self.history(contest, ticket)
        else:
            self.reply(ticket, {"ok": False, "exit": 2, "text": f"this listener does not know the order {verb!r}"})

    def refresh(self, ticket: str) -> None:
        """Report what is true now; ack and holder are read first."""
        if not self.refreshing:
            self.refresh_since = now()
            for contest in self.contests.values():
                if self.link == "connected":
                    if contest.state.proposal is not None and not contest.looking:
                        self.look_at_queue(contest)
                    self.see(contest)
        self.refreshing.append(ticket)

    def members(self, contest: Contest, ticket: str) -> None:
        elector = contest.elector

        def work() -> Any:
            try:
                holder = elector.holder()
                # A proposal is never written again, so the address of who leads stands in the holder.
                led = {holder.token: holder.address} if holder else {}
                members: List[Dict[str, Any]] = []
                count = 0
                for one in elector.each_member():
                    count += 1
                    if count <= MOST_MEMBERS:
                        members.append({
                            "place": count, "node": one.node, "address": led.get(one.token, one.address),
                            "proposal": one.name, "token": one.token, "mine": one.mine, "leads": count == 1,
                        })
                shown = fitting(members, reporting.LONGEST_LIST)
                self.reply(ticket, {"ok": True, "members": shown, "left_out": count - len(shown)})
            except ElectionError as error:
                self.reply(ticket, {"ok": False, "exit": 1, "text": str(error)})
            return role.Tick()

        self.ask(contest, 0, work)

    def history(self, contest: Contest, ticket: str) -> None:
        elector = contest.elector

        def work() -> Any:
            try:
                self.reply(ticket, {"ok": True, "terms": history.read(elector.history())})
            except ElectionError as error:
                self.reply(ticket, {"ok": False, "exit": 1, "text": str(error)})
            return role.Tick()

        self.ask(contest, 0, work)


def fitting(items: List[Any], most: int) -> List[Any]:
    """As many of the first items as are `most` characters of JSON together."""
    for number, item in enumerate(items):
        most -= len(json.dumps(item)) + 2
        if most < 0:
            return items[:number]
    return items


def foreign_kind(name: str, state: role.State) -> str:
    """The kind of an election's trouble where its text has the name of another's znode, of which each may be new; else ""."""
    lasting = state.lasting and state.trouble == role.lasting_trouble(state.lasting)
    return f"candidate {name}" if lasting or state.twin_since is not None else ""


def _shown(ack: bytes) -> str:
    """What an ack holds, cut where it is longer than any address, and so than this node's own."""
    head = ack[:untrusted.LONGEST_ADDRESS].decode("utf-8", "replace")
    return head if len(ack) <= untrusted.LONGEST_ADDRESS else head + "…"


def longest_stop(programs: Iterable[Dict[str, Any]]) -> float:
    """The longest stopwaitsecs of some programs, items of supervisord's getAllConfigInfo.

    Of a group that runs, supervisord may have dropped the programs since.
    """
    return max((float(one.get("stopwaitsecs", 0)) for one in programs), default=STOPWAITSECS)


def main(path: str) -> int:
    """Run the listener with the configuration file `path`; returns the exit status: 0, or 2 for bad configuration."""
    reserve.begin()
    logs.begin()
    # kazoo tells each reconnect; the listener says it once.
    logging.getLogger("supervisor_zkelect.kazoo").propagate = False
    trouble: Optional[kept_config.Trouble] = None
    try:
        settings = load.from_file(path)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        try:
            settings, trouble = last_good(path, error.problems)
        except kept_config.NoCopy:
            return 2
        log.error("%s: %s", path, trouble)
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
    one = Listener(settings, host, trouble)
    try:
        status = one.run(sys.stdin.buffer, protocol)
    except Exception:
        one.abandon()
        # supervisord starts another listener; the guard keeps the leases meanwhile.
        log.exception("a defect; this listener ends")
        status = 1
    logs.end(status)
