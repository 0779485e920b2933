"""What `check` finds, in lines for an operator. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List


@dataclass
class Findings:
    """One line each, and none twice.

    problems: what is wrong with the configuration. troubles: what else is wrong. notes: what is worth telling, and keeps
    nothing from working.
    """

    problems: List[str] = field(default_factory=list)
    troubles: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """Take over what is found by somebody else; what is known as a problem is not noted as well."""
        known = {*self.problems, *self.troubles}
        self.problems += _new(other.problems, known)
        self.troubles += _new(other.troubles, known)
        self.notes = _new([*self.notes, *other.notes], known)

    @property
    def wrong(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems or self.troubles)

    def document(self) -> Dict[str, Any]:
        """For an answer of the listener's. exit: 2 for a wrong configuration, 1 for other troubles, 0 where nothing is wrong."""
        status = 2 if self.problems else 1 if self.troubles else 0
        return {"ok": not self.wrong, "exit": status, "problems": self.problems + self.troubles, "notes": self.notes}


def _new(lines: List[str], known: set) -> List[str]:
    """Those that are not known yet; then they are."""
    fresh = [line for line in dict.fromkeys(lines) if line not in known]
    known.update(fresh)
    return fresh
