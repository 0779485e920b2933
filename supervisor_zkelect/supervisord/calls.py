"""Calls to supervisord that nobody waits for.

They run in a pool, and their answers come back as commands of the thread that asks. With hundreds of groups, calls are most
of what a guard and supervisord do, so what can be asked about many groups at once goes together.
"""

from __future__ import annotations

import collections
import functools
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from typing import Any, Callable, Deque, List, Optional

from supervisor_zkelect.supervisord.client import SupervisordError, Unreachable
from supervisor_zkelect.supervisord.groups import GroupCalls, Started

#: At most this many questions for the members' states are on their way, for the groups of about this many members each. Each
#: takes some turns of supervisord's loop, which with hundreds of programs are a millisecond each; what is asked meanwhile
#: goes together.
MOST_ASKED, MEMBERS_ASKED = 1, 50
#: At most this many requests to start groups are on their way, each for this many groups at most: half of what supervisord
#: does to start a program is to take the request and to answer it.
MOST_STARTS, GROUPS_STARTED = 2, 25
#: Seconds that supervisord has to fork all members, some milliseconds each and more on a busy machine.
FORK_LIMIT = 60.0

Then = Callable[[Any, Optional[SupervisordError]], None]
"""Takes a result, or the error instead."""

Do = Callable[..., None]
"""Takes a command and its arguments, which are run on the thread that asks."""


class Calls:
    """pool: where the calls run."""

    def __init__(self, pool: Executor, do: Do) -> None:
        self._pool, self._do = pool, do

    def ask(self, then: Then, call: Callable[..., Any], *args: Any) -> None:
        """Make a call in the pool; `then(result, error)` follows on the thread that asks, also where the call cannot be made."""

        def ended(future: Future[Any]) -> None:
            result: Any = None
            error: Optional[SupervisordError] = None
            try:
                result = future.result()
            except CancelledError:
                error = Unreachable("not asked", sent=False)
            except SupervisordError as failure:
                error = failure
            except Exception as failure:
                error = Unreachable(f"{type(failure).__name__}: {failure}")
            self._do(then, result, error)

        try:
            self._pool.submit(call, *args).add_done_callback(ended)
        except (RuntimeError, MemoryError) as error:
            # Where it has no thread or memory to spare, another of the pool's threads may make the call all the same.
            self._do(then, None, Unreachable(str(error) or "no memory"))


class Batches:
    """What waits to be asked of supervisord, about several groups at once where there are many."""

    def __init__(self, ask: Callable[..., None], do: Do, groups: GroupCalls) -> None:
        self._ask, self._do, self._groups = ask, do, groups
        self._waiting: Deque[Any] = collections.deque()
        #: calls that are on their way
        self.flying = 0

    def add(self, one: Any) -> None:
        self._waiting.append(one)

    def _fly(self, answered: Callable[..., None], batch: List[Any], call: Callable[..., Any], *args: Any) -> None:
        """Make a call for a batch; `answered(batch, result, error)` follows."""
        self.flying += 1
        self._ask(functools.partial(answered, batch), call, *args)

    def _give(self, then: Then, found: Any) -> None:
        """Give one of the batch its result or error, each for itself, whatever goes wrong with another."""
        failed = isinstance(found, SupervisordError)
        self._do(then, None if failed else found, found if failed else None)


@dataclass
class Question:
    """Somebody wants to know what supervisord says of a group's members.

    members: about how many there are. then: takes what `GroupCalls.infos` says of the group.
    """

    group: str
    members: int
    then: Then


class Questions(Batches):
    """Asks for the members' states, about many groups at once."""

    def send(self) -> None:
        """Make the calls that may be made now."""
        while self._waiting and self.flying < MOST_ASKED:
            batch: List[Question] = []
            members = 0
            while self._waiting and members < MEMBERS_ASKED:
                batch.append(self._waiting.popleft())
                members += max(1, batch[-1].members)
            self._fly(self._answered, batch, self._groups.infos, list(dict.fromkeys(one.group for one in batch)))

    def _answered(self, batch: List[Question], answer: Any, error: Optional[SupervisordError]) -> None:
        self.flying -= 1
        for one in batch:
            self._give(one.then, answer[one.group] if error is None else error)


@dataclass
class StartRequest:
    """A group is to be started.

    wanted: whether it still is. sent: called when supervisord is asked. unsent: supervisord has not come to it, and is asked
    again. answered: takes what came of it.
    """

    group: str
    wanted: Callable[[], bool]
    sent: Callable[[], None]
    unsent: Callable[[], None]
    answered: Callable[[Optional[Started], Optional[SupervisordError]], None]


class StartRequests(Batches):
    """Has supervisord start groups, several at once where there are many."""

    def send(self) -> None:
        """Make the calls that may be made now."""
        while self._waiting and self.flying < MOST_STARTS:
            batch: List[StartRequest] = []
            most = GROUPS_STARTED if self._groups.has_interface else 1
            while self._waiting and len(batch) < most:
                one = self._waiting.popleft()
                # Of one that was stopped meanwhile supervisord hears nothing.
                if one.wanted():
                    one.sent()
                    batch.append(one)
            if batch:
                self._fly(self._answered, batch, self._groups.start, [one.group for one in batch], FORK_LIMIT)

    def _answered(self, batch: List[StartRequest], answer: Any, error: Optional[SupervisordError]) -> None:
        self.flying -= 1
        answers = [(one, answer[one.group] if error is None else error) for one in batch]
        if isinstance(error, Unreachable):
            # Those that wait need not find out for themselves.
            waiting = [one for one in self._waiting if one.wanted()]
            answers += [(one, Unreachable(error.reason, sent=False)) for one in waiting]
            self._waiting.clear()
        again = []
        for one, found in answers:
            if found is None and one.wanted():
                one.unsent()
                again.append(one)
            else:
                self._give(one.answered, Unreachable("it was not started yet", sent=False) if found is None else found)
        self._waiting.extendleft(reversed(again))
