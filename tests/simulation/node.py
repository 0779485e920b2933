"""A node of the simulation: the real role machine and lease, with the listener's and the guard's wiring around them.

What `listener.py` and `guard.py` do with threads, sockets and processes is done here in virtual time, action by action.
`faults` names defects that are put in on purpose (test_it_bites.py).
"""

from __future__ import annotations

import math
from typing import Any, Callable, FrozenSet, List, Optional

from supervisor_zkelect import lease, role
from tests.simulation.world import Pipe, World
from tests.simulation.zookeeper import Ensemble, Proposal, Server

KILL_TIME = 0.3
REATTACH_GRACE = 2.0


class Plan:
    """What all nodes of one schedule share. asked: the session timeout of the configuration; ZooKeeper grants its own."""

    def __init__(self, tick: float, asked: float, stopwaitsecs: float, faults: FrozenSet[str]) -> None:
        self.tick = tick
        self.asked = asked
        self.stopwaitsecs = stopwaitsecs
        self.faults = faults


class Client:
    """A listener's connection: one server at a time, requests in order, a new connection when the old one is silent."""

    def __init__(self, node: "Node", listener: "Listener", session: int) -> None:
        self.node, self.listener, self.world = node, listener, node.world
        self.session = session
        self.server: Optional[Server] = None
        self.up: Optional[Pipe] = None
        self.epoch = 0
        self.connected = False
        self.waiting: List[Callable[[], None]] = []
        self.connect()

    def connect(self) -> None:
        if not self.listener.alive:
            return
        self.epoch += 1
        epoch, sent = self.epoch, self.node.clock()
        self.server = self.world.random.choice(self.node.ensemble.servers)
        self.server.clients.append(self)
        self.up, down = self.node.pipe(), self.node.pipe()

        def granted(session: int, timeout: float) -> None:
            if epoch == self.epoch:
                down.send(self.listener.post, lambda: self.established(epoch, session, timeout, sent))

        self.up.send(self.node.ensemble.connect, self.server, self.session, granted)
        self.world.after(1.0, lambda: epoch == self.epoch and not self.connected and self.dropped())
        self.down = down

    def established(self, epoch: int, session: int, timeout: float, sent: float) -> None:
        if epoch != self.epoch:
            return
        fresh, self.session, self.connected = session != self.session, session, True
        self.listener.on_connected(session, timeout, sent, fresh)

    def dropped(self) -> None:
        """The connection is lost: whatever waits for an answer fails, and another connection is tried."""
        self.epoch += 1
        self.connected = False
        self.node.ensemble.disconnect(self)
        waiting, self.waiting = self.waiting, []
        self.listener.post(self.listener.on_suspended)
        for fail in waiting:
            self.listener.post(fail)
        self.world.after(self.world.delay(0.1), self.listener.post, self.connect)

    def ask(self, change: Optional[Callable], then: Callable[[Any], None], fail: Callable[[], None]) -> None:
        """A write (`change`, at the leader) or a local read (None); exactly one of `then` and `fail` follows."""
        if not self.connected:
            self.world.after(0.05, self.listener.post, fail)
            return
        epoch, session, server, down = self.epoch, self.session, self.server, self.down
        self.waiting.append(fail)

        def answered(answer: Any) -> None:
            def arrive() -> None:
                if epoch == self.epoch and fail in self.waiting:
                    self.waiting.remove(fail)
                    then(answer)

            down.send(self.listener.post, arrive)

        def too_late() -> None:
            if fail in self.waiting:
                self.waiting.remove(fail)
                self.listener.post(fail)

        self.world.after(self.node.ensemble.grant, too_late)
        if change is None:
            self.up.send(self.node.ensemble.read, server, session, answered)
        else:
            self.up.send(self.node.ensemble.write, server, session, change, answered)

    def watch(self, name: str, then: Callable[[], None]) -> None:
        server, down = self.server, self.down

        def notify() -> None:
            down.send(self.listener.post, then)

        notify.client = self
        if name in {one.name for one in server.state.queue}:
            server.watches.setdefault(name, []).append(notify)
        else:
            then()


class Listener:
    """One life of a listener: from the lock to its end."""

    def __init__(self, node: "Node") -> None:
        self.node, self.world = node, node.world
        self.alive, self.frozen = True, False
        self.inbox: List[Callable[[], None]] = []
        self.started = False
        self.client: Optional[Client] = None
        self.lease_clock: Optional[lease.SessionClock] = None
        self.heartbeat = lease.Heartbeat(1.0)
        self.mine: Optional[Proposal] = None
        self.leased = False
        self.deadline = -math.inf
        self.wake = 0
        self.begin()

    def post(self, do: Callable[[], None]) -> None:
        if not self.alive:
            return
        if self.frozen:
            self.inbox.append(do)
            return
        do()
        self.keep_time()

    def begin(self) -> None:
        """Take the lock, then ask the guard what runs, then attach the session of the former listener."""
        node = self.node
        if not self.alive:
            return
        free = node.lock is None or (node.lock is not node.guard and not node.lock.alive)
        if not free and "attach without the lock" not in node.plan.faults:
            self.world.after(0.02, self.post, self.begin)
            return
        node.lock = self if free else node.lock
        node.need_guard()
        if node.guard.ending and "attach without the lock" not in node.plan.faults:
            node.lock = None
            self.world.after(0.02, self.post, self.begin)
            return
        node.guard.greet(self)
        self.settings = role.Settings(
            name="orders", address=node.name, kill_time=KILL_TIME, stopwaitsecs=node.plan.stopwaitsecs, rise=1, fall=3,
            health_interval=0.5, promote_timeout=20.0, backoff_min=1.0, backoff_max=10.0,
        )
        guard = node.guard
        if guard.granted and node.saved:
            self.state, actions = role.inherit(node.clock(), guard.token, guard.deadline)
        else:
            self.state, actions = role.begin(node.clock())
        self.started = True
        self.do(actions)
        self.client = Client(node, self, node.saved)

    # Time

    def keep_time(self) -> None:
        if not self.started:
            return
        now = self.node.clock()
        if role.next_wakeup(self.settings, self.state) <= now:
            self.decide(role.Tick())
        if self.client is not None and self.client.connected:
            self.beat(now)
        due = role.next_wakeup(self.settings, self.state)
        if self.client is not None and self.client.connected:
            due = min(due, self.heartbeat.next_wakeup())
        self.wake += 1
        wake = self.wake
        if due < math.inf:
            delay = max(0.001, self.node.true(due - now))
            self.world.after(delay, lambda: wake == self.wake and self.post(lambda: None))

    def beat(self, now: float) -> None:
        if self.heartbeat.send_now(now):
            self.heartbeat = self.heartbeat.after_sending(now)
            session, mine = self.client.session, self.mine
            fail = lambda: self.beaten(session, now, None, False)  # noqa: E731
            if self.leased and mine is not None and "read counts as a write" in self.node.plan.faults:
                self.client.ask(None, lambda _: self.beaten(session, now, True, True), fail)
            elif self.leased and mine is not None:
                check = lambda ensemble: mine in ensemble.state.queue  # noqa: E731
                self.client.ask(check, lambda ok: self.beaten(session, now, ok, True), fail)
            else:
                self.client.ask(None, lambda _: self.beaten(session, now, None, True), fail)
        elif self.heartbeat.drop_now(now):
            self.heartbeat = self.heartbeat.after_dropping()
            self.client.dropped()

    def beaten(self, session: int, sent: float, ok: Optional[bool], answered: bool) -> None:
        """The answer to a heartbeat; ok is None for a read, and for a session that is over."""
        faults = self.node.plan.faults
        self.heartbeat = self.heartbeat.after_answer()
        if not answered or self.lease_clock is None or session != self.client.session:
            return
        self.lease_clock = self.lease_clock.answered(sent, self.node.clock())
        if ok is False and "failed multi counts" not in faults:
            self.heartbeat = self.heartbeat.soon()
            self.decide(role.ProposalGone("its proposal was deleted"))
        elif ok is not None and self.node.guard.answers():
            deadline = self.lease_clock.deadline(sent)
            self.decide(role.Leased(sent, deadline))
            if self.state.may_run and self.state.role in (role.PROMOTING, role.PRIMARY):
                self.node.guard.extend(self.state.token, *self.times())

    def times(self) -> tuple:
        state = self.state
        return role.stop_at(self.settings, state), state.deadline - KILL_TIME, state.deadline

    # The session

    def on_connected(self, session: int, timeout: float, sent: float, fresh: bool) -> None:
        node, plan = self.node, self.node.plan
        counted = plan.asked if "T as asked" in plan.faults else timeout
        if fresh:
            if node.saved and self.state.inherited is not None:
                self.decide(role.SessionLost("the session of the inherited term is over"))
            elif self.lease_clock is not None:
                self.mine, self.leased = None, False
                self.decide(role.SessionLost("expired"))
            node.saved = session
        if fresh or self.lease_clock is None:
            self.lease_clock = lease.SessionClock(counted, plan.tick, sent)
        else:
            self.lease_clock = self.lease_clock.reconnected(sent)
        interval = counted * lease.INTERVAL_SHARE
        self.heartbeat = lease.Heartbeat(interval, drop_after=lease.drop_after(counted)).soon()
        ride = lease.ride_through(counted, plan.tick, interval, KILL_TIME)
        grace = lease.stop_grace(counted, plan.tick, interval, ride, KILL_TIME, plan.stopwaitsecs)
        margin = min(ride, lease.effective_tick(plan.tick, counted) + interval)
        self.decide(role.SessionUp(fresh, grace, 2 * counted + 2, counted, margin))

    def on_suspended(self) -> None:
        if self.started:
            self.decide(role.SessionDown())

    # Decisions and what they do

    def decide(self, event: Any) -> None:
        before = self.state
        self.state, actions = role.step(self.settings, before, event, self.node.clock())
        if (before.role, before.step) != (self.state.role, self.state.step):
            self.world.tell(self.node.name, f"{type(event).__name__} -> {self.state.role} {self.state.step}")
        self.do(actions)

    def do(self, actions: List[Any]) -> None:
        for action in actions:
            getattr(self, "do_" + type(action).__name__, lambda action: None)(action)

    def ask(self, op: int, change: Callable, then: Callable[[Any], None]) -> None:
        """`change` runs at the leader and returns None when the proposal is not there."""
        def answered(answer: Any) -> None:
            if answer is None:
                self.mine = None
                self.decide(role.Failed(op, True, "the proposal is gone"))
            else:
                then(answer)

        self.client.ask(change, answered, lambda: self.decide(role.Failed(op, False, "no connection")))

    def do_Propose(self, action: role.Propose) -> None:
        session = self.client.session

        def change(ensemble: Ensemble) -> Proposal:
            for one in ensemble.state.queue:
                if one.session == session:
                    return one
            ensemble.counter += 1
            made = Proposal(f"n-{ensemble.counter:010d}", session, ensemble.state.zxid + 1)
            ensemble.commit(queue=(*ensemble.state.queue, made))
            return made

        def proposed(mine: Proposal) -> None:
            self.mine = mine
            self.decide(role.Proposed(action.op, mine.name, mine.token))

        self.ask(action.op, change, proposed)

    def do_Query(self, action: role.Query) -> None:
        mine = self.mine

        def listed(state: Any) -> None:
            if mine not in state.queue:
                # The server may lag behind the create.
                self.decide(role.Failed(action.op, False, "not in the listing"))
                return
            place = state.queue.index(mine)
            if place == 0:
                self.ask(action.op, lambda ensemble: mine in ensemble.state.queue or None,
                         lambda _: self.decide(role.Queried(action.op, True, 1, len(state.queue))))
            else:
                self.decide(role.Queried(action.op, False, place + 1, len(state.queue)))
                changed = lambda: self.decide(role.QueueChanged(action.op, "deleted"))  # noqa: E731
                self.client.watch(state.queue[place - 1].name, changed)

        self.client.ask(None, listed, lambda: self.decide(role.Failed(action.op, False, "no connection")))

    def do_Claim(self, action: role.Claim) -> None:
        mine, node, late = self.mine, self.node, "holder written after the start" in self.node.plan.faults

        def change(ensemble: Ensemble) -> Any:
            if mine not in ensemble.state.queue:
                return None
            former = ensemble.state.holder, ensemble.state.holder_node
            if former[0] != mine.token:
                ensemble.commit(holder=mine.token, holder_node=node.name, ack="")
            return former

        if late:
            self.world.after(0.5, self.client.ask, change, lambda _: None, lambda: None)
            self.ask(action.op, lambda ensemble: mine in ensemble.state.queue or None,
                     lambda _: self.decide(role.Claimed(action.op, "")))
        else:
            self.ask(action.op, change, lambda former: self.decide(role.Claimed(
                action.op, former[1] if former[0] not in (0, mine.token) else "")))

    def do_Ack(self, action: role.Ack) -> None:
        mine, node = self.mine, self.node

        def change(ensemble: Ensemble) -> Any:
            if mine not in ensemble.state.queue and "ack without the check" not in node.plan.faults:
                return None
            ensemble.commit(ack=node.name)
            node.promises.acked(node, mine.token)
            return True

        self.ask(action.op, change, lambda _: self.decide(role.Acked(action.op)))

    def do_Release(self, action: role.Release) -> None:
        mine, node = self.mine, self.node
        self.ask(action.op, lambda ensemble: released(ensemble, mine, node),
                 lambda _: self.decide(role.Released(action.op)))

    def do_Look(self, action: role.Look) -> None:
        def looked(state: Any) -> None:
            self.decide(role.Looked(action.op, sum(one.session != self.client.session for one in state.queue)))

        self.client.ask(None, looked, lambda: self.decide(role.Looked(action.op, -1)))

    def do_Lease(self, action: role.Lease) -> None:
        self.leased = True
        self.heartbeat = self.heartbeat.soon()

    def do_Unlease(self, action: role.Unlease) -> None:
        self.leased = False

    def do_StartGroup(self, action: role.StartGroup) -> None:
        self.node.guard.order(lambda guard: guard.start(action.op, self.state.token, *self.times()))

    def do_StopGroup(self, action: role.StopGroup) -> None:
        self.stop(action.op, action.kill_at)

    def do_KillGroup(self, action: role.KillGroup) -> None:
        self.stop(action.op, -math.inf)

    def do_Seize(self, action: role.Seize) -> None:
        self.stop(action.op, self.node.clock() + self.node.plan.stopwaitsecs)

    def stop(self, op: int, kill_at: float) -> None:
        if "release before the proof" in self.node.plan.faults:
            self.world.after(0.0, self.post, lambda: self.decide(role.Dead(op, 0.0)))
        self.node.guard.order(lambda guard: guard.stop(op, kill_at))

    def do_Probe(self, action: role.Probe) -> None:
        ok = bool(self.node.living) and not self.node.sick
        self.world.after(self.world.delay(0.01), self.post, lambda: self.decide(role.Probed(action.op, ok, "probe")))


def released(ensemble: Ensemble, mine: Optional[Proposal], node: "Node") -> Any:
    """The transaction that ends a term, at the leader."""
    if mine is None or mine not in ensemble.state.queue:
        return None
    node.promises.released(node)
    queue = tuple(one for one in ensemble.state.queue if one != mine)
    if ensemble.state.holder == mine.token:
        ensemble.commit(queue=queue, holder=0, holder_node="", ack="")
    else:
        ensemble.commit(queue=queue)
    return True


class Guard:
    """The guard of a node, the record it writes, and the warden inside it."""

    def __init__(self, node: "Node") -> None:
        self.node, self.world = node, node.world
        self.alive, self.frozen, self.ending = True, False, False
        self.inbox: List[Callable[["Guard"], None]] = []
        self.listener: Optional[Listener] = None
        self.record = node.record
        self.orders: List[tuple] = []
        self.kill_from = math.inf
        self.clean = 0
        self.release_by = math.inf
        self.wake = 0
        if self.granted:
            self.turn_soon()

    # The record outlives the guard.
    granted = property(lambda self: self.record["granted"])
    token = property(lambda self: self.record["token"])
    deadline = property(lambda self: self.record["deadline"])

    def answers(self) -> bool:
        return self.alive and not self.frozen

    def order(self, do: Callable[["Guard"], None]) -> None:
        if self.frozen:
            self.inbox.append(do)
        elif self.alive:
            do(self)
        self.node.pending_order = do

    def greet(self, listener: Listener) -> None:
        self.listener = listener
        self.release_by = math.inf

    def start(self, op: int, token: int, stop_at: float, kill_at: float, deadline: float) -> None:
        if self.orders or self.ending and "attach without the lock" not in self.node.plan.faults:
            self.tell(lambda one: one.decide(role.StartFailed(op, "it is being stopped")))
            return
        self.record.update(granted=True, token=token, stop_at=stop_at, kill_at=kill_at, deadline=deadline)
        self.turn_soon()
        self.node.spawn()
        self.world.after(self.world.delay(0.005), self.tell, lambda one: one.decide(role.Started(op)))

    def extend(self, token: int, stop_at: float, kill_at: float, deadline: float) -> None:
        if not self.answers():
            return
        if not self.granted or self.token != token:
            self.tell(lambda one: one.decide(role.Revoked("the guard has revoked the grant")))
        elif deadline > self.deadline:
            self.record.update(stop_at=stop_at, kill_at=kill_at, deadline=deadline)

    def stop(self, op: int, kill_at: float) -> None:
        if "grant not revoked" not in self.node.plan.faults:
            self.record.update(granted=False)
        self.orders.append((op, kill_at))
        self.kill_from = min(self.kill_from, kill_at)
        self.clean = 0
        self.node.ask_to_stop()
        self.turn_soon()

    def tell(self, what: Callable[[Listener], None]) -> None:
        listener = self.listener
        if listener is not None and listener.alive and self.alive:
            listener.post(lambda: what(listener))

    def listener_gone(self) -> None:
        self.listener = None
        self.release_by = self.node.clock() + (0.0 if not self.node.supervisord else REATTACH_GRACE)
        self.turn_soon()

    def turn_soon(self) -> None:
        """A round in 5 ms while there is something to prove, else when the next time is due."""
        now = self.node.clock()
        due = now + 0.005
        if not self.orders and not self.ending and not self.frozen:
            due = max(due, min(self.record["stop_at"] if self.granted else math.inf, self.release_by))
        if due < math.inf:
            self.wake += 1
            self.world.after(self.node.true(due - now), self.turn, self.wake)

    def turn(self, wake: int) -> None:
        """One round: leases, kills, proofs, releases."""
        if not self.alive or wake != self.wake:
            return
        if self.frozen:
            self.turn_soon()
            return
        now, node = self.node.clock(), self.node
        if self.granted and now >= self.record["stop_at"] and not self.orders:
            node.world.tell(node.name, "guard: nobody extended the lease")
            self.stop(-1, self.record["kill_at"])
            self.tell(lambda one: one.decide(role.Revoked("the lease runs out")))
        if self.listener is None and now >= self.release_by:
            self.end()
        if self.orders:
            if now >= self.kill_from:
                node.kill()
            self.clean = 0 if node.living or node.loading else self.clean + 1
            if self.clean >= 2:
                orders, self.orders, self.kill_from = self.orders, [], math.inf
                for op, _ in orders:
                    if op > 0 and "release before the proof" not in node.plan.faults:
                        self.tell(lambda one, op=op: one.decide(role.Dead(op, 0.0)))
        if self.granted or self.orders or self.ending or self.release_by < math.inf:
            self.turn_soon()

    def end(self) -> None:
        """Without a listener: take the lock, kill, prove, release."""
        node = self.node
        if not self.ending:
            if node.lock is not None and node.lock.alive and node.lock is not self:
                return
            self.ending, node.lock = True, self
            self.stop(-1, -math.inf)
        elif not self.orders and not node.releasing:
            node.releasing = True
            self.world.after(self.world.delay(0.1), node.release, self)


class Node:
    """One node, its supervisord, and the processes of its group."""

    def __init__(self, world: World, ensemble: Ensemble, plan: Plan, name: str, promises: Any) -> None:
        self.world, self.ensemble, self.plan, self.name, self.promises = world, ensemble, plan, name, promises
        # Within the bound: half of it each way, against servers that keep true time.
        self.rate = 1 + world.random.uniform(-0.9, 0.9) * lease.DRIFT
        self.offset = world.random.uniform(0, 1000)
        self.pipes: List[Pipe] = []
        self.stalled = False
        self.record = {"granted": False, "token": 0, "stop_at": 0.0, "kill_at": 0.0, "deadline": -math.inf}
        self.saved = 0
        self.lock: Any = None
        self.supervisord = True
        self.hung = False
        self.wanted = False
        self.living = 0
        self.loading = 0
        self.life = 0
        self.born = 0
        self.sick = False
        self.releasing = False
        self.pending_order: Optional[Callable] = None
        self.guard: Guard = Guard(self)
        self.listener = Listener(self)

    def clock(self) -> float:
        return self.offset + self.world.now * self.rate

    def true(self, local: float) -> float:
        return local / self.rate

    def pipe(self) -> Pipe:
        pipe = Pipe(self.world, 0.001)
        pipe.stalled = self.stalled
        self.pipes = [one for one in self.pipes[-20:]] + [pipe]
        return pipe

    def stall(self, stalled: bool) -> None:
        self.stalled = stalled
        for pipe in self.pipes:
            pipe.stall(stalled)

    # supervisord and the group

    def spawn(self) -> None:
        """supervisord is asked to start the program; the loader looks at the record before it becomes the program."""
        self.wanted = True
        self.world.after(self.world.delay(0.01, 0.5), self.fork, self.life)

    def fork(self, life: int) -> None:
        if life != self.life or not self.supervisord or not self.wanted or self.living or self.loading:
            return
        if self.hung:
            self.world.after(0.1, self.fork, life)
            return
        self.loading += 1
        self.born += 1
        self.world.after(self.world.delay(0.01), self.load, life)

    def load(self, life: int) -> None:
        if life != self.life or not self.loading:
            return
        self.loading -= 1
        if self.record["granted"] and self.clock() < self.record["kill_at"]:
            self.living += 1
            self.world.tell(self.name, "the service runs")
            self.promises.started(self)

    def ask_to_stop(self) -> None:
        """By RPC, which a hung supervisord does not answer, and with SIGTERM, which some services take their time for."""
        def stopped(life: int) -> None:
            if life == self.life and not self.hung:
                self.wanted = False
                if self.living or self.loading:
                    self.world.after(self.world.delay(0.05, 2.0), self.died, life, self.born)

        self.world.after(self.world.delay(0.003), stopped, self.life)

    def kill(self) -> None:
        if self.living or self.loading:
            self.world.after(self.world.delay(0.005), self.died, self.life, self.born)

    def died(self, life: int, born: int) -> None:
        if (life, born) == (self.life, self.born) and (self.living or self.loading):
            self.living = self.loading = 0
            self.world.tell(self.name, "the service ended")
            # supervisord restarts what it was not told to stop.
            if self.wanted:
                self.world.after(self.world.delay(0.3, 1.0), self.fork, self.life)

    # What befalls it

    def need_guard(self) -> None:
        if not self.guard.alive:
            self.guard = Guard(self)

    def kill_listener(self) -> None:
        if self.listener.alive:
            self.listener.alive = False
            if self.lock is self.listener:
                self.lock = None
            if self.listener.client is not None:
                self.ensemble.disconnect(self.listener.client)
            if self.guard.answers():
                self.guard.listener_gone()
            elif self.guard.alive:
                self.guard.listener = None
                self.guard.release_by = self.clock() + REATTACH_GRACE
        if self.supervisord:
            # Soon, or just about when the guard's patience ends.
            chance = self.world.random
            delay = self.world.delay(0.3) if chance.random() < 0.5 else REATTACH_GRACE + chance.uniform(-0.05, 0.3)
            self.world.after(delay, self.new_listener)

    def new_listener(self) -> None:
        if self.supervisord and not self.listener.alive:
            self.listener = Listener(self)

    def kill_guard(self) -> None:
        self.guard.alive = False
        if self.lock is self.guard:
            self.lock, self.releasing = None, False
        self.world.after(self.world.delay(0.1), self.replace_guard)

    def replace_guard(self) -> None:
        """What the listener does when it notices; it repeats the order that was not answered."""
        if self.guard.alive or not self.supervisord:
            return
        if not self.listener.alive or self.listener.frozen or not self.listener.started:
            self.world.after(0.1, self.replace_guard)
            return
        self.guard = Guard(self)
        self.guard.greet(self.listener)
        state = self.listener.state
        if state.step in ("clearing", "stopping", "starting") and self.pending_order is not None:
            self.guard.order(self.pending_order)

    def freeze_guard(self) -> None:
        """A frozen guard is replaced by its listener, within a second of the listener's own time."""
        self.guard.frozen = True
        self.world.after(1.5, lambda: self.guard.frozen and self.guard.alive and self.kill_guard())

    def kill_supervisord(self) -> None:
        """With it dies whatever the loader tied to it; the guard kills, proves and releases."""
        self.supervisord = self.wanted = False
        self.life += 1
        self.living = self.loading = 0
        self.kill_listener()
        if self.guard.answers():
            self.guard.listener_gone()
        self.world.after(self.world.delay(3.0), self.new_supervisord)

    def new_supervisord(self) -> None:
        if self.guard.alive and (self.guard.ending or self.guard.granted):
            # Its guard belongs to the former supervisord and ends when it has released.
            self.world.after(0.2, self.new_supervisord)
            return
        self.guard.alive = False
        self.supervisord = True
        self.record.update(granted=False)
        self.saved, self.lock = 0, None
        self.guard = Guard(self)
        self.listener = Listener(self)

    def freeze_listener(self, frozen: bool) -> None:
        one = self.listener
        one.frozen = frozen
        if not frozen:
            inbox, one.inbox = one.inbox, []
            for do in inbox:
                one.post(do)
            one.post(lambda: None)

    def release(self, guard: Guard) -> None:
        """The release program: over a connection of its own, in the saved session."""
        if guard is not self.guard or not guard.alive:
            self.releasing = False
            return
        if self.stalled:
            self.world.after(0.5, self.release, guard)
            return
        session = self.saved

        def change(ensemble: Ensemble) -> bool:
            mine = next((one for one in ensemble.state.queue if one.session == session), None)
            released(ensemble, mine, self)
            ensemble.close(session)
            return True

        def done(answer: Any) -> None:
            guard.ending, guard.release_by, self.releasing = False, math.inf, False
            self.saved = 0
            if self.lock is guard:
                self.lock = None

        server = self.world.random.choice([one for one in self.ensemble.servers if one.cut_since is None])
        self.ensemble.write(server, session, change, done)
        # Without an answer it is tried again.
        self.world.after(2.0, lambda: self.releasing and self.lock is guard and self.release(guard))
