"""What the role machine knows of one election, and what follows from it at once. Pure.

All times are seconds of one clock; durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Tuple

from supervisor_zkelect.core.control import RESTART
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.core.messages import ControlSeen, Shutdown
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, MAINTENANCE, PRIMARY, PROMOTING, STANDBY, WITHDRAWN
from supervisor_zkelect.core.service import Counter

INFINITY = float("inf")

#: How often ack and holder are written again, with less than CALM seconds between, before somebody else is taken to write them,
#: too; from then on they are written again after RETRY_MOST seconds, so that two do not wear ZooKeeper out.
CONTESTED, CALM = 5, 60.0

#: Seconds that whoever is further behind leaves to who would lead next, to end a pause whose time is over.
FURTHER = 2.0

#: `State.lapsed` of whatever pause with a limited time this term has consented to.
ANY_PAUSE = "*"


@dataclass(frozen=True)
class Rules:
    """What the machine needs to know of one election.

    node: the node's name. told: a probe is a look at supervisord's word, of whose changes events tell. The node's
        elections look at the same moment, as one look does for all. failback: seconds for which a better node must have stood
        by, None where none is handed back to. fit: there is a check whether this node is fit to lead.
    """

    name: str
    address: str
    kill_time: float
    stopwaitsecs: float
    rise: int
    fall: int
    health_interval: float
    promote_timeout: float
    backoff_min: float
    backoff_max: float
    fence_failed_continues: bool = False
    node: str = ""
    told: bool = False
    priority: int = 100
    failback: Optional[float] = None
    fit: bool = False
    fit_interval: float = 10.0
    health_timeout: float = 0.0

    def lease(self, deadline: float, grace: float = 0.0) -> Lease:
        """A lease of the group to `deadline`. grace: as for `Lease.until`."""
        return Lease.until(deadline, self.kill_time, grace)


@dataclass(frozen=True)
class Resigning:
    """token: of the term that is given up. by: until when it must be known whether somebody can take over; infinity once that
    is, or does not matter. tried: other nodes that were seen to lead since, without an ack. left_at: when the group was dead and
    the term released; infinity before. said: as `Resign` has it."""

    ticket: str
    since: float
    token: int
    by: float = INFINITY
    tried: Tuple[str, ...] = ()
    left_at: float = INFINITY
    ask_at: float = 0.0
    said: str = ""

    @property
    def left(self) -> bool:
        return self.left_at < INFINITY


@dataclass(frozen=True)
class Beginning:
    """A handover for which somebody is looked for who takes over. kind: one of those in control.py. order: its id."""

    op: int
    kind: str
    order: str
    reason: str


@dataclass(frozen=True)
class Pausing:
    """What this node does about a pause while it leads. order: the pause's id. step: what it waits for, as `pausing.py` has it.
    op: the request that is not answered yet, 0 for none. again: when what failed is tried again."""

    order: str
    step: str
    op: int = 0
    again: float = -INFINITY


@dataclass(frozen=True)
class State:
    role: str = DETACHED
    step: str = "clearing"
    since: float = 0.0
    reason: str = ""
    trouble: str = ""
    lasting: str = ""

    up: bool = False  # connected
    alive: bool = False  # the session is not known to be lost
    grace: float = -1.0
    wait_out: float = 0.0
    timeout: float = 0.0
    margin: float = 0.0

    op: int = 0  # number of the latest request; 0 is none
    waiting: int = 0  # the request whose answer the step needs
    retry_at: float = INFINITY
    retry_delay: float = 0.0

    proposal: Optional[str] = None
    token: Optional[int] = None
    duplicate_since: Optional[float] = None

    #: a proposal of a former listener, of a term that was inherited or of none, has not been looked for yet
    unadopted: bool = False
    inherited: Optional[int] = None  # token of the term in which an earlier listener started the group
    dirty: Tuple[str, str, int] = ("", "", 0)  # node, address and token of the holder to be fenced
    fenced: Optional[int] = None  # token of the holder that was fenced
    quiet_until: Optional[float] = None  # until when who wrote an ack without a holder may still show that it lives
    claimed_at: float = INFINITY
    deadline: float = -INFINITY
    paused_until: float = -INFINITY  # as in `Lease`
    cleaning: int = 0  # the stop of a group that was started by others, or released without a proof
    led: bool = False  # the present proposal has led, so there may be something to release
    release_by: float = INFINITY
    refusals: int = 0  # of the release, or of the withdrawal
    withdrawing: bool = False  # releasing: the proposal alone is given up
    ending: bool = False  # the session is to be closed
    stuck: bool = False  # the group should be dead, and is not proven so
    refused: bool = False  # ZooKeeper has answered the request of this step, and does not do it
    killed: bool = False  # demoting: without grace

    counter: Optional[Counter] = None
    #: looks at supervisord's word that are still to find it good before they become rare
    looks: int = 0
    probing: int = 0
    probe_at: float = INFINITY
    probe_delay: Optional[float] = None
    healthy_by: float = INFINITY

    repairs: int = 0  # how often ack and holder were written again in this term, and when the last time
    repaired_at: float = -INFINITY
    repair_at: float = INFINITY  # when they are looked at again

    failed: str = ""  # why its last promotion failed, and when that was
    failed_at: float = -INFINITY
    stepped: bool = False  # the present proposal was made by stepping behind others, or may have been
    stepped_in: int = 0  # token of the holder then
    stepped_first: bool = False  # nobody led then
    stepping_first: bool = False  # the same of the step that is under way
    better: str = ""  # the proposal that it steps behind for its priority
    stay_until: float = -INFINITY  # before this it steps behind nobody
    priority: Optional[int] = None  # of the present proposal
    next_in_line: bool = False
    behind_at: float = INFINITY  # when the queue behind is looked at next
    looking_behind: int = 0
    back_pause: float = 0.0  # for which it did not look whom it may hand back to, as that came to nothing
    back_why: str = ""  # why
    sick: bool = False  # the term ended, or ends, as the service failed
    aside: str = ""  # why this node stands in no queue by its own file or its check `fit`

    fitness: Optional[Counter] = None  # of the check `fit`; None while it is not asked
    fit_at: float = INFINITY
    asking_fit: int = 0
    fit_for: str = ""  # the switchover to this node before which it is asked; "" for none
    checked: str = ""  # the last one before which it has answered
    failing_since: Optional[float] = None  # it fails, and the same primary was acked, since then
    failing_under: int = 0  # token of that primary
    fit_trouble: str = ""
    looking_ahead: int = 0
    unfit: str = ""  # why it left the queue, or is about to
    admitted: bool = False  # it may propose, as its check passes, or did, or nobody else serves
    admit_by: Optional[float] = None  # when it may at the latest, where its check does not answer; None while it is not about to
    stays: bool = False  # the present proposal could not be exchanged
    behind: str = ""  # the rival that this node has stepped behind
    failures: int = 0
    not_before: float = -INFINITY
    by_hand: bool = False  # somebody else stopped the group, and waits for supervisord's word that it is stopped
    rest_until: float = -INFINITY  # no proposal before this, whoever else stands in the queue
    look_at: float = INFINITY
    looking: int = 0

    #: what operators have ordered; None while that is not known in this session
    orders: Optional[ControlSeen] = None
    beginning: Optional[Beginning] = None
    begin_at: float = -INFINITY  # no handover is begun before this
    stays_why: str = ""  # why this node goes on leading, though it is ordered not to
    successor: str = ""  # the proposal that is to lead after the release
    order: str = ""  # id of the order that led to this term
    order_missed: str = ""  # who was to lead by it, where this node was not

    restart: str = ""  # id of the order by which the service is being started again
    restart_since: float = 0.0
    restarted: str = ""  # id of the last one that was done in this term
    restart_refused: str = ""  # id of the last one that could not be begun, and was told so
    restart_asked: str = ""  # id of the last one that this term was to be marked with
    restart_at: float = -INFINITY  # no restart is begun, or dropped, before this
    pausing: Optional[Pausing] = None
    lapsed: str = ""  # id of the pause whose time is over for this node, which has consented to it
    halted: bool = False  # watching, though it leads the queue, as nobody is promoted in a pause
    barred: bool = False  # watching the barrier of a pause
    pause_over: float = INFINITY  # when the pause that was seen need not be respected any more
    pause_stamp: Optional[Tuple[int, int]] = None  # which one that was
    pause_at: float = -INFINITY  # nothing is asked about a pause before this
    buried: int = 0  # token of the last term whose group was proven dead here

    resigning: Tuple[Resigning, ...] = ()
    leaving: Optional[Shutdown] = None

    def may_propose(self, now: float) -> bool:
        """Whether nothing is against a proposal."""
        return self.ready and self.not_before <= now

    @property
    def ready(self) -> bool:
        """Whether nothing but the time is against a proposal."""
        # They are against a term that begins, and not against that one goes on which a pause keeps.
        kept = self.inherited is not None and self.paused_until > -INFINITY
        fit = self.up and not self.cleaning and (kept or self.grace >= 0 and not self.ending)
        return self.free and fit and self.leaving is None

    @property
    def free(self) -> bool:
        """Whether operators, this node's file and its check `fit` have nothing against a proposal, as far as is known. They
        cannot against that of a term that goes on."""
        return self.inherited is not None or self.orders is not None and not self.orders.bar and not self.aside

    @property
    def leads_on(self) -> str:
        """That this node goes on leading though it is ordered not to, and why; "" where that is not so."""
        bar = self.orders.bar if self.orders is not None else ""
        return f"{bar}; goes on leading until another node can: {self.stays_why}" if bar and self.stays_why else ""

    @property
    def may_begin(self) -> bool:
        """Whether a handover may be begun for an order: also where nothing runs yet, as a fence may fail for ever."""
        leads = self.role in (PRIMARY, PROMOTING) and (self.may_run or self.step == "fencing") and self.inherited is None
        return leads and self.beginning is None and self.leaving is None and self.pausing is None

    @property
    def handed_over(self) -> bool:
        """Whether a switchover was begun in this very term, which ends by it."""
        return self.orders is not None and bool(self.orders.order) and self.orders.begun == self.token

    def held(self, now: float) -> bool:
        """Whether a pause keeps the lease of what runs here from ending."""
        return self.may_run and now < self.paused_until

    @property
    def paused(self) -> bool:
        """Whether a pause stands, as far as is known."""
        return self.orders is not None and self.orders.pause is not None and self.orders.pause.stands

    def spared(self, now: float) -> bool:
        """Whether a pause keeps what runs here from ending by its health or by hand: until its end has been written."""
        return self.held(now) or self.may_run and self.pausing is not None and self.pausing.step in ("bounding", "resuming")

    @property
    def looks_again(self) -> bool:
        """Whether the consent by which a term has time to stop is to be looked for again."""
        stopping = (self.role, self.step, self.killed) == (DEMOTING, "stopping", False)
        return stopping and self.pausing is not None and self.pausing.step == "looking" and not self.pausing.op

    @property
    def waits_for_pause(self) -> bool:
        """Whether this node would lead next if there were no pause."""
        return self.step == "watching" and (self.halted or self.barred)

    @property
    def pause_ends(self) -> float:
        """When this node, which watches the queue, ends a pause whose time is over: whoever would lead next goes first, and
        another one follows, as that may be no member that ends any."""
        return self.pause_over + (0.0 if self.waits_for_pause else FURTHER)

    @property
    def consented(self) -> bool:
        """Whether whoever enforces the lease has confirmed that a pause keeps it from ending."""
        paused = self.pausing is not None and self.pausing.step == "paused" and self.paused_until > -INFINITY
        return paused and self.role in (PRIMARY, PROMOTING)

    @property
    def may_run(self) -> bool:
        """Whether processes of the group may be running by this node's order."""
        return (
            self.inherited is not None
            or self.role in (PRIMARY, DEMOTING) and self.step not in ("releasing", "closing")
            or self.role == PROMOTING and self.step in ("restarting", "starting", "probing", "acking")
        )

    @property
    def enforced(self) -> bool:
        """Whether the group is to be stopped when its lease runs out."""
        return self.may_run and self.role != DEMOTING

    @property
    def acked(self) -> bool:
        """Whether the ack was written in this term by this listener, and a restart is not about to empty it."""
        return self.role == PRIMARY and (self.beginning is None or self.beginning.kind != RESTART)

    @property
    def settled(self) -> bool:
        """Whether the session may be closed as far as this election is concerned: its group is dead, and nothing is to be
        released that this does not give up; or it runs on in a pause. A proposal that never led goes with the session."""
        waiting = (self.role, self.step) == (DETACHED, "waiting") and self.inherited is None
        leaving = self.step == "releasing" and not self.led
        aside = self.role in (MAINTENANCE, WITHDRAWN) and not self.cleaning
        paused = self.consented and self.ending and self.leaving is None
        return aside or paused or self.step == "closing" or (waiting or leaving) and not self.cleaning

    @property
    def leased(self) -> bool:
        """Whether the group runs under a lease that ends by itself."""
        return self.role in (PROMOTING, PRIMARY) or self.inherited is not None

    @property
    def renewed(self) -> bool:
        """Whether an answer of the quorum may extend the lease: also that of a group that has time left to stop."""
        return self.leased or (self.role, self.step, self.killed) == (DEMOTING, "stopping", False)

    def contested(self, now: float) -> bool:
        """Whether somebody else writes ack or holder, too."""
        return self.repairs >= CONTESTED and now < self.repaired_at + CALM


def lease_of(rules: Rules, state: State) -> Lease:
    """The lease under which the group runs, or is being stopped."""
    return rules.lease(state.deadline, state.grace)._replace(paused_until=state.paused_until)


def next_wakeup(rules: Rules, state: State) -> float:
    """When a Tick is due; infinity when only events matter."""
    times = [state.retry_at, state.probe_at, state.look_at, state.repair_at, state.fit_at]
    if state.up:
        times.append(state.behind_at)
    if state.role == STANDBY and state.stay_until > -INFINITY:
        times.append(state.stay_until)
    if state.orders is not None and state.step != "clearing" and state.role != WITHDRAWN:
        times.append(state.orders.until)
        if state.orders.bar_id and state.may_begin:
            times.append(state.begin_at)
        if state.orders.order and state.may_begin and (state.orders.begun in (0, state.token) or state.role == PRIMARY):
            times.append(state.begin_at if state.orders.begun else max(state.orders.due, state.begin_at))
    times += [restart_due(state), fit_due(rules, state)]
    if asks_fit(rules, state) and state.fitness is None:
        times.append(-INFINITY)
    if state.enforced and max(state.deadline, state.paused_until) > -INFINITY:
        times.append(lease_of(rules, state).stops_at)
    if state.role == PROMOTING and state.step != "fencing" and not state.spared(state.healthy_by):
        times.append(state.healthy_by)
    times += _pause_times(state)
    if state.role == DETACHED and state.step == "waiting" and state.ready:
        awaits = rules.fit and not state.admitted and state.inherited is None
        times.append(max(state.not_before, state.admit_by) if awaits and state.admit_by is not None else state.not_before)
    times += [max(one.ask_at, 0.0) if one.left else one.by for one in state.resigning]
    return min(times)


def asks_fit(rules: Rules, state: State) -> bool:
    """Whether the check `fit` is asked: on a standby, and on who waits to become one."""
    waiting = (state.role, state.step) == (DETACHED, "waiting") and state.inherited is None
    return rules.fit and state.leaving is None and (state.role == STANDBY or waiting)


def fit_due(rules: Rules, state: State) -> float:
    """When the check `fit` is to be asked before a switchover to this node; infinity where none is to be asked for."""
    orders = state.orders
    if orders is None or orders.order in ("", state.fit_for) or orders.to != rules.node:
        return INFINITY
    return orders.due if rules.fit and state.role == STANDBY and state.leaving is None else INFINITY


def restart_due(state: State) -> float:
    """When something is to be done about a restart that is ordered; infinity where there is none, or nothing to be done now."""
    ordered = state.orders.restart if state.orders is not None else None
    if ordered is None or state.role != PRIMARY or state.beginning is not None or state.leaving is not None:
        return INFINITY
    if state.pausing is not None or state.paused_until > -INFINITY:
        return INFINITY
    here = ordered.id != state.restarted and not ordered.begun and ordered.term in (0, state.token)
    return max(state.restart_at, ordered.due if here else -INFINITY)


def _pause_times(state: State) -> List[float]:
    """When something about a pause is due."""
    times = [state.paused_until] if state.may_run and state.paused_until > -INFINITY else []
    leads = state.role != DEMOTING or state.looks_again
    if state.pausing is not None and not state.pausing.op and state.pausing.again > -INFINITY and leads:
        times.append(state.pausing.again)
    if state.pause_at > -INFINITY and state.role != WITHDRAWN:
        times.append(state.pause_at)
    pause = state.orders.pause if state.orders is not None else None
    if pause is not None and pause.stands and pause.lasts < INFINITY and state.up and state.step == "watching":
        times.append(max(state.pause_ends, state.pause_at))
    return times


def lasting_trouble(path: str) -> str:
    """What is told of a znode in the queue that is no ephemeral one; "" of none. It counts like any other candidate, since two
    rules in one election would be two leaders, or none."""
    if not path:
        return ""
    return (
        f"{path} stands in the queue and is no ephemeral znode, so it goes with nobody's session, and whoever stands behind it "
        f"never leads; delete it (zkCli.sh: delete {path})"
    )
