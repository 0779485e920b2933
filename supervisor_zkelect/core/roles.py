"""The roles that a node has in an election, and their steps."""

from __future__ import annotations

from typing import Dict, Tuple

DETACHED, STANDBY, PROMOTING, PRIMARY, DEMOTING, MAINTENANCE, WITHDRAWN = (
    "detached", "standby", "promoting", "primary", "demoting", "maintenance", "withdrawn",
)

UNKNOWN = "unknown"
"""What is said where the role of a node is not known."""

NUMBERS = {UNKNOWN: 0, DETACHED: 1, STANDBY: 2, PROMOTING: 3, PRIMARY: 4, DEMOTING: 5, MAINTENANCE: 6, WITHDRAWN: 7}
"""The roles by number, for monitors that know numbers only. A number never changes its meaning, and none is given twice."""

STEPS: Dict[str, Tuple[str, ...]] = {
    DETACHED: ("clearing", "waiting", "proposing"),
    STANDBY: ("asking", "stepping", "watching"),
    PROMOTING: ("claiming", "fencing", "leasing", "restarting", "starting", "probing", "acking"),
    PRIMARY: (PRIMARY,),
    DEMOTING: ("stopping", "releasing", "closing"),
    MAINTENANCE: (MAINTENANCE,),
    WITHDRAWN: (WITHDRAWN,),
}
"""Steps of each role, in the order in which a node usually goes through them. A role of one step has that by its own name."""
