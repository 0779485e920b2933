"""The lower bounds of a recovery here: the times that supervisord needs by itself, and the chain loader's own cost."""

from __future__ import annotations

import tempfile
from configparser import RawConfigParser
from pathlib import Path
from typing import Callable, Dict, List

from bench.ours import Ours
from lab.node import SERVICE
from lab.observer import Observer
from supervisor_zkelect.demo.alone import Alone, Floors
from supervisor_zkelect.system import clock

FLOORS = {
    "stop": "supervisord: stop(wait=False) until the last answer",
    "start": "supervisord: start(wait=False) until the first answer",
    "stop and start": "supervisord: silence when one program is stopped and then another is started",
    "autorestart": "supervisord: kill -9 of the service until its autorestart answers",
    "chain loader": "zkelect run in supervisord's fork, as with [rpcinterface:zkelect]: until the program's exec",
    "chain loader alone": "zkelect run as a program of its own, as without: until the program's exec",
}
LOADERS = {"chain loader": True, "chain loader alone": False}
"""Which of them are the chain loader's, and whether it runs in supervisord's fork."""


def measured(runs: int, tell: Callable[[str], None]) -> Dict[str, List[float]]:
    """Each floor's name and what it took, in seconds, so many times."""
    with tempfile.TemporaryDirectory(prefix="zkelect-bench-") as folder:
        found = _supervisord(Path(folder), runs)
    for name, short in LOADERS.items():
        with Stamped(10.0, short) as stage:
            found[name] = [stage.loaded() for _ in range(runs)]
    for name, values in found.items():
        tell(f"{FLOORS[name]}: {', '.join(f'{1000 * value:.0f}' for value in values)} ms")
    return found


def _supervisord(folder: Path, runs: int) -> Dict[str, List[float]]:
    with Alone(folder / "node", SERVICE) as alone, Observer(alone.addresses) as heard:
        found = []
        for _ in range(runs):
            heard.forget(clock.now() - 5)
            found.append(alone.floors(heard))
    return {name.replace("_", " "): [getattr(floors, name) for floors in found] for name in Floors._fields}


STAMPING = """
import os, time

def make(supervisord, stamps, short):
    "Note when a fork of this supervisord is to execute the chain loader, which it does by itself only if it is to be short."
    options = supervisord.options
    if short == "no":
        del options.execve
    execve = options.execve

    def stamped(filename, argv, env):
        if argv[1:2] == ["run"]:
            with open(stamps, "a") as file:
                file.write(f"{os.getpid()} {time.time_ns()}\\n")
        execve(filename, argv, env)

    options.execve = stamped
    return object()
"""

STAMPED = """#!/bin/sh
# The moment in which the chain loader has executed its program; its pid is still the same.
date "+$$ %s%N" >>{stamps}
exec "$@"
"""


class Stamped(Ours):
    """The plugin with a note of the time before and behind `zkelect run`. Reading the clock takes 1 ms of it.

    short: whether it runs in supervisord's fork.
    """

    def __init__(self, timeout: float, short: bool) -> None:
        super().__init__(timeout)
        self._short = short

    def prepare(self) -> None:
        for node in self.cluster.nodes.values():
            folder = node.folder / "stamping"
            folder.mkdir()
            (folder / "stamping.py").write_text(STAMPING)
            (folder / "stamped").write_text(STAMPED.format(stamps=folder / "stamps"))
            (folder / "stamped").chmod(0o755)
            node.environment["PYTHONPATH"] = str(folder)
            node.overrides["rpcinterface:stamping"] = {
                "supervisor.rpcinterface_factory": "stamping:make", "stamps": str(folder / "stamps"),
                "short": "yes" if self._short else "no",
            }
            written = RawConfigParser(inline_comment_prefixes=(" ;",))
            written.read(node.zkelect_conf or ())
            command = written["program:orders"]["command"].replace("run -- ", f"run -- {folder}/stamped ")
            node.overrides.setdefault("program:orders", {})["command"] = command

    def loaded(self) -> float:
        """Kill the service, and tell what the chain loader took to start the next."""
        name, _ = self.settled()
        node = self.cluster[name]
        stamps = node.folder / "stamping" / "stamps"
        stamps.unlink()
        node.kill(*node.service_pids())

        def both() -> List[int]:
            """The two moments of one process. One that was refused has only the first."""
            lines = [tuple(map(int, line.split())) for line in stamps.read_text().splitlines()]
            moments = [[at for pid, at in lines if pid == loader] for loader, _ in lines]
            return next(pair for pair in moments if len(pair) == 2)

        begun, executed = self.cluster.until(both, "the chain loader to have run")
        return (executed - begun) / 1e9
