"""The demo: a ZooKeeper, two nodes, and what befalls them, told with times.

Everything runs in a temporary folder on free ports and is ended whatever happens. Each step is checked; the exit
status is 0 only when all went as promised.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from typing import Any, List, TextIO

from supervisor_zkelect import clock, samples
from supervisor_zkelect.demo import child, observer
from supervisor_zkelect.demo.node import Node, NodeFailed
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.demo.zookeeper import ZooKeeper, ZooKeeperFailed, ZooKeeperMissing

ELECTION = "orders"
PATIENCE = 60.0


class _Broken(Exception):
    """A step did not go as promised."""


class _Story:
    def __init__(self, out: TextIO, nodes: List[Node]) -> None:
        self.out = out
        self.nodes = nodes
        self.begun = clock.now()

    def tell(self, text: str = "") -> None:
        stamp = f"{clock.now() - self.begun:7.3f} s  " if text else ""
        print(f"{stamp}{text}", file=self.out, flush=True)

    def ack(self) -> str:
        """What a client that asks the ack znode is told."""
        asked = self.nodes[1].zkelect("primary", ELECTION, "-c", str(self.nodes[1].zkelect_conf))
        return asked.stdout.strip() if asked.returncode == 0 else ""

    def served_at(self, address: str) -> int:
        """Pid of the service that answers at the address, 0 when none does."""
        try:
            return observer.ask(address, 0.5)
        except OSError:
            return 0

    def leads(self, node: Node, since: float, not_pid: int = 0) -> int:
        """Wait until the ack names the node and its service answers; returns the service's pid."""
        address = node.addresses[ELECTION]
        pid = until(
            lambda: (p := self.served_at(address)) != not_pid and self.ack() == address and p,
            PATIENCE, f"node {node.name} to be primary",
        )
        self.tell(f"a client that asks the ack znode is sent to {address} and answered by {node.name}, "
                  f"pid {pid}; {clock.now() - since:.3f} s after the event")
        return pid

    def roles(self, expected: dict) -> None:
        """Show `supervisorctl role` on each running node; the exit statuses must fit."""
        for node, status in expected.items():
            def fits(node: Node = node, status: int = status) -> Any:
                shown = node.ctl("role", ELECTION)
                return shown if shown.returncode == status else None

            shown = until(fits, PATIENCE, f"supervisorctl role on {node.name} to exit with {status}")
            self.tell(f"{node.name}$ supervisorctl role     (exit status {shown.returncode})")
            for line in shown.stdout.strip().splitlines():
                print(f"             {line}", file=self.out)


def run(out: TextIO = sys.stdout) -> int:
    """Tell the story to `out`. Returns 0 when every step was as promised, else 1."""
    try:
        with ExitStack() as stack:
            _tell(out, stack)
    except (ZooKeeperMissing, ZooKeeperFailed, NodeFailed, TimeoutError, _Broken) as problem:
        print(f"not as promised: {problem}", file=out)
        return 1
    return 0


def _tell(out: TextIO, stack: ExitStack) -> None:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="zkelect-demo-"))
    begun = clock.now()
    zookeeper = stack.enter_context(ZooKeeper(f"{folder}/zookeeper", tick_ms=2000))
    if not zookeeper.running:
        zookeeper.start()
    nodes = []
    for name in ("alpha", "beta"):
        address = f"127.0.0.1:{child.free_port()}"
        stack.callback(child.give_back, int(address.rpartition(":")[2]))
        nodes.append(Node(
            f"{folder}/{name}", name, zookeeper.hosts, addresses={ELECTION: address},
            sample=samples.path("zkelect.conf"),
        ))
        stack.callback(nodes[-1].close)
    alpha, beta = nodes
    story = _Story(out, nodes)
    story.begun = begun
    story.tell(f"a ZooKeeper serves at {zookeeper.hosts}; two nodes start under supervisord: alpha, beta")

    watcher = stack.enter_context(observer.Observer({node.name: node.addresses[ELECTION] for node in nodes}))
    event = clock.now()
    alpha.start()
    first = story.leads(alpha, event)
    beta.start()
    story.roles({alpha: 0, beta: 3})

    # supervisord delays the restart of a program that ran for less than its startsecs.
    until(lambda: "RUNNING" in alpha.ctl("status", "primary:*").stdout, PATIENCE, "the program to be RUNNING")
    story.tell()
    story.tell(f"the service is killed: kill -9 {first}")
    event = clock.now()
    alpha.kill(first)
    story.leads(alpha, event, not_pid=first)
    story.roles({alpha: 0, beta: 3})

    story.tell()
    story.tell(f"the primary's supervisord is killed: kill -9 {alpha.supervisord_pid}")
    event = clock.now()
    alpha.kill(alpha.supervisord_pid)
    story.leads(beta, event)
    if story.served_at(alpha.addresses[ELECTION]):
        raise _Broken("the killed supervisord left its service running")
    story.roles({beta: 0})
    alpha.reap()
    until(lambda: not alpha.processes(), PATIENCE, "everything of alpha to be gone")
    alpha.start()
    story.tell("alpha is started again, and stands by")
    story.roles({alpha: 3, beta: 0})

    story.tell()
    story.tell("an orderly handover: beta$ supervisorctl zkelect resign orders")
    event = clock.now()
    resigned = beta.ctl("zkelect", "resign", ELECTION)
    for line in (resigned.stdout + resigned.stderr).strip().splitlines():
        print(f"             {line}", file=out)
    if resigned.returncode != 0:
        raise _Broken(f"resign ended with {resigned.returncode}")
    story.leads(alpha, event)
    story.roles({alpha: 0, beta: 3})

    watcher.stop()
    verdict = watcher.verdict()
    story.tell()
    if verdict.overlap:
        raise _Broken(f"two services answered at once: {verdict.overlap}")
    story.tell("an observer that asked both services every 5 ms never heard two at once")
    for node in nodes:
        node.terminate()
        until(lambda node=node: not node.processes(), PATIENCE, f"everything of {node.name} to be gone")
    story.tell("both nodes are shut down; nothing is left")
