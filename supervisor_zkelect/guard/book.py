"""The record as the guard writes it, and the sign that it may grant what was revoked.

A disk that fails, or is mounted read-only after an error, takes no revocation, and nothing that is written there can tell. The
name of the guard's thread can: whoever can read the record can read that in /proc, only the guard sets it, and it goes with the
guard.
"""

from __future__ import annotations

import logging
import os
import threading

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
        super().__init__(folder, owner, room, writer)

    def doubt(self, doubtful: bool) -> None:
        """Show, or show no more, that nobody may believe what the record grants."""
        if doubtful == self._doubtful:
            return
        try:
            os.write(self._comm, _DOUBTED if doubtful else self._usual)
            self._doubtful = doubtful
        except OSError as error:
            log.error("cannot show that the record is not to be believed: %s", error)
