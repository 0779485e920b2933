"""Events and actions of the role machine that concern a pause. All times are seconds of one clock."""

from __future__ import annotations

from typing import Any, NamedTuple, Tuple

# Events


class PauseSeen(NamedTuple):
    """A pause in the control. order: its id. why: a predicate of the election. stands: nobody is promoted; else who leads is
    asked for its consent. consent: token of the term that has consented, 0 for none. over: that term was one of this node's, in
    a former life whose end is certain. own: it was one in its present life, maybe before this listener. resume: it is to end.
    lasts: seconds that it lasts from its consent. stamp: of the control."""

    order: str
    why: str
    stands: bool = True
    consent: int = 0
    over: bool = False
    own: bool = False
    resume: bool = False
    lasts: float = float("inf")
    stamp: Tuple[int, int] = (0, -1)


class PauseWritten(NamedTuple):
    """What came of a request about a pause. why: why it was not done; "" where it was. over: since its time is over. sent, lasts:
    when a consent that was acknowledged was sent, and for how many seconds from then it counts."""

    op: int
    why: str = ""
    over: bool = False
    sent: float = 0.0
    lasts: float = float("inf")


class PauseEchoed(NamedTuple):
    """What the guard and the record say of this group's lease. paused: a pause keeps it from ending. sure: there is no doubt of
    what the record says."""

    paused: bool
    sure: bool


class ConsentRead(NamedTuple):
    """The control, read behind a sync. seen: a `messages.ControlSeen`; None where it could not be read."""

    op: int
    seen: Any


# Actions


class Consent(NamedTuple):
    """Consent to a pause. order: its id."""

    op: int
    order: str


class TellPause(NamedTuple):
    """Have the guard know until when a pause keeps the lease from ending, and tell what it says then."""


class SeeConsent(NamedTuple):
    """Read the control behind a sync."""

    op: int


class EndPause(NamedTuple):
    """End the pause to which this term has consented. Its lease has an end by then, which whoever enforces it has confirmed."""

    op: int


class TakeBackConsent(NamedTuple):
    """Take back the consent of a term of this node that is proven dead. token: of the term. released: that ends it cleanly, as
    its proposal is gone and there is nothing else to release."""

    op: int
    token: int
    released: bool = False


class EndPauseInTime(NamedTuple):
    """End a pause whose time is over. stamp: of the control in which it was read when that began to count."""

    op: int
    stamp: Tuple[int, int]
