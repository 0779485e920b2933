"""The elections of a listener, on the deciding thread: the state of each role machine, and what is known of its term and queue.

`actions.py` carries out the machine's actions; `election_worker.py` waits for ZooKeeper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Iterable, Optional, Tuple

from supervisor_zkelect.config.settings import ElectionSettings
from supervisor_zkelect.core import messages, nodes, role, roles, tally, timeline
from supervisor_zkelect.core.state import Rules, State, lasting_trouble, lease_of, next_wakeup
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.guard.protocol import Grant
from supervisor_zkelect.listener import election_worker, events, order_worker, telling
from supervisor_zkelect.listener.delivery import STEP_PACE
from supervisor_zkelect.listener.entry import SETTLED, EntryWriter
from supervisor_zkelect.listener.group_control import LEARN, GroupControl
from supervisor_zkelect.listener.hooks import Hooks
from supervisor_zkelect.listener.paced_log import REPEAT
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.workers import PACE, EventExecutor

#: Seconds between two looks at ack and holder while others change them.
SEE_PACE = 0.2


@dataclass(frozen=True)
class Ports:
    """What all candidacies of a listener are given.

    actions: type of an action of the role machine -> who does it. connected: whether there is a connection to ZooKeeper.
    elector: makes the elector of an election in the present session. entry: what this node says of itself
    in one. schedule: told of each moment at which a candidacy is to
    be looked after.
    """

    means: Means
    actions: events.Actions
    connected: Callable[[], bool]
    elector: Callable[[ElectionSettings], Elector]
    entry: Callable[[Candidacy], nodes.NodeEntry]
    schedule: Callable[[float], None]


@dataclass
class TermView:
    """Questions for ack and holder. asked_at: when the last was sent. due: when the next is. asking, asking_since: an answer is
    on its way, and since when. again: another question follows it."""

    asked_at: float = -math.inf
    due: float = math.inf
    asking: bool = False
    asking_since: float = math.inf
    again: bool = False


@dataclass
class QueueView:
    """Questions for the queue. asking: an answer is on its way. foreign: what is foreign in it. due: when to look next."""

    asking: bool = False
    foreign: str = ""
    due: float = math.inf


@dataclass
class ControlView:
    """Questions for what operators have ordered. asking, again: as `TermView` has them. due: when to ask again. stamp: of the
    control that was read last."""

    asking: bool = False
    again: bool = False
    due: float = math.inf
    stamp: Tuple[int, ...] = ()


@dataclass
class Facts:
    """ZooKeeper's last word on an election. at, place_at: when it was asked for what is known of ack and holder, and of the
    queue; seconds of CLOCK_BOOTTIME, None for never. ahead: id of the session that stood directly before, 0 for
    none. gone: whether the session of who is primary by the ack is over, and no pause stands."""

    ack: str = ""
    primary_node: str = ""
    at: Optional[float] = None
    place: Optional[int] = None
    candidates: Optional[int] = None
    place_at: Optional[float] = None
    ahead: int = 0
    gone: bool = False

    def lead(self, ack: str, node: str, at: float, gone: bool = False) -> None:
        """That one is primary, by ack and holder; nobody where ack is ""."""
        self.ack, self.primary_node, self.at, self.gone = ack, node, at, gone

    def leave_queue(self) -> None:
        """Forget the place: there is another proposal, or none, from now on."""
        self.place = self.candidates = self.place_at = None

    def stand(self, place: Optional[int], candidates: Optional[int], at: float) -> None:
        if place is not None:
            self.place, self.candidates, self.place_at = place, candidates, at


class Candidacy(Part):
    """One election: the state of its role machine, and what is known of its term, its queue and its group."""

    def __init__(
        self, settings: ElectionSettings, rules: Rules, ports: Ports, group: GroupControl, check: Any
    ) -> None:
        """rules: what the role machine needs to know. check: the health check, None where supervisord's word is enough."""
        super().__init__(ports.means)
        self.settings = settings
        self.rules = rules
        self.state = State()
        self.tick_at = math.inf  # when the role machine is due a Tick
        self.group = group
        self.check = check
        #: whether this node is fit to lead; None where that is not asked
        self.fit = settings.fit_check()
        self.elector = ports.elector(settings)
        self.timeline = timeline.TermTimeline(self._host.settings.node_name, settings.address)
        self.tally = tally.Tally()  # for whoever watches from outside
        self.facts = Facts()
        self.term, self.queue = TermView(), QueueView()
        self.control = ControlView()
        self.hooks = Hooks(ports.means, settings.name, settings.fence)
        self.entry = EntryWriter(ports.means, ports.connected, lambda: ports.entry(self))
        #: whether the history of terms is being written, and when it may be tried again
        self.writing = False
        self._write_at = -math.inf
        self._ports = ports
        self._work = EventExecutor(self._host.serial(), self._post)  # where it waits for ZooKeeper

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def leads(self) -> bool:
        return self.state.role in (roles.PROMOTING, roles.PRIMARY)

    def killed_at(self) -> float:
        """When the group must be killed: by an order, or because the lease ends."""
        if not self.state.may_run:
            return self.group.kill_at
        return min(self.group.kill_at, lease_of(self.rules, self.state).kills_at)

    def grant(self) -> Grant:
        """The term under which the group runs, as the guard is told of it."""
        state = self.state
        token = state.token if state.inherited is None else state.inherited
        return Grant(self.name, self.settings.address, token or 0, lease_of(self.rules, state), state.acked)

    def tell_ack(self) -> None:
        """Tell the guard whether the ack is written, for who answers load balancers by its record."""
        self.group.tell_ack(self.state.token or 0, self.state.acked)

    # Deciding

    def begin(self, state: State, actions: Iterable[messages.Action]) -> None:
        self.state = state
        self.schedule_tick()
        self._act(actions)

    def decide(self, event: messages.Event) -> None:
        """Give the event to the role machine, and carry out its actions."""
        before, now = self.state, self._host.now()
        self.state, actions = role.step(self.rules, before, event, now)
        self.schedule_tick()
        self.tally.moved(self.rules, before, self.state, event, actions, now)
        self.timeline.moved(before, self.state, event, self._host.wall())
        self._tell_of(before, now)
        if self.state.acked != before.acked and self.state.enforced:
            # Before a restart has the ack emptied, and at once behind the ack. A stop revokes, which needs no word on it.
            self.tell_ack()
        self.entry.note(before, self.state, actions)
        if isinstance(event, messages.QueueChanged) and self.facts.ahead and event.reason.endswith(" deleted"):
            self.entry.vanished(self.facts.ahead)
            self.facts.ahead = 0
        if self.state.proposal is None and before.proposal is not None:
            # It is looked at from within the queue only.
            self.queue.foreign = ""
        if self.state.proposal != before.proposal:
            self.facts.leave_queue()
        if isinstance(event, messages.Queried):
            self.facts.ahead = event.ahead
        if isinstance(event, messages.Queried) and self.state.proposal is not None:
            self.facts.stand(event.place, event.candidates, now)
        if before.inherited is not None and self.state.inherited is None and self.state.may_run:
            # Which of its processes run, so that one that is stopped by hand is told from one that fails.
            self.group.look(LEARN)
        self._act(actions)
        self.write_history()

    def _tell_of(self, before: State, now: float) -> None:
        """Report and log the changes since the state `before`, and schedule the reads that the new state needs."""
        state = self.state
        if (state.role, state.step) != (before.role, before.step):
            # On the way to them supervisord has groups to start and stop, which wait for each report that it takes. But
            # nobody is to read for longer than it takes that a node is primary which is not.
            at_once = (state.role, state.step) in SETTLED or before.role == roles.PRIMARY
            self._delivery.within(0.0 if at_once else STEP_PACE)
            self.write_entry_soon()
            if state.role == roles.PRIMARY:
                self.schedule_read(now)
            if state.role == roles.PROMOTING != before.role:
                self._schedule_glance(now)
        if (state.consented, state.checked) != (before.consented, before.checked):
            self._delivery.changed()
            self.write_entry_soon()
        if (state.trouble, state.fit_trouble, state.aside) != (before.trouble, before.fit_trouble, before.aside):
            self._delivery.within(STEP_PACE)
            if (state.trouble, bool(state.fit_trouble), state.aside) != (before.trouble, bool(before.fit_trouble), before.aside):
                self.write_entry_soon()
            else:
                self.entry.schedule_late(now)
                self._ports.schedule(self.entry.due)
            if state.trouble:
                self._log.warn(self.name, state.trouble, foreign_kind(self.name, state))

    def _act(self, actions: Iterable[messages.Action]) -> None:
        for action in actions:
            self._ports.actions[type(action)](self, action)

    def schedule_tick(self) -> None:
        """Schedule the next Tick of the role machine."""
        self.tick_at = next_wakeup(self.rules, self.state)
        self._ports.schedule(self.tick_at)

    def next_wakeup(self) -> float:
        return min(self.tick_at, self.term.due, self.queue.due, self.control.due, self.entry.due)

    def keep_time(self, moment: float, look_pace: float) -> None:
        """look_pace: seconds between two looks at a queue that this node leads."""
        if self.tick_at <= moment:
            self.decide(messages.Tick())
        if self.term.due <= moment:
            self.read_term()
        if self.control.due <= moment:
            self.read_control()
        if self.entry.due <= moment:
            self.entry.write(moment, self.name, self.state, self.elector, self._work)
            self._ports.schedule(self.entry.due)
        if self.queue.due <= moment:
            self._glance_at_queue(look_pace)

    # ZooKeeper

    def ask(self, op: int, work: Callable[..., Optional[messages.Event]], *arguments: Any) -> None:
        """Run `work` with the elector and these arguments on the election's own executor, and post its event, or RequestFailed
        with what went wrong."""
        self._work.submit(partial(election_worker.attempt, self.name, op, partial(work, self.elector, *arguments)))

    def new_session(self) -> None:
        self.elector = self._ports.elector(self.settings)

    def verify(self, token: Optional[int]) -> None:
        """Check that this node still leads: the proposal with this token, by which it does, was changed or deleted."""
        self.ask(0, election_worker.verify, self.name, token, self._post)

    def write_history(self) -> None:
        """Write new entries of the history of terms, which nobody waits for."""
        terms = self.timeline.news()
        if not terms or self.writing or not self._ports.connected() or self._host.now() < self._write_at:
            return
        self.writing = True
        self._work.submit(partial(telling.write_history, self.elector, self.name, terms, self._host.history_copy(self.name)))

    def history_written(self, event: events.HistoryWritten) -> None:
        self.writing = False
        if event.error:
            # Beside what the election itself asks, this must not take ZooKeeper's time.
            self._write_at = self._host.now() + REPEAT
            self._log.warn(self.name, f"cannot write the history of terms: {event.error}", "history")
        else:
            self.timeline.written(event.terms)
            self.write_history()

    # What operators have ordered

    def read_control(self) -> None:
        """Read the control, and watch it. What waits for an answer is asked once more after it, as that may be of before."""
        control = self.control
        control.due = math.inf
        if control.asking:
            control.again = True
            return
        control.asking = True
        host = self._host
        work = partial(order_worker.read_control, self.elector, self.name, host.settings.node_name, self._post, host.life)
        self._work.submit(work, lambda error: events.ControlRead(self.name, None))

    def control_read(self, event: events.ControlRead) -> None:
        control = self.control
        control.asking = False
        if control.again:
            control.again = False
            self.read_control()
        if event.seen is not None:
            control.stamp = event.stamp
            if event.seen.bar and not event.seen.bar_id:
                self._log.warn(self.name, event.seen.bar, f"control {self.name}")
            self.decide(event.seen)
            self.write_entry_soon()
        if (event.seen is None or event.seen.unread) and not control.asking:
            control.due = self._host.now() + PACE
            self._ports.schedule(control.due)

    def entry_written(self, event: events.EntryWritten) -> None:
        self.entry.written(event)
        self._ports.schedule(self.entry.due)

    def write_entry_soon(self) -> None:
        """Have others see what this node says of itself, once it has changed."""
        self.entry.schedule(self._host.now())
        self._ports.schedule(self.entry.due)

    # Ack and holder

    def schedule_read(self, moment: float) -> None:
        """Schedule a read of ack and holder."""
        self.term.due = moment
        self._ports.schedule(moment)

    def read_term(self) -> None:
        """Read ack and holder, and watch them while this node is primary: no other node has to wake at a change."""
        term = self.term
        term.due = math.inf
        if term.asking:
            # Whoever asks while ZooKeeper is silent must not fill the executor with the same question.
            term.again = True
            return
        term.asked_at = term.asking_since = self._host.now()
        term.asking = True
        token = self.state.token if self.state.role == roles.PRIMARY else None
        # Whoever waits for the outcome of a resignation waits for nothing else.
        self.ask(0, election_worker.see_term, self.name, token, self._post, not self.state.resigning)

    def term_changed(self) -> None:
        if self.state.role == roles.PRIMARY:
            self.schedule_read(max(self._host.now(), self.term.asked_at + SEE_PACE))

    def _term_read(self, seen: messages.TermSeen) -> None:
        term = self.term
        term.asking, term.asking_since = False, math.inf
        if not seen.known and self.state.role == roles.PRIMARY:
            self.schedule_read(self._host.now() + PACE)
        if seen.known:
            self.facts.lead(seen.address, seen.leader, term.asked_at, seen.gone)
        if term.again:
            term.again = False
            self.read_term()

    def heard(self, event: messages.Event) -> None:
        """Take a posted event for the role machine."""
        if isinstance(event, messages.TermSeen):
            self._term_read(event)
        elif isinstance(event, messages.Acked):
            self.facts.lead(self.settings.address, self._host.settings.node_name, self._host.now())
        elif isinstance(event, messages.Probed) and self.check and not event.ok:
            why = [f"the program {name} ended: {end}" for name, end in sorted(self.group.ends.items()) if end]
            event = event._replace(reason="; ".join([event.reason, *why]))
        self.decide(event)

    # The queue

    def _schedule_glance(self, moment: float) -> None:
        self.queue.due = moment
        self._ports.schedule(moment)

    def _glance_at_queue(self, pace: float) -> None:
        """Glance whether the queue that this node leads is another, as a candidate of another program may lead by its own rule.
        Without a watch, which each of many candidates that join would wake."""
        self.queue.due = math.inf
        if not self.leads or pace == math.inf:
            return
        self._schedule_glance(self._host.now() + pace)
        if self._ports.connected():
            self.elector.glance_at_queue(lambda: self._post(events.QueueMoved(self.name)))

    def look_at_queue(self) -> None:
        """Read the queue: this node's place in it, and what is foreign in it."""
        self.queue.asking = True
        work = partial(election_worker.look_at_queue, self.elector, self.name, self._host.now)
        self._work.submit(work, lambda error: events.QueueSeen(self.name, "", None))

    def queue_seen(self, event: events.QueueSeen) -> None:
        self.queue.asking = False
        if event.trouble is None:
            return
        if event.proposal == self.state.proposal:
            self.facts.stand(event.place, event.candidates, event.asked)
        self.foreign_seen(event.trouble)
        if event.rival:
            self.decide(messages.Rivalled(f"by another program's rule {event.rival} leads"))

    def foreign_seen(self, trouble: str) -> None:
        if trouble != self.queue.foreign:
            self.queue.foreign = trouble
            self._delivery.changed()
        if trouble:
            # Its text is by those who may name a znode, and as many others as they like.
            self._log.warn(self.name, trouble, f"foreign {self.name}")


def foreign_kind(name: str, state: State) -> str:
    """The kind of an election's trouble where its text has the name of another's znode, of which each may be new; else ""."""
    lasting = state.lasting and state.trouble == lasting_trouble(state.lasting)
    return f"candidate {name}" if lasting or state.duplicate_since is not None else ""
