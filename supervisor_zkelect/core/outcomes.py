"""What became of the last orders, by the id that each has from who gave it. Pure.

A tool that lost an answer asks for its order here, instead of giving it twice.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple

from supervisor_zkelect.core import untrusted

MOST = 50
"""Orders that are remembered."""

LONGEST_TEXT = 500
"""Characters of what is told of one."""


class Outcome(NamedTuple):
    """id: the order's. ok: whether it came to what was asked for. text: one line. node: who says so, and leads where it is ok."""

    id: str
    ok: bool
    text: str
    node: str = ""
    address: str = ""


def read(data: bytes) -> List[Outcome]:
    """The outcomes in a znode's data, the newest last; what cannot be read is left out."""
    found = untrusted.document(data).get("outcomes")
    return [_outcome(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _outcome(one: Dict[str, Any]) -> Outcome:
    words = (untrusted.printable(one.get(field, ""), LONGEST_TEXT) for field in ("id", "text", "node", "address"))
    order, text, node, address = words
    return Outcome(order, one.get("ok") is True, text, node, address)


def amended(data: bytes, outcome: Outcome) -> bytes:
    """The data of the znode with another outcome. One of the same order stands first and counts, as an order ends once."""
    known = read(data)
    if all(one.id != outcome.id for one in known):
        known.append(outcome)
    return json.dumps({"v": 1, "outcomes": [one._asdict() for one in known[-MOST:]]}).encode("utf-8")
