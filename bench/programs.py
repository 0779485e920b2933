"""Programs in one group: how long they take to start and to be proven dead, and whether the lease's end holds for all.

An orderly handover from one node to the other tells the first two. For the third, ZooKeeper is stopped by a signal, so that
nobody extends the lease of a group whose programs all ignore SIGTERM: the last of them has to be gone before the
deadline that the listener reported last.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from bench import elections
from lab.node import Node
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system.clock import now

STUBBORN = "env --ignore-signal=TERM sleep infinity"
LIMIT = 60.0
"""Seconds that one step may take."""


def group(count: int, service: str, loader: str) -> str:
    """Sections of one group of so many programs. loader: words before the service's command."""
    members = [f"p{number:03d}" for number in range(count)]
    sections = "".join(
        f"[program:{name}]\ncommand = {loader}{service}\nautostart = false\nstartsecs = 0\nstopwaitsecs = 3\n"
        "stopasgroup = true\nkillasgroup = true\nstdout_logfile = NONE\nredirect_stderr = true\n\n"
        for name in members
    )
    return f"{sections}[group:many]\nprograms = {','.join(members)}\n"


class Nodes(elections.TwoNodes):
    """Two nodes with one election, whose group has so many programs; the first is primary."""

    def __init__(
        self, folder: Path, zookeeper: ZooKeeper, count: int, timeout: float, tick: float, service: str
    ) -> None:
        self.count = count
        super().__init__(folder, zookeeper, lambda name, chroot: (
            f"{elections.LISTENER}\n[zkelect]\nservers = {zookeeper.hosts}\nnode_name = {name}\n"
            f"session_timeout = {timeout:g}\ntick_time = {tick:g}\nchroot = {chroot}\n\n"
            f"[election:many]\ngroup = many\naddress = {elections.address(name, 'many')}\nhealth = none\n\n"
            f"{group(count, service, 'zkelect run -- ')}"
        ))

    def opened(self) -> None:
        self.nodes["a"].start()
        self.acked("a")
        self.nodes["b"].start()
        self.role("b", "standby")
        self.role("a", "primary")

    def acked(self, node: str) -> float:
        """Wait until the node has acked; when it did, in seconds since the epoch."""
        wanted = elections.address(node, "many").encode()
        path = f"{self.chroot}/zkelect/many/ack"
        data, stat = until(
            lambda: (found := self.client.get_async(path).get(timeout=5))[0] == wanted and found, LIMIT,
            f"{node} to ack a group of {self.count}\n{self.nodes[node].logs(2000)}", 0.01,
        )
        return stat.mtime / 1000

    def role(self, node: str, role: str) -> None:
        until(lambda: self.nodes[node].part("many").get("role") == role, LIMIT, f"{node} to be {role}", 0.05)

    def members(self, node: str) -> List[proc.Process]:
        """The processes of the node's programs."""
        found = [proc.read(pid) for pid in self.nodes[node].service_pids()]
        return [process for process in found if process is not None]

    def gone(self, processes: List[proc.Process], limit: float) -> float:
        """Wait until none of them lives; when that was."""
        until(lambda: not any(proc.alive(one) for one in processes), limit, f"{len(processes)} to be dead", 0.001)
        return now()

    def handover(self) -> Dict[str, float]:
        """The first node resigns. Seconds until its programs are dead, until it has released, and from then until the
        other has acked."""
        path = f"{self.chroot}/zkelect/many/election/{self.nodes['a'].part('many')['proposal']}"
        released: List[float] = []
        self.client.exists(path, watch=lambda event: released.append(time.time()))
        members = self.members("a")
        began, wall = now(), time.time()
        self.nodes["a"].rpc.call("zkelect.request", "resign", "many", "{}")
        dead = self.gone(members, LIMIT) - began
        acked = self.acked("b")
        until(lambda: released, LIMIT, "the deletion of the proposal to be told")
        return {"dead": dead, "released": released[0] - wall, "started": acked - released[0]}

    def silence(self, zookeeper: ZooKeeper, timeout: float) -> float:
        """ZooKeeper stands still; by how many seconds the last program was gone before the lease's end."""
        members = self.members("a")
        zookeeper.freeze()
        try:
            deadlines: List[float] = []

            def dying() -> bool:
                part = self.nodes["a"].part("many")
                if part.get("deadline") is not None:
                    deadlines.append(part["deadline"])
                return part.get("role") == "demoting"

            until(dying, 2 * timeout + LIMIT, "the lease to run out", 0.02)
            return max(deadlines) - self.gone(members, 2 * timeout)
        finally:
            zookeeper.thaw()


def floor(folder: Path, count: int) -> Dict[str, float]:
    """Seconds that a supervisord without this project needs to start such a group, and to stop it."""
    folder.mkdir(parents=True)
    with Node(folder, "floor", config=group(count, elections.SERVICE, "")) as node:
        began = now()
        node.rpc.call("supervisor.startProcessGroup", "many", False, timeout=LIMIT)

        def all_are(state: str) -> bool:
            return all(one["statename"] == state for one in node.rpc.call("supervisor.getAllProcessInfo", timeout=30))

        until(lambda: all_are("RUNNING"), LIMIT, f"{count} plain programs to be started", 0.005)
        started = now() - began
        # A signal between fork and exec is lost to supervisord's own handler.
        time.sleep(0.5)
        began = now()
        node.rpc.call("supervisor.stopProcessGroup", "many", False, timeout=LIMIT)
        until(lambda: all_are("STOPPED"), LIMIT, f"{count} plain programs to be stopped", 0.005)
        return {"start": started, "stop": now() - began}


def measure(
    folder: Path, counts: List[int], timeout: float, tick: float, runs: int, say: Callable[[str], None]
) -> List[Dict[str, Any]]:
    """A row for each count of programs."""
    rows = []
    with ZooKeeper(folder / "zookeeper", tick_ms=round(1000 * tick)) as zookeeper:
        for count in counts:
            row: Dict[str, Any] = {"programs": count, "handovers": [], "floors": [], "margins": []}
            for run in range(runs):
                own = folder / f"programs-{count}-{run}"
                with Nodes(own / "handover", zookeeper, count, timeout, tick, elections.SERVICE) as nodes:
                    row["handovers"].append(nodes.handover())
                with Nodes(own / "deadline", zookeeper, count, timeout, tick, STUBBORN) as nodes:
                    row["margins"].append(nodes.silence(zookeeper, timeout))
                row["floors"].append(floor(own / "floor", count))
                latest = row["handovers"][-1]
                say(f"{count} programs, run {run + 1} of {runs}: dead {1000 * latest['dead']:.0f} ms after resign, released "
                    f"after {1000 * latest['released']:.0f}, started and acked in {1000 * latest['started']:.0f}; at the "
                    f"lease's end gone {row['margins'][-1]:.2f} s before the deadline")
            rows.append(row)
    return rows
