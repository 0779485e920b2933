"""Reads the record of this node's guard, at each question afresh.

The record names the supervisord that it belongs to, and the guard that writes it. It is believed while both run, in this boot and
this pid namespace, and the guard does not show that it could not write what it revoked; and where supervisord has started this
program, only that of a supervisord that is its ancestor.
"""

from __future__ import annotations

import math
import os
from typing import List, Mapping, Optional

from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import clock
from supervisor_zkelect.web.verdict import RecordRead


class Witness:
    """The record of the supervisord with this URL. uids: whom it may run as, the likelier first. ancestor: whether it must have
    started this process."""

    def __init__(self, url: str, uids: List[int], ancestor: bool, environ: Optional[Mapping[str, str]] = None) -> None:
        self._url, self._uids, self._ancestor, self._environ = url, uids, ancestor, environ
        #: the owner whose record was believed last
        self._known: Optional[record.Owner] = None

    def look(self) -> RecordRead:
        """What the record says now."""
        at = clock.now()
        troubles: List[str] = []
        for folder in self._folders(troubles):
            try:
                owner = record.named_owner(folder)
                trouble = self._not_mine(owner)
                if not trouble:
                    found = record.look(folder, owner)
                    # Behind the reading: what could not be written is shown at once. One that is too old to tell who writes it
                    # does not tell that its writer runs, either.
                    trouble = "" if found.seen == -math.inf else record.unvouched(found.writer)
                    if not trouble:
                        return RecordRead("", found, at)
            except record.RecordError as error:
                trouble = f"no record of a guard: {error}"
            troubles.append(trouble)
        return RecordRead("; ".join(troubles), None, at)

    def _folders(self, troubles: List[str]) -> List[str]:
        for uid in self._uids:
            try:
                return record.find_folders(self._url, uid, self._environ)
            except record.RecordError as error:
                troubles.append(f"no record of a guard: {error}")
        return []

    def _not_mine(self, owner: record.Owner) -> str:
        """Why a record of this owner is not believed; "" where it is."""
        if self._known != owner:
            # What is wrong is looked at again: it may be that nothing could be read.
            trouble = self._stranger(owner)
            if trouble:
                return trouble
            self._known = owner
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
