"""Whether this node is cut off from ZooKeeper, for operators: they are told at once, and wait for nothing. Pure."""

from __future__ import annotations

from typing import Any, Dict

from supervisor_zkelect.core.moments import duration

GRACE = 2.0
"""Seconds without a connection for which an answer is waited for: a client that goes on at another server takes less."""

UNKNOWN = 4
"""Exit status of a tool that ZooKeeper does not answer."""


def told(sessions: Any, now: float) -> str:
    """That there is no connection, and for how long; "" where there is one, or was a moment ago. sessions: the listener's
    `SessionKeeper`."""
    away = now - sessions.link_since
    return "" if sessions.connected or away < GRACE else f"cut off from ZooKeeper for {duration(away)}"


def answer(text: str) -> Dict[str, Any]:
    """What a tool is answered then."""
    return {"ok": False, "exit": UNKNOWN, "text": text}
