"""Processes that only a guard's scans have told, kept in the runtime folder for the guard that comes after it.

Where a group is not in a cgroup, a process may have hidden from everything since a scan has seen it: its parents are gone,
its session is its own, its environment is empty. What the scans know would end with the guard. A file for each group holds
whose they are, as `record.Owner`, and the pid and start time of each, which together name nobody else until the next boot.
"""

from __future__ import annotations

import json
import logging
import os
import queue
from typing import Dict, FrozenSet, Iterable, List, Optional, Tuple
from urllib.parse import quote

from supervisor_zkelect.guard import folder as runtime_folder
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import files, reserve

log = logging.getLogger(__name__)

PREFIX = "members-"


class MemberFiles:
    """The files in a runtime folder. owner: the supervisord of this guard."""

    def __init__(self, folder: str, owner: record.Owner) -> None:
        self._folder = folder
        self._owner = owner
        self._failing = False
        #: groups and the identities of their members, for `run`; None where the files may be gone
        self.told: queue.SimpleQueue[Optional[Tuple[str, Iterable[Tuple[int, int]]]]] = queue.SimpleQueue()
        #: what was told last
        self._latest: Dict[str, Iterable[Tuple[int, int]]] = {}

    def write_again(self) -> None:
        """Have all files written again, as somebody may have removed them. On any thread."""
        self.told.put(None)

    def run(self) -> None:
        """Keep what is told, for ever."""
        while True:
            told = self.told.get()
            try:
                for group, identities in list(self._latest.items()) if told is None else [told]:
                    self.keep(group, identities)
            except Exception:
                log.exception("a defect")

    def keep(self, group: str, identities: Iterable[Tuple[int, int]]) -> None:
        """Keep these of a group in place of what was kept of it. What cannot be written is told once."""
        self._latest[group] = identities
        name = PREFIX + quote(group, safe="", errors="surrogateescape")
        try:
            with runtime_folder.held(self._folder) as folder:
                path = os.path.join(folder, name)
                if identities:
                    document = {"owner": list(self._owner), "group": group, "members": sorted(identities)}
                    files.replace(path, json.dumps(document).encode("ascii"))
                else:
                    files.remove(path)
            self._failing = False
        except OSError as error:
            if not self._failing:
                path = os.path.join(self._folder, name)
                log.warning("%s: cannot write the group's processes for the next guard: %s", path, error)
            self._failing = True

    def load(self) -> Tuple[Dict[str, List[proc.Process]], FrozenSet[proc.Process]]:
        """Those that live, of this supervisord by their group, and of former ones that are dead together. Raises OSError, and
        MemoryError, where that may be told a moment later, for want of descriptors or memory now."""
        own: Dict[str, List[proc.Process]] = {}
        former = set()
        for name in os.listdir(self._folder):
            if not name.startswith(PREFIX):
                continue
            try:
                with open(os.path.join(self._folder, name)) as file:
                    document = json.load(file)
                owner, group = record.Owner(*document["owner"]), str(document["group"])
                found = [proc.find(int(pid), int(start)) for pid, start in document["members"]]
            except (OSError, ValueError, KeyError, TypeError) as error:
                reserve.unless_short(error)
                log.warning("%s: cannot read it: %r", os.path.join(self._folder, name), error)
                continue
            living = [one for one in found if one is not None]
            if owner == self._owner:
                own[group] = living
            elif owner[:2] == self._owner[:2] and proc.find(owner.pid, owner.start) is None:
                former.update(living)
        return own, frozenset(former)
