"""Handles supervisord's events about the programs of groups. On the deciding thread."""

from __future__ import annotations

import re
from functools import partial
from typing import Callable

from supervisor_zkelect.config.programs import must_run
from supervisor_zkelect.core import messages
from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means
from supervisor_zkelect.supervisord import eventstream

#: What FATAL means, when nothing else is known of its cause.
GIVEN_UP = "at each try it could not be started, or ended before its startsecs"


class SupervisordSide(Decider):
    """Gives supervisord's events to the candidacies of their groups."""

    def __init__(self, means: Means, keepers: Keepers, stopping: Callable[[str], None]) -> None:
        """stopping: called with a reason when supervisord shuts down."""
        super().__init__(means, keepers)
        self._stopping = stopping

    def _on_event(self, event: eventstream.Event) -> None:
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
        one.group.handle.note((name, state, pid))
        if state == "RUNNING":
            one.group.runs(name, pid)
            self._enforcement.last_resort.know(one.settings.group, pid)
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
        return {eventstream.Event: self._on_event, events.ProgramEnded: self._program_ended}
