"""What next: the role machine of one election. Pure: no clock, no thread, no input or output.

    step(rules, state, event, now) -> (state, actions)

Rules
-----
1.  What a former life left of the group is proven dead before this node proposes (*clearing*).
2.  A proposal is made when there is a session, no back-off runs, and no other node bears this node's name. A leftover of
    this node's own former session is waited out; one that outlives every session timeout is a twin, and this node quits.
3.  A standby asks where it stands, watches its predecessor, and asks again when told to. Nothing else wakes it.
4.  The winner claims the term (ack emptied, holder written), gets a lease by that quorum write or a later one, starts the
    group, probes it, and writes the ack when it is healthy. Any step that fails ends the term. Where there is a fence
    command and another's holder stands, the ack is emptied and the command run before the term is claimed; while it
    fails, nothing is claimed, unless the configuration says to go on. A predecessor that left an ack and noted no holder is
    fenced a session's timeout later: a primary of another election with the same ack writes it again by then.
5.  The group runs under a lease. At `deadline - kill_time - grace` it is asked to stop, at `deadline - kill_time` it is
    killed. Whatever stops it asks first and leaves it its stopwaitsecs; the lease is renewed until it is dead, so that
    only a lease that ends cuts them. A lost session or a deleted proposal kills it without grace.
6.  Only a group that is proven dead is released. Release empties the ack, removes the holder, deletes the proposal. A
    group that cannot be proven dead is released on an operator's word; then the holder stays, and the node proposes
    again only after the proof. Where ZooKeeper refuses a release, or fails it for long, the proposal alone is given up;
    where that is refused, too, the session is closed (*closing*), which gives up everything. It carries the node's other
    elections as well, so they are handed over first.
7.  A service that failed sends its node to the end of the queue, after a back-off that doubles up to a cap. While nobody
    else stands in the queue the node tries again at the minimum.
    A node whose last promotion failed steps behind the others when it leads again (*stepping*), once for each time that
    somebody was acked; then, or where nobody stands behind it, it tries. Another configuration makes the failure forgotten.
8.  `resign` is refused where there is nobody to take over, or where ZooKeeper does not tell in time whether there is. A group
    stopped by hand on the primary counts as a resignation, and the node proposes again only when supervisord has told the
    one who stopped it; a group started by hand elsewhere is killed. Who leads stops where somebody else leads the queue by
    another program's rule, and a node goes behind such a one, once; then it waits for its end.
9.  A primary that reads another ack or holder than its own in its own term writes them again; where somebody else does so,
    too, after a pause.
10. A listener that comes after another inherits a group that runs under a grant (*inherited*): it goes on in the same term
    when its session still owns the proposal with that token, and leads; in any other case the group is killed.
11. Each request carries a number (`op`), and answers under another number are about something that is over.

Roles and what moves them
-------------------------
    detached   clearing   GroupDead → waiting
               waiting    session there and back-off over → proposing
               proposing  Proposed → standby
    standby    asking     Queried: leads → promoting, or → stepping; else → watching
               stepping   Proposed → asking
               watching   QueueChanged, SessionUp → asking
    promoting  claiming   Claimed → leasing, Dirty → fencing
               fencing    Fenced → claiming
               leasing    Leased in time → starting
               starting   GroupStarted → probing
               probing    healthy → acking; promote_timeout → demoting
               acking     Acked → primary
    primary               probes fail, FATAL, resign, stop by hand → demoting
    demoting   stopping   GroupDead → releasing
               releasing  Released → detached waiting; refused → closing
               closing    SessionLost → detached waiting
    withdrawn             after shutdown: nothing more

All times are seconds of one clock; durations are seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional, Tuple

from supervisor_zkelect.core.messages import (
    Ack,
    Acked,
    AnswerOperator,
    Claim,
    Claimed,
    CountOthers,
    Cut,
    Dead,
    Dirty,
    DropLease,
    DuplicateNodeName,
    EndSession,
    EnsureDead,
    Fence,
    Fenced,
    GrantRevoked,
    KeepLease,
    KillGroup,
    Leased,
    Log,
    MemberChanged,
    MemberFatal,
    MemberRuns,
    OthersCounted,
    Probe,
    Probed,
    ProposalLost,
    Propose,
    Proposed,
    Queried,
    Query,
    QueueChanged,
    Quit,
    Reconfigured,
    Release,
    Released,
    RenewedByKeeper,
    Repair,
    RequestFailed,
    Resign,
    Rivalled,
    SeeTerm,
    ServiceStarted,
    SessionDown,
    SessionEnds,
    SessionLost,
    SessionUp,
    Shutdown,
    StartedByHand,
    StartFailed,
    StartGroup,
    StepBehind,
    StopGroup,
    StoppedByHand,
    Stuck,
    TermSeen,
    Tick,
    Withdraw,
)
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, PRIMARY, PROMOTING, STANDBY, WITHDRAWN
from supervisor_zkelect.core.service import Counter, next_delay
from supervisor_zkelect.core.state import CALM, CONTESTED, INFINITY, Resigning, Rules, State, lasting_trouble, lease_of

#: First and longest wait before a request that failed is made again, in seconds.
RETRY_FIRST, RETRY_MOST = 0.1, 5.0

#: Seconds between two looks at supervisord's word while it is good and no event tells of a change; and how many looks
#: after a change must find it good before, since supervisord may not know yet what an event told.
WORD_PACE, LOOKS = 20.0, 3

#: How often a node's own leftover is looked for while it is waited out, in seconds.
TWIN_PACE = 0.5


#: Seconds after which a release that fails becomes a withdrawal, and how often one may be refused before.
RELEASE_LIMIT, REFUSALS = 30.0, 2

#: Seconds between a group's end by hand and the next proposal. supervisorctl waits until supervisord sees the program
#: STOPPED, for ever if it runs again before that; supervisord looks each 0.05 s, and when idle at least each second
#: (the time limit of its poll, Supervisor.runforever).
STOPPED_REST = 1.5

#: For how long a resignation waits to be told whether somebody could take over, in seconds. It is refused then, as nobody can
#: while ZooKeeper is silent, and the service would be gone.
LOOK_LIMIT = 3.0

#: How often the ack is read while somebody waits to hear who leads after a resignation, in seconds; for how long beside the
#: time that another node has to become healthy, as this node leads again when none does; and for how long at most, as
#: nobody waits longer (operators/ask.py, WAIT).
SUCCESSOR_PACE, SUCCESSOR_LIMIT, SUCCESSOR_MOST = 0.05, 60.0, 150.0


def begin(now: float, first: int = 0) -> Tuple[State, List[Any]]:
    """The first state, and the actions it begins with. first: where the numbers of its requests begin."""
    return State(since=now, op=first + 1, waiting=first + 1, reason="start"), [EnsureDead(first + 1)]


def inherit(now: float, token: int, deadline: float, first: int = 0) -> Tuple[State, List[Any]]:
    """The first state of a listener that finds its group running in the term `token`, under a lease to `deadline`."""
    return State(since=now, op=first, step="waiting", inherited=token, deadline=deadline, reason="taken over"), []


def step(rules: Rules, state: State, event: Any, now: float) -> Tuple[State, List[Any]]:
    """One event. The actions are to be done in order."""
    machine = _Machine(rules, state, now)
    machine.take(event)
    machine.time_passed()
    return machine.state, machine.actions


#: What to do where a resignation is refused since nobody is known who could take over.
_FORCE = "zkelect resign --force gives the service up all the same"

#: Answers, which count only for the request that the present step made last.
_ANSWERS = (
    Proposed, DuplicateNodeName, Queried, Claimed, Dirty, Fenced, Acked, Released, RequestFailed, ServiceStarted, StartFailed,
)


class _Machine:
    """One step in the making: the state is replaced piece by piece, the actions are collected."""

    def __init__(self, rules: Rules, state: State, now: float) -> None:
        self.rules = rules
        self.state = state
        self.now = now
        self.actions: List[Any] = []

    def set(self, **changes: Any) -> None:
        # As dataclasses.replace, but not through a constructor of forty arguments, a dozen times for each event.
        state = object.__new__(State)
        vars(state).update(vars(self.state), **changes)
        self.state = state

    def act(self, action: Any) -> None:
        self.actions.append(action)

    def op(self) -> int:
        self.set(op=self.state.op + 1)
        return self.state.op

    def ask(self, action: Any, *more: Any) -> None:
        """Make the request that the present step needs an answer to."""
        number = self.op()
        self.set(waiting=number, retry_at=INFINITY)
        self.act(action(number, *more))

    def go(self, role: str, step: str, reason: str = "") -> None:
        old = self.state
        changed = role != old.role
        self.set(role=role, step=step, retry_at=INFINITY, retry_delay=0.0, waiting=0, refused=False)
        if changed:
            self.set(since=self.now, reason=reason or old.reason)
            token = f" token={old.token}" if old.token is not None else ""
            self.act(Log(f"{old.role} -> {role}{token} after {self.now - old.since:.3f} s: {reason or old.reason}",
                         f"{old.role} -> {role}"))

    def take(self, event: Any) -> None:
        state = self.state
        if state.role == WITHDRAWN:
            return
        # Answers to a request that is over are about a former step.
        if isinstance(event, _ANSWERS):
            if event.op != state.waiting:
                return
        getattr(self, "on_" + type(event).__name__)(event)

    # Session

    def on_SessionUp(self, event: SessionUp) -> None:
        if event.fresh and self.state.alive:
            self.on_SessionLost(SessionLost("another session began"))
        self.set(up=True, alive=True, grace=event.grace, wait_out=event.wait_out, timeout=event.timeout,
                 margin=event.margin)
        if event.grace < 0:
            self.set(trouble=f"ZooKeeper grants a session timeout of {event.timeout:g} s, in which kill_time does not fit")
        else:
            self.set(trouble="")
        if self.state.role == STANDBY and self.state.step == "watching":
            self.query()
        elif self.state.retry_at < INFINITY:
            self.set(retry_at=self.now)

    def on_SessionDown(self, event: SessionDown) -> None:
        self.set(up=False)

    def on_SessionLost(self, event: SessionLost) -> None:
        self.set(up=False, alive=False, ending=False)
        self.lost(event.reason)

    def on_ProposalLost(self, event: ProposalLost) -> None:
        if self.state.proposal is not None:
            self.lost(event.reason)

    def lost(self, reason: str) -> None:
        """There is no proposal any more, so another node may lead already."""
        state = self.state
        self.set(proposal=None, lasting="", unadopted=False)
        if state.may_run:
            if not state.killed:
                self.demote(reason, kill=True)
        elif state.role in (STANDBY, PROMOTING) or state.step in ("releasing", "closing", "proposing"):
            self.detach(reason)

    # Queue

    def propose(self) -> None:
        self.go(DETACHED, "proposing")
        self.ask(Propose)

    def on_Proposed(self, event: Proposed) -> None:
        stepped = self.state.step == "stepping"
        self.set(proposal=event.proposal, token=event.token, twin_since=None, trouble="", stepped=stepped, stays=False)
        if self.state.inherited is not None:
            self.set(led=True)
        if self.state.inherited not in (None, event.token):
            self.demote("the proposal of the inherited term is gone", kill=True)
            return
        self.go(STANDBY, "asking", f"proposal {event.proposal}")
        self.ask(Query)

    def on_DuplicateNodeName(self, event: DuplicateNodeName) -> None:
        since = self.now if self.state.twin_since is None else self.state.twin_since
        self.set(twin_since=since, trouble=f"waiting until {event.proposal}, a proposal with this node's name, is gone")
        if self.now - since > self.state.wait_out:
            self.act(Quit(
                f"another live node with this node's name stands in the election {self.rules.name} as "
                f"{event.proposal}; give each node a node_name of its own"
            ))
        self.set(waiting=0, retry_at=self.now + TWIN_PACE)

    def query(self) -> None:
        self.go(STANDBY, "asking")
        self.ask(Query)

    def on_Queried(self, event: Queried) -> None:
        self.set(lasting=event.lasting)
        if self.state.grace >= 0:
            # What an earlier look at the queue failed for is over.
            self.set(trouble=lasting_trouble(event.lasting))
        if event.leads and self.passes(event):
            self.act(Log("steps behind the others, as its last promotion failed"))
            self.go(STANDBY, "stepping")
            self.ask(StepBehind)
        elif event.leads:
            deadline = -INFINITY if self.state.inherited is None else self.state.deadline
            self.set(
                claimed_at=INFINITY, deadline=deadline, killed=False, term_since=self.now, fenced=None, led=True,
                quiet_until=None, healthy_by=self.now + self.rules.promote_timeout,
            )
            self.go(PROMOTING, "claiming", "leads the queue")
            self.ask(Claim)
        elif self.state.inherited is not None:
            self.demote("the proposal of the inherited term does not lead", kill=True)
        elif event.rival and not self.state.stays and event.rival != self.state.behind:
            # Behind it the rules agree. Each of the two might wait for the other otherwise. Once is enough: behind a name with
            # digits that nobody comes after, it would go on for ever.
            self.set(behind=event.rival)
            self.act(Log(f"steps behind {event.rival}, which leads by another program's rule", "steps behind a rival"))
            self.go(STANDBY, "stepping")
            self.ask(StepBehind)
        else:
            number = self.state.waiting
            self.go(STANDBY, "watching")
            self.set(waiting=number)

    def passes(self, event: Queried) -> bool:
        """Whether others go first. Where all of them failed the queue goes round once, and then one tries again."""
        state = self.state
        again = state.stays or state.stepped and not event.acked
        return bool(state.failed) and event.candidates > 1 and state.inherited is None and not again

    def on_QueueChanged(self, event: QueueChanged) -> None:
        state = self.state
        if state.role == STANDBY and state.step == "watching" and event.op == state.waiting:
            self.query()

    # Promotion

    def on_Claimed(self, event: Claimed) -> None:
        if event.dirty:
            self.act(Log(f"the predecessor {event.dirty} ended without releasing; its ack was emptied", "dirty end"))
        self.set(claimed_at=event.lease.sent if event.lease else self.now)
        self.go(PROMOTING, "leasing")
        self.act(KeepLease())
        if event.lease:
            self.on_Leased(event.lease)

    def on_Dirty(self, event: Dirty) -> None:
        if not event.node and not event.token and self.still_to_wait(event):
            return
        node = event.node or "(unknown)"
        self.act(Log(f"the predecessor {node} ended without releasing; its ack was emptied, and it is fenced", "fenced"))
        self.set(dirty=(event.node, event.address, event.token))
        self.go(PROMOTING, "fencing")
        self.ask(Fence, *self.state.dirty)

    def still_to_wait(self, event: Dirty) -> bool:
        """Whether it is too early to fence who wrote an ack and noted no holder. Its ack is empty now. A primary of another
        election that shares it by mistake writes it again before its lease ends, and must not be fenced."""
        by = self.now + self.state.timeout if self.state.quiet_until is None else self.state.quiet_until
        self.set(quiet_until=by)
        if self.now >= by:
            return False
        left = f"a predecessor that noted no holder left the ack {event.address or '(unreadable)'}"
        trouble = f"{left}; before it is fenced, {self.state.timeout:g} s show whether it writes that again"
        self.set(waiting=0, retry_at=by, trouble=trouble, healthy_by=by + self.rules.promote_timeout)
        return True

    def on_Fenced(self, event: Fenced) -> None:
        if not event.ok and not self.rules.fence_failed_continues:
            delay = min(RETRY_MOST, self.state.retry_delay * 2 or RETRY_FIRST)
            trouble = f"fence failed and is tried again, since fence_failed = wait: {event.reason}"
            self.set(waiting=0, retry_at=self.now + delay, retry_delay=delay, trouble=trouble)
            return
        going_on = "" if event.ok else "; goes on, since fence_failed = continue"
        self.act(Log(f"fence {'succeeded' if event.ok else 'failed'}: {event.reason}{going_on}"))
        by = self.now + self.rules.promote_timeout
        self.set(fenced=self.state.dirty[2], trouble="", healthy_by=by)
        self.go(PROMOTING, "claiming")
        self.ask(Claim, self.state.fenced)

    def on_Leased(self, event: Leased) -> None:
        if self.state.renewed and event.sent >= self.state.claimed_at:
            self.set(deadline=max(self.state.deadline, event.deadline))
            self.start_if_leased()

    def on_Cut(self, event: Cut) -> None:
        self.set(deadline=min(self.state.deadline, event.deadline))

    def on_RenewedByKeeper(self, event: RenewedByKeeper) -> None:
        if self.state.renewed and event.token in (self.state.inherited, self.state.token):
            self.set(deadline=max(self.state.deadline, event.deadline))

    def start_if_leased(self) -> None:
        state = self.state
        if (state.role, state.step) == (PROMOTING, "leasing") and not state.cleaning:
            margin = state.margin if state.inherited is None else 0.0
            if self.now + margin < lease_of(self.rules, state).stop_at:
                self.set(healthy_by=self.now + self.rules.promote_timeout)
                if state.inherited is not None:
                    self.set(inherited=None)
                    self.act(Log("goes on in the same term"))
                    self.probe_until_healthy()
                else:
                    self.go(PROMOTING, "starting")
                    self.ask(StartGroup)

    def on_ServiceStarted(self, event: ServiceStarted) -> None:
        self.probe_until_healthy()

    def probe_until_healthy(self) -> None:
        self.go(PROMOTING, "probing")
        self.set(counter=Counter(self.rules.rise, self.rules.fall), probe_delay=None, probing=0)
        self.schedule_probe()

    def on_StartFailed(self, event: StartFailed) -> None:
        self.fail(f"the group did not start: {event.reason}")

    def schedule_probe(self) -> None:
        interval = self.rules.health_interval
        if self.state.role == PROMOTING:
            if self.rules.told and self.state.counter is not None and self.state.counter.failures:
                # It is told when supervisord's word changes, unless the event is lost.
                self.set(probe_at=self.now + min(interval, WORD_PACE))
            else:
                delay = next_delay(self.state.probe_delay, interval)
                self.set(probe_delay=delay, probe_at=self.now + delay)
        elif self.rules.told:
            self.set(probe_at=self.next_look(max(interval, WORD_PACE) if self.state.looks == 0 else interval))
        else:
            self.set(probe_at=self.now + interval)

    def next_look(self, interval: float) -> float:
        return interval * (self.now // interval + 1)

    def on_Probed(self, event: Probed) -> None:
        state = self.state
        if event.op != state.probing or state.counter is None:
            return
        counter = state.counter.after(event.ok)
        self.set(probing=0, counter=counter)
        if state.role == PROMOTING and state.step == "probing":
            if counter.healthy:
                self.go(PROMOTING, "acking")
                self.ask(Ack)
            else:
                self.set(trouble=f"not healthy yet: {event.reason}")
            self.schedule_probe()
        elif state.role == PROMOTING:
            self.schedule_probe()
        elif state.role == PRIMARY:
            if counter.failures >= self.rules.fall:
                self.fail(f"{counter.failures} health checks in a row failed: {event.reason}")
            else:
                self.set(trouble="" if event.ok else f"health check failed: {event.reason}")
                self.set(looks=max(0, self.state.looks - 1) if event.ok else LOOKS)
                self.schedule_probe()

    def on_Acked(self, event: Acked) -> None:
        self.set(trouble="", healthy_by=INFINITY, looks=LOOKS, failed="", repairs=0, repair_at=INFINITY)
        self.go(PRIMARY, "", f"healthy and acked as {self.rules.address}")

    # Failure and demotion

    def fail(self, reason: str) -> None:
        """The service is sick here: let another node try, and wait before trying again."""
        # A term that was healthy for long is no part of a row of failures.
        lasted = self.state.role == PRIMARY and self.now - self.state.since >= self.rules.backoff_max
        failures = 1 if lasted else self.state.failures + 1
        wait = min(self.rules.backoff_max, self.rules.backoff_min * 2 ** min(failures - 1, 30))
        self.set(failures=failures, not_before=self.now + wait)
        if self.state.role == PROMOTING:
            self.set(failed=reason, failed_at=self.now)
        self.demote(reason)

    def demote(self, reason: str, kill: bool = False) -> None:
        """Stop the group, with its stopwaitsecs as far as the lease leaves them. A second call may only make it sooner."""
        rules, state = self.rules, self.state
        kill_at = self.now + rules.stopwaitsecs
        if state.leaving is not None:
            kill_at = min(kill_at, state.leaving.kill_at)
        kill = kill or kill_at <= self.now or not lease_of(rules, state).covers(self.now)
        self.go(DEMOTING, "stopping", reason)
        if state.inherited is not None:
            # Its proposal is known by that only, until it is looked for.
            self.set(token=state.inherited, unadopted=state.proposal is None)
        self.set(
            inherited=None, killed=kill, stuck=False, probe_at=INFINITY, probing=0, counter=None, healthy_by=INFINITY, trouble="",
            looking=0, look_at=INFINITY, repairs=0, repair_at=INFINITY,
        )
        if kill:
            self.act(DropLease())
        number = self.op()
        self.set(waiting=number)
        self.act(KillGroup(number) if kill else StopGroup(number, kill_at))

    def on_Rivalled(self, event: Rivalled) -> None:
        state = self.state
        if state.may_run and state.role != DEMOTING:
            self.demote(event.reason)
        elif state.role == PROMOTING:
            self.release(event.reason)

    def on_GrantRevoked(self, event: GrantRevoked) -> None:
        if self.state.may_run and self.state.role != DEMOTING:
            self.demote(event.reason)

    def on_Dead(self, event: Dead) -> None:
        state = self.state
        if event.op == state.cleaning:
            self.proven()
            self.set(cleaning=0)
            self.start_if_leased()
        if event.op != state.waiting:
            return
        self.proven()
        if (state.role, state.step) == (DETACHED, "clearing"):
            self.go(DETACHED, "waiting")
        elif (state.role, state.step) == (DEMOTING, "stopping"):
            self.act(Log(f"the group is proven dead after {event.seconds:.3f} s"))
            self.act(DropLease())
            self.release(state.reason)

    def proven(self) -> None:
        """What was told of a group that would not die is over."""
        if self.state.stuck:
            self.set(trouble="", stuck=False)

    def on_Stuck(self, event: Stuck) -> None:
        if self.state.may_run or self.state.step == "clearing" or self.state.cleaning:
            self.set(trouble=event.reason, stuck=True)

    def release(self, reason: str) -> None:
        """Give up the proposal. Only called where no process of the group can run."""
        if (self.state.proposal is None and not self.state.unadopted) or not self.state.alive:
            self.detach(reason)
        else:
            self.go(DEMOTING, "releasing", reason)
            self.set(release_by=self.now + RELEASE_LIMIT, refusals=0, withdrawing=False)
            self.ask(Release)

    def release_unproven(self) -> None:
        """On an operator's word. The stop goes on, and until it ends in a proof this node makes no proposal."""
        stopping = self.state.waiting
        self.act(Log("released on the operator's word, though the group is not proven dead; the holder stays"))
        self.set(cleaning=stopping, stuck=False, killed=True)
        if self.state.proposal is None or not self.state.alive:
            self.detach("forced")
        else:
            self.go(DEMOTING, "releasing", "forced")
            self.set(release_by=self.now + RELEASE_LIMIT, refusals=0, withdrawing=False)
            self.ask(Release, True)

    def on_Released(self, event: Released) -> None:
        self.detach(self.state.reason)

    def release_failed(self, event: RequestFailed) -> None:
        """Ask for less, when that may be granted: the proposal alone, then the session's end."""
        state = self.state
        refusals = state.refusals + event.refused
        if refusals < REFUSALS and self.now < state.release_by:
            self.set(refusals=refusals)
        elif not state.withdrawing:
            self.set(refusals=0, withdrawing=True)
        else:
            self.act(Log(f"the proposal cannot be given up, so the session is closed: {event.reason}", "session closed"))
            self.go(DEMOTING, "closing")
            self.set(ending=True)
            self.act(EndSession())

    def on_SessionEnds(self, event: SessionEnds) -> None:
        state = self.state
        self.set(ending=True)
        if state.may_run and state.role != DEMOTING:
            self.demote(event.reason)
        elif state.role in (STANDBY, PROMOTING) or state.step == "proposing":
            self.release(event.reason)

    def detach(self, reason: str) -> None:
        self.set(
            proposal=None, lasting="", deadline=-INFINITY, claimed_at=INFINITY, killed=False,
            healthy_by=INFINITY, probe_at=INFINITY, probing=0, counter=None, looking=0, look_at=INFINITY, led=False,
            unadopted=False,
        )
        self.act(DropLease())
        self.go(DETACHED, "waiting", reason)
        self.set(token=None)
        if self.state.by_hand:
            rest_until = self.now + STOPPED_REST
            self.set(by_hand=False, rest_until=rest_until, not_before=max(self.state.not_before, rest_until))
        self.set(resigning=tuple(replace(one, left=True) for one in self.state.resigning))
        if self.state.not_before > self.now:
            self.set(look_at=self.now + self.rules.backoff_min)

    def on_RequestFailed(self, event: RequestFailed) -> None:
        state = self.state
        if event.gone:
            self.lost(event.reason)
            if self.state.role == DETACHED and self.state.step == "waiting":
                self.set(not_before=max(self.state.not_before, self.now + RETRY_FIRST))
            return
        delay = min(RETRY_MOST, state.retry_delay * 2 or RETRY_FIRST)
        self.set(waiting=0, retry_at=self.now + delay, retry_delay=delay, trouble=event.reason, refused=event.refused)
        if state.step == "releasing":
            self.release_failed(event)
        elif state.step == "stepping" and event.refused:
            # Better a sick candidate than none.
            self.set(stays=True)
            self.query()

    # The group by other hands

    def on_MemberFatal(self, event: MemberFatal) -> None:
        if self.state.may_run and self.state.role != DEMOTING:
            self.fail(f"the program {event.name} is in FATAL" + (event.why and f": {event.why}"))

    def on_MemberChanged(self, event: MemberChanged) -> None:
        if self.rules.told and self.state.role == PRIMARY:
            soon = self.next_look(self.rules.health_interval)
            self.set(looks=LOOKS, probe_at=min(self.state.probe_at, soon))

    def on_MemberRuns(self, event: MemberRuns) -> None:
        if self.rules.told and (self.state.role, self.state.step) == (PROMOTING, "probing"):
            self.set(probe_at=self.now)

    def on_StoppedByHand(self, event: StoppedByHand) -> None:
        # At the end of the lease the guard stops the group as well, and supervisord's word of that may come first.
        self.enforce_lease()
        if self.state.may_run and self.state.role != DEMOTING and self.state.step != "starting":
            self.demote(f"the program {event.name} was stopped by hand, which counts as a resignation")
            self.set(by_hand=True)

    def on_StartedByHand(self, event: StartedByHand) -> None:
        state = self.state
        if not state.may_run and state.step != "clearing":
            number = self.op()
            self.set(cleaning=number)
            self.act(Log(f"the program {event.name} was started though this node is {state.role}; it is killed"))
            self.act(KillGroup(number))

    # Orders

    def on_Resign(self, event: Resign) -> None:
        state = self.state
        resigning = Resigning(event.ticket, self.now, state.token or 0)
        if event.force and (state.role, state.step) == (DEMOTING, "stopping") and state.stuck:
            self.set(resigning=state.resigning + (resigning,))
            self.release_unproven()
            return
        if state.role not in (PRIMARY, PROMOTING):
            self.act(AnswerOperator(event.ticket, False, 3, f"this node is {state.role}, not primary; resign on the primary"))
            return
        if event.force:
            self.resign((*state.resigning, resigning), "resigned, by force")
            return
        self.set(resigning=(*state.resigning, replace(resigning, by=self.now + LOOK_LIMIT)))
        if not self.state.looking:
            number = self.op()
            self.set(looking=number)
            self.act(CountOthers(number))

    def resign(self, resigning: Tuple[Resigning, ...], reason: str) -> None:
        self.set(resigning=tuple(replace(one, by=INFINITY) for one in resigning))
        self.demote(reason)

    def on_OthersCounted(self, event: OthersCounted) -> None:
        state = self.state
        if event.op != state.looking:
            return
        self.set(looking=0)
        if state.role in (PRIMARY, PROMOTING):
            if event.others > 0:
                self.resign(state.resigning, "resigned by order of the operator")
            elif event.others == 0:
                self.refuse("no other candidate stands in the queue, so this node stays; start another node first")
            else:
                why = f"the queue cannot be read, so nobody is known who could take over, and this node stays: {event.why}"
                self.refuse(f"{why}; {_FORCE}")
        elif (state.role, state.step) == (DETACHED, "waiting") and state.not_before > self.now:
            if event.others == 0 and self.now - state.since >= self.rules.backoff_min:
                self.set(not_before=max(self.now, state.rest_until), look_at=INFINITY)
            else:
                self.set(look_at=self.now + self.rules.backoff_min)

    def refuse(self, why: str, until: float = INFINITY) -> None:
        """Carry out none of the resignations for which it should be known by `until` whether somebody can take over."""
        for one in self.state.resigning:
            if one.by <= until and not one.left:
                self.act(AnswerOperator(one.ticket, False, 1, why))
        self.set(resigning=tuple(one for one in self.state.resigning if one.by > until or one.left))

    def refuse_in_time(self) -> None:
        """A resignation is an order that can be refused, and waits neither for a silent ZooKeeper nor beyond the term."""
        asking = [one.by for one in self.state.resigning if one.by < INFINITY]
        if not asking:
            return
        if self.state.role not in (PRIMARY, PROMOTING):
            self.refuse(f"not resigned, as the term ended before it was known who could take over: {self.state.reason}", max(asking))
        elif min(asking) <= self.now:
            self.refuse(f"ZooKeeper does not answer, so nobody could take over, and this node stays; {_FORCE}", self.now)
            if max(asking) <= self.now:
                self.set(looking=0)

    def on_TermSeen(self, event: TermSeen) -> None:
        state = self.state
        if state.role == PRIMARY and event.known and event.read_in == state.token:
            address = self.rules.address
            if (event.token, event.address) != (state.token, address) or event.held not in (None, address):
                self.repair()
        still = []
        for one in self.state.resigning:
            if event.node not in ("", self.rules.node, *one.tried) and one.left and event.token > one.token:
                one = replace(one, tried=(*one.tried, event.node))
            answer = self.outcome(one, event)
            if answer is None:
                still.append(one)
            else:
                self.act(answer)
        self.set(resigning=tuple(still))

    def repair(self) -> None:
        if self.state.repair_at < INFINITY:
            return
        repairs = self.state.repairs + 1 if self.now < self.state.repaired_at + CALM else 1
        self.act(Log("ack or holder was changed by somebody else, and is written again"))
        self.act(Repair())
        self.set(repairs=repairs, repaired_at=self.now, repair_at=self.now + RETRY_MOST if repairs >= CONTESTED else INFINITY)

    def outcome(self, one: Resigning, event: TermSeen) -> Optional[AnswerOperator]:
        """Whether the resignation came to what was asked for: another node is acked. None when that cannot be said yet."""
        taken = self.now - one.since
        limit = min(SUCCESSOR_LIMIT + self.rules.promote_timeout, SUCCESSOR_MOST)
        if self.state.role == PRIMARY and one.left:
            text = f"resigned, but this node leads again at {self.rules.address}, after {taken:.3f} s"
            return AnswerOperator(one.ticket, False, 1, text, tried=one.tried, term=one.token)
        if event.token in (0, one.token):
            # Another implementation notes no holder, and what this node could not release names it still.
            other, node = event.address not in ("", self.rules.address), "another candidate"
        else:
            other, node = bool(event.address) and event.node != self.rules.node, event.node or "another candidate"
        if one.left and other:
            text = f"{node} leads now at {event.address}, after {taken:.3f} s"
            return AnswerOperator(one.ticket, True, 0, text, event.node, event.address, taken)
        if taken > limit:
            nobody = "nobody is primary" if event.known else "nobody is known to be primary, as ZooKeeper does not answer,"
            text = f"resigned, but {nobody} after {taken:.0f} s"
            return AnswerOperator(one.ticket, False, 1, text, tried=one.tried, term=one.token if event.known else None)
        return None

    def on_Reconfigured(self, event: Reconfigured) -> None:
        state, rules = self.state, self.rules
        # It may mend what the last promotion failed for.
        self.set(failed="")
        if state.counter is not None:
            self.set(counter=replace(state.counter, rise=rules.rise, fall=rules.fall))
        if state.role == PRIMARY and state.probe_at < INFINITY:
            self.schedule_probe()
        if state.role == PRIMARY and event.readdressed:
            self.act(Log(f"the address is {rules.address} from now on"))
            self.act(Repair())

    def on_Shutdown(self, event: Shutdown) -> None:
        state = self.state
        sooner = state.leaving is None or event.kill_at < state.leaving.kill_at
        self.set(leaving=event if sooner else state.leaving)
        if state.may_run and (state.role != DEMOTING or (sooner and not state.killed)):
            self.demote(event.reason)
        elif state.cleaning and (state.role, state.step) != (DETACHED, "clearing"):
            self.set(waiting=state.cleaning)
            self.go(DEMOTING, "stopping", event.reason)
            self.set(waiting=state.cleaning, killed=True)
        elif state.role in (STANDBY, PROMOTING) or state.step == "proposing":
            self.release(event.reason)

    def on_Tick(self, event: Tick) -> None:
        """Only the time counts, which every event brings."""

    # Time

    def time_passed(self) -> None:
        self.enforce_lease()
        self.refuse_in_time()
        state, now = self.state, self.now
        if state.role == PROMOTING and now >= state.healthy_by and state.step != "fencing":
            self.fail(f"not healthy within {self.rules.promote_timeout:g} s ({self.state.trouble or 'no answer yet'})")
        if self.state.probe_at <= now:
            number = self.op()
            self.set(probing=number, probe_at=INFINITY)
            self.act(Probe(number))
        if self.state.look_at <= now:
            number = self.op()
            self.set(looking=number, look_at=INFINITY)
            self.act(CountOthers(number))
        if self.state.repair_at <= now:
            self.set(repair_at=INFINITY)
            self.act(SeeTerm())
        if self.state.retry_at <= now:
            self.retry()
        self.leave_or_join()
        due = [one for one in self.state.resigning if one.left and one.ask_at <= now]
        if due:
            self.act(SeeTerm())
            self.set(resigning=tuple(
                replace(one, ask_at=now + SUCCESSOR_PACE) if one in due else one for one in self.state.resigning
            ))

    def enforce_lease(self) -> None:
        state = self.state
        if state.may_run and state.role != DEMOTING and self.now >= lease_of(self.rules, state).stop_at:
            self.demote("the lease runs out: ZooKeeper's quorum has not answered in time")

    def retry(self) -> None:
        state = self.state
        again = {
            "proposing": (Propose,), "asking": (Query,), "stepping": (StepBehind,), "claiming": (Claim, state.fenced),
            "acking": (Ack,), "fencing": (Fence, *state.dirty),
            "releasing": (Withdraw,) if state.withdrawing else (Release, bool(state.cleaning)),
        }.get(state.step)
        self.set(retry_at=INFINITY)
        if again is not None:
            self.ask(*again)

    def leave_or_join(self) -> None:
        state = self.state
        if (state.role, state.step) != (DETACHED, "waiting"):
            return
        if state.leaving is not None and not state.cleaning:
            self.go(WITHDRAWN, "", state.leaving.reason)
            for one in state.resigning:
                text = "resigned, but this node shuts down before another one leads; see zkelect primary"
                self.act(AnswerOperator(one.ticket, False, 1, text))
            self.set(resigning=())
        elif state.leaving is None and state.up and state.grace >= 0 and state.not_before <= self.now and not (
                state.cleaning or state.ending):
            self.set(look_at=INFINITY, looking=0)
            self.propose()
