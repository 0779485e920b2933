"""The record as the guard writes it, and the sign that it may grant what was revoked.

A disk that fails, or is mounted read-only after an error, takes no revocation, and nothing that is written there can tell. The
name of the guard's thread can: whoever can read the record can read that in /proc, only the guard sets it, and it goes with the
guard.
"""

from __future__ import annotations

import logging
import threading

from supervisor_zkelect.guard import record

log = logging.getLogger(__name__)


class Book(record.Writer):
    """Writes the record in `folder`, on the thread that made this. Raises OSError as `record.Writer`."""

    def __init__(self, folder: str, owner: record.Owner, room: int) -> None:
        self._comm = f"/proc/self/task/{threading.get_native_id()}/comm"
        self._usual = ""
        super().__init__(folder, owner, room, record.owner_of(threading.get_native_id())[2:])

    def doubt(self, doubtful: bool) -> None:
        """Show, or show no more, that nobody may believe what the record grants."""
        if doubtful == bool(self._usual):
            return
        try:
            if doubtful:
                with open(self._comm) as file:
                    usual = file.read().rstrip("\n") or "python"
                self._name(record.DOUBTED)
                self._usual = usual
            else:
                self._name(self._usual)
                self._usual = ""
        except OSError as error:
            log.error("cannot show that the record is not to be believed: %s", error)

    def _name(self, name: str) -> None:
        with open(self._comm, "w") as file:
            file.write(name)
