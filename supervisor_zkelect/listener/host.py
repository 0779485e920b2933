"""The port to everything outside a listener: supervisord, the guard, ZooKeeper, threads, and the runtime folder.

`Host` is the real one; the simulation (tests/simulation) has a model of it, in virtual time.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from concurrent.futures import Executor
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.config.programs import check_groups
from supervisor_zkelect.config.settings import Settings
from supervisor_zkelect.guard import folder as runtime_folder
from supervisor_zkelect.guard import kept_config, link, locks, occupant, process, record, saved_session, upkeep
from supervisor_zkelect.listener import last_resort, lives, trial
from supervisor_zkelect.listener.history_copy import HistoryCopy
from supervisor_zkelect.listener.workers import SerialExecutor
from supervisor_zkelect.processes import execution, proc
from supervisor_zkelect.processes.census import SupervisordIdentity
from supervisor_zkelect.system import clock, reserve
from supervisor_zkelect.system.workers import Workers
from supervisor_zkelect.zookeeper import session

Post = Callable[[Any], None]

ELECTION_THREADS = 16
"""Threads that all elections share. They wait for ZooKeeper, and when it is silent it is so for all of them."""

def _hung_up(descriptor: int) -> bool:
    """Whether nobody has the other end of a pipe any more."""
    poller = select.poll()
    poller.register(descriptor, 0)
    return any(events & select.POLLHUP for _, events in poller.poll(0))


class Host:
    """The host of a listener that supervisord has started: its environment and its parent tell which one.

    Raises record.RecordError when there is no folder that it may use, and ValueError for a URL of no known kind.
    """

    def __init__(self, settings: Settings) -> None:
        environ, parent = os.environ, os.getppid()
        self.settings = settings
        self.pid = os.getpid()
        self.uid = os.geteuid()
        self.group = environ.get("SUPERVISOR_GROUP_NAME")
        self.process = environ.get("SUPERVISOR_PROCESS_NAME")
        self.owner = record.owner_of(parent)
        #: this life of the node, as it is told apart from others of it
        self.life = lives.here(self.owner)
        process, arguments = proc.find(parent, self.owner.start), proc.cmdline(parent)
        if process is None or _hung_up(0):
            # Its other end is supervisord's alone, so the parent that was asked for may be another by then: whoever takes
            # in orphans, such as process 1.
            raise record.RecordError("supervisord is dead")
        self._seen = process.session, os.fsdecode(arguments)
        self.supervisord_uid = os.stat(f"/proc/{parent}").st_uid
        self.supervisord = trial.supervisord_of(settings, environ.get("SUPERVISOR_SERVER_URL", ""))
        self._credentials = (settings.username, settings.password.reveal() if settings.password else None)
        self._url = environ.get("SUPERVISOR_SERVER_URL") or settings.serverurl or ""
        self._folder = record.make_folder(self._url, self.supervisord_uid)
        self._lock = -1
        self._name: Optional[socket.socket] = None
        #: a connection to another listener that has this name
        self._other: Optional[socket.socket] = None
        self._store: Optional[saved_session.Store] = None
        #: the settings that this listener has kept
        self._kept: Optional[Settings] = None
        self._touched_at = clock.now()
        self._elections = Workers(ELECTION_THREADS, "zkelect-elections")
        self._disk = Workers(1, "zkelect-disk")

    def now(self) -> float:
        """Seconds of CLOCK_BOOTTIME. Any thread may call it."""
        return clock.now()

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def check_groups(self, settings: Settings, programs: List[Dict[str, Any]]) -> Findings:
        """Whether supervisord's programs, items of its getAllConfigInfo, are fit for these settings. Any thread may call it."""
        return check_groups(settings, programs, self.uid, self.supervisord_uid, self.group)

    def run(self, command: Sequence[str], until: float, variables: Mapping[str, str]) -> execution.Ended:
        """Run an operator's command, as `execution.run`. Any thread may call it."""
        return execution.run(command, until, variables)

    def serial(self) -> Executor:
        """An executor of the work of one election: one piece at a time, in order."""
        return SerialExecutor(self._elections)

    def pool(self, size: int, name: str) -> Executor:
        """An executor that does at most `size` pieces of work at a time."""
        return Workers(size, name)

    def aside(self, work: Callable[[], Any], seconds: float = 0.0) -> bool:
        """Do `work` beside everything else, and wait for it for so long. Whether it is done then."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(seconds)
        return not thread.is_alive()

    def guard(self, post: Post) -> link.Link:
        terms = process.Terms(
            self._folder, self.owner, self._url, self.settings.file, self.settings.reattach_grace,
            len(self.settings.elections), self.settings.has_credentials, *self._seen, self.supervisord.url,
        )
        return link.Link(terms, self._credentials, post)

    def last_resort(self) -> last_resort.LastResort:
        """Make what ends groups while there is no guard."""
        session, arguments = self._seen
        identity = SupervisordIdentity(self.owner.start, session, os.fsencode(arguments))
        return last_resort.LastResort(self._folder, self.owner, self._url, identity)

    def session(self, post: Post, attach: Optional[Tuple[int, bytes]], timeout: Optional[float]) -> session.Session:
        return session.Session(self.settings, post, attach, timeout)

    # The runtime folder

    def occupant(self) -> str:
        """Why the runtime folder is another supervisord's, "" where it is not. Nothing of it is held then."""
        why = occupant.of(self._folder, self.owner)
        if why:
            locks.give_early_back()
        return why

    def take_lock(self) -> bool:
        """Take the session's lock. False while somebody else has it."""
        if self._name is None:
            # Each connection takes a place at the other's door, which it never empties, and a full one keeps nobody out.
            if self._other is not None and locks.is_open(self._other):
                return False
            free, link = locks.claim(self._folder, locks.LISTENER)
            self._name, self._other = (link, None) if free else (None, link)
            if not free:
                return False
        if record.unusable(self._folder):
            return False
        self._lock = locks.take_session(self._folder)
        return self._lock >= 0

    def give_lock_back(self) -> None:
        os.close(self._lock)
        self._lock = -1

    def store(self) -> saved_session.Store:
        """Where the session is saved."""
        self._store = saved_session.Store(self._folder)
        return self._store

    def saved(self) -> Optional[saved_session.Saved]:
        """The session that was saved; None when there is none that can be read. Raises OSError, and MemoryError, where it may be
        read a moment later."""
        # What is taken for nothing would end the term of an earlier listener.
        former = reserve.twice(lambda: saved_session.load_surely(self._folder, self.owner))
        if former is None:
            # Somebody may have removed it, which the guard has not seen yet.
            link.have_folder_kept(self._folder)
            former = reserve.twice(lambda: saved_session.load_surely(self._folder, self.owner))
        return former

    def history_copy(self, election: str) -> HistoryCopy:
        """What this node keeps of an election's terms."""
        return HistoryCopy(os.path.join(self._folder, f"history-{election}"), self._disk)

    def keep_folder(self) -> str:
        """Put back what somebody removed of the runtime folder that is this listener's; the guard does so with the rest.

        Returns why that cannot be, "" when nothing is amiss.
        """
        try:
            with runtime_folder.held(self._folder, made=True) as folder:
                if self._lock >= 0 and not locks.put_back(self._lock, os.path.join(folder, record.LOCK)):
                    return f"{os.path.join(self._folder, record.LOCK)} is held by another process"
                if self._store is not None:
                    self._store.put_back(folder)
                self._keep_again(folder)
            if clock.now() >= self._touched_at + upkeep.FRESH_TIME:
                self._touched_at = clock.now()
                try:
                    self.aside(lambda: upkeep.touch(self._folder))
                except RuntimeError:
                    # Without a thread for it, the next time.
                    return ""
            return ""
        except runtime_folder.Unfit as error:
            return error.why
        except OSError as error:
            return f"{error.filename or self._folder}: {error.strerror}"

    def _keep_again(self, folder: str) -> None:
        """Keep the settings once more where the copy is gone before the guard had it open."""
        if self._kept is not None and not os.path.lexists(os.path.join(folder, record.CONFIGURATION)):
            try:
                kept_config.save(self._folder, self._kept)
            except OSError:
                # It is tried again at the next look, and nothing that runs depends on it.
                return

    def keep(self) -> None:
        """Keep the settings, which have proven good. Raises OSError."""
        kept_config.save(self._folder, self.settings)
        self._kept = self.settings

    def fall_back(self, problems: Iterable[str]) -> kept_config.ConfigTrouble:
        """Take the settings that were kept, because those of the file have these problems. Raises kept_config.NoCopy."""
        self.settings, trouble = kept_config.fall_back(self._folder, problems, clock.now(), self.settings.file, self.settings)
        return trouble
