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

What an Elector does is written where its parts are, in `supervisor_zkelect.zookeeper`: `queue.py`, who stands in a queue and in
which order; `proposal.py`, how a node takes its place there and learns that it leads; `holder.py`, what an election keeps beside
its queue; `term.py`, what only who leads may write; `requests.py`, how ZooKeeper is asked, and what its errors are called here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Sequence

from kazoo.protocol.states import KazooState
from kazoo.security import ACL

from supervisor_zkelect import places
from supervisor_zkelect.errors import (
    AccessDenied, AnotherElection, BadArgument, ElectionError, NotConnected, NotLeader, ProposalGone, SessionGone, TimedOut,
    ZooKeeperFailed,
)
from supervisor_zkelect.zookeeper.holder import Holder
from supervisor_zkelect.zookeeper.proposal import Standing
from supervisor_zkelect.zookeeper.queue import Member, Queue
from supervisor_zkelect.zookeeper.requests import Requests
from supervisor_zkelect.zookeeper.term import TermCalls

__all__ = [
    "AccessDenied", "AnotherElection", "BadArgument", "ElectionError", "Elector", "Holder", "Member", "NotConnected",
    "NotLeader", "ProposalGone", "Queue", "SessionGone", "Standing", "TimedOut", "ZooKeeperFailed",
]

if TYPE_CHECKING:
    # A release begins sooner without kazoo's client (wire.py).
    from kazoo.client import KazooClient


class Elector(TermCalls):
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
        requests = Requests(client, timeout, list(acl) if acl else None)
        super().__init__(requests, election_znode, election_ack, state, f"{election_prefix}{separator}", data)
        self._owns_client = False
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
        self._zk.closed = True
        self._client.remove_listener(self._session_changed)
        self._drop_watch("closed")
        for watch in self._term_watches:
            watch.end(None)
        if self._owns_client:
            from supervisor_zkelect import session

            session.stop_client(self._client)

    def _session_changed(self, state: str) -> None:
        if state == KazooState.LOST:
            self.forget()


def _check_timeout(timeout: Any) -> None:
    if not isinstance(timeout, (int, float)) or not 0 < timeout < float("inf"):
        raise BadArgument(f"timeout is {timeout!r}; give seconds, more than 0")
