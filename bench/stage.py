"""The stage that all peers share: two nodes in namespaces of their own, a coordinator in a third, the service, the observer."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple, Union

from bench.faults import FAULTS
from bench.measure import Needs, Run, judged, needs
from lab import netns, observer
from lab.node import SERVICE
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import clock

NAMES = ("a", "b")

CLEAN = 0.5
"""Seconds for which one process answers alone until it counts as the one that serves now."""

AFTERMATH = 4.0
"""Seconds to watch on when a fault was undone, or until two that served at once are one again."""


class Missing(RuntimeError):
    """Something is not installed or not permitted; the message says what, in one line."""


def tick(timeout: float) -> float:
    """ZooKeeper's tickTime in seconds for a session timeout: 2 s, or a quarter of it."""
    return min(2.0, timeout / 4)


def service_words(name: str, address: str) -> List[str]:
    return [sys.executable, SERVICE, "--listen", address, "--name", name]


class Stage:
    """One peer with one setting, set up: two nodes of which one serves. A context manager.

    name, setting: of the peer, as the table shows them. timeout: T in seconds, after which a node counts as dead.
    """

    name = ""
    programs: Tuple[str, ...] = ()
    """Commands that must be installed, each as "command=debian-package"."""
    coordinators: Tuple[str, ...] = ("zk",)
    """Places in the network for its coordinator."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.setting = f"T={timeout:g}"
        self.stack = ExitStack()
        self.struck = 0.0
        self.timelines: List[Dict[str, Any]] = []
        self.away = 0.0
        self.folder = Path()
        self.network: Optional[netns.Network] = None
        self.observer: Optional[observer.Observer] = None

    def __enter__(self) -> Stage:
        reason = netns.available()
        if reason is not None:
            raise Missing(reason)
        for program in self.programs:
            command, _, package = program.partition("=")
            if shutil.which(command, path=child.environment("")["PATH"]) is None:
                raise Missing(f"{command} not found; on Debian or Ubuntu: apt-get install {package}")
        try:
            self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="zkelect-bench-")))
            self.network = self.stack.enter_context(netns.Network([*self.coordinators, *NAMES]))
            self.open()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    # What a peer says of itself

    def open(self) -> None:
        """Start the coordinator, both nodes and `observer`, and leave their ends to `stack`."""
        raise NotImplementedError

    def has(self, fault: str) -> bool:
        """Whether the fault means anything here."""
        return not FAULTS[fault].ours

    def settled(self) -> Tuple[str, int]:
        """Wait until one node serves and the other stands by; the node's name and the service's pid."""
        raise NotImplementedError

    def agents(self, name: str) -> Set[int]:
        """The resources that the node uses besides the service (and besides supervisord)."""
        raise NotImplementedError

    def strike(self, fault: str, name: str) -> Callable[[], Any]:
        """Do it to the node, note in `struck` when; returns what undoes it."""
        self.struck = clock.now()
        if fault == "D":
            self.network.cut(name)
            return self.network.heal
        return self.disturb(fault)

    def disturb(self, fault: str) -> Callable[[], Any]:
        """Restart the coordinator, or freeze it; returns what undoes it."""
        raise NotImplementedError

    def repair(self, fault: str, name: str) -> None:
        """Make the node, which the fault befell, stand by again or serve."""
        raise NotImplementedError

    def hit(self, targets: Iterable[Union[int, proc.Process]], number: int = signal.SIGKILL) -> None:
        """Signal processes of a node at the same moment: all are looked up before the first is hit."""
        processes = [proc.read(each) if isinstance(each, int) else each for each in targets]
        self.struck = clock.now()
        for process in processes:
            proc.kill(process, number)

    def completed(self, fault: str, run: Run) -> Run:
        """The run with what else is known of it, before the node is repaired."""
        return run

    # What is done with all of them

    def run(self, fault: str) -> Run:
        """Let it happen once, to the node that serves, and leave both nodes as they were."""
        name, pid = self.settled()
        served = (name, pid)
        self.observer.forget(clock.now() - 5)
        until(lambda: name in self.observer.serving(), 30, f"the observer to hear {name}")
        undo = self.strike(fault, name)
        struck, done = self.struck, clock.now()
        holds = FAULTS[fault].holds * self.timeout
        if holds:
            # Where the other node serves cleanly before the cut ends, its end tells nothing; a thawed agent does.
            self._watch(struck, holds, served, to_the_end=fault != "D")
            undo()
            until(lambda: clock.now() >= done + CLEAN, 60, "the watch to end")
            self._watch(clock.now(), AFTERMATH, served)
        else:
            self._watch(struck, 1.5 * self.timeout + AFTERMATH, served)
        ended = clock.now()
        endless = len(self.observer.serving(0.3)) > 1
        run = judged(self.observer.verdict(struck), struck, ended, served, endless)
        run = self.completed(fault, run)
        self.repair(fault, name)
        return run

    def _watch(
        self, begun: float, seconds: float, served: Tuple[str, int], to_the_end: bool = False
    ) -> None:
        """Wait until another process than the one that served has answered alone for a while, or the time is over."""

        def over() -> bool:
            if clock.now() >= begun + seconds:
                return True
            if to_the_end or clock.now() < begun + CLEAN:
                return False
            turns = self.observer.verdict(clock.now() - CLEAN).turns
            heard = {(turn.name, turn.pid) for turn in turns}
            return len(heard) == 1 and served not in heard and turns[0].first < clock.now() - CLEAN + 0.1

        until(over, seconds + 60, "the watch to end", 0.05)

    def idle(self, seconds: float) -> Dict[str, Needs]:
        """The resources that the nodes use while nothing happens, by "primary" and "standby"."""
        found = {}
        for name in NAMES:
            primary, _ = self.settled()
            found["primary" if name == primary else "standby"] = self._needs(name, seconds)
        return found

    def _needs(self, name: str, seconds: float) -> Needs:
        try:
            # What the beginning still costs is no idling.
            needs(self.agents(name), seconds)
            return needs(self.agents(name), seconds)
        except OSError:
            # One of them ended meanwhile, as the sleep of a shell that tries again, or a guard that was replaced.
            self.settled()
            return needs(self.agents(name), seconds)


class OnZooKeeper(Stage):
    """A peer whose coordinator is a ZooKeeper."""

    def start_zookeeper(self) -> None:
        self.zookeeper = self.stack.enter_context(
            ZooKeeper(self.folder / "zk", int(1000 * tick(self.timeout)), place=self.network["zk"])
        )

    def disturb(self, fault: str) -> Callable[[], Any]:
        if fault == "Z":
            self.zookeeper.restart()
            self.away = clock.now() - self.struck
            return lambda: None
        self.zookeeper.freeze()
        return self.zookeeper.thaw


class Plain(Stage):
    """A peer that needs no supervisord: an agent per node, which starts the service.

    A node's processes are known by the marker in their environment.
    """

    def open(self) -> None:
        self.addresses: Dict[str, str] = {}
        self.markers: Dict[str, str] = {}
        for name in NAMES:
            port = child.free_port()
            self.stack.callback(child.give_back, port)
            self.addresses[name] = f"{self.network[name].outer}:{port}"
            self.markers[name] = child.new_marker()
            (self.folder / name).mkdir()
        self.coordinate()
        self.observer = self.stack.enter_context(observer.Observer(self.addresses))
        self.stack.callback(lambda: [child.sweep(marker) for marker in self.markers.values()])
        for number, name in enumerate(NAMES):
            self._start(name, number + 1)

    def coordinate(self) -> None:
        """Start the coordinator in place "zk"."""

    def command(self, name: str) -> List[str]:
        """Of the node's agent."""
        raise NotImplementedError

    def candidates(self) -> int:
        """How many nodes serve or stand by."""
        raise NotImplementedError

    def start(self, name: str) -> None:
        child.start(
            self.command(name), env=child.environment(self.markers[name]), cwd=str(self.folder / name),
            output=str(self.folder / f"{name}.log"), prepare=self.network[name].enter, new_session=True,
        )

    def serving(self) -> List[Tuple[str, int]]:
        """Who answers, (name, pid)."""
        found = []
        for name, address in self.addresses.items():
            try:
                found.append((name, observer.ask(address, 1.0)))
            except OSError:
                pass
        return found

    def settled(self) -> Tuple[str, int]:
        until(lambda: len(self.serving()) == 1 and self.candidates() == len(NAMES), 60 + 2 * self.timeout,
              f"one node of {self.name} to serve and the other to stand by")
        return self.serving()[0]

    def processes(self, name: str) -> List[proc.Process]:
        return sorted(child.marked(self.markers[name]))

    def services(self, name: str) -> List[proc.Process]:
        # An agent has the service's command line among its own words.
        return [one for one in self.processes(name) if proc.cmdline(one.pid).split(b"\0")[1:2] == [SERVICE.encode()]]

    def agents(self, name: str) -> Set[int]:
        return {one.pid for one in self._agents(name)}

    def _agents(self, name: str) -> List[proc.Process]:
        services = {one.identity for one in self.services(name)}
        return [one for one in self.processes(name) if one.identity not in services]

    def strike(self, fault: str, name: str) -> Callable[[], Any]:
        if fault == "D" or fault.startswith("Z"):
            return super().strike(fault, name)
        targets = {"A": self.services, "B": self.processes}.get(fault, self._agents)(name)
        if fault == "B":
            # So that none can react to another's death: keepalived's worker would say good-bye, an agent would release.
            self.hit(targets, signal.SIGSTOP)
        self.hit(targets, {"C": signal.SIGTERM, "E": signal.SIGSTOP}.get(fault, signal.SIGKILL))
        return lambda: [proc.kill(process, signal.SIGCONT) for process in targets]

    def clear(self) -> None:
        """Take from the coordinator what killed agents have left, which would wait for T."""

    def repair(self, fault: str, name: str) -> None:
        """Begin anew, unless only the service was hit."""
        if fault == "A":
            return
        for each in NAMES:
            child.sweep(self.markers[each])
        self.clear()
        until(lambda: self.candidates() == 0, 60 + 2 * self.timeout, f"the candidates of {self.name} to be gone")
        for number, each in enumerate(NAMES):
            self._start(each, number + 1)

    def _start(self, name: str, candidates: int) -> None:
        self.start(name)
        until(lambda: self.serving() and self.candidates() == candidates, 60, f"{self.name} on {name} to stand by")


def quoted(words: List[str]) -> str:
    return " ".join(map(shlex.quote, words))
