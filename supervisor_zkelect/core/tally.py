"""Counts of what an election, and a node's session, went through, for whoever watches from outside. Pure.

They begin with the process that counts, only grow, and have a bounded size: what they tell apart is of closed sets, and a
length of time goes into one of few ranges. Who decides counts, so nothing is shared.

All times are seconds of one clock; durations are seconds.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import zip_longest
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from supervisor_zkelect.core import messages, reasons, standing, tally_words
from supervisor_zkelect.core.roles import PROMOTING, STANDBY
from supervisor_zkelect.core.state import Rules, State
from supervisor_zkelect.core.tally_words import ACKED, BOUNDS, FAILED, PASSED, QUORUM, SERVER, TIMED

#: What is written -> the actions that have it written.
_WRITES: Dict[type, str] = {
    messages.Propose: tally_words.PROPOSE, standing.StepBehind: tally_words.STEP, messages.Claim: tally_words.CLAIM,
    messages.Ack: tally_words.ACK, messages.Release: tally_words.RELEASE, messages.Withdraw: tally_words.RELEASE,
}

_WRITTEN = (messages.Proposed, messages.Claimed, messages.Acked, messages.Released)


class Histogram:
    """How many durations lay in which range, and their sum."""

    def __init__(self) -> None:
        #: of the ranges, as far as any of them was met
        self._counts: List[int] = []
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """A clock that was read by two threads may go back by a little."""
        seconds = max(0.0, seconds)
        place = bisect_left(BOUNDS, seconds)
        self._counts += [0] * (place + 1 - len(self._counts))
        self._counts[place] += 1
        self._sum += seconds

    def join(self, other: Histogram) -> None:
        """Count what the other has counted, too."""
        self._counts = [mine + theirs for mine, theirs in zip_longest(self._counts, other._counts, fillvalue=0)]
        self._sum += other._sum

    def document(self) -> Dict[str, Any]:
        """n: how many lay in each range, without the empty ones at the end; sum: seconds."""
        return {"n": list(self._counts), "sum": round(self._sum, 6)}


def documents(histograms: Mapping[str, Histogram]) -> Dict[str, Any]:
    return {name: one.document() for name, one in histograms.items()}


class Tally:
    """The counts of one election."""

    def __init__(self) -> None:
        self._transitions: Dict[Tuple[str, str, str], int] = {}
        self._steps: Dict[str, Histogram] = {}
        self._promotions = Histogram()
        self._checks = {PASSED: 0, FAILED: 0}
        self.writes: Dict[str, Histogram] = {}
        self.failed_writes: Dict[str, int] = {}
        #: when the present step was entered, and the present promotion begun; None where that was not seen
        self._entered: Optional[float] = None
        self._promoting: Optional[float] = None
        #: the write that is under way: its number, what it is, and when it was asked for
        self._writing: Optional[Tuple[int, str, float]] = None

    def moved(
        self, rules: Rules, before: State, after: State, event: Any, actions: Sequence[messages.Action], now: float
    ) -> None:
        """An event had this effect, and these actions are to be done for it."""
        if isinstance(event, messages.Probed) and event.op == before.probing and before.counter is not None:
            self._checks[PASSED if event.ok else FAILED] += 1
        self._answered(event, now)
        for action in actions:
            if type(action) in _WRITES:
                self._writing = (action.op, _WRITES[type(action)], now)  # type: ignore[union-attr]
        if (before.role, before.step) != (after.role, after.step):
            self._step(before, now)
        if before.role != after.role:
            self._role(rules, before, after, event, now)

    def _answered(self, event: Any, now: float) -> None:
        if self._writing is None or getattr(event, "op", None) != self._writing[0]:
            return
        _, what, since = self._writing
        if isinstance(event, _WRITTEN):
            self.writes.setdefault(what, Histogram()).add(now - since)
        elif isinstance(event, messages.RequestFailed):
            self.failed_writes[what] = self.failed_writes.get(what, 0) + 1
        self._writing = None

    def _step(self, before: State, now: float) -> None:
        entered, self._entered = self._entered, now
        if before.step in TIMED:
            self._steps.setdefault(before.step, Histogram()).add(now - (before.since if entered is None else entered))

    def _role(self, rules: Rules, before: State, after: State, event: Any, now: float) -> None:
        key = (before.role, after.role, reasons.of(rules, before, after, event, now))
        self._transitions[key] = self._transitions.get(key, 0) + 1
        if key[2] == ACKED and self._promoting is not None:
            self._promotions.add(now - self._promoting)
        # A restart by order is none, nor what an earlier listener began.
        begun = after.role == PROMOTING and before.role == STANDBY and after.inherited is None
        self._promoting = now if begun else None

    def document(self) -> Dict[str, Any]:
        """What was counted. transitions: lists of from, to, reason and number."""
        return {
            "transitions": [[*key, number] for key, number in self._transitions.items()], "steps": documents(self._steps),
            "promotions": self._promotions.document(), "checks": dict(self._checks),
        }


class SessionTally:
    """The counts of a node's session with ZooKeeper. suspended, lost: how often the connection was lost, and the session."""

    def __init__(self) -> None:
        self.suspended = self.lost = 0
        self.heartbeats = {QUORUM: Histogram(), SERVER: Histogram()}

    def document(self, tallies: Iterable[Tally] = ()) -> Dict[str, Any]:
        """What was counted of the session, and of the writes of its elections. tallies: of these."""
        writes: Dict[str, Histogram] = {}
        failed: Dict[str, int] = {}
        for one in tallies:
            for what, histogram in one.writes.items():
                writes.setdefault(what, Histogram()).join(histogram)
            for what, number in one.failed_writes.items():
                failed[what] = failed.get(what, 0) + number
        return {
            "suspended": self.suspended, "lost": self.lost, "writes": documents(writes), "failed_writes": failed,
            "heartbeats": documents(self.heartbeats),
        }
