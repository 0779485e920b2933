"""Restores the runtime folder of a guard.

A cleaner of /tmp removes what was not used for days, an operator what looks like a leftover. The guard has everything that
belongs there in memory or by a descriptor, so it makes anew what is missing: under the same rules as at first, with its
lock taken before anything else is there, and by the only process that has the guard's name (`locks.claim`). What lies where
the folder was and is not fit to be one, or is another guard's, it leaves alone, and says so.

The listener puts back what it holds itself, its lock and the saved session; while there is none, the guard does.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Callable, Dict, Optional

from supervisor_zkelect.guard import folder as runtime_folder
from supervisor_zkelect.guard import locks, record, sessions
from supervisor_zkelect.guard.kept_log import open_log
from supervisor_zkelect.system import files
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

PACE = 0.2
"""Seconds between two looks."""

FRESH_TIME = 600.0
"""Seconds after which a listener touches the files, so that no cleaner takes them for old: a standby writes nothing."""

REPEAT = 60.0
"""Seconds between two lines about the same trouble."""


class HeldFile:
    """The latest of a file that is written now and then, by another process or another thread, kept by a descriptor after the
    file was removed, and by its bytes after somebody has cut it short, which whoever writes it never does."""

    def __init__(self) -> None:
        self._fd = -1
        self._data = b""
        #: the time of its last change and its size, when it was read
        self._seen = (0, 0)

    def look(self, path: str, alone: bool) -> bool:
        """Remember the file that is there, or put it back if nobody else does (`alone`); whether it was put back.

        Raises OSError.
        """
        if self._fd >= 0 and record.is_at(self._fd, path):
            if os.fstat(self._fd).st_size < len(self._data):
                return alone and self._put_back(path, self._data, os.replace)
            self._remember()
            return False
        try:
            fresh = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            # Not over what a listener has written meanwhile.
            return alone and self._fd >= 0 and self._put_back(path, self._read(), os.link)
        self.close()
        self._fd = fresh
        self._remember()
        return False

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _remember(self) -> None:
        status = os.fstat(self._fd)
        seen = (status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._data, self._seen = self._read(), seen

    def _read(self) -> bytes:
        return os.pread(self._fd, os.fstat(self._fd).st_size, 0)

    def _put_back(self, path: str, data: bytes, place: Callable[[str, str], None]) -> bool:
        aside = f"{path}.{os.getpid()}"
        try:
            files.create(aside, data)
            place(aside, path)
        except FileExistsError:
            return False
        finally:
            files.remove(aside)
        return True


class Upkeep:
    """Keeps the runtime folder of one guard. All methods run on the guard's thread.

    lock, log: descriptors of the guard's lock and of its log. book: the record. key: what secrets of programs follow from
    (`registration.Key`). open_door: makes the socket anew, in the folder with the path that it is given. write_again: has what
    threads of this guard keep there written again.
    """

    def __init__(
        self, folder: str, lock: int, log: int, book: Any, key: Any, open_door: Callable[[str], None],
        write_again: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._lock, self._log = lock, log
        self._book, self._key = book, key
        self._open_door, self._write_again = open_door, write_again
        self._held: Dict[str, HeldFile] = {name: HeldFile() for name in (record.SESSION, record.CONFIGURATION, sessions.FILE)}
        self._looked_at = now()
        self._complained_at = -REPEAT
        self.door_is: Optional[os.stat_result] = None
        """The socket, as it was made."""
        self.put_back = 0
        """How often something was put back."""
        self.taken = False
        """Whether the last look has found the folder in other hands."""

    def begin(self) -> None:
        """Remember what is there before the first look, by which it may be gone. Raises OSError."""
        for name, held in self._held.items():
            held.look(os.path.join(self._folder, name), False)

    def close(self) -> None:
        for held in self._held.values():
            held.close()

    def due(self) -> bool:
        return now() >= self._looked_at + PACE

    @property
    def in_place(self) -> bool:
        """Whether the folder has this guard's lock, as far as can be told."""
        return record.is_at(self._lock, os.path.join(self._folder, record.GUARD_LOCK))

    def look(self, alone: bool, session_lock: int) -> str:
        """Put back what is missing. Returns why the folder cannot be kept, "" when it can; `taken` tells whether it is for good.

        alone: whether no listener is there. session_lock: the descriptor that holds the session's lock, or −1.
        """
        self._looked_at = now()
        self.taken = False
        try:
            with runtime_folder.held(self._folder, made=True) as folder:
                trouble = self._put_back(folder, alone, session_lock)
        except runtime_folder.Unfit as error:
            trouble, self.taken = error.why, runtime_folder.taken(self._folder)
        except OSError as error:
            trouble = f"{error.filename or self._folder}: {error.strerror}"
        if trouble and now() >= self._complained_at + REPEAT:
            self._complained_at = now()
            log.error("the runtime folder cannot be restored: %s; until it can, no program starts here", trouble)
        return trouble

    def _put_back(self, folder: str, alone: bool, session_lock: int) -> str:
        """folder: the path by which it is reached."""
        missing = []
        lock, sessions = os.path.join(folder, record.GUARD_LOCK), os.path.join(folder, record.LOCK)
        if not record.is_at(self._lock, lock):
            if not locks.put_back(self._lock, lock):
                self.taken = True
                return f"{self._folder} belongs to another guard"
            missing.append(record.GUARD_LOCK)
        if session_lock >= 0 and not record.is_at(session_lock, sessions):
            if not locks.put_back(session_lock, sessions):
                self.taken = True
                return f"{os.path.join(self._folder, record.LOCK)} is held by another process"
            missing.append(record.LOCK)
        if self._book.put_back(folder):
            missing.append(record.RECORD)
        if self._key.put_back(folder):
            missing.append(record.KEY)
        for name, held in self._held.items():
            # The session is the listener's while one is there. The others are never written but as a whole.
            if held.look(os.path.join(folder, name), alone or name != record.SESSION):
                missing.append(name)
        if not self._door_is_there(folder):
            self._open_door(folder)
            missing.append(record.SOCKET)
        if self._log >= 0 and not record.is_at(self._log, os.path.join(folder, record.GUARD_LOG)):
            fresh = open_log(folder)
            os.dup2(fresh, self._log, inheritable=False)
            os.close(fresh)
            missing.append(record.GUARD_LOG)
        if missing:
            self.put_back += 1
            self._write_again()
            log.warning("%s: %s was missing; restored", self._folder, ", ".join(missing))
        return ""

    def _door_is_there(self, folder: str) -> bool:
        try:
            there = os.lstat(os.path.join(folder, record.SOCKET))
            return self.door_is is not None and os.path.samestat(self.door_is, there)
        except OSError:
            return False


def touch(folder: str) -> None:
    """Set the times of all files to now. The disk may be slow, so the guard does not do it itself."""
    try:
        for name in os.listdir(folder):
            os.utime(os.path.join(folder, name), follow_symlinks=False)
        os.utime(folder)
    except OSError as error:
        log.info("cannot touch %s: %s", error.filename or folder, error.strerror)
