"""What a command came to, and its exit status."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Tuple

from supervisor_zkelect.core.untrusted import printable

# Exit statuses. 3 and 4 are those of LSB's `status`: not running, and unknown.
DONE = 0  # primary, or done
ERROR = 1
USAGE = 2
NOT_PRIMARY = 3  # stands by, and could take over; of `zkelect primary`: nobody is
UNKNOWN = 4
ON_ITS_WAY = 5  # takes no part, or is on its way: promoting, demoting, detached, backing off
CANNOT = 6  # should take part, and cannot

#: Those of an election from the best to the worst; of several elections the worst counts.
RANKS = (DONE, NOT_PRIMARY, ON_ITS_WAY, UNKNOWN, CANNOT)

#: What they mean, in the words of all helps.
MEANINGS = (
    "0 this node is primary, or the command did what it should; 3 it stands by and could take over; 5 it takes no part, or is "
    "on its way (promoting, demoting, detached, backing off); 6 it should take part but cannot (refused by ZooKeeper, another "
    "node has its name, cut off); "
    "4 unknown; 1 error; 2 wrong command or configuration; of several elections the worst counts: 6, 4, 5, 3, 0"
)

#: Version of the documents that --json prints.
VERSION = 1


class Outcome(NamedTuple):
    """What a command came to: `lines` for a person, `document` for --json, and the exit status.

    error: one line when the command failed, else empty.
    """

    exit: int
    lines: Tuple[str, ...]
    document: Dict[str, Any]
    error: str = ""


def failure(exit: int, text: str) -> Outcome:
    """The outcome of a command that could not do what was asked."""
    line = printable(text)
    return Outcome(exit, (), {"v": VERSION, "exit": exit, "error": line}, line)


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
