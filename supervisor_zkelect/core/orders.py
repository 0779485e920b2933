"""What operators have ordered in the control znode, and how this node obeys: it stays out of the queue, or hands over.

A term that is handed over ends only when somebody is known who takes over, by a transaction that checked both proposals. Until
then nothing is stopped, and whatever was ordered may be taken back.
"""

from __future__ import annotations

from supervisor_zkelect.core import control, demotion, handover, messages, pausing, priority, promotion, resignation, restarting
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, MAINTENANCE, PRIMARY, PROMOTING, STANDBY
from supervisor_zkelect.core.state import INFINITY, State
from supervisor_zkelect.core.turn import Turn

#: Seconds until a handover that could not be begun is tried again, as long as its order stands: another node may have come.
AGAIN = 1.0


def control_seen(turn: Turn, event: messages.ControlSeen) -> None:
    known = turn.state.orders
    pausing.note(turn, event)
    priority.look_again(turn)
    beginning = turn.state.beginning
    standing = (event.bar_id, event.order, event.restart.id if event.restart else "")
    unordered = beginning is None or beginning.kind in (control.RESIGNATION, control.FAILBACK)
    if beginning is not None and not unordered and beginning.order not in standing:
        # It was taken back; what comes of its beginning counts no more.
        turn.set(beginning=None)
        resignation.begin_what_waits(turn)
    restart = known.restart.id if known is not None and known.restart else ""
    if restart != standing[2]:
        turn.set(restart_at=turn.now)
    pausing.control_seen(turn, event)
    if known is None or (known.bar_id, known.order, known.forced) != (event.bar_id, event.order, event.forced):
        turn.set(begin_at=turn.now, stays_why="")


def obey(turn: Turn) -> None:
    """Do what the orders that stand want of this node now."""
    orders = turn.state.orders
    if orders is not None and orders.until <= turn.now:
        orders = orders._replace(bar="", until=INFINITY, bar_id="", forced=False)
        turn.set(orders=orders, stays_why="")
    state = turn.state
    if orders is None or state.leaving is not None:
        return
    bar = orders.bar
    if state.may_run:
        if state.may_begin and state.begin_at <= turn.now:
            _hand_over(turn, orders)
    elif (bar or state.aside) and (state.role in (STANDBY, PROMOTING) or _left_behind(state)):
        # What makes the orders unusable is told by itself, and not with each step that follows from it.
        unusable = "what operators have ordered cannot be used"
        # A request that failed may have been carried out.
        turn.set(unadopted=state.unadopted or state.step == "proposing")
        demotion.release(turn, state.aside if not bar else bar if orders.bar_id else unusable)
    elif state.may_begin and state.begin_at <= turn.now:
        _hand_over(turn, orders)
    elif bar and orders.bar_id and _has_left(state):
        turn.go(MAINTENANCE, "", bar)
        turn.act(messages.TellOutcome(orders.bar_id, True, f"{turn.rules.node} left the queue"))
    elif not bar and state.role == MAINTENANCE:
        turn.go(DETACHED, "waiting", "its maintenance is over")


def _left_behind(state: State) -> bool:
    """Whether a former listener of this node, or a request of this one that failed, may have left a proposal, by which nothing
    runs and nobody else leads."""
    waiting = (state.role, state.step) == (DETACHED, "waiting") and state.unadopted
    failed = state.step == "proposing" and state.retry_at < INFINITY
    return (waiting or failed) and state.inherited is None and state.up and not state.cleaning


def _has_left(state: State) -> bool:
    """Whether this node stands in no queue. In a session of a former listener it may, until that one's proposal is given up."""
    waiting = (state.role, state.step) == (DETACHED, "waiting")
    return waiting and state.inherited is None and not (state.unadopted and state.alive)


def _hand_over(turn: Turn, orders: messages.ControlSeen) -> None:
    """End this node's term for an order, as soon as somebody is known who takes over."""
    state = turn.state
    if orders.order and orders.begun == state.token:
        # An earlier listener of this node has begun it; its target may have gone since.
        handover.begin(turn, control.SWITCHOVER, orders.order, handover.switched(orders))
    elif orders.bar_id:
        if orders.forced:
            demotion.demote(turn, orders.bar)
        else:
            handover.begin(turn, control.STAND_ASIDE, orders.bar_id, orders.bar)
    elif orders.order and not orders.begun and orders.due <= turn.now:
        if orders.to != turn.rules.node:
            handover.begin(turn, control.SWITCHOVER, orders.order, handover.switched(orders))
        else:
            turn.set(begin_at=turn.now + AGAIN)
            if state.role == PRIMARY:
                turn.act(messages.TellOutcome(orders.order, True, f"{turn.rules.node} led already"))
    elif orders.order and orders.begun and state.role == PRIMARY:
        # It led to this term, whose claim could not take it out of the control.
        turn.set(begin_at=turn.now + AGAIN)
        promotion.tell_who_leads(turn, orders.order, orders.missed)


def begun(turn: Turn, event: messages.Begun) -> None:
    beginning = turn.state.beginning
    if beginning is None or beginning.op != event.op:
        return
    turn.set(beginning=None)
    if beginning.kind == control.RESTART:
        restarting.begun(turn, beginning)
        resignation.begin_what_waits(turn)
    elif turn.state.role in (PRIMARY, PROMOTING):
        _end_for(turn, beginning.reason, event.target)


def _end_for(turn: Turn, reason: str, successor: str) -> None:
    resignation.give_up(turn, turn.state.resigning, reason)
    turn.set(successor=successor)


def not_begun(turn: Turn, event: messages.OrderNotBegun) -> None:
    beginning = turn.state.beginning
    if beginning is None or beginning.op != event.op:
        return
    turn.set(beginning=None)
    if beginning.kind == control.RESIGNATION:
        resignation.not_begun(turn, event)
        return
    if beginning.kind == control.RESTART:
        restarting.not_begun(turn, beginning, event)
        resignation.begin_what_waits(turn)
        return
    if beginning.kind == control.FAILBACK:
        # Nobody has ordered it; it is looked for again.
        priority.not_handed_back(turn, event.why)
        resignation.begin_what_waits(turn)
        return
    turn.set(begin_at=turn.now + AGAIN)
    if turn.state.role == DEMOTING:
        return
    if beginning.kind == control.SWITCHOVER and event.known:
        turn.act(messages.TellOutcome(beginning.order, False, f"not switched over: {event.why}"))
    elif turn.state.stays_why != event.why:
        turn.act(messages.Log(f"{beginning.reason}, but goes on leading: {event.why}", "goes on leading"))
        turn.set(stays_why=event.why)
    resignation.begin_what_waits(turn)
