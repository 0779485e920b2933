"""The demo: a ZooKeeper and two nodes, what befalls them, and how long a client of both heard nobody.

Everything runs in a temporary folder on free ports and is ended whatever happens. Each step is checked, and each figure is
measured in the run that tells it.
"""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Iterator, List, Optional, TextIO

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.demo import events, keeping, table
from supervisor_zkelect.demo.alone import Alone, Floors
from supervisor_zkelect.demo.candidate import CandidateProcess
from supervisor_zkelect.demo.cluster import Cluster
from supervisor_zkelect.demo.events import ELECTION, Broken, DemoStage
from supervisor_zkelect.demo.node import LONGEST_SOCKET, Node, NodeFailed, service_command
from supervisor_zkelect.demo.observer import Observer
from supervisor_zkelect.demo.table import milliseconds
from supervisor_zkelect.demo.telling import Came, Telling
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.demo.zookeeper import ServerFailed, ZooKeeper, ZooKeeperMissing, check_installed

NAMES = ("alpha", "beta")

TIMEOUT, TICK = 4.0, 0.5
"""ZooKeeper's session timeout and tickTime, in seconds. The sample has 10: one event lasts for so long."""

SHORTER = {
    "election:orders": {"health_interval": "0.2", "health_timeout": "0.5"},
    "program:orders": {"stopwaitsecs": "1"},
}
"""Options in which the nodes' configuration differs from the sample's, besides `session_timeout` and `tick_time`."""

PATIENCE = 40.0
"""Seconds that one step may take; none needs 10 on an idle machine."""

LONGEST_FOLDER = LONGEST_SOCKET - len("/alpha/supervisor.sock")
"""Characters of the demo's own folder."""

LONGEST_REASON = 400
"""Characters of what went wrong."""

WORDS = {
    "primary": "the node that won the election; it runs the service",
    "standby": "the node that is next; it runs nothing, and waits",
    "lease": "how long the primary may still run it, by its own clock; writes to ZooKeeper renew it",
    "ack": "the entry in ZooKeeper with the primary's address, for clients that look for the service",
}
"""The words that a reader has to know."""


class Failed(Exception):
    """The demo did not come to its end; the message says why, in one line."""


def run(out: TextIO = sys.stdout, keep: bool = False, enter: Optional[TextIO] = None) -> int:
    """Tell the story to `out`. Returns 0: every step was as promised.

    keep: leave the nodes running after the table, until a line or the end of file comes from `enter`, by default standard
        input, or until Ctrl-C.

    Raises Failed; BrokenPipeError when nobody reads `out` any more; SystemExit at SIGTERM and SIGHUP, KeyboardInterrupt.
    Whatever it raises, nothing is left behind.
    """
    # A client whose ZooKeeper ends has a lot to say.
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    try:
        with ends_by_signals() as came, ExitStack() as stack:
            try:
                _tell(Telling(out, came), stack, keep, enter or sys.stdin)
            finally:
                _undisturbed_from_here()
    except BrokenPipeError:
        raise
    except Exception as problem:
        raise Failed(reason(problem)) from problem
    return 0


def reason(problem: Exception) -> str:
    """The problem in one line. Pure."""
    text, *more = [line.strip() for line in str(problem).splitlines() if line.strip()] or [type(problem).__name__]
    if isinstance(problem, ServerFailed):
        # Its log names the exception, and then where in the code that was, and that it ends.
        named = [line for line in more if "Exception: " in line]
        text = "; ".join([text.partition("; its log ends:")[0], *(named or more)[-1:]])
    elif isinstance(problem, NodeFailed):
        text = " ".join([text, *more[-1:]])
    elif isinstance(problem, OSError) and not isinstance(problem, TimeoutError):
        text = ": ".join(map(str, filter(None, (problem.filename, problem.strerror or text))))
    elif not isinstance(problem, ZooKeeperMissing):
        text = f"not as promised: {text}"
    return printable(text, LONGEST_REASON)


@contextmanager
def ends_by_signals() -> Iterator[Came]:
    """SIGTERM and SIGHUP end the program as Ctrl-C does, so that what it began is ended first. What was set holds again after.

    Gives the signal that came, to be asked before each line: kazoo's client takes any exception for a connection that was closed
    (`except:` around the waking of its thread), and so the one of a signal that comes just then.
    """
    came = Came()

    def end(number: int, frame: object) -> None:
        came.signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            # Whoever started it with nohup means it.
            if former[number] != signal.SIG_IGN:
                signal.signal(number, end)
        yield came
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _undisturbed_from_here() -> None:
    """A second Ctrl-C would leave half of it behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _tell(telling: Telling, stack: ExitStack, keep: bool, enter: Optional[TextIO]) -> None:
    check_installed()
    folder = _folder(stack)
    zookeeper = ZooKeeper(folder / "zookeeper", tick_ms=int(1000 * TICK))
    stack.callback(zookeeper.close)
    cluster = stack.enter_context(_cluster(folder, zookeeper))
    period = cluster.observers[ELECTION].period
    _introduce(telling, folder, period)
    zookeeper.start()
    telling.tell(f"ZooKeeper runs at {zookeeper.hosts}.")
    alone = stack.enter_context(Alone(folder / "alone"))
    floors = _floors(telling, alone)
    candidates = _candidates(stack, cluster, zookeeper, folder)
    stage = DemoStage(cluster, alone, floors, candidates, telling)
    _begin(stage)
    undisturbed = stage.undisturbed()
    for event in events.EVENTS:
        stage.settle()
        event(stage)
        stage.settle()
        stage.roles()
    heard = stage.observer.verdict()
    measured = table.Measured(
        stage.rows(), heard.overlap, sum(heard.questions.values()), period, undisturbed, floors.start, TIMEOUT
    )
    telling.line()
    for line in table.lines(measured):
        telling.line(line)
    telling.line()
    if heard.overlap:
        raise Broken(f"two services answered at once: {heard.overlap}")
    if keep:
        keeping.keep(telling, folder, stage.node(), cluster[stage.other], enter)
        return
    _end(stage)
    telling.tell("Both nodes are shut down, and nothing of them is left.")
    telling.line()
    for line in keeping.NEXT:
        telling.line(line)


def _folder(stack: ExitStack) -> Path:
    remedy = "set TMPDIR to a short path that may be written to"
    try:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zkelect-demo-"))).resolve()
    except OSError as problem:
        raise OSError(f"{reason(problem)}; {remedy}") from problem
    if len(str(folder)) > LONGEST_FOLDER:
        raise OSError(f"{folder}: the sockets in it would have too long a path for Linux; {remedy}")
    return folder


def _introduce(telling: Telling, folder: Path, period: float) -> None:
    telling.paragraph(
        f"Two nodes, {' and '.join(NAMES)}, are set up to run the same service, and only one of them may run it at a time. "
        "Each is a supervisord with zkelect as its plugin. They agree by an election in ZooKeeper, a store of small entries "
        "that several machines share:"
    )
    for word, meaning in WORDS.items():
        telling.line(f"  {word:9} {meaning}")
    telling.line()
    shorter = ", ".join(f"{name} {value}" for options in SHORTER.values() for name, value in options.items())
    telling.paragraph(
        "In the field these are two machines and three ZooKeepers; here all runs on this one, in a folder that is removed "
        f"at the end: {folder}. A program called \"the client\" asks both nodes every {milliseconds(period)}, and notes who "
        f"answers. The nodes have the sample conf.d/zkelect.conf with shorter times, in seconds: session_timeout {TIMEOUT:g}, "
        f"{shorter}."
    )


def _cluster(folder: Path, zookeeper: ZooKeeper) -> Cluster:
    """The two nodes, not started; their files name everything, so that they can be read by any command."""
    cluster = Cluster(
        folder, zookeeper.hosts, NAMES, reached=zookeeper.hosts, timeout=TIMEOUT, tick=TICK, overrides=SHORTER, chroot=""
    )
    cluster.patience = PATIENCE
    for name, node in cluster.nodes.items():
        address = node.addresses[ELECTION]
        node.overrides["zkelect"].update(servers=zookeeper.hosts, node_name=name)
        node.overrides["election:orders"].update(address=address, health=f"http://{address}/health")
        node.overrides["program:orders"].update(command=f"zkelect run -- {service_command(address)}")
    return cluster


def _floors(telling: Telling, alone: Alone) -> Floors:
    """Measure supervisord by itself; its service runs from then on."""
    with Observer(alone.addresses) as heard:
        floors = alone.floors(heard)
    alone.run()
    telling.tell(
        f"For comparison, a supervisord without zkelect: it starts the same service in {milliseconds(floors.start)}, and "
        f"starts it again {milliseconds(floors.autorestart)} after it was killed."
    )
    return floors


def _candidates(stack: ExitStack, cluster: Cluster, zookeeper: ZooKeeper, folder: Path) -> List[CandidateProcess]:
    client = cluster.client()
    candidates = []
    for number in range(events.STRUCK):
        candidates.append(CandidateProcess(client, zookeeper.hosts, f"/candidates/{number}", TIMEOUT, folder))
        stack.callback(candidates[-1].close)
    for candidate in candidates:
        candidate.ready()
    return candidates


def _begin(stage: DemoStage) -> None:
    """Start both nodes, the first of them alone at first."""
    stage.cluster.start()
    stage.watch_ack()
    stage.telling.tell(
        f"{stage.on} was started first, won the election, and runs the service. {stage.other} came next, and stands by. "
        "An operator is told on each:"
    )
    stage.settle()
    stage.roles()


def _end(stage: DemoStage) -> None:
    """Shut both nodes down in order, the standby first, so that nobody takes over."""
    for name in (stage.other, stage.on):
        node = stage.cluster[name]
        node.terminate()
        until(partial(_gone, node), PATIENCE, f"everything of {name} to be gone")


def _gone(node: Node) -> bool:
    return not node.processes()
