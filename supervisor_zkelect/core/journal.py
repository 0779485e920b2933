"""What happened in an election, in order: changes of role, failures, orders, as the nodes themselves note them. Pure.

    {"v": 1, "next": N, "events": [{"n", "time", "node", "kind", "text"}]}      the oldest first

The number of an event is two: the czxid of the znode, and a counter in it. The counter alone would begin anew where somebody
deleted the znode; together they never repeat, and whoever has read some of them knows which are missing since.

Times are seconds since 1970 by the clock of the node that noted it; only the numbers have an order.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core import untrusted

VERSION = 1
"""The format that this version reads and writes."""

LONGEST = untrusted.LONGEST_DOCUMENT * 3 // 4
"""Bytes that are written; the oldest events go. What others add is readable still."""

USUAL = 50
"""Events that are shown of an election where nobody says how many."""

LONGEST_TEXT, MOST_NEWS = 300, 50
"""Characters of a text, and events that a node notes at once; of more the oldest are left out, and counted."""

ROLE, FAILURE, ORDER, LOST = "role", "failure", "order", "lost"
"""Kinds: a node has another role; it has a trouble, or had one; an operator has ordered something, or that came to an end; a node
could not note some."""


class News(NamedTuple):
    """Something that happened on a node. time: seconds since 1970. kind: one of those above. given: as
    `happened.Told` has it."""

    time: float
    kind: str
    text: str
    given: Tuple[str, ...] = ()


class Number(NamedTuple):
    """czxid: of the znode; counter: in it, from 1."""

    czxid: int
    counter: int

    def __str__(self) -> str:
        return f"{self.czxid:x}.{self.counter}"


NO_LOG = Number(0, 0)
"""In place of the last one that a reader has seen, where there was no log."""


def number(text: str) -> Optional[Number]:
    """The number that a text is; None where it is none."""
    found = re.fullmatch(r"([0-9a-f]{1,16})\.(\d{1,15})", text.strip(), re.ASCII)
    return Number(int(found[1], 16), int(found[2])) if found else None


class Event(NamedTuple):
    """One event that was noted."""

    counter: int
    time: float
    node: str
    kind: str
    text: str


def read(data: bytes) -> Tuple[int, List[Event]]:
    """The counter of the next event, and the events, the oldest first; of what cannot be read there is none."""
    document = untrusted.document(data)
    listed = document.get("events")
    found = [_event(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    events = {one.counter: one for one in found if one is not None}
    ordered = [events[counter] for counter in sorted(events)]
    following = max(untrusted.number(document.get("next")), ordered[-1].counter + 1 if ordered else 1)
    return following, ordered


def _event(found: Dict[str, Any]) -> Optional[Event]:
    counter = untrusted.number(found.get("n"))
    if not counter or counter >= untrusted.LARGEST:
        return None
    return Event(
        counter, float(untrusted.moment(found.get("time")) or 0.0), untrusted.known_name(found.get("node")),
        untrusted.printable(found.get("kind") or "", 20), untrusted.printable(found.get("text") or "", LONGEST_TEXT),
    )


def amended(data: bytes, node: str, news: Sequence[News]) -> bytes:
    """The znode's data with what happened on a node put behind it, as many of the latest as have room."""
    if untrusted.number(untrusted.document(data).get("v")) > VERSION:
        # A newer version's is left alone.
        return data
    following, events = read(data)
    for counter, one in enumerate(news, following):
        text = untrusted.cut(untrusted.printable(one.text), LONGEST_TEXT - 1)
        events.append(Event(counter, round(one.time, 3), node, one.kind, text))
    following += len(news)
    kept: List[str] = []
    size = 60
    for event in reversed(events):
        fields = {"n" if name == "counter" else name: value for name, value in event._asdict().items()}
        kept.append(json.dumps(fields, separators=(",", ":")))
        size += len(kept[-1]) + 1
        if size > LONGEST:
            del kept[-1]
            break
    return f'{{"v":{VERSION},"next":{following},"events":[{",".join(reversed(kept))}]}}'.encode()


def collected(news: List[News], more: News) -> List[News]:
    """What is to be noted, with one more; where there is too much of it a line says how much was left out."""
    found = [*news, more]
    if len(found) <= MOST_NEWS:
        return found
    lost = int(found[0].text.split()[0]) if found[0].kind == LOST else 0
    rest = found[1:] if lost else found
    surplus = len(rest) - (MOST_NEWS - 1)
    return [News(more.time, LOST, f"{lost + surplus} events of this node were not noted"), *rest[surplus:]]


class Missed(NamedTuple):
    """What a reader has missed. anew: whether the znode was made anew, so that nobody knows how many. gone: how many are known to
    be gone."""

    anew: bool
    gone: int


def after(czxid: int, events: Sequence[Event], last: Optional[Number]) -> Tuple[List[Event], Missed]:
    """The events behind the one that a reader has seen last, and what he has missed of them. czxid: of the znode now. last: None
    for a reader that has seen none, or NO_LOG: he misses none."""
    if last is None or last == NO_LOG:
        return list(events), Missed(False, 0)
    if last.czxid != czxid:
        return list(events), Missed(True, events[0].counter - 1 if events else 0)
    fresh = [one for one in events if one.counter > last.counter]
    return fresh, Missed(False, fresh[0].counter - last.counter - 1 if fresh else 0)


def document(czxid: int, data: bytes) -> Dict[str, Any]:
    """The log as an answer carries it."""
    following, events = read(data)
    return {"log": czxid, "next": following, "events": [one._asdict() for one in events]}


def of_document(found: Mapping[str, Any]) -> Tuple[int, int, List[Event]]:
    """czxid, the counter of the next event, and the events of an answer."""
    listed = found.get("events")
    renamed = [{**one, "n": one.get("counter")} for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    events = [event for event in map(_event, renamed) if event is not None]
    return untrusted.number(found.get("log")), untrusted.number(found.get("next")), sorted(events)
