"""The barrier of a pause: a znode in the queue behind which nobody leads, and the operations that end a consent with its term.

It is a persistent child of the election znode with the name of the primary's proposal and its ten digits once more behind, after
kazoo's mark where the proposals have that, as kazoo counts only what ends in both. So it sorts directly behind that proposal by
each rule by which the proposals do, also those of other programs: while it stands, whoever is behind it waits, whatever becomes
of the session and the proposal of the primary. It names no node where candidates do, so it is nobody's
twin; what it says is for people, and for whoever finds it without the control.
"""

from __future__ import annotations

import json
from typing import Any, List, NamedTuple

from supervisor_zkelect.core import control, pauses, untrusted
from supervisor_zkelect.core.control import Life
from supervisor_zkelect.zookeeper.holder import Orders
from supervisor_zkelect.zookeeper.requests import Operation

#: Characters of an id in a barrier.
LONGEST_ID = 200


class Barrier(NamedTuple):
    """name: of the znode. node, token, life: of who has consented; "" and 0 where it does not say so. made: its czxid."""

    name: str
    version: int
    node: str = ""
    token: int = 0
    life: Life = Life()
    made: int = 0


def data(node: str, token: int, life: Life) -> bytes:
    return json.dumps({"v": 1, "pause": {"node": node, "token": token, **life._asdict()}}).encode("utf-8")


def read(name: str, found: bytes, stat: Any) -> Barrier:
    said = untrusted.document(found).get("pause")
    said = said if isinstance(said, dict) else {}
    life = Life(*(untrusted.printable(said.get(one) or "", LONGEST_ID) for one in Life._fields))
    node, token = untrusted.known_name(said.get("node")), untrusted.number(said.get("token"))
    return Barrier(name, stat.version, node, token, life, stat.czxid)


def withdrawing(orders: Orders, path: str, stat: Any, token: int, barrier: str, shown: Any) -> List[Operation]:
    """Operations that take a term's consent back with its release, and fail where the control has changed since it was read.

    path: of the control. stat: of the znode at `barrier`, that of the term's proposal; None where there is none. shown: what
    ZooKeeper's clock shows.
    """
    found, written = orders
    operations: List[Operation] = [] if stat is None else [("delete", (barrier, stat.version), {})]
    if found.stamp == control.Stamp():
        return operations
    change = None if found.trouble else pauses.withdraw(found, token)
    if change is None:
        return [*operations, ("check", (path, found.stamp.version), {})]
    changed = control.amended(written, shown, change)
    return [*operations, ("set_data", (path, changed, found.stamp.version), {})]
