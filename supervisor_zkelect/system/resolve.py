"""Look-ups of host names, within a time limit."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TimedOut
from typing import Any, Dict, List, Tuple, Union

LOOKUP_LIMIT = 8
"""How many host name look-ups may hang at once in this process; the C library gives no way to end one."""

Address = Tuple[Any, ...]
"""An item of what getaddrinfo returns."""


class Unresolved(ValueError):
    """A host name has no address that is known. Its text says why, in one line."""


class SlowLookup(Unresolved):
    """The limit was reached."""


class NoThread(Unresolved):
    """No thread can be started for it."""


def look_up(host: str, port: int) -> List[Address]:
    """The addresses of a host, as getaddrinfo returns them. It has no limit of time. Raises Unresolved."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unresolved(f"host name {host} cannot be resolved: {error.strerror or type(error).__name__}") from None
    except UnicodeError:
        raise Unresolved(f"{host} is not a valid host name") from None


class Lookups:
    """Host name look-ups that can be awaited with a limit. most: how many may be under way.

    getaddrinfo(3) cannot be interrupted, so it runs in a thread that is left alone when the limit is reached. One
    thread per name: whoever asks later waits for the look-up that is under way. Never more than `most` threads: beyond
    them a look-up fails at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        #: those that are under way, by host and port
        self.pending: Dict[Tuple[str, int], Future[List[Address]]] = {}

    def addresses(self, host: str, port: int, seconds: float) -> List[Address]:
        """As getaddrinfo returns them, at least one. Raises Unresolved, and SlowLookup after so many seconds."""
        try:
            # An address needs no look-up, and this flag keeps the C library from making one.
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (socket.gaierror, UnicodeError):
            pass
        future = self._begin(host, port)
        try:
            return future.result(seconds)
        except TimedOut:
            raise SlowLookup(f"time limit of {seconds:.3g} s reached while resolving host name {host}") from None

    def _begin(self, host: str, port: int) -> Future[List[Address]]:
        key = (host, port)
        with self._lock:
            future = self.pending.get(key)
            if future is not None:
                return future
            if len(self.pending) >= self._most:
                raise Unresolved(f"host name {host} is not looked up: {self._most} look-ups hang already")
            future = Future()
            thread = threading.Thread(target=self._look_up, args=(key, future), name=f"resolve {host}", daemon=True)
            self.pending[key] = future
            try:
                thread.start()
            except RuntimeError:
                del self.pending[key]
                raise NoThread(f"host name {host} is not looked up: no thread can be started") from None
        return future

    def _look_up(self, key: Tuple[str, int], future: Future[List[Address]]) -> None:
        outcome: Union[List[Address], Exception]
        try:
            outcome = look_up(*key)
        except Exception as error:
            # Whatever it is, it belongs to the one who waits.
            outcome = error
        with self._lock:
            del self.pending[key]
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


lookups = Lookups(LOOKUP_LIMIT)


def addresses_of(host: str, seconds: float) -> List[str]:
    """The IP addresses of a host name, within so many seconds, or the address that it is itself. Raises Unresolved."""
    return list(dict.fromkeys(str(info[4][0]) for info in lookups.addresses(host, 0, seconds)))
