"""What must hold after each step of a world that could break a promise."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Optional, Tuple

from supervisor_zkelect.core import control, history, ranks
from supervisor_zkelect.core.state import INFINITY, State
from supervisor_zkelect.guard import record
from supervisor_zkelect.web.verdict import RecordRead, judge
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
        #: what is to happen just when a node asks its service, and when a listener asks ZooKeeper
        self.when_probing: Optional[Callable[[], None]] = None
        self.when_beating: Dict[Any, Callable[[], None]] = {}
        #: what is to happen just when a proposal has gone, which led, maybe
        self.when_led: Optional[Callable[[], None]] = None
        #: what is to happen just when a node, of this name, is about to step behind others
        self.when_stepping: Optional[Callable[[str], None]] = None
        #: how often a session has exchanged its proposal since the last claim
        self.stepped: Dict[int, int] = {}
        #: a hand has deleted the control, or written over it
        self.wiped = False
        #: somebody has ended a pause by his word that a node is dead
        self.forced = False
        self.kill_releasing = False
        self.fences = False
        self.fence_fails = False  # always, and not only now and then
        self.fenced: set = set()
        self.gone: Dict[int, float] = {}
        #: token -> since when, and until when, that term's node was acked
        self.acked: Dict[int, Tuple[float, float]] = {}
        #: token -> what orders had against its node when it claimed that term
        self.barred: Dict[int, Optional[control.Bar]] = {}
        ensemble.told.append(self.written)
        ensemble.woken.append(self.woken)
        ensemble.asked.append(self.asked)

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

        if after.step == "stopping" and before.step != "stopping" and after.reason.startswith("hands back to "):
            self.handed_back(process.name, after.reason.split()[3].rstrip(","))

    def left_unfit(self, process: Any, state: State, fit: Tuple[int, float]) -> None:
        """A node leaves the queue, as its check `fit` fails. fit: fall and fit_interval."""
        now, failing = self.world.now, process.machine.unfit_since
        # By a clock that is right within the bound, and by a server that is behind for no longer than a session lasts.
        patience = 0.98 * max(2 * state.timeout, fit[0] * fit[1])
        under = [since for since, until in self.acked.values() if until >= now - 2 * state.timeout]
        if failing is None or max([failing, min(under, default=INFINITY)]) > now - patience:
            why = "too early" if under else "while nobody serves"
            self.world.broken(f"13: {process.name} leaves the queue as not fit, {why}")

    def noted(self, machine: Machine, before: Optional[record.Entry], after: record.Entry) -> None:
        """An entry of a node's shared record is written."""
        begins = before is None or after.lease.paused_until > before.lease.paused_until
        self.world.after(0.0, self.at_most_one_told)
        held = after.granted and begins and after.lease.paused_until > machine.clock()
        if held and not self.forced and not self.anew and self.consent(self.ensemble.tree)[0] != after.token:
            self.world.broken(f"11: the lease of {machine.name} has no end, and no consent to a pause stands")

    def held(self, token: int) -> str:
        """The node whose lease in the term with this token a pause keeps from ending, as its record says, or its listener knows,
        which may come by no guard that could write it; or ""."""
        for name, node in self.nodes.items():
            state = node.state
            if state is not None and state.token == token and state.held(node.machine.clock()):
                return name
            guard = node.guard.guard.groups.get("primary") if node.guard is not None and node.guard.alive else None
            for entry in node.machine.disk.entries.values():
                if guard is not None and not guard.entry.granted:
                    # It refuses whoever reads a record that could not be written.
                    continue
                if entry.granted and entry.token == token and entry.lease.paused_until > node.machine.clock():
                    return name
        return ""

    def bereft(self) -> bool:
        """Whether a hand has deleted the barrier of a pause with the election, and another the consent with the control: nothing is
        left by which others could know that somebody's lease has no end."""
        consent = self.consent(self.ensemble.tree)[0]
        return self.anew and self.wiped and any(
            entry.granted and entry.token != consent and entry.lease.paused_until > node.machine.clock()
            for node in self.nodes.values() for entry in node.machine.disk.entries.values()
        )

    def consent(self, tree: Tree) -> Tuple[int, bool]:
        """Token of the term that has consented to the pause that stands, 0 without one; and whether its barrier stands."""
        barriers = [json.loads(znode.data)["pause"]["token"] for path, znode in tree.items() if self.paths.barred(path)]
        paused = self.ordered(tree).paused
        token = paused.token if paused is not None else 0
        return token or max(barriers, default=0), bool(barriers) and token in (0, *barriers)

    def paused(self, before: Tree, after: Tree, who: str) -> None:
        """What may not happen in a pause."""
        if self.forced or self.anew:
            return
        excused = self.world.now <= self.excused
        (token, barred), (left, still) = self.consent(before), self.consent(after)
        if barred and token and (left, still) != (token, True) and self.held(token):
            self.world.broken(f"11: the barrier of {self.held(token)} is gone while its lease has no end")
        if left and left != token and (not still or left not in [one.czxid for _, one in self.paths.queue(before)]):
            self.world.broken(f"11: {who} consents to a pause without {'its proposal' if still else 'a barrier'}")
        stands = token in [one.czxid for _, one in self.paths.queue(after)]
        if token and not left and not stands and self.lives(token) and who and not excused:
            self.world.broken(f"11: {who} takes back the consent of {self.lives(token)} while its service lives")
        paused = self.ordered(before).paused
        ends = self.ordered(after).paused is None
        if paused is None or ends:
            return
        emptied = self.paths.acked(before) and not self.paths.acked(after)
        holder = self.paths.held(before)
        if who and holder[0] and who != holder[1] and (emptied or self.paths.held(after) != holder):
            self.world.broken(f"11: {who} ends the term of {holder[1]} in a pause")

    def at_most_one(self) -> None:
        running = [node.name for node in self.nodes.values() if node.machine.living]
        if len(running) > 1 and self.world.now > self.excused and not self.bereft():
            self.world.broken(f"1: {' and '.join(running)} run at once")

    def told_primary(self, machine: Machine) -> bool:
        """Whether clients are sent to a node, by its record at this moment; not while all of its processes stand still."""
        disk, moment = machine.disk, machine.clock()
        node = self.nodes[machine.name]
        guard = node.guard is not None and node.guard.alive
        if disk.owner is None or disk.owner != node.supervisord.owner or not node.supervisord.alive or not guard or disk.doubted:
            return False
        found = record.Record(disk.seen, list(disk.entries.values()))
        return judge(RecordRead("", found, moment), found.entries[0].election if found.entries else "", moment).primary

    def at_most_one_told(self) -> None:
        told = [name for name, node in self.nodes.items() if self.told_primary(node.machine)]
        if len(told) > 1 and self.world.now > self.excused and not self.bereft() and not self.forced and not self.anew:
            self.world.broken(f"1: clients are sent to {' and '.join(told)} at once")

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
        if (not first or first[0][1].czxid != service.token) and not self.held(service.token):
            self.world.broken(f"8: {machine.name} runs with token {service.token} and does not lead")

    def written(self, before: Tree, after: Tree, who: str) -> None:
        made = {after[path].ephemeralOwner for path in after.keys() - before.keys() if self.paths.proposed(path)}
        for path in sorted(before.keys() - after.keys()):
            if self.paths.proposed(path):
                if before[path].ephemeralOwner in made:
                    self.exchanged(path, before, who)
                else:
                    self.stepped.pop(before[path].ephemeralOwner, None)
                self.proposal_gone(path, before[path], who)
        self.paused(before, after, who)
        self.begun(before, after)
        ack, noted = self.paths.acked(after), self.paths.held(after)
        self.note_acked(noted[0] if ack else 0)
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

    def begun(self, before: Tree, after: Tree) -> None:
        """Where a switchover is marked begun, whoever leads and whoever is to lead stand in the queue at that moment."""
        was, is_ = self.ordered(before).switchover, self.ordered(after).switchover
        if is_ is None or not is_.begun or was is not None and was.begun:
            return
        terms = {one.czxid for _, one in self.paths.queue(after)}
        if f"{self.paths.election}/{is_.target}" not in after or is_.begun not in terms:
            self.world.broken(f"10: a switchover from the term {is_.begun} to {is_.target} begins, and one of them is gone")

    def note_acked(self, token: int) -> None:
        """The term with this token is acked from now on, and no other; 0: none is."""
        for former, (since, until) in self.acked.items():
            if until == INFINITY and former != token:
                self.acked[former] = since, self.world.now
        if token:
            self.acked[token] = self.acked.get(token, (self.world.now, INFINITY))[0], INFINITY

    def claimed(self, before: Tree, after: Tree, noted: Tuple[int, str]) -> None:
        """A term begins."""
        token, node = noted
        self.stepped.clear()
        if self.nodes[node].priority == 0 == self.nodes[node].priority_before:
            self.world.broken(f"12: {node} leads, and its priority is 0")
        paused = self.ordered(before).paused
        if paused is not None and self.ordered(after).paused is not None and paused.token != token:
            self.world.broken(f"11: {node} claims the term {token} in a pause")
        self.barred[token] = self.ordered(before).barred(node, None)
        left = self.ordered(after)
        if left.switchover is not None and left.switchover.begun not in (0, token):
            self.world.broken(f"10: {node} claims the term {token}, and the order that ended {left.switchover.begun} stands")

    def asked(self, operations: List[tuple], who: str) -> None:
        """A node asks for a transaction."""
        kinds = {kind for kind, path, *_ in operations if path.startswith(self.paths.election + "/")}
        if self.when_stepping is not None and {"delete", "create"} <= kinds:
            do, self.when_stepping = self.when_stepping, None
            do(who)

    def exchanged(self, path: str, before: Tree, who: str) -> None:
        """A node has stepped behind others, in one transaction."""
        session = before[path].ephemeralOwner
        state = self.nodes[who].state
        better = state.better if state is not None and state.step == "stepping" else ""
        if state is not None and state.priority not in (None, self.nodes[who].priority):
            # Another priority is another proposal.
            return
        self.stepped[session] = self.stepped.get(session, 0) + 1
        if self.stepped[session] > 1:
            self.world.broken(f"11: {who} steps behind others twice between two claims")
        switchover = self.ordered(before).switchover
        if switchover is not None and (switchover.to == who or switchover.target == path.rpartition("/")[2]):
            self.world.broken(f"10: {who} steps behind others, and is to lead by order")
        mine, other = self.rank(before[path]), before.get(f"{self.paths.election}/{better}")
        if better and (other is None or self.rank(other) <= mine):
            # It passes over one whose last term has failed, for the next better one.
            others = [one for place, one in self.paths.queue(before) if place > path and self.rank(one) > mine]
            if not any(not self.failed(self.ensemble.owners[one.ephemeralOwner]) for one in others):
                self.world.broken(f"11: {who} steps behind {better}, who is not there, or no better; nor is anybody else")

    @staticmethod
    def rank(proposal: Znode) -> int:
        return ranks.of(json.loads(proposal.data))

    def handed_back(self, node: str, to: str) -> None:
        """A primary ends its term for a better node."""
        noted = json.loads(self.ensemble.tree[self.paths.holder].data) if self.paths.holder in self.ensemble.tree else {}
        if noted.get("node") == node and noted.get("order"):
            self.world.broken(f"12: {node} hands back to {to} out of a term that began by order")
        ranks_of = {self.ensemble.owners[one.ephemeralOwner]: self.rank(one) for _, one in self.paths.queue(self.ensemble.tree)}
        if to in ranks_of and ranks_of[to] <= ranks_of.get(node, -1):
            self.world.broken(f"12: {node} hands back to {to}, which is no better by their proposals")
        if self.failed(to):
            self.world.broken(f"12: {node} hands back to {to}, whose last term failed")

    def failed(self, node: str) -> bool:
        """Whether the last term of a node has failed, and no operator has had that forgotten."""
        path = f"{self.paths.state}/history"
        terms = history.read(self.ensemble.tree[path].data) if path in self.ensemble.tree else []
        last = next((one for one in terms if one.get("node") == node), {})
        return bool(last.get("ended", {}).get("failed")) and last["token"] > self.ordered(self.ensemble.tree).cleared.get(node, 0)

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
        if lives and self.held(znode.czxid) and self.consent(self.ensemble.tree)[1]:
            # The barrier keeps everybody else from leading.
            return
        if lives and who:
            self.world.broken(f"2: {who} releases while its service lives")
        if lives and self.world.now > self.excused:
            self.world.broken(f"1: the proposal of {lives} is gone while its service lives")

    def woken(self, path: str, owner: int, watchers: List[Any]) -> None:
        if not self.paths.proposed(path):
            return
        # ZooKeeper keeps a watch until the znode changes. Who has left its place in the queue meanwhile, by order or for a node
        # of a higher priority, is told as well, and does nothing for it. Nor can anybody help it whose proposal a hand has
        # deleted, and who has not noticed.
        stand = {one.ephemeralOwner for place, one in self.ensemble.tree.items() if self.paths.proposed(place)} - {owner}
        others = {client.process.name for client, callback in watchers if client.session in stand and callback.watches}
        # Watches that were set on a name last until it changes, whoever's it has become when the election is made anew.
        if len(others) > 1 and not self.anew:
            self.world.broken(f"7: a change of {path} wakes {' and '.join(sorted(others))}")

    def reported(self, process: Any, text: str) -> None:
        election = json.loads(text)["elections"].get("orders", {})
        held = (election.get("paused") or {}).get("held")
        if election.get("role") == "primary" and not held and (election["deadline"] or 0.0) < process.clock() - 0.1:
            self.world.broken(f"8: {process.name} says that it is primary, without a lease")

    def well(self) -> str:
        """"" when exactly one service runs, its node is primary and acked and nobody else is, and neither a restart nor a
        switchover stands, as each is done or dropped; else what is not so."""
        running = [node.name for node in self.nodes.values() if node.machine.living]
        primaries = [node.name for node in self.nodes.values() if node.state is not None and node.state.role == "primary"]
        ack = self.paths.acked(self.ensemble.tree)
        orders = self.ordered(self.ensemble.tree)
        stands = orders.restart or orders.switchover
        if len(running) == 1 and primaries == running and ack == running[0] and stands is None:
            return ""
        if stands is not None:
            return f"{stands} stands, {running} run, and the ack names {ack!r}"
        return f"{running} run, {primaries} are primary, and the ack names {ack!r}"
