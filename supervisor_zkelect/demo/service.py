"""A service to be elected: HTTP on one port, and a journal of its own life.

    python -m supervisor_zkelect.demo.service --listen 127.0.0.1:8080 --journal journal --name a

`GET /` is answered with the JSON object {"node", "pid", "started"}, `GET /health` with status 200, or 503
while the file of --health-file exists. `started` and all times of the journal are seconds of CLOCK_BOOTTIME.

The journal gets a line at the start, every BEAT seconds while the process lives, and at an orderly end: when, what,
the pid, the fencing token (0 without one) and the node.

    12345.678901 start 4711 8589934596 a

It imports little, since a failover takes as long as its start. One thread, so that a line of the journal also
says that the service was able to answer.
"""

import argparse
import os
import select
import signal
import socket
import sys
import time
from typing import Dict, Optional

BEAT = 0.05
"""Seconds between two lines of the journal."""

JOURNALS = "ZKELECT_LAB_JOURNALS"
"""Environment variable: the folder of the journals, one per program group, where --journal is not given."""

HEALTH_FILE = "ZKELECT_LAB_HEALTH_FILE"
"""Environment variable that stands in for --health-file."""

TOKEN = "ZKELECT_TOKEN"
"""Environment variable: the fencing token, which `zkelect run` sets."""

LONGEST_REQUEST = 8192
"""Bytes; a request that is longer, or a connection that says nothing for PATIENCE seconds, is closed."""

PATIENCE = 5.0


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Service:
    """The service behind one listening socket. `options` are those of the command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.started = now()
        self.options = options
        self.journal = -1
        if options.journal:
            self.journal = os.open(
                options.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        self.waiting: Dict[int, tuple[socket.socket, float, bytes]] = {}
        self.note("start")

    def note(self, what: str) -> None:
        """Append a line to the journal, in one write, so that several services can share the file."""
        if self.journal >= 0:
            line = f"{now():.6f} {what} {os.getpid()} {self.options.token} {self.options.name}\n"
            os.write(self.journal, line.encode())

    def end(self, *_: object) -> None:
        self.note("end")
        os._exit(0)

    def run(self) -> None:
        """Serve for ever. Raises OSError when the address cannot be had."""
        poll = select.poll()
        listener = None
        ready_at = self.started + self.options.ready_after
        beat_at = self.started + BEAT
        while True:
            if listener is None and now() >= ready_at:
                listener = self.listen()
                poll.register(listener, select.POLLIN)
            due = beat_at if listener else min(beat_at, ready_at)
            for descriptor, _ in poll.poll(max(0.0, due - now()) * 1000):
                if listener is not None and descriptor == listener.fileno():
                    self.accept(listener, poll)
                else:
                    self.read(descriptor, poll)
            if now() >= beat_at:
                self.note("beat")
                # Not beat_at + BEAT: after a SIGSTOP the beats that were missed are not made up for.
                beat_at = now() + BEAT
                for descriptor, (_, since, _) in list(self.waiting.items()):
                    if now() - since > PATIENCE:
                        self.drop(descriptor, poll)

    def listen(self) -> socket.socket:
        host, _, port = self.options.listen.rpartition(":")
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(128)
        return listener

    def accept(self, listener: socket.socket, poll: "select.poll") -> None:
        try:
            connection = listener.accept()[0]
        except OSError:
            # The client went away, or there are no descriptors left: those of PATIENCE will come back.
            return
        connection.setblocking(False)
        self.waiting[connection.fileno()] = (connection, now(), b"")
        poll.register(connection, select.POLLIN)

    def read(self, descriptor: int, poll: "select.poll") -> None:
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
            more = b""
        self.drop(descriptor, poll)

    def drop(self, descriptor: int, poll: "select.poll") -> None:
        poll.unregister(descriptor)
        self.waiting.pop(descriptor)[0].close()

    def answer(self, line: bytes) -> bytes:
        """The response to a request line, such as b"GET / HTTP/1.1"."""
        words = line.split()
        path = words[1].split(b"?")[0] if len(words) == 3 and words[0] in (b"GET", b"HEAD") else b""
        if path == b"/":
            node = self.options.name.replace("\\", "\\\\").replace('"', '\\"')
            return response(
                "200 OK", f'{{"node": "{node}", "pid": {os.getpid()}, "started": {self.started:.6f}}}\n'
            )
        if path == b"/health":
            sick = self.options.health_file and os.path.exists(self.options.health_file)
            return response("503 Service Unavailable", "sick\n") if sick else response("200 OK", "healthy\n")
        return response("404 Not Found", "there is / and /health\n")


def response(status: str, body: str) -> bytes:
    kind = "application/json" if body.startswith("{") else "text/plain"
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + data


def default_journal() -> Optional[str]:
    folder = os.environ.get(JOURNALS)
    return os.path.join(folder, os.environ.get("SUPERVISOR_GROUP_NAME", "service")) if folder else None


def main() -> int:
    parser = argparse.ArgumentParser(prog="service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="an IPv4 address and a port")
    parser.add_argument("--ready-after", type=float, default=0.0, metavar="SECONDS", help="listen only then")
    parser.add_argument(
        "--journal", default=default_journal(), metavar="FILE", help="append the lines of a life to it"
    )
    parser.add_argument(
        "--token", type=int, default=int(os.environ.get(TOKEN) or 0), help="for the journal, if not ZKELECT_TOKEN"
    )
    parser.add_argument("--name", default=os.environ.get("ZKELECT_NODE") or socket.gethostname())
    parser.add_argument("--ignore-term", action="store_true", help="SIGTERM does not end it")
    parser.add_argument(
        "--health-file",
        default=os.environ.get(HEALTH_FILE),
        metavar="FILE",
        help="while it exists, /health answers 503",
    )
    options = parser.parse_args()
    try:
        service = Service(options)
        signal.signal(signal.SIGTERM, signal.SIG_IGN if options.ignore_term else service.end)
        signal.signal(signal.SIGINT, service.end)
        service.run()
    except (OSError, ValueError) as problem:
        print(f"cannot serve at {options.listen}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
