"""What supervisord says of the groups' members, asked for when it may have changed."""

from __future__ import annotations

import functools
import math
from typing import Any, Callable, Dict, List, Optional, Set

from supervisor_zkelect.processes.census import Census
from supervisor_zkelect.processes.group_events import Members
from supervisor_zkelect.processes.state import Asked, GroupState, States, states_of
from supervisor_zkelect.supervisord.calls import Question, Questions, Then
from supervisor_zkelect.supervisord.client import SupervisordError

#: How often supervisord's loop is turned after an answer that a member is STARTING, and for how long, in seconds: then it
#: takes notice that its startsecs are over, which by itself it does once a second.
TURN_PACE, TURN_TIME = 0.1, 2.0


class MemberStates:
    """later: has a command run in so many seconds. wake: turns supervisord's loop. idle: whether no call is on its way, which
    turns it as well. watched: pids of a group whose end is told at once."""

    def __init__(
        self, now: Callable[[], float], post: Callable[[Any], None], later: Callable[..., None], wake: Callable[[], None],
        idle: Callable[[], bool], questions: Questions, census: Census, watched: Callable[[str], Set[int]],
    ) -> None:
        self._now, self._post, self._later, self._wake, self._idle = now, post, later, wake, idle
        self._questions, self._census, self._watched = questions, census, watched
        #: until when supervisord's loop is turned; −inf when it is not
        self._turn_until = -math.inf

    def question(self, state: GroupState, then: Then) -> None:
        """Have supervisord asked what it says of the members."""
        asked = [Asked()]

        def sent() -> None:
            asked[0] = state.said.asked(self._now())

        def answered(infos: Any, error: Optional[SupervisordError]) -> None:
            if error is None:
                self.hear(state, asked[0], infos)
            then(infos, error)

        self._questions.add(Question(state.name, len(state.said.states), sent, answered))

    def hear(self, state: GroupState, asked: Asked, infos: List[Dict[str, Any]]) -> None:
        """Take what supervisord says of the members."""
        state.kin.learn(infos, self._census)
        if asked.changes == state.said.changes and state.wanted:
            state.said.hear(self._now(), asked, infos, self._watched(state.name))

    def look(self, state: GroupState, op: int) -> None:
        """Tell what supervisord says of them → Members."""
        if self._now() < state.said.until:
            self._tell(state, op, state.said.states)
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
        if self._idle():
            self._wake()
        self._later(TURN_PACE, self._turn)

    def learn(self, state: GroupState) -> None:
        """Learn the pid of a member that has begun to run, as a program may drop the environment by which it is known."""
        if not state.learning:
            state.learning = True
            self.question(state, functools.partial(self._learned, state))

    def _learned(self, state: GroupState, infos: Any, error: Optional[SupervisordError]) -> None:
        state.learning = False
