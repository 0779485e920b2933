"""A time as somebody types it, by ISO 8601: with a zone, or by this host's clocks, which a change of summer time moves."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,6})?\s*(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII | re.IGNORECASE
)

EXAMPLE = "2026-11-30T03:00, 2026-11-30T03:00+01:00 or 2026-11-30T02:00Z"
"""How a time is written."""


def parse(text: str) -> int:
    """The moment that a text names, milliseconds since 1970 in UTC. Raises ValueError: what is wrong, and what would be right."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time; write date and time: {EXAMPLE}")
    day, minute, second, fraction, zone = match.groups()
    try:
        naive = datetime.strptime(f"{day} {minute}{second or ':00'}{(fraction or '.0')}", "%Y-%m-%d %H:%M:%S.%f")
        moment = naive.replace(tzinfo=_zone(zone)) if zone else _here(naive, text)
    except (ValueError, OverflowError, OSError) as error:
        if isinstance(error, Doubtful):
            raise
        raise ValueError(f"{text!r} is on no calendar; write date and time: {EXAMPLE}") from None
    milliseconds = _milliseconds(moment)
    if milliseconds < 0:
        raise ValueError(f"{text!r} is before 1970")
    return milliseconds


def earliest(text: str) -> int:
    """The same where nothing depends on which of two moments is meant: the earlier one. Raises ValueError."""
    try:
        return parse(text)
    except Doubtful as doubt:
        return doubt.earliest


class Doubtful(ValueError):
    """A local time that comes twice, or never. earliest: the first moment that may be meant, milliseconds since 1970 in UTC."""

    def __init__(self, text: str, earliest: int) -> None:
        super().__init__(text)
        self.earliest = earliest


def _zone(text: str) -> timezone:
    if text in "Zz":
        return timezone.utc
    sign, digits = text[0], text[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if sign == "-" else offset)


def _here(naive: datetime, text: str) -> datetime:
    """The moment at which this host's clocks show a time. Raises Doubtful where they do so twice, or never."""
    first, second = (naive.replace(fold=fold).astimezone() for fold in (0, 1))
    if first == second:
        return first
    readings = " or ".join(
        f"{one.isoformat()} ({one.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}+0000)" for one in sorted((first, second))
    )
    never = first.replace(tzinfo=None) != naive
    what = "never comes here, as the clocks are put forward" if never else "comes twice here, as the clocks are put back"
    raise Doubtful(f"{text!r} {what}: write {readings}", min(map(_milliseconds, (first, second))))


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
