"""Until when this node may run a group. Pure arithmetic: no clock, no input or output, no import of the project.

The chain loader reads a `Lease` from the record, so this does without dataclasses and typing, which take longer to import
than the loader itself takes.

Why a read, a ping or a state called CONNECTED is worth nothing
---------------------------------------------------------------
A server that is cut off from its quorum goes on answering reads and pings for seconds after the quorum has expired the
session. Only a write that the quorum acknowledged proves that the session existed, and only for the past.

Nor does the write itself restart the session's clock. The leader restarts it when a follower reports, with the answer
to one of the leader's pings, which sessions it has heard from; the leader pings every half tick, and the report travels
on the same stream as the writes. So once a write is acknowledged, everything the follower had *answered* a tick before
that write was sent has restarted the session's clock. Sending times do not do: a stalled link can deliver an old read
and a fresh write to the follower at the same moment.

The rule
--------
    newest   = sending time of the newest acknowledged quorum write of this session that checked the election's proposal
    base     = sending time of the newest request of this session, of any kind, answered by newest - tick
    deadline = base + T * (1 - DRIFT)

The connect request of a session is a base without separation once a later quorum write is acknowledged, since there the
leader itself restarts the clock. T is what the server granted, never what was asked for. What an older session was
answered counts for nothing: a new session starts a new `SessionClock`.

All times are seconds of CLOCK_BOOTTIME; durations are seconds.
"""

from __future__ import annotations

import math
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Optional, Tuple

    Exchanges = Tuple[Tuple[float, float], ...]

#: How far this machine's clock and the ZooKeeper servers' may run apart, as a share of the time that passes. Ten times
#: what the kernel lets adjtime slew and a hundred times a common crystal.
DRIFT = 0.01

#: Share of the session timeout between two heartbeats, unless configured.
INTERVAL_SHARE = 0.1

#: Share of the session timeout for which ZooKeeper may be silent without consequence, unless configured. A cut of 0.3 T
#: is to pass unnoticed, and the first packet gets through some tenths of a second after its end (`session.py`).
RIDE_THROUGH_SHARE = 0.4

#: How long a request stays unanswered before the connection is given up and others are tried: a share of the session
#: timeout, and at least so many seconds. Until then the kernel repeats packets every 0.2 s; then it waits longer each
#: time, and a fresh connection is sooner.
DROP_SHARE = 0.25
DROP_AFTER = 1.4


#: Shares of a pause's duration, which two clocks count: until when who consented may rely on it, from the sending of its
#: consent; and when nobody else need respect it any more, from the reading of that.
PAUSE_RELIED_ON, PAUSE_RESPECTED = 1 - DRIFT, 1 + DRIFT


#: Seconds for which a node's own leftover is waited out beyond the time that it may stand.
LEFTOVER_SPARE = 1.0


def lasts_until(base: float, timeout: float) -> float:
    """Until when a session lasts at least whose clock the servers restarted at `base`, with a timeout of `timeout` seconds."""
    return base + timeout * (1 - DRIFT)


def heartbeat_interval(timeout: float) -> float:
    """Seconds between two heartbeats in a session of `timeout` seconds, unless configured."""
    return timeout * INTERVAL_SHARE


def effective_tick(tick: float, timeout: float) -> float:
    """The tick to count with. A granted timeout is at least two ticks, so more than half of it cannot be true."""
    return min(tick, timeout / 2)


def ride_through(timeout: float, tick: float, interval: float, kill_time: float) -> float:
    """How long ZooKeeper may be silent without consequence, unless configured: RIDE_THROUGH_SHARE of `timeout`, or what
    the rest of the lease leaves of it; then a group is killed without being asked to stop. All are seconds."""
    room = timeout * (1 - DRIFT) - effective_tick(tick, timeout) - 2 * interval - kill_time
    return min(timeout * RIDE_THROUGH_SHARE, max(room, 0.0))


def waiting_interval(interval: float, ride_through: float) -> float:
    """Seconds between two requests of a session that holds no lease.

    interval: those between two heartbeats. ride_through: as for `stop_grace`. A lease that begins counts from the last
    request but a tick. What `stop_grace` sets aside for two heartbeats and for ZooKeeper's silence has room for that, for the
    next heartbeat, and for as much of a silence after it as there is, up to an interval.
    """
    return interval + min(interval, max(0.0, ride_through - interval))


def drop_after(timeout: float) -> float:
    """After how many seconds without an answer a connection is given up. timeout: the session's, in seconds."""
    return max(timeout * DROP_SHARE, DROP_AFTER)


def stop_grace(
    timeout: float,
    tick: float,
    interval: float,
    ride_through: float,
    kill_time: float,
    stopwaitsecs: float,
) -> float:
    """How long the group is asked to stop before it is killed because the lease ends.

    timeout: T, the session timeout granted (or, before there is a session, asked for).
    tick: the servers' tickTime.
    interval: time between two heartbeats.
    ride_through: how long ZooKeeper may be silent before anything happens to the group.
    kill_time: time set aside before the deadline for the kill and its proof.
    stopwaitsecs: the longest that supervisord would wait for a member of the group to stop.

    The result is negative when `kill_time` does not fit into this timeout at all: such a lease must never be used.
    """
    left = timeout * (1 - DRIFT) - effective_tick(tick, timeout) - 2 * interval - ride_through - kill_time
    # To the nanosecond: a ride_through that takes exactly what is left must not leave less than nothing.
    return min(stopwaitsecs, round(left, 9))


def start_margin(timeout: float, tick: float, interval: float, ride_through: float) -> float:
    """How long a lease must last at least before a group is started under it; the parameters are those of `stop_grace`.

    After a long silence the first lease counts from before it; the next one is a tick and a heartbeat away.
    """
    return min(ride_through, effective_tick(tick, timeout) + interval)


def leaves_room(stop_at: float, now: float, timeout: float, tick: float, interval: float) -> bool:
    """Whether a group that must stop at `stop_at` runs on where heartbeats have another interval from now on.

    The answer to the first of them counts as a base for a write that is sent a tick later.
    """
    return now + effective_tick(tick, timeout) + interval < stop_at


def leftover_time(timeout: float, asked: float, tick: float) -> float:
    """How long a proposal of this node's own former session may still stand, which may have had either timeout.

    timeout: the session timeout granted now. asked: the one that is asked for.
    """
    return expired_within(max(timeout, asked), tick) + LEFTOVER_SPARE


def expired_within(timeout: float, tick: float) -> float:
    """Seconds from the last sign of life of a session to its end as everybody sees it, at most. The servers look for expired
    sessions at each tick, and their followers hear of it within another."""
    return timeout + 2 * tick


def shortest_timeout(
    tick: float, interval: Optional[float], ride_through: Optional[float], kill_time: float, grace: float
) -> float:
    """The shortest session timeout, in whole tenths of a second, for which `stop_grace` is `grace` seconds.

    interval, ride_through: None where they are a share of the timeout.
    """
    share = 1 - DRIFT
    share -= 2 * INTERVAL_SHARE if interval is None else 0
    # Without a stop to wait for, the ride-through takes only what is left (`ride_through`).
    share -= RIDE_THROUGH_SHARE if ride_through is None and grace else 0
    fixed = grace + tick + 2 * (interval or 0) + (ride_through or 0) + kill_time
    return math.ceil(max(fixed / share, 2 * tick) * 10 - 1e-6) / 10


class Lease(namedtuple("Lease", "stop_at kill_at deadline paused_until", defaults=(-math.inf,))):
    """When a group must end unless its lease is extended before. All are seconds of CLOCK_BOOTTIME.

    stop_at: it is asked to stop. kill_at: it is killed. deadline: somebody else may lead.
    paused_until: a pause to which this node has consented keeps everybody else from leading for so long, whatever becomes of
        the deadline: infinity for one without an end, minus infinity without one. It stands beside the deadline and never
        goes into it, so that taking it back leaves the lease that ZooKeeper's answers give.
    """

    __slots__ = ()
    stop_at: float
    kill_at: float
    deadline: float
    paused_until: float

    @classmethod
    def until(cls, deadline: float, kill_time: float, grace: float = 0.0) -> Lease:
        """A lease to `deadline`. kill_time: seconds that the kill and its proof may take. grace: seconds that the group has to
        stop before it is killed, as `stop_grace` gives them."""
        kill_at = deadline - kill_time
        return cls(kill_at - max(0.0, grace), kill_at, deadline)

    @property
    def stops_at(self) -> float:
        """When the group is asked to stop, a pause counted in."""
        return self._beside(self.stop_at)

    @property
    def kills_at(self) -> float:
        """When the group is killed, a pause counted in."""
        return self._beside(self.kill_at)

    def _beside(self, moment: float) -> float:
        """The same moment before the end of the pause, where that is later."""
        if self.paused_until == -math.inf or self.deadline == -math.inf:
            return max(moment, self.paused_until)
        return max(moment, self.paused_until - (self.deadline - moment))

    @property
    def ordinary(self) -> Lease:
        """The same lease without a pause."""
        return self._replace(paused_until=-math.inf)

    def covers(self, now: float) -> bool:
        """Whether the group may run at `now`."""
        return now < self.kills_at

    def moved(self, deadline: float) -> Lease:
        """The same lease to another deadline, with as much time set aside before it."""
        later = deadline - self.deadline
        return Lease(self.stop_at + later, self.kill_at + later, deadline, self.paused_until)


#: That of a group which never had one.
NO_LEASE = Lease(-math.inf, -math.inf, -math.inf)


class SessionClock(namedtuple("SessionClock", "timeout tick connected exchanges", defaults=((),))):
    """The answers to one ZooKeeper session, and the deadlines that follow.

    One clock per session, shared by all elections of the node. `exchanges` are (sent, answered) pairs, those that can
    still be a base.
    """

    __slots__ = ()
    timeout: float
    tick: float
    connected: float
    exchanges: Exchanges

    def answered(self, sent: float, answered: float) -> SessionClock:
        """A request of this session, sent at `sent`, was answered at `answered`.

        A refusal by the server is an answer as well; a lost connection is not. Raises ValueError when the answer is
        older than its request.
        """
        if answered < sent:
            raise ValueError(f"answered at {answered} before it was sent at {sent}")
        return self._replace(exchanges=self._useful((*self.exchanges, (sent, answered)), sent))

    def reconnected(self, sent: float) -> SessionClock:
        """The same session was attached again by a connect request sent at `sent`."""
        return self._replace(connected=max(self.connected, sent))

    def deadline(self, newest: float) -> float:
        """Until when a group may run whose proposal was checked by the acknowledged quorum write sent at `newest`."""
        return lasts_until(self.base(newest), self.timeout)

    def base(self, newest: float) -> float:
        """The sending time from which the servers' clock is known to have been restarted.

        Falls back to minus infinity when neither a connect request nor an exchange precedes `newest`.
        """
        tick = effective_tick(self.tick, self.timeout)
        candidates = [sent for sent, answered in self.exchanges if answered <= newest - tick]
        if self.connected <= newest:
            candidates.append(self.connected)
        return max(candidates, default=float("-inf"))

    def _useful(self, exchanges: Iterable[Tuple[float, float]], newest: float) -> Exchanges:
        """Drop what can never be a base again: of all that is a tick older than `newest`, only the best can."""
        limit = newest - effective_tick(self.tick, self.timeout)
        settled = [pair for pair in exchanges if pair[1] <= limit]
        best = [max(settled)] if settled else []
        return tuple(best + [pair for pair in exchanges if pair[1] > limit])
