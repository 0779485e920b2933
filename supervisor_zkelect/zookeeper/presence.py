"""What the nodes of an election say of themselves: a node writes its entry, and anybody reads all of them."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from supervisor_zkelect.core import nodes, places, untrusted
from supervisor_zkelect.core.control import Stamp, in_maintenance
from supervisor_zkelect.zookeeper import arguments
from supervisor_zkelect.zookeeper.holder import Holder
from supervisor_zkelect.zookeeper.orders import OrderCalls
from supervisor_zkelect.zookeeper.requests import MISSING, THERE, data_of

MOST_NODES = 500
"""Entries that are read."""


class Overview(NamedTuple):
    """One election as a whole. holder, address: who leads; address "" for nobody. trouble: why the orders cannot be read, or "".
    coming: the switchover that stands, in words, or ""."""

    rows: List[nodes.Row]
    holder: Optional[Holder]
    address: str
    trouble: str
    coming: str


class PresenceCalls(OrderCalls):
    """The calls of an `Elector` that concern what nodes say of themselves."""

    def tell_of_node(self, node: str, entry: nodes.Entry) -> None:
        """Write this node's entry, and have it live with this session.

        Raises ZooKeeperFailed while another session of the node lives by it.
        """
        path, limit = f"{places.nodes_of(self.election_state)}/{arguments.node(node)}", self._zk.limit()
        session = self._zk.session()
        entry = entry._replace(session=f"{session:x}")
        if self._zk.ask("write the node's entry", limit, self._client.set_async, path, entry.data(), ok=MISSING) is None:
            self._zk.make(path, limit)
            self._zk.ask("write the node's entry", limit, self._client.set_async, path, entry.data())
        live = f"{path}/live"
        if self._zk.ask("live", limit, self._client.create_async, live, b"", acl=self._zk.acl, ephemeral=True, ok=THERE) is None:
            stat = self._zk.ask("look whether the node lives", limit, self._client.exists_async, live)
            if stat is not None and stat.ephemeralOwner != session:
                # That of this node's own former session goes away by itself; a twin's would not.
                self._zk.ask("live", limit, self._client.delete_async, live, ok=MISSING)
                self._zk.ask("live", limit, self._client.create_async, live, b"", acl=self._zk.acl, ephemeral=True, ok=THERE)

    def forget_node(self, node: str) -> bool:
        """Remove the entry of a node that is gone for good. False where it lives."""
        path, limit = f"{places.nodes_of(self.election_state)}/{arguments.node(node)}", self._zk.limit()
        if self._zk.ask("look whether the node lives", limit, self._client.exists_async, f"{path}/live") is not None:
            return False
        self._zk.ask("remove the node's entry", limit, self._client.delete_async, path, ok=MISSING)
        return True

    def overview(self) -> Overview:
        """All nodes that stand in the election, or stood in it, and what is ordered."""
        limit = self._zk.limit()
        root = places.nodes_of(self.election_state)
        orders = self._read_orders(limit).control
        listed = self._zk.answer("list the nodes", limit, self._client.get_children_async(root), ok=MISSING) or []
        names = [name for name in sorted(listed) if untrusted.known_name(name)][:MOST_NODES]
        asked = [
            (name, self._client.get_async(f"{root}/{name}"), self._client.exists_async(f"{root}/{name}/live")) for name in names
        ]
        standing: Dict[str, int] = {}
        for place, member in enumerate(self.each_member(), 1):
            standing.setdefault(member.node or member.name, place)
        seen = []
        for name, entry, live in asked:
            found: Any = self._zk.answer("read a node's entry", limit, entry, ok=MISSING)
            lives = self._zk.answer("look whether a node lives", limit, live) is not None
            if found is not None:
                seen.append(nodes.Seen(name, nodes.read(data_of(found)), lives, standing.get(name)))
        told = {one.name for one in seen}
        seen += [nodes.Seen(name, None, True, place) for name, place in standing.items() if name not in told]
        holder, address = self.holder(), untrusted.known_address(self.read_ack())
        shown = self.server_time() if any(one.until is not None for one in orders.maintenance.values()) else None
        ordered = {name: in_maintenance(one) for name, one in orders.maintenance.items() if one.stands(shown)}
        stamp = () if orders.stamp == Stamp() else tuple(orders.stamp)
        coming = orders.switchover
        return Overview(
            nodes.rows(seen, holder.node if holder else "", address, ordered, stamp), holder, address, orders.trouble,
            "" if coming is None else f"switchover to {coming.to or 'the next node'}{', begun' if coming.begun else ''}",
        )
