"""What befalls the nodes of one schedule, and what must hold after each step.

Excluded is what nothing on a node can cover (docs/safety.md): a listener and its guard that stand still, or are dead, at
the same time.
"""

from __future__ import annotations

import logging
import random
from typing import Any, List, NamedTuple, Optional, Sequence

from supervisor_zkelect.core import control, lease, pauses
from tests.simulation.node import Node, Plan
from tests.simulation.promises import Promises
from tests.simulation.world import Broken, Entry, World
from tests.simulation.zookeeper import Ensemble, Paths

PATHS = Paths()
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
    priorities: tuple = ()
    failback: Optional[float] = None
    fits: bool = False


KINDS = (
    "stall", "stall", "stall then cut", "stall then cut", "cut server", "cut its server", "cut its server",
    "cut its server", "leader gone", "freeze listener", "kill listener", "kill listener", "restart listener", "kill guard",
    "freeze guard", "kill supervisord", "hang supervisord", "kill service", "sick", "obstinate", "resign", "stop by hand",
    "start by hand", "deaf supervisord", "delete proposal",
    "stay away", "stay away", "kill keeper", "undying service", "broken disk", "delete proposal", "election anew",
    "shorter sessions", "shutdown", "no guard to be had", "no guard to be had",
)


ORDERS = (
    "maintenance", "maintenance", "switchover", "switchover and delete", "control gone", "garbage in control", "restart", "restart",
)


PRIORITIES = ("unfit", "unfit", "unfit", "another priority", "switchover while it steps", "gone while it is stepped behind", "switchover")
PAUSES = ("pause", "pause", "pause for a while", "pause when led", "pause and delete")


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
    if seed % 3 == 1:
        steps += [
            Step(
                round(other.uniform(1, LENGTH), 3), other.choice(ORDERS), other.randrange(3),
                round(other.choice([0.1, 0.3, 1.0, 3.0]) * grant, 3),
            )
            for _ in range(other.randrange(1, 4))
        ]
    third = random.Random(f"pause {seed}")
    if seed % 4 == 2:
        steps += [
            Step(
                round(third.uniform(1, LENGTH), 3), third.choice(PAUSES), third.randrange(3),
                round(third.choice([0.3, 1.0, 3.0, 3.0]) * grant, 3),
            )
            for _ in range(third.randrange(1, 3))
        ]
    hanging = random.Random(f"hang {seed}")
    if seed % 9 == 4:
        steps.append(
            Step(round(hanging.uniform(1, LENGTH), 3), "hang guard", hanging.randrange(3), round(hanging.choice([0.3, 1.0, 3.0]) * grant, 3))
        )
    nodes, stopwaitsecs = chance.choice([2, 2, 2, 3]), chance.choice([0.1, 1.0, 10.0])
    own = random.Random(f"priorities {seed}")
    if seed % 4 != 1:
        return Schedule(seed, nodes, tick, grant, stopwaitsecs, tuple(sorted(steps)))
    priorities = tuple((name, own.choice([0, 50, 100, 100, 150, 200])) for name in "abc")
    if not any(number for _, number in priorities[:2]):
        priorities = ()
    steps += [
        Step(
            round(own.uniform(1, LENGTH), 3), own.choice(PRIORITIES), own.randrange(3),
            round(own.choice([0.3, 1.0, 3.0, 5.0]) * grant, 3),
        )
        for _ in range(own.randrange(0, 4))
    ]
    nodes, failback = own.choice([nodes, 3]), own.choice([None, 0.5, 2.0])
    if seed % 16 == 1:
        steps.append(Step(round(own.uniform(1, LENGTH), 3), "unfit and sick", 0, 5 * grant))
    return Schedule(seed, nodes, tick, grant, stopwaitsecs, tuple(sorted(steps)), priorities, failback, True)


class Run:
    """One schedule, played."""

    def __init__(self, schedule: Schedule) -> None:
        logging.getLogger("supervisor_zkelect.kazoo").handlers.clear()
        self.schedule = schedule
        self.world = world = World(random.Random(schedule.seed))
        self.ensemble = Ensemble(world, schedule.tick, schedule.grant)
        self.ensemble.make_election(PATHS)
        self.promises = Promises(world, self.ensemble, PATHS)
        grace = world.random.choice([0.3, 2.0])
        plan = Plan(2.5 * schedule.grant, schedule.tick, schedule.stopwaitsecs, grace, fences=schedule.seed % 3 == 0,
                    promote=3.0 if schedule.seed % 5 == 2 else 20.0, paths=PATHS, priorities=schedule.priorities,
                    failback=schedule.failback, fits=schedule.fits)
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

    def cut(self, server: Any, seconds: float) -> None:
        self.ensemble.cut(server)
        self.world.after(seconds, self.ensemble.heal, server)

    def cut_its_server(self, node: Node, seconds: float) -> None:
        self.cut(node.server(), seconds)

    def stall_then_cut(self, node: Node, seconds: float) -> None:
        """The case that the base's answer, and not its sending, is counted for."""
        server, grant = node.server(), self.schedule.grant
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
        for _, first in PATHS.queue(self.ensemble.tree)[:1]:
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

    def hang_guard(self, node: Node, seconds: float) -> None:
        """Often it is cut off as well: it may be the network that its disk hangs on."""
        if self.guarded(node):
            node.guard.hang()
            self.world.after(seconds, node.guard.thaw)
            if self.world.random.random() < 0.7:
                self.stall(node, seconds)

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
            node.shutdown(lambda: self.world.after(seconds, self.start_supervisord, node))

    def start_supervisord(self, node: Node) -> None:
        if not node.supervisord.alive:
            node.start_supervisord()

    def stay_away(self, node: Node, seconds: float) -> None:
        """An operator stops the listener while the service runs, and starts it again later."""
        if self.guarded(node) and not node.leaving:
            node.stop_listener()
            self.world.after(seconds, node.start_listener)

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
        node.kill_service()

    def sick(self, node: Node, seconds: float) -> None:
        node.machine.sick = True
        self.world.after(seconds, setattr, node.machine, "sick", False)

    def obstinate(self, node: Node, seconds: float) -> None:
        node.machine.obstinate = True
        self.world.after(seconds, setattr, node.machine, "obstinate", False)

    def unfit(self, node: Node, seconds: float) -> None:
        """Its check `fit` fails."""
        node.machine.unfit = True
        self.world.after(seconds, setattr, node.machine, "unfit", False)

    def unfit_and_sick(self, node: Node, seconds: float) -> None:
        """No service is healthy, and no check `fit` passes, as where that asks for what only a primary has."""
        seconds = max(seconds, 5 * self.schedule.grant)
        for one in self.nodes:
            self.unfit(one, seconds)
            self.sick(one, seconds)

    # Operators

    def another_priority(self, node: Node, seconds: float) -> None:
        """A file gets another priority, and the listener starts again; now and then two files get each other's."""
        node.reprioritize(self.world.random.choice([50, 100, 150, 200]))
        self.restart_listener(node, seconds)

    def switchover_while_it_steps(self, node: Node, seconds: float) -> None:
        """Somebody is ordered to lead just when he steps behind others."""
        self.promises.when_stepping = lambda name: self.switchover(self.promises.nodes[name], seconds)

    def gone_while_it_is_stepped_behind(self, node: Node, seconds: float) -> None:
        """The better one's proposal goes just when another one steps behind it."""

        def gone(name: str) -> None:
            state = self.promises.nodes[name].state
            path = f"{PATHS.election}/{state.better}" if state is not None else ""
            if path in self.ensemble.tree and not self.promises.lives(self.ensemble.tree[path].czxid, doomed=True):
                self.ensemble.multi([("delete", path, -1)], 0)

        self.promises.when_stepping = gone

    def resign(self, node: Node, seconds: float) -> None:
        node.order("resign")

    def stop_by_hand(self, node: Node, seconds: float) -> None:
        node.stop_group()

    def start_by_hand(self, node: Node, seconds: float) -> None:
        node.start_group()

    def maintenance(self, node: Node, seconds: float) -> None:
        """A node is put aside, now and then though nobody can take over; and taken back."""
        order = control.Order(f"order {self.world.now}", force=self.world.random.random() < 0.2)
        self.amend(control.begin_maintenance(node.name, order))
        self.world.after(seconds, self.amend, control.end_maintenance(node.name))

    def switchover(self, node: Node, seconds: float) -> None:
        self.amend(control.order_switchover(control.Switchover(control.Order(f"order {self.world.now}"), node.name)))

    def switchover_and_delete(self, node: Node, seconds: float) -> None:
        """A hand deletes the proposal of whoever is to lead just when that begins."""
        self.switchover(node, seconds)
        self.world.after(self.world.random.uniform(0.0, 0.03), self.delete_of, node)

    def delete_of(self, node: Node) -> None:
        """Delete the proposal of a node that does not lead."""
        for path, znode in PATHS.queue(self.ensemble.tree)[1:]:
            if self.ensemble.owners[znode.ephemeralOwner] == node.name:
                self.world.tell("zk", f"a hand deletes {path}")
                self.ensemble.multi([("delete", path, -1)], 0)

    def restart(self, node: Node, seconds: float) -> None:
        self.amend(control.order_restart(control.Restart(control.Order(f"order {self.world.now}"))))

    def pause(self, node: Node, seconds: float) -> None:
        """Whoever leads is asked, or by force where nobody does; and it ends by order."""
        self.ask_for_a_pause(None)
        self.world.after(seconds, self.resume)

    def pause_for_a_while(self, node: Node, seconds: float) -> None:
        """It ends by itself."""
        self.ask_for_a_pause(max(1, round(1000 * seconds)))
        # Where the control was wiped meanwhile, a barrier may be left that only an operator takes away.
        self.world.after(2 * seconds + 6 * self.schedule.grant, self.resume_by_force)

    def pause_and_delete(self, node: Node, seconds: float) -> None:
        """A hand deletes the proposal just when its node consents."""
        self.pause(node, seconds)
        self.world.after(self.world.random.uniform(0.0, 0.03), self.delete)

    def pause_when_led(self, node: Node, seconds: float) -> None:
        """By force, just when somebody is about to lead."""

        def force() -> None:
            found = self.promises.ordered(self.ensemble.tree)
            # As `pause_giving` refuses it: a consent is never written over.
            if found.paused is None and found.asked is None:
                self.amend(pauses.force(self.wanted(None)))
                self.world.after(seconds, self.resume)

        self.promises.when_led = force

    def wanted(self, lasts: Optional[int]) -> control.Pause:
        return control.Pause(control.Order(f"pause {self.world.now}", at=self.ensemble.milliseconds()), lasts)

    def ask_for_a_pause(self, lasts: Optional[int]) -> None:
        found, noted = self.promises.ordered(self.ensemble.tree), self.promises.paths.held(self.ensemble.tree)
        first = PATHS.queue(self.ensemble.tree)[:1]
        if any(one is not None for one in (found.paused, found.asked, found.switchover, found.restart)):
            return
        leads = bool(first) and first[0][1].czxid == noted[0]
        self.amend((pauses.ask if leads else pauses.force)(self.wanted(lasts)))

    def resume(self) -> None:
        """Ask for the end of the pause; where it does not come since who has consented is dead, an operator says so."""
        paused = self.promises.ordered(self.ensemble.tree).paused
        asked = paused is not None and bool(paused.token)
        self.amend(pauses.ask_to_resume(f"resume {self.world.now}") if asked else pauses.end)
        self.world.after(4 * self.schedule.grant, self.resume_by_force)

    def resume_by_force(self) -> None:
        """Take away what is left of a pause, if nothing runs by it."""
        tree, promises = self.ensemble.tree, self.promises
        token = promises.consent(tree)[0]
        if token and not promises.held(token) and not promises.lives(token, doomed=True):
            for path in [path for path in tree if PATHS.barred(path)]:
                self.ensemble.multi([("delete", path, -1)], 0)
            self.amend(pauses.end)
        elif token or promises.ordered(tree).paused is not None:
            self.world.after(self.schedule.grant, self.resume)

    def control_gone(self, node: Node, seconds: float) -> None:
        """A hand deletes the control; or makes it anew just when somebody is about to lead, with the version that it had, and with
        an order in it that puts all nodes aside for a while."""
        if self.world.random.random() < 0.5:
            self.promises.wiped = True
            self.ensemble.multi([("delete", PATHS.control, -1)], 0)
        else:
            self.promises.when_led = lambda: self.control_anew(seconds)

    def control_anew(self, seconds: float) -> None:
        former = self.ensemble.tree.get(PATHS.control)
        if former is None:
            return
        self.promises.wiped = True
        data = b""
        for name in self.promises.nodes:
            data = control.amended(data, None, control.begin_maintenance(name, control.Order(f"order {self.world.now}")))
            self.world.after(seconds, self.amend, control.end_maintenance(name))
        self.ensemble.multi([("delete", PATHS.control, -1)], 0)
        self.ensemble.multi([("create", PATHS.control, data, False, False)], 0)
        for _ in range(former.version):
            self.ensemble.multi([("set", PATHS.control, data, -1)], 0)

    def garbage_in_control(self, node: Node, seconds: float) -> None:
        self.promises.wiped = True
        self.ensemble.multi([("set", PATHS.control, b"garbage", -1)], 0)
        self.world.after(seconds, self.ensemble.multi, [("set", PATHS.control, b"", -1)], 0)

    def amend(self, change: control.Change) -> None:
        """A tool changes the control, where there is one that it can change."""
        znode = self.ensemble.tree.get(PATHS.control)
        if znode is not None and not control.read(znode.data, control.Stamp()).trouble:
            self.ensemble.multi([("set", PATHS.control, control.amended(znode.data, None, change), -1)], 0)

    def delete_proposal(self, node: Node, seconds: float) -> None:
        """By hand; in every other schedule just when its node is about to be acked."""
        if self.schedule.seed % 2:
            self.promises.when_probing = self.delete
            self.world.after(WAIT, self.delete)
        else:
            self.delete()

    def delete(self) -> None:
        self.promises.when_probing = None
        first = PATHS.queue(self.ensemble.tree)[:1]
        if first and self.world.now < LENGTH + WAIT:
            # The hand takes the protection away until the node notices, and a frozen one does only when its lease ends.
            self.promises.excuse(self.schedule.grant + 0.6)
            self.world.tell("zk", f"a hand deletes {first[0][0]}")
            self.ensemble.multi([("delete", first[0][0], -1)], 0)

    def election_anew(self, node: Node, seconds: float) -> None:
        """A hand deletes the election znode and makes it again; the proposals count from zero again."""
        self.promises.excuse(self.schedule.grant + 0.6)
        self.promises.anew = True
        self.ensemble.election_anew(PATHS)


def play(schedule: Schedule) -> Optional[List[Entry]]:
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
