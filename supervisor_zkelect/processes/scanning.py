"""Scans: who belongs to the groups that are due, by one look at the table of processes."""

from __future__ import annotations

import logging
import math
from typing import Callable, FrozenSet, List, Optional, Set, Tuple

from supervisor_zkelect.processes.census import Census, Found, Look
from supervisor_zkelect.processes.cgroup import Cgroups, Former
from supervisor_zkelect.processes.kernel import Kernel
from supervisor_zkelect.processes.kin import Identities
from supervisor_zkelect.processes.proc import Process
from supervisor_zkelect.processes.schedule import REST_SHARE, REST_SHARE_SHELTERED, SENTRY_PACE, next_rest
from supervisor_zkelect.processes.state import GroupState
from supervisor_zkelect.system import reserve

log = logging.getLogger(__name__)


class Scanner:
    """caged: called with each group that has a cgroup with somebody inside. keep: takes a group
    and the identities of its processes that are in no cgroup, when they change. strike: kills whoever is known of a group.
    found: takes what a scan has found of a group. failed: takes the error of a scan that failed."""

    def __init__(
        self, now: Callable[[], float], kernel: Kernel, census: Census, cgroups: Optional[Cgroups], former: Optional[Former],
        caged: Callable[[str], None], keep: Callable[[str, Identities], None], strike: Callable[[GroupState], None],
        found: Callable[[GroupState, Found], None], failed: Callable[[GroupState, Exception], None],
    ) -> None:
        self._now, self._kernel, self._census = now, kernel, census
        self._cgroups, self._former, self._caged = cgroups, former, caged
        self._keep, self._strike, self._found, self._failed = keep, strike, found, failed
        #: supervisord's children, and whether they were read for this scan
        self._children: Optional[FrozenSet[int]] = frozenset()
        self._children_read = False
        self._ended, self._took = -math.inf, 0.0
        self.trouble = ""
        """Why a group could not be looked after when that was tried last; or ""."""

    def scan(self, states: List[GroupState], now: float) -> None:
        """Scan the groups that are due."""
        self._children_read = False
        due = [state for state in states if self.due(state) <= now and self._worth(state, now)]
        if not due:
            return
        for state in due:
            if state.stop is not None and not state.attempts.struck and state.stop.killing(now, self._census.gone):
                # Before anything is read, since reading takes time with the number of processes on the machine.
                state.attempts.struck = True
                self._strike(state)
        began, trouble = self._now(), ""
        strangers = [state for state in due if not state.kin.all_inside]
        look = self._census.look(bool(strangers), not all(state.kin.swept for state in strangers))
        for state in due:
            try:
                self._scan(state, look)
            except Exception as error:
                # The other groups must have their scans whatever is wrong with this one.
                trouble = f"the guard cannot look after the group {state.name}: {error!r}"
                reserve.spend()
                self._failed(state, error)
                log.exception("group %s: %s", state.name, error)
        self.trouble = trouble
        if any(state.stop is None for state in due):
            # Those that are being stopped have their own pace, and must not keep the others from theirs.
            self._ended = self._now()
            self._took = self._ended - began

    def due(self, state: GroupState) -> float:
        """When a group is to be scanned; one that is not being stopped waits until a scan has been rested from."""
        if state.stop is not None:
            return state.scan_at
        share = REST_SHARE_SHELTERED if state.kin.sheltered else REST_SHARE
        return max(state.scan_at, self._ended + share * self._took)

    def _worth(self, state: GroupState, now: float) -> bool:
        """Whether a due scan can bring anything: for a sentry or a dead group, if the children changed."""
        sentry = state.stop is not None and state.stop.sentry
        if not sentry and state.mode != "dead":
            return True
        children = self._children_now()
        changed = children is None or children is not state.children
        state.children = children
        if changed or (sentry and now - state.scanned_at >= 0.05):
            return True
        state.scan_at = now + SENTRY_PACE if sentry else next_rest(now)
        return False

    def _scan(self, state: GroupState, look: Look) -> None:
        within, vanished = self._inside(state, look)
        found = state.kin.find(within, look, self._census)._replace(vanished=vanished)
        # What a process carries tells the next guard as well; what it is kin to counts for more.
        seen = frozenset(process.identity for process in found.living - within - found.claimed)
        # While it is being stopped, what was told before is enough, and nothing is to be done but to kill.
        if seen != state.seen and (state.stop is None or not seen):
            state.seen = seen
            self._keep(state.name, seen)
        state.scanned_at = self._now()
        self._found(state, found)

    def _inside(self, state: GroupState, look: Look) -> Tuple[Set[Process], bool]:
        """Who is in the group's cgroup, and whether some of those were gone when they were looked at. While it is being stopped,
        those in cgroups of former instances count as well."""
        pids = [] if self._cgroups is None else self._cgroups.pids(state.name)
        if pids:
            self._caged(state.name)
        if self._former is not None and state.stop is not None:
            pids += self._former.pids()
        inside, vanished = set(), False
        for pid in pids:
            # The table was read before: one that was forked since must not be missed, and one that had its pid then not be taken
            # for it.
            process, seen = self._kernel.read(pid), look.kin.processes.get(pid)
            vanished = vanished or process is None or process.gone
            if process is not None and (seen is None or seen.identity != process.identity):
                self._census.add(process, look)
            elif process is not None and seen is not None:
                process = seen
            if process is not None:
                inside.add(process)
        return inside, vanished

    def _children_now(self) -> Optional[FrozenSet[int]]:
        """The pids of supervisord's children, read once in a scan; the same object for as long as they are the same. None where
        the kernel does not tell."""
        if not self._children_read:
            self._children_read = True
            found = set() if self._census.gone else self._kernel.children(self._census.supervisord.pid)
            if found is None or self._children is None or found != set(self._children):
                self._children = None if found is None else frozenset(found)
        return self._children
