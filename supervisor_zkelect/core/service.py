"""Whether the service is well, by a row of probes, and when the next probe comes. Pure: no clock, no sockets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

#: Seconds until the first probe of a group that was just started.
FIRST_DELAY = 0.005

#: By how much each wait while promoting is longer than the one before.
DELAY_FACTOR = 1.5


@dataclass(frozen=True)
class Counter:
    """Counts probes: `rise` successes in a row make healthy, `fall` failures in a row make unhealthy.

    rise, fall: how many in a row, at least 1; ValueError otherwise.
    healthy: None until either number was reached for the first time.
    successes, failures: how many in a row just now; one of them is always 0.
    """

    rise: int
    fall: int
    healthy: Optional[bool] = None
    successes: int = 0
    failures: int = 0

    def __post_init__(self) -> None:
        for name in ("rise", "fall"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")

    def after(self, ok: bool) -> Counter:
        """The counter after one more probe."""
        if ok:
            successes = self.successes + 1
            healthy = True if successes >= self.rise else self.healthy
            return replace(self, healthy=healthy, successes=successes, failures=0)
        failures = self.failures + 1
        healthy = False if failures >= self.fall else self.healthy
        return replace(self, healthy=healthy, successes=0, failures=failures)


def next_delay(previous: Optional[float], interval: float) -> float:
    """Seconds to wait before the next probe while promoting.

    previous: the wait before, in seconds, or None before the first probe.
    interval: the usual seconds between probes, which the waits grow up to and never exceed.
    Raises ValueError when `interval` is not positive.
    """
    if not interval > 0:
        raise ValueError(f"interval is {interval}; it must be positive")
    return min(FIRST_DELAY if previous is None else previous * DELAY_FACTOR, interval)
