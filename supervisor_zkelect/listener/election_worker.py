"""Work of an election on ZooKeeper. All of it runs on the election's own executor, one piece at a time, and may wait.

Each function is given values, and returns an event for the role machine, or None; it cannot reach the listener's state. It
posts early results, and what a watch tells later on a thread of the client's. It raises ElectionError, which `attempt` turns
into an event.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import Any, Callable, NamedTuple, Optional, Tuple, Union

from supervisor_zkelect.core import messages, ranks, untrusted
from supervisor_zkelect.core.control import Life
from supervisor_zkelect.elector import (
    AnotherElection,
    Barred,
    ElectionError,
    Elector,
    NotConnected,
    NotLeader,
    ProposalGone,
    SessionGone,
    Stays,
    TimedOut,
)
from supervisor_zkelect.listener import events, orders_seen
from supervisor_zkelect.zookeeper import stepping
from supervisor_zkelect.zookeeper.holder import Holder

log = logging.getLogger(__name__)

Post = Callable[[Any], None]


def plainly(error: ElectionError) -> str:
    """What is wrong, without what a program that calls the elector is to do about it."""
    return "; ".join(part for part in str(error).split("; ") if "()" not in part)


def attempt(name: str, op: int, work: Callable[[], Optional[messages.Event]]) -> Optional[events.ElectionEvent]:
    """The event that `work` returns, or RequestFailed with what went wrong."""
    try:
        event = work()
    except (ProposalGone, NotLeader, SessionGone) as error:
        event = messages.RequestFailed(op, True, plainly(error))
    except (NotConnected, TimedOut) as error:
        event = messages.RequestFailed(op, False, str(error))
    except ElectionError as error:
        event = messages.RequestFailed(op, False, str(error), refused=True)
    except Exception as error:
        # A step must not wait for ever because of a defect here.
        log.exception("a defect")
        event = messages.RequestFailed(op, False, f"a defect: {error!r}", refused=True)
    return None if event is None else events.ElectionEvent(name, event)


# The queue


def propose(
    elector: Elector, op: int, node: str, inherited: bool, adopting: bool = False
) -> Union[messages.Proposed, messages.DuplicateNodeName]:
    """inherited: by the proposal of an earlier listener a group may run; it is not given up before that is proven dead. adopting:
    only such a one is wanted."""
    elector.prepare()
    if adopting and elector.proposal is None and elector.adopt_proposal() is None:
        raise ProposalGone("the proposal of the inherited term is gone")
    if elector.proposal is None:
        for member in elector.each_member():
            if member.node == node and member.session != elector.session_id:
                return messages.DuplicateNodeName(op, member.name)
    elector.create_proposal()
    number = ranks.DEFAULT
    for member in elector.each_member():
        if member.mine:
            # One that was found may say something else than the file does now.
            number = ranks.of(member.info)
            break
        if member.node == node and member.session != elector.session_id and not inherited:
            elector.withdraw()
            return messages.DuplicateNodeName(op, member.name)
    term = elector.term_in_progress() if elector.found else 0
    return _proposed(elector, op, number, term, elector.found)


def step_behind(
    elector: Elector, op: int, better: str, node: str, healthy: float
) -> Union[messages.Proposed, messages.Stayed]:
    """better, node, healthy: as `Elector.step_behind` has them."""
    try:
        stepped = elector.step_behind(better, node, healthy)
    except (Stays, Barred) as error:
        return messages.Stayed(op, str(error))
    # A reload may have changed what the next proposal is to say.
    return _proposed(elector, op, ranks.of(untrusted.document(elector.proposed)), stepped.term)


def _proposed(elector: Elector, op: int, number: int, term: int, found: bool = False) -> messages.Proposed:
    """number: the priority of the proposal. term, found: as in `messages.Proposed`."""
    proposal, token = elector.proposal, elector.token
    if proposal is None or token is None:
        # A thread of the client's has told the elector so meanwhile.
        raise SessionGone("the session was lost as soon as the proposal was made")
    return messages.Proposed(op, proposal, token, number, term, found)


def query(elector: Elector, name: str, op: int, token: Optional[int], number: int, post: Post) -> None:
    """Post this node's place in the queue, and later the next change of its predecessor, or of the proposal by which it leads.
    token, number: of the present proposal, and its priority."""
    standing = elector.try_be_leader(claiming=True)
    acked = standing.leads and elector.acked_since
    better, term = "", 0
    if standing.candidates > standing.place and (standing.leads or standing.place == 2):
        better, term = _better(elector, number)
    if standing.rival:
        post(events.ForeignSeen(name, elector.look_at_queue().trouble))
    post(events.ElectionEvent(name, messages.Queried(
        op, standing.leads, standing.place, standing.candidates, acked, standing.rival, standing.lasting, better, term,
        standing.paused, standing.ahead,
    )))
    if standing.leads:
        watch(standing.changed, lambda reason: post(events.ProposalChanged(name, token)))
    else:
        watch(standing.changed, lambda reason: post(events.ElectionEvent(name, messages.QueueChanged(op, reason))))


def _better(elector: Elector, number: int) -> Tuple[str, int]:
    """Proposal of the best candidate behind, and token of the term in progress. What ZooKeeper does not tell of those behind
    makes nobody better: who is next leads all the same."""
    try:
        better = stepping.first_of(elector.better(number))[0]
        return (better, elector.term_in_progress()) if better else ("", 0)
    except (NotConnected, TimedOut, SessionGone, ProposalGone):
        raise
    except ElectionError as error:
        log.warning("%s: nobody is let pass, as it cannot be seen who stands behind: %s", elector.election_znode, error)
        return "", 0


def verify(elector: Elector, name: str, token: Optional[int], post: Post) -> Optional[messages.ProposalLost]:
    """Check that the leading proposal, which was changed or deleted, still leads: the heartbeat knows it by its name only.
    token: as for `query`."""
    if elector.token != token:
        # It was another term's.
        return None
    try:
        standing = elector.try_be_leader()
    except ElectionError as error:
        # What cannot be proven does not keep a node primary.
        return messages.ProposalLost(f"its proposal was changed, and {plainly(error)}")
    if not standing.leads:
        return messages.ProposalLost("its proposal does not lead any more")
    watch(standing.changed, lambda reason: post(events.ProposalChanged(name, token)))
    return None


def watch(changed: Future[str], tell: Callable[[str], None]) -> None:
    """Call `tell` when the future is done: now if it is, else on a thread of the client's."""
    changed.add_done_callback(lambda future: None if future.cancelled() else tell(future.result()))


def look_at_queue(elector: Elector, name: str, now: Callable[[], float]) -> events.QueueSeen:
    """Read this node's place in the queue, and what is foreign in it."""
    asked = now()
    try:
        return events.QueueSeen(name, *elector.look_at_queue(), elector.proposal, asked)
    except ElectionError as error:
        # It is looked at again; what ZooKeeper refuses is told where it is needed.
        log.debug("%s: %s", name, error)
        return events.QueueSeen(name, "", None)


def look_behind(elector: Elector, action: messages.LookBehind, number: int, healthy: float) -> messages.BehindSeen:
    """See who stands behind and has a higher priority than `number`. healthy: as `Elector.hand_back_to` has it."""
    try:
        if action.stood is not None:
            one, kept = elector.hand_back_to(number, action.stood, healthy)
            if one is None:
                return messages.BehindSeen(action.op, kept=kept)
            return messages.BehindSeen(action.op, one.name, one.node)
        name, node = stepping.first_of(elector.better(number))
        return messages.BehindSeen(action.op, name, node, elector.term_in_progress() if name else 0)
    except ElectionError as error:
        # It looks again.
        log.debug("%s", error)
        return messages.BehindSeen(action.op)


def look_ahead(elector: Elector, op: int) -> messages.AheadSeen:
    """See who leads and is acked."""
    try:
        return messages.AheadSeen(op, elector.serving())
    except ElectionError as error:
        log.debug("%s", error)
        return messages.AheadSeen(op, known=False)


def count_others(elector: Elector, op: int) -> messages.OthersCounted:
    """Count the candidates that could take over; a znode that no session owns never does."""
    try:
        return messages.OthersCounted(op, elector.others())
    except ElectionError as error:
        return messages.OthersCounted(op, -1, str(error))


# The term


class Claimant(NamedTuple):
    """Who claims a term. fences: whether there is a fence command. adopting: the term of an earlier listener goes on. life: this
    one of the node."""

    node: str
    address: str
    fences: bool
    adopting: bool
    life: Life


def claim(
    elector: Elector, name: str, action: messages.Claim, who: Claimant, session: Any, post: Post
) -> Optional[messages.Event]:
    """Claim the term, and post when that was; or tell whose holder is to be fenced first, or what orders keep it
    from that."""
    generation = session.generation
    try:
        # In a term that is gone on with there is nobody before this node, whatever somebody has made of its holder.
        before = elector.predecessor(action.fenced, who.node) if who.fences and not who.adopting else None
        if before is not None and before.node == who.node:
            # What this node left itself was proven dead before it proposed.
            before = elector.predecessor(before.token, who.node)
        if before is not None:
            return messages.Dirty(action.op, before.node, before.address, before.token)
        dirty = elector.claim(who.node, who.address, adopting=who.adopting)
    except Barred as error:
        # What was against it may be over by the time that it is heard of; then it is claimed again.
        post(events.ElectionEvent(name, orders_seen.orders_for(elector, elector.read_control(), who.node, who.life)))
        return messages.RequestFailed(action.op, False, str(error))
    found, times = "" if dirty is None else dirty.node or "(unknown)", elector.claimed
    if times is None:
        raise SessionGone("the session was lost as soon as the term was claimed")
    led_to = elector.led_to
    ordered = (led_to.order.id, led_to.missed_by(who.node)) if led_to else ("", "")
    post(events.TermClaimed(name, action.op, found, generation, *times, *ordered, 0 if dirty is None else dirty.token))
    return None


def ack(elector: Elector, op: int, address: str) -> messages.Acked:
    elector.ack_leader(address)
    return messages.Acked(op)


def repair(elector: Elector, name: str, address: str, post: Post) -> None:
    """Write ack and holder again."""
    try:
        elector.repair(address, address)
    except AnotherElection as error:
        post(events.ForeignSeen(name, str(error)))
    finally:
        # It is looked at again, whatever came of it.
        post(events.TermChanged(name))


def release(elector: Elector, op: int, dirty: bool, successor: str) -> messages.Released:
    if elector.proposal is None:
        # That of a term which an earlier listener began, and which ends before it was looked for.
        elector.adopt_proposal()
    try:
        elector.release(dirty, successor)
    except ProposalGone:
        # A step behind others may have been done though its answer was lost. The new one would be nobody's.
        if elector.adopt_proposal() is None:
            raise
        elector.release(dirty)
    return messages.Released(op)


def withdraw(elector: Elector, op: int) -> messages.Released:
    if elector.proposal is None:
        elector.adopt_proposal()
    elector.withdraw()
    if elector.adopt_proposal() is not None:
        # As for `release`.
        elector.withdraw()
    return messages.Released(op)


def see_term(elector: Elector, name: str, term: Optional[int], post: Post, look: bool = False) -> messages.TermSeen:
    """Read ack and holder. term: token of the term in which this node is primary, and watches them; else None. look: outside of
    a term whether that primary is gone as well."""
    gone = False
    try:
        if term is None:
            holder, ack = elector.holder(), elector.read_ack()
            gone = look and _gone(elector, holder, ack)
        else:
            holder, ack, changed = elector.watch_term()
            watch(changed, lambda reason: post(events.TermChanged(name)))
    except Exception as error:
        if not isinstance(error, ElectionError):
            log.exception("a defect")
        return messages.TermSeen("", "", known=False)
    node, token, held = holder or ("", 0, "")
    return messages.TermSeen(node, _shown(ack), token, True, term, held, gone)


def _gone(elector: Elector, holder: Optional[Holder], ack: bytes) -> bool:
    """Whether whoever has written this ack is primary no more, as its proposal is gone. False where that cannot be looked at."""
    if holder is None or not ack or holder.address != _shown(ack) or not elector.listable:
        return False
    try:
        return not elector.stands(holder.token)
    except ElectionError:
        return False


def _shown(ack: bytes) -> str:
    """The address in an ack, cut where it is longer than any address, and so than this node's own."""
    head = ack[:untrusted.LONGEST_ADDRESS].decode("utf-8", "replace")
    return head if len(ack) <= untrusted.LONGEST_ADDRESS else head + "…"
