"""A small model of what ZooKeeper holds of one election, of what one node asks it for, and of another node.

What a request does, it does at one moment; whether its answer arrives is another question (`played.py`). The other node does at
once whatever it does, and at the moments when it looks.
"""

from itertools import count
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from supervisor_zkelect.core import control as words
from supervisor_zkelect.core import messages as m
from supervisor_zkelect.core import pause_messages as p
from supervisor_zkelect.core.control import RestartSeen
from supervisor_zkelect.core.lease import PAUSE_RESPECTED
from supervisor_zkelect.core.state import FURTHER

#: The names of the node and of the other one. The other one has the session 0.
NODE, OTHER = "self", "b"


class Ordered(NamedTuple):
    """A switchover or a restart. begun: token of the term that it ends, 0 before; target: token of who is to lead then."""

    order: str
    to: str = ""
    begun: int = 0
    target: int = 0
    term: int = 0


class Pause(NamedTuple):
    """As `pause_messages.PauseSeen` has it. at: when the last consent was written, or when it was asked for."""

    order: str
    stands: bool
    lasts: float
    at: float
    consent: int = 0
    resume: bool = False


class Control(NamedTuple):
    """What operators have ordered. aside: id of the maintenance of the node, "" for none."""

    version: int = 0
    aside: str = ""
    forced: bool = False
    switchover: Optional[Ordered] = None
    restart: Optional[Ordered] = None
    pause: Optional[Pause] = None

    @property
    def paused(self) -> bool:
        return self.pause is not None and self.pause.stands


def name_of(token: int) -> str:
    return f"n-{token:010d}"


class ZooKeeper:
    """What it holds, and what changes that.

    queue: token of each proposal -> its session. barriers: of the terms with these tokens. holder, acked: tokens, 0 for none.
    led: order that led to the holder's term, and who was to lead by it. denied: what the node may not write: "", "control" or
    "all". former: tokens of the node's terms in former lives.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self.changed = changed
        self.control, self.history = Control(), [Control()]
        self.queue: Dict[int, int] = {}
        self.barriers: Set[int] = set()
        self.sessions = {0, 1}
        self.holder = self.acked = 0
        self.led = "", ""
        self.outcomes: Dict[str, bool] = {}
        self.denied = ""
        self.own: Set[int] = set()
        self.former: Set[int] = set()
        self._tokens = count(41)

    def write(self, **changes: Any) -> None:
        """Change the control."""
        self.control = self.control._replace(version=self.control.version + 1, **changes)
        self.history.append(self.control)
        self.changed("control")

    def propose(self, session: int) -> int:
        token = next(self._tokens)
        self.queue[token] = session
        if session:
            self.own.add(token)
        return token

    def proposal(self, session: int) -> int:
        """Token of the proposal that a session owns; 0 for none."""
        return next((token for token, owner in self.queue.items() if owner == session and session in self.sessions), 0)

    def line(self) -> List[Tuple[int, bool]]:
        """The queue in its order, with the barriers."""
        return sorted([(token, False) for token in self.queue] + [(token, True) for token in self.barriers])

    def leads(self, token: int) -> bool:
        return bool(token) and self.line()[:1] == [(token, False)]

    def delete(self, token: int) -> None:
        if self.queue.pop(token, None) is not None:
            self.changed("queue")

    def unbar(self, token: int) -> None:
        if token in self.barriers:
            self.barriers.discard(token)
            self.changed("queue")

    def end_term(self, token: int) -> None:
        """As a release does, but for the proposal."""
        if self.holder == token:
            self.holder, self.led = 0, ("", "")
        if self.acked == token:
            self.acked = 0
        self.take_back(token)

    def take_back(self, token: int) -> None:
        """Take the consent of a term out of the pause, which goes on, unless it was to end."""
        self.unbar(token)
        pause = self.control.pause
        if pause is not None and pause.stands and pause.consent == token:
            self.write(pause=None if pause.resume else pause._replace(consent=0))

    def consent(self, token: int, now: float) -> None:
        self.barriers.add(token)
        self.changed("queue")
        assert self.control.pause is not None
        self.write(pause=self.control.pause._replace(stands=True, consent=token, at=now))

    def end_pause(self) -> None:
        assert self.control.pause is not None
        self.unbar(self.control.pause.consent)
        self.write(pause=None)

    def end_session(self, session: int) -> None:
        self.sessions.discard(session)
        for token in [token for token, owner in self.queue.items() if owner == session]:
            self.delete(token)

    def tell(self, order: str, ok: bool) -> None:
        """Note what became of an order, and take it out of the control."""
        self.outcomes[order] = ok
        if self.denied:
            return
        for name in ("switchover", "restart", "pause"):
            one = getattr(self.control, name)
            if one is not None and one.order == order and not (name == "pause" and one.stands):
                self.write(**{name: None})

    def seen(self, control: Control) -> m.ControlSeen:
        """What the control means for the node."""
        pause, ordered, restart = control.pause, control.switchover, control.restart
        seen = m.ControlSeen()
        if pause is not None:
            former = pause.consent in self.former
            seen = seen._replace(pause=p.PauseSeen(
                pause.order, "paused", pause.stands, pause.consent, former, pause.consent in self.own - self.former, pause.resume,
                pause.lasts, (1, control.version),
            ))
        if control.aside:
            seen = seen._replace(bar="in maintenance", bar_id=control.aside, forced=control.forced)
        if ordered is not None:
            target = name_of(ordered.target) if ordered.target else ""
            seen = seen._replace(order=ordered.order, to=ordered.to, begun=ordered.begun, target=target)
        if restart is not None:
            seen = seen._replace(restart=RestartSeen(restart.order, begun=restart.begun, term=restart.term))
        return seen


class Requests:
    """What each request of the node does in ZooKeeper, and what it answers. session: by which it is made. fences: another's term
    that was not released is fenced before the node claims. lease: for how many seconds an answer extends the lease."""

    def __init__(self, zk: ZooKeeper, fences: bool, lease: float) -> None:
        self.zk, self.fences, self.lease = zk, fences, lease
        self.session = 1

    def do(self, action: Any, held: bool, adopting: bool, now: float, watch: Callable[..., None]) -> List[Any]:
        """held, adopting: whether a pause held the term when this was asked for, and whether the term is an inherited one. watch:
        is given what stands ahead in the queue."""
        self.held, self.adopting, self.now, self.watch = held, adopting, now, watch
        self.mine = self.zk.proposal(self.session)
        answer = getattr(self, f"_{type(action).__name__.lower()}")(action)
        return answer if isinstance(answer, list) else [answer] if answer is not None else []

    def failed(self, action: Any, why: str = "no answer", gone: bool = False, refused: bool = False) -> List[Any]:
        """What is answered where the request failed."""
        op = action.op if hasattr(action, "op") else 0
        made: Dict[type, Any] = {
            p.Consent: p.PauseWritten(op, why), p.EndPause: p.PauseWritten(op, why), p.SeeConsent: p.ConsentRead(op, None),
            m.Begin: m.OrderNotBegun(op, why, False), m.CountOthers: m.OthersCounted(op, -1, why),
            m.LookBehind: m.BehindSeen(op), m.LookAhead: m.AheadSeen(op, known=False), m.SeeTerm: m.TermSeen("", "", known=False),
        }
        if isinstance(action, (p.EndPauseInTime, m.TellOutcome, m.Repair)):
            return []
        return [made[type(action)] if type(action) in made else m.RequestFailed(op, gone, why, refused)]

    def _refused(self, action: Any) -> List[Any]:
        return self.failed(action, "AccessDenied", refused=True)

    def _gone(self, action: Any) -> List[Any]:
        return self.failed(action, "there is no such proposal", gone=True)

    # The queue

    def _propose(self, action: m.Propose) -> Any:
        zk, found = self.zk, self.mine
        if self.held and self.adopting and not found:
            return self._gone(action)
        twin = next((token for token, owner in zk.queue.items() if owner not in (0, self.session)), 0)
        if twin and not found:
            return m.DuplicateNodeName(action.op, name_of(twin))
        token = found or zk.propose(self.session)
        return m.Proposed(action.op, name_of(token), token, 100, zk.holder if found else 0, bool(found))

    def _query(self, action: m.Query) -> Any:
        if not self.mine:
            return self._gone(action)
        line = self.zk.line()
        place = line.index((self.mine, False))
        if place:
            self.watch(action.op, line[place - 1])
        acked = self.zk.acked != 0
        paused = place > 0 and line[place - 1][1]
        return m.Queried(action.op, place == 0, place + 1, len(self.zk.queue), acked, term=self.zk.holder, paused=paused)

    def _stepbehind(self, action: m.StepBehind) -> Any:
        if not self.mine:
            return self._gone(action)
        if self.zk.denied == "all" or self.zk.control.paused:
            return self._refused(action)
        token = self.zk.propose(self.session)
        self.zk.delete(self.mine)
        return m.Proposed(action.op, name_of(token), token, 100, self.zk.holder)

    def _countothers(self, action: m.CountOthers) -> Any:
        return m.OthersCounted(action.op, len([owner for owner in self.zk.queue.values() if owner != self.session]))

    def _lookbehind(self, action: m.LookBehind) -> Any:
        return m.BehindSeen(action.op)

    def _lookahead(self, action: m.LookAhead) -> Any:
        return m.AheadSeen(action.op, self.zk.acked if self.zk.acked != self.mine else 0)

    # The term

    def _claim(self, action: m.Claim) -> Any:
        zk, mine = self.zk, self.mine
        if not zk.leads(mine):
            return self._gone(action)
        control, again = zk.control, zk.holder == mine
        halted = control.pause is not None and control.pause.stands and control.pause.consent != mine and not again
        if not self.adopting and (control.aside or halted):
            return [zk.seen(control), *self.failed(action, "barred")]
        if zk.denied == "all":
            return self._refused(action)
        dirty = zk.holder if not again else 0
        if dirty and self.fences and action.fenced != dirty:
            zk.acked = 0
            return m.Dirty(action.op, OTHER, "b:1", dirty)
        if not again:
            zk.acked, zk.led = 0, ("", "")
        ordered = control.switchover
        if ordered is not None and (ordered.begun not in (0, mine) or not ordered.begun and ordered.to in ("", NODE)):
            zk.led = ordered.order, ordered.to if ordered.to not in ("", NODE) else ""
            if not zk.denied:
                zk.write(switchover=None)
        zk.holder = mine
        lease = m.Leased(self.now - 0.05, self.now - 0.05 + self.lease)
        return m.Claimed(action.op, OTHER if dirty else "", lease, *zk.led)

    def _ack(self, action: m.Ack) -> Any:
        if not self.mine:
            return self._gone(action)
        if self.zk.denied == "all":
            return self._refused(action)
        self.zk.acked = self.mine
        return m.Acked(action.op)

    def _repair(self, action: m.Repair) -> None:
        if self.zk.leads(self.mine) and not self.zk.denied:
            self.zk.holder = self.zk.acked = self.mine

    def _release(self, action: m.Release) -> Any:
        if not self.mine:
            return self._gone(action)
        pause = self.zk.control.pause
        if self.zk.denied == "all" or self.zk.denied and pause is not None and pause.consent == self.mine:
            return self._refused(action)
        self.zk.end_term(self.mine)
        self.zk.delete(self.mine)
        return m.Released(action.op)

    def _withdraw(self, action: m.Withdraw) -> Any:
        if self.zk.denied == "all":
            return self._refused(action)
        if not self.zk.denied:
            self.zk.take_back(self.mine)
        self.zk.delete(self.mine)
        return m.Released(action.op)

    def _seeterm(self, action: m.SeeTerm) -> Any:
        zk = self.zk
        known = {zk.holder: NODE if zk.holder in zk.own else OTHER, 0: ""}
        address = {0: ""}.get(zk.acked, "a:1" if zk.acked in zk.own else "b:1")
        return m.TermSeen(known[zk.acked if zk.acked in known else zk.holder], address, zk.holder, read_in=self.mine or None)

    # Orders

    def _begin(self, action: m.Begin) -> Any:
        zk, mine, control = self.zk, self.mine, self.zk.control
        if not zk.leads(mine):
            return m.ProposalLost("it does not lead")
        standing = {words.RESTART: control.restart, words.SWITCHOVER: control.switchover}.get(action.kind)
        ordered = standing.order if standing is not None else control.aside if action.kind == words.STAND_ASIDE else ""
        if action.kind != words.RESIGNATION and ordered != action.order:
            return m.OrderNotBegun(action.op, "the order was taken back")
        if control.paused or action.order in zk.outcomes:
            return m.OrderNotBegun(action.op, "it is paused" if control.paused else "it was told")
        target = zk.proposal(0)
        if action.kind == words.RESTART:
            target = mine
        elif not target or standing is not None and standing.to == NODE:
            return m.OrderNotBegun(action.op, "nobody can take over")
        if standing is not None and standing.begun != mine:
            if zk.denied:
                return m.OrderNotBegun(action.op, "the order cannot be marked begun")
            zk.write(**{action.kind: standing._replace(begun=mine, target=target)})
        if action.kind == words.RESTART:
            zk.acked = 0
        return m.Begun(action.op, "" if action.kind == words.RESTART else name_of(target))

    def _telloutcome(self, action: m.TellOutcome) -> None:
        self.zk.tell(action.order, action.ok)

    # A pause

    def _consent(self, action: p.Consent) -> Any:
        zk, pause = self.zk, self.zk.control.pause
        if not zk.leads(self.mine):
            return m.ProposalLost("it does not lead")
        if pause is None or pause.order != action.order or pause.consent not in (0, self.mine) or pause.resume:
            return p.PauseWritten(action.op, "the pause was taken back, or is to end")
        ordered = zk.control.switchover
        if ordered is not None and ordered.begun == self.mine:
            return p.PauseWritten(action.op, "a switchover has begun")
        if pause.consent and self.now >= pause.at + pause.lasts:
            return p.PauseWritten(action.op, "its time is over", True)
        if zk.denied:
            return p.PauseWritten(action.op, "AccessDenied")
        zk.consent(self.mine, self.now)
        return p.PauseWritten(action.op, sent=self.now - 0.01, lasts=pause.lasts)

    def _seeconsent(self, action: p.SeeConsent) -> Any:
        return p.ConsentRead(action.op, self.zk.seen(self.zk.control))

    def _endpause(self, action: p.EndPause) -> Any:
        zk, pause = self.zk, self.zk.control.pause
        if not zk.leads(self.mine):
            return m.ProposalLost("it does not lead")
        if zk.denied:
            return p.PauseWritten(action.op, "AccessDenied")
        zk.unbar(self.mine)
        if pause is not None and pause.stands and pause.consent == self.mine:
            zk.end_pause()
        return p.PauseWritten(action.op)

    def _takebackconsent(self, action: p.TakeBackConsent) -> Any:
        if self.zk.denied:
            return self._refused(action)
        if action.released:
            self.zk.end_term(action.token)
        else:
            self.zk.take_back(action.token)
        return m.Released(action.op)

    def _endpauseintime(self, action: p.EndPauseInTime) -> None:
        control = self.zk.control
        if control.version == action.stamp[1] and control.pause is not None and control.pause.stands and not self.zk.denied:
            self.zk.end_pause()


class OtherNode:
    """Another node, which does what the role machine of this one would. It stands in the queue while it has a proposal."""

    def __init__(self, zk: ZooKeeper) -> None:
        self.zk = zk
        self._seen = -1, 0.0

    @property
    def token(self) -> int:
        return self.zk.proposal(0)

    def come(self) -> None:
        if not self.token:
            self.zk.propose(0)

    def go(self) -> None:
        """Its session is over, and nothing was released."""
        self.zk.delete(self.token)

    def look(self, now: float) -> None:
        """Do what is to be done now."""
        zk, token, pause = self.zk, self.token, self.zk.control.pause
        if zk.control.version != self._seen[0]:
            self._seen = zk.control.version, now
        if token and pause is not None and pause.consent not in (0, *zk.own, *zk.queue):
            # Its own, of a term that is over.
            zk.take_back(pause.consent)
        elif pause is not None and pause.stands and pause.consent != token:
            if token and now > self._seen[1] + pause.lasts * PAUSE_RESPECTED + FURTHER:
                zk.end_pause()
        elif zk.leads(token) and zk.holder != token:
            zk.holder = zk.acked = token
            if zk.control.switchover is not None:
                zk.tell(zk.control.switchover.order, True)
                zk.write(switchover=None)
        elif zk.leads(token):
            self._obey(token, now)

    def _obey(self, token: int, now: float) -> None:
        zk, pause, ordered = self.zk, self.zk.control.pause, self.zk.control.switchover
        if pause is not None and pause.stands:
            if pause.resume or now >= pause.at + pause.lasts:
                zk.end_pause()
        elif pause is not None:
            zk.consent(token, now)
        elif zk.control.restart is not None:
            zk.outcomes[zk.control.restart.order] = True
            zk.write(restart=None)
        elif ordered is not None:
            target = next((one for one, owner in zk.queue.items() if owner), 0)
            if ordered.to != OTHER and target:
                zk.write(switchover=ordered._replace(begun=token, target=target))
                zk.end_term(token)
                zk.delete(token)
            else:
                zk.outcomes[ordered.order] = ordered.to == OTHER
                zk.write(switchover=None)
