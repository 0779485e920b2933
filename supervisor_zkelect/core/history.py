"""The last terms of an election: who led, why it ended, and how long each step took. Pure.

The history znode in the election's state holds a JSON list of terms, the latest first. Where it grows long, its older terms go
to a page, a znode below it, which is never written again; pages that nobody needs any more are deleted:

    {"v": 1, "token", "node", "address", "begun": {MOMENT: time}, "ended": {MOMENT: time, "why", "failed", "resigned"},
     "restarts": [{MOMENT: time, "why"}], "lost": {"noticed": time, "why"}}

"lost" is noted by who leads next, of a term that was not released: it counts where its own node tells no end.

Times are seconds since the epoch by the clock of the node that notes them. Only the moments of one node in one term are compared,
but for "lost".
Readers pass over what they do not know.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core import untrusted

KEPT, USUAL = 1000, 20
"""Terms that are kept, and that are shown where nobody says how many."""

LONGEST, LONGEST_TEXT = untrusted.LONGEST_DOCUMENT, 300
"""Bytes of a znode, and characters of a text in it. What a server takes has a limit (jute.maxbuffer)."""

FULL = LONGEST * 3 // 4
"""Bytes from which on the older terms go to a page. What is left is room for who ends a term meanwhile, and cannot make one."""

_LATEST_STAY = 10
"""Terms that stay where they are: something of them may be told still."""

NAMED = 4
"""Nodes of which it is told why they did not take over."""

BEGUN = ("noticed", "elected", "claimed", "leased", "started", "executed", "healthy", "acked")
"""Moments in which a term begins: the predecessor's end is noticed, this node leads, the holder is written, a lease is
there, supervisord has started the group, the chain loader becomes the program, the service is healthy, the ack written."""

ENDED = ("noticed", "dead", "released")
"""Moments in which it ends: the fault is noticed or the order given, the group is proven dead, the election given up."""

ENDS = ("failed", "resigned")
"""What is noted of an end beside: its service has failed, or an operator gave it up on this node."""

RESTARTED = ("ordered", "dead", "started", "healthy", "acked")
"""Moments in which the service is started again by order: the order is marked begun, the group is proven dead, supervisord has
started it, the service is healthy, the ack written."""

MOST_RESTARTS = 5
"""Restarts that are kept of a term, the last ones."""


def read(data: bytes) -> List[Dict[str, Any]]:
    """The terms in the znode's data; none when it cannot be read."""
    return known(untrusted.parsed(data, LONGEST))


def known(terms: Any) -> List[Dict[str, Any]]:
    """The terms in a list that was parsed, as far as they are some."""
    if not isinstance(terms, list):
        return []
    return [_known(term) for term in terms if isinstance(term, dict) and untrusted.number(term.get("token"))][:KEPT]


def write(terms: List[Dict[str, Any]], most: int = LONGEST) -> bytes:
    """The latest terms, as many as have room in so many bytes."""
    parts: List[str] = []
    size = 2
    for term in terms:
        parts.append(json.dumps(term, separators=(",", ":")))
        size += len(parts[-1]) + (len(parts) > 1)
        if size > most:
            del parts[-1]
            break
    return f"[{','.join(parts)}]".encode()


class HistoryPage(NamedTuple):
    """Older terms that are to leave the znode. name: of the page. data: its own. left: what stays in the znode."""

    name: str
    data: bytes
    left: bytes


_PAGE = re.compile(r"p-(\d{20})-(\d{1,6})")


def page(data: bytes) -> Optional[HistoryPage]:
    """The page that is to be made of the znode's data; None while there is room."""
    if len(data) < FULL:
        return None
    terms = read(data)
    stay, go = terms[:_LATEST_STAY], terms[_LATEST_STAY:]
    if not go:
        return None
    return HistoryPage(f"p-{go[0]['token']:020d}-{len(go)}", write(go), write(stay))


def pages(names: Iterable[str]) -> List[str]:
    """The pages among the names, the one with the latest terms first."""
    return sorted((name for name in names if _PAGE.fullmatch(name)), reverse=True)


def superfluous(names: Iterable[str]) -> List[str]:
    """The pages that nobody needs, as the later ones have KEPT terms."""
    count, gone = 0, []
    for name in pages(names):
        if count >= KEPT:
            gone.append(name)
        count += int(name.rpartition("-")[2])
    return gone


def asked_for(given: Mapping[str, Any]) -> int:
    """How many terms are to be read, by what was said with `history`: all, where only their times tell which are meant; more than
    are shown at first to who follows, as several may be new the next time."""
    limit = given.get("limit")
    if str(limit or "").isdecimal() and 0 < int(str(limit)) <= KEPT:
        return max(int(str(limit)), USUAL if given.get("follow") else 0)
    return KEPT if given.get("since") or limit else USUAL


def _known(term: Dict[str, Any]) -> Dict[str, Any]:
    """What this release knows of a term, names and addresses by their rules, texts cut to a length."""
    kept: Dict[str, Any] = {"v": 1, "token": term["token"]}
    for name, rule in (("node", untrusted.known_name), ("address", untrusted.known_address)):
        if isinstance(term.get(name), str):
            kept[name] = rule(term[name])[:LONGEST_TEXT]
    for part, names in (("begun", BEGUN), ("ended", ENDED)):
        if isinstance(term.get(part), dict):
            moments = {name: _time(term[part], name) for name in names}
            kept[part] = {name: moment for name, moment in moments.items() if moment is not None}
            kept[part].update((name, True) for name in ENDS if part == "ended" and term[part].get(name) is True)
            if part == "ended" and isinstance(term[part].get("why"), str):
                kept[part]["why"] = _reason(term[part]["why"])
    restarts = term.get("restarts")
    if isinstance(restarts, list):
        kept["restarts"] = [one for one in map(_restart, restarts) if "ordered" in one][-MOST_RESTARTS:]
    lost = _dict(term.get("lost"))
    if _time(lost, "noticed") is not None and isinstance(lost.get("why"), str):
        kept["lost"] = {"noticed": lost["noticed"], "why": _reason(lost["why"])}
    return kept


def _restart(found: Any) -> Dict[str, Any]:
    one = _dict(found)
    known: Dict[str, Any] = {name: moment for name in RESTARTED if (moment := _time(one, name)) is not None}
    return {**known, "why": _reason(one["why"])} if isinstance(one.get("why"), str) else known


def _reason(text: str) -> str:
    """A text of a length. The ellipsis counts, too; escapes may make a text that is cut longer again."""
    return untrusted.cut(untrusted.printable(text, LONGEST_TEXT - 1), LONGEST_TEXT - 1)


def noted(terms: List[Dict[str, Any]], more: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The terms with what is known of others put in; what was known of a term before stays."""
    known = {one["token"]: one for one in terms}
    for term in map(_known, more):
        former = known.get(term["token"], {})
        merged = {**former, **term}
        for part in ("begun", "ended"):
            if part in former or part in term:
                merged[part] = {**former.get(part, {}), **term.get(part, {})}
        restarts = {one["ordered"]: one for one in (*former.get("restarts", ()), *term.get("restarts", ()))}
        if restarts:
            merged["restarts"] = [restarts[moment] for moment in sorted(restarts)][-MOST_RESTARTS:]
        known[term["token"]] = merged
    return sorted(known.values(), key=lambda one: -one["token"])[:KEPT]


def amended(data: bytes, terms: List[Dict[str, Any]]) -> bytes:
    """The znode's data with what is known of some terms put in."""
    return write(noted(read(data), terms))


def failures(terms: List[Dict[str, Any]], after: int, tried: Sequence[str]) -> List[str]:
    """What became of the terms later than the one with the token `after`, in order, as far as their ends are known. tried:
    nodes that had one, known or not."""
    ended = [
        (one.get("node", ""), one["ended"]["why"])
        for one in reversed(terms) if one["token"] > after and one.get("ended", {}).get("why")
    ]
    unknown = set(tried) - {node for node, _ in ended}
    return [f"{node} failed: {why}" for node, why in ended] + [f"{node} failed" for node in tried if node in unknown]


def failed_last(terms: List[Dict[str, Any]], node: str, cleared: int, healthy: float) -> bool:
    """Whether a term or promotion of the node has failed, and nothing has made that forgotten since: an operator has not, by the
    term with the token `cleared`, nor has a later term served for `healthy` seconds. A shorter one that ended without a release,
    as that of a host which dies, has failed as well."""
    for number, term in enumerate(terms):
        if term.get("node") != node or term["token"] <= cleared:
            continue
        ended = _dict(term.get("ended"))
        if ended.get("failed") is True:
            return True
        acked, later = _time(_dict(term.get("begun")), "acked"), terms[number - 1] if number else None
        served = _served(acked, ended)
        if served is None and acked is not None and later is not None:
            # By another node's clock, which is near enough for what goes by minutes.
            known = [moment for name in BEGUN for moment in [_time(_dict(later.get("begun")), name)] if moment is not None]
            served = min(known) - acked if known else None
        if served is not None and served >= healthy:
            return False
        if later is not None and _time(ended, "released") is None:
            return True
    return False


def given_up(terms: List[Dict[str, Any]], token: int) -> bool:
    """Whether the last term before the one with this token that had served was given up by an operator on its node."""
    for term in terms:
        ended = _dict(term.get("ended"))
        if term["token"] < token and (ended.get("resigned") is True or _time(_dict(term.get("begun")), "acked") is not None):
            return ended.get("resigned") is True
    return False


def passed(terms: List[Dict[str, Any]], waiting: Iterable[str]) -> List[str]:
    """Why others did not take over, as far as the terms tell, the latest first. waiting: nodes in the queue that did not try."""
    nodes = [node for node in dict.fromkeys(waiting) if node]
    lines = [_passed(node, next((one for one in terms if one.get("node") == node), {})) for node in nodes[:NAMED]]
    return lines + ([f"and {len(nodes) - NAMED} more stood there"] if len(nodes) > NAMED else [])


def _passed(node: str, last: Dict[str, Any]) -> str:
    begun, ended = _dict(last.get("begun")), _dict(last.get("ended"))
    if not _never(begun, ended):
        return f"{node} stood in the queue, and did not take over: see zkelect role there"
    why = f": {ended['why']}" if ended.get("why") else ""
    return f"{node} stepped behind, since its last promotion failed{why}; see zkelect role there"


class Pace(NamedTuple):
    """How long steps took, in seconds: the claim, supervisord's start of the group, until it is healthy; until the group is dead
    after it was asked to stop, and the release. terms: of how many that was measured; with 0 these are guesses."""

    claimed: float = 0.01
    started: float = 0.1
    healthy: float = 0.1
    dead: float = 0.1
    released: float = 0.01
    terms: int = 0


LATELY = 9
"""Terms by which a pace is told."""


def pace(terms: Sequence[Dict[str, Any]], node: str) -> Pace:
    """The usual pace of a node, by its last terms that were acked, or by those of all nodes where it has led none: the median
    of each step."""
    whole = [one for one in terms if _time(_dict(one.get("begun")), "acked") is not None]
    own = [one for one in whole if one.get("node") == node] or whole
    steps: Dict[str, List[float]] = {}
    for one in own[:LATELY]:
        for part, names in (("begun", BEGUN), ("ended", ENDED)):
            for name, seconds in _steps(_dict(one.get(part)), names):
                steps.setdefault(name, []).append(seconds)
    if "executed" in steps and "started" in steps:
        # The two are moments of one start, in either order.
        steps["started"] = [sum(pair) for pair in zip(steps["started"], steps["executed"])]
    known = {name: sorted(found)[len(found) // 2] for name, found in steps.items() if name in Pace._fields}
    return Pace()._replace(**known, terms=len(own[:LATELY]))


class TermRow(NamedTuple):
    """What is shown of one term. begun, ended: name and seconds of each step that was measured, in order.
    restarts: of each restart when it was begun, its steps, and why. up_to: `served` is a limit, as the node was found gone.

    since: when it was acked, or elected where it never was; seconds since the epoch. served: for how many seconds from the ack
    to its end, None where that is not known. never: what it never came to before it ended, "healthy" or "acked"; else "".
    """

    token: int
    node: str
    address: str
    since: Optional[float]
    served: Optional[float]
    never: str
    why: str
    begun: Tuple[Tuple[str, float], ...]
    ended: Tuple[Tuple[str, float], ...]
    restarts: Tuple[Tuple[float, Tuple[Tuple[str, float], ...], str], ...] = ()
    up_to: bool = False


def rows(terms: List[Dict[str, Any]]) -> List[TermRow]:
    """The terms, the latest first. A term of which no end is known, and which another followed, was not released."""
    shown = []
    for number, term in enumerate(terms):
        begun, ended = _dict(term.get("begun")), _dict(term.get("ended"))
        acked = _time(begun, "acked")
        lost = {} if ended else _dict(term.get("lost"))
        why = str(ended.get("why") or lost.get("why") or ("" if number == 0 else "ended without releasing"))
        shown.append(TermRow(
            term["token"], str(term.get("node", "")), str(term.get("address", "")), acked or _time(begun, "elected"),
            _served(acked, ended or lost), _never(begun, ended), why, _steps(begun, BEGUN), _steps(ended, ENDED),
            tuple((one["ordered"], _steps(one, RESTARTED), str(one.get("why") or "")) for one in term.get("restarts", ())),
            bool(lost),
        ))
    return shown


def _served(acked: Optional[float], ended: Dict[str, Any]) -> Optional[float]:
    until = _time(ended, "dead") or _time(ended, "noticed") or _time(ended, "released")
    # A clock that was put back in between tells nothing.
    return until - acked if until is not None and acked is not None and until >= acked else None


def _never(begun: Dict[str, Any], ended: Dict[str, Any]) -> str:
    """A beginning is written with the ack, or with the end of a term that was not acked. Of a term that one listener has begun
    and another one ended there may be none, which tells nothing."""
    if _time(begun, "elected") is None or _time(begun, "acked") is not None or not ended:
        return ""
    return "acked" if _time(begun, "healthy") is not None else "healthy"


def _steps(moments: Dict[str, Any], names: Tuple[str, ...]) -> Tuple[Tuple[str, float], ...]:
    """Each moment with the seconds since the one before it. A program may be executed before supervisord has answered
    that all are started."""
    known = sorted((moment, names.index(name), name) for name in names for moment in [_time(moments, name)] if moment is not None)
    return tuple((after[2], after[0] - before[0]) for before, after in zip(known, known[1:]))


def _time(moments: Dict[str, Any], name: str) -> Optional[float]:
    return untrusted.moment(moments.get(name))


def _dict(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}
