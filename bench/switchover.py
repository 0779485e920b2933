"""How long the service is silent in a switchover to a named node, beside a resignation, among few nodes and among many.

    python -m bench.switchover [--nodes 3,50] [--runs N] [--session-timeout SECONDS]

All nodes are real ones, on this machine, and their service is a small HTTP server in Python. A resignation goes to the next in
the queue; switchovers to whoever stands in the middle of it, and to whoever stands last. A client asks the two nodes each 5 ms.

Elsewhere each node has a machine of its own. Here those that neither lead nor are to lead get only what the two leave of the
processors, by a cgroup for each node; where that cannot be had they compete with them, which is said.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from lab import observer
from lab.cluster import Cluster
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until

ELECTION = "orders"

CPU = Path("/sys/fs/cgroup/cpu")
"""Where the controller `cpu` is mounted by itself (cgroups v1)."""

FULL, LEAST = 1024, 2
"""Shares of the processors."""


class Shares:
    """How much of the processors each node gets, from its start on. Nothing changes where there is no such controller."""

    def __init__(self, cluster: Cluster) -> None:
        had = cluster.nodes if (CPU / "cpu.shares").exists() else ()
        self._folders = {name: CPU / f"{child.new_marker()}-{name}" for name in had}
        for name, folder in self._folders.items():
            folder.mkdir()
            cluster[name].wrapper = ["sh", "-c", f'echo $$ >{folder}/cgroup.procs; exec "$@"', "sh"]

    def __bool__(self) -> bool:
        return bool(self._folders)

    def give(self, *names: str) -> None:
        """Give these nodes as much as they want, and the others what is left."""
        for name, folder in self._folders.items():
            (folder / "cpu.shares").write_text(str(FULL if name in names else LEAST))

    def remove(self) -> None:
        """Once the nodes have ended."""
        for folder in self._folders.values():
            processes = folder / "cgroup.procs"
            until(lambda of=processes: not of.read_text(), 30, f"nobody to be in {folder}")
            folder.rmdir()


def begin(cluster: Cluster) -> None:
    """Start all nodes, the first one as primary."""
    first, *others = cluster.nodes
    cluster[first].start()
    cluster.primary(first)
    for name in others:
        cluster[name].start()
    for name in others:
        cluster.standby(name)


def queue_of(cluster: Cluster) -> List[str]:
    """The nodes in the order of the queue, when all stand in it."""
    client, znode = cluster.client(), f"{cluster.chroot}/zkelect/{ELECTION}/election"

    def found() -> List[str]:
        names = sorted(client.get_children(znode), key=lambda name: name[-10:])
        nodes = [json.loads(client.get(f"{znode}/{name}")[0])["node"] for name in names]
        return nodes if len(nodes) == len(cluster.nodes) else []

    result: List[str] = until(found, 120, "all nodes to stand in the queue", 0.2)
    for name in result[1:]:
        cluster.standby(name)
    return result


def silence(cluster: Cluster, primary: str, heir: str, order: Sequence[str]) -> float:
    """Seconds of silence while the order is given to the primary's node and the heir takes over."""
    addresses = {name: cluster[name].addresses[ELECTION] for name in (primary, heir)}
    with observer.Observer(addresses) as watching:
        done = cluster[primary].zkelect(*order, timeout=120)
        assert done.returncode == 0, done.stderr
        cluster.primary(heir)
        verdict = watching.verdict()
    assert not verdict.overlap, verdict
    return verdict.gap


WAYS: Dict[str, Callable[[List[str]], int]] = {
    "resign": lambda queue: 1,
    "switchover to the middle": lambda queue: len(queue) // 2,
    "switchover to the last": lambda queue: len(queue) - 1,
}


def measure(count: int, runs: int, timeout: float) -> None:
    names = [f"n{number:02}" for number in range(count)]
    found: Dict[str, List[float]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zkelect-bench-")))
        zookeeper = stack.enter_context(ZooKeeper(folder / "zk"))
        cluster = Cluster(folder / "cluster", zookeeper.hosts, names, reached=zookeeper.reached, timeout=timeout, tick=0.5)
        shares = Shares(cluster)
        stack.callback(shares.remove)
        stack.enter_context(cluster)
        begin(cluster)
        for _ in range(runs):
            for way, place in WAYS.items():
                shares.give(*names)
                queue = queue_of(cluster)
                heir = queue[place(queue)]
                order = ("resign", ELECTION) if way == "resign" else ("switchover", ELECTION, "--to", heir)
                shares.give(queue[0], heir)
                found[way].append(silence(cluster, queue[0], heir, order))
    among = "" if shares else ", which all compete for the processors"
    for way, times in found.items():
        shown = "/".join(f"{1000 * value:.0f}" for value in (min(times), statistics.median(times), max(times)))
        print(f"{count} nodes{among}, {way}: {shown} ms of silence, min/median/max of {runs}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.switchover", description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", default="3,50", metavar="N,N")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--session-timeout", type=float, default=10.0)
    said = parser.parse_args()
    for count in said.nodes.split(","):
        measure(int(count), said.runs, said.session_timeout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
