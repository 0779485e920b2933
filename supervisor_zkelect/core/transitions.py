"""The transition table of the role machine: for each step and each event who handles it, and where that may lead.

An event that does not count in a step is ignored for a reason, which stands here too. A table with a gap, or with two entries
for one pair, is an error when this is imported. docs/roles.md and docs/roles.svg are drawn from it.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Tuple, Type, Union

from supervisor_zkelect.core import (
    demotion,
    fitness,
    members,
    messages,
    orders,
    pause_messages,
    pausing,
    priority,
    progress,
    promotion,
    resignation,
    standby,
)
from supervisor_zkelect.core.roles import STEPS, WITHDRAWN
from supervisor_zkelect.core.turn import Turn

Handler = Callable[[Turn, Any], None]


class Move(NamedTuple):
    """In these steps the event goes to `handler`. to: the other steps in which the node may be after it."""

    steps: str
    handler: Handler
    to: str = ""


class Row(NamedTuple):
    """One event. otherwise: why it is ignored in all steps that no move names; "" where there are none."""

    moves: List[Move]
    otherwise: str = ""


# Steps in which a node may have inherited a running group: all before that is adopted.
_INHERITED = "waiting proposing asking claiming fencing leasing"
_EVERYWHERE = " ".join(step for steps in STEPS.values() for step in steps if step != WITHDRAWN)
_STARTED = "starting probing acking primary"
_RUNNING = f"restarting {_STARTED}"


def _losing(handler: Handler, waiting: str = "stopping primary", watching: str = "waiting") -> List[Move]:
    """There is no proposal from now on. waiting, watching: where that leads a node that waits, or watches the queue."""
    return [
        Move("waiting", handler, waiting),
        Move("proposing asking claiming fencing leasing", handler, "waiting stopping primary"),
        Move("stepping releasing closing", handler, "waiting"),
        Move("watching", handler, watching),
        Move("starting restarting", handler, "stopping"),
        Move("probing acking", handler, "stopping primary"),
        Move("primary", handler, "stopping"),
        Move("clearing stopping maintenance", handler),
    ]


def _stopping(handler: Handler) -> List[Move]:
    """The group is stopped, where one may run, but for one that is stopped in order to be started again."""
    return [Move(f"{_INHERITED} {_STARTED}", handler, "stopping")]


_OVER = "it answers a request of a former step"
_NO_LEASE = "there is no lease"
_NO_GROUP = "no group runs by this node's order, or its stop has begun"

TABLE: Dict[Type[Any], Row] = {
    # The session
    messages.SessionUp: Row(_losing(progress.session_up, "stopping", "asking waiting")),
    messages.SessionDown: Row([Move(_EVERYWHERE, progress.session_down)]),
    messages.SessionLost: Row(_losing(demotion.session_lost)),
    messages.SessionEnds: Row([
        Move("waiting", demotion.session_ends, "stopping"),
        Move("proposing", demotion.session_ends, "stopping waiting"),
        Move("asking claiming fencing leasing", demotion.session_ends, "stopping releasing"),
        Move("stepping watching", demotion.session_ends, "releasing"),
        Move(_RUNNING, demotion.session_ends, "stopping"),
        Move("clearing stopping releasing maintenance", demotion.session_ends),
    ], "the session is being closed already"),
    messages.RequestFailed: Row([
        Move("waiting", progress.request_failed, "stopping primary"),
        Move("proposing asking claiming fencing leasing", progress.request_failed, "waiting stopping primary"),
        Move("stepping", progress.request_failed, "asking waiting"),
        Move("starting", progress.request_failed, "stopping"),
        Move("probing acking", progress.request_failed, "stopping primary"),
        Move("primary", progress.request_failed, "stopping"),
        Move("releasing", progress.request_failed, "waiting closing"),
        Move("closing", progress.request_failed, "waiting"),
    ], "this step waits for no answer of ZooKeeper"),
    # The queue
    messages.Proposed: Row([
        Move("proposing", standby.proposed, "asking stopping primary"), Move("stepping", standby.proposed, "asking"),
    ], _OVER),
    messages.DuplicateNodeName: Row([Move("proposing", standby.duplicate_node_name)], _OVER),
    messages.Queried: Row([Move("asking", standby.queried, "stepping watching claiming stopping primary releasing")], _OVER),
    messages.QueueChanged: Row([Move("watching", standby.queue_changed, "asking")], "only who watches the queue is told of it"),
    messages.BehindSeen: Row([
        Move("watching", priority.behind_seen, "stepping"), Move("primary", priority.behind_seen),
    ], "only the next in line and a primary look behind"),
    messages.Stayed: Row([Move("stepping", priority.stayed, "asking")], _OVER),
    messages.FitSeen: Row([
        Move("waiting asking stepping watching", fitness.seen),
    ], "only a standby is asked whether it is fit"),
    messages.AheadSeen: Row([
        Move("waiting", fitness.ahead_seen, "releasing"), Move("asking stepping watching", fitness.ahead_seen),
    ], "only a standby leaves the queue by itself, or does not join it"),
    messages.ProposalLost: Row([
        Move("asking claiming fencing leasing", demotion.proposal_lost, "waiting stopping primary"),
        Move("stepping watching releasing closing", demotion.proposal_lost, "waiting"),
        Move("starting restarting", demotion.proposal_lost, "stopping"),
        Move("probing acking", demotion.proposal_lost, "stopping primary"),
        Move("primary", demotion.proposal_lost, "stopping"),
        Move("stopping", demotion.proposal_lost),
    ], "there is no proposal"),
    messages.Rivalled: Row([
        Move("waiting proposing asking", demotion.rivalled, "stopping"),
        Move("claiming fencing leasing", demotion.rivalled, "stopping releasing"),
        Move(_RUNNING, demotion.rivalled, "stopping"),
    ], "this node does not lead"),
    # The term
    messages.Claimed: Row([Move("claiming", promotion.claimed, "leasing starting probing")], _OVER),
    messages.Dirty: Row([Move("claiming", promotion.dirty, "fencing")], _OVER),
    messages.Fenced: Row([Move("fencing", promotion.fenced, "claiming")], _OVER),
    messages.Leased: Row([
        Move("leasing", promotion.leased, "starting probing"), Move("restarting", promotion.leased, "starting"),
        Move(f"{_STARTED} stopping", promotion.leased),
    ], "no term is claimed"),
    messages.Cut: Row([Move(f"{_INHERITED} {_RUNNING} stopping releasing closing", promotion.cut)], _NO_LEASE),
    messages.RenewedByKeeper: Row([Move(f"{_INHERITED} {_RUNNING} stopping", promotion.renewed_by_keeper)], _NO_LEASE),
    messages.Acked: Row([Move("acking", promotion.acked, "primary")], _OVER),
    messages.Released: Row([Move("releasing", demotion.released, "waiting")], _OVER),
    messages.TermSeen: Row([
        Move(f"{_INHERITED} stepping watching {_RUNNING} stopping releasing closing maintenance", resignation.term_seen),
    ], "nobody has resigned here yet"),
    # The group
    messages.ServiceStarted: Row([Move("starting", promotion.service_started, "probing")], _OVER),
    messages.StartFailed: Row([Move("starting", promotion.start_failed, "stopping")], _OVER),
    messages.GrantRevoked: Row(_stopping(demotion.grant_revoked), _NO_GROUP),
    messages.Dead: Row([
        Move("clearing", members.dead, "waiting"),
        Move("stopping", members.dead, "releasing waiting"),
        Move("leasing", members.dead, "starting"),
        Move("restarting", members.dead, "starting"),
        Move("waiting proposing asking stepping watching claiming fencing releasing closing maintenance withdrawn", members.dead),
    ], "no proof of death is waited for"),
    messages.Stuck: Row([Move(_EVERYWHERE, demotion.stuck)]),
    messages.Probed: Row([
        Move("probing", promotion.probed, "acking"), Move("acking", promotion.probed),
        Move("primary", promotion.probed, "stopping"),
    ], "no probe is on its way"),
    messages.MemberChanged: Row([Move("primary", members.member_changed)], "supervisord's word is looked at soon, or not at all"),
    messages.MemberRuns: Row([Move("probing", members.member_runs)], "no word of supervisord is waited for"),
    messages.MemberFatal: Row(_stopping(members.member_fatal), _NO_GROUP),
    messages.StoppedByHand: Row([
        Move(f"{_INHERITED} probing acking primary", members.stopped_by_hand, "stopping"),
    ], f"{_NO_GROUP}, or it is only being started"),
    messages.StartedByHand: Row([
        Move(
            "waiting proposing asking stepping watching claiming fencing leasing releasing closing maintenance withdrawn",
            members.started_by_hand,
        ),
    ], "the group runs by this node's order, or is being proven dead"),
    # Orders
    messages.Resign: Row([
        Move(f"claiming fencing leasing {_RUNNING}", resignation.resign, "stopping"),
        Move("stopping", resignation.resign, "releasing waiting"),
        Move("clearing waiting proposing asking stepping watching releasing closing maintenance", resignation.resign),
    ]),
    messages.ControlSeen: Row([
        Move("watching", orders.control_seen, "asking"),
        Move(" ".join(step for step in _EVERYWHERE.split() if step != "watching"), orders.control_seen),
    ]),
    pause_messages.PauseWritten: Row([Move(_RUNNING, pausing.written)], "no pause is consented to or ended"),
    pause_messages.ConsentRead: Row([
        Move(f"{_INHERITED} probing acking primary", pausing.consent_read, "stopping"), Move("stopping", pausing.consent_read),
    ], "no pause keeps a group from ending that is only being started, so no consent is looked for"),
    pause_messages.PauseEchoed: Row([
        Move(_RUNNING, pausing.echoed), Move(_INHERITED, pausing.echoed_early),
    ], "the guard is not asked about a pause"),
    messages.Begun: Row([
        Move("claiming fencing leasing restarting starting probing acking", orders.begun, "stopping"),
        Move("primary", orders.begun, "stopping restarting"),
    ], "this term has ended, or ends"),
    messages.OrderNotBegun: Row([Move(f"claiming fencing leasing {_RUNNING}", orders.not_begun)], "this term has ended, or ends"),
    messages.OthersCounted: Row([Move("waiting", resignation.others_counted)], "nobody waits for the number"),
    messages.Reconfigured: Row([Move(
        f"{_INHERITED} stepping watching {_STARTED} stopping releasing closing maintenance", resignation.reconfigured
    )], "no promotion has failed yet"),
    messages.Shutdown: Row([
        Move("waiting", demotion.shutdown, "stopping"),
        Move("proposing", demotion.shutdown, "stopping waiting"),
        Move("asking claiming fencing leasing stepping watching", demotion.shutdown, "stopping releasing"),
        Move(f"{_RUNNING} releasing closing", demotion.shutdown, "stopping"),
        Move("maintenance", demotion.shutdown, "stopping"),
        Move("clearing stopping", demotion.shutdown),
    ]),
    # Time, which passes with each event
    messages.Tick: Row([
        Move("waiting", progress.time_passed, "proposing withdrawn stopping releasing maintenance"),
        Move("maintenance", progress.time_passed, "waiting proposing withdrawn"),
        Move("claiming", progress.time_passed, "stopping releasing watching"),
        Move("fencing", progress.time_passed, "claiming stopping releasing watching"),
        Move("asking leasing", progress.time_passed, "stopping releasing"),
        Move(f"proposing {_RUNNING}", progress.time_passed, "stopping"),
        Move("stepping", progress.time_passed, "releasing"),
        Move("watching", progress.time_passed, "stepping releasing"),
        Move("stopping releasing closing", progress.time_passed),
    ], "nothing is due"),
}
"""What each event does in each step."""


def _pairs() -> Dict[Tuple[str, Type[Any]], Union[Move, str]]:
    """Each step with each event. Raises TypeError where the table has a gap, or two moves for one pair."""
    steps = [step for of_role in STEPS.values() for step in of_role]
    missing = [kind.__name__ for kind in messages.EVENTS if kind not in TABLE]
    if missing:
        raise TypeError(f"no row for {', '.join(missing)}")
    pairs: Dict[Tuple[str, Type[Any]], Union[Move, str]] = {}
    for kind, row in TABLE.items():
        for move in row.moves:
            unknown = {*move.steps.split(), *move.to.split()} - {*steps}
            if unknown:
                raise TypeError(f"{kind.__name__}: no step {', '.join(sorted(unknown))}")
            for step in move.steps.split():
                if (step, kind) in pairs:
                    raise TypeError(f"two moves for {kind.__name__} in {step}")
                pairs[step, kind] = move
        for step in steps:
            reason = "a node that has withdrawn stands for no election any more" if step == WITHDRAWN else row.otherwise
            if (step, kind) not in pairs and not reason:
                raise TypeError(f"no move for {kind.__name__} in {step}")
            pairs.setdefault((step, kind), reason)
    return pairs


#: (step, event) -> the move, or why the event is ignored.
PAIRS = _pairs()

#: Events that answer a request of a step, and count only for the one that it made last.
_ANSWERS = (
    messages.Proposed, messages.DuplicateNodeName, messages.Queried, messages.Claimed, messages.Dirty, messages.Fenced,
    messages.Stayed, messages.Acked, messages.Released, messages.RequestFailed, messages.ServiceStarted, messages.StartFailed,
)


def step_of(role: str, step: str) -> str:
    """The step by the name that it has in the table."""
    return step or role


def take(turn: Turn, event: messages.Event) -> None:
    """Have the event handled, or ignored."""
    move = PAIRS[step_of(turn.state.role, turn.state.step), type(event)]
    if isinstance(move, Move) and not (isinstance(event, _ANSWERS) and event.op != turn.state.waiting):
        move.handler(turn, event)
