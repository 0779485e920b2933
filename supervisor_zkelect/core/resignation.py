"""Orders to resign, what becomes of the term after them, and the repair of ack and holder."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional, Tuple

from supervisor_zkelect.core import control, demotion, handover, messages, promotion
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, PRIMARY, PROMOTING
from supervisor_zkelect.core.state import CALM, CONTESTED, INFINITY, Resigning
from supervisor_zkelect.core.turn import RETRY_MOST, Turn

#: For how long a resignation waits to be told whether somebody could take over, in seconds. It is refused then, as nobody can
#: while ZooKeeper is silent, and the service would be gone.
LOOK_LIMIT = 3.0

#: How often the ack is read while somebody waits to hear who leads after a resignation, in seconds; for how long beside the
#: time that another node has to become healthy, as this node leads again when none does; and for how long at most, however
#: long the command waits.
SUCCESSOR_PACE, SUCCESSOR_LIMIT, SUCCESSOR_MOST = 0.05, 60.0, 150.0


#: What to do where a resignation is refused since nobody is known who could take over.
_FORCE = "zkelect resign --force gives the service up all the same"


def resign(turn: Turn, event: messages.Resign) -> None:
    state = turn.state
    resigning = Resigning(event.ticket, turn.now, state.token or 0, said=event.said)
    if event.force and (state.role, state.step) == (DEMOTING, "stopping") and state.stuck:
        turn.set(resigning=state.resigning + (resigning,))
        demotion.release_unproven(turn, event.said)
        return
    if state.role not in (PRIMARY, PROMOTING):
        text = f"this node is {state.role}, not primary; resign on the primary"
        turn.act(messages.AnswerOperator(event.ticket, False, 3, text))
        return
    if state.pausing is not None or state.held(turn.now):
        text = "this election is paused, so nobody steps down; zkelect resume ends that"
        turn.act(messages.AnswerOperator(event.ticket, False, 1, text))
        return
    if event.force:
        reason = f"resigned by force, by order{event.said}" if event.said else "resigned, by force"
        give_up(turn, (*state.resigning, resigning), reason)
        return
    turn.set(resigning=(*state.resigning, replace(resigning, by=turn.now + LOOK_LIMIT)))
    begin_what_waits(turn)


def begin_what_waits(turn: Turn) -> None:
    """Begin the handover for the orders to resign that wait for it, where none is being begun."""
    asking = [one for one in turn.state.resigning if one.by < INFINITY]
    if asking and turn.state.beginning is None and turn.state.role in (PRIMARY, PROMOTING):
        reason = f"resigned by order{asking[0].said or ' of the operator'}"
        handover.begin(turn, control.RESIGNATION, asking[0].ticket, reason)


def not_begun(turn: Turn, event: messages.OrderNotBegun) -> None:
    """Nobody is known who could take over."""
    if turn.state.role not in (PRIMARY, PROMOTING):
        return
    if event.known:
        refuse(turn, event.why)
    else:
        why = f"the queue cannot be read, so nobody is known who could take over, and this node stays: {event.why}"
        refuse(turn, f"{why}; {_FORCE}")


def give_up(turn: Turn, resigning: Tuple[Resigning, ...], reason: str) -> None:
    """End the term for these orders, which are refused no more."""
    turn.set(resigning=tuple(replace(one, by=INFINITY) for one in resigning))
    demotion.demote(turn, reason)


def others_counted(turn: Turn, event: messages.OthersCounted) -> None:
    state = turn.state
    if event.op != state.looking:
        return
    turn.set(looking=0)
    if (state.role, state.step) == (DETACHED, "waiting") and state.not_before > turn.now:
        if event.others == 0 and turn.now - state.since >= turn.rules.backoff_min:
            turn.set(not_before=max(turn.now, state.rest_until))
        else:
            turn.set(look_at=turn.now + turn.rules.backoff_min)


def refuse(turn: Turn, why: str, until: float = INFINITY) -> None:
    """Carry out none of the resignations for which it should be known by `until` whether somebody can take over."""
    for one in turn.state.resigning:
        if one.by <= until and not one.left:
            turn.act(messages.AnswerOperator(one.ticket, False, 1, why))
    turn.set(resigning=tuple(one for one in turn.state.resigning if one.by > until or one.left))


def refuse_in_time(turn: Turn) -> None:
    """A resignation is an order that can be refused, and waits neither for a silent ZooKeeper nor beyond the term."""
    asking = [one.by for one in turn.state.resigning if one.by < INFINITY]
    if not asking:
        return
    if turn.state.role not in (PRIMARY, PROMOTING):
        refuse(turn, f"not resigned, as the term ended before it was known who could take over: {turn.state.reason}")
    elif min(asking) <= turn.now:
        refuse(turn, f"ZooKeeper does not answer, so nobody could take over, and this node stays; {_FORCE}", turn.now)
        if max(asking) <= turn.now and turn.state.beginning and turn.state.beginning.kind == control.RESIGNATION:
            turn.set(beginning=None)


def term_seen(turn: Turn, event: messages.TermSeen) -> None:
    state = turn.state
    if state.role == PRIMARY and event.known and event.read_in == state.token and state.proposal is not None:
        address = turn.rules.address
        if (event.token, event.address) != (state.token, address) or event.held not in (None, address):
            repair(turn)
    still = []
    for one in turn.state.resigning:
        if event.node not in ("", turn.rules.node, *one.tried) and one.left and event.token > one.token:
            one = replace(one, tried=(*one.tried, event.node))
        answer = outcome(turn, one, event)
        if answer is None:
            still.append(one)
        else:
            turn.act(answer)
    turn.set(resigning=tuple(still))


def repair(turn: Turn) -> None:
    """Write ack and holder of this term again; with a pause where somebody else does so, too."""
    if turn.state.repair_at < INFINITY:
        return
    if _restarts(turn):
        # It would be written behind the mark, which empties the ack as the service is stopped then.
        turn.set(repair_at=turn.now + RETRY_MOST)
        return
    repairs = turn.state.repairs + 1 if turn.now < turn.state.repaired_at + CALM else 1
    turn.act(messages.Log("ack or holder was changed by somebody else, and is written again"))
    turn.act(messages.Repair())
    turn.set(repairs=repairs, repaired_at=turn.now, repair_at=turn.now + RETRY_MOST if repairs >= CONTESTED else INFINITY)


def _restarts(turn: Turn) -> bool:
    """Whether a restart is being marked begun."""
    return turn.state.beginning is not None and turn.state.beginning.kind == control.RESTART


def outcome(turn: Turn, one: Resigning, event: messages.TermSeen) -> Optional[messages.AnswerOperator]:
    """Whether the resignation came to what was asked for: another node is acked. None when that cannot be said yet."""
    taken = turn.now - one.since
    limit = min(SUCCESSOR_LIMIT + turn.rules.promote_timeout, SUCCESSOR_MOST)
    if turn.state.role == PRIMARY and one.left:
        text = f"resigned, but this node leads again at {turn.rules.address}, after {taken:.3f} s"
        return messages.AnswerOperator(one.ticket, False, 1, text, tried=one.tried, term=one.token, resigned=True)
    if event.token in (0, one.token):
        # Another implementation notes no holder, and what this node could not release names it still.
        other, node = event.address not in ("", turn.rules.address), "another candidate"
    else:
        other, node = bool(event.address) and event.node != turn.rules.node, event.node or "another candidate"
    if one.left and other:
        text = f"{node} leads now at {event.address}, after {taken:.3f} s"
        return messages.AnswerOperator(one.ticket, True, 0, text, event.node, event.address, taken, resigned=True)
    # However long the group has taken to stop: nobody could lead before.
    if turn.now > one.left_at + limit:
        nobody = "nobody is primary" if event.known else "nobody is known to be primary, as ZooKeeper does not answer,"
        text = f"resigned, but {nobody} after {taken:.0f} s"
        term = one.token if event.known else None
        return messages.AnswerOperator(one.ticket, False, 1, text, tried=one.tried, term=term, resigned=True)
    return None


def reconfigured(turn: Turn, event: messages.Reconfigured) -> None:
    state, rules = turn.state, turn.rules
    # It may mend what the last promotion failed for.
    turn.set(failed="")
    if state.counter is not None:
        turn.set(counter=replace(state.counter, rise=rules.rise, fall=rules.fall))
    if state.fitness is not None:
        turn.set(fitness=replace(state.fitness, rise=rules.rise, fall=rules.fall))
    if state.role == PRIMARY and state.probe_at < INFINITY:
        promotion.schedule_probe(turn)
    if state.role == PRIMARY and event.readdressed:
        turn.act(messages.Log(f"the address is {rules.address} from now on"))
        if _restarts(turn):
            turn.set(repair_at=turn.now + RETRY_MOST)
        else:
            turn.act(messages.Repair())
