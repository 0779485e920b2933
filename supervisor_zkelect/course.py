"""The moments of an election's terms on this node, taken from the states that its role machine goes through. Pure."""

from __future__ import annotations

from typing import Any, Dict, Optional

from supervisor_zkelect import role
from supervisor_zkelect.history import dated

_STEPS = {
    "claiming": "elected", "leasing": "claimed", "starting": "leased", "probing": "started", "acking": "healthy",
}
"""Which moment it is when a promoting node enters the step."""


class Course:
    """The moments of a node's latest term, taken from the states that its election goes through.

    Times are of the clock that the states' are of. `news`: something was noted that is not written yet.
    """

    def __init__(self) -> None:
        self._noticed = 0.0
        self._clear()
        self.news = False

    def _clear(self) -> None:
        self.token: Optional[int] = None
        self.begun: Dict[str, float] = {}
        self.ended: Dict[str, Any] = {}
        self._inherited = False

    def moved(self, before: role.State, after: role.State, event: Any, moment: float) -> None:
        """The event had this effect."""
        if (before.role, before.step) == (after.role, after.step):
            return
        if after.role == role.STANDBY and after.step == "asking":
            self._noticed = moment
        elif after.role in (role.PROMOTING, role.PRIMARY):
            if after.token != self.token:
                self._clear()
                self.token, self.begun["noticed"] = after.token, self._noticed
            self._inherited = self._inherited or before.inherited is not None
            name = "acked" if after.role == role.PRIMARY else _STEPS.get(after.step)
            if name is not None:
                self.begun.setdefault(name, moment)
            # What began with an earlier listener was written by that.
            self.news = after.role == role.PRIMARY and not self._inherited
        elif after.role == role.DEMOTING and before.role != role.DEMOTING and self.token is not None:
            self.ended = {"noticed": moment, "why": after.reason}
        if before.role == role.DEMOTING and self.ended:
            if isinstance(event, role.Dead):
                self.ended.setdefault("dead", moment)
            if after.role != role.DEMOTING:
                if isinstance(event, role.Released):
                    self.ended["released"] = moment
                self.news = True

    def executed(self, moment: float) -> None:
        """A program of the group is about to be executed; the first one counts."""
        if "leased" in self.begun:
            self.begun.setdefault("executed", moment)

    def written(self) -> None:
        self.news = False

    def term(self, node: str, address: str, offset: float) -> Dict[str, Any]:
        """What is to be written now. offset: to be added to the moments, for seconds since the epoch."""
        term = {"v": 1, "token": self.token, "node": node, "address": address}
        if not self._inherited:
            term["begun"] = dated(self.begun, offset)
        if self.ended:
            term["ended"] = dated(self.ended, offset)
        return term
