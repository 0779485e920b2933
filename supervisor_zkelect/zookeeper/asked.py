"""The orders that what somebody has typed comes to, on a node as from any host. Pure."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Tuple

from supervisor_zkelect.core import control, untrusted
from supervisor_zkelect.zookeeper import pause_giving
from supervisor_zkelect.zookeeper.given import Given

Arguments = Mapping[str, Any]
"""What was said with a verb, by the names that operators/verbs.py gives to its options."""


class NoOrder(ValueError):
    """It is no order; the message says why."""


def given(verb: str, arguments: Arguments, own: str = "") -> Given:
    """The order that a verb is with these arguments. own: the node on which it was typed, "" for none. Raises NoOrder."""
    kind, node, seconds = _KINDS[verb](arguments, own)
    signed = signed_by(arguments)
    due, clock = arguments.get("at"), arguments.get("clock")
    if node and not untrusted.known_name(node):
        raise NoOrder(f"{untrusted.printable(node, 60)} is not a valid name of a node; zkelect list shows those that there are")
    if seconds is not None and not is_time(seconds):
        raise NoOrder(f"{untrusted.printable(seconds, 60)} is not a number of seconds")
    if not _moment(due):
        raise NoOrder(f"{untrusted.printable(due, 60)} is not a valid time, which is milliseconds since 1970")
    if any(arguments.get(name) == "" for name in ("node", "to", "dead")):
        raise NoOrder("the name of the node is empty; give one, or leave it out")
    apart, others = _APART.get(kind, ("", {}))
    beside = next((word for name, word in others.items() if arguments.get(name) not in (None, False)), "")
    if beside:
        raise NoOrder(f"{apart} and {beside} exclude each other; give one of them")
    if kind == pause_giving.RESUME and node:
        raise NoOrder("--node-is-dead counts with --force only; add that, or leave it out")
    if due is not None and seconds is not None:
        raise NoOrder("--at and --in exclude each other; give one of them")
    if not node and kind in ("maintenance on", "maintenance off", "forget"):
        raise NoOrder("name the node" + (" with --node" if kind != "forget" else ""))
    return Given(
        kind, node, signed.by, signed.reason, seconds, arguments.get("force") is True, signed.id, due,
        arguments.get("dry") is True, clock if _moment(clock) else None,
    )


def signed_by(arguments: Arguments) -> control.Order:
    """Who gives an order, and why, and its id; "" for what was not said."""
    by, reason = (untrusted.printable(arguments.get(name) or "", control.LONGEST_REASON) for name in ("by", "reason"))
    return control.Order(untrusted.printable(arguments.get("id") or "", 64), by, reason)


def _maintenance(arguments: Arguments, own: str) -> Tuple[str, Any, Any]:
    kind = "maintenance off" if arguments.get("what") == "off" else "maintenance on"
    return kind, arguments.get("node") or own, arguments.get("for")


def _switchover(arguments: Arguments, own: str) -> Tuple[str, Any, Any]:
    return "cancel" if arguments.get("cancel") is True else "switchover", arguments.get("to") or "", arguments.get("in")


def _restart(arguments: Arguments, own: str) -> Tuple[str, Any, Any]:
    return "cancel restart" if arguments.get("cancel") is True else "restart", "", arguments.get("in")


def _pause(arguments: Arguments, own: str) -> Tuple[str, Any, Any]:
    return pause_giving.PAUSE, "", arguments.get("for")


def _resume(arguments: Arguments, own: str) -> Tuple[str, Any, Any]:
    kind = pause_giving.FORCE if arguments.get("force") is True else pause_giving.RESUME
    return kind, arguments.get("dead") or "", None


def _orders(arguments: Arguments, own: str) -> Tuple[str, Any, Any]:
    return "reset" if arguments.get("reset") is True else "log" if arguments.get("log") is True else "show", "", None


def _forget(arguments: Arguments, own: str) -> Tuple[str, Any, Any]:
    return "forget", arguments.get("node") or "", None


_KINDS: Dict[str, Callable[[Arguments, str], Tuple[str, Any, Any]]] = {
    "maintenance": _maintenance, "switchover": _switchover, "restart": _restart, "pause": _pause,
    "resume": _resume, "orders": _orders, "forget": _forget,
}

_TIMES = {"at": "--at", "in": "--in", "for": "--for"}

#: Of some kinds of orders the word by which they are of this kind, and the options that say nothing beside it.
_APART: Mapping[str, Tuple[str, Mapping[str, str]]] = {
    "cancel": ("--cancel", {"dry": "--dry-run", "to": "--to", **_TIMES, "force": "--force"}),
    "cancel restart": ("--cancel", {"dry": "--dry-run", **_TIMES}),
    "maintenance off": ("off", {**_TIMES, "force": "--force"}),
    "reset": ("--reset", {"log": "--log"}),
}

VERBS = tuple(_KINDS)
"""The verbs that are orders to the control, or about it."""


def is_time(value: Any) -> bool:
    """Whether it is a number of seconds."""
    return type(value) in (int, float) and 0 <= value < 1e9


def _moment(value: Any) -> bool:
    return value is None or type(value) is int and 0 <= value <= untrusted.LARGEST
