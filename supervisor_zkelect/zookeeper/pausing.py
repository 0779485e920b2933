"""A pause: the primary's consent to it, and its end.

What a consent means for the lease stands in `core/pausing.py`. All that is written here is written by compare-and-set of a
control that was read behind a sync.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence

from supervisor_zkelect.core import control, nodes, pauses, places, untrusted
from supervisor_zkelect.core.control import Control, Life, Pause
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments, barrier, strangers
from supervisor_zkelect.zookeeper.desk import DeskCalls
from supervisor_zkelect.zookeeper.errors import ElectionError, ZooKeeperFailed
from supervisor_zkelect.zookeeper.requests import MISSING, ROUNDS, Operation, data_of


class NotPaused(ElectionError):
    """There is no pause, or not any more, to which this node could consent, or that it could end; the message says why."""


class PauseOver(NotPaused):
    """The time of the pause to which this node has consented is over."""


class Consented(NamedTuple):
    """sent: when the transaction was sent, in seconds of CLOCK_BOOTTIME. lasts: as `Pause` has it."""

    sent: float
    lasts: Optional[int]


class ToldBy(NamedTuple):
    """What a node says of itself. live: whether its session lives; where that is another than the one that said it, the instance
    in the entry is "". age: how many seconds ago it was said. written: mzxid of the entry."""

    entry: Optional[nodes.NodeEntry]
    live: bool
    age: Optional[float] = None
    written: int = 0


class PauseCalls(DeskCalls):
    """The calls of an `Elector` that concern a pause."""

    def consent(self, order: str, node: str, life: Life) -> Consented:
        """Consent to a pause, in one transaction that checks the proposal and makes the barrier. From then on nobody else leads
        until this term takes that back, or an operator does by force.

        Asked again, the consent is written again: a pause that ends by itself counts from the last one.
        order: id of what was asked for. node, life: this one's. Raises NotPaused where that does not stand, and NotLeader as
        `ack_leader` does.
        """
        node, limit = arguments.node(node), self._zk.limit()
        self._require_lead(limit)
        mine = self._require()
        path = f"{self.election_znode}/{places.barrier_of(mine.name)}"
        for _ in range(ROUNDS):
            found, data = self._read_orders(limit)
            pause = self._to_consent(found, order, mine.token)
            stat = self._zk.ask("look at the barrier", limit, self._client.exists_async, path)
            written = control.amended(data, self._servers.now(), pauses.consent(pause, node, mine.token, life))
            operations: List[Operation] = [("set_data", (self.control_znode, written, found.stamp.version), {})]
            if stat is None:
                operations.append(("create", (path, barrier.data(node, mine.token, life)), {"acl": self._zk.acl}))
            else:
                operations.append(("check", (path, stat.version), {}))
            sent = now()
            if self._check("consent to the pause", limit, operations):
                return Consented(sent, pause.lasts)
        raise ZooKeeperFailed("the control changed at every try to consent to the pause; ask again")

    def _to_consent(self, found: Control, order: str, token: int) -> Pause:
        """The pause that this term consents to. Raises NotPaused; one that comes too late is taken out."""
        if found.trouble:
            raise NotPaused(found.trouble)
        pause, switchover = pauses.wanted(found, order, token), found.switchover
        if pause is None:
            raise NotPaused("the pause was taken back")
        if pause.resume:
            raise NotPaused("resume was ordered")
        if switchover is not None and switchover.begun == token:
            raise NotPaused("a switchover has begun, and is done first")
        over = pause.lasts is not None and self.server_time() >= pause.order.at + pause.lasts
        if pause.token and over:
            # It was written before, and this would begin its time anew.
            raise PauseOver("its time is over")
        if found.paused is None and pauses.asked_in_time(found, self.server_time()) is None:
            # Where nobody writes the control, it would be asked for ever.
            self.tell_outcome(Outcome(order, False, pauses.TOO_LATE))
            raise NotPaused(pauses.TOO_LATE)
        return pause

    def resume(self) -> None:
        """End the pause to which this term has consented, in one transaction that checks the proposal: out of the control, and
        without the barrier. Before this is called, its lease has an end, and whoever enforces it has confirmed that.

        Raises NotLeader as `ack_leader` does.
        """
        limit = self._zk.limit()
        self._require_lead(limit)
        mine = self._require()
        path = f"{self.election_znode}/{places.barrier_of(mine.name)}"
        for _ in range(ROUNDS):
            found, data = self._read_orders(limit)
            stat = self._zk.ask("look at the barrier", limit, self._client.exists_async, path)
            operations: List[Operation] = [] if stat is None else [("delete", (path, stat.version), {})]
            if found.paused is not None and found.paused.token == mine.token:
                written = control.amended(data, self._servers.now(), pauses.end)
                operations.append(("set_data", (self.control_znode, written, found.stamp.version), {}))
            if self._check("end the pause", limit, operations):
                return
        raise ZooKeeperFailed("the control changed at every try to end the pause; ask again")

    def take_back_consent(self, token: int, released: bool) -> None:
        """Take back the consent of a term of this node that is proven dead and has no proposal any more, in one transaction.
        The pause goes on without it, or ends where that was ordered already.

        released: the term ends cleanly by it, so that its holder is removed and its ack emptied as well.
        """
        limit = self._zk.limit()
        for _ in range(ROUNDS):
            found, data = self._read_orders(limit)
            if found.trouble:
                raise ZooKeeperFailed(found.trouble)
            operations = self._without_barrier(token, limit)
            change = pauses.withdraw(found, token)
            if change is not None:
                written = control.amended(data, self._servers.now(), change)
                operations.append(("set_data", (self.control_znode, written, found.stamp.version), {}))
            if released:
                operations += self._without_holder(token, limit)
            if not operations or self._zk.committed(
                "take back the consent to the pause", limit, self._zk.transact(self.election_znode, operations)
            ):
                return
        raise ZooKeeperFailed("the control changed at every try to take back the consent; ask again")

    def _without_holder(self, token: int, limit: float) -> List[Operation]:
        """Operations that end a term as `release` does."""
        holder = self._read_holder(limit)
        if holder is None or holder.holder.token != token or holder.election:
            return []
        ack = self._zk.read("read the ack", limit, self.election_ack)
        operations: List[Operation] = [("delete", (self.holder_znode, holder.version), {})]
        # In a pause others may have led that note no holder.
        if ack is not None and ack[0] == holder.holder.address.encode():
            operations.append(("set_data", (self.election_ack, b"", ack[1].version), {}))
        return operations

    def end_pause_in_time(self, stamp: control.Stamp) -> bool:
        """End a pause whose time is over, whoever has consented to it, in one transaction that checks this node's proposal and
        that the control is the one that was read, with this stamp, when the time began to count. Whether that is still so."""
        limit = self._zk.limit()
        found, data = self._read_orders(limit)
        if found.stamp != stamp or found.paused is None or found.paused.lasts is None:
            return False
        written = control.amended(data, self._servers.now(), pauses.end)
        operations: List[Operation] = [("set_data", (self.control_znode, written, stamp.version), {})]
        return self._check("end the pause", limit, operations + self._without_barrier(found.paused.token, limit))

    def resume_by_force(self, token: int) -> Optional[bool]:
        """End the pause to which the term with this token has consented, on an operator's word that its node is dead. Whether
        that consent stood, and no newer one; None where something has changed since it was read, and nothing was done: look
        again whether that node is dead."""
        limit = self._zk.limit()
        found, data = self._read_orders(limit)
        operations = self._without_barrier(token, limit)
        if found.paused is not None:
            if found.paused.token != token:
                return False
            written = control.amended(data, self._servers.now(), pauses.end)
            operations.append(("set_data", (self.control_znode, written, found.stamp.version), {}))
        elif found.trouble:
            raise ZooKeeperFailed(found.trouble)
        if not operations:
            return False
        answer = self._zk.transact(self.election_znode, operations)
        return self._zk.committed("end the pause by force", limit, answer) or None

    def told_by(self, node: str) -> ToldBy:
        """What a node says of itself, as far as that is known."""
        path, limit = f"{places.nodes_of(self.election_state)}/{arguments.node(node)}", self._zk.limit()
        asked = self._client.get_async(path), self._client.exists_async(f"{path}/live")
        found = self._zk.answer("read a node's entry", limit, asked[0], ok=MISSING)
        stat = self._zk.answer("look whether a node lives", limit, asked[1])
        live = stat is not None
        if found is None:
            return ToldBy(None, live)
        entry = nodes.read(data_of(found))
        if stat is not None and entry.session != f"{stat.ephemeralOwner:x}":
            entry = entry._replace(instance="")
        return ToldBy(entry, live, max(0.0, (self.server_time() - found[1].mtime) / 1000), found[1].mzxid)

    def barriers(self) -> List[barrier.Barrier]:
        """The barriers in the queue; there is one at most, unless somebody wiped the control in a pause."""
        return self._barriers(self._zk.limit())

    def unbarred(self, names: Sequence[str]) -> List[str]:
        """Of the candidates with these names those that no barrier keeps from leading."""
        standing = max((name for name in names if places.is_barrier(name)), default="")
        # As those who go by the primary's rule are named: a tool's own names are any.
        return strangers.unbarred(names, places.barred_by(standing)[:-10] or self._stem, standing)

    def _barriers(self, limit: float) -> List[barrier.Barrier]:
        found = []
        for name, stat in self._stats([name for name in self._names(limit) if places.is_barrier(name)], limit):
            if untrusted.lasting(stat.ephemeralOwner) and stat.dataLength <= untrusted.LONGEST_PROPOSAL:
                path = f"{self.election_znode}/{name}"
                answer = self._zk.ask("read the barrier", limit, self._client.get_async, path, ok=MISSING)
                if answer is not None:
                    found.append(barrier.read(name, data_of(answer), answer[1]))
        return found

    def _without_barrier(self, token: int, limit: float) -> List[Operation]:
        """Operations that delete the barrier of a term."""
        return [
            ("delete", (f"{self.election_znode}/{one.name}", one.version), {})
            for one in self._barriers(limit) if token and one.token == token
        ]
