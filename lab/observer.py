"""The demo's observer, which tests ask at any moment, and for hours."""

from __future__ import annotations

from typing import List

from supervisor_zkelect.demo import observer
from supervisor_zkelect.system.clock import now


class Verdict(observer.Observation):
    @property
    def names(self) -> List[str]:
        """Who answered, in order, each turn once: ["a", "b", "a"]."""
        names: List[str] = []
        for turn in self.turns:
            if names[-1:] != [turn.name]:
                names.append(turn.name)
        return names


class Observer(observer.Observer):
    def verdict(self, since: float = 0.0) -> Verdict:
        return Verdict(*super().verdict(since))

    def serving(self, within: float = 0.1) -> List[str]:
        """The names that gave an answer in the last `within` seconds, to a question asked in that time."""
        since = now() - within
        heard = {
            line["name"]
            for line in reversed(self.poll()[-2000:])
            if "pid" in line and line["asked"] >= since
        }
        return [name for name in self.addresses if name in heard]

    def forget(self, before: float) -> None:
        """Drop what was asked before that time (seconds of CLOCK_BOOTTIME): a watch of hours hears a lot."""
        self.lines = [line for line in self.poll() if line["asked"] >= before]
