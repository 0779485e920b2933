"""Whether a node is fit to lead: the check `fit`, which is asked on a standby. Pure.

A check that fails takes the node out of the queue, and one that passes puts it back. But it must not empty the cluster: what it
asks for may be gone with the primary, such as a replica's connection, and it fails everywhere then. So a failing check is acted
on only after it has failed under one and the same primary, acked and well all the while by what it says of itself, for long
enough that the end of a lost one, or of a sick one, would have been noticed. Where there is none, what was last acted on counts.
Before a switchover to the node it is asked once more.
"""

from __future__ import annotations

from supervisor_zkelect.core import demotion, messages, priority, ranks
from supervisor_zkelect.core.roles import DETACHED, STANDBY
from supervisor_zkelect.core.service import Counter
from supervisor_zkelect.core.state import INFINITY, asks_fit, fit_due
from supervisor_zkelect.core.turn import Turn


def patience(turn: Turn) -> float:
    """Seconds for which the check must have failed before that is acted on: so long that a primary which is the reason would have
    been found sick by then, and have said so, or have lost its session."""
    rules, timeout = turn.rules, turn.state.timeout
    sick = rules.fall * (rules.health_interval + rules.health_timeout) + timeout
    return max(2 * timeout, rules.fall * rules.fit_interval, sick)


def ask(turn: Turn) -> None:
    """Ask whether this node is fit, where that is due; and stand aside where it never leads."""
    state, rules = turn.state, turn.rules
    if not rules.fit and state.unfit:
        turn.set(unfit="")
    unfit = turn.state.unfit
    aside = ranks.NEVER if rules.priority == 0 else f"not fit: {unfit}" if unfit else ""
    if aside != turn.state.aside:
        turn.set(aside=aside)
    if not asks_fit(rules, state):
        if state.fit_at < INFINITY or state.asking_fit or state.fitness is not None:
            turn.set(
                fit_at=INFINITY, asking_fit=0, fitness=None, failing_since=None, fit_trouble="", looking_ahead=0, admit_by=None,
            )
    elif fit_due(rules, state) <= turn.now and state.orders is not None:
        # The primary waits for the answer, for a while (`zookeeper/orders.py`).
        turn.set(fit_for=state.orders.order)
        _ask(turn)
    elif state.fitness is None or state.fit_at <= turn.now:
        _ask(turn)


def _ask(turn: Turn) -> None:
    turn.set(fitness=turn.state.fitness or Counter(turn.rules.rise, turn.rules.fall), fit_at=INFINITY)
    turn.request("asking_fit", messages.AskFit)


def awaits(turn: Turn) -> bool:
    """Whether a node that begins is not to propose yet: somebody else serves, and its check has not passed. An earlier listener
    of this node may have left the queue for it. Where nobody serves it proposes all the same, and where the check does not answer
    after its time."""
    state = turn.state
    if not turn.rules.fit or state.admitted or state.inherited is not None:
        return False
    if state.admit_by is None:
        turn.set(admit_by=turn.now + patience(turn))
        turn.request("looking_ahead", messages.LookAhead)
    elif turn.now >= state.admit_by:
        turn.set(admitted=not state.fit_trouble, admit_by=INFINITY)
    return not turn.state.admitted


def seen(turn: Turn, event: messages.FitSeen) -> None:
    """The check has answered."""
    state = turn.state
    if event.op != state.asking_fit or state.fitness is None:
        return
    counter = state.fitness.after(event.ok)
    turn.set(asking_fit=0, fit_at=turn.now + turn.rules.fit_interval, fitness=counter, checked=state.fit_for)
    if event.ok:
        turn.set(failing_since=None, fit_trouble="", admitted=True)
        if counter.healthy and state.unfit:
            turn.act(messages.Log("is fit again"))
            turn.set(unfit="")
        return
    if not state.fit_trouble:
        turn.act(messages.Log(f"the check `fit` fails: {event.reason}", "unfit"))
    turn.set(fit_trouble=event.reason)
    if (state.role == STANDBY or not state.admitted and state.up) and not state.unfit:
        turn.request("looking_ahead", messages.LookAhead)


def ahead_seen(turn: Turn, event: messages.AheadSeen) -> None:
    """It is known whether there is a primary that is acked, while the check fails."""
    state = turn.state
    if event.op != state.looking_ahead:
        return
    turn.set(looking_ahead=0)
    if event.known and not event.term:
        turn.set(admitted=True)
    if not event.term or not state.fit_trouble:
        turn.set(failing_since=None)
    elif state.failing_since is None or event.term != state.failing_under:
        turn.set(failing_since=turn.now, failing_under=event.term)
    elif turn.now - state.failing_since >= patience(turn) and _has_fallen(turn) and not priority.is_ordered(turn):
        turn.set(unfit=state.fit_trouble)
    first = event.known and state.role == DETACHED and not turn.state.admitted and not turn.state.unfit
    if first and state.fit_trouble and state.unadopted and state.up:
        # That of an earlier listener, which nobody looks after meanwhile.
        demotion.release(turn, f"its check `fit` fails: {state.fit_trouble}")


def _has_fallen(turn: Turn) -> bool:
    """Whether the check failed `fall` times in a row."""
    return turn.state.fitness is not None and turn.state.fitness.healthy is False
