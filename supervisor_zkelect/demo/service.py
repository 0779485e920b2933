"""A service to be elected: HTTP on one port.

    python -m supervisor_zkelect.demo.service --listen 127.0.0.1:8080 --name a

`GET /` is answered with the JSON object {"node", "pid", "started"}, the last in seconds of CLOCK_BOOTTIME, and `GET /health` with
status 200. It imports little, since a failover takes as long as its start.
"""

import argparse
import os
import select
import signal
import socket
import sys
import time
from typing import Dict

TURN = 0.05
"""Seconds between two looks at the connections that are open."""

LONGEST_REQUEST = 8192
"""Bytes; a request that is longer, or a connection that says nothing for PATIENCE seconds, is closed."""

PATIENCE = 5.0


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Service:
    """The service behind one listening socket, at `address`, "host:port", on the node `name`."""

    def __init__(self, address: str, name: str) -> None:
        self.started = now()
        self.address = address
        self.name = name
        self.poll = select.poll()
        self.waiting: Dict[int, tuple[socket.socket, float, bytes]] = {}

    def end(self, *_: object) -> None:
        os._exit(0)

    def run(self) -> None:
        """Serve for ever. Raises OSError when the address cannot be had."""
        listener = self.listen()
        self.poll.register(listener, select.POLLIN)
        turn_at = now()
        while True:
            for descriptor, _ in self.poll.poll(max(0.0, turn_at - now()) * 1000):
                if descriptor == listener.fileno():
                    self.accept(listener)
                else:
                    self.read(descriptor)
            if now() >= turn_at:
                self.turn()
                # Not turn_at + TURN: after a SIGSTOP the turns that were missed are not made up for.
                turn_at = now() + TURN

    def turn(self) -> None:
        """Drop the connections that say nothing."""
        for descriptor, (_, since, _) in list(self.waiting.items()):
            if now() - since > PATIENCE:
                self.drop(descriptor)

    def listen(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(128)
        return listener

    def accept(self, listener: socket.socket) -> None:
        try:
            connection = listener.accept()[0]
        except OSError:
            # The client went away, or there are no descriptors left: those of PATIENCE will come back.
            return
        connection.setblocking(False)
        self.waiting[connection.fileno()] = (connection, now(), b"")
        self.poll.register(connection, select.POLLIN)

    def read(self, descriptor: int) -> None:
        connection, since, request = self.waiting[descriptor]
        try:
            more = connection.recv(LONGEST_REQUEST)
            request += more
            if b"\r\n\r\n" in request:
                connection.send(self.answer(request.split(b"\r\n", 1)[0]))
            elif more and len(request) <= LONGEST_REQUEST:
                self.waiting[descriptor] = (connection, since, request)
                return
        except OSError:
            # Nobody is left to be told.
            pass
        self.drop(descriptor)

    def drop(self, descriptor: int) -> None:
        self.poll.unregister(descriptor)
        self.waiting.pop(descriptor)[0].close()

    def answer(self, line: bytes) -> bytes:
        """The response to a request line, such as b"GET / HTTP/1.1"."""
        words = line.split()
        path = words[1].split(b"?")[0] if len(words) == 3 and words[0] in (b"GET", b"HEAD") else b""
        if path == b"/":
            node = self.name.replace("\\", "\\\\").replace('"', '\\"')
            return response(
                "200 OK", f'{{"node": "{node}", "pid": {os.getpid()}, "started": {self.started:.6f}}}\n'
            )
        if path == b"/health":
            return self.health()
        return response("404 Not Found", "there is / and /health\n")

    def health(self) -> bytes:
        return response("200 OK", "healthy\n")


def response(status: str, body: str) -> bytes:
    kind = "application/json" if body.startswith("{") else "text/plain"
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + data


def words() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(prog="service")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="an IPv4 address and a port")
    parser.add_argument("--name", default=os.environ.get("ZKELECT_NODE") or socket.gethostname())
    return parser


def serve(service: Service) -> int:
    """Serve until a signal. Returns the exit status where that cannot be."""
    try:
        signal.signal(signal.SIGTERM, service.end)
        signal.signal(signal.SIGINT, service.end)
        service.run()
    except (OSError, ValueError) as problem:
        print(f"cannot serve at {service.address}: {problem}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    options = words().parse_args()
    sys.exit(serve(Service(options.listen, options.name)))
