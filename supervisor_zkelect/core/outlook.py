"""Why a node is not primary, and what would follow if the primary failed now. Pure.

Everything comes from one document of an election (`presence.Overview.document`, with the last terms): who stands where and what
each node says of itself. The times come of `rehearsal.play`, so of the machine that will decide.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core import figures, history, nodes, ranks, rehearsal, roles, untrusted
from supervisor_zkelect.core.rehearsal import PlayedNode

_FACTS = ("role", "address", "note", "state", "step", "trouble", "failed", "ordered", "differs", "version", "unfit")


GONE = "is gone, or cut off"
"""What is said of a node whose session is over, behind its name."""


class NodeView(NamedTuple):
    """One node as it is seen. told: whether it says anything of itself. since: milliseconds of its clock, None where that is not
    known. place: in the queue, from 1, None where it does not stand there. ordered: its maintenance, in words, or "". priority,
    unfit: as `nodes.NodeEntry` has them. cleared: token of the term up to which failures of its terms are forgotten."""

    name: str
    role: str
    since: Optional[float]
    place: Optional[int]
    live: bool
    guarded: bool
    told: bool
    address: str
    state: str
    step: str
    trouble: str
    failed: str
    ordered: str
    differs: str
    recognised: bool
    figures: figures.Figures
    assumed: bool
    priority: int = ranks.DEFAULT
    unfit: str = ""
    cleared: int = 0

    @property
    def aside(self) -> str:
        """Why it stands in no queue by its own word, or ""."""
        return ranks.NEVER if not self.priority else f"it is not fit: {self.unfit}" if self.unfit else ""


class ElectionView(NamedTuple):
    """One election as it is. peers: as they stand in the queue, then the others. primary: "" for nobody. trouble: why the orders
    cannot be read, or "". coming: what is ordered and still to come, in words, or "". paused: a pause that stands, in words, or
    "". outdated: whom the ack names still though its session is over, so that it leads no more; "" for nobody."""

    peers: Tuple[NodeView, ...]
    primary: str
    address: str
    trouble: str
    coming: str
    terms: List[Dict[str, Any]]
    paused: str = ""
    outdated: str = ""

    def peer(self, name: str) -> Optional[NodeView]:
        return next((one for one in self.peers if one.name == name), None)

    @property
    def queue(self) -> List[NodeView]:
        """Who stands in the queue, who leads first."""
        return [one for one in self.peers if one.place is not None]


def cluster(document: Mapping[str, Any]) -> ElectionView:
    """The election in a document; what cannot be read of it is left out."""
    listed = document.get("nodes")
    found = [_peer(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    peers = [one for one in found if one.name]
    named = next((one for one in peers if one.role.startswith(roles.PRIMARY)), None)
    terms = document.get("terms")
    names = ("address", "trouble", "coming", "paused", "paused_on")
    texts = {name: untrusted.printable(document.get(name) or "", 500) for name in names}
    # Who has consented to a pause runs on whatever becomes of its session.
    leads = named is not None and (named.live or named.name == texts["paused_on"])
    primary, outdated = ("", "") if named is None else (named.name, "") if leads else ("", named.name)
    peers.sort(key=lambda one: (one.name != primary, one.place is None, one.place or 0, one.name))
    return ElectionView(
        tuple(peers), primary, texts["address"], texts["trouble"], texts["coming"],
        [one for one in terms if isinstance(one, dict)] if isinstance(terms, list) else [], texts["paused"], outdated,
    )


def _peer(found: Dict[str, Any]) -> NodeView:
    texts = {name: untrusted.printable(found.get(name) or "", 500) for name in _FACTS}
    since, place = found.get("since"), found.get("place")
    numbers = nodes.figures_in(found.get("figures"))
    return NodeView(
        untrusted.printable(found.get("node") or "", 300), texts["role"],
        since if type(since) in (int, float) and since else None,
        place if type(place) is int and place > 0 else None, found.get("live") is not False, found.get("guarded") is not False,
        found.get("told") is not False, texts["address"], texts["state"], texts["step"], texts["trouble"], texts["failed"],
        texts["ordered"], texts["differs"], found.get("recognised") is not False, figures.of(numbers), not numbers,
        ranks.of(found), texts["unfit"], untrusted.number(found.get("cleared")),
    )


class Case(NamedTuple):
    """One fault of the primary. played: what would follow. says: that in one line."""

    fault: str
    played: rehearsal.Played
    says: str


class Outlook(NamedTuple):
    """node: whom it is about, "" where it is nobody in particular. says: why it is not primary, or that it is; or who is. next:
    who would lead next, "" for nobody. hindrances: what stands in the way of that, a line each. basis: what the times rest on.
    coming: what is ordered, and still to come."""

    node: str
    leads: bool
    says: str
    primary: str
    next: str
    cases: Tuple[Case, ...]
    hindrances: Tuple[str, ...]
    basis: str
    coming: str = ""


def outlook(seen: ElectionView, node: str, faults: Sequence[str] = figures.FAULTS) -> Outlook:
    """What is to be said of the election, with an eye on one node; "" for none. faults: that are played, of the primary; without
    that of its host nobody is known to be next."""
    parts = parts_of(seen)
    if not parts or not seen.primary or seen.paused:
        # In a pause nothing follows from a fault, as nobody is promoted.
        faults = ()
    played = [(fault, rehearsal.play(parts, fault, parts[0].name)) for fault in faults]
    follower = next((one.leader for fault, one in played if fault == figures.HOST), "")
    cases = tuple(Case(fault, one, consequence(one)) for fault, one in played)
    return Outlook(
        node, bool(node) and node == seen.primary, standing(seen, node), seen.primary, follower, cases,
        tuple(hindrances(seen, follower)), basis(seen, follower), "" if seen.paused else seen.coming,
    )


def parts_of(seen: ElectionView) -> List[PlayedNode]:
    """The nodes that play in a rehearsal, the primary first, the others as they would lead: whoever is next in line lets the
    candidate with the highest priority pass, but none whose last term has failed (`stepping.step_behind`)."""
    bar = seen.trouble
    queue = [one for one in seen.queue if one.name == seen.primary] + _in_turn(seen)
    return [
        PlayedNode(one.name, one.address, one.figures, history.pace(seen.terms, one.name), one.ordered or bar, one.failed)
        if one.name != seen.primary else
        PlayedNode(one.name, one.address, one.figures, history.pace(seen.terms, one.name))
        for one in queue if one.live
    ]


def _others(seen: ElectionView) -> List[NodeView]:
    """Who stands in the queue beside the primary, in its order."""
    return [one for one in seen.queue if one.name != seen.primary]


def _in_turn(seen: ElectionView) -> List[NodeView]:
    """The others, as they lead one after the other: whoever is next steps behind them all where it lets one of them pass."""
    left, led = _others(seen), []
    while left:
        first, *behind = left
        # That ends, as who has the highest priority lets nobody pass.
        if any(_lets_pass(seen, first, one) for one in behind):
            left = [*behind, first]
        else:
            led.append(first)
            left = behind
    return led


def _lets_pass(seen: ElectionView, first: NodeView, one: NodeView) -> bool:
    """Whether a node that is next in line steps behind another one: for its priority, unless the last term of that failed."""
    return one.priority > first.priority and not _has_failed(seen, first, one)


def _has_failed(seen: ElectionView, first: NodeView, one: NodeView) -> bool:
    """Whether the last term of a node has failed, as the one that is next in line judges it."""
    return history.failed_last(seen.terms, one.name, one.cleared, first.figures.backoff_max)


def passed_over(seen: ElectionView, peer: NodeView) -> bool:
    """Whether somebody of a lower priority stands before this candidate, and does not let it pass."""
    before = takewhile(lambda one: one.name != peer.name, _others(seen)) if peer.place else ()
    return any(one.priority < peer.priority and _has_failed(seen, one, peer) for one in before)


def consequence(played: rehearsal.Played) -> str:
    """What comes of a fault, in one line."""
    if played.fault == figures.ZOOKEEPER:
        if played.stopped is None:
            return "the primary goes on"
        return f"the primary stops its service after {played.stopped:.1f} s; then nobody is primary until ZooKeeper answers again"
    if not played.leader:
        return "nobody takes over"
    if played.after is None:
        return f"{played.leader} goes on leading"
    line = f"{played.leader} is primary after about {played.after:.1f} s"
    if played.fault == figures.NETWORK and played.stopped is not None:
        line += f"; the service stops where it runs after {played.stopped:.1f} s, and is away for {played.silent or 0.0:.1f} s"
    return line


def standing(seen: ElectionView, node: str) -> str:
    """Why a node is not primary, or that it is, in one line; without one who is."""
    who = f"{seen.primary} is primary" + (f" at {seen.address}" if seen.address else "") if seen.primary else "nobody is primary"
    who += f": the ack still names {seen.outdated}, which {GONE}" if seen.outdated else ""
    peer = seen.peer(node)
    if not node:
        return who
    if peer is None:
        return f"{node} is not known in this election: it does not stand in the queue, and has told nothing of itself; {who}"
    if node == seen.primary:
        return who if peer.live else f"{who}, as the ack says, but its session is over: it is gone, or cut off"
    return f"{node} is not primary: {_why_not(seen, peer)}; {who}"


def _why_not(seen: ElectionView, peer: NodeView) -> str:
    if peer.ordered:
        return f"it is {peer.ordered}" + ("" if peer.live else "; and its session with ZooKeeper is over: it is down, or cut off")
    if not peer.live:
        was = f"; it was {peer.state}" if peer.state else ""
        return f"its session with ZooKeeper is over: the node is down, or cut off{was}"
    if seen.trouble:
        return seen.trouble
    trouble = f": {peer.trouble}" if peer.trouble else ""
    if peer.place is None:
        return f"it does not stand in the queue ({peer.aside or peer.state or 'it tells nothing of itself'}){trouble}"
    if peer.place == 1 and seen.paused:
        return f"{seen.paused}; nobody is promoted before that"
    if peer.place == 1:
        return f"it leads the queue, and is on its way: {peer.state} {peer.step}".rstrip() + trouble
    ahead = [one.name for one in seen.queue if one.place is not None and peer.place is not None and one.place < peer.place]
    behind = f"it stands by in place {peer.place}, behind {', '.join(ahead[:3])}{' and others' if len(ahead) > 3 else ''}"
    failed = f"; its last promotion failed, so that others go first: {peer.failed}" if peer.failed else ""
    return behind + failed + trouble


def hindrances(seen: ElectionView, follower: str) -> List[str]:
    """What stands in the way of a takeover, a line each."""
    lines = [seen.trouble] if seen.trouble else []
    lines += [f"{seen.paused}: nobody takes over before that"] if seen.paused else []
    others = [one for one in seen.peers if one.name != seen.primary]
    able = [one for one in others if one.place is not None and one.live and not one.ordered]
    if not able:
        lines.append("no other node stands in the queue that may lead: nobody would take over")
    for one in sorted(others, key=lambda one: one.name != follower):
        said = [f"is {one.ordered}"] * bool(one.ordered) + [GONE] * (not one.live)
        if one.live and one.place is None and not one.ordered:
            said.append(f"does not stand in the queue ({one.aside or one.state or 'it tells nothing of itself'})")
        if one.live:
            said += ["tells nothing of itself, so that its times are guesses"] * (not one.told)
            said += [f"failed its last promotion: {one.failed}"] * bool(one.failed)
            said += ["is let pass by nobody, as its last term has failed"] * passed_over(seen, one)
            said += ["is unguarded"] * (one.told and not one.guarded)
            said += [one.differs] * bool(one.differs)
            said += ["has not recognised the last order yet"] * (not one.recognised)
            said += [one.trouble] * bool(one.trouble)
        lines += [f"{one.name} {text}" for text in said]
    primary = seen.peer(seen.primary)
    if primary is not None and not primary.live:
        lines.append(f"{primary.name}, the primary, {GONE}")
    if primary is not None and primary.live and primary.told and not primary.guarded:
        lines.append(f"{primary.name}, the primary, is unguarded: nothing ends its lease if its listener cannot")
    if primary is not None and primary.differs:
        lines.append(f"{primary.name} {primary.differs}")
    return list(dict.fromkeys(lines))


def basis(seen: ElectionView, follower: str) -> str:
    """What the times rest on."""
    peer = seen.peer(follower or seen.primary)
    if peer is None:
        return ""
    pace = history.pace(seen.terms, peer.name)
    of = f"the last {pace.terms} terms" if pace.terms > 1 else "the last term" if pace.terms else "guesses, as no term is known"
    session = "defaults, as the node tells none" if peer.assumed else f"a session timeout of {peer.figures.timeout:g} s"
    fence = "; what the fence command takes comes on top where the primary ends without releasing" if peer.figures.fences else ""
    return f"times by {session}, and how long start and stop took in {of}{fence}"


def explained(steps: Tuple[rehearsal.Step, ...]) -> List[Dict[str, Any]]:
    """The steps of a rehearsal for a document."""
    return [{**step._asdict(), "at": round(step.at, 3)} for step in steps]
