"""The listener's side of the guard: start one, speak to it, replace one that stands still.

`Link` has the same handles as `ProcessManager`, but what is asked of a group is done in the guard's process. What the guard
answers is posted as the events of `processes/group_events.py`, besides `Up`, `Down`, `Busy`, `Echo` and `Revoked`.

Where no guard process can be had in time, because memory or processes have run out or the package is just being
replaced, the listener guards in a thread of its own: then nothing guards against the listener's own end.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from supervisor_zkelect.guard import locks, process, record
from supervisor_zkelect.guard.guard import PROTOCOL
from supervisor_zkelect.processes import group_events, proc
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

START_TIME = 10.0
"""Seconds until a new guard process must be ready; 0.2 are usual."""

PILE = 4 << 20
"""Bytes that may wait to be sent. The leases of three hundred groups take thirty thousand."""

WELCOME_TIME = 1.0
"""Seconds that a guard has to greet a listener; one that takes longer stands still."""


class Up(NamedTuple):
    """A guard is there. groups: name -> {"token", "granted", "dead", "deadline"} of those in its charge.

    pid: the guard's, or this process's own. cgroups: the folder of its cgroups, "" where it has none.
    """

    pid: int
    groups: Dict[str, Dict[str, Any]]
    cgroups: str


class Down(NamedTuple):
    """The guard is gone, or could not be started."""

    reason: str


class Busy(NamedTuple):
    """The guard of this node is ending: it kills and releases, or belongs to another supervisord."""


class Echo(NamedTuple):
    """The guard has taken lease number `n`; its process manager took a turn last at `turned` (seconds of CLOCK_BOOTTIME).

    trouble: what the guard lacks for ending a group; then it has extended nothing.
    """

    n: int
    turned: float
    trouble: str = ""


class Said(NamedTuple):
    """A line of the log of a guard whose standard error nobody reads any more."""

    text: str


class Registered(NamedTuple):
    """A program of the group is about to be executed, at `moment` (seconds of CLOCK_BOOTTIME)."""

    group: str
    pid: int
    moment: float


class Refused(NamedTuple):
    """The chain loader has refused to start the program `name` of the group."""

    group: str
    name: str
    reason: str


class Revoked(NamedTuple):
    """The guard has ended a grant by itself."""

    group: str
    reason: str


class Renewed(NamedTuple):
    """The guard's keeper has renewed the lease of a term that the listener has not renewed yet."""

    group: str
    token: int
    deadline: float


class TermEnded(NamedTuple):
    """The guard has ended a term, and the group is proven dead; moments in seconds since the epoch."""

    group: str
    token: int
    noticed: float
    dead: float
    why: str


EVENTS = {
    one.__name__: one
    for one in (
        group_events.GroupStarted, group_events.GroupStartFailed, group_events.GroupDead, group_events.GroupStuck,
        group_events.MemberDied, group_events.MemberStarted, group_events.Members,
        Echo, Refused, Registered, Renewed, Revoked, Said, TermEnded,
    )
}


class Handle:
    """One group, as `processes.manager.Group`; `start` takes the grant with it."""

    def __init__(self, link: "Link", name: str) -> None:
        self.name = name
        self._link = link

    def start(self, op: int, **grant: Any) -> None:
        """grant: election, address, token, stop_at, kill_at and deadline, as in `record.Entry`."""
        self._link.send("start", group=self.name, op=op, **grant)

    def adopt(self, **grant: Any) -> None:
        """Tell a guard that is new what runs under which grant."""
        self._link.send("adopt", group=self.name, **grant)

    def readdress(self, address: str) -> None:
        """Tell the programs that start later in this term that its address is another."""
        self._link.send("address", group=self.name, address=address)

    def stop(self, op: int, by: float, **grant: Any) -> None:
        """by: when the group is killed, unless the lease that `grant` tells of, as in `start`, ends before."""
        self._link.send("stop", group=self.name, op=op, by=by, **grant)

    def kill(self, op: int) -> None:
        self._link.send("kill", group=self.name, op=op)

    def seize(self, op: int) -> None:
        """End whatever runs of the group, within the lease under which it does."""
        self._link.send("seize", group=self.name, op=op)

    def look(self, op: int) -> None:
        self._link.send("look", group=self.name, op=op)

    def note(self, event: Tuple[str, str, int]) -> None:
        self._link.send("note", group=self.name, what=list(event))


class _Outlet:
    """Sends in order without waiting. What the kernel has no room for, some hundred messages, a thread sends later."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._unsent = bytearray()
        self._flushing = False

    def send(self, data: bytes) -> int:
        """Returns how many bytes are not sent yet."""
        with self._lock:
            self._unsent += data
            if not self._flushing:
                try:
                    del self._unsent[:self._connection.send(self._unsent, socket.MSG_DONTWAIT)]
                except BlockingIOError:
                    pass
                except OSError:
                    # The reading side finds out, too.
                    return 0
            if self._unsent and not self._flushing:
                self._flushing = True
                try:
                    threading.Thread(target=self._flush, name="zkelect-outlet", daemon=True).start()
                except RuntimeError:
                    # No thread is to be had; what is sent next takes it along.
                    self._flushing = False
            return len(self._unsent)

    def _flush(self) -> None:
        while True:
            with self._lock:
                data = bytes(self._unsent[:65536])
                self._flushing = bool(data)
            if not data:
                return
            try:
                sent = self._connection.send(data)
            except OSError:
                return
            with self._lock:
                del self._unsent[:sent]


class Link:
    """The connection to the guard. `post` takes the events, on a thread of the link's.

    terms: what a guard is started with. credentials: user and password of supervisord's server.
    """

    def __init__(
        self, terms: process.Terms, credentials: Tuple[Optional[str], Optional[str]], post: Callable[[Any], None]
    ) -> None:
        self._terms = terms
        self._credentials = credentials
        self._post = post
        self._outlet: Optional[_Outlet] = None
        self._child: Optional[subprocess.Popen] = None
        self._wanted: "queue.SimpleQueue[Tuple[Dict[str, Dict[str, Any]], float]]" = queue.SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        self.pid = 0

    def open(self, groups: Dict[str, Dict[str, Any]], by: float = float("inf")) -> None:
        """Connect to the guard, starting one where there is none; Up, Busy or Down is posted.

        groups: as `guard.Guard.welcome` takes them; not on a command line, where everybody could see the commands.
        by: when a lease ends (seconds of CLOCK_BOOTTIME); a guard process that is not ready then is not waited for.
        """
        if self._thread is None:
            # One for all guards to come: when one is gone there may be no thread to be had.
            thread = threading.Thread(target=self._run, name="zkelect-guard", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._post(Down(f"no guard could be asked: {error}"))
                return
            self._thread = thread
        self._wanted.put((groups, min(by, now() + START_TIME)))

    def replace(self) -> None:
        """Kill a guard that stands still. Down follows; the groups live on."""
        guard = proc.read(self.pid) if self.pid else None
        if guard is not None and b"supervisor_zkelect.guard.process" in proc.cmdline(self.pid):
            proc.kill(guard, signal.SIGKILL)

    def send(self, do: str, **values: Any) -> None:
        """Lost while there is no guard: the one that comes is told everything anew."""
        outlet = self._outlet
        if outlet is None:
            return
        data = json.dumps({"do": do, **values}, separators=(",", ":")).encode() + b"\n"
        if outlet.send(data) > PILE:
            # A guard that lets them pile up stands still.
            self.replace()

    def lease(self, n: int, leases: Dict[str, Tuple[int, float, float, float]]) -> None:
        """Extend grants: group -> (token, stop_at, kill_at, deadline). Echo answers."""
        self.send("lease", n=n, leases=leases)

    def cut(self, deadline: float) -> None:
        """Shorten all leases that last longer than until `deadline`."""
        self.send("cut", deadline=deadline)

    def tell_groups(self, groups: Dict[str, Dict[str, Any]], grace: float) -> None:
        """As `open` takes them, when more is known of them. grace: reattach_grace, in seconds."""
        self.send("groups", groups=groups, grace=grace)

    def bye(self, how: str) -> None:
        """End the conversation; how: "released", or "reattach" for a listener that will be back."""
        self.send("bye", how=how)

    def group(self, name: str) -> Handle:
        return Handle(self, name)

    # The thread

    def _run(self) -> None:
        while True:
            try:
                self._open(*self._wanted.get())
            except Exception as error:
                # Without an event the listener would wait for a guard for ever.
                self._outlet = None
                self._post(Down(f"no guard can be had: {error!r}"))

    def _open(self, groups: Dict[str, Dict[str, Any]], by: float) -> None:
        try:
            connection = self._connect() or self._start(by) or self._serve()
        except Exception as error:
            # Without an event the listener would wait for a guard for ever.
            self._post(Down(f"no guard could be started: {error}"))
            return
        reader = connection.makefile("rb")
        reason = "the guard is gone"
        try:
            connection.settimeout(WELCOME_TIME)
            hello = {
                "do": "hello", "v": PROTOCOL, "owner": list(self._terms.owner), "groups": groups,
                # Whose return the guard is to wait for.
                "listener": [os.environ.get(f"SUPERVISOR_{one}_NAME", "") for one in ("GROUP", "PROCESS")],
            }
            connection.sendall(json.dumps(hello).encode() + b"\n")
            try:
                welcome = json.loads(reader.readline() or b"{}")
            except socket.timeout:
                # It stands still: the kernel takes connections for it.
                self.pid = _peer(connection)
                self.replace()
                connection.close()
                self._post(Busy())
                return
            connection.settimeout(None)
            if not welcome.get("ok"):
                if welcome and not welcome["busy"]:
                    # It is of another version, or of a supervisord that is no more. Groups survive its end.
                    self.pid = welcome["pid"]
                    self.replace()
                connection.close()
                self._post(Busy())
                return
            self.pid = welcome["pid"]
            self._outlet = _Outlet(connection)
            self._post(Up(self.pid, welcome["groups"], welcome["cgroups"]))
            for line in reader:
                self._take(json.loads(line))
        except Exception as error:
            reason = f"the guard is gone: {error!r}"
        self._outlet = None
        connection.close()
        self.reap()
        self._post(Down(reason))

    def reap(self) -> None:
        """A dead guard that was this listener's child must not stay as a zombie."""
        if self._child is not None:
            self._child.poll()

    def _take(self, message: Dict[str, Any]) -> None:
        kind = EVENTS.get(message.pop("event", ""))
        if kind is not None:
            if "pids" in message:
                message["pids"] = tuple(message["pids"])
            if "states" in message:
                message["states"] = {name: tuple(state) for name, state in message["states"].items()}
            self._post(kind(**message))

    def _connect(self) -> Optional[socket.socket]:
        """Connect to the guard that is there, also where somebody removed its socket; None when there is none."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = -1
        try:
            folder = os.open(self._terms.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            connection.connect(f"/proc/self/fd/{folder}/{record.SOCKET}")
            return connection
        except OSError:
            connection.close()
            return locks.reach(self._terms.folder, locks.GUARD)
        finally:
            if folder >= 0:
                os.close(folder)

    def _start(self, by: float) -> Optional[socket.socket]:
        """Start a guard process and connect to it; None when it is not ready by then."""
        env = {name: value for name, value in os.environ.items() if name not in _OWN}
        user, password = self._credentials
        if user:
            env.update(SUPERVISOR_USERNAME=user, SUPERVISOR_PASSWORD=password or "")
        words = [sys.executable, "-m", "supervisor_zkelect.guard.process", json.dumps(self._terms._asdict())]
        try:
            self._child = subprocess.Popen(
                words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True, cwd="/"
            )
        except OSError as error:
            log.warning("no guard process can be started: %s", error)
            return None
        told = select.poll()
        told.register(self._child.stdout, select.POLLIN)
        ready = told.poll(max(0.0, by - now()) * 1000) and self._child.stdout.readline() == b"ready\n"
        self._child.stdout.close()
        connection = self._connect() if ready else None
        if connection is None:
            self._child.kill()
            log.warning("the guard process %d is not ready in time and is given up", self._child.pid)
        return connection

    def _serve(self) -> socket.socket:
        """Guard in a thread of this process, and connect to it. Raises OSError."""
        outcome: "queue.SimpleQueue[Optional[BaseException]]" = queue.SimpleQueue()

        def guard() -> None:
            try:
                process.serve(self._terms, self._credentials, lambda: outcome.put(None))
            except Exception as error:
                outcome.put(error)

        threading.Thread(target=guard, name="zkelect-guarding", daemon=True).start()
        error = outcome.get(timeout=START_TIME)
        connection = self._connect() if error is None else None
        if connection is None:
            raise OSError(f"neither in a process nor in a thread: {error}")
        log.warning("this listener guards by itself")
        return connection


def have_folder_kept(folder: str) -> None:
    """Have a guard that is there put back at once what somebody removed of its folder; wait until it has."""
    link = locks.reach(folder, locks.GUARD)
    if link is None:
        return
    try:
        link.settimeout(WELCOME_TIME)
        link.sendall(b'{"do":"folder"}\n')
        link.recv(1024)
    except OSError as error:
        log.info("the guard does not answer: %s", error)
    finally:
        link.close()


def _peer(connection: socket.socket) -> int:
    """Pid of whoever listens at the other end."""
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


#: What would make the guard look like the listener, or like a program of a group.
_OWN = ("SUPERVISOR_GROUP_NAME", "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_ENABLED")
