"""The record as the guard writes it, and the sign that it may grant what was revoked.

A disk that fails, or is mounted read-only after an error, takes no revocation, and nothing that is written there can tell. The
name of the guard's thread can: whoever can read the record can read that in /proc, only the guard sets it, and it goes with the
guard.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from typing import Dict, Optional

from supervisor_zkelect.guard import record

log = logging.getLogger(__name__)

_DOUBTED = record.DOUBTED.encode()

_NOBODY = (0, 0)
"""Who writes a record whose writer is not known. No process has that number, so nobody vouches for it."""


class Book(record.Writer):
    """Writes the record in `folder`, on the thread that made this. Raises OSError as `record.Writer`."""

    def __init__(self, folder: str, owner: record.Owner, room: int) -> None:
        thread = threading.get_native_id()
        self._comm, self._usual, self._doubtful, writer = -1, b"", False, _NOBODY
        try:
            # Beforehand, as there may be no descriptor and no memory when a doubt is to be shown.
            self._comm = os.open(f"/proc/self/task/{thread}/comm", os.O_RDWR | os.O_CLOEXEC)
            self._usual = os.pread(self._comm, 64, 0).rstrip(b"\n")
            writer = record.owner_of(thread)[2:]
        except (OSError, record.RecordError) as error:
            log.error("cannot say who writes the record, so nobody is told that this node is primary: %s", error)
        try:
            super().__init__(folder, owner, room, writer)
        except Exception:
            if self._comm >= 0:
                os.close(self._comm)
            raise

    def close(self) -> None:
        super().close()
        if self._comm >= 0:
            os.close(self._comm)

    def doubt(self, doubtful: bool) -> None:
        """Show, or show no more, that nobody may believe what the record grants."""
        if doubtful == self._doubtful:
            return
        try:
            os.write(self._comm, _DOUBTED if doubtful else self._usual)
            self._doubtful = doubtful
        except OSError as error:
            log.error("cannot show that the record is not to be believed: %s", error)


class LateBook:
    """A record that could not be made, for want of room on the disk or of descriptors, and is made as soon as it can be. Until
    then programs refuse to start, and what runs is guarded all the same."""

    def __init__(self, owner: record.Owner, room: int) -> None:
        self._owner, self._room = owner, room
        self._book: Optional[Book] = None
        self._opened, self._seen, self._doubtful = False, 0.0, False
        self._entries: Dict[str, record.Entry] = {}

    def close(self) -> None:
        if self._book is not None:
            self._book.close()

    def put_back(self, folder: str) -> bool:
        """Make the record, or have it put back. folder: where it belongs. Returns whether it was. Raises OSError."""
        if self._book is not None:
            return self._book.put_back(folder)
        made = self._book = Book(folder, self._owner, self._room)
        made.doubt(self._doubtful)
        made.beat(self._seen)
        if self._opened:
            made.open()
        # What was taken over counts as written, so nobody else would write it again.
        for entry in self._entries.values():
            made.put(entry)
        return True

    def open(self) -> None:
        self._opened = True
        if self._book is not None:
            self._book.open()

    def make_room(self, room: int) -> None:
        """As `record.Writer.make_room`."""
        self._room = max(self._room, room)
        if self._book is not None:
            self._book.make_room(room)

    def beat(self, moment: float) -> None:
        """As `record.Writer.beat`."""
        self._seen = moment
        if self._book is not None:
            self._book.beat(moment)

    def put(self, entry: record.Entry) -> None:
        """As `record.Writer.put`. Raises OSError as long as there is no record."""
        if self._book is None:
            self._entries[entry.group] = entry
            raise OSError(errno.ENODEV, "there is no record")
        self._book.put(entry)

    def doubt(self, doubtful: bool) -> None:
        """As `Book.doubt`."""
        self._doubtful = doubtful
        if self._book is not None:
            self._book.doubt(doubtful)
