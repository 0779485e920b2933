"""What goes on whatever the step is: the connection, requests that failed, and time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Tuple

from supervisor_zkelect.core import (
    demotion,
    fitness,
    messages,
    orders,
    pausing,
    priority,
    promotion,
    resignation,
    restarting,
    standby,
)
from supervisor_zkelect.core.resignation import SUCCESSOR_PACE
from supervisor_zkelect.core.roles import DETACHED, MAINTENANCE, PROMOTING, STANDBY, WITHDRAWN
from supervisor_zkelect.core.state import INFINITY
from supervisor_zkelect.core.turn import MADE_WAY, RETRY_FIRST, Turn


def session_up(turn: Turn, event: messages.SessionUp) -> None:
    if event.fresh and turn.state.alive:
        demotion.session_lost(turn, messages.SessionLost("another session began"))
    unfit = f"ZooKeeper grants a session timeout of {event.timeout:g} s, in which kill_time does not fit"
    turn.set(
        up=True, alive=True, grace=event.grace, wait_out=event.wait_out, timeout=event.timeout, margin=event.margin,
        trouble=unfit if event.grace < 0 else "",
        # ZooKeeper may have kept every session alive that was not connected, for its whole timeout from now on.
        duplicate_since=None,
    )
    if event.fresh:
        # What was ordered meanwhile is not known yet.
        turn.set(orders=None)
    if turn.state.role == STANDBY and turn.state.step == "watching":
        standby.query(turn)
    elif turn.state.retry_at < INFINITY:
        turn.set(retry_at=turn.now)


def session_down(turn: Turn, event: messages.SessionDown) -> None:
    turn.set(up=False)


def request_failed(turn: Turn, event: messages.RequestFailed) -> None:
    state = turn.state
    if event.gone:
        demotion.lost(turn, event.reason)
        if turn.state.step == "waiting":
            stood_by = (state.role, state.step) == (STANDBY, "asking")
            turn.set(not_before=max(turn.state.not_before, turn.now + (MADE_WAY if stood_by else RETRY_FIRST)))
        return
    turn.retry_later(event.reason)
    turn.set(refused=event.refused)
    if state.step == "releasing":
        demotion.release_failed(turn, event)
    elif state.step == "stepping" and event.refused:
        # Better a sick candidate than none.
        turn.set(stays=True)
        standby.query(turn)


def retry(turn: Turn) -> None:
    """Make the request of this step again."""
    state = turn.state
    again: Dict[str, Tuple[Any, ...]] = {
        "proposing": (messages.Propose,),
        "asking": (messages.Query,),
        "stepping": (messages.StepBehind, state.better),
        "claiming": (messages.Claim, state.fenced),
        "acking": (messages.Ack,),
        "releasing": demotion.given_up(state),
    }
    turn.set(retry_at=INFINITY)
    if state.step == "fencing":
        promotion.look_before_fence(turn)
    elif state.step in again:
        turn.ask(*again[state.step])


def leave_or_join(turn: Turn) -> None:
    """While outside of the queue: withdraw where this listener ends, propose where nothing is against it."""
    state = turn.state
    waiting = (state.role, state.step) == (DETACHED, "waiting")
    if not waiting and state.role != MAINTENANCE:
        return
    if state.leaving is not None and not state.cleaning:
        turn.go(WITHDRAWN, "", state.leaving.reason)
        for one in state.resigning:
            text = "resigned, but this node shuts down before another one leads; see zkelect primary"
            turn.act(messages.AnswerOperator(one.ticket, False, 1, text, resigned=True))
        turn.set(resigning=(), look_at=INFINITY)
    elif waiting and state.may_propose(turn.now) and not fitness.awaits(turn):
        turn.set(look_at=INFINITY, looking=0)
        standby.propose(turn)


def time_passed(turn: Turn, event: messages.Tick) -> None:
    """Do what is due."""
    demotion.enforce_lease(turn)
    resignation.refuse_in_time(turn)
    fitness.ask(turn)
    orders.obey(turn)
    restarting.obey(turn)
    pausing.obey(turn)
    priority.propose_anew(turn)
    priority.look(turn)
    state, now = turn.state, turn.now
    if state.role == PROMOTING and now >= state.healthy_by and state.step != "fencing" and not state.spared(now):
        demotion.fail(turn, f"not healthy within {turn.rules.promote_timeout:g} s ({turn.state.trouble or 'no answer yet'})")
    if turn.state.probe_at <= now:
        turn.set(probe_at=INFINITY)
        turn.request("probing", messages.Probe)
    if turn.state.look_at <= now:
        turn.set(look_at=INFINITY)
        turn.request("looking", messages.CountOthers)
    if turn.state.repair_at <= now:
        turn.set(repair_at=INFINITY)
        turn.act(messages.SeeTerm())
    if turn.state.retry_at <= now:
        retry(turn)
    leave_or_join(turn)
    due = [one for one in turn.state.resigning if one.left and one.ask_at <= now]
    if due:
        turn.act(messages.SeeTerm())
        turn.set(resigning=tuple(
            replace(one, ask_at=now + SUCCESSOR_PACE) if one in due else one for one in turn.state.resigning
        ))
