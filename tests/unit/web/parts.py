"""A site with a server around it, on a loop of its own, with what it tells of given by the test."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading

from supervisor_zkelect.web.passwords import Passwords
from supervisor_zkelect.web.server import Server
from supervisor_zkelect.web.site import Site
from supervisor_zkelect.web.streams import Streams
from supervisor_zkelect.web.verdict import Verdict

#: Seconds that an answer may take.
TIME = 10.0

PRIMARY = Verdict(True, "primary", 3.0, True, 7, True)
OTHER = Verdict(False, "this node does not lead", guarded=True)


class Node:
    """What a `site.NodeAnswers` tells, as the test has it."""

    name = "a"

    def __init__(self, *elections):
        self.elections = list(elections or ("orders",))
        self.verdicts = dict.fromkeys(self.elections, PRIMARY)
        self.standbys = dict.fromkeys(self.elections, "")
        self.age = 0.0
        self.nodes = []

    @property
    def only(self):
        return self.elections[0] if len(self.elections) == 1 else ""

    def has(self, election):
        return election in self.elections

    def judged(self):
        return {name: self.verdict(name) for name in self.elections}

    def verdict(self, election):
        found = self.verdicts[election]
        if isinstance(found, Exception):
            raise found
        return found

    def standby(self, election):
        return self.standbys[election]

    def status(self):
        return {
            "node": self.name, "version": "1", "now": 1, "age": self.age, "zookeeper": {"connected": True, "since": 1, "trouble": ""},
            "elections": {
                name: {"address": "a:80", "nodes": self.nodes, "terms": [{"token": 7}, {"token": 6}], "here": self.verdicts[name].document()}
                for name in self.elections
            },
        }


class Served:
    """A server of a node. port: where it is."""

    def __init__(self, node=None, password_file=None, prepare=lambda route: None, port=0):
        self.node, self._file, self._prepare, self.port = node or Node(), password_file, prepare, port
        self._ready = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._ready.wait(TIME)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join(TIME)
        assert not self._thread.is_alive()

    async def _run(self):
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self.streams = Streams(self.node.status)
        site = Site(self.node, lambda: ["node-a"])
        self.passwords = Passwords(self._file)
        self.server = Server(site, self.passwords, self._prepare, self.streams, None)
        door = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self.port = door.getsockname()[1]
        door.setblocking(False)
        self.server.add_socket(door)
        self._ready.set()
        await self._over.wait()
        await self.server.finished()

    def ask(self, target, method="GET", headers=()):
        """Status, headers and body of an answer; the body is parsed where it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIME)
        with contextlib.closing(connection):
            connection.request(method, target, headers=dict(headers))
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, answer.headers, json.loads(body) if body and "json" in answer.headers["Content-Type"] else body

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIME)
