"""The sessions in which the supervisords of a runtime folder were started, noted for the guards that come after them.

Whoever is in a session that a member of a group has made belongs to the group (`proc.Kinship.tree`). What a former supervisord
left behind was started in its session, though, which others share: a login shell and its jobs, or programs of no group.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Dict, FrozenSet

from supervisor_zkelect.guard import folder as runtime_folder
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import files, reserve

log = logging.getLogger(__name__)

FILE = "sessions"

MOST = 64
"""Supervisords whose sessions are noted, the latest."""


def note(folder: str, owner: record.Owner, session: int) -> FrozenSet[int]:
    """Note the session of a supervisord, and tell those of the ones before it in which somebody lives: the number of an empty one
    may become another's. owner: that supervisord. session: 0 where it began outside the pid namespace, as that of whoever entered
    a container does; it is never told. Raises OSError, and MemoryError, for want of descriptors or memory."""
    noted = _read(folder, owner)
    own = record.instance(owner)
    former = {one for instance, one in noted.items() if instance != own and one != session}
    if noted.get(own) != session:
        latest = list({**{name: one for name, one in noted.items() if name != own}, own: session}.items())[-MOST:]
        try:
            with runtime_folder.held(folder) as opened:
                files.replace(os.path.join(opened, FILE), json.dumps(dict(latest)).encode("ascii"))
        except OSError as error:
            reserve.unless_short(error)
            log.warning("%s: cannot note supervisord's session for the next guards: %s", os.path.join(folder, FILE), error)
    return frozenset(former & {one.session for one in proc.table().values()}) if former else frozenset()


def _read(folder: str, owner: record.Owner) -> Dict[str, int]:
    """By instance, of this boot and pid namespace; none where nothing can be read."""
    try:
        with open(os.path.join(folder, FILE), "rb") as file:
            found = json.load(file)
        return {
            str(name): session for name, session in found.items()
            if name.startswith(record.instances(owner)) and type(session) is int and session > 0
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        reserve.unless_short(error)
        log.warning("%s: cannot read it: %r", os.path.join(folder, FILE), error)
        return {}
