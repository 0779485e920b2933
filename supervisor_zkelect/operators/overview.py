"""All nodes of elections in one table, and the queues of elections. Pure.

What is shown of a node is what it says of itself, what the queue, ack and holder say of it, and what is ordered.
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Sequence

from supervisor_zkelect.core import nodes
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import table, times, unread
from supervisor_zkelect.operators.outcome import DONE, USAGE, VERSION, CommandOutcome, failure
from supervisor_zkelect.operators.show import shown
from supervisor_zkelect.operators.table import BAD, FAINT, GOOD, PLAIN, WATCH, Cell, Column, Screen
from supervisor_zkelect.operators.view import as_dict, as_dicts, as_text, is_number
from supervisor_zkelect.operators.words import duration

_COLUMNS = (
    Column("ELECTION"), Column("NODE"), Column("ROLE"), Column("FOR"), Column("SINCE", 9), Column("ADDRESS", 5, 12),
    Column("PLACE", 6), Column("TAGS", 7, 8), Column("NOTE", 0, 30),
)
#: Of one election the heading or the command may tell which it is.
_ALONE = Column("ELECTION", 4)
_TAGS = 7

_COLOURS = {"primary": GOOD, "standby": "", "gone": BAD, "unknown": BAD, "primary, cut off": BAD, "in the queue": FAINT}


def listed(
    answers: Mapping[str, Dict[str, Any]], screen: Screen = PLAIN, given: Mapping[str, Any] = {}, now: float = 0.0
) -> CommandOutcome:
    """All nodes of elections, in one table. answers: by election. given: `tag`, for the nodes that have it. now: seconds since
    1970, 0 for now."""
    now, tag = now or time.time(), str(given.get("tag") or "")
    try:
        meant = nodes.tag(tag) if tag else None
    except ValueError as error:
        return failure(USAGE, f"--tag {error}")
    refused = unread.refusal(answers)
    if refused:
        return refused
    rows: List[Sequence[str]] = []
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    said: List[str] = []
    for name, answer in unread.readable(answers).items():
        found = as_dicts(answer.get("nodes"))
        if meant is not None:
            found = [one for one in found if meant.on(as_dict(one.get("tags")))]
        document["elections"][name] = {
            "nodes": found, **{part: answer.get(part) for part in ("address", "coming", "trouble", "changed", "paused")},
            "left_out": answer.get("left_out") or 0,
        }
        rows += [_row(name, one, now) for one in found]
        if not found and not tag:
            rows.append([printable(name), "nobody", "-", "-", "-", "-", "-", "", ""])
        said += _said(name, answer, screen)
    tagged = any(row[_TAGS] for row in rows)
    kept = [number for number in range(len(_COLUMNS)) if tagged or number != _TAGS]
    columns = (_ALONE if len(answers) == 1 else _COLUMNS[0], *_COLUMNS[1:])
    lines = table.lines([columns[one] for one in kept], [[row[one] for one in kept] for row in rows], screen)
    # What is cut in the table stands below it.
    for row, line in zip(rows, lines[1:]):
        if row[-1] and row[-1] not in line:
            said += table.wrapped(f"{row[0]} {row[1]}: {row[-1]}", screen.width)
    if tag and not rows:
        said.append(f"no node has the tag {printable(tag)}; write {nodes.TAG}")
    if len(answers) == 1:
        said += _changed(next(iter(answers.values())), now)
    return unread.beside(CommandOutcome(DONE, (*lines, *said), document), answers, screen)


def _row(election: str, one: Dict[str, Any], now: float) -> List[str]:
    told, role = one.get("since"), shown(one.get("role"))
    since = told / 1000 if is_number(told) else None
    tags = ", ".join(f"{as_text(key)}:{as_text(value)}" for key, value in as_dict(one.get("tags")).items())
    return [
        printable(election), shown(one.get("node")), Cell.of(role, _COLOURS.get(role, WATCH)),
        "-" if since is None else duration(max(0.0, now - since)), "-" if since is None else times.moment(since),
        shown(one.get("address")), shown(one.get("place")), tags, as_text(one.get("note")),
    ]


def _said(name: str, answer: Dict[str, Any], screen: Screen) -> List[str]:
    """What is to be said of an election as a whole."""
    lines = [] if answer.get("address") else [screen.paint(f"{printable(name)}: nobody is primary", BAD)]
    told = [f"{printable(name)}: {as_text(answer.get(key))}" for key in ("trouble", "coming") if answer.get(key)]
    return lines + [part for line in [*told, *left_out(name, answer)] for part in table.wrapped(line, screen.width)]


def left_out(name: str, answer: Dict[str, Any]) -> List[str]:
    """That there are nodes of an election which were not looked at, and what to do about that; none where all were."""
    if not answer.get("left_out"):
        return []
    return [f"{printable(name)}: {as_text(answer['left_out'])} more nodes are left out; zkelect forget removes one that is gone"]


def _changed(answer: Dict[str, Any], now: float) -> List[str]:
    changed = answer.get("changed")
    if not is_number(changed) or not changed:
        return []
    return [f"last change of the ack: {times.moment(changed / 1000)}, {times.ago(changed / 1000, now)} ago"]


def members(answers: Mapping[str, Dict[str, Any]], screen: Screen = PLAIN) -> CommandOutcome:
    """The queues of elections, in order. answers: by election."""
    refused = unread.refusal(answers)
    if refused:
        return refused
    columns = (
        Column("ELECTION"), Column("PLACE"), Column("NODE"), Column("ADDRESS", 0, 12), Column("PROPOSAL", 8), Column("TOKEN", 7),
        Column("NOTE"),
    )
    rows: List[Sequence[str]] = []
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    for name, answer in unread.readable(answers).items():
        found = as_dicts(answer.get("members"))
        document["elections"][name] = found
        for member in found:
            notes = [word for key, word in (("leads", "leads"), ("mine", "this node")) if member.get(key)]
            cells = [shown(member.get(key)) for key in ("place", "node", "address", "proposal", "token")]
            rows.append([printable(name), *cells, ", ".join(notes)])
        if not found:
            rows.append([printable(name), "-", "nobody", "-", "-", "-", ""])
        if answer.get("left_out"):
            rows.append([printable(name), "-", f"and {as_text(answer['left_out'])} more", "-", "-", "-", ""])
    return unread.beside(CommandOutcome(DONE, tuple(table.lines(columns, rows, screen)), document), answers, screen)
