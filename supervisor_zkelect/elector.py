"""The election recipe: a proposal in a queue, the watch on one's predecessor, the ack.

    from supervisor_zkelect import Elector

    with Elector.connect("zk1:2181,zk2:2181", 10.0, "/zkelect/orders/election", "n", "/zkelect/orders/ack") as elector:
        elector.create_proposal()                     # 'n-0000000042'
        while not (standing := elector.try_be_leader()):
            standing.changed.result()                 # wakes once, when it is worth asking again
        elector.ack_leader("10.0.0.5:8080")           # clients find this node now
        ...                                           # then: ack emptied, proposal gone, session closed

docs/elector.md has an example for each call.

What an Elector does is written where its parts are, in `supervisor_zkelect.zookeeper`: `queue.py`, who stands in a queue and in
which order; `proposal.py`, how a node takes its place there and learns that it leads; `holder.py`, what an election keeps
beside its queue; `term.py`, what only who leads may write; `proof.py` and `renewal.py`, until when leading is proven;
`requests.py`, how ZooKeeper is asked, and what its errors are called here.
"""

from __future__ import annotations

import logging
import math
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, Callable, NoReturn, Optional, Sequence, Type, TypeVar, Union, cast

from supervisor_zkelect.core import lease, untrusted
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments, lost_sessions, proof, seats
from supervisor_zkelect.zookeeper.errors import (
    AccessDenied,
    AnotherElection,
    BadArgument,
    Barred,
    ElectionError,
    NotConnected,
    NotLeader,
    ProposalGone,
    SessionGone,
    TimedOut,
    ZooKeeperFailed,
)
from supervisor_zkelect.zookeeper.holder import Holder
from supervisor_zkelect.zookeeper.orders import NotBegun
from supervisor_zkelect.zookeeper.pausing import PauseCalls
from supervisor_zkelect.zookeeper.proposal import Standing
from supervisor_zkelect.zookeeper.queue import Member, Queue
from supervisor_zkelect.zookeeper.requests import Client, Requests
from supervisor_zkelect.zookeeper.stepping import Stays

if TYPE_CHECKING:
    from kazoo.client import KazooClient

__all__ = [
    "AccessDenied", "AnotherElection", "BadArgument", "Barred", "ElectionError", "Elector", "Holder", "Member", "NotBegun",
    "NotConnected", "NotLeader", "ProposalGone", "Queue", "SessionGone", "Standing", "Stays", "TimedOut", "ZooKeeperFailed",
]

log = logging.getLogger(__name__)

#: Seconds between two looks at a predecessor, at most, where the session's timeout is not known.
_LOOK = 10.0
#: Seconds for which the end of a client that could not be had is waited for.
_STOP_TIME = 1.0

_Self = TypeVar("_Self", bound="Elector")
_Result = TypeVar("_Result")

#: What the constructor takes beside the four that have no default; and what `connect` takes.
_WORDS = ("separator", "data", "acl", "timeout", "election_state", "granted", "lost")
_CONNECT_WORDS = ("digest", "acl", "separator", "data", "election_state", "lost")


class Elector(PauseCalls):
    """One node's part in one election.

    In a `with` statement it ends with that: what it leads is released, dirty after an exception, and it is closed.

    client: a started kazoo client that the caller owns; `connect` makes one instead.
    election_znode, election_ack: absolute paths; election_prefix: beginning of a proposal's name, not empty.
    separator: what stands between prefix and number. data: the proposal's data, bytes; members read 4 KiB of it at most.
    acl: list of kazoo ACL for the znodes it makes; None leaves them open.
    timeout: time limit of every call, in seconds, 3600 at most.
    election_state: path of the znode below which holder and history stand, by default the ack's with `-state` behind it.
    granted: the session timeout that the servers granted this client, in seconds, which kazoo does not keep; it may be less than
        what was asked for. Without it `deadline` is None, and `lost` and `run` are refused. `connect` sees it by itself.
    lost: called with one line that says why, when leading can no longer be proven: the proposal is gone, its session is over, or
        `deadline` passed, since the quorum confirmed the proposal too late or not at all. Once per term, or once again where
        `try_be_leader` said after that that the same proposal leads; not where the term ended by `release`, `withdraw`,
        `step_behind` or `close`. With it, a thread has the proposal checked ten times in a session timeout from the moment
        when it leads; `lost` is called on that thread, may block, and may call the elector while nobody else does.

    The constructor writes nothing. Calls may come from any thread, one at a time. Two electors of one client have no proposal
    in one election at a time. Every call raises BadArgument for arguments that cannot be right, before anything is asked, and
    TimedOut, NotConnected, SessionGone, AccessDenied or ZooKeeperFailed when ZooKeeper does; what else it raises is said there.
    """

    def __init__(
        self,
        client: Client,
        election_znode: str,
        election_prefix: str,
        election_ack: str,
        *,
        separator: str = "-",
        data: bytes = b"",
        acl: Optional[Sequence[object]] = None,
        timeout: float = 10.0,
        election_state: Optional[str] = None,
        granted: Optional[float] = None,
        lost: Optional[Callable[[str], object]] = None,
        **unknown: NoReturn,
    ) -> None:
        arguments.known(unknown, _WORDS)
        where = arguments.places_of(
            arguments.chroot(client), election_znode, election_prefix, election_ack, separator, election_state
        )
        requests = Requests(cast("KazooClient", client), arguments.seconds("timeout", timeout), arguments.acl(acl))
        arguments.data("data", data)
        if granted is not None:
            arguments.seconds("granted", granted)
        arguments.watcher(lost, granted is not None)
        arguments.client(client)
        super().__init__(requests, where, data)
        if granted is not None:
            self._proof = proof.Proof(granted)
        self._lost = lost
        self._owns_client = False
        self._listener = lost_sessions.tell(client, self, self.forget)

    @classmethod
    def connect(
        cls: Type[_Self],
        servers: Union[str, Sequence[str]],
        timeout: float,
        election_znode: str,
        election_prefix: str,
        election_ack: str,
        *,
        digest: Optional[str] = None,
        acl: str = "open",
        separator: str = "-",
        data: bytes = b"",
        election_state: Optional[str] = None,
        lost: Optional[Callable[[str], object]] = None,
        **unknown: NoReturn,
    ) -> _Self:
        """An elector with a client of its own, started, and its znodes made.

        servers: "host:port,host:port", or a list of "host:port", with "/chroot" at the end if wanted; it is made when missing.
        timeout: session timeout asked for, and time limit of every call, in seconds.
        digest: "user:password". acl: "open", "creator" (only these credentials) or "creator+read".
        separator, data, election_state, lost: as for the constructor.

        Raises NotConnected when no server answers within `timeout`, after another second at most, and BadArgument as the
        constructor does, before a session is opened.
        """
        from supervisor_zkelect.zookeeper import connect, kazoo_internals

        arguments.known(unknown, _CONNECT_WORDS)
        arguments.seconds("timeout", timeout)
        acls = connect.acl_of(arguments.text("acl", acl))
        if acls is not None and digest is None:
            raise BadArgument(f"acl = {acl!r} is for those with the credentials; give a digest, too")
        hosts, chroot = arguments.servers(servers)
        where = arguments.places_of(chroot, election_znode, election_prefix, election_ack, separator, election_state)
        arguments.data("data", data)
        arguments.watcher(lost, True)
        client, proven = connect.make_client(hosts, timeout, digest=arguments.digest(digest)), proof.Proof(None)
        kazoo_internals.on_connect(client, lambda sent, granted, session, password: proven.connected(sent, granted, session))
        try:
            connect.start_client(client, timeout)
            elector = cls(
                client, chroot + where.election, where.stem, chroot + where.ack, separator="", data=data, acl=acls,
                timeout=timeout, election_state=chroot + where.state,
            )
            elector._owns_client, elector._proof, elector._lost = True, proven, lost
            elector.prepare()
        except BaseException:
            connect.stop_in_time(client, _STOP_TIME)
            raise
        return elector

    def close(self) -> None:
        """Stop the client that `connect` made, which gives up the proposal; another's client is left running, and its proposal
        stands as long as its session. Ack and holder stay: `release` first, or use `with`. Takes the time limit of a call at
        most; a session that could not be closed by then expires.

        Whatever is called after this raises NotConnected.
        """
        if self._zk.closed:
            return
        self._zk.closed = True
        if self._renewal is not None:
            self._renewal.end()
        seats.leave(self._client, self.election_znode, self)
        self._client.remove_listener(self._listener)
        self._drop_watch("closed")
        for watch in self._term_watches:
            watch.end(None)
        if self._owns_client:
            from supervisor_zkelect.zookeeper import connect

            connect.stop_in_time(self._client, self._zk.timeout)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        try:
            if not self._zk.closed and self.proposal is not None:
                self._try_release(dirty=kind is not None)
        finally:
            self.close()

    def __repr__(self) -> str:
        closed = ", closed" if self._zk.closed else ""
        name = untrusted.printable(self.proposal or "no proposal")
        return f"<{type(self).__name__} of {self.election_znode}: {name}{closed}>"

    # Until when leading is proven

    @property
    def deadline(self) -> Optional[float]:
        """Until when this node is proven to lead, in seconds of CLOCK_BOOTTIME, as `time.clock_gettime` has it. None where
        nothing proves it, and after a loss that was told until `try_be_leader` says again that it leads. Nobody else leads by
        these rules before it, unless the proposal is deleted by hand.

        It counts as a listener's lease does (`core/lease.py`): 0.99 of the session timeout that the servers granted,
        from the sending of the newest request whose answer had come half a timeout before the newest check was sent that the
        quorum acknowledged, or of the connect request, where that was before the check. An acknowledgement alone would prove
        something of the past. Checks are `try_be_leader`, `prove`, `ack_leader` without `claim`, and those that are made by
        themselves while there is a `lost` or a function runs by `run`; no other call moves it.
        """
        if self._proof is None or self._renewal is not None and self._renewal.why:
            return None
        return self._proof.deadline(self.token)

    def prove(self) -> Optional[float]:
        """Ask the quorum to check the proposal, and return the `deadline` that follows.

        To be called ten times in a session timeout, or at least every fifth of it, where there is no `lost`. The first deadline
        may come half a timeout after the first check. Raises NotLeader as `ack_leader` does.
        """
        limit = self._zk.limit()
        self._require_lead(limit)
        self._check("check the proposal", limit)
        return self.deadline

    # Whole terms

    def wait_to_lead(self, timeout: Optional[float] = None) -> Standing:
        """Wait until this node leads, and return its standing. Makes a proposal if there is none, and another one where it is
        gone or its session is over while it waits.

        timeout: seconds, 3600 at most; None waits for ever. A request that is under way then has the elector's own time limit.
        Raises TimedOut when this node does not lead by then; it keeps its place in the queue. Raises NotConnected or TimedOut
        when ZooKeeper cannot be reached, or does not answer, for once or twice the elector's own time limit; less is waited out.
        Raises ProposalGone where this node led before, and may have to stop what ran by that.
        """
        limit = now() + arguments.wait("timeout", timeout)
        led = self._led is not None
        while True:
            try:
                if self.proposal is None:
                    self.create_proposal()
                standing = self.try_be_leader()
                if standing:
                    return standing
                led = False
                self._wait(standing, limit)
            except (ProposalGone, SessionGone):
                if led or now() >= limit:
                    raise
            except NotConnected:
                if self._zk.closed or now() >= limit:
                    raise
                self._zk.reconnected(self._zk.limit())

    def run(self, function: Callable[[], _Result], timeout: Optional[float] = None) -> _Result:
        """Wait to lead, call the function, release the term whatever happens, and return what the function returns.

        timeout: as for `wait_to_lead`, of the wait alone. What that raises, this raises; then the function is not called.

        The function begins when leading is proven, and the proposal is checked ten times in a session timeout while it runs.
        Nothing can stop a function from outside: when leading can no longer be proven, `lost` is called, and `deadline` is None.
        The function has to look at one of them, and to be done by the deadline that it knew. When it returns after that, this
        raises NotLeader, as it does where the function has ended the term by itself. What the function raises is passed on; the
        term then ends dirty, as by `release(dirty=True)`. Where the release fails, that is raised, or logged if the function
        has raised: the proposal then stands until it is released, or its session ends.
        """
        arguments.function("function", function)
        if self._proof is None:
            raise BadArgument("run() has to know what the servers granted this client; give granted=…, or use Elector.connect")
        standing = self.wait_to_lead(timeout)
        try:
            self._renew()
            renewal = self._renewal
            self._be_proven(standing)
            result = function()
        except BaseException:
            self._try_release(dirty=True)
            raise
        moment, deadline = now(), self.deadline
        why = renewal.why if renewal is not None else "the proposal is gone"
        try:
            self.release()
        except (ProposalGone, SessionGone) as error:
            why = why or str(error)
        if why or deadline is None or moment >= deadline:
            raise NotLeader(f"leading was lost while the function ran: {why or 'not confirmed in time'}; another may have led")
        return result

    # Inside

    def _pace(self) -> float:
        """Seconds between two requests of who waits."""
        timeout = self._proof.timeout if self._proof is not None else None
        return _LOOK if timeout is None else lease.heartbeat_interval(timeout)

    def _wait(self, standing: Standing, limit: float) -> None:
        """Until it is worth asking again. Raises TimedOut at `limit`.

        The session is used meanwhile: who wins then has answers that are old enough to count from, and a connection that is
        dead is noticed.
        """
        while True:
            left = limit - now()
            if left <= 0:
                raise TimedOut(f"{self.proposal} does not lead yet; it keeps its place: wait again, or withdraw()")
            try:
                standing.changed.result(timeout=min(left, self._pace()))
                return
            except CancelledError:
                return
            except NotYet:
                session, sent = self._zk.session_id, now()
                self._zk.ask("look at the queue", self._zk.limit(), self._client.exists_async, self.election_znode)
                if self._proof is not None and session is not None and session == self._zk.session_id:
                    self._proof.answered(session, sent, now())

    def _be_proven(self, standing: Standing) -> None:
        """Check the proposal until a deadline lies ahead, which takes half a session's timeout at most. Raises NotLeader when
        it is gone, and TimedOut."""
        limit = now() + self._zk.timeout
        while (self.prove() or -math.inf) <= now():
            if now() >= limit:
                raise TimedOut("leading could not be proven within the time limit; ask again")
            try:
                standing.changed.result(timeout=self._pace())
            except NotYet:
                continue
            except CancelledError:
                pass
            # What was told once is told at once ever after.
            standing = self.try_be_leader()
            if not standing:
                raise NotLeader(f"{self.proposal} is not the lowest proposal any more")

    def _try_release(self, dirty: bool) -> None:
        """Release the term where a failure is logged, so that another exception is the one to be raised."""
        try:
            self.release(dirty=dirty)
        except ElectionError as problem:
            log.warning("%s was not released: %s", self.election_znode, problem)
