"""What `zkelect http` takes, beside a running election: memory, processor time, and how soon a probe is answered.

    python -m bench.http [--seconds N] [--rate N]

Two nodes on this machine, a ZooKeeper, and probes of the primary at a steady rate over kept connections. Then resignations, of
each of which it is measured how long after the ack was seen the first 200 was answered, by a poll each millisecond; and for how
long the service is silent, with `zkelect http` on both nodes, each asked a hundred times a second, and without it.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import tempfile
import threading
from pathlib import Path
from typing import List

from lab import observer
from lab.web import Poller, WithHttp, ask
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system import clock

CONNECTIONS = 10
"""Over which the probes go in turn."""


def worked(pid: int) -> float:
    """Seconds of a processor that a process has had."""
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> str:
    """Resident and proportional memory, in MiB."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss"):
                found[name] = int(rest.split()[0]) / 1024
    return f"{found['Rss']:.1f} MiB resident, {found['Pss']:.1f} MiB proportional"


def probe(port: int, rate: float, seconds: float) -> List[float]:
    """Ask `/primary/orders` at a rate for so long; returns how long each answer took, in seconds."""
    took: List[float] = []
    links = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(CONNECTIONS)]
    begun = clock.now()
    number = 0
    while clock.now() < begun + seconds:
        due = begun + number / rate
        pause = due - clock.now()
        if pause > 0:
            threading.Event().wait(pause)
        link = links[number % CONNECTIONS]
        asked = clock.now()
        link.sendall(b"GET /primary/orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = link.recv(65536)
        # From when it was due, so that one that is late makes those behind it late as well.
        took.append(clock.now() - min(asked, due))
        assert answer.startswith(b"HTTP/1.1 200"), answer
        number += 1
    for link in links:
        link.close()
    return took


def percentile(values: List[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure(cluster: WithHttp, seconds: float, rate: float, resignations: int) -> None:
    pid = cluster.http_pid("a")
    assert pid is not None
    print(f"begun: {memory(pid)}")
    before, since = worked(pid), clock.now()
    until(lambda: clock.now() >= since + seconds, seconds + 30, "some time to pass")
    print(f"nobody asks: {100 * (worked(pid) - before) / (clock.now() - since):.3f} % of a processor in {seconds:g} s")
    before, since = worked(pid), clock.now()
    took = probe(cluster.ports["a"], rate, seconds)
    busy = 100 * (worked(pid) - before) / (clock.now() - since)
    shares = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    shown = ", ".join(f"{name} {1000 * percentile(took, share):.2f} ms" for name, share in shares)
    print(f"{len(took) / seconds:.0f} probes a second: {shown}, at most {1000 * max(took):.1f} ms; {busy:.0f} % of a processor")
    until(lambda: ask(cluster.ports["a"], "/status")[1].get("age") is not None, 30, "the cluster to be looked at")
    print(f"after the cluster was looked at: {memory(pid)}")
    turns = [turn(cluster) for _ in range(resignations)]
    usual, most = 1000 * statistics.median(turns), 1000 * max(turns)
    print(f"{resignations} resignations: the first 200 is answered {usual:.1f} ms after the ack was seen, at most {most:.1f} ms")


def turn(cluster: WithHttp) -> float:
    """Have the primary resign; seconds from the ack of the other to its first 200."""
    client = cluster.client()
    former = "a" if ask(cluster.ports["a"], "/primary/orders")[0] == 200 else "b"
    heir = "b" if former == "a" else "a"
    seen: List[float] = []
    address = cluster.nodes[heir].addresses["orders"].encode()

    def look(event: object = None) -> None:
        data, _ = client.get(f"{cluster.chroot}/zkelect/orders/ack", watch=look)
        if data == address and not seen:
            seen.append(clock.now())

    with Poller({heir: cluster.ports[heir]}) as poller:
        look()
        cluster.nodes[former].ctl("zkelect", "resign", "orders")
        until(lambda: seen and poller.said(heir, 200), 60, "the other node to lead")
        told = poller.said(heir, 200)[0].told
    cluster.leader()
    return max(0.0, told - seen[0])


def silences(cluster: WithHttp, resignations: int) -> str:
    """The service's silence in each of so many resignations, in words."""
    found = []
    for _ in range(resignations):
        former = cluster.leader()
        with observer.Observer({name: node.addresses["orders"] for name, node in cluster.nodes.items()}) as watching:
            cluster[former].ctl("zkelect", "resign", "orders")
            cluster.settled("b" if former == "a" else "a")
            found.append(1000 * watching.verdict().gap)
    return f"{min(found):.0f}/{statistics.median(found):.0f}/{max(found):.0f} ms, min/median/max of {resignations}"


def compare(cluster: WithHttp, resignations: int) -> None:
    with Poller(cluster.ports, 0.01):
        print(f"silence of a resignation with it: {silences(cluster, resignations)}")
    for node in cluster.nodes.values():
        node.ctl("stop", "zkelect-http")
    print(f"without it: {silences(cluster, resignations)}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.http", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--resignations", type=int, default=10)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zkelect-bench-") as name, ZooKeeper(Path(name) / "zk") as zookeeper:
        options = {"reached": zookeeper.reached, "timeout": 4, "tick": 0.5}
        with WithHttp(Path(name) / "cluster", zookeeper.hosts, ("a", "b"), **options) as cluster:
            cluster.start()
            until(lambda: ask(cluster.ports["a"], "/primary/orders")[0] == 200, 60, "a to be told primary")
            measure(cluster, said.seconds, said.rate, said.resignations)
            compare(cluster, said.resignations)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
