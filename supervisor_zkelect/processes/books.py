"""Supervisord's books: to which group each of its children belongs."""

from __future__ import annotations

import functools
import math
from typing import Any, Callable, FrozenSet, Iterable, Optional

from supervisor_zkelect.processes.census import Census, Found
from supervisor_zkelect.processes.proc import Process
from supervisor_zkelect.processes.state import GroupState
from supervisor_zkelect.supervisord.client import Supervisord, SupervisordError

#: Seconds for which a child may take to execute its program before supervisord is asked whose it is, and until it is asked
#: again.
FORMING_TIME = 0.2


class Books:
    """groups: all groups that are known."""

    def __init__(
        self, now: Callable[[], float], ask: Callable[..., None], supervisord: Supervisord, census: Census,
        groups: Callable[[], Iterable[GroupState]],
    ) -> None:
        self._now, self._ask, self._supervisord, self._census, self._groups = now, ask, supervisord, census, groups
        self._asking = False

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
        answer = functools.partial(self._told, frozenset(found.forming), now)
        self._ask(answer, self._supervisord.call, "supervisor.getAllProcessInfo")

    def _told(self, forming: FrozenSet[Process], asked: float, infos: Any, error: Optional[SupervisordError]) -> None:
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
