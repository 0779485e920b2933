"""A client for one attached session over one connection, which needs no thread. It is attached in 20 to 30 ms where kazoo's takes
100 to 130, its import included.

It serves the keeper (`keeper.py`), which has to renew a session where neither a thread nor time is to be had, and must be
able to leave it without closing it. This has what `elector.Elector` asks of a `KazooClient`, without reconnecting: what
fails is tried again with another client. The messages are kazoo's. SASL is left to `connect.client_for`.
"""

from __future__ import annotations

import queue
import random
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from kazoo import exceptions as kazoo_errors
from kazoo.protocol.serialization import (
    Auth,
    CheckVersion,
    Close,
    Connect,
    Create,
    Delete,
    Exists,
    GetChildren,
    GetData,
    ReplyHeader,
    SetData,
    Sync,
    Transaction,
    int_struct,
)
from kazoo.security import OPEN_ACL_UNSAFE

from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import replies
from supervisor_zkelect.zookeeper.errors import NotConnected

if TYPE_CHECKING:
    import ssl

#: Seconds for one server to answer a connect request before the next is tried, in the first round.
SERVER_TIME = 1.0

_WATCH_XID, _AUTH_XID = -1, -4

_spare: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
_spare_threads: List[threading.Thread] = []


class Handler:
    """The part of kazoo's handler that the elector needs."""

    timeout_exception = TimeoutError


class PendingAnswer:
    """To one request; `get` waits for it. missing_ok: a znode that does not exist is None and no error."""

    def __init__(self, client: AttachedClient, read: Callable[[bytes, int], Any], missing_ok: bool) -> None:
        self._client, self._read, self._missing_ok = client, read, missing_ok
        self._value: Any = None
        self._error: Optional[Exception] = None
        self.given = False

    def get(self, timeout: float) -> Any:
        """ZooKeeper's answer. Raises kazoo's exceptions, and TimeoutError after `timeout` seconds."""
        self._client.await_answer(self, now() + timeout)
        if self._error is not None:
            raise self._error
        return self._value

    def give(self, error: Optional[Exception], data: bytes, offset: int) -> None:
        """Raises `replies.Nonsense` when the answer cannot be read; then none is given yet."""
        if error is None:
            try:
                self._value = self._read(data, offset)
            except Exception as problem:
                # kazoo's readers find what they find.
                raise replies.Nonsense(f"an answer cannot be read ({type(problem).__name__})") from None
        self.given = True
        self._error = None if self._missing_ok and isinstance(error, kazoo_errors.NoNodeError) else error


class AttachedClient:
    """hosts: "host:port,..." without chroot. identity: id and password of the session. timeout: the session's, seconds.

    digest: "user:password", if the znodes ask for it. tls: for servers that speak TLS. longest: bytes of a reply that are read.
    """

    handler = Handler()
    connected = True

    def __init__(
        self, hosts: str, identity: Tuple[int, bytes], timeout: float, digest: Optional[str] = None,
        tls: Optional[ssl.SSLContext] = None, longest: int = replies.LONGEST,
    ) -> None:
        self._longest = longest
        self._digest, self._tls = digest, tls
        self._hosts = [(host.strip("[]"), int(port)) for host, _, port in (one.rpartition(":") for one in hosts.split(","))]
        self._identity = identity
        self._timeout = timeout
        self._connection: Optional[socket.socket] = None
        self._received = b""
        self._xid = 0
        self._pending: Dict[int, PendingAnswer] = {}
        self.client_id: Tuple[int, bytes] = (0, b"")
        #: the session's timeout as the server granted it to this connection, in seconds
        self.granted = 0.0

    def start(self, limit: float) -> None:
        """Attach to the session; `client_id` holds another id than the one asked for when that is over.

        Raises `errors.NotConnected` after `limit` seconds.
        """
        end = now() + limit
        patience = SERVER_TIME
        trouble = "no answer"
        addresses = _addresses(self._hosts, end)
        while addresses and now() < end:
            for family, address, name in addresses:
                try:
                    self._attach(family, address, name, min(end, now() + patience))
                    return
                except (OSError, struct.error) as error:
                    # A server without a quorum closes the connection.
                    trouble = f"{address[0]}:{address[1]}: {getattr(error, 'strerror', None) or error}"
                    self.drop()
            if patience >= limit:
                break
            patience *= 2
        raise NotConnected(f"cannot reach ZooKeeper: {trouble}; see that a server runs and can be reached")

    def _attach(self, family: int, address: Any, name: str, end: float) -> None:
        """name: of the server, as its certificate has it. Raises OSError or struct.error."""
        self._connection = socket.socket(family, socket.SOCK_STREAM)
        self._connection.settimeout(max(0.001, end - now()))
        self._connection.connect(address)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            self._connection = self._tls.wrap_socket(self._connection, server_hostname=name)
        request = Connect(0, 0, int(self._timeout * 1000), *self._identity, False)
        self._write(bytes(request.serialize()))
        granted, _ = Connect.deserialize(self._message(end), 0)
        if granted.session_id not in (0, self._identity[0]):
            raise replies.Nonsense("another session is granted than was asked for; this is not a ZooKeeper server")
        replies.granted(
            granted.time_out / 1000, granted.session_id, granted.passwd, True, self._timeout, replies.USUAL_TICK
        )
        over = granted.time_out == 0
        self.client_id = (0, b"") if over else (granted.session_id, granted.passwd)
        self.granted = granted.time_out / 1000
        if self._digest is not None and not over:
            self._authenticate(self._digest, end)

    def _authenticate(self, digest: str, end: float) -> None:
        """Raises OSError or struct.error."""
        request = Auth(0, "digest", digest)
        self._write(int_struct.pack(_AUTH_XID) + int_struct.pack(request.type) + bytes(request.serialize()))
        while True:
            header, _ = ReplyHeader.deserialize(self._message(end), 0)
            if header.xid == _AUTH_XID:
                break
        if header.err:
            raise ConnectionError("the digest was refused; correct it")

    def close(self, limit: float) -> None:
        """Close the session, so that its ephemerals are gone. Raises `errors.NotConnected` when that is not answered
        within `limit` seconds: it may live."""
        try:
            self._ask(Close(), lambda data, offset: None).get(limit)
        except (OSError, kazoo_errors.KazooException) as error:
            raise NotConnected(f"the session was not closed: {str(error) or type(error).__name__}; ask again") from None
        finally:
            self.drop()

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._received = b""

    # What the elector asks

    def add_listener(self, listener: Any) -> None:
        """There is nothing to tell: a connection that is lost fails what is asked."""

    def remove_listener(self, listener: Any) -> None:
        return

    def exists_async(self, path: str, watch: Any = None) -> PendingAnswer:
        """Nobody waits here for what a watch would tell."""
        return self._ask(Exists(path, None), Exists.deserialize, missing_ok=True)

    def get_async(self, path: str) -> PendingAnswer:
        return self._ask(GetData(path, None), GetData.deserialize)

    def get_children_async(self, path: str) -> PendingAnswer:
        return self._ask(GetChildren(path, None), GetChildren.deserialize)

    def sync_async(self, path: str) -> PendingAnswer:
        return self._ask(Sync(path), Sync.deserialize)

    def create_async(self, path: str, value: bytes, acl: Any = None, makepath: bool = False) -> PendingAnswer:
        """makepath: make the parents that are missing; then its answer is waited for."""
        parent = path.rpartition("/")[0]
        if makepath and parent and self.exists_async(parent).get(self._timeout) is None:
            try:
                self.create_async(parent, b"", acl, makepath=True).get(self._timeout)
            except kazoo_errors.NodeExistsError:
                # Somebody else made it meanwhile.
                pass
        return self._ask(Create(path, value, acl or OPEN_ACL_UNSAFE, 0), Create.deserialize)

    def set_async(self, path: str, value: bytes, version: int = -1) -> PendingAnswer:
        return self._ask(SetData(path, value, version), SetData.deserialize)

    def delete_async(self, path: str, version: int = -1) -> PendingAnswer:
        return self._ask(Delete(path, version), Delete.deserialize)

    def transaction(self) -> Multi:
        return Multi(self)

    def commit(self, operations: List[Any]) -> PendingAnswer:
        return self._ask(Transaction(operations), Transaction.deserialize)

    # The connection

    def _ask(self, request: Any, read: Callable[[bytes, int], Any], missing_ok: bool = False) -> PendingAnswer:
        self._xid += 1
        answer = PendingAnswer(self, read, missing_ok)
        self._pending[self._xid] = answer
        try:
            self._write(int_struct.pack(self._xid) + int_struct.pack(request.type) + bytes(request.serialize()))
        except OSError:
            self._lost()
        return answer

    def await_answer(self, answer: PendingAnswer, end: float) -> None:
        while not answer.given:
            try:
                data = self._message(end)
                header, offset = ReplyHeader.deserialize(data, 0)
                if header.xid == _WATCH_XID or header.xid not in self._pending:
                    continue
                self._pending[header.xid].give(replies.error_of(header.err), data, offset)
                del self._pending[header.xid]
            except TimeoutError:
                raise
            except (OSError, struct.error):
                self._lost()

    def _lost(self) -> None:
        self.drop()
        for answer in self._pending.values():
            answer.give(kazoo_errors.ConnectionLoss(), b"", 0)
        self._pending.clear()

    def _write(self, message: bytes) -> None:
        if self._connection is None:
            raise ConnectionError("the connection is lost")
        self._connection.sendall(int_struct.pack(len(message)) + message)

    def _message(self, end: float) -> bytes:
        """The next message. Raises TimeoutError at `end`, and OSError when the connection is lost."""
        size = int_struct.unpack(self._take(4, end))[0]
        return self._take(replies.length(size, self._longest), end)

    def _take(self, count: int, end: float) -> bytes:
        while len(self._received) < count:
            left = end - now()
            if self._connection is None:
                raise ConnectionError("the connection is lost")
            if left <= 0:
                raise TimeoutError("no answer in time")
            self._connection.settimeout(left)
            try:
                more = self._connection.recv(65536)
            except socket.timeout:
                raise TimeoutError("no answer in time") from None
            if not more:
                raise ConnectionError("the server closed the connection")
            self._received += more
        data, self._received = self._received[:count], self._received[count:]
        return data


def keep_thread() -> None:
    """Have a thread that resolves names of servers from now on, for when no other is to be had. Where there is none even now,
    names are not resolved while that lasts."""
    thread = threading.Thread(target=_do_spare, daemon=True)
    try:
        thread.start()
        _spare_threads.append(thread)
    except RuntimeError:
        return


def _do_spare() -> None:
    while True:
        _spare.get()()


def _begin(work: Callable[[], None]) -> bool:
    """Have it done on another thread. False where there is none."""
    try:
        threading.Thread(target=work, daemon=True).start()
    except RuntimeError:
        if not _spare_threads:
            return False
        _spare.put(work)
    return True


def _addresses(hosts: List[Tuple[str, int]], end: float) -> List[Tuple[int, Any, str]]:
    """Family, address and name of each server, in random order, of those names that can be resolved by then.

    A name is resolved on another thread, as that has no limit of time; where none is to be had, it is not.
    """
    found: queue.SimpleQueue[List[Tuple[int, Any, str]]] = queue.SimpleQueue()
    addresses: List[Tuple[int, Any, str]] = []
    waiting = 0

    def resolve(host: str, port: int, flags: int) -> List[Tuple[int, Any, str]]:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
            return [(family, address, host) for family, _, _, _, address in answers]
        except (OSError, UnicodeError):
            return []

    for host, port in hosts:
        numeric = resolve(host, port, socket.AI_NUMERICHOST)
        addresses += numeric
        if not numeric:
            # What has waited for a thread until nobody waits for its answer holds up what comes next.
            work = lambda host=host, port=port: found.put(resolve(host, port, 0) if now() < end else [])  # noqa: E731
            waiting += _begin(work)
    for _ in range(waiting):
        # Names that take long do not hold up addresses that are known.
        left = min(end - now(), SERVER_TIME) if addresses else end - now()
        try:
            addresses += found.get(timeout=max(0.0, left))
        except queue.Empty:
            break
    random.shuffle(addresses)
    return addresses


class Multi:
    """kazoo's TransactionRequest."""

    def __init__(self, client: AttachedClient) -> None:
        self._client = client
        self._operations: List[Any] = []

    def check(self, path: str, version: int) -> None:
        self._operations.append(CheckVersion(path, version))

    def create(self, path: str, value: bytes = b"", acl: Any = None) -> None:
        self._operations.append(Create(path, value, acl or OPEN_ACL_UNSAFE, 0))

    def set_data(self, path: str, value: bytes, version: int = -1) -> None:
        self._operations.append(SetData(path, value, version))

    def delete(self, path: str, version: int = -1) -> None:
        self._operations.append(Delete(path, version))

    def commit_async(self) -> PendingAnswer:
        return self._client.commit(self._operations)
