"""What next: the role machine of one election. Pure: no clock, no thread, no input or output.

    step(rules, state, event, now) -> (state, actions)

Rules
-----
1.  What a former life left of the group is proven dead before this node proposes (*clearing*).
2.  A proposal is made when there is a session, no back-off runs, and no other node bears this node's name. A leftover of
    this node's own former session is waited out; one that outlives every session timeout is another node's, and this node quits.
3.  A standby asks where it stands, watches its predecessor, and asks again when told to. Nothing else wakes it.
4.  The winner claims the term (ack emptied, holder written), gets a lease by that quorum write or a later one, starts the
    group, probes it, and writes the ack when it is healthy. Any step that fails ends the term. Where there is a fence
    command and another's holder stands, the ack is emptied and the command run before the term is claimed; while it
    fails, nothing is claimed, unless the configuration says to go on. A predecessor that left an ack and noted no holder is
    fenced a session's timeout later: a primary of another election with the same ack writes it again by then.
5.  The group runs under a lease. At `deadline - kill_time - grace` it is asked to stop, at `deadline - kill_time` it is
    killed. Whatever stops it asks first and leaves it its stopwaitsecs; the lease is renewed until it is dead, so that
    only a lease that ends cuts them. A lost session or a deleted proposal kills it without grace, but for a pause (13).
6.  Only a group that is proven dead is released. Release empties the ack, removes the holder, deletes the proposal. A
    group that cannot be proven dead is released on an operator's word; then the holder stays, and the node proposes
    again only after the proof. Where ZooKeeper refuses a release, or fails it for long, the proposal alone is given up;
    where that is refused, too, the session is closed (*closing*), which gives up everything. It carries the node's other
    elections as well, so they are handed over first.
7.  A service that failed sends its node to the end of the queue, after a back-off that doubles up to a cap. While nobody
    else stands in the queue the node tries again at the minimum.
    A node whose last promotion failed steps behind the others when it leads again (*stepping*), once for each time that
    somebody was acked; then, or where nobody stands behind it, it tries. Another configuration makes the failure forgotten.
8.  `resign` is refused where there is nobody to take over, or where ZooKeeper does not tell in time whether there is. A group
    stopped by hand on the primary counts as a resignation, and the node proposes again only when supervisord has told the
    one who stopped it; a group started by hand elsewhere is killed. Who leads stops where somebody else leads the queue by
    another program's rule, and a node goes behind such a one, once; then it waits for its end.
9.  A primary that reads another ack or holder than its own in its own term writes them again; where somebody else does so,
    too, after a pause.
10. A listener that comes after another inherits a group that runs under a grant (*inherited*): it goes on in the same term
    when its session still owns the proposal with that token, and leads, or a pause holds it (13); in any other case the group
    is killed.
11. The next in line looks behind itself every T, and before it claims, and steps behind a candidate with a higher priority: once
    between two claims, and never where it is to lead by order. A primary with `failback` looks, too, and hands over as for an
    order. Where the priority is 0, or the check `fit` has failed for long under one primary that is well, a node stands in no
    queue; and while somebody serves it does not join one before its check has passed.
12. Each request carries a number (`op`), and answers under another number are about something that is over.
13. A primary consents to a pause in `control`; from then on its group runs without a lease, whatever becomes of session and
    proposal, until the pause ends. Meanwhile nobody is promoted (`pausing`, `holding`, `pauses`).
14. A restart by order has the group stopped, proven dead and started again in the same term, under the same lease (`restarting`).

What each event does in each step stands in `transitions.py`, as a table; what it does in full in the module of what it moves:
`standby`, `promotion`, `demotion`, `members`, `resignation`, `orders`, `priority`, `fitness`, `pausing`, `holding`, `restarting`,
`progress`.

All times are seconds of one clock; durations are seconds.
"""

from __future__ import annotations

from typing import List, Tuple

from supervisor_zkelect.core.messages import Action, EnsureDead, Event, Tick
from supervisor_zkelect.core.state import ANY_PAUSE, INFINITY, Rules, State
from supervisor_zkelect.core.transitions import take
from supervisor_zkelect.core.turn import Turn


def begin(now: float, first: int = 0) -> Tuple[State, List[Action]]:
    """The first state, and the actions it begins with. first: where the numbers of its requests begin."""
    # In the session of a former listener there may be a proposal of it.
    state = State(since=now, op=first + 1, waiting=first + 1, reason="start", unadopted=True)
    return state, [EnsureDead(first + 1)]


def inherit(
    now: float, token: int, deadline: float, first: int = 0, paused_until: float = -INFINITY
) -> Tuple[State, List[Action]]:
    """The first state of a listener that finds its group running in the term `token`, under a lease to `deadline`, which a pause
    keeps from ending until `paused_until`."""
    state = State(
        since=now, op=first, step="waiting", inherited=token, deadline=deadline, paused_until=paused_until, reason="taken over",
        # To what an earlier listener has consented, and what does not keep the lease from ending, nobody consents again.
        lapsed=ANY_PAUSE if paused_until <= now else "",
    )
    return state, []


def step(rules: Rules, state: State, event: Event, now: float) -> Tuple[State, List[Action]]:
    """One event, and the time that passed until it. The actions are to be done in order."""
    turn = Turn(rules, state, now)
    if not isinstance(event, Tick):
        take(turn, event)
    take(turn, Tick())
    return turn.state, turn.actions
