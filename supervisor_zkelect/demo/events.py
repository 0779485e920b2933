"""The events of the demo: what befalls the primary, and what a client of both nodes heard of it.

Each event is a function that is given the stage, tells what happens, and notes its row of the closing table. The same is done
to a supervisord without zkelect and to a bare client of ZooKeeper, for the columns beside it.
"""

from __future__ import annotations

import signal
from typing import Callable, List, NamedTuple, Optional, Tuple

from supervisor_zkelect.demo.alone import Alone, Floors
from supervisor_zkelect.demo.candidate import CandidateProcess
from supervisor_zkelect.demo.cluster import Cluster
from supervisor_zkelect.demo.node import Node
from supervisor_zkelect.demo.observer import Observer
from supervisor_zkelect.demo.table import EventRow, Figure, milliseconds, never, silence
from supervisor_zkelect.demo.telling import Telling
from supervisor_zkelect.system import clock

ELECTION = "orders"
PROGRAM = "primary:orders"

PRIMARY, NOT_PRIMARY = 0, 3
"""Exit statuses of `supervisorctl role`, on the primary and on a standby."""

BEFORE = 0.25
"""Seconds before an event from which the client's answers count: the last one before it is among them."""

ENOUGH = 100
"""Answers of a service that count as a while without a disturbance: half a second of them."""


class Broken(Exception):
    """A step did not go as promised; the message says which, in one line."""


class Heard(NamedTuple):
    """Of one event: seconds of silence; the pid that answered after it; seconds from the last answer before the silence
    until the ack named another node, None where it did not change."""

    silence: float
    pid: int
    acked: Optional[float]


class DemoStage:
    """The two nodes, what is measured beside them, and the rows so far.

    on, other: names of the present primary and of the standby. pid: of the service.
    candidates: one for each event that ZooKeeper notices by its session timeout; taken from the front.
    """

    def __init__(
        self, cluster: Cluster, alone: Alone, floors: Floors, candidates: List[CandidateProcess], telling: Telling
    ) -> None:
        self.cluster = cluster
        self.alone = alone
        self.floors = floors
        self.candidates = candidates
        self.telling = telling
        self.on, self.other = cluster.nodes
        self.pid = 0
        self._acks: List[Tuple[float, str]] = []
        self._rows: List[Callable[[], EventRow]] = []
        self.candidate: Optional[CandidateProcess] = None

    @property
    def observer(self) -> Observer:
        return self.cluster.observers[ELECTION]

    def node(self) -> Node:
        """The present primary."""
        return self.cluster[self.on]

    def watch_ack(self) -> None:
        """Note each change of the ack with its time, from now on."""

        def changed(data: Optional[bytes], stat: object) -> None:
            self._acks.append((clock.now(), (data or b"").decode("utf-8", "replace")))

        self.cluster.client().DataWatch(f"{self.cluster.chroot}/zkelect/{ELECTION}/ack", changed)

    def settle(self) -> None:
        """Wait until all is as before an event: one primary, which has run for its startsecs, and one standby."""
        node, cluster = self.node(), self.cluster
        self.pid = cluster.settled(self.on)
        # supervisord delays the restart of a program that ran for less than its startsecs.
        cluster.until(
            lambda: node.rpc.call("supervisor.getProcessInfo", PROGRAM)["statename"] == "RUNNING",
            f"the service of {self.on} to be RUNNING",
        )
        cluster.until(lambda: not node.part(ELECTION).get("trouble"), "the health checks to succeed")
        cluster.until(lambda: all(one.guard_pid() and one.keeper_pid() for one in cluster.nodes.values()), "both guards")

    def undisturbed(self) -> float:
        """Seconds: the longest time between two answers while nothing happens."""
        since = clock.now()
        self._answers(since, ENOUGH)
        return self.observer.verdict(since).gap

    def befall(self, event: Callable[[], object], moves: bool, same: bool = False) -> Heard:
        """Make it happen, and return what the client heard until all agree who is primary.

        moves: whether the other node is primary then. same: whether the service must be the same process.
        """
        begun, before = clock.now(), self.pid
        event()
        if moves:
            self.on, self.other = self.other, self.on
        pid = self.cluster.primary(self.on, other=0 if same else before)
        if same and pid != before:
            raise Broken(f"the service of {self.on} was restarted: pid {pid}, before {before}")
        self._answers(begun, ENOUGH // 10, pid)
        heard = self.observer.verdict(begun - BEFORE)
        address = self.node().addresses[ELECTION]
        acked = [at - heard.gap_at for at, named in self._acks if named == address and at > begun]
        return Heard(silence(heard), pid, acked[0] if acked and moves else None)

    def row(self, event: str, ours: float, supervisord: Figure, zookeeper: Optional[Figure] = None) -> None:
        """Note a row of the table; `zookeeper` is by default what befell the candidate that was struck last."""
        candidate = self.candidate

        def made() -> EventRow:
            assert candidate is not None
            return EventRow(event, Figure(ours), supervisord, zookeeper or Figure(candidate.lasted()))

        self._rows.append(made)

    def rows(self) -> List[EventRow]:
        """All rows, once ZooKeeper has noticed the end of every candidate. Raises TimeoutError."""
        return [row() for row in self._rows]

    def strike_candidate(self, number: int = signal.SIGKILL) -> None:
        self.candidate = self.candidates.pop(0)
        self.candidate.strike(number)

    def roles(self) -> None:
        """Show what an operator is told on each node."""
        for name, node in self.cluster.nodes.items():
            if not node.running:
                continue
            status = PRIMARY if name == self.on else NOT_PRIMARY

            def told(node: Node = node, status: int = status) -> Optional[str]:
                shown = node.ctl("role", ELECTION)
                return shown.stdout if shown.returncode == status else None

            output = self.cluster.until(told, f"supervisorctl role on {name} to exit with {status}")
            self.telling.command(name, "supervisorctl role", output)

    def _answers(self, since: float, count: int, pid: int = 0) -> None:
        """Wait until so many answers to questions asked since then have come, of that process if one is named."""

        def enough() -> bool:
            turns = self.observer.verdict(since).turns
            return sum(turn.answers for turn in turns if pid in (0, turn.pid)) >= count

        self.cluster.until(enough, "the client to have its answers")


def service_killed(stage: DemoStage) -> None:
    stage.telling.event(f"The service is killed on {stage.on}, as if it had crashed: kill -9 {stage.pid}")
    token = stage.cluster.token(stage.on)

    def event() -> None:
        stage.node().kill(stage.pid)
        stage.strike_candidate()

    heard = stage.befall(event, moves=False)
    if stage.cluster.token(stage.on) != token:
        raise Broken(f"{stage.on} is primary in another term than before the service was killed")
    stage.telling.result(
        f"supervisord was told at once and started it again: an answer after {milliseconds(heard.silence)}, from pid "
        f"{heard.pid}. {stage.on} is still primary, and {stage.other} had nothing to do."
    )
    stage.row("1 service killed", heard.silence, Figure(stage.floors.autorestart))


def service_hangs(stage: DemoStage) -> None:
    stage.telling.event(f"The service hangs on {stage.on}, it runs and answers nobody: kill -STOP {stage.pid}")
    old, pid, beside = stage.on, stage.pid, stage.alone.pid()

    def event() -> None:
        stage.node().freeze(pid)
        stage.alone.node.freeze(beside)
        stage.strike_candidate(signal.SIGSTOP)

    heard = stage.befall(event, moves=True)
    if stage.alone.pid():
        raise Broken("the service that was frozen beside, under a supervisord without zkelect, answers")
    stage.alone.node.thaw(beside)
    stage.telling.result(
        f"Three health checks in a row failed. {old} killed the service, made sure that it was dead, and released the election "
        f"to {stage.on}, which answered {milliseconds(heard.silence)} after the last answer of {old}. {_acked(heard)}"
    )
    stage.row("2 service hangs", heard.silence, never("never: to supervisord the service still runs"))


def _kill_supervisord(node: Node) -> None:
    pid = node.supervisord_pid
    assert pid is not None, f"{node.name} has no supervisord"
    node.kill(pid)


def supervisord_killed(stage: DemoStage) -> None:
    node, old = stage.node(), stage.on
    stage.telling.event(f"supervisord is killed on {old}, and nothing else: kill -9 {node.supervisord_pid}")
    beside = stage.cluster.until(stage.alone.pid, "the service that was frozen beside to answer again")

    def event() -> None:
        _kill_supervisord(node)
        stage.strike_candidate()

    heard = stage.befall(event, moves=True)
    # Only then: it takes as much of the processors as what is measured.
    _kill_supervisord(stage.alone.node)
    stage.alone.node.reap()
    if stage.alone.pid() != beside:
        raise Broken("a supervisord without zkelect was killed, and its service does not run on")
    stage.telling.result(
        f"The guard of {old}, a small process of zkelect's, noticed. It killed the service and everything that it had "
        f"started, and released the election: {stage.on} answered after {milliseconds(heard.silence)}. {_acked(heard)}"
    )
    stage.row("3 supervisord killed", heard.silence, Figure(0.0, "but nobody watches the service"))
    _again(stage, node, old)


def node_lost(stage: DemoStage) -> None:
    node, old = stage.node(), stage.on
    stage.telling.event(
        f"The whole node {old} is lost, as by a power cut: kill -9 of supervisord, zkelect and the service at once"
    )

    def event() -> None:
        stage.strike_candidate()
        node.crash()

    heard = stage.befall(event, moves=True)
    stage.telling.result(
        f"Nobody is left on {old} to release the election, so ZooKeeper first had to wait out its session timeout. "
        f"{stage.on} answered after {milliseconds(heard.silence)}. {_acked(heard)}"
    )
    stage.row("4 whole node lost", heard.silence, never("nobody: the other machine is not its business"))
    _again(stage, node, old)


def handed_over(stage: DemoStage) -> None:
    node, old = stage.node(), stage.on
    stage.telling.event("An operator moves the service to the other node, in order")

    def event() -> None:
        done = node.ctl("zkelect", "resign", ELECTION)
        stage.telling.command(old, f"supervisorctl zkelect resign {ELECTION}", done.stdout + done.stderr)
        if done.returncode:
            raise Broken(f"`supervisorctl zkelect resign {ELECTION}` on {old} ended with status {done.returncode}")

    heard = stage.befall(event, moves=True)
    stage.telling.result(
        f"{old} stopped the service as its configuration asks for, and released the election when it was dead: "
        f"{stage.on} answered after {milliseconds(heard.silence)}. {_acked(heard)}"
    )
    stage.row(
        "5 orderly hand-over", heard.silence, Figure(stage.floors.stop_and_start, "both steps done by hand"),
        never("not needed"),
    )


def zkelect_restarted(stage: DemoStage) -> None:
    stage.telling.event(f"zkelect itself is restarted on {stage.on}, as for an update; supervisord and the service are not")
    token = stage.cluster.token(stage.on)

    def event() -> None:
        done = stage.node().ctl("restart", "zkelect")
        stage.telling.command(stage.on, "supervisorctl restart zkelect", done.stdout + done.stderr)
        if done.returncode:
            raise Broken(f"`supervisorctl restart zkelect` on {stage.on} ended with status {done.returncode}")

    heard = stage.befall(event, moves=False, same=True)
    if stage.cluster.token(stage.on) != token:
        raise Broken(f"{stage.on} is primary in another term than before zkelect was restarted")
    missed = f"the longest silence was {milliseconds(heard.silence)}" if heard.silence else "every question was answered"
    stage.telling.result(
        f"The service ran on in the same process, pid {heard.pid}: {missed}. {stage.on} is primary in the same term "
        "as before."
    )
    stage.row("6 zkelect restarted", heard.silence, never("-"), never("-"))


EVENTS = (service_killed, service_hangs, supervisord_killed, node_lost, handed_over, zkelect_restarted)

STRUCK = 4
"""How many of them take a candidate."""


def _again(stage: DemoStage, node: Node, name: str) -> None:
    """Start the node again of which nothing is left, and wait until it stands by."""
    node.reap()
    stage.cluster.until(lambda: not node.processes(), f"everything of {name} to be gone")
    node.start()
    stage.cluster.standby(name)
    stage.telling.result(f"{name} was started again, and stands by.")


def _acked(heard: Heard) -> str:
    return f"The ack named it after {milliseconds(heard.acked)}." if heard.acked is not None else ""
