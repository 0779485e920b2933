"""The plugin: two nodes under supervisord, set up as conf.d/zkelect.conf has it."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from typing import Any, Callable, Dict, List, Set, Tuple

from bench import results
from bench.measure import Run
from bench.stage import NAMES, OnZooKeeper, tick
from lab.cluster import Cluster
from lab.zookeeper import Ensemble
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system import clock

TIMELINES = ("B", "C", "C-resign")
"""Faults after which another node's term begins and all of its steps are in the history."""


class Ours(OnZooKeeper):
    name = results.OURS

    def open(self) -> None:
        self.start_zookeeper()
        self.cluster = self.stack.enter_context(Cluster(
            self.folder, self.zookeeper.hosts, NAMES, reached=self.zookeeper.reached, timeout=self.timeout,
            tick=tick(self.timeout), network=self.network,
        ))
        self.prepare()
        self.cluster.start()
        self.observer = self.cluster.observers["orders"]

    def prepare(self) -> None:
        """Change the cluster before it is started."""

    def has(self, fault: str) -> bool:
        return fault != "Z-leader"

    def settled(self) -> Tuple[str, int]:
        name = self.cluster.leader()
        node = self.cluster[name]
        # supervisord delays the restart of a program that ran for less than its startsecs.
        self.cluster.until(
            lambda: node.rpc.call("supervisor.getProcessInfo", "primary:orders")["statename"] == "RUNNING",
            "the program to be RUNNING",
        )
        # A check that failed while the service was down counts until the next one; three in a row are a failed service.
        self.cluster.until(lambda: not node.part("orders").get("trouble"), "the health checks to succeed")
        nodes = self.cluster.nodes.values()
        self.cluster.until(lambda: all(each.guard_pid() and each.keeper_pid() for each in nodes), "guards on all nodes")
        return name, self.cluster.settled(name)

    def agents(self, name: str) -> Set[int]:
        node = self.cluster[name]
        return {node.listener_pid(), node.guard_pid(), node.keeper_pid()}

    def strike(self, fault: str, name: str) -> Callable[[], Any]:
        node = self.cluster[name]
        self._watch_proposal()
        if fault == "A":
            self.hit(node.service_pids())
        elif fault in ("B", "B-guard"):
            guard = [node.guard_pid()] if fault == "B-guard" else []
            self.hit([*guard, node.supervisord_pid, node.listener_pid(), *node.service_pids()])
        elif fault == "C":
            self.hit([node.supervisord_pid], signal.SIGTERM)
        elif fault == "C-resign":
            self.struck = clock.now()
            node.rpc.call("zkelect.request", "resign", "orders", "{}")
        elif fault in ("E", "E-supervisord"):
            frozen = [node.listener_pid() if fault == "E" else node.supervisord_pid]
            self.hit(frozen, signal.SIGSTOP)
            return lambda: node.thaw(*frozen)
        elif fault == "F":
            self.hit([node.listener_pid()])
        else:
            return super().strike(fault, name)
        return lambda: None

    def _watch_proposal(self) -> None:
        """Note in `_deleted` when the first proposal is deleted."""
        self._deleted: List[float] = []
        client, path = self.cluster.client(), f"{self.cluster.chroot}/zkelect/orders/election"
        first = min(client.get_children(path), key=lambda child: child.rpartition("-")[2])
        deleted = self._deleted
        client.exists(f"{path}/{first}", watch=lambda event: event.type == "DELETED" and deleted.append(clock.now()))

    def completed(self, fault: str, run: Run) -> Run:
        if fault in TIMELINES and run.back is not None:
            offset = time.time() - clock.now()
            self.timelines.append({
                "fault": fault, "setting": self.setting, "struck": self.struck + offset,
                "answered": self.struck + offset + run.back, **self._terms(run.node),
            })
        deleted = self._deleted[0] - self.struck if self._deleted else None
        return dataclasses.replace(run, deleted=deleted, away=self.away if fault == "Z" else None)

    def _terms(self, name: str) -> Dict[str, Any]:
        """The moments in which the latest term began, and in which the one before it ended."""

        def told() -> Dict[str, Any]:
            answer = self.cluster[name].zkelect("history", "orders", "--json")
            begun, ended = json.loads(answer.stdout)["elections"]["orders"][:2]
            return {"begun": begun["begun"], "ended": ended.get("ended", {})}

        # The guard of a node whose supervisord is dead writes the end when it has released.
        try:
            return until(
                lambda: (found := told())["begun"].get("acked") and found["ended"] and found, 5, "two terms", 0.1
            )
        except TimeoutError:
            return told()

    def repair(self, fault: str, name: str) -> None:
        node = self.cluster[name]
        if fault in ("B", "B-guard", "C"):
            node.reap()
            self.cluster.until(lambda: not node.processes(), f"everything of {name} to be gone")
            node.start()
            self.cluster.standby(name)


class OursOnThree(Ours):
    """The plugin with three ZooKeepers, for what befalls one of them."""

    coordinators = ("zk", "zk2", "zk3")

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self.setting += ", 3 servers"

    def start_zookeeper(self) -> None:
        places = [self.network[name] for name in self.coordinators]
        self.zookeeper = self.stack.enter_context(
            Ensemble(self.folder / "zk", tick_ms=int(1000 * tick(self.timeout)), places=places)
        )

    def has(self, fault: str) -> bool:
        return fault == "Z-leader"

    def disturb(self, fault: str) -> Callable[[], Any]:
        leader = self.zookeeper.leader()
        self.struck = clock.now()
        leader.kill()
        return lambda: None

    def repair(self, fault: str, name: str) -> None:
        self.zookeeper.start()
