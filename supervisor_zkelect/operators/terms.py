"""The last terms of elections: who led and served for how long, why each ended, what each step took. Pure."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from supervisor_zkelect.core.history import USUAL
from supervisor_zkelect.core.history import rows as rows_of
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import table, times
from supervisor_zkelect.operators.outcome import DONE, USAGE, VERSION, Outcome, failure
from supervisor_zkelect.operators.show import refused, shown
from supervisor_zkelect.operators.table import PLAIN, Screen, cut
from supervisor_zkelect.operators.view import as_dict, as_dicts, as_text, is_number
from supervisor_zkelect.operators.words import duration

#: Columns in which a reason is shown behind a term; with fewer it has a line of its own.
_LEAST_REASON = 20

_HEADING = ("ELECTION", "TOKEN", "NODE", "SINCE", "SERVED", "BEGUN", "ENDED", "BECAUSE")


def history(
    answers: Mapping[str, Dict[str, Any]], screen: Screen = PLAIN, given: Mapping[str, Any] = {}, now: float = 0.0
) -> Outcome:
    """The last terms of elections, the latest first, with what each step took. answers: by election. given: since, limit and
    follow, as they were said; with the last the latest stands last. now: seconds since 1970, 0 for now."""
    wrong = misread(given)
    if wrong:
        return failure(USAGE, wrong)
    now = now or time.time()
    earliest = times.since(str(given["since"]), now) if given.get("since") else None
    rows: List[Sequence[str]] = []
    said: List[str] = []
    document: Dict[str, Any] = {"v": VERSION, "exit": DONE, "elections": {}}
    for name, answer in answers.items():
        if answer.get("ok") is not True:
            return refused(answer, {**answer, "v": VERSION, "election": name})
        terms = as_dicts(answer.get("terms"))
        most = int(given.get("limit") or (100_000 if earliest is not None else USUAL))
        found, count = _rows(name, terms[:most], now, earliest)
        document["elections"][name] = terms[:count]
        rows += found[::-1] if given.get("follow") else found
        if not found:
            rows.append([printable(name), "-", "nobody", "-", "-", "-", "-", "-"])
        said += _said(name, answer, now)
    lines = table.plain([_HEADING, *rows])
    if screen.width is not None and max(map(table.breadth, lines)) > screen.width:
        lines = _narrow(_HEADING, rows, screen.width)
    return Outcome(DONE, (*lines, *said), document)


def misread(given: Mapping[str, Any]) -> str:
    """What is wrong with what was said; "" for nothing."""
    if given.get("since") and times.since(str(given["since"]), time.time()) is None:
        return f"--since {given['since']}: give {times.SINCE}"
    limit = str(given.get("limit") or "1")
    return "" if limit.isdecimal() and 0 < int(limit) <= 100_000 else f"--limit {limit} is not a number of lines"


def _rows(name: str, terms: List[Dict[str, Any]], now: float, earliest: Any) -> Tuple[List[Sequence[str]], int]:
    """The rows of these terms, and of how many of them they are."""
    found: List[Sequence[str]] = []
    for number, row in enumerate(rows_of(terms)):
        moments = as_dict(terms[number].get("ended")).values()
        ended = max((moment for moment in moments if is_number(moment)), default=None)
        goes_on = number == 0 and ended is None
        # What still goes on, or ended since, counts.
        if earliest is not None and max(row.since or 0, ended or 0) < earliest and not goes_on:
            return found, number
        lasts = duration(max(0.0, now - row.since)) if row.since and number == 0 and not row.why and not row.never else "-"
        served = f"never {row.never}" if row.never else lasts if row.served is None else duration(row.served)
        found.append([
            printable(name), str(row.token), shown(row.node), "-" if row.since is None else times.moment(row.since), served,
            _steps(row.begun), _steps(row.ended), shown(row.why),
        ])
        for moment, steps in reversed(row.restarts):
            at = times.moment(moment)
            found.append([printable(name), str(row.token), shown(row.node), at, "restarted", _steps(steps), "-", "-"])
    return found, len(terms)


def _said(name: str, answer: Dict[str, Any], now: float) -> List[str]:
    """That the answer is a copy, or not all that there is."""
    lines = []
    if is_number(answer.get("copied")):
        at = f"{times.moment(answer['copied'])}, {times.ago(answer['copied'], now)} ago"
        lines.append(f"{printable(name)}: this node's copy of {at}, as ZooKeeper does not tell: {as_text(answer.get('why'))}")
    return lines


def _narrow(heading: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> List[str]:
    """The same with the steps of each term on a line of their own, and what has no room cut: the reason and the steps, never
    who served, when and for how long."""
    fixed = table.plain([heading[:5], *(row[:5] for row in rows)])
    column = max(map(table.breadth, fixed)) + 2
    beside = width - column >= _LEAST_REASON
    lines = [f"{fixed[0].ljust(column)}{heading[7]}" if beside else fixed[0]]
    for row, line in zip(rows, fixed[1:]):
        lines.append(f"{line.ljust(column)}{cut(row[7], width - column)}" if beside else line)
        steps = "; ".join(f"{word} {steps}" for word, steps in (("begun", row[5]), ("ended", row[6])) if steps != "-")
        below = [steps] if beside or row[7] == "-" else [row[7], steps]
        lines += [cut(f"    {text}", width) for text in below if text]
    return lines


def _steps(steps: Sequence[Tuple[str, float]]) -> str:
    """How long it all took, and each step of it, in milliseconds."""
    if not steps:
        return "-"
    parts = " ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in steps)
    return f"{sum(seconds for _, seconds in steps) * 1000:.0f} ms: {parts}"
