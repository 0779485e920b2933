"""TCP connections within a time limit, and the check that one is accepted."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import List, Tuple

from supervisor_zkelect.checks.health import Check, Limit, Unhealthy, hostport, os_error
from supervisor_zkelect.processes.execution import REASON_LENGTH, one_line
from supervisor_zkelect.system import resolve


@dataclass(frozen=True)
class Tcp(Check):
    """A connection to host:port is accepted within the limit. Nothing is sent."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://{hostport(self.host, self.port)}"

    @property
    def place(self) -> Tuple[str, int]:
        return self.host, self.port

    def ask(self, limit: Limit) -> str:
        connect(self.host, self.port, limit).close()
        return "connection accepted"


def connect(host: str, port: int, limit: Limit) -> socket.socket:
    """Connect to a host. The caller closes the socket. Raises Unhealthy.

    The addresses of a name are tried in the resolver's order, each with an equal share of the time that is left, so
    that one that swallows packets does not hide the next.
    """
    found = _addresses(host, port, limit)
    where = hostport(host, port)
    limit.doing = f"connecting to {where}"
    trouble = "no address"
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        share = limit.left() / (len(found) - tried)
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(share)
            sock.connect(address)
            if not is_own_reflection(sock):
                return sock
            # Reset, so that the service finds its port free and not in TIME_WAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            trouble = "nothing listens there"
        except socket.timeout:
            trouble = f"no answer within {share:.3g} s"
        except OSError as error:
            trouble = os_error(error)
        if sock is not None:
            sock.close()
    if limit.remaining() <= 0:
        raise limit.reached()
    raise Unhealthy(f"cannot connect to {where}: {trouble}")


def _addresses(host: str, port: int, limit: Limit) -> List[resolve.Address]:
    """As getaddrinfo returns them, at least one. Raises Unhealthy."""
    limit.doing = f"resolving host name {host}"
    try:
        return resolve.lookups.addresses(host, port, limit.left())
    except resolve.SlowLookup:
        raise limit.reached() from None
    except resolve.Unresolved as error:
        raise Unhealthy(one_line(str(error), 2 * REASON_LENGTH)) from None


def is_own_reflection(sock: socket.socket) -> bool:
    """Whether a socket is connected to itself.

    Linux may pick, as the source port of a connection to a local port where nobody listens, that very port, and TCP's
    simultaneous open then succeeds (RFC 9293, 3.5): a dead service would look alive.
    """
    return bool(sock.getsockname() == sock.getpeername())
