"""The messages between the guard and its keeper. Deadlines are seconds of CLOCK_BOOTTIME."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple

from supervisor_zkelect.guard.codec import Kinds

# To the keeper


class KeepTerms(NamedTuple):
    """Renew the leases of these terms, and no others, from now on. terms: tokens by group. attach: whether the keeper may attach
    to the session, which takes that from a listener that has."""

    terms: Dict[str, int]
    attach: bool


class ReleaseSession(NamedTuple):
    """Release all elections, as `release.release` does. The descriptor of the session's lock comes with it."""

    ended: Dict[str, Dict[str, Any]]


TO_KEEPER = Kinds("do", {"keep": KeepTerms, "release": ReleaseSession})


# To the guard


class TermKept(NamedTuple):
    """The quorum has checked the term's proposal: its lease lasts until `deadline`."""

    group: str
    token: int
    deadline: float


class TermGone(NamedTuple):
    """The term's proposal does not exist any more: another node may lead."""

    group: str
    token: int


class KeptSessionOver(NamedTuple):
    """The session is over."""


class KeptSessionCut(NamedTuple):
    """The session was attached with a shorter timeout: no lease lasts longer than until `deadline`."""

    deadline: float


class KeeperSaid(NamedTuple):
    """A line of the log of a keeper whose standard error nobody reads any more."""

    text: str


class SessionReleased(NamedTuple):
    """A release ended; status 0 when the session is given up, or surely over."""

    status: int


class KeeperEnded(NamedTuple):
    """The keeper is gone. One that was releasing may have done so, or not."""


ANSWERS = Kinds("told", {
    "kept": TermKept, "gone": TermGone, "over": KeptSessionOver, "cut": KeptSessionCut, "said": KeeperSaid,
    "released": SessionReleased, "ended": KeeperEnded,
})
