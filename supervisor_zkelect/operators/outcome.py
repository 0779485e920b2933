"""The outcome of a command, and its exit status."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, NamedTuple, Tuple

from supervisor_zkelect.core.untrusted import printable

# Exit statuses. 3 and 4 are those of LSB's `status`: not running, and unknown.
DONE = 0  # primary, or done
ERROR = 1
USAGE = 2
NOT_PRIMARY = 3  # stands by, and could take over; of `zkelect primary`: nobody is
UNKNOWN = 4
ON_ITS_WAY = 5  # takes no part, or is on its way: promoting, demoting, detached, backing off
CANNOT = 6  # should take part, and cannot
UNDER_WAY = 7  # the waiting ended before the order was done, which stands or has begun (given.py)
INTERRUPTED = 130  # by Ctrl-C: the order is taken back, or stands (following.py)

#: Those of an election from the best to the worst; of several elections the worst counts.
RANKS = (DONE, NOT_PRIMARY, ON_ITS_WAY, UNKNOWN, CANNOT)

#: Their meanings for most commands.
USUAL = {DONE: "done", UNKNOWN: "unknown", ERROR: "error", USAGE: "wrong command or configuration"}

#: Their meanings for a command that shows a role.
OF_A_ROLE = {
    DONE: "this node is primary",
    NOT_PRIMARY: "it stands by and could take over",
    ON_ITS_WAY: "it takes no part, or is on its way (promoting, demoting, detached, backing off, maintenance)",
    CANNOT: "it should take part but cannot (refused by ZooKeeper, another node has its name, cut off)",
}

_WORST = f"of several elections the worst counts: {', '.join(str(status) for status in reversed(RANKS))}"


def told(statuses: Mapping[int, str]) -> str:
    """The meanings of exit statuses, in one line."""
    order = (DONE, NOT_PRIMARY, ON_ITS_WAY, CANNOT, UNDER_WAY, UNKNOWN, ERROR, USAGE, INTERRUPTED)
    parts = [f"{status} {statuses[status]}" for status in order if status in statuses]
    return "; ".join([*parts, *[_WORST] * (ON_ITS_WAY in statuses)])


#: Their meanings for the program as a whole.
MEANINGS = told({**USUAL, **OF_A_ROLE, DONE: f"{OF_A_ROLE[DONE]}, or the command did what it should"})

#: Version of the documents that --json prints.
VERSION = 1


#: Those of one thing that was done in several elections, from the best to the worst; all others stand before INTERRUPTED.
_WORSE = (DONE, UNDER_WAY, UNKNOWN)


def worst(statuses: Iterable[int]) -> int:
    """The exit status of what was done in several elections. statuses: of each, of one at least."""
    def rank(status: int) -> int:
        return _WORSE.index(status) if status in _WORSE else len(_WORSE) + (status == INTERRUPTED)

    return max(statuses, key=rank)


class CommandOutcome(NamedTuple):
    """The outcome of a command: `lines` for a person, `document` for --json, and the exit status.

    error: one line when the command failed, else empty.
    """

    exit: int
    lines: Tuple[str, ...]
    document: Dict[str, Any]
    error: str = ""


def failure(exit: int, text: str) -> CommandOutcome:
    """The outcome of a command that could not do what was asked."""
    line = printable(text)
    return CommandOutcome(exit, (), {"v": VERSION, "exit": exit, "error": line}, line)


class Trouble(Exception):
    """Ends the command: lines for standard error, and an exit status."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.status = status
        self.lines = lines


def print_json(document: Dict[str, Any]) -> None:
    import json

    print(json.dumps(document), flush=True)


def quiet() -> None:
    """Keep the log of libraries, which Python would print, away from standard error: errors are one line."""
    import logging

    logging.getLogger().addHandler(logging.NullHandler())
