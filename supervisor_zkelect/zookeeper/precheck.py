"""What a switchover would do, and what was looked at before it is ordered, in words for whoever orders it."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple

from supervisor_zkelect.core import nodes
from supervisor_zkelect.core.control import Control
from supervisor_zkelect.zookeeper.desk import DeskCalls
from supervisor_zkelect.zookeeper.orders import knows_orders
from supervisor_zkelect.zookeeper.queue import Member


class Checked(NamedTuple):
    """lines: what was looked at, and how that is. would: what would happen."""

    lines: Tuple[str, ...]
    would: str


def of_switchover(elector: DeskCalls, found: Control, to: str, shown: int) -> Checked:
    """Look at what a switchover that nothing speaks against depends on. to: who is to lead, "" for whoever is next. shown: what
    ZooKeeper's clock shows. Raises ElectionError."""
    members, ack = elector.members(), elector.read_ack()
    if len(members) < 2:
        return Checked((), "nobody would lead")
    leader, others = members[0], [one for one in members[1:] if found.barred(one.node, shown) is None]
    target = next((one for one in others if not to or one.node == to), None)
    if target is None:
        return Checked((), "nobody would lead")
    name, lines = target.node or target.name, [f"{leader.node} leads" + ("" if ack else " the queue, and is not acked")]
    place = members.index(target) + 1
    lines.append(f"{name} stands in the queue, in place {place} of {len(members)}, and is not in maintenance")
    lines += _by_itself({one.name: one for one in elector.seen_nodes()}, name)
    before = members[1:place - 1]
    lines += [f"{one.node or one.name} stands before it: its proposal is deleted, and it proposes anew" for one in before]
    lines += _strangers([*before, target])
    lines.append("no other switchover is ordered")
    return Checked(tuple(lines), f"{leader.node} would stop its service, and {name} lead then")


def _by_itself(seen: Dict[str, nodes.Seen], name: str) -> List[str]:
    """What a node says of itself."""
    entry = seen[name].entry if name in seen else None
    if entry is None:
        return [f"{name} tells nothing of itself"]
    lines = [f"{name} says that it is {entry.state}" + ("" if entry.guarded else ", unguarded")]
    return [*lines, f"{name} has a trouble: {entry.trouble}"] if entry.trouble else lines


def _strangers(members: Sequence[Member]) -> List[str]:
    return [f"{one.node or one.name} knows no orders, so --force is needed" for one in members if not knows_orders(one)]
