"""The commands that befall a cluster: the real listener, guard and release on model machines, in virtual time.

Nothing is drawn: delays are the usual ones, what happens now and then happens only on command, and clocks run true.
"""

from __future__ import annotations

import logging
import math
from typing import Any, Callable, Dict, List, Sequence, Tuple

from tests.simulation.node import Node, Plan
from tests.simulation.world import Broken, World
from tests.simulation.zookeeper import Ensemble, Paths, Server
from tests.stories.journal import Journal
from tests.stories.script import Wrong

GIVEN = {"T": 4.0, "tick": 0.5, "stopwaitsecs": 1.0, "reattach_grace": 2.0, "promote_timeout": 5.0, "fence": 0.0,
         "rate": 1.0}
ANOTHER = Paths("/another", "/another-ack")
"""Of the second election, whose ack lies in the same folder as the first one's."""
ELECTED = 0.5
"""Seconds in which the ensemble has another leader."""
PATIENCE = 120.0
"""Seconds that `until` waits."""
NOTICED = 0.03
"""Seconds from which a delay is worth telling."""


class NoChance:
    """random.Random for a world in which nothing is left to it: the middle of a range, the first of a choice.

    Delays that nobody would notice are a tenth of the usual, so that what happens at once is told with one time.
    """

    def random(self) -> float:
        return 0.5

    def uniform(self, least: float, most: float) -> float:
        middle = (least + most) / 2
        return middle if middle >= NOTICED else middle / 10

    def choice(self, of: Sequence[Any]) -> Any:
        return of[0]


class Cluster:
    """names: of the nodes; those behind a `|` stand in another election. options: as GIVEN, in seconds; fence=1 for a fence
    command; rate: of the nodes' clocks against ZooKeeper's."""

    def __init__(self, names: Sequence[str], options: Dict[str, float]) -> None:
        logging.getLogger("supervisor_zkelect.kazoo").handlers.clear()
        if options.keys() - GIVEN.keys() or not names:
            raise Wrong(f"a cluster has nodes, and {', '.join(GIVEN)}")
        given = {**GIVEN, **options}
        self.world = world = World(NoChance())
        self.timeout = given["T"]
        self.ensemble = Ensemble(world, given["tick"], self.timeout)
        self.ensemble.server_for = self._server_for
        self._tries = dict.fromkeys(names, 0)
        self._pinned: Dict[str, Server] = {}
        self.nodes: Dict[str, Node] = {}
        tokens: Dict[int, int] = {}
        first = list(names).index("|") if "|" in names else len(names)
        self.journals = [self._election(names[:first], Paths(), given, tokens)]
        if names[first + 1:]:
            self.journals.append(self._election(names[first + 1:], ANOTHER, given, tokens))
        self.journal = self.journals[0]
        self._told = 0
        self._over = False

    def _election(self, names: Sequence[str], paths: Paths, given: Dict[str, float], tokens: Dict[int, int]) -> Journal:
        self.ensemble.make_election(paths)
        journal = Journal(self.world, self.ensemble, paths, tokens)
        journal.fences = bool(given["fence"])
        plan = Plan(given["T"], given["tick"], given["stopwaitsecs"], given["reattach_grace"], journal.fences,
                    given["promote_timeout"], paths)
        for name in names:
            self.nodes[name] = journal.nodes[name] = Node(self.world, self.ensemble, plan, name, given["rate"], journal)
            self.nodes[name].machine.offset = 0.0
        return journal

    def _server_for(self, name: str) -> Server:
        """A follower, another one for a than for b; after each that failed, the next."""
        if name in self._pinned:
            return self._pinned[name]
        followers = [one for one in self.ensemble.servers if one is not self.ensemble.leader]
        first = sorted(self._tries).index(name) % len(followers)
        servers = followers[first:] + followers[:first] + [self.ensemble.leader]
        self._tries[name] += 1
        return servers[(self._tries[name] - 1) % len(servers)]

    def do(self, words: List[str]) -> List[str]:
        """Carry out a command, and tell what happened. Raises Wrong."""
        command = COMMANDS.get(words[0])
        if command is None:
            raise Wrong(f"unknown command {words[0]!r}")
        if self._over:
            return []
        try:
            command(self, words[1:])
        except Broken:
            self._over = True
        except (KeyError, IndexError, ValueError) as error:
            raise Wrong(f"it cannot be carried out: {error!r}") from error
        lines = self.journal.lines(self._told)
        self._told = len(self.world.transcript)
        return lines

    def close(self) -> None:
        self.world.close()

    def node(self, name: str) -> Node:
        if name not in self.nodes:
            raise Wrong(f"no node {name!r}")
        return self.nodes[name]

    # Time

    def wait(self, words: List[str]) -> None:
        """wait SECONDS"""
        until = self.world.now + float(words[0])
        self.world.run(until)
        self.world.now = until

    def until(self, words: List[str]) -> None:
        """until NODE ROLE [STEP], until NODE runs|idle, until NODE listener|guard gone|here"""
        name, wanted = words[0], words[1:]
        node = self.node(name)

        def come() -> bool:
            if wanted[0] in ("runs", "idle"):
                return bool(node.machine.services) == (wanted[0] == "runs")
            if wanted[0] in ("listener", "guard"):
                one = getattr(node, wanted[0])
                return (one is not None and one.alive) == (wanted[1] == "here")
            return node.state is not None and [node.state.role, node.state.step][:len(wanted)] == wanted

        self._run(come, " ".join(words))

    def settle(self, words: List[str]) -> None:
        """settle: a node leads, all others stand by, and nothing is told of how it came"""

        def settled() -> bool:
            states = [node.state for node in self.nodes.values()]
            return not any(one.well() for one in self.journals) and all(one and one.role in ("primary", "standby") and one.step in ("", "watching")
                                                   for one in states)

        self._run(settled, "settled")
        self.wait([str(math.ceil(self.world.now + 1.5) - self.world.now)])
        del self.world.transcript[self._told:]
        self.show([])

    def _run(self, come: Callable[[], bool], what: str) -> None:
        limit = self.world.now + PATIENCE
        self.world.run(limit, over=come)
        if not come():
            raise Wrong(f"not {what} within {PATIENCE:g} s: {'; '.join(one.standing() for one in self.journals)}")

    def show(self, words: List[str]) -> None:
        """show: what every node is, and what the ack says"""
        for one in self.journals:
            self.world.tell("", one.standing())

    # The network and ZooKeeper

    def cut(self, words: List[str]) -> None:
        """cut NODE: its network; cut server of NODE, cut leader: a server of the ensemble, off from the others"""
        if words[0] == "leader":
            self.ensemble.cut(self.ensemble.leader)
        elif words[0] == "server":
            self.ensemble.cut(self.node(words[2]).server())
        else:
            self.node(words[0]).stall(True)

    def heal(self, words: List[str]) -> None:
        """heal NODE; heal server: the one that was cut"""
        if words[0] == "server":
            for server in self.ensemble.servers:
                self.ensemble.heal(server)
        else:
            self.node(words[0]).stall(False)

    def pin(self, words: List[str]) -> None:
        """pin NODE [leader]: it reaches no other server than its own, or than the leader of the ensemble"""
        node = self.node(words[0])
        own = node.server()
        self._pinned[node.name] = server = self.ensemble.leader if words[1:] == ["leader"] else own
        if server is not own:
            for client in [one for one in own.clients if one.process.name == node.name]:
                client.dropped()

    def refuse(self, words: List[str]) -> None:
        """refuse NODE: the ACL forbids it every change"""
        self.ensemble.refused.add(self.node(words[0]).name)

    def allow(self, words: List[str]) -> None:
        """allow NODE"""
        self.ensemble.refused.discard(self.node(words[0]).name)

    def delete(self, words: List[str]) -> None:
        """delete NODE proposal; delete election, holder or ack"""
        if words[0] == "election":
            self.journal.excuse(self.timeout + 0.6)
            self.journal.anew = True
            self.ensemble.election_anew(self.journal.paths)
        elif words[0] in ("holder", "ack"):
            self._by_hand(("delete", self.journal.paths.ack if words[0] == "ack" else self.journal.paths.holder, -1))
        else:
            # The hand takes the protection away until the node notices, and a frozen one does only when its lease ends.
            self.journal.excuse(self.timeout + 0.6)
            proposals = self.journal.paths.queue(self.ensemble.tree)
            own = [path for path, one in proposals if self.ensemble.owners[one.ephemeralOwner] == words[0]]
            self.ensemble.multi([("delete", own[0], -1)], 0)

    def write(self, words: List[str]) -> None:
        """write ack TEXT: by hand"""
        self._by_hand(("set", self.journal.paths.ack, words[1].encode(), -1))

    def _by_hand(self, operation: Tuple[Any, ...]) -> None:
        self.journal.by_hand = True
        self.ensemble.multi([operation], 0)

    # Processes

    def processes(self, node: Node, what: str) -> List[Any]:
        keeper = node.guard and node.guard.keeper
        found: Dict[str, List[Any]] = {
            "listener": [node.listener], "guard": [node.guard], "keeper": [keeper], "supervisord": [node.supervisord],
            "service": list(node.machine.services),
        }
        found["all"] = [one for name in ("listener", "guard", "keeper", "supervisord", "service") for one in found[name]]
        return [one for one in found[what] if one is not None and one.alive]

    def kill(self, words: List[str]) -> None:
        """kill NODE listener|guard|keeper|supervisord|service|all ...: with SIGKILL, all of them at once; kill leader: that of the ensemble"""
        if words == ["leader"]:
            self.stop(["zookeeper"])
            self.world.after(ELECTED, self.start, ["zookeeper"])
            return
        node = self.node(words[0])
        for what in words[1:]:
            if what == "service":
                node.kill_service()
            elif what == "guard":
                for process in self.processes(node, what):
                    process.end()
            elif what == "supervisord":
                node.kill_supervisord()
            else:
                for process in self.processes(node, what):
                    process.kill()

    def freeze(self, words: List[str]) -> None:
        """freeze NODE listener|guard|keeper|supervisord|service|all ..."""
        if "all" in words:
            self.journal.excused = math.inf
        for what in words[1:]:
            for process in self.processes(self.node(words[0]), what):
                process.freeze()

    def thaw(self, words: List[str]) -> None:
        """thaw NODE ...: as freeze"""
        if "all" in words:
            self.journal.excuse(0.1)
        for what in words[1:]:
            for process in self.processes(self.node(words[0]), what):
                process.thaw()

    def lose(self, words: List[str]) -> None:
        """lose NODE: the host, with everything on it"""
        node = self.node(words[0])
        node.leaving = True
        node.stall(True)
        for process in self.processes(node, "all"):
            process.kill()
        node.machine.services.clear()

    def boot(self, words: List[str]) -> None:
        """boot NODE: a host that was lost; or supervisord again, which ended"""
        node = self.node(words[0])
        node.leaving = False
        node.stall(False)
        node.start_supervisord()

    # supervisorctl

    def stop(self, words: List[str]) -> None:
        """stop NODE zkelect|group; stop zookeeper"""
        if words[0] == "zookeeper":
            self.ensemble.refusing = True
            self.ensemble.stop()
        elif words[1] == "zkelect":
            self.node(words[0]).stop_listener()
        else:
            self.node(words[0]).stop_group()

    def start(self, words: List[str]) -> None:
        """start NODE zkelect|group; start zookeeper"""
        if words[0] == "zookeeper":
            self.ensemble.refusing = False
            self.ensemble.go_on()
        elif words[1] == "zkelect":
            self.node(words[0]).start_listener()
        else:
            self.node(words[0]).start_group()

    def restart(self, words: List[str]) -> None:
        """restart NODE: the listener, with SIGTERM"""
        self.node(words[0]).terminate_listener()

    def shutdown(self, words: List[str]) -> None:
        """shutdown NODE"""
        self.node(words[0]).shutdown()

    def resign(self, words: List[str]) -> None:
        """resign NODE"""
        self.node(words[0]).order("resign")

    # The service and the machine

    def service(self, words: List[str]) -> None:
        """service NODE sick|crashing|obstinate|lingering|undying|forking|well"""
        machine = self.node(words[0]).machine
        traits = ("sick", "crashing", "obstinate", "lingering", "undying", "forking")
        if words[1] not in (*traits, "well"):
            raise Wrong(f"a service is well or {', '.join(traits)}")
        if words[1] == "well":
            for trait in traits:
                setattr(machine, trait, False)
        else:
            setattr(machine, words[1], True)

    def disk(self, words: List[str]) -> None:
        """disk NODE broken|well: whether the shared record can be written"""
        self.node(words[0]).machine.disk.broken = words[1] == "broken"

    def starve(self, words: List[str]) -> None:
        """starve NODE: no process and no thread is to be had for a guard"""
        self.node(words[0]).starved = True

    def feed(self, words: List[str]) -> None:
        """feed NODE: starved no more"""
        self.node(words[0]).starved = False


COMMANDS: Dict[str, Callable[[Cluster, List[str]], None]] = {
    "wait": Cluster.wait, "until": Cluster.until, "settle": Cluster.settle, "show": Cluster.show,
    "cut": Cluster.cut, "heal": Cluster.heal, "pin": Cluster.pin, "refuse": Cluster.refuse, "allow": Cluster.allow, "delete": Cluster.delete,
    "write": Cluster.write, "kill": Cluster.kill, "freeze": Cluster.freeze, "thaw": Cluster.thaw, "lose": Cluster.lose,
    "boot": Cluster.boot, "stop": Cluster.stop, "start": Cluster.start, "restart": Cluster.restart,
    "shutdown": Cluster.shutdown, "resign": Cluster.resign, "service": Cluster.service, "disk": Cluster.disk,
    "starve": Cluster.starve, "feed": Cluster.feed,
}
