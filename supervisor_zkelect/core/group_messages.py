"""Events and actions of the role machine (`messages.py`) that concern the group: its programs, their processes, the service's
health. All times are seconds of one clock.

An event with `op` answers the action that had this number.
"""

from __future__ import annotations

from typing import NamedTuple

# Events


class ServiceStarted(NamedTuple):
    """supervisord has started all members of the group."""

    op: int


class StartFailed(NamedTuple):
    """supervisord could not start all members of the group."""

    op: int
    reason: str


class GrantRevoked(NamedTuple):
    """The guard has ended the grant by itself, and stops the group."""

    reason: str


class Dead(NamedTuple):
    """The group is proven dead; seconds: how long that took."""

    op: int
    seconds: float


class Stuck(NamedTuple):
    """A process of the group cannot be killed."""

    reason: str


class Probed(NamedTuple):
    """The outcome of a health check, or of a look at supervisord's word."""

    op: int
    ok: bool
    reason: str


class MemberChanged(NamedTuple):
    """A member ended, or supervisord's word on it is not RUNNING any more."""


class MemberRuns(NamedTuple):
    """supervisord's word on a member is RUNNING from now on."""


class MemberFatal(NamedTuple):
    """why: what is known of the cause, "" when nothing is."""

    name: str
    why: str = ""


class StoppedByHand(NamedTuple):
    """A member is being stopped, and not by this node's listener."""

    name: str


class StartedByHand(NamedTuple):
    """A member was started, and not by this node's listener."""

    name: str


# Actions


class StartGroup(NamedTuple):
    """Grant the group's programs to start, and have them started."""

    op: int


class StopGroup(NamedTuple):
    """Ask the group to stop, and kill it at `kill_at`, or when its lease ends before that."""

    op: int
    kill_at: float


class KillGroup(NamedTuple):
    """Kill the group at once, and prove it dead."""

    op: int


class EnsureDead(NamedTuple):
    """Prove the group dead, whoever started it."""

    op: int


class Probe(NamedTuple):
    """Check the service's health, or look at supervisord's word."""

    op: int
