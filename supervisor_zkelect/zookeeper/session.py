"""One ZooKeeper session for all elections of a node: options, what was granted, the heartbeat's requests.

Nothing is decided here. Each answer is posted as an event, with the times the lease needs and the generation of the
session it belongs to; a generation is one session id. An answer that comes under another generation than its request
was made in is told under the request's, so that it counts for nothing.
"""

from __future__ import annotations

import logging
import math
import select
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from kazoo import exceptions as kazoo_errors
from kazoo.client import KazooClient
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState
from kazoo.security import ACL, CREATOR_ALL_ACL, READ_ACL_UNSAFE

from supervisor_zkelect.core import untrusted
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import replies
from supervisor_zkelect.zookeeper.errors import BadArgument, NotConnected

log = logging.getLogger(__name__)

#: Reconnect delays in seconds. kazoo's own grow to an hour.
RECONNECT = {"max_tries": -1, "delay": 0.05, "backoff": 2, "max_delay": 0.2, "ignore_expire": True}

#: Seconds that the first attempt to connect may take after a connection was lost; and those that a server may take which
#: let itself be connected to, to answer for a session that is there.
CONNECT_TIME = 0.5

#: Characters of what is told of a connection's trouble.
_LONGEST_TROUBLE = 500

#: linux/tcp.h; the socket module does not have it.
TCP_THIN_LINEAR_TIMEOUTS = 16


@dataclass(frozen=True)
class Connected:
    """A connect request, sent at `sent`, was granted: session id and timeout in seconds."""

    generation: int
    session: int
    timeout: float
    sent: float


@dataclass(frozen=True)
class Suspended:
    """The connection is lost; the session may live on."""

    generation: int


@dataclass(frozen=True)
class Lost:
    """The session is over: expired, closed or refused. `refused`: the client needs `Session.renew`."""

    generation: int
    refused: bool


@dataclass(frozen=True)
class Beaten:
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


@dataclass(frozen=True)
class Peeked:
    """A local read of `path` was answered; `owner` is the session that owns it, None when it does not exist."""

    generation: int
    sent: float
    answered: float
    path: str
    owner: Optional[int]
    error: str
    connected: bool


def split_hosts(servers: str) -> Tuple[str, str]:
    """"h1:2181,h2:2181/app" as ("h1:2181,h2:2181", "/app")."""
    hosts, slash, chroot = servers.partition("/")
    return hosts, slash + chroot.rstrip("/") if chroot.strip("/") else ""


def acl_of(name: str) -> Optional[List[ACL]]:
    """What "open", "creator" (all to the creator, nothing to others) and "creator+read" mean to kazoo.

    Raises BadArgument for another name.
    """
    if name == "creator":
        return list(CREATOR_ALL_ACL)
    if name == "creator+read":
        return list(CREATOR_ALL_ACL) + list(READ_ACL_UNSAFE)
    if name == "open":
        return None
    raise BadArgument(f"acl is {name!r}; give open, creator or creator+read")


def _patience(limit: float, failures: int) -> float:
    """Seconds for an attempt after so many that failed, `limit` at most: CONNECT_TIME for the first, then ever more."""
    return min(limit, CONNECT_TIME * 2.0 ** min(failures, 10))


def _dial_quickly(client: KazooClient) -> None:
    """Let the client notice soon that a network is whole again, whatever the kernel's back-off would be.

    A connection repeats lost packets every 0.2 s six times over before it waits longer (TCP_THIN_LINEAR_TIMEOUTS,
    tcp(7)), and an attempt to connect is given up after CONNECT_TIME, which doubles up to what kazoo would wait. Only
    kazoo's connection thread comes here.
    """
    dial, failures = client.handler.create_connection, 0

    def create_connection(address: Any, timeout: float, **options: Any) -> Any:
        nonlocal failures
        try:
            connection = dial(address, timeout=_patience(timeout, failures), **options)
        except BaseException:
            failures += 1
            raise
        failures = 0
        connection.setsockopt(socket.IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1)
        return connection

    client.handler.create_connection = create_connection


def _poll(
    reading: Sequence[Any], writing: Sequence[Any], exceptional: Sequence[Any], timeout: Optional[float] = None
) -> Tuple[List[Any], List[Any], List[Any]]:
    """As select(2), for sockets of any number. kazoo asks it four to six times for each request, and has its own make, fill
    and close an epoll object for each. Raises ValueError for a socket that is closed."""
    poller = select.poll()
    for one in {*reading, *writing}:
        poller.register(one, (select.POLLIN if one in reading else 0) | (select.POLLOUT if one in writing else 0))
    ready = dict(poller.poll(None if timeout is None else math.ceil(1000 * timeout)))
    # An error or a hang-up is an answer to both questions.
    return (
        [one for one in reading if ready.get(one.fileno(), 0) & ~select.POLLOUT],
        [one for one in writing if ready.get(one.fileno(), 0) & ~select.POLLIN],
        [],
    )


def make_client(
    hosts: str, timeout: float, digest: Optional[str] = None, pace: Optional[replies.Pace] = None,
    limits: Callable[[], Tuple[int, float]] = lambda: (replies.LONGEST, replies.USUAL_TICK), **options: Any,
) -> KazooClient:
    """A client that is not started. hosts: without chroot. timeout: session timeout in seconds. options: kazoo's.

    pace: of its connections, where that began before this client. limits: bytes of a reply that are read, and the servers'
    tickTime in seconds, as they are now.
    """
    client = KazooClient(
        hosts=hosts,
        timeout=timeout,
        auth_data=[("digest", digest)] if digest else None,
        connection_retry=RECONNECT,
        command_retry={"max_tries": 0},
        logger=logging.getLogger("supervisor_zkelect.kazoo"),
        **options,
    )
    _dial_quickly(client)
    replies.watch_over(client, pace or replies.Pace(), lambda: limits()[0], lambda: limits()[1])
    client.handler.select = _poll
    return client


def client_for(
    settings: Any, attach: Optional[Tuple[int, bytes]] = None, timeout: Optional[float] = None,
    pace: Optional[replies.Pace] = None, limits: Optional[Callable[[], Tuple[int, float]]] = None,
) -> KazooClient:
    """The client that the settings of a file (`settings.Settings`) describe, not started.

    attach: id and password of a session to go on with. timeout: what to ask for, by default the settings'; a session
    that is attached takes what is asked, so it must be asked for what it has. pace, limits: as `make_client` takes them; the
    latter are by default the settings'.
    """
    options: Dict[str, Any] = {"client_id": attach} if attach else {}
    if settings.tls:
        options.update(
            use_ssl=True,
            ca=settings.tls_ca,
            certfile=settings.tls_cert,
            keyfile=settings.tls_key,
            keyfile_password=_key_password(settings),
            verify_certs=True,
            check_hostname=settings.tls_verify_hostname,
        )
    sasl = settings.sasl_options()
    if sasl is not None:
        options["sasl_options"] = sasl
    return make_client(
        ",".join(settings.servers),
        timeout or settings.session_timeout,
        digest=settings.digest.reveal() if settings.digest else None,
        pace=pace,
        limits=limits or (lambda: (settings.reply_max, settings.tick_time)),
        **options,
    )


def tls_context(settings: Any) -> Optional[ssl.SSLContext]:
    """What the settings of a file ask for of a TLS connection, as kazoo takes it; None without TLS.

    Raises OSError for a file that cannot be read, and ssl.SSLError, an OSError, for one that is no certificate or key, or
    has another password.
    """
    if not settings.tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    context.check_hostname = settings.tls_verify_hostname
    if settings.tls_ca:
        context.load_verify_locations(settings.tls_ca)
    if settings.tls_cert and settings.tls_key:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, _key_password(settings))
    return context


def _key_password(settings: Any) -> str:
    """Of the key file; "" where none is set, as without any OpenSSL would ask for one on the terminal, and wait."""
    return str(settings.tls_key_password.reveal()) if settings.tls_key_password else ""


def start_client(client: KazooClient, limit: float) -> None:
    """Start and wait for the connection. Raises `errors.NotConnected` after `limit` seconds."""
    warning = _LastWarning()
    client.logger.addHandler(warning)
    try:
        connected = client.start_async().wait(limit)
    finally:
        client.logger.removeHandler(warning)
    if not connected:
        hosts = ",".join(f"{host}:{port}" for host, port in client.hosts)
        why = warning.text or "no answer"
        raise NotConnected(f"no ZooKeeper server at {hosts} takes this client: {why}; see that one runs and can be reached")


def asked_of(client: KazooClient) -> float:
    """The session timeout that a client asks for, in seconds."""
    return client._session_timeout / 1000.0


def stop_client(client: KazooClient) -> None:
    """Close the session and the client. Takes seconds when ZooKeeper cannot be reached."""
    client.stop()
    client.close()


def open_client(settings: Any, timeout: float = 5.0) -> KazooClient:
    """A started client by the settings. Raises `errors.NotConnected` after `timeout` seconds; `stop_client` ends it."""
    client = client_for(settings)
    try:
        start_client(client, timeout)
    except BaseException:
        stop_client(client)
        raise
    return client


class _LastWarning(logging.Handler):
    """Keeps what kazoo said last of why it has no connection."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]!r}"
        if text.startswith(("Cannot resolve", "Connection dropped", "Connection time-out", "Unhandled exception")):
            self.text = untrusted.printable(text.replace("\n", " "), _LONGEST_TROUBLE)


class Session:
    """The node's session. `post` takes each event, on a thread of kazoo's, and must not block."""

    def __init__(
        self, settings: Any, post: Callable[[Any], None], attach: Optional[Tuple[int, bytes]] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """attach, timeout: as `client_for` takes them, for the first connection."""
        self._settings = settings
        self._post = post
        self._granted: Tuple[float, float, int] = (0.0, 0.0, 0)
        #: since when the connection is lost; only the client's own connection thread comes here
        self._lost_at = math.inf
        #: of all connections, whichever client makes them
        self._pace = replies.Pace()
        self._id = 0
        self.generation = 0
        self._warning = _LastWarning()
        logging.getLogger("supervisor_zkelect.kazoo").addHandler(self._warning)
        self.client: KazooClient = self._make(attach, timeout)

    def _make(self, attach: Optional[Tuple[int, bytes]] = None, timeout: Optional[float] = None) -> KazooClient:
        client = client_for(
            self._settings, attach, timeout, self._pace, lambda: (self._settings.reply_max, self._settings.tick_time)
        )
        invoke, failures, refusals = client._connection._invoke, 0, 0

        def noting(timeout: float, request: Any, xid: Optional[int] = None) -> Any:
            nonlocal failures, refusals
            sent = now()
            if isinstance(request, Connect) and request.session_id:
                # A server that has just begun may take a connection and forget it; kazoo would wait for the whole of the
                # session's timeout. One that is slow gets more time at each try.
                timeout, failures = _patience(timeout, failures), failures + 1
                if request.last_zxid_seen and refusals >= len(client.hosts) and self._is_over(sent):
                    request = self._unseen(client, request)
            try:
                answer = invoke(timeout, request, xid)
            except kazoo_errors.ConnectionDropped:
                refusals += isinstance(request, Connect)
                raise
            if isinstance(request, Connect):
                failures = refusals = 0
                # kazoo keeps only the timeout that was asked for; the reply has the one that was granted.
                self._granted = (sent, answer[0].time_out / 1000.0, answer[0].session_id)
                if answer[0].time_out <= 0:
                    # It is over. One that was attached was asked for what it had; the next for what is configured.
                    client._session_timeout = int(1000 * self._settings.session_timeout)
            return answer

        client._connection._invoke = noting
        client.add_listener(lambda state: self._changed(client, state))
        return client

    def _is_over(self, moment: float) -> bool:
        """Whether no lease of this session can last any more, and its servers, if they ran, had to expire it by then."""
        tick: float = self._settings.tick_time
        return moment - self._lost_at >= self._granted[1] + tick

    def _unseen(self, client: KazooClient, request: Connect) -> Connect:
        """The request of a client that has seen nothing yet.

        A server closes the connection of one that has seen more than it has itself, as that could be shown the past. Where
        all servers do so, their data was lost or restored, and the client would try for ever. A server that takes the
        request tells whether it has this session still.
        """
        log.warning(
            "ZooKeeper: every server closes the connection of session 0x%x, as after a loss of data or the restoring of a "
            "backup; this node asks for its session as one that has seen nothing", request.session_id,
        )
        client.last_zxid = 0
        return request._replace(last_zxid_seen=0)

    @property
    def password(self) -> bytes:
        """Of the session; empty before there is one."""
        identity = self.client.client_id
        return identity[1] if identity else b""

    @property
    def trouble(self) -> str:
        """Why the last attempt to connect failed, in kazoo's words; "" when none has."""
        return self._warning.text

    @property
    def ended(self) -> bool:
        """Whether the client has given up: its credentials were refused, or its thread met an answer it cannot read."""
        thread = self.client._connection._connection_routine
        return thread is not None and not thread.is_alive()

    def start(self) -> None:
        """Begin to connect; the outcome is posted."""
        self.client.start_async()

    def renew(self) -> Callable[[], None]:
        """Replace a client that `ended`, or whose session is to be closed. Electors need the attribute `client` anew.

        Returns what is left to do for the old client, which may take seconds.
        """
        old, self.client = self.client, self._make()
        # What the old one tells from now on is of no generation that still counts.
        self.generation, self._id = self.generation + 1, 0
        self.start()
        return lambda: stop_client(old)

    def reconfigure(self, settings: Any) -> None:
        """Use other settings: the servers at the next connection, everything else in the next session."""
        self._settings = settings
        self.client.set_hosts(",".join(settings.servers))

    def close(self) -> None:
        """Close the session. Takes seconds when ZooKeeper cannot be reached: not for the path that stops a group."""
        stop_client(self.client)

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
        connection = self.client._connection._socket
        try:
            if connection is not None:
                # Not its own method, which of a TLS connection takes the keys away under kazoo's hands.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        except OSError:
            # It is down already.
            pass

    def _changed(self, client: KazooClient, state: str) -> None:
        if client is not self.client:
            return
        self._lost_at = min(self._lost_at, now()) if state == KazooState.SUSPENDED else math.inf
        if state == KazooState.CONNECTED:
            sent, timeout, identity = self._granted
            if identity != self._id:
                self._id = identity
                self.generation += 1
            self._post(Connected(self.generation, identity, timeout, sent))
        elif state == KazooState.SUSPENDED:
            self._post(Suspended(self.generation))
        else:
            self._post(Lost(self.generation, client.client_state == "AUTH_FAILED"))


def _text(error: Optional[BaseException]) -> str:
    return "" if error is None else f"{type(error).__name__} {error}".strip()
