"""What a listener reaches outside of itself: supervisord, the guard, ZooKeeper, threads, and the runtime folder.

The listener decides, and everything it decides upon or has done goes through here. `Surroundings` is the real thing; the
simulation (tests/simulation) has a model of it, in virtual time.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Callable, Optional, Tuple

from supervisor_zkelect import config, guardlink, guardmain, record, saved, session
from supervisor_zkelect.supervisord import Supervisord

Post = Callable[[Any], None]


class Surroundings:
    """Of a listener that supervisord has started: its environment and its parent tell which one.

    Raises record.RecordError when there is no folder that it may use, and ValueError for a URL of no known kind.
    """

    def __init__(self, settings: config.Settings) -> None:
        environ, parent = os.environ, os.getppid()
        password = settings.password.reveal() if settings.password else None
        self.settings = settings
        self.pid = os.getpid()
        self.uid = os.geteuid()
        self.group = environ.get("SUPERVISOR_GROUP_NAME")
        self.process = environ.get("SUPERVISOR_PROCESS_NAME")
        self.owner = record.owner_of(parent)
        self.supervisord_uid = os.stat(f"/proc/{parent}").st_uid
        self.supervisord = Supervisord(
            settings.serverurl or environ.get("SUPERVISOR_SERVER_URL", ""), settings.username, password
        )
        self._credentials = (settings.username, password)
        self._url = environ.get("SUPERVISOR_SERVER_URL") or settings.serverurl or ""
        self._folder = record.make_folder(self._url, self.supervisord_uid)
        self._lock = -1

    def pool(self, size: int, name: str) -> Executor:
        """Where work waits for others; at most `size` pieces at a time."""
        return ThreadPoolExecutor(size, name)

    def aside(self, work: Callable[[], Any], seconds: float = 0.0) -> bool:
        """Do `work` beside everything else, and wait for it for so long. Whether it is done then."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(seconds)
        return not thread.is_alive()

    def guard(self, post: Post) -> guardlink.Link:
        terms = guardmain.Terms(
            self._folder, self.owner, self._url, self.settings.file, self.settings.reattach_grace,
            len(self.settings.elections),
        )
        return guardlink.Link(terms, self._credentials, post)

    def session(self, post: Post, attach: Optional[Tuple[int, bytes]], timeout: Optional[float]) -> session.Session:
        return session.Session(self.settings, post, attach, timeout)

    # The runtime folder

    def take_lock(self) -> bool:
        """Take the session's lock. False while somebody else has it."""
        self._lock = guardmain.take_lock(os.path.join(self._folder, record.LOCK))
        return self._lock >= 0

    def give_lock_back(self) -> None:
        os.close(self._lock)
        self._lock = -1

    def store(self) -> saved.Store:
        """Where the session is saved."""
        return saved.Store(self._folder)

    def saved(self) -> Optional[saved.Saved]:
        """The session that was saved; None when there is none that can be read."""
        return saved.load(self._folder)
