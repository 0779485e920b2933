"""The roles that a node has in an election."""

DETACHED, STANDBY, PROMOTING, PRIMARY, DEMOTING, MAINTENANCE, WITHDRAWN = (
    "detached", "standby", "promoting", "primary", "demoting", "maintenance", "withdrawn",
)
