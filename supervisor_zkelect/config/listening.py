"""Places to listen at, host:port, and whether two of them can be had together. Pure: no name is resolved."""

from __future__ import annotations

import ipaddress
from typing import Tuple


def split(place: str) -> Tuple[str, int]:
    """host:port as both."""
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def overlap(one: Tuple[str, int], other: Tuple[str, int]) -> bool:
    """Whether the kernel gives one of two places, host and port, only without the other. Two names may stand for one address
    all the same."""
    if one[1] != other[1]:
        return False
    names = [host.rstrip(".").lower() for host in (one[0], other[0])]
    try:
        # What every host has by this name; some have ::1 by it as well.
        first, second = (ipaddress.ip_address("127.0.0.1" if name == "localhost" else name) for name in names)
    except ValueError:
        return names[0] == names[1]
    # An IPv6 socket of `zkelect http` takes no IPv4 connections.
    return first.version == second.version and (first == second or first.is_unspecified or second.is_unspecified)
