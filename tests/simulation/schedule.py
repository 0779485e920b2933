"""What befalls the nodes of one schedule, and what must hold after each step.

Excluded is what nothing on a node can cover (docs/safety.md): a listener and its guard that stand still, or are dead, at
the same time for longer than supervisord needs to restart the listener.
"""

from __future__ import annotations

import random
from typing import Any, FrozenSet, List, NamedTuple, Optional

from tests.simulation.node import Node, Plan
from tests.simulation.world import Broken, World
from tests.simulation.zookeeper import Ensemble

LENGTH = 15.0
"""Seconds in which things begin to happen."""
WAIT = 4.0
"""Seconds that the deletion of a proposal waits for a node that is about to be acked."""
PEACE = 9.0
"""Seconds, beside some session timeouts, in which everything is well again."""


class Step(NamedTuple):
    """At `at`, `what` befalls node `node` (or server) for `seconds`."""

    at: float
    what: str
    node: int
    seconds: float


class Schedule(NamedTuple):
    seed: int
    nodes: int
    tick: float
    grant: float
    stopwaitsecs: float
    steps: tuple


KINDS = (
    "stall", "stall", "stall", "cut follower", "cut follower", "freeze listener", "kill listener", "kill guard",
    "freeze guard", "kill supervisord", "hang supervisord", "kill service", "sick", "resign", "delete proposal",
    "leader gone", "stall then cut", "cut its follower", "cut its follower", "delete proposal",
)


def draw(seed: int) -> Schedule:
    chance = random.Random(seed)
    tick = chance.choice([0.2, 0.5, 2.0])
    grant = chance.choice([max(2 * tick, 2.0), max(2 * tick, 4.0), max(2 * tick, 6.0)])
    steps = [
        Step(chance.uniform(1, LENGTH), chance.choice(KINDS), chance.randrange(3), chance.choice([0.1, 0.3, 1.0, 3.0]) * grant)
        for _ in range(chance.randrange(1, 7))
    ]
    return Schedule(seed, chance.choice([2, 2, 3]), tick, grant, chance.choice([0.1, 1.0, 10.0]), tuple(sorted(steps)))


class Promises:
    """Looked after at each step of the world that could break one."""

    def __init__(self, world: World, ensemble: Ensemble) -> None:
        self.world, self.ensemble = world, ensemble
        self.nodes: List[Node] = []
        self.excused = 0.0

    def excuse(self, seconds: float) -> None:
        """For so long two may run, because a hand deleted a proposal; then they are looked at again."""
        self.excused = self.world.now + seconds
        self.world.after(seconds + 0.001, self.at_most_one)

    def at_most_one(self) -> None:
        running = [one.name for one in self.nodes if one.living]
        if len(running) > 1 and self.world.now > self.excused:
            self.world.broken(f"1: {' and '.join(running)} run at once")

    def started(self, node: Node) -> None:
        self.at_most_one()
        if self.world.now > self.excused and self.ensemble.state.holder != node.record["token"]:
            self.world.broken(f"4: {node.name} runs and the holder is {self.ensemble.state.holder_node or 'nobody'}")

    def acked(self, node: Node, token: int) -> None:
        if self.ensemble.state.holder != token:
            self.world.broken(f"3: {node.name} is acked and is not the holder")

    def released(self, node: Node) -> None:
        if node.living:
            self.world.broken(f"2: {node.name} releases while its service lives")

    def in_the_end(self) -> None:
        """Everything was well for long: exactly one service runs, and the ack names its node."""
        running = [one.name for one in self.nodes if one.living]
        if len(running) != 1 or self.ensemble.state.ack != running[0]:
            self.world.broken(f"9: {running} run in the end, and the ack names {self.ensemble.state.ack!r}")


class Run:
    """One schedule, played. faults: defects put in on purpose."""

    def __init__(self, schedule: Schedule, faults: FrozenSet[str] = frozenset()) -> None:
        self.schedule = schedule
        self.world = World(schedule.seed)
        self.ensemble = Ensemble(self.world, schedule.tick, schedule.grant)
        promises = Promises(self.world, self.ensemble)
        tick = 0.0 if "tick left out" in faults else schedule.tick
        plan = Plan(tick, 2.5 * schedule.grant, schedule.stopwaitsecs, faults)
        for number in range(schedule.nodes):
            promises.nodes.append(Node(self.world, self.ensemble, plan, "abc"[number], promises))
        self.promises, self.nodes = promises, promises.nodes

    def play(self) -> None:
        """Raises Broken."""
        for step in self.schedule.steps:
            self.world.after(step.at, self.befall, step)
        last = max([step.at + max(step.seconds, WAIT) for step in self.schedule.steps], default=0.0)
        self.world.run(max(LENGTH, last) + PEACE + 3 * self.schedule.grant)
        self.promises.in_the_end()

    def befall(self, step: Step) -> None:
        node = self.nodes[step.node % len(self.nodes)]
        server = self.ensemble.servers[step.node]
        end = lambda do, *arguments: self.world.after(step.seconds, do, *arguments)  # noqa: E731
        name = str(step.node) if "follower" in step.what else node.name
        self.world.tell(name, f"== {step.what}, {step.seconds:g} s")
        both = not node.guard.answers() or node.listener.frozen or not node.listener.alive
        if step.what == "stall":
            node.stall(True)
            end(node.stall, False)
        elif step.what == "cut follower":
            self.cut(server)
            end(self.ensemble.heal, server)
        elif step.what == "stall then cut":
            # The case that the base's answer, and not its sending, is counted for.
            node.stall(True)
            self.world.after(step.seconds, node.stall, False)
            attached = node.listener.client.server if node.listener.client else server
            self.world.after(step.seconds + 0.01, self.cut, attached)
            self.world.after(3 * step.seconds + 5, self.ensemble.heal, attached)
        elif step.what == "cut its follower" and node.listener.client:
            attached = node.listener.client.server
            self.cut(attached)
            end(self.ensemble.heal, attached)
        elif step.what == "delete proposal":
            self.delete(step, 0)
        elif step.what == "leader gone":
            self.ensemble.down = True
            # Followers without a leader close their connections.
            for one in self.ensemble.servers:
                for client in one.clients[:]:
                    client.dropped()
            end(self.back)
        elif step.what == "freeze listener" and not both:
            listener = node.listener
            listener.frozen = True
            end(self.thaw, node, listener)
        elif step.what == "kill listener" and not both:
            node.kill_listener()
        elif step.what == "kill guard" and not both:
            node.kill_guard()
        elif step.what == "freeze guard" and not both:
            node.freeze_guard()
        elif step.what == "kill supervisord" and not both:
            node.kill_supervisord()
        elif step.what == "hang supervisord":
            node.hung = True
            end(setattr, node, "hung", False)
        elif step.what == "kill service":
            node.died(node.life, node.born)
        elif step.what == "sick":
            node.sick = True
            end(setattr, node, "sick", False)
        elif step.what == "resign" and node.listener.started:
            from supervisor_zkelect import role

            node.listener.post(lambda: node.listener.decide(role.Resign("t")))

    def delete(self, step: Step, tries: int) -> None:
        """By hand; in every other schedule just when its node is about to be acked."""
        promoting = any(node.listener.started and node.listener.state.step == "probing" for node in self.nodes)
        if self.schedule.seed % 2 and not promoting and tries < 1000 * WAIT:
            self.world.after(0.001, self.delete, step, tries + 1)
        elif self.ensemble.state.queue:
            # The hand takes the protection away until the node notices, and a frozen one does only when its lease ends.
            self.promises.excuse(self.schedule.grant + 0.6)
            self.ensemble.commit(queue=self.ensemble.state.queue[1:])

    def cut(self, server: Any) -> None:
        if not any(one.cut_since is not None for one in self.ensemble.servers):
            self.ensemble.cut(server)

    def back(self) -> None:
        """A new leader has loaded the sessions and gives each its whole time anew."""
        self.ensemble.down = False
        for session in self.ensemble.expiry:
            self.ensemble._touch(session)

    def thaw(self, node: Node, listener: Any) -> None:
        if listener is node.listener and listener.alive:
            node.freeze_listener(False)


def play(schedule: Schedule, faults: FrozenSet[str] = frozenset()) -> Optional[List[str]]:
    """None, or the transcript of a run in which a promise was broken."""
    run = Run(schedule, faults)
    try:
        run.play()
    except Broken:
        return run.world.transcript
    return None


def shrink(schedule: Schedule, faults: FrozenSet[str] = frozenset()) -> Schedule:
    """Leave out what is not needed for the failure."""
    smaller = True
    while smaller:
        smaller = False
        for number in range(len(schedule.steps)):
            fewer = schedule._replace(steps=schedule.steps[:number] + schedule.steps[number + 1:])
            if play(fewer, faults):
                schedule, smaller = fewer, True
                break
    return schedule
