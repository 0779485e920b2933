"""Reads the record of this node's guard, at each question afresh.

The record names the supervisord that it belongs to. It is believed while that very process runs, in this boot and this pid
namespace; and where supervisord has started this program, only that of a supervisord that is its ancestor.
"""

from __future__ import annotations

import math
import os
import time
from typing import List, Mapping, Optional, Tuple

from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import clock
from supervisor_zkelect.web.verdict import Seen

EMPTY_TIME, EMPTY_PACE = 0.05, 0.001
"""Seconds for which a record that a guard is just making is looked at again, and between two looks."""


class Witness:
    """The record of the supervisord with this URL. uids: whom it may run as, the likelier first. ancestor: whether it must have
    started this process."""

    def __init__(self, url: str, uids: List[int], ancestor: bool, environ: Optional[Mapping[str, str]] = None) -> None:
        self._url, self._uids, self._ancestor, self._environ = url, uids, ancestor, environ
        #: the owner that was looked at last, and what is wrong with it as long as it lives
        self._known: Tuple[Optional[record.Owner], str] = (None, "")
        #: the record names nobody, as a guard is making it, and since when it was seen so
        self._empty, self._empty_since = False, math.inf

    def look(self) -> Seen:
        """What the record says now."""
        while True:
            seen = self._look()
            # Where a guard takes over from a dead one the record is empty for some milliseconds.
            if seen.record is not None:
                self._empty_since = math.inf
                return seen
            if not self._empty:
                return seen
            self._empty_since = min(self._empty_since, seen.at)
            if clock.now() - self._empty_since > EMPTY_TIME:
                return seen
            time.sleep(EMPTY_PACE)

    def _look(self) -> Seen:
        at, self._empty = clock.now(), False
        troubles: List[str] = []
        for folder in self._folders(troubles):
            try:
                owner = record.named_owner(folder)
                trouble = self._not_mine(owner)
                if not trouble:
                    found = record.look(folder, owner)
                    # Behind the reading: what could not be written is shown at once.
                    doubted = record.doubted(found.writer)
                    return Seen("the guard cannot write its record", None, at) if doubted else Seen("", found, at)
            except record.Empty as error:
                trouble, self._empty = str(error), True
            except record.RecordError as error:
                trouble = str(error)
            troubles.append(trouble)
        return Seen(f"no record of a guard: {'; '.join(troubles)}", None, at)

    def _folders(self, troubles: List[str]) -> List[str]:
        for uid in self._uids:
            try:
                return record.find_folders(self._url, uid, self._environ)
            except record.RecordError as error:
                troubles.append(str(error))
        return []

    def _not_mine(self, owner: record.Owner) -> str:
        """Why a record of this owner is not believed; "" where it is."""
        known, trouble = self._known
        if known != owner:
            self._known = owner, self._stranger(owner)
            trouble = self._known[1]
        if trouble:
            return trouble
        return "" if proc.find(owner.pid, owner.start) else "its supervisord is dead"

    def _stranger(self, owner: record.Owner) -> str:
        try:
            mine = record.owner_of(os.getpid())
        except record.RecordError as error:
            return str(error)
        if (owner.boot, owner.namespace) != (mine.boot, mine.namespace):
            return "it is of another boot, or of another pid namespace"
        if self._ancestor and owner.pid not in _ancestors():
            return "it belongs to another supervisord than the one that has started this program"
        return ""


def _ancestors() -> List[int]:
    found, pid = [], os.getppid()
    while pid:
        found.append(pid)
        process = proc.read(pid)
        pid = process.ppid if process is not None and process.ppid not in found else 0
    return found
