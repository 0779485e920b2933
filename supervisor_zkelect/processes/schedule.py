"""When the scans of the groups are due."""

from __future__ import annotations

from supervisor_zkelect.core import moments

#: Seconds between scans of a group that runs, so that descendants are known before their parents die.
REST = 1.0
#: The same where all processes of the group were found in its cgroup, which tells what they fork: what is looked for then
#: was moved out of it by root's hand. Not where the programs own their cgroup. A scan lists all of /proc.
REST_IN_CGROUP = 10.0
#: How many times as long as a scan took those wait for the next that are not being stopped: with thousands of processes
#: they take a fifth of the time, however many programs are started at once. And the same where the cgroup tells.
REST_SHARE, REST_SHARE_SHELTERED = 4, 19
#: Seconds until the first scan after something has happened to the members, and the same where the chain loader tells
#: their pids and the cgroup what they fork: then nothing hides by being quick, and supervisord needs the processor.
SOON, SOON_SHELTERED = 0.005, 0.05
#: Seconds between two looks of a sentry at supervisord's children; reading them takes some 20 µs.
SENTRY_PACE = 0.01


def next_rest(now: float, rest: float = REST) -> float:
    """When a group is scanned next about which nothing is urgent: all of them at once, as the table of processes is what
    takes time."""
    return moments.common(now, rest)
