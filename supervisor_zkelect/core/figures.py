"""What a fault may be, and the times by which a node acts, as it tells them to others. Pure."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from supervisor_zkelect.core import lease

SERVICE, SUPERVISORD, HOST, NETWORK, ZOOKEEPER = "service", "supervisord", "host", "network", "zookeeper"

FAULTS = (SERVICE, SUPERVISORD, HOST, NETWORK, ZOOKEEPER)
"""The service of a node becomes sick and stays so; its supervisord is gone; the host is gone; it is cut off from ZooKeeper; no
server of ZooKeeper answers anybody."""


MOST_BEATS = 1000
"""Heartbeats, and health checks, of one session timeout that are played."""

STOPWAITSECS = 10.0
"""Seconds that supervisord leaves a program to stop where its section does not say."""


class Figures(NamedTuple):
    """The times of a node, in seconds, as it writes them into its entry. timeout: T as granted. told: 1 where the service is
    well while supervisord calls all its programs RUNNING. fences: 1 where a fence command is set. The defaults are those of
    the options."""

    timeout: float = 10.0
    tick: float = 2.0
    interval: float = 1.0
    ride_through: float = 4.0
    kill_time: float = 0.3
    stopwaitsecs: float = STOPWAITSECS
    rise: float = 1.0
    fall: float = 3.0
    health_interval: float = 1.0
    promote_timeout: float = 60.0
    backoff_min: float = 1.0
    backoff_max: float = 60.0
    told: float = 0.0
    fences: float = 0.0

    @property
    def grace(self) -> float:
        return lease.stop_grace(self.timeout, self.tick, self.interval, self.ride_through, self.kill_time, self.stopwaitsecs)


def of(found: Mapping[str, float]) -> Figures:
    """The figures in an entry (`nodes.NodeEntry`); what is missing, or cannot be, has its default."""
    known = {name: found[name] for name in Figures._fields if name in found}
    figures = Figures(**known)
    if not (figures.timeout > 0 and figures.interval > 0 and figures.health_interval > 0 and figures.backoff_min > 0):
        return Figures()
    # Anybody may have written them, and what is played by them takes time for each beat and each check.
    least = figures.timeout / MOST_BEATS
    return figures._replace(
        interval=max(least, figures.interval), health_interval=max(least, figures.health_interval), rise=max(1.0, figures.rise),
        fall=max(1.0, figures.fall),
    )
