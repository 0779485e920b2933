"""The process manager's ports to the kernel.

Tests and the simulation put others in the place of the module `proc` and of `Poller`.
"""

from __future__ import annotations

import select
import socket
from typing import Collection, Dict, FrozenSet, Iterable, List, Optional, Protocol, Sequence, Set, Tuple

from supervisor_zkelect.processes.proc import Process


class Kernel(Protocol):
    """Processes, as `proc` tells of them."""

    def read(self, pid: int) -> Optional[Process]: ...
    def table(self) -> Dict[int, Process]: ...
    def alive(self, process: Process) -> bool: ...
    def children(self, pid: int) -> Optional[Set[int]]: ...
    def cmdline(self, pid: int, most: Optional[int] = None) -> bytes: ...
    def has_environment(self, pid: int) -> bool: ...
    def variables(self, pid: int, names: Sequence[bytes], most: int) -> Tuple[Dict[bytes, bytes], Optional[int]]: ...
    def uids(self, pid: int) -> FrozenSet[int]: ...
    def namespaces(self, pid: int) -> Tuple[str, ...]: ...
    def pidfd(self, process: Process) -> Optional[int]: ...
    def send(self, pidfd: int, sig: int) -> None: ...
    def close(self, pidfd: int) -> None: ...
    def kill(self, process: Process, sig: int) -> bool: ...


class Poller:
    """Waits for the end of processes that are watched by a pidfd each, or until somebody rings. `wait` is for one thread, `ring`
    for any."""

    def __init__(self) -> None:
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        # poll(2) would go through the pidfds of all members at each turn.
        self._epoll = select.epoll()
        self._epoll.register(self._bell, select.EPOLLIN)

    def watch(self, pidfd: int) -> None:
        """Raises OSError."""
        self._epoll.register(pidfd, select.EPOLLIN)

    def unwatch(self, pidfd: int) -> None:
        self._epoll.unregister(pidfd)

    def ended(self, pidfds: Iterable[int]) -> Collection[int]:
        """Those whose process has ended by now."""
        poll = select.poll()
        for pidfd in pidfds:
            poll.register(pidfd, select.POLLIN)
        return [pidfd for pidfd, _ in poll.poll(0)]

    def wait(self, seconds: float) -> List[int]:
        """The pidfds of watched processes that have ended; [] when somebody rang, or at the end of the time."""
        ready = [descriptor for descriptor, _ in self._epoll.poll(seconds)]
        try:
            while self._bell.recv(4096):
                pass
        except BlockingIOError:
            pass
        return [descriptor for descriptor in ready if descriptor != self._bell.fileno()]

    def ring(self) -> None:
        """End a wait, or the next one."""
        try:
            self._ring.send(b"\0")
        except OSError:
            # Full: it is awake anyway. Closed: nobody is there any more.
            return

    def close(self) -> None:
        self._epoll.close()
        self._bell.close()
        self._ring.close()
