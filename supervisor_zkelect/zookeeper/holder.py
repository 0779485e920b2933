"""The znodes that an election keeps beside its queue: ack, holder and history, and whose they are. Begins and ends nothing.

Beside the ack everything stands below one znode, the state, that only this election has. The holder in it names its
election. Where two elections share an ack or a state by mistake, whoever claims a term first has it, and the other one is
refused: a holder of another election in which candidates stand is never taken for a predecessor, nor written over.
"""

from __future__ import annotations

import json
import logging
from concurrent.futures import Future
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from supervisor_zkelect.core import control, paced, places, untrusted
from supervisor_zkelect.core.control import Control
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments, strangers
from supervisor_zkelect.zookeeper.errors import AccessDenied, AnotherElection, ZooKeeperFailed
from supervisor_zkelect.zookeeper.requests import CHANGED, MISSING, ROUNDS, THERE, Operation, Requests, data_of
from supervisor_zkelect.zookeeper.watch import Watch

log = logging.getLogger(__name__)

#: Seconds between two lines of the same kind.
_REPEAT = 60.0


class Holder(NamedTuple):
    """Who may have left something running. `node` and `address` are "" where they are none (`untrusted.py`), and `token` is 0
    when the znode cannot be read as a holder."""

    node: str
    token: int
    address: str


class HolderZnode(NamedTuple):
    """The holder znode. election: "" for this one's. seen, after, order: as `StateCalls._record` has them."""

    holder: Holder
    version: int
    election: str = ""
    seen: Any = None
    after: str = ""
    order: str = ""


class Orders(NamedTuple):
    """What the control znode holds, and its data, b"" where there is none."""

    control: Control
    data: bytes


class TermAnswers(NamedTuple):
    """The pending answers to the questions about a term. control: None where it was not asked for."""

    holder: Any
    proposal: Any
    ack: Any
    control: Any


class Term(NamedTuple):
    """A term as one server sees it: the holder, whether the proposal stands, what has the ack empty, and the zxid at which that
    was written last.

    left: the address in an ack that somebody has written, "" where it cannot be one; else None. version: of the ack, None where
    there is none. orders: what the control znode has, None where it was not asked for.
    """

    holder: Optional[HolderZnode]
    seen: bool
    emptied: List[Operation]
    acked: int
    left: Optional[str]
    version: Optional[int]
    orders: Optional[Orders] = None

    @property
    def unnoted(self) -> str:
        """The address in an ack that is not that of the holder, so that somebody led after that and noted nothing; or ""."""
        return self.left or "" if self.holder is None or self.left != self.holder.holder.address else ""


class StateCalls:
    """The calls of an `Elector` that ask for what the election keeps beside its queue, whoever leads."""

    def __init__(self, requests: Requests, where: arguments.Places) -> None:
        self.election_znode, self.election_ack, self.election_state, self._stem = where
        self.holder_znode, self.history_znode = places.holder_of(where.state), places.history_of(where.state)
        self.control_znode = places.control_of(where.state)
        self._zk, self._client = requests, requests.client
        self._chroot: str = getattr(requests.client, "chroot", "") or ""
        #: the election's name in its holder: with the client's chroot, so that it is the same for all clients
        self._election = self._chroot + where.election
        self._term_watches: List[Watch] = []
        self._said = paced.Paced(1, _REPEAT)

    def read_ack(self) -> bytes:
        """The ack's data; empty when there is no primary, or no ack."""
        return data_of(self._zk.read("read the ack", self._zk.limit(), self.election_ack))

    def watch_term(self) -> Tuple[Optional[Holder], bytes, Future[str]]:
        """The results of `holder` and `read_ack`, and a future that gets one short text when one of them may have changed
        since.

        A change while there was no connection is not told: ask for another future after a reconnect. The former one is
        cancelled.
        """
        limit = self._zk.limit()
        for watch in self._term_watches:
            watch.end(None)
        changed: Future[str] = Future()
        ack, holder = (Watch(self._client, path, None, changed) for path in (self.election_ack, self.holder_znode))
        self._term_watches = [ack, holder]
        # Both at once, as the answers come in the order of the requests.
        answers = [(watch, self._client.get_async(watch.path, watch=watch.seen)) for watch in (ack, holder)]
        written, noted = (self._watched(watch, answer, limit) for watch, answer in answers)
        found = self._parsed_holder(noted)
        return self._own_holder(found), data_of(written), changed

    def _watched(self, watch: Watch, answer: Any, limit: float, doing: str = "watch ack and holder") -> Any:
        """The answer to a request for data that sets the watch; None when there is no such znode."""
        found = self._zk.answer(doing, limit, answer, ok=MISSING)
        if found is None and self._zk.ask(
            doing, limit, self._client.exists_async, watch.path, watch=watch.seen
        ):
            # It was made between the two.
            found = self._zk.read(doing, limit, watch.path)
        return found

    def holder(self) -> Optional[Holder]:
        """Who is noted as holder of this election, or None."""
        return self._own_holder(self._read_holder(self._zk.limit()))

    def taken_by(self) -> str:
        """Why another election has what is this one's; "" when none has."""
        limit = self._zk.limit()
        found = self._read_holder(limit)
        try:
            if found is not None:
                self._is_another(found, limit)
        except AnotherElection as error:
            return str(error)
        return ""

    def history(self) -> bytes:
        """The history znode's data, b"" when there is none."""
        return data_of(self._zk.read("read the history", self._zk.limit(), self.history_znode))

    def amend_history(self, change: Callable[[bytes], bytes], timeout: float) -> None:
        """Put what `change` makes of the history znode's data into it, by compare and set, whoever leads.

        change: may be called more than once. timeout: seconds for all of it. Raises ZooKeeperFailed when others write at
        each try, or when the state is missing.
        """
        arguments.function("change", change)
        self._amend("the history", self.history_znode, change, now() + arguments.seconds("timeout", timeout))

    def _amend(self, what: str, path: str, change: Callable[[bytes], bytes], limit: float) -> None:
        """Put what `change` makes of a znode's data into it, by compare and set."""
        for _ in range(ROUNDS):
            found = self._zk.read(f"read {what}", limit, path)
            data = arguments.data("what change returns", change(data_of(found)))
            if found is None:
                done = self._zk.ask(f"write {what}", limit, self._client.create_async, path, data, acl=self._zk.acl, ok=THERE)
            else:
                done = self._zk.ask(
                    f"write {what}", limit, self._client.set_async, path, data, found[1].version, ok=CHANGED
                )
            if done is not None:
                return
        raise ZooKeeperFailed(f"{path} changed at every try to write it; ask again")

    def _read_holder(self, limit: float) -> Optional[HolderZnode]:
        return self._parsed_holder(self._zk.read("read the holder", limit, self.holder_znode))

    def _parsed_holder(self, found: Any) -> Optional[HolderZnode]:
        """The record in the holder znode. found: as the client answers."""
        if found is None:
            return None
        info, version = untrusted.document(found[0]), found[1].version
        node, token = untrusted.known_name(info.get("node")), untrusted.number(info.get("token"))
        election = info.get("election", self._election)
        # As noted for a predecessor that has noted none itself.
        unnoted, right = (info.get("node"), info.get("token")) == ("", 0), places.is_path(election)
        if not (node and token or unnoted) or not right:
            self._tell("holder", f"{self.holder_znode} holds no holder record and is taken for an unknown node's")
        if not (token or unnoted) or not right:
            return HolderZnode(Holder("", 0, ""), version)
        holder = Holder(node, token, untrusted.known_address(info.get("address")))
        seen, after = untrusted.number(info.get("seen")), untrusted.known_address(info.get("after"))
        order = untrusted.printable(info.get("order") or "", 64)
        return HolderZnode(holder, version, "" if election == self._election else election, seen, after, order)

    def _own_holder(self, found: Optional[HolderZnode]) -> Optional[Holder]:
        return found.holder if found is not None and not found.election else None

    def _is_another(self, found: HolderZnode, limit: float) -> bool:
        """Whether the holder is that of another election, in which nobody stands any more, so that it can be replaced.

        Raises AnotherElection where somebody stands in it, or where that cannot be told.
        """
        if not found.election:
            return False
        standing = "whose candidates this node cannot see"
        if not self._chroot or places.inside(found.election, self._chroot):
            try:
                path = found.election[len(self._chroot):]
                names = self._zk.ask("list another queue", limit, self._client.get_children_async, path, ok=MISSING)
                if not any(strangers.DIGITS.search(name) for name in names or ()):
                    return True
                standing = "in which candidates stand"
            except AccessDenied:
                pass
        raise AnotherElection(
            f"{self.holder_znode} is held by another election, {found.election}, {standing}; no term is begun in "
            f"{self.election_znode} meanwhile: give each election an election_ack and an election_state of its own"
        )

    def _ask_of_term(
        self, proposal: str, watch: Optional[Callable[[Any], None]] = None, orders: bool = False
    ) -> TermAnswers:
        """Ask for holder, proposal and ack, and have the proposal watched. proposal: its path. orders: ask for the control as
        well."""
        # All at once, as the answers come in the order of the requests.
        return TermAnswers(
            self._client.get_async(self.holder_znode), self._client.exists_async(proposal, watch=watch),
            self._client.get_async(self.election_ack),
            self._client.get_async(self.control_znode) if orders else None,
        )

    def _told_of_term(self, asked: TermAnswers, token: Optional[int], limit: float) -> Term:
        """token: of the proposal; another one of its name is none."""
        holder = self._parsed_holder(self._zk.answer("read the holder", limit, asked.holder, ok=MISSING))
        proposal = self._zk.answer("look at the proposal", limit, asked.proposal)
        ack = self._zk.answer("read the ack", limit, asked.ack, ok=MISSING)
        orders = None if asked.control is None else self._told_of_orders(asked.control, limit)
        emptied: List[Operation] = []
        acked, left, version = 0, None, None
        if ack is not None:
            # A server that lags behind may not have what this node wrote itself over a connection that was lost since.
            data, stat = ack
            what = ("set_data", (self.election_ack, b"", stat.version)) if data else ("check", (self.election_ack, stat.version))
            emptied.append((*what, {}))
            acked, version = stat.mzxid, stat.version
            # What an operator has made it with is nobody's.
            left = untrusted.known_address(data) if data and stat.version else None
        return Term(holder, proposal is not None and proposal.czxid == token, emptied, acked, left, version, orders)

    def _told_of_orders(self, asked: Any, limit: float) -> Orders:
        """The answer to a question for the control. One that may not be read is none that could be used."""
        try:
            return self._parsed_orders(self._zk.answer("read the control", limit, asked, ok=MISSING))
        except AccessDenied as error:
            return Orders(Control(trouble=f"what operators have ordered cannot be read: {error}"), b"")

    def _parsed_orders(self, found: Any) -> Orders:
        """What the control znode holds. found: as the client answers."""
        if found is None:
            return Orders(Control(), b"")
        data, stat = data_of(found), found[1]
        path = untrusted.printable(self.control_znode)
        return Orders(control.read(data, control.Stamp(stat.czxid, stat.version), path), data)

    def _record(self, node: str, token: Optional[int], address: str, **more: Any) -> bytes:
        """The holder's data. seen: token of who has written this for another one. after: address of a second one, who led
        after `node` and noted no holder. order: id of the operator's order by which the term began."""
        info = {"v": 1, "election": self._election, "node": node, "token": token, "address": address}
        return json.dumps({**info, **{name: value for name, value in more.items() if value}}).encode("utf-8")

    def _tell(self, kind: str, text: str) -> None:
        """A line about what others have written, now and then."""
        line = self._said.line(text, kind, now())
        if line:
            log.warning("%s", line)

    def _make_beside(self, limit: float) -> None:
        """Make what does not stand below the election znode."""
        self._zk.make(self.election_ack, limit)
        self._zk.make(self.election_state, limit)
        self._zk.make(self.control_znode, limit)
