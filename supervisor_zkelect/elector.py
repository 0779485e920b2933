"""The election recipe: a proposal in a queue, the watch on one's predecessor, the ack.

    from supervisor_zkelect.elector import Elector

    elector = Elector.connect("zk1:2181,zk2:2181", 10.0, "/zkelect/orders/election", "n", "/zkelect/orders/ack")
    elector.create_proposal()                     # 'n-0000000042'
    standing = elector.try_be_leader()
    while not standing.leads:
        standing.changed.result()                 # wakes once, when it is worth asking again
        standing = elector.try_be_leader()
    elector.ack_leader("10.0.0.5:8080")           # clients find this node now
    elector.release()                             # ack emptied, proposal gone
    elector.close()

Candidates are the children of the election znode whose names end in ten digits, whoever made them; the lowest number
leads. The digits are ZooKeeper's own counter, a signed 32-bit number: an election znode is to be made anew before 2^31
proposals were made below it. Other children are ignored, and said once in the log. Candidates of programs that have
another order (`strangers.py`) may lead by that: while one does, as far as it is known, this node does not.

Beside the ack everything stands below one znode, the state, that only this election has. The holder in it names its
election. Where two elections share an ack or a state by mistake, whoever claims a term first has it, and the other one is
refused: a holder of another election in which candidates stand is never taken for a predecessor, nor written over.

A predecessor that notes no holder, as the Go elector, leaves its ack. Before that is emptied, a holder of an unknown node is
noted for it, so that nobody forgets that something of it may run.

Being lowest in a listing is not enough to lead, because a server may answer from the past: the proposal is also checked
by a write that the quorum acknowledges, and its owner compared with this session. Leading is still a statement about
the past; until when it may be relied upon is the business of `supervisor_zkelect.lease`.

A transaction checks a proposal by its name, and where an election znode was made anew, another's may bear it. So what
belongs to a term is written in a transaction that checks the holder znode's version too, read before the proposal was
last seen to be this node's: whoever leads by the same name has claimed its own term first, and that changes the holder.
Where the holder was removed by hand as well, versions begin anew and may be the same. What ends a term is never written by
a version that this node knows from its own write alone, since it may have waited on a link that stood still; the ack is,
and whose it is then writes it again.
"""

from __future__ import annotations

import itertools
import json
import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from kazoo import exceptions as kazoo_errors
from kazoo.protocol.states import KazooState
from kazoo.security import ACL

from supervisor_zkelect import paced, places, strangers, untrusted
from supervisor_zkelect.clock import now
from supervisor_zkelect.errors import (
    AccessDenied, AnotherElection, BadArgument, ElectionError, NotConnected, NotLeader, ProposalGone, SessionGone, TimedOut,
    ZooKeeperFailed,
)

__all__ = [
    "AccessDenied", "AnotherElection", "BadArgument", "ElectionError", "Elector", "Holder", "Member", "NotConnected",
    "NotLeader", "ProposalGone", "Queue", "SessionGone", "Standing", "TimedOut", "ZooKeeperFailed",
]

if TYPE_CHECKING:
    # A release begins sooner without kazoo's client (wire.py).
    from kazoo.client import KazooClient

log = logging.getLogger(__name__)

#: Rounds in which a call follows a queue or a holder that changes between two requests.
_ROUNDS = 20

#: Strangers in a queue that are looked at to tell whether they lead by another rule.
_MOST_STRANGERS = 100

#: Seconds between two lines of the same kind.
_REPEAT = 60.0

#: Children that are no proposals of which the log tells.
_MOST_TOLD = 100

#: Candidates that are looked at together, and of how many of them the data. Those have been told to be short, and may have
#: been written anew since, as long as a reply has room for; and heartbeats are answered by the same connection.
_AT_ONCE, _READ_AT_ONCE = 64, 8

#: Seconds after a listing that failed before a leading node lists its queue again: at first, and what they grow to while it
#: goes on failing, since a reply that is too long to be read costs the connection.
_LIST_AGAIN, _LIST_SELDOM = 0.5, 30.0


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


class Queue(NamedTuple):
    """What is foreign in a queue, and where this node stands in it. rival: as in `Standing`. trouble: one line on all strangers,
    with the remedy; or "". place: from 1, None without a proposal in it. candidates: its length, None where it is unknown."""

    rival: str
    trouble: str
    place: Optional[int] = None
    candidates: Optional[int] = None


class Holder(NamedTuple):
    """Who may have left something running. `node` and `address` are "" where they are none (`untrusted.py`), and `token` is 0
    when the znode cannot be read as a holder."""

    node: str
    token: int
    address: str


class Member(NamedTuple):
    """One candidate, in the order of the queue.

    sequence: its trailing ten digits. session: id of its owner. token: its czxid, the fencing token if it leads.
    mine: whether it is this elector's proposal. data: as written, b"" where that is longer than any proposal's
    (`untrusted.LONGEST_PROPOSAL`); info: the same as parsed JSON object, else {}. Parsed each time, as it may take many times
    the room. node, address: what it says of these, "" where that is none (`untrusted.py`).
    """

    name: str
    sequence: int
    session: int
    token: int
    mine: bool
    data: bytes

    @property
    def info(self) -> Dict[str, Any]:
        return _parsed(self.data)

    @property
    def node(self) -> str:
        return untrusted.known_name(self.info.get("node"))

    @property
    def address(self) -> str:
        return untrusted.known_address(self.info.get("address"))


class Elector:
    """One node's part in one election.

    client: a started kazoo client that the caller owns; `connect` makes one instead.
    election_znode, election_ack: absolute paths; election_prefix: beginning of a proposal's name.
    separator: what stands between prefix and number. data: the proposal's data, bytes.
    acl: list of kazoo ACL for the znodes it makes; None leaves them open.
    timeout: time limit of every call, in seconds.
    election_state: path of the znode below which holder and history stand, by default the ack's with `-state` behind it.

    The constructor writes nothing. Calls may come from any thread, one at a time. Every call raises TimedOut,
    NotConnected, SessionGone, AccessDenied or ZooKeeperFailed when ZooKeeper does; what else it raises is said there.
    """

    def __init__(
        self,
        client: KazooClient,
        election_znode: str,
        election_prefix: str,
        election_ack: str,
        *,
        separator: str = "-",
        data: bytes = b"",
        acl: Optional[Sequence[ACL]] = None,
        timeout: float = 10.0,
        election_state: Optional[str] = None,
    ) -> None:
        state = election_state or places.state_of(election_ack)
        for name, path in (("election_znode", election_znode), ("election_ack", election_ack), ("election_state", state)):
            if not path.startswith("/") or path.endswith("/") or "//" in path:
                raise BadArgument(f"{name} is {path!r}; write an absolute path such as /zkelect/orders/{name}")
        if "/" in election_prefix + separator:
            raise BadArgument(f"prefix {election_prefix!r} and separator {separator!r} are parts of a name: no slash")
        for name, path in (("election_znode", election_znode), ("election_ack", election_ack)):
            if places.meet(state, path):
                raise BadArgument(f"election_state, {state}, is, or lies above or below, {name}, {path}; choose another path")
        _check_timeout(timeout)
        if not isinstance(data, bytes):
            raise BadArgument(f"data is {data!r}; give bytes")
        self.election_znode = election_znode
        self.election_ack = election_ack
        self.election_state = state
        self.holder_znode, self.history_znode = places.holder_of(state), places.history_of(state)
        self._client = client
        #: the election's name in its holder: with the client's chroot, so that it is the same for all clients
        self._election = (getattr(client, "chroot", "") or "") + election_znode
        self._stem = f"{election_prefix}{separator}"
        self._data = data
        self._acl = list(acl) if acl else None
        self._timeout = timeout
        self._owns_client = self._closed = False
        self._mine: Optional[_Proposal] = None
        self._led: Optional[str] = None
        self._noted: Optional[_Noted] = None
        self._looked: Optional[_Term] = None
        self._second = self._acked = False
        #: the queue's cversion, and what was foreign in it then
        self._foreign: Tuple[Optional[int], Queue] = (None, Queue("", ""))
        #: when the queue may be listed again after that has failed
        self._list_from, self._list_pause = 0.0, 0.0
        self._watch: Optional[_Watch] = None
        self._term_watches: List[_Watch] = []
        self._strangers: set = set()
        self._said = paced.Paced(1, _REPEAT)
        client.add_listener(self._session_changed)

    @classmethod
    def connect(
        cls,
        servers: str,
        timeout: float,
        election_znode: str,
        election_prefix: str,
        election_ack: str,
        *,
        digest: Optional[str] = None,
        acl: str = "open",
        **options: Any,
    ) -> "Elector":
        """An elector with a client of its own, started, and its znodes made.

        servers: "host:port,host:port", with "/chroot" at the end if wanted; it is made when missing.
        timeout: session timeout asked for, and time limit of every call, in seconds.
        digest: "user:password". acl: "open", "creator" (only these credentials) or "creator+read".
        options: separator, data, election_state as for the constructor.

        Raises NotConnected when no server answers within `timeout`, and BadArgument as the constructor does.
        """
        from supervisor_zkelect import session

        _check_timeout(timeout)
        acls = session.acl_of(acl)
        if digest is not None and ":" not in digest:
            raise BadArgument("digest has no colon; give user:password")
        if acls is not None and digest is None:
            raise BadArgument(f"acl = {acl!r} is for those with the credentials; give a digest, too")
        hosts, chroot = session.split_hosts(servers)
        if options.get("election_state"):
            options["election_state"] = chroot + options["election_state"]
        try:
            client = session.make_client(hosts, timeout, digest=digest)
        except ValueError as error:
            raise BadArgument(f"servers is {servers!r}: {error}; give host:port,host:port") from None
        try:
            session.start_client(client, timeout)
            elector = cls(
                client, chroot + election_znode, election_prefix, chroot + election_ack,
                acl=acls, timeout=timeout, **options,
            )
            elector._owns_client = True
            elector.prepare()
        except BaseException:
            session.stop_client(client)
            raise
        return elector

    def close(self) -> None:
        """Stop the client that `connect` made, which gives up the proposal; another's client is left running.

        Whatever is called after this raises NotConnected.
        """
        self._closed = True
        self._client.remove_listener(self._session_changed)
        self._drop_watch("closed")
        for watch in self._term_watches:
            watch.end(None)
        if self._owns_client:
            from supervisor_zkelect import session

            session.stop_client(self._client)

    # What is known without asking

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
        identity = self._client.client_id
        return identity[0] if identity else None

    def describe(self, data: bytes) -> None:
        """Have the proposals that are made from now on hold this. One that stands is never written again."""
        self._data = data

    # The queue

    def prepare(self) -> None:
        """Make the election znode, the ack and the state with all parents. An existing ack is left as it is."""
        limit = self._limit()
        self._make(self.election_znode, limit)
        self._make_beside(limit)

    def create_proposal(self) -> str:
        """Join the queue and return the proposal's name; asked again, return the same name while it exists.

        A reply that was lost leaves one proposal: before each create, the children are searched for one that this
        session owns.
        """
        limit = self._limit()
        while True:
            try:
                session = self._session()
                found = self._own(session, limit)
                if found is None:
                    _, arguments, options = self._proposing()
                    path, stat = self._ask(
                        "create the proposal", limit, self._client.create_async, *arguments, **options, include_data=True
                    )
                    found = _Proposal(path.rpartition("/")[2], stat.czxid, stat.ephemeralOwner)
                    if found.session != session:
                        continue
                self._hold(found)
                return found.name
            except NotConnected:
                self._reconnected(limit)

    def adopt_proposal(self) -> Optional[str]:
        """Take the proposal that this session owns already and return its name, or None when it owns none."""
        self._hold(self._own(self._session(), self._limit()))
        return self.proposal

    def try_be_leader(self, *, claiming: bool = False) -> Standing:
        """Whether this node leads now; if not, watch the closest predecessor, or the rival.

        claiming: `claim` or `predecessor` is called next if this node leads. That asks the quorum, so this does not, and
            `leads` is one server's word until then. What that wants to know of ack and holder is read with the queue.

        Raises ProposalGone when there is no proposal of this session: create one, and stop what ran by the old one.
        """
        limit = self._limit()
        self._looked = None
        for _ in range(_ROUNDS):
            watches = [_Watch(self._client, self._path(), self._require().token)]
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

    def _stand(self, watches: List["_Watch"], claiming: bool, limit: float) -> Optional[Standing]:
        """What `try_be_leader` returns, or None when the queue changed meanwhile. watches: one of the own proposal, to which
        others are added; the one that counts becomes `_watch`."""
        mine, watch = self._require(), watches[0]
        listed = self._client.get_children_async(self.election_znode)
        # Who was second is the first now, most likely, and asks for everything at once.
        term = self._ask_of_term(watch.seen) if claiming and self._second else None
        names = self._listed(listed, limit)
        if mine.name not in names:
            self._proposal_gone()
        own = _order(mine.name)
        # The digits alone tell it of most.
        ahead = [name for name in names if name[-10:] <= own[0] and _order(name) < own]
        rival = self._survey(names, limit).rival if not ahead else ""
        leads, self._second = not ahead and not rival, len(ahead) == 1
        checked = None
        if not leads:
            watch = _Watch(self._client, f"{self.election_znode}/{max(ahead, key=_order) if ahead else rival}")
            watches.append(watch)
            seen = self._client.exists_async(watch.path, watch=watch.seen)
        elif claiming:
            term = term or self._ask_of_term(watch.seen)
            seen = term.proposal
        else:
            seen = self._client.exists_async(watch.path, watch=watch.seen)
            checked = self._transact([])
        stat = self._answer("watch the queue", limit, seen)
        if stat is None:
            if leads:
                self._proposal_gone()
            return None
        if leads:
            # An election znode that was made anew counts from zero again: another's proposal may have this name.
            if stat.ephemeralOwner != self._session() or stat.czxid != mine.token:
                self._proposal_gone()
            if claiming:
                self._looked = self._told_of_term(term, limit)
            else:
                self._committed("check the proposal", limit, checked)
            self._led = mine.name
        self._drop_watch(None)
        self._watch = watch
        lasting = watch.path if not leads and untrusted.lasting(stat.ephemeralOwner) else ""
        return Standing(leads, watch.path, watch.changed, len(ahead) + 1, len(names), rival, lasting)

    def look_at_queue(self) -> Queue:
        """What the queue is now. Costs one small read while it is the same.

        Where the queue cannot be listed, that is told as its trouble after the call that raises it, and tried again later.
        """
        limit = self._limit()
        stat = self._ask("look at the queue", limit, self._client.exists_async, self.election_znode)
        if stat is not None and stat.cversion != self._foreign[0] and now() >= self._list_from:
            try:
                names = self._ask("list the queue", limit, self._client.get_children_async, self.election_znode)
                # What changed between the two is seen at the next look, as the number is of before.
                self._foreign, self._list_pause = (stat.cversion, self._placed(self._survey(names, limit), names)), 0.0
            except ElectionError as error:
                self._list_pause = min(_LIST_SELDOM, 2 * self._list_pause or _LIST_AGAIN)
                self._list_from = now() + self._list_pause
                self._foreign = None, Queue("", (
                    f"{self.election_znode}: its {stat.numChildren} children could not be listed, which is tried again ever more "
                    "seldom, so that a candidate that leads by another program's rule may not be seen; remove what does not belong "
                    f"there, or raise reply_max ({error})"
                ))
                raise
        return self._foreign[1]

    def _placed(self, queue: Queue, names: Sequence[str]) -> Queue:
        """The queue with this node's place among its children `names`."""
        candidates, mine = [name for name in names if strangers.DIGITS.search(name)], self.proposal
        ahead = sum(_order(name) < _order(mine) for name in candidates) if mine in candidates else None
        return queue._replace(place=None if ahead is None else ahead + 1, candidates=len(candidates))

    def glance_at_queue(self, changed: Callable[[], None]) -> None:
        """Have `changed` called, on a thread of the client, if the queue is another than at the last `look_at_queue`. Waits
        for nothing, and says nothing where it cannot be told."""

        def seen(answer: Any) -> None:
            stat = answer.value if answer.exception is None else None
            if stat is not None and stat.cversion != self._foreign[0]:
                changed()

        self._client.exists_async(self.election_znode).rawlink(seen)

    def _survey(self, names: Sequence[str], limit: float) -> Queue:
        """What is foreign among these children of the election znode. Of strangers only those count as rivals that a living
        session owns, and that are not of this plugin, whatever their names."""
        found = strangers.found(names, self._stem)
        mine, rival = self.proposal, ""
        over = [one.name for one in found if mine is not None and strangers.leads_over(one, mine)][:_MOST_STRANGERS]
        for name, stat, data in self._look_at(over, limit):
            if not untrusted.lasting(stat.ephemeralOwner) and not {"v", "node"} <= _parsed(data).keys():
                rival = rival or name
        return Queue(rival, strangers.told(found, self._stem, self.election_znode))

    def members(self) -> List[Member]:
        """The queue in order, with each candidate's data. One that leaves during the look is left out."""
        return list(self.each_member())

    def each_member(self) -> Iterator[Member]:
        """The same, one after the other: others may have put as many there as one listing tells."""
        limit = self._limit()
        for name, stat, data in self._look_at(self._queue(limit), limit):
            mine = self._mine is not None and self._mine.name == name
            yield Member(name, _sequence(name), stat.ephemeralOwner, stat.czxid, mine, data)

    def others(self) -> int:
        """How many other candidates stand in the queue that some session owns. Reads no data."""
        limit = self._limit()
        stats = (stat for name, stat in self._stats(self._queue(limit), limit) if name != self.proposal)
        return sum(not untrusted.lasting(stat.ephemeralOwner) for stat in stats)

    def _stats(self, names: Sequence[str], limit: float) -> Iterator[Tuple[str, Any]]:
        """Names and stats of those children of the election znode that are there."""
        for first in range(0, len(names), _AT_ONCE):
            some = names[first:first + _AT_ONCE]
            answers = [self._client.exists_async(f"{self.election_znode}/{name}") for name in some]
            for name, answer in zip(some, answers):
                stat = self._answer("look at a candidate", limit, answer)
                if stat is not None:
                    yield name, stat

    def _look_at(self, names: Sequence[str], limit: float) -> Iterator[Tuple[str, Any, bytes]]:
        """The same with their data, b"" where that is longer than a proposal's. Only what is short is asked for."""
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
                    found = self._answer("read a proposal", limit, answer, missing_ok=True)
                if found is not None:
                    data = _data(found)
                    yield name, found[1], data if len(data) <= untrusted.LONGEST_PROPOSAL else b""

    def withdraw(self) -> None:
        """Leave the queue, wherever this node stands in it; ack and holder stay. Nothing happens without a proposal."""
        if self._mine is not None:
            try:
                self._leave("delete the proposal", ack=False, holder=False)
            except ProposalGone as error:
                log.info("%s", error)
            except AccessDenied:
                # The holder is out of reach, so this is as sure as it can be that the proposal is this node's.
                limit = self._limit()
                if self._seen(limit):
                    self._ask(
                        "delete the proposal", limit, self._client.delete_async, self.proposal_path, missing_ok=True
                    )
                self._drop()

    def step_behind(self) -> str:
        """Exchange the proposal for one at the end of the queue, in one transaction, and return its name. An ack that its
        primary has left is emptied with it where this node leads.

        Raises ProposalGone when there is no proposal of this session.
        """
        self._leave("step behind the others", ack=True, holder=False, anew=True)
        return self.create_proposal()

    def forget(self) -> None:
        """Drop what is known of proposal and watch, because the session is gone. Asks nothing."""
        self._drop()
        self._drop_watch("the session is gone")

    # The term

    def ack_leader(self, info: Union[str, bytes]) -> None:
        """Write the ack in one transaction that checks the proposal.

        info: what clients shall read, such as "10.0.0.5:8080".
        Raises NotLeader when this node's proposal is missing or not the lowest; the ack is untouched then.
        """
        self._write_ack(_encoded(info), self._limit())

    def clear_ack(self) -> None:
        """Empty the ack, checked as `ack_leader` does. Raises NotLeader as that does."""
        self._write_ack(b"", self._limit())

    def read_ack(self) -> bytes:
        """What the ack holds; empty when there is no primary, or no ack."""
        found = self._ask("read the ack", self._limit(), self._client.get_async, self.election_ack, missing_ok=True)
        return _data(found)

    def watch_term(self) -> Tuple[Optional[Holder], bytes, "Future[str]"]:
        """What `holder` and `read_ack` return, and a future that gets one short text when one of them may have changed
        since.

        A change while there was no connection is not told: ask for another future after a reconnect. The former one is
        cancelled.
        """
        limit = self._limit()
        for watch in self._term_watches:
            watch.end(None)
        changed: "Future[str]" = Future()
        ack, holder = (_Watch(self._client, path, None, changed) for path in (self.election_ack, self.holder_znode))
        self._term_watches = [ack, holder]
        # Both at once, as the answers come in the order of the requests.
        answers = [(watch, self._client.get_async(watch.path, watch=watch.seen)) for watch in (ack, holder)]
        written, noted = (self._watched(watch, answer, limit) for watch, answer in answers)
        found = self._parsed_holder(noted)
        return self._own_holder(found), _data(written), changed

    def _watched(self, watch: "_Watch", answer: Any, limit: float) -> Any:
        """What a request for data answers that was to leave the watch; None when there is no such znode."""
        found = self._answer("watch ack and holder", limit, answer, missing_ok=True)
        if found is None and self._ask(
            "watch ack and holder", limit, self._client.exists_async, watch.path, watch=watch.seen
        ):
            # It was made between the two.
            found = self._ask("watch ack and holder", limit, self._client.get_async, watch.path, missing_ok=True)
        return found

    def holder(self) -> Optional[Holder]:
        """Who is noted as holder of this election, or None."""
        return self._own_holder(self._read_holder(self._limit()))

    def taken_by(self) -> str:
        """Why another election has what is this one's; "" when none has."""
        limit = self._limit()
        found = self._read_holder(limit)
        try:
            if found is not None:
                self._is_another(found, limit)
        except AnotherElection as error:
            return str(error)
        return ""

    def predecessor(self, fenced: Optional[int] = None) -> Optional[Holder]:
        """The holder of a term that was not released, whose ack is emptied by this; None when there is none.

        For who has something to do against it before `claim` takes the holder over. One that noted no holder itself, and
        left its ack, has the token 0 and no node.
        fenced: token of the one against which that was done already; it is passed over, and there may be another one.
        Raises NotLeader as `ack_leader` does, and AnotherElection as `claim` does, or where the ack that this has emptied in
        this term holds something again: whoever wrote it does not stand in this election.
        """
        limit = self._limit()
        self._require_lead(limit)
        for _ in range(_ROUNDS):
            term = self._look_at_led_term(limit)
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
            if self._commit("empty the ack", limit, [*term.emptied, *operations]):
                return left
            if found is None:
                self._make_beside(limit)
        raise ZooKeeperFailed("ack or holder changed at every look; ask again")

    def claim(self, node: str, address: str) -> Optional[Holder]:
        """Begin a term: empty the ack and note this node as holder, in one transaction that checks the proposal.

        Where this very term was claimed before, the ack stays as it is, so does the holder unless the address is another, and
        the proposal is checked.

        Returns the holder that a predecessor left, which means that it ended dirty, else None. Who left an ack and no holder
        has the token 0 and no node.
        Raises NotLeader as `ack_leader` does, and AnotherElection where the holder is another election's in which candidates
        stand, or may.
        """
        limit = self._limit()
        self._require_lead(limit)
        record = self._record(node, self.token, address)
        for _ in range(_ROUNDS):
            found, _, emptied, _, left = self._look_at_led_term(limit)
            mine = found is not None and found.holder.token == self.token
            another = found is not None and not mine and self._is_another(found, limit)
            same = found is not None and found.holder == Holder(node, self.token, address)
            operations = [] if mine else emptied
            if self._note(record, found, same, limit, operations):
                if another:
                    log.warning("%s was that of %s, another election in which nobody stands any more, and is replaced",
                                self.holder_znode, found.election)
                if mine or another or found is None and left is None:
                    return None
                return Holder("", 0, left) if found is None else found.holder
        raise ZooKeeperFailed("ack or holder changed at every look; ask again")

    def repair(self, info: Union[str, bytes], address: Optional[str] = None) -> None:
        """Write holder and ack of the claimed term again, in one transaction that checks the proposal.

        address: the one that the holder gets, by default the one that it was claimed with.
        Raises NotLeader as `ack_leader` does, and AnotherElection as `claim` does.
        """
        data, limit = _encoded(info), self._limit()
        self._require_lead(limit)
        if self._noted is None:
            self._write_ack(data, limit)
            return
        claimed = json.loads(self._noted.record)
        claimed["address"] = claimed["address"] if address is None else address
        record = json.dumps(claimed).encode("utf-8")
        for _ in range(_ROUNDS):
            found = self._look_at_led_term(limit).holder
            same = found is not None and found.holder == Holder(claimed["node"], claimed["token"], claimed["address"])
            if found is not None and not same:
                self._is_another(found, limit)
            if self._note(record, found, same, limit, [("set_data", (self.election_ack, data), {})]):
                return
            self._make_beside(limit)
        raise ZooKeeperFailed("ack or holder changed at every look; ask again")

    def release(self, dirty: bool = False) -> None:
        """End the term cleanly, in one transaction: empty the ack, remove one's own holder, delete the proposal.

        dirty: the holder stays, because something of the term may still run.

        For a node that stands in the queue without leading, ack and holder are left alone. An ack without a holder that is
        not known to be this node's own is emptied, and noted as a holder of an unknown node.
        Raises ProposalGone when the proposal had gone before; the others then see a dirty end if a holder is left.
        """
        self._leave("release the term", ack=True, holder=not dirty)

    def history(self) -> bytes:
        """What is in the history znode, b"" when there is none."""
        found = self._ask("read the history", self._limit(), self._client.get_async, self.history_znode, missing_ok=True)
        return _data(found)

    def amend_history(self, change: Callable[[bytes], bytes], timeout: float) -> None:
        """Put what `change` makes of the history znode's data into it, by compare and set, whoever leads.

        change: may be called more than once. timeout: seconds for all of it. Raises ZooKeeperFailed when others write at
        each try, or when the state is missing.
        """
        limit = now() + timeout
        for _ in range(_ROUNDS):
            found = self._ask("read the history", limit, self._client.get_async, self.history_znode, missing_ok=True)
            data = change(_data(found))
            if found is None:
                done = self._ask("write the history", limit, self._client.create_async, self.history_znode, data,
                                 acl=self._acl, exists_ok=True)
            else:
                done = self._ask("write the history", limit, self._client.set_async, self.history_znode, data,
                                 found[1].version, changed_ok=True)
            if done is not None:
                return
        raise ZooKeeperFailed(f"{self.history_znode} changed at every try to write it; ask again")

    def _leave(self, doing: str, ack: bool, holder: bool, anew: bool = False) -> None:
        """Delete the proposal; ack, holder: empty one's own ack, remove one's own holder with it. anew: have another
        proposal instead, and empty the ack if this node leads, whosever it is."""
        limit = self._limit()
        mine = self._require()
        for _ in range(_ROUNDS):
            term = self._look_at_term(limit)
            found = term.holder
            if not term.seen:
                self._proposal_gone()
            own = found.holder.token == mine.token if found is not None and not anew else ack and self._is_lowest(limit)
            own = own and (found is None or not found.election)
            operations = [*term.emptied] if ack and own else []
            others = term.left is not None and not (self._noted or self._acked)
            if ack and own and others and (found is None or anew):
                operations += self._remembering(term)
            elif found is not None:
                what = "delete" if holder and own else "check"
                operations.append((what, (self.holder_znode, found.version), {}))
            else:
                # There is no check for a znode that does not exist.
                operations += [
                    ("create", (self.holder_znode,), {"acl": self._acl}), ("delete", (self.holder_znode,), {})
                ]
            operations.append(("delete", (self.proposal_path,), {}))
            if anew:
                operations.append(self._proposing())
            try:
                if self._commit(doing, limit, operations):
                    self._drop()
                    return
                if found is None:
                    self._make_beside(limit)
            except NotLeader as error:
                raise ProposalGone(str(error)) from None
        raise ZooKeeperFailed("ack or holder changed at every look; ask again")

    # Inside

    def _limit(self) -> float:
        """When the call that begins must end. Raises NotConnected for one that is closed."""
        if self._closed:
            raise NotConnected("this elector is closed; make another one")
        return now() + self._timeout

    def _session(self) -> int:
        session = self.session_id
        if session is None:
            raise NotConnected("there is no connection to ZooKeeper; ask again once there is")
        return session

    def _require(self) -> "_Proposal":
        mine = self._mine
        if mine is None:
            raise ProposalGone("this node has no proposal; create_proposal() makes one")
        return mine

    def _path(self) -> str:
        """`proposal_path`, which may be gone at any time. Raises ProposalGone."""
        return f"{self.election_znode}/{self._require().name}"

    def _require_lead(self, limit: float) -> None:
        if self._mine is None:
            raise NotLeader("this node has no proposal; create_proposal() makes one")
        if not self._is_lowest(limit):
            raise NotLeader(f"{self.proposal} is not the lowest proposal; wait for try_be_leader().changed")

    def _is_lowest(self, limit: float) -> bool:
        """Once lowest, a proposal stays lowest as long as it exists, so the queue is read only before that."""
        if self._led != self.proposal:
            names = self._queue(limit)
            if names[:1] == [self.proposal] and not self._survey(names, limit).rival:
                self._led = self.proposal
        return self._led == self.proposal

    def _proposing(self) -> Tuple[str, tuple, dict]:
        arguments = (f"{self.election_znode}/{self._stem}", self._data)
        return "create", arguments, {"acl": self._acl, "ephemeral": True, "sequence": True}

    def _proposal_gone(self) -> None:
        name = self.proposal
        self._drop()
        raise ProposalGone(f"the proposal {name} is gone; stop what ran by it, then create_proposal()")

    def _drop(self) -> None:
        self._hold(None)

    def _hold(self, mine: Optional["_Proposal"]) -> None:
        """Have this as the node's proposal. What is known of the term of another one goes with that."""
        if self._mine != mine:
            # First of all: on another thread a write of the former term may be about to be made.
            self._mine = None
            self._led = self._noted = self._looked = None
            self._acked, self._foreign = False, (None, Queue("", ""))
        self._mine = mine

    def _seen(self, limit: float) -> bool:
        """Whether the server at hand has this node's very proposal, and not another's of its name."""
        return self._is_mine(self._ask("look at the proposal", limit, self._client.exists_async, self.proposal_path))

    def _is_mine(self, stat: Any) -> bool:
        return stat is not None and stat.czxid == self._require().token

    def _ask_of_term(self, watch: Optional[Callable[[Any], None]] = None) -> "_TermAnswers":
        """Ask for holder, proposal and ack, and have the proposal watched."""
        # All at once, as the answers come in the order of the requests.
        return _TermAnswers(
            self._client.get_async(self.holder_znode), self._client.exists_async(self._path(), watch=watch),
            self._client.get_async(self.election_ack),
        )

    def _told_of_term(self, asked: "_TermAnswers", limit: float) -> "_Term":
        holder = self._parsed_holder(self._answer("read the holder", limit, asked.holder, missing_ok=True))
        seen = self._is_mine(self._answer("look at the proposal", limit, asked.proposal))
        ack = self._answer("read the ack", limit, asked.ack, missing_ok=True)
        emptied: List[Tuple[str, tuple, dict]] = []
        acked, left = 0, None
        if ack is not None:
            # A server that lags behind may not have what this node wrote itself over a connection that was lost since.
            data, stat = ack
            what = ("set_data", (self.election_ack, b"", stat.version)) if data else ("check", (self.election_ack, stat.version))
            emptied.append((*what, {}))
            acked = stat.mzxid
            # What an operator has made it with is nobody's.
            left = untrusted.known_address(data) if data and stat.version else None
        return _Term(holder, seen, emptied, acked, left)

    def _look_at_term(self, limit: float) -> "_Term":
        return self._told_of_term(self._ask_of_term(), limit)

    def _look_at_led_term(self, limit: float) -> "_Term":
        """The same, or what `try_be_leader` has just seen. Raises NotLeader when the proposal is gone."""
        term, self._looked = self._looked or self._look_at_term(limit), None
        if not term.seen:
            name = self.proposal
            self._drop()
            raise NotLeader(f"the proposal {name} is gone; stop what ran by it, then create_proposal()")
        return term

    def _note(
        self, record: bytes, found: Optional["_Found"], mine: bool, limit: float,
        operations: List[Tuple[str, tuple, dict]],
    ) -> bool:
        """Write the holder, unless it is this term's already, and do `operations`. False when it has changed."""
        if mine:
            version, change = found.version, ("check", (self.holder_znode, found.version), {})
        elif found is None:
            version, change = 0, ("create", (self.holder_znode, record), {"acl": self._acl})
        else:
            version, change = found.version + 1, ("set_data", (self.holder_znode, record, found.version), {})
        sent = now()
        done = self._commit("note the holder", limit, [*operations, change])
        if done:
            self._noted = _Noted(record, version, sent, now())
        elif found is None:
            # Its parent may be missing, too.
            self._make_beside(limit)
        return done

    def _remembering(self, term: "_Term") -> List[Tuple[str, tuple, dict]]:
        """What, done with emptying the ack, has the holder tell of all who may have left something of themselves. A term with
        neither holder nor ack leaves nothing."""
        found = term.holder
        if found is None:
            return [("create", (self.holder_znode, self._record("", 0, term.left or "", seen=self.token)), {"acl": self._acl})]
        unknown = found.holder.token == 0 and found.seen != self.token
        if not term.unnoted and not unknown:
            return [("check", (self.holder_znode, found.version), {})]
        record = self._record(*found.holder, seen=self.token, after=term.unnoted or found.after)
        return [("set_data", (self.holder_znode, record, found.version), {})]

    def _unknown(self, version: int, address: str) -> Tuple[str, tuple, dict]:
        """Have the holder be that of an unknown node."""
        return "set_data", (self.holder_znode, self._record("", 0, address, seen=self.token), version), {}

    def _record(self, node: str, token: Optional[int], address: str, **more: Any) -> bytes:
        """The holder's data. seen: token of who has written this for another one. after: address of a second one, who led
        after `node` and noted no holder."""
        info = {"v": 1, "election": self._election, "node": node, "token": token, "address": address}
        return json.dumps({**info, **{name: value for name, value in more.items() if value}}).encode("utf-8")

    def _is_another(self, found: "_Found", limit: float) -> bool:
        """Whether the holder is that of another election, in which nobody stands any more, so that it can be replaced.

        Raises AnotherElection where somebody stands in it, or where that cannot be told.
        """
        if not found.election:
            return False
        chroot = getattr(self._client, "chroot", "") or ""
        standing = "whose candidates this node cannot see"
        if not chroot or places.inside(found.election, chroot):
            try:
                path = found.election[len(chroot):]
                names = self._ask("list another queue", limit, self._client.get_children_async, path, missing_ok=True)
                if not any(strangers.DIGITS.search(name) for name in names or ()):
                    return True
                standing = "in which candidates stand"
            except AccessDenied:
                pass
        raise AnotherElection(
            f"{self.holder_znode} is held by another election, {found.election}, {standing}; no term is begun in "
            f"{self.election_znode} meanwhile: give each election an election_ack and an election_state of its own"
        )

    def _own_holder(self, found: Optional["_Found"]) -> Optional[Holder]:
        return found.holder if found is not None and not found.election else None

    def _note_again(self, limit: float) -> None:
        """Have the claimed term's holder stand as it was written, whoever changed it."""
        for _ in range(_ROUNDS):
            if self._noted is None:
                return
            found = self._look_at_led_term(limit).holder
            mine = found is not None and found.holder.token == self.token
            if found is not None and not mine:
                self._is_another(found, limit)
            if self._note(self._noted.record, found, mine, limit, []):
                return
        raise ZooKeeperFailed("the holder changed at every look; ask again")

    def _drop_watch(self, why: Optional[str]) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end(why)

    def _queue(self, limit: float) -> List[str]:
        """All proposals in their order."""
        return sorted(self._candidates(limit), key=_order)

    def _candidates(self, limit: float) -> List[str]:
        """The same in no order: sorting thousands takes longer than the request."""
        return self._listed(self._client.get_children_async(self.election_znode), limit)

    def _listed(self, answer: Any, limit: float) -> List[str]:
        # A server may say anything, also that a child has no name.
        children = [name for name in self._answer("list the queue", limit, answer) if name]
        names = []
        for name in children:
            if strangers.DIGITS.search(name):
                names.append(name)
            elif name not in self._strangers and len(self._strangers) < _MOST_TOLD:
                self._strangers.add(name)
                log.warning("%s/%s is no proposal and is ignored; remove it", self.election_znode, name)
        return names

    def _own(self, session: int, limit: float) -> Optional["_Proposal"]:
        """The proposal of this session, also one whose create was never answered. Further ones are deleted."""
        # A server that is new to this session may lag behind the create; sync makes it catch up, before it answers what is
        # asked next.
        synced = self._client.sync_async(self.election_znode)
        names = [name for name in self._queue(limit) if name.startswith(self._stem)]
        self._answer("sync the queue", limit, synced)
        answers = [self._client.exists_async(f"{self.election_znode}/{name}") for name in names]
        own = []
        for name, answer in zip(names, answers):
            stat = self._answer("look at a proposal", limit, answer)
            if stat is not None and stat.ephemeralOwner == session:
                own.append(_Proposal(name, stat.czxid, session))
        for extra in own[1:]:
            self._ask(
                "delete a second proposal", limit, self._client.delete_async,
                f"{self.election_znode}/{extra.name}", missing_ok=True,
            )
        return own[0] if own else None

    def _make(self, path: str, limit: float) -> None:
        if self._ask("look for a znode", limit, self._client.exists_async, path) is None:
            self._ask("make a znode", limit, self._client.create_async, path, b"", acl=self._acl, makepath=True,
                      exists_ok=True)

    def _make_beside(self, limit: float) -> None:
        """Make what does not stand below the election znode."""
        self._make(self.election_ack, limit)
        self._make(self.election_state, limit)

    def _write_ack(self, data: bytes, limit: float) -> None:
        self._require_lead(limit)
        for _ in range(_ROUNDS):
            operations: List[Tuple[str, tuple, dict]] = [("set_data", (self.election_ack, data), {})]
            if self._noted is not None:
                operations.append(("check", (self.holder_znode, self._noted.version), {}))
            if self._commit("write the ack", limit, operations):
                self._acked = True
                return
            self._make_beside(limit)
            self._note_again(limit)
        raise ZooKeeperFailed(f"{self.election_ack} vanished at every look; ask again")

    def _read_holder(self, limit: float) -> Optional["_Found"]:
        return self._parsed_holder(
            self._ask("read the holder", limit, self._client.get_async, self.holder_znode, missing_ok=True)
        )

    def _parsed_holder(self, found: Any) -> Optional["_Found"]:
        """What stands in the holder znode. found: as the client answers."""
        if found is None:
            return None
        info, version = _parsed(found[0]), found[1].version
        node, token = untrusted.known_name(info.get("node")), untrusted.number(info.get("token"))
        election = info.get("election", self._election)
        # As noted for a predecessor that has noted none itself.
        unnoted, right = (info.get("node"), info.get("token")) == ("", 0), places.is_path(election)
        if not (node and token or unnoted) or not right:
            self._tell("holder", f"{self.holder_znode} holds no holder record and is taken for an unknown node's")
        if not (token or unnoted) or not right:
            return _Found(Holder("", 0, ""), version)
        holder = Holder(node, token, untrusted.known_address(info.get("address")))
        seen, after = untrusted.number(info.get("seen")), untrusted.known_address(info.get("after"))
        return _Found(holder, version, "" if election == self._election else election, seen, after)

    def _tell(self, kind: str, text: str) -> None:
        """A line about what others have written, now and then."""
        line = self._said.line(text, kind, now())
        if line:
            log.warning("%s", line)

    def _commit(self, doing: str, limit: float, operations: List[Tuple[str, tuple, dict]]) -> bool:
        """Check the proposal and do `operations` at once. False when one of them met a change and nothing was done.

        Raises NotLeader when the proposal is gone.
        """
        return self._committed(doing, limit, self._transact(operations))

    def _transact(self, operations: List[Tuple[str, tuple, dict]]) -> Any:
        """Send the transaction."""
        transaction = self._client.transaction()
        transaction.check(self._path(), -1)
        for name, arguments, options in operations:
            getattr(transaction, name)(*arguments, **options)
        return transaction.commit_async()

    def _committed(self, doing: str, limit: float, answer: Any) -> bool:
        """What became of a transaction, as `_commit` has it."""
        results = self._answer(doing, limit, answer)
        errors = [result for result in results if isinstance(result, Exception)]
        if not errors:
            return True
        if isinstance(results[0], kazoo_errors.NoNodeError):
            name = self.proposal
            self._drop()
            raise NotLeader(f"the proposal {name} is gone; stop what ran by it, then create_proposal()")
        for error in errors:
            if isinstance(error, (kazoo_errors.NoNodeError, kazoo_errors.NodeExistsError, kazoo_errors.BadVersionError)):
                return False
        real = [e for e in errors if not isinstance(e, (kazoo_errors.RolledBackError, kazoo_errors.RuntimeInconsistency))]
        raise _named(doing, (real or errors)[0])

    def _ask(self, doing: str, limit: float, request: Callable[..., Any], *arguments: Any,
             missing_ok: bool = False, exists_ok: bool = False, changed_ok: bool = False, **options: Any) -> Any:
        answer = request(*arguments, **options)
        return self._answer(doing, limit, answer, missing_ok or changed_ok, exists_ok, changed_ok)

    def _answer(self, doing: str, limit: float, answer: Any, missing_ok: bool = False, exists_ok: bool = False,
                changed_ok: bool = False) -> Any:
        """What ZooKeeper answers; None when the znode is missing, exists, or has changed, where that is ok."""
        try:
            return answer.get(timeout=max(0.0, limit - now()))
        except kazoo_errors.NoNodeError as error:
            if missing_ok:
                return None
            raise _named(doing, error) from None
        except kazoo_errors.NodeExistsError as error:
            if exists_ok:
                return None
            raise _named(doing, error) from None
        except kazoo_errors.BadVersionError as error:
            if changed_ok:
                return None
            raise _named(doing, error) from None
        except self._client.handler.timeout_exception:
            raise TimedOut(f"ZooKeeper did not answer in time to: {doing}; look what stands, then ask again") from None
        except Exception as error:
            raise _named(doing, error) from error

    def _reconnected(self, limit: float) -> None:
        """Wait until there is a connection. Raises NotConnected at `limit`."""
        here = self._client.handler.event_object()

        def note(state: str) -> None:
            if state == KazooState.CONNECTED:
                here.set()

        self._client.add_listener(note)
        try:
            if not (self._client.connected or here.wait(max(0.0, limit - now()))) or now() >= limit:
                raise NotConnected("no connection to ZooKeeper within the time limit; ask again later")
        finally:
            self._client.remove_listener(note)

    def _session_changed(self, state: str) -> None:
        if state == KazooState.LOST:
            self.forget()


class _Proposal(NamedTuple):
    name: str
    token: int
    session: int


class _Noted(NamedTuple):
    """What was written to the holder znode for this term, the version that it has by that, and when that was."""

    record: bytes
    version: int
    sent: float
    answered: float


class _TermAnswers(NamedTuple):
    """What was asked of a term: the client's answers to be."""

    holder: Any
    proposal: Any
    ack: Any


class _Found(NamedTuple):
    """The holder znode. election: "" for this one's. seen, after: as `Elector._record` has them."""

    holder: Holder
    version: int
    election: str = ""
    seen: Any = None
    after: str = ""


class _Term(NamedTuple):
    """What a server says of a term: the holder, whether the proposal stands, what has the ack empty, and the zxid at which that
    was written last.

    left: the address in an ack that somebody has written, "" where it cannot be one; else None.
    """

    holder: Optional[_Found]
    seen: bool
    emptied: List[Tuple[str, tuple, dict]]
    acked: int
    left: Optional[str]

    @property
    def unnoted(self) -> str:
        """The address in an ack that is not that of the holder, so that somebody led after that and noted nothing; or ""."""
        return self.left or "" if self.holder is None or self.left != self.holder.holder.address else ""


class _Callback:
    """What the client is given to call with news of one znode, for all watches on it. The client keeps whatever it was given
    until the znode changes, and an ack may stay the same for months."""

    def __init__(self, known: "Dict[str, _Callback]", path: str) -> None:
        self._known, self._path = known, path
        self.watches: "Set[_Watch]" = set()

    @classmethod
    def of(cls, client: KazooClient, path: str) -> "_Callback":
        """The one that the client has already, or another."""
        known = vars(client).setdefault("zkelect_callbacks", {})
        return known.setdefault(path, cls(known, path))

    def __call__(self, event: Any) -> None:
        """A change of the znode, or type NONE when the connection was lost. The client does not keep this any more."""
        for watch in list(self.watches):
            watch.heard(event)
        if not self.watches:
            self._known.pop(self._path, None)


class _Watch:
    """A watch on one znode that outlives reconnects: requests made while disconnected wait for the connection.

    token: the znode's czxid, where another one of the same name is none. changed: the future, where several watches
    share one.
    """

    def __init__(
        self, client: KazooClient, path: str, token: Optional[int] = None, changed: "Optional[Future[str]]" = None
    ) -> None:
        self.changed: "Future[str]" = changed or Future()
        self._token = token
        self._client = client
        self._callback: Optional[_Callback] = None
        self.path = path

    @property
    def seen(self) -> _Callback:
        """What the client is to be given with a request that leaves the watch."""
        self._callback = _Callback.of(self._client, self.path)
        self._callback.watches.add(self)
        return self._callback

    def end(self, why: Optional[str]) -> None:
        self._leave()
        if why is None:
            self.changed.cancel()
        elif not self.changed.done():
            self._fire(why)

    def heard(self, event: Any) -> None:
        """As the callback is called."""
        self._leave()
        if self.changed.done():
            return
        if event.type != "NONE":
            self._fire(f"{self.path} {event.type.lower()}")
        else:
            self._arm()

    def _leave(self) -> None:
        if self._callback is not None:
            self._callback.watches.discard(self)

    def _arm(self) -> None:
        self._client.exists_async(self.path, watch=self.seen).rawlink(self._armed)

    def _armed(self, answer: Any) -> None:
        if self.changed.done():
            return
        if isinstance(answer.exception, kazoo_errors.ConnectionLoss):
            self._arm()
        elif answer.exception is not None:
            self._fire(f"{self.path} cannot be watched: {type(answer.exception).__name__}")
        elif answer.value is None or self._token not in (None, answer.value.czxid):
            self._fire(f"{self.path} deleted")

    def _fire(self, why: str) -> None:
        # Two threads of the client may come here at once; the first one counts.
        try:
            self.changed.set_result(why)
        except Exception as error:
            log.debug("a watch fired twice: %s", error)


def _encoded(info: Union[str, bytes]) -> bytes:
    data = info.encode("utf-8") if isinstance(info, str) else info
    if not isinstance(data, bytes):
        raise BadArgument(f"info is {info!r}; give text or bytes")
    return data


def _check_timeout(timeout: Any) -> None:
    if not isinstance(timeout, (int, float)) or not 0 < timeout < float("inf"):
        raise BadArgument(f"timeout is {timeout!r}; give seconds, more than 0")


def _sequence(name: str) -> int:
    return int(name[-10:])


def _order(name: str) -> Tuple[str, str]:
    """What proposals are sorted by; the digits of all are as many."""
    return name[-10:], name


def _parsed(data: Optional[bytes]) -> Dict[str, Any]:
    return untrusted.document(data)


def _data(found: Any) -> bytes:
    """What a znode holds, as the client answers. Some have no data at all, as Java's client may make them."""
    return (found[0] or b"") if found else b""


def _named(doing: str, error: Exception) -> ElectionError:
    if isinstance(error, ElectionError):
        return error
    kind = type(error).__name__
    if isinstance(error, kazoo_errors.SessionExpiredError):
        return SessionGone(f"the session expired before ZooKeeper could {doing}; create a proposal in the next one")
    if isinstance(error, (kazoo_errors.ConnectionLoss, kazoo_errors.ConnectionClosedError, kazoo_errors.SessionMovedError)):
        return NotConnected(f"the connection was lost before ZooKeeper could {doing}; ask again")
    if isinstance(error, kazoo_errors.AuthFailedError) and str(error):
        return AccessDenied(f"ZooKeeper does not let this node {doing}: {error}")
    if isinstance(error, (kazoo_errors.NoAuthError, kazoo_errors.AuthFailedError)):
        return AccessDenied(f"ZooKeeper does not let this node {doing} ({kind}); correct the credentials or the ACL")
    if isinstance(error, kazoo_errors.NoNodeError):
        return ZooKeeperFailed(f"cannot {doing}: a znode is missing; prepare() makes what is needed")
    return ZooKeeperFailed(f"cannot {doing}: {kind} {error}".rstrip())
