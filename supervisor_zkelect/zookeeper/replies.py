"""The answers that a ZooKeeper server may give, and what follows when it gives another: the connection is closed, the reason
told, and the next one made after a while.

A server is a stranger: another may stand in for it, or something else may listen at its port. So the length of a message is
looked at before it is read, a session that is granted must be one to work with, and an answer that cannot be read is none.
`attached.py` asks the functions here; `kazoo_internals.py` has kazoo's client ask them too.
"""

from __future__ import annotations

from typing import Optional

from kazoo import exceptions as kazoo_errors

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

UNAUTHENTICATED_CODE = -124
UNAUTHENTICATED = (
    "the servers take only sessions that have authenticated (enforce.auth.enabled), and this node has not, by a scheme that "
    "they ask for (enforce.auth.schemes); set digest, sasl_mechanism or tls_cert in [zkelect]"
)


class Nonsense(ConnectionError):
    """The other side does not speak ZooKeeper's protocol. The text says what it sent."""


def length(announced: int, longest: int) -> int:
    """The length of a message, bytes. Raises Nonsense for one that nobody may announce."""
    if announced < 0:
        raise Nonsense(f"a message of {announced} bytes is announced; this is not a ZooKeeper server")
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
        raise Nonsense("a session without an id, or with no password of one, is granted; this is not a ZooKeeper server")


def error_of(code: int) -> Optional[Exception]:
    """The error that an answer's code stands for; None for 0. Raises Nonsense for one that ZooKeeper does not have."""
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


class ReconnectPace:
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
