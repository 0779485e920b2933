"""A node's own proposal and its place in the queue.

Being lowest in a listing is not enough to lead, because a server may answer from the past: the proposal is also checked
by a write that the quorum acknowledges, and its owner compared with this session. Leading is still a statement about
the past; until when it may be relied upon is the business of `supervisor_zkelect.core.lease`.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Callable, List, NamedTuple, NoReturn, Optional, Sequence, Tuple

from supervisor_zkelect.core import places, untrusted
from supervisor_zkelect.core.control import Switchover
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments, seats
from supervisor_zkelect.zookeeper.errors import ElectionError, NotConnected, NotLeader, ProposalGone, ZooKeeperFailed
from supervisor_zkelect.zookeeper.holder import Term
from supervisor_zkelect.zookeeper.proof import Proof
from supervisor_zkelect.zookeeper.queue import Proposal, Queue, QueueCalls, order
from supervisor_zkelect.zookeeper.renewal import Renewal
from supervisor_zkelect.zookeeper.requests import MISSING, ROUNDS, Operation, Requests
from supervisor_zkelect.zookeeper.server_clock import ServerClock
from supervisor_zkelect.zookeeper.watch import Watch


class Standing(NamedTuple):
    """Where this node stands. True exactly when it leads, so that `if elector.try_be_leader():` is right.

    leads: whether its proposal exists, belongs to this session and is the lowest.
    watching: full path of the znode watched: the closest predecessor, or the own proposal when it leads.
    changed: a future that gets one short text when it is worth asking again. It is cancelled by the next
        `try_be_leader`. Its callbacks run on a thread of the client and must not block.
    place, candidates: position in the queue, from 1, and its length.
    rival: the candidate for which a node at place 1 does not lead, as that leads by another program's rule; else "".
    lasting: path of the znode watched where it is no ephemeral one, so that no session's end removes it; else "". paused: the
    znode watched is the barrier of a pause instead, which goes when that ends. ahead: id of the session that owns the closest
    predecessor; 0 where this node leads.
    """

    leads: bool
    watching: str
    changed: Future[str]
    place: int
    candidates: int
    rival: str = ""
    lasting: str = ""
    paused: bool = False
    ahead: int = 0

    def __bool__(self) -> bool:
        # A tuple is true by its length.
        return self.leads


class WrittenHolder(NamedTuple):
    """The record written to the holder znode for this term, the version this gave it, and when it was written."""

    record: bytes
    version: int
    sent: float
    answered: float


class ProposalCalls(QueueCalls):
    """The calls of an `Elector` that concern its own place in the queue."""

    def __init__(self, requests: Requests, where: arguments.Places, data: bytes) -> None:
        """data: the proposal's."""
        super().__init__(requests, where)
        #: of the next proposal, and of the one that was asked for last
        self._data = self._proposed = data
        #: name of the proposal that was the lowest once
        self._led: Optional[str] = None
        self._noted: Optional[WrittenHolder] = None
        self._looked: Optional[Term] = None
        self._second = self._acked = False
        self._led_to: Optional[Switchover] = None
        #: the one that a claim was to remove whose answer may have been lost
        self._removing: Optional[Switchover] = None
        self._found = False
        #: the queue as it was just listed, where nobody or one stands before this node
        self._listing: Optional[List[str]] = None
        self._watch: Optional[Watch] = None
        #: until when leading is proven, where that can be told
        self._proof: Optional[Proof] = None
        self._servers = ServerClock()
        self._lost: Optional[Callable[[str], object]] = None
        self._renewal: Optional[Renewal] = None

    @property
    def claimed(self) -> Optional[Tuple[float, float]]:
        """When the transaction that claimed the term was sent, and when its answer had come, in seconds of CLOCK_BOOTTIME.
        None before that. By it the quorum has checked the proposal."""
        return (self._noted.sent, self._noted.answered) if self._noted else None

    @property
    def acked_since(self) -> bool:
        """Whether somebody wrote the ack since the proposal was made, as `try_be_leader(claiming=True)` has seen it."""
        return self._mine is not None and self._looked is not None and self._looked.acked > self._mine.token

    @property
    def led_to(self) -> Optional[Switchover]:
        """The order of an operator that led to the claimed term, and was removed from the control by the claim."""
        return self._led_to

    @property
    def found(self) -> bool:
        """Whether the proposal stood there already when `create_proposal` was asked for one."""
        return self._found

    @property
    def proposed(self) -> bytes:
        """The data of the proposal that was asked for last, which a change of `data` since does not reach."""
        return self._proposed

    @property
    def data(self) -> bytes:
        """The data of proposals made from now on."""
        return self._data

    def describe(self, data: bytes) -> None:
        """Use this data for proposals made from now on. One that stands is never written again."""
        self._data = arguments.data("data", data)

    def prepare(self) -> None:
        """Make the election znode, the ack and the state with all parents. An existing ack is left as it is."""
        limit = self._zk.limit()
        self._zk.make(self.election_znode, limit)
        self._make_beside(limit)

    def create_proposal(self) -> str:
        """Join the queue and return the proposal's name; asked again, return the same name while it exists.

        A reply that was lost leaves one proposal: before each create, the children are searched for one that this
        session owns. Raises BadArgument while another elector of this client has its proposal here.
        """
        limit = self._zk.limit()
        while True:
            try:
                seats.take(self._client, self.election_znode, self)
                session = self._zk.session()
                found = self._own(session, limit)
                self._found = found is not None
                if found is None:
                    _, arguments, options = self._proposing()
                    path, stat = self._zk.ask(
                        "create the proposal", limit, self._client.create_async, *arguments, **options, include_data=True
                    )
                    self._servers.heard(stat.ctime, now())
                    found = Proposal(path.rpartition("/")[2], stat.czxid, stat.ephemeralOwner)
                    if found.session != session:
                        continue
                self._hold(found)
                return found.name
            except NotConnected:
                self._zk.reconnected(limit)

    def adopt_proposal(self) -> Optional[str]:
        """Take the proposal that this session owns already and return its name, or None when it owns none. Raises BadArgument as
        `create_proposal` does."""
        limit = self._zk.limit()
        seats.take(self._client, self.election_znode, self)
        self._hold(self._own(self._zk.session(), limit))
        return self.proposal

    def try_be_leader(self, *, claiming: bool = False) -> Standing:
        """Whether this node leads now; if not, watch the closest predecessor, or the rival.

        claiming: `claim` or `predecessor` is called next if this node leads. That asks the quorum, so this does not, and
            `leads` is one server's word until then. What that wants to know of ack and holder is read with the queue.

        Raises ProposalGone when there is no proposal of this session: create one, and stop what ran by the old one.
        """
        arguments.flag("claiming", claiming)
        limit = self._zk.limit()
        self._looked = None
        for _ in range(ROUNDS):
            watches = [Watch(self._client, self._path(), self._require().token)]
            try:
                standing = self._stand(watches, claiming, limit)
            finally:
                # Those that nobody is told of would be asked for again after each reconnect.
                for watch in watches:
                    if watch is not self._watch:
                        watch.end(None)
            if standing is not None:
                return standing
        raise ZooKeeperFailed("the queue changed at every look; ask again")

    def _stand(self, watches: List[Watch], claiming: bool, limit: float) -> Optional[Standing]:
        """The result of `try_be_leader`, or None when the queue changed meanwhile. watches: one of the own proposal, to which
        others are added; the one that counts becomes `_watch`."""
        mine, watch = self._require(), watches[0]
        listed = self._client.get_children_async(self.election_znode)
        # Who was second is the first now, most likely, and asks for everything at once.
        term = self._ask_of_term(self._path(), watch.seen, True) if claiming and self._second else None
        names = self._listed(listed, limit)
        if mine.name not in names:
            self._proposal_gone()
        own = order(mine.name)
        # The digits alone tell it of most.
        ahead = [name for name in names if name[-10:] <= own[0] and order(name) < own]
        rival = self._survey(names, limit).rival if not ahead else ""
        leads, self._second = not ahead and not rival, len(ahead) == 1
        self._listing = names if leads or self._second else None
        if not leads:
            watch = Watch(self._client, f"{self.election_znode}/{max(ahead, key=order) if ahead else rival}")
            watches.append(watch)
            seen = self._client.exists_async(watch.path, watch=watch.seen)
        elif claiming:
            term = term or self._ask_of_term(self._path(), watch.seen, True)
            seen = term.proposal
        else:
            # In this order, as what a server shows after it knows of the check is no older than that.
            sent, checked = now(), self._transact([])
            seen = self._client.exists_async(watch.path, watch=watch.seen)
        stat = self._zk.answer("watch the queue", limit, seen)
        if stat is None:
            if leads:
                self._proposal_gone()
            return None
        if leads:
            # An election znode that was made anew counts from zero again: another's proposal may have this name.
            if stat.ephemeralOwner != self._zk.session() or stat.czxid != mine.token:
                self._proposal_gone()
            if term is not None:
                self._looked = self._told_of_term(term, mine.token, limit)
            else:
                self._committed("check the proposal", limit, checked)
                if self._proof is not None:
                    self._proof.checked(mine.session, mine.token, sent, now())
            self._led = mine.name
            if self._lost is not None:
                self._renew()
        self._drop_watch(None)
        self._watch = watch
        lasting = watch.path if not leads and untrusted.lasting(stat.ephemeralOwner) else ""
        paused = bool(lasting) and places.is_barrier(lasting)
        owner = 0 if leads or lasting or rival else stat.ephemeralOwner
        return Standing(
            leads, watch.path, watch.changed, len(ahead) + 1, len(names), rival, "" if paused else lasting, paused, owner
        )

    def forget(self) -> None:
        """Drop what is known of proposal and watch, because the session is gone. Asks nothing."""
        self._hold(None)
        self._drop_watch("the session is gone")

    def _own(self, session: int, limit: float) -> Optional[Proposal]:
        """The proposal of this session, also one whose create was never answered. Further ones are deleted."""
        own = self._of_session(session, limit)
        for extra in own[1:]:
            path = f"{self.election_znode}/{extra.name}"
            self._zk.ask("delete a second proposal", limit, self._client.delete_async, path, ok=MISSING)
        return own[0] if own else None

    def _require(self) -> Proposal:
        mine = self._mine
        if mine is None:
            raise ProposalGone("this node has no proposal; create_proposal() makes one")
        return mine

    def _path(self) -> str:
        """`proposal_path`, which may be gone at any time. Raises ProposalGone."""
        return f"{self.election_znode}/{self._require().name}"

    def _proposing(self) -> Operation:
        self._proposed = self._data
        arguments = (f"{self.election_znode}/{self._stem}", self._proposed)
        return "create", arguments, {"acl": self._zk.acl, "ephemeral": True, "sequence": True}

    def _proposal_gone(self) -> NoReturn:
        name = self.proposal
        self._hold(None)
        raise ProposalGone(f"the proposal {name} is gone; stop what ran by it, then create_proposal()")

    def _end_term(self) -> None:
        """Hold no proposal, as this node wants it, and watch nothing for it: nobody is told that leading is lost."""
        if self._renewal is not None:
            self._renewal.end()
        self._hold(None)
        self._drop_watch("the proposal was given up")

    def _hold(self, mine: Optional[Proposal]) -> None:
        """Make this the node's proposal, and forget the term of another one."""
        if self._mine != mine:
            # First of all: on another thread a write of the former term may be about to be made.
            self._mine = None
            if self._renewal is not None:
                self._renewal.gone("the proposal or its session is gone")
                self._renewal = None
            self._led = self._noted = self._looked = self._led_to = self._removing = None
            self._acked = False
            # What is foreign depends on the own proposal.
            self._foreign = None, Queue("", "")
        if mine is None:
            seats.leave(self._client, self.election_znode, self)
        self._mine = mine

    def _drop_watch(self, why: Optional[str]) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end(why)

    def _is_lowest(self, limit: float) -> bool:
        """Once lowest, a proposal stays lowest as long as it exists, so the queue is read only before that."""
        if self._led != self.proposal:
            names = self._names(limit)
            if names[:1] == [self.proposal] and not self._survey(names, limit).rival:
                self._led = self.proposal
        return self._led == self.proposal

    def _seen(self, limit: float) -> bool:
        """Whether the server at hand has this node's very proposal, and not another's of its name."""
        return self._is_mine(self._zk.ask("look at the proposal", limit, self._client.exists_async, self.proposal_path))

    def _is_mine(self, stat: Any) -> bool:
        return stat is not None and stat.czxid == self._require().token

    def _commit(self, doing: str, limit: float, operations: List[Operation]) -> bool:
        """Check the proposal and do `operations` at once. False when one of them met a change and nothing was done.

        Raises NotLeader when the proposal is gone.
        """
        return self._committed(doing, limit, self._transact(operations))

    def _check(self, doing: str, limit: float, operations: Sequence[Operation] = ()) -> bool:
        """As `_commit`, for this node's very proposal: raises NotLeader, too, where another's of its name stands there."""
        mine, sent = self._require(), now()
        answer = self._transact(operations)
        # No older than what the transaction has met.
        seen = self._client.exists_async(self._path())
        done = self._committed(doing, limit, answer)
        if not self._is_mine(self._zk.answer("look at the proposal", limit, seen)):
            self._not_leader()
        if done and self._proof is not None:
            self._proof.checked(mine.session, mine.token, sent, now())
        return done

    def _renew(self) -> None:
        """Start to check the proposal, and to call `lost` when leading can no longer be proven."""
        mine, renewal = self._require(), self._renewal
        if self._proof is None or renewal is not None and renewal.token == mine.token and not renewal.why:
            return
        timeout = self._proof.timeout
        assert timeout is not None
        try:
            self._renewal = Renewal(self._client, self._path(), mine.token, mine.session, timeout, self._proof, self._lost)
        except RuntimeError as error:
            raise ElectionError(f"leading cannot be watched over: {error}; let this process have more threads") from None

    def _transact(self, operations: Sequence[Operation]) -> Any:
        return self._zk.transact(self._path(), operations)

    def _committed(self, doing: str, limit: float, answer: Any) -> bool:
        """The outcome of a transaction, as `_commit` returns it."""
        done = self._zk.committed(doing, limit, answer)
        return self._not_leader() if done is None else done

    def _not_leader(self) -> NoReturn:
        name = self.proposal
        self._hold(None)
        raise NotLeader(f"the proposal {name} is gone; stop what ran by it, then create_proposal()")
