"""One step of the role machine in the making."""

from __future__ import annotations

from typing import Any, Callable, List

from supervisor_zkelect.core.messages import Action, Log
from supervisor_zkelect.core.state import INFINITY, Rules, State

#: First and longest wait before a request that failed is made again, in seconds.
RETRY_FIRST, RETRY_MOST = 0.1, 5.0

#: Seconds for which a standby whose proposal somebody deleted does not propose anew. Most likely a switchover made way for a node
#: behind it, which is to lead before all others ask for the queue at once.
MADE_WAY = 1.0


class Turn:
    """The state is replaced piece by piece, the actions are collected. now: the moment, by the clock of `State`."""

    def __init__(self, rules: Rules, state: State, now: float) -> None:
        self.rules = rules
        self.state = state
        self.now = now
        self.actions: List[Action] = []

    def set(self, **changes: Any) -> None:
        # As dataclasses.replace, but not through a constructor with an argument for each field, a dozen times for each event.
        state = object.__new__(State)
        vars(state).update(vars(self.state), **changes)
        self.state = state

    def act(self, action: Action) -> None:
        self.actions.append(action)

    def request(self, slot: str, action: Callable[..., Action], *more: Any) -> None:
        """Make a request whose number the state keeps as its `slot`."""
        number = self.state.op + 1
        self.set(op=number, **{slot: number})
        self.act(action(number, *more))

    def ask(self, action: Callable[..., Action], *more: Any) -> None:
        """Make the request that the present step needs an answer to."""
        self.request("waiting", action, *more)

    def retry_later(self, trouble: str) -> None:
        """The request of this step failed: make it again, each time after a longer wait."""
        delay = min(RETRY_MOST, self.state.retry_delay * 2 or RETRY_FIRST)
        self.set(waiting=0, retry_at=self.now + delay, retry_delay=delay, trouble=trouble)

    def go(self, role: str, step: str, reason: str = "") -> None:
        """Enter the step, with a line in the log where that changes the role."""
        old = self.state
        self.set(role=role, step=step, retry_at=INFINITY, retry_delay=0.0, waiting=0, refused=False)
        if role != old.role:
            self.set(since=self.now, reason=reason or old.reason)
            token = f" token={old.token}" if old.token is not None else ""
            text = f"{old.role} -> {role}{token} after {self.now - old.since:.3f} s: {reason or old.reason}"
            self.act(Log(text, f"{old.role} -> {role}"))
