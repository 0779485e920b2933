"""The nodes of a story: the real listener, guard and release on model machines, in virtual time.

Nothing is drawn: delays are the usual ones, what happens now and then happens only on command, and clocks run true.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from supervisor_zkelect.core import control
from tests.simulation.node import Node, Plan
from tests.simulation.world import Broken, World
from tests.simulation.zookeeper import Ensemble, Paths, Server
from tests.stories.journal import Journal
from tests.stories.script import Wrong

GIVEN = {"T": 4.0, "asked": 0.0, "tick": 0.5, "stopwaitsecs": 1.0, "reattach_grace": 2.0, "promote_timeout": 5.0, "fence": 0.0,
         "rate": 1.0, "failback": -1.0, "fit": 0.0}
ANOTHER = Paths("/another", "/another-ack")
"""Of the second election, whose ack lies in the same folder as the first one's."""
PATIENCE = 120.0
"""Seconds that `until` waits."""
NOTICED = 0.03
"""Seconds from which a delay is worth telling."""

Commands = Mapping[str, Callable[["Cluster", List[str]], None]]


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
    """names: of the nodes, each with its priority behind a colon where it has one; those behind a `|` stand in another election.
    options: as GIVEN, in seconds; failback: -1 for off; fence=1 for a fence command, fit=1 for a check `fit`; asked: the session timeout of the configuration where it is not T, which is granted; rate: of the nodes' clocks against
    ZooKeeper's. commands: by name, with what carries them out.

    timeout: T. pinned: the only servers that nodes reach, by their names. journal: that of the first election.
    """

    def __init__(self, names: Sequence[str], options: Dict[str, float], commands: Commands) -> None:
        logging.getLogger("supervisor_zkelect.kazoo").handlers.clear()
        if options.keys() - GIVEN.keys() or not names:
            raise Wrong(f"a cluster has nodes, and {', '.join(GIVEN)}")
        given = {**GIVEN, **options}
        self._priorities = tuple((name, int(number)) for name, _, number in (one.partition(":") for one in names) if number)
        names = [name.partition(":")[0] for name in names]
        self._commands = commands
        self.world = world = World(NoChance())
        self.timeout = given["T"]
        self.ensemble = Ensemble(world, given["tick"], self.timeout)
        self.ensemble.server_for = self._server_for
        self._tries = dict.fromkeys(names, 0)
        self.pinned: Dict[str, Server] = {}
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
        plan = Plan(
            asked=given["asked"] or self.timeout, tick=given["tick"], stopwaitsecs=given["stopwaitsecs"], grace=given["reattach_grace"],
            fences=journal.fences, promote=given["promote_timeout"], paths=paths, priorities=self._priorities,
            failback=None if given["failback"] < 0 else given["failback"], fits=bool(given["fit"]),
        )
        for name in names:
            self.nodes[name] = journal.nodes[name] = Node(self.world, self.ensemble, plan, name, given["rate"], journal)
            self.nodes[name].machine.offset = 0.0
        return journal

    def _server_for(self, name: str) -> Server:
        """A follower, another one for a than for b; after each that failed, the next."""
        if name in self.pinned:
            return self.pinned[name]
        followers = [one for one in self.ensemble.servers if one is not self.ensemble.leader]
        first = sorted(self._tries).index(name) % len(followers)
        servers = followers[first:] + followers[:first] + [self.ensemble.leader]
        self._tries[name] += 1
        return servers[(self._tries[name] - 1) % len(servers)]

    def do(self, words: List[str]) -> List[str]:
        """Carry out a command, and tell what happened. Raises Wrong."""
        command = self._commands.get(words[0])
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
        self.pass_over()
        return lines

    def pass_over(self) -> None:
        """Tell nothing of what happened since the last command."""
        self._told = len(self.world.transcript)

    def close(self) -> None:
        self.world.close()

    def node(self, name: str) -> Node:
        if name not in self.nodes:
            raise Wrong(f"no node {name!r}")
        return self.nodes[name]

    def run_until(self, come: Callable[[], bool], what: str) -> None:
        """Let things happen until it has come. Raises Wrong where it has not within PATIENCE. what: in words."""
        limit = self.world.now + PATIENCE
        self.world.run(limit, over=come)
        if not come():
            raise Wrong(f"not {what} within {PATIENCE:g} s: {'; '.join(one.standing() for one in self.journals)}")

    def by_hand(self, operation: Tuple[Any, ...]) -> None:
        """A hand changes the ack or the holder of the first election."""
        self.journal.by_hand = True
        self.ensemble.multi([operation], 0)

    def order(self, change: control.Change) -> None:
        """A tool writes what an operator has ordered in the first election."""
        path = self.journal.paths.control
        data = self.ensemble.tree[path].data
        self.ensemble.multi([("set", path, control.amended(data, None, change), -1)], 0)

    def processes(self, node: Node, what: str) -> List[Any]:
        """Those of a node that live. what: listener, guard, keeper, supervisord, service or all."""
        keeper = node.guard and node.guard.keeper
        found: Dict[str, List[Any]] = {
            "listener": [node.listener], "guard": [node.guard], "keeper": [keeper], "supervisord": [node.supervisord],
            "service": list(node.machine.services),
        }
        found["all"] = [one for name in ("listener", "guard", "keeper", "supervisord", "service") for one in found[name]]
        return [one for one in found[what] if one is not None and one.alive]
