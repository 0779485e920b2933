"""Lines on orders: what was looked at, what is to be told beside, the log of orders as a table. Pure, but for the time zone."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Sequence

from supervisor_zkelect.core.moments import duration
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import table, times
from supervisor_zkelect.operators.table import WIDE, Column, Screen
from supervisor_zkelect.operators.view import as_dict, as_text, is_number

#: Kinds of orders that are typed otherwise.
_TYPED = {
    "cancel": "switchover --cancel", "cancel restart": "restart --cancel", "reset": "orders --reset",
    "resume by force": "resume --force",
}

_HEADING = ("ELECTION", "GIVEN", "BY", "ORDER", "OUTCOME", "REASON")


def beside(name: str, answer: Dict[str, Any]) -> List[str]:
    """What stands below the line on an order in an election: what was looked at, and a warning."""
    checked = [f"  checked: {as_text(line)}" for line in answer.get("checked") or () if isinstance(line, str)]
    warning = answer.get("warning")
    return [*checked, *([f"{printable(name)}: warning: {as_text(warning)}"] if warning else ())]


def log_rows(name: str, answer: Dict[str, Any]) -> List[Sequence[str]]:
    """The rows of the log of orders of an election, the newest first."""
    found = [as_dict(one) for one in answer.get("log") or () if isinstance(one, dict)]
    rows = [_row(name, one) for one in reversed(found)]
    return [_HEADING, *rows]


def log_lines(rows: Sequence[Sequence[str]], screen: Screen) -> List[str]:
    """The rows of logs of orders; where the terminal is narrow who ordered, and why, stands below."""
    lines = table.plain([_HEADING, *rows])
    if screen.width is None or max(map(table.breadth, lines)) <= screen.width:
        return lines
    columns = [Column("ELECTION", 7), Column("GIVEN", 5, 0, times.YEAR), Column("ORDER", 4), Column("OUTCOME")]
    shown = [[row[0], row[1], row[3] if screen.width >= WIDE else row[3].split(" at ")[0], row[4]] for row in rows]
    below = [f"by {row[2]}" + (f": {row[5]}" if row[5] else "") for row in rows]
    return [line for block in table.blocks(columns, shown, screen, below) for line in block]


def _row(name: str, one: Dict[str, Any]) -> Sequence[str]:
    outcome, done = as_dict(one.get("outcome")), one.get("done")
    told = as_text(outcome.get("text")) or "not known"
    told = told if done is not False else f"not done: {told}"
    at, given = outcome.get("at"), one.get("at")
    if is_number(at) and is_number(given) and at > given:
        told = f"{told}, {duration((at - given) / 1000)} later"
    kind = as_text(one.get("what"))
    what = " ".join(filter(None, [_TYPED.get(kind, kind), as_text(one.get("node"))])) or "unknown"
    due = f" at {local(one['due'])}" if is_number(one.get("due")) else ""
    until = f" until {local(one['until'])}" if is_number(one.get("until")) else ""
    shown = local(given) if is_number(given) and given else "-"
    return printable(name), shown, as_text(one.get("by")) or "-", f"{what}{due}{until}", told, as_text(one.get("reason"))


def local(moment: float) -> str:
    """A moment, milliseconds since 1970, by this host's clocks, with the zone."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(moment / 1000))
    except (OverflowError, ValueError, OSError):
        # Whoever may write to ZooKeeper may name any.
        return f"{moment:g} ms"
