"""Why an order is not written: what speaks against it as the election is."""

from __future__ import annotations

from typing import List, Optional

from supervisor_zkelect.core import control, control_words, moments, nodes, pauses, ranks, succession
from supervisor_zkelect.core.control import Control
from supervisor_zkelect.zookeeper.desk import DeskCalls
from supervisor_zkelect.zookeeper.given import CANCELLED, Given
from supervisor_zkelect.zookeeper.orders import candidates, knows_orders
from supervisor_zkelect.zookeeper.presence import PresenceCalls
from supervisor_zkelect.zookeeper.queue import Member


def unknown(elector: PresenceCalls, found: Control, given: Given) -> str:
    """That nobody knows the node which the order names, with force as without: whoever mistypes a name would be told that it is
    out of the queue, and take the machine of a node that leads. "" where somebody does, or where none is named."""
    if not given.node:
        return ""
    names = {*elector.known_nodes(), *found.maintenance, *(one.node for one in elector.members() if one.node)}
    if given.node in names:
        return ""
    place = elector.election_znode.split("/")
    return nodes.unknown(given.node, place[-2] if place[-1] == "election" and len(place) > 2 else place[-1], sorted(names))


def refusal(elector: DeskCalls, found: Control, given: Given, shown: int) -> str:
    """Why the order is not written; "" where nothing speaks against it. shown: what ZooKeeper's clock shows."""
    if found.trouble:
        return found.trouble
    standing = found.switchover
    if given.due is not None and given.due <= shown:
        ago = moments.duration((shown - given.due) / 1000)
        return f"{moments.utc(given.due)} is over: ZooKeeper's clock shows {moments.utc(shown)}, {ago} later"
    if given.kind in CANCELLED:
        ordered = found.restart if given.kind == "cancel restart" else standing
        if ordered is None:
            return f"no {CANCELLED[given.kind]} is ordered"
        return "it has begun, and cannot be taken back; see zkelect list" if ordered.begun else ""
    paused = found.paused or pauses.asked_in_time(found, shown)
    if paused is not None and given.kind in ("restart", "switchover"):
        return _hands_off(found)
    if given.kind == "restart":
        return _no_restart(elector, found, given)
    aside = {node for node, order in found.maintenance.items() if order.stands(shown)}
    if given.kind == "maintenance off":
        return "" if given.node in found.maintenance else f"{given.node} is not in maintenance"
    if given.kind == "switchover" and standing is not None:
        to = standing.to or "the next node"
        if standing.begun:
            return f"another switchover, to {to}, is under way; wait until it is done"
        what = control_words.switchover_in_words(standing, shown)
        return f"another switchover is ordered, {what}; zkelect switchover --cancel takes it back"
    if given.kind == "switchover" and given.node in aside:
        return f"{given.node} is in maintenance; zkelect maintenance off --node {given.node} ends that"
    members = elector.members()
    if paused is not None and given.node in (paused.node, *(one.node for one in members[:1])):
        return _hands_off(found)
    to = given.node if given.kind == "switchover" else ""
    # Past whom a switchover takes force, its precheck says.
    following = succession.of(candidates(members[1:]), found, to, True, shown)
    if given.kind == "switchover":
        return _no_switchover(elector, members, given, following)
    if given.node == (members[0].node if members else "") and following.place is None and not given.force:
        return f"{given.node} leads, and nobody could take over; start another node, or give the service up with --force"
    if given.node in aside and not (given.force or given.reason or given.seconds is not None):
        order = found.maintenance[given.node]
        by = f"by {order.by}: " if order.by else ""
        why = f"{by}{order.reason or 'no reason given'}{control.until_in_words(order, shown)}"
        return f"{given.node} is in maintenance already ({why}); --reason or --for change that, --force replaces it"
    return ""


def _hands_off(found: Control) -> str:
    if found.paused is None:
        return f"{control_words.told_of_pause(found)}; zkelect resume takes that back"
    return f"it is {found.paused.told()}, so nobody steps down; zkelect resume ends that"


def _why_aside(entry: Optional[nodes.NodeEntry]) -> str:
    """Why a node stands in no queue by its own word; "" where it does."""
    if entry is None or entry.priority and not entry.unfit:
        return ""
    return f"not fit: {entry.unfit}" if entry.priority else ranks.NEVER


def _other_switchover(elector: DeskCalls) -> str:
    """That a switchover is under way that does not stand any more, as its target has claimed the term; "" where none is."""
    last = next((one for one in reversed(elector.order_log()) if one.order.what == "switchover"), None)
    if last is None or last.outcome is not None or elector.read_ack():
        return ""
    return f"another switchover, to {last.order.node or 'the next node'}, is under way; wait until it is done"


def _no_switchover(elector: DeskCalls, members: List[Member], given: Given, following: succession.Next) -> str:
    """following: who would lead then."""
    node = given.node
    if not members:
        return "nobody leads, so there is nothing to switch over; see zkelect list"
    if node == members[0].node:
        return f"{node} leads already"
    if not knows_orders(members[0]):
        return f"{members[0].node or members[0].name} leads and knows no orders; hand over there, or update it"
    if following.kind == succession.ABSENT:
        why = _why_aside(elector.entry_of(node))
        aside = f"{node} does not stand in the queue{f' ({why})' if why else ''}; see zkelect list"
        return _other_switchover(elector) or aside
    entry = elector.entry_of(node) if node and not given.force else None
    if entry is not None and entry.unfit:
        return f"{node} is not fit to lead: {entry.unfit}; correct that, or see --force"
    start = "; start another node first" if following.kind == succession.NOBODY else ""
    return f"{following.why}{start}"


def _no_restart(elector: PresenceCalls, found: Control, given: Given) -> str:
    members, holder = elector.members(), elector.holder()
    if not members or holder is None or not elector.read_ack() and not found.restart:
        return "nobody is primary, so there is nothing to restart; see zkelect list"
    if found.restart is not None:
        what = "has begun; wait until it is done" if found.restart.begun else "is ordered; zkelect restart --cancel takes it back"
        return f"another restart {what}"
    if not knows_orders(members[0]):
        return f"{members[0].node or members[0].name} leads and knows no orders; restart the service there, or update it"
    if found.switchover is not None and (found.switchover.begun or given.seconds is None and found.switchover.due is None):
        return "a switchover is under way; the service is started anew by that"
    return ""
