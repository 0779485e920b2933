"""Take a changed configuration file while the service runs.

The file is read and checked first, on a thread of its own; one that cannot be used is refused, and nothing changes. Which
change takes what stands in the table of options (`options.OPTIONS`):

    at once       it counts from then on, in the same term
    restart       the listener leaves the service to the guard and ends; the next one goes on in the same term
    new term      the election's group is stopped and its term released first, then as a restart
    new session   all groups are stopped, all terms released and the session closed; the next listener begins anew

The last two are done on the operator's word only, and without it nothing of the file is taken.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from supervisor_zkelect.config import diff, load
from supervisor_zkelect.config.diff import Change
from supervisor_zkelect.config.options import ELECTION, LIVE, RESTART, SESSION, TERM
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.config.programs import check_groups
from supervisor_zkelect.config.settings import Settings
from supervisor_zkelect.core import role
from supervisor_zkelect.supervisord.client import SupervisordError
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import admission, session
from supervisor_zkelect.zookeeper.errors import ElectionError

log = logging.getLogger(__name__)

#: Seconds for ZooKeeper's servers to answer, where the file names others or other credentials.
REACH_TIME = 5.0
#: Seconds that a release may take after the group had its time to stop.
RELEASE_TIME = 5.0
#: Exit status of a listener that is to be started anew: supervisord does so after it with autorestart = unexpected as well.
AGAIN = 75


class Reread(NamedTuple):
    """What the file came to. checks: the health check of each election. settings: None when the file cannot be used."""

    ticket: str
    yes: bool
    settings: Optional[Settings]
    problems: List[str]
    changes: List[Change]
    checks: Dict[str, Any]


class Agreed(NamedTuple):
    """The operator was told, and what he agreed to can begin. elections: whose terms end; session: the session as well."""

    elections: Set[str]
    session: bool


class Reloads:
    """Of one listener (`listener.Listener`), on its deciding thread."""

    def __init__(self, listener: Any) -> None:
        self.listener = listener
        self.reading = False
        #: until when the times of an election wait for a lease that leaves room for them, at most
        self.waiting: Dict[str, float] = {}
        #: elections whose terms end before this listener does, and until when they are waited for
        self.ending: Optional[Set[str]] = None
        self.end_by = math.inf

    # Reading

    def ask(self, ticket: str, yes: bool) -> None:
        """Read the file again. ticket: of whoever is answered, "" for nobody. yes: terms and session may end."""
        one = self.listener
        if self.reading or self.ending is not None or one.leaving is not None or not one.contests:
            doing = "has just begun" if not one.contests else "is reloading or ending"
            self.tell(ticket, 1, f"the listener {doing}; ask again", [])
            return
        self.reading = True
        old, granted = one.settings, one.granted
        paths = [path for path in (contest.elector.proposal_path for contest in one.contests.values()) if path]

        def work() -> Reread:
            try:
                return Reread(ticket, yes, *self.look(old, granted, paths))
            except Exception as error:
                # Without an answer nobody could ask again.
                log.exception("a defect")
                return Reread(ticket, yes, None, [f"a defect: {error!r}"], [], {})

        one.pool_post(one.rpc_pool, work)

    def look(
        self, old: Settings, granted: Any, paths: List[str]
    ) -> Tuple[Optional[Settings], List[str], List[Change], Dict[str, Any]]:
        """Read and check the file; what `Reread` has of it. On a thread of its own.

        granted: `session.Connected`, or None without a session. paths: of this node's proposals.
        """
        one = self.listener
        try:
            settings = load.from_file(old.file)
            checks = {election.name: election.health_check() for election in settings.elections}
            programs = one.supervisord.call("supervisor.getAllConfigInfo")
        except ConfigError as error:
            return None, error.problems, [], {}
        except (SupervisordError, ValueError) as error:
            return None, [f"{old.file}: {error}"], [], {}
        host, changes = one.host, diff.changes(old, settings)
        problems = list(check_groups(
            settings, programs, host.uid, supervisord_uid=host.supervisord_uid, own_group=host.group
        ).problems)
        anew = any(change.effect == SESSION for change in changes)
        if granted is not None and not anew and settings.stop_grace(math.inf, granted.timeout) < 0:
            problems.append(f"{old.file}: [zkelect] kill_time does not fit into the session's {granted.timeout:g} s")
        if not problems and (anew or settings.servers != old.servers):
            trouble = admission.trouble(settings, REACH_TIME)
            if trouble:
                problems.append(f"{old.file}: {trouble}")
            elif not anew and granted is not None and not _serve(settings, paths, granted.session):
                changes = [
                    change._replace(effect=SESSION) if change.option == "servers" else change for change in changes
                ]
        return settings, problems, changes, checks

    # What comes of it

    def reread(self, event: Reread) -> None:
        one, file = self.listener, self.listener.settings.file
        self.reading = False
        effects = {change.effect for change in event.changes}
        lines = [f"{change}: {change.effect}" for change in event.changes]
        if one.leaving is not None:
            self.tell(event.ticket, 1, "the listener is ending; ask again", [])
        elif event.problems:
            self.tell(event.ticket, 2, f"{file} cannot be used, and nothing is changed", event.problems)
        elif effects <= {LIVE}:
            self.apply(event.settings, event.checks)
            done = "reloaded, and the same term goes on" if lines else "nothing has changed"
            self.tell(event.ticket, 0, f"{file}: {done}", lines)
        elif effects <= {LIVE, RESTART}:
            self.agree(event.ticket, f"{file}: the listener begins anew, and the same term goes on", lines, Agreed(set(), False))
        else:
            anew = SESSION in effects
            names = {change.section[len(ELECTION):] for change in event.changes if change.effect == TERM}
            names = set(one.contests) if anew else names & set(one.contests)
            ends = [f"{name} ({one.contests[name].state.role})" for name in sorted(names)]
            what = f"ends {'the session and ' if anew else ''}this node's part in: {', '.join(ends) or 'no election of now'}"
            if event.yes:
                doing = f"{file}: {what}; then the listener begins anew"
                self.agree(event.ticket, doing, lines, Agreed(names, anew))
            else:
                self.tell(event.ticket, 1, f"{file}: nothing is changed, since it {what}; --yes does it", lines)

    def tell(self, ticket: str, status: int, text: str, lines: List[str]) -> None:
        for line in lines:
            log.info("reload: %s", line)
        (log.info if status == 0 else log.warning)("reload: %s", text)
        if ticket:
            self.listener.reply(ticket, {"ok": status == 0, "exit": status, "text": text, "lines": lines})

    def agree(self, ticket: str, text: str, lines: List[str], what: Agreed) -> None:
        """Tell, and begin when that is delivered: this process ends soon."""
        one = self.listener
        for line in (*lines, text):
            log.info("reload: %s", line)

        def work() -> Agreed:
            try:
                if ticket:
                    answer = {"ok": True, "exit": 0, "text": text, "lines": lines}
                    one.supervisord.call("zkelect.answer", ticket, json.dumps(answer))
            except SupervisordError as error:
                log.warning("an answer could not be delivered: %s", error)
            return what

        one.pool_post(one.rpc_pool, work)

    # At once

    def apply(self, settings: Settings, checks: Dict[str, Any]) -> None:
        """Go on with these settings, of which every change is taken at once."""
        one = self.listener
        one.settings, one.host.settings, one.trouble = settings, settings, None
        one.session.reconfigure(settings)
        if one.granted is not None:
            one.set_paces(one.granted.timeout)
        if one.clock is not None:
            one.clock = replace(one.clock, tick=settings.tick_time)
        for name, contest in one.contests.items():
            before, contest.settings, check = contest.settings, settings.election(name), checks[name]
            contest.check = check if check else None
            contest.course.readdress(contest.settings.address)
            contest.elector.describe(one.proposal_data(contest.settings))
            rules = one.rules(contest.settings, contest.rules.stopwaitsecs)
            contest.rules = replace(rules, kill_time=contest.rules.kill_time)
            readdressed = before.address != contest.settings.address
            if readdressed:
                contest.group.readdress(contest.settings.address)
            one.decide(contest, role.Reconfigured(readdressed))
            self.waiting[name] = now() + settings.session_timeout
            self.settle(contest)
        one.guard.tell_groups(one.groups(), settings.reattach_grace)
        one.save_session()
        one.changed = True

    def allow(self, contest: Any, stopwaitsecs: float) -> None:
        """Leave the group this time to stop from now on; the lease has room for it with one of the next heartbeats."""
        if stopwaitsecs == contest.rules.stopwaitsecs:
            return
        one, name = self.listener, contest.settings.name
        log.info("%s: the group has %g s to stop, and no longer %g s", name, stopwaitsecs, contest.rules.stopwaitsecs)
        contest.rules = replace(contest.rules, stopwaitsecs=stopwaitsecs)
        self.waiting[name] = now() + one.settings.session_timeout
        self.settle(contest)

    def settle(self, contest: Any) -> None:
        """Have the other times count: at once where no group runs, else when the lease leaves room for them until the next
        heartbeat, as that comes at its new pace by then. Without that a shorter promise would end a term that is well."""
        one, name, state = self.listener, contest.settings.name, contest.state
        if name not in self.waiting:
            return
        rules, granted = replace(contest.rules, kill_time=one.settings.kill_time), one.granted
        grace = state.grace if granted is None else one.settings.stop_grace(rules.stopwaitsecs, granted.timeout)
        stop_at = role.lease_of(rules, replace(state, grace=grace)).stop_at
        runs = state.may_run and state.role != role.DEMOTING
        if runs and now() + one.heartbeat.interval >= stop_at and now() < self.waiting[name]:
            return
        del self.waiting[name]
        contest.rules = rules
        if one.link == "connected" and granted is not None:
            one.decide(contest, one.session_up(contest, False))
        else:
            one.wake(contest)

    # By way of another listener

    def agreed(self, event: Agreed) -> None:
        one = self.listener
        if one.leaving is not None:
            return
        one.status = AGAIN
        longest = max((one.contests[name].rules.stopwaitsecs for name in event.elections), default=0.0)
        kill_at = now() + longest
        if event.session:
            one.leave("the configuration takes a new session", kill_at, kill_at + RELEASE_TIME)
            return
        self.ending, self.end_by = event.elections, kill_at + RELEASE_TIME
        for name in event.elections:
            one.decide(one.contests[name], role.Shutdown("the configuration takes a new term", kill_at))

    def keep_time(self, moment: float) -> None:
        """End this listener when the terms that have to are over. What is not is ended by the next one."""
        one = self.listener
        if self.ending is None or one.leaving is not None:
            return
        if not one.guarded:
            # What would enforce the leases ends with this process; a guard may come yet.
            return
        if moment >= self.end_by or all(one.contests[name].state.role == role.WITHDRAWN for name in self.ending):
            one.leaving, one.reattaching = (moment, "another begins with the changed configuration"), True


def _serve(settings: Settings, paths: List[str], owner: int) -> bool:
    """Whether the servers have this session's proposals, and so are of the same ensemble."""
    try:
        client = session.open_client(settings, REACH_TIME)
    except ElectionError:
        return False
    try:
        for path in paths:
            client.sync_async(path).get(timeout=REACH_TIME)
            stat = client.exists_async(path).get(timeout=REACH_TIME)
            if stat is None or stat.ephemeralOwner != owner:
                return False
        return True
    finally:
        session.stop_client(client)
