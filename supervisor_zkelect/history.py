"""The last terms of an election: who led, why it ended, and how long each step took. Pure.

The history znode beside the ack holds a JSON list of terms, the latest first:

    {"v": 1, "token", "node", "address", "begun": {MOMENT: time}, "ended": {MOMENT: time, "why"}}

Times are seconds since the epoch by the node's own clock, as only the moments of one node in one term are compared.
Readers pass over what they do not know.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

MOST = 20
"""Terms that are kept."""

LATEST = 4e9
"""Seconds since the epoch; what is later (2096) is no time."""

BEGUN = ("noticed", "elected", "claimed", "leased", "started", "executed", "healthy", "acked")
"""Moments in which a term begins: the predecessor's end is noticed, this node leads, the holder is written, a lease is
there, supervisord has started the group, the chain loader becomes the program, the service is healthy, the ack written."""

ENDED = ("noticed", "dead", "released")
"""Moments in which it ends: the fault is noticed or the order given, the group is proven dead, the election given up."""

def dated(moments: Dict[str, Any], offset: float) -> Dict[str, Any]:
    """The moments as seconds since the epoch, by adding `offset`; what is no moment stays."""
    return {name: round(one + offset, 6) if isinstance(one, float) else one for name, one in moments.items()}


def read(data: bytes) -> List[Dict[str, Any]]:
    """The terms in the znode's data; none when it cannot be read."""
    try:
        terms = json.loads(data)
    except (ValueError, RecursionError):
        return []
    if not isinstance(terms, list):
        return []
    return [term for term in terms if isinstance(term, dict) and type(term.get("token")) is int]


def write(terms: List[Dict[str, Any]]) -> bytes:
    return json.dumps(terms[:MOST], separators=(",", ":")).encode("utf-8")


def noted(terms: List[Dict[str, Any]], term: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The terms with what is known of one put in; what was known of it before stays."""
    known = {one["token"]: one for one in terms}
    former = known.get(term["token"], {"v": 1})
    merged = {**former, **term}
    for part in ("begun", "ended"):
        if part in former or part in term:
            merged[part] = {**_dict(former.get(part)), **_dict(term.get(part))}
    known[term["token"]] = merged
    return sorted(known.values(), key=lambda one: -one["token"])[:MOST]


def amended(data: bytes, term: Dict[str, Any]) -> bytes:
    """The znode's data with what is known of one term put in."""
    return write(noted(read(data), term))


class Row(NamedTuple):
    """What is shown of one term. steps: name and seconds of each step that was measured, in order."""

    token: int
    node: str
    address: str
    since: Optional[float]
    lasted: Optional[float]
    why: str
    begun: Tuple[Tuple[str, float], ...]
    ended: Tuple[Tuple[str, float], ...]


def rows(terms: List[Dict[str, Any]]) -> List[Row]:
    """The terms, the latest first. A term of which no end is known, and which another followed, was not released."""
    shown = []
    for number, term in enumerate(terms):
        begun, ended = _dict(term.get("begun")), _dict(term.get("ended"))
        since = _time(begun, "acked") or _time(begun, "elected")
        until = _time(ended, "released") or _time(ended, "dead") or _time(ended, "noticed")
        why = str(ended.get("why") or ("" if number == 0 else "ended without releasing"))
        lasted = until - since if until is not None and since is not None else None
        shown.append(Row(
            term["token"], str(term.get("node", "")), str(term.get("address", "")), since, lasted, why,
            _steps(begun, BEGUN), _steps(ended, ENDED),
        ))
    return shown


def _steps(moments: Dict[str, Any], names: Tuple[str, ...]) -> Tuple[Tuple[str, float], ...]:
    """Each moment with the seconds since the one before it."""
    found, former = [], None
    for name in names:
        moment = _time(moments, name)
        if moment is not None:
            if former is not None:
                found.append((name, moment - former))
            former = moment
    return tuple(found)


def _time(moments: Dict[str, Any], name: str) -> Optional[float]:
    value = moments.get(name)
    return value if type(value) in (int, float) and 0 <= value < LATEST else None


def _dict(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}
