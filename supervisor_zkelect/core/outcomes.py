"""What became of the last orders, by the id that each has from who gave it. Pure.

A tool that lost an answer asks for its order here, instead of giving it twice.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, NamedTuple

from supervisor_zkelect.core import untrusted

MOST = 50
"""Orders that are remembered."""

LISTS = ("orders", "outcomes")
"""What the znode has, beside what a newer format adds; for the first see order_log.py."""

_NUMBERS = (MOST, 20, 10, 5, 2, 1)
"""Of each kind those are kept that fit, so many at most."""

LONGEST_TEXT = 500
"""Characters of what is told of one."""


class Outcome(NamedTuple):
    """id: the order's. ok: whether it came to what was asked for. text: one line. node: who says so, and leads where it is ok.
    at: when, milliseconds of ZooKeeper's clock, 0 where that is not known."""

    id: str
    ok: bool
    text: str
    node: str = ""
    address: str = ""
    at: int = 0


def read(data: bytes) -> List[Outcome]:
    """The outcomes in a znode's data, the newest last; what cannot be read is left out."""
    found = untrusted.document(data).get("outcomes")
    return [_outcome(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _outcome(one: Dict[str, Any]) -> Outcome:
    words = (untrusted.printable(one.get(field, ""), LONGEST_TEXT) for field in ("id", "text", "node", "address"))
    order, text, node, address = words
    return Outcome(order, one.get("ok") is True, text, node, address, untrusted.number(one.get("at")))


def amended(data: bytes, outcome: Outcome) -> bytes:
    """The data of the znode with another outcome. One of the same order stands first and counts, as an order ends once."""
    known = read(data)
    if all(one.id != outcome.id for one in known):
        known.append(outcome)
    return fitting({**untrusted.document(data), "outcomes": [one._asdict() for one in known]})


def fitting(document: Dict[str, Any]) -> bytes:
    """The data of the znode with as many of the last orders and outcomes as are remembered, and as anybody reads. outcomes: as
    `read` has them, so that one of them fits, whatever else stands there."""
    return next(data for data in _shorter(document) if len(data) <= untrusted.LONGEST_DOCUMENT)


def _shorter(document: Dict[str, Any]) -> Iterator[bytes]:
    """The document with ever less of it. In the end what fills it is nobody's who goes by these rules."""
    for kept in (document.keys(), LISTS, LISTS[1:]):
        rest = {name: value for name, value in document.items() if name in kept}
        for most in _NUMBERS:
            lists = {name: rest[name][-most:] for name in LISTS if isinstance(rest.get(name), list)}
            yield json.dumps({**rest, "v": 1, **lists}).encode()
