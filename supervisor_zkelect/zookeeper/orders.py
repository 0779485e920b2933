"""What operators have ordered: the control znode, as members and tools read and change it, and what came of orders.

By compare-and-set only, from what was read behind a sync: whoever orders, or begins an order, sees all that was ordered before.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Callable, Collection, List, Optional, Sequence, Set, Tuple

from supervisor_zkelect.core import control, nodes, places, succession, untrusted
from supervisor_zkelect.core import outcomes as outcome_log
from supervisor_zkelect.core.control import Control, Order, Switchover
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments
from supervisor_zkelect.zookeeper.claim import ClaimCalls
from supervisor_zkelect.zookeeper.errors import AccessDenied, ElectionError, ZooKeeperFailed
from supervisor_zkelect.zookeeper.holder import Orders
from supervisor_zkelect.zookeeper.queue import Member
from supervisor_zkelect.zookeeper.requests import CHANGED, MISSING, ROUNDS, THERE, Operation, data_of
from supervisor_zkelect.zookeeper.watch import Watch


class NotBegun(ElectionError):
    """An order is not carried out; the message says why. Nothing was stopped for it."""


class NotAsked(ElectionError):
    """Whether a node is fit is being asked; the message says of which. It is known a moment later."""


CHECK_TIME = 10.0
"""Seconds for which a switchover waits until its target has asked its check. After that its last answer counts, as a switchover
needs nobody's help."""


class OrderCalls(ClaimCalls):
    """The calls of an `Elector` that concern what operators have ordered."""

    _control_watch: Optional[Watch] = None

    def watch_control(self) -> Tuple[Control, Future[str]]:
        """What the control znode says, and a future that gets one short text when it may have changed since. The former future
        is cancelled."""
        limit = self._zk.limit()
        if self._control_watch is not None:
            self._control_watch.end(None)
        self._control_watch = watch = Watch(self._client, self.control_znode)
        found = self._watched(watch, self._client.get_async(watch.path, watch=watch.seen), limit, "watch the control")
        return self._parsed_orders(found).control, watch.changed

    def read_control(self) -> Control:
        """What the control znode says, behind a sync."""
        return self._read_orders(self._zk.limit()).control

    def amend_control(self, change: Callable[[Control], Optional[control.Change]]) -> Control:
        """Change the control by compare-and-set, whoever leads. Returns what it was before.

        change: what to do with the control that was read; None for nothing. May be called more than once.
        Raises control.Unusable where it cannot be changed, and ZooKeeperFailed where others change it at each try.
        """
        arguments.function("change", change)
        limit = self._zk.limit()
        for _ in range(ROUNDS):
            found, data = self._read_orders(limit)
            wanted = change(found)
            if wanted is None:
                return found
            written = control.amended(data, self._servers.now(), wanted, untrusted.printable(self.control_znode))
            if self._write_control(found.stamp, written, limit):
                return found
        raise ZooKeeperFailed(f"{self.control_znode} changed at every try to write it; ask again")

    def outcomes(self) -> List[Outcome]:
        """What became of the last orders, the newest last."""
        path = places.outcomes_of(self.election_state)
        found = self._zk.read("read the outcomes", self._zk.limit(), path)
        return outcome_log.read(data_of(found))

    def tell_outcome(self, outcome: Outcome) -> None:
        """Write what became of an order, and take it out of the control where it stands there; the latter also where the former
        is denied, as an order that stands for ever would keep others from being given. Raises AccessDenied where either is
        denied, but where the outcome was known already: who may not take the order out tells it again and again."""
        path, outcome = places.outcomes_of(self.election_state), outcome._replace(at=self._servers.now() or 0)
        denied: Optional[AccessDenied] = None
        known = False

        def told(data: bytes) -> bytes:
            nonlocal known
            known = any(one.id == outcome.id for one in outcome_log.read(data))
            return outcome_log.amended(data, outcome)

        try:
            self._amend("the outcomes", path, told, self._zk.limit())
        except AccessDenied as error:
            denied = error
        try:
            self.amend_control(lambda found: control.ended(found, outcome.id))
        except AccessDenied as error:
            denied = denied or (None if known else error)
        if denied is not None:
            raise denied

    def server_time(self) -> int:
        """What ZooKeeper's clock shows, in milliseconds since 1970 in UTC, late by a request at most. Where it was not read for a
        while, a znode is made and deleted for it."""
        shown = self._servers.now()
        if shown is not None and self._servers.fresh:
            return shown
        try:
            return self._look_at_clock(self.election_state)
        except AccessDenied:
            # Whoever may only give orders may do so there.
            return self._look_at_clock(self.control_znode)

    def _look_at_clock(self, place: str) -> int:
        """place: the znode below which one is made and deleted."""
        limit = self._zk.limit()
        path, stat = self._zk.ask(
            "look at ZooKeeper's clock", limit, self._client.create_async, f"{place}/clock-", b"", acl=self._zk.acl,
            ephemeral=True, sequence=True, include_data=True,
        )
        self._servers.heard(stat.ctime, now())
        self._zk.ask("delete a znode", limit, self._client.delete_async, path, ok=MISSING)
        return int(stat.ctime)

    def here(self, moment: int) -> float:
        """A moment of ZooKeeper's clock, milliseconds, in seconds of CLOCK_BOOTTIME."""
        return now() + (moment - self.server_time()) / 1000

    def reset_control(self, left: Callable[[Control], Optional[bytes]] = lambda found: b"") -> Control:
        """Overwrite the control, whatever it holds, by compare-and-set. Returns what it was before.

        left: what is to be left of it, by default nothing; None to leave all of it. Called before each try to write.
        Raises ZooKeeperFailed where others change it at each try.
        """
        limit = self._zk.limit()
        for _ in range(ROUNDS):
            found, _ = self._read_orders(limit)
            data = left(found)
            if data is None or self._write_control(found.stamp, data, limit):
                return found
        raise ZooKeeperFailed(f"{self.control_znode} changed at every try to write it; ask again")

    def begin(self, kind: str, order: str, node: str) -> str:
        """See that somebody can take over from this node, which leads, and mark a switchover or its maintenance begun, in one
        transaction that checks both proposals and the control. From the mark on it cannot be taken back. Returns the name of the
        proposal that is to lead then.

        kind: as control.py has them. order: id of the order in the control, which must stand there; of a resignation there is
        none, and of a failback it is the proposal to hand over to. node: this one's name.
        Raises NotBegun where nobody can take over or the order does not stand any more, and NotLeader as `ack_leader` does.
        """
        limit = self._zk.limit()
        self._require_lead(limit)
        mine = self._require()
        for _ in range(ROUNDS):
            found, data = self._read_orders(limit)
            standing = found.switchover if kind == control.SWITCHOVER else None
            aside = found.maintenance.get(node) if kind == control.STAND_ASIDE else None
            wanted = standing.order if standing is not None else aside
            if kind in (control.SWITCHOVER, control.STAND_ASIDE) and (wanted is None or wanted.id != order):
                raise NotBegun("the order was taken back")
            if standing is not None:
                self._require_untold(order)
            if aside is not None and not aside.stands(self.server_time()):
                raise NotBegun("its time is over")
            if found.paused is not None:
                raise NotBegun(f"this election is {found.paused.told()}; see zkelect resume")
            members = self.members()
            back = _back_to(members, found, order) if kind == control.FAILBACK else None
            if standing is not None and standing.begun == mine.token and standing.target in [one.name for one in members]:
                # Its answer was lost.
                return standing.target
            if standing is not None and not standing.begun and control.overdue(standing, self.server_time()):
                raise NotBegun("its time was over by more than ten minutes")
            try:
                target = self._successor(members, found, back or standing, limit)
            except NotBegun:
                if found.leaving.get(node) == mine.token:
                    # It was marked, and the answer lost; nothing is stopped for it now.
                    self.amend_control(control.unmarked(node, mine.token))
                raise
            if standing is not None and standing.to and not standing.order.force:
                unfit = self._unfit_of(target.node, target.session, limit, asked_for=standing)
                if unfit:
                    raise NotBegun(f"{target.node} is not fit to lead: {unfit}; correct that, or see --force")
            operations: List[Operation] = [("check", (f"{self.election_znode}/{target.name}", -1), {})]
            begun = _begun(standing, node, aside is not None, mine.token, target.name)
            if begun is not None:
                written = control.amended(data, self._servers.now(), begun)
                operations.append(("set_data", (self.control_znode, written, found.stamp.version), {}))
            elif found.stamp != control.Stamp():
                operations.append(("check", (self.control_znode, found.stamp.version), {}))
            try:
                if self._marked(operations, aside is not None, found, limit):
                    return target.name
            except AccessDenied as error:
                if standing is None:
                    raise
                raise NotBegun(_unmarked(error)) from None
        raise ZooKeeperFailed("queue or control changed at every look; ask again")

    def _successor(self, members: Sequence[Member], found: Control, switchover: Optional[Switchover], limit: float) -> Member:
        """The candidate that is to lead next. Raises NotBegun."""
        unfit: Set[str] = set()
        while True:
            target = _following(members, found, switchover, self._servers.now(), unfit)
            named = switchover is not None and switchover.to
            if named or target.name in unfit or not self._unfit_of(target.node, target.session, limit):
                return target
            unfit.add(target.name)

    def _marked(self, operations: List[Operation], aside: bool, found: Control, limit: float) -> bool:
        """Whether the transaction that begins a handover was done. aside: for maintenance, which needs no mark where this node
        may not write the control."""
        try:
            return self._check("begin the handover", limit, operations)
        except AccessDenied:
            if not aside:
                raise
        unchanged: Operation = ("check", (self.control_znode, found.stamp.version), {})
        return self._check("begin the handover", limit, [operations[0], unchanged])

    def begin_restart(self, order: str) -> None:
        """Mark a restart begun and empty the ack, in one transaction that checks the proposal, the holder and the control.

        order: its id. Raises NotBegun where it does not stand any more, and NotLeader as `ack_leader` does.
        """
        limit = self._zk.limit()
        self._require_lead(limit)
        mine = self._require()
        for _ in range(ROUNDS):
            found, data = self._read_orders(limit)
            standing = found.restart
            if standing is None or standing.order.id != order:
                raise NotBegun("the order was taken back")
            if found.paused is not None:
                raise NotBegun(f"this election is {found.paused.told()}; see zkelect resume")
            self._require_untold(order)
            if not standing.begun and control.overdue(standing, self.server_time()):
                raise NotBegun("its time was over by more than ten minutes")
            written = control.amended(data, self._servers.now(), control.order_restart(standing._replace(begun=mine.token)))
            operations: List[Operation] = [
                ("set_data", (self.control_znode, written, found.stamp.version), {}), ("set_data", (self.election_ack, b""), {}),
            ]
            if self._noted is not None:
                operations.append(("check", (self.holder_znode, self._noted.version), {}))
            try:
                if self._check("begin the restart", limit, operations):
                    return
            except AccessDenied as error:
                raise NotBegun(_unmarked(error)) from None
            self._make_beside(limit)
            self._note_again(limit)
        raise ZooKeeperFailed("ack, holder or control changed at every look; ask again")

    def _require_untold(self, order: str) -> None:
        """Raise NotBegun where it was told already what became of an order: it stands still where this node could not take it
        out, and whoever gave it counts on its not being carried out any more."""
        known = next((one for one in self.outcomes() if one.id == order), None)
        if known is not None:
            raise NotBegun(known.text)

    def _unfit_of(
        self, node: str, session: int, limit: float, sure: bool = False, asked_for: Optional[Switchover] = None
    ) -> str:
        """Why a candidate says that it is not fit to lead; "" where it does not say so. session: that owns its proposal, as
        another one's word does not count. sure: what it has not said yet is against it, too. asked_for: a switchover before which
        its check is to be asked. Raises NotAsked where that is to be waited for."""
        found = self._zk.read("read a node's entry", limit, f"{places.nodes_of(self.election_state)}/{node}")
        entry = None if found is None else nodes.read(data_of(found))
        if entry is None or entry.session != f"{session:x}":
            return "it has not said yet whether it is" if sure and entry is not None else ""
        if asked_for is not None and entry.checks and entry.checked != asked_for.order.id:
            waited = self.server_time() - max(asked_for.order.at, asked_for.due or 0)
            if waited < 1000 * CHECK_TIME:
                raise NotAsked(f"{node} asks its check `fit` first")
        return entry.unfit

    def _read_orders(self, limit: float) -> Orders:
        synced = self._client.sync_async(self.control_znode)
        asked = self._client.get_async(self.control_znode)
        self._zk.answer("sync the control", limit, synced)
        return self._parsed_orders(self._zk.answer("read the control", limit, asked, ok=MISSING))

    def _write_control(self, stamp: control.Stamp, data: bytes, limit: float) -> bool:
        """Whether it was written; False where it has changed since."""
        if stamp != control.Stamp():
            stat = self._zk.ask(
                "write the control", limit, self._client.set_async, self.control_znode, data, stamp.version, ok=CHANGED
            )
        else:
            self._zk.make(self.election_state, limit)
            stat = self._zk.ask(
                "write the control", limit, self._client.create_async, self.control_znode, data, acl=self._zk.acl, ok=THERE
            )
        return stat is not None


def _unmarked(error: AccessDenied) -> str:
    """Why an order is not carried out that this node may not mark begun: whoever gave it is told, as only he can correct that."""
    return f"the order cannot be marked begun: {error}"


def candidates(members: Sequence[Member]) -> List[succession.Candidate]:
    """Members as `succession.of` has them."""
    return [succession.Candidate(one.name, one.node, one.session, one.info) for one in members]


def knows_orders(member: Member) -> bool:
    """As `succession.knows_orders`."""
    return succession.knows_orders(member.info)


def _back_to(members: Sequence[Member], found: Control, proposal: str) -> Switchover:
    """What hands over to the candidate with this proposal, as a switchover to its node would. Raises NotBegun."""
    if found.switchover is not None:
        raise NotBegun("an operator has ordered a switchover")
    if found.restart is not None:
        raise NotBegun("an operator has ordered a restart")
    wanted = next((one for one in members if one.name == proposal), None)
    if wanted is None or not wanted.node:
        raise NotBegun(f"{proposal} does not stand in the queue any more")
    return Switchover(Order(proposal), wanted.node)


def _begun(
    standing: Optional[Switchover], node: str, aside: bool, term: int, target: str
) -> Optional[control.Change]:
    """What marks the order begun by which this node hands over; None where there is none. aside: whether it is a maintenance."""
    if standing is not None:
        return control.order_switchover(standing._replace(begun=term, target=target, source=node))
    return control.mark_maintenance(node, term) if aside else None


def _following(
    members: Sequence[Member], found: Control, switchover: Optional[Switchover], shown: Optional[int], unfit: Collection[str]
) -> Member:
    """The candidate that is to lead next. shown, unfit: as `succession.of` takes them. Raises NotBegun."""
    others = [one for one in members if not one.mine]
    to, force = (switchover.to, switchover.order.force) if switchover is not None else ("", False)
    following = succession.of(candidates(others), found, to, force, shown, unfit)
    if following.place is None:
        raise NotBegun(following.why + _REMEDIES[following.kind])
    return others[following.place]


#: What is to be done where nobody can take over, behind the reason.
_REMEDIES = {
    succession.ABSENT: "; see zkelect members", succession.ASIDE: "", succession.STRANGE: "; see --force", succession.STAYS: "",
    succession.NOBODY: ", so this node stays; start another node first",
    succession.UNUSABLE: "; until then nobody could take over, and this node stays",
}
