"""Lines of one kind, paced: whatever repeats, a log stays readable, and tells how often it was. Pure."""

from __future__ import annotations

from typing import Dict, NamedTuple

MOST = 200
"""Kinds that are known; with more, what was said longest ago is forgotten."""


class _Said(NamedTuple):
    """full_until: when as many may come at once again as at first, in seconds. left_out: lines that were not said since."""

    full_until: float
    left_out: int


class Paced:
    """at_once: how many lines of a kind may come together. seconds: after which one more may come."""

    def __init__(self, at_once: int, seconds: float) -> None:
        self._seconds = seconds
        self._ahead = (at_once - 1) * seconds
        self._said: Dict[str, _Said] = {}

    def line(self, text: str, kind: str, moment: float) -> str:
        """What is to be said at `moment` (seconds) instead of the text; "" for nothing."""
        full_until, left_out = self._said.pop(kind, _Said(moment, 0))
        if full_until - moment > self._ahead:
            self._said[kind] = _Said(full_until, left_out + 1)
            return ""
        if len(self._said) >= MOST:
            del self._said[next(iter(self._said))]
        self._said[kind] = _Said(max(full_until, moment) + self._seconds, 0)
        return f"{text} ({left_out} more of this kind were left out)" if left_out else text
