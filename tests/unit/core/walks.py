"""Random walks through the role machine, with events as they may come."""

import random
from dataclasses import replace

from supervisor_zkelect.core import messages, pause_messages, role
from supervisor_zkelect.core.control import SWITCHOVER, RestartSeen
from supervisor_zkelect.core.service import Counter
from supervisor_zkelect.core.state import INFINITY, Beginning, Pausing, Resigning, Rules, State, next_wakeup
from supervisor_zkelect.core.transitions import step_of, take
from supervisor_zkelect.core.turn import Turn

RULES = dict(
    name="orders", node="self", address="a:1", kill_time=0.3, stopwaitsecs=3.0, rise=1, fall=2, health_interval=1.0,
    promote_timeout=20.0, backoff_min=1.0, backoff_max=8.0,
)


#: What usually comes next in a step.
FORWARD = {
    "clearing": [messages.Dead, messages.SessionUp], "waiting": [messages.SessionUp, messages.ControlSeen, messages.Tick, messages.FitSeen], "proposing": [messages.Proposed],
    "asking": [messages.Queried], "stepping": [messages.Proposed, messages.ControlSeen, messages.Stayed], "watching": [messages.QueueChanged, messages.SessionDown, messages.FitSeen, messages.BehindSeen, messages.AheadSeen],
    "claiming": [messages.Claimed, messages.Claimed, messages.Dirty], "fencing": [messages.Fenced, messages.ControlSeen], "leasing": [messages.Leased, messages.SessionDown],
    "restarting": [messages.Dead, messages.Leased, messages.SessionUp, messages.ControlSeen, messages.Resign, messages.Begun],
    "starting": [messages.ServiceStarted], "probing": [messages.Probed, messages.Leased, messages.Tick],
    "acking": [messages.Acked, messages.Leased, pause_messages.PauseEchoed],
    "primary": [pause_messages.PauseWritten, pause_messages.PauseEchoed, messages.ControlSeen, messages.Leased, messages.Probed, messages.TermSeen, messages.Resign, messages.Begun, messages.Tick],
    "stopping": [messages.Dead, messages.Stuck, messages.Leased], "releasing": [messages.Released] + 5 * [messages.RequestFailed],
    "maintenance": [messages.ControlSeen, messages.Tick, messages.SessionDown],
    "closing": [messages.TermSeen, messages.SessionLost, messages.Tick, messages.RequestFailed],
}


def choice_of(chance: random.Random) -> float:
    """Until when a pause keeps an inherited lease from ending."""
    return chance.choice([-INFINITY, -INFINITY, INFINITY, 101.0])


class Walk:
    """One walk. `now` is the moment, `state` the state."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 100.0
        chance = self.random.random
        own = random.Random(f"own {seed}")
        self.rules = Rules(
            **RULES, told=chance() < 0.5, fence_failed_continues=chance() < 0.5, priority=own.choice([100, 100, 100, 50, 0]),
            failback=own.choice([None, 5.0]), fit=own.random() < 0.4, fit_interval=2.0,
        )
        self.timeout = own.choice([10.0, 1.0])
        if chance() < 0.4:
            self.state, _ = role.inherit(self.now, 7, self.now + 4.0, 0, choice_of(self.random))
        else:
            self.state, _ = role.begin(self.now)
        if seed % 12 == 7:
            # The guard is told of a pause before an inherited term goes on.
            self.state = State(
                role="promoting", step="leasing", since=self.now, up=True, alive=True, grace=2.0, op=20, waiting=20, proposal="n-1", token=7,
                inherited=7, claimed_at=self.now, deadline=self.now + 3.0, led=True, timeout=10.0, pausing=Pausing("p", "bounding"),
            )
        if seed % 12 == 11:
            # The consent to a pause by which an inherited term runs is read again while a former holder is fenced.
            self.state = State(
                role="promoting", step="fencing", since=self.now, up=True, alive=True, grace=2.0, op=20, waiting=20, proposal="n-1", token=7,
                inherited=7, claimed_at=self.now, deadline=self.now - 3.0, led=True, timeout=10.0, dirty=("n-0", "b:1", 5),
                paused_until=INFINITY, pausing=Pausing("p", "looking", 21),
            )
        if seed % 12 == 9:
            # An earlier listener may have left a proposal, and the check of fitness has failed once.
            self.rules = replace(self.rules, fit=True, priority=100)
            self.state = State(
                step="waiting", since=self.now, up=True, alive=True, grace=2.0, op=20, unadopted=True, timeout=10.0, admit_by=self.now + 90.0,
                fitness=Counter(1, 3), fit_trouble="no disk", looking_ahead=20, orders=messages.ControlSeen(),
            )
        if seed % 12 == 5:
            # Under a lease that has little time left.
            self.state = State(
                role="promoting", step="restarting", since=self.now, up=True, alive=True, grace=2.0, margin=1.0, op=20, waiting=20,
                proposal="n-1", token=7, claimed_at=self.now - 9.0, deadline=self.now + 3.0, led=True, restart="r", timeout=10.0,
            )
        if seed % 12 == 3:
            # The group is started while a pause is ended to which a former term of this node has consented.
            step, waits = own.choice(["starting", "restarting"]), own.choice(["bounding", "resuming"])
            self.state = State(
                role="promoting", step=step, since=self.now, up=True, alive=True, grace=2.0, op=21, waiting=20, proposal="n-1", token=7,
                claimed_at=self.now, deadline=self.now + 3.0, led=True, restart="r" if step == "restarting" else "", timeout=10.0,
                pausing=Pausing("p", waits, 21 if waits == "resuming" else 0),
            )
        if seed % 48 == 1:
            # An earlier listener has begun to hand this term over.
            self.state = State(
                role="standby", step="asking", since=self.now, up=True, alive=True, grace=2.0, op=20, waiting=20, proposal="n-1", token=7,
                timeout=10.0, orders=messages.ControlSeen(order="s", to="b", begun=7, target="n-2"),
            )
        if seed % 48 == 13:
            # Who takes over is looked for while a fence fails, and a pause begins.
            self.state = State(
                role="promoting", step="fencing", since=self.now, up=True, alive=True, grace=2.0, op=21, waiting=0, proposal="n-1", token=7,
                led=True, dirty=("n-0", "b:1", 5), retry_at=self.now + 1.0, timeout=10.0, orders=self.paused()._replace(order="s", to="b"),
                beginning=Beginning(21, SWITCHOVER, "s", "switched over"),
            )
        if chance() < 0.1 and self.state.step != "clearing":
            # Somebody waits to hear who leads since a term of before, which a new listener has none of.
            self.state = replace(self.state, resigning=(Resigning("t", self.now, 5, left_at=self.now),))

    def event(self, kind: type) -> messages.Event:
        """An event of this kind, mostly one that answers what the state waits for."""
        state, now, choose = self.state, self.now, self.random.choice
        maybe = lambda: self.random.random() < 0.5  # noqa: E731
        op = state.waiting if self.random.random() < 0.95 else state.op + 5
        token = choose([7, 8, state.token or 9])
        ahead = now + self.random.uniform(-1.0, 10.0)
        lease = messages.Leased(now, now + choose([0.5, 9.0]))
        begun = state.beginning.op if state.beginning else op
        of = messages
        made = {
            of.SessionUp: lambda: of.SessionUp(choose([True, False, False]), choose([2.0, 2.0, 2.0, -1.0]), 6.0, self.timeout, choose([0.0, 1.0])),
            of.SessionLost: lambda: of.SessionLost("lost"), of.SessionEnds: lambda: of.SessionEnds("ends"),
            of.Proposed: lambda: of.Proposed(op, "n-1", choose([7, 7, 8]), choose([100, 50]), choose([0, 6]), maybe()), of.DuplicateNodeName: lambda: of.DuplicateNodeName(op, "n-0"),
            of.Queried: lambda: of.Queried(
                op, choose([True, True, False]), choose([1, 2]), choose([1, 2]), maybe(), choose(["", "n-9"]), choose(["", "/x"]),
                choose(["", "", "n-8"]), choose([0, 6, 9]), maybe(),
            ),
            of.BehindSeen: lambda: of.BehindSeen(state.looking_behind or op, choose(["", "n-8"]), "b", choose([0, 6, 9])),
            of.Stayed: lambda: of.Stayed(op, "gone"), of.FitSeen: lambda: of.FitSeen(state.asking_fit or op, maybe(), "unfit"),
            of.AheadSeen: lambda: of.AheadSeen(state.looking_ahead or op, choose([6, 6, 6, 0]), self.random.random() < 0.9),
            of.QueueChanged: lambda: of.QueueChanged(op, "deleted"),
            of.Leased: lambda: lease, of.Cut: lambda: of.Cut(ahead), of.RenewedByKeeper: lambda: of.RenewedByKeeper(token, ahead),
            of.Claimed: lambda: of.Claimed(op, choose(["", "b"]), choose([None, lease]), choose(["", "s"])),
            of.Dirty: lambda: of.Dirty(op, *choose([("b", "b:1", 3), ("", "b:1", 0)])),
            of.Fenced: lambda: of.Fenced(op, maybe(), "why"), of.ProposalLost: lambda: of.ProposalLost("deleted"),
            of.Rivalled: lambda: of.Rivalled("rival"), of.Acked: lambda: of.Acked(op), of.Released: lambda: of.Released(op),
            of.RequestFailed: lambda: of.RequestFailed(op, choose([True, False, False, False]), "failed", self.random.random() < 0.8),
            of.ServiceStarted: lambda: of.ServiceStarted(op), of.StartFailed: lambda: of.StartFailed(op, "no"),
            of.GrantRevoked: lambda: of.GrantRevoked("revoked"), of.Stuck: lambda: of.Stuck("stuck"),
            of.Dead: lambda: of.Dead(choose([state.waiting, state.cleaning]) or state.op + 5, 0.1),
            of.Probed: lambda: of.Probed(choose([state.probing, state.probing, op]), maybe(), "ill"),
            of.MemberFatal: lambda: of.MemberFatal("web", choose(["", "why"])),
            of.StoppedByHand: lambda: of.StoppedByHand("web"), of.StartedByHand: lambda: of.StartedByHand("web"),
            of.OthersCounted: lambda: of.OthersCounted(state.looking or op, choose([-1, 0, 1]), "why"),
            of.TermSeen: lambda: of.TermSeen(
                choose(["b", "self", ""]), choose(["b:1", "a:1", ""]), token, maybe(), choose([None, state.token]), choose([None, "a:1", "x"])
            ),
            of.Reconfigured: lambda: of.Reconfigured(maybe()), of.Resign: lambda: of.Resign("t", maybe()),
            of.ControlSeen: lambda: self.orders(ahead), of.Begun: lambda: of.Begun(begun, choose(["", "n-2"])),
            pause_messages.PauseWritten: lambda: pause_messages.PauseWritten(
                (state.pausing.op if state.pausing else op) or 99, choose(["", "no"]), maybe(), now, choose([INFINITY, 3.0])
            ),
            pause_messages.ConsentRead: lambda: pause_messages.ConsentRead((state.pausing.op if state.pausing else op) or 99, choose([None, self.orders(ahead), self.paused()])),
            pause_messages.PauseEchoed: lambda: pause_messages.PauseEchoed(maybe(), maybe()),
            of.OrderNotBegun: lambda: of.OrderNotBegun(begun, choose(["nobody", "gone"]), maybe()),
            of.Shutdown: lambda: of.Shutdown("SIGTERM", now + choose([-1.0, 2.0, 9.0])),
        }
        return made.get(kind, kind)()

    def orders(self, ahead: float) -> messages.ControlSeen:
        """What operators may have ordered; mostly nothing."""
        choose = self.random.choice
        if self.random.random() < 0.3:
            return self.paused()
        if self.random.random() < 0.4:
            return messages.ControlSeen()
        bar, bar_id = choose([("", ""), ("garbage", ""), ("in maintenance", "m")])
        until = choose([INFINITY, ahead]) if bar_id else INFINITY
        ordered = messages.ControlSeen(bar, until, bar_id, bool(bar_id) and choose([True, False]))
        if self.random.random() < 0.5:
            begun = choose([0, 0, self.state.token or 0])
            if choose([True, False]):
                term = choose([0, self.state.token or 0, 3])
                return ordered._replace(restart=RestartSeen("r", choose([-INFINITY, ahead]), begun, term))
            ordered = ordered._replace(order="s", due=choose([-INFINITY, ahead]), to=choose(["b", "self", ""]), begun=begun, target="n-2")
        return ordered

    def paused(self) -> messages.ControlSeen:
        """A pause that stands, or is asked for."""
        choose, chance = self.random.choice, self.random.random
        token = self.state.token if self.state.inherited is None else self.state.inherited
        return messages.ControlSeen(pause=pause_messages.PauseSeen(
            "p", "paused", chance() < 0.8, choose([0, 99, token or 0, token or 0, self.state.buried]), chance() < 0.2, chance() < 0.2,
            chance() < 0.4, choose([INFINITY, 1.0]), (1, choose([2, 3])),
        ))

    def next(self) -> messages.Event:
        """Let time pass, and choose what comes next: rather an answer than anything else."""
        due = next_wakeup(self.rules, self.state)
        until = [self.now, self.now, self.now + self.random.uniform(0.0, 2.0)]
        if due < INFINITY:
            until.append(max(due, self.now))
        self.now = self.random.choice(until)
        forward = FORWARD.get(step_of(self.state.role, self.state.step), [messages.Tick])
        return self.event(self.random.choice(forward if self.random.random() < 0.8 else messages.EVENTS))

    def alone(self, *events: messages.Event) -> Turn:
        """The events taken by themselves, without the time that passes with them."""
        turn = Turn(self.rules, self.state, self.now)
        for event in events:
            take(turn, event)
        return turn

    def take(self, event: messages.Event) -> None:
        self.state, _ = role.step(self.rules, self.state, event, self.now)
