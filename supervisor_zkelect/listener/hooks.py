"""The thread on which an election's fence command is waited for. Made on the deciding thread."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.workers import EventExecutor


class Hooks(Part):
    """Runs the hooks of one election, one after the other: a term that was lost may have left its command running."""

    def __init__(self, means: Means, election: str, command: Optional[Sequence[str]]) -> None:
        """command: as `get_ready` takes it."""
        super().__init__(means)
        self._election = election
        self._executor: Optional[EventExecutor] = None
        self.get_ready(command)

    def get_ready(self, command: Optional[Sequence[str]]) -> None:
        """Have the thread before it is needed, when there may be none to be had. command: None where no hook is configured."""
        if command is not None and self._executor is None:
            self._executor = EventExecutor(self._host.pool(1, f"zkelect-hooks-{self._election}"), self._post)

    def submit(self, work: Callable[[], Any], failed: Callable[[BaseException], Any]) -> None:
        """As `EventExecutor.submit`."""
        self.get_ready(())
        assert self._executor is not None
        self._executor.submit(work, failed)
