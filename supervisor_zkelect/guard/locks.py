"""Locks of a runtime folder: the guard's, which there is one of, and the session's.

Whoever holds the session's lock decides about the node's session with ZooKeeper: a listener, a guard that releases, or the
program that releases for it (guard.py, rules 5 and 6).

Who wants to remove files from a runtime folder may, and a lock on a file that was removed excludes nobody who makes it
anew. So the listener and the guard each have a name besides, in the kernel's abstract namespace of sockets (unix(7)), that
nobody can remove: one listener and one guard, whatever befalls the folder. The name of the guard is also its second door.
Anybody may bind a name first; a stranger's is passed over, and the files' locks are all there is then.

A listener takes it first of all, before it imports what it needs, which takes seconds on a busy machine. A guard whose
listener is gone waits for the lock then, for as long as the lease lasts, instead of giving up a session that is wanted.
This imports as little as `record.py` does.
"""

from __future__ import annotations

import fcntl
import os
import sys
import zlib

from supervisor_zkelect.guard import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Optional

GUARD, LISTENER = "guard", "listener"
"""Whose name it is."""

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


def put_back(descriptor: int, path: str) -> bool:
    """Hold the lock at `path` by the same descriptor, where the file that it holds was removed or replaced. False when
    somebody else holds it. Raises OSError."""
    if record.is_at(descriptor, path):
        return True
    fresh = take(path)
    if fresh < 0:
        return False
    os.dup2(fresh, descriptor, inheritable=False)
    os.close(fresh)
    return True


def name_of(folder: str, whose: str) -> bytes:
    """The name, in the abstract namespace, that belongs to whoever is in charge of a runtime folder.

    A path means the same folder to those only that see the same mounts; the namespace of sockets is the network's.
    """
    mounts = "".join(filter(str.isdigit, os.readlink("/proc/self/ns/mnt")))
    path = os.fsencode(folder)
    # There is room for 107 bytes.
    return f"\0zkelect-{whose}-{mounts}-{zlib.crc32(path):08x}-".encode() + path[-40:]


def claim(folder: str, whose: str) -> tuple[bool, Optional[socket.socket]]:
    """Take the name: whether no other process of this user or of root has it, and the listening socket that holds it, None
    where a stranger does; where another process has it a connection to that, which ends with it. Raises OSError."""
    import socket

    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        door.bind(name_of(folder, whose))
        door.listen(128)
        return True, door
    except OSError:
        door.close()
    link = reach(folder, whose)
    return link is None, link


def is_open(link: socket.socket) -> bool:
    """Whether the process at the other end of a connection is still there, and has not closed it. What it says is left unread."""
    import socket

    try:
        return link.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def reach(folder: str, whose: str) -> Optional[socket.socket]:
    """A connection to the process of this user or of root that has the name; None when there is none."""
    import socket

    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.setblocking(False)
        link.connect(name_of(folder, whose))
        link.setblocking(True)
        credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if int.from_bytes(credentials[4:8], sys.byteorder) in (0, os.geteuid()):
            return link
    except OSError:
        pass
    link.close()
    return None


def is_there(folder: str, whose: str) -> bool:
    """Whether a process of this user or of root has the name."""
    link = reach(folder, whose)
    if link is not None:
        link.close()
    return link is not None


def take_early() -> None:
    """Take the session's lock of the supervisord that started this process, if there is one and it is free.

    It is kept for `take_session`. What goes wrong here goes wrong there again, where it is told.
    """
    global _early
    url = os.environ.get("SUPERVISOR_SERVER_URL")
    if url is not None:
        try:
            for folder in record.find_folders(url, os.stat(f"/proc/{os.getppid()}").st_uid):
                if os.access(folder, os.W_OK):
                    _early = take(os.path.join(folder, record.LOCK))
                    return
        except (OSError, record.RecordError):
            return


def give_early_back() -> None:
    """Leave the lock that `take_early` has taken to whose it is."""
    global _early
    if _early >= 0:
        os.close(_early)
        _early = -1


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
