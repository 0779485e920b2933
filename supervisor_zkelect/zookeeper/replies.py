"""What a ZooKeeper server may say, and what comes of it when it says something else: the connection is closed, the reason
told, and the next one made after a while.

A server is a stranger: another may stand in for it, or something else may listen at its port. So the length of a message is
looked at before it is read, a session that is granted must be one to work with, and an answer that cannot be read is none.
`attached.py` asks the functions here; `watch_over` has kazoo's client ask them too, through private parts of its connection.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple

from kazoo import exceptions as kazoo_errors

if TYPE_CHECKING:
    from kazoo.client import KazooClient

LONGEST = (1 << 20) + (64 << 10)
"""Bytes of a reply that are read by default. A server takes a request of 1 MiB (its jute.maxbuffer), so a znode may hold nearly
as much, and an answer with its data has a stat as well: it is longer than the request by which they were written."""

SHORTEST_TIMEOUT = 0.5
"""Seconds; the shortest session timeout that a file can ask for, and that is worked with."""

USUAL_TICK, MOST_TICKS = 2.0, 20
"""Seconds of a tick where the configuration is not known, and the ticks to which a server raises a timeout at most."""

LONGEST_PASSWORD = 64
"""Bytes of a session's password. ZooKeeper's have 16."""

PAUSES_AFTER, FIRST_PAUSE, LONGEST_PAUSE = 3, 0.1, 10.0
"""How many connections in a row may come to nothing before there is a pause, and its seconds: the first, and the most."""

_KNOWN = (
    kazoo_errors.ConnectionDropped, kazoo_errors.AuthFailedError, kazoo_errors.SessionExpiredError, OSError,
)
"""What kazoo's loop goes on after, or ends by, as it should."""

UNAUTHENTICATED_CODE = -124
UNAUTHENTICATED = (
    "the servers take only sessions that have authenticated (enforce.auth.enabled), and this node has not, by a scheme that "
    "they ask for (enforce.auth.schemes); set digest, sasl_mechanism or tls_cert in [zkelect]"
)


class Nonsense(ConnectionError):
    """What was said is no ZooKeeper server's. The text says what it was."""


def length(announced: int, longest: int) -> int:
    """The length of a message, bytes. Raises Nonsense for one that nobody may announce."""
    if announced < 0:
        raise Nonsense(f"a message of {announced} bytes is announced; this is no ZooKeeper server")
    if announced > longest:
        raise Nonsense(f"a message of {announced} bytes is announced, and {longest} are read at most (reply_max)")
    return announced


def granted(timeout: float, session: int, password: Optional[bytes], attaching: bool, asked: float, tick: float) -> None:
    """Look at the answer to a connect request. Raises Nonsense where that is no session to work with.

    timeout, asked: of the session, in seconds; 0 says that the session to attach to is over. tick: the servers' tickTime.
    """
    if timeout == 0 and attaching:
        return
    most = max(2 * asked, MOST_TICKS * tick)
    if not SHORTEST_TIMEOUT <= timeout <= most:
        raise Nonsense(
            f"a session timeout of {timeout:g} s is granted, where {asked:g} s was asked for and {SHORTEST_TIMEOUT:g} to "
            f"{most:g} s is worked with; correct session_timeout, or the servers' minSessionTimeout and maxSessionTimeout"
        )
    if session == 0 or not password or len(password) > LONGEST_PASSWORD:
        raise Nonsense("a session without an id, or with no password of one, is granted; this is no ZooKeeper server")


def error_of(code: int) -> Optional[Exception]:
    """What an answer's code means; None for 0. Raises Nonsense for one that ZooKeeper does not have."""
    if code == 0:
        return None
    if code == UNAUTHENTICATED_CODE:
        # Not every release of kazoo knows it.
        return kazoo_errors.AuthFailedError(UNAUTHENTICATED)
    if code not in kazoo_errors.EXCEPTIONS:
        raise Nonsense(f"an error {code} is answered, which ZooKeeper does not have")
    return kazoo_errors.EXCEPTIONS[code]()


def is_answer(error: Optional[BaseException]) -> bool:
    """Whether a request that ended with this was answered by a server that keeps the session alive. A refusal is an answer as
    well; a lost connection or session is not, nor what cannot be read, nor the refusal of everything that a session asks."""
    return error is None or isinstance(error, kazoo_errors.ZookeeperError) and not isinstance(
        error, (kazoo_errors.ConnectionLoss, kazoo_errors.SessionExpiredError, kazoo_errors.AuthFailedError)
    )


class Pace:
    """When the next connection may be made. One that was taken, and then came to nothing, is followed by a pause, ever longer,
    until an answer is one. Connections that no server takes cost nothing: it may begin, or have no leader, just now."""

    def __init__(self) -> None:
        self._fruitless = 0

    def taken(self) -> None:
        """A connection is taken, or the other side spoke nonsense; so far nothing came of it."""
        self._fruitless += 1

    def answered(self) -> None:
        self._fruitless = 0

    @property
    def pause(self) -> float:
        """Seconds."""
        more = self._fruitless - PAUSES_AFTER - 1
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(more, 20)) if more >= 0 else 0.0


def watch_over(client: KazooClient, pace: Pace, longest: Callable[[], int], tick: Callable[[], float]) -> None:
    """Have a kazoo client that is not started take only what a server may say.

    longest: bytes of a reply that are read. tick: seconds. Both are asked when they are needed. What is done here is done on
    kazoo's connection thread.
    """
    from kazoo.protocol.connection import PING_XID, WATCH_XID
    from kazoo.protocol.serialization import Connect

    connection, dial = client._connection, client.handler.create_connection
    read, read_header, read_socket, invoke, connect = (
        connection._read, connection._read_header, connection._read_socket, connection._invoke, connection._connect
    )
    header: Any = None
    serving = False

    def dropped(error: BaseException) -> kazoo_errors.ConnectionDropped:
        pace.taken()
        return kazoo_errors.ConnectionDropped(str(error))

    def paced_dial(address: Any, timeout: float, **options: Any) -> Any:
        if pace.pause and client._stopped.wait(pace.pause):
            raise OSError("the client is stopped")
        return dial(address, timeout=timeout, **options)

    def bounded_read(count: int, timeout: float) -> bytes:
        try:
            return read(length(count, longest()), timeout)
        except Nonsense as error:
            raise dropped(error) from None

    def known_header(timeout: float) -> Tuple[Any, bytes, int]:
        nonlocal header
        try:
            header, data, offset = read_header(timeout)
            error_of(header.err)
            to_request = serving and header.xid not in (PING_XID, WATCH_XID)
            if to_request:
                _asked_for(client, header)
            if header.err == UNAUTHENTICATED_CODE:
                # It hangs up now, and kazoo would tell of that.
                asked = client._pending.popleft()[1] if to_request else None
                if asked is not None:
                    asked.set_exception(error_of(header.err))
                raise kazoo_errors.ConnectionDropped(UNAUTHENTICATED)
        except struct.error:
            raise dropped(Nonsense("a message is announced that is too short for one; this is no ZooKeeper server")) from None
        except Nonsense as error:
            raise dropped(error) from None
        return header, data, offset

    def understood(timeout: float) -> Any:
        """An answer, a ping's, or a watch's event."""
        nonlocal serving
        serving, asked = True, client._pending[0] if client._pending else None
        try:
            answer = read_socket(timeout)
        except (kazoo_errors.KazooException, client.handler.timeout_exception, OSError):
            raise
        except Exception as error:
            raise dropped(Nonsense(f"an answer cannot be read ({type(error).__name__})")) from None
        finally:
            serving = False
        if header.xid > 0 and asked is not None and not _read_by_kazoo(asked[1]):
            raise dropped(Nonsense("an answer cannot be read"))
        pace.answered()
        return answer

    def checked(timeout: float, request: Any, xid: Optional[int] = None) -> Any:
        answer = invoke(timeout, request, xid)
        if isinstance(request, Connect):
            reply = answer[0]
            try:
                granted(
                    reply.time_out / 1000, reply.session_id, reply.passwd, bool(request.session_id), request.time_out / 1000,
                    tick(),
                )
            except Nonsense as error:
                raise dropped(error) from None
            pace.taken()
        return answer

    def connected(host: str, address: str, port: int) -> Any:
        try:
            return connect(host, address, port)
        except _KNOWN + (client.handler.timeout_exception,):
            raise
        except Exception as error:
            # An authentication that is answered by something else.
            raise dropped(Nonsense(f"a session cannot be begun: {str(error) or type(error).__name__}")) from None

    client.handler.create_connection = paced_dial
    connection._connect = connected
    connection._read, connection._read_header = bounded_read, known_header
    connection._read_socket, connection._invoke = understood, checked


def _asked_for(client: KazooClient, header: Any) -> None:
    """Raises Nonsense for an answer to nothing that was asked. Whoever asked something is told of the lost connection."""
    if not client._pending or client._pending[0][2] != header.xid:
        raise Nonsense(f"an answer with the number {header.xid} is to no request")


def _read_by_kazoo(answer: Any) -> bool:
    """Whether what kazoo has put into an answer is one of a server."""
    return answer is None or not answer.ready() or is_answer(answer.exception)
