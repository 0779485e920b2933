"""What each node of an election says of itself, as the znodes `nodes/NODE` below the state have it, and a table of it. Pure.

An entry stays when its node is gone, so that who is missing is seen as well as who is there. Whether a node lives tells the
ephemeral znode `live` below its entry.

Times are milliseconds of the node's own clock, since 1970 in UTC.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from supervisor_zkelect.core import ranks, untrusted

LONGEST_TEXT = 300
"""Characters of a text in an entry."""

MOST_TAGS, LONGEST_TAG = 16, 64
"""Tags of a node, and characters of a key or a value."""

TAG = "KEY:VALUE, or KEY for any value"
"""How a tag is named whose nodes are meant."""

_MOST_FIELDS, _LONGEST_WORD = 40, 120
"""Fields of an object in an entry that are read, and characters of a name or a value in it."""

_WORDS = (
    "session", "state", "step", "address", "version", "trouble", "failed", "digest", "unfit", "paused", "host", "instance",
    "http", "checked",
)


class NodeEntry(NamedTuple):
    """session: id of the node's session, as hexadecimal digits. state, step: of its role machine; since: when it entered that
    role. guarded: whether somebody ends a lease if the listener cannot. confirmed: czxid and version of the control that it has
    read last. trouble: what is wrong there, in one line.

    failed: why its last promotion failed, "" where it did not. tags: what an operator calls it, by his own keys. options: those
    that must agree among the nodes, as they are in force there, and digest: of all of them (config/agreement.py). figures: the
    times by which it acts, as `figures.Figures` has them. priority: as its file has it. unfit: why its check `fit` fails, ""
    where it passes or there is none; the znode has `fit` beside it, true or false. paused: id of the pause by which it
    runs whatever becomes of its lease, which whoever enforces that has confirmed to know. host: name of its host. instance: of
    its supervisord, as `control.Life` has it. http: why its `zkelect http` does not answer, "" where it does or there is none;
    that keeps no node from leading. checks: whether it has a check `fit`. checked: id of the last switchover to it before which
    that was asked."""

    session: str = ""
    state: str = ""
    step: str = ""
    since: int = 0
    address: str = ""
    guarded: bool = False
    confirmed: Sequence[int] = ()
    version: str = ""
    trouble: str = ""
    failed: str = ""
    digest: str = ""
    tags: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    figures: Mapping[str, float] = {}
    priority: int = ranks.DEFAULT
    unfit: str = ""
    paused: str = ""
    host: str = ""
    instance: str = ""
    http: str = ""
    checks: bool = False
    checked: str = ""

    @property
    def amiss(self) -> str:
        """What is wrong there, or was when it was to lead; ""."""
        return self.trouble or (f"its last promotion failed: {self.failed}" if self.failed else "")

    def data(self) -> bytes:
        """For the znode."""
        texts = {name: untrusted.cut(getattr(self, name), LONGEST_TEXT) for name in ("trouble", "failed", "unfit", "http")}
        fields = {**self._asdict(), "v": 1, "confirmed": list(self.confirmed), **texts, "fit": not self.unfit}
        return json.dumps({name: value for name, value in fields.items() if value or name in _ALWAYS}).encode("utf-8")


#: Fields that are written also where they are empty.
_ALWAYS = {"v", "fit", *NodeEntry._fields} - {
    "failed", "digest", "tags", "options", "figures", "host", "instance", "http", "checks", "checked",
}


def read(data: bytes) -> NodeEntry:
    """The entry in a znode's data; what cannot be read of it is left out."""
    found = untrusted.document(data)
    words = {name: untrusted.printable(found.get(name) or "", LONGEST_TEXT) for name in _WORDS}
    confirmed = found.get("confirmed")
    numbers = [one for one in confirmed if type(one) is int][:2] if isinstance(confirmed, list) else []
    since, guarded = untrusted.number(found.get("since")), found.get("guarded") is True
    objects = {name: _object(found.get(name)) for name in ("tags", "options", "figures")}
    return NodeEntry(
        **words, since=since, guarded=guarded, confirmed=tuple(numbers), priority=ranks.of(found),
        tags={key: value for key, value in objects["tags"].items() if isinstance(value, str)},
        options={key: value for key, value in objects["options"].items() if isinstance(value, str)},
        figures=figures_in(objects["figures"]), checks=found.get("checks") is True,
    )


def figures_in(found: Any) -> Dict[str, float]:
    """The figures in an object: those that are times, or numbers of something."""
    return {key: float(value) for key, value in _object(found).items() if type(value) in (int, float) and 0 <= value < 1e9}


def _object(found: Any) -> Dict[str, Any]:
    """The object, if it is one, with its names and texts cut."""
    if not isinstance(found, dict):
        return {}
    return {
        untrusted.printable(key, _LONGEST_WORD): untrusted.printable(value, _LONGEST_WORD) if isinstance(value, str) else value
        for key, value in list(found.items())[:_MOST_FIELDS]
    }


class Seen(NamedTuple):
    """One node as it is seen. entry: None where it has none, as an earlier version. live: whether its session lives. place: in
    the queue, from 1; None where it does not stand there."""

    name: str
    entry: Optional[NodeEntry]
    live: bool
    place: Optional[int]


def differences(seen: Sequence[Seen], primary: str) -> Dict[str, str]:
    """Who has other values of the options that must agree than the primary has, or, where that is unknown, than most have; by
    node, in words."""
    told = {one.name: one.entry for one in seen if one.entry is not None and one.live and one.entry.digest}
    if len({entry.digest for entry in told.values()}) < 2:
        return {}
    counts: Dict[str, int] = {}
    for entry in told.values():
        counts[entry.digest] = counts.get(entry.digest, 0) + 1
    usual = max(sorted(told), key=lambda name: (name == primary, counts[told[name].digest]))
    return {
        name: f"differs from {usual} in {_differing(entry, told[usual])}"
        for name, entry in told.items() if entry.digest != told[usual].digest
    }


def _differing(entry: NodeEntry, usual: NodeEntry) -> str:
    """The options in which an entry differs."""
    names = [name for name in sorted({*entry.options, *usual.options}) if entry.options.get(name) != usual.options.get(name)]
    pairs = (f"{name} ({entry.options.get(name, 'unknown')}, not {usual.options.get(name, 'unknown')})" for name in names)
    return ", ".join(pairs) or "an option that it does not tell"


def unrecognised(seen: Sequence[Seen], stamp: Sequence[int]) -> List[str]:
    """The nodes that live and have not read the control since it was written last. stamp: as `NodeEntry.confirmed` has it. One
    that tells nothing of itself obeys no orders, or has yet to begin."""
    return [
        one.name for one in seen
        if one.live and one.entry is not None and one.entry.state != "withdrawn" and tuple(one.entry.confirmed) != tuple(stamp)
    ]


def unknown(node: str, election: str, names: Sequence[str]) -> str:
    """That no node has this name. names: those that are known."""
    return f"no node {node} is known in {election}; there are: {', '.join(sorted(names)) or 'none'}"


class NodeRow(NamedTuple):
    """One row of the table. role: "primary" where the ack or the node says so. since: None where that is not known. note: what is
    to be said of it; several are separated by semicolons."""

    node: str
    role: str
    since: Optional[int]
    address: str
    place: Optional[int]
    note: str


def who_leads(seen: Sequence[Seen], holder: str, address: str) -> str:
    """The node that leads, or "". holder: who has noted the address in the ack as its own, "" where nobody has; address: that,
    "" where nobody is primary."""
    if holder or not address:
        return holder if address else ""
    # A program that notes no holder, as the Go elector, tells nothing of itself either, and leads from the first place.
    return next((one.name for one in seen if one.place == 1 and one.entry is None), "")


def rows(seen: Sequence[Seen], holder: str, address: str, ordered: Dict[str, str], stamp: Sequence[int]) -> List[NodeRow]:
    """The table of one election, who leads first. holder, address: who leads by holder and ack; "" for nobody. ordered: what is
    ordered, by node. stamp: of the control, as `NodeEntry.confirmed` has it."""
    found = [_row(one, holder, address, ordered.get(one.name, ""), stamp) for one in seen]
    return sorted(found, key=lambda row: (row.role != "primary", row.place is None, row.place or 0, row.node))


def _priority_note(number: int) -> str:
    if number == ranks.DEFAULT:
        return ""
    return f"priority {number}" if number else "priority 0, so it never leads"


#: States in which a node that does not stand in the queue leads no more, whatever the ack says.
_ASIDE = ("detached", "standby", "maintenance", "withdrawn")


def _row(one: Seen, holder: str, address: str, ordered: str, stamp: Sequence[int]) -> NodeRow:
    entry, notes = one.entry, [ordered]
    leads = bool(address) and one.name == holder
    if entry is None:
        role = "primary" if leads else "in the queue" if one.place is not None else "unknown"
        notes.append("tells nothing of itself")
        return NodeRow(one.name, role, None, address if leads else "", one.place, "; ".join(filter(None, notes)))
    if not one.live:
        # Its proposal goes with its session.
        role = "primary, cut off" if leads else "gone"
        notes.append(f"was {entry.state}" if entry.state and not leads else "")
    else:
        # Its ack stands until its proposal of before is gone, or until it has released.
        past = leads and (entry.state == "demoting" or one.place is None and entry.state in _ASIDE)
        leads = leads and not past
        role = "primary" if leads else entry.state or "unknown"
        notes.append("the ack still says so" if past else "")
        notes.append(entry.step if role == entry.state and role not in ("standby", "primary") else "")
        notes.append(f"not fit: {entry.unfit}" if entry.unfit else "")
        notes.append(_priority_note(entry.priority))
        notes.append("the ack does not say so" if entry.state == "primary" and not leads else "")
        notes += ["runs on in the pause" if entry.paused else "", "" if entry.guarded else "unguarded"]
        notes.append("" if not stamp or tuple(entry.confirmed) == tuple(stamp) else "has not recognised the last order yet")
        notes += [entry.amiss, entry.http]
    where = address if leads else entry.address
    # What it tells of is when it became what it was.
    since = None if role == "gone" else entry.since or None
    return NodeRow(one.name, role, since, where, one.place, "; ".join(filter(None, notes)))


class Tag(NamedTuple):
    """A tag that nodes may have. value: None for any."""

    key: str
    value: Optional[str] = None

    def on(self, tags: Mapping[str, Any]) -> bool:
        """Whether a node with these tags has it."""
        return self.key in tags and self.value in (None, tags[self.key])


def tag(text: str) -> Tag:
    """The tag that is meant by KEY:VALUE, or by KEY. Raises ValueError, which says what to write."""
    key, colon, value = (part.strip() for part in text.partition(":"))
    if not key:
        raise ValueError(f"{text}: write {TAG}")
    return Tag(key, value if colon else None)
