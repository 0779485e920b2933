"""What must hold after each step of a world that could break a promise."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Optional, Tuple

from supervisor_zkelect.core import control
from supervisor_zkelect.core.state import State
from supervisor_zkelect.guard import record
from tests.simulation.machine import Machine, Service
from tests.simulation.node import Node
from tests.simulation.world import World
from tests.simulation.zookeeper import Ensemble, Paths, Tree, Znode


class Promises:
    """Looked after at each step of the world that could break one. paths: of the election that they are about."""

    def __init__(self, world: World, ensemble: Ensemble, paths: Paths) -> None:
        self.world, self.ensemble, self.paths = world, ensemble, paths
        self.nodes: Dict[str, Node] = {}
        self.excused = 0.0
        self.anew = False
        #: nodes have left the queue by order, and their watches on former neighbours last until those change
        self.ordered_out = False
        #: what is to happen just when a node asks its service, and when a listener asks ZooKeeper
        self.when_probing: Optional[Callable[[], None]] = None
        self.when_beating: Dict[Any, Callable[[], None]] = {}
        #: what is to happen just when a proposal has gone, which led, maybe
        self.when_led: Optional[Callable[[], None]] = None
        self.kill_releasing = False
        self.fences = False
        self.fence_fails = False  # always, and not only now and then
        self.fenced: set = set()
        self.gone: Dict[int, float] = {}
        #: token -> what orders had against its node when it claimed that term
        self.barred: Dict[int, Optional[control.Bar]] = {}
        ensemble.told.append(self.written)
        ensemble.woken.append(self.woken)

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

    def moved(self, process: Any, before: State, after: State, event: Any) -> None:
        """A node's election is in another role or step."""
        told = f"{type(event).__name__} -> {after.role} {after.step} {after.trouble or after.reason}"
        self.world.tell(process.name, told)

    def noted(self, machine: Machine, before: Optional[record.Entry], after: record.Entry) -> None:
        """An entry of a node's shared record is written."""

    def at_most_one(self) -> None:
        running = [node.name for node in self.nodes.values() if node.machine.living]
        if len(running) > 1 and self.world.now > self.excused:
            self.world.broken(f"1: {' and '.join(running)} run at once")

    def started(self, machine: Machine, service: Service) -> None:
        self.world.tell(machine.name, f"the service runs, token {service.token}")
        self.at_most_one()
        if self.world.now <= self.excused:
            return
        noted = self.paths.held(self.ensemble.tree)
        if noted[0] != service.token:
            self.world.broken(f"4: {machine.name} runs with token {service.token}, and the holder is {noted}")
        bar = self.barred.get(service.token)
        if bar is not None and bar == self.ordered(self.ensemble.tree).barred(noted[1], None):
            # The control may be another znode than the one whose version the claim checked; then nothing may start.
            self.world.broken(f"10: {machine.name} runs with token {service.token}, though it was {bar.why} when it claimed that")
        first = self.paths.queue(self.ensemble.tree)[:1]
        if not first or first[0][1].czxid != service.token:
            self.world.broken(f"8: {machine.name} runs with token {service.token} and does not lead")

    def written(self, before: Tree, after: Tree, who: str) -> None:
        for path in sorted(before.keys() - after.keys()):
            if self.paths.proposed(path):
                self.proposal_gone(path, before[path], who)
        ack, noted = self.paths.acked(after), self.paths.held(after)
        if ack and ack != self.paths.acked(before):
            first = self.paths.queue(after)[:1]
            leads = (first[0][1].czxid, self.ensemble.owners[first[0][1].ephemeralOwner]) if first else None
            if not noted == leads == (noted[0], ack):
                self.world.broken(f"3: {ack} is acked, the holder is {noted}, and {leads or 'nobody'} leads")
        if self.paths.held(before)[0] != noted[0]:
            if noted[0]:
                self.claimed(before, after, noted)
            if ack:
                self.world.broken(f"4: the holder becomes {noted or 'nobody'} while the ack names {ack}")
            dirty, other = self.paths.held(before)[0], self.paths.held(before)[1] != noted[1]
            if dirty and noted[0] and other and self.fences and dirty not in self.fenced:
                self.world.broken(f"4: the holder {self.paths.held(before)} ended dirty and was not fenced before {noted}")
            if not noted[0] and self.lives(self.paths.held(before)[0], doomed=True):
                self.world.broken(f"4: the holder {self.paths.held(before)} is removed while its service lives")

    def claimed(self, before: Tree, after: Tree, noted: Tuple[int, str]) -> None:
        """A term begins."""
        token, node = noted
        self.barred[token] = self.ordered(before).barred(node, None)
        left = self.ordered(after)
        if left.switchover is not None and left.switchover.begun not in (0, token):
            self.world.broken(f"10: {node} claims the term {token}, and the order that ended {left.switchover.begun} stands")

    def ordered(self, tree: Tree) -> control.Control:
        """What operators have ordered."""
        return control.read(tree[self.paths.control].data, control.Stamp()) if self.paths.control in tree else control.Control()

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
        if self.when_led is not None:
            self.world.after(self.world.random.uniform(0.0, 0.02), self.when_led)
            self.when_led = None
        lives = self.lives(znode.czxid, doomed=bool(who))
        if lives and who:
            self.world.broken(f"2: {who} releases while its service lives")
        if lives and self.world.now > self.excused:
            self.world.broken(f"1: the proposal of {lives} is gone while its service lives")

    def woken(self, path: str, owner: int, watchers: List[Any]) -> None:
        others = {client.process.name for client, _ in watchers if client.session != owner}
        # Watches that were set on a name last until it changes, whoever's it has become when the election is made anew.
        if self.paths.proposed(path) and len(others) > 1 and not self.anew and not self.ordered_out:
            self.world.broken(f"7: a change of {path} wakes {' and '.join(sorted(others))}")

    def reported(self, process: Any, text: str) -> None:
        election = json.loads(text)["elections"].get("orders", {})
        if election.get("role") == "primary" and (election["deadline"] or 0.0) < process.clock() - 0.1:
            self.world.broken(f"8: {process.name} says that it is primary, without a lease")

    def well(self) -> str:
        """"" when exactly one service runs, its node is primary and acked and nobody else is, and no restart stands; else what is
        not so."""
        running = [node.name for node in self.nodes.values() if node.machine.living]
        primaries = [node.name for node in self.nodes.values() if node.state is not None and node.state.role == "primary"]
        ack = self.paths.acked(self.ensemble.tree)
        restart = self.ordered(self.ensemble.tree).restart
        if len(running) == 1 and primaries == running and ack == running[0] and restart is None:
            return ""
        if restart is not None:
            return f"{restart} stands, {running} run, and the ack names {ack!r}"
        return f"{running} run, {primaries} are primary, and the ack names {ack!r}"
