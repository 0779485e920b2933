"""The connections that are open, and which one goes where there are too many. On the server's loop.

Who goes first: a connection that has not asked anything within a second of its opening, the oldest first. Then, of the address
that holds most connections, the one that asked least lately. So neither who opens many and says nothing nor who asks once on
each keeps a load balancer out, which has a few connections. IPv6 addresses of one /64 count as one, as one host has all of them.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import ipaddress
import math
from collections import Counter
from typing import Any, Dict, Mapping, TypeVar

from supervisor_zkelect.system import clock

MOST = 256
"""Connections that are kept."""

ASK_TIME = 1.0
"""Seconds after which a connection that has not asked anything is the first to go."""

STUCK = 20.0
"""Seconds within which an answer must have been taken."""

SMALL, MOST_UNTAKEN = 64 << 10, 32 << 20
"""Bytes of an answer or an event that is sent at any rate, and of all that may wait to be taken."""

TOO_MUCH = "too much is under way to others; try again"
"""Why no more is sent."""


_Key = TypeVar("_Key")


class _Held:
    """host: who holds it, as `holder`. at: when it was opened or asked last. asked: whether it has asked anything."""

    __slots__ = ("host", "at", "asked")

    def __init__(self, host: str) -> None:
        self.host, self.at, self.asked = host, clock.now(), False


class Connections:
    """Those of one server."""

    def __init__(self) -> None:
        #: stream -> what is known of it; those first that were opened or asked least lately
        self._open: Dict[Any, _Held] = {}

    def opened(self, stream: Any, address: Any) -> None:
        """Keep one more, and close another where there are too many."""
        while len(self._open) >= MOST:
            victim = self._victim()
            del self._open[victim]
            victim.close()
        self._open[stream] = _Held(holder(address))
        _send_in_time(stream)

    def asked(self, stream: Any) -> None:
        """It has asked something."""
        held = self._open.pop(stream, None)
        if held is not None:
            held.at, held.asked, stream.until = clock.now(), True, math.inf
            self._open[stream] = held

    def closed(self, stream: Any) -> None:
        """It is closed."""
        self._open.pop(stream, None)
        # It refers to the stream, which is to be freed now and not when Python looks for circles.
        vars(stream).pop("write_to_fd", None)

    def end(self) -> None:
        """Close all."""
        for stream in list(self._open):
            stream.close()

    def _victim(self) -> Any:
        old = clock.now() - ASK_TIME
        silent = next((one for one, held in self._open.items() if not held.asked and held.at <= old), None)
        if silent is not None:
            return silent
        return crowding({one: held.host for one, held in self._open.items()})


def crowding(hosts: Mapping[_Key, str]) -> _Key:
    """The first one of the host that holds most. hosts: who holds each."""
    held_by = Counter(hosts.values())
    most = max(held_by.values())
    return next(one for one, host in hosts.items() if held_by[host] == most)


def holder(address: Any) -> str:
    """Who holds a connection from a socket's address."""
    host = str(address[0]) if isinstance(address, tuple) and address else ""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found.ipv4_mapped)
    return host


class Untaken:
    """The bytes of answers and events that wait to be taken, by whomever."""

    def __init__(self) -> None:
        self._bytes = 0

    def room(self, size: int) -> bool:
        """Whether so many more may be sent."""
        return size <= SMALL or self._bytes + size <= MOST_UNTAKEN

    def sends(self, size: int, sending: Any) -> None:
        """So many are sent. sending: the future of that, which is done when they were taken, or nobody will."""
        self._bytes += size
        sending.add_done_callback(functools.partial(self._taken, size))

    def _taken(self, size: int, sending: Any) -> None:
        self._bytes -= size
        # What was not sent, nobody waits for.
        if not sending.cancelled():
            sending.exception()


def close_if_stuck(stream: Any, sending: Any) -> None:
    """Close a connection whose answer is not taken. sending: the future of its sending."""
    if stream is not None and not sending.done():
        stuck = asyncio.get_running_loop().call_later(STUCK, stream.close)
        sending.add_done_callback(lambda _: stuck.cancel())


def _send_in_time(stream: Any) -> None:
    """Have the connection closed rather than an answer sent that does not hold any more. The clock is read directly before the
    kernel gets the bytes, wherever this process stood still since it judged; what is late by then is judged again."""
    send, stream.until, stream.again = stream.write_to_fd, math.inf, None

    def write_to_fd(data: memoryview) -> int:
        while clock.now() >= stream.until:
            stream.until = stream.again() if stream.again is not None else -math.inf
            if stream.until == -math.inf:
                raise ConnectionResetError(errno.ECONNRESET, "an answer was late")
        sent: int = send(data)
        return sent

    stream.write_to_fd = write_to_fd
