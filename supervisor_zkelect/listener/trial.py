"""Whether what a file says of ZooKeeper and of supervisord can be used, tried before a listener goes by it.

A wrong port, password or certificate is no mistake that can be read. So where one of these options differs from what was used
before, both are tried. The last good configuration is used where that works and what the file says does not. Where neither
does, it is not the file that is wrong. Of ZooKeeper more is asked: that the session of the last listener has a proposal there, so
that there is a term or a place in the queue to go on with. The other nodes may all have been moved to the servers that the file
names, and whoever proposes anew where they were is alone there, and leads beside them. Off the deciding thread; a trial takes
some seconds at most. Where groups may run and no guard is there, nobody has these seconds: what was used before is used, untried.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any, Callable, Iterable, List, Optional, Tuple

from supervisor_zkelect.config import diff, load
from supervisor_zkelect.config.options import SESSION
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.config.settings import Settings
from supervisor_zkelect.core import lease
from supervisor_zkelect.guard import kept_config, locks, record, release, saved_session
from supervisor_zkelect.supervisord.client import Supervisord, SupervisordError
from supervisor_zkelect.system import clock
from supervisor_zkelect.zookeeper import admission

log = logging.getLogger(__name__)

TIME = 5.0
"""Seconds that ZooKeeper or supervisord has to answer."""

GUARD_PACE = 0.1
"""Seconds between two looks whether the guard is still there."""

_LOGIN = ("serverurl", "username", "password", "password_file")
"""Options by which supervisord is called."""


def settings_of(path: str) -> Optional[Tuple[Settings, Optional[kept_config.ConfigTrouble]]]:
    """The settings to begin with, and why they are those that were kept; None where there are none. Problems of the file go to
    standard error."""
    refused: Optional[Settings] = None
    try:
        refused = load.from_file(path)
        problems = _unusable(refused)
    except ConfigError as error:
        problems = error.problems
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems and refused is not None:
        return refused, None
    try:
        settings, trouble = last_good(path, problems)
    except kept_config.NoCopy as error:
        print(f"there is no earlier configuration to go on with: {error}", file=sys.stderr)
        return None if refused is None else (refused, None)
    log.error("%s: %s", path, trouble)
    return settings, trouble


def supervisord_of(settings: Settings, url: str = "") -> Supervisord:
    """The supervisord of this process, a listener with these settings. url: where it is reached unless they say so. Raises
    ValueError for a URL of no known kind."""
    password = settings.password.reveal() if settings.password else None
    return Supervisord(settings.serverurl or url, settings.username, password, pid=os.getppid())


def login_trouble(settings: Settings, url: str = "") -> str:
    """Why supervisord does not take the calls of a listener with these settings; "" where it does. url: as above."""
    try:
        supervisord_of(settings, url).call("supervisor.getState", timeout=TIME)
    except (SupervisordError, ValueError) as error:
        return str(error)
    return ""


def login_changes(changes: List[diff.Change]) -> List[str]:
    """Those by which supervisord is called."""
    return [str(change) for change in changes if change.option in _LOGIN]


def _unusable(settings: Settings) -> List[str]:
    """Lines on what of the file does not work, where what was kept instead of it does."""
    kept = _kept()
    if kept is None:
        return []
    changes = diff.changes(kept, settings)
    login, reach = login_changes(changes), [
        str(change) for change in changes if change.effect == SESSION or change.option == "servers"
    ]
    if not login and not reach:
        return []
    found = _tried(lambda: _problems(settings, kept, login, reach))
    if found is None:
        what = "there was no time to try it, as groups may run and no guard was there"
        return [f"{settings.file}: {', '.join([*login, *reach])}: {what}; zkelect reload takes it"]
    return found


def _problems(settings: Settings, kept: Settings, login: List[str], reach: List[str]) -> List[str]:
    """login, reach: the changes by which supervisord is called, and by which ZooKeeper is reached."""
    problems, url = [], os.environ["SUPERVISOR_SERVER_URL"]
    remedy = "what was used before works; correct the file, then zkelect reload"
    if login:
        why = login_trouble(settings, url)
        if why and not login_trouble(kept, url):
            problems.append(f"{settings.file}: {', '.join(login)}: {why}; {remedy}")
    if reach:
        trouble = admission.trouble(settings, TIME)
        # What was only a moment's trouble of the servers may be over when the former place has been asked.
        if trouble and _goes_on(kept) and (trouble := admission.trouble(settings, TIME)):
            problems.append(f"{settings.file}: {', '.join(reach)}: {trouble}; {remedy}")
    return problems


def _tried(trial: Callable[[], List[str]]) -> Optional[List[str]]:
    """What the trial has found; None where it is given up, as there was no guard when it began, or is none any more."""
    if _unenforced():
        return None
    found: List[List[str]] = []
    thread = threading.Thread(target=lambda: found.append(trial()), name="zkelect-trial", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # There is no thread to be had.
        return trial()
    while thread.is_alive():
        thread.join(GUARD_PACE)
        if thread.is_alive() and _unenforced():
            return None
    # A defect in it is no reason to refuse the file.
    return found[0] if found else []


def _unenforced() -> bool:
    """Whether a group of this node may run, and no guard is there that would end it."""
    try:
        owner = record.owner_of(os.getppid())
        folders = _folders()
    except (kept_config.NoCopy, record.RecordError):
        return False
    return any(_may_run(folder, owner) and not locks.is_there(folder, locks.GUARD) for folder in folders)


def _may_run(folder: str, owner: record.Owner) -> bool:
    """Whether a group is not proven dead, by the record in the folder."""
    try:
        return any(one.lease != lease.NO_LEASE for one in record.read(folder, owner))
    except record.RecordError:
        return False


def _goes_on(kept: Settings) -> bool:
    """Whether the last listener's session has a proposal where the kept settings lead to."""
    try:
        owner = record.owner_of(os.getppid())
        saved = [one for folder in _folders() if (one := saved_session.load(folder, owner)) is not None]
    except (kept_config.NoCopy, record.RecordError):
        return False
    found: List[bool] = []

    def look(client: Any, granted: float) -> None:
        # The server has what was proposed before, since the quorum has taken this client's session after that.
        for one in saved:
            for election in one.elections:
                queue = release.elector_of(client, election, None, TIME).each_member()
                found.append(any(member.session == one.id for member in queue))

    return bool(saved) and admission.by_client(kept, TIME, look) is None and any(found)


def _folders() -> List[str]:
    """Where the last listener of this supervisord may have left something. Raises kept_config.NoCopy."""
    url = os.environ.get("SUPERVISOR_SERVER_URL")
    if url is None:
        raise kept_config.NoCopy("supervisord has not started this listener")
    try:
        return record.find_folders(url, os.stat(f"/proc/{os.getppid()}").st_uid)
    except (OSError, record.RecordError) as error:
        raise kept_config.NoCopy(str(error)) from None


def _kept() -> Optional[Settings]:
    """The settings that the last listener of this supervisord used; None where there are none to be had."""
    try:
        return kept_config.of_first(_folders(), kept_config.load)
    except kept_config.NoCopy:
        return None


def last_good(path: str, problems: Iterable[str]) -> Tuple[Settings, kept_config.ConfigTrouble]:
    """The settings that the last listener of this supervisord used, and why: the file of this path has these problems. Raises
    kept_config.NoCopy."""
    known = list(problems)
    return kept_config.of_first(_folders(), lambda folder: kept_config.fall_back(folder, known, clock.now(), path))
