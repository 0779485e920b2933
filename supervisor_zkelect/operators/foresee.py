"""`why` and `simulate`: why a node is not primary, what would follow from a fault, and what happened in a past term. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from supervisor_zkelect.core import figures, nodes, outlook, rehearsal
from supervisor_zkelect.core.history import rows as rows_of
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import table, times, unread, words
from supervisor_zkelect.operators.outcome import DONE, ERROR, USAGE, VERSION, CommandOutcome, failure, worst
from supervisor_zkelect.operators.table import BAD, GOOD, WATCH, Screen
from supervisor_zkelect.operators.view import View, as_dict, as_text, is_number

FAULTS = {
    figures.SERVICE: "its service becomes sick, and stays so",
    figures.SUPERVISORD: "its supervisord is gone",
    figures.HOST: "its host is gone",
    figures.NETWORK: "it is cut off from ZooKeeper",
    figures.ZOOKEEPER: "no server of ZooKeeper answers",
}
"""The faults of a rehearsal, in words."""

_BEGUN = {
    "noticed": "the end of the former term is noticed", "elected": "leads the queue", "claimed": "the term is claimed",
    "leased": "a lease is there", "started": "supervisord has started the programs", "executed": "the first program is executed",
    "healthy": "the service is healthy", "acked": "the ack is written: primary",
}
_ENDED = {
    "noticed": "the end begins", "dead": "the programs are proven dead", "released": "the election is released",
}


def why(answers: Mapping[str, Dict[str, Any]], view: Optional[View], screen: Screen, given: Mapping[str, Any]) -> CommandOutcome:
    """Why a node is not primary, and what would follow if the primary failed now. view: of the node that was asked, None where
    ZooKeeper was. given: node."""
    lines: List[str] = []
    unknown: List[str] = []
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    for name, answer in answers.items():
        if answer.get("ok") is not True:
            known = words.line(view, name) if view is not None and not view.doubt(name) else ""
            # What the node knows by itself is told without ZooKeeper, too.
            lines += [f"{printable(name)}: this node says: {known}"] * bool(known)
            continue
        node = str(given.get("node") or answer.get("here") or "")
        seen = outlook.cluster(answer)
        if given.get("node") and seen.peer(node) is None:
            lines.append(f"{printable(name)}: {_unknown(name, seen, node)}")
            unknown.append(_unknown(name, seen, node))
            continue
        said = outlook.outlook(seen, node)
        local = words.line(view, name) if view is not None and node == answer.get("here") and not view.doubt(name) else ""
        lines += _told(name, said, local, screen)
        document["elections"][name] = {
            "node": said.node or None, "leads": said.leads, "says": said.says, "local": local, "primary": said.primary or None,
            "next": said.next or None, "basis": said.basis, "hindrances": list(said.hindrances), "coming": said.coming or None,
            "faults": {one.fault: _case(one) for one in said.cases},
        }
    outcome = unread.refusal(answers)
    if outcome:
        return outcome._replace(lines=tuple(lines))
    outcome = CommandOutcome(DONE, tuple(lines), document)
    if unknown and not document["elections"]:
        outcome = failure(USAGE, "; ".join(unknown))
    return unread.beside(outcome, answers, screen)


def _unknown(name: str, seen: outlook.ElectionView, node: str) -> str:
    return nodes.unknown(printable(node), printable(name), [one.name for one in seen.peers])


def _case(one: outlook.Case) -> Dict[str, Any]:
    played = one.played
    numbers = {"after": played.after, "silent": played.silent, "stopped": played.stopped}
    rounded = {name: None if seconds is None else round(seconds, 3) for name, seconds in numbers.items()}
    return {"leader": played.leader or None, **rounded, "says": one.says}


def _told(name: str, said: outlook.Outlook, local: str, screen: Screen) -> List[str]:
    lines: List[Tuple[str, str]] = [(f"{printable(name)}: {said.says}", GOOD if said.primary else BAD)]
    lines += [(f"  this node says: {local}", "")] * bool(local)
    if said.cases:
        lines.append((f"  if {said.primary} failed now:", ""))
        widest = max(len(FAULTS[one.fault]) for one in said.cases)
        for one in said.cases:
            lines.append((f"    {FAULTS[one.fault]:{widest}}  {one.says}", "" if one.played.leader else BAD))
        lines.append((f"  next is {said.next}; {said.basis}" if said.next else f"  nobody is next; {said.basis}", ""))
    lines += [(f"  to come: {said.coming}", WATCH)] * bool(said.coming)
    if said.hindrances:
        lines += [("  in the way:", WATCH), *((f"    {line}", "") for line in said.hindrances)]
    elif said.cases:
        lines.append(("  nothing is in the way", ""))
    return [screen.paint(part, colour) for line, colour in lines for part in table.wrapped(line, screen.width)]


def simulate(answers: Mapping[str, Dict[str, Any]], screen: Screen, given: Mapping[str, Any]) -> CommandOutcome:
    """What would follow from a fault, step by step; or, with a term, what happened in it. given: fault, node, term."""
    fault, term = given.get("fault"), given.get("term")
    if bool(fault) == bool(term):
        return failure(USAGE, f"say --fault {'|'.join(FAULTS)}, or --term TOKEN for what happened in a past term")
    if term and given.get("node"):
        return failure(USAGE, "--term and --node exclude each other; give one of them")
    if fault and fault not in FAULTS:
        return failure(USAGE, f"--fault {fault} is no fault; there are: {', '.join(FAULTS)}")
    if term and not str(term).isdecimal():
        return failure(USAGE, f"--term {term} is not the token of a term; zkelect history shows them")
    refused = unread.refusal(answers)
    if refused:
        return refused
    lines: List[str] = []
    failed: Dict[str, CommandOutcome] = {}
    statuses = [DONE]
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    node, token = str(given.get("node") or ""), int(str(term)) if term else None
    for name, answer in unread.readable(answers).items():
        seen = outlook.cluster(answer)
        told = _rehearsed(name, seen, str(fault), node) if token is None else _replayed(seen.terms, token)
        if told.error:
            failed[name] = told
            # Where the node or the term is of another election, nothing was to be played.
            statuses += [told.exit] if _has(seen, node, token) else []
            lines.append(f"{printable(name)}: {told.error}")
            continue
        lines += [f"{printable(name)}: {told.lines[0]}", *told.lines[1:]]
        document["elections"][name] = told.document
    document["exit"] = worst(statuses)
    if failed:
        document["unplayed"] = {name: one.error for name, one in failed.items()}
    fitted = tuple(part for line in lines for part in table.wrapped(line, screen.width))
    outcome = CommandOutcome(document["exit"], fitted, document)
    if failed and not document["elections"]:
        texts = [f"{name}: {one.error}" if len(answers) > 1 else one.error for name, one in failed.items()]
        outcome = failure(worst(one.exit for one in failed.values()), "; ".join(texts))
    return unread.beside(outcome, answers, screen)


def _has(seen: outlook.ElectionView, node: str, token: Optional[int]) -> bool:
    """Whether an election has the term that is asked for, or the node, if one is."""
    if token is not None:
        return any(one.get("token") == token for one in seen.terms)
    return not node or seen.peer(node) is not None


def _rehearsed(name: str, seen: outlook.ElectionView, fault: str, node: str) -> CommandOutcome:
    if seen.paused:
        return failure(ERROR, f"{seen.paused}: nobody takes over before that, so nothing can be rehearsed")
    parts = outlook.parts_of(seen)
    victim = node or (parts[0].name if parts else "")
    if not parts:
        return failure(ERROR, "nobody stands in the queue, so nothing can be rehearsed")
    if victim not in [one.name for one in parts]:
        peer = seen.peer(victim)
        if peer is None:
            return failure(USAGE, _unknown(name, seen, victim))
        why = "does not stand in the queue" if peer.live else "is gone already: its session with ZooKeeper is over"
        return failure(ERROR, f"{victim} {why}, so nothing would follow; in the queue: {', '.join(one.name for one in parts)}")
    played = rehearsal.play(parts, fault, victim)
    what = FAULTS[fault] if fault == figures.ZOOKEEPER else f"{victim}: {FAULTS[fault]}"
    assumed = "" if seen.primary else f"; nobody is primary now, so this begins when {parts[0].name} is"
    if not played.steps:
        return failure(ERROR, f"{parts[0].name} would not become primary with its options; see zkelect why")
    rows = [(f"{step.at:9.3f} s", step.node or "ZooKeeper", _step(step)) for step in played.steps]
    case = outlook.Case(fault, played, outlook.consequence(played))
    lines = [f"{what}{assumed}", *_timeline(rows), f"  then: {case.says}", f"  {outlook.basis(seen, played.leader)}"]
    document = {"fault": fault, "node": victim, "steps": outlook.explained(played.steps), **_case(case)}
    return CommandOutcome(DONE, tuple(lines), document)


def _step(step: rehearsal.Step) -> str:
    if not step.role:
        return step.why
    said = words.step(step.role, step.step)
    return f"{step.role}: {said}" + (f" ({step.why})" if step.why and step.why != said else "")


def _timeline(rows: Sequence[Tuple[str, str, str]]) -> List[str]:
    widths = [max((len(row[number]) for row in rows), default=0) for number in (0, 1)]
    return [f"  {at:>{widths[0]}}  {who:{widths[1]}}  {what}" for at, who, what in rows]


def _replayed(terms: List[Dict[str, Any]], token: int) -> CommandOutcome:
    """What happened in a past term."""
    place = next((number for number, one in enumerate(terms) if one.get("token") == token), None)
    if place is None:
        return failure(ERROR, f"no term with the token {token} is known; zkelect history shows those that are")
    term, row = terms[place], rows_of(terms)[place]
    moments = [
        (moment, said[name]) for part, said in (("begun", _BEGUN), ("ended", _ENDED))
        for name, moment in as_dict(term.get(part)).items() if name in said and is_number(moment) and moment
    ]
    moments.sort(key=lambda one: one[0])
    start = moments[0][0] if moments else 0.0
    rows = [(times.moment(moment), f"{moment - start:+.3f} s", said) for moment, said in moments]
    because = [f"  because: {printable(row.why)}"] * bool(row.why)
    served = [] if row.served is None else [f"  it served for {words.duration(row.served)}"]
    never = [f"  it was never {row.never}"] * bool(row.never)
    where = f" at {printable(row.address)}" if row.address else ""
    head = f"term {token} of {printable(row.node) or 'an unknown node'}{where}"
    return CommandOutcome(DONE, (head, *_timeline(rows), *served, *never, *because), {
        "term": term, "why": row.why, "served": row.served, "never": row.never or None,
        "steps": [{"time": moment, "at": round(moment - start, 3), "says": as_text(said)} for moment, said in moments],
    })
