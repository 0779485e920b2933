"""An order as it was given, and what is answered to whoever gave it."""

from __future__ import annotations

from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from supervisor_zkelect.core.control import Control
from supervisor_zkelect.zookeeper.errors import ElectionError

CANCELLED = {"cancel": "switchover", "cancel restart": "restart"}
"""Kinds by which an order is taken back, and what that is."""

USAGE = 2
"""Exit status of a tool that was told a word which is wrong, as the name of a node that nobody knows."""

UNDER_WAY = 7
"""Exit status of a tool whose waiting has ended before its order was done, while that stands or has begun."""

TAKE_BACK = "take back"
"""The kind of an order that takes another one back, by its id."""


class Unanswered(ElectionError):
    """It is unknown whether an order was written; the message says why."""


class Given(NamedTuple):
    """An order as it was given.

    kind: "maintenance on", "maintenance off", "switchover", "cancel", "restart", "cancel restart", "show", "log", "reset",
    "forget", or "take back" of one with the id. node: whom it is about; "" for whoever is next. by: who gave it. reason: why.
    seconds: for how long it counts, or until it is due; None for no end, or now. force: even if nobody can take over, or if a
    member that knows no orders is passed over. id: made before anything was asked, so that an order which is given twice is one;
    "" for one that is made here.
    due: when it is due, by ZooKeeper's clock, milliseconds; None for what `seconds` says. dry: only look what would happen.
    clock: what the clock of whoever gives it shows, milliseconds; None where that is not known.
    fence: whether a fence is set, None where that is not known. Kinds of a pause stand in `pause_giving.py`.
    """

    kind: str
    node: str = ""
    by: str = ""
    reason: str = ""
    seconds: Optional[float] = None
    force: bool = False
    id: str = ""
    due: Optional[int] = None
    dry: bool = False
    clock: Optional[int] = None
    fence: Optional[bool] = None


class OrderAnswer(NamedTuple):
    """What a tool shows: whether it is done; the exit status; one line. id: of the order that is to be waited for, or "". term:
    token of the term in which it was given. checked: what was looked at, a line each. warning: a line, or "". more: further
    fields of the document."""

    ok: bool
    exit: int
    text: str
    id: str = ""
    term: int = 0
    checked: Tuple[str, ...] = ()
    warning: str = ""
    more: Mapping[str, Any] = {}

    def document(self) -> Dict[str, Any]:
        fields: Dict[str, Any] = {"ok": self.ok, "exit": self.exit, "text": self.text, **self.more}
        if self.checked:
            fields["checked"] = list(self.checked)
        if self.warning:
            fields["warning"] = self.warning
        return fields


def stands(found: Control, order: str) -> bool:
    """Whether it was written already: its answer was lost, or it was given to a listener that ended."""
    standing = [one.order for one in (found.switchover, found.restart) if one is not None]
    return order in [one.id for one in (*found.maintenance.values(), *standing)]
