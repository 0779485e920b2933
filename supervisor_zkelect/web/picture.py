"""The cluster as ZooKeeper has it, for people and monitors who look at it over HTTP.

A thread of its own reads it while somebody looks: at most once per PACE, and no more after INTEREST seconds without a look. Then
the session is closed as well, so that nobody's looking costs nothing. What is answered is the last picture, with its age.
No probe waits for it, or is judged by it, but `/standby` where a listener does not tell.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Optional

from supervisor_zkelect.system import clock
from supervisor_zkelect.web.lines import lines
from supervisor_zkelect.web.taken import Away, Taken

if TYPE_CHECKING:
    from supervisor_zkelect.web.reading import ElectionReader

PACE = 1.0
"""Seconds between two pictures, at least."""

INTEREST = 10.0
"""Seconds for which one look keeps pictures coming."""

KEPT = 60.0
"""Seconds for which the session with ZooKeeper is kept without a look."""

CONNECT_TIME = 5.0
"""Seconds that ZooKeeper has to take a session."""


class Photographer:
    """Takes pictures while somebody looks. `latest` may be read on any thread.

    settings: gives those of the file, as they are now. taken: called on the thread of this, after each picture.
    """

    def __init__(self, settings: Callable[[], Any], taken: Callable[[], None] = lambda: None) -> None:
        self._settings, self._taken = settings, taken
        self.latest = Taken(since=round(1000 * time.time()))
        #: when somebody last looked who wants more pictures, and when anybody did; whether one is wanted at least
        self._wanted_at = self._looked_at = -KEPT
        self._once = False
        self._wake = threading.Condition()
        self._thread: Optional[threading.Thread] = None
        self._ended = False
        self._began = -PACE

    def look(self, once: bool = False) -> Taken:
        """The last picture; others follow. once: one is enough, as for who looks now and then."""
        with self._wake:
            self._looked_at = clock.now()
            if once:
                self._once = True
            else:
                self._wanted_at = self._looked_at
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._run, name="zkelect-picture", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:
                    self._thread = None
                    self.latest = self.latest._replace(connected=False, trouble=f"no thread to be had: {error}")
            self._wake.notify()
        return self.latest

    def end(self) -> None:
        """Take no more pictures, and close the session soon."""
        with self._wake:
            self._ended = True
            self._wake.notify()

    # The thread

    def _run(self) -> None:
        try:
            # With kazoo it takes 2 MiB, and is needed where somebody looks.
            from supervisor_zkelect.web.reading import ElectionReader

            source = ElectionReader(self._settings)
        except Exception as error:
            lines.defect(error)
            with self._wake:
                self._thread, self.latest = None, self.latest._replace(connected=False, trouble=f"a defect: {error!r}")
            return
        try:
            while self._rest(source):
                self._take(source)
        finally:
            _close(source)

    def _rest(self, source: ElectionReader) -> bool:
        """Wait for the next picture. False where none is wanted any more, and this thread ends."""
        due = self._began + PACE
        with self._wake:
            while not self._ended:
                moment = clock.now()
                idle, wanted = moment - self._looked_at, self._once or moment - self._wanted_at < INTEREST
                if idle >= KEPT:
                    break
                if wanted and moment >= due:
                    self._once = False
                    return True
                self._wake.wait(due - moment if wanted else KEPT - idle)
            self._thread = None
            return False

    def _take(self, source: ElectionReader) -> None:
        before, began = self.latest, clock.now()
        self._began = began
        try:
            elections = source.elections(CONNECT_TIME, before.elections)
            fresh = Taken(elections, began, True, before.since, "")
        except Away as error:
            fresh = before._replace(connected=False, trouble=str(error))
        except Exception as error:
            lines.defect(error)
            fresh = before._replace(connected=False, trouble=f"a defect: {error!r}")
            _close(source)
        if fresh.connected != before.connected:
            fresh = fresh._replace(since=round(1000 * time.time()))
        self.latest = fresh
        self._taken()


def _close(source: ElectionReader) -> None:
    """Close the session. Where that fails it expires, and pictures go on."""
    try:
        source.close()
    except Exception as error:
        lines.defect(error)
