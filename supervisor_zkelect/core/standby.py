"""Standing in the queue: proposing, asking for the place, watching, stepping behind others."""

from __future__ import annotations

from supervisor_zkelect.core import demotion, messages
from supervisor_zkelect.core .roles import DETACHED, PROMOTING, STANDBY
from supervisor_zkelect.core.state import INFINITY, lasting_trouble
from supervisor_zkelect.core.turn import Turn

#: How often a node's own leftover is looked for while it is waited out, in seconds.
DUPLICATE_PACE = 0.5


def propose(turn: Turn) -> None:
    turn.go(DETACHED, "proposing")
    # It finds what there is already.
    turn.set(unadopted=False)
    turn.ask(messages.Propose)


def proposed(turn: Turn, event: messages.Proposed) -> None:
    stepped = turn.state.step == "stepping"
    turn.set(proposal=event.proposal, token=event.token, duplicate_since=None, trouble="", stepped=stepped, stays=False)
    if turn.state.inherited is not None:
        turn.set(led=True)
    if turn.state.inherited not in (None, event.token):
        demotion.demote(turn, "the proposal of the inherited term is gone", kill=True)
        return
    turn.go(STANDBY, "asking", f"proposal {event.proposal}")
    turn.ask(messages.Query)


def duplicate_node_name(turn: Turn, event: messages.DuplicateNodeName) -> None:
    since = turn.now if turn.state.duplicate_since is None else turn.state.duplicate_since
    turn.set(duplicate_since=since, trouble=f"waiting until {event.proposal}, a proposal with this node's name, is gone")
    if turn.now - since > turn.state.wait_out:
        turn.act(messages.Quit(
            f"another live node with this node's name stands in the election {turn.rules.name} as "
            f"{event.proposal}; give each node a node_name of its own"
        ))
    turn.set(waiting=0, retry_at=turn.now + DUPLICATE_PACE)


def query(turn: Turn) -> None:
    turn.go(STANDBY, "asking")
    turn.ask(messages.Query)


def queried(turn: Turn, event: messages.Queried) -> None:
    turn.set(lasting=event.lasting)
    if turn.state.grace >= 0:
        # What an earlier look at the queue failed for is over.
        turn.set(trouble=lasting_trouble(event.lasting))
    if event.leads and passes(turn, event):
        turn.act(messages.Log("steps behind the others, as its last promotion failed"))
        turn.go(STANDBY, "stepping")
        turn.ask(messages.StepBehind)
    elif event.leads:
        deadline = -INFINITY if turn.state.inherited is None else turn.state.deadline
        turn.set(
            claimed_at=INFINITY, deadline=deadline, killed=False, fenced=None, led=True,
            quiet_until=None, healthy_by=turn.now + turn.rules.promote_timeout,
        )
        turn.go(PROMOTING, "claiming", "leads the queue")
        turn.ask(messages.Claim)
    elif turn.state.inherited is not None:
        demotion.demote(turn, "the proposal of the inherited term does not lead", kill=True)
    elif event.rival and not turn.state.stays and event.rival != turn.state.behind:
        # Behind it the rules agree. Each of the two might wait for the other otherwise. Once is enough: behind a name with
        # digits that nobody comes after, it would go on for ever.
        turn.set(behind=event.rival)
        turn.act(messages.Log(f"steps behind {event.rival}, which leads by another program's rule", "steps behind a rival"))
        turn.go(STANDBY, "stepping")
        turn.ask(messages.StepBehind)
    else:
        number = turn.state.waiting
        turn.go(STANDBY, "watching")
        turn.set(waiting=number)


def passes(turn: Turn, event: messages.Queried) -> bool:
    """Whether others go first. Where all of them failed the queue goes round once, and then one tries again."""
    state, orders = turn.state, turn.state.orders
    if orders is not None and (orders.begun and orders.target == state.proposal or orders.order and orders.to == turn.rules.node):
        # It was ordered to lead.
        return False
    again = state.stays or state.stepped and not event.acked
    return bool(state.failed) and event.candidates > 1 and state.inherited is None and not again


def queue_changed(turn: Turn, event: messages.QueueChanged) -> None:
    state = turn.state
    if state.role == STANDBY and state.step == "watching" and event.op == state.waiting:
        query(turn)
