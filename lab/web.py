"""Nodes with `zkelect http`, and a poller that asks all of them the same, again and again."""

from __future__ import annotations

import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from lab.cluster import Cluster
from lab.node import Node
from supervisor_zkelect.demo import child
from supervisor_zkelect.system import clock

PROGRAM = """
[program:zkelect-http]
command = {python} -m supervisor_zkelect.command http -c {folder}/zkelect.conf
autorestart = true
startretries = 100000
redirect_stderr = true
stdout_logfile = {folder}/logs/http.log
"""


class WithHttp(Cluster):
    """A cluster whose nodes have `zkelect http`; a base of others. ports: node -> its port."""

    ports: Dict[str, int]

    def node(self, folder: Path, name: str, servers: str, **options: Any) -> Node:
        ports = vars(self).setdefault("ports", {})
        ports[name] = child.free_port()
        overrides = dict(options.pop("overrides", None) or {})
        overrides["zkelect"] = {**overrides.get("zkelect", {}), "http": f"127.0.0.1:{ports[name]}"}
        program = PROGRAM.format(python=sys.executable, folder=Path(folder).resolve())
        config = options.pop("config", "") + program
        return super().node(folder, name, servers, overrides=overrides, config=config, **options)

    def http_pid(self, name: str) -> Optional[int]:
        """Of the living `zkelect http` of a node."""
        found = [one for one, environ in self.nodes[name].programs() if environ["SUPERVISOR_PROCESS_NAME"] == "zkelect-http"]
        return min(found, key=lambda one: one.start).pid if found else None

    def ask(self, name: str, path: str, timeout: float = 10.0) -> Tuple[int, Dict[str, Any]]:
        """Status and document of an answer; status 0 where there is none."""
        return ask(self.ports[name], path, timeout)


def ask(port: int, path: str, timeout: float = 10.0) -> Tuple[int, Dict[str, Any]]:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as link:
            link.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            with link.makefile("rb") as file:
                head, _, body = file.read().partition(b"\r\n\r\n")
    except OSError:
        return 0, {}
    return (int(head.split()[1]), json.loads(body or b"{}")) if head else (0, {})


class Heard(NamedTuple):
    """One question and its answer. asked, told: seconds of CLOCK_BOOTTIME. status: 0 for no answer. body: its document."""

    node: str
    asked: float
    told: float
    status: int
    body: Dict[str, Any]


class Poller:
    """Asks each node whether it is primary, every `pace` seconds on a connection that is kept, until it is told to end.

    heard: all answers, in the order of their ends.
    """

    def __init__(self, ports: Dict[str, int], path: str = "/primary/orders", pace: float = 0.001, patience: float = 1.0) -> None:
        self._path, self._pace, self._patience = path, pace, patience
        self.heard: List[Heard] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=one, daemon=True) for one in ports.items()]

    def __enter__(self) -> Poller:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, node: str, port: int) -> None:
        link: Optional[socket.socket] = None
        while not self._over.is_set():
            asked = clock.now()
            status, body = 0, b""
            try:
                if link is None:
                    link = socket.create_connection(("127.0.0.1", port), self._patience)
                link.sendall(f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                status, body = _answer(link)
            except (OSError, ValueError):
                if link is not None:
                    link.close()
                link = None
            self.heard.append(Heard(node, asked, clock.now(), status, json.loads(body) if body else {}))
            self._over.wait(max(0.0, asked + self._pace - clock.now()))
        if link is not None:
            link.close()

    def said(self, node: str, status: int) -> List[Heard]:
        """The answers of a node with this status."""
        return [one for one in list(self.heard) if one.node == node and one.status == status]


def _answer(link: socket.socket) -> Tuple[int, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = link.recv(65536)
        if not more:
            raise ValueError("no answer")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
    while len(body) < length:
        more = link.recv(65536)
        if not more:
            raise ValueError("cut short")
        body += more
    return int(head.split()[1]), body


def overlaps(heard: List[Heard]) -> List[Tuple[Heard, Heard]]:
    """Pairs of answers 200, of two nodes that were both primary at one moment.

    A node was primary at some moment between the question and the answer of each 200, and so all the time from the first answer
    to the last question of a row of them. The rows of two nodes must not meet.
    """
    spans: Dict[str, List[Tuple[Heard, Heard]]] = {}
    for one in sorted(heard, key=lambda one: one.asked):
        if one.status == 200:
            turns = spans.setdefault(one.node, [])
            if turns and not _ended(heard, one.node, turns[-1][1].told, one.asked):
                turns[-1] = (turns[-1][0], one)
            else:
                turns.append((one, one))
    found = []
    for node, turns in spans.items():
        for other, others in spans.items():
            found += [
                (first, begins) for first, last in turns for begins, ends in others
                if node < other and first.told < ends.asked and begins.told < last.asked
            ]
    return found


def _ended(heard: List[Heard], node: str, after: float, before: float) -> bool:
    """Whether the node said in between that it is not primary."""
    return any(one.node == node and one.status == 503 and after <= one.asked and one.told <= before for one in heard)
