"""One node's role machine, played against small models of its guard, its group, and of ZooKeeper (`played_zookeeper.py`).

Everything happens in the model's own time, by an agenda.
"""

import heapq
import random
from itertools import count
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from supervisor_zkelect.core import control as words
from supervisor_zkelect.core import messages as m
from supervisor_zkelect.core import pause_messages as p
from supervisor_zkelect.core import role
from supervisor_zkelect.core.roles import DEMOTING, PRIMARY
from supervisor_zkelect.core.state import INFINITY, Rules, State, next_wakeup
from tests.unit.core.played_zookeeper import NODE, OtherNode, Requests, ZooKeeper

#: Seconds between two heartbeats, between two looks of the other node, and until a look at the control that failed is repeated.
BEAT, LOOK, REREAD = 1.0, 0.5, 1.0

#: Requests that a node at rest makes now and then.
AT_REST = (m.LookBehind, m.LookAhead)

#: Ticks at one moment of the model, after which the node is taken to be busy for ever.
BUSY = 50


class Broken(AssertionError):
    """The role machine did what it never may; the message says what."""


class Chances:
    """What the faults are just now.

    loss: of which part of the requests the answer is lost. slow: how long a request takes. lag: how long the node's server takes
    to hear of a change. sick: how often a health check fails. fences: whether the fence succeeds. fit: whether the node is.
    """

    def __init__(self) -> None:
        self.heal()

    def heal(self) -> None:
        self.loss, self.sick = 0.0, 0.0
        self.slow: Tuple[float, ...] = (0.02, 0.1)
        self.lag: Tuple[float, ...] = (0.01, 0.05)
        self.fences = self.fit = True


class Guard:
    """What enforces the lease of the group. alive: the group may have processes."""

    def __init__(self) -> None:
        self.granted = self.alive = False
        self.token, self.deadline, self.paused_until = 0, -INFINITY, -INFINITY

    def grant(self, state: State) -> None:
        self.granted = self.alive = True
        self.token, self.deadline, self.paused_until = state.token or 0, state.deadline, state.paused_until

    def extend(self, token: int, deadline: float, paused_until: float) -> None:
        """A pause that begins or ends counts as it is told; a lease only becomes longer, but for one that a pause outlives."""
        if self.alive and self.token == token:
            self.paused_until = paused_until
            if deadline > self.deadline or paused_until > -INFINITY:
                self.deadline = deadline

    def holds(self, now: float) -> bool:
        return self.granted and now < max(self.deadline, self.paused_until)

    def end(self) -> None:
        self.granted = self.alive = False
        self.deadline = self.paused_until = -INFINITY


class Played:
    """The node, in one play. `log` tells what happened, `now` is the moment. timeout: the session's."""

    def __init__(self, seed: int, rules: Rules, fences: bool, timeout: float) -> None:
        self.random, self.rules, self.timeout = random.Random(seed), rules, timeout
        self.now, self.log = 100.0, [f"seed {seed}"]
        self.chances = Chances()
        self.zk = ZooKeeper(self._changed)
        self.requests, self.other, self.guard = Requests(self.zk, fences, timeout - 0.1), OtherNode(self.zk), Guard()
        self.agenda: List[Tuple[float, int, int, Callable[[], None]]] = []
        self.waiting_operators: Dict[str, float] = {}
        self._numbers, self._generation, self._sessions = count(1), 0, count(2)
        self.up = self.ended = False
        self.asked: List[Tuple[float, str]] = []
        self._ticks = 0, 0.0
        self._known = 0
        self.begin_listener()
        self._later(LOOK, self._other_looks, lasting=True)

    def told(self, *words: Any) -> None:
        self.log.append(f"{self.now:9.2f} {' '.join(map(str, words))}")

    # Time

    def _later(self, seconds: float, call: Callable[[], None], lasting: bool = False) -> None:
        """lasting: it happens also where the listener has begun anew since."""
        generation = -1 if lasting else self._generation
        heapq.heappush(self.agenda, (self.now + seconds, next(self._numbers), generation, call))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            due = next_wakeup(self.rules, self.state)
            if min(due, self.agenda[0][0]) > until:
                self.now = until
                return
            if self.agenda[0][0] <= due:
                moment, _, generation, call = heapq.heappop(self.agenda)
                self.now = max(self.now, moment)
                if generation in (-1, self._generation):
                    call()
            else:
                self.now = max(self.now, due)
                self._tick()

    def _tick(self) -> None:
        ticks, moment = self._ticks
        self._ticks = (ticks + 1 if moment == self.now else 1), self.now
        if self._ticks[0] > BUSY:
            raise Broken("it asks for one turn after the other")
        self.decide(m.Tick())

    # The role machine

    def begin_listener(self) -> None:
        """A listener begins, and goes on in the term of the one before where a group runs."""
        self._generation += 1
        self._queued: List[Any] = []
        self._reading = self._reread = False
        self.renewing = self.closing = False
        self.watched: Optional[Tuple[int, Tuple[int, bool]]] = None
        self.up, self._first = False, True
        self._refused: Set[str] = set()
        # Whoever waited for the former one hears that it has ended.
        self.waiting_operators.clear()
        number = self._generation << 24
        if self.guard.granted:
            self.state, actions = role.inherit(self.now, self.guard.token, self.guard.deadline, number, self.guard.paused_until)
        else:
            self.state, actions = role.begin(self.now, number)
        self.told("a listener begins:", "inherits" if self.guard.granted else "anew")
        self._do(actions)
        self._later(BEAT, self._beat)

    def decide(self, event: m.Event) -> None:
        before = self.state
        self.state, actions = role.step(self.rules, before, event, self.now)
        if not isinstance(event, (m.Tick, m.Leased, m.Probed, m.TermSeen)):
            self.told("->", event)
        if (before.role, before.step, before.pausing) != (self.state.role, self.state.step, self.state.pausing):
            self.told("  ", self.state.role, self.state.step, self.state.pausing or "")
        self._do(actions)
        self.closing = self.state.ending
        if self.closing and self.up and self.state.settled:
            self.told("closes its session")
            self.lose_session()
            self.decide(m.SessionLost("closed"))

    def _do(self, actions: List[m.Action]) -> None:
        for action in actions:
            if not isinstance(action, (m.Log, m.Probe, m.SeeTerm)):
                self.told("<-", action)
            if isinstance(action, m.SeeTerm) and action in [one[0] for one in self._queued]:
                # One that is under way is enough.
                continue
            done = getattr(self, f"_{type(action).__name__.lower()}", None)
            if done is not None:
                done(action)
            else:
                self._ask(action)

    def _log(self, action: m.Log) -> None:
        """It is for people."""

    def _quit(self, action: m.Quit) -> None:
        raise Broken(f"it quits: {action.text}")

    def _begin(self, action: m.Begin) -> None:
        if action.kind == words.RESTART and action.order in self._refused:
            raise Broken("a restart is to be begun that was told as refused")
        self._ask(action)

    def _telloutcome(self, action: m.TellOutcome) -> None:
        self._refused |= set() if action.ok else {action.order}
        self._ask(action)

    def _answeroperator(self, action: m.AnswerOperator) -> None:
        self.waiting_operators.pop(action.ticket, None)

    def _endsession(self, action: m.EndSession) -> None:
        """What the state says counts."""

    # Group and guard

    def _ensuredead(self, action: Any) -> None:
        self.guard.granted = False
        self._later(self.random.choice((0.1, 0.5)), lambda: self._dead(action.op))

    _killgroup = _stopgroup = _ensuredead

    def _dead(self, op: int) -> None:
        self.guard.end()
        self.decide(m.Dead(op, 0.1))

    def _startgroup(self, action: m.StartGroup) -> None:
        self.guard.grant(self.state)
        failed = self.random.random() < self.chances.sick
        answer = m.StartFailed(action.op, "no") if failed else m.ServiceStarted(action.op)
        self._later(self.random.choice((0.1, 1.0)), lambda: self.decide(answer))

    def _probe(self, action: m.Probe) -> None:
        ok = self.random.random() >= self.chances.sick
        self._later(0.05, lambda: self.decide(m.Probed(action.op, ok, "ill")))

    def _askfit(self, action: m.AskFit) -> None:
        self._later(0.05, lambda: self.decide(m.FitSeen(action.op, self.chances.fit, "unfit")))

    def _fence(self, action: m.Fence) -> None:
        self._later(0.1, lambda: self.decide(m.Fenced(action.op, self.chances.fences, "the fence")))

    def _keeplease(self, action: m.KeepLease) -> None:
        self.renewing = True

    def _droplease(self, action: m.DropLease) -> None:
        self.renewing = False

    def _tellpause(self, action: p.TellPause) -> None:
        self._extend(echo=True)

    def _extend(self, echo: bool = False) -> None:
        """Tell the guard of the lease. echo: its answer is waited for."""
        state = self.state
        told = state.may_run and state.renewed and state.inherited is None
        lease = (state.token or 0, state.deadline, state.paused_until) if told else None

        def heard() -> None:
            if lease is not None:
                self.guard.extend(*lease)
            if echo:
                sure = self.random.random() >= self.chances.loss / 2
                self.decide(p.PauseEchoed(self.guard.granted and self.now < self.guard.paused_until, sure))

        self._later(self.random.choice((0.01, 0.05, 0.5)) if echo else 0.01, heard)

    def _beat(self) -> None:
        """A heartbeat is answered, or not; and the guard ends what no lease covers any more."""
        self._later(BEAT, self._beat)
        if self.guard.granted and self.now > self.guard.deadline and not self.guard.holds(self.now):
            self.guard.granted = False
            self.decide(m.GrantRevoked("the lease has ended"))
        if self.usable and self.state.proposal is not None and not self.zk.proposal(self.requests.session):
            self.decide(m.ProposalLost("its proposal was deleted"))
        elif self.usable and self.renewing:
            if self.state.role == PRIMARY and self.zk.acked != self.state.token:
                # It watches its ack.
                self._do([m.SeeTerm()])
            self.decide(m.Leased(self.now - 0.01, self.now - 0.01 + self.requests.lease))
            self._extend()

    # Requests to ZooKeeper

    @property
    def usable(self) -> bool:
        return self.up and self.requests.session in self.zk.sessions

    def _ask(self, action: m.Action) -> None:
        self.asked.append((self.now, type(action).__name__))
        self._request(action)

    def _request(self, action: Any) -> None:
        """They are done one after the other."""
        self._queued.append((action, self.state.held(self.now), self.state.inherited is not None))
        if len(self._queued) == 1:
            self._later(self.random.choice(self.chances.slow), self._work)

    def _work(self) -> None:
        answers = self._answered(*self._queued[0])
        self._queued.pop(0)
        if self._queued:
            self._later(self.random.choice(self.chances.slow), self._work)
        for answer in answers:
            self.decide(answer)
        self._nothing_is_lost()

    def _nothing_is_lost(self) -> None:
        """What the node waits for is under way. Of a term that stops nothing is waited for but its end."""
        asked = [one[0].op for one in self._queued if hasattr(one[0], "op")]
        for one in (self.state.beginning, self.state.pausing):
            if self.state.role != DEMOTING and one is not None and one.op and one.op not in asked:
                raise Broken(f"it waits for an answer that has come, or never comes: {one}")

    def _answered(self, action: Any, held: bool, adopting: bool) -> List[Any]:
        lost, done = self.random.random() < self.chances.loss, self.random.random() < 0.5
        if action == "control":
            return self._control_read(self.usable and not lost)
        if not self.usable or lost and not done:
            return self.requests.failed(action)
        answers = self.requests.do(action, held, adopting, self.now, self._watch)
        return self.requests.failed(action) if lost else answers

    def finish_request(self) -> None:
        """What the node has just asked for is done, and nobody hears of it."""
        if self._queued and self._queued[0][0] != "control" and self.usable:
            self.told("done all the same:", self._queued[0][0])
            self.requests.do(*self._queued[0], self.now, self._watch)

    def read_control(self) -> None:
        if self._reading:
            self._reread = True
            return
        self._reading = True
        self._request("control")

    def _control_read(self, ok: bool) -> List[m.Event]:
        self._reading = False
        if self._reread:
            self._reread = False
            self.read_control()
        elif not ok:
            self._later(REREAD, self.read_control)
        return [self.zk.seen(self.zk.history[self._known])] if ok else []

    def _watch(self, op: int, ahead: Tuple[int, bool]) -> None:
        self.watched = op, ahead

    def _changed(self, what: str) -> None:
        """ZooKeeper holds something else; this node's server hears of it later."""
        lag = self.random.choice(self.chances.lag)
        if what == "queue":
            self._later(0.03, self._queue_changed)
        else:
            version = len(self.zk.history) - 1
            self._later(lag, lambda: self._control_changed(version), lasting=True)

    def _control_changed(self, version: int) -> None:
        self._known = max(self._known, version)
        if self.up:
            self.read_control()

    def _queue_changed(self) -> None:
        if self.watched is not None and self.watched[1] not in self.zk.line() and self.up:
            op, self.watched = self.watched[0], None
            self.decide(m.QueueChanged(op, "deleted"))

    def _other_looks(self) -> None:
        self._later(LOOK, self._other_looks, lasting=True)
        self.other.look(self.now)

    # The session

    def connect(self) -> None:
        """Connect, by another session where the former one is over."""
        if self.up:
            return
        fresh, inherited = self._first, self.state.inherited is not None
        if self.requests.session not in self.zk.sessions:
            self.requests.session, fresh = next(self._sessions), True
            self.zk.sessions.add(self.requests.session)
            if not self._first or inherited:
                self.decide(m.SessionLost("the session is over"))
        self._first = False
        self.up = True
        self.decide(m.SessionUp(fresh, 1.0, 2 * self.timeout, self.timeout, 0.5))
        self.read_control()
        self._later(0.03, self._queue_changed)

    def disconnect(self) -> None:
        if self.up:
            self.up = False
            self.decide(m.SessionDown())

    def lose_session(self) -> None:
        self.zk.end_session(self.requests.session)
        self.disconnect()

    def forget_session(self) -> None:
        """A listener begins that knows no session of the one before, which is over after its timeout."""
        former = self.requests.session
        self._later(self.timeout, lambda: self.zk.end_session(former), lasting=True)
        self.requests.session = next(self._sessions)
        self.zk.sessions.add(self.requests.session)
        inherits = self.guard.granted and self.now < self.guard.paused_until
        self.guard.granted = inherits
        self.begin_listener()
        if inherits:
            self.decide(m.SessionLost("no session is known"))

    def begin_life(self) -> None:
        """supervisord begins anew, and nothing of the group is left."""
        self.zk.former |= self.zk.own
        self.guard.end()
        self.zk.end_session(self.requests.session)
        self.begin_listener()


def rules_of(chance: random.Random, fit: bool) -> Rules:
    """Settings of a node. fit: it has a check whether it is fit to lead."""
    return Rules(
        name="orders", node=NODE, address="a:1", kill_time=0.3, stopwaitsecs=3.0, rise=1, fall=2, health_interval=2.0,
        promote_timeout=15.0, backoff_min=1.0, backoff_max=4.0, told=chance.random() < 0.7, fit=fit, fit_interval=2.0,
    )
