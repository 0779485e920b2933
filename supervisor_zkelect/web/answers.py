"""What is answered to a request: a status, headers and a body. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

VERSION = 1
"""Version of the documents."""

METHODS = ("GET", "HEAD", "OPTIONS")

METRICS = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of Prometheus' text format."""

JSON, TEXT, HTML, EVENTS = "application/json", "text/plain; charset=utf-8", "text/html; charset=utf-8", "text/event-stream"


class Answer(NamedTuple):
    """status: of HTTP. kind: the body's media type. headers: beside those that every answer has. until: before which it is to be
    sent, seconds of CLOCK_BOOTTIME. again: judges anew when that is past; returns until when it may be sent then, minus infinity
    for not at all. Without it nothing is sent then. made: makes the answer to be sent in place of this, where that takes its
    time, on another thread than that of the probes; None where this is it."""

    status: int
    body: bytes = b""
    kind: str = JSON
    headers: Mapping[str, str] = {}
    until: float = math.inf
    again: Optional[Callable[[], float]] = None
    made: Optional[Callable[[], Any]] = None


def document(status: int, fields: Mapping[str, Any], headers: Mapping[str, str] = {}) -> Answer:
    """A JSON document with these fields."""
    return Answer(status, json.dumps({"v": VERSION, **fields}).encode() + b"\n", JSON, headers)


def refusal(status: int, error: str, headers: Mapping[str, str] = {}, **more: Any) -> Answer:
    """Why there is nothing else. error: for a person, with what to do."""
    return document(status, {"error": error, **more}, headers)


def not_allowed() -> Answer:
    return refusal(405, f"this program only answers questions: {', '.join(METHODS)}", {"Allow": ", ".join(METHODS)})


def options() -> Answer:
    return Answer(204, headers={"Allow": ", ".join(METHODS)})


def not_found(path: str, routes: Sequence[str]) -> Answer:
    return refusal(404, f"there is nothing at {path}", routes=list(routes))


def no_election(named: str, names: Sequence[str]) -> Answer:
    """The election that was named is not in the file; or none was, and there are several."""
    there = ", ".join(sorted(names)) or "none"
    what = f"there is no election {named}" if named else "name the election in the path"
    return refusal(404, f"{what}; there are: {there}", elections=sorted(names))


#: What every answer has. Nobody in between may keep a verdict.
ALWAYS: Mapping[str, str] = {
    "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

