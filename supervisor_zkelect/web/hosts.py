"""Which Host headers are answered. Pure.

A page of a stranger's can have a browser ask this program under a name of the stranger's (DNS rebinding), and read the answer as
its own. A browser that was told an address has no such name in the header, so addresses are taken, and of names only those that
are known.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Collection, Optional


def named(header: str) -> str:
    """The host in a Host header, without its port."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\s]+)(:\d{0,5})?", header.strip())
    return match[1].strip("[]").rstrip(".").lower() if match else ""


def trusted(header: Optional[str], names: Collection[str]) -> bool:
    """Whether a request with this Host header is answered. names: in lower case. Without a header it is no browser's."""
    if header is None:
        return True
    host = named(header)
    if host in names or host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def loopback(address: str) -> bool:
    """Whether a request from this address comes from this host."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found.is_loopback or mapped is not None and mapped.is_loopback
