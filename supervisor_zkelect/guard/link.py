"""The listener's side of the guard: start one, speak to it, replace one that stands still.

What is asked of a group is done in the guard's process. What the guard says is posted as the messages of
`protocol.TO_LISTENER`, besides `GuardDown` and `GuardBusy`.

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

from supervisor_zkelect.guard import locks, occupant, process, protocol, record
from supervisor_zkelect.guard.protocol import GroupPrograms
from supervisor_zkelect.guard.send_buffer import SendBuffer
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import reserve
from supervisor_zkelect.system.clock import now

log = logging.getLogger(__name__)

START_TIME = 10.0
"""Seconds until a new guard process must be ready; 0.2 are usual."""

PILE = 4 << 20
"""Bytes that may wait to be sent. The leases of three hundred groups take thirty thousand."""

WELCOME_TIME = 1.0
"""Seconds that a guard has to greet a listener; one that takes longer stands still."""


class GuardDown(NamedTuple):
    """The guard is gone, or could not be started."""

    reason: str


class GuardBusy(NamedTuple):
    """The guard of this node is ending: it kills and releases, or belongs to another supervisord."""


class _StandsStill(Exception):
    """A guard is there, and takes no connection."""


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
        self._buffer: Optional[SendBuffer] = None
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._wanted: queue.SimpleQueue[Tuple[Dict[str, GroupPrograms], float]] = queue.SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        self.pid = 0

    def open(self, groups: Dict[str, GroupPrograms], by: float = float("inf")) -> None:
        """Connect to the guard, starting one where there is none; its Welcome, GuardBusy or GuardDown is posted.

        groups: those of the configuration; not on a command line, where everybody could see the commands.
        by: when a lease ends (seconds of CLOCK_BOOTTIME); a guard process that is not ready then is not waited for.
        """
        if self._thread is None:
            # One for all guards to come: when one is gone there may be no thread to be had.
            thread = threading.Thread(target=self._run, name="zkelect-guard", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._post(GuardDown(f"cannot ask for a guard: {error}"))
                return
            self._thread = thread
        self._wanted.put((groups, min(by, now() + START_TIME)))

    def replace(self) -> None:
        """Kill a guard that stands still, or is of another version. GuardDown follows; the groups live on. What cannot be done
        for want of descriptors or memory is told, and left to the next call."""
        try:
            reserve.twice(self._kill_guard)
        except (OSError, MemoryError) as error:
            log.error("cannot end the guard, process %d: %s", self.pid, error)

    def _kill_guard(self) -> None:
        guard = proc.read(self.pid) if self.pid else None
        # Whatever module of that name it was started as in its version, but not a listener that guards in a thread.
        if guard is not None and b"supervisor_zkelect.guard" in proc.cmdline(self.pid):
            proc.kill(guard, signal.SIGKILL)

    def send(self, message: Any) -> None:
        """Send a message of `protocol.TO_GUARD`. Lost while there is no guard: the one that comes is told everything anew."""
        buffer = self._buffer
        if buffer is None:
            return
        if buffer.send(protocol.TO_GUARD.encode(message)) > PILE:
            # A guard that lets them pile up stands still.
            self.replace()

    # The thread

    def _run(self) -> None:
        while True:
            try:
                self._open(*self._wanted.get())
            except Exception as error:
                # Without an event the listener would wait for a guard for ever.
                self._buffer = None
                self._post(GuardDown(f"no guard can be had: {error!r}"))

    def _open(self, groups: Dict[str, GroupPrograms], by: float) -> None:
        try:
            connection = self._connect() or self._start(by) or self._serve()
        except _StandsStill:
            self.pid = self._writer()
            self.replace()
            self._post(GuardBusy())
            return
        except Exception as error:
            # Without an event the listener would wait for a guard for ever.
            self._post(GuardDown(f"cannot start a guard: {error}"))
            return
        reader = connection.makefile("rb")
        reason = "the guard is gone"
        try:
            connection.settimeout(WELCOME_TIME)
            # Whose return the guard is to wait for.
            program = os.environ.get("SUPERVISOR_GROUP_NAME", ""), os.environ.get("SUPERVISOR_PROCESS_NAME", "")
            hello = protocol.Hello(protocol.VERSION, self._terms.owner, groups, program)
            connection.sendall(protocol.TO_GUARD.encode(hello))
            try:
                answer = json.loads(reader.readline() or b"{}")
            except socket.timeout:
                # It stands still: the kernel takes connections for it.
                self.pid = _peer(connection)
                self.replace()
                connection.close()
                self._post(GuardBusy())
                return
            connection.settimeout(None)
            if not answer.get("ok"):
                if answer and not answer["busy"] and not occupant.of(self._terms.folder, record.Owner(*self._terms.owner)):
                    # It is of another version, or of a supervisord that is no more. Groups survive its end.
                    self.pid = answer["pid"]
                    self.replace()
                connection.close()
                self._post(GuardBusy())
                return
            welcome = protocol.TO_LISTENER.decode(answer)
            self.pid = welcome.pid
            self._buffer = SendBuffer(connection)
            self._post(welcome)
            for line in reader:
                self._take(json.loads(line))
        except Exception as error:
            reason = f"the guard is gone: {error!r}"
        self._buffer = None
        connection.close()
        self.reap()
        self._post(GuardDown(reason))

    def _take(self, document: Dict[str, Any]) -> None:
        # A guard that has not understood an order answers it with what is no event, and says why in its log.
        if "event" in document:
            self._post(protocol.TO_LISTENER.decode(document))

    def reap(self) -> None:
        """A dead guard that was this listener's child must not stay as a zombie."""
        if self._child is not None:
            self._child.poll()

    def _connect(self) -> Optional[socket.socket]:
        """Connect to the guard that is there, also where somebody removed its socket; None when there is none.

        Raises _StandsStill where its queue stays full: anybody may fill that of one which takes nobody out of it.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # The kernel waits for room in the queue for as long as for one to send in. Python's own time does not count for that.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(WELCOME_TIME), 0))
            record.at_socket(self._terms.folder, connection.connect)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 0))
            return connection
        except BlockingIOError:
            connection.close()
            raise _StandsStill() from None
        except OSError:
            connection.close()
            return locks.reach(self._terms.folder, locks.GUARD)

    def _writer(self) -> int:
        """Pid of the guard by its record, 0 where that cannot be told."""
        try:
            pid, start = record.look(self._terms.folder, record.Owner(*self._terms.owner)).writer
        except record.RecordError:
            return 0
        return pid if proc.find(pid, start) is not None else 0

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
            log.warning("cannot start a guard process: %s", error)
            return None
        said = self._child.stdout
        assert said is not None
        told = select.poll()
        told.register(said, select.POLLIN)
        ready = told.poll(max(0.0, by - now()) * 1000) and said.readline() == b"ready\n"
        said.close()
        connection = self._connect() if ready else None
        if connection is None:
            self._child.kill()
            log.warning("the guard process %d is not ready in time; giving it up", self._child.pid)
        return connection

    def _serve(self) -> socket.socket:
        """Guard in a thread of this process, and connect to it. Raises OSError."""
        outcome: queue.SimpleQueue[Optional[BaseException]] = queue.SimpleQueue()

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
        log.warning("guarding in a thread of this listener")
        return connection


def have_folder_kept(folder: str) -> None:
    """Make the guard, if there is one, restore what is missing of its runtime folder, and wait until it has."""
    link = locks.reach(folder, locks.GUARD)
    if link is None:
        return
    try:
        link.settimeout(WELCOME_TIME)
        link.sendall(protocol.TO_GUARD.encode(protocol.KeepFolder()))
        link.recv(1024)
    except OSError as error:
        log.info("the guard does not answer: %s", error)
    finally:
        link.close()


def _peer(connection: socket.socket) -> int:
    """Pid of whoever listens at the other end."""
    return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


#: What would make the guard look like the listener, or like a program of a group.
_OWN = ("SUPERVISOR_GROUP_NAME", "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_ENABLED")
