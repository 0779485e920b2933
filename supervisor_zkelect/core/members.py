"""News of the group and its members, by order of this node or by other hands."""

from __future__ import annotations

from supervisor_zkelect.core import demotion, messages, moments, promotion
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, PRIMARY, PROMOTING
from supervisor_zkelect.core.turn import Turn


def dead(turn: Turn, event: messages.Dead) -> None:
    state = turn.state
    if event.op == state.cleaning:
        demotion.proven(turn)
        turn.set(cleaning=0)
        promotion.start_if_leased(turn)
    if event.op != state.waiting:
        return
    demotion.proven(turn)
    if (state.role, state.step) == (DETACHED, "clearing"):
        turn.go(DETACHED, "waiting")
    elif (state.role, state.step) == (PROMOTING, "restarting"):
        turn.act(messages.Log(f"the group is proven dead after {event.seconds:.3f} s, and started again"))
        turn.set(waiting=0, healthy_by=turn.now + turn.rules.promote_timeout)
        promotion.start_if_leased(turn)
    elif (state.role, state.step) == (DEMOTING, "stopping"):
        turn.act(messages.Log(f"the group is proven dead after {event.seconds:.3f} s"))
        turn.act(messages.DropLease())
        demotion.release(turn, state.reason)


def member_fatal(turn: Turn, event: messages.MemberFatal) -> None:
    if turn.state.may_run and turn.state.role != DEMOTING:
        why = f"the program {event.name} is in FATAL" + (event.why and f": {event.why}")
        if turn.state.spared(turn.now):
            turn.set(trouble=why)
        else:
            demotion.fail(turn, why)


def member_changed(turn: Turn, event: messages.MemberChanged) -> None:
    if turn.rules.told and turn.state.role == PRIMARY:
        soon = moments.common(turn.now, turn.rules.health_interval)
        turn.set(looks=promotion.LOOKS, probe_at=min(turn.state.probe_at, soon))


def member_runs(turn: Turn, event: messages.MemberRuns) -> None:
    if turn.rules.told and (turn.state.role, turn.state.step) == (PROMOTING, "probing"):
        turn.set(probe_at=turn.now)


def stopped_by_hand(turn: Turn, event: messages.StoppedByHand) -> None:
    # At the end of the lease the guard stops the group as well, and supervisord's word of that may come first.
    demotion.enforce_lease(turn)
    if turn.state.spared(turn.now) and turn.state.role != DEMOTING:
        turn.act(messages.Log(f"the program {event.name} was stopped by hand, which is no resignation in a pause"))
    elif turn.state.may_run and turn.state.role != DEMOTING:
        demotion.demote(turn, f"the program {event.name} was stopped by hand, which counts as a resignation")
        turn.set(by_hand=True)


def started_by_hand(turn: Turn, event: messages.StartedByHand) -> None:
    state = turn.state
    if not state.may_run:
        turn.act(messages.Log(f"the program {event.name} was started though this node is {state.role}; it is killed"))
        turn.request("cleaning", messages.KillGroup)
