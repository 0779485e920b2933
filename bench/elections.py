"""Elections in one listener: what one more costs while nothing happens, and how long a node's death takes with many.

Each election has a group of one program, the lightest there is: `sleep`, healthy when supervisord says RUNNING, a second
(startsecs) after its start here as in a supervisord without this project, so that what is measured is this project and
supervisord and not the services. The node's death is the kill of supervisord, listener and services
at once; the guard is left, as it would be when the three crash. The time of each ack is ZooKeeper's own (the mtime of
the ack znode), on the same machine, so nothing has to watch.
"""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from bench import counters
from lab.node import Node
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.schedule import REST_IN_CGROUP
from supervisor_zkelect.system.clock import now

SERVICE = "sleep infinity"
SETTLE = 300.0
"""Seconds that the largest number of groups may take until all are acked."""

LISTENER = """\
[eventlistener:zkelect]
command = zkelect listen -c "%(here)s/zkelect.conf"
events = PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE
buffer_size = 10000
autorestart = true
startretries = 100000
stopwaitsecs = 30
priority = -10

[rpcinterface:zkelect]
supervisor.rpcinterface_factory = supervisor_zkelect.rpcinterface:make_zkelect_rpcinterface
"""


def names(count: int) -> List[str]:
    return [f"e{number:03d}" for number in range(count)]


def address(node: str, election: str) -> str:
    """The address that the node acks; nobody listens there."""
    return f"{node}.{election}:80"


def programs(count: int, loader: str) -> str:
    """Sections of as many groups of one program each. loader: words before the service's command."""
    return "\n".join(
        f"[program:{name}]\ncommand = {loader}{SERVICE}\nautostart = false\nstartsecs = 1\n"
        "stopwaitsecs = 3\n"
        "stopasgroup = true\nkillasgroup = true\nstdout_logfile = NONE\nredirect_stderr = true\n"
        # A group of its own name, whatever the program's is.
        f"[group:g-{name}]\nprograms = {name}\n"
        for name in names(count)
    )


def configuration(node: str, servers: str, chroot: str, count: int, timeout: float, tick: float) -> str:
    """A node's zkelect.conf."""
    elections = "\n".join(
        f"[election:{name}]\ngroup = g-{name}\naddress = {address(node, name)}\nhealth = none\n"
        for name in names(count)
    )
    return (
        f"{LISTENER}\n[zkelect]\nservers = {servers}\nnode_name = {node}\nsession_timeout = {timeout:g}\n"
        f"tick_time = {tick:g}\nchroot = {chroot}\n\n{elections}\n{programs(count, 'zkelect run -- ')}"
    )


class TwoNodes:
    """Two nodes that are not started yet, and a client of their ZooKeeper.

    configured: a node's zkelect.conf, from its name and the chroot.
    """

    def __init__(self, folder: Path, zookeeper: ZooKeeper, configured: Callable[[str, str], str]) -> None:
        self.zookeeper = zookeeper
        self.chroot = f"/{child.new_marker()}"
        self.stack = ExitStack()
        self.nodes: Dict[str, Node] = {}
        for name in ("a", "b"):
            own = folder / name
            own.mkdir(parents=True)
            sample = own / "zkelect.conf"
            sample.write_text(configured(name, self.chroot))
            self.nodes[name] = Node(own, name, zookeeper.hosts, sample=sample)
            self.stack.callback(self.nodes[name].close)
        self.client = KazooClient(zookeeper.hosts, timeout=30)
        self.stack.callback(self.client.close)
        self.stack.callback(self.client.stop)

    def __enter__(self) -> Any:
        try:
            self.client.start(timeout=30)
            self.opened()
        except BaseException:
            self.stack.close()
            raise
        return self

    def opened(self) -> None:
        """Preparations before the first measurement."""

    def __exit__(self, *_: object) -> None:
        self.stack.close()


class Pair(TwoNodes):
    """Two nodes with the same elections; the first becomes primary of all."""

    def __init__(self, folder: Path, zookeeper: ZooKeeper, count: int, timeout: float, tick: float) -> None:
        self.count = count
        super().__init__(
            folder, zookeeper,
            lambda name, chroot: configuration(name, zookeeper.hosts, chroot, count, timeout, tick),
        )

    def start(self) -> float:
        """Start the nodes one after the other; seconds until the first has acked all elections."""
        began = now()
        self.nodes["a"].start()
        self.acked("a")
        took = now() - began
        self.nodes["b"].start()
        self.all_are("b", "standby")
        self.all_are("a", "primary")
        return took

    def acked(self, node: str) -> List[float]:
        """Wait until the node has acked all elections; when it did each, in seconds since the epoch."""
        times: Dict[str, float] = {}

        def all_there() -> bool:
            missing = [name for name in names(self.count) if name not in times]
            answers = [self.client.get_async(f"{self.chroot}/zkelect/{name}/ack") for name in missing]
            for name, answer in zip(missing, answers):
                try:
                    data, stat = answer.get(timeout=30)
                except NoNodeError:
                    continue
                if data.decode() == address(node, name):
                    times[name] = stat.mtime / 1000
            return len(times) == self.count

        try:
            # Once a second, as their times tell when: each look at hundreds takes from the processors that are watched.
            until(all_there, SETTLE, f"{node} to ack all {self.count} elections", 1.0)
        except TimeoutError as problem:
            raise TimeoutError(f"{problem}; {len(times)} are acked\n{self.logs()}") from problem
        return sorted(times.values())

    def all_are(self, node: str, role: str) -> None:
        """Wait until the node reports this role for all elections."""

        def reported() -> bool:
            parts = self.nodes[node].report(timeout=30).get("elections", {})
            return len(parts) == self.count and all(part["role"] == role for part in parts.values())

        try:
            until(reported, SETTLE, f"{node} to be {role} in all {self.count} elections", 0.2)
        except TimeoutError as problem:
            raise TimeoutError(f"{problem}\n{self.logs()}") from problem

    def logs(self) -> str:
        return "\n".join(node.logs(2000) for node in self.nodes.values())

    def watch(self, seconds: float) -> Dict[str, Dict[str, float]]:
        """The resources that each node uses while nothing happens, by node."""
        before, began = self.counted(), now()
        # The time itself is measured: what is used in it.
        time.sleep(seconds)
        after, passed = self.counted(), now() - began
        found: Dict[str, Dict[str, float]] = {}
        for name, node in self.nodes.items():
            old, new = before[name], after[name]
            found[name] = {
                part: 100 * (new[part] - old[part]) / passed for part in ("listener", "guard", "supervisord")
            }
            found[name]["requests"] = (new["received"] - old["received"]) / passed
            for part, pid in (("listener", node.listener_pid()), ("guard", node.guard_pid())):
                memory = counters.memory(pid)
                found[name].update({
                    f"{part}_rss": memory.rss, f"{part}_private": memory.private,
                    f"{part}_threads": counters.threads(pid),
                })
        return found

    def counted(self) -> Dict[str, Dict[str, float]]:
        packets = counters.sessions(self.zookeeper.four_letters("cons", 10))
        found = {}
        for name, node in self.nodes.items():
            session = int(node.report(timeout=30)["session"]["id"], 16)
            found[name] = {
                "listener": counters.processor(node.listener_pid()), "guard": counters.processor(node.guard_pid()),
                "supervisord": counters.processor(node.supervisord_pid), "received": packets[session].received,
            }
        return found

    def death(self) -> Dict[str, float]:
        """Kill supervisord, listener and services of the first node; seconds until the other had acked: first, median
        and last election; the processor time that the other's supervisord, listener and guard took for it; and what
        part of the time of all processors was used by anybody, in percent."""
        node = self.nodes["a"]
        listener, services = node.listener_pid(), node.service_pids()
        doomed = [proc.read(pid) for pid in (node.supervisord_pid, listener, *sorted(services))]
        other = self.nodes["b"]
        pids = {"listener": other.listener_pid(), "guard": other.guard_pid(), "supervisord": other.supervisord_pid}
        before = {part: counters.processor(pid) for part, pid in pids.items()}
        busy, idle = counters.machine()
        killed = time.time()
        for process in doomed:
            if process is not None:
                proc.kill(process, signal.SIGKILL)
        node.reap()
        times = [moment - killed for moment in self.acked("b")]
        spent: Dict[str, float] = {
            f"{part}_seconds": counters.processor(pid) - before[part] for part, pid in pids.items()
        }
        busy, idle = (after - before for after, before in zip(counters.machine(), (busy, idle)))
        spent["busy"] = 100 * busy / (busy + idle)
        until(lambda: not node.service_pids(), SETTLE, "the services of the dead node to be gone")
        return {"first": times[0], "median": counters.median(times), "last": times[-1], **spent}


def floor(folder: Path, count: int) -> float:
    """Seconds that a supervisord without this project needs to start as many programs, asked for one by one."""
    folder.mkdir(parents=True)
    with Node(folder, "floor", config=programs(count, "")) as node:
        wanted: Set[str] = {f"g-{name}" for name in names(count)}
        began = now()
        for name in names(count):
            node.rpc.call("supervisor.startProcess", f"g-{name}:{name}", False, timeout=30)

        def all_run() -> bool:
            infos = node.rpc.call("supervisor.getAllProcessInfo", timeout=30)
            return all(info["statename"] == "RUNNING" for info in infos if info["group"] in wanted)

        until(all_run, SETTLE, f"{count} plain programs to be started", 0.01)
        return now() - began


def measure(
    folder: Path, counts: List[int], timeout: float, tick: float, idle: float, runs: int, say: Callable[[str], None]
) -> List[Dict[str, Any]]:
    """A row for each count. idle: seconds for which an idle node is watched. runs: how many deaths of each count."""
    rows = []
    with ZooKeeper(folder / "zookeeper", tick_ms=round(1000 * tick)) as zookeeper:
        for count in counts:
            row: Dict[str, Any] = {"elections": count, "deaths": [], "floors": []}
            for run in range(runs):
                own = folder / f"elections-{count}-{run}"
                with Pair(own, zookeeper, count, timeout, tick) as pair:
                    started = pair.start()
                    if run == 0:
                        # Time itself is what is waited for: the guard's scans become rarer by it, to the pace that is
                        # measured next, and looking at whether they have would be what is measured.
                        time.sleep(min(idle, REST_IN_CGROUP))
                        row.update(started=started, idle=pair.watch(idle))
                        row["watches"] = int(counters.monitor(zookeeper.four_letters("mntr", 30))["zk_watch_count"])
                    row["deaths"].append(pair.death())
                row["floors"].append(floor(own / "floor", count))
                say(f"{count} elections, run {run + 1} of {runs}: last ack {row['deaths'][-1]['last']:.2f} s after the "
                    f"node's death; supervisord alone starts as many programs in {row['floors'][-1]:.2f} s")
            rows.append(row)
    return rows
