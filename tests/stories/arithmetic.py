"""The commands of a lease alone: the requests of one session, and until when its group may run."""

from __future__ import annotations

from typing import Dict, List

from supervisor_zkelect.core import lease
from tests.stories.script import Wrong, options_of

GIVEN = {"T": 10.0, "tick": 2.0, "interval": 1.0, "kill_time": 0.3, "stopwaitsecs": 10.0, "connected": 0.0}


class Arithmetic:
    """options: as GIVEN, in seconds; connected: when the session was asked for."""

    def __init__(self, options: Dict[str, float]) -> None:
        if options.keys() - GIVEN.keys():
            raise Wrong(f"a session has {', '.join(GIVEN)}")
        one = {**GIVEN, **options}
        self.kill_time = one["kill_time"]
        silence = lease.ride_through(one["T"], one["tick"], one["interval"], self.kill_time)
        self.grace = lease.stop_grace(one["T"], one["tick"], one["interval"], silence, self.kill_time, one["stopwaitsecs"])
        self.clock = lease.SessionClock(one["T"], one["tick"], one["connected"])

    def close(self) -> None:
        return

    def do(self, words: List[str]) -> List[str]:
        """read sent=S answered=A: of any request; beat sent=S answered=A: of a quorum write that checked the proposal;
        reconnect sent=S: the session is attached again."""
        _, times = options_of(words)
        try:
            if words[0] == "reconnect":
                self.clock = self.clock.reconnected(times["sent"])
                return []
            if words[0] not in ("read", "beat"):
                raise Wrong(f"unknown command {words[0]!r}")
            self.clock = self.clock.answered(times["sent"], times["answered"])
        except (KeyError, ValueError) as error:
            raise Wrong(str(error)) from error
        return self._lease(times["sent"]) if words[0] == "beat" else []

    def _lease(self, newest: float) -> List[str]:
        until = lease.Lease.until(self.clock.deadline(newest), self.kill_time, self.grace)
        return [f"    counted from {self.clock.base(newest):.2f}: {moments(*until[:3])}"]


def moments(stop_at: float, kill_at: float, deadline: float) -> str:
    """Of a lease, in words."""
    return f"asked to stop at {stop_at:.2f}, killed at {kill_at:.2f}, lease until {deadline:.2f}"
