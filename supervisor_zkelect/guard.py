"""The guard: one small process per node that stops groups when nobody else can.

It outlives the listener, in a session of its own, and holds no ZooKeeper client. The listener, connected through a Unix
socket, tells it what to start and stop, and until when each lease lasts; every order to the groups goes through here, so
that there is one owner of what runs, one implementation of stopping and proving (`group.Warden`), and one writer of the
shared record.

Rules
-----
1.  A group runs under a grant: an entry in the record with a token, and the times at which it is asked to stop and is
    killed. Only the listener gives grants and extends them, and only for the token granted.
2.  Every stop revokes the grant first, in the record, then asks or kills, then proves.
3.  A grant that nobody extends ends: asked to stop at `stop_at`, killed at `kill_at`, whatever the listener does.
4.  supervisord is dead: every group is killed at once. When all are proven dead, the listener releases; if it is gone,
    or does not within LISTENER_TIME, it is killed, and the guard releases.
5.  The listener is gone without having released: supervisord is nudged to start another, which has `reattach_grace` to
    come. If none does, the guard takes the session's lock, kills all groups, proves them dead, and releases. Whoever
    holds the lock decides: a listener that attaches has it.
6.  Releasing is a program of its own (`release.py`), which gets the lock handed over.
7.  SIGTERM, SIGINT and SIGHUP are ignored while a group is not proven dead or a session not released.

The messages are JSON objects, one per line, both ways; `guardlink.py` has the other side. A program's chain loader
(`runner.py`) speaks to the same socket, with one message, and may be anybody: it is told apart by its user.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import fcntl
import json
import logging
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Tuple

from supervisor_zkelect import cgroup, group, logs, proc, record
from supervisor_zkelect.clock import now
from supervisor_zkelect.supervisord import Supervisord

log = logging.getLogger(__name__)

PROTOCOL = 1
#: Seconds that a living listener has to release after supervisord's death and the proof.
LISTENER_TIME = 2.0
#: Seconds between two tries for the session's lock, and for the guard's own.
LOCK_PACE = 0.02
#: Seconds that a guard waits for its predecessor to end.
PREDECESSOR_TIME = 10.0
#: Seconds that a new guard waits for a listener.
GREET_TIME = 10.0
#: Seconds between two runs of a release that failed.
RELEASE_PACE = 1.0
#: Bytes of a message.
LONGEST = 1 << 20

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CREDENTIALS = struct.Struct("3i")


@dataclasses.dataclass
class Charge:
    """A group in the guard's charge."""

    entry: record.Entry
    handle: group.Group
    dead: bool = False  # proven so, and nothing was granted since

    @property
    def held(self) -> bool:
        return self.entry.granted or not self.dead


class _Peer:
    """A connection: what was received and is no whole line yet, and what could not be sent yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""
        self.waiting = b""
        self.pid, self.uid, _ = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )


class Guard:
    """See the module's text. All its methods run on one thread; the warden's events come through a pipe."""

    def __init__(self, folder: str, owner: record.Owner, url: str, config: str, grace: float, room: int) -> None:
        self.folder = folder
        self.owner = owner
        self.config = config
        self.grace = grace
        self.charges: Dict[str, Charge] = {}
        self.selector = selectors.DefaultSelector()
        self.listener: Optional[_Peer] = None
        self.session_open = False
        self.supervisord_gone = False
        self.release_by = float("inf")  # without a listener, or for the one that is there
        self.ending = False  # the groups are being killed in order to release
        self.lock = -1
        self.lock_at = float("inf")
        self.releasing: Optional[subprocess.Popen] = None
        self.asked_to_end = False
        self.greeted = False
        self.greet_by = now() + GREET_TIME
        self.op = 0
        supervisord = Supervisord(url, os.environ.get("SUPERVISOR_USERNAME"), os.environ.get("SUPERVISOR_PASSWORD"))
        self.events: List[Any] = []
        self.bell, self.ring = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.cgroups = cgroup.find(owner.pid, "zkelect-" + record.instance(owner)[:16])
        self.warden = group.Warden(
            supervisord, owner.pid, self.post, ThreadPoolExecutor(max(8, 4 * room), "zkelect-rpc"), server_url=url,
            cgroups=self.cgroups, instance=record.instance(owner),
        )
        self.former = self.read_former()
        self.record = record.Writer(folder, owner, room)

    def read_former(self) -> List[record.Entry]:
        """What a guard that is dead was in charge of, for the same supervisord."""
        try:
            return record.read(self.folder, self.owner)
        except record.RecordError as error:
            log.info("no earlier record is taken over: %s", error)
            return []

    def post(self, event: Any) -> None:
        self.events.append(event)
        try:
            os.write(self.ring, b"\0")
        except BlockingIOError:
            # It is full, so the loop will wake.
            return

    # The loop

    def run(self) -> int:
        self.warden.start()
        for entry in self.former:
            self.take_over(entry)
        self.session_open = bool(self.former)
        self.record.open()
        self.door = self.open_door()
        self.selector.register(self.door, selectors.EVENT_READ, self.on_door)
        self.selector.register(self.bell, selectors.EVENT_READ, self.on_bell)
        self.watch_supervisord()
        if self.session_open:
            self.release_by = now() + self.grace
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.on_signal)
        signal.set_wakeup_fd(self.ring, warn_on_full_buffer=False)
        print("ready", flush=True)
        while not self.finished():
            try:
                self.turn()
            except Exception as error:
                # Whatever goes wrong with one message or one process, the leases of the others are still to be kept.
                log.exception("%s", error)
        self.warden.close()
        os.unlink(os.path.join(self.folder, record.SOCKET))
        if self.cgroups is not None:
            self.cgroups.remove()
        log.info("end")
        return 0

    def turn(self) -> None:
        wait = min(max(0.0, self.next_wakeup() - now()), 1.0)
        for key, mask in self.selector.select(wait):
            key.data(key.fileobj, mask)
        self.keep_time()

    def finished(self) -> bool:
        if self.session_open or self.releasing or any(charge.held for charge in self.charges.values()):
            return False
        if self.listener is not None:
            return self.asked_to_end
        return self.greeted or now() >= self.greet_by

    def next_wakeup(self) -> float:
        times = [charge.entry.stop_at for charge in self.charges.values() if charge.entry.granted]
        return min([self.release_by, self.lock_at, *times])

    def keep_time(self) -> None:
        moment = now()
        for charge in self.charges.values():
            if charge.entry.granted and moment >= charge.entry.stop_at:
                log.warning("%s: nobody extended the lease; the group is stopped", charge.entry.election)
                self.stop(charge, self.own_op(), charge.entry.kill_at)
                self.tell("Revoked", group=charge.entry.group, reason="the lease runs out: nobody extended it")
        if moment >= self.release_by:
            self.end_all()
        if moment >= self.lock_at:
            self.release()

    def on_signal(self, number: int, frame: Any) -> None:
        self.asked_to_end = True

    def own_op(self) -> int:
        """Numbers of the guard's own orders; the listener's are above zero."""
        self.op -= 1
        return self.op

    # What happens to those it watches

    def watch_supervisord(self) -> None:
        process = proc.read(self.owner.pid)
        descriptor = proc.pidfd(process) if process is not None and process.start == self.owner.start else None
        if descriptor is None:
            self.on_supervisord_gone(None, 0)
        else:
            self.selector.register(descriptor, selectors.EVENT_READ, self.on_supervisord_gone)

    def on_supervisord_gone(self, descriptor: Optional[int], mask: int) -> None:
        if descriptor is not None:
            self.selector.unregister(descriptor)
            os.close(descriptor)
        log.warning("supervisord, process %d, is dead", self.owner.pid)
        self.supervisord_gone = True
        self.warden.supervisord_gone()
        for charge in self.charges.values():
            self.stop(charge, self.own_op(), -float("inf"))
        self.release_by = now() + (LISTENER_TIME if self.listener else 0.0)

    def listener_gone(self) -> None:
        self.listener = None
        if not self.session_open:
            return
        self.warden.nudge()
        self.release_by = now() + (0.0 if self.supervisord_gone else self.grace)
        log.info("the listener is gone; another has %.3g s to come", 0.0 if self.supervisord_gone else self.grace)

    # Releasing

    def end_all(self) -> None:
        """The time of the listener is over: kill all groups, and release when they are dead."""
        if self.listener is not None:
            # It had its time after supervisord's death.
            process = proc.read(self.listener.pid)
            log.warning("the listener, process %d, does not release and is killed", self.listener.pid)
            if process is not None:
                proc.kill(process, signal.SIGKILL)
            self.drop(self.listener)
        self.release_by = float("inf")
        self.ending = True
        self.release()

    def release(self) -> None:
        """Take the lock, kill, and when everything is dead start the release."""
        self.lock_at = float("inf")
        if not self.ending or self.listener is not None or self.releasing is not None:
            return
        if self.lock < 0:
            self.lock = take_lock(os.path.join(self.folder, record.LOCK))
            if self.lock < 0:
                self.lock_at = now() + LOCK_PACE
                return
            for charge in self.charges.values():
                if charge.held:
                    self.stop(charge, self.own_op(), -float("inf"))
        if any(charge.held for charge in self.charges.values()):
            return
        log.info("all groups are proven dead; releasing")
        command = [sys.executable, "-m", "supervisor_zkelect.release", self.folder, self.config]
        self.releasing = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(self.lock,))
        self.selector.register(os.pidfd_open(self.releasing.pid), selectors.EVENT_READ, self.on_released)

    def on_released(self, descriptor: int, mask: int) -> None:
        self.selector.unregister(descriptor)
        os.close(descriptor)
        status, self.releasing = self.releasing.wait(), None
        if status != 0:
            log.warning("the release ended with status %d; it is tried again", status)
            self.lock_at = now() + RELEASE_PACE
            return
        self.session_open = self.ending = False
        self.unlock()

    def unlock(self) -> None:
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1

    # The groups

    def charge(self, name: str) -> Charge:
        if name not in self.charges:
            entry = record.Entry("", name, "", 0, False, 0, 0.0, 0.0, 0.0)
            self.charges[name] = Charge(entry, self.warden.group(name))
        return self.charges[name]

    def put(self, charge: Charge, **changes: Any) -> None:
        charge.entry = charge.entry._replace(**changes)
        self.record.put(charge.entry)

    def take_over(self, entry: record.Entry) -> None:
        """Take the charge of a dead guard: under its grant, or with a proof still to be made."""
        charge = self.charges[entry.group] = Charge(entry, self.warden.group(entry.group))
        self.record.put(entry)
        if entry.granted:
            charge.handle.adopt()
            charge.handle.watch(True)
        else:
            charge.handle.kill(self.own_op())

    def stop(self, charge: Charge, op: int, kill_at: float, how: str = "stop") -> None:
        """Revoke, then have the warden stop, kill and prove."""
        if charge.entry.granted:
            self.put(charge, granted=False, revoked=charge.entry.revoked + 1)
        charge.dead = False
        charge.handle.watch(False)
        if how == "seize":
            charge.handle.seize(op)
        elif kill_at == -float("inf"):
            charge.handle.kill(op)
        else:
            charge.handle.stop(op, kill_at)

    def on_bell(self, descriptor: int, mask: int) -> None:
        try:
            os.read(descriptor, 65536)
        except BlockingIOError:
            pass
        events, self.events = self.events, []
        for event in events:
            charge = self.charge(event.group)
            if isinstance(event, group.GroupDead) and not charge.entry.granted:
                charge.dead = True
                self.lock_at = now()
            if getattr(event, "op", 1) > 0:
                self.tell(type(event).__name__, **dataclasses.asdict(event))

    # Conversation

    def open_door(self) -> socket.socket:
        path = os.path.join(self.folder, record.SOCKET)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
        try:
            # Through /proc, as a socket's path has room for 107 bytes only (unix(7)).
            door.bind(f"/proc/self/fd/{folder}/{record.SOCKET}")
        finally:
            os.close(folder)
        # A chain loader of any user may register; orders are taken from this user and root only.
        os.chmod(path, 0o666)
        door.listen(128)
        return door

    def on_door(self, door: socket.socket, mask: int) -> None:
        try:
            connection = door.accept()[0]
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                log.warning("a connection could not be taken: %s", error)
            return
        connection.setblocking(False)
        peer = _Peer(connection)
        self.selector.register(connection, selectors.EVENT_READ, lambda _, mask: self.on_peer(peer, mask))

    def on_peer(self, peer: _Peer, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self.send(peer, b"")
        if not mask & selectors.EVENT_READ:
            return
        try:
            data = peer.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        peer.received += data
        if not data or len(peer.received) > LONGEST:
            self.drop(peer)
            return
        *lines, peer.received = peer.received.split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
                self.take(peer, message)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                log.warning("a message of process %d was not understood: %r", peer.pid, error)
                self.answer(peer, {"ok": False, "error": "not understood"})

    def drop(self, peer: _Peer) -> None:
        try:
            self.selector.unregister(peer.connection)
        except KeyError:
            return
        peer.connection.close()
        if peer is self.listener:
            self.listener_gone()

    def answer(self, peer: _Peer, message: Dict[str, Any]) -> None:
        self.send(peer, json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def tell(self, event: str, /, **values: Any) -> None:
        """An event for the listener, if there is one."""
        if self.listener is not None:
            self.answer(self.listener, {"event": event, **values})

    def send(self, peer: _Peer, data: bytes) -> None:
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
        key = self.selector.get_map().get(peer.connection)
        if key is not None and key.events != wanted:
            self.selector.modify(peer.connection, wanted, key.data)
        if len(peer.waiting) > LONGEST:
            self.drop(peer)

    def take(self, peer: _Peer, message: Dict[str, Any]) -> None:
        if message["do"] == "run":
            self.on_run(peer, str(message["group"]))
        elif peer.uid not in (0, os.geteuid()):
            self.answer(peer, {"ok": False, "error": "orders are taken from this guard's user only"})
        elif message["do"] == "hello":
            self.on_hello(peer, message)
        elif peer is self.listener:
            getattr(self, "do_" + message["do"])(message)

    def on_run(self, peer: _Peer, name: str) -> None:
        """A program registers: it is about to be executed."""
        charge = self.charges.get(name)
        if charge is None or not charge.entry.granted:
            self.answer(peer, {"ok": False, "error": "no grant"})
            return
        trouble = ""
        if self.cgroups is not None:
            try:
                self.cgroups.add(name, peer.pid)
            except OSError as error:
                trouble = f"no cgroup: {error.strerror}"
        charge.handle.expect(peer.pid)
        self.answer(peer, {"ok": True, "error": trouble})

    def on_hello(self, peer: _Peer, message: Dict[str, Any]) -> None:
        fits = message["v"] == PROTOCOL and tuple(message["owner"]) == tuple(self.owner)
        # One that is releasing is not joined: the listener waits for the lock, and asks again.
        busy = self.ending or self.supervisord_gone or self.asked_to_end
        if fits and not busy:
            former, self.listener = self.listener, peer
            if former is not None:
                self.drop(former)
            self.release_by = float("inf")
            self.session_open = self.greeted = True
        groups = {
            name: {"token": charge.entry.token, "granted": charge.entry.granted, "dead": charge.dead,
                   "deadline": charge.entry.deadline}
            for name, charge in self.charges.items()
        }
        self.answer(peer, {
            "event": "Welcome", "ok": fits and not busy, "busy": busy, "v": PROTOCOL, "pid": os.getpid(), "groups": groups,
            "cgroups": self.cgroups is not None,
        })

    def entry_of(self, charge: Charge, message: Dict[str, Any]) -> Dict[str, Any]:
        names = ("election", "address", "token", "stop_at", "kill_at", "deadline")
        return {name: message[name] for name in names}

    def do_start(self, message: Dict[str, Any]) -> None:
        charge = self.charge(message["group"])
        self.put(charge, granted=True, **self.entry_of(charge, message))
        charge.dead = False
        charge.handle.start(int(message["op"]))
        charge.handle.watch(True)

    def do_adopt(self, message: Dict[str, Any]) -> None:
        """A listener whose guard died grants anew what runs."""
        charge = self.charge(message["group"])
        if not charge.entry.granted and not charge.entry.revoked:
            self.put(charge, granted=True, **self.entry_of(charge, message))
            charge.handle.adopt()
            charge.handle.watch(True)

    def do_stop(self, message: Dict[str, Any]) -> None:
        self.stop(self.charge(message["group"]), int(message["op"]), float(message["kill_at"]))

    def do_kill(self, message: Dict[str, Any]) -> None:
        self.stop(self.charge(message["group"]), int(message["op"]), -float("inf"))

    def do_seize(self, message: Dict[str, Any]) -> None:
        self.stop(self.charge(message["group"]), int(message["op"]), 0.0, "seize")

    def do_look(self, message: Dict[str, Any]) -> None:
        self.charge(message["group"]).handle.look(int(message["op"]))

    def do_note(self, message: Dict[str, Any]) -> None:
        name, state, pid = message["what"]
        self.charge(message["group"]).handle.note((str(name), str(state), int(pid)))

    def do_lease(self, message: Dict[str, Any]) -> None:
        for name, (token, stop_at, kill_at, deadline) in message["leases"].items():
            charge = self.charges.get(name)
            if charge is None or not charge.entry.granted or charge.entry.token != token:
                self.tell("Revoked", group=name, reason="the guard has revoked the grant")
            elif deadline > charge.entry.deadline:
                self.put(charge, stop_at=stop_at, kill_at=kill_at, deadline=deadline)
        self.tell("Echo", n=message["n"])

    def do_bye(self, message: Dict[str, Any]) -> None:
        """The listener ends; it has released the session, or leaves it for the next one."""
        if message["how"] == "released":
            self.session_open = False
            self.release_by = float("inf")


def take_lock(path: str) -> int:
    """A descriptor that holds the lock exclusively, or −1 when somebody else does. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    return descriptor


def _wait_for_lock(path: str) -> bool:
    """Take the lock that tells that there is one guard; its descriptor lives as long as the process."""
    until = now() + PREDECESSOR_TIME
    pause: Callable[[float], Any] = threading.Event().wait
    while take_lock(path) < 0:
        if now() > until:
            return False
        pause(LOCK_PACE)
    return True


def _stay_in_memory() -> None:
    """Never be paged out, and be the last to be killed when memory runs out, where the kernel allows it."""
    threading.stack_size(256 * 1024)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        log.info("memory is not locked: %s", os.strerror(ctypes.get_errno()))
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-900")
    except OSError:
        # An unprivileged guard cannot.
        return


def main(words: List[str]) -> int:
    """words: runtime folder, supervisord's pid, its URL, the listener's configuration file, reattach_grace, elections."""
    folder, pid, url, config, grace, room = words
    logs.begin("guard")
    if not _wait_for_lock(os.path.join(folder, record.GUARD_LOCK)):
        print("another guard is there already", file=sys.stderr)
        return 1
    _stay_in_memory()
    return Guard(folder, record.owner_of(int(pid)), url, config, float(grace), int(room)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
