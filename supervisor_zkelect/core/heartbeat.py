"""When the next request of a ZooKeeper session is due. Pure: no clock, no input or output.

All times are seconds of one clock; durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Collection, Optional, Tuple

from supervisor_zkelect.core import lease


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
    drop_after: float = lease.DROP_AFTER
    due: float = 0.0
    all_due: float = 0.0
    sent: Optional[float] = None
    prodded: bool = False
    dropped: bool = False

    @classmethod
    def paced(cls, timeout: float, interval: float, ride_through: float) -> Heartbeat:
        """The heartbeat of a session that begins; the parameters are those of `lease.stop_grace`."""
        return cls(interval, lease.waiting_interval(interval, ride_through), drop_after=lease.drop_after(timeout))

    def at_pace_of(self, other: Heartbeat) -> Heartbeat:
        """The same one at the other's paces; one that checks all leased proposals is due soon."""
        return replace(self, interval=other.interval, waiting=other.waiting, drop_after=other.drop_after).all_soon()

    def send_now(self, now: float) -> bool:
        """Whether a request should be sent at `now`."""
        return self.sent is None and now >= self.due

    def sending(self, now: float, leased: Collection[str], fresh: Collection[str]) -> Tuple[Heartbeat, Collection[str]]:
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

    def after_prodding(self) -> Heartbeat:
        return replace(self, prodded=True)

    def after_dropping(self) -> Heartbeat:
        return replace(self, dropped=True)

    def after_answer(self) -> Heartbeat:
        """The outstanding request was answered or failed."""
        return replace(self, sent=None)

    def no_later(self, moment: float) -> Heartbeat:
        """The next request is due at `moment` at the latest, as soon as none is outstanding."""
        return replace(self, due=min(self.due, moment))

    def all_soon(self) -> Heartbeat:
        """The same, for one that checks all leased proposals."""
        return replace(self, due=0.0, all_due=0.0)

    def next_wakeup(self) -> float:
        """When one of the questions above may turn true."""
        if self.sent is None:
            return self.due
        if not self.prodded:
            return self.sent + self.late_after
        return float("inf") if self.dropped else self.sent + self.drop_after
