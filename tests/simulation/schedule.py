"""What befalls the nodes of one schedule, and what must hold after each step.

Excluded is what nothing on a node can cover (docs/safety.md): a listener and its guard that stand still, or are dead, at
the same time.
"""

from __future__ import annotations

import json
import logging
import random
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from supervisor_zkelect.core import lease, places
from tests.simulation.machine import Machine, Service
from tests.simulation.node import Node, Plan
from tests.simulation.world import Broken, World
from tests.simulation.zookeeper import Ensemble, Tree, Znode, queue

LENGTH = 6.0
"""Seconds in which things begin to happen."""
WAIT = 4.0
"""Seconds that the deletion of a proposal waits for a node that is about to be acked."""
CALM = 1.0
"""Seconds for which all must be well in the end."""
PATIENCE = 60.0
"""Seconds, beside some session timeouts, in which all must be well again after the last fault."""


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
    "stall", "stall", "stall then cut", "stall then cut", "cut server", "cut its server", "cut its server",
    "cut its server", "leader gone", "freeze listener", "kill listener", "kill listener", "restart listener", "kill guard",
    "freeze guard", "kill supervisord", "hang supervisord", "kill service", "sick", "obstinate", "resign", "stop by hand",
    "start by hand", "deaf supervisord", "delete proposal",
    "stay away", "stay away", "kill keeper", "undying service", "broken disk", "delete proposal", "election anew",
    "shorter sessions", "shutdown", "no guard to be had", "no guard to be had",
)


def draw(seed: int, kinds: Sequence[str] = KINDS) -> Schedule:
    """kinds: of what is to befall, where it is not everything."""
    chance = random.Random(seed)
    tick = chance.choice([0.3, 0.5, 2.0])
    grant = max(2 * tick, chance.choice([2.0, 3.0, 4.0, 5.0]))
    steps = [
        Step(
            round(chance.uniform(1, LENGTH), 3), chance.choice(kinds), chance.randrange(3),
            round(chance.choice([0.1, 0.3, 0.3, 1.0, 1.0, 3.0]) * grant, 3),
        )
        for _ in range(chance.randrange(1, 7))
    ]
    # With throws of its own, so that all else is as it was.
    other = random.Random(f"more {seed}")
    if seed % 7 == 3:
        steps.append(Step(round(other.uniform(1, LENGTH), 3), "refused release", 0, round(other.uniform(0.2, 8), 3)))
    if seed % 5 == 2:
        steps += [
            Step(round(other.uniform(1, LENGTH), 3), "sick", number, round(other.uniform(4, 20), 3)) for number in (0, 1)
        ]
    return Schedule(seed, chance.choice([2, 2, 2, 3]), tick, grant, chance.choice([0.1, 1.0, 10.0]), tuple(sorted(steps)))


class Promises:
    """Looked after at each step of the world that could break one."""

    def __init__(self, world: World, ensemble: Ensemble) -> None:
        self.world, self.ensemble = world, ensemble
        self.nodes: Dict[str, Node] = {}
        self.excused = 0.0
        self.anew = False
        #: what is to happen just when a node asks its service, and when a listener asks ZooKeeper
        self.when_probing: Optional[Callable[[], None]] = None
        self.when_beating: Dict[Any, Callable[[], None]] = {}
        self.kill_releasing = False
        self.fences = False
        self.fenced: set = set()
        self.gone: Dict[int, float] = {}
        ensemble.told, ensemble.woken = self.written, self.woken

    def excuse(self, seconds: float) -> None:
        """For so long two may run, because a hand deleted a proposal; then they are looked at again."""
        self.excused = self.world.now + seconds
        self.world.after(seconds + 0.001, self.at_most_one)

    def probing(self) -> None:
        """A node asks its service whether it is healthy, and acks it soon."""
        if self.when_probing is not None:
            self.world.after(self.world.random.uniform(0.0, 0.05), self.when_probing)
            self.when_probing = None

    def beating(self, process: Any) -> None:
        if process in self.when_beating:
            self.world.after(self.world.random.uniform(0.0, 0.002), self.when_beating.pop(process))

    def releasing(self, process: Any) -> None:
        """A guard, whose listener is dead, has proven its groups dead and gives up the session."""
        if self.kill_releasing:
            self.world.after(self.world.random.uniform(0.0, 0.1), process.end)

    def leased(self, process: Any, token: int, sent: float) -> None:
        """A node counts a write, sent at `sent` by its clock, as a check of its proposal."""
        gone = self.gone.get(token)
        if gone is not None and gone < process.machine.true_time(sent) and not self.anew:
            self.world.broken(f"1: {process.name} has a lease by a write that can have found no proposal")

    def at_most_one(self) -> None:
        running = [node.name for node in self.nodes.values() if node.machine.living]
        if len(running) > 1 and self.world.now > self.excused:
            self.world.broken(f"1: {' and '.join(running)} run at once")

    def started(self, machine: Machine, service: Service) -> None:
        self.world.tell(machine.name, f"the service runs, token {service.token}")
        self.at_most_one()
        if self.world.now <= self.excused:
            return
        noted = holder(self.ensemble.tree)
        if noted[0] != service.token:
            self.world.broken(f"4: {machine.name} runs with token {service.token}, and the holder is {noted}")
        first = queue(self.ensemble.tree, "/e")[:1]
        if not first or first[0][1].czxid != service.token:
            self.world.broken(f"8: {machine.name} runs with token {service.token} and does not lead")

    def written(self, before: Tree, after: Tree, who: str) -> None:
        for path in sorted(before.keys() - after.keys()):
            if path.startswith("/e/"):
                self.proposal_gone(path, before[path], who)
        ack, noted = after["/ack"].data, holder(after)
        if ack and ack != before["/ack"].data:
            first = queue(after, "/e")[:1]
            leads = (first[0][1].czxid, self.ensemble.owners[first[0][1].ephemeralOwner]) if first else None
            if not noted == leads == (noted[0], ack.decode()):
                self.world.broken(f"3: {ack.decode()} is acked, the holder is {noted}, and {leads or 'nobody'} leads")
        if holder(before)[0] != noted[0]:
            if ack:
                self.world.broken(f"4: the holder becomes {noted or 'nobody'} while the ack names {ack.decode()}")
            dirty, other = holder(before)[0], holder(before)[1] != noted[1]
            if dirty and noted[0] and other and self.fences and dirty not in self.fenced:
                self.world.broken(f"4: the holder {holder(before)} ended dirty and was not fenced before {noted}")
            if not noted[0] and self.lives(holder(before)[0], doomed=True):
                self.world.broken(f"4: the holder {holder(before)} is removed while its service lives")

    def lives(self, token: int, doomed: bool = False) -> str:
        """The node on which a service with this token lives, "" when none does. doomed: or is killed and not gone."""
        for node in self.nodes.values():
            for one in node.machine.services:
                if one.living and one.token == token and (doomed or not one.doomed):
                    return node.name
        return ""

    def proposal_gone(self, path: str, znode: Znode, who: str) -> None:
        self.world.tell("zk", f"{path} of {self.ensemble.owners[znode.ephemeralOwner]} is gone")
        self.gone[znode.czxid] = self.world.now
        lives = self.lives(znode.czxid, doomed=bool(who))
        if lives and who:
            self.world.broken(f"2: {who} releases while its service lives")
        if lives and self.world.now > self.excused:
            self.world.broken(f"1: the proposal of {lives} is gone while its service lives")

    def woken(self, path: str, owner: int, watchers: List[Any]) -> None:
        others = {client.process.name for client, _ in watchers if client.session != owner}
        # Watches that were set on a name last until it changes, whoever's it has become when the election is made anew.
        if path.startswith("/e/") and len(others) > 1 and not self.anew:
            self.world.broken(f"7: a change of {path} wakes {' and '.join(sorted(others))}")

    def reported(self, process: Any, text: str) -> None:
        election = json.loads(text)["elections"].get("orders", {})
        if election.get("role") == "primary" and (election["deadline"] or 0.0) < process.clock() - 0.1:
            self.world.broken(f"8: {process.name} says that it is primary, without a lease")

    def well(self) -> str:
        """"" when exactly one service runs, its node is primary and acked and nobody else is; else what is not."""
        running = [node.name for node in self.nodes.values() if node.machine.living]
        primaries = [
            node.name for node in self.nodes.values()
            if node.listener.alive and node.listener.state is not None and node.listener.state.role == "primary"
        ]
        ack = self.ensemble.tree["/ack"].data.decode()
        if len(running) == 1 and primaries == running and ack == running[0]:
            return ""
        return f"{running} run, {primaries} are primary, and the ack names {ack!r}"


HOLDER = places.holder_of(places.state_of("/ack"))


def holder(tree: Tree) -> tuple:
    """Token and node of the holder znode; (0, "") without one."""
    if HOLDER not in tree:
        return 0, ""
    value = json.loads(tree[HOLDER].data)
    return value["token"], value["node"]


class Run:
    """One schedule, played."""

    def __init__(self, schedule: Schedule) -> None:
        logging.getLogger("supervisor_zkelect.kazoo").handlers.clear()
        self.schedule = schedule
        self.world = world = World(schedule.seed)
        self.ensemble = Ensemble(world, schedule.tick, schedule.grant)
        for path in ("/e", "/ack", "/ack-state"):
            self.ensemble.multi([("create", path, b"", False, False)], 0)
        self.promises = Promises(world, self.ensemble)
        grace = world.random.choice([0.3, 2.0])
        plan = Plan(2.5 * schedule.grant, schedule.tick, schedule.stopwaitsecs, grace, fences=schedule.seed % 3 == 0,
                    promote=3.0 if schedule.seed % 5 == 2 else 20.0)
        for name in "abc"[:schedule.nodes]:
            # Within the bound, against servers that keep true time.
            rate = 1 + world.random.uniform(-0.9, 0.9) * lease.DRIFT
            self.promises.nodes[name] = Node(world, self.ensemble, plan, name, rate, self.promises)
        self.promises.kill_releasing, self.promises.fences = schedule.seed % 4 == 1, plan.fences
        self.nodes = list(self.promises.nodes.values())
        self.well_since = float("inf")

    def play(self) -> None:
        """Raises Broken."""
        schedule, world = self.schedule, self.world
        for step in schedule.steps:
            world.after(step.at, self.befall, step)
        last = max([step.at + self.lasts(step) for step in schedule.steps], default=0.0)
        world.run(last)
        world.now = last
        self.look()
        world.run(last + PATIENCE + 5 * schedule.grant, over=self.calm)
        if not self.calm():
            world.broken(f"9: {self.promises.well()} in the end")

    def lasts(self, step: Step) -> float:
        """Seconds until what befell is over, and its consequences begin to be."""
        grant = self.schedule.grant
        return (2.5 if step.what == "stall then cut" else 0.3) * grant + step.seconds

    def calm(self) -> bool:
        return self.world.now >= self.well_since + CALM

    def look(self) -> None:
        if self.promises.well():
            self.well_since = float("inf")
        else:
            self.well_since = min(self.well_since, self.world.now)
        if not self.calm():
            self.world.after(0.1, self.look)

    def befall(self, step: Step) -> None:
        node = self.nodes[step.node % len(self.nodes)]
        self.world.tell(node.name, f"== {step.what}, {step.seconds:g} s")
        getattr(self, step.what.replace(" ", "_"))(node, step.seconds)

    def guarded(self, node: Node) -> bool:
        """Whether both of its enforcers can do without the other."""
        processes = (node.guard, node.listener)
        if node.guard is not None and node.guard.host is not None:
            return False
        return all(one is not None and one.alive and not one.frozen for one in processes) and bool(node.listener.state)

    # What befalls: the network and ZooKeeper

    def stall(self, node: Node, seconds: float) -> None:
        node.stall(True)
        self.world.after(seconds, node.stall, False)

    def cut_server(self, node: Node, seconds: float) -> None:
        self.cut(self.world.random.choice(self.ensemble.servers), seconds)

    def server_of(self, node: Node) -> Any:
        for server in self.ensemble.servers:
            if any(client.process is node.listener for client in server.clients):
                return server
        return self.ensemble.servers[0]

    def cut(self, server: Any, seconds: float) -> None:
        self.ensemble.cut(server)
        self.world.after(seconds, self.ensemble.heal, server)

    def cut_its_server(self, node: Node, seconds: float) -> None:
        self.cut(self.server_of(node), seconds)

    def stall_then_cut(self, node: Node, seconds: float) -> None:
        """The case that the base's answer, and not its sending, is counted for."""
        server, grant = self.server_of(node), self.schedule.grant
        stalled = min(seconds, 0.95 * grant)
        node.stall(True)
        self.world.after(stalled, node.stall, False)
        self.world.after(stalled + self.world.random.choice([0.003, 0.01, 0.05]), self.cut, server, 1.5 * grant)

    def leader_gone(self, node: Node, seconds: float) -> None:
        self.ensemble.stop()
        self.world.after(seconds, self.ensemble.go_on)

    def shorter_sessions(self, node: Node, seconds: float) -> None:
        """The servers grant less from now on, to sessions that begin."""
        self.ensemble.most = max(2.2 * self.schedule.tick + 0.5, 0.5 * self.ensemble.most)

    def refused_release(self, node: Node, seconds: float) -> None:
        """The ACL of everything is taken away from whoever leads, so that it can release nothing when it is to end its
        term."""
        chance = self.world.random
        for _, first in queue(self.ensemble.tree, "/e")[:1]:
            node = self.promises.nodes[self.ensemble.owners[first.ephemeralOwner]]
        self.ensemble.refused.add(node.name)
        self.world.after(seconds, self.ensemble.refused.discard, node.name)
        order = chance.choice([self.resign, self.shutdown, self.stop_by_hand, self.sick, self.restart_listener])
        self.world.after(chance.uniform(0, 0.3), order, node, seconds)

    # Processes

    def freeze_listener(self, node: Node, seconds: float) -> None:
        """In every other schedule just when it waits for an answer of ZooKeeper."""
        def freeze() -> None:
            if self.guarded(node):
                self.freeze(node.listener, seconds)

        if self.schedule.seed % 2:
            self.promises.when_beating[node.listener] = freeze
        else:
            freeze()

    def freeze_guard(self, node: Node, seconds: float) -> None:
        if self.guarded(node):
            self.freeze(node.guard, seconds)

    def no_guard_to_be_had(self, node: Node, seconds: float) -> None:
        """Its guard dies, and for so long there is no process and no thread for another; often it is cut off as well."""
        if not self.guarded(node):
            return

        def enough() -> None:
            node.starved = False

        node.starved = True
        self.world.after(seconds, enough)
        node.guard.end()
        if self.world.random.random() < 0.5:
            self.stall(node, seconds)

    def freeze(self, process: Any, seconds: float) -> None:
        process.freeze()
        self.world.after(seconds, process.thaw)

    def kill_listener(self, node: Node, seconds: float) -> None:
        if self.guarded(node):
            node.listener.kill()

    def restart_listener(self, node: Node, seconds: float) -> None:
        if self.guarded(node):
            node.terminate_listener()

    def kill_guard(self, node: Node, seconds: float) -> None:
        if self.guarded(node):
            node.guard.end()

    def kill_supervisord(self, node: Node, seconds: float) -> None:
        if self.guarded(node) and not node.supervisord.frozen:
            node.kill_supervisord()
            self.world.after(seconds, self.start_supervisord, node)

    def shutdown(self, node: Node, seconds: float) -> None:
        """In order: the group is stopped, then the listener, then supervisord ends."""
        if self.guarded(node) and not node.supervisord.frozen:
            node.supervisord.stopProcessGroup("primary", False)
            node.leaving = True
            node.terminate_listener()
            self.world.after(0.1, self.ended_in_order, node, seconds)

    def ended_in_order(self, node: Node, seconds: float) -> None:
        if node.listener.alive:
            self.world.after(0.1, self.ended_in_order, node, seconds)
        else:
            node.supervisord.kill()
            node.leaving = False
            self.world.after(seconds, self.start_supervisord, node)

    def start_supervisord(self, node: Node) -> None:
        if not node.supervisord.alive:
            node.start_supervisord()

    def stay_away(self, node: Node, seconds: float) -> None:
        """An operator stops the listener while the service runs, and starts it again later."""
        if self.guarded(node) and not node.leaving:
            node.leaving = True
            node.terminate_listener()
            self.world.after(seconds, self.come_back, node)

    def come_back(self, node: Node) -> None:
        node.leaving = False
        if not node.listener.alive and node.supervisord.alive:
            node.new_listener(node.listener)

    def kill_keeper(self, node: Node, seconds: float) -> None:
        if node.guard is not None and node.guard.keeper is not None:
            node.guard.keeper.kill()

    def hang_supervisord(self, node: Node, seconds: float) -> None:
        self.freeze(node.supervisord, seconds)

    def deaf_supervisord(self, node: Node, seconds: float) -> None:
        """The listener dies while supervisord hangs, so the guard has to do without both."""
        if self.guarded(node):
            self.freeze(node.supervisord, self.world.random.uniform(0.5, 1.0) * self.schedule.grant)
            self.world.after(0.05, self.kill_listener, node, seconds)

    def undying_service(self, node: Node, seconds: float) -> None:
        node.machine.undying = True
        self.world.after(seconds, setattr, node.machine, "undying", False)

    def broken_disk(self, node: Node, seconds: float) -> None:
        node.machine.disk.broken = True
        self.world.after(seconds, setattr, node.machine.disk, "broken", False)

    def kill_service(self, node: Node, seconds: float) -> None:
        for service in node.machine.services[:]:
            service.die(0.0)

    def sick(self, node: Node, seconds: float) -> None:
        node.machine.sick = True
        self.world.after(seconds, setattr, node.machine, "sick", False)

    def obstinate(self, node: Node, seconds: float) -> None:
        node.machine.obstinate = True
        self.world.after(seconds, setattr, node.machine, "obstinate", False)

    # Operators

    def resign(self, node: Node, seconds: float) -> None:
        node.order("resign")

    def stop_by_hand(self, node: Node, seconds: float) -> None:
        node.supervisord.do(node.supervisord.stopProcessGroup, "primary", False)

    def start_by_hand(self, node: Node, seconds: float) -> None:
        node.supervisord.do(node.supervisord.startProcessGroup, "primary", False)

    def delete_proposal(self, node: Node, seconds: float) -> None:
        """By hand; in every other schedule just when its node is about to be acked."""
        if self.schedule.seed % 2:
            self.promises.when_probing = self.delete
            self.world.after(WAIT, self.delete)
        else:
            self.delete()

    def delete(self) -> None:
        self.promises.when_probing = None
        first = queue(self.ensemble.tree, "/e")[:1]
        if first and self.world.now < LENGTH + WAIT:
            # The hand takes the protection away until the node notices, and a frozen one does only when its lease ends.
            self.promises.excuse(self.schedule.grant + 0.6)
            self.world.tell("zk", f"a hand deletes {first[0][0]}")
            self.ensemble.multi([("delete", first[0][0], -1)], 0)

    def election_anew(self, node: Node, seconds: float) -> None:
        """A hand deletes the election znode and makes it again; the proposals count from zero again."""
        self.promises.excuse(self.schedule.grant + 0.6)
        self.promises.anew = True
        self.ensemble.counters["/e"] = 0
        self.ensemble.write({path: one for path, one in self.ensemble.tree.items() if not path.startswith("/e/")}, "")


def play(schedule: Schedule) -> Optional[List[str]]:
    """None, or the transcript of a run in which a promise was broken."""
    run = Run(schedule)
    try:
        run.play()
    except Broken:
        return run.world.transcript[:]
    finally:
        run.world.close()
    return None


def shrink(schedule: Schedule) -> Schedule:
    """Leave out what is not needed for the failure."""
    smaller = True
    while smaller:
        smaller = False
        for number in range(len(schedule.steps)):
            fewer = schedule._replace(steps=schedule.steps[:number] + schedule.steps[number + 1:])
            if play(fewer):
                schedule, smaller = fewer, True
                break
    return schedule
