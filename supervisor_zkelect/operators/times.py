"""Moments for people: with their zone, as long ago, and as somebody writes them behind --since. Pure, but for this host's
zone."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Optional

from supervisor_zkelect.operators.words import duration

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

SINCE = "a time such as 2026-11-29 21:30, with +0100 behind it where it is not this host's zone, or how long ago: 30m, 2h, 3d"
"""What may stand behind --since."""

YEAR = len("2026-")
"""Characters at the beginning of a moment that tell the year."""

_FORMS = ("%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M%z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M")


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
    text = " ".join(text.replace("T", " ", 1).split()) if re.match(r"\d{4}-", text) else text.strip()
    found = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    if found:
        return now - int(found[1]) * _UNITS[found[2]]
    # Zulu time, and a blank before the zone, are usual as well.
    text = re.sub(r"(?i)z$", "+0000", re.sub(r" ([+-]\d{2}:?\d{2})$", r"\1", text))
    for form in _FORMS:
        try:
            read = datetime.strptime(text, form)
        except ValueError:
            continue
        if form == "%H:%M":
            read = datetime.fromtimestamp(now).replace(hour=read.hour, minute=read.minute, second=0, microsecond=0)
            # Of yesterday, where that is still to come today.
            return read.timestamp() if read.timestamp() <= now else read.timestamp() - 86400
        try:
            return read.timestamp()
        except (OverflowError, ValueError, OSError):
            return None
    return None
