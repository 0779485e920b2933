"""The plugin: two nodes under supervisord, set up as conf.d/zkelect.conf has it."""

from __future__ import annotations

import signal
from typing import Any, Callable, Set, Tuple

from supervisor_zkelect import clock
from supervisor_zkelect.demo.cluster import Cluster
from supervisor_zkelect.demo.node import service_command

from bench.measure import Run
from bench.stage import NAMES, READY_AFTER, OnZooKeeper, tick

UNNOTICED = 0.05
"""Seconds between two answers that are no silence, where a client asks every 5 ms and shares the machine."""


class Ours(OnZooKeeper):
    name = "supervisor-zkelect"

    def open(self) -> None:
        self.start_zookeeper()
        # The address is the node's own, from its environment, as in the sample.
        command = service_command("ADDRESS", "--ready-after", str(READY_AFTER))
        command = "zkelect run -- " + command.replace("ADDRESS", "%(ENV_ORDERS_ADDRESS)s")
        self.cluster = self.stack.enter_context(Cluster(
            self.folder, self.zookeeper.hosts, NAMES, reached=self.zookeeper.reached, timeout=self.timeout,
            tick=tick(self.timeout), network=self.network, overrides={"program:orders": {"command": command}},
        ))
        self.prepare()
        self.cluster.start()
        self.observer = self.cluster.observers["orders"]

    def prepare(self) -> None:
        """Change the cluster before it is started."""

    def has(self, fault: str) -> bool:
        return True

    def settled(self) -> Tuple[str, int]:
        name = self.cluster.leader()
        node = self.cluster[name]
        # supervisord delays the restart of a program that ran for less than its startsecs.
        self.cluster.until(
            lambda: node.rpc.call("supervisor.getProcessInfo", "primary:orders")["statename"] == "RUNNING",
            "the program to be RUNNING",
        )
        self.cluster.until(lambda: all(each.guard_pid() for each in self.cluster.nodes.values()), "guards on all nodes")
        return name, self.cluster.settled(name)

    def agents(self, name: str) -> Set[int]:
        return {self.cluster[name].listener_pid(), self.cluster[name].guard_pid()}

    def strike(self, fault: str, name: str) -> Callable[[], Any]:
        node = self.cluster[name]
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

    def repair(self, fault: str, name: str) -> None:
        node = self.cluster[name]
        if fault in ("B", "B-guard", "C"):
            node.reap()
            self.cluster.until(lambda: not node.processes(), f"everything of {name} to be gone")
            node.start()
            self.cluster.standby(name)

    def check(self, fault: str, name: str, run: Run) -> str:
        if run.overlap or run.endless:
            return "two served at once"
        if run.silence is None:
            return "the service did not come back"
        if fault in ("F", "Z", "Z-away", "E-supervisord") and (run.node or run.silence > UNNOTICED):
            return "no silence was promised"
        return ""
