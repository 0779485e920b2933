"""Pauses in `script/soak`: an operator pauses the election, faults fall that a pause covers, all is healed, and he resumes.

While it is paused

- a service of the paused term runs, or starts again, and none of another term;
- the record says that its lease has no end, whoever wrote it last: this guard or the next, for this listener or the next;
- what befalls ZooKeeper alone does not interrupt it: it is the same process before and after;

and `resume` ends it within LIMIT: as an ordinary primary, or, where its session is over, by a stop and the lead of whoever is next.
"""

from __future__ import annotations

from typing import Iterable, NamedTuple

from lab import journal
from lab.cluster import Cluster
from lab.node import Node
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.operators.outcome import UNKNOWN
from supervisor_zkelect.system.clock import now

SHARE = 0.25
"""Of the episodes, that are paused."""

LIMIT = 90
"""Seconds for which `pause` and `resume` wait; all is well when they are given."""

SERVERS = ("r12_quorum_gone", "r13_server_killed", "r13_server_frozen", "r14_server_cut_off")
"""Faults that no service notices in a pause."""

COVERED = (
    *SERVERS, "r11_node_cut_off", "r11_node_cut_from_a_server", "r01_service_killed", "r03_service_sick", "r03_service_frozen",
    "r04_listener_killed", "r05_listener_frozen", "r09_guard_killed", "r09_guard_frozen", "r16_restart_zkelect",
    "r16_stop_zkelect",
)
"""Faults that fall in a pause. Left out is what ends it (supervisord's death, `shutdown`), what stops the service by hand, and
what is done to control or queue by hand."""


class Broken(Exception):
    """What a pause promises does not hold."""


class Paused(NamedTuple):
    """node: who runs by it; with this token; pid: of its service then. since: when it was confirmed, in seconds of CLOCK_BOOTTIME."""

    node: str
    token: int
    pid: int
    since: float


def begin(cluster: Cluster, node: str, by: str) -> Paused:
    """Pause the election in which `node` is primary, by a command on `by`. Raises Broken where that is not confirmed."""
    _order(cluster[by], "pause", "--reason", "soak")
    return Paused(node, cluster.token(node), cluster.pid(node) or 0, now())


def judge(cluster: Cluster, paused: Paused, faults: Iterable[str]) -> None:
    """Whether it held from its confirmation on, now that the faults are healed. Raises Broken."""
    until(lambda: cluster.pid(paused.node), 60, f"the service of {paused.node}, which is paused, to run")
    for life in journal.lives(cluster.journal()):
        if life.last > paused.since and life.token != paused.token:
            raise Broken(f"{life.name} lived under {life.token}, while {paused.token} was paused")
    if all(fault in SERVERS for fault in faults) and cluster.pid(paused.node) != paused.pid:
        raise Broken(f"the service of {paused.node}, which is paused, is another, though only ZooKeeper was away")
    try:
        until(lambda: _endless(cluster[paused.node]), 60, "an endless lease")
    except TimeoutError:
        raise Broken(f"the record of {paused.node}, which is paused, has no endless lease") from None


def _endless(node: Node) -> bool:
    groups = record.read(node.environment[record.VARIABLE], record.owner_of(node.supervisord_pid))
    return groups[0].lease.paused_until == float("inf")


def end(cluster: Cluster, by: str) -> None:
    """Resume, by a command on `by`. Raises Broken where that does not end it."""
    _order(cluster[by], "resume")


def _order(node: Node, *words: str) -> None:
    done = node.zkelect(*words, "--wait", str(LIMIT), timeout=LIMIT + 60)
    end = now() + LIMIT
    while done.returncode == UNKNOWN and now() < end:
        # Its listener, or the session of that, was just healed; an operator would ask again.
        done = node.zkelect(*words, "--wait", str(LIMIT), timeout=LIMIT + 60)
    if done.returncode:
        raise Broken(f"zkelect {words[0]} on {node.name} ends with {done.returncode}: {(done.stderr or done.stdout).strip()}")
