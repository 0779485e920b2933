"""Being the one guard of a runtime folder."""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Any, Callable, NamedTuple, Optional

from supervisor_zkelect.guard import locks, record
from supervisor_zkelect.system.clock import now

PREDECESSOR_TIME = 10.0
"""Seconds that a guard waits for its predecessor to end."""

PACE = 0.02
"""Seconds between two tries."""


class Place(NamedTuple):
    """Held by one guard at a time: the lock's descriptor, and the socket that holds the name (`locks.claim`), None where a
    stranger has that."""

    lock: int
    name: Optional[socket.socket]

    def leave(self) -> None:
        os.close(self.lock)
        if self.name is not None:
            self.name.close()


def take(folder: str) -> Optional[Place]:
    """Become the one guard; None when its predecessor does not end. Raises OSError."""
    until = now() + PREDECESSOR_TIME
    pause: Callable[[float], Any] = threading.Event().wait
    while True:
        trouble = record.unusable(folder)
        if trouble:
            raise OSError(errno.EACCES, trouble)
        lock = locks.take(os.path.join(folder, record.GUARD_LOCK))
        if lock >= 0:
            try:
                free, name = locks.claim(folder, locks.GUARD)
            except OSError:
                os.close(lock)
                raise
            if free:
                return Place(lock, name)
            os.close(lock)
            if name is not None:
                name.close()
        if now() > until:
            return None
        pause(PACE)
