"""The findings of `check`, in lines for an operator. Pure."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, Optional, Set


class Findings:
    """One line each, and none twice.

    problems: what is wrong with the configuration. troubles: what else is wrong. notes: what is worth telling, and keeps
    nothing from working.
    """

    # Importing dataclasses takes longer than `role` does otherwise.
    __slots__ = ("problems", "troubles", "notes")

    def __init__(self, problems: Iterable[str] = (), troubles: Iterable[str] = (), notes: Iterable[str] = ()) -> None:
        self.problems: List[str] = list(problems)
        self.troubles: List[str] = list(troubles)
        self.notes: List[str] = list(notes)

    def add(self, other: Findings) -> None:
        """Take over what is found by somebody else; what is known as a problem is not noted as well."""
        known = {*self.problems, *self.troubles}
        self.problems += _new(other.problems, known)
        self.troubles += _new(other.troubles, known)
        self.notes = _new([*self.notes, *other.notes], known)

    @property
    def wrong(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems or self.troubles)

    def document(self, most: Optional[int] = None) -> Dict[str, Any]:
        """For an answer. exit: 2 for a wrong configuration, 1 for other troubles, 0 where nothing is wrong. most: characters of
        JSON that it may take; then the last lines may be left out."""
        status = 2 if self.problems else 1 if self.troubles else 0
        lines, notes = self.problems + self.troubles, self.notes
        if most is not None:
            lines, notes = _fitting(lines, most // 2), _fitting(notes, most // 2)
        return {"ok": not self.wrong, "exit": status, "problems": lines, "notes": notes}


def _fitting(lines: List[str], most: int) -> List[str]:
    """As many of the first lines as are `most` characters of JSON together, and how many there are more."""
    for number, line in enumerate(lines):
        most -= len(json.dumps(line)) + 2
        if most < 0:
            return [*lines[:number], f"and {len(lines) - number} more"]
    return lines


def _new(lines: List[str], known: Set[str]) -> List[str]:
    """Those that are not known yet; then they are."""
    fresh = [line for line in dict.fromkeys(lines) if line not in known]
    known.update(fresh)
    return fresh
