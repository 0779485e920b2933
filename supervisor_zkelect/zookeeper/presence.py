"""What the nodes of an election say of themselves: a node writes its entry, and anybody reads all of them."""

from __future__ import annotations

import time
from typing import AbstractSet, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core import control_words, nodes, places, untrusted
from supervisor_zkelect.core.control import Stamp, maintenance_in_words
from supervisor_zkelect.zookeeper import arguments
from supervisor_zkelect.zookeeper.errors import ElectionError
from supervisor_zkelect.zookeeper.queue import Member
from supervisor_zkelect.zookeeper.requests import MISSING, THERE, data_of
from supervisor_zkelect.zookeeper.stepping import SteppingCalls

MOST_NODES = 500
"""Entries that are read."""

LONGEST_ENTRY = 8 << 10
"""Bytes of an entry that are read."""

#: Entries that are asked for together.
_AT_ONCE = 16


class Overview(NamedTuple):
    """One election as a whole. address: the primary's, "" for nobody. trouble: why the orders cannot be read, or "". coming: the
    orders that stand, in words, or "". seen: the nodes, as they are read. ordered, differs: what is ordered, and how one
    differs from the others, by node. stamp: of the control. changed: when the ack was written last, in milliseconds of
    ZooKeeper's clock, 0 where there is none. paused: a pause that stands, in words, or "". paused_on: the node that runs on in
    it, as it has consented; "" for none. left_out: how many nodes more there are, which were not looked at. cleared: as
    `control.Control` has it."""

    rows: List[nodes.NodeRow]
    address: str
    trouble: str
    coming: str
    seen: Sequence[nodes.Seen] = ()
    ordered: Mapping[str, str] = {}
    differs: Mapping[str, str] = {}
    stamp: Sequence[int] = ()
    changed: int = 0
    paused: str = ""
    left_out: int = 0
    paused_on: str = ""
    cleared: Mapping[str, int] = {}

    def document(self, whole: bool = False) -> Dict[str, Any]:
        """What `list` shows of it. whole: with all that a node says of itself, for `outlook.cluster`."""
        entries = {one.name: one for one in self.seen}
        unseen = nodes.Seen("", None, False, None)
        found = [{**row._asdict(), **self._more(entries.get(row.node, unseen), whole)} for row in self.rows]
        return {
            "ok": True, "nodes": found, "address": self.address, "trouble": self.trouble, "coming": self.coming,
            "changed": self.changed or None, "paused": self.paused, "paused_on": self.paused_on, "left_out": self.left_out,
        }

    def _more(self, one: nodes.Seen, whole: bool) -> Dict[str, Any]:
        entry = one.entry or nodes.NodeEntry()
        more: Dict[str, Any] = {
            "live": one.live, "guarded": entry.guarded if one.entry else None, "tags": dict(entry.tags), "digest": entry.digest,
            "differs": self.differs.get(one.name, ""), "version": entry.version,
        }
        if whole:
            recognised = one.entry is None or not self.stamp or tuple(entry.confirmed) == tuple(self.stamp)
            more.update(
                told=one.entry is not None, state=entry.state, step=entry.step, trouble=entry.trouble, failed=entry.failed,
                priority=entry.priority, unfit=entry.unfit, cleared=self.cleared.get(one.name, 0),
                ordered=self.ordered.get(one.name, ""), recognised=recognised, figures=dict(entry.figures),
                options=dict(entry.options),
            )
        return more


class PresenceCalls(SteppingCalls):
    """The calls of an `Elector` that concern what nodes say of themselves."""

    def tell_of_node(self, node: str, entry: nodes.NodeEntry) -> None:
        """Write this node's entry, and have it live with this session."""
        path, limit = f"{places.nodes_of(self.election_state)}/{arguments.node(node)}", self._zk.limit()
        session = self._zk.session()
        entry = entry._replace(session=f"{session:x}")
        if self._zk.ask("write the node's entry", limit, self._client.set_async, path, entry.data(), ok=MISSING) is None:
            self._zk.make(path, limit)
            # Whoever may give orders may not make it, and writes them into it.
            self._zk.make(places.outcomes_of(self.election_state), limit)
            self._zk.ask("write the node's entry", limit, self._client.set_async, path, entry.data())
        live = f"{path}/live"
        for _ in range(2):
            made = self._zk.ask("live", limit, self._client.create_async, live, b"", acl=self._zk.acl, ephemeral=True, ok=THERE)
            if made is not None:
                return
            stat = self._zk.ask("look whether the node lives", limit, self._client.exists_async, live)
            if stat is not None and stat.ephemeralOwner == session:
                return
            # That of this node's own former session goes away by itself, at any time.
            self._zk.ask("live", limit, self._client.delete_async, live, ok=MISSING)

    def known_nodes(self) -> List[str]:
        """The nodes that have an entry."""
        limit = self._zk.limit()
        return self._named(self._client.get_children_async(places.nodes_of(self.election_state)), limit)

    def differs(self, node: str, entry: nodes.NodeEntry) -> str:
        """How a node with this entry differs from the one that leads, in the options that must agree; "" where it does not, and
        where nobody leads who tells."""
        holder = self.holder()
        if holder is None or holder.node in ("", node):
            return ""
        seen = [*self._entries([holder.node], {}, self._zk.limit()), nodes.Seen(node, entry, True, None)]
        return nodes.differences(seen, holder.node).get(node, "")

    def _named(self, asked: Any, limit: float) -> List[str]:
        listed = self._zk.answer("list the nodes", limit, asked, ok=MISSING) or []
        return [name for name in sorted(listed) if untrusted.known_name(name)]

    def entry_of(self, node: str) -> Optional[nodes.NodeEntry]:
        """What a node says of itself; None where it does not, or where its session is over."""
        seen = self._entries([node], {}, self._zk.limit())
        return seen[0].entry if seen and seen[0].live else None

    def lives(self, node: str) -> bool:
        """Whether a node that has an entry lives; one without has no other way to tell, and is taken to."""
        seen = self._entries([node], {}, self._zk.limit()) if node in self.known_nodes() else []
        return not seen or seen[0].live

    def ended(self, sessions: AbstractSet[str]) -> Dict[str, str]:
        """Whose sessions these were, as far as they are over: session -> node. sessions: as an entry has them."""
        seen = self._entries(self.known_nodes()[:MOST_NODES], {}, self._zk.limit())
        over = ((one.entry.session, one.name) for one in seen if one.entry is not None and not one.live)
        return {session: name for session, name in over if session in sessions}

    def overview(self, exact: bool = False) -> Overview:
        """All nodes that stand in the election, or stood in it, and what is ordered. exact: whether that ends by ZooKeeper's
        clock, which may take a write; for people's eyes alone this host's is good enough."""
        limit, client = self._zk.limit(), self._client
        # All at once, as the answers come in the order of the requests.
        synced = client.sync_async(self.control_znode)
        asked = [client.get_async(path) for path in (self.control_znode, self.holder_znode, self.election_ack)]
        self._zk.answer("sync the control", limit, synced)
        control, held, acked = (self._zk.answer("read orders, holder and ack", limit, one, ok=MISSING) for one in asked)
        orders, holder = self._parsed_orders(control).control, self._own_holder(self._parsed_holder(held))
        address = untrusted.known_address(data_of(acked))
        seen, left_out = self._look_at_nodes(holder.node if holder else "")
        shown = self._shown(exact and any(one.until is not None for one in orders.maintenance.values()))
        ordered = {name: maintenance_in_words(one, shown) for name, one in orders.maintenance.items() if one.stands(shown)}
        stamp = () if orders.stamp == Stamp() else tuple(orders.stamp)
        switchover, restart = orders.switchover, orders.restart
        coming = [] if switchover is None else [control_words.switchover_in_words(switchover, shown)]
        coming += [] if restart is None else [control_words.restart_in_words(restart, shown)]
        leads = nodes.who_leads(seen, holder.node if holder is not None and holder.address == address else "", address)
        differs = nodes.differences(seen, leads)
        notes = {name: "; ".join(filter(None, [ordered.get(name, ""), differs.get(name, "")])) for name in {*ordered, *differs}}
        return Overview(
            nodes.rows(seen, leads, address, notes, stamp), address, orders.trouble,
            "; ".join(filter(None, [*coming, control_words.told_of_pause(orders, shown)])), seen, ordered, differs,
            stamp, acked[1].mtime if acked is not None else 0,
            control_words.told_of_pause(orders) if orders.paused is not None else "", left_out,
            orders.paused.node if orders.paused is not None else "", orders.cleared,
        )

    def _shown(self, decides: bool) -> int:
        """What ZooKeeper's clock shows, in milliseconds; where nothing was made by this client, and that decides nothing, or
        cannot be made, what this host's does."""
        try:
            shown = self.server_time() if decides else self._servers.now()
        except ElectionError:
            shown = None
        return shown or round(1000 * time.time())

    def seen_nodes(self) -> List[nodes.Seen]:
        """All nodes that stand in the queue, or have an entry."""
        return self._look_at_nodes("")[0]

    def _look_at_nodes(self, holder: str) -> Tuple[List[nodes.Seen], int]:
        """The same, and how many were left out. holder: who leads, by the holder, and may stand in no queue."""
        names, limit = self.known_nodes(), self._zk.limit()
        standing: Dict[str, Member] = {}
        places_of: Dict[str, int] = {}
        for place, member in enumerate((one for one in self.each_member() if not one.paused), 1):
            standing.setdefault(member.node or member.name, member)
            places_of.setdefault(member.node or member.name, place)
        # Those that count come first: entries of nodes that are gone stay until somebody has them forgotten.
        names.sort(key=lambda name: (name != holder, name not in standing))
        left_out = max(0, len(names) - MOST_NODES)
        del names[MOST_NODES:]
        seen = []
        for first in range(0, len(names), _AT_ONCE):
            some = self._entries(names[first:first + _AT_ONCE], standing, limit)
            seen += [one._replace(place=places_of[one.name]) if one.place is not None else one for one in some]
        told = {one.name for one in seen}
        silent = [nodes.Seen(name, None, True, place) for name, place in places_of.items() if name not in told]
        return sorted([*seen, *silent], key=lambda one: one.name), left_out

    def _entries(self, names: Sequence[str], standing: Mapping[str, Member], limit: float) -> List[nodes.Seen]:
        """What these nodes say of themselves. standing: who stands in the queue; such a one has a place, 0 here.

        A proposal goes with its session, so whoever stands in the queue lives, also before he has told anything in it. An entry
        of another session is of before, unless the node lives in that, and the proposal is older: it goes by itself."""
        root, ask = places.nodes_of(self.election_state), self._client.exists_async
        asked = [(name, ask(f"{root}/{name}"), ask(f"{root}/{name}/live")) for name in names]
        reads = []
        for name, entered, lives in asked:
            stat = self._zk.answer("look at a node's entry", limit, entered)
            # Anybody may have written more than a node does, and heartbeats are answered by the same connection.
            short = stat is not None and stat.dataLength <= LONGEST_ENTRY
            reads.append((name, lives, self._client.get_async(f"{root}/{name}") if short else None))
        seen = []
        for name, living, answer in reads:
            live = self._zk.answer("look whether a node lives", limit, living)
            found = None if answer is None else self._zk.answer("read a node's entry", limit, answer, ok=MISSING)
            entry = nodes.read(data_of(found)) if found is not None else None
            member = standing.get(name)
            if member is not None and live is not None and live.ephemeralOwner != member.session and live.czxid > member.token:
                member = None
            session = member.session if member is not None else live.ephemeralOwner if live is not None else 0
            if entry is not None and session and entry.session != f"{session:x}":
                # It is of another session than that of the node's proposal, or, without one, than that in which it lives.
                entry = None
            alive = live is not None or member is not None and not untrusted.lasting(member.session)
            seen.append(nodes.Seen(name, entry, alive, None if member is None else 0))
        return seen
