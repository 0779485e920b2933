"""XML-RPC calls to supervisord with a limit for the whole call.

xmlrpc.client over SupervisorTransport waits for ever on a supervisord that is stopped by a signal, and a
limit per recv() is none either, since an answer may come byte by byte. Here one deadline covers connecting,
sending, waiting and reading. Each call has a connection of its own: nothing is shared between threads, and
closing it turns supervisord's main loop once more, which is what makes it reap and restart a dead child at
once.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
import time
from typing import Any, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from supervisor_zkelect.supervisord import xmlrpc
from supervisor_zkelect.system import resolve
from supervisor_zkelect.system.deadline import Address, connect, left

# Codes of supervisor.xmlrpc.Faults and supervisor.states.ProcessStates, supervisor 4.3.0. They are part of
# supervisor's documented interface; repeated here so that this module needs no import of supervisor.
UNKNOWN_METHOD = 1
SHUTDOWN_STATE = 6
BAD_NAME = 10
SPAWN_ERROR = 50
ALREADY_STARTED = 60
SUCCESS = 80

MOST_CALLS = 32
"""Calls that one process makes at a time. supervisord answers one after the other, so more would only wait in their
connections, where their time runs, and not in a queue, where it does not."""

UNIX = "unix://"
"""What the URL of a unix socket begins with; its path follows."""

#: Bytes of an answer that are taken; a thousand programs have a few MiB.
LONGEST_HEAD, LONGEST_BODY = 64 << 10, 256 << 20


class SupervisordError(Exception):
    """A call to supervisord brought no result."""


class Unreachable(SupervisordError):
    """No usable answer within the limit. `sent` is False when supervisord cannot have seen the request."""

    def __init__(self, reason: str, sent: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Fault(SupervisordError):
    """supervisord answered with a fault. `code` is one of supervisor.xmlrpc.Faults."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} (fault {code})")
        self.code = code
        self.text = text

    @property
    def shutting_down(self) -> bool:
        """Whether supervisord is shutting down or restarting, when it refuses every supervisor.* call."""
        return self.code == SHUTDOWN_STATE


FIRST_LOOK = 0.5
"""Seconds that a resolver has when a `Supervisord` is made."""


class Supervisord:
    """The supervisord at `url`: unix:///path/to.sock or http://host:port, as in SUPERVISOR_SERVER_URL.

    timeout: seconds for one call, unless the call says otherwise. All methods may be used from several threads at once. A host
    name is resolved here, so that later calls need no thread for it, within FIRST_LOOK: a guard that begins must not wait for a
    resolver. While it has no address, as before a resolver runs at boot, each call looks it up again within its own limit, and
    raises Unreachable where that fails or no thread is to be had. Of several addresses each is tried until one can be connected
    to: supervisord may listen on 127.0.0.1 where localhost is ::1 first. Raises ValueError for another kind of url.

    pid: that of the supervisord that is meant, None for whichever answers. Its socket may be removed, or a file may name that of
    another, whose programs nobody here means: whoever answers is asked for its pid, once for each address and socket and again
    after a connection failed, and a call to another one raises Unreachable, unsent.
    """

    def __init__(
        self, url: str, username: Optional[str] = None, password: Optional[str] = None, timeout: float = 5.0,
        pid: Optional[int] = None,
    ) -> None:
        self.url = url
        self.timeout = timeout
        self._pid = pid
        #: where, as `_place` tells it, the supervisord that is meant was the last to answer
        self._proven: Optional[Tuple[Any, ...]] = None
        self._host, self._port = "", 0
        host = "localhost"
        if url.startswith(UNIX) and url != UNIX:
            # supervisord writes the path as it is, also a relative one, and one with a # or ? in it.
            self._addresses: Sequence[Address] = [(socket.AF_UNIX, url[len(UNIX):])]
        else:
            parts = urlsplit(url)
            if parts.scheme != "http" or not parts.hostname:
                raise ValueError(f"supervisord's url is unix:///path or http://host:port, not {url!r}")
            host = parts.netloc.rpartition("@")[2]
            self._host, self._port = parts.hostname, parts.port or 80
            self._addresses = _first_look(self._host, self._port)
        self._headers = (
            f"POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml\r\nAccept: text/xml\r\n"
            "User-Agent: supervisor-zkelect\r\nConnection: close\r\n"
        )
        if username:
            word = base64.b64encode(f"{username}:{password or ''}".encode()).decode("ascii")
            self._headers += f"Authorization: Basic {word}\r\n"

    def call(self, method: str, *args: Any, timeout: Optional[float] = None) -> Any:
        """The result of `method`, for example "supervisor.getState".

        timeout: seconds for the whole call; default the one of the constructor.
        Raises Fault when supervisord answers with one, and Unreachable for everything else.
        """
        limit = timeout or self.timeout
        try:
            return xmlrpc.answer(self._exchange(self._request(method, args), limit, time.monotonic() + limit))
        except xmlrpc.XmlRpcFault as fault:
            raise Fault(fault.code, fault.text) from None
        except ValueError as error:
            self._proven = None
            raise Unreachable(f"{self.url} does not answer like supervisord: {error}") from error

    def _request(self, method: str, args: Sequence[Any]) -> bytes:
        """In one piece, so that supervisord finds all of it or nothing, however long this process is held up."""
        body = xmlrpc.request(method, args)
        return f"{self._headers}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body

    def wake(self) -> None:
        """Turn supervisord's loop twice, by a connection that is closed at once: the first turn reaps, the next restarts. It
        never waits, and raises nothing: where it cannot be reached, supervisord turns by itself within a second.
        """
        if not self._addresses:
            return
        family, address = self._addresses[0]
        try:
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                connection.setblocking(False)
                connection.connect(address)
        except OSError:
            return

    def _exchange(self, request: bytes, limit: float, deadline: float) -> bytes:
        """Send a request and return the body of its answer. limit: what there was until the deadline, to be told."""
        connection, sent = None, False
        try:
            if not self._addresses:
                # Another thread may do so as well; they wait for the same look-up.
                self._addresses = _usable(resolve.lookups.addresses(self._host, self._port, left(deadline)))
            door = self._door()
            connection = self._connect(deadline)
            place = self._place(connection, door)
            if place != self._proven:
                self._prove(place, self._body(connection, self._request("supervisor.getPID", ()), deadline))
                connection.close()
                connection = self._connect(deadline)
                if self._place(connection, door) != place:
                    raise self._taken_over()
            sent = True
            return self._body(connection, request, deadline)
        except socket.timeout:
            # Who is slow is no other one, so this takes no proof back.
            if connection is not None and connection.family != socket.AF_UNIX:
                # Drop what the kernel has not delivered yet; else it could reach a thawed supervisord
                # later than a request that was made after this one had ended.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Unreachable(f"{self.url} did not answer within {limit:g} s", sent) from None
        except (OSError, ValueError) as error:
            self._proven = None
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(f"{self.url}: {reason}", sent) from error
        finally:
            if connection is not None:
                connection.close()

    def _body(self, connection: socket.socket, request: bytes, deadline: float) -> bytes:
        """The body of the answer to a request. Raises OSError and ValueError."""
        connection.settimeout(left(deadline))
        connection.sendall(request)
        status, reason, body = _response(connection, deadline)
        if status != 200:
            refused = "refuses the user name or password (HTTP 401)" if status == 401 else f"answered HTTP {status} {reason}"
            raise ValueError(f"it {refused}")
        return body

    def _prove(self, place: Optional[Tuple[Any, ...]], answer: bytes) -> None:
        """Raise Unreachable unless it is the supervisord that is meant who gave this answer, as far as it says who it is."""
        try:
            pid = xmlrpc.answer(answer)
        except xmlrpc.XmlRpcFault:
            # While it shuts down it tells nobody, and refuses the call that follows as well.
            return
        if pid != self._pid:
            # Where there are more addresses, that which is meant may be at another one.
            self._addresses = [*self._addresses[1:], *self._addresses[:1]]
            raise Unreachable(
                f"{self.url} is answered by another supervisord, process {pid}, and not by process {self._pid}, which is meant; "
                "end the other one, or give each an address of its own, and restart this one",
                sent=False,
            )
        self._proven = place

    def _door(self) -> Tuple[int, ...]:
        """What changes when another process listens at a path; a port is its listener's until that closes it. Raises OSError."""
        if self._pid is None or self._host:
            return ()
        found = os.stat(self.url[len(UNIX):])
        return (found.st_dev, found.st_ino, found.st_ctime_ns)

    def _place(self, connection: socket.socket, door: Tuple[int, ...]) -> Optional[Tuple[Any, ...]]:
        """Where a connection leads; None where whoever answers is meant. door: as it was before the connection was made. Raises
        OSError and Unreachable."""
        if self._pid is None:
            return None
        if self._door() != door:
            raise self._taken_over()
        return door or (connection.family, connection.getpeername())

    def _taken_over(self) -> Unreachable:
        return Unreachable(f"{self.url} was taken over by another process at this moment", sent=False)

    def _connect(self, deadline: float) -> socket.socket:
        """A connection to the first address that takes one, which is the first to be tried from then on. Raises OSError."""
        addresses = self._addresses
        number, connection = connect(addresses, deadline)
        if number:
            # Another thread may put another list in its place.
            self._addresses = [addresses[number], *addresses[:number], *addresses[number + 1:]]
        return connection


def _first_look(host: str, port: int) -> Sequence[Address]:
    """The addresses of a host; none where they are not known in time."""
    try:
        try:
            return _usable(resolve.lookups.addresses(host, port, FIRST_LOOK))
        except resolve.NoThread:
            return _usable(resolve.look_up(host, port))
    except resolve.Unresolved:
        return []


def _usable(found: Sequence[resolve.Address]) -> Sequence[Address]:
    """What `socket.connect` takes of the items of getaddrinfo."""
    return [(one[0], one[4]) for one in found]


def _response(connection: socket.socket, deadline: float) -> Tuple[int, str, bytes]:
    """Status, reason and body of an HTTP/1.x response (RFC 9112), of which nothing is waited for after the deadline, a
    time.monotonic(). Raises ValueError when it is none, OSError when the connection is lost."""
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > LONGEST_HEAD:
            raise ValueError("its answer has no end of the head")
        data += _more(connection, deadline)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("iso-8859-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit() and len(code) == 3):
        raise ValueError("it does not speak HTTP")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = fields.get("content-length", "")
    if "transfer-encoding" in fields or not (length.isascii() and length.isdigit() and int(length) <= LONGEST_BODY):
        if code == "200":
            raise ValueError("its answer does not say how long it is")
        return int(code), reason, b""
    while len(body) < int(length):
        body += _more(connection, deadline)
    return int(code), reason, body[:int(length)]


def _more(connection: socket.socket, deadline: float) -> bytes:
    connection.settimeout(left(deadline))
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("it closed the connection before its answer was complete")
    return data
