"""The load of many nodes on one ensemble, from the project's own rules. Pure arithmetic.

A node has one session, whatever the number of its elections. A primary sends one transaction every INTERVAL_SHARE of the
session timeout, which the quorum commits; a standby half as often a read that the server at hand answers
(`heartbeat.Heartbeat`). Pings come only where nothing else is sent for a third of the timeout, so never.
"""

from __future__ import annotations

from typing import NamedTuple

from supervisor_zkelect.core.lease import INTERVAL_SHARE, RIDE_THROUGH_SHARE, waiting_interval

STANDBY_WATCHES = 1
"""On the closest predecessor's proposal, in each election."""

PRIMARY_WATCHES = 3
"""On the own proposal, the ack and the holder, in each election."""

OWN_ZNODES = 5
"""Of an election beside the proposals: its folder, the election znode, ack, state and holder."""

NAME_BYTES = 16
"""A proposal's name in a listing: twelve characters and their length."""

MOST_BYTES = 0xFFFFF
"""jute.maxbuffer, ZooKeeper's default: the longest answer that a client takes."""


class Load(NamedTuple):
    """sessions: connections of all servers together. reads, writes: in a second, while nothing happens; writes are those
    of the quorum. watches, znodes: held by all servers together, and by each server. listing: bytes of a queue's listing.
    join: requests of one node that joins. storm: requests when all nodes join at once."""

    sessions: int
    elections: int
    reads: float
    writes: float
    watches: int
    znodes: int
    listing: int
    join: int
    storm: int


def load(nodes: int, candidates: int, timeout: float, join: float) -> Load:
    """nodes: how many, each in one election. candidates: of one election. timeout: the session's. join: requests of a
    node that joins, for each candidate there is already."""
    elections = nodes // candidates
    interval = timeout * INTERVAL_SHARE
    waiting = waiting_interval(interval, timeout * RIDE_THROUGH_SHARE)
    standbys = nodes - elections
    return Load(
        sessions=nodes, elections=elections, reads=standbys / waiting, writes=elections / interval,
        watches=standbys * STANDBY_WATCHES + elections * PRIMARY_WATCHES, znodes=nodes + elections * OWN_ZNODES,
        listing=candidates * NAME_BYTES, join=round(join * candidates),
        storm=round(join * elections * candidates * (candidates - 1) / 2),
    )


def longest_queue() -> int:
    """How many candidates an election may have before a listing is longer than ZooKeeper's clients take."""
    return MOST_BYTES // NAME_BYTES
