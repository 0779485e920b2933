"""The start of a group: supervisord is asked for it, and confirms that it tries to run each member.

A process that ends before its startsecs, or cannot be made, is tried again by supervisord, startretries times; then the member
is in FATAL, of which an event tells. Whether supervisord knows of the end when it answers the start is a matter of
microseconds, so that answer must not decide anything.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional

from supervisor_zkelect.processes.group_events import GroupStarted, GroupStartFailed
from supervisor_zkelect.processes.member_states import MemberStates
from supervisor_zkelect.processes.state import GroupState, Start
from supervisor_zkelect.supervisord.calls import StartRequest, StartRequests
from supervisor_zkelect.supervisord.client import ALREADY_STARTED, SPAWN_ERROR, SUCCESS, Fault, SupervisordError, Unreachable
from supervisor_zkelect.supervisord.groups import Started

#: Seconds for which supervisord is asked what became of a start that it has answered; and for which a start waits for its
#: answer to the stop before it.
START_LIMIT = 10.0
#: Seconds until supervisord is asked again how far a start has come that it has answered.
CONFIRM_PACE = 0.1
#: States of a member that supervisord has tried to run.
_TRIED = ("STARTING", "RUNNING", "EXITED", "BACKOFF", "FATAL")


class Starter:
    """gone: whether supervisord is dead."""

    def __init__(
        self, now: Callable[[], float], post: Callable[[Any], None], later: Callable[..., None], requests: StartRequests,
        states: MemberStates, gone: Callable[[], bool],
    ) -> None:
        self._now, self._post, self._later, self._gone = now, post, later, gone
        self._requests, self._states = requests, states

    def start(self, state: GroupState, op: int) -> None:
        """Start a group, when its last stop has ended → GroupStarted or GroupStartFailed."""
        if state.stop is not None and state.stop.sentry and state.waiting is None:
            # With hundreds of groups its answers take their time.
            state.waiting = op
            self._later(START_LIMIT, self._unconfirmed, state, op)
            return
        if state.stop is not None:
            reason = "it is being stopped"
        elif state.start is not None:
            reason = "it is being started"
        elif self._gone():
            reason = "supervisord is dead"
        else:
            reason = ""
        if reason:
            self._post(GroupStartFailed(state.name, op, reason))
            return
        state.change()
        state.mode = "starting"
        state.kin.begin_term()
        start = state.start = Start(op, state.start_open)
        self._requests.add(StartRequest(
            state.name, lambda: state.start is start, functools.partial(self._sent, state),
            functools.partial(self._unsent, state, start), functools.partial(self._answered, state, start),
        ))

    def resume(self, state: GroupState) -> None:
        """The stop that a start waited for has ended."""
        if state.waiting is not None:
            waiting, state.waiting = state.waiting, None
            self.start(state, waiting)

    def cancel(self, state: GroupState) -> None:
        """The group is to be stopped."""
        reason = "it was stopped before it was started"
        if state.waiting is not None:
            waiting, state.waiting = state.waiting, None
            self._post(GroupStartFailed(state.name, waiting, reason))
        if state.start is not None:
            start, state.start = state.start, None
            self._post(GroupStartFailed(state.name, start.op, reason))

    def adopt(self, state: GroupState) -> None:
        """Take a group that runs for one that was started."""
        if state.mode == "new":
            state.mode = "started"
            state.scan_soon(self._now())
            # The members' pids, as a program may have overwritten the environment by which it is known. And where an
            # answer comes back, a start request that somebody made before is done with.
            self._states.question(state, functools.partial(self._adopted, state))

    def _adopted(self, state: GroupState, infos: Any, error: Optional[SupervisordError]) -> None:
        if error is None and state.stop is None and state.start is None:
            state.start_open = False

    def _unconfirmed(self, state: GroupState, op: int) -> None:
        """A start has waited long enough for supervisord's answer to the stop before it."""
        if state.waiting == op:
            state.waiting = None
            self._post(GroupStartFailed(state.name, op, "supervisord has not confirmed the stop yet"))

    def _sent(self, state: GroupState) -> None:
        state.start_flying = state.start_open = True
        state.changed = False
        state.scan_soon(self._now())

    def _unsent(self, state: GroupState, start: Start) -> None:
        state.start_flying, state.start_open = False, start.open_before

    def _answered(
        self, state: GroupState, start: Start, found: Optional[Started], error: Optional[SupervisordError]
    ) -> None:
        state.start_flying = False
        if found is not None or isinstance(error, Fault):
            state.start_open = False
        elif isinstance(error, Unreachable) and not error.sent:
            state.start_open = start.open_before
        if state.stop is not None:
            # What is still open a later stop settles; what is not must not hold the proof up.
            state.stop.start_open = state.stop.start_open and state.start_open
            state.scan_at = self._now()
            return
        if state.start is not start:
            return
        start.answered = self._now()
        state.scan_soon(self._now())
        if found is None:
            self._failed(state, start, str(error))
            return
        bad = [item for item in found.items if item["status"] not in (SUCCESS, ALREADY_STARTED, SPAWN_ERROR)]
        if bad:
            self._failed(state, start, "; ".join(f"{item['name']}: {item['description']}" for item in bad))
            return
        state.kin.programs = frozenset(item["name"] for item in found.items)
        if found.states is None:
            self._confirm(state, start)
        else:
            self._states.hear(state, found.states)
            self._confirmed(state, start, found.states, None)

    def _confirm(self, state: GroupState, start: Start) -> None:
        if state.start is start:
            self._states.question(state, functools.partial(self._confirmed, state, start))

    def _confirmed(self, state: GroupState, start: Start, infos: Any, error: Optional[SupervisordError]) -> None:
        if state.start is not start:
            return
        if isinstance(error, Unreachable) and self._now() - start.answered < START_LIMIT:
            # It has started them, and is busy.
            self._later(CONFIRM_PACE, self._confirm, state, start)
            return
        if error is not None:
            self._failed(state, start, str(error))
            return
        # A member may have ended before a scan finds it; supervisord makes each the leader of a process group.
        state.kin.pgrps.update(info["pid"] for info in infos if info["pid"])
        bad = [info for info in infos if info["statename"] not in _TRIED]
        if bad:
            told = (f"{info['name']} is {info['statename']} {info['spawnerr']}".rstrip() for info in bad)
            self._failed(state, start, "; ".join(told))
        else:
            state.mode, state.start = "started", None
            self._post(GroupStarted(state.name, start.op))

    def _failed(self, state: GroupState, start: Start, reason: str) -> None:
        # Some members may run, so it counts as started until it is stopped.
        state.start, state.mode = None, "started"
        self._post(GroupStartFailed(state.name, start.op, reason))
