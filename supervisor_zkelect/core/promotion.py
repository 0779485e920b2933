"""From the head of the queue to primary: claim, lease, start, probe, ack; and the probes of a primary."""

from __future__ import annotations

from supervisor_zkelect.core import demotion, messages, moments, restarting
from supervisor_zkelect.core.roles import PRIMARY, PROMOTING
from supervisor_zkelect.core.service import Counter, next_delay
from supervisor_zkelect.core.state import lease_of
from supervisor_zkelect.core.turn import Turn

#: Seconds between two looks at supervisord's word while it is good and no event tells of a change; and how many looks
#: after a change must find it good before, since supervisord may not know yet what an event told.
WORD_PACE, LOOKS = 20.0, 3


def claimed(turn: Turn, event: messages.Claimed) -> None:
    if event.dirty:
        turn.act(messages.Log(f"the predecessor {event.dirty} ended without releasing; its ack was emptied", "dirty end"))
    turn.set(claimed_at=event.lease.sent if event.lease else turn.now, order=event.order, order_missed=event.missed, sick=False)
    turn.go(PROMOTING, "leasing")
    turn.act(messages.KeepLease())
    if event.lease:
        leased(turn, event.lease)


def dirty(turn: Turn, event: messages.Dirty) -> None:
    if not event.node and not event.token and still_to_wait(turn, event):
        return
    node, found, state = event.node or "(unknown)", (event.node, event.address, event.token), turn.state
    # Where its fence failed before in this term, it is tried ever less often.
    delay = state.retry_delay if state.dirty == found else 0.0
    if not delay:
        turn.act(messages.Log(f"the predecessor {node} ended without releasing; its ack was emptied, and it is fenced", "fenced"))
    turn.go(PROMOTING, "fencing")
    turn.set(dirty=found, retry_delay=delay)
    turn.ask(messages.Fence, *found)


def look_before_fence(turn: Turn) -> None:
    """A fence that failed is due again: have the transaction made before it that checks the control, since a pause or another
    order may have come, which is to keep this node from fencing anybody."""
    # Not entered anew: why the fence failed, and how long it waits for the next try, stay.
    turn.set(step="claiming", healthy_by=turn.now + turn.rules.promote_timeout)
    turn.ask(messages.Claim, turn.state.fenced)


def still_to_wait(turn: Turn, event: messages.Dirty) -> bool:
    """Whether it is too early to fence who wrote an ack and noted no holder. Its ack is empty now. A primary of another
    election that shares it by mistake writes it again before its lease ends, and must not be fenced."""
    by = turn.now + turn.state.timeout if turn.state.quiet_until is None else turn.state.quiet_until
    turn.set(quiet_until=by)
    if turn.now >= by:
        return False
    left = f"a predecessor that noted no holder left the ack {event.address or '(unreadable)'}"
    trouble = f"{left}; before it is fenced, {turn.state.timeout:g} s show whether it writes that again"
    turn.set(waiting=0, retry_at=by, trouble=trouble, healthy_by=by + turn.rules.promote_timeout)
    return True


def fenced(turn: Turn, event: messages.Fenced) -> None:
    if not event.ok and not turn.rules.fence_failed_continues:
        turn.retry_later(f"fence failed and is tried again, since fence_failed = wait: {event.reason}")
        return
    going_on = "" if event.ok else "; goes on, since fence_failed = continue"
    turn.act(messages.Log(f"fence {'succeeded' if event.ok else 'failed'}: {event.reason}{going_on}"))
    by = turn.now + turn.rules.promote_timeout
    turn.set(fenced=turn.state.dirty[2], trouble="", healthy_by=by)
    turn.go(PROMOTING, "claiming")
    turn.ask(messages.Claim, turn.state.fenced)


def leased(turn: Turn, event: messages.Leased) -> None:
    if turn.state.renewed and event.sent >= turn.state.claimed_at:
        turn.set(deadline=max(turn.state.deadline, event.deadline))
        start_if_leased(turn)


def cut(turn: Turn, event: messages.Cut) -> None:
    turn.set(deadline=min(turn.state.deadline, event.deadline))


def renewed_by_keeper(turn: Turn, event: messages.RenewedByKeeper) -> None:
    without = turn.state.proposal is None and turn.state.inherited is None and not turn.state.unadopted
    if turn.state.renewed and not without and event.token in (turn.state.inherited, turn.state.token):
        turn.set(deadline=max(turn.state.deadline, event.deadline))


def start_if_leased(turn: Turn) -> None:
    """Start the group, or go on with one that was inherited, once a lease is there that lasts long enough."""
    state = turn.state
    ready = state.step == "leasing" or state.step == "restarting" and not state.waiting
    if state.role == PROMOTING and ready and not state.cleaning:
        margin = state.margin if state.inherited is None else 0.0
        if turn.now + margin < lease_of(turn.rules, state).stops_at:
            turn.set(healthy_by=turn.now + turn.rules.promote_timeout)
            if state.inherited is not None:
                turn.set(inherited=None)
                turn.act(messages.Log("goes on in the same term"))
                probe_until_healthy(turn)
            else:
                turn.go(PROMOTING, "starting")
                turn.ask(messages.StartGroup)


def service_started(turn: Turn, event: messages.ServiceStarted) -> None:
    probe_until_healthy(turn)


def probe_until_healthy(turn: Turn) -> None:
    """The group runs: probe it soon, and ever less often."""
    turn.go(PROMOTING, "probing")
    turn.set(counter=Counter(turn.rules.rise, turn.rules.fall), probe_delay=None)
    schedule_probe(turn)


def start_failed(turn: Turn, event: messages.StartFailed) -> None:
    demotion.fail(turn, f"the group did not start: {event.reason}")


def schedule_probe(turn: Turn) -> None:
    """Set when the next probe comes."""
    interval = turn.rules.health_interval
    if turn.state.role == PROMOTING:
        if turn.rules.told and turn.state.counter is not None and turn.state.counter.failures:
            # It is told when supervisord's word changes, unless the event is lost.
            turn.set(probe_at=turn.now + min(interval, WORD_PACE))
        else:
            delay = next_delay(turn.state.probe_delay, interval)
            turn.set(probe_delay=delay, probe_at=turn.now + delay)
    elif turn.rules.told:
        # The node's elections look at supervisord's word all at the same moment.
        turn.set(probe_at=moments.common(turn.now, max(interval, WORD_PACE) if turn.state.looks == 0 else interval))
    else:
        turn.set(probe_at=turn.now + interval)


def probed(turn: Turn, event: messages.Probed) -> None:
    state = turn.state
    if event.op != state.probing or state.counter is None:
        return
    counter = state.counter.after(event.ok)
    turn.set(probing=0, counter=counter)
    if state.role == PROMOTING and state.step == "probing":
        if counter.healthy:
            turn.go(PROMOTING, "acking")
            turn.ask(messages.Ack)
        else:
            turn.set(trouble=f"not healthy yet: {event.reason}")
        schedule_probe(turn)
    elif state.role == PROMOTING:
        schedule_probe(turn)
    elif state.role == PRIMARY:
        if counter.failures >= turn.rules.fall and not state.spared(turn.now):
            demotion.fail(turn, f"{counter.failures} health checks in a row failed: {event.reason}")
        else:
            turn.set(trouble="" if event.ok else f"health check failed: {event.reason}")
            turn.set(looks=max(0, turn.state.looks - 1) if event.ok else LOOKS)
            schedule_probe(turn)


def acked(turn: Turn, event: messages.Acked) -> None:
    turn.set(trouble="", looks=LOOKS, failed="", back_pause=0.0, back_why="")
    if turn.state.order:
        tell_who_leads(turn, turn.state.order, turn.state.order_missed)
        turn.set(order="")
    restarting.done(turn)
    turn.go(PRIMARY, "", f"healthy and acked as {turn.rules.address}")


def tell_who_leads(turn: Turn, order: str, missed: str) -> None:
    """What came of a switchover. missed: the node that was to lead by it and does not; "" for none."""
    leads = f"{turn.rules.node} leads at {turn.rules.address}"
    turn.act(messages.TellOutcome(order, not missed, f"{leads}, and not {missed}" if missed else leads))
