"""A model of a ZooKeeper ensemble, as far as elections depend on it.

Sessions live at the leader. A follower tells it with every ping, each half tick, whom it has heard since; that travels
on the same stream as the writes that it forwards. The leader restarts a session's clock then, and when the session
connects, and at nothing else; it expires in buckets of a tick, never early. A follower that is cut off goes on answering
reads until it notices, syncLimit ticks later. Reads show what a server has applied, which lags.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

from tests.simulation.world import Pipe, World

SYNC_LIMIT = 5


class Proposal(NamedTuple):
    name: str
    session: int
    token: int


@dataclass
class State:
    """The znodes of one election, replaced as a whole with each write."""

    queue: tuple = ()
    holder: int = 0
    holder_node: str = ""
    ack: str = ""
    zxid: int = 0


@dataclass
class Server:
    name: int
    to_leader: Pipe
    from_leader: Pipe
    state: State = field(default_factory=State)
    heard: Set[int] = field(default_factory=set)
    cut_since: Optional[float] = None
    watches: Dict[str, List[Callable[[], None]]] = field(default_factory=dict)
    clients: List[Any] = field(default_factory=list)


class Ensemble:
    """`grant` is the session timeout that it gives to everybody, `tick` its tickTime, in seconds."""

    def __init__(self, world: World, tick: float, grant: float, size: int = 3) -> None:
        self.world = world
        self.tick = tick
        self.grant = grant
        self.servers = [Server(name, Pipe(world, 0.001), Pipe(world, 0.001)) for name in range(size)]
        self.state = State()
        self.expiry: Dict[int, float] = {}
        self.sessions = 0
        self.counter = 0
        self.down = False
        for server in self.servers:
            world.after(world.random.uniform(0, tick / 2), self._ping, server)
        world.after(tick, self._expire)

    # The leader

    def _touch(self, session: int) -> None:
        if session in self.expiry:
            # ExpiryQueue rounds up to the next bucket, so nobody is expired early.
            due = self.world.now + self.grant
            self.expiry[session] = (math.floor(due / self.tick) + 1) * self.tick

    def _expire(self) -> None:
        self.world.after(self.tick, self._expire)
        if self.down:
            return
        for session in [one for one, due in self.expiry.items() if due <= self.world.now]:
            self.close(session)
            self.world.tell("zk", f"session {session} expires")

    def close(self, session: int) -> None:
        self.expiry.pop(session, None)
        self.commit(queue=tuple(one for one in self.state.queue if one.session != session))
        for server in self.servers:
            server.from_leader.send(self._hang_up, server, session)

    def _hang_up(self, server: Server, session: int) -> None:
        """A server closes the connection of a session that is over."""
        for client in [one for one in server.clients if one.session == session]:
            client.dropped()

    def commit(self, **changes: Any) -> None:
        """A new state, which every server applies in its time."""
        former = self.state
        values = {**former.__dict__, **changes, "zxid": former.zxid + 1}
        self.state = State(**values)
        for server in self.servers:
            if server.cut_since is None:
                server.from_leader.send(self._apply, server, self.state)

    def _apply(self, server: Server, state: State) -> None:
        gone = {one.name for one in server.state.queue} - {one.name for one in state.queue}
        server.state = state
        for name in gone:
            for notify in server.watches.pop(name, ()):
                notify()

    def _ping(self, server: Server) -> None:
        # A leader's loop is late by less than half a tick.
        late = self.world.random.uniform(0, 0.45 * self.tick) if self.world.random.random() < 0.1 else 0.0
        self.world.after(self.tick / 2, self._ping, server)
        self.world.after(late, self._relay, server)

    def _relay(self, server: Server) -> None:
        if server.cut_since is not None:
            if self.world.now - server.cut_since > SYNC_LIMIT * self.tick:
                for client in server.clients[:]:
                    client.dropped()
            return
        heard, server.heard = server.heard, set()
        server.to_leader.send(self._heard, heard)

    def _heard(self, heard: Set[int]) -> None:
        if not self.down:
            for session in heard:
                self._touch(session)

    def cut(self, server: Server) -> None:
        """Cut one server off from the quorum."""
        server.cut_since = self.world.now
        server.to_leader.cut = server.from_leader.cut = True

    def heal(self, server: Server) -> None:
        """It joins again, with the present state; what it knew of its clients' signs of life is lost."""
        if server.cut_since is not None:
            server.cut_since = None
            server.to_leader.cut = server.from_leader.cut = False
            server.heard.clear()
            for client in server.clients[:]:
                client.dropped()
            self._apply(server, self.state)

    # A client's request, at a server

    def write(self, server: Server, session: int, change: Callable[["Ensemble"], Any], reply: Callable[[Any], None]) -> None:
        """Forward to the leader; `reply` gets what `change` returned, or None for a session that is over."""
        server.heard.add(session)
        server.to_leader.send(self._lead, server, session, change, reply)

    def _lead(self, server: Server, session: int, change: Callable, reply: Callable) -> None:
        if self.down:
            return
        answer = change(self) if session in self.expiry else None
        # The answer follows the commits on the way back.
        server.from_leader.send(reply, answer)

    def connect(self, server: Server, session: int, reply: Callable[[int, float], None]) -> None:
        """A connect request: the leader itself restarts the clock of a session that lives, or makes a new one."""
        def lead() -> None:
            if self.down:
                return
            own = session
            if own not in self.expiry:
                self.sessions += 1
                own = self.sessions
                self.expiry[own] = 0.0
            self._touch(own)
            server.from_leader.send(reply, own, self.grant)

        server.to_leader.send(lead)

    def read(self, server: Server, session: int, reply: Callable[[State], None]) -> None:
        server.heard.add(session)
        reply(server.state)

    def disconnect(self, client: Any) -> None:
        """A closed connection takes its watches with it."""
        for server in self.servers:
            if client in server.clients:
                server.clients.remove(client)
            for name, watches in server.watches.items():
                server.watches[name] = [watch for watch in watches if getattr(watch, "client", None) is not client]
