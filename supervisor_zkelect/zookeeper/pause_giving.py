"""Giving the orders `pause` and `resume`: what is looked at before one is written, and how he who gave it learns what came of it.

As in `giving.py`, each function is given an elector, which need not stand in the queue, and waits for ZooKeeper only.
"""

from __future__ import annotations

import os
from typing import List, Optional

from supervisor_zkelect.core import control, nodes, pauses
from supervisor_zkelect.core.control import Control, Life, Order, Pause
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.core.roles import STANDBY
from supervisor_zkelect.zookeeper import barrier
from supervisor_zkelect.zookeeper.errors import ElectionError, NotConnected, TimedOut, ZooKeeperFailed
from supervisor_zkelect.zookeeper.given import UNDER_WAY, Given, OrderAnswer, Unanswered
from supervisor_zkelect.zookeeper.giving import is_told, look_again, note, tell, tell_dropped
from supervisor_zkelect.zookeeper.orders import knows_orders
from supervisor_zkelect.zookeeper.pausing import PauseCalls, ToldBy
from supervisor_zkelect.zookeeper.permit import Permit
from supervisor_zkelect.zookeeper.queue import Member
from supervisor_zkelect.zookeeper.requests import ROUNDS

PAUSE, RESUME, FORCE = "pause", "resume", "resume by force"
KINDS = (PAUSE, RESUME, FORCE)
"""Kinds of `Given`. Of a pause `node` is "", and `force` says that nobody leads. Of RESUME `node` is the one that is said to be
dead; of FORCE, too, and the pause is ended by that word."""

_UNCOVERED = "an ensemble that loses its data loses the barrier as well, and then another node may lead beside it"
_NOT = "not paused"
_NOBODY = "paused: nobody leads, and nobody that knows orders is promoted until zkelect resume"
_TWO = "if its service runs, two will run for as long as it is cut off"


def give(elector: PauseCalls, given: Given, permit: Optional[Permit] = None) -> OrderAnswer:
    """Write the order, where nothing speaks against it. Raises ElectionError, and control.Unusable."""
    elector.prepare()
    permit = permit or Permit()
    if given.kind == PAUSE:
        return _pause(elector, given, permit)
    return _resume(elector, given, permit) if given.kind == RESUME else _force(elector, given, permit)


def came_of(elector: PauseCalls, given: Given, order: str) -> OrderAnswer:
    """What became of an order that was written; with the exit status UNDER_WAY while it is not done, and then who is waited for,
    in its text and as "awaited". Raises ElectionError."""
    found = elector.read_control()
    answer = (_came_of_pause if given.kind == PAUSE else _came_of_resume)(elector, found, order)
    if answer.exit != UNDER_WAY:
        # What ends one first counts; who waits for it writes that, as nobody else knows which order it came of.
        tell(elector, Outcome(order, answer.ok, answer.text))
    return answer


# Pause


def _pause(elector: PauseCalls, given: Given, permit: Permit) -> OrderAnswer:
    shown, order = elector.server_time(), given.id or os.urandom(16).hex()
    lasts = None if given.seconds is None else round(1000 * given.seconds)
    wanted, before, refused, leads = Pause(Order(order, given.by, given.reason, shown), lasts), Control(), "", False
    if is_told(elector, order):
        return OrderAnswer(True, 0, "", order)

    def change(found: Control) -> Optional[control.Change]:
        nonlocal before, refused, leads
        before, members = found, elector.members()
        stands, leads = _with_id(found, order) is not None, _leads(elector, members)
        refused = "" if stands else _no_pause(found, given, members, leads, shown)
        if refused or stands:
            return None
        permit.use()
        return pauses.ask(wanted) if leads else pauses.force(wanted)

    try:
        elector.amend_control(change)
    except (NotConnected, TimedOut) as error:
        if not permit.sent:
            raise
        found, told = look_again(elector, error, lambda: (elector.read_control(), is_told(elector, order)))
        if told:
            return OrderAnswer(True, 0, "", order, warning=note(elector, given, wanted.order, None))
        if _with_id(found, order) is None:
            return OrderAnswer(False, 1, f"the order does not stand: it was not written, or has ended since ({error})")
    if refused:
        return OrderAnswer(False, 1, refused)
    tell_dropped(elector, before, shown)
    forced = "" if leads or _may_lead(elector) else _NOBODY
    return OrderAnswer(True, 0, forced, "" if forced else order, warning=note(elector, given, wanted.order, None, forced))


def _with_id(found: Control, order: str) -> Optional[Pause]:
    """The pause that was ordered so, as it stands or is asked for; None where there is none."""
    return next((one for one in (found.paused, found.asked) if one is not None and one.order.id == order), None)


def _leads(elector: PauseCalls, members: List[Member]) -> bool:
    """Whether somebody has claimed a term that is not over."""
    holder = elector.holder()
    return bool(members) and holder is not None and holder.token == members[0].token


def _may_lead(elector: PauseCalls) -> bool:
    """Whether somebody leads who has claimed just before a forced pause was written, and consents. Whoever claims later sees the
    control changed. Where that cannot be read, whoever waits for the pause looks again."""
    try:
        return _leads(elector, elector.members())
    except ElectionError:
        return True


def _no_pause(found: Control, given: Given, members: List[Member], leads: bool, shown: int) -> str:
    """Why it is not paused; "" where nothing speaks against it. leads: whether somebody does. shown: what ZooKeeper's clock
    shows."""
    if found.trouble:
        return found.trouble
    if found.paused is not None:
        return f"it is {found.paused.told()} already; zkelect resume ends that"
    if pauses.asked_in_time(found, shown) is not None:
        return "a pause is asked for already; zkelect resume takes that back"
    if found.switchover is not None:
        return "a switchover is ordered; wait until it is done, or take it back with zkelect switchover --cancel"
    if found.restart is not None:
        return "a restart is ordered; wait until it is done, or take it back with zkelect restart --cancel"
    barriers = [one for one in members if one.paused]
    if barriers:
        return f"{barriers[0].name}, the barrier of an earlier pause, stands still; see zkelect resume"
    if members and not knows_orders(members[0]):
        return f"{members[0].node or members[0].name} leads and knows no orders, so it cannot be paused; update it"
    if not leads and not given.force:
        return "nobody leads; with --force nobody is promoted until zkelect resume"
    return ""


def _came_of_pause(elector: PauseCalls, found: Control, order: str) -> OrderAnswer:
    pause = found.paused
    forced = pause is not None and pause.order.id == order and not pause.token
    if forced and not _leads(elector, elector.members()):
        return OrderAnswer(True, 0, _NOBODY)
    asked = found.asked is not None and found.asked.order.id == order
    if asked and pauses.asked_in_time(found, elector.server_time()) is None:
        return OrderAnswer(False, 1, f"{_NOT}: {pauses.TOO_LATE}; order it again")
    if forced or asked:
        holder = elector.holder() if _leads(elector, elector.members()) else None
        leader = holder.node if holder is not None else ""
        waits = f"{leader} has not consented yet" if leader else "nobody leads, so nobody has consented yet"
        text = f"under way: {waits}; do not touch ZooKeeper before that"
        return _under_way(text, f"{leader or 'whoever leads next'} to consent")
    if pause is None or pause.order.id != order:
        return _not_paused(elector, found, order)
    said = elector.told_by(pause.node)
    if said.entry is None or not said.live or said.entry.paused != order:
        return _under_way((
            f"under way: {pause.node} has consented, and has not confirmed yet that its guard knows; do not touch ZooKeeper "
            "before that"
        ), f"{pause.node}'s guard to confirm")
    members = elector.members()
    strange = [one for one in members if not one.paused and not knows_orders(one)]
    loose = elector.unbarred([one.name for one in members])
    barred, free = ([one.node or one.name for one in strange if (one.name in loose) is so] for so in (False, True))
    named = f"; the barrier alone keeps {', '.join(barred)} from leading, who know no orders" if barred else ""
    if free:
        named += f"; nothing keeps {', '.join(free)} from leading, who go by a rule of their own: see zkelect check"
    ends = "zkelect resume" if pause.lasts is None else f"zkelect resume, or for {pause.lasts / 1000:g} s"
    return OrderAnswer(True, 0, f"paused: {pause.node} runs on whatever becomes of ZooKeeper, until {ends}{named}; {_UNCOVERED}")


def _under_way(text: str, awaited: str) -> OrderAnswer:
    """awaited: what is waited for, and of whom."""
    return OrderAnswer(False, UNDER_WAY, text, more={"awaited": awaited})


def _not_paused(elector: PauseCalls, found: Control, order: str) -> OrderAnswer:
    """That a pause does not stand, and why, as far as anybody has told that."""
    failed = next((one for one in elector.outcomes() if one.id == order and not one.ok), None)
    if failed is not None:
        return OrderAnswer(False, 1, failed.text if failed.text.startswith(_NOT) else f"{_NOT}: {failed.text}")
    see = found.trouble or "see zkelect list"
    return OrderAnswer(False, 1, f"{_NOT}: the order was taken back, or has ended; {see}")


# Resume


def _resume(elector: PauseCalls, given: Given, permit: Permit) -> OrderAnswer:
    order, shown, answer, asked = given.id or os.urandom(16).hex(), elector.server_time(), OrderAnswer(False, 1, ""), ""
    standing: Optional[Pause] = None

    def change(found: Control) -> Optional[control.Change]:
        nonlocal answer, asked, standing
        pause, asked, standing = found.paused, "", found.paused or found.asked
        wanted: Optional[control.Change] = None
        if found.trouble:
            answer = OrderAnswer(False, 1, found.trouble)
        elif pause is not None and pause.token:
            answer = OrderAnswer(True, 0, "", pause.resume or order)
            wanted = None if pause.resume else pauses.ask_to_resume(order)
        elif pause is not None:
            answer = OrderAnswer(True, 0, "resumed: nobody ran by the pause, so whoever is next leads")
            wanted = pauses.end
        elif found.asked is not None:
            answer, asked = OrderAnswer(True, 0, "the pause that was asked for is taken back"), found.asked.order.id
            wanted = pauses.end
        else:
            answer = OrderAnswer(False, 1, "it is not paused")
        if wanted is not None:
            permit.use()
        return wanted

    try:
        elector.amend_control(change)
    except (NotConnected, TimedOut) as error:
        if not permit.sent or standing is None:
            raise
        found = look_again(elector, error, elector.read_control)
        still = _with_id(found, standing.order.id)
        if found.trouble:
            raise Unanswered(found.trouble) from None
        if still is not None and not still.resume:
            return OrderAnswer(False, 1, f"the order was not written: {error}")
        if still is not None:
            answer, asked = OrderAnswer(True, 0, "", still.resume), ""
    left = elector.barriers() if answer.text == "it is not paused" else []
    if left:
        node = left[0].node or "its node"
        return OrderAnswer(False, 1, (
            f"it is not paused, and {left[0].name}, a pause's barrier, stands still, since {node} has not ended that; if {node} "
            "is dead: zkelect resume --force --node-is-dead NODE"
        ))
    if asked:
        tell(elector, Outcome(asked, False, "it was taken back" + (f" by {given.by}" if given.by else "")))
    return answer._replace(warning=_note(elector, given, shown, answer.id or order, answer.text)) if answer.ok else answer


def _note(elector: PauseCalls, given: Given, shown: int, order: str, came: str) -> str:
    """Write an order to resume into the log of orders; as `giving.note`. shown: what ZooKeeper's clock showed before."""
    return note(elector, given, Order(order, given.by, given.reason, shown), None, came)


def _came_of_resume(elector: PauseCalls, found: Control, order: str) -> OrderAnswer:
    pause = found.paused
    if pause is not None and pause.token and pause.resume != order:
        # What was to end has ended, as it keeps the order to until then.
        return OrderAnswer(True, 0, f"resumed; since then it is {pause.told()}")
    if pause is not None and pause.token:
        return _under_way((
            f"under way: {pause.node}, who runs by the pause, has not ended it yet; if it is dead and will never: "
            f"zkelect resume --force --node-is-dead {pause.node}"
        ), f"{pause.node} to end the pause")
    if pause is not None:
        return OrderAnswer(False, 1, f"it is {pause.told()} still, and nobody runs by that; order it again")
    if found.trouble:
        return OrderAnswer(False, 1, found.trouble)
    holder, ack = elector.holder(), elector.read_ack()
    leads = f"{holder.node} leads" if holder is not None and ack else "whoever is next leads"
    return OrderAnswer(True, 0, f"resumed: {leads}")


def _is_same(entry: Optional[nodes.NodeEntry], life: Life) -> bool:
    """Whether what says so of itself may be the life of the node that has consented."""
    return entry is None or not entry.instance or not life.instance or entry.instance == life.instance


def _where(entry: Optional[nodes.NodeEntry], life: Life) -> str:
    if entry is None or not _is_same(entry, life):
        return ", on a host that is not known"
    host = f"host {entry.host}" if entry.host else "a host that is not known"
    return f", on {host}" + (f", {entry.address}" if entry.address else "")


def _is_buried(said: ToldBy, left: barrier.Barrier) -> bool:
    """Whether the life that a barrier names is there still, and stands by since: its group is proven dead then. What a node says
    of itself is written in the order in which it happens, so that an older word stands in an older znode."""
    known, entry = left.life.instance, said.entry
    same = said.live and entry is not None and bool(known) and entry.instance == known
    stands_by = entry is not None and (entry.state, entry.step) == (STANDBY, "watching")
    return same and stands_by and said.written > left.made


def _force(elector: PauseCalls, given: Given, permit: Permit) -> OrderAnswer:
    """End a pause on the word that its node is dead."""
    first: Optional[int] = None
    for _ in range(ROUNDS):
        found, left = elector.read_control(), elector.barriers()
        # Where somebody has wiped the control, the barrier still says who has consented.
        told = found.paused or (left[0] if left else None)
        token = told.token if told is not None else 0
        first = token if first is None else first
        answer = _another_stands(first) if token != first else _try_to_force(elector, given, permit, found, left)
        if answer is not None:
            return answer
    raise ZooKeeperFailed("what stands changed at every try to end the pause by force; ask again")


def _another_stands(token: int) -> OrderAnswer:
    return OrderAnswer(False, 1, f"what stands now is not the pause of token {token} any more; look again")


def _try_to_force(
    elector: PauseCalls, given: Given, permit: Permit, found: Control, left: List[barrier.Barrier]
) -> Optional[OrderAnswer]:
    """None where something has changed since it was read, and nothing was done. left: the barriers."""
    pause, told = found.paused, found.paused or (left[0] if left else None)
    node, token, life = (told.node, told.token, told.life) if told is not None else ("", 0, Life())
    if not token:
        why = found.trouble or ("nobody runs by the pause; zkelect resume is enough" if pause is not None else "it is not paused")
        return OrderAnswer(False, 1, why)
    said = elector.told_by(node)
    heard = "it has told nothing of itself" if said.age is None else f"last heard {said.age:.0f} s ago"
    fence = {None: "whether a fence is set is not known here", True: "a fence is set, and is run", False: "no fence is set"}
    where = _where(said.entry, life)
    dead = pause is None and bool(left) and _is_buried(said, left[0])
    runs = "has run" if dead else "runs"
    facts = f"{node}{where}, {runs} by the pause with token {token}; {heard}; {fence[given.fence]}"
    danger = "it stands by since, so that term is proven dead" if dead else _TWO
    if said.live and _is_same(said.entry, life) and not dead:
        return OrderAnswer(False, 1, (
            f"{facts}; its listener lives, so ask it: zkelect resume. If it does not answer, stop its supervisord first"
        ))
    if given.node != node:
        return OrderAnswer(False, 1, f"{facts}; {danger}. If it is dead, say so: zkelect resume --force --node-is-dead {node}")
    shown = elector.server_time()
    permit.use()
    ended = _ended_by_force(elector, token)
    if ended is None:
        return None
    if not ended:
        return _another_stands(token)
    done = f"resumed by force, on the word that {node} is dead"
    amiss = _note(elector, given, shown, given.id or os.urandom(16).hex(), done)
    return OrderAnswer(True, 0, f"{done}; {facts}; {danger}", warning=amiss)


def _ended_by_force(elector: PauseCalls, token: int) -> Optional[bool]:
    """As `PauseCalls.resume_by_force`. Raises ZooKeeperFailed where the answer was lost, and the consent stands still."""
    try:
        return elector.resume_by_force(token)
    except (NotConnected, TimedOut) as error:
        found, left = look_again(elector, error, lambda: (elector.read_control(), elector.barriers()))
        stands = [found.paused.token if found.paused is not None else 0, *(one.token for one in left)]
        if token in stands:
            raise ZooKeeperFailed(str(error)) from None
        return True
