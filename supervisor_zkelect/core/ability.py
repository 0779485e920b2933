"""Why a node that should take part in an election cannot. Pure.

A listener says so itself, with each of its reports, so that nobody who reads one has to guess it from texts. A primary can,
whatever troubles it; and what a node is about to do by itself hinders nothing.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from supervisor_zkelect.core import roles
from supervisor_zkelect.core.state import INFINITY, State

KERNEL, GUARD, FOLDER, ZOOKEEPER, TIMEOUT, TWIN, REFUSED, QUEUE, FENCE, ALIVE, CONTROL = (
    "kernel", "guard", "folder", "zookeeper", "timeout", "twin", "refused", "queue", "fence", "alive", "control",
)
"""Kinds of hindrances: the kernel lacks what a proof of death needs; no guard would end a lease; the runtime folder is not
this node's; no server of ZooKeeper answers; the session's timeout leaves no time for a kill; another proposal has this node's
name; ZooKeeper refuses what is asked; a znode ahead in the queue never goes; the fence command fails; the group is not proven
dead; what operators have ordered cannot be read."""


class NodeHindrances(NamedTuple):
    """What hinders all elections of a node, each a line; "" where nothing does."""

    kernel: str = ""
    guard: str = ""
    folder: str = ""
    zookeeper: str = ""


class Hindrance(NamedTuple):
    """kind: one of those above. why: a line."""

    kind: str
    why: str


def hindrance(state: State, node: NodeHindrances) -> Optional[Hindrance]:
    """What keeps the node from leading this election though it should; None when nothing is known to."""
    at, trouble = (state.role, state.step), state.trouble
    if node.kernel:
        return Hindrance(KERNEL, node.kernel)
    if state.stuck:
        return Hindrance(ALIVE, trouble or "the group is not proven dead")
    if state.role in (roles.PRIMARY, roles.WITHDRAWN) or at == (roles.DEMOTING, "stopping") or state.leaving is not None:
        return None
    if node.folder:
        return Hindrance(FOLDER, node.folder)
    if node.zookeeper:
        return Hindrance(ZOOKEEPER, node.zookeeper)
    if state.up and state.grace < 0:
        return Hindrance(TIMEOUT, trouble)
    if state.orders is not None and state.orders.bar and not state.orders.bar_id:
        return Hindrance(CONTROL, state.orders.bar)
    if state.duplicate_since is not None:
        return Hindrance(TWIN, trouble)
    if state.lasting:
        return Hindrance(QUEUE, trouble)
    if at == (roles.PROMOTING, "fencing") and state.retry_delay:
        return Hindrance(FENCE, trouble)
    if state.refused:
        return Hindrance(REFUSED, trouble)
    return Hindrance(GUARD, node.guard) if node.guard else None


def until(state: State, kill_at: float, now: float) -> Optional[float]:
    """When what the node waits for ends at the latest, if that is known; None otherwise. kill_at: when an order has the group
    killed that is not answered yet. All are seconds of CLOCK_BOOTTIME."""
    moment = INFINITY
    if state.role == roles.PROMOTING and state.step != "fencing":
        moment = state.healthy_by
    elif state.duplicate_since is not None:
        moment = state.duplicate_since + state.wait_out
    elif state.role == roles.MAINTENANCE and state.orders is not None:
        moment = state.orders.until
    elif (state.role, state.step) == (roles.DETACHED, "waiting"):
        moment = max(state.not_before, state.rest_until)
    elif (state.role, state.step) == (roles.DEMOTING, "stopping"):
        moment = kill_at
    return moment if now < moment < INFINITY else None
