"""The guard's door: who may connect, how many of them at a time, and how much each may say.

Anybody on the machine reaches the socket, so nobody is given more than a share of it. Who it is, is told by the kernel when
the connection is taken: its user, and the very process, by pid and start time. There are three kinds of peers, with places
of their own, so that one kind cannot use up another's: what supervisord has started, which is about to become a program; root
and the guard's user; and strangers. Whoever comes when its own places are taken takes that of its oldest.

A peer has one message, of at most 4 KiB unless it is root or the guard's user, and its answer ends the conversation. Only a
listener that was welcomed (`keep`) goes on. What is no message ends it as well, and is told of once a minute at most. So does
whatever cannot be heard or answered for want of memory, also with a listener: what follows would pass for the whole.

All methods run on the guard's thread. In one turn of its loop each peer is read once, and so many connections are taken at
most, whatever comes.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import select
import selectors
import socket
import struct
from typing import Any, Callable, Dict, List

from supervisor_zkelect.core import paced
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import reserve
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

MESSAGE, LONGEST = 4096, 1 << 20
"""Bytes of a message: of anybody, and of root, the guard's user or the listener."""

CHILD, OWN, STRANGER = "child", "own", "stranger"
"""The kinds of peers."""

PLACES = {CHILD: 2, OWN: 64, STRANGER: 8}
"""Connections that a process of the first kind, and a user of the others, may have at a time."""

MOST = {CHILD: 256, OWN: 128, STRANGER: 32}
"""Connections of each kind."""

PEER_TIME = 5.0
"""Seconds after which a connection is closed that is no listener's."""

TAKEN = 32
"""Connections that are taken in one turn."""

DOOR_PACE = 0.2
"""Seconds until a connection is taken again after there was no descriptor for one."""

REPEAT = 60.0
"""Seconds between two lines of one kind."""

SO_PEERPIDFD = 77
"""A pidfd of the peer, since Linux 6.5 (include/uapi/asm-generic/socket.h)."""

_CREDENTIALS = struct.Struct("3i")

#: What is raised for a message that is none.
_WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Peer:
    """A connection. uid: its user. process: who connected, as it was when the connection was taken; None where it was gone."""

    def __init__(self, connection: socket.socket, supervisord: proc.Process) -> None:
        self.connection = connection
        self.received = b""
        self.waiting = b""
        self.since = now()
        self.kept = False
        self.pid, self.uid, _ = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        self.process = identify(connection, self.pid)
        if self.process is not None and self.process.started_by(supervisord):
            self.kind, self.place = CHILD, self.pid
        else:
            self.kind, self.place = OWN if self.trusted else STRANGER, self.uid

    @property
    def trusted(self) -> bool:
        """Whether its orders are accepted."""
        return self.uid in (0, os.geteuid())

    @property
    def longest(self) -> int:
        """Bytes of its message."""
        return LONGEST if self.trusted else MESSAGE


def identify(connection: socket.socket, pid: int) -> proc.Process | None:
    """The process with this pid that connected; None when it is gone, or when another may have its pid by now."""
    try:
        descriptor = connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError as error:
        if reserve.short(error):
            # It may be asked again.
            raise
        if error.errno != errno.ENOPROTOOPT:
            # It is gone and reaped, and its pid may be another's by now.
            return None
        # An older kernel.
        process = proc.read(pid)
        opened = None if process is None else proc.pidfd(process)
        if opened is None:
            return None
        os.close(opened)
        return process
    try:
        process = proc.read(pid)
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        # One that lives after it was read has had that pid all the time.
        return None if ended.poll(0) else process
    finally:
        os.close(descriptor)


class Door:
    """selector: the loop's. supervisord: its process. take: gets a peer and its message, an object of JSON; what it raises of
    `_WRONG` says that it is none. gone: gets a peer that was kept."""

    def __init__(
        self, selector: selectors.BaseSelector, supervisord: proc.Process, take: Callable[[Peer, Dict[str, Any]], None],
        gone: Callable[[Peer], None],
    ) -> None:
        self._selector = selector
        self._supervisord = supervisord
        self._take = take
        self._gone = gone
        self._peers: Dict[str, Dict[Peer, None]] = {CHILD: {}, OWN: {}, STRANGER: {}}
        #: what is listened on, and not just now, until when
        self._shut: List[socket.socket] = []
        self.opens_at = math.inf
        self._said = paced.Paced(1, REPEAT)

    # Who comes

    def listen(self, listening: socket.socket) -> None:
        """Take connections from this socket."""
        self._selector.register(listening, selectors.EVENT_READ, self._on_door)

    def leave(self, listening: socket.socket) -> None:
        """Take none from this socket any more."""
        if listening in self._shut:
            self._shut.remove(listening)
        elif listening in self._selector.get_map():
            self._selector.unregister(listening)

    def keep_time(self) -> None:
        """Once in a turn."""
        moment = now()
        for peers in self._peers.values():
            # They stand in the order in which they came.
            while peers and moment - next(iter(peers)).since > PEER_TIME:
                self.drop(next(iter(peers)))
        if moment >= self.opens_at:
            # What fails now is tried again then.
            self.opens_at = moment + DOOR_PACE
            while self._shut:
                self.listen(self._shut[-1])
                self._shut.pop()
            self.opens_at = math.inf

    def _on_door(self, listening: socket.socket, mask: int) -> None:
        for _ in range(TAKEN):
            try:
                connection = listening.accept()[0]
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                    self._complain("cannot accept a connection", error)
                    # It stays at the door, which would wake this loop again at once.
                    self._selector.unregister(listening)
                    self._shut.append(listening)
                    self.opens_at = now() + DOOR_PACE
                return
            try:
                connection.setblocking(False)
                self._seat(Peer(connection, self._supervisord))
            except Exception:
                connection.close()
                raise

    def _seat(self, peer: Peer) -> None:
        """Give it a place, another's if need be."""
        peers = self._peers[peer.kind]
        same = [one for one in peers if one.place == peer.place]
        if len(same) >= PLACES[peer.kind]:
            self.drop(same[0])
        elif len(peers) >= MOST[peer.kind]:
            # Of those that have the most, so that many users cannot do together what one cannot do alone.
            places = [one.place for one in peers]
            self.drop(max(peers, key=lambda one: places.count(one.place)))
        self._selector.register(peer.connection, selectors.EVENT_READ, lambda _, mask: self._on_peer(peer, mask))
        peers[peer] = None

    # What they say

    def keep(self, peer: Peer) -> None:
        """It is a listener: it has as many messages as it likes, and keeps its place."""
        self._peers[peer.kind].pop(peer, None)
        peer.kept = True

    def _on_peer(self, peer: Peer, mask: int) -> None:
        try:
            self._converse(peer, mask)
        except Exception:
            # What it said may be lost, or a part of its answer; whoever comes again says and is told everything anew.
            self.drop(peer)
            raise

    def _converse(self, peer: Peer, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._send(peer, b"")
        if not mask & selectors.EVENT_READ:
            return
        try:
            # Whoever may say more says so by not having ended.
            data = peer.connection.recv(65536 if peer.kept or (peer.trusted and peer.received) else MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(peer)
            return
        peer.received += data
        if b"\n" in data:
            # Of one that has one message no more is looked at.
            *lines, peer.received = peer.received.split(b"\n", -1 if peer.kept else 1)
            for line in lines:
                self._hear(peer, line)
                if peer.connection.fileno() < 0:
                    return
        if len(peer.received) > peer.longest:
            self._refuse(peer, f"it is longer than {peer.longest} bytes")

    def _hear(self, peer: Peer, line: bytes) -> None:
        try:
            if len(line) > peer.longest:
                raise ValueError(f"it is longer than {peer.longest} bytes")
            message = json.loads(line)
            if not isinstance(message, dict):
                raise TypeError("it is no object")
            self._take(peer, message)
        except _WRONG as error:
            self._refuse(peer, repr(error))
            return
        if not peer.kept:
            self.drop(peer)

    def _refuse(self, peer: Peer, why: str) -> None:
        self._complain(f"a message was not understood; process {peer.pid} of user {peer.uid}", why[:100], "message")
        self.answer(peer, {"ok": False, "error": "not understood"})
        if not peer.kept:
            self.drop(peer)

    def drop(self, peer: Peer) -> None:
        """End the conversation with a peer."""
        self._peers[peer.kind].pop(peer, None)
        try:
            self._selector.unregister(peer.connection)
        except (KeyError, ValueError):
            return
        peer.connection.close()
        if peer.kept:
            self._gone(peer)

    def answer(self, peer: Peer, message: Dict[str, Any]) -> None:
        """Send it a message."""
        self._send(peer, json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def _send(self, peer: Peer, data: bytes) -> None:
        peer.waiting += data
        try:
            while peer.waiting:
                sent = peer.connection.send(peer.waiting)
                peer.waiting = peer.waiting[sent:]
        except BlockingIOError:
            pass
        except OSError:
            # The end of the stream tells the rest.
            peer.waiting = b""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.waiting else 0)
        key = self._selector.get_map().get(peer.connection) if peer.connection.fileno() >= 0 else None
        if key is not None and key.events != wanted:
            self._selector.modify(peer.connection, wanted, key.data)
        if len(peer.waiting) > LONGEST:
            self.drop(peer)

    def _complain(self, what: str, why: Any, kind: str = "") -> None:
        """A line, unless one of its kind was written within the last minute."""
        line = self._said.line(f"{what}: {why}", kind or what, now())
        if line:
            log.warning("%s", line)


def make(folder: str) -> socket.socket:
    """The socket in a runtime folder that peers connect to, in place of the one that is there. Raises OSError."""
    path = os.path.join(folder, record.SOCKET)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    fresh = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    record.at_socket(folder, fresh.bind)
    # A chain loader of any user may register; orders are taken from this user and root only.
    os.chmod(path, 0o666)
    fresh.listen(128)
    return fresh


def hung_up(connection: socket.socket) -> bool:
    """Tell whether the other end is closed."""
    poller = select.poll()
    poller.register(connection, select.POLLHUP)
    return bool(poller.poll(0))
