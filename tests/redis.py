"""A real Redis in a group, one that is slow to save, and a writer that knows what it was promised.

Redis writes its file when it is asked to stop. `SLOW` has it take that long for the keys that `fill` puts into it, so that one
that is killed instead has lost what was written since the last save.
"""

import shutil
import socket
import threading
from pathlib import Path

import pytest

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until

KEYS, SLOW = 1000, 1000
"""Keys that `fill` makes, and microseconds that each takes to be saved: a second in all."""

LIMIT = 60.0
"""Seconds that Redis has to answer."""


class Redis:
    """One that keeps its data in `folder` and listens on a port of its own on loopback. aof: with an append-only file."""

    def __init__(self, folder: Path, aof: bool = True) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("there is no redis-server here")
        self.folder, self.aof = folder, aof
        self.port = child.free_port()
        folder.mkdir(parents=True, exist_ok=True)

    def words(self):
        """Its command line. Its own saves come too late for the test, so only the one at its end counts."""
        return [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "3600", "1",
            "--appendonly", "yes" if self.aof else "no", "--rdb-key-save-delay", str(SLOW), "--logfile",
            str(self.folder / "log"),
        ]

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)

    def ask(self, *words):
        """The first line of the answer to a command. Raises OSError."""
        with self.connect() as link, link.makefile("rb") as answers:
            return say(link, answers, *words)

    def fill(self):
        """Have it take a second to save."""
        with self.connect() as link, link.makefile("rb") as answers:
            for number in range(KEYS):
                say(link, answers, "SET", f"key{number}", "v")

    def answers(self):
        try:
            return self.ask("PING") == b"+PONG"
        except OSError:
            return False

    def kept(self, key="counter"):
        """What the files of one that has ended have for a key of whole numbers."""
        reader = Redis(self.folder, self.aof)
        process = child.start(reader.words(), env=child.environment(child.new_marker()))
        try:
            until(reader.answers, LIMIT, "a Redis to read what was kept")
            return int(reader.ask("GET", key) or 0)
        finally:
            process.kill()
            process.wait(60)
            child.give_back(reader.port)

    def close(self):
        child.give_back(self.port)


def say(link, answers, *words):
    """Send a command, and return the first line of the answer, or the text that it announces. Raises OSError."""
    link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words))
    line = answers.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("Redis has closed the connection")
    if line.startswith(b"$") and line != b"$-1\r\n":
        return answers.read(int(line[1:]) + 2)[:-2]
    return b"" if line == b"$-1\r\n" else line[:-2]


class Writer:
    """Adds one to a counter, as fast as it can, until Redis goes away. `promised`: the last number that was acknowledged."""

    def __init__(self, redis):
        self.promised = 0
        self._redis = redis
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        until(lambda: self.promised > 0, LIMIT, "the first write")

    def _write(self):
        try:
            with self._redis.connect() as link, link.makefile("rb") as answers:
                while True:
                    answer = say(link, answers, "INCR", "counter")
                    if not answer.startswith(b":"):
                        return
                    self.promised = int(answer[1:])
        except OSError:
            return

    def ended(self):
        """Wait until Redis has gone away."""
        self._thread.join(LIMIT)
        assert not self._thread.is_alive(), "Redis goes on"
        return self.promised
