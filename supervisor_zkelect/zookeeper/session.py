"""One ZooKeeper session for all elections of a node: what was granted, the heartbeat's requests.

Nothing is decided here. Each answer is posted as an event, with the times the lease needs and the generation of the
session it belongs to; a generation is one session id. An answer that comes under another generation than its request
was made in is told under the request's, so that it counts for nothing.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple

from kazoo import exceptions as kazoo_errors
from kazoo.client import KazooClient
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState

from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import connect, kazoo_internals, replies


class Connected(NamedTuple):
    """A connect request, sent at `sent`, was granted: session id, timeout in seconds, and the session's password."""

    generation: int
    session: int
    timeout: float
    sent: float
    password: bytes


class Suspended(NamedTuple):
    """The connection is lost; the session may live on."""

    generation: int


class Lost(NamedTuple):
    """The session is over: expired, closed or refused. `refused`: the client needs `Session.renew`."""

    generation: int
    refused: bool


class Beaten(NamedTuple):
    """A quorum write that checked `paths` was answered. `gone`: those that do not exist; `error` "" when acknowledged.
    `moved`: another process has attached to the session since this one has."""

    generation: int
    sent: float
    answered: float
    paths: Tuple[str, ...]
    gone: Tuple[str, ...]
    error: str
    connected: bool
    moved: bool


class Peeked(NamedTuple):
    """A local read of `path` was answered; `owner` is the session that owns it, None when it does not exist."""

    generation: int
    sent: float
    answered: float
    path: str
    owner: Optional[int]
    error: str
    connected: bool


class Session:
    """The node's session. `post` takes each event, on a thread of kazoo's, and must not block."""

    def __init__(
        self, settings: Any, post: Callable[[Any], None], attach: Optional[Tuple[int, bytes]] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """attach, timeout: as `connect.client_for` takes them, for the first connection."""
        self._settings = settings
        self._post = post
        #: what was answered last: when it was sent, the timeout, the session's id and password
        self._granted: Tuple[float, float, int, bytes] = (0.0, 0.0, 0, b"")
        #: of all connections, whichever client makes them
        self._pace = replies.ReconnectPace()
        self._id = 0
        self.generation = 0
        self._warning = connect.LastWarning()
        logging.getLogger("supervisor_zkelect.kazoo").addHandler(self._warning)
        self.client: KazooClient = self._make(attach, timeout)

    def _make(self, attach: Optional[Tuple[int, bytes]] = None, timeout: Optional[float] = None) -> KazooClient:
        client = connect.client_for(
            self._settings, attach, timeout, self._pace, lambda: (self._settings.reply_max, self._settings.tick_time)
        )
        failures = 0

        def prepare(request: Connect, patience: float, sent: float) -> Tuple[Connect, float]:
            nonlocal failures
            if request.session_id:
                # A server that has just begun may take a connection and forget it; kazoo would wait for the whole of the
                # session's timeout. One that is slow gets more time at each try.
                patience, failures = kazoo_internals.patience(patience, failures), failures + 1
            return request, patience

        def answered(sent: float, granted: float, session: int, password: bytes) -> None:
            nonlocal failures
            failures = 0
            self._granted = (sent, granted, session, password)
            if granted <= 0:
                # It is over. One that was attached was asked for what it had; the next for what is configured.
                kazoo_internals.ask_timeout(client, self._settings.session_timeout)

        kazoo_internals.on_connect(client, answered, prepare)
        client.add_listener(lambda state: self._changed(client, state))
        return client

    @property
    def trouble(self) -> str:
        """Why the last attempt to connect failed, in kazoo's words; "" when none has."""
        return self._warning.text

    @property
    def ended(self) -> bool:
        """Whether the client has given up: its credentials were refused, or its thread met an answer it cannot read."""
        return kazoo_internals.has_ended(self.client)

    @property
    def asked_timeout(self) -> float:
        """The session timeout that is asked for, in seconds."""
        return kazoo_internals.asked_timeout(self.client)

    def start(self) -> None:
        """Begin to connect; the outcome is posted. Raises RuntimeError where no thread can be had; it may be tried again."""
        try:
            self.client.start_async()
        except RuntimeError:
            kazoo_internals.undo_start(self.client)
            raise

    def renew(self) -> Callable[[], None]:
        """Replace a client that `ended`, or whose session is to be closed, by one that is to be started. Electors need the
        attribute `client` anew.

        Returns what is left to do for the old client, which may take seconds.
        """
        old, self.client = self.client, self._make()
        # What the old one tells from now on is of no generation that still counts.
        self.generation, self._id = self.generation + 1, 0
        return lambda: connect.stop_client(old)

    def reconfigure(self, settings: Any) -> None:
        """Use other settings: the servers at the next connection, everything else in the next session."""
        self._settings = settings
        self.client.set_hosts(",".join(settings.servers))

    def close(self) -> None:
        """Close the session. Takes seconds when ZooKeeper cannot be reached: not for the path that stops a group."""
        connect.stop_client(self.client)

    def beat(self, paths: Sequence[str]) -> None:
        """Ask the quorum whether all `paths` exist; posts Beaten."""
        generation, sent, checked = self.generation, now(), tuple(paths)
        transaction = self.client.transaction()
        for path in checked:
            transaction.check(path, -1)

        def answered(answer: Any) -> None:
            arrived = now()
            error: Optional[BaseException] = answer.exception
            gone: Tuple[str, ...] = ()
            if error is None:
                failed = [result for result in answer.value if isinstance(result, Exception)]
                error = failed[0] if failed else None
                gone = tuple(
                    path for path, result in zip(checked, answer.value) if type(result) is kazoo_errors.NoNodeError
                )
            moved = isinstance(error, kazoo_errors.SessionMovedError)
            self._post(Beaten(generation, sent, arrived, checked, gone, _text(error), replies.is_answer(error), moved))

        transaction.commit_async().rawlink(answered)

    def peek(self, path: str) -> None:
        """Read whether `path` exists from the server at hand; posts Peeked."""
        generation, sent = self.generation, now()

        def answered(answer: Any) -> None:
            owner = answer.value.ephemeralOwner if answer.exception is None and answer.value is not None else None
            error = answer.exception
            self._post(Peeked(generation, sent, now(), path, owner, _text(error), replies.is_answer(error)))

        self.client.exists_async(path).rawlink(answered)

    def prod(self) -> None:
        """Send a cheap read, whose answer brings a withheld one along."""
        self.client.exists_async("/")

    def drop(self) -> None:
        """Give up a connection that answers nothing; kazoo makes another, to the same or the next server."""
        kazoo_internals.shut_down_connection(self.client)

    def _changed(self, client: KazooClient, state: str) -> None:
        if client is not self.client:
            return
        if state == KazooState.CONNECTED:
            sent, timeout, identity, password = self._granted
            if identity != self._id:
                self._id = identity
                self.generation += 1
            self._post(Connected(self.generation, identity, timeout, sent, password))
        elif state == KazooState.SUSPENDED:
            self._post(Suspended(self.generation))
        else:
            self._post(Lost(self.generation, client.client_state == "AUTH_FAILED"))


def _text(error: Optional[BaseException]) -> str:
    return "" if error is None else f"{type(error).__name__} {error}".strip()
