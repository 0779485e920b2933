"""Requests to ZooKeeper: each with a time limit, each failure under its name in `zookeeper/errors.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Protocol, Sequence, Tuple, Type

from kazoo import exceptions as kazoo_errors
from kazoo.protocol.states import KazooState

from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper.errors import AccessDenied, ElectionError, NotConnected, SessionGone, TimedOut, ZooKeeperFailed

if TYPE_CHECKING:
    # A release begins sooner without kazoo's client (attached.py).
    from kazoo.client import KazooClient

#: Rounds in which a call follows a queue or a holder that changes between two requests.
ROUNDS = 20

Errors = Tuple[Type[Exception], ...]

#: Answers that may be as good as any: there is no such znode, there is one, it has changed or is gone.
MISSING: Errors = (kazoo_errors.NoNodeError,)
THERE: Errors = (kazoo_errors.NodeExistsError,)
CHANGED: Errors = (kazoo_errors.BadVersionError, *MISSING)

_CHANGES = (*THERE, *CHANGED)
"""What a request or an operation meets where another has changed something before it."""

#: One operation of a transaction: the name of the method that adds it, and with what it is called.
Operation = Tuple[str, Tuple[Any, ...], Dict[str, Any]]


class Client(Protocol):
    """The part of a client that an elector needs, for type checkers: kazoo's client has it, but no types."""

    def add_listener(self, listener: Callable[[str], object]) -> object: ...

    def remove_listener(self, listener: Callable[[str], object]) -> object: ...

    def exists_async(self, path: str) -> object: ...

    def get_async(self, path: str) -> object: ...

    def get_children_async(self, path: str) -> object: ...

    def transaction(self) -> object: ...


class Requests:
    """The requests of one elector. timeout: time limit of every call, in seconds. acl: for what is made."""

    def __init__(self, client: KazooClient, timeout: float, acl: Optional[List[Any]]) -> None:
        self.client = client
        self.timeout = timeout
        #: when each call ends at the latest, whenever it begins
        self.until = math.inf
        self.acl = acl
        self.closed = False

    def limit(self) -> float:
        """When the call that begins must end. Raises NotConnected for one that is closed."""
        if self.closed:
            raise NotConnected("this elector is closed; make another one")
        return min(now() + self.timeout, self.until)

    @property
    def session_id(self) -> Optional[int]:
        """Id of the session, or None while there is no connection."""
        identity = self.client.client_id
        return identity[0] if identity else None

    def session(self) -> int:
        session = self.session_id
        if session is None:
            raise NotConnected("there is no connection to ZooKeeper; ask again once there is")
        return session

    def make(self, path: str, limit: float) -> None:
        if self.ask("look for a znode", limit, self.client.exists_async, path) is None:
            self.ask("make a znode", limit, self.client.create_async, path, b"", acl=self.acl, makepath=True, ok=THERE)

    def read(self, doing: str, limit: float, path: str) -> Any:
        """A znode's data and stat; None when there is none."""
        return self.ask(doing, limit, self.client.get_async, path, ok=MISSING)

    def ask(self, doing: str, limit: float, request: Callable[..., Any], *arguments: Any, ok: Errors = (), **options: Any) -> Any:
        return self.answer(doing, limit, request(*arguments, **options), ok)

    def answer(self, doing: str, limit: float, answer: Any, ok: Errors = ()) -> Any:
        """ZooKeeper's answer; None where that is one of the errors that are `ok`."""
        try:
            return answer.get(timeout=max(0.0, limit - now()))
        except ok:
            return None
        except self.client.handler.timeout_exception:
            raise TimedOut(f"ZooKeeper did not answer in time to: {doing}; look what stands, then ask again") from None
        except _CHANGES as error:
            raise named(doing, error) from None
        except Exception as error:
            raise named(doing, error) from error

    def transact(self, path: str, operations: Sequence[Operation]) -> Any:
        """Send a transaction that checks the znode at `path`, and does `operations` if that is there."""
        transaction = self.client.transaction()
        transaction.check(path, -1)
        for name, arguments, options in operations:
            getattr(transaction, name)(*arguments, **options)
        return transaction.commit_async()

    def committed(self, doing: str, limit: float, answer: Any) -> Optional[bool]:
        """The outcome of such a transaction: None when the znode was not there, False when one of the operations met a change
        and nothing was done, else True."""
        results = self.answer(doing, limit, answer)
        errors = [result for result in results if isinstance(result, Exception)]
        if not errors:
            return True
        if isinstance(results[0], kazoo_errors.NoNodeError):
            return None
        for error in errors:
            if isinstance(error, _CHANGES):
                return False
        real = [e for e in errors if not isinstance(e, (kazoo_errors.RolledBackError, kazoo_errors.RuntimeInconsistency))]
        raise named(doing, (real or errors)[0])

    def reconnected(self, limit: float) -> None:
        """Wait until there is a connection. Raises NotConnected at `limit`."""
        here = self.client.handler.event_object()

        def note(state: str) -> None:
            if state == KazooState.CONNECTED:
                here.set()

        self.client.add_listener(note)
        try:
            if not (self.client.connected or here.wait(max(0.0, limit - now()))) or now() >= limit:
                raise NotConnected("no connection to ZooKeeper within the time limit; ask again later")
        finally:
            self.client.remove_listener(note)


def data_of(found: Any) -> bytes:
    """A znode's data, from the client's answer. Some have no data at all, as Java's client may make them."""
    return (found[0] or b"") if found else b""


def named(doing: str, error: Exception) -> ElectionError:
    if isinstance(error, ElectionError):
        return error
    kind = type(error).__name__
    if isinstance(error, kazoo_errors.SessionExpiredError):
        return SessionGone(f"the session expired before ZooKeeper could {doing}; create a proposal in the next one")
    if isinstance(error, (kazoo_errors.ConnectionLoss, kazoo_errors.ConnectionClosedError, kazoo_errors.SessionMovedError)):
        return NotConnected(f"the connection was lost before ZooKeeper could {doing}; ask again")
    if isinstance(error, kazoo_errors.AuthFailedError) and str(error):
        return AccessDenied(f"ZooKeeper does not let this node {doing}: {error}")
    if isinstance(error, (kazoo_errors.NoAuthError, kazoo_errors.AuthFailedError)):
        return AccessDenied(f"ZooKeeper does not let this node {doing} ({kind}); correct the credentials or the ACL")
    if isinstance(error, kazoo_errors.NoNodeError):
        return ZooKeeperFailed(f"cannot {doing}: a znode is missing; prepare() makes what is needed")
    return ZooKeeperFailed(f"cannot {doing}: {kind} {error}".rstrip())
