"""A term: what only who leads may write.

A predecessor that notes no holder, as the Go elector, leaves its ack. Before that is emptied, a holder of an unknown node is
noted for it, so that nobody forgets that something of it may run.

A transaction checks a proposal by its name, and where an election znode was made anew, another's may bear it. So what
belongs to a term is written in a transaction that checks the holder znode's version too, read before the proposal was
last seen to be this node's: whoever leads by the same name has claimed its own term first, and that changes the holder.
Where the holder was removed by hand as well, versions begin anew and may be the same. What ends a term is never written by
a version that this node knows from its own write alone, since it may have waited on a link that stood still; the ack is,
and whose it is then writes it again.
"""

from __future__ import annotations

import json
import logging
from typing import Any, List, Optional, Sequence, Tuple, Union

from supervisor_zkelect.core import places, untrusted
from supervisor_zkelect.core.control import Control
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments, barrier
from supervisor_zkelect.zookeeper.errors import AccessDenied, NotLeader, ProposalGone, ZooKeeperFailed
from supervisor_zkelect.zookeeper.holder import Holder, HolderZnode, Term
from supervisor_zkelect.zookeeper.proposal import ProposalCalls, WrittenHolder
from supervisor_zkelect.zookeeper.requests import MISSING, ROUNDS, Operation

log = logging.getLogger(__name__)


class TermCalls(ProposalCalls):
    """The calls of an `Elector` that write: they begin, keep and end a term."""

    def ack_leader(self, info: Union[str, bytes]) -> None:
        """Write the ack in one transaction that checks the proposal.

        info: what clients shall read, such as "10.0.0.5:8080".
        Raises NotLeader when this node's proposal is missing or not the lowest; the ack is untouched then.
        """
        self._write_ack(arguments.information(info), self._zk.limit())

    def clear_ack(self) -> None:
        """Empty the ack, checked as `ack_leader` does. Raises NotLeader as that does."""
        self._write_ack(b"", self._zk.limit())

    def repair(self, info: Union[str, bytes], address: Optional[str] = None) -> None:
        """Write holder and ack of the claimed term again, in one transaction that checks the proposal.

        address: the one that the holder gets, by default the one that it was claimed with.
        Raises NotLeader as `ack_leader` does, and AnotherElection as `claim` does.
        """
        data, limit = arguments.information(info), self._zk.limit()
        address = None if address is None else arguments.address(address)
        self._require_lead(limit)
        if self._noted is None:
            self._write_ack(data, limit)
            return
        claimed = json.loads(self._noted.record)
        claimed["address"] = claimed["address"] if address is None else address
        record = json.dumps(claimed).encode("utf-8")
        for _ in range(ROUNDS):
            found = self._look_at_led_term(limit).holder
            same = found is not None and found.holder == Holder(claimed["node"], claimed["token"], claimed["address"])
            if found is not None and not same:
                self._is_another(found, limit)
            if self._note(record, found, same, limit, [("set_data", (self.election_ack, data), {})]):
                return
            self._make_beside(limit)
        raise ZooKeeperFailed("ack or holder changed at every look; ask again")

    def release(self, dirty: bool = False, successor: str = "") -> None:
        """End the term cleanly, in one transaction: empty the ack, remove one's own holder, delete the proposal.

        dirty: the holder stays, because something of the term may still run. successor: name of the proposal that is to lead:
        those that stand before it are deleted, too, and their nodes propose anew. Where it is gone, nothing of that happens.
        Without one it is that to which the term was begun to be switched over, whatever else ends it.

        For a node that stands in the queue without leading, ack and holder are left alone. An ack without a holder that is
        not known to be this node's own is emptied, and noted as a holder of an unknown node.
        Raises ProposalGone when the proposal had gone before; the others then see a dirty end if a holder is left.
        """
        self._leave("release the term", ack=True, holder=not arguments.flag("dirty", dirty), successor=successor)

    def withdraw(self) -> None:
        """Leave the queue, wherever this node stands in it; ack and holder stay. Nothing happens without a proposal."""
        if self._mine is not None:
            try:
                self._leave("delete the proposal", ack=False, holder=False)
            except ProposalGone as error:
                log.info("%s", error)
            except AccessDenied:
                # The holder is out of reach, so this is as sure as it can be that the proposal is this node's.
                limit = self._zk.limit()
                if self._seen(limit):
                    self._zk.ask("delete the proposal", limit, self._client.delete_async, self.proposal_path, ok=MISSING)
                self._end_term()

    def _leave(self, doing: str, ack: bool, holder: bool, successor: str = "") -> None:
        """Delete the proposal; ack, holder: empty one's own ack, remove one's own holder with it. successor: as `release` has
        it."""
        limit = self._zk.limit()
        mine = self._require()
        path = f"{self.election_znode}/{places.barrier_of(mine.name)}"
        for number in range(ROUNDS):
            asked = self._ask_about_term(True, number > 0)
            # Behind the control with the consent for which it was made: a server that lags never shows the consent alone then.
            beside = self._client.exists_async(path)
            term = self._hear_of_term(asked, limit)
            found = term.holder
            if not term.seen:
                self._proposal_gone()
            own = found.holder.token == mine.token if found is not None else ack and self._is_lowest(limit)
            own = own and (found is None or not found.election)
            operations = [*term.emptied] if ack and own else []
            others = term.left is not None and not (self._noted or self._acked)
            if ack and own and others and found is None:
                operations += self._remembering(term)
            elif found is not None and holder and own:
                operations.append(("delete", (self.holder_znode, found.version), {}))
            else:
                operations += self._unchanged(found)
            operations.append(("delete", (self.proposal_path,), {}))
            assert term.orders is not None
            heir = (successor or _heir(term.orders[0], mine.token)) if ack else ""
            if heir and (own or self._is_lowest(limit)):
                operations += self._making_way(heir, limit)
            stat = self._zk.answer("look at the barrier", limit, beside)
            operations += barrier.withdrawing(term.orders, self.control_znode, stat, mine.token, path, self._servers.now())
            try:
                if self._commit(doing, limit, operations):
                    self._end_term()
                    return
                if found is None:
                    self._make_beside(limit)
            except NotLeader as error:
                raise ProposalGone(str(error)) from None
        raise ZooKeeperFailed("ack or holder changed at every look; ask again")

    def _making_way(self, successor: str, limit: float) -> List[Operation]:
        """Operations that delete the proposals between this node's, which leads, and the successor's. What goes with nobody's
        session is left alone."""
        names = self._names(limit)
        if self.proposal not in names or successor not in names:
            return []
        between = names[names.index(self.proposal) + 1:names.index(successor)]
        operations: List[Operation] = [("check", (f"{self.election_znode}/{successor}", -1), {})]
        return operations + [
            ("delete", (f"{self.election_znode}/{name}", -1), {})
            for name, stat in self._stats(between, limit) if not untrusted.lasting(stat.ephemeralOwner)
        ]

    def _unchanged(self, found: Optional[HolderZnode]) -> List[Operation]:
        """Operations that fail where the holder znode has changed since it was read."""
        if found is not None:
            return [("check", (self.holder_znode, found.version), {})]
        # There is no check for a znode that does not exist.
        return [("create", (self.holder_znode,), {"acl": self._zk.acl}), ("delete", (self.holder_znode,), {})]

    def _require_lead(self, limit: float) -> None:
        if self._mine is None:
            raise NotLeader("this node has no proposal; create_proposal() makes one")
        if not self._is_lowest(limit):
            raise NotLeader(f"{self.proposal} is not the lowest proposal; wait for try_be_leader().changed")

    def _write_ack(self, data: bytes, limit: float) -> None:
        self._require_lead(limit)
        if self._noted is None:
            self._write_unclaimed(data, limit)
            return
        for _ in range(ROUNDS):
            operations: List[Operation] = [("set_data", (self.election_ack, data), {})]
            if self._noted is not None:
                operations.append(("check", (self.holder_znode, self._noted.version), {}))
            if self._commit("write the ack", limit, operations):
                self._acked = True
                return
            self._make_beside(limit)
            self._note_again(limit)
        raise ZooKeeperFailed(f"{self.election_ack} vanished at every look; ask again")

    def _write_unclaimed(self, data: bytes, limit: float) -> None:
        """Write the ack of a term that has no holder to check. By what is read with the proposal nobody has led by its name
        since who wrote an ack or noted a holder."""
        for _ in range(ROUNDS):
            term = self._look_at_term(limit)
            if not term.seen:
                self._not_leader()
            if term.version is None:
                self._make_beside(limit)
                continue
            operations: List[Operation] = [("set_data", (self.election_ack, data, term.version), {})]
            operations += self._unchanged(term.holder)
            if self._check("write the ack", limit, operations):
                self._acked = True
                return
            if term.holder is None:
                self._make_beside(limit)
        raise ZooKeeperFailed(f"{self.election_ack} or {self.holder_znode} changed at every look; ask again")

    def _look_at_term(self, limit: float, orders: bool = False, again: bool = False) -> Term:
        """orders: look at the control, too. again: a server that lags behind has shown what is over, maybe."""
        return self._hear_of_term(self._ask_about_term(orders, again), limit)

    def _ask_about_term(self, orders: bool, again: bool) -> Tuple[Any, Any]:
        """What was asked, for `_hear_of_term`: a sync where there is one, and the rest."""
        synced = self._client.sync_async(self.control_znode) if again else None
        return synced, self._ask_of_term(self._path(), None, orders)

    def _hear_of_term(self, asked: Tuple[Any, Any], limit: float) -> Term:
        synced, rest = asked
        if synced is not None:
            self._zk.answer("sync the control", limit, synced)
        return self._told_of_term(rest, self._require().token, limit)

    def _look_at_led_term(self, limit: float, orders: bool = False, again: bool = False) -> Term:
        """The same, or what `try_be_leader` has just seen. Raises NotLeader when the proposal is gone."""
        term, self._looked = self._looked or self._look_at_term(limit, orders, again), None
        if not term.seen:
            self._not_leader()
        return term

    def _note(
        self, record: bytes, found: Optional[HolderZnode], mine: bool, limit: float, operations: List[Operation],
    ) -> bool:
        """Write the holder, unless it is this term's already, and do `operations`. False when it has changed."""
        return self._noted_as(record, found, mine, limit, operations)[0]

    def _noted_as(
        self, record: bytes, found: Optional[HolderZnode], mine: bool, limit: float, operations: Sequence[Operation],
        beside: str = "",
    ) -> Tuple[bool, Any]:
        """The same, and the stat of the znode `beside` as it is right after that; None where there is none."""
        change: Operation
        if found is None:
            version, change = 0, ("create", (self.holder_znode, record), {"acl": self._zk.acl})
        elif mine:
            version, change = found.version, ("check", (self.holder_znode, found.version), {})
        else:
            version, change = found.version + 1, ("set_data", (self.holder_znode, record, found.version), {})
        sent = now()
        done, looked = self._committed_beside("note the holder", limit, self._transact([*operations, change]), beside)
        if done:
            self._noted = WrittenHolder(record, version, sent, now())
        elif found is None:
            # Its parent may be missing, too.
            self._make_beside(limit)
        return done, looked

    def _committed_beside(self, doing: str, limit: float, answer: Any, beside: str) -> Tuple[bool, Any]:
        """The outcome of a transaction that was just sent, and the stat of a znode as it is right after that; None where there is
        none, or where beside is ""."""
        looked = self._client.exists_async(beside) if beside else None
        done = self._committed(doing, limit, answer)
        return done, None if looked is None else self._zk.answer("look at a znode", limit, looked)

    def _note_again(self, limit: float) -> None:
        """Restore the claimed term's holder as it was written, whoever changed it."""
        for _ in range(ROUNDS):
            if self._noted is None:
                return
            found = self._look_at_led_term(limit).holder
            mine = found is not None and found.holder.token == self.token
            if found is not None and not mine:
                self._is_another(found, limit)
            if self._note(self._noted.record, found, mine, limit, []):
                return
        raise ZooKeeperFailed("the holder changed at every look; ask again")

    def _remembering(self, term: Term) -> List[Operation]:
        """Operations that, with the emptying of the ack, make the holder name all who may have left something running. A term
        with neither holder nor ack leaves nothing."""
        found = term.holder
        if found is None:
            return [("create", (self.holder_znode, self._record("", 0, term.left or "", seen=self.token)), {"acl": self._zk.acl})]
        unknown = found.holder.token == 0 and found.seen != self.token
        if not term.unnoted and not unknown:
            return [("check", (self.holder_znode, found.version), {})]
        record = self._record(*found.holder, seen=self.token, after=term.unnoted or found.after)
        return [("set_data", (self.holder_znode, record, found.version), {})]


def _heir(orders: Control, token: int) -> str:
    """Name of the proposal to which the term `token` was begun to be switched over; "" for none."""
    ordered = orders.switchover
    return ordered.target if ordered is not None and ordered.begun == token else ""
