"""What would happen if something failed: the role machines of an election's nodes in virtual time. Pure.

Each node is played by the machine that decides in its listener (`role.step`), with the options that are in force there; its
lease comes from `lease.py`. All begin anew, in the order of the queue, and are brought to where the cluster stands; then the
fault happens, right after a heartbeat or a probe, so that everything takes as long as it can. What stands around them does what
it should: ZooKeeper answers at once, programs take the time that they took in the last terms. A fence command takes none.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import replace
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core import lease, messages, pause_messages, role, roles
from supervisor_zkelect.core.figures import FAULTS, HOST, NETWORK, SERVICE, SUPERVISORD, ZOOKEEPER, Figures
from supervisor_zkelect.core.history import Pace
from supervisor_zkelect.core.state import Rules, State, next_wakeup

MOST = 12
"""Nodes that play; who stands further behind in the queue changes nothing."""

LONGEST = 600.0
"""Seconds after the fault that are played."""

ANSWER = 0.002
"""Seconds that ZooKeeper takes to answer."""

#: Steps of a rehearsal that are told, and events that are played, at most.
_MOST_STEPS, _MOST_EVENTS = 200, 50_000


class PlayedNode(NamedTuple):
    """A node that plays. bar: why it may not lead, as an operator has ordered; "" where it may. failed: why its last promotion
    failed, or "". pace: how long each step took here."""

    name: str
    address: str
    figures: Figures
    pace: Pace
    bar: str = ""
    failed: str = ""


class Step(NamedTuple):
    """at: seconds after the fault. node: "" for ZooKeeper. role, step: that the node enters; both "" where something else
    happens. why: why it does, or what happens; may be ""."""

    at: float
    node: str
    role: str
    step: str
    why: str


class Played(NamedTuple):
    """leader: who is primary in the end, "" for nobody within LONGEST. after: seconds from the fault to its ack; None where
    nobody is primary, or where the primary remains so. silent: for how many of them the service is not there. stopped: seconds
    until the former primary's group is dead; None where it goes on, or nobody is there to tell."""

    fault: str
    victim: str
    steps: Tuple[Step, ...]
    leader: str
    after: Optional[float]
    silent: Optional[float]
    stopped: Optional[float]


class _Player:
    """One node: its machine, and what it has of session, group and links."""

    def __init__(self, part: PlayedNode, number: int) -> None:
        figures = part.figures
        self.part, self.figures = part, figures
        self.rules = Rules(
            name="", address=part.address, kill_time=figures.kill_time, stopwaitsecs=figures.stopwaitsecs, rise=int(figures.rise),
            fall=int(figures.fall), health_interval=figures.health_interval, promote_timeout=figures.promote_timeout,
            backoff_min=figures.backoff_min, backoff_max=max(figures.backoff_min, figures.backoff_max), node=part.name,
            told=bool(figures.told),
        )
        self.state: State = State()
        self.clock = lease.SessionClock(figures.timeout, figures.tick, 0.0)
        self.alive, self.linked, self.sick, self.holds = True, True, False, False
        self.watching: Optional[int] = None
        self.healthy_from, self.acks = math.inf, 0
        self.beat_at = self.probed_at = -math.inf
        self.number = number


class Stage:
    """A ZooKeeper, the nodes on it, and the time."""

    def __init__(self, parts: Sequence[PlayedNode]) -> None:
        self.now = 0.0
        self.players = [_Player(part, number) for number, part in enumerate(parts[:MOST])]
        self._queue: List[_Player] = []
        self._holder: Optional[_Player] = None
        self.acked: Optional[_Player] = None
        self._acks, self._tokens = 0, itertools.count(1)
        self._agenda: List[Tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._fault_at: Optional[float] = None
        self.dead_at: Dict[str, float] = {}
        self.steps: List[Step] = []
        for player in self.players:
            self._at(0.01 * player.number, lambda player=player: self._begin(player))  # type: ignore[misc]

    # Time

    def _at(self, moment: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (moment, next(self._numbers), what))

    def run(self, until: float, over: Callable[[], bool] = lambda: False) -> None:
        """Let things happen until a moment, or until it is over."""
        for _ in range(_MOST_EVENTS):
            if over() or not self._agenda or self._agenda[0][0] > until:
                break
            self.now, _, what = heapq.heappop(self._agenda)
            what()
        else:
            return
        self.now = self.now if over() else max(self.now, until)

    # The nodes

    def _begin(self, player: _Player) -> None:
        figures = player.figures
        player.state, actions = role.begin(self.now)
        self._do(player, actions)
        margin = lease.start_margin(figures.timeout, figures.tick, figures.interval, figures.ride_through)
        wait_out = lease.leftover_time(figures.timeout, figures.timeout, figures.tick)
        self.hear(player, messages.SessionUp(True, figures.grace, wait_out, figures.timeout, margin))
        # A failed promotion counts from the moment at which its node stands behind others.
        self.hear(player, messages.ControlSeen(bar=player.part.bar, bar_id="order" if player.part.bar else ""))
        self._beat(player)

    def hear(self, player: _Player, event: messages.Event) -> None:
        """Give the event to a node's machine, and carry out its actions."""
        if not player.alive:
            return
        before = player.state
        player.state, actions = role.step(player.rules, before, event, self.now)
        self._tell(player, before)
        self._do(player, actions)
        moment = next_wakeup(player.rules, player.state)
        if moment < math.inf:
            self._at(max(moment, self.now), lambda: self._tick(player))

    def _tick(self, player: _Player) -> None:
        if next_wakeup(player.rules, player.state) <= self.now:
            self.hear(player, messages.Tick())

    def _tell(self, player: _Player, before: State) -> None:
        after = player.state
        if (before.role, before.step) != (after.role, after.step):
            why = after.reason if before.role != after.role else ""
            self.note(player.part.name, after.role, after.step, why)

    def note(self, node: str, role: str = "", step: str = "", why: str = "") -> None:
        if self._fault_at is not None and len(self.steps) < _MOST_STEPS:
            self.steps.append(Step(self.now - self._fault_at, node, role, step, why))

    def _do(self, player: _Player, actions: Sequence[Any]) -> None:
        for action in actions:
            _ACTIONS[type(action)](self, player, action)

    # What they ask for. Whoever is cut off gets no answer.

    def _ask(self, player: _Player, seconds: float, answered: Callable[[], None]) -> None:
        if player.linked:
            self._at(self.now + seconds, lambda: answered() if player.linked and player.alive else None)

    def _beat(self, player: _Player) -> None:
        figures, sent = player.figures, self.now
        if not player.alive:
            return

        def answered() -> None:
            player.clock = player.clock.answered(sent, self.now)
            player.beat_at = self.now
            if player.holds and player in self._queue:
                self.hear(player, messages.Leased(sent, player.clock.deadline(sent)))

        self._ask(player, ANSWER, answered)
        pace = figures.interval if player.holds else lease.waiting_interval(figures.interval, figures.ride_through)
        self._at(self.now + pace, lambda: self._beat(player))

    def _propose(self, player: _Player, action: Any) -> None:
        def answered() -> None:
            if player in self._queue:
                self._leave(player)
            self._queue.append(player)
            player.acks, player.watching = self._acks, None
            self.hear(player, messages.Proposed(action.op, f"proposal {player.number}", next(self._tokens)))

        self._ask(player, ANSWER, answered)

    def _query(self, player: _Player, action: Any) -> None:
        def answered() -> None:
            if player not in self._queue:
                self.hear(player, messages.ProposalLost("the proposal is gone"))
                return
            place = self._queue.index(player) + 1
            player.watching = action.op if place > 1 else None
            self.hear(player, messages.Queried(action.op, place == 1, place, len(self._queue), self._acks > player.acks))

        self._ask(player, ANSWER, answered)

    def _leave(self, player: _Player) -> None:
        """The proposal goes, and whoever stands next behind it is told."""
        if player not in self._queue:
            return
        place = self._queue.index(player)
        self._queue.remove(player)
        for behind in self._queue[place:place + 1]:
            if behind.watching is not None:
                number, behind.watching = behind.watching, None
                self._tell_later(behind, messages.QueueChanged(number, "the proposal ahead is gone"))

    def _tell_later(self, player: _Player, event: messages.Event) -> None:
        self._ask(player, 0.0, lambda: self.hear(player, event))

    def _claim(self, player: _Player, action: Any) -> None:
        sent = self.now

        def answered() -> None:
            former, token = self._holder, 1
            dirty = former.part.name if former is not None and former is not player else ""
            if dirty and player.figures.fences and action.fenced is None:
                self.acked = None
                self.hear(player, messages.Dirty(action.op, dirty, "", token))
                return
            self._holder, self.acked = player, None
            player.clock = player.clock.answered(sent, self.now)
            held = messages.Leased(sent, player.clock.deadline(sent))
            self.hear(player, messages.Claimed(action.op, dirty, held))

        self._ask(player, max(ANSWER, player.part.pace.claimed), answered)

    def _keep_lease(self, player: _Player, action: Any) -> None:
        player.holds = True

    def _drop_lease(self, player: _Player, action: Any) -> None:
        player.holds = False

    def _fence(self, player: _Player, action: Any) -> None:
        self._at(self.now, lambda: self.hear(player, messages.Fenced(action.op, True, "")))

    def _start(self, player: _Player, action: Any) -> None:
        def started() -> None:
            player.healthy_from = self.now + player.part.pace.healthy
            self.hear(player, messages.ServiceStarted(action.op))
            if player.rules.told:
                self._at(player.healthy_from, lambda: self.hear(player, messages.MemberRuns()))

        self._at(self.now + player.part.pace.started, started)

    def _end_group(self, player: _Player, action: Any) -> None:
        killed = not isinstance(action, messages.StopGroup)
        takes = 0.0 if player.healthy_from == math.inf else player.part.pace.dead
        takes = min(takes, player.figures.kill_time if killed else max(0.0, action.kill_at - self.now))
        player.healthy_from = math.inf

        def dead() -> None:
            if self._fault_at is not None:
                self.dead_at.setdefault(player.part.name, self.now - self._fault_at)
            self.hear(player, messages.Dead(action.op, takes))

        self._at(self.now + takes, dead)

    def _probe(self, player: _Player, action: Any) -> None:
        def probed() -> None:
            well = not player.sick and self.now >= player.healthy_from
            player.probed_at = self.now
            why = "" if well else "the service is sick" if player.sick else "starting"
            self.hear(player, messages.Probed(action.op, well, why))

        self._at(self.now + ANSWER, probed)

    def _ack(self, player: _Player, action: Any) -> None:
        def answered() -> None:
            self.acked = player
            self._acks += 1
            self.hear(player, messages.Acked(action.op))

        self._ask(player, ANSWER, answered)

    def _release(self, player: _Player, action: Any) -> None:
        def answered() -> None:
            if self._holder is player and not getattr(action, "dirty", False):
                self._holder = None
            if self.acked is player:
                self.acked = None
            self._leave(player)
            self.hear(player, messages.Released(action.op))

        self._ask(player, max(ANSWER, player.part.pace.released), answered)

    def expire(self, player: _Player) -> None:
        """The session of a node that nobody hears any more is over."""
        if player in self._queue:
            self.note("", why=f"the session of {player.part.name} expires")
            self._leave(player)

    def _end_session(self, player: _Player, action: Any) -> None:
        self.expire(player)
        self._tell_later(player, messages.SessionLost("closed"))

    def _count(self, player: _Player, action: Any) -> None:
        self._ask(player, ANSWER, lambda: self.hear(
            player, messages.OthersCounted(action.op, sum(one is not player for one in self._queue))
        ))

    def _see(self, player: _Player, action: Any) -> None:
        holder, acked = self._holder, self.acked
        seen = messages.TermSeen(holder.part.name if holder else "", acked.part.address if acked else "")
        self._ask(player, ANSWER, lambda: self.hear(player, seen))

    def _behind(self, player: _Player, action: Any) -> None:
        # They stand in the order in which priorities let them lead.
        self._ask(player, ANSWER, lambda: self.hear(player, messages.BehindSeen(action.op)))

    def _refuse(self, player: _Player, action: Any) -> None:
        self._ask(player, ANSWER, lambda: self.hear(player, messages.OrderNotBegun(action.op, "this is a rehearsal", False)))

    def _quit(self, player: _Player, action: Any) -> None:
        player.alive = False

    def _nothing(self, player: _Player, action: Any) -> None:
        """What it changes is not played."""

    # Faults

    def fail(self, fault: str, victim: _Player) -> None:
        """The fault happens now."""
        self._fault_at, self.steps, self.dead_at = self.now, [], {}
        if fault == SERVICE:
            victim.sick = True
            if victim.rules.told:
                self.hear(victim, messages.MemberFatal("of the group", "it does not stay up"))
        elif fault == SUPERVISORD:
            self.note(victim.part.name, why="supervisord is gone; the guard kills the group")
            self.hear(victim, messages.Shutdown("supervisord is gone", self.now))
        elif fault == HOST:
            self.note(victim.part.name, why="the host is gone, and the service with it")
            victim.alive = victim.linked = False
            self._forget(victim)
        elif fault == NETWORK:
            self.note(victim.part.name, why="is cut off from ZooKeeper")
            self._cut(victim)
            self._forget(victim)
        else:
            self.note("", why="no server of ZooKeeper answers")
            for player in self.players:
                self._cut(player)

    def _cut(self, player: _Player) -> None:
        player.linked = False
        self.hear(player, messages.SessionDown())

    def _forget(self, player: _Player) -> None:
        by = self.now + lease.expired_within(player.figures.timeout, player.figures.tick)
        self._at(by, lambda: self.expire(player))


_ACTIONS: Dict[type, Callable[[Stage, _Player, Any], None]] = {
    messages.Propose: Stage._propose, messages.StepBehind: Stage._propose, messages.Query: Stage._query,
    messages.Claim: Stage._claim, messages.Fence: Stage._fence, messages.KeepLease: Stage._keep_lease,
    messages.DropLease: Stage._drop_lease, messages.StartGroup: Stage._start, messages.StopGroup: Stage._end_group,
    messages.KillGroup: Stage._end_group, messages.EnsureDead: Stage._end_group, messages.Probe: Stage._probe,
    messages.Ack: Stage._ack, messages.Release: Stage._release, messages.Withdraw: Stage._release,
    messages.EndSession: Stage._end_session, messages.CountOthers: Stage._count, messages.SeeTerm: Stage._see,
    messages.Begin: Stage._refuse, messages.Quit: Stage._quit, messages.LookBehind: Stage._behind,
    **dict.fromkeys((messages.Repair, messages.TellOutcome, messages.AnswerOperator, messages.Log), Stage._nothing),
    # No check of fitness plays.
    **dict.fromkeys((messages.AskFit, messages.LookAhead), Stage._nothing),
    # Nobody pauses.
    **dict.fromkeys((
        pause_messages.Consent, pause_messages.TellPause, pause_messages.SeeConsent, pause_messages.EndPause,
        pause_messages.TakeBackConsent, pause_messages.EndPauseInTime,
    ), Stage._nothing),
}

if set(_ACTIONS) != set(messages.ACTIONS):
    raise TypeError("a rehearsal does not play every action of the role machine")


def play(parts: Sequence[PlayedNode], fault: str, victim: str) -> Played:
    """What the fault would lead to. parts: the nodes in the order of the queue; the first one leads. victim: the node that it
    happens to; of ZOOKEEPER it happens to all.

    Raises ValueError for a fault that there is not, and for a victim that does not play.
    """
    if fault not in FAULTS:
        raise ValueError(f"{fault!r} is no fault; there are: {', '.join(FAULTS)}")
    stage = Stage(parts)
    found = next((one for one in stage.players if one.part.name == victim), None)
    if found is None:
        raise ValueError(f"{victim!r} is not among the nodes that stand in the queue")
    first = stage.players[0]
    stage.run(LONGEST, lambda: stage.acked is first)
    # Until leases and the reads of standbys are as they are in a cluster that nothing happens to.
    stage.run(stage.now + 2 * first.figures.timeout)
    if fault == SERVICE and not first.rules.told:
        stage.run(LONGEST, lambda: found.probed_at == stage.now or found.state.probing == 0 and found is not first)
    else:
        stage.run(LONGEST, lambda: found.beat_at == stage.now)
    for player in stage.players[1:]:
        if player.part.failed and player.state.role == roles.STANDBY:
            player.state = replace(player.state, failed=player.part.failed)
    if stage.acked is not first:
        return Played(fault, victim, (), "", None, None, None)
    stage.fail(fault, found)
    return _end(stage, fault, found, first)


def _end(stage: Stage, fault: str, victim: _Player, first: _Player) -> Played:
    begun = stage.now

    def over() -> bool:
        if fault == ZOOKEEPER:
            return first.state.step == "releasing" or first.state.role == roles.DETACHED
        if victim is not first:
            return False
        gone = not victim.alive or victim.part.name in stage.dead_at
        return stage.acked is not None and stage.acked is not first and gone

    # Where a standby fails nothing follows but the end of its session.
    longest = LONGEST if victim is first else 2 * lease.expired_within(victim.figures.timeout, victim.figures.tick)
    stage.run(begun + longest, over)
    leader = stage.acked if stage.acked is not None and (stage.acked.alive and stage.acked.linked) else None
    after = None
    if leader is not None and leader is not first:
        entered = [step.at for step in stage.steps if (step.node, step.role) == (leader.part.name, roles.PRIMARY)]
        after = entered[0] if entered else stage.now - begun
    stopped = stage.dead_at.get(first.part.name)
    down = stopped if fault == NETWORK else 0.0
    silent = None if after is None or down is None else max(0.0, after - down)
    return Played(
        fault, victim.part.name, tuple(stage.steps), leader.part.name if leader is not None else "", after, silent, stopped,
    )
