"""Where an address leads: to one place, and to this machine. Pure.

What clients and the health check are given is text. As far as it is a host and a port, the host's IP addresses tell whether it
means this node alone.
"""

from __future__ import annotations

import ipaddress
import re
from typing import AbstractSet, List, NamedTuple, Optional, Sequence
from urllib.parse import urlsplit

from supervisor_zkelect.core.untrusted import printable

_MOST = 4
"""IP addresses that are named."""


class HostPort(NamedTuple):
    """A host, without brackets, and a port."""

    host: str
    port: int


def place_of(address: str) -> Optional[HostPort]:
    """The host and the port of an address: host:port, with or without a scheme, a user or a path. None for another kind."""
    text = address if "://" in address else f"//{address}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or port is None or not 0 < port < 65536 or not re.fullmatch(r"[\w.:%-]+", host, re.ASCII):
        return None
    return HostPort(host, port)


def doubts(host: str, found: Sequence[str], mine: AbstractSet[str]) -> List[str]:
    """Reasons to doubt that a host is this node's own. found: its IP addresses. mine: those of this machine."""
    said = []
    if len(found) > 1:
        what = f"{printable(host)} has several addresses, {_listed(found)}, and each client takes one of them"
        said.append(f"{what}; write the one that the service listens on")
    elsewhere = [one for one in found if not is_own(one, mine)]
    if elsewhere:
        listed = _listed(elsewhere)
        what = f"{listed} is no address of this machine" if len(found) == 1 else f"of these, not on this machine: {listed}"
        said.append(f"{what}; write this node's own, unless it moves with the primary or is translated (NAT) on its way here")
    return said


def is_own(address: str, mine: AbstractSet[str]) -> bool:
    """Whether an IP address leads to this machine."""
    try:
        one = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(one, "ipv4_mapped", None) or one
    return mapped.is_loopback or mapped.is_unspecified or str(mapped) in mine


def _listed(found: Sequence[str]) -> str:
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return ", ".join(found[:_MOST]) + more
