"""Reading a changed configuration file. It runs on a thread of a pool, waits for supervisord and ZooKeeper, and cannot reach the
listener's state."""

from __future__ import annotations

import logging
import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from supervisor_zkelect.config import diff, load
from supervisor_zkelect.config.diff import Change
from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.config.options import SESSION
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.config.settings import Settings
from supervisor_zkelect.elector import ElectionError
from supervisor_zkelect.listener import pool_worker
from supervisor_zkelect.supervisord.client import SupervisordError
from supervisor_zkelect.zookeeper import admission, connect, session

log = logging.getLogger(__name__)

#: Seconds for ZooKeeper's servers to answer, where the file names others or other credentials.
REACH_TIME = 5.0


class Reread(NamedTuple):
    """The file was read. checks: the health check of each election. settings: None when the file cannot be used."""

    ticket: str
    yes: bool
    settings: Optional[Settings]
    problems: List[str]
    changes: List[Change]
    checks: Dict[str, Any]


class Agreed(NamedTuple):
    """The operator was told, and what he agreed to can begin. elections: whose terms end. session: whether it ends as well."""

    elections: Set[str]
    session: bool


Check = Callable[[Settings, List[Dict[str, Any]]], Findings]


def read(
    ticket: str, yes: bool, supervisord: Any, check: Check, old: Settings, granted: Optional[session.Connected],
    paths: List[str],
) -> Reread:
    """Read and check the file. ticket, yes: as `reloading.Reloads.ask` takes them. check: as `Host.check_groups`. old: the
    settings so far. granted: None without a session. paths: of this node's proposals."""
    try:
        return Reread(ticket, yes, *_look(supervisord, check, old, granted, paths))
    except Exception as error:
        # Without an answer nobody could ask again.
        log.exception("a defect")
        return Reread(ticket, yes, None, [f"a defect: {error!r}"], [], {})


def tell(supervisord: Any, ticket: str, answer: Dict[str, Any], what: Agreed) -> Agreed:
    """Answer the operator, if there is one, before what he has agreed to begins."""
    if ticket:
        pool_worker.deliver_answer(supervisord, ticket, answer)
    return what


def _look(
    supervisord: Any, check: Check, old: Settings, granted: Optional[session.Connected], paths: List[str]
) -> Tuple[Optional[Settings], List[str], List[Change], Dict[str, Any]]:
    """The last four fields of `Reread`."""
    try:
        settings = load.from_file(old.file)
        checks = {election.name: election.health_check() for election in settings.elections}
        programs = supervisord.call("supervisor.getAllConfigInfo")
    except ConfigError as error:
        return None, error.problems, [], {}
    except (SupervisordError, ValueError) as error:
        return None, [f"{old.file}: {error}"], [], {}
    changes = diff.changes(old, settings)
    problems = list(check(settings, programs).problems)
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


def _serve(settings: Settings, paths: List[str], owner: int) -> bool:
    """Whether the servers have this session's proposals, and so are of the same ensemble."""
    try:
        client = connect.open_client(settings, REACH_TIME)
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
        connect.stop_client(client)
