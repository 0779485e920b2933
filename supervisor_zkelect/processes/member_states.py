"""What supervisord says of the groups' members, asked for when it may have changed."""

from __future__ import annotations

import functools
import math
from typing import Any, Callable, Dict, List, Optional

from supervisor_zkelect.processes.census import Census
from supervisor_zkelect.processes.group_events import Members
from supervisor_zkelect.processes.state import SAID_AGE, GroupState, States, states_of
from supervisor_zkelect.supervisord.calls import Question, Questions, Then
from supervisor_zkelect.supervisord.client import SupervisordError

#: How often supervisord's loop is turned after an answer that a member is STARTING, and for how long, in seconds: then it
#: takes notice that its startsecs are over, which by itself it does once a second.
TURN_PACE, TURN_TIME = 0.1, 2.0


class MemberStates:
    """later: has a command run in so many seconds. wake: turns supervisord's loop."""

    def __init__(
        self, now: Callable[[], float], post: Callable[[Any], None], later: Callable[..., None], wake: Callable[[], None],
        questions: Questions, census: Census,
    ) -> None:
        self._now, self._post, self._later, self._wake = now, post, later, wake
        self._questions, self._census = questions, census
        #: until when supervisord's loop is turned; −inf when it is not
        self._turn_until = -math.inf

    def question(self, state: GroupState, then: Then) -> None:
        """Have supervisord asked what it says of the members."""

        def answered(infos: Any, error: Optional[SupervisordError]) -> None:
            try:
                state.kin.learn(infos or (), self._census)
            finally:
                # Whoever waits for it is answered, whatever could not be read of the processes.
                then(infos, error)

        self._questions.add(Question(state.name, len(state.kin.programs), answered))

    def hear(self, state: GroupState, infos: List[Dict[str, Any]]) -> None:
        """Take what supervisord says of members that it has started just now."""
        state.kin.learn(infos, self._census)
        if state.wanted and not state.changed:
            state.said, state.said_until = states_of(infos), self._now() + SAID_AGE

    def look(self, state: GroupState, op: int) -> None:
        """Tell what supervisord says of them → Members."""
        if self._now() < state.said_until:
            self._tell(state, op, state.said)
        else:
            self.question(state, functools.partial(self._looked, state, op))

    def _looked(self, state: GroupState, op: int, infos: Any, error: Optional[SupervisordError]) -> None:
        self._tell(state, op, states_of(infos or ()), "" if error is None else str(error))

    def _tell(self, state: GroupState, op: int, states: States, error: str = "") -> None:
        self._post(Members(state.name, op, states, error))
        if any(statename == "STARTING" for statename, _, _ in states.values()):
            if self._turn_until == -math.inf:
                self._later(TURN_PACE, self._turn)
            self._turn_until = self._now() + TURN_TIME

    def _turn(self) -> None:
        """Turn supervisord's loop, and go on for some time."""
        if self._now() >= self._turn_until:
            self._turn_until = -math.inf
            return
        self._wake()
        self._later(TURN_PACE, self._turn)

    def learn(self, state: GroupState) -> None:
        """Learn the pid of a member that has begun to run, as a program may drop the environment by which it is known."""
        if not state.learning:
            state.learning = True
            self.question(state, functools.partial(self._learned, state))

    def _learned(self, state: GroupState, infos: Any, error: Optional[SupervisordError]) -> None:
        state.learning = False
