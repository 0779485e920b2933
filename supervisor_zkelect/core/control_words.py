"""What stands in a control, in words and in fields. Pure."""

from __future__ import annotations

from typing import List, Optional, Tuple, Union

from supervisor_zkelect.core import control, moments, pauses
from supervisor_zkelect.core.control import Control, Document, Order, Restart, Switchover


def told(found: Control, shown: int) -> List[str]:
    """What stands in the control, a line each. shown: what ZooKeeper's clock shows."""
    if found.trouble:
        return [found.trouble]
    lines = [
        f"{node}: {control.maintenance_in_words(order, shown)}"
        for node, order in sorted(found.maintenance.items()) if order.stands(shown)
    ]
    if found.switchover is not None:
        lines.append(switchover_in_words(found.switchover, shown))
    if found.restart is not None:
        lines.append(restart_in_words(found.restart, shown))
    return [*lines, *filter(None, [told_of_pause(found, shown)])]


def switchover_in_words(switchover: Switchover, now: Optional[int] = None) -> str:
    """A switchover that stands, who gave it, when it is due, and why. now: what ZooKeeper's clock shows."""
    return _in_words(f"switchover to {switchover.to or 'the next node'}", switchover, now)


def restart_in_words(restart: Restart, now: Optional[int] = None) -> str:
    """The same of a restart."""
    return _in_words("restart", restart, now)


def _in_words(what: str, ordered: Union[Switchover, Restart], now: Optional[int]) -> str:
    order, when = ordered.order, ", begun" if ordered.begun else ""
    if ordered.due is not None and not ordered.begun:
        left = "" if now is None else f", in {moments.duration((ordered.due - now) / 1000)}"
        when = f" at {moments.utc(ordered.due)}{left}"
    by = f" by {order.by}" if order.by else ""
    return f"{what}{by}{when}" + (f": {order.reason}" if order.reason else "")


def told_of_pause(found: Control, now: Optional[int] = None) -> str:
    """A pause that stands, or is asked for, in words; or "". now: what ZooKeeper's clock shows."""
    pause = found.paused or pauses.asked_in_time(found, now)
    if pause is None:
        return ""
    ends = "" if pause.lasts is None else f" for {pause.lasts / 1000:g} s"
    if found.paused is None:
        return f"a pause is asked for{ends}, and not consented to yet"
    who = f"{pause.node} runs on" if pause.node else "nobody is promoted"
    return f"{pause.told()}{ends}, {who} until zkelect resume" + (", which is ordered" if pause.resume else "")


def in_fields(found: Control, now: int) -> Document:
    """What stands, for programs. now: what ZooKeeper's clock shows."""

    def fields(order: Order) -> Document:
        return {name: getattr(order, name) for name in ("by", "reason", "at", "until")}

    switchover, restart, pause = found.switchover, found.restart, found.paused or pauses.asked_in_time(found, now)
    return {
        "maintenance": [{"node": node, **fields(one)} for node, one in sorted(found.maintenance.items()) if one.stands(now)],
        "switchover": None if switchover is None else {
            **fields(switchover.order), "to": switchover.to or None, "due": switchover.due, "begun": bool(switchover.begun),
        },
        "restart": None if restart is None else {**fields(restart.order), "due": restart.due, "begun": bool(restart.begun)},
        "paused": None if pause is None else {
            **fields(pause.order), "stands": found.paused is not None, "lasts": pause.lasts, "node": pause.node or None,
            "token": pause.token or None, "resume": bool(pause.resume),
        },
    }


def taken_back(found: Control) -> List[Tuple[str, str]]:
    """Whatever stands in a control: ids, and what they are."""
    if found.trouble:
        return [("", "garbage, or orders of a newer version")]
    back = [(order.id, f"maintenance of {node}") for node, order in sorted(found.maintenance.items())]
    if found.switchover is not None:
        back.append((found.switchover.order.id, f"a switchover to {found.switchover.to or 'the next node'}"))
    if found.restart is not None:
        back.append((found.restart.order.id, "a restart"))
    pause = found.paused or found.asked
    return [*back, (pause.order.id, "a pause")] if pause is not None else back
