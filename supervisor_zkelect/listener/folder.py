"""The listener's part of the runtime folder: the session's lock, and its files there. On the deciding thread."""

from __future__ import annotations

import math
from typing import Callable

from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.system import reserve

#: Seconds between two looks at the runtime folder, of which somebody may remove what he likes.
FOLDER_PACE = 0.2
#: Seconds between two tries for the session's lock, which a guard that releases holds.
LOCK_PACE = 0.02


class RuntimeFolder(Part):
    """Holds the session's lock, and looks after the folder while it does."""

    def __init__(self, means: Means, taken: Callable[[], None]) -> None:
        """taken: called when the session's lock is taken."""
        super().__init__(means)
        self._taken = taken
        self.locked = False
        #: when the lock is tried for, and the folder looked at
        self.lock_at = math.inf
        self._look_at = self._host.now()
        #: why the folder is not this node's, "" when nothing is amiss
        self.trouble = ""

    def take_lock(self) -> None:
        """Take the session's lock; then whoever held it has released, and this listener may look what there is."""
        self.lock_at = math.inf
        try:
            before, self.trouble = self.trouble, self._host.occupant()
            if self.trouble != before:
                self._delivery.changed()
            if self.trouble:
                self._log.warn("runtime folder", f"{self.trouble}; this node takes part in no election", "occupied")
                self.lock_at = self._host.now() + FOLDER_PACE
                return
            self.locked = self._host.take_lock()
            if self.locked:
                self._taken()
                return
            self._log.warn("zkelect", "waiting for the guard to stop and release what an earlier listener left")
        except (OSError, MemoryError) as error:
            if not reserve.short(error):
                raise
            self._log.warn("zkelect", f"cannot look yet what an earlier listener left: {error}; trying again")
            if self.locked:
                self.give_lock_back(LOCK_PACE)
        self.lock_at = self._host.now() + LOCK_PACE

    def give_lock_back(self, delay: float) -> None:
        """Leave the lock to whoever has to release first, and try for it again after `delay` seconds."""
        self._host.give_lock_back()
        self.locked = False
        self.lock_at = self._host.now() + max(delay, LOCK_PACE)

    def keep_time(self, moment: float) -> None:
        """Put back what somebody removed, and warn where that fails."""
        if not self.locked or moment < self._look_at:
            return
        self._look_at = moment + FOLDER_PACE
        trouble = self._host.keep_folder()
        if trouble != self.trouble:
            self.trouble = trouble
            self._delivery.changed()
        if trouble:
            self._log.warn("runtime folder", f"{trouble}; no program starts here until it is this node's again", "folder")
