"""Connections that have one limit of time for everything, as a limit for each recv() is none where an answer comes byte by byte.

A deadline is a moment of time.monotonic(), in seconds.
"""

from __future__ import annotations

import socket
import time
from typing import Any, Sequence, Tuple

Address = Tuple[int, Any]
"""Family of a socket, and an address in it."""


def left(deadline: float) -> float:
    """Seconds until the deadline. Raises socket.timeout when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise socket.timeout("timed out")
    return seconds


def connect(addresses: Sequence[Address], deadline: float) -> Tuple[int, socket.socket]:
    """The place in the list of the first address that takes a connection, and that, which the caller closes. Raises OSError."""
    trouble = OSError("no address")
    for number, (family, address) in enumerate(addresses):
        connection = None
        try:
            connection = socket.socket(family, socket.SOCK_STREAM)
            # One that does not answer leaves time for the others.
            connection.settimeout(left(deadline) / (len(addresses) - number))
            connection.connect(address)
            return number, connection
        except OSError as error:
            trouble = error
            if connection is not None:
                connection.close()
    raise trouble
