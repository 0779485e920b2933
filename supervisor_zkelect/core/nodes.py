"""What each node of an election says of itself, as the znodes `nodes/NODE` below the state have it, and a table of it. Pure.

An entry stays when its node is gone, so that who is missing is seen as well as who is there. Whether a node lives tells the
ephemeral znode `live` below its entry.

Times are milliseconds of the node's own clock, since 1970 in UTC.
"""

from __future__ import annotations

import json
from typing import Dict, List, NamedTuple, Optional, Sequence

from supervisor_zkelect.core import ranks, untrusted

LONGEST_TEXT = 300
"""Characters of a text in an entry."""

_WORDS = ("session", "state", "step", "address", "version", "trouble", "unfit")


class Entry(NamedTuple):
    """session: id of the node's session, as hexadecimal digits. state, step: of its role machine; since: when it entered that
    role. guarded: whether somebody ends a lease if the listener cannot. confirmed: czxid and version of the control that it has
    read last. trouble: what is wrong there, in one line. priority: as its file has it. unfit: why its check `fit` fails, "" where
    it passes or there is none; the znode has `fit` beside it, true or false."""

    session: str = ""
    state: str = ""
    step: str = ""
    since: int = 0
    address: str = ""
    guarded: bool = False
    confirmed: Sequence[int] = ()
    version: str = ""
    trouble: str = ""
    priority: int = 100
    unfit: str = ""

    def data(self) -> bytes:
        """For the znode."""
        trouble = untrusted.cut(self.trouble, LONGEST_TEXT)
        unfit = untrusted.cut(self.unfit, LONGEST_TEXT)
        more = {"trouble": trouble, "fit": not unfit, "unfit": unfit}
        fields = {**self._asdict(), "v": 1, "confirmed": list(self.confirmed), **more}
        return json.dumps(fields).encode("utf-8")


def read(data: bytes) -> Entry:
    """The entry in a znode's data; what cannot be read of it is left out."""
    found = untrusted.document(data)
    words = {name: untrusted.printable(found.get(name) or "", LONGEST_TEXT) for name in _WORDS}
    confirmed = found.get("confirmed")
    numbers = [one for one in confirmed if type(one) is int][:2] if isinstance(confirmed, list) else []
    since, guarded = untrusted.number(found.get("since")), found.get("guarded") is True
    return Entry(**words, since=since, guarded=guarded, confirmed=tuple(numbers), priority=ranks.of(found))


class Seen(NamedTuple):
    """One node as it is seen. entry: None where it has none, as an earlier version. live: whether its session lives. place: in
    the queue, from 1; None where it does not stand there."""

    name: str
    entry: Optional[Entry]
    live: bool
    place: Optional[int]


def unrecognised(seen: Sequence[Seen], stamp: Sequence[int]) -> List[str]:
    """The nodes that live and have not read the control since it was written last. stamp: as `Entry.confirmed` has it. One that
    tells nothing of itself obeys no orders, or has yet to begin."""
    return [
        one.name for one in seen
        if one.live and one.entry is not None and one.entry.state != "withdrawn" and tuple(one.entry.confirmed) != tuple(stamp)
    ]


class Row(NamedTuple):
    """One row of the table. role: "primary" where the ack or the node says so. since: None where that is not known. note: what is
    to be said of it; several are separated by semicolons."""

    node: str
    role: str
    since: Optional[int]
    address: str
    place: Optional[int]
    note: str


def rows(seen: Sequence[Seen], holder: str, address: str, ordered: Dict[str, str], stamp: Sequence[int]) -> List[Row]:
    """The table of one election, who leads first. holder, address: who leads by holder and ack; "" for nobody. ordered: what is
    ordered, by node. stamp: of the control, as `Entry.confirmed` has it."""
    found = [_row(one, holder, address, ordered.get(one.name, ""), stamp) for one in seen]
    return sorted(found, key=lambda row: (row.role != "primary", row.place is None, row.place or 0, row.node))


def _priority_note(number: int) -> str:
    if number == ranks.DEFAULT:
        return ""
    return f"priority {number}" if number else "priority 0, so it never leads"


def _row(one: Seen, holder: str, address: str, ordered: str, stamp: Sequence[int]) -> Row:
    entry, notes = one.entry, [ordered]
    leads = bool(address) and one.name == holder
    if entry is None:
        role = "primary" if leads else "in the queue" if one.place is not None else "unknown"
        notes.append("tells nothing of itself")
        return Row(one.name, role, None, address if leads else "", one.place, "; ".join(filter(None, notes)))
    if not one.live:
        # Its proposal goes with its session.
        role = "primary, cut off" if leads else "gone"
        notes.append(f"was {entry.state}" if entry.state and not leads else "")
    else:
        role = "primary" if leads else entry.state or "unknown"
        notes.append(entry.step if role == entry.state and role not in ("standby", "primary") else "")
        notes.append(f"not fit: {entry.unfit}" if entry.unfit else "")
        notes.append(_priority_note(entry.priority))
        notes.append("the ack does not say so" if entry.state == "primary" and not leads else "")
        notes.append("" if entry.guarded else "unguarded")
        notes.append("" if not stamp or tuple(entry.confirmed) == tuple(stamp) else "has not recognised the last order yet")
        notes.append(entry.trouble)
    where = address if leads else entry.address
    return Row(one.name, role, entry.since or None, where, one.place, "; ".join(filter(None, notes)))
