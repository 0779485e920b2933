"""A link that can be held up: what goes in stays on the way until it is let go, and then arrives all at once.

    with Relay("198.18.7.1:2181", place=network["a"]) as relay:
        ... a client of `relay.address` speaks to that server ...
        relay.hold()
        relay.release()

A process of its own takes connections on one port and passes what it hears to another, both ways. Stopped by a
signal, it is a network that holds packets back: the kernel still takes them, and connections too, and nobody is told.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from typing import Optional

import psutil

from lab.netns import Place
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until


class Relay:
    """target: "host:port". place: the network namespace in which it listens, on its loopback; None for the present
    one."""

    def __init__(self, target: str, place: Optional[Place] = None) -> None:
        self.target = target
        self.place = place
        self.port = child.free_port()
        self.process: Optional[subprocess.Popen[bytes]] = None

    @property
    def address(self) -> str:
        """Where clients in its place reach it, "host:port"."""
        return f"127.0.0.1:{self.port}"

    def hold(self) -> None:
        """Let nothing through any more; wait until that is so."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, 10, "the relay to stand still")

    def release(self) -> None:
        """Let everything through that was held up, and all that follows."""
        self._running().send_signal(signal.SIGCONT)

    def start(self) -> Relay:
        command = [sys.executable, "-m", "lab.relay", str(self.port), self.target]
        self.process = child.start(
            command, env=child.environment(child.new_marker()), prepare=self.place.enter if self.place else None
        )
        until(self._listens, 30, "the relay to listen")
        return self

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
        child.give_back(self.port)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "it was not started"
        return self.process

    def _listens(self) -> bool:
        """Whether its port is in the table of its own namespace, where 0A is the state LISTEN (proc(5))."""
        with open(f"/proc/{self._running().pid}/net/tcp") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        return any(row[1].endswith(f":{self.port:04X}") and row[3] == "0A" for row in rows)

    def __enter__(self) -> Relay:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone; the other is to hear of it.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def _take(client: socket.socket, host: str, port: int) -> None:
    with client:
        try:
            server = socket.create_connection((host, port))
        except OSError:
            return
        with server:
            back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
            back.start()
            _pass_on(client, server)
            back.join()


def main() -> None:
    port, target = int(sys.argv[1]), sys.argv[2].rpartition(":")
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind(("127.0.0.1", port))
    door.listen(64)
    while True:
        client = door.accept()[0]
        threading.Thread(target=_take, args=(client, target[0], int(target[2])), daemon=True).start()


if __name__ == "__main__":
    main()
