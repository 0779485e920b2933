"""Carries out the actions of the role machines, itself or by a worker. On the deciding thread."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from supervisor_zkelect.core import messages, ranks
from supervisor_zkelect.listener import election_worker, events, order_worker, pool_worker
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means
from supervisor_zkelect.listener.workers import EventExecutor


class Actions(Decider):
    """Carries out actions, each by its type."""

    def __init__(self, means: Means, keepers: Keepers, health: EventExecutor) -> None:
        """health: does health checks."""
        super().__init__(means, keepers)
        self._health = health

    def actions(self) -> events.Actions:
        worker = election_worker
        return {
            messages.Propose: self._propose,
            messages.Query: lambda one, action: one.ask(
                action.op, worker.query, one.name, action.op, one.state.token, _rank(one), self._post
            ),
            messages.StepBehind: lambda one, action: one.ask(
                action.op, worker.step_behind, action.op, action.better, self._host.settings.node_name,
                self._host.settings.backoff_max
            ),
            messages.LookBehind: lambda one, action: one.ask(
                0, worker.look_behind, action, _rank(one), self._host.settings.backoff_max
            ),
            messages.LookAhead: lambda one, action: one.ask(0, worker.look_ahead, action.op),
            messages.AskFit: self._ask_fit,
            messages.Claim: self._claim,
            messages.Fence: self._fence,
            messages.Ack: lambda one, action: one.ask(action.op, worker.ack, action.op, one.settings.address),
            messages.Repair: lambda one, action: one.ask(0, worker.repair, one.name, one.settings.address, self._post),
            messages.Release: lambda one, action: self._unless_owned(
                one, action.op, worker.release, action.op, action.dirty, action.successor
            ),
            messages.Begin: lambda one, action: one.ask(0, order_worker.begin, action, self._host.settings.node_name),
            messages.TellOutcome: lambda one, action: one.ask(
                0, order_worker.tell_outcome, action, self._host.settings.node_name, one.settings.address
            ),
            messages.Withdraw: lambda one, action: self._unless_owned(one, action.op, worker.withdraw, action.op),
            messages.CountOthers: lambda one, action: one.ask(0, worker.count_others, action.op),
            messages.SeeTerm: lambda one, action: one.read_term(),
            messages.EnsureDead: self._ensure_dead,
            messages.StartGroup: self._start_group,
            messages.StopGroup: lambda one, action: one.group.stop(action.op, action.kill_at, one.grant),
            messages.KillGroup: lambda one, action: one.group.kill(action.op),
            messages.Probe: self._probe,
            messages.Log: lambda one, action: self._log.step(one.name, action.text, action.kind),
        }

    def _propose(self, one: Candidacy, action: messages.Propose) -> None:
        node, inherited = self._host.settings.node_name, one.state.inherited is not None
        self._unless_owned(one, action.op, election_worker.propose, action.op, node, inherited, one.state.held(self._host.now()))

    def _unless_owned(self, one: Candidacy, op: int, function: Callable[..., Any], *arguments: Any) -> None:
        """Ask ZooKeeper for what makes, takes for this candidacy's, or gives up, the proposal that the session has in its
        election; not while that is an earlier configuration's. That one is given up as soon as its group is dead: it must neither
        be taken for the one to start a group by, nor be deleted under the group that runs by it."""
        if not self._leftovers.owns(one.elector.election_znode):
            one.ask(op, function, *arguments)
            return
        trouble = "an earlier configuration's proposal in this election is not given up yet"
        self._post(events.ElectionEvent(one.name, messages.RequestFailed(op, False, trouble)))

    def _claim(self, one: Candidacy, action: messages.Claim) -> None:
        fences, adopting = one.settings.fence is not None, one.state.inherited is not None
        who = election_worker.Claimant(self._host.settings.node_name, one.settings.address, fences, adopting, self._host.life)
        one.ask(action.op, election_worker.claim, one.name, action, who, self._sessions.session, self._post)

    def _fence(self, one: Candidacy, action: messages.Fence) -> None:
        settings = one.settings
        variables = {
            "ZKELECT_ELECTION": settings.name, "ZKELECT_NODE": self._host.settings.node_name,
            "ZKELECT_TOKEN": str(one.state.token), "ZKELECT_OLD_NODE": action.node,
            "ZKELECT_OLD_ADDRESS": action.address, "ZKELECT_OLD_TOKEN": str(action.token),
        }
        name, op = one.name, action.op
        # Without an answer the step would wait for ever.
        one.hooks.submit(
            partial(pool_worker.run_fence, settings, op, variables, self._host.now, self._host.run),
            lambda error: events.ElectionEvent(name, messages.Fenced(op, False, f"a defect: {error!r}")),
        )

    def _start_group(self, one: Candidacy, action: messages.StartGroup) -> None:
        self._enforcement.last_resort.spare(one.settings.group)
        one.group.start(action.op, one.grant)

    def _ensure_dead(self, one: Candidacy, action: messages.EnsureDead) -> None:
        stop_by = self._host.now() + one.rules.stopwaitsecs
        one.group.ensure_dead(action.op, stop_by, self._guard.killed_by(one, stop_by))

    def _probe(self, one: Candidacy, action: messages.Probe) -> None:
        if one.check is None:
            one.group.look(action.op)
            return
        name, op = one.name, action.op
        work = partial(pool_worker.probe, name, op, one.check, one.settings.health_timeout)
        self._health.submit(work, lambda error: events.ElectionEvent(name, messages.Probed(op, False, repr(error))))

    def _ask_fit(self, one: Candidacy, action: messages.AskFit) -> None:
        name, op = one.name, action.op
        work = partial(pool_worker.ask_fit, name, op, one.fit, one.settings.health_timeout)
        self._health.submit(work, lambda error: events.ElectionEvent(name, messages.FitSeen(op, False, repr(error))))


def _rank(one: Candidacy) -> int:
    """The priority by which others see this node."""
    return ranks.DEFAULT if one.state.priority is None else one.state.priority
