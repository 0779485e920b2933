"""The group of one election, as the listener knows it: orders to the guard, and the state of its programs. On the
deciding thread."""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Optional, Set, Tuple

from supervisor_zkelect.guard import protocol

#: Number of the question about the members that only this listener wants an answer to.
LEARN = 1 << 62


class GroupControl:
    """Orders to the guard about one group, and the state of its programs."""

    def __init__(self, name: str, send: Callable[[Any], None], ordered: Callable[[], None]) -> None:
        """send: sends a message to the guard. ordered: called after each order that it answers."""
        self.name = name
        self.send = send
        self._ordered = ordered
        #: a program of the group is started without the chain loader
        self.unguarded = False
        #: pids of programs that ran in this term
        self.running: Set[int] = set()
        #: program -> why the chain loader refused to start it in this term
        self.refused: Dict[str, str] = {}
        #: program that has ended, and is not RUNNING again -> how, in one line, "" while that is not known
        self.ends: Dict[str, str] = {}
        #: program -> since when supervisord says that it has exited
        self._exited: Dict[str, float] = {}
        #: number of the order to the guard that is not answered yet, and what makes it, to be repeated to a new guard
        self._order: Optional[Tuple[int, Callable[[], Any]]] = None
        #: when an order that the guard has not answered has the group killed; when this listener kills it, at the earliest, minus
        #: infinity where it was not due before; until when what an earlier listener left may stop, if its lease lasts; and while
        #: there is no guard, when supervisord is to be asked to stop it, infinity once it was
        self.kill_at = math.inf
        self.stop_by = math.inf
        self.ask_at = -math.inf
        self.strike_at = -math.inf

    # Orders

    @property
    def busy(self) -> bool:
        """Whether an order is not answered yet."""
        return self._order is not None

    def start(self, op: int, grant: Callable[[], protocol.Grant]) -> None:
        """grant: that of the term, as it is when the order is given, or repeated."""
        self.running.clear()
        self.refused.clear()
        self.ends.clear()
        self._exited.clear()
        self.kill_at, self.strike_at = math.inf, -math.inf
        self._give(op, lambda: protocol.StartOrder(self.name, op, grant()))

    def stop(self, op: int, kill_at: float, grant: Callable[[], protocol.Grant]) -> None:
        """grant: as in `start`."""
        self.kill_at = kill_at
        self._give(op, lambda: protocol.StopOrder(self.name, op, kill_at, grant()))

    def kill(self, op: int) -> None:
        self.kill_at = -math.inf
        self._give(op, lambda: protocol.KillOrder(self.name, op))

    def ensure_dead(self, op: int, stop_by: float, kill_at: float) -> None:
        """Prove the group dead, whoever started it. stop_by: when its stopwaitsecs are over. kill_at: when it is killed, as its
        lease is."""
        self.stop_by, self.kill_at = stop_by, kill_at
        self._give(op, lambda: protocol.EnsureDeadOrder(self.name, op))

    def _give(self, op: int, order: Callable[[], Any]) -> None:
        """Give an order to the guard, and to each new guard until it is answered."""
        self._order = (op, order)
        self.send(order())
        self._ordered()

    def repeat(self) -> None:
        """Repeat to a new guard what the old one did not answer."""
        if self._order is not None:
            self.send(self._order[1]())

    def answered(self, op: Optional[int]) -> None:
        """Forget the order if it has this number: the guard has answered it."""
        if self._order is not None and self._order[0] == op:
            self._order, self.kill_at, self.strike_at = None, math.inf, -math.inf

    def guard_changed(self) -> None:
        """Leave the end of the group to another guard, which has come; or take it on, as there is none any more."""
        self.ask_at = self.strike_at = -math.inf

    def look(self, op: int) -> None:
        """Ask for the states of the programs."""
        self.send(protocol.LookOrder(self.name, op))

    def readdress(self, address: str) -> None:
        """Programs that start later in this term get another address."""
        self.send(protocol.AddressOrder(self.name, address))

    def tell_ack(self, token: int, acked: bool) -> None:
        """In the term `token` the ack was written, or is about to be emptied."""
        self.send(protocol.AckOrder(self.name, token, acked))

    # Programs

    def runs(self, name: str, pid: int) -> None:
        """supervisord says that the program is RUNNING."""
        self.running.add(pid)
        self.refused.pop(name, None)
        self.ends.pop(name, None)

    def cause(self, name: str, state: str, moment: float) -> Tuple[str, float]:
        """The known cause why a program in this state does not run, "" for none; and for how many seconds it has been EXITED."""
        if state != "EXITED":
            self._exited.pop(name, None)
            return self.refused.get(name) or self.ends.get(name, ""), 0.0
        # One that supervisord starts again is in this state for a second.
        return self.ends.get(name, ""), moment - self._exited.setdefault(name, moment)
