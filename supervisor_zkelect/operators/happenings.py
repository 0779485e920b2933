"""`events`: what happened in elections, in the order of time, and what of it a reader has missed. Pure."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from supervisor_zkelect.core import journal
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import table, times, unread
from supervisor_zkelect.operators.outcome import DONE, USAGE, VERSION, CommandOutcome, failure
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.table import BAD, FAINT, PLAIN, WATCH, WIDE, Cell, Column, Screen

SINCE = f"{times.SINCE}; or the number of an event"

_COLUMNS = (
    Column("ELECTION", 7), Column("NUMBER", 6), Column("TIME", 5, 0, times.YEAR), Column("NODE"), Column("KIND", 4),
    Column("WHAT"),
)
MOST = 100_000
"""Events that may be asked for at most."""

_COLOURS = {journal.FAILURE: BAD, journal.LOST: BAD, journal.ORDER: WATCH}


def events(
    answers: Mapping[str, Dict[str, Any]], screen: Screen = PLAIN, given: Mapping[str, Any] = {}, now: float = 0.0,
    reader: Optional[Reader] = None,
) -> CommandOutcome:
    """The events of elections, the latest last. answers: by election. given: since, a time or a number; limit. now: seconds since
    1970, 0 for now. reader: who looks on; None for nobody."""
    now, reader = now or time.time(), reader or Reader()
    since, limit = str(given.get("since") or ""), str(given.get("limit") or "")
    number, moment = journal.number(since), times.since(since, now)
    if since and number is None and moment is None:
        return failure(USAGE, f"--since {since}: give {SINCE}")
    if limit and not (limit.isdecimal() and 0 < int(limit) <= MOST):
        return failure(USAGE, f"--limit {limit} is not a number of events from 1 to {MOST}")
    refused = unread.refusal(answers)
    if refused:
        return refused
    meant = _meant(unread.readable(answers), number if len(answers) > 1 else None, reader)
    if answers and not meant:
        says = f"--since {since}: none of these elections has that log; name the election whose log it was"
        return unread.instead(answers, f"--since {since}: that may be an event of") or failure(USAGE, says)
    rows: List[Sequence[str]] = []
    said: List[str] = []
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    for name, answer in meant.items():
        last = journal.number(reader.numbers.get(name, "")) or number
        # Who looks on is shown all that is new, also what is noted late, and is told once that there is no log any more.
        looks_on = name in reader.numbers
        found, missed, latest = _found(answer, last, moment if number is None and not looks_on else None)
        if latest is None and reader.headed:
            missed = journal.Missed(False, 0)
        most = int(limit) if limit and not looks_on else journal.USUAL if not (since or last) else len(found)
        found = found[max(0, len(found) - most):]
        # They are numbered as they were noted, which may be later than they happened.
        found.sort(key=lambda one: one.time)
        czxid = journal.of_document(answer)[0]
        rows += [_row(name, journal.Number(czxid, one.counter), one) for one in found]
        said += _missed(name, missed, screen)
        document["elections"][name] = {
            "events": [{"number": str(journal.Number(czxid, one.counter)), **one._asdict()} for one in found],
            "missed": missed.gone, "anew": missed.anew, "last": str(latest) if latest else None,
        }
    # Which election it is the command tells, where it is the only one.
    first = 1 if len(answers) == 1 and screen.width is not None and screen.width < WIDE else 0
    head, *blocks = table.blocks(_COLUMNS[first:], [row[first:] for row in rows], screen)
    lines = [] if reader.headed else head
    outcome = CommandOutcome(DONE, (*said, *lines, *(line for block in blocks for line in block)), document)
    return unread.beside(outcome, answers, screen, reader)


def _meant(
    answers: Mapping[str, Dict[str, Any]], number: Optional[journal.Number], reader: Reader
) -> Mapping[str, Dict[str, Any]]:
    """The answers of the elections that are meant: of several by a number the one whose log that is of. Who looks on goes on with
    it also when its log was made anew."""
    if number is None:
        return answers
    return {
        name: answer for name, answer in answers.items()
        if name in reader.numbers or journal.of_document(answer)[0] == number.czxid
    }


def _found(
    answer: Mapping[str, Any], last: Optional[journal.Number], earliest: Optional[float]
) -> Tuple[List[journal.Event], journal.Missed, Optional[journal.Number]]:
    czxid, following, known = journal.of_document(answer)
    found, missed = journal.after(czxid, known, last)
    if earliest is not None:
        found = [one for one in found if one.time >= earliest]
    return found, missed, journal.Number(czxid, following - 1) if czxid and following else None


def _row(name: str, number: journal.Number, one: journal.Event) -> List[str]:
    kind = Cell.of(one.kind, _COLOURS.get(one.kind, FAINT))
    return [printable(name), str(number), times.moment(one.time), one.node or "-", kind, one.text]


def _missed(name: str, missed: journal.Missed, screen: Screen) -> List[str]:
    if missed.anew:
        count = f"; {missed.gone} of the new ones are gone" if missed.gone else ""
        return [screen.paint(f"{printable(name)}: the log was made anew, and what came before is not known{count}", BAD)]
    return [screen.paint(f"{printable(name)}: {missed.gone} events are gone that came before these", BAD)] * (missed.gone > 0)
