"""Who stands behind, and stepping behind him: what priorities want of the queue, and the check whether somebody serves.

Only the next in line looks behind, and a primary that may hand back. While the queue is the same that costs one small read; of
one that is another, only the candidates that are new in it are read, as a proposal never changes.

All of it waits for ZooKeeper: off the listener's deciding thread.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Dict, List, NamedTuple, Optional, Tuple

from supervisor_zkelect.core import history, nodes, places, ranks, untrusted
from supervisor_zkelect.core.ranks import RankedCandidate
from supervisor_zkelect.core.roles import PRIMARY
from supervisor_zkelect.zookeeper.errors import ElectionError, NotLeader, ProposalGone, ZooKeeperFailed
from supervisor_zkelect.zookeeper.holder import Term
from supervisor_zkelect.zookeeper.orders import OrderCalls
from supervisor_zkelect.zookeeper.queue import Proposal, order
from supervisor_zkelect.zookeeper.requests import ROUNDS, Operation, data_of

#: Nodes of which it is told why nobody hands back to them.
_MOST_KEPT = 3


class Stays(ElectionError):
    """The proposal is not exchanged for another one; the message says why. Nothing is changed."""


class HandBack(NamedTuple):
    """to: whom to hand over to, None for nobody. kept: why nobody, though a better one has stood by for long enough; else
    ""."""

    to: Optional[RankedCandidate] = None
    kept: str = ""


class Stepped(NamedTuple):
    """name: of the new proposal. term: token of the holder when it was made, 0 without one."""

    name: str
    term: int


class SteppingCalls(OrderCalls):
    """The calls of an `Elector` that concern those behind it."""

    #: what stands behind, by name, and in which queue (its cversion) behind which proposal, of which priority, that was seen
    _behind: Dict[str, RankedCandidate] = {}
    _behind_in: Optional[int] = None
    _behind_mine: Optional[Proposal] = None
    _behind_own = 0

    def step_behind(self, better: str = "", node: str = "", healthy: Optional[float] = None) -> Stepped:
        """Exchange the proposal for one at the end of the queue, in one transaction. An ack that its
        primary has left is emptied with it where this node leads, and a holder that this proposal has noted is removed.

        better: name of the proposal for which, which must stand still. node: this node's name; then the control is checked, and
            a node that is to lead by order keeps its place, and to the very end nobody steps past a znode that goes with nobody's
            session. healthy: as `hand_back_to` has it; then a better one whose last term has failed is passed over for the next.
        Raises ProposalGone when there is no proposal of this session, Stays where nothing is exchanged, and Barred as `claim`.
        """
        limit = self._zk.limit()
        mine = self._require()
        if node and not better:
            self._require_none_lasting(mine, limit)
        if better and healthy is not None:
            better = self._unfailed(better, healthy)
        for number in range(ROUNDS):
            term = self._look_at_term(limit, bool(node), number > 0)
            if not term.seen:
                self._proposal_gone()
            operations = [*self._letting_pass(term, better, node, limit), *self._left_by(term, mine, limit)]
            operations += [("delete", (self.proposal_path,), {}), self._proposing()]
            try:
                if self._commit("step behind the others", limit, operations):
                    self._end_term()
                    name, self._found = self.create_proposal(), False
                    return Stepped(name, term.holder.holder.token if term.holder is not None else 0)
                if term.holder is None:
                    self._make_beside(limit)
            except NotLeader as error:
                raise ProposalGone(str(error)) from None
        raise ZooKeeperFailed("ack, holder or control changed at every look; ask again")

    def _require_none_lasting(self, mine: Proposal, limit: float) -> None:
        """Raise Stays where a znode that goes with nobody's session stands behind: nobody who steps past it ever leads."""
        own = order(mine.name)
        for name, stat in self._stats([name for name in self._names(limit) if order(name) > own], limit):
            if untrusted.lasting(stat.ephemeralOwner):
                raise Stays(f"{self.election_znode}/{name} stands behind it and goes with nobody's session; delete it")

    def _unfailed(self, better: str, healthy: float) -> str:
        """The best candidate from `better` on whose last term has not failed: such a one has gone behind the others, or would
        come to nothing again. Raises Stays where there is none."""
        names = [one.name for one in ranks.better(self._reached(), self._behind_own)]
        if better not in names:
            return better
        cleared, terms = self.read_control().cleared, history.read(self.history())
        for name in names[names.index(better):]:
            node = self._behind[name].node
            if not history.failed_last(terms, node, cleared.get(node, 0), healthy):
                return name
        raise Stays(f"the last term of {self._behind[better].node} has failed, and nothing has made that forgotten")

    def _reached(self) -> List[RankedCandidate]:
        """The candidates behind that lead one after the other."""
        return list(takewhile(lambda one: not untrusted.lasting(one.session), self._behind.values()))

    def _letting_pass(self, term: Term, better: str, node: str, limit: float) -> List[Operation]:
        """Operations that fail where the better one is gone, or what is ordered has changed."""
        operations: List[Operation] = []
        if better:
            path = f"{self.election_znode}/{better}"
            if self._zk.ask("look at a candidate", limit, self._client.exists_async, path) is None:
                raise Stays(f"{better} does not stand in the queue any more")
            operations.append(("check", (path, -1), {}))
        if not node:
            return operations
        heeded, _ = self._heeding(term, node)
        assert term.orders is not None
        orders = term.orders.control
        switchover = orders.switchover
        if switchover is not None and (switchover.to == node or switchover.begun and switchover.target == self.proposal):
            raise Stays("it is to lead by order")
        behind = self._behind.get(better)
        if behind is not None and orders.barred(behind.node, self._servers.now()) is not None:
            raise Stays(f"{behind.node} is in maintenance")
        return operations + heeded

    def _left_by(self, term: Term, mine: Proposal, limit: float) -> List[Operation]:
        """Operations on ack and holder, which fail where these have changed."""
        found = term.holder
        first = self._is_lowest(limit) and (found is None or not found.election)
        emptied = [*term.emptied] if first else []
        if found is not None and found.holder.token == mine.token:
            # Its own claim, whose answer was lost: nothing was started by it.
            return [*emptied, ("delete", (self.holder_znode, found.version), {})]
        if first and term.left is not None and not self._acked:
            return [*emptied, *self._remembering(term)]
        return [*emptied, *self._unchanged(found)]

    # Looking

    def better(self, own: int) -> List[RankedCandidate]:
        """The candidates behind this one whose priority is higher than `own`, the best first; none that stands behind a znode
        which goes with nobody's session, as whoever steps there never leads. Right behind `try_be_leader` the queue is not
        listed again."""
        limit, mine, self._behind_own = self._zk.limit(), self._mine, own
        names, self._listing = self._listing, None
        if mine is None:
            return []
        if self._behind_mine != mine:
            self._behind, self._behind_in, self._behind_mine = {}, None, mine
        # What changes between number and listing is seen at the next look, as the number is of before.
        cversion = None
        if names is None:
            stat = self._zk.ask("look at the queue", limit, self._client.exists_async, self.election_znode)
            cversion = None if stat is None else stat.cversion
            if cversion != self._behind_in:
                names = self._listed(self._client.get_children_async(self.election_znode), limit)
        if names is not None:
            own_place = order(mine.name)
            self._look_behind(sorted((name for name in names if order(name) > own_place), key=order), limit)
            self._behind_in = cversion
        return ranks.better(self._reached(), own)

    def _look_behind(self, names: List[str], limit: float) -> None:
        """Read those of these candidates, in the order of the queue, that are not known."""
        known = {name: self._behind[name] for name in names if name in self._behind}
        for name, seen, data in self._look_at([name for name in names if name not in known], limit):
            info = untrusted.document(data)
            node = untrusted.known_name(info.get("node"))
            # What does not say that it is a node of this plugin may never claim, whatever it says else.
            number = ranks.of(info) if "v" in info and node else 0
            known[name] = RankedCandidate(name, node, seen.ephemeralOwner, number, seen.ctime)
        self._behind = {name: known[name] for name in names if name in known}

    def term_in_progress(self) -> int:
        """Token of the holder, 0 without one."""
        found = self._read_holder(self._zk.limit())
        return found.holder.token if found is not None else 0

    def hand_back_to(self, own: int, stood: float, healthy: float) -> HandBack:
        """To whom this node, which leads, is to hand over for his priority.

        own: its priority. stood: seconds for which he must have stood by. healthy: seconds for which a term must have served to
        make an earlier failure forgotten.
        """
        limit = self._zk.limit()
        found = self._read_holder(limit)
        better = self.better(own)
        if not better or found is None or found.order:
            # Nobody is better, or this term began by an order, which it would undo.
            return HandBack()
        shown = self.server_time()
        orders = self._read_orders(limit).control
        if orders.trouble or orders.switchover is not None or orders.restart is not None:
            return HandBack()
        terms, kept = history.read(self.history()), []
        if history.given_up(terms, found.holder.token):
            return HandBack(None, "an operator gave up the term before this one, where the better node may have led")
        for one in better:
            aside = orders.barred(one.node, shown) is not None or shown - one.made < 1000 * stood
            failed = history.failed_last(terms, one.node, orders.cleared.get(one.node, 0), healthy)
            if aside:
                # That is over at a time, or by an order.
                continue
            unfit = "" if failed else self._unfit_of(one.node, one.session, limit, True)
            if not failed and not unfit:
                return HandBack(one)
            kept.append(f"{one.node}: {f'not fit: {unfit}' if unfit else 'its last term has failed'}")
        return HandBack(None, ", ".join(kept[:_MOST_KEPT]))

    def serving(self) -> int:
        """Token of another node that leads the queue, is acked, and says that it is primary and that nothing is amiss; 0 without
        one. Of one that says nothing of itself, as another program's, the ack is enough: a primary that stops, or whose service
        is sick, has an ack until its release."""
        limit = self._zk.limit()
        names, ack = self._names(limit), self.read_ack()
        if not names or not ack or names[0] == self.proposal:
            return 0
        stat = self._zk.ask("look at the first", limit, self._client.exists_async, f"{self.election_znode}/{names[0]}")
        found = self._read_holder(limit)
        # Another implementation notes no holder.
        if stat is None or found is not None and found.holder.token != stat.czxid:
            return 0
        if found is not None and found.holder.node and not self._says_it_serves(found.holder.node, stat.ephemeralOwner, limit):
            return 0
        return int(stat.czxid)

    def _says_it_serves(self, node: str, session: int, limit: float) -> bool:
        found = self._zk.read("read a node's entry", limit, f"{places.nodes_of(self.election_state)}/{node}")
        if found is None:
            return True
        entry = nodes.read(data_of(found))
        return entry.session == f"{session:x}" and entry.state == PRIMARY and not entry.trouble


def first_of(found: List[RankedCandidate]) -> Tuple[str, str]:
    """Proposal and node of the best candidate; "" where there is none."""
    return (found[0].name, found[0].node) if found else ("", "")
