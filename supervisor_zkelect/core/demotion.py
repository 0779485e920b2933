"""The end of a term: stop, proof of death, release.

Only a group that is proven dead is released, except on an operator's word.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Tuple

from supervisor_zkelect.core import holding, messages, pause_messages, restarting
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, PRIMARY, PROMOTING, STANDBY
from supervisor_zkelect.core.state import INFINITY, State, lease_of
from supervisor_zkelect.core.turn import Turn

#: Seconds after which a release that fails becomes a withdrawal, and how often one may be refused before.
RELEASE_LIMIT, REFUSALS = 30.0, 2

#: Seconds between a group's end by hand and the next proposal. supervisorctl waits until supervisord sees the program
#: STOPPED, for ever if it runs again before that; supervisord looks each 0.05 s, and when idle at least each second
#: (the time limit of its poll, Supervisor.runforever).
STOPPED_REST = 1.5


def fail(turn: Turn, reason: str) -> None:
    """The service is sick here: let another node try, and wait before trying again."""
    # A term that was healthy for long is no part of a row of failures.
    lasted = turn.state.role == PRIMARY and turn.now - turn.state.since >= turn.rules.backoff_max
    failures = 1 if lasted else turn.state.failures + 1
    wait = min(turn.rules.backoff_max, turn.rules.backoff_min * 2 ** min(failures - 1, 30))
    turn.set(failures=failures, not_before=turn.now + wait, sick=True)
    if turn.state.role == PROMOTING:
        turn.set(failed=reason, failed_at=turn.now)
    demote(turn, reason)


def demote(turn: Turn, reason: str, kill: bool = False) -> None:
    """Stop the group, with its stopwaitsecs as far as the lease leaves them. A second call may only make it sooner."""
    rules, state = turn.rules, turn.state
    fail_order(turn, reason)
    kill_at = turn.now + rules.stopwaitsecs
    if state.leaving is not None:
        kill_at = min(kill_at, state.leaving.kill_at)
    kill = kill or kill_at <= turn.now or not lease_of(rules, state).covers(turn.now)
    turn.go(DEMOTING, "stopping", reason)
    if state.inherited is not None:
        # Its proposal is known by that only, until it is looked for.
        turn.set(token=state.inherited, unadopted=state.proposal is None, led=True)
    turn.set(
        inherited=None, killed=kill, stuck=False, probe_at=INFINITY, probing=0, counter=None, healthy_by=INFINITY, trouble="",
        looking=0, look_at=INFINITY, repairs=0, repair_at=INFINITY, beginning=None, stays_why="",
    )
    if kill:
        turn.act(messages.DropLease())
    turn.request("waiting", *((messages.KillGroup,) if kill else (messages.StopGroup, kill_at)))


def fail_order(turn: Turn, reason: str) -> None:
    """Tell whoever ordered this node to lead that its promotion has failed, or its service's restart."""
    restarting.failed(turn, reason)
    if turn.state.order:
        turn.act(messages.TellOutcome(turn.state.order, False, f"{turn.rules.node} was to lead, and cannot: {reason}"))
        turn.set(order="")


def lost(turn: Turn, reason: str) -> None:
    """There is no proposal any more, so another node may lead already."""
    state = turn.state
    if state.held(turn.now):
        holding.go_on(turn, reason)
        return
    # A step behind others may have been done, and the session own another proposal, which is to be found or given up.
    stepping = (state.role, state.step) == (STANDBY, "stepping") and state.alive
    turn.set(proposal=None, lasting="", unadopted=False)
    if state.may_run:
        if not state.killed:
            demote(turn, reason, kill=True)
    elif state.role in (STANDBY, PROMOTING) or state.step in ("releasing", "closing", "proposing"):
        # Who stands aside, and had no proposal to give up, stands aside all the same.
        detach(turn, state.aside or reason)
        turn.set(unadopted=stepping)


def session_lost(turn: Turn, event: messages.SessionLost) -> None:
    turn.set(up=False, alive=False, ending=False)
    lost(turn, event.reason)


def proposal_lost(turn: Turn, event: messages.ProposalLost) -> None:
    if turn.state.proposal is not None:
        lost(turn, event.reason)


def rivalled(turn: Turn, event: messages.Rivalled) -> None:
    state = turn.state
    if state.may_run and state.role != DEMOTING:
        demote(turn, event.reason)
    elif state.role == PROMOTING:
        release(turn, event.reason)


def grant_revoked(turn: Turn, event: messages.GrantRevoked) -> None:
    if turn.state.may_run and turn.state.role != DEMOTING:
        demote(turn, event.reason)


def enforce_lease(turn: Turn) -> None:
    """Stop the group where its lease leaves no more time than its stop takes."""
    state = turn.state
    if state.enforced and turn.now >= lease_of(turn.rules, state).stops_at:
        demote(turn, "the lease runs out: ZooKeeper's quorum has not answered in time")


def proven(turn: Turn) -> None:
    """What was told of a group that would not die is over."""
    if turn.state.stuck:
        turn.set(trouble="", stuck=False)


def stuck(turn: Turn, event: messages.Stuck) -> None:
    if turn.state.may_run or turn.state.step == "clearing" or turn.state.cleaning:
        turn.set(trouble=event.reason, stuck=True)


def release(turn: Turn, reason: str) -> None:
    """Give up the proposal. Only called where no process of the group can run."""
    without = turn.state.proposal is None and not turn.state.unadopted
    if without and turn.state.pausing is None or not turn.state.alive:
        _detach_untold(turn, reason)
    else:
        turn.go(DEMOTING, "releasing", reason)
        turn.set(release_by=turn.now + RELEASE_LIMIT, refusals=0, withdrawing=False)
        turn.ask(*given_up(turn.state))
        # Behind the release: nobody leads before that.
        fail_order(turn, reason)


def given_up(state: State) -> Tuple[Any, ...]:
    """The request that gives up the term, or the proposal alone where nothing else is granted."""
    if state.withdrawing:
        return (messages.Withdraw,)
    if state.proposal is None and not state.unadopted and state.pausing is not None:
        return pause_messages.TakeBackConsent, state.token or 0, True
    return messages.Release, bool(state.cleaning), state.successor


def release_unproven(turn: Turn, said: str = "") -> None:
    """On an operator's word. The stop goes on, and until it ends in a proof this node makes no proposal.

    said: who gave it, and why, as `messages.Resign` has it.
    """
    stopping = turn.state.waiting
    by = f" (by order{said})" if said else ""
    turn.act(messages.Log(f"released on the operator's word{by}, though the group is not proven dead; the holder stays"))
    turn.set(cleaning=stopping, stuck=False, killed=True)
    if turn.state.proposal is None and not turn.state.unadopted or not turn.state.alive:
        _detach_untold(turn, "forced")
    else:
        turn.go(DEMOTING, "releasing")
        turn.set(release_by=turn.now + RELEASE_LIMIT, refusals=0, withdrawing=False)
        turn.ask(messages.Release, True)


def released(turn: Turn, event: messages.Released) -> None:
    detach(turn, turn.state.reason)


def release_failed(turn: Turn, event: messages.RequestFailed) -> None:
    """Ask for less, when that may be granted: the proposal alone, then the session's end."""
    state = turn.state
    refusals = state.refusals + event.refused
    if refusals < REFUSALS and turn.now < state.release_by:
        turn.set(refusals=refusals)
    elif not state.withdrawing:
        turn.set(refusals=0, withdrawing=True)
    elif not state.led and state.leaving is None and not state.ending:
        # It only stands where operators do not want it; the session carries the node's other elections as well.
        turn.set(refusals=0)
    else:
        turn.act(messages.Log(f"the proposal cannot be given up, so the session is closed: {event.reason}", "session closed"))
        turn.go(DEMOTING, "closing")
        turn.set(ending=True)
        turn.act(messages.EndSession())


def session_ends(turn: Turn, event: messages.SessionEnds) -> None:
    state = turn.state
    turn.set(ending=True)
    if state.may_run and state.role != DEMOTING:
        if not state.held(turn.now):
            demote(turn, event.reason)
    elif state.role in (STANDBY, PROMOTING) or state.step == "proposing":
        release(turn, event.reason)


def _detach_untold(turn: Turn, reason: str) -> None:
    """Detach where there is nothing to give up, or no session to do so in. An earlier listener's proposal may stand all the same,
    in its session, which this one may come to have: it is looked for then."""
    unadopted = turn.state.unadopted
    detach(turn, reason)
    turn.set(unadopted=unadopted)


def detach(turn: Turn, reason: str) -> None:
    """The proposal is gone, and no process of the group runs by it: wait for the time of the next one."""
    fail_order(turn, reason)
    turn.set(
        buried=turn.state.token or turn.state.buried,
        proposal=None, lasting="", deadline=-INFINITY, claimed_at=INFINITY, killed=False,
        healthy_by=INFINITY, probe_at=INFINITY, probing=0, counter=None, looking=0, look_at=INFINITY, led=False,
        unadopted=False, successor="", beginning=None, priority=None, next_in_line=False,
    )
    turn.act(messages.DropLease())
    turn.go(DETACHED, "waiting", reason)
    turn.set(token=None, paused_until=-INFINITY, pausing=None, lapsed="", halted=False, barred=False, pause_at=-INFINITY)
    if turn.state.by_hand:
        rest_until = turn.now + STOPPED_REST
        turn.set(by_hand=False, rest_until=rest_until, not_before=max(turn.state.not_before, rest_until))
    turn.set(resigning=tuple(replace(one, left_at=min(one.left_at, turn.now)) for one in turn.state.resigning))
    if turn.state.not_before > turn.now:
        turn.set(look_at=turn.now + turn.rules.backoff_min)


def shutdown(turn: Turn, event: messages.Shutdown) -> None:
    state = turn.state
    sooner = state.leaving is None or event.kill_at < state.leaving.kill_at
    turn.set(leaving=event if sooner else state.leaving)
    if state.may_run and (state.role != DEMOTING or (sooner and not state.killed)):
        demote(turn, event.reason)
    elif state.cleaning:
        turn.go(DEMOTING, "stopping", event.reason)
        turn.set(waiting=state.cleaning, killed=True)
    elif state.role in (STANDBY, PROMOTING) or state.step == "proposing":
        release(turn, event.reason)
