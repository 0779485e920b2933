"""This machine's IP addresses, and who listens on its ports, as JSON on standard output.

    python -m supervisor_zkelect.diagnosis.machine PORT …

A process of its own, since it looks through the descriptors of every process: what that takes of memory and of the
interpreter's time, and psutil itself, is none of the listener's.
"""

from __future__ import annotations

import functools
import json
import sys
from typing import Any, List, Sequence, Tuple

import psutil


def main(words: Sequence[str]) -> int:
    """words: the ports that matter."""
    print(json.dumps({"own": own(), "sockets": sockets({int(word) for word in words})}))
    return 0


def own() -> List[str]:
    """The IP addresses of this machine."""
    found = (one for addresses in psutil.net_if_addrs().values() for one in addresses if one.family != psutil.AF_LINK)
    return sorted({one.address.partition("%")[0] for one in found})


def sockets(ports: set[int]) -> List[Tuple[Any, ...]]:
    """The TCP sockets that take connections on these ports: IP address, port, pid, program and user. The pid is None where this
    user may not see it, and names that cannot be had are ""."""
    found = []
    for one in psutil.net_connections("tcp"):
        if one.laddr and one.status == psutil.CONN_LISTEN and one.laddr.port in ports:
            found.append((one.laddr.ip, one.laddr.port, one.pid, *(("", "") if one.pid is None else _names(one.pid))))
    return found


@functools.cache
def _names(pid: int) -> Tuple[str, str]:
    try:
        process = psutil.Process(pid)
        return process.name(), process.username()
    except (psutil.Error, OSError):
        return "", ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
