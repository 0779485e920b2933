"""Whether this node is primary, for who routes clients by the answer. Pure.

    judge(seen, election, now) -> Verdict

Rules
-----
1.  What is not known makes nobody primary: no record, one that is torn, of another boot or of another supervisord, an election
    that it does not have.
2.  The grant must stand. Every stop revokes it before it asks, kills or proves anything.
3.  The ack must have been written in this term, and not be about to be emptied by a restart.
4.  The lease must leave time: until `stops_at`, the moment at which the group is asked to stop unless the lease is extended
    before. From then on the service goes, though it may run until `kills_at` and nobody else leads before the deadline. So
    that is the latest moment at which clients may honestly be sent here, whoever of listener and guard is there to act on it.
    A pause to which this node has consented keeps the lease from ending for as long as it lasts, as for the group itself.
5.  The guard must live, and have shown within SILENCE that it runs: it notes that in the record each second. Without it the
    grant may stand though nobody would revoke it; a lease ends by itself then, but one of a pause may have no end. That it lives,
    and could write what it revoked, is seen to by who reads the record (witness.py).

Whoever judges reads the clock before and behind the record, and tells what came of it before `Verdict.until` is past, or judges
again: this process may stand still at any moment, and go on when another node leads. All times are seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, FrozenSet, NamedTuple, Optional, TypeVar

from supervisor_zkelect.guard import record

TOLD_WITHIN = 0.02
"""Seconds from before the record was read in which a verdict must have been told. Between a revocation here and an ack elsewhere
lie the proof of death, two transactions, and the start of a service."""

LATE = "this program stood still while it looked"
"""Why nobody is primary by a record that took too long to read; it is to be read again."""

LOOKS = 5
"""How often the record is read for one verdict, where a busy machine lets that take too long."""

SILENCE = 3.0
"""Seconds within which the guard must have noted that it runs. It does so at each turn of its loop, a second after the last one
at most; one that stands still is replaced after half a second."""


class RecordRead(NamedTuple):
    """The record at one moment. trouble: why nothing of it is believed, "" where it is. at: the clock, before it was read."""

    trouble: str
    record: Optional[record.Record] = None
    at: float = -math.inf


class Verdict(NamedTuple):
    """primary: whether clients may be sent here. why: in a few words. lease: seconds until that ends unless the lease is
    extended, None without a grant and where it has no end. acked, token: of the term that is granted; token None where none is.
    guarded: whether the guard runs. until: before which it is to be told."""

    primary: bool
    why: str
    lease: Optional[float] = None
    acked: bool = False
    token: Optional[int] = None
    guarded: bool = False
    until: float = math.inf

    def document(self) -> Dict[str, Any]:
        """As it is told."""
        return {name: value for name, value in self._asdict().items() if name != "until"}


def judge(seen: RecordRead, election: str, now: float) -> Verdict:
    """The verdict on this node in an election. now: read after the record was."""
    if seen.record is None:
        return Verdict(False, seen.trouble)
    silent = now - seen.record.seen
    guarded = silent < SILENCE
    entry = next((one for one in seen.record.entries if one.election == election and one.granted), None)
    if entry is None:
        return Verdict(False, "this node does not lead", guarded=guarded)
    left = entry.lease.stops_at - now
    known = Verdict(False, "", None if left == math.inf else round(max(0.0, left), 3), entry.acked, entry.token, guarded)
    if seen.record.seen == -math.inf:
        return known._replace(why="the guard does not show that it runs; one of an older version? restart the listener")
    if not guarded:
        return known._replace(why="the guard is silent")
    if not left > 0:
        return known._replace(why="the lease is over")
    if not entry.acked:
        return known._replace(why="not acked yet")
    until = min(entry.lease.stops_at, seen.at + TOLD_WITHIN)
    if not now < until:
        return known._replace(why=LATE)
    return known._replace(primary=True, why="primary", until=until)


_Judged = TypeVar("_Judged")


def timely(
    look: Callable[[], RecordRead], judged: Callable[[RecordRead], _Judged], late: Callable[[_Judged], bool]
) -> _Judged:
    """What is judged by the record, which is read again where this program stood still meanwhile. look: reads the record. judged:
    reads the clock behind it, as reading may have taken its time. late: whether it took too long."""
    for _ in range(LOOKS - 1):
        found = judged(look())
        if not late(found):
            return found
    return judged(look())


def granted(seen: RecordRead) -> FrozenSet[str]:
    """The elections in which this node leads by the record, whatever the file has now: until its listener has taken that, what
    the former file said goes on."""
    return frozenset() if seen.record is None else frozenset(one.election for one in seen.record.entries if one.granted)
