"""Every use of private parts of kazoo; tests/unit/zookeeper/test_kazoo_internals.py fails where a release of kazoo changes one.

kazoo waits as long as the kernel does for a network that is whole again, keeps of a session what was asked for and not what was
granted, and believes whatever a server says. What is put in its place here runs on its connection thread.
"""

from __future__ import annotations

import logging
import math
import select
import socket
import struct
from typing import Any, Callable, List, Optional, Sequence, Tuple

from kazoo import exceptions as kazoo_errors
from kazoo.client import KazooClient
from kazoo.protocol.connection import PING_XID, WATCH_XID
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState

from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import replies
from supervisor_zkelect.zookeeper.replies import Nonsense, ReconnectPace

log = logging.getLogger(__name__)

#: Seconds that the first attempt to connect may take after a connection was lost; and those that a server may take which
#: let itself be connected to, to answer for a session that is there.
CONNECT_TIME = 0.5

#: linux/tcp.h; the socket module does not have it.
TCP_THIN_LINEAR_TIMEOUTS = 16

_KNOWN = (kazoo_errors.ConnectionDropped, kazoo_errors.AuthFailedError, kazoo_errors.SessionExpiredError, OSError)
"""Errors after which kazoo's loop goes on, or ends, as it should."""


def patience(limit: float, failures: int) -> float:
    """Seconds for an attempt after so many that failed, `limit` at most: CONNECT_TIME for the first, then ever more."""
    return min(limit, CONNECT_TIME * 2.0 ** min(failures, 10))


def harden(client: KazooClient, pace: ReconnectPace, limits: Callable[[], Tuple[int, float]]) -> None:
    """Make a client that is not started reconnect soon, poll its sockets cheaply, accept only what a server may say, and come
    back to servers that have lost their data.

    limits: bytes of a reply that are read, and the servers' tickTime in seconds, as they are when asked.
    """
    _dial_quickly(client)
    _CheckedConnection(client, pace, limits).install()
    _ForgetfulConnection(client, limits).install()
    client.handler.select = poll


def on_connect(
    client: KazooClient, answered: Callable[[float, float, int, bytes], None],
    prepare: Callable[[Connect, float, float], Tuple[Connect, float]] = lambda request, timeout, sent: (request, timeout),
) -> None:
    """Register callbacks for the connect requests of a client that is not started.

    answered: called with when the request was sent, the session's timeout in seconds, 0 for a session that is over, its id
        and its password, which kazoo tells of no client without a connection.
    prepare: given the request, the seconds to wait for its answer and the time of sending; returns the first two as they are to
    be used.
    """
    invoke = client._connection._invoke

    def noting(timeout: float, request: Any, xid: Optional[int] = None) -> Any:
        if not isinstance(request, Connect):
            return invoke(timeout, request, xid)
        sent = now()
        request, timeout = prepare(request, timeout, sent)
        answer = invoke(timeout, request, xid)
        answered(sent, answer[0].time_out / 1000.0, answer[0].session_id, answer[0].passwd)
        return answer

    client._connection._invoke = noting


def asked_timeout(client: KazooClient) -> float:
    """The session timeout that a client asks for, in seconds."""
    return client._session_timeout / 1000.0


def ask_timeout(client: KazooClient, seconds: float) -> None:
    """Make the client ask for this session timeout, in seconds, from the next session on."""
    client._session_timeout = int(1000 * seconds)


def has_ended(client: KazooClient) -> bool:
    """Whether the client's connection thread was started and has ended."""
    thread = client._connection._connection_routine
    return thread is not None and not thread.is_alive()


def undo_start(client: KazooClient) -> None:
    """End what a client has that could not be started for want of a thread; it may be started again. kazoo stops no worker of a
    handler that has not all of them."""
    client._stopped.set()
    client.handler._running = True
    client.handler.stop()
    client._connection.close()


def shut_down_connection(client: KazooClient) -> None:
    """Shut the client's connection down; kazoo then makes another one."""
    connection = client._connection._socket
    try:
        if connection is not None:
            # Not its own method, which of a TLS connection takes the keys away under kazoo's hands.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        # It is down already.
        pass


def poll(
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


def _dial_quickly(client: KazooClient) -> None:
    """Let the client notice soon that a network is whole again, whatever the kernel's back-off would be.

    A connection repeats lost packets every 0.2 s six times over before it waits longer (TCP_THIN_LINEAR_TIMEOUTS,
    tcp(7)), and an attempt to connect is given up after CONNECT_TIME, which doubles up to what kazoo would wait.
    """
    dial, failures = client.handler.create_connection, 0

    def create_connection(address: Any, timeout: float, **options: Any) -> Any:
        nonlocal failures
        try:
            connection = dial(address, timeout=patience(timeout, failures), **options)
        except BaseException:
            failures += 1
            raise
        failures = 0
        connection.setsockopt(socket.IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1)
        return connection

    client.handler.create_connection = create_connection


class _CheckedConnection:
    """Wraps a kazoo client's connection, once `install` is called, so that it accepts only what a server may say."""

    def __init__(self, client: KazooClient, pace: ReconnectPace, limits: Callable[[], Tuple[int, float]]) -> None:
        self._client, self._pace, self._limits = client, pace, limits
        connection = client._connection
        self._kazoo_dial = client.handler.create_connection
        self._kazoo_connect, self._kazoo_invoke = connection._connect, connection._invoke
        self._kazoo_read, self._kazoo_read_header = connection._read, connection._read_header
        self._kazoo_read_socket = connection._read_socket
        #: of the message that was read last
        self._header: Any = None
        #: since when the client's credentials were refused, and nothing served; and the timeout that was granted last, seconds
        self._refused_since, self._granted = math.inf, 0.0
        #: whether that message belongs to a session, and not to its beginning
        self._serving = False

    def install(self) -> None:
        connection = self._client._connection
        self._client.handler.create_connection = self._dial
        connection._connect, connection._invoke = self._connect, self._invoke
        connection._read, connection._read_header = self._read, self._read_header
        connection._read_socket = self._read_socket

    def _dial(self, address: Any, timeout: float, **options: Any) -> Any:
        if self._pace.pause and self._client._stopped.wait(self._pace.pause):
            raise OSError("the client is stopped")
        return self._kazoo_dial(address, timeout=timeout, **options)

    def _connect(self, host: str, address: str, port: int) -> Any:
        attached = bool(self._client._session_id)
        try:
            connected = self._kazoo_connect(host, address, port)
            self._refused_since = math.inf
            return connected
        except kazoo_errors.AuthFailedError as error:
            self._refused_since = min(self._refused_since, now())
            # No lease is left by then; and the session, which each try keeps alive, must not stand in the queue for ever.
            if not attached or now() - self._refused_since >= max(self._granted, self._client._session_timeout / 1000):
                raise
            # kazoo takes a connection that is lost meanwhile for a refusal, and would forget a session that lives on.
            raise self._dropped(Nonsense(f"this client cannot authenticate: {error}")) from None
        except _KNOWN + (self._client.handler.timeout_exception,):
            raise
        except Exception as error:
            # An authentication that is answered by something else.
            raise self._dropped(Nonsense(f"a session cannot be begun: {str(error) or type(error).__name__}")) from None

    def _invoke(self, timeout: float, request: Any, xid: Optional[int] = None) -> Any:
        answer = self._kazoo_invoke(timeout, request, xid)
        if isinstance(request, Connect):
            reply = answer[0]
            try:
                replies.granted(
                    reply.time_out / 1000, reply.session_id, reply.passwd, bool(request.session_id), request.time_out / 1000,
                    self._limits()[1],
                )
            except Nonsense as error:
                raise self._dropped(error) from None
            self._granted = reply.time_out / 1000
            self._pace.taken()
        return answer

    def _read(self, count: int, timeout: float) -> bytes:
        try:
            return self._kazoo_read(replies.length(count, self._limits()[0]), timeout)
        except Nonsense as error:
            raise self._dropped(error) from None

    def _read_header(self, timeout: float) -> Tuple[Any, bytes, int]:
        try:
            self._header, data, offset = self._kazoo_read_header(timeout)
            replies.error_of(self._header.err)
            to_request = self._serving and self._header.xid not in (PING_XID, WATCH_XID)
            if to_request:
                self._see_that_it_was_asked()
            if self._header.err == replies.UNAUTHENTICATED_CODE:
                # It hangs up now, and kazoo would tell of that.
                asked = self._client._pending.popleft()[1] if to_request else None
                if asked is not None:
                    asked.set_exception(replies.error_of(self._header.err))
                raise kazoo_errors.ConnectionDropped(replies.UNAUTHENTICATED)
        except struct.error:
            short = Nonsense("a message is announced that is too short for one; this is not a ZooKeeper server")
            raise self._dropped(short) from None
        except Nonsense as error:
            raise self._dropped(error) from None
        return self._header, data, offset

    def _read_socket(self, timeout: float) -> Any:
        """An answer, a ping's, or a watch's event."""
        pending = self._client._pending
        self._serving, asked = True, pending[0] if pending else None
        try:
            answer = self._kazoo_read_socket(timeout)
        except (kazoo_errors.KazooException, self._client.handler.timeout_exception, OSError):
            raise
        except Exception as error:
            raise self._dropped(Nonsense(f"an answer cannot be read ({type(error).__name__})")) from None
        finally:
            self._serving = False
        if self._header.xid > 0 and asked is not None and not _is_read(asked[1]):
            raise self._dropped(Nonsense("an answer cannot be read"))
        self._pace.answered()
        return answer

    def _see_that_it_was_asked(self) -> None:
        """Raises Nonsense for an answer to nothing that was asked. Whoever asked something is told of the lost connection."""
        pending = self._client._pending
        if not pending or pending[0][2] != self._header.xid:
            raise Nonsense(f"an answer with the number {self._header.xid} is to no request")

    def _dropped(self, error: BaseException) -> kazoo_errors.ConnectionDropped:
        self._pace.taken()
        return kazoo_errors.ConnectionDropped(str(error))


class _ForgetfulConnection:
    """Wraps a kazoo client's connection, once `install` is called, so that it comes back after its servers lost their data.

    A server closes the connection of a client that has seen more than it has itself, as that could be shown the past. Where all
    servers do so, their data was lost or restored, and the client would try for ever. So once its session must be over it asks
    for that as one that has seen nothing. A server that takes the request tells whether it has the session still.
    """

    def __init__(self, client: KazooClient, limits: Callable[[], Tuple[int, float]]) -> None:
        self._client, self._limits, self._invoke = client, limits, client._connection._invoke
        #: since when the connection is lost, the session's timeout as granted, and how many servers have refused it in a row
        self._lost_at, self._timeout, self._refusals = math.inf, 0.0, 0

    def install(self) -> None:
        self._client._connection._invoke = self._ask
        self._client.add_listener(self._changed)

    def _ask(self, timeout: float, request: Any, xid: Optional[int] = None) -> Any:
        if not isinstance(request, Connect):
            return self._invoke(timeout, request, xid)
        if request.session_id and request.last_zxid_seen and self._refusals >= len(self._client.hosts) and self._is_over():
            log.warning(
                "ZooKeeper: every server closes the connection of session 0x%x, as after a loss of data or the restoring of a "
                "backup; this node asks for its session as one that has seen nothing", request.session_id,
            )
            self._client.last_zxid = 0
            request = request._replace(last_zxid_seen=0)
        try:
            answer = self._invoke(timeout, request, xid)
        except kazoo_errors.ConnectionDropped:
            self._refusals += 1
            raise
        self._refusals, self._timeout = 0, answer[0].time_out / 1000
        return answer

    def _is_over(self) -> bool:
        """Whether no lease of this session can last any more, and its servers, if they ran, had to expire it by now."""
        return now() - self._lost_at >= self._timeout + self._limits()[1]

    def _changed(self, state: str) -> None:
        self._lost_at = min(self._lost_at, now()) if state == KazooState.SUSPENDED else math.inf


def _is_read(answer: Any) -> bool:
    """Whether what kazoo has put into an answer is one of a server."""
    return answer is None or not answer.ready() or replies.is_answer(answer.exception)
