"""The claim of a term: what who leads writes before anything is started, and what operators have against it.

The transaction checks the control znode's version beside the proposal, so that an order counts from the moment at which it is
written: it comes before the claim, which is refused then, or after it.
"""

from __future__ import annotations

import logging
from typing import Any, List, Optional, Tuple

from supervisor_zkelect.core import control
from supervisor_zkelect.core.control import Switchover
from supervisor_zkelect.zookeeper import arguments
from supervisor_zkelect.zookeeper.errors import AccessDenied, AnotherElection, Barred, ZooKeeperFailed
from supervisor_zkelect.zookeeper.holder import Holder, Term
from supervisor_zkelect.zookeeper.requests import ROUNDS, Operation
from supervisor_zkelect.zookeeper.term import TermCalls

log = logging.getLogger(__name__)


class ClaimCalls(TermCalls):
    """The calls of an `Elector` that begin a term."""

    def predecessor(self, fenced: Optional[int] = None, node: str = "") -> Optional[Holder]:
        """The holder of a term that was not released, whose ack is emptied by this; None when there is none.

        For who has something to do against it before `claim` takes the holder over. One that noted no holder itself, and
        left its ack, has the token 0 and no node.
        fenced: token of the one against which that was done already; it is passed over, and there may be another one. node: this
            node's name, by which an order may keep it from leading.
        Raises NotLeader as `ack_leader` does, Barred and AnotherElection as `claim` does, the latter also where
        the ack that this has emptied in this term holds something again: whoever wrote it does not stand in this election.
        """
        arguments.token("fenced", fenced)
        limit = self._zk.limit()
        self._require_lead(limit)
        for number in range(ROUNDS):
            term = self._look_at_led_term(limit, True, number > 0)
            found = term.holder
            if found is not None and (found.holder.token == self.token or self._is_another(found, limit)):
                return None
            if found is None and term.left is None:
                return None
            if found is not None and found.seen == self.token and term.left is not None:
                raise AnotherElection(
                    f"{self.election_ack} is written by somebody who does not stand in {self.election_znode}; give each "
                    "election an election_ack and an election_state of its own"
                )
            if found is not None and found.holder.token == fenced:
                if not found.after:
                    return None
                left, operations = Holder("", 0, found.after), [self._unknown(found.version, found.after)]
            else:
                left = Holder("", 0, term.left or "") if found is None else found.holder
                operations = self._remembering(term)
            heeded, _ = self._heeding(term, node)
            done, beside = self._committed_beside(
                "empty the ack", limit, self._transact([*term.emptied, *operations, *heeded]), self.control_znode
            )
            if done and _is_same(term, beside):
                return left
            if found is None:
                self._make_beside(limit)
        raise ZooKeeperFailed("ack or holder changed at every look; ask again")

    def claim(self, node: str, address: str, *, adopting: bool = False) -> Optional[Holder]:
        """Begin a term: empty the ack and note this node as holder, in one transaction that checks the proposal, and that no
        order of an operator keeps the node from leading. An order that led to this term is removed by it, where this node may do
        so, and is `led_to` then.

        Where this very term was claimed before, the ack stays as it is, so does the holder unless the address is another, and
        the proposal is checked. adopting: such a term is gone on with, whatever has been ordered since.

        Returns the holder that a predecessor left, which means that it ended dirty, else None. Who left an ack and no holder
        has the token 0 and no node.
        Raises NotLeader as `ack_leader` does, Barred where an order keeps this node from leading or the control cannot be used,
        and AnotherElection where the holder is another election's in which candidates stand, or may.
        """
        node, address = arguments.node(node), arguments.address(address)
        arguments.flag("adopting", adopting)
        limit = self._zk.limit()
        self._require_lead(limit)
        token, refuted = self._require().token, False
        for number in range(ROUNDS):
            term = self._look_at_led_term(limit, True, number > 0)
            assert term.orders is not None
            found, left = term.holder, term.left
            mine = found is not None and found.holder.token == token
            another = found if found is not None and not mine and self._is_another(found, limit) else None
            same = found is not None and found.holder == Holder(node, token, address)
            operations = [] if mine else term.emptied
            heeded, led_to = ([], None) if adopting else self._heeding(term, node, token, mine and not refuted)
            ordered = led_to.order.id if led_to is not None else found.order if found is not None and mine else ""
            if led_to is not None:
                self._removing = led_to
            elif ordered and self._removing is not None and self._removing.order.id == ordered:
                led_to = self._removing
            record = self._record(node, token, address, order=ordered)
            try:
                done, beside = self._noted_as(record, found, same, limit, [*operations, *heeded], self.control_znode)
            except AccessDenied:
                if led_to is None:
                    raise
                # Somebody is to lead, also where nobody may take the order out: it has ended its term, or ends none any more
                # once it is told what came of it.
                kept: Operation = ("check", (self.control_znode, term.orders[0].stamp.version), {})
                done, beside = self._noted_as(record, found, same, limit, [*operations, kept], self.control_znode)
            self._led_to = led_to if done and led_to is not None else self._led_to
            if done and (adopting or _is_same(term, beside)):
                if another is not None:
                    log.warning("%s was that of %s, another election in which nobody stands any more, and is replaced",
                                self.holder_znode, another.election)
                if found is not None:
                    return None if mine or another is not None else found.holder
                return None if left is None else Holder("", 0, left)
            # What was claimed past orders that were not read is no term, though its holder stands.
            refuted = refuted or done
        raise ZooKeeperFailed("ack or holder changed at every look; ask again")

    def _heeding(
        self, term: Term, node: str, token: int = 0, mine: bool = False
    ) -> Tuple[List[Operation], Optional[Switchover]]:
        """Operations that fail where the control has changed since it was read, and the order that they remove. token: of a term
        that is claimed by them, so that the order that led to it is removed. mine: it was claimed before, and goes on in a
        pause. Raises Barred where the control keeps the node from leading."""
        assert term.orders is not None
        found, data = term.orders
        bar = found.barred(node, self._servers.now())
        if bar is not None:
            raise Barred(bar.why)
        halted = "" if mine else found.halted(token)
        if halted:
            raise Barred(halted)
        if found.stamp == control.Stamp():
            return [("create", (self.control_znode,), {"acl": self._zk.acl})], None
        led_to = control.led_to(found, node, token) if token else None
        if led_to is None:
            return [("check", (self.control_znode, found.stamp.version), {})], None
        try:
            changed = control.amended(data, self._servers.now(), control.end_switchover)
        except control.Unusable as error:
            raise Barred(str(error)) from None
        return [("set_data", (self.control_znode, changed, found.stamp.version), {})], led_to

    def _unknown(self, version: int, address: str) -> Operation:
        """The operation that makes an unknown node the holder."""
        return "set_data", (self.holder_znode, self._record("", 0, address, seen=self.token), version), {}


def _is_same(term: Term, stat: Any) -> bool:
    """Whether the control is still the znode that was read: another one made in its place counts its versions from zero again,
    and an order in it was not seen."""
    assert term.orders is not None
    found = term.orders.control.stamp
    return found == control.Stamp() or stat is not None and stat.czxid == found.czxid
