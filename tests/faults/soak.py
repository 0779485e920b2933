"""`script/soak`: faults at random, several at once, for as long as is asked for, on nodes with an ensemble of three.

The time goes by in episodes. In each, one to three faults are drawn and fall at random moments of its first seconds,
each for a random time; then all is healed, and within RECOVERY one node must be primary and all others stand by. The
first half of the time has two nodes, the second three.

The faults are those of the design's list, named for its rows. What the promises exclude (docs/safety.md) is not drawn:

- listener and guard of a node frozen at once, or the guard dead and the listener frozen. So in one episode a node has
  one fault at the most that touches its listener, guard or supervisord, an order that ends the listener included; the
  pairs that the promises cover are drawn as one fault;
- a proposal or the election znode deleted by hand (row 20).

Rows 2 (its first half), 19, 21 (its clock) and 22 are about how a node is set up and not about what befalls it, and
are left to `script/faults`. Row 15, a node that stands still as a whole, is drawn, and its service may be heard for
THAWED seconds after it goes on. Node a is spared what ends its listener or its guard, so that what these two leak
adds up.

A quarter of the episodes is paused: an operator pauses the election before the faults fall, and resumes when they are healed
(`soak_pauses.py` has what falls then, and what must hold).

The verdict is the one of the fault suite: nobody serves at once with another, as the observer hears and as the
services write; tokens in order; nothing left behind. And nothing grows: processes, open files, threads and memory of
listener and guard, znodes, cgroups. The seed decides what is drawn, not how long the machine takes for it.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

import psutil
from kazoo.exceptions import BadVersionError, ConnectionLoss, KazooException, NoNodeError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

from lab import journal, netns
from lab.cluster import Cluster
from lab.node import Node, service_command
from lab.zookeeper import Ensemble, ZooKeeper
from supervisor_zkelect.core import control, history
from supervisor_zkelect.core.control import Order, Switchover
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc
from supervisor_zkelect.supervisord.client import SupervisordError
from supervisor_zkelect.system.clock import now
from tests.faults import soak_pauses

RECOVERY = 120.0
"""Seconds until there is a primary again when all is healed: back-offs end after 60, the rest is for ZooKeeper."""

THAWED = 0.5
"""Seconds for which a service may be heard that stood still together with all that could stop it."""

WARM_UP = 3
"""Episodes after which nothing may grow any more."""

FILES, THREADS, MEMORY = 10, 12, 10 * 1024
"""By how much a listener or a guard may have more than after the warm-up: open files, threads, KiB."""


NO_EFFECT = (SupervisordError, KazooException, KazooTimeoutError, subprocess.SubprocessError, OSError, ValueError)
"""What a fault may raise that meets another one, such as an order to a supervisord that stands still."""


class Draw(NamedTuple):
    """A fault: when it begins in its episode, which one, whom it prefers, and for how long it lasts."""

    start: float
    fault: str
    choice: Tuple[str, ...]
    length: float


class Violation(Exception):
    """A promise was broken."""


class Soak:
    """One cluster and what befalls it. `say` takes a line."""

    def __init__(self, folder: Path, names: List[str], timeout: float, tick: float, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.names = names
        self.timeout = timeout
        self.say = say
        self.stack = ExitStack()
        self.network = netns.Network([*names, "z1", "z2", "z3"])
        self.spared = names[0]
        self.judged = 0.0
        self.thawed: List[float] = []
        self.samples: Dict[Tuple[str, str], List[Tuple[int, int, int, int]]] = {}
        self.znodes: List[Set[str]] = []
        self.cgroups: Set[str] = set()
        self.bereft = 0  # how often nobody was left on a node who could remove its cgroups
        self.longest = self.slowest = 0.0
        self.pauses = 0
        self.tick = tick

    def __enter__(self) -> Soak:
        try:
            self._enter()
        except BaseException:
            self.stack.close()
            raise
        return self

    def _enter(self) -> None:
        network = self.stack.enter_context(self.network)
        places = [network[name] for name in ("z1", "z2", "z3")]
        tick_ms = int(self.tick * 1000)
        self.ensemble = self.stack.enter_context(Ensemble(self.folder / "zk", tick_ms=tick_ms, places=places))
        self.cluster = Cluster(
            self.folder, self.ensemble.hosts, self.names, reached=self.ensemble.reached, timeout=self.timeout,
            tick=self.tick, network=network, overrides={"election:orders": {"promote_timeout": "5"}},
        )
        self.stack.callback(self.cluster.stack.close)
        self.full: Dict[str, Callable[[], Callable[[], None]]] = {}
        for name, node in self.cluster.nodes.items():
            # Every second node has a service that must be killed.
            words = ["--ignore-term"] if name == "b" else []
            service = service_command(node.addresses["orders"], *words)
            command = f"zkelect run -- sh -c 'test -e {self.broken(node)} && exit 1; exec {service}'"
            node.overrides["program:orders"] = {"command": command}
            (node.folder / "run").mkdir()
            self.small_disk(f"runtime_disk_full {name}", node.folder / "run", 128)
            self.small_disk(f"log_disk_full {name}", node.folder / "logs", 32 * 1024)
        self.pool = self.stack.enter_context(ThreadPoolExecutor(16))
        self.cluster.start()
        self.judged = now()

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def small_disk(self, key: str, path: Path, kib: int) -> None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=755", "tmpfs", str(path)]
        subprocess.run(command, check=True, timeout=30)
        self.stack.callback(subprocess.run, ["umount", "-l", str(path)], timeout=30)
        filler = path / "filler"

        def fill() -> Callable[[], None]:
            try:
                with filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(b"x" * 4096)
            except OSError:
                return lambda: filler.unlink(missing_ok=True)

        self.full[key] = fill

    @staticmethod
    def broken(node: Node) -> Path:
        """While this file exists, the node's service ends at its start."""
        return node.folder / "broken"

    # Who is meant

    def roles(self) -> Dict[str, str]:
        """The role of each running node, as far as it can be asked."""
        roles = {}
        for name, node in self.cluster.nodes.items():
            try:
                roles[name] = node.part("orders", timeout=0.5).get("role", "") if node.running else ""
            except SupervisordError:
                roles[name] = ""
        return roles

    def node(self, choice: Tuple[str, ...], barred: Set[str]) -> Optional[str]:
        """The first node that the choice names, by its name or role, and that is not barred."""
        roles = self.roles()
        for word in choice:
            for name in self.names:
                if name not in barred and word in (name, roles[name]):
                    return name
        return None

    def server(self, choice: Tuple[str, ...]) -> Optional[ZooKeeper]:
        for word in choice:
            for server in self.ensemble.servers:
                if server.running and not server.frozen and word in (server.place.name, server.mode()):
                    return server
        return None

    def mend(self) -> None:
        """Wait until ZooKeeper takes writes again.

        ZooKeeper 3.8 has a defect by which a leader that loses its followers, and gets them back within the same
        second, takes proposals for ever and commits none, while it is a leader and they are followers. Nothing but a
        restart of the leader helps then, and that is no matter of the nodes.
        """
        for server in self.ensemble.servers:
            server.wait_serving()
        while True:
            try:
                until(lambda: self.cluster.client().set_async(self.cluster.chroot, b"").get(timeout=5), 20, "a write")
                return
            except TimeoutError:
                leader = self.ensemble.leader()
                if leader:
                    self.say(f"      ZooKeeper commits nothing; its leader {leader.place.name} is restarted")
                    leader.restart()

    # What is checked

    def judge(self) -> None:
        """Nobody served at once with another since the last time, and the tokens are in order. Raises Violation."""
        watcher, path = self.cluster.observers["orders"], self.cluster.journal()
        # A second of what was judged before, so that nothing falls between two looks.
        since = self.judged - 1
        heard = watcher.verdict(since)
        allowed = sum(since <= at + THAWED for at in self.thawed) * THAWED
        if heard.overlap and heard.overlap.seconds >= allowed:
            raise Violation(f"two served at once: {heard.overlap}; {heard.turns}")
        for start, end, who in crossings(journal.lives(path)):
            if not any(at - 0.1 <= start and end <= at + THAWED for at in self.thawed):
                raise Violation(f"two lived at once for {end - start:.3f} s by their journal: {who}")
        problems = journal.disorder(path)
        if problems:
            raise Violation("; ".join(problems))
        self.longest = max(self.longest, heard.gap)
        self.judged = now()
        watcher.forget(self.judged - 2)

    def measure(self) -> None:
        """What there is of processes, open files, threads, memory, znodes and cgroups, now that all is quiet."""
        for name, node in self.cluster.nodes.items():
            until(lambda: not zombies(node), 30, f"zombies of {name} to be reaped")
            expected = 4 + bool(self.cluster.pid(name))
            try:
                until(lambda: len(self.kept(node)) == expected, 30, f"{name} to have {expected} processes")
            except TimeoutError as problem:
                raise Violation(f"{problem}; it has: {self.kept(node)}") from None
            for what, pid in (
                ("listener", node.listener_pid()), ("guard", node.guard_pid()), ("keeper", node.keeper_pid()),
            ):
                try:
                    one = psutil.Process(pid)
                    sample = (pid, one.num_fds(), one.num_threads(), one.memory_info().rss // 1024)
                except psutil.NoSuchProcess:
                    raise Violation(f"{name} has no {what}") from None
                self.samples.setdefault((name, what), []).append(sample)
            for pid in node.service_pids():
                with open(f"/proc/{pid}/cgroup") as file:
                    self.cgroups |= {line.split(":", 2)[2].strip() for line in file if "/zkelect-" in line}
        paths, found = [self.cluster.chroot], set()
        while paths:
            path = paths.pop()
            found.add(path)
            children = self.cluster.client().get_children_async(path).get(timeout=10)
            # What came of the first order, whether a node lives just now, and pages of the history, of which there are a few.
            passing = {"outcomes", "live", *history.pages(children)}
            paths += [f"{path}/{name}" for name in children if name not in passing]
        self.znodes.append(found)

    @staticmethod
    def kept(node: Node) -> List[str]:
        """The command lines of the node's processes."""
        return [proc.cmdline(process.pid).replace(b"\0", b" ").decode() for process in node.processes()]

    def grown(self) -> List[str]:
        """What grew since the warm-up."""
        problems = []
        for (name, what), samples in self.samples.items():
            last = samples[-1]
            # Of the same process, or of the first that there was: none of them has a reason to be larger.
            first = next((one for one in samples[WARM_UP:] if one[0] == last[0]), last)
            for label, at, more in (("open files", 1, FILES), ("threads", 2, THREADS), ("KiB", 3, MEMORY)):
                if last[at] > first[at] + more:
                    problems.append(f"the {what} of {name} has {last[at]} {label}, {first[at]} after the warm-up")
        if len(self.znodes) > WARM_UP and len(self.znodes[-1]) > len(self.znodes[WARM_UP]):
            more = ", ".join(sorted(self.znodes[-1] - self.znodes[WARM_UP]))
            problems.append(f"there are {len(self.znodes[-1])} znodes, {len(self.znodes[WARM_UP])} after the warm-up; new: {more}")
        return problems

    def state(self) -> str:
        """For whoever wants to know what went wrong: the logs, and what the servers say of themselves."""
        parts = [self.cluster.logs()]
        for server in self.ensemble.servers:
            parts.append(f"--- {server.place.name}: {'frozen' if server.frozen else server.mode() or 'not serving'}")
            for word in ("srvr", "cons"):
                try:
                    parts.append(server.four_letters(word).strip())
                except OSError as problem:
                    parts.append(f"{word}: {problem}")
            parts.append(server.log[-4000:].strip())
        return "\n".join(parts)

    def finish(self) -> None:
        """End all nodes in order; nothing may be left. Raises Violation."""
        leader = self.cluster.leader(limit=RECOVERY)
        for name in sorted(self.names, key=lambda name: name == leader):
            self.cluster[name].terminate()
        nodes = self.cluster.nodes.values()
        until(lambda: not any(node.processes() for node in nodes), 60, "nothing to be left behind")
        self.judge()
        problems = self.grown()
        for name in self.names:
            for what in ("listener", "guard"):
                samples = self.samples.get((name, what), [])
                if samples and name == self.spared:
                    first, last = samples[min(WARM_UP, len(samples) - 1)], samples[-1]
                    self.say(f"{what} of {name}, files, threads, KiB: {first[1:]} after the warm-up, {last[1:]} now")
        left = [path for path in self.cgroups if any(os.path.isdir(mount + path) for mount in cgroup_mounts())]
        settled = len(self.znodes[min(WARM_UP, len(self.znodes) - 1)])
        self.say(f"znodes: {settled} after the warm-up, {len(self.znodes[-1])} now; "
                 f"cgroups seen: {len(self.cgroups)}, left: {len(left)}")
        if len(left) > self.bereft:
            problems.append(f"cgroups are left, though only {self.bereft} times nobody was left to remove them: {left}")
        if problems:
            raise Violation("; ".join(problems))


def zombies(node: Node) -> List[int]:
    """Children of the node's processes that ended and that nobody has waited for."""
    parents = {process.pid for process in node.processes()}
    found = psutil.process_iter(["pid", "ppid", "status"])
    return [one.pid for one in found if one.info["status"] == psutil.STATUS_ZOMBIE and one.info["ppid"] in parents]


def cgroup_mounts() -> List[str]:
    with open("/proc/self/mountinfo") as file:
        return [line.split()[4] for line in file if " - cgroup2 " in line]


def crossings(lives: List[journal.Life]) -> List[Tuple[float, float, List[str]]]:
    """When two processes lived at once, by their journal: (from, to, who)."""
    spans = sorted(
        (stretch.start, stretch.end, f"{life.name} {life.pid} under {life.token}")
        for life in lives for stretch in life.stretches
    )
    found, latest = [], None
    for span in spans:
        if latest is not None and latest[2] != span[2] and span[0] < latest[1]:
            found.append((span[0], min(span[1], latest[1]), [latest[2], span[2]]))
        if latest is None or span[1] > latest[1]:
            latest = span
    return found


# The faults: each takes the soak, the name of a node or a server, and returns what heals it, or None

Heal = Optional[Callable[[], Any]]
Fault = Callable[[Soak, Any], Heal]

NODE_FAULTS: Dict[str, Fault] = {}
ENFORCER_FAULTS: Dict[str, Fault] = {}
LETHAL: Set[str] = set()
SERVER_FAULTS: Dict[str, Fault] = {}
ZNODE_FAULTS: Dict[str, Fault] = {}


def node_fault(make: Fault) -> Fault:
    NODE_FAULTS[make.__name__] = make
    return make


@node_fault
def r01_service_killed(soak: Soak, name: str) -> Heal:
    killed(soak.cluster[name])


@node_fault
def r02_service_ends_at_its_start(soak: Soak, name: str) -> Heal:
    broken = soak.broken(soak.cluster[name])
    broken.touch()
    killed(soak.cluster[name])
    return lambda: broken.unlink(missing_ok=True)


@node_fault
def r03_service_sick(soak: Soak, name: str) -> Heal:
    file = soak.cluster[name].health_file
    file.touch()
    return lambda: file.unlink(missing_ok=True)


@node_fault
def r03_service_frozen(soak: Soak, name: str) -> Heal:
    return frozen(*soak.cluster[name].service_pids())


@node_fault
def r11_node_cut_off(soak: Soak, name: str) -> Heal:
    soak.network.cut(name)
    return lambda: soak.network.heal(name)


@node_fault
def r11_node_cut_from_a_server(soak: Soak, name: str) -> Heal:
    soak.network.cut(name, "z1")
    return lambda: soak.network.heal(name, "z1")


@node_fault
def r17_start_all(soak: Soak, name: str) -> Heal:
    soak.cluster[name].ctl("start", "all", timeout=30)


@node_fault
def r17_stop_group(soak: Soak, name: str) -> Heal:
    soak.cluster[name].ctl("stop", "primary:*", timeout=30)


@node_fault
def r17_resign(soak: Soak, name: str) -> Heal:
    soak.cluster[name].rpc.call("zkelect.request", "resign", "orders", "{}")


#: Seconds for which ZooKeeper may be away while an order is taken back: another fault may have its time just then.
AWAY = 60.0


def amend(soak: Soak, change: control.Change, patience: float = 0.0) -> None:
    """An operator changes what is ordered, as a tool does from another host. patience: seconds for which ZooKeeper may be away."""
    client, path = soak.cluster.client(), f"{soak.cluster.chroot}/zkelect/orders/ack-state/control"
    end = now() + patience
    while True:
        try:
            data, stat = client.get_async(path).get(timeout=10)
            client.set_async(path, control.amended(data, None, change), stat.version).get(timeout=10)
            return
        except (BadVersionError, NoNodeError):
            # A claim changes it, too, and makes it where it was deleted.
            client.ensure_path_async(path).get(timeout=10)
        except (ConnectionLoss, SessionExpiredError, KazooTimeoutError):
            if now() > end:
                raise
            until(lambda: client.connected, max(1.0, end - now()), "ZooKeeper to be there")


@node_fault
def r26_maintenance(soak: Soak, name: str) -> Heal:
    amend(soak, control.begin_maintenance(name, Order(f"soak {now()}")))
    return lambda: amend(soak, control.end_maintenance(name), AWAY)


@node_fault
def r26_switchover(soak: Soak, name: str) -> Heal:
    amend(soak, control.order_switchover(Switchover(Order(f"soak {now()}", at=round(1000 * time.time())), name)))
    return lambda: amend(soak, control.end_switchover, AWAY)


@node_fault
def r21_runtime_disk_full(soak: Soak, name: str) -> Heal:
    return soak.full[f"runtime_disk_full {name}"]()


@node_fault
def r21_log_disk_full(soak: Soak, name: str) -> Heal:
    return soak.full[f"log_disk_full {name}"]()


def killed(node: Node) -> None:
    """SIGKILL to the node's service, if it has one."""
    pids = node.service_pids()
    if pids:
        node.kill(*pids)


def frozen(*pids: int) -> Heal:
    """SIGSTOP to the processes; thawing them heals it."""
    targets = [process for process in map(proc.read, pids) if process is not None]
    for process in targets:
        proc.kill(process, signal.SIGSTOP)
    return lambda: [proc.kill(process, signal.SIGCONT) for process in targets]


def again(soak: Soak, name: str) -> None:
    """Start a node whose supervisord is dead."""
    node = soak.cluster[name]
    node.reap()
    until(lambda: not node.processes(), 60, f"everything of {name} to be gone")
    node.start()


def blow(*parts: str) -> Fault:
    """Kill or freeze enforcers, all at the same moment: "listener killed", ..."""

    def strike(soak: Soak, name: str) -> Heal:
        node = soak.cluster[name]
        pids = {"listener": node.listener_pid, "guard": node.guard_pid, "supervisord": lambda: node.supervisord_pid}
        orders = [(proc.read(pids[one]() or 0), how) for one, how in map(str.split, parts)]
        for process, how in orders:
            if process is not None:
                proc.kill(process, signal.SIGKILL if how == "killed" else signal.SIGSTOP)

        soak.bereft += len(parts) == 3

        def heal() -> None:
            for process, how in orders:
                if process is not None and how == "frozen":
                    proc.kill(process, signal.SIGCONT)
            if "supervisord killed" in parts:
                again(soak, name)

        return heal

    return strike


BLOWS = [
    ("r04", "listener killed"), ("r05", "listener frozen"),
    ("r06", "supervisord killed"), ("r07", "supervisord frozen"),
    ("r08", "supervisord killed", "listener killed"), ("r08", "supervisord killed", "listener frozen"),
    ("r08", "supervisord frozen", "listener killed"), ("r08", "supervisord frozen", "listener frozen"),
    ("r09", "guard killed"), ("r09", "guard frozen"), ("r09", "listener killed", "guard killed"),
    ("r09", "listener killed", "guard frozen"), ("r09", "guard killed", "supervisord killed"),
    ("r09", "guard frozen", "supervisord killed"), ("r09", "guard killed", "supervisord frozen"),
    ("r09", "guard frozen", "supervisord frozen"),
    ("r10", "listener killed", "guard killed", "supervisord killed"),
]
for row, *strokes in BLOWS:
    label = "_".join([row, *strokes]).replace(" ", "_")
    ENFORCER_FAULTS[label] = blow(*strokes)
    if {"listener killed", "guard killed", "guard frozen", "supervisord killed"} & set(strokes):
        # A guard that is frozen is replaced.
        LETHAL.add(label)


def r15_node_frozen(soak: Soak, name: str) -> Heal:
    node = soak.cluster[name]
    node.freeze()

    def heal() -> None:
        node.thaw()
        soak.thawed.append(now())

    return heal


ENFORCER_FAULTS["r15_node_frozen"] = r15_node_frozen


def order(words: str, *more: str, ends: bool = False) -> Fault:
    """supervisorctl with these words; `more` heals it. ends: supervisord ends, and is started again."""

    def give(soak: Soak, name: str) -> Heal:
        node = soak.cluster[name]
        node.ctl(*words.split(), timeout=60)
        if ends:
            return lambda: again(soak, name)
        return (lambda: node.ctl(*more, timeout=60)) if more else None

    return give


ORDERS = {
    "r16_shutdown": order("shutdown", ends=True), "r16_reload": order("reload"),
    "r16_stop_all": order("stop all", "start", "zkelect"), "r16_restart_all": order("restart all"),
    "r16_update": order("update"), "r16_restart_zkelect": order("restart zkelect"),
    "r16_stop_zkelect": order("stop zkelect", "start", "zkelect"),
}
ENFORCER_FAULTS.update(ORDERS)
LETHAL |= set(ORDERS) - {"r16_update"}


def r12_quorum_gone(soak: Soak, server: ZooKeeper) -> Heal:
    others = [one for one in soak.ensemble.servers if one is not server and one.running and not one.frozen]
    for one in others:
        one.freeze()
    return lambda: [one.thaw() for one in others]


def r13_server_killed(soak: Soak, server: ZooKeeper) -> Heal:
    server.kill()
    return lambda: None if server.running else server.start(wait=False)


def r13_server_frozen(soak: Soak, server: ZooKeeper) -> Heal:
    server.freeze()
    return server.thaw


def r14_server_cut_off(soak: Soak, server: ZooKeeper) -> Heal:
    """From the other servers; whoever is attached to it stays so."""
    others = [one.place.name for one in soak.ensemble.servers if one is not server]
    for other in others:
        soak.network.cut(server.place.name, other)
    return lambda: [soak.network.heal(server.place.name, other) for other in others]


for fault in (r12_quorum_gone, r13_server_killed, r13_server_frozen, r14_server_cut_off):
    SERVER_FAULTS[fault.__name__] = fault


def by_hand(what: str) -> Fault:
    """Delete or overwrite a znode."""

    def change(soak: Soak, target: None) -> Heal:
        client, base = soak.cluster.client(), f"{soak.cluster.chroot}/zkelect/orders"
        if what == "overwrite":
            client.set_async(f"{base}/ack", b"somebody:1").get(timeout=10)
        else:
            client.delete_async(f"{base}/{what}").get(timeout=10)

    return change


ZNODE_FAULTS.update(
    r20_ack_deleted=by_hand("ack"), r20_holder_deleted=by_hand("ack-state/holder"), r20_ack_overwritten=by_hand("overwrite"),
    r20_control_deleted=by_hand("ack-state/control"),
)


FAULTS = {**NODE_FAULTS, **ENFORCER_FAULTS, **SERVER_FAULTS, **ZNODE_FAULTS}


# Drawing and doing


def draws(
    dice: random.Random, names: List[str], timeout: float, left_out: List[str], only: Tuple[str, ...] = ()
) -> List[Draw]:
    """The faults of one episode. only: of these; () for all."""
    kinds = [
        (kind, [name for name in table if not any(word in name for word in left_out) and (not only or name in only)], weight)
        for kind, table, weight in (
            ("node", NODE_FAULTS, 3), ("node", ENFORCER_FAULTS, 5),
            ("server", SERVER_FAULTS, 3), ("znode", ZNODE_FAULTS, 1),
        )
    ]
    found = []
    for number in range(dice.choice((1, 1, 2, 2, 3))):
        kind, faults, _ = dice.choices(kinds, [weight if faults else 0 for _, faults, weight in kinds])[0]
        fault = dice.choice(faults)
        role = dice.choice(("primary", "primary", "primary", "standby"))
        nodes, servers = dice.sample(names, len(names)), dice.sample(("z1", "z2", "z3"), 3)
        mode = dice.choice(("leader", "follower"))
        choice = (role, *nodes) if kind == "node" else (mode, *servers) if kind == "server" else ()
        start = dice.uniform(0, 1.5 * timeout) if number else 0.0
        length = dice.choice((0.05, 0.3, 0.8, 1.5, 3.0)) * timeout * dice.uniform(0.8, 1.2)
        found.append(Draw(start, fault, choice, length))
    return sorted(found)


def episode(soak: Soak, faults: List[Draw]) -> None:
    """Let the faults fall and heal them; then there is a primary again. Raises Violation."""
    befall(soak, faults)
    settle(soak)


def paused_episode(soak: Soak, faults: List[Draw], tellers: List[str]) -> None:
    """Pause, let the faults fall and heal them, and resume. tellers: on whose hosts the operator is. Raises Violation."""
    try:
        paused = soak_pauses.begin(soak.cluster, soak.cluster.leader(limit=RECOVERY), tellers[0])
        soak.pauses += 1
        soak.say(f"      {paused.node} is paused with token {paused.token}, by an operator on {tellers[0]}")
        befall(soak, faults)
        soak.judge()
        soak_pauses.judge(soak.cluster, paused, [draw.fault for draw in faults])
        soak_pauses.end(soak.cluster, tellers[1])
    except soak_pauses.Broken as problem:
        raise Violation(str(problem)) from None
    soak.say(f"      resumed by an operator on {tellers[1]}")
    settle(soak)


def befall(soak: Soak, faults: List[Draw]) -> None:
    """Let the faults fall and heal them, and wait until ZooKeeper serves."""
    begun = now()
    current = Episode(soak, begun, set(), [], [])
    ahead = list(faults)
    while ahead or current.heals or not all(future.done() for future in current.work):
        passed = now() - begun
        while ahead and ahead[0].start <= passed:
            fall(current, ahead.pop(0))
        for entry in [entry for entry in current.heals if entry[0] <= passed]:
            current.heals.remove(entry)
            soak.say(f"      healed: {entry[1]}")
            current.work.append(soak.pool.submit(entry[2]))
        times = [draw.start for draw in ahead[:1]] + [entry[0] for entry in current.heals]
        until(lambda: now() - begun >= min(times, default=passed + 0.05), 600, "the next event")
    for future in current.work:
        future.result()
    soak.mend()


def settle(soak: Soak) -> None:
    """There is a primary again, all others stand by, and nothing was broken. Raises Violation."""
    since = now()
    try:
        leader = soak.cluster.leader(limit=RECOVERY)
    except AssertionError as problem:
        told = str(problem).partition("\n")[0]
        raise Violation(f"stuck {RECOVERY:g} s after all was healed; roles: {soak.roles()}; {told}") from None
    took = now() - since
    soak.slowest = max(soak.slowest, took)
    soak.judge()
    soak.measure()
    soak.say(f"      {leader} is primary {took:.1f} s after all was healed")


class Episode(NamedTuple):
    """touched: nodes that have had a fault of their enforcers. heals: when, what, and how. work: what is under way."""

    soak: Soak
    begun: float
    touched: Set[str]
    heals: List[Tuple[float, str, Callable[[], Any]]]
    work: List[Future[Any]]


def fall(episode: Episode, draw: Draw) -> None:
    """Let a fault fall on whom it prefers, if the promises cover it there."""
    soak, enforcer = episode.soak, draw.fault in ENFORCER_FAULTS
    if draw.fault in SERVER_FAULTS:
        target: Any = soak.server(draw.choice)
        name = target.place.name if target else ""
    elif draw.fault in ZNODE_FAULTS:
        target, name = None, "ZooKeeper"
    else:
        barred = (episode.touched if enforcer else set()) | ({soak.spared} if draw.fault in LETHAL else set())
        target = name = soak.node(draw.choice, barred) or ""
    if not name:
        soak.say(f"{draw.start:5.1f} left out: {draw.fault}, nobody may have it now")
        return
    if enforcer:
        episode.touched.add(name)
    soak.say(f"{draw.start:5.1f} {draw.fault} on {name} for {draw.length:.1f} s")
    if draw.fault.startswith(("r16", "r17")):
        # An order may take as long as the stop that it asks for.
        episode.work.append(soak.pool.submit(inflict, episode, draw, target, name))
    else:
        inflict(episode, draw, target, name)


def inflict(episode: Episode, draw: Draw, target: Any, name: str) -> None:
    try:
        heal = FAULTS[draw.fault](episode.soak, target)
    except NO_EFFECT as problem:
        episode.soak.say(f"      {draw.fault} on {name} had no effect: {type(problem).__name__}: {str(problem)[:80]}")
        return
    if heal is not None:
        episode.heals.append((max(draw.start + draw.length, now() - episode.begun), f"{draw.fault} on {name}", heal))


def run(options: argparse.Namespace) -> int:
    # The client that reads the ack tells each reconnect.
    logging.getLogger("kazoo").addHandler(logging.NullHandler())
    reason = netns.available()
    if reason is not None:
        print(f"cannot be done here: {reason}", file=sys.stderr)
        return 2
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    begun, numbers = now(), itertools.count(1)

    def say(line: str) -> None:
        print(f"[{now() - begun:7.1f}] {line}", flush=True)

    say(f"seed {seed}, {options.minutes:g} minutes, T = {options.timeout:g} s, tick = {options.tick:g} s")
    sizes, failed = options.nodes or [2, 3], False
    for part, size in enumerate(sizes, 1):
        end = begun + options.minutes * 60 * part / len(sizes)
        dice = random.Random(f"{seed} {size}")
        names = list("abcdefg"[:size])
        with tempfile.TemporaryDirectory(prefix="zkelect-soak-") as folder, \
                Soak(Path(folder), names, options.timeout, options.tick, say) as soak:
            say(f"{size} nodes: {' '.join(names)}")
            try:
                while now() < end:
                    paused = dice.random() < soak_pauses.SHARE and not any(word in "paused" for word in options.without)
                    say(f"episode {next(numbers)}{', paused' if paused else ''}")
                    if paused:
                        tellers = dice.choices(names, k=2)
                        paused_episode(
                            soak, draws(dice, names, options.timeout, options.without, soak_pauses.COVERED), tellers
                        )
                    else:
                        episode(soak, draws(dice, names, options.timeout, options.without))
                soak.finish()
            except (Violation, AssertionError, TimeoutError) as violation:
                failed = True
                say(f"VIOLATED: {violation}")
                print(soak.state(), flush=True)
            except Exception:
                failed = True
                say(f"FAILED: {traceback.format_exc()}")
                print(soak.state(), flush=True)
            say(f"{size} nodes: longest silence {soak.longest:.1f} s, slowest recovery {soak.slowest:.1f} s, "
                f"{soak.pauses} pauses")
    say(f"{'not ok' if failed else 'ok'}, seed {seed}")
    return int(failed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/soak", description="Faults at random, the seed decides which.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="printed when it is not given")
    parser.add_argument("--timeout", type=float, default=4.0, metavar="T", help="session timeout in seconds; else 4")
    parser.add_argument("--tick", type=float, default=0.5, metavar="SECONDS", help="ZooKeeper's tickTime; else 0.5")
    parser.add_argument("--nodes", type=int, action="append", metavar="N", help="only so many nodes; else 2, then 3")
    parser.add_argument("--without", action="append", default=[], metavar="WORD",
                        help="draw no fault with this in its name")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
