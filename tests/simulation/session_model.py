"""One session against the ensemble, with requests that overlap: is the lease ever longer than the session?

The listener keeps one request outstanding, which hides some errors of the arithmetic. Here nothing is hidden: reads and
writes are sent at any time, links stall, the client's server is cut off, connections break and are made again.
"""

from __future__ import annotations

import math
import random
from typing import Any, Optional

from supervisor_zkelect.core import lease
from tests.simulation.world import Pipe, World
from tests.simulation.zookeeper import Ensemble


def overrun(seed: int) -> Optional[str]:
    """None, or what went wrong: the lease lasted longer than the session did at the leader."""
    chance = random.Random(seed)
    world = World(random.Random(seed))
    tick = chance.choice([0.5, 2.0])
    grant = chance.choice([2 * tick, 5 * tick])
    ensemble = Ensemble(world, tick, grant)
    ensemble.multi([("create", "/x", b"", False, False)], 0)
    server = chance.choice(ensemble.servers)
    up, down = Pipe(world, 0.001), Pipe(world, 0.001)
    session, clock, deadline = 0, None, -math.inf

    def granted(own: int, timeout: float) -> None:
        nonlocal session, clock
        session, clock = own, lease.SessionClock(timeout, tick, 0.0)

    def answered(sent: float, wrote: bool, answer: Any) -> None:
        nonlocal clock, deadline
        if answer is not None:
            clock = clock.answered(sent, world.now)
            if wrote:
                deadline = max(deadline, clock.deadline(sent))

    def request() -> None:
        world.after(chance.uniform(0.02, 0.3) * grant, request)
        if session:
            sent, wrote = world.now, chance.random() < 0.5
            reply = lambda answer: down.send(answered, sent, wrote, answer)  # noqa: E731
            if wrote:
                up.send(ensemble.ask, server, session, [("check", "/x", -1)], reply)
            else:
                up.send(lambda: reply(ensemble.read(server, session)))

    def stall(stalled: bool) -> None:
        up.stall(stalled)
        down.stall(stalled)

    def over() -> bool:
        return bool(session) and session not in ensemble.expiry

    up.send(ensemble.connect, server, 0, grant, "a", granted)
    world.after(0.05, request)
    cut_at = chance.uniform(2, 6) * grant
    if chance.random() < 0.7:
        stalled = chance.uniform(0.1, 0.95) * grant
        world.after(cut_at - stalled, stall, True)
        # Just before the cut: everything that was kept arrives together.
        world.after(cut_at - chance.uniform(0.005, 0.05), stall, False)
    world.after(cut_at, ensemble.cut, server)
    world.run(12 * grant, over)
    if not over():
        return None
    over_at = world.now
    # What is on its way still arrives.
    world.run(over_at + grant)
    if deadline > over_at:
        return f"seed {seed}: the session was over at {over_at:.3f}, the lease lasted until {deadline:.3f}"
    return None
