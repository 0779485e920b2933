"""Locks of a runtime folder: the guard's, which there is one of, and the session's.

Whoever holds the session's lock decides about the node's session with ZooKeeper: a listener, a guard that releases, or the
program that releases for it (guard.py, rules 5 and 6).

A listener takes it first of all, before it imports what it needs, which takes seconds on a busy machine. A guard whose
listener is gone waits for the lock then, for as long as the lease lasts, instead of giving up a session that is wanted.
This imports as little as `record.py` does.
"""

from __future__ import annotations

import fcntl
import os

from supervisor_zkelect import record

_early = -1


def take(path: str) -> int:
    """A descriptor that holds the lock exclusively, or −1 when somebody else does. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    return descriptor


def take_early() -> None:
    """Take the session's lock of the supervisord that started this process, if there is one and it is free.

    It is kept for `take_session`. What goes wrong here goes wrong there again, where it is told.
    """
    global _early
    url = os.environ.get("SUPERVISOR_SERVER_URL")
    if url is not None:
        try:
            folder = record.find_folder(url, os.stat(f"/proc/{os.getppid()}").st_uid)
            _early = take(os.path.join(folder, record.LOCK))
        except (OSError, record.RecordError):
            return


def take_session(folder: str) -> int:
    """As `take`, of the session's lock in the folder, which may be held since `take_early`. Raises OSError."""
    global _early
    path = os.path.join(folder, record.LOCK)
    early, _early = _early, -1
    if early >= 0:
        try:
            if os.path.samestat(os.fstat(early), os.stat(path)):
                return early
        except FileNotFoundError:
            pass
        os.close(early)
    return take(path)
