"""The roles that a node has in an election."""

DETACHED, STANDBY, PROMOTING, PRIMARY, DEMOTING, MAINTENANCE, WITHDRAWN = (
    "detached", "standby", "promoting", "primary", "demoting", "maintenance", "withdrawn",
)

UNKNOWN = "unknown"
"""What is said where the role of a node is not known."""

NUMBERS = {UNKNOWN: 0, DETACHED: 1, STANDBY: 2, PROMOTING: 3, PRIMARY: 4, DEMOTING: 5, MAINTENANCE: 6, WITHDRAWN: 7}
"""The roles by number, for monitors that know numbers only. A number never changes its meaning, and none is given twice."""
