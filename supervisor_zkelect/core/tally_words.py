"""The words and ranges by which it is counted what becomes of an election: closed sets, which who counts and who shows share.
Pure."""

from __future__ import annotations

from typing import Dict

from supervisor_zkelect.core.roles import MAINTENANCE, PRIMARY, STEPS, WITHDRAWN

# Why a role changed (`reasons.of`).

JOINED, ELECTED, ACKED, RELEASED, UNHEALTHY, LEASE, SESSION, PROPOSAL, GUARD, ORDER, FAILBACK, BY_HAND, PAUSE, UNFIT, SHUTDOWN = (
    "joined", "elected", "acked", "released", "unhealthy", "lease", "session", "proposal", "guard", "order", "failback",
    "by_hand", "pause", "unfit", "shutdown",
)

OTHER = "other"

MEANINGS: Dict[str, str] = {
    JOINED: "its proposal stands in the queue",
    ELECTED: "it leads the queue",
    ACKED: "the service is healthy, and the ack is written",
    RELEASED: "the group is dead, and the proposal given up, or gone already",
    UNHEALTHY: "the service failed: a program in FATAL, health checks, a start that failed or took too long",
    LEASE: "the lease ran out, as ZooKeeper's quorum did not answer in time",
    SESSION: "the session with ZooKeeper was lost, or had to be closed",
    PROPOSAL: "the proposal was gone, or did not lead",
    GUARD: "the guard ended the grant by itself",
    ORDER: "an operator's order: switchover, resign, maintenance, restart, or their end",
    FAILBACK: "a node of a higher priority had stood by for long enough",
    BY_HAND: "a program of the group was stopped by hand",
    PAUSE: "a pause, or its end",
    UNFIT: "priority 0, or a check `fit` that fails",
    SHUTDOWN: "the listener or supervisord ends",
    OTHER: "none of these",
}
"""All reasons, and what they mean. One never changes its meaning, and none goes away; there may be more of them one day."""

# How long something took, in seconds (`tally.Histogram`).

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: the upper ends of the ranges, each of which has its own end in it. The last range has none."""

TIMED = frozenset(step for steps in STEPS.values() for step in steps) - {
    "waiting", "watching", PRIMARY, MAINTENANCE, WITHDRAWN,
}
"""The steps of which it is counted how long they take: all but those in which a node stays."""

# What a node writes into an election of its own accord, and what it asks.

WRITES = PROPOSE, STEP, CLAIM, ACK, RELEASE = "propose", "step", "claim", "ack", "release"

QUORUM, SERVER = HEARTBEATS = "quorum", "server"
"""Who answers heartbeats: the quorum, where a lease is to be renewed, or one server."""

PASSED, FAILED = "passed", "failed"
"""Results of a health check."""
