"""What a switchover would do, and what was looked at before it is ordered, in words for whoever orders it."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple

from supervisor_zkelect.core import nodes, succession
from supervisor_zkelect.core.control import Control
from supervisor_zkelect.zookeeper.desk import DeskCalls
from supervisor_zkelect.zookeeper.orders import candidates


class Checked(NamedTuple):
    """lines: what was looked at, and how that is. would: what would happen. strange: why that takes force, or ""."""

    lines: Tuple[str, ...] = ()
    would: str = "nobody would lead"
    strange: str = ""


def of_switchover(elector: DeskCalls, found: Control, to: str, shown: int) -> Checked:
    """Look at what a switchover that nothing speaks against depends on. to: who is to lead, "" for whoever is next. shown: what
    ZooKeeper's clock shows. Raises ElectionError."""
    members, ack = elector.members(), elector.read_ack()
    if len(members) < 2:
        return Checked()
    leader, others = members[0], candidates(members[1:])
    seen = {one.name: one for one in elector.seen_nodes()}
    unfit = [one.name for one in others if one.node in seen and _unfit(seen[one.node])]
    place = succession.of(others, found, to, True, shown, unfit).place
    if place is None:
        return Checked()
    target, before = others[place], others[:place]
    name, lines = target.node or target.name, [f"{leader.node} leads" + ("" if ack else " the queue, and is not acked")]
    lines.append(f"{name} stands in the queue, in place {place + 2} of {len(members)}, and is not in maintenance")
    lines += _by_itself(seen, name)
    lines += [f"{one.node or one.name} stands before it: its proposal is deleted, and it proposes anew" for one in before]
    # Whoever is next may lead, whatever it knows.
    strange = _strange([*before, target]) if to else ""
    lines += [strange] if strange else []
    lines.append("no other switchover is ordered")
    return Checked(tuple(lines), f"{leader.node} would stop its service, and {name} lead then", strange)


def _unfit(one: nodes.Seen) -> bool:
    return one.entry is not None and one.live and bool(one.entry.unfit)


def _by_itself(seen: Dict[str, nodes.Seen], name: str) -> List[str]:
    """What a node says of itself."""
    entry = seen[name].entry if name in seen else None
    if entry is None:
        return [f"{name} tells nothing of itself"]
    trouble = f": {entry.amiss}" if entry.amiss else ", and tells of no trouble"
    unfit = [f"{name} says that it is not fit to lead: {entry.unfit}"] if entry.unfit else []
    return [f"{name} says that it is {entry.state}{'' if entry.guarded else ', unguarded'}{trouble}", *unfit]


def _strange(passed: Sequence[succession.Candidate]) -> str:
    """Why a switchover past these, or to the last of them, takes force: they obey no orders, and lose their proposals."""
    names = [one.node or one.name for one in passed if one.strange]
    return f"{', '.join(names)} {'knows' if len(names) == 1 else 'know'} no orders, which takes --force" if names else ""
