"""A model of a ZooKeeper ensemble, as far as elections depend on it.

Sessions live at the leader. A follower tells it with every ping, each half tick, whom it has heard since; that travels
on the same stream as the writes that it forwards. The leader restarts a session's clock then, and when the session
connects, and at nothing else; it expires in buckets of a tick, never early. A follower that is cut off goes on answering
reads until it notices, syncLimit ticks later; so does an old leader, while the others choose another, who gives every
session its whole time anew. Reads show what a server has applied, which lags.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from kazoo import exceptions as errors

from supervisor_zkelect.core import places
from tests.simulation.world import Pipe, World

SYNC_LIMIT = 5


class Znode(NamedTuple):
    """With the names that kazoo gives to what a stat tells."""

    data: bytes
    version: int
    czxid: int
    ephemeralOwner: int
    mzxid: int
    ctime: int = 0
    cversion: int = 0
    numChildren: int = 0

    @property
    def dataLength(self) -> int:
        return len(self.data)


Tree = Dict[str, Znode]


class Paths(NamedTuple):
    """Of the znodes of one election."""

    election: str = "/e"
    ack: str = "/ack"

    @property
    def state(self) -> str:
        return places.state_of(self.ack)

    @property
    def holder(self) -> str:
        return places.holder_of(self.state)

    @property
    def control(self) -> str:
        return places.control_of(self.state)

    def queue(self, tree: Tree) -> List[Tuple[str, Znode]]:
        """The proposals in order."""
        proposals = ((path, znode) for path, znode in tree.items() if self.proposed(path))
        return sorted(proposals, key=lambda one: one[0][-10:])

    def proposed(self, path: str) -> bool:
        """Whether it is a proposal's."""
        return path.startswith(self.election + "/") and not places.is_barrier(path)

    def barred(self, path: str) -> bool:
        """Whether it is that of a pause's barrier."""
        return path.startswith(self.election + "/") and places.is_barrier(path)

    def acked(self, tree: Tree) -> str:
        """The address in the ack; "" without one."""
        return tree[self.ack].data.decode() if self.ack in tree else ""

    def held(self, tree: Tree) -> Tuple[int, str]:
        """Token and node of the holder znode; (0, "") without one."""
        znode = tree.get(self.holder)
        return (0, "") if znode is None else _held(znode.data)


@functools.lru_cache(maxsize=100)
def _held(data: bytes) -> Tuple[int, str]:
    value = json.loads(data)
    return value["token"], value["node"]


@dataclass
class Server:
    name: int
    to_leader: Pipe
    from_leader: Pipe
    tree: Tree = field(default_factory=dict)
    heard: Set[int] = field(default_factory=set)
    cut_since: Optional[float] = None
    deposed: bool = False  # cut off while it led, and another leads now
    watches: Dict[str, List[Any]] = field(default_factory=dict)
    clients: List[Any] = field(default_factory=list)


class Ensemble:
    """`most`: the session timeout that it grants at most, `tick` its tickTime, in seconds.

    told: are called after each write with the tree before, the tree after, and what wrote it (a node's name, "" for an
    expiry or a hand). asked: are called before each transaction of a node, with its operations and the node's name. woken: with a path, the session that owned it, and who is told of its change. server_for: the server that
    a node tries to connect to.
    """

    def __init__(self, world: World, tick: float, most: float, size: int = 3) -> None:
        self.world = world
        self.tick = tick
        self.most = most
        self.told: List[Callable[[Tree, Tree, str], None]] = []
        self.woken: List[Callable[[str, int, List[Any]], None]] = []
        self.asked: List[Callable[[List[tuple], str], None]] = []
        self.server_for: Callable[[str], Server] = lambda name: world.random.choice(self.servers)
        self.servers = [Server(name, Pipe(world, 0.001), Pipe(world, 0.001)) for name in range(size)]
        self.leader = self.servers[0]
        self.leader.to_leader.usual = self.leader.from_leader.usual = 0.00001
        self.tree: Tree = {}
        self.zxid = 0
        self.expiry: Dict[int, float] = {}
        self.timeouts: Dict[int, float] = {}
        self.limits: Dict[int, float] = {}
        self.owners: Dict[int, str] = {}
        #: the server to which each session was connected last
        self.homes: Dict[int, Server] = {}
        self.sessions = 0
        self.counters: Dict[str, int] = {}
        self.stopped = self.headless = False
        self.refusing = False  # no server is there to connect to, so that nobody waits for one
        #: nodes that may change nothing, as the ACL forbids it
        self.refused: Set[str] = set()
        for server in self.servers:
            world.after(world.random.uniform(0, tick / 2), self._ping, server)
        world.after(tick, self._expire)

    # The leader

    @property
    def down(self) -> bool:
        """Whether there is no leader."""
        return self.stopped or self.headless

    def make_election(self, paths: Paths) -> None:
        for path in (paths.election, paths.ack, paths.state, paths.control, places.nodes_of(paths.state)):
            self.multi([("create", path, b"", False, False)], 0)

    def election_anew(self, paths: Paths) -> None:
        """A hand deletes the election znode with what is in it, and makes it again; the proposals count from zero again."""
        self.counters[paths.election] = 0
        kept = {path: one for path, one in self.tree.items() if not (paths.proposed(path) or paths.barred(path))}
        self.write(kept, "")

    def milliseconds(self) -> int:
        """What the servers' clocks show."""
        return round(1000 * self.world.now)

    def touch(self, session: int) -> None:
        if session in self.expiry:
            # ExpiryQueue rounds up to the next bucket, so nobody is expired early.
            due = self.world.now + self.timeouts[session]
            self.expiry[session] = (math.floor(due / self.tick) + 1) * self.tick

    def _expire(self) -> None:
        self.world.after(self.tick, self._expire)
        if not self.down:
            self._expire_now()

    def _expire_now(self) -> None:
        for session in [one for one, due in self.expiry.items() if due <= self.world.now]:
            if any(one.ephemeralOwner == session for one in self.tree.values()):
                self.world.tell("zk", f"session {session} of {self.owners[session]} expires")
            self.close(session, "")

    def close(self, session: int, who: str) -> None:
        self.expiry.pop(session, None)
        kept = {path: znode for path, znode in self.tree.items() if znode.ephemeralOwner != session}
        if len(kept) < len(self.tree):
            self.write(kept, who)
        for server in self.servers:
            server.from_leader.send(self._hang_up, server, session)

    def _hang_up(self, server: Server, session: int) -> None:
        """A server closes the connection of a session that is over."""
        for client in [one for one in server.clients if one.session == session]:
            client.dropped()

    def write(self, tree: Tree, who: str) -> None:
        """A new tree, which every server applies in its time."""
        before, self.tree = self.tree, tree
        self.zxid += 1
        for told in self.told:
            told(before, tree, who)
        for server in self.servers:
            server.from_leader.send(self._apply, server, tree)

    def _apply(self, server: Server, tree: Tree) -> None:
        before, server.tree = server.tree, tree
        if not server.watches:
            return
        for path in [one for one in server.watches if before.get(one) != tree.get(one)]:
            watchers = server.watches.pop(path)
            kind = "CREATED" if path not in before else "DELETED" if path not in tree else "CHANGED"
            for woken in self.woken:
                woken(path, before[path].ephemeralOwner if path in before else 0, watchers)
            for client, watch in watchers:
                client.notify(watch, kind)

    def multi(self, operations: List[tuple], session: int) -> List[Any]:
        """What each operation came to, as kazoo gives it; with an exception among them nothing was done."""
        if session:
            for asked in self.asked:
                asked(operations, self.owners.get(session, ""))
        tree, results = dict(self.tree), []
        zxid = self.zxid + 1
        for kind, path, *rest in operations:
            result, znode = None, tree.get(path)
            if kind != "check" and self.owners.get(session) in self.refused:
                result = errors.NoAuthError()
            elif kind == "create":
                data, ephemeral, sequence = rest
                parent = path.rpartition("/")[0]
                if sequence:
                    path += f"{self.counters.get(parent, 0):010d}"
                if parent and parent not in tree:
                    result = errors.NoNodeError()
                elif path in tree:
                    result = errors.NodeExistsError()
                else:
                    self.counters[parent] = self.counters.get(parent, 0) + 1
                    tree[path] = Znode(data, 0, zxid, session if ephemeral else 0, zxid, self.milliseconds())
                    result = (path, tree[path])
            elif znode is None:
                result = errors.NoNodeError()
            elif rest[-1] not in (-1, znode.version):
                result = errors.BadVersionError()
            elif kind == "delete":
                del tree[path]
                result = True
            elif kind == "set":
                result = tree[path] = znode._replace(data=rest[0], version=znode.version + 1, mzxid=zxid)
            else:
                result = True
            results.append(result)
            if isinstance(result, Exception):
                done = [errors.RolledBackError() for _ in results[:-1]]
                return done + [result] + [errors.RuntimeInconsistency() for _ in operations[len(results):]]
        if tree != self.tree:
            self.write(tree, self.owners.get(session, ""))
        return results

    # Followers

    def _ping(self, server: Server) -> None:
        self.world.after(self.tick / 2, self._ping, server)
        if self.world.random.random() < 0.1:
            # A leader's loop is late by less than half a tick.
            self.world.after(self.world.random.uniform(0, 0.45 * self.tick), self._relay, server)
        else:
            self._relay(server)

    def _relay(self, server: Server) -> None:
        if server.cut_since is not None and self.world.now - server.cut_since > SYNC_LIMIT * self.tick:
            self._lose(server)
            return
        if server.heard:
            heard, server.heard = server.heard, set()
            server.to_leader.send(self._heard, heard)

    def _heard(self, heard: Set[int]) -> None:
        if not self.down:
            for session in heard:
                self.touch(session)

    def cut(self, server: Server) -> None:
        """Cut one server off from the others, its clients excepted. One at a time."""
        if any(one.cut_since is not None for one in self.servers):
            return
        server.cut_since = self.world.now
        for one in self.servers if server is self.leader else [server]:
            # A connection keeps what it cannot deliver, until it is given up.
            one.to_leader.stall(True)
            one.from_leader.stall(True)
        if server is self.leader:
            self.headless = True
            self.world.after(self.world.random.uniform(0.5, 1.2) * SYNC_LIMIT * self.tick, self._elect, server)

    def _elect(self, former: Server) -> None:
        """The others have chosen another leader, who has loaded the sessions and gives each its whole time anew."""
        if former.cut_since is None or former is not self.leader:
            return
        former.deposed = True
        others = [one for one in self.servers if one is not former]
        self.leader = self.world.random.choice(others)
        for one in self.servers:
            one.to_leader.usual = one.from_leader.usual = 0.00001 if one is self.leader else 0.001
        for one in others:
            self._lose(one)
            self._join(one)
        self.headless = False
        for session in self.expiry:
            self.touch(session)

    def heal(self, server: Server) -> None:
        """In time, everything that was kept is delivered; else the server joins again, with the present state."""
        if server.cut_since is None:
            return
        lost = self.world.now - server.cut_since > SYNC_LIMIT * self.tick or server.deposed
        server.cut_since, server.deposed = None, False
        if server is self.leader:
            # It has expired sessions on its own all the time; that is what it says first.
            self.headless = False
            self._expire_now()
            for one in self.servers:
                one.to_leader.stall(False)
                one.from_leader.stall(False)
        elif lost:
            self._lose(server)
            self._join(server)
        else:
            server.to_leader.stall(False)
            server.from_leader.stall(False)

    def _lose(self, server: Server) -> None:
        """It has given up its leader: it closes its connections, and what was on its way is lost."""
        server.heard.clear()
        for pipe in (server.to_leader, server.from_leader):
            pipe.drop()
        for client in server.clients[:]:
            client.dropped()

    def _join(self, server: Server) -> None:
        server.to_leader.stall(False)
        server.from_leader.stall(False)
        self._apply(server, self.tree)

    def stop(self) -> None:
        """No leader: nothing is written, and followers close their connections."""
        self.stopped = True
        for server in self.servers:
            for client in server.clients[:]:
                client.dropped()

    def go_on(self) -> None:
        self.stopped = False
        for session in self.expiry:
            self.touch(session)

    # A client's request, at a server

    def _hear(self, server: Server, session: int) -> None:
        if server is self.leader:
            self.touch(session)
        else:
            server.heard.add(session)

    def ask(
        self, server: Server, session: int, operations: Optional[List[tuple]], reply: Callable[[Any], None]
    ) -> None:
        """Forward a write to the leader; None is a sync. `reply` gets the results, or None for a session that is over."""
        self._hear(server, session)
        server.to_leader.send(self._lead, server, session, operations, reply)

    def _lead(
        self, server: Server, session: int, operations: Optional[List[tuple]], reply: Callable[[Any], None]
    ) -> None:
        if self.down or self.homes[session] is not server:
            # What comes late from a server that the session has moved away from is refused (SessionMovedException), but for
            # its end (PrepRequestProcessor).
            return
        answer = None
        if session in self.expiry:
            answer = [] if operations is None else self.multi(operations, session)
        # The answer follows the commits on the way back.
        server.from_leader.send(reply, answer)

    def connect(
        self, server: Server, session: int, asked: float, who: str, reply: Callable[[int, float], None]
    ) -> None:
        """A connect request: the leader restarts the clock of a session that lives, or makes one for session 0.

        A session that is over is answered with a timeout of 0.
        """

        def lead() -> None:
            if self.down:
                return
            own = session
            if own == 0:
                self.sessions += 1
                own = self.sessions
                self.expiry[own], self.owners[own], self.limits[own] = 0.0, who, self.most
            if own not in self.expiry:
                server.from_leader.send(reply, own, 0.0)
                return
            # What is granted can be less than before for a session that is attached again (FACTS.md), by what is
            # asked; that the servers' own limit is not lowered under a living session is an assumption.
            self.homes[own] = server
            self.timeouts[own] = min(max(asked, 2 * self.tick), self.limits[own])
            self.touch(own)
            server.from_leader.send(reply, own, self.timeouts[own])

        server.to_leader.send(lead)

    def end(self, server: Server, session: int, who: str, reply: Callable[[], None]) -> None:
        """A request to close the session."""

        def lead() -> None:
            if not self.down:
                if session in self.expiry:
                    self.close(session, who)
                server.from_leader.send(reply)

        server.to_leader.send(lead)

    def read(self, server: Server, session: int) -> Tree:
        self._hear(server, session)
        return server.tree

    def watch(self, server: Server, path: str, client: Any, watch: Any) -> None:
        server.watches.setdefault(path, []).append((client, watch))

    def disconnect(self, client: Any) -> None:
        """A closed connection takes its watches with it."""
        for server in self.servers:
            if client in server.clients:
                server.clients.remove(client)
                for path in list(server.watches):
                    kept = [entry for entry in server.watches[path] if entry[0] is not client]
                    if kept:
                        server.watches[path] = kept
                    else:
                        del server.watches[path]
