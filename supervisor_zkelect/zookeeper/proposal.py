"""A node's own proposal and its place in the queue.

Being lowest in a listing is not enough to lead, because a server may answer from the past: the proposal is also checked
by a write that the quorum acknowledges, and its owner compared with this session. Leading is still a statement about
the past; until when it may be relied upon is the business of `supervisor_zkelect.lease`.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Callable, Iterator, List, NamedTuple, NoReturn, Optional, Sequence, Tuple

from supervisor_zkelect import untrusted
from supervisor_zkelect.errors import NotConnected, NotLeader, ProposalGone, ZooKeeperFailed
from supervisor_zkelect.zookeeper.holder import StateCalls, Term
from supervisor_zkelect.zookeeper.queue import Member, Queue, QueueReader, order, sequence
from supervisor_zkelect.zookeeper.requests import ROUNDS, Operation, Requests
from supervisor_zkelect.zookeeper.watch import Watch

class Standing(NamedTuple):
    """Where this node stands.

    leads: whether its proposal exists, belongs to this session and is the lowest.
    watching: full path of the znode watched: the closest predecessor, or the own proposal when it leads.
    changed: a future that gets one short text when it is worth asking again. It is cancelled by the next
        `try_be_leader`. Its callbacks run on a thread of the client and must not block.
    place, candidates: position in the queue, from 1, and its length.
    rival: the candidate for which a node at place 1 does not lead, as that leads by another program's rule; else "".
    lasting: path of the znode watched where it is no ephemeral one, so that no session's end removes it; else "".
    """

    leads: bool
    watching: str
    changed: "Future[str]"
    place: int
    candidates: int
    rival: str = ""
    lasting: str = ""


class Proposal(NamedTuple):
    name: str
    token: int
    session: int


class Noted(NamedTuple):
    """What was written to the holder znode for this term, the version that it has by that, and when that was."""

    record: bytes
    version: int
    sent: float
    answered: float


class ProposalCalls(StateCalls):
    """The calls of an `Elector` that concern its place in the queue."""

    def __init__(
        self, requests: Requests, election_znode: str, election_ack: str, election_state: str, stem: str, data: bytes
    ) -> None:
        """stem: what the names of this election's candidates begin with, up to the digits. data: the proposal's."""
        super().__init__(requests, election_znode, election_ack, election_state)
        self._queue = QueueReader(requests, election_znode, stem)
        self._stem, self._data = stem, data
        self._mine: Optional[Proposal] = None
        #: name of the proposal that was the lowest once
        self._led: Optional[str] = None
        self._noted: Optional[Noted] = None
        self._looked: Optional[Term] = None
        self._second = self._acked = False
        self._watch: Optional[Watch] = None

    @property
    def proposal(self) -> Optional[str]:
        """Name of this node's proposal, or None."""
        return self._mine.name if self._mine else None

    @property
    def proposal_path(self) -> Optional[str]:
        """Full path of this node's proposal, or None."""
        return f"{self.election_znode}/{self._mine.name}" if self._mine else None

    @property
    def token(self) -> Optional[int]:
        """The fencing token: the proposal's czxid, which grows from term to term. None without a proposal."""
        return self._mine.token if self._mine else None

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
    def session_id(self) -> Optional[int]:
        """Id of the ZooKeeper session, or None while there is no connection."""
        return self._zk.session_id

    def describe(self, data: bytes) -> None:
        """Have the proposals that are made from now on hold this. One that stands is never written again."""
        self._data = data

    def prepare(self) -> None:
        """Make the election znode, the ack and the state with all parents. An existing ack is left as it is."""
        limit = self._zk.limit()
        self._zk.make(self.election_znode, limit)
        self._make_beside(limit)

    def create_proposal(self) -> str:
        """Join the queue and return the proposal's name; asked again, return the same name while it exists.

        A reply that was lost leaves one proposal: before each create, the children are searched for one that this
        session owns.
        """
        limit = self._zk.limit()
        while True:
            try:
                session = self._zk.session()
                found = self._own(session, limit)
                if found is None:
                    _, arguments, options = self._proposing()
                    path, stat = self._zk.ask(
                        "create the proposal", limit, self._client.create_async, *arguments, **options, include_data=True
                    )
                    found = Proposal(path.rpartition("/")[2], stat.czxid, stat.ephemeralOwner)
                    if found.session != session:
                        continue
                self._hold(found)
                return found.name
            except NotConnected:
                self._zk.reconnected(limit)

    def adopt_proposal(self) -> Optional[str]:
        """Take the proposal that this session owns already and return its name, or None when it owns none."""
        self._hold(self._own(self._zk.session(), self._zk.limit()))
        return self.proposal

    def try_be_leader(self, *, claiming: bool = False) -> Standing:
        """Whether this node leads now; if not, watch the closest predecessor, or the rival.

        claiming: `claim` or `predecessor` is called next if this node leads. That asks the quorum, so this does not, and
            `leads` is one server's word until then. What that wants to know of ack and holder is read with the queue.

        Raises ProposalGone when there is no proposal of this session: create one, and stop what ran by the old one.
        """
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
        """What `try_be_leader` returns, or None when the queue changed meanwhile. watches: one of the own proposal, to which
        others are added; the one that counts becomes `_watch`."""
        mine, watch = self._require(), watches[0]
        listed = self._client.get_children_async(self.election_znode)
        # Who was second is the first now, most likely, and asks for everything at once.
        term = self._ask_of_term(self._path(), watch.seen) if claiming and self._second else None
        names = self._queue.listed(listed, limit)
        if mine.name not in names:
            self._proposal_gone()
        own = order(mine.name)
        # The digits alone tell it of most.
        ahead = [name for name in names if name[-10:] <= own[0] and order(name) < own]
        rival = self._queue.survey(names, self.proposal, limit).rival if not ahead else ""
        leads, self._second = not ahead and not rival, len(ahead) == 1
        checked = None
        if not leads:
            watch = Watch(self._client, f"{self.election_znode}/{max(ahead, key=order) if ahead else rival}")
            watches.append(watch)
            seen = self._client.exists_async(watch.path, watch=watch.seen)
        elif claiming:
            term = term or self._ask_of_term(self._path(), watch.seen)
            seen = term.proposal
        else:
            seen = self._client.exists_async(watch.path, watch=watch.seen)
            checked = self._transact([])
        stat = self._zk.answer("watch the queue", limit, seen)
        if stat is None:
            if leads:
                self._proposal_gone()
            return None
        if leads:
            # An election znode that was made anew counts from zero again: another's proposal may have this name.
            if stat.ephemeralOwner != self._zk.session() or stat.czxid != mine.token:
                self._proposal_gone()
            if claiming:
                self._looked = self._told_of_term(term, mine.token, limit)
            else:
                self._committed("check the proposal", limit, checked)
            self._led = mine.name
        self._drop_watch(None)
        self._watch = watch
        lasting = watch.path if not leads and untrusted.lasting(stat.ephemeralOwner) else ""
        return Standing(leads, watch.path, watch.changed, len(ahead) + 1, len(names), rival, lasting)

    def look_at_queue(self) -> Queue:
        """What is foreign in the queue now. Costs one small read while the queue is the same.

        Where the queue cannot be listed, that is told as its trouble after the call that raises it, and tried again later.
        """
        return self._queue.look(self.proposal)

    def glance_at_queue(self, changed: Callable[[], None]) -> None:
        """Have `changed` called, on a thread of the client, if the queue is another than at the last `look_at_queue`. Waits
        for nothing, and says nothing where it cannot be told."""
        self._queue.glance(changed)

    def members(self) -> List[Member]:
        """The queue in order, with each candidate's data. One that leaves during the look is left out."""
        return list(self.each_member())

    def each_member(self) -> Iterator[Member]:
        """The same, one after the other: others may have put as many there as one listing tells."""
        limit = self._zk.limit()
        for name, stat, data in self._queue.look_at(self._queue.names(limit), limit):
            mine = self._mine is not None and self._mine.name == name
            yield Member(name, sequence(name), stat.ephemeralOwner, stat.czxid, mine, data)

    def others(self) -> int:
        """How many other candidates stand in the queue that some session owns. Reads no data."""
        limit = self._zk.limit()
        stats = (stat for name, stat in self._queue.stats(self._queue.names(limit), limit) if name != self.proposal)
        return sum(not untrusted.lasting(stat.ephemeralOwner) for stat in stats)

    def forget(self) -> None:
        """Drop what is known of proposal and watch, because the session is gone. Asks nothing."""
        self._drop()
        self._drop_watch("the session is gone")

    def _own(self, session: int, limit: float) -> Optional[Proposal]:
        """The proposal of this session, also one whose create was never answered. Further ones are deleted."""
        # A server that is new to this session may lag behind the create; sync makes it catch up, before it answers what is
        # asked next.
        synced = self._client.sync_async(self.election_znode)
        names = [name for name in self._queue.names(limit) if name.startswith(self._stem)]
        self._zk.answer("sync the queue", limit, synced)
        answers = [self._client.exists_async(f"{self.election_znode}/{name}") for name in names]
        own = []
        for name, answer in zip(names, answers):
            stat = self._zk.answer("look at a proposal", limit, answer)
            if stat is not None and stat.ephemeralOwner == session:
                own.append(Proposal(name, stat.czxid, session))
        for extra in own[1:]:
            self._zk.ask(
                "delete a second proposal", limit, self._client.delete_async,
                f"{self.election_znode}/{extra.name}", missing_ok=True,
            )
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
        arguments = (f"{self.election_znode}/{self._stem}", self._data)
        return "create", arguments, {"acl": self._zk.acl, "ephemeral": True, "sequence": True}

    def _proposal_gone(self) -> NoReturn:
        name = self.proposal
        self._drop()
        raise ProposalGone(f"the proposal {name} is gone; stop what ran by it, then create_proposal()")

    def _drop(self) -> None:
        self._hold(None)

    def _hold(self, mine: Optional[Proposal]) -> None:
        """Have this as the node's proposal. What is known of the term of another one goes with that."""
        if self._mine != mine:
            # First of all: on another thread a write of the former term may be about to be made.
            self._mine = None
            self._led = self._noted = self._looked = None
            self._acked = False
            self._queue.forget()
        self._mine = mine

    def _drop_watch(self, why: Optional[str]) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end(why)

    def _is_lowest(self, limit: float) -> bool:
        """Once lowest, a proposal stays lowest as long as it exists, so the queue is read only before that."""
        if self._led != self.proposal:
            names = self._queue.names(limit)
            if names[:1] == [self.proposal] and not self._queue.survey(names, self.proposal, limit).rival:
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

    def _transact(self, operations: Sequence[Operation]) -> Any:
        return self._zk.transact(self._path(), operations)

    def _committed(self, doing: str, limit: float, answer: Any) -> bool:
        """What became of a transaction, as `_commit` has it."""
        done = self._zk.committed(doing, limit, answer)
        return self._not_leader() if done is None else done

    def _not_leader(self) -> NoReturn:
        name = self.proposal
        self._drop()
        raise NotLeader(f"the proposal {name} is gone; stop what ran by it, then create_proposal()")
