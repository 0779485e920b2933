"""A client of all nodes at once, which hears it when two of them serve.

    with Observer({"a": "127.0.0.1:8001", "b": "127.0.0.1:8002"}) as observer:
        ...
    verdict = observer.verdict()
    assert not verdict.overlap

It is a process of its own, `python -m supervisor_zkelect.demo.observer PERIOD LOG NAME=HOST:PORT ...`, so that nothing its user
does delays it, and it asks each address on a thread of its own, so that one that hangs does not hide the other.

What it knows of a process is what a question and its answer prove. An answer proves that the process served
at some moment between question and answer; two answers with no failure between them, that it served from the
first's arrival to the second's question. Two processes overlap where two such stretches do, or where a
question was asked and answered by one within such a stretch of another. Nothing else counts, so what is
reported did happen.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system.clock import now

PATIENCE = 0.25
"""Seconds for one question; a process that takes longer does not serve."""


class Streak(NamedTuple):
    """Answers of one process in a row, nobody else's between; `first` and `last` are times of arrival."""

    name: str
    pid: int
    first: float
    last: float
    answers: int


class Overlap(NamedTuple):
    """How two or more served at once; false when they did not.

    seconds: for how long, at the least. moments: how often one certainly served within the stretch of
        another.
    """

    seconds: float
    moments: int

    def __bool__(self) -> bool:
        return self.seconds > 0 or self.moments > 0


class Observation(NamedTuple):
    """The result of an observation.

    gap: the longest time in seconds between two answers that arrived, whoever gave them; 0 for fewer than
        two.
    gap_at: when it began. turns: who answered, in order. questions: how many were asked of each name.
    """

    overlap: Overlap
    gap: float
    gap_at: float
    turns: List[Streak]
    questions: Dict[str, int]


@dataclass
class Stretch:
    """A process served from `start` to `end`, and at a moment in each of `windows`, (earliest, latest)."""

    who: Tuple[str, int]
    start: float
    end: float
    windows: List[Tuple[float, float]] = field(default_factory=list)


class Observer:
    """Asks every address, "host:port" by name, every `period` seconds, from `start` to `stop`.

    log: the file of what it hears, a JSON object per line; it goes away at `stop`.
    """

    def __init__(self, addresses: Dict[str, str], period: float = 0.005) -> None:
        self.addresses = dict(addresses)
        self.period = period
        self._folder = tempfile.TemporaryDirectory(prefix="zkelect-observer-")
        self.log = Path(self._folder.name).resolve() / "heard"
        self.marker = child.new_marker()
        self.process: Optional[subprocess.Popen[bytes]] = None
        self._read = 0
        self.lines: List[Dict[str, Any]] = []

    def start(self) -> Observer:
        """Start it, and wait until every address was asked once."""
        command = [sys.executable, "-m", "supervisor_zkelect.demo.observer", str(self.period), str(self.log)]
        command += [f"{name}={address}" for name, address in self.addresses.items()]
        self.process = child.start(command, env=child.environment(self.marker), output=f"{self.log}.errors")
        until(
            lambda: {line["name"] for line in self.poll()} == set(self.addresses), 30, "the observer to ask"
        )
        return self

    def stop(self) -> None:
        """Ask no more. Nothing happens when it does not run."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.poll()
        self._folder.cleanup()

    def __enter__(self) -> Observer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def verdict(self, since: float = 0.0) -> Observation:
        """The verdict up to now, on questions asked at `since` (seconds of CLOCK_BOOTTIME) or later."""
        lines = [line for line in self.poll() if line["asked"] >= since]
        return judge(lines)

    def poll(self) -> List[Dict[str, Any]]:
        """All lines so far; one that is not complete is left for the next time."""
        try:
            with open(self.log, "rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return self.lines
        complete = data[: data.rfind(b"\n") + 1]
        self._read += len(complete)
        self.lines += [json.loads(line) for line in complete.splitlines()]
        return self.lines


def judge(lines: Iterable[Dict[str, Any]]) -> Observation:
    """The verdict on an observer's lines: {"name", "asked", "received", and "pid" or "error"}. Pure."""
    ordered = sorted(lines, key=lambda line: line["received"])
    questions: Dict[str, int] = {}
    turns: List[Streak] = []
    stretches: List[Stretch] = []
    current: Dict[str, Stretch] = {}
    gap, gap_at, last = 0.0, 0.0, None
    for line in ordered:
        name, asked, received = line["name"], line["asked"], line["received"]
        questions[name] = questions.get(name, 0) + 1
        if "pid" not in line:
            current.pop(name, None)
            continue
        who = (name, line["pid"])
        stretch = current.get(name)
        if stretch is None or stretch.who != who:
            stretch = current[name] = Stretch(who, received, received)
            stretches.append(stretch)
        else:
            stretch.end = asked
        stretch.windows.append((asked, received))
        if last is not None and received - last > gap:
            gap, gap_at = received - last, last
        last = received
        if turns and (turns[-1].name, turns[-1].pid) == who:
            turns[-1] = turns[-1]._replace(last=received, answers=turns[-1].answers + 1)
        else:
            turns.append(Streak(name, line["pid"], received, received, 1))
    return Observation(overlap_of(stretches), gap, gap_at, turns, questions)


def overlap_of(stretches: List[Stretch]) -> Overlap:
    seconds, moments = 0.0, 0
    for number, one in enumerate(stretches):
        for other in stretches[number + 1 :]:
            if one.who != other.who:
                seconds += max(0.0, min(one.end, other.end) - max(one.start, other.start))
        for other in stretches:
            if one.who != other.who:
                moments += sum(other.start < window[0] and window[1] < other.end for window in one.windows)
    return Overlap(seconds, moments)


def ask(address: str, patience: float = PATIENCE) -> int:
    """The pid in the answer to `GET /` at "host:port", 0 when it holds none. Raises OSError without an
    answer.

    patience: seconds for the whole of it.
    """
    host, _, port = address.rpartition(":")
    deadline = now() + patience
    with socket.create_connection((host, int(port)), timeout=patience) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: observer\r\nConnection: close\r\n\r\n")
        answer = b""
        while len(answer) < 65536:
            connection.settimeout(max(0.001, deadline - now()))
            chunk = connection.recv(4096)
            if not chunk:
                break
            answer += chunk
    if not answer.startswith(b"HTTP/"):
        raise ConnectionError(f"no answer of HTTP but {len(answer)} bytes")
    try:
        return int(json.loads(answer.partition(b"\r\n\r\n")[2])["pid"])
    except (ValueError, KeyError, TypeError):
        return 0


def _ask_on(name: str, address: str, period: float, log: int) -> None:
    pause = threading.Event()
    while True:
        asked = now()
        try:
            result: Dict[str, Any] = {"pid": ask(address)}
        except OSError as problem:
            result = {"error": problem.strerror or str(problem)}
        received = now()
        line = json.dumps({"name": name, "asked": round(asked, 6), "received": round(received, 6), **result})
        # One write, so that the threads' lines do not mix.
        os.write(log, line.encode() + b"\n")
        pause.wait(max(0.0, asked + period - now()))


def _ask_all(period: float, path: str, addresses: Sequence[str]) -> None:
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for item in addresses:
        name, _, address = item.partition("=")
        threading.Thread(target=_ask_on, args=(name, address, period, log), daemon=True).start()
    signal.pause()


if __name__ == "__main__":
    _ask_all(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
