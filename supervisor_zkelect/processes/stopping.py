"""The stop of a group: supervisord is asked, what is left is killed at its time, and the death is proven.

The rule of the proof is `core/proof.py`.
"""

from __future__ import annotations

import functools
import logging
import math
from typing import Any, Callable, FrozenSet, Iterable, Optional, Tuple

from supervisor_zkelect.core.proof import DOUBT_TIME, GRACE_PACE, OrderedStop, Stop
from supervisor_zkelect.processes.census import Census, Found
from supervisor_zkelect.processes.group_events import GroupAtRest, GroupDead, GroupStuck, GroupUnsettled
from supervisor_zkelect.processes.proc import Process
from supervisor_zkelect.processes.schedule import SENTRY_PACE
from supervisor_zkelect.processes.signalling import Signals
from supervisor_zkelect.processes.state import Attempts, GroupState
from supervisor_zkelect.supervisord.client import BAD_NAME, Fault, Supervisord, SupervisordError

log = logging.getLogger(__name__)

#: Seconds for which a child may take to execute its program before supervisord is asked whose it is, and until it is asked
#: again.
FORMING_TIME = 0.2
#: Seconds between two GroupStuck events.
STUCK_EVERY = 5.0
#: Seconds between two scans while a stop waits for those that may belong and cannot be told apart.
DOUBT_PACE = 0.05


class Stopper:
    """groups: all that are known. ended: called with a group that is proven dead and that supervisord starts no more."""

    def __init__(
        self, now: Callable[[], float], post: Callable[[Any], None], ask: Callable[..., None], supervisord: Supervisord,
        census: Census, signals: Signals, groups: Callable[[], Iterable[GroupState]], ended: Callable[[GroupState], None],
    ) -> None:
        self._now, self._post, self._ask, self._supervisord = now, post, ask, supervisord
        self._census, self._signals, self._groups, self._ended = census, signals, groups, ended
        self._asking = False

    def order(self, state: GroupState, op: int, kill_at: float, lease_end: float) -> None:
        """Stop a group → GroupStuck …, GroupDead. kill_at, lease_end: as in `Group.stop`."""
        now = self._now()
        state.ordered += 1
        if state.stop is None:
            start_open = state.start_open and not state.kin.via_loader
            state.stop = Stop(began=now, start_open=start_open, via_loader=state.kin.registered)
            state.mode, state.attempts = "stopping", Attempts()
        state.stop.lease_end = min(state.stop.lease_end, lease_end)
        # Before anything that may fail for want of a descriptor.
        state.stop.order(OrderedStop(op, now, kill_at))
        state.scan_at = now
        self.send(state)

    def renew(self, state: GroupState, lease_end: float) -> None:
        """The lease of a group that is being stopped ends at another time."""
        if state.stop is not None:
            state.stop.lease_end = lease_end
            state.scan_by(max(self._now(), lease_end))

    def trust(self, state: GroupState, via_loader: bool) -> None:
        """Whether the chain loader refuses what is started late, which may be told only now."""
        state.kin.via_loader = via_loader
        if state.stop is not None:
            state.stop.via_loader = state.stop.via_loader and via_loader
            if via_loader and state.stop.start_open:
                # A guard that took over may have ordered the stop before it heard of the programs.
                state.stop.start_open = False
                state.scan_by(self._now())

    def again(self, state: GroupState) -> None:
        """A member has begun to run, or supervisord is dead. Only a stop request or a scan that is made from now on can tell what
        became of the group."""
        if state.stop is not None:
            state.stop.again()
            state.scan_at = self._now()
            self.send(state)

    def send(self, state: GroupState) -> None:
        """Ask supervisord to stop the group, unless that is under way."""
        if state.stop_flying or self._census.gone:
            return
        state.stop_flying = True
        state.stop_sent = self._now()
        answer = functools.partial(self._answered, state, not state.start_flying)
        self._ask(answer, self._supervisord.call, "supervisor.stopProcessGroup", state.name, False)

    def _answered(self, state: GroupState, after_start: bool, items: Any, error: Optional[SupervisordError]) -> None:
        state.stop_flying = False
        stop = state.stop
        if stop is None:
            return
        if error is None or (isinstance(error, Fault) and (error.shutting_down or error.code == BAD_NAME)):
            # While it shuts down, and without such a group, supervisord starts nothing.
            stop.answered(self._now(), bool(items), after_start)
            state.start_open = stop.start_open
            state.attempts.trouble = ""
        else:
            stop.asked = True
            state.attempts.trouble = str(error)
        state.scan_by(self._now())

    def step(self, state: GroupState, stop: Stop, found: Found) -> None:
        """Go on after a scan."""
        gone, now = self._census.gone, self._now()
        found = self._bounded(stop, found)
        nobody = not found.living and not found.forming and not found.vanished
        doubts = nobody and stop.doubts(now, bool(found.unsure))
        if doubts and stop.doubt_ends >= now + DOUBT_TIME:
            log.warning("group %s: some carry its name and do not prove that they belong; they are left alone: pids %s%s",
                        state.name, " ".join(map(str, sorted(found.unsure)[:10])), " …" if len(found.unsure) > 10 else "")
        stop.scanned(nobody and not doubts)
        if (found.living or found.vanished) and stop.ready(now, gone):
            if stop.sentry or now >= stop.kill_at:
                # Whoever forks faster than it can be looked at dies of it as well.
                self._signals.kill(state.name, state.attempts, found.living)
            elif not (found.members or found.forming):
                # Those that supervisord, whose children have ended, has not asked.
                asked = state.kin.pgrps if state.as_group else set()
                self._signals.terminate(state.attempts, found.living, asked)
        if stop.dead(now, gone):
            if not (stop.unsettled or stop.settled(gone) or stop.via_loader):
                stop.unsettled = True
                self._post(GroupUnsettled(state.name))
            for order in stop.report():
                self._post(GroupDead(state.name, order.op, now - order.since))
        if stop.settled(gone):
            if stop.unsettled:
                self._post(GroupAtRest(state.name))
            self._settle(state)
            return
        if stop.killing(now, gone) and not stop.sentry:
            self._tell_stuck(state, stop, found, now)
        state.scan_at = now + self._pace(stop, found, doubts, now)
        if now - state.stop_sent >= self._wait(state, found):
            self.send(state)

    def _pace(self, stop: Stop, found: Found, doubts: bool, now: float) -> float:
        """Seconds until the next scan."""
        if stop.sentry:
            return SENTRY_PACE
        pace = stop.pace(now, self._census.gone, bool(found.living))
        if found.forming or found.vanished:
            pace = min(pace, 0.005)
        return max(pace, DOUBT_PACE) if doubts else pace

    def _wait(self, state: GroupState, found: Found) -> float:
        """Seconds between two requests to stop the group."""
        if found.living or state.attempts.trouble:
            return 2 * GRACE_PACE
        return 0.02 if found.forming or state.start_flying else 0.0

    def _bounded(self, stop: Stop, found: Found) -> Found:
        """Whoever may have come by becoming supervisord's child, with those in doubt, as others could hold a stop up for ever:
        where supervisord is process 1, or takes orphans in, anybody's orphans are its children. In its own session they are
        its programs' only, and count until it has told whose its children are; then it has told to stop what is in its books.

        So is a fork of supervisord then, and after its death, where the chain loader refuses whatever it is about to execute:
        who has supervisord's arguments and forks looks the same.
        """
        session = self._census.supervisord.session
        bounded = {process for process in found.nameless if stop.books or process.session != session}
        if stop.via_loader and (stop.books or self._census.gone):
            bounded |= found.forming - found.nameless
        if not bounded:
            return found
        return found._replace(
            forming=found.forming - bounded, unsure=found.unsure | {process.pid for process in bounded}
        )

    def _settle(self, state: GroupState) -> None:
        state.mode, state.stop = "dead", None
        state.kin.end_term()
        state.start_open = False
        state.children = None
        state.told = set()
        self._ended(state)

    def _tell_stuck(self, state: GroupState, stop: Stop, found: Found, now: float) -> None:
        attempts = state.attempts
        since = stop.kill_since if math.isinf(attempts.stuck_told) else attempts.stuck_told
        if now - since < STUCK_EVERY and not (attempts.denied and math.isinf(attempts.stuck_told)):
            return
        attempts.stuck_told = now
        pids, reason = stuck(found, attempts, stop.start_open)
        log.error("group %s is not dead: %s; pids: %s", state.name, reason, " ".join(map(str, pids)) or "none")
        self._post(GroupStuck(state.name, stop.op, pids, reason))

    # Supervisord's books: to which group each of its children belongs

    def ask_whose(self, state: GroupState, found: Found) -> None:
        """Ask supervisord to whom those of its children belong that take long to execute their program, or do not carry
        what it tells a program."""
        if not found.forming:
            state.forming_since = math.inf
            return
        now = self._now()
        state.forming_since = min(state.forming_since, now)
        if now - state.forming_since < FORMING_TIME or self._asking or self._census.gone:
            return
        self._asking = True
        state.forming_since = now
        answer = functools.partial(self._told_whose, frozenset(found.forming), now)
        self._ask(answer, self._supervisord.call, "supervisor.getAllProcessInfo")

    def _told_whose(self, forming: FrozenSet[Process], asked: float, infos: Any, error: Optional[SupervisordError]) -> None:
        self._asking = False
        if error is not None:
            return
        # Each was there before supervisord was asked, so a program's pid is in its books by now. Whoever is not there is no
        # program: a child of whatever became supervisord by execve(2), an orphan that it has inherited, a plugin's.
        owners = {info["pid"]: info["group"] for info in infos}
        states = {state.name: state for state in self._groups()}
        for process in forming:
            owner = states.get(owners.get(process.pid, ""))
            if owner is not None:
                owner.kin.known.add(process)
                owner.scan_by(self._now())
                self._census.told[process.identity] = owner.name
            # To all others.
            self._census.foreign.add(process.identity)
        for state in states.values():
            if state.stop is not None and state.stop.began <= asked:
                state.stop.books = True

    # Where there is no scan

    def without_scan(self, state: GroupState, stop: Stop, error: Exception) -> None:
        """/proc could not be read: kill what can be killed without, before anything that takes memory."""
        now = self._now()
        stop.again()
        if not stop.killing(now, self._census.gone):
            return
        self._signals.strike(state.name, state.attempts)
        if now - state.attempts.stuck_told >= STUCK_EVERY:
            state.attempts.stuck_told = now
            known = self._signals.known(state.name)
            self._post(GroupStuck(state.name, stop.op, known, f"its processes cannot be listed: {error}"))


def stuck(found: Found, attempts: Attempts, start_open: bool) -> Tuple[Tuple[int, ...], str]:
    """Which processes keep a group from being proven dead, and why they do."""
    living = {process.pid: process for process in found.living}
    denied = [pid for pid in attempts.denied if pid in living]
    if denied:
        reason = "this process may not kill them: run the listener as root or as the programs' user"
    elif living:
        states = ", ".join(f"{pid} in state {process.state}" for pid, process in sorted(living.items()))
        reason = f"killed and not gone: {states}"
    elif found.forming:
        reason = "a child of supervisord, maybe of this group, has not executed its program yet, or hides what it is"
    elif start_open:
        reason = "supervisord does not answer and may still carry out a start that was asked for before"
    else:
        reason = "supervisord starts members again after each stop"
    if attempts.trouble:
        reason += f" ({attempts.trouble})"
    return tuple(sorted(living) or sorted(process.pid for process in found.forming)), reason
