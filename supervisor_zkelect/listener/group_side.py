"""Handles the events of guard and supervisord about groups and their programs. On the deciding thread."""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import Any, Callable, Optional

from supervisor_zkelect.config.programs import ENDED_TIME, must_run
from supervisor_zkelect.core import messages
from supervisor_zkelect.guard import protocol
from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.group_control import LEARN
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means
from supervisor_zkelect.processes import group_events
from supervisor_zkelect.supervisord import eventstream

log = logging.getLogger(__name__)

#: What FATAL means, when nothing else is known of its cause.
GIVEN_UP = "at each try it could not be started, or ended before its startsecs"


class GroupSide(Decider):
    """Gives the events to the candidacies of their groups."""

    def __init__(self, means: Means, keepers: Keepers, stopping: Callable[[str], None]) -> None:
        """stopping: called with a reason when supervisord shuts down."""
        super().__init__(means, keepers)
        self._stopping = stopping

    # The guard

    def _of(self, event: Any) -> Optional[Candidacy]:
        """The candidacy that an event is about."""
        return self._candidacies.by_group.get(event.group)

    def _answered(self, event: Any) -> Optional[Candidacy]:
        """The same, of an event that answers an order, which is not repeated to another guard from then on."""
        one = self._of(event)
        if one is not None:
            one.group.answered(event.op)
        return one

    @staticmethod
    def _decide(one: Optional[Candidacy], event: messages.Event) -> None:
        if one is not None:
            one.decide(event)

    def _dead(self, event: group_events.GroupDead) -> None:
        one = self._answered(event)
        self._leftovers.group_dead(event.group)
        self._decide(one, messages.Dead(event.op, event.seconds))

    def _stuck(self, event: group_events.GroupStuck) -> None:
        pids = ", ".join(str(pid) for pid in event.pids)
        log.error("%s: not proven dead: %s%s", event.group, event.reason, pids and f" (pids {pids})")
        self._decide(self._of(event), messages.Stuck(event.reason))

    def _member_died(self, event: group_events.MemberDied) -> None:
        # How it ended, and where its log is, only supervisord can tell, when it has taken notice.
        log.info("%s: the process %d of %s ended by itself", event.group, event.pid, event.name)
        self._decide(self._of(event), messages.MemberChanged())

    def _members(self, event: group_events.Members) -> None:
        one = self._answered(event)
        if one is None:
            return
        sick = [
            f"{name} is {state[0]}" + self._cause(one, name, state[0])
            for name, state in sorted(event.states.items()) if state[0] != "RUNNING"
        ]
        for state in event.states.values():
            if state[0] in ("STARTING", "RUNNING"):
                self._runs(one, state[1])
        ok = not event.error and not sick and bool(event.states)
        if event.op != LEARN:
            one.decide(messages.Probed(event.op, ok, event.error or ", ".join(sick) or "every program RUNNING"))

    def _runs(self, one: Candidacy, pid: int) -> None:
        one.group.running.add(pid)
        self._enforcement.last_resort.know(one.settings.group, pid)

    def _cause(self, one: Candidacy, name: str, state: str) -> str:
        """The known cause why a program does not run, to follow its state; "" for none."""
        why, exited = one.group.cause(name, state, self._host.now())
        ended = one.check is None and exited >= ENDED_TIME
        hint = f"it has ended, and {must_run(one.settings)}" if ended else ""
        return "".join(f": {text}" for text in (hint, why) if text)

    def _registered(self, event: protocol.ProgramRegistered) -> None:
        one = self._of(event)
        if one is not None:
            self._runs(one, event.pid)
            one.timeline.executed(event.moment - self._host.now() + self._host.wall())

    def _refused(self, event: protocol.ProgramRefused) -> None:
        one = self._of(event)
        if one is None:
            return
        self._log.warn(one.name, f"`zkelect run` did not start the program {event.name}: {event.reason}")
        if one.state.may_run:
            one.group.refused[event.name] = f"`zkelect run` did not start it (exit status 75): {event.reason}"

    def _term_ended(self, event: protocol.TermEnded) -> None:
        one = self._of(event)
        if one is not None:
            one.timeline.guarded(event._asdict())

    # supervisord

    def _on_event(self, event: eventstream.SupervisordEvent) -> None:
        if event.name == "SUPERVISOR_STATE_CHANGE_STOPPING":
            self._stopping("supervisord is shutting down")
            return
        if event.name == "PROCESS_GROUP_ADDED":
            self._programs.ask()
            return
        one = self._candidacies.by_group.get(event.fields.get("groupname", ""))
        if one is not None and event.name.startswith("PROCESS_STATE_"):
            text = event.fields.get("pid", "")
            pid = int(text) if re.fullmatch("[0-9]{1,10}", text) else 0
            self._state_changed(one, event.fields.get("processname", ""), event.name[len("PROCESS_STATE_"):], pid)

    def _state_changed(self, one: Candidacy, name: str, state: str, pid: int) -> None:
        one.group.send(protocol.MemberNote(one.settings.group, (name, state, pid)))
        if state == "RUNNING":
            one.group.runs(name, pid)
            self._runs(one, pid)
        elif state == "STOPPING" and pid in one.group.running:
            # Only a process that ran in this term counts: the event of an earlier stop may come late.
            one.decide(messages.StoppedByHand(name))
        elif state in ("EXITED", "BACKOFF", "FATAL"):
            self._ask_end(one, name, state)
        one.decide(messages.MemberRuns() if state == "RUNNING" else messages.MemberChanged())

    def _ask_end(self, one: Candidacy, name: str, state: str) -> None:
        """Ask supervisord how a program of the group ended, which its events do not tell."""
        election, token = one.name, one.state.token
        one.group.ends.setdefault(name, "")
        supervisord, group = self._host.supervisord, one.settings.group
        work = partial(pool_worker.read_end, supervisord, election, group, token, name, state)
        self._work.submit(work, lambda error: events.ProgramEnded(election, token, name, state, ""))

    def _program_ended(self, event: events.ProgramEnded) -> None:
        one = self._candidacies[event.election]
        group = one.group
        if one.state.token != event.token:
            # It ran in another term.
            return
        if event.why:
            if event.name in group.ends:
                group.ends[event.name] = event.why
            if one.state.may_run:
                self._log.warn(event.election, f"the program {event.name} ended: {event.why}")
        if event.state == "FATAL":
            why = group.refused.get(event.name) or "; ".join(filter(None, (GIVEN_UP, event.why)))
            hint = "" if one.check else f"; {must_run(one.settings)}"
            one.decide(messages.MemberFatal(event.name, why if event.name in group.refused else why + hint))

    def handlers(self) -> events.Handlers:
        return {
            group_events.GroupStarted: lambda event: self._decide(self._answered(event), messages.ServiceStarted(event.op)),
            group_events.GroupStartFailed: lambda event: self._decide(
                self._answered(event), messages.StartFailed(event.op, event.reason)
            ),
            group_events.GroupDead: self._dead,
            group_events.GroupStuck: self._stuck,
            group_events.MemberDied: self._member_died,
            group_events.MemberStarted: lambda event: self._decide(self._of(event), messages.StartedByHand(event.name)),
            group_events.Members: self._members,
            protocol.ProgramRegistered: self._registered,
            protocol.ProgramRefused: self._refused,
            protocol.GuardRevoked: lambda event: self._decide(self._of(event), messages.GrantRevoked(event.reason)),
            protocol.TermEnded: self._term_ended,
            eventstream.SupervisordEvent: self._on_event, events.ProgramEnded: self._program_ended,
        }
