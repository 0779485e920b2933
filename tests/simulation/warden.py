"""A model of `group.Warden` over a model machine. The proof of death is the real `proof.Stop`."""

from __future__ import annotations

import math
from typing import Any, Callable, Optional

from supervisor_zkelect.core.proof import Order, Stop
from supervisor_zkelect.processes import group_events
from supervisor_zkelect.supervisord.client import SupervisordError
from tests.simulation.machine import GROUP, PROGRAM, Machine
from tests.simulation.world import Pool, Process


class Warden:
    """Of the one group of a machine. post: takes the events, in the process that it runs in."""

    name = GROUP
    trouble = ""

    def __init__(self, process: Process, machine: Machine, supervisord: Any, post: Callable[[Any], None]) -> None:
        self._process, self._machine, self._supervisord, self._post = process, machine, supervisord, post
        self._pool = Pool(process, serial=False)
        self._stop: Optional[Stop] = None
        self._mode = "new"
        self._start_flying, self._start_open = False, True
        self._stop_flying = False
        self._stop_sent = -math.inf
        self._starting: Optional[int] = None
        self._watching = False
        self._loaded = False
        self._turns = 0
        supervisord.on_child_ended.append(lambda: process.after(0.0005, self._child_ended))

    def group(self, name: str) -> Warden:
        return self

    def wake_supervisord(self) -> None:
        self._ask(lambda result: None, "supervisor.getState")

    def supervisord_gone(self) -> None:
        if self._stop is not None:
            self._stop.again()

    def _now(self) -> float:
        return self._process.clock()

    @property
    def _gone(self) -> bool:
        return not self._supervisord.alive

    def _ask(self, then: Callable[[Any], None], method: str, *arguments: Any) -> None:
        """`then` gets the answer, or None when there is none in time."""

        def work() -> None:
            try:
                result = self._supervisord.call(method, *arguments)
            except SupervisordError:
                result = None
            then(result)

        self._pool.submit(work)

    # Orders

    def start(self, op: int) -> None:
        if self._stop is not None or self._starting is not None or self._gone:
            self._post(group_events.GroupStartFailed(GROUP, op, "it is being stopped or started"))
            return
        self._mode, self._starting = "starting", op
        self._start_flying = self._start_open = True

        def answered(result: Any) -> None:
            self._start_flying = False
            if result is not None:
                self._start_open = False
            if self._stop is not None:
                self._stop.start_open = self._stop.start_open and self._start_open
            elif self._starting == op:
                self._mode, self._starting = "started", None
                failed = group_events.GroupStartFailed(GROUP, op, "no answer")
                self._post(group_events.GroupStarted(GROUP, op) if result else failed)

        self._ask(answered, "supervisor.startProcessGroup", GROUP, False)

    @property
    def turned_at(self) -> float:
        """The time of the last turn; here the warden stands still with the whole process only."""
        return self._now()

    def trust(self, loaded: bool) -> None:
        self._loaded = loaded
        if self._stop is not None:
            self._stop.via_loader = loaded
            self._stop.start_open = self._stop.start_open and not loaded

    def signalled_as_group(self, as_group: bool) -> None:
        return

    def adopt(self) -> None:
        if self._mode == "new":
            self._mode = "started"
            self._ask(self._adopted, "supervisor.getAllProcessInfo")

    def _adopted(self, result: Any) -> None:
        if result is not None and self._stop is None and self._starting is None:
            self._start_open = False

    def watch(self, on: bool) -> None:
        self._watching = on

    def expect(self, pid: int, name: str, start: Optional[int] = None) -> None:
        return

    def note(self, event: tuple) -> None:
        name, state, pid = event
        if state in ("STARTING", "RUNNING"):
            if self._stop is not None:
                self._stop.again()
                self._send_stop()
            elif self._mode in ("new", "dead"):
                self._post(group_events.MemberStarted(GROUP, name, pid))

    def look(self, op: int) -> None:
        def answered(result: Any) -> None:
            states = {} if not result else {PROGRAM: (result[0]["statename"], result[0]["pid"], "")}
            self._post(group_events.Members(GROUP, op, states, "" if result else "no answer"))

        self._ask(answered, "supervisor.getAllProcessInfo")

    def kill(self, op: int) -> None:
        self.stop(op, -math.inf)

    def renew(self, lease_end: float) -> None:
        if self._stop is not None:
            self._stop.lease_end = lease_end

    def stop(self, op: int, kill_at: float, lease_end: float = math.inf) -> None:
        now = self._now()
        if self._starting is not None:
            starting, self._starting = self._starting, None
            self._post(group_events.GroupStartFailed(GROUP, starting, "it was stopped before it was started"))
        if self._stop is None:
            start_open = self._start_open and not self._loaded
            self._stop = Stop(began=now, start_open=start_open, via_loader=self._loaded)
            self._mode = "stopping"
        self._stop.lease_end = min(self._stop.lease_end, lease_end)
        self._stop.order(Order(op, now, kill_at))
        self._send_stop()
        self._later(0.0)

    def _send_stop(self) -> None:
        if self._stop_flying or self._gone:
            return
        self._stop_flying, self._stop_sent = True, self._now()
        after_start = not self._start_flying

        def answered(result: Any) -> None:
            self._stop_flying = False
            stop = self._stop
            if stop is None:
                return
            if result is None:
                stop.asked = True
            else:
                stop.answered(self._now(), bool(result), after_start)
                self._start_open = stop.start_open
            self._later(0.0)

        self._ask(answered, "supervisor.stopProcessGroup", GROUP, False)

    # Scans

    def _later(self, seconds: float) -> None:
        self._turns += 1
        self._process.after(max(seconds, 0.0005), self._turn, self._turns)

    def _turn(self, turn: int) -> None:
        if turn != self._turns:
            return
        if self._stop is not None:
            self._stop_step(self._stop)

    def _child_ended(self) -> None:
        if self._watching and self._stop is None:
            self.wake_supervisord()
            self._post(group_events.MemberDied(GROUP, PROGRAM, 0))

    def _stop_step(self, stop: Stop) -> None:
        now, gone, machine = self._now(), self._gone, self._machine
        living = bool(machine.services)
        stop.scanned(not living)
        members = any(one.tied for one in machine.services)
        if living and (now >= stop.kill_at or not members) and stop.ready(now, gone):
            machine.kill_services()
        if stop.dead(now, gone):
            for order in stop.report():
                self._post(group_events.GroupDead(GROUP, order.op, now - order.since))
        if stop.settled(gone):
            self._mode, self._stop, self._start_open = "dead", None, False
            return
        pace = 0.01 if stop.sentry else stop.pace(now, gone, living)
        if now - self._stop_sent >= (0.2 if living else 0.0):
            self._send_stop()
        self._later(max(pace, 0.005))
