"""What tools ask of an election beside the control: the log of orders, who has not recognised one yet, forgetting a node."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import Iterator, List, Optional

from kazoo import exceptions as kazoo_errors

from supervisor_zkelect.core import control, nodes, order_log, places
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.zookeeper import arguments
from supervisor_zkelect.zookeeper.errors import ZooKeeperFailed
from supervisor_zkelect.zookeeper.past import PastCalls
from supervisor_zkelect.zookeeper.requests import MISSING, Errors, data_of

_FILLED: Errors = (kazoo_errors.NotEmptyError,)
"""What is to be deleted has children."""


class DeskCalls(PastCalls):
    """The calls of an `Elector` by which orders are given and looked after, and that only tools need."""

    def note_order(self, order: order_log.Noted, outcome: Optional[Outcome] = None) -> None:
        """Write that an order was given into the log of orders. outcome: what became of it, where that is known already."""
        path = places.outcomes_of(self.election_state)
        self._amend("the log of orders", path, lambda data: order_log.amended(data, order, outcome), self._zk.limit())

    def order_log(self) -> List[order_log.LoggedOrder]:
        """The last orders, the newest last."""
        path = places.outcomes_of(self.election_state)
        return order_log.read(data_of(self._zk.read("read the log of orders", self._zk.limit(), path)))

    def unrecognised(self) -> List[str]:
        """The nodes that live and have not read the control yet as it stands."""
        stamp = self.read_control().stamp
        return [] if stamp == control.Stamp() else nodes.unrecognised(self.seen_nodes(), stamp)

    @contextmanager
    def ending_by(self, moment: float) -> Iterator[None]:
        """Have all calls in a `with` statement end by a moment of CLOCK_BOOTTIME."""
        self._zk.until = moment
        try:
            yield
        finally:
            self._zk.until = math.inf

    def reconnect(self) -> None:
        """Wait until there is a connection. Raises NotConnected after the elector's time limit."""
        self._zk.reconnected(self._zk.limit())

    def forget_node(self, node: str) -> bool:
        """Take a node's entry out of those that are known, with whatever it has left below it. Returns whether it is gone: False
        where it lives, or lives again. What ZooKeeper deletes has no children, so a node that comes meanwhile keeps its entry."""
        path, limit = f"{places.nodes_of(self.election_state)}/{arguments.node(node)}", self._zk.limit()
        for _ in range(2):
            left = self._zk.answer("list what a node left", limit, self._client.get_children_async(path), ok=MISSING) or []
            if "live" in left:
                return False
            for name in left:
                self._zk.ask("delete what a node left", limit, self._client.delete_async, f"{path}/{name}", ok=MISSING)
            try:
                self._zk.ask("delete a node's entry", limit, self._client.delete_async, path, ok=MISSING)
            except ZooKeeperFailed as error:
                if not isinstance(error.__cause__, _FILLED):
                    raise
                continue
            return True
        return False
