"""Where `zkelect http` listens, and whether it could listen elsewhere: tried before it restarts for other options."""

from __future__ import annotations

import errno
import socket
from typing import Any, Tuple

from supervisor_zkelect.web import certificate


def split(place: str) -> Tuple[str, int]:
    """host:port as both."""
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def trouble(former: Any, fresh: Any) -> str:
    """Why this program could not listen by fresh settings, in one line; "" where it could. May take its time, for names."""
    try:
        certificate.of(fresh)
    except (OSError, ValueError) as error:
        return f"http_tls_cert: {getattr(error, 'strerror', None) or error}"
    held = [place for place in (former.http_at, former.http_agent) if place]
    ports = [split(place)[1] for place in held]
    for place in (fresh.http_at, fresh.http_agent):
        if place and place not in held:
            try:
                _bind(*split(place), ports)
            except OSError as error:
                return f"{place}: {error.strerror or error}"
    return ""


def _bind(host: str, port: int, held: Any) -> None:
    """Bind to all addresses of a host, for a moment. held: ports that this process has, which another address may not get yet."""
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE):
        with socket.socket(family, kind, protocol) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                door.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or port not in held:
                    raise
