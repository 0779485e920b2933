"""The time that ZooKeeper's session timeout takes by itself: a client that holds an ephemeral znode, and its end.

    python -m supervisor_zkelect.demo.candidate HOST:PORT,... PATH TIMEOUT
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import List, Union

from kazoo.client import KazooClient
from kazoo.protocol.states import EventType, WatchedEvent

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system import clock

PATIENCE = 60.0
"""Seconds that each step may take."""


class CandidateProcess:
    """A process that holds an ephemeral znode and does nothing else, and the moment in which that is deleted.

    client: looks at it. hosts: "host:port,..." of ZooKeeper. path: of the znode. timeout: of the session, in seconds.
    folder: for its output.
    """

    def __init__(
        self, client: KazooClient, hosts: str, path: str, timeout: float, folder: Union[str, os.PathLike[str]]
    ) -> None:
        self.client = client
        self.path = path
        self.struck = 0.0
        self._deleted: List[float] = []
        self.process: subprocess.Popen[bytes] = child.start(
            [sys.executable, "-m", "supervisor_zkelect.demo.candidate", hosts, path, str(timeout)],
            env=child.environment(child.new_marker()), output=os.path.join(folder, "candidates.log"),
        )

    def ready(self) -> None:
        """Wait until it holds its znode. Raises TimeoutError."""
        until(lambda: self.client.exists(self.path), PATIENCE, f"{self.path} to be there", 0.05)

        def changed(event: WatchedEvent) -> None:
            if event.type == EventType.DELETED:
                self._deleted.append(clock.now())

        if self.client.exists(self.path, watch=changed) is None:
            raise TimeoutError(f"{self.path} went away before anything happened to its owner")

    def strike(self, number: int = signal.SIGKILL) -> None:
        self.struck = clock.now()
        self.process.send_signal(number)

    def lasted(self) -> float:
        """Seconds from the strike to the deletion, which is waited for. Raises TimeoutError."""
        until(lambda: self._deleted, PATIENCE, f"ZooKeeper to delete {self.path}", 0.05)
        return self._deleted[0] - self.struck

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


def _hold(hosts: str, path: str, timeout: str) -> None:
    client = KazooClient(hosts, timeout=float(timeout))
    client.start(PATIENCE)
    client.create(path, ephemeral=True, makepath=True)
    signal.pause()


if __name__ == "__main__":
    _hold(*sys.argv[1:4])
