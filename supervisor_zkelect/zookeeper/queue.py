"""The queue of an election: who stands in it, in which order, and who does not belong there. Only reads.

Candidates are the children of the election znode whose names end in ten digits, whoever made them; the lowest number
leads. The digits are ZooKeeper's own counter, a signed 32-bit number: an election znode is to be made anew before 2^31
proposals were made below it. Other children are ignored, and said once in the log. Candidates of programs that have
another order (`strangers.py`) may lead by that: while one does, as far as it is known, this node does not.
"""

from __future__ import annotations

import itertools
import logging
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from supervisor_zkelect.core import places, untrusted
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments, strangers
from supervisor_zkelect.zookeeper.errors import AccessDenied, ElectionError
from supervisor_zkelect.zookeeper.holder import StateCalls
from supervisor_zkelect.zookeeper.requests import MISSING, Requests, data_of

log = logging.getLogger(__name__)

#: Strangers in a queue that are looked at to tell whether they lead by another rule.
_MOST_STRANGERS = 100

#: Children that are no proposals of which the log tells.
_MOST_TOLD = 100

#: Candidates that are looked at together, and of how many of them the data. Those have been told to be short, and may have
#: been written anew since, as long as a reply has room for; and heartbeats are answered by the same connection.
_AT_ONCE, _READ_AT_ONCE = 64, 8

#: Seconds after a listing that failed before a leading node lists its queue again: at first, and what they grow to while it
#: goes on failing, since a reply that is too long to be read costs the connection.
_LIST_AGAIN, _LIST_SELDOM = 0.5, 30.0


class Queue(NamedTuple):
    """The strangers in a queue, and this node's place in it. rival: as in `Standing`. trouble: one line on all strangers,
    with the remedy; or "". place: from 1, None without a proposal in it. candidates: its length, None where it is unknown."""

    rival: str
    trouble: str
    place: Optional[int] = None
    candidates: Optional[int] = None


class Member(NamedTuple):
    """One candidate, in the order of the queue.

    sequence: its trailing ten digits. session: id of its owner. token: its czxid, the fencing token if it leads.
    mine: whether it is this elector's proposal. data: as written, b"" where that may not be read, or is longer than any
    proposal's (`untrusted.LONGEST_PROPOSAL`); info: the same as parsed JSON object, else {}. Parsed each time, as it may take
    many times the room. node, address: what it says of these, "" where that is none (`untrusted.py`).
    """

    name: str
    sequence: int
    session: int
    token: int
    mine: bool
    data: bytes

    @property
    def paused(self) -> bool:
        """Whether it is no candidate, but the barrier of a pause."""
        return barrier_like(self.name, self.session)

    @property
    def info(self) -> Dict[str, object]:
        return untrusted.document(self.data)

    @property
    def node(self) -> str:
        return untrusted.known_name(self.info.get("node"))

    @property
    def address(self) -> str:
        return untrusted.known_address(self.info.get("address"))


class Proposal(NamedTuple):
    name: str
    token: int
    session: int


class QueueCalls(StateCalls):
    """The calls of an `Elector` that look at the queue, and at what it knows of its own proposal."""

    def __init__(self, requests: Requests, where: arguments.Places) -> None:
        super().__init__(requests, where)
        self._mine: Optional[Proposal] = None
        #: children that are no proposals, of which the log has told
        self._ignored: Set[str] = set()
        #: the queue's cversion, and what was foreign in it then
        self._foreign: Tuple[Optional[int], Queue] = (None, Queue("", ""))
        #: when the queue may be listed again after that has failed
        self._list_from, self._list_pause = 0.0, 0.0

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
    def session_id(self) -> Optional[int]:
        """Id of the ZooKeeper session, or None while there is no connection."""
        return self._zk.session_id

    @property
    def listable(self) -> bool:
        """Whether no listing of the queue has failed of late, which may cost the connection (`look_at_queue`)."""
        return now() >= self._list_from

    def look_at_queue(self) -> Queue:
        """The strangers in the queue now. Costs one small read while the queue is the same.

        Where the queue cannot be listed, that is told as its trouble after the call that raises it, and tried again later.
        """
        limit = self._zk.limit()
        stat = self._zk.ask("look at the queue", limit, self._client.exists_async, self.election_znode)
        if stat is not None and stat.cversion != self._foreign[0] and self.listable:
            try:
                names = self._zk.ask("list the queue", limit, self._client.get_children_async, self.election_znode)
                # What changed between the two is seen at the next look, as the number is of before.
                self._foreign, self._list_pause = (stat.cversion, self._placed(self._survey(names, limit), names)), 0.0
            except ElectionError as error:
                self._list_pause = min(_LIST_SELDOM, 2 * self._list_pause or _LIST_AGAIN)
                self._list_from = now() + self._list_pause
                self._foreign = None, Queue("", (
                    f"{self.election_znode}: its {stat.numChildren} children could not be listed, which is tried again ever "
                    "more seldom, so that a candidate that leads by another program's rule may not be seen; remove what does "
                    f"not belong there, or raise reply_max ({error})"
                ))
                raise
        return self._foreign[1]

    def glance_at_queue(self, changed: Callable[[], None]) -> None:
        """Call `changed`, on a thread of the client, if the queue is another than at the last `look_at_queue`. Waits
        for nothing, and says nothing where it cannot be told."""
        arguments.function("changed", changed)

        def seen(answer: Any) -> None:
            stat = answer.value if answer.exception is None else None
            if stat is not None and stat.cversion != self._foreign[0]:
                changed()

        self._client.exists_async(self.election_znode).rawlink(seen)

    def members(self) -> List[Member]:
        """The queue in order, with each candidate's data. One that leaves during the look is left out."""
        return list(self.each_member())

    def each_member(self) -> Iterator[Member]:
        """The same, one after the other: others may have put as many there as one listing tells."""
        limit = self._zk.limit()
        for name, stat, data in self._look_at(self._names(limit), limit):
            yield Member(name, int(name[-10:]), stat.ephemeralOwner, stat.czxid, self._is_own(name, stat), data)

    def others(self) -> int:
        """How many other candidates stand in the queue that some session owns. Reads no data."""
        limit = self._zk.limit()
        stats = (stat for name, stat in self._stats(self._names(limit), limit) if not self._is_own(name, stat))
        return sum(not untrusted.lasting(stat.ephemeralOwner) for stat in stats)

    def _names(self, limit: float) -> List[str]:
        """All proposals in their order."""
        return sorted(self._listed(self._client.get_children_async(self.election_znode), limit), key=order)

    def _listed(self, answer: Any, limit: float) -> List[str]:
        """The proposals in an answer, in no order: sorting thousands takes longer than the request."""
        # A server may say anything, also that a child has no name.
        children = [name for name in self._zk.answer("list the queue", limit, answer) if name]
        names = []
        for name in children:
            if strangers.DIGITS.search(name):
                names.append(name)
            elif name not in self._ignored and len(self._ignored) < _MOST_TOLD:
                self._ignored.add(name)
                log.warning("%s/%s is no proposal and is ignored; remove it", self.election_znode, name)
        return names

    def _stats(self, names: Sequence[str], limit: float) -> Iterator[Tuple[str, Any]]:
        """Names and stats of those children of the election znode that are there."""
        for first in range(0, len(names), _AT_ONCE):
            some = names[first:first + _AT_ONCE]
            answers = [self._client.exists_async(f"{self.election_znode}/{name}") for name in some]
            for name, answer in zip(some, answers):
                stat = self._zk.answer("look at a candidate", limit, answer)
                if stat is not None:
                    yield name, stat

    def _look_at(self, names: Sequence[str], limit: float) -> Iterator[Tuple[str, Any, bytes]]:
        """The same with their data, b"" where that is longer than a proposal's, or may not be read: whoever may join the queue
        could keep all others from leading otherwise. Only what is short is asked for."""
        stats = self._stats(names, limit)
        while True:
            some = list(itertools.islice(stats, _READ_AT_ONCE))
            if not some:
                return
            asked = [
                self._client.get_async(f"{self.election_znode}/{name}")
                if 0 < stat.dataLength <= untrusted.LONGEST_PROPOSAL else None for name, stat in some
            ]
            for (name, stat), answer in zip(some, asked):
                found: Any = (b"", stat)
                if answer is not None:
                    try:
                        found = self._zk.answer("read a proposal", limit, answer, ok=MISSING)
                    except AccessDenied as error:
                        log.debug("%s/%s: %s", self.election_znode, name, error)
                if found is not None:
                    data = data_of(found)
                    yield name, found[1], data if len(data) <= untrusted.LONGEST_PROPOSAL else b""

    def _survey(self, names: Sequence[str], limit: float) -> Queue:
        """The strangers among these children of the election znode. Of strangers only those count as rivals that a living
        session owns, and that are not of this plugin, whatever their names."""
        mine, found = self.proposal, strangers.found(names, self._stem)
        rival = ""
        over = [one.name for one in found if mine is not None and strangers.leads_over(one, mine)][:_MOST_STRANGERS]
        for name, stat, data in self._look_at(over, limit):
            if not untrusted.lasting(stat.ephemeralOwner) and not {"v", "node"} <= untrusted.document(data).keys():
                rival = rival or name
        return Queue(rival, strangers.told(found, self._stem, self.election_znode))

    def _of_session(self, session: int, limit: float) -> List[Proposal]:
        """The proposals of this session, also one whose create was never answered."""
        # A server that is new to this session may lag behind the create; sync makes it catch up, before it answers what is
        # asked next.
        synced = self._client.sync_async(self.election_znode)
        names = [name for name in self._names(limit) if name.startswith(self._stem)]
        self._zk.answer("sync the queue", limit, synced)
        answers = [self._client.exists_async(f"{self.election_znode}/{name}") for name in names]
        own = []
        for name, answer in zip(names, answers):
            stat = self._zk.answer("look at a proposal", limit, answer)
            if stat is not None and stat.ephemeralOwner == session:
                own.append(Proposal(name, stat.czxid, session))
        return own

    def _placed(self, queue: Queue, names: Sequence[str]) -> Queue:
        """The queue with the place of the own proposal among these children of the election znode."""
        mine, candidates = self.proposal, [name for name in names if strangers.DIGITS.search(name)]
        ahead = sum(order(name) < order(mine) for name in candidates) if mine is not None and mine in candidates else None
        return queue._replace(place=None if ahead is None else ahead + 1, candidates=len(candidates))

    def _is_own(self, name: str, stat: Any) -> bool:
        mine = self._mine
        return mine is not None and (name, stat.czxid) == (mine.name, mine.token)


def barrier_like(name: str, owner: int) -> bool:
    """Whether a child of the election znode is the barrier of a pause. owner: its ephemeralOwner."""
    return places.is_barrier(name) and untrusted.lasting(owner)


def order(name: str) -> Tuple[str, str]:
    """The key by which proposals are sorted; all have the same number of digits."""
    return name[-10:], name
