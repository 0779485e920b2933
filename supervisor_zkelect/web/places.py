"""Where `zkelect http` listens, and whether it could listen elsewhere: tried before it restarts for other options."""

from __future__ import annotations

import errno
import socket
from typing import Any, Iterable, List, Tuple

from supervisor_zkelect.config.listening import overlap, split
from supervisor_zkelect.web import certificate

_Address = Tuple[Any, ...]
"""As `socket.getaddrinfo` gives it."""


def trouble(former: Any, fresh: Any) -> str:
    """Why this program could not listen by fresh settings, in one line; "" where it could. May take its time, for names."""
    try:
        certificate.of(fresh)
    except (OSError, ValueError) as error:
        return f"http_tls_cert: {getattr(error, 'strerror', None) or error}"
    held = [place for place in (former.http_at, former.http_agent) if place]
    mine = _held(held)
    found: List[_Address] = []
    for place in (fresh.http_at, fresh.http_agent):
        if place:
            try:
                addresses = _resolved(place)
                # Not by the kernel, which must not be believed about ports that this process has.
                if any(overlap(one[4][:2], other[4][:2]) for one in addresses for other in found):
                    return f"{place}: in use by {fresh.http_at}, which is http; give each a port of its own"
                for address in addresses if place not in held else ():
                    _bind(address, mine)
                found += addresses
            except (OSError, ValueError) as error:
                return f"{place}: {getattr(error, 'strerror', None) or error}"
    return ""


def _resolved(place: str) -> List[_Address]:
    """Raises OSError."""
    host, port = split(place)
    return [*socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)]


def _held(places: Iterable[str]) -> List[_Address]:
    """The addresses at which this process listens. One whose name is not known any more counts as nobody's."""
    found: List[_Address] = []
    for place in places:
        try:
            found += _resolved(place)
        except (OSError, ValueError):
            continue
    return found


def _bind(address: _Address, held: Iterable[_Address]) -> None:
    """Bind to an address for a moment. held: addresses that this process has, for which the kernel does not give those that
    overlap them yet. Raises OSError."""
    family, kind, protocol, _, place = address
    with socket.socket(family, kind, protocol) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            door.bind(place)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not any(overlap(place[:2], one[4][:2]) for one in held):
                raise
