"""Faults of timing, each of which must turn stories red: one line of the product, changed."""

from __future__ import annotations

from typing import Dict, NamedTuple, Tuple

from tests.simulation import faults
from tests.simulation.faults import Fault


class Planted(NamedTuple):
    """stories: some that must turn red. breaks: those of them in which a promise is broken."""

    fault: Fault
    stories: Tuple[str, ...]
    breaks: Tuple[str, ...] = ()


FAULTS: Dict[str, Planted] = {
    "clocks do not drift": Planted(
        Fault("core.lease", "DRIFT = 0.01\n", "DRIFT = 0.0\n"),
        ("11-cut-off-for-long", "18-obstinate", "lease-quorum-write", "start"),
    ),
    "the tick is not half of T at most": Planted(
        Fault("core.lease", "    return min(tick, timeout / 2)\n", "    return tick\n"),
        ("lease-small-timeout",),
    ),
    "answered before, and not a tick before": Planted(
        Fault("core.lease", "if answered <= newest - tick]", "if answered <= newest]"),
        ("11-cut-off-for-long", "14-follower-cut-off-after-a-stall", "lease-quorum-write", "lease-stalled-link"),
        ("14-follower-cut-off-after-a-stall",),
    ),
    "sent a tick before, and not answered": Planted(
        Fault("core.lease", "if answered <= newest - tick]", "if sent <= newest - tick]"),
        ("lease-quorum-write", "lease-stalled-link"),
    ),
    "the kill comes at the end of the lease": Planted(
        Fault("core.lease", "        kill_at = deadline - kill_time\n", "        kill_at = deadline\n"),
        ("05-listener-frozen", "11-cut-off-for-long", "18-obstinate", "18-slow-to-die", "lease-reads", "start"),
        ("18-obstinate", "18-slow-to-die"),
    ),
    "the group is asked to stop when it is killed": Planted(
        Fault("core.lease", "cls(kill_at - max(0.0, grace), kill_at, deadline)", "cls(kill_at, kill_at, deadline)"),
        ("05-listener-frozen", "11-cut-off-for-long", "18-obstinate", "lease-reads", "start"),
    ),
}


def plant(name: str) -> None:
    """Raises KeyError for a fault that there is not, ValueError when its line does not stand in the product once."""
    faults.plant(FAULTS[name].fault)
