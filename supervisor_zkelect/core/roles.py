"""The roles that a node has in an election."""

DETACHED, STANDBY, PROMOTING, PRIMARY, DEMOTING, WITHDRAWN = (
    "detached", "standby", "promoting", "primary", "demoting", "withdrawn",
)
