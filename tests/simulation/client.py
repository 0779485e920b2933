"""A model of kazoo's client, as far as `session.py` and `elector.py` use it, over a connection to one model server.

Answers come in order; their callbacks run on one thread, changes of state on another, so that the two overtake each other
as they do in kazoo. What waits for an answer when the connection is lost fails; what is asked without a connection waits
for one.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from kazoo import exceptions as errors
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState

from tests.simulation.world import Flag, Pipe, Process, World
from tests.simulation.zookeeper import Ensemble, Server, Tree

log = logging.getLogger(__name__)

#: Seconds that an attempt to connect may take (kazoo_internals.CONNECT_TIME).
CONNECT_TIME = 0.5
#: Seconds that a client waits for the answer when it closes its session.
CLOSE_TIME = 2.0
#: Of every session; without it nobody attaches to one.
PASSWORD = b"password"


class Granted(NamedTuple):
    """What a connect request is answered: milliseconds, and the session."""

    time_out: int
    session_id: int
    passwd: bytes


class Event(NamedTuple):
    type: str


class Late(KazooTimeoutError, TimeoutError):
    """No answer in time, as kazoo's client and as wire.Client say it."""


class Handler:
    timeout_exception = KazooTimeoutError

    def __init__(self, world: World) -> None:
        self._world = world

    def event_object(self) -> Flag:
        return Flag(self._world)


class Answer:
    """kazoo's IAsyncResult."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._links: List[Callable[[Answer], None]] = []
        self._done = Flag(client.world)
        self.value: Any = None
        self.exception: Optional[Exception] = None

    def give(self, value: Any = None, exception: Optional[Exception] = None) -> None:
        if not self._done.is_set():
            self.value, self.exception = value, exception
            for link in self._links:
                self._client.completed(link, self)
            self._done.set()

    def rawlink(self, link: Callable[[Answer], None]) -> None:
        if self._done.is_set():
            self._client.completed(link, self)
        else:
            self._links.append(link)

    def get(self, timeout: Optional[float] = None) -> Any:
        if not self._done.wait(timeout):
            raise Late()
        if self.exception is not None:
            raise self.exception
        return self.value


class Request(NamedTuple):
    """operations: a write; None: a sync, or a `read` of the server's tree, watched at `path`."""

    answer: Answer
    operations: Optional[List[tuple]]
    read: Optional[Callable[[Tree], Any]]
    path: str
    watch: Any
    shape: Callable[[List[Any]], Any]


class Transaction:
    """kazoo's TransactionRequest."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._operations: List[tuple] = []

    def check(self, path: str, version: int) -> None:
        self._operations.append(("check", path, version))

    def create(
        self, path: str, value: bytes = b"", acl: Any = None, ephemeral: bool = False, sequence: bool = False
    ) -> None:
        self._operations.append(("create", path, value, ephemeral, sequence))

    def set_data(self, path: str, value: bytes, version: int = -1) -> None:
        self._operations.append(("set", path, value, version))

    def delete(self, path: str, version: int = -1) -> None:
        self._operations.append(("delete", path, version))

    def commit_async(self) -> Answer:
        return self._client.write(self._operations, lambda results: results)


class _Wire:
    """One connection. open: as the server sees it; what it answered before it closed still arrives."""

    def __init__(self, server: Server, up: Pipe, down: Pipe) -> None:
        self.server, self.up, self.down = server, up, down
        self.open = True
        #: what the server has in hand for it, in order: writes, by their numbers, and the reads behind them
        self._line: List[Any] = []
        self._writes = 0

    def write(self) -> int:
        """A write has come to the server. Returns its number."""
        self._writes += 1
        self._line.append(self._writes)
        return self._writes

    def written(self, number: int) -> None:
        """It is answered. What is read behind it shows no older state (CommitProcessor)."""
        self._line.remove(number)
        while self._line and callable(self._line[0]):
            self._line.pop(0)()

    def read(self, read: Callable[[], None]) -> None:
        """A read has come to the server: do it, behind the writes that came before."""
        if self._line:
            self._line.append(read)
        else:
            read()

    def answer(self, do: Callable[..., None], *arguments: Any) -> None:
        if self.open:
            self.down.send(do, *arguments)


class _Connection:
    """Where `session.Session` reads what kazoo does not tell."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._connection_routine = None
        self.granted = 0.0

    def _invoke(self, timeout: float, request: Any, xid: Optional[int] = None) -> Tuple[Granted, int]:
        answer = self._client.shake_hands(timeout, request)
        self.granted = answer[0].time_out / 1000
        return answer


class Client:
    """One client of `process`. attach: session id and password of a session to go on with."""

    def __init__(
        self, process: Process, ensemble: Ensemble, pipes: Callable[[], Pipe], attach: Optional[Tuple[int, bytes]],
        timeout: float,
    ) -> None:
        self.process, self.ensemble, self.world = process, ensemble, process.world
        self.handler = Handler(self.world)
        self.logger, self.chroot, self.hosts = log, "", [("model", 2181)]
        self.session, self._password = attach or (0, b"")
        self.connected = False
        self.client_state = "CONNECTING"
        self._state = KazooState.LOST
        self._session_timeout = int(1000 * timeout)
        self._connection = _Connection(self)
        self._pipes = pipes
        self._wire: Optional[_Wire] = None
        self._stopped = False
        self._up_flag = Flag(self.world)
        self._listeners: List[Callable[[str], Any]] = []
        self._pending: List[Request] = []
        self._queue: List[Request] = []
        self._watches: List[Any] = []
        self._completing = 0.0

    # The connection

    @property
    def client_id(self) -> Optional[Tuple[int, bytes]]:
        # kazoo has none without a connection.
        return (self.session, self._password) if self.connected else None

    def start_async(self) -> Flag:
        self.process.thread(self._connect)
        return self._up_flag

    def add_listener(self, listener: Callable[[str], Any]) -> None:
        self._listeners.append(listener)

    def remove_listener(self, listener: Callable[[str], Any]) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def _connect(self) -> None:
        failures = 0
        while not self._stopped and not self.connected:
            limit = CONNECT_TIME * 2 ** min(failures, 4)
            request = Connect(0, 0, self._session_timeout, self.session, self._password, False)
            try:
                granted, _ = self._connection._invoke(limit, request)
            except errors.ConnectionClosedError:
                failures += 1
                self._pause()
                continue
            failures = 0
            if granted.time_out <= 0:
                self.session, self._password = 0, b""
                self.client_state = "EXPIRED_SESSION"
                self._change(KazooState.LOST)
                self._fail(errors.SessionExpiredError())
                self._pause()
                continue
            self.session, self._password = granted.session_id, granted.passwd
            self.connected, self.client_state = True, "CONNECTED"
            self._up_flag.set()
            self._change(KazooState.CONNECTED)
            queue, self._queue = self._queue, []
            for request in queue:
                self._send(request)

    def _pause(self) -> None:
        Flag(self.world).wait(self.world.delay(0.1))

    def shake_hands(self, timeout: float, request: Connect) -> Tuple[Granted, int]:
        """Open a connection and ask for the session. Raises ConnectionClosedError."""
        if self.ensemble.refusing:
            raise errors.ConnectionClosedError()
        server, answered = self.ensemble.server_for(self.process.name), Flag(self.world)
        self._wire = wire = _Wire(server, self._pipes(), self._pipes())
        server.clients.append(self)
        granted: List[Granted] = []

        def arrive(session: int, seconds: float) -> None:
            if wire is self._wire:
                granted.append(Granted(round(1000 * seconds), session, PASSWORD if seconds else b""))
                answered.set()

        def grant(session: int, seconds: float) -> None:
            wire.answer(self.process.do, arrive, session, seconds)

        asked = request.time_out / 1000
        if request.session_id and request.passwd != PASSWORD:
            # A server answers as for a session that is over; the real one lives on.
            wire.up.send(grant, request.session_id, 0.0)
        else:
            wire.up.send(self.ensemble.connect, server, request.session_id, asked, self.process.name, grant)
        answered.wait(timeout)
        if not granted:
            self._hang_up(wire)
            raise errors.ConnectionClosedError()
        return granted[0], 0

    def _hang_up(self, wire: Optional[_Wire]) -> None:
        if wire is not None:
            wire.open = False
            if wire is self._wire:
                self.ensemble.disconnect(self)

    def dropped(self) -> None:
        """The server has closed the connection, or it is given up."""
        wire = self._wire
        self._hang_up(wire)
        self.process.do(self._lost, wire)

    def _lost(self, wire: Optional[_Wire]) -> None:
        if wire is not self._wire or not self.connected or self._stopped:
            return
        self.connected, self.client_state = False, "CONNECTING"
        self._fail(errors.ConnectionLoss())
        self._change(KazooState.SUSPENDED)
        watches, self._watches = self._watches, []
        for watch in watches:
            self.process.after(self.world.delay(0.0005), watch, Event("NONE"))
        self.process.thread(self._connect, self.world.delay(0.1))

    def _change(self, state: str) -> None:
        if state == self._state:
            # So the end of a session that was to be attached is not told.
            return
        self._state = state
        for listener in self._listeners[:]:
            listener(state)

    def _fail(self, error: Exception) -> None:
        failed = self._pending + self._queue
        self._pending, self._queue = [], []
        for request in failed:
            request.answer.give(exception=error)

    def completed(self, link: Callable[[Answer], None], answer: Answer) -> None:
        """Callbacks run on a thread of their own, in order, now and then late; often so after a freeze."""
        thawing = self.world.now - self.process.thawed_at < 0.1
        late = self.world.random.random() < (0.3 if thawing else 0.003)
        delay = self.world.random.uniform(0.0, 1.0) if late else self.world.delay(0.0002)
        self._completing = max(self._completing, self.world.now + delay)
        self.process.after(self._completing - self.world.now, link, answer)

    def notify(self, watch: Any, kind: str) -> None:
        """The server tells of a change."""
        wire = self._wire

        def arrive() -> None:
            if wire is self._wire and watch in self._watches:
                self._watches.remove(watch)
                self.process.after(self.world.delay(0.0002), watch, Event(kind))

        wire.answer(self.process.do, arrive)

    def stop(self) -> None:
        """Close the session, if there is a connection, and wait for the answer."""
        if not self._stopped and self.connected:
            closed, wire = Flag(self.world), self._wire
            answered = lambda: wire.answer(self.process.do, closed.set)  # noqa: E731
            wire.up.send(self.ensemble.end, wire.server, self.session, self.process.name, answered)
            closed.wait(CLOSE_TIME)
        self._stopped, self.connected = True, False
        self._hang_up(self._wire)
        self._fail(errors.ConnectionClosedError())

    def close(self) -> None:
        return

    # Requests

    def _ask(self, request: Request) -> Answer:
        if self.connected:
            self._send(request)
        elif self._stopped:
            request.answer.give(exception=errors.ConnectionClosedError())
        else:
            self._queue.append(request)
        return request.answer

    def _send(self, request: Request) -> None:
        session, wire = self.session, self._wire
        self._pending.append(request)
        if request.watch is not None:
            self._watches.append(request.watch)

        def answered(results: Optional[List[Any]]) -> None:
            wire.answer(self.process.do, arrive, results)

        def arrive(results: Optional[List[Any]]) -> None:
            if wire is not self._wire or request not in self._pending:
                return
            self._pending.remove(request)
            if results is None:
                # The session is over: the server hangs up.
                request.answer.give(exception=errors.SessionExpiredError())
                self.dropped()
                return
            self._settle(request, results)

        def read() -> None:
            tree = self.ensemble.read(wire.server, session)
            if request.watch is not None and wire.open:
                self.ensemble.watch(wire.server, request.path, self, request.watch)
            answered([request.read(tree)])

        def write() -> None:
            number = wire.write()

            def done(results: Optional[List[Any]]) -> None:
                answered(results)
                wire.written(number)

            self.ensemble.ask(wire.server, session, request.operations, done)

        if request.read is not None:
            wire.up.send(wire.read, read)
        else:
            wire.up.send(write)
        self.process.after(self._session_timeout / 1000, self._give_up, wire, request)

    def _give_up(self, wire: _Wire, request: Request) -> None:
        """kazoo's own end to a connection that answers nothing."""
        if wire is self._wire and request in self._pending:
            self.dropped()

    def _settle(self, request: Request, results: List[Any]) -> None:
        try:
            request.answer.give(request.shape(results))
        except errors.KazooException as error:
            request.answer.give(exception=error)

    def _read(self, path: str, watch: Any, read: Callable[[Tree], Any]) -> Answer:
        return self._ask(Request(Answer(self), None, read, path, watch, _only))

    def write(self, operations: List[tuple], shape: Callable[[List[Any]], Any]) -> Answer:
        return self._ask(Request(Answer(self), operations, None, "", None, shape))

    def sync_async(self, path: str) -> Answer:
        return self._ask(Request(Answer(self), None, None, "", None, lambda results: path))

    def exists_async(self, path: str, watch: Any = None) -> Answer:
        def read(tree: Tree) -> Any:
            # Any number does that changes with the children.
            inside = frozenset(name for name in tree if name.startswith(path + "/"))
            return tree[path]._replace(cversion=hash(inside), numChildren=len(inside)) if path in tree else None

        return self._read(path, watch, read)

    def get_async(self, path: str, watch: Any = None) -> Answer:
        def read(tree: Tree) -> Any:
            return (tree[path].data, tree[path]) if path in tree else errors.NoNodeError()

        return self._read(path, watch, read)

    def get_children_async(self, path: str) -> Answer:
        def read(tree: Tree) -> Any:
            start = len(path) + 1
            inside = [name[start:] for name in tree if name.startswith(path + "/")]
            return inside if path in tree else errors.NoNodeError()

        return self._read(path, None, read)

    def create_async(self, path: str, value: bytes = b"", acl: Any = None, ephemeral: bool = False, sequence: bool = False,
                     include_data: bool = False, makepath: bool = False) -> Answer:
        return self.write([("create", path, value, ephemeral, sequence)], _only)

    def set_async(self, path: str, value: bytes, version: int = -1) -> Answer:
        return self.write([("set", path, value, version)], _only)

    def delete_async(self, path: str, version: int = -1) -> Answer:
        return self.write([("delete", path, version)], _only)

    def transaction(self) -> Transaction:
        return Transaction(self)


class OneConnection(Client):
    """As wire.Client: what is lost is not connected again, and it can leave a session without ending it."""

    @property
    def granted(self) -> float:
        return self._connection.granted

    def _lost(self, wire: Optional[_Wire]) -> None:
        if wire is self._wire and self.connected:
            self.connected = False
            self._stopped = True
            self._fail(errors.ConnectionLoss())

    def drop(self) -> None:
        self._stopped, self.connected = True, False
        self._hang_up(self._wire)
        self._fail(errors.ConnectionLoss())


def _only(results: List[Any]) -> Any:
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]
