"""The last terms of elections: who led and served for how long, why each ended, what each step took. Pure."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core import history as kept
from supervisor_zkelect.core.history import USUAL
from supervisor_zkelect.core.history import rows as rows_of
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import table, times, unread
from supervisor_zkelect.operators.outcome import DONE, USAGE, VERSION, CommandOutcome, failure
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.show import shown
from supervisor_zkelect.operators.table import PLAIN, WIDE, Column, Screen
from supervisor_zkelect.operators.view import as_dict, as_dicts, as_text, is_number
from supervisor_zkelect.operators.words import duration

_COLUMNS = (
    Column("ELECTION", 7), Column("TOKEN", 6), Column("NODE"), Column("SINCE", 5, 0, times.YEAR), Column("SERVED"),
    Column("BECAUSE"),
)
_STEPS = ("BEGUN", "ENDED")

MOST = 100_000
"""Terms that may be asked for at most."""


class _Row(NamedTuple):
    """cells: as _COLUMNS have them. begun, ended: its steps."""

    cells: Sequence[str]
    begun: str = "-"
    ended: str = "-"

    @property
    def whole(self) -> List[str]:
        return [*self.cells[:-1], self.begun, self.ended, self.cells[-1]]

    @property
    def steps(self) -> str:
        return "; ".join(f"{word} {steps}" for word, steps in (("begun", self.begun), ("ended", self.ended)) if steps != "-")


def history(
    answers: Mapping[str, Dict[str, Any]], screen: Screen = PLAIN, given: Mapping[str, Any] = {}, now: float = 0.0,
    reader: Optional[Reader] = None,
) -> CommandOutcome:
    """The last terms of elections, the latest first, with what each step took. answers: by election. given: since, limit,
    follow and steps, as they were said; with follow the latest stands last. now: seconds since 1970, 0 for now. reader: who looks
    on; None for nobody."""
    wrong = misread(given)
    if wrong:
        return failure(USAGE, wrong)
    refused = unread.refusal(answers)
    if refused:
        return refused
    now, reader = now or time.time(), reader or Reader()
    earliest = times.since(str(given["since"]), now) if given.get("since") else None
    rows: List[_Row] = []
    said: List[str] = []
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    for name, answer in unread.readable(answers).items():
        terms = as_dicts(answer.get("terms"))
        if terms and answer.get("abandoned") is True:
            terms[0] = {**terms[0], "abandoned": True}
        oldest = reader.oldest(name)
        most = int(given.get("limit") or (MOST if earliest is not None else USUAL))
        # Who looks on is shown all that is new, of a term that he was shown as well.
        terms = terms[:most] if oldest is None else _since(terms, oldest)
        found, count = _rows(name, terms, answer, given, now, earliest, reader)
        document["elections"][name] = terms[:count]
        rows += found[::-1] if given.get("follow") else found
        if not count and not reader.headed:
            rows.append(_Row([printable(name), "-", "nobody", "-", "-", "-"]))
        copied = answer.get("copied")
        if is_number(copied):
            document.setdefault("copied", {})[name] = copied
            said += [_copy(name, answer, copied, now)] * (reader.copies.get(name) != copied)
    outcome = CommandOutcome(DONE, (*_lines(rows, screen, given, len(answers) == 1, reader.headed), *said), document)
    return unread.beside(outcome, answers, screen, reader)


def _since(terms: List[Dict[str, Any]], token: float) -> List[Dict[str, Any]]:
    """The terms from this one on."""
    return [one for one in terms if is_number(one.get("token")) and one["token"] >= token]


def _lines(rows: Sequence[_Row], screen: Screen, given: Mapping[str, Any], alone: bool, headed: bool) -> List[str]:
    """The steps have columns of their own where there is room; else they stand below with --steps."""
    whole = table.blocks([*_COLUMNS[:-1], *map(Column, _STEPS), _COLUMNS[-1]], [row.whole for row in rows])
    if screen.width is None or max(table.breadth(line) for block in whole for line in block) <= screen.width:
        blocks = whole
    else:
        # Which election it is the command tells, where it is the only one.
        first = 1 if alone and screen.width < WIDE else 0
        below = [row.steps for row in rows] if given.get("steps") else ()
        blocks = table.blocks(_COLUMNS[first:], [row.cells[first:] for row in rows], screen, below)
    return [line for block in blocks[1 if headed else 0:] for line in block]


def misread(given: Mapping[str, Any]) -> str:
    """What is wrong with what was said; "" for nothing."""
    if given.get("since") and times.since(str(given["since"]), time.time()) is None:
        return f"--since {given['since']}: give {times.SINCE}"
    limit = str(given.get("limit") or "1")
    return "" if limit.isdecimal() and 0 < int(limit) <= MOST else f"--limit {limit} is not a number of terms from 1 to {MOST}"


def _rows(
    name: str, terms: List[Dict[str, Any]], answer: Mapping[str, Any], given: Mapping[str, Any], now: float,
    earliest: Optional[float], reader: Reader,
) -> Tuple[List[_Row], int]:
    """The rows of these terms, and of how many of them they are. Who follows sees a term again when something of it is new."""
    found: List[_Row] = []
    copied = answer.get("copied")
    followed: Optional[float] = None
    for number, row in enumerate(rows_of(terms)):
        ended, followed = _end(terms[number], followed), min(_moments(terms[number], "begun", "ended"), default=followed)
        goes_on = number == 0 and ended is None
        # What still goes on, or ended since, counts.
        if earliest is not None and max(row.since or 0, ended or 0) < earliest and not goes_on:
            return found, number
        if reader.knows(name, terms[number]):
            continue
        abandoned = terms[number].get("abandoned") is True
        served = "unknown" if abandoned else _served(row, goes_on, given, now, copied if is_number(copied) else None)
        at = "-" if row.since is None else times.moment(row.since)
        why = "its proposal is gone, and no end is told" if abandoned else shown(row.why)
        found.append(_Row(
            [printable(name), str(row.token), shown(row.node), at, served, why], _steps(row.begun), _steps(row.ended),
        ))
        for moment, steps, why in reversed(row.restarts):
            at, told_why = times.moment(moment), shown(why)
            found.append(_Row([printable(name), str(row.token), shown(row.node), at, "restarted", told_why], _steps(steps)))
    return found, len(terms)


def _end(term: Mapping[str, Any], followed: Optional[float]) -> Optional[float]:
    """When a term ended at the latest; None where it goes on. followed: the first moment of the one that followed, of which none
    need be known. After a crash nothing but that may be."""
    return max(_moments(term, "ended") or _moments(term, "lost"), default=followed)


def _moments(term: Mapping[str, Any], *parts: str) -> List[float]:
    return [moment for part in parts for moment in as_dict(term.get(part)).values() if is_number(moment)]


def _served(row: kept.TermRow, goes_on: bool, given: Mapping[str, Any], now: float, copied: Optional[float]) -> str:
    """For how long it served. Of a term that goes on a copy tells nothing behind its own time, and who follows is told when it
    ends."""
    if row.never:
        return f"never {row.never}"
    if row.served is not None:
        return f"{'up to ' * row.up_to}{duration(row.served)}"
    if not goes_on or not row.since:
        return "-"
    if copied is not None:
        return f"{duration(max(0.0, copied - row.since))} at the copy's time"
    return "goes on" if given.get("follow") else duration(max(0.0, now - row.since))


def _copy(name: str, answer: Dict[str, Any], copied: float, now: float) -> str:
    """That the answer is a copy."""
    at = times.with_age(copied, now)
    return f"{printable(name)}: this node's copy of {at}, as ZooKeeper does not tell: {as_text(answer.get('why'))}"


def _steps(steps: Sequence[Tuple[str, float]]) -> str:
    """How long it all took, and each step of it, in milliseconds."""
    if not steps:
        return "-"
    parts = " ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in steps)
    return f"{sum(seconds for _, seconds in steps) * 1000:.0f} ms: {parts}"
