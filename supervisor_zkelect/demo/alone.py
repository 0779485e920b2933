"""A supervisord without zkelect: the least time that a recovery can take here, and what it leaves to others."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import List, NamedTuple, Optional, Set, Tuple, Union

from supervisor_zkelect.demo import child, observer
from supervisor_zkelect.demo.node import SERVICE, Node, service_command
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system import clock

PATIENCE = 60.0
"""Seconds that each step may take."""

ONE, OTHER = "one", "other"
"""The programs of a supervisord without zkelect."""


class Floors(NamedTuple):
    """The times of a supervisord without zkelect, in seconds.

    start: from its order to start a program to the first answer. autorestart: from the kill of a program to the answer of
    the next, by supervisord's own autorestart. stop: from its order to the last answer. stop_and_start: without an answer,
    when one program is stopped and then another is started.
    """

    start: float
    autorestart: float
    stop: float
    stop_and_start: float


class Alone:
    """A supervisord without zkelect, whose programs ONE and OTHER are services. A context manager.

    folder: for its files; made when missing. service: the one that they are, as SERVICE.
    """

    def __init__(self, folder: Union[str, os.PathLike[str]], service: str = SERVICE) -> None:
        self.stack = ExitStack()
        self.addresses = {}
        config = ""
        for name in (ONE, OTHER):
            port = child.free_port()
            self.stack.callback(child.give_back, port)
            self.addresses[name] = f"127.0.0.1:{port}"
            config += (
                f"[program:{name}]\ncommand = {service_command(self.addresses[name], service=service)}\n"
                "autostart = false\nautorestart = true\n"
            )
        self.node = Node(folder, "alone", config=config)
        self.stack.callback(self.node.close)

    def __enter__(self) -> Alone:
        try:
            self.node.start()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def pid(self, name: str = ONE) -> int:
        """Of a program, as it answers; 0 when it does not."""
        try:
            return observer.ask(self.addresses[name])
        except OSError:
            return 0

    def run(self, name: str = ONE) -> int:
        """Start a program, and wait until supervisord has it for RUNNING; returns its pid."""
        self.start(name)
        self._in_state(name, "RUNNING")
        return until(lambda: self.pid(name), PATIENCE, "the service to answer")

    def start(self, name: str) -> float:
        """Order a program to be started; returns when."""
        begun = clock.now()
        self._order("startProcess", name, False)
        return begun

    def stop(self, name: str) -> float:
        """Stop a program, and wait until it is; returns when that was ordered."""
        begun = clock.now()
        self._order("stopProcess", name, False)
        self._in_state(name, "STOPPED", 0.001)
        return begun

    def floors(self, heard: observer.Observer) -> Floors:
        """Measure each once. heard: asks both addresses. Neither program runs before or after.

        Raises TimeoutError, SupervisordError.
        """
        begun, answered = self._start(ONE, heard)
        start = answered - begun
        # Only a program that is RUNNING is restarted at once.
        self._in_state(ONE, "RUNNING")

        killed = self.node.service_pids(ONE)
        struck = clock.now()
        self.node.kill(*killed)
        back = until(lambda: _others(heard, struck, killed), PATIENCE, "the service to be back")[0]
        self._in_state(ONE, "RUNNING")

        begun = self.stop(ONE)
        _, answered = self._start(OTHER, heard)
        last = _answers(heard, ONE, begun - 1)[1]
        self._order("stopProcess", OTHER)
        return Floors(start, back - struck, max(0.0, last - begun), answered - last)

    def _order(self, verb: str, *arguments: object) -> None:
        self.node.rpc.call(f"supervisor.{verb}", *arguments)

    def _in_state(self, name: str, state: str, pause: Optional[float] = None) -> None:
        until(
            lambda: self.node.rpc.call("supervisor.getProcessInfo", name)["statename"] == state,
            PATIENCE, f"the program {name} to be {state}", pause,
        )

    def _start(self, name: str, heard: observer.Observer) -> Tuple[float, float]:
        """When it was ordered, and when its first answer arrived."""
        begun = self.start(name)
        return begun, until(lambda: _answers(heard, name, begun), PATIENCE, f"{name} to answer")[0]


def _answers(heard: observer.Observer, name: str, since: float) -> List[float]:
    """When the program's first and last answer arrived, of those to questions asked since then; empty without one."""
    turns = [turn for turn in heard.verdict(since).turns if turn.name == name]
    return [turns[0].first, turns[-1].last] if turns else []


def _others(heard: observer.Observer, since: float, killed: Set[int]) -> List[float]:
    """When its successors answered first. One may serve before a silence could be noticed."""
    return [turn.first for turn in heard.verdict(since).turns if turn.name == ONE and turn.pid not in killed]
