"""The moments of an election's terms on this node, taken from the states that its role machine goes through. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from supervisor_zkelect.core import messages, moments, roles
from supervisor_zkelect.core.history import KEPT, RESTARTED
from supervisor_zkelect.core.state import State

_STEPS = {
    "claiming": "elected", "leasing": "claimed", "starting": "leased", "probing": "started", "acking": "healthy",
}
"""Which moment it is when a promoting node enters the step."""


class TermTimeline:
    """Collects what is to be written into the history of an election's terms.

    Moments are seconds since the epoch, dated when they are seen.
    """

    def __init__(self, node: str, address: str) -> None:
        self._about = {"v": 1, "node": node, "address": address}
        self._noticed = 0.0
        self._news: Dict[Optional[int], Dict[str, Any]] = {}
        self._guarded: Dict[str, Any] = {}
        self._clear(None)

    def _clear(self, token: Optional[int]) -> None:
        self._token = token
        self.begun: Dict[str, float] = {}
        self._ended: Dict[str, Any] = {}
        self._restarts: List[Dict[str, Any]] = []
        self._inherited = False

    def readdress(self, address: str) -> None:
        """The address is another from now on."""
        self._about = {**self._about, "address": address}

    def moved(self, before: State, after: State, event: Any, moment: float) -> None:
        """The event had this effect."""
        if isinstance(event, messages.Claimed) and event.lost:
            self._lose(event, moment)
        if (before.role, before.step) == (after.role, after.step):
            return
        if after.role == roles.STANDBY and after.step == "asking":
            self._noticed = moment
        elif after.role in (roles.PROMOTING, roles.PRIMARY):
            if after.token != self._token:
                self._clear(after.token)
                self.begun["noticed"] = self._noticed
            self._inherited = self._inherited or before.inherited is not None
            if (before.step, after.step) == ("claiming", "starting"):
                # The claim itself is the lease.
                self.begun.setdefault("claimed", moment)
            name = "acked" if after.role == roles.PRIMARY else _STEPS.get(after.step)
            if name is not None:
                self.begun.setdefault(name, moment)
            restarted = self._restarting(before, after, name or "", moment)
            if after.role == roles.PRIMARY and (restarted or not self._inherited):
                self._tell()
        elif after.role == roles.DEMOTING and before.role in (roles.PROMOTING, roles.PRIMARY) and self._token is not None:
            # By an operator: by `resign`, or by a stop of the group.
            flags = {"failed": after.sick, "resigned": bool(after.resigning) or after.by_hand}
            self._ended = {"noticed": moment, "why": after.reason, **{name: True for name, flag in flags.items() if flag}}
        if before.role == roles.DEMOTING and self._ended:
            if isinstance(event, messages.Dead):
                self._ended.setdefault("dead", moment)
            if after.role != roles.DEMOTING:
                if isinstance(event, messages.Released):
                    self._ended["released"] = moment
                self._tell()
                # What this node goes through from now on, such as leaving the queue as a standby, is of no term.
                self._clear(None)

    def _lose(self, event: messages.Claimed, moment: float) -> None:
        """The term before this one was not released: note since when that is known, as nobody else may."""
        noticed = self._noticed or moment
        why = f"not released: its session ended, as {self._about['node']} noticed at {moments.utc(round(noticed * 1000))}"
        self._news[event.lost] = {"v": 1, "token": event.lost, "node": event.dirty, "lost": {"noticed": noticed, "why": why}}

    def _restarting(self, before: State, after: State, name: str, moment: float) -> bool:
        """Note a step of a restart; whether there is one that has not come to its end. name: of the moment."""
        if after.step == "restarting":
            self._restarts.append({"ordered": moment, **({"why": after.reason} if after.reason else {})})
            return True
        going_on = bool(self._restarts) and "acked" not in self._restarts[-1]
        if going_on and before.step == "restarting":
            self._restarts[-1]["dead"] = moment
            # That is no end of the term, as which the guard has noted it.
            self._guarded = {}
        elif going_on and name in RESTARTED:
            self._restarts[-1][name] = moment
        return going_on

    def executed(self, moment: float) -> None:
        """A program of the group is about to be executed; the first one counts."""
        if "leased" in self.begun:
            self.begun.setdefault("executed", moment)

    def guarded(self, ended: Dict[str, Any]) -> None:
        """The guard ended a term: its "token", "why", and when that was "noticed" and the group "dead"."""
        self._guarded = ended

    def _tell(self) -> None:
        """What began with an earlier listener was written by that, and what the guard did before this node's listener took
        notice is told as the guard has it."""
        if self._guarded.get("token") == self._token and self._guarded["noticed"] < self._ended.get("noticed", 0.0):
            self._ended.update((name, self._guarded[name]) for name in ("noticed", "dead", "why"))
        term: Dict[str, Any] = {**self._about, "token": self._token}
        if not self._inherited:
            term["begun"] = dict(self.begun)
        if self._restarts:
            term["restarts"] = [dict(one) for one in self._restarts]
        if self._ended:
            term["ended"] = dict(self._ended)
        self._news[self._token] = term
        # Where the history may not be written, the latest are kept.
        for token in list(self._news)[:-KEPT]:
            del self._news[token]

    def news(self) -> List[Dict[str, Any]]:
        """The terms of which something is not written yet, as `history` has them."""
        return list(self._news.values())

    def written(self, terms: List[Dict[str, Any]]) -> None:
        """These are; what was noted of them since is news still."""
        for term in terms:
            if self._news.get(term["token"]) is term:
                del self._news[term["token"]]
