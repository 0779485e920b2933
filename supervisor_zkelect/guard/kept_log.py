"""The log of a guard whose standard error nobody reads: told to the listener, or kept in a file for the next one."""

from __future__ import annotations

import logging
import os
from collections import deque
from typing import Callable, Deque, Optional

from supervisor_zkelect.guard import record

log = logging.getLogger(__name__)

LONGEST = 1 << 16
"""Bytes that are kept."""

Tell = Callable[[str], None]


def open_log(folder: str) -> int:
    """A descriptor of the file in a runtime folder. Raises OSError."""
    path = os.path.join(folder, record.GUARD_LOG)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


class KeptLog:
    """Takes lines on any thread. wake: has the guard's thread call `pass_on`."""

    def __init__(self, folder: str, wake: Callable[[], None]) -> None:
        #: as `Inbox` has its calls
        self._said: Deque[str] = deque()
        self._wake = wake
        self.descriptor = -1
        """Of the file, −1 where it cannot be had."""
        try:
            self.descriptor = open_log(folder)
        except OSError as error:
            log.warning("log lines are lost while no listener runs: %s", error)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def say(self, line: str) -> None:
        """Take a line; on any thread."""
        self._said.append(line)
        self._wake()

    def pass_on(self, tell: Optional[Tell]) -> None:
        """Tell the lines that were taken to the listener, or keep them while there is none."""
        for line in [self._said.popleft() for _ in range(len(self._said))]:
            if tell is not None:
                tell(line)
            else:
                self._keep(line)

    def _keep(self, line: str) -> None:
        try:
            if os.fstat(self.descriptor).st_size > LONGEST:
                os.ftruncate(self.descriptor, 0)
            data = line.encode("utf-8", "backslashreplace") + b"\n"
            os.pwrite(self.descriptor, data, os.fstat(self.descriptor).st_size)
        except OSError:
            # There is no place left to complain.
            return

    def tell_kept(self, tell: Tell) -> None:
        """Tell a listener what was said while there was none. Raises OSError."""
        if self.descriptor >= 0:
            for line in os.pread(self.descriptor, 2 * LONGEST, 0).decode("utf-8", "replace").splitlines():
                tell(line)
            os.ftruncate(self.descriptor, 0)
