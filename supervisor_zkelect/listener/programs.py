"""supervisord's programs, and whether the configuration fits them. On the deciding thread."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from supervisor_zkelect.core.figures import STOPWAITSECS
from supervisor_zkelect.guard import kept_config, saved_session
from supervisor_zkelect.guard.protocol import GroupPrograms
from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.workers import PACE
from supervisor_zkelect.supervisord import program_info

log = logging.getLogger(__name__)

#: Seconds between two looks at supervisord's programs while they are not fit, and the group runs on in its term.
FIT_PACE = 2.0
#: Problems of the configuration that a report repeats.
MOST_PROBLEMS = 5


class Programs(Part):
    """Knows supervisord's programs, and what is wrong with them."""

    def __init__(
        self, means: Means, candidacies: Candidacies, trouble: Optional[kept_config.ConfigTrouble],
        allow: Callable[[Candidacy, float], None], known: Callable[[], None], tell_guard: Callable[[], None],
        leaving: Callable[[], bool],
    ) -> None:
        """trouble: why the settings are those that were kept, and not those of the file.
        allow: told of a candidacy whose group has this time to stop. known: called when programs are known, and no election has
        begun. tell_guard: has the guard told anew what it is told of groups. leaving: whether this listener is to end."""
        super().__init__(means)
        self._candidacies = candidacies
        self.trouble = trouble
        self._allow = allow
        self._known = known
        self._tell_guard = tell_guard
        self._leaving = leaving
        self._programs: List[Dict[str, Any]] = []
        #: when supervisord is asked again
        self._due = math.inf
        #: what is wrong with the programs, and since when; they were found to be fit before a group was started
        self.unfit: Tuple[str, ...] = ()
        self._unfit_since = math.inf
        #: seconds that supervisord leaves this listener to end
        self.stopwaitsecs = STOPWAITSECS

    def __bool__(self) -> bool:
        """Whether they are known."""
        return bool(self._programs)

    def of(self, group: str) -> List[Dict[str, Any]]:
        return [one for one in self._programs if one["group"] == group]

    def next_wakeup(self) -> float:
        return self._due

    def keep_time(self, moment: float) -> None:
        if self._due <= moment:
            self.ask()

    def ask(self) -> None:
        """Ask supervisord for its programs."""
        self._due = math.inf
        work = partial(pool_worker.read_programs, self._host.supervisord)
        self._work.submit(work, lambda error: events.Configured([], repr(error)))

    def _configured(self, event: events.Configured) -> None:
        if event.error:
            self._log.warn("supervisord", event.error)
            self._due = self._host.now() + PACE
            return
        host = self._host
        check = host.check_groups(host.settings, event.programs)
        if check.problems and not self._candidacies and self._fall_back(check.problems):
            check = host.check_groups(host.settings, event.programs)
        if not self._candidacies:
            for note in [*check.troubles, *check.notes]:
                log.info("%s", note)
        self._found_unfit(check.problems)
        for program in event.programs:
            if (program["group"], program["name"]) == (host.group, host.process):
                self.stopwaitsecs = float(program.get("stopwaitsecs", STOPWAITSECS))
        if not self._leaving():
            self._programs = event.programs
            if self._candidacies:
                self._take()
            else:
                self._known()

    def _take(self) -> None:
        """Apply supervisord's present configuration of the groups' programs, which an `update` may have changed."""
        for one in self._candidacies:
            programs = self.of(one.settings.group)
            if programs:
                one.group.unguarded = any(map(program_info.unguarded, programs))
                self._allow(one, longest_stop(programs))
        self._tell_guard()
        self._delivery.changed()

    def _fall_back(self, problems: List[str]) -> bool:
        """Go on with the last good configuration, where there is another one than that with these problems."""
        if self.trouble is not None:
            return False
        try:
            self.trouble = self._host.fall_back(problems)
        except kept_config.NoCopy:
            return False
        for problem in problems:
            log.error("%s", problem)
        log.error("%s: %s", self._host.settings.file, self.trouble)
        return True

    def _found_unfit(self, problems: List[str]) -> None:
        """Warn of problems with the programs. They end this listener unless a group runs: that runs on in its term."""
        now = self._host.now()
        self._unfit_since = min(self._unfit_since, now) if problems else math.inf
        if self.unfit != tuple(problems):
            self.unfit = tuple(problems)
            self._delivery.changed()
        for problem in problems:
            self._log.warn("the configuration", problem)
        if problems:
            self._due = now + FIT_PACE

    def keep_configuration(self) -> None:
        """Keep the configuration, in which supervisord's programs are fit and ZooKeeper has taken this node's session."""
        if self.trouble is None and not self.unfit:
            try:
                self._host.keep()
            except OSError as error:
                self._log.warn("zkelect", f"cannot keep the configuration: {error}", "keep")

    def config_trouble(self) -> Optional[Dict[str, Any]]:
        """The problems of the configuration, since when, and with what this listener goes on; None where there are none."""
        problems = [*(self.trouble.problems if self.trouble else ()), *self.unfit]
        if not problems:
            return None
        since = min(self.trouble.since if self.trouble else math.inf, self._unfit_since)
        doing = str(self.trouble) if self.trouble else "the group runs on to the end of its term"
        return {"since": since, "problems": problems[:MOST_PROBLEMS], "doing": doing}

    def for_guard(self, leftovers: Iterable[saved_session.SavedElection]) -> Dict[str, GroupPrograms]:
        """The groups, as the guard is told of them."""
        told: Dict[str, GroupPrograms] = {}
        for one in self._host.settings.elections:
            programs = self._stop_of(one.group, one.name)
            told[one.group] = programs._replace(stop_failed=tuple(one.stop_failed or ()), seconds=one.hook_timeout)
        for former in leftovers:
            told.setdefault(former.group, self._stop_of(former.group, former.name))
        return told

    def _stop_of(self, group: str, election: str) -> GroupPrograms:
        """The programs of a group, as the guard is told of them: how they are started and stopped."""
        programs = self.of(group)
        if not programs:
            return GroupPrograms(election)
        return GroupPrograms(
            election, via_loader=not any(map(program_info.unguarded, programs)), stopwaitsecs=longest_stop(programs),
            # supervisord does not tell stopasgroup, which goes with killasgroup only.
            as_group=any(program.get("killasgroup", True) for program in programs),
        )

    def handlers(self) -> events.Handlers:
        return {events.Configured: self._configured}


def longest_stop(programs: Iterable[Dict[str, Any]]) -> float:
    """The longest stopwaitsecs of some programs, items of supervisord's getAllConfigInfo.

    Of a group that runs, supervisord may have dropped the programs since.
    """
    return max((float(one.get("stopwaitsecs", 0)) for one in programs), default=STOPWAITSECS)
