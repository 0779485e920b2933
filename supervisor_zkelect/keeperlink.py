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

from supervisor_zkelect.clock import now

log = logging.getLogger(__name__)

START_PACE = 1.0
"""Seconds between two starts of a keeper that ends."""

LONGEST = 1 << 16
"""Bytes of what is told of ended terms; more goes without saying."""

NEVER = float("inf")


class KeeperLink:
    """folder: the runtime folder. configuration: the listener's file. credentials: whether the session needs some. hear:
    takes the keeper's answers (`keeper.py`), and {"ended": true} when it has ended. All methods run on the guard's thread.
    """

    def __init__(
        self, folder: str, configuration: str, credentials: bool, selector: selectors.BaseSelector,
        hear: Callable[[Dict[str, Any]], None],
    ) -> None:
        self._words = [folder, configuration, "yes" if credentials else "no"]
        self._selector = selector
        self._hear = hear
        self._link: Optional[socket.socket] = None
        self._child: Optional[subprocess.Popen] = None
        self._received = b""
        self._kept: Dict[str, Any] = {}
        self._started_at = -NEVER
        self.start_at = NEVER
        """When another is to be started."""

    def start(self) -> None:
        """Start a keeper unless there is one. Raises OSError."""
        self.start_at = NEVER
        if self._link is not None:
            return
        self._started_at = now()
        ours, theirs = socket.socketpair()
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "supervisor_zkelect.keeper", *self._words],
                stdin=theirs, stdout=subprocess.DEVNULL, cwd="/",
            )
        except BaseException:
            ours.close()
            self.start_at = now() + START_PACE
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._link, self._received = ours, b""
        self._selector.register(ours, selectors.EVENT_READ, self._on_link)
        if self._kept.get("terms"):
            self._send(self._kept)

    def keep_time(self) -> None:
        if now() >= self.start_at:
            try:
                self.start()
            except OSError as error:
                log.warning("no keeper can be started, and it is tried again: %s", error)

    def keep(self, terms: Dict[str, int], attach: bool) -> None:
        """See `guard.Hands.keep`. A keeper that is started later is told as well."""
        message = {"do": "keep", "terms": terms, "attach": attach}
        if message != self._kept:
            self._kept = message
            self._send(message)

    def release(self, ended: Dict[str, Dict[str, Any]], lock: int) -> None:
        """Have the session released; {"released": status}, or {"ended": true}, follows. Raises OSError.

        ended: as `guard.Hands.release`. lock: the descriptor that holds the session's lock.
        """
        self.start()
        word = _line({"do": "release", "ended": ended})
        if len(word) > LONGEST:
            word = _line({"do": "release", "ended": {}})
        try:
            if socket.send_fds(self._link, [word], [lock]) < len(word):
                raise BlockingIOError("the keeper does not take what it is told")
        except OSError:
            self._end()
            raise

    def close(self) -> None:
        """Let it end; its guard does."""
        if self._link is not None:
            self._selector.unregister(self._link)
            self._link.close()
            self._link = None

    def _send(self, message: Dict[str, Any]) -> None:
        if self._link is None:
            return
        word = _line(message)
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
            self._hear(json.loads(line))

    def _end(self) -> None:
        """It is gone, or of no use."""
        self.close()
        if self._child is not None:
            self._child.kill()
            self._child.poll()
        log.warning("the keeper has ended, and another is started")
        self.start_at = max(now(), self._started_at + START_PACE)
        self._hear({"ended": True})


def _line(message: Dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
