"""Moments for people: with their zone, as long ago, and as somebody writes them behind --since. Pure, but for this host's
zone."""

from __future__ import annotations

import re
import time
from datetime import date, timedelta
from typing import Optional

from supervisor_zkelect.operators import local_time
from supervisor_zkelect.operators.words import duration

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

SINCE = "a time such as 2026-11-29 21:30, with +0100 behind it where it is not this host's zone, or how long ago: 30m, 2h, 3d"
"""What may stand behind --since."""

LENGTH = "a number of seconds, or a length of time such as 90s, 30m, 2h, 3d"
"""What may stand behind --for, --in and --wait."""

YEAR = len("2026-")
"""Characters at the beginning of a moment that tell the year."""


def moment(seconds: float) -> str:
    """Seconds since 1970 as a time of this host, with its zone."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "-"


def ago(seconds: float, now: float) -> str:
    """How long ago a moment was, "-" where it is not over yet by more than clocks differ."""
    return duration(max(0.0, now - seconds)) if seconds <= now + 60 else "-"


def with_age(seconds: float, now: float) -> str:
    """A moment, and how long it is from now: "2026-11-30 03:00:00+0000, 2 m 5 s ago", or "…, in 2 h 0 m"."""
    if seconds > now:
        return f"{moment(seconds)}, in {duration(seconds - now)}"
    return f"{moment(seconds)}, {duration(now - seconds)} ago"


def since(text: str, now: float) -> Optional[float]:
    """The moment that a text behind --since means, in seconds since 1970; None where it means none."""
    text = text.strip()
    age, clock = re.fullmatch(r"(\d{1,9})([smhdw])", text, re.ASCII), re.fullmatch(r"\d\d?:\d\d", text, re.ASCII)
    if age:
        return now - int(age[1]) * _UNITS[age[2]]
    if clock:
        return _last(text.rjust(5, "0"), now)
    # A day begins with its first minute.
    return _read(f"{text} 00:00" if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else text)


def length(text: str) -> float:
    """The seconds that a text behind --for means; 0 where it means none."""
    match = re.fullmatch(r"([0-9.eE+]{1,20})([smhdw]?)", text.strip(), re.ASCII)
    try:
        return float(match[1]) * _UNITS[match[2] or "s"] if match else 0.0
    except ValueError:
        return 0.0


def _last(clock: str, now: float) -> Optional[float]:
    """When this host's clocks showed a time of day last."""
    today = date.fromtimestamp(now)
    read = _read(f"{today} {clock}")
    return read if read is None or read <= now else _read(f"{today - timedelta(days=1)} {clock}")


def _read(text: str) -> Optional[float]:
    try:
        return local_time.earliest(text) / 1000
    except ValueError:
        return None
