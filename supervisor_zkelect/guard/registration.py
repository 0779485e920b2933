"""The secret that proves that a process belongs to a program that has registered.

A program that registers with the guard gets it and carries it as ZKELECT_SECRET, as does everything that it starts. It is
derived from a key, which lies in the runtime folder for this user alone, from the group, and from the user that registered. So
no other group's program has it, it proves nothing for a process of another user, and the next guard knows it without being told.

`First` remembers which group each process registered for: it belongs to the first that it named, for life.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable, Dict, Tuple

from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import files, reserve

try:
    # What CPython's hashlib is made of; the module itself imports OpenSSL, of which nothing here is used.
    from _blake2 import blake2s
except ImportError:
    from hashlib import blake2s

VARIABLE = "ZKELECT_SECRET"

MOST_TRIES = 4
"""How often a process may register: supervisord's fork, `zkelect run` after it, and that once more."""

_LENGTH = 32

Secrets = Callable[[str, int], str]


def secrets_of(key: bytes) -> Secrets:
    """The secret for a group and the uid of its program, "" without a key."""

    def secret(group: str, uid: int) -> str:
        told = f"{uid} {group}".encode("utf-8", "surrogateescape")
        return blake2s(told, key=key, digest_size=16).hexdigest() if key else ""

    return secret


def read(folder: str) -> bytes:
    """The key in a runtime folder, b"" where there is none that this user alone can know. Raises OSError where that cannot be
    told just now."""
    try:
        descriptor = os.open(os.path.join(folder, record.KEY), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return b""
        raise
    try:
        status = os.fstat(descriptor)
        private = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
        key = os.read(descriptor, _LENGTH + 1) if private else b""
        return key if len(key) == _LENGTH else b""
    finally:
        os.close(descriptor)


class Key:
    """The key of a guard, which keeps it in the folder; as long as that cannot be written, in memory. trouble: why it cannot.
    Raises OSError where one that is there cannot be read just now."""

    def __init__(self, folder: str) -> None:
        self.trouble = ""
        self.data = b""
        try:
            self.put_back(folder)
        except OSError as error:
            reserve.unless_short(error)
            self.trouble = f"{os.path.join(folder, record.KEY)}: {error.strerror}"

    def secret(self, group: str, uid: int) -> str:
        """As `Secrets`; "" while nobody knows whether there is a key."""
        return secrets_of(self.data)(group, uid)

    def put_back(self, folder: str) -> bool:
        """Write the key again if somebody removed or changed it. folder: where it belongs. Returns whether it was written.
        Raises OSError."""
        there = read(folder)
        if there and there == (self.data or there):
            self.data, self.trouble = there, ""
            return False
        # What a guard before this one gave out follows from the key that is there, so that is replaced by a known one only.
        self.data = self.data or os.urandom(_LENGTH)
        files.replace(os.path.join(folder, record.KEY), self.data)
        self.trouble = ""
        return True


class First:
    """The processes that have registered, by pid and start time."""

    def __init__(self) -> None:
        self._groups: Dict[Tuple[int, int], str] = {}
        self._tries: Dict[Tuple[int, int], int] = {}
        self._complete = 64

    def may(self, process: proc.Process, group: str) -> bool:
        """Tell whether a process may register for a group, once more at least."""
        return self._groups.get(process.identity, group) == group and self._tries.get(process.identity, 0) < MOST_TRIES

    def count(self, process: proc.Process) -> None:
        """Count a try."""
        self._tries[process.identity] = self._tries.get(process.identity, 0) + 1
        if len(self._tries) > self._complete:
            self._forget()

    def enter(self, process: proc.Process, group: str) -> None:
        """Assign a process to a group from now on."""
        self._groups.setdefault(process.identity, group)

    def _forget(self) -> None:
        """Drop those that are dead."""
        self._tries = {one: tries for one, tries in self._tries.items() if proc.find(*one) is not None}
        self._groups = {one: group for one, group in self._groups.items() if one in self._tries}
        self._complete = 2 * len(self._tries) + 64
