"""Until when this node may run a group. Pure arithmetic: no clock, no input or output, no import of the project.

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

from dataclasses import dataclass, replace
from typing import Collection, Optional, Tuple

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


@dataclass(frozen=True)
class SessionClock:
    """What one ZooKeeper session has been answered, and the deadlines that follow.

    One clock per session, shared by all elections of the node. `exchanges` are (sent, answered) pairs, oldest first,
    pruned to those that can still be a base.
    """

    timeout: float
    tick: float
    connected: float
    exchanges: Tuple[Tuple[float, float], ...] = ()

    def answered(self, sent: float, answered: float) -> "SessionClock":
        """A request of this session, sent at `sent`, was answered at `answered`.

        A refusal by the server is an answer as well; a lost connection is not. Raises ValueError when the answer is
        older than its request.
        """
        if answered < sent:
            raise ValueError(f"answered at {answered} before it was sent at {sent}")
        exchanges = sorted((*self.exchanges, (sent, answered)), key=lambda pair: pair[1])
        return replace(self, exchanges=self._useful(exchanges, sent))

    def reconnected(self, sent: float) -> "SessionClock":
        """The same session was attached again by a connect request sent at `sent`."""
        return replace(self, connected=max(self.connected, sent))

    def deadline(self, newest: float) -> float:
        """Until when a group may run whose proposal was checked by the acknowledged quorum write sent at `newest`."""
        return self.base(newest) + self.timeout * (1 - DRIFT)

    def base(self, newest: float) -> float:
        """The sending time from which the servers' clock is known to have been restarted.

        Falls back to minus infinity when neither a connect request nor an exchange precedes `newest`.
        """
        tick = effective_tick(self.tick, self.timeout)
        candidates = [sent for sent, answered in self.exchanges if answered <= newest - tick]
        if self.connected <= newest:
            candidates.append(self.connected)
        return max(candidates, default=float("-inf"))

    def _useful(self, exchanges, newest: float) -> Tuple[Tuple[float, float], ...]:
        """Drop what can never be a base again: of all that is a tick older than `newest`, only the best can."""
        limit = newest - effective_tick(self.tick, self.timeout)
        settled = [pair for pair in exchanges if pair[1] <= limit]
        best = [max(settled)] if settled else []
        return tuple(best + [pair for pair in exchanges if pair[1] > limit])


@dataclass(frozen=True)
class Heartbeat:
    """When the next request of the session is due, one outstanding at a time, and what it checks.

    interval: seconds between two that check all leased proposals. waiting: those between two requests where none is leased.

    A request later than `late_after` is followed once by a cheap read, because a server may withhold an answer until the
    session's next packet. More than that would switch off the client library's own detection of a dead connection. One
    later than `drop_after` is a reason to try another connection, once.
    """

    interval: float
    waiting: float
    late_after: float = 0.25
    drop_after: float = DROP_AFTER
    due: float = 0.0
    all_due: float = 0.0
    sent: Optional[float] = None
    prodded: bool = False
    dropped: bool = False

    def send_now(self, now: float) -> bool:
        """Whether a request should be sent at `now`."""
        return self.sent is None and now >= self.due

    def sending(self, now: float, leased: Collection[str], fresh: Collection[str]) -> Tuple["Heartbeat", Collection[str]]:
        """A request is sent at `now`: what follows, and the proposals that it checks, all or those of `fresh`.

        leased: all that hold a lease or want one. fresh: those of them that hold none yet: where hundreds are leased one after
        the other, not each of them has all others checked again.
        """
        if not leased:
            due, all_due, checked = now + self.waiting, now, leased
        elif fresh and now < self.all_due:
            due, all_due, checked = self.all_due, self.all_due, fresh
        else:
            due = all_due = now + self.interval
            checked = leased
        return replace(self, sent=now, prodded=False, dropped=False, due=due, all_due=all_due), checked

    def prod_now(self, now: float) -> bool:
        """Whether the outstanding request is late and has not been followed by a read yet."""
        return self.sent is not None and not self.prodded and now >= self.sent + self.late_after

    def drop_now(self, now: float) -> bool:
        """Whether the outstanding request is so late that its connection should be given up."""
        return self.sent is not None and not self.dropped and now >= self.sent + self.drop_after

    def after_prodding(self) -> "Heartbeat":
        return replace(self, prodded=True)

    def after_dropping(self) -> "Heartbeat":
        return replace(self, dropped=True)

    def after_answer(self) -> "Heartbeat":
        """The outstanding request was answered or failed."""
        return replace(self, sent=None, prodded=False, dropped=False)

    def no_later(self, moment: float) -> "Heartbeat":
        """The next request is due at `moment` at the latest, as soon as none is outstanding."""
        return replace(self, due=min(self.due, moment))

    def all_soon(self) -> "Heartbeat":
        """The same, for one that checks all leased proposals."""
        return replace(self, due=0.0, all_due=0.0)

    def next_wakeup(self) -> float:
        """When one of the questions above may turn true."""
        if self.sent is None:
            return self.due
        if not self.prodded:
            return self.sent + self.late_after
        return float("inf") if self.dropped else self.sent + self.drop_after
