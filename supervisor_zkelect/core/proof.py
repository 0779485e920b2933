"""The proof that a group is dead.

It is made of rounds. In a round supervisord is asked to stop the group, answers that none of it was starting, running or
waiting to be started again, and a scan begun after that answer finds nothing alive. Two clean rounds in a row are a proof;
one is not, because a member that supervisord has reaped but not yet restarted is no longer running for a stop, and is
started by the next turn of supervisord's loop. Where supervisord is dead, two scans are enough; and where all programs came
through the chain loader, since the grant is revoked before the stop, so that nothing which is started again comes to run.
Where supervisord is alive and silent, two scans are enough for a group whose time to be killed has come, provided that no
start request can still lie on supervisord's socket.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import List, NamedTuple, Optional

#: Seconds that a kill waits for supervisord's answer to the stop, so that it does not restart what is killed.
KILL_WAITS = 0.03
#: Seconds without an answer after which supervisord counts as silent. Its own longest work, listing a
#: thousand programs, takes 1.3 s (measured); a listing of a hundred 13 ms.
SILENCE = 1.5
#: Seconds for which a stop waits for those that carry the group's name without a proof, or were not read yet.
DOUBT_TIME = 1.0
#: Seconds between scans while members have been asked to stop and have time left.
GRACE_PACE = 0.1


class OrderedStop(NamedTuple):
    """One order to stop: its op, when it came, and when the time of the members ends (both by the clock)."""

    op: int
    since: float
    kill_at: float


@dataclass
class Stop:
    """One stop of a group, from the first order to the end of its proof.

    Told what happened, it says what follows; it has no effects.

    Times are seconds of one clock. `gone` always means: supervisord is dead.
    """

    began: float
    #: when the lease of the group kills, whatever the orders leave it; moves while the lease is renewed
    lease_end: float = math.inf
    #: those whose GroupDead is still owed, and those that have had it
    orders: List[OrderedStop] = field(default_factory=list)
    done: List[OrderedStop] = field(default_factory=list)
    #: supervisord may still hold a start request that it carries out later.
    start_open: bool = False
    #: what supervisord starts again is refused by the chain loader
    via_loader: bool = False
    #: supervisord has told, since it began, whose its children are
    books: bool = False
    #: the first stop request came back, answered or not
    asked: bool = False
    #: when supervisord last answered a stop request
    heard: Optional[float] = None
    #: clean rounds in a row; scans in a row that found nothing
    rounds: int = 0
    scans: int = 0
    #: it was told that supervisord may start something again of what is dead
    unsettled: bool = False
    #: until when those are waited for that may belong and cannot be told apart
    doubt_ends: float = math.inf
    _idle: bool = False

    @property
    def sentry(self) -> bool:
        """Whether the death is reported, and what is left is to see that nothing is started again."""
        return not self.orders

    @property
    def op(self) -> int:
        """The op of the latest order."""
        return (self.orders or self.done)[-1].op

    @property
    def kill_at(self) -> float:
        """The earliest of the orders' times, which a later order brings forward and never delays, and of the lease's."""
        return min(self.lease_end, *(order.kill_at for order in self.orders + self.done))

    @property
    def kill_since(self) -> float:
        """When the members' time ended or ends."""
        return max(self.began, self.kill_at)

    def order(self, order: OrderedStop) -> None:
        """Take another order. It wants a proof of its own, made after it."""
        self.orders.append(order)
        self.again()

    def report(self) -> List[OrderedStop]:
        """The orders that are fulfilled now."""
        fulfilled, self.orders = self.orders, []
        self.done += fulfilled
        return fulfilled

    def answered(self, now: float, stopped: bool, after_start: bool) -> None:
        """supervisord answered a stop request.

        stopped: whether there was a member to stop.
        after_start: whether the request was made when no start request was on its way any more. Requests are
            handled in the order in which they connect, so this answer tells that a start is done with, too.
        """
        self.asked = True
        self.heard = now
        if after_start:
            self.start_open = False
        if stopped:
            self.again()
        elif after_start:
            self._idle = True

    def scanned(self, empty: bool) -> None:
        """A scan ended that was begun after the last answer."""
        if not empty:
            self.again()
            return
        self.scans += 1
        if self._idle:
            self.rounds += 1
            self._idle = False

    def doubts(self, now: float, unsure: bool) -> bool:
        """Whether a scan that found nobody alive proves nothing yet, since there are some who may belong."""
        if unsure:
            self.doubt_ends = min(self.doubt_ends, now + DOUBT_TIME)
        return unsure and now < self.doubt_ends

    def again(self) -> None:
        """What was seen so far proves nothing any more."""
        self.rounds = self.scans = 0
        self._idle = False

    def ready(self, now: float, gone: bool) -> bool:
        """Whether a kill need not wait for supervisord any longer."""
        return self.asked or gone or now >= self.began + KILL_WAITS

    def killing(self, now: float, gone: bool) -> bool:
        """Whether everything that belongs is killed now."""
        return now >= self.kill_at and self.ready(now, gone)

    def silent(self, now: float) -> bool:
        """Whether supervisord has not answered for so long that nobody waits for it."""
        return now - (self.began if self.heard is None else self.heard) > SILENCE

    def settled(self, gone: bool) -> bool:
        """Whether it is proven that nothing lives and that supervisord starts nothing again."""
        return self.rounds >= 2 or (gone and self.scans >= 2)

    def dead(self, now: float, gone: bool) -> bool:
        """Whether it is proven that nothing lives."""
        if self.settled(gone):
            return True
        if self.scans < 2 or self.start_open:
            return False
        return self.via_loader or (self.killing(now, gone) and self.silent(now))

    def pace(self, now: float, gone: bool, alive: bool) -> float:
        """Seconds until the next scan; while killing, a twentieth of the time it has taken, 1 to 250 ms."""
        if self.scans == 1 and self.via_loader:
            # The second of two that are a proof. Where supervisord is dead and a program came without the chain loader, a
            # child within execve(2) has nothing by which it is known, so there some time passes between the two.
            return 0.0
        if self.killing(now, gone):
            return min(0.25, max(0.001, (now - self.kill_since) / 20))
        end = self.kill_at if self.ready(now, gone) else max(self.kill_at, self.began + KILL_WAITS)
        return max(0.001, min(end - now, GRACE_PACE if alive else 0.02))
