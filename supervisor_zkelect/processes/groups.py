"""The groups of one supervisord, on the process manager's thread: what is ordered, what scans find, and who has ended."""

from __future__ import annotations

import logging
import math
import sched
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

from supervisor_zkelect.processes.census import Census, Found
from supervisor_zkelect.processes.cgroup import Cgroups, Former
from supervisor_zkelect.processes.group_events import MemberDied, MemberStarted
from supervisor_zkelect.processes.kernel import Poller
from supervisor_zkelect.processes.kin import Identities, Kin
from supervisor_zkelect.processes.member_states import MemberStates
from supervisor_zkelect.processes.pidfds import Pidfds
from supervisor_zkelect.processes.proc import Process
from supervisor_zkelect.processes.scanning import Scanner
from supervisor_zkelect.processes.schedule import REST, REST_IN_CGROUP, SOON, next_rest
from supervisor_zkelect.processes.signalling import Signals
from supervisor_zkelect.processes.starting import Starter
from supervisor_zkelect.processes.state import GroupState
from supervisor_zkelect.processes.stopping import DOUBT_PACE, Stopper
from supervisor_zkelect.processes.striking import Striker
from supervisor_zkelect.supervisord.calls import Calls, Do, Questions, StartRequests
from supervisor_zkelect.supervisord.client import Supervisord
from supervisor_zkelect.supervisord.groups import GroupCalls

log = logging.getLogger(__name__)

#: The states of a member that runs, or is about to.
RISING = ("STARTING", "RUNNING")


class Groups:
    """See `manager.ProcessManager` for what it is given. do: has a command run on the thread; on any thread.

    Never waits, so that whoever drives it is free to choose between the thread and virtual time.
    """

    def __init__(
        self, now: Callable[[], float], post: Callable[[Any], None], do: Do, calls: Calls, supervisord: Supervisord,
        census: Census, watching: Poller, striker: Striker, cgroups: Optional[Cgroups],
        former: Optional[Former], left: FrozenSet[Process], keep: Callable[[str, Identities], None],
    ) -> None:
        self._now, self._post, self._supervisord, self._left = now, post, supervisord, left
        self.census, self._watching, self._striker = census, watching, striker
        kernel = self._kernel = census.kernel
        self._caged = cgroups is not None
        self._states: Dict[str, GroupState] = {}
        census.groups = self._states
        self._timers = sched.scheduler(now)
        group_calls = GroupCalls(supervisord)
        self._questions = Questions(calls.ask, do, group_calls)
        self._requests = StartRequests(calls.ask, do, group_calls)
        self._pidfds = Pidfds(kernel, watching, striker)
        self._signals = Signals(kernel, self._pidfds, cgroups, former)
        self.member_states = MemberStates(now, post, self._later, self.wake_supervisord, self._questions, census)
        self.starter = Starter(now, post, self._later, self._requests, self.member_states, lambda: census.gone)
        self.stopper = Stopper(now, post, calls.ask, supervisord, census, self._signals, self.all, self._stopped)
        self._scanner = Scanner(
            now, kernel, census, cgroups, former, striker.cage, keep,
            lambda state: self._signals.strike(state.name, state.attempts), self._found, self._without_scan,
        )
        self._supervisord_pidfd: Optional[int] = None
        self.turned_at = now()
        """When the last turn was taken, by the clock."""

    def state(self, name: str) -> GroupState:
        """What is known of a group. On any thread, as long as it is only looked at."""
        return self._states.setdefault(name, GroupState(name, Kin(name, self._caged)))

    def all(self) -> List[GroupState]:
        # `state` adds to them from other threads; a copy is made in one step.
        return list(self._states.copy().values())

    def watched(self, name: str) -> Set[int]:
        """The pids of a group's processes whose end is told at once. On any thread."""
        return self._pidfds.pids(name)

    # Turns

    def rest(self) -> float:
        """Make the calls that wait; seconds until something is due."""
        self._send()
        times = [*(event.time for event in self._timers.queue[:1]), *map(self._scanner.due, self.all())]
        return max(0.0, min(times, default=math.inf) - self._now())

    def _later(self, seconds: float, command: Callable[..., None], *args: Any) -> None:
        """Run a command in so many seconds."""
        self._timers.enter(seconds, 0, command, args)

    def turn(self, obey: Callable[[], None], ended: Iterable[int]) -> None:
        """Do all that is due. obey: runs the commands that have come. ended: pidfds of watched processes that have ended."""
        self.turned_at = self._now()
        # Orders first: one that came before a process ended counts for its end.
        obey()
        self._send()
        for pidfd in ended:
            if pidfd == self._supervisord_pidfd:
                self.check_supervisord()
            else:
                self._ended(pidfd)
        self._timers.run(blocking=False)
        self._scanner.scan(self.all(), self._now())

    def _send(self) -> None:
        self._requests.send()
        self._questions.send()

    @property
    def trouble(self) -> str:
        """Why the groups could not be looked after when that was tried last; "" when they could."""
        return self._scanner.trouble

    def fall_back(self, error: Exception) -> None:
        """A turn has failed: kill by what is there."""
        self._scanner.trouble = f"the guard cannot look after the groups: {error!r}"
        for state in self.all():
            self._without_scan(state, error)

    def _without_scan(self, state: GroupState, error: Exception) -> None:
        """A group could not be looked after: kill what can be killed without, and try again soon."""
        state.scan_at = self._now() + 0.02
        if state.stop is not None:
            self.stopper.without_scan(state, state.stop, error)

    # supervisord itself

    def follow_supervisord(self) -> None:
        """Have its end told. Raises OSError when the kernel has no pidfds."""
        if self.census.gone:
            return
        self._supervisord_pidfd = self._kernel.pidfd(self.census.supervisord)
        if self._supervisord_pidfd is None:
            self.check_supervisord()
        else:
            self._watching.watch(self._supervisord_pidfd)

    def leave_supervisord(self) -> None:
        if self._supervisord_pidfd is not None:
            self._watching.unwatch(self._supervisord_pidfd)
            self._kernel.close(self._supervisord_pidfd)
            self._supervisord_pidfd = None

    def check_supervisord(self) -> None:
        """It counts as dead as soon as its process is, not before."""
        if self.census.gone or self._kernel.alive(self.census.supervisord):
            return
        log.warning("supervisord (pid %d) is dead", self.census.supervisord.pid)
        self.census.gone = True
        self.leave_supervisord()
        for state in self.all():
            self.stopper.again(state)

    def wake_supervisord(self) -> None:
        """Turn its loop, so that it reaps and restarts now; by itself it does so once a second."""
        if not self.census.gone:
            self._supervisord.wake()

    # Orders

    def stop(self, state: GroupState, op: int, kill_at: float, lease_end: float = math.inf) -> None:
        state.change()
        # First, so that it stands whatever becomes of the rest.
        self.stopper.order(state, op, kill_at, lease_end)
        self.starter.cancel(state)
        # Who of them is dead is seen by the scans.
        state.kin.known |= self._left

    def _stopped(self, state: GroupState) -> None:
        """The group is dead, and supervisord starts it no more."""
        state.scan_at = next_rest(self._now())
        self._striker.done(state.name, state.ordered)
        self._pidfds.follow(state.name, None)
        self.starter.resume(state)

    # What others tell of the members

    def signalled_as_group(self, state: GroupState, as_group: bool) -> None:
        state.as_group = as_group

    def remember(self, state: GroupState, processes: Iterable[Process]) -> None:
        state.kin.known.update(processes)

    def expect(self, state: GroupState, pid: int, name: str, start: Optional[int] = None) -> None:
        process = self._kernel.read(pid)
        if process is None or process.gone or start not in (None, process.start):
            return
        state.kin.register(process, name, self.census)
        if state.stop is None and self._caged and self._pidfds.watch(state.name, process):
            state.kin.members[process.identity] = name
        else:
            state.scan_by(self._now())

    def stray(self, state: GroupState) -> None:
        state.kin.strayed = True
        if state.stop is None:
            # Nothing but scans tells what it forks.
            state.pace = SOON
            state.scan_by(self._now() + SOON)

    def runs_as(self, state: GroupState, users: FrozenSet[int]) -> None:
        self.census.users.setdefault(state.name, set()).update(users)
        state.kin.leavable = self.census.may_leave(state.name)

    def note(self, state: GroupState, event: Tuple[str, str, int]) -> None:
        name, statename, pid = event
        rising = statename in RISING
        state.change()
        if state.stop is not None:
            if rising:
                self.stopper.again(state)
        elif state.mode in ("new", "dead"):
            if rising:
                self._post(MemberStarted(state.name, name, pid))
        else:
            state.scan_soon(self._now())
            if rising and pid:
                state.kin.name(pid, self.census)
            if rising and not state.kin.via_loader:
                # The chain loader would have told its pid.
                self.member_states.learn(state)

    # What scans and pidfds tell of them

    def _found(self, state: GroupState, found: Found) -> None:
        ended = frozenset() if state.stop is not None else self._pidfds.ended(state.name, found.living)
        state.kin.rename(found, ended)
        if state.mode != "dead":
            self._pidfds.follow(state.name, found, ended)
        self.stopper.ask_whose(state, found)
        if state.stop is not None:
            self.stopper.step(state, state.stop, found)
        elif state.mode == "dead":
            self._found_dead(state, found)
        else:
            self._found_running(state, found)

    def _found_dead(self, state: GroupState, found: Found) -> None:
        now = self._now()
        state.scan_at = now + 0.005 if found.forming - found.nameless else next_rest(now)
        if found.nameless:
            state.scan_by(now + DOUBT_PACE)
        if found.forming:
            state.children = None
        for process, name in found.members.items():
            if process.identity not in state.told:
                state.told.add(process.identity)
                self._post(MemberStarted(state.name, name, process.pid))

    def _found_running(self, state: GroupState, found: Found) -> None:
        now = self._now()
        if found.unreaped and state.wanted:
            self.wake_supervisord()
        kin = state.kin
        rest = REST_IN_CGROUP if found.living and not (kin.exposed or kin.unregistered or kin.leavable) else REST
        state.scan_at = now + state.pace if state.pace < rest else next_rest(now, rest)
        state.pace = min(2 * state.pace, rest)

    def _ended(self, pidfd: int) -> None:
        """A watched process ended."""
        watched = self._pidfds.take(pidfd)
        if watched is None:
            return
        state, process = self.state(watched[0]), watched[1]
        state.change()
        name = state.kin.members.pop(process.identity, None)
        if state.stop is not None:
            # One scan for the last of them and not one for each of fifty.
            if not self._pidfds.of(state.name) or (name is not None and not state.kin.members):
                state.scan_at = self._now()
        elif name is not None:
            if state.wanted:
                self.wake_supervisord()
                self._post(MemberDied(state.name, name, process.pid))
            state.scan_soon(self._now())
