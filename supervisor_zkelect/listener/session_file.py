"""The file in which the session is saved for the next listener, and for a release. On the deciding thread."""

from __future__ import annotations

import math
from typing import Callable, List, Optional

from supervisor_zkelect.guard import saved_session
from supervisor_zkelect.listener import elections
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.workers import PACE
from supervisor_zkelect.zookeeper import session


class SessionFile(Part):
    """Saves the session and forgets it. What cannot be written ends nothing: the next listener gets another session then."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._store: Optional[saved_session.Store] = None
        #: why it could not be written, "" when nothing is amiss; and when saving is tried again
        self.trouble = ""
        self.due = math.inf

    def find_former(self) -> Optional[saved_session.Saved]:
        """What an earlier listener of this supervisord has saved; None without any. With the lock held."""
        # Whether it exists where `servers` says, as they are configured now, only ZooKeeper can tell.
        former = self._host.saved()
        if self._store is None:
            self._store = self._host.store()
        return former

    def save(self, granted: session.Connected, node: str, left: List[saved_session.SavedElection]) -> None:
        """Save a session and its elections, those of the settings and those that are `left` of an earlier configuration. node:
        this one's name, or the earlier one under which it stands in those."""
        store, settings = self._store, self._host.settings
        if store is None:
            return
        saved = saved_session.Saved(
            granted.session, granted.password.hex(), granted.timeout, self._host.owner, node,
            ",".join(settings.servers) if settings.plain else "", elections.to_save(settings) + left, settings.tick_time,
        )
        self._write(lambda: store.save(saved))
        self.due = self._host.now() + PACE if self.trouble else math.inf

    def forget(self) -> None:
        """Have nobody go on with the session."""
        self.due = math.inf
        if self._store is not None:
            self._write(self._store.forget)

    def _write(self, write: Callable[[], None]) -> None:
        before, self.trouble = self.trouble, ""
        try:
            write()
        except OSError as error:
            self.trouble = f"the session cannot be saved: {error.strerror or error}"
        except ValueError as error:
            self.trouble = f"the session cannot be saved: {error}"
        if self.trouble:
            self._log.warn("zkelect", f"{self.trouble}; the service would end with this listener", "save")
        if self.trouble != before:
            self._delivery.changed()
