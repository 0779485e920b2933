"""Moments and lengths of time: in words, and those that many have in common. Pure."""

from __future__ import annotations


def utc(moment: int) -> str:
    """A moment, milliseconds since 1970 in UTC: "2026-11-30 02:00:00+0000". Of one that no calendar has, the number."""
    # `role` begins faster without it.
    from datetime import datetime, timedelta

    try:
        return f"{datetime(1970, 1, 1) + timedelta(milliseconds=moment):%Y-%m-%d %H:%M:%S}+0000"
    except OverflowError:
        return f"{moment} ms"


def common(now: float, pace: float) -> float:
    """The next moment after `now` of all who do something every `pace` seconds, so that they do it together."""
    moment = pace * (now // pace + 1)
    # What is rounded may be the present one.
    return moment if moment > now else moment + pace


def duration(seconds: float) -> str:
    """A length of time in its two largest units: "0.4 s", "12 s", "3 m 5 s", "2 d 4 h"."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
