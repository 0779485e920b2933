"""How long the service is silent in a switchover to a named node, beside a resignation, among few nodes and among many.

    python -m bench.switchover [--nodes 3,50] [--runs N] [--session-timeout SECONDS]

All nodes are real ones, on this machine, and their service is a small HTTP server in Python. A resignation goes to the next in
the queue; switchovers to whoever stands in the middle of it, and to whoever stands last. A client asks the two nodes each 5 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from lab import observer
from lab.cluster import Cluster
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo.wait import until

ELECTION = "orders"


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
    with tempfile.TemporaryDirectory(prefix="zkelect-bench-") as name, ZooKeeper(Path(name) / "zk") as zookeeper:
        options = {"reached": zookeeper.reached, "timeout": timeout, "tick": 0.5}
        with Cluster(Path(name) / "cluster", zookeeper.hosts, names, **options) as cluster:
            begin(cluster)
            found: Dict[str, List[float]] = {way: [] for way in WAYS}
            for _ in range(runs):
                for way, place in WAYS.items():
                    queue = queue_of(cluster)
                    heir = queue[place(queue)]
                    order = ("resign", ELECTION) if way == "resign" else ("switchover", ELECTION, "--to", heir)
                    found[way].append(silence(cluster, queue[0], heir, order))
    for way, times in found.items():
        shown = "/".join(f"{1000 * value:.0f}" for value in (min(times), statistics.median(times), max(times)))
        print(f"{count} nodes, {way}: {shown} ms of silence, min/median/max of {runs}", flush=True)


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
