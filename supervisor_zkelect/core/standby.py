"""Standing in the queue: proposing, asking for the place, watching, stepping behind others."""

from __future__ import annotations

from supervisor_zkelect.core import demotion, handover, messages, priority
from supervisor_zkelect.core.roles import DETACHED, PROMOTING, STANDBY
from supervisor_zkelect.core.state import INFINITY, State, lasting_trouble
from supervisor_zkelect.core.turn import Turn

#: How often a node's own leftover is looked for while it is waited out, in seconds.
DUPLICATE_PACE = 0.5


def propose(turn: Turn) -> None:
    turn.go(DETACHED, "proposing")
    # It finds what there is already.
    turn.set(unadopted=False)
    turn.ask(messages.Propose)


def proposed(turn: Turn, event: messages.Proposed) -> None:
    stepped, first = turn.state.step == "stepping", turn.state.stepping_first
    turn.set(
        proposal=event.proposal, token=event.token, duplicate_since=None, trouble="", stays=False, priority=event.priority,
        # An earlier listener of this node may have stepped with it.
        stepped=stepped or event.found, stepped_in=event.term, stepped_first=stepped and first, stepping_first=False, better="",
    )
    if turn.state.inherited is not None or event.found:
        turn.set(led=True)
    if turn.state.inherited not in (None, event.token) and turn.state.held(turn.now):
        # Of the same session, and another term's.
        demotion.lost(turn, "the proposal of the inherited term is gone")
        return
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
    turn.set(
        lasting=event.lasting, next_in_line=not event.leads and event.place == 2, halted=False, barred=event.paused,
        led=event.leads,
    )
    if turn.state.grace >= 0:
        # What an earlier look at the queue failed for is over.
        turn.set(trouble=lasting_trouble(event.lasting))
    orders = turn.state.orders
    yields = (event.leads or turn.state.next_in_line) and priority.yields(turn, event)
    if event.leads and paused(turn.state):
        halt(turn)
    elif event.leads and orders is not None and turn.state.handed_over and turn.state.inherited is None:
        # An earlier listener of this node has begun that, and its group is dead.
        demotion.release(turn, handover.switched(orders))
    elif yields or event.leads and passes(turn, event):
        why = f"{event.better}, whose priority is higher" if yields else "the others, as its last promotion failed"
        priority.step(turn, f"steps behind {why}", event.better if yields else "", event.leads, "steps behind" if yields else "")
    elif event.leads:
        deadline = -INFINITY if turn.state.inherited is None else turn.state.deadline
        turn.set(
            claimed_at=INFINITY, deadline=deadline, killed=False, fenced=None,
            dirty=("", "", 0), quiet_until=None, healthy_by=turn.now + turn.rules.promote_timeout,
        )
        turn.go(PROMOTING, "claiming", "leads the queue")
        turn.ask(messages.Claim)
    elif turn.state.held(turn.now):
        demotion.lost(turn, "it does not lead the queue")
    elif turn.state.inherited is not None:
        demotion.demote(turn, "the proposal of the inherited term does not lead", kill=True)
    elif event.rival and not turn.state.stays and event.rival != turn.state.behind:
        # Behind it the rules agree. Each of the two might wait for the other otherwise. Once is enough: behind a name with
        # digits that nobody comes after, it would go on for ever.
        turn.set(behind=event.rival)
        why = f"steps behind {event.rival}, which leads by another program's rule"
        priority.step(turn, why, kind="steps behind a rival")
    else:
        number = turn.state.waiting
        turn.go(STANDBY, "watching")
        turn.set(waiting=number)
        priority.schedule_look(turn)


def paused(state: State) -> bool:
    """Whether a pause keeps this node, which leads the queue, from beginning a term."""
    pause = state.orders.pause if state.orders is not None else None
    if pause is None or not pause.stands or state.inherited is not None:
        return False
    return not pause.consent or pause.consent != state.token


def halt(turn: Turn) -> None:
    """Wait at the head of the queue for the end of a pause."""
    number = turn.state.waiting
    turn.go(STANDBY, "watching", "leads the queue, and nobody is promoted in a pause")
    # A term that does not begin takes along what was to come of it.
    turn.set(waiting=number, halted=True, barred=False, trouble="", healthy_by=INFINITY, beginning=None)


def passes(turn: Turn, event: messages.Queried) -> bool:
    """Whether others go first. Where all of them failed the queue goes round once, and then one tries again."""
    state = turn.state
    others = event.candidates > 1 and not priority.is_ordered(turn) and turn.now >= state.stay_until
    # Here it is enough that somebody was acked since the step, whoever led then: where that was only the release of the one who
    # led, the queue goes round once more, as this step is made by who leads.
    again = priority.may_step(turn, event.term, event.acked) or event.acked and not state.stays and state.inherited is None
    return bool(state.failed) and others and again


def queue_changed(turn: Turn, event: messages.QueueChanged) -> None:
    state = turn.state
    if state.role == STANDBY and state.step == "watching" and event.op == state.waiting:
        query(turn)
