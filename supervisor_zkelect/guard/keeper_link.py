"""The guard's side of the keeper (`keeper.py`): start it beforehand, tell it what to do, take what it answers.

Nothing here waits: a keeper that does not take what it is told is killed, and another is started.
"""

from __future__ import annotations

import json
import logging
import selectors
import socket
import subprocess
import sys
from typing import Any, Callable, Dict, Optional

from supervisor_zkelect.guard import record
from supervisor_zkelect.guard.keeper_protocol import ANSWERS, TO_KEEPER, KeeperEnded, KeepTerms, ReleaseSession, SessionReleased
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

START_PACE, START_MOST = 1.0, 60.0
"""Seconds between two starts of a keeper that ends, and what they grow to while each ends within START_MOST."""

RELEASE_TIME = 30.0
"""Seconds for a release; a keeper that takes longer holds the session's lock for nothing."""

LONGEST = 1 << 16
"""Bytes of what is told of ended terms. Where it is longer, the keeper is told of none."""

NEVER = float("inf")


class KeeperLink:
    """folder: the runtime folder. configuration: the listener's file. credentials: whether the session needs some. owner: the
    supervisord whose session it is. hear: takes the keeper's answers (`keeper_protocol.ANSWERS`), and KeeperEnded. All methods
    run on the guard's thread.
    """

    def __init__(
        self, folder: str, configuration: str, credentials: bool, owner: record.Owner, selector: selectors.BaseSelector,
        hear: Callable[[Any], None],
    ) -> None:
        self._words = [folder, configuration, "yes" if credentials else "no", json.dumps(owner)]
        self._selector = selector
        self._hear = hear
        self._link: Optional[socket.socket] = None
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._received = b""
        self._kept: Optional[KeepTerms] = None
        self._started_at = -NEVER
        self._pace = START_PACE
        self._release_by = NEVER
        self.start_at = NEVER
        """When another is to be started."""

    def start(self) -> None:
        """Start a keeper unless there is one. Raises OSError."""
        if self._link is not None:
            return
        lasted, self._started_at = now() - self._started_at, now()
        self._pace = START_PACE if lasted > START_MOST else min(2 * self._pace, START_MOST)
        self.start_at = now() + self._pace
        ours, theirs = socket.socketpair()
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "supervisor_zkelect.guard.keeper", *self._words],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, cwd="/",
            )
            ours.setblocking(False)
            self._selector.register(ours, selectors.EVENT_READ, self._on_link)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._link, self._received, self.start_at = ours, b"", NEVER
        if self._kept is not None and self._kept.terms:
            self._send(self._kept)

    def next_wakeup(self) -> float:
        return min(self.start_at, self._release_by)

    def keep_time(self) -> None:
        if now() >= self._release_by and self._child is not None:
            log.error("the keeper, process %d, does not finish its release; killing it", self._child.pid)
            self._end()
        if now() >= self.start_at:
            try:
                self.start()
            except OSError as error:
                log.warning("cannot start a keeper; trying again: %s", error)

    def keep(self, terms: Dict[str, int], attach: bool) -> None:
        """See `GuardEffects.keep`. A keeper that is started later is told as well."""
        message = KeepTerms(terms, attach)
        if message != self._kept:
            self._kept = message
            self._send(message)

    def release(self, ended: Dict[str, Dict[str, Any]], lock: int) -> None:
        """Release the session; SessionReleased or KeeperEnded follows. Raises OSError.

        ended: as `GuardEffects.release`. lock: the descriptor that holds the session's lock.
        """
        self.start()
        assert self._link is not None
        word = TO_KEEPER.encode(ReleaseSession(ended))
        if len(word) > LONGEST:
            word = TO_KEEPER.encode(ReleaseSession({}))
        try:
            if socket.send_fds(self._link, [word], [lock]) < len(word):
                raise BlockingIOError("the keeper does not take what it is told")
        except OSError:
            self._end()
            raise
        self._release_by = now() + RELEASE_TIME

    def close(self) -> None:
        """Let it end; its guard does."""
        if self._link is not None:
            self._selector.unregister(self._link)
            self._link.close()
            self._link = None

    def _send(self, message: KeepTerms) -> None:
        if self._link is None:
            return
        word = TO_KEEPER.encode(message)
        try:
            whole = self._link.send(word) == len(word)
        except OSError:
            whole = False
        if not whole:
            self._end()

    def _on_link(self, link: socket.socket, mask: int) -> None:
        try:
            data = link.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = ANSWERS.decode(json.loads(line))
            if isinstance(message, SessionReleased):
                self._release_by = NEVER
            self._hear(message)

    def _end(self) -> None:
        """It is gone, or of no use."""
        self.close()
        if self._child is not None:
            self._child.kill()
            self._child.poll()
        log.warning("the keeper has ended; starting another")
        self._release_by = NEVER
        self.start_at = max(now(), self._started_at + self._pace)
        self._hear(KeeperEnded())
