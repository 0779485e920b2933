"""How a node obeys a pause: who leads consents to it, goes on in it, and ends it; all others begin nothing.

Steps of who leads (`State.pausing`):

    consenting   the transaction is on its way that checks the proposal and makes the barrier
    telling      it was acknowledged, so from now on the lease has no end; the guard has not confirmed yet that it knows
    paused       the guard has, and the record says so: ZooKeeper may go away
    looking      the control seems not to have the consent any more, and is read behind a sync
    bounding     the lease has an end again, and the guard has not confirmed yet that it knows
    resuming     it has; the transaction is on its way that ends the pause

A longer promise counts from its answer, a shorter one before it is sent. While a pause holds a term, neither the loss of the
session, nor that of the proposal, nor a sick service, nor a program that is stopped by hand ends it. Where the consent is gone
the term is killed, unless its proposal stands and its ordinary lease is valid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from supervisor_zkelect.core import demotion, messages, pause_messages, promotion, standby
from supervisor_zkelect.core.lease import PAUSE_RELIED_ON, PAUSE_RESPECTED
from supervisor_zkelect.core.pause_messages import PauseSeen
from supervisor_zkelect.core.roles import DEMOTING, PRIMARY, PROMOTING, WITHDRAWN
from supervisor_zkelect.core.service import Counter
from supervisor_zkelect.core.state import ANY_PAUSE, INFINITY, Pausing, State, lease_of
from supervisor_zkelect.core.turn import Turn

#: Seconds until what failed is tried again.
AGAIN = 1.0


def note(turn: Turn, seen: messages.ControlSeen) -> None:
    """Take what was read of the control as what stands, and count from now on until when its pause is to be respected."""
    pause = seen.pause
    turn.set(orders=seen)
    if pause is not None and turn.state.pause_stamp != pause.stamp:
        # What is read was there before, so this counts too much and never too little. Another session reads the same.
        turn.set(pause_over=turn.now + pause.lasts * PAUSE_RESPECTED, pause_stamp=pause.stamp)


def control_seen(turn: Turn, event: messages.ControlSeen) -> None:
    if event.unread or _cannot_be_read(event):
        return
    if turn.state.held(turn.now) and not _is_mine(turn.state, event.pause) and not turn.state.killed:
        _look(turn)
    if turn.state.step == "watching" and turn.state.halted and not standby.paused(turn.state):
        standby.query(turn)


def _cannot_be_read(event: messages.ControlSeen) -> bool:
    """Whether the control is there and says nothing: garbage promotes nobody, and the barrier stands."""
    return bool(event.bar) and not event.bar_id


def _is_mine(state: State, pause: Optional[PauseSeen]) -> bool:
    """Whether this node's present term has consented to the pause."""
    token = state.token if state.inherited is None else state.inherited
    return pause is not None and pause.stands and pause.consent != 0 and pause.consent == token


def obey(turn: Turn) -> None:
    """Do what a pause wants of this node now."""
    state = turn.state
    if state.role == WITHDRAWN:
        return
    if -INFINITY < state.pause_at <= turn.now:
        turn.set(pause_at=-INFINITY)
    if state.may_run and -INFINITY < state.paused_until <= turn.now:
        _lapse(turn)
    if state.may_run and turn.state.role != DEMOTING:
        _lead(turn)
    elif state.looks_again and state.pausing is not None and state.pausing.again <= turn.now:
        _look(turn)
    else:
        _stand_by(turn)
    if turn.state.ending and turn.state.enforced and not turn.state.held(turn.now):
        demotion.demote(turn, "the session is to be closed, and no pause keeps this term any more")


# Who leads


def _lapse(turn: Turn) -> None:
    """The time of the pause is over for this node: it is ordinary from now on, or dead."""
    pause = turn.state.orders.pause if turn.state.orders is not None else None
    known = pause.order if pause is not None and _is_mine(turn.state, pause) else ""
    order = (turn.state.pausing.order if turn.state.pausing is not None else known) or ANY_PAUSE
    turn.set(paused_until=-INFINITY, lapsed=order, healthy_by=turn.now + turn.rules.promote_timeout)
    if turn.state.pausing is not None and turn.state.role != DEMOTING:
        _bound(turn)


def _lead(turn: Turn) -> None:
    state, pause = turn.state, turn.state.orders.pause if turn.state.orders is not None else None
    one = state.pausing
    if one is not None and (one.op or one.again > turn.now):
        return
    if one is not None and one.step in ("telling", "bounding") and one.again > -INFINITY:
        turn.set(pausing=replace(one, again=-INFINITY))
        turn.act(pause_messages.TellPause())
    elif one is not None and one.step == "looking":
        _look(turn)
    elif one is not None and one.step == "resuming":
        _end(turn, one.order)
    elif one is not None and one.step == "paused" and not state.held(turn.now):
        # Whatever has become of the pause meanwhile.
        _resume(turn, one.order)
    elif pause is not None and _is_mine(state, pause) and (pause.resume or _lapsed(state, pause)):
        if one is None or one.step in ("paused", "telling"):
            _resume(turn, pause.order)
    elif pause is not None and _is_mine(state, pause) and state.held(turn.now) and state.inherited is None:
        if one is None or one.order != pause.order and one.step in ("paused", "telling"):
            # It is that of an earlier listener.
            turn.set(pausing=Pausing(pause.order, "telling"))
            turn.act(pause_messages.TellPause())
    elif one is None and pause is not None and _may_consent(turn, pause):
        turn.set(lapsed="")
        _request(turn, Pausing(pause.order, "consenting"), pause_messages.Consent, pause.order)


def _lapsed(state: State, pause: PauseSeen) -> bool:
    """Whether the time of a pause to which this term has consented is over, as far as this node can rely on it."""
    return pause.order == state.lapsed or state.lapsed == ANY_PAUSE and pause.lasts < INFINITY and _is_mine(state, pause)


def _may_consent(turn: Turn, pause: PauseSeen) -> bool:
    state = turn.state
    asked = not pause.stands or pause.consent == 0 or _is_mine(state, pause)
    able = state.role == PRIMARY and state.may_begin and state.proposal is not None and state.up and state.pause_at <= turn.now
    return asked and able and not pause.resume and not _lapsed(state, pause) and lease_of(turn.rules, state).covers(turn.now)


def _request(turn: Turn, one: Pausing, action: type, *more: object) -> None:
    number = turn.state.op + 1
    turn.set(op=number, pausing=replace(one, op=number, again=-INFINITY))
    turn.act(action(number, *more))


def _look(turn: Turn) -> None:
    """Read behind a sync whether the consent stands."""
    one = turn.state.pausing
    if one is None or one.step not in ("bounding", "resuming", "consenting"):
        _request(turn, Pausing(one.order if one is not None else "", "looking"), pause_messages.SeeConsent)


def _bound(turn: Turn) -> None:
    """Give the lease its end again, and have whoever enforces it confirm that. What health checks and members told in the pause
    counts no more."""
    state = turn.state
    turn.set(paused_until=-INFINITY, pausing=Pausing(state.pausing.order if state.pausing else "", "bounding"))
    if state.counter is not None:
        turn.set(counter=Counter(turn.rules.rise, turn.rules.fall))
    if state.role == PROMOTING:
        turn.set(healthy_by=turn.now + turn.rules.promote_timeout)
    turn.act(pause_messages.TellPause())


def _resume(turn: Turn, order: str) -> None:
    state = turn.state
    turn.set(pausing=state.pausing or Pausing(order, "paused"))
    if state.inherited is not None or not state.up:
        # Its proposal is not looked for yet, or nobody could be told.
        return
    if state.proposal is None:
        demotion.demote(turn, "the pause is ended, and the proposal is gone: the group stops, and whoever is next leads")
    elif turn.now < lease_of(turn.rules, state).ordinary.stop_at:
        _bound(turn)


def _end(turn: Turn, order: str) -> None:
    _request(turn, Pausing(order, "resuming"), pause_messages.EndPause)


def written(turn: Turn, event: pause_messages.PauseWritten) -> None:
    one = turn.state.pausing
    if one is None or one.op != event.op:
        return
    if one.step == "consenting" and not event.why:
        turn.set(paused_until=event.sent + event.lasts * PAUSE_RELIED_ON, pausing=Pausing(one.order, "telling"))
        turn.act(messages.Log("has consented to the pause: nobody steps down and nobody is promoted until it ends"))
        turn.act(pause_messages.TellPause())
    elif one.step == "consenting":
        turn.act(messages.Log(f"does not consent to the pause: {event.why}", "no consent"))
        turn.set(pausing=None, pause_at=turn.now + AGAIN, lapsed=one.order if event.over else turn.state.lapsed)
    elif event.why:
        turn.set(pausing=replace(one, op=0, again=turn.now + AGAIN))
    else:
        _ended(turn)


def _ended(turn: Turn) -> None:
    """The pause is over, and this node is an ordinary primary."""
    state, orders = turn.state, turn.state.orders
    if orders is not None and _is_mine(state, orders.pause):
        # Another one may have been asked for meanwhile.
        orders = orders._replace(pause=None)
    turn.set(pausing=None, lapsed="", trouble="", orders=orders, pause_at=turn.now + AGAIN)
    turn.act(messages.Log("the pause has ended"))
    if state.role == PRIMARY:
        turn.set(counter=Counter(turn.rules.rise, turn.rules.fall))
    elif state.step == "probing":
        turn.set(healthy_by=turn.now + turn.rules.promote_timeout)
        promotion.probe_until_healthy(turn)


def echoed(turn: Turn, event: pause_messages.PauseEchoed) -> None:
    one = turn.state.pausing
    if one is None or turn.state.role == DEMOTING:
        return
    if one.step == "telling":
        known = event.paused and turn.state.held(turn.now)
        turn.set(pausing=replace(one, step="paused", again=-INFINITY) if known else replace(one, again=turn.now + AGAIN))
    elif one.step == "bounding" and not event.paused and event.sure:
        _end(turn, one.order)
    elif one.step == "bounding":
        turn.set(pausing=replace(one, again=turn.now + AGAIN))


def echoed_early(turn: Turn, event: pause_messages.PauseEchoed) -> None:
    """The guard has answered before the term that was inherited goes on; it is asked again, until that can be used."""
    one = turn.state.pausing
    if one is not None and one.step in ("telling", "bounding"):
        turn.set(pausing=replace(one, again=turn.now + AGAIN))


def consent_read(turn: Turn, event: pause_messages.ConsentRead) -> None:
    state, seen = turn.state, event.seen
    one = state.pausing
    if one is None or one.op != event.op:
        return
    if seen is None or seen.unread:
        turn.set(pausing=replace(one, op=0, again=turn.now + AGAIN))
    elif _is_mine(state, seen.pause) or _cannot_be_read(seen):
        note(turn, seen)
        order = seen.pause.order if seen.pause is not None else one.order
        turn.set(pausing=Pausing(order, "telling", again=turn.now))
    elif state.held(turn.now) and not state.killed:
        note(turn, seen)
        _go_on_or_die(turn)


def _go_on_or_die(turn: Turn) -> None:
    """The consent is gone: go on by the proposal and the ordinary lease, or end, as another node may lead. Where that lease
    leaves no more than the time for a stop, it has the group asked to stop, by the guard if need be."""
    state = turn.state
    if state.proposal is not None and lease_of(turn.rules, state).ordinary.covers(turn.now):
        turn.act(messages.Log("the consent to the pause is gone; goes on as an ordinary primary"))
        _bound(turn)
    else:
        demotion.demote(turn, "the consent to the pause is gone, so another node may lead", kill=True)


# All others


def _stand_by(turn: Turn) -> None:
    state, pause = turn.state, turn.state.orders.pause if turn.state.orders is not None else None
    if pause is None or not pause.stands:
        return
    if state.role == PROMOTING and state.step in ("claiming", "fencing") and state.retry_at < INFINITY and standby.paused(state):
        standby.halt(turn)
    if not state.up or state.pause_at > turn.now:
        return
    if pause.lasts < INFINITY and state.step == "watching" and state.pause_ends <= turn.now:
        _tell(turn, pause_messages.EndPauseInTime(turn.state.op + 1, pause.stamp))
    elif _is_dead(state, pause):
        _tell(turn, pause_messages.TakeBackConsent(turn.state.op + 1, pause.consent))


def _is_dead(state: State, pause: PauseSeen) -> bool:
    """Whether the consent is that of a term of this node that is proven dead."""
    proven = state.step != "clearing" and not state.cleaning and not state.may_run and state.role != DEMOTING
    # An earlier listener of this life may have left the proposal of that term, with which it goes on.
    former = pause.own and pause.consent != state.token and not state.unadopted and state.step != "proposing"
    return proven and bool(pause.consent) and (pause.over or pause.consent == state.buried or former)


def _tell(turn: Turn, action: messages.Action) -> None:
    """Have something written whose effect is seen in the control."""
    turn.set(op=turn.state.op + 1, pause_at=turn.now + AGAIN)
    turn.act(action)
