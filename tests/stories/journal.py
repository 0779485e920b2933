"""What the nodes of a story do, in words, and the simulation's promises looked after all the while."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

from supervisor_zkelect.core.lease import NO_LEASE
from supervisor_zkelect.core.state import State
from supervisor_zkelect.guard import record
from tests.simulation.machine import Machine
from tests.simulation.node import Node
from tests.simulation.promises import Promises
from tests.simulation.world import World
from tests.simulation.zookeeper import Ensemble, Paths, Tree
from tests.stories.arithmetic import moments


class Journal(Promises):
    """Tells the world what becomes of the roles, the grants and the znodes of an election.

    Tokens are told as 1, 2, 3 in the order of all proposals: what ZooKeeper counts besides is not what a story is about. tokens: these numbers.
    """

    def __init__(self, world: World, ensemble: Ensemble, paths: Paths, tokens: Dict[int, int]) -> None:
        super().__init__(world, ensemble, paths)
        self._tokens = tokens
        self.by_hand = False  # the ack or the holder is as a hand left it, which breaks no promise

    def lines(self, first: int) -> List[str]:
        """What was told, from the entry with this number on."""
        told = [f"{entry.at:10.2f} {entry.who:3} {self._plain(entry.what)}" for entry in self.world.transcript[first:]]
        # A group that is proven dead to two who asked is told once.
        return [line for number, line in enumerate(told) if line not in told[:number][-1:]]

    def _plain(self, text: str) -> str:
        text = re.sub(r"\btoken[ =](\d+)", lambda found: f"token {self.token(int(found[1]))}", text)
        text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)
        return re.sub(r"\bn-0*(\d)", r"n-\1", text.replace("/e/n-", "proposal n-"))

    def token(self, czxid: int) -> int:
        return self._tokens.get(czxid, 0)

    def moved(self, process: Any, before: State, after: State, event: Any) -> None:
        why = after.trouble or after.reason
        told = f"{after.role} {after.step}".rstrip()
        self.world.tell(process.name, told if why == (before.trouble or before.reason) else f"{told}: {why}")

    def noted(self, machine: Machine, before: Optional[record.Entry], after: record.Entry) -> None:
        super().noted(machine, before, after)
        over = machine.true_time(after.lease.deadline)
        for moment in (over, machine.true_time(after.lease.paused_until)):
            if self.world.now < moment < float("inf"):
                self.world.after(moment - self.world.now, self.outlived, self.nodes[machine.name])
        # One that is proven dead has no lease, and so no pause either.
        if before is not None and before.lease.paused_until != after.lease.paused_until and after.lease != NO_LEASE:
            until = machine.true_time(after.lease.paused_until)
            end = "has no end" if until == float("inf") else f"ends at {until:.2f} at the soonest"
            machine.tell(f"paused: the lease {end}" if until > self.world.now else f"not paused: the lease is until {over:.2f}")
        granted = before is not None and before.granted
        if granted == after.granted:
            return
        if after.granted:
            machine.tell(f"grant, token {after.token}: {moments(*map(machine.true_time, after.lease[:3]))}")
        else:
            machine.tell(f"grant revoked; the lease is until {over:.2f}")

    def outlived(self, node: Node) -> None:
        """A lease of this node was to end now, unless it was extended meanwhile."""
        deadlines = [max(entry.lease.deadline, entry.lease.paused_until) for entry in node.machine.disk.entries.values()]
        deadlines += [max(node.state.deadline, node.state.paused_until)] if node.state is not None else []
        if node.machine.living and self.world.now > self.excused and max(deadlines) <= node.machine.clock():
            self.world.broken(f"1: the lease of {node.name} is over while its service lives")

    def written(self, before: Tree, after: Tree, who: str) -> None:
        told = []
        for path in sorted(after.keys() - before.keys()):
            if self.paths.proposed(path):
                self._tokens[after[path].czxid] = len(self._tokens) + 1
                told.append(f"{path}, token {after[path].czxid}")
        told += [f"barrier {path}" for path in sorted(after.keys() - before.keys()) if self.paths.barred(path)]
        told += [f"barrier {path} removed" for path in sorted(before.keys() - after.keys()) if self.paths.barred(path)]
        told += self._ordered_anew(before, after)
        if self.paths.held(before) != self.paths.held(after):
            token, node = self.paths.held(after)
            told.append(f"holder {node}, token {token}" if token else "holder removed")
        if before.get(self.paths.ack) != after.get(self.paths.ack):
            told.append(f"ack {self.paths.acked(after) or 'empty'}" if self.paths.ack in after else "ack removed")
        if told:
            self.world.tell("zk", f"{who or 'by hand'}: {'; '.join(told)}")
        if self.by_hand:
            self.by_hand = not who
        else:
            super().written(before, after, who)

    def _ordered_anew(self, before: Tree, after: Tree) -> List[str]:
        """What has become of a pause in the control."""
        former, now = self.ordered(before), self.ordered(after)
        if (former.asked, former.paused) == (now.asked, now.paused):
            return []
        if now.paused is None:
            return ["pause asked" if now.asked is not None else "pause ended"]
        consent = f"with the consent of {now.paused.node}, token {now.paused.token}" if now.paused.token else "without a consent"
        return [f"paused {consent}" + (", resume asked" if now.paused.resume else "")]

    def standing(self) -> str:
        """One line on every node, and on what the outer world sees."""
        nodes = [f"{node.name} {self._standing(node)}" for node in self.nodes.values()]
        return "; ".join(nodes + [f"ack {self.paths.acked(self.ensemble.tree) or 'empty'}"])

    def _standing(self, node: Node) -> str:
        told = "has no listener" if node.state is None else node.state.role
        running = [one for one in node.machine.living if one.tied]
        return f"{told}, runs with token {running[0].token}" if running else told
