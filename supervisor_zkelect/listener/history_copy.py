"""What this node has seen last of an election's history, in a file of its runtime folder that its owner alone may read: it
answers while ZooKeeper does not.

A disk may hang. So the file is written and read by an executor of its own, and never by one that a release waits for.
"""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import Executor
from typing import Any, Callable, Dict, List

from supervisor_zkelect.core import history, untrusted
from supervisor_zkelect.guard import folder as runtime_folder

log = logging.getLogger(__name__)

#: Bytes of the file.
LONGEST = 1 << 18


class HistoryCopy:
    """Its methods return at once, and may be called on any thread."""

    def __init__(self, path: str, disk: Executor) -> None:
        """path: of the file. disk: does one piece of work at a time, in order."""
        self._path = path
        self._disk = disk

    def keep(self, terms: List[Dict[str, Any]]) -> None:
        """Keep these terms, with what was kept before of older ones. A failure costs only the copy."""
        self._disk.submit(self._keep, terms)

    def read(self, answer: Callable[[Dict[str, Any]], None]) -> None:
        """Give `answer` what is kept, as {"time", "terms"}, with all that is to be kept by now; {} where nothing can be read."""
        self._disk.submit(lambda: answer(self._kept()))

    def _keep(self, terms: List[Dict[str, Any]]) -> None:
        try:
            merged = history.noted(self._kept().get("terms", []), terms)
            written = history.write(merged, LONGEST - 100).decode("utf-8")
            data = f'{{"v": 1, "time": {time.time():.3f}, "terms": {written}}}'
            runtime_folder.replace(*os.path.split(self._path), data.encode("utf-8"))
        except OSError as error:
            log.debug("no copy of the history can be kept: %s", error)

    def _kept(self) -> Dict[str, Any]:
        try:
            with open(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
                data = file.read(LONGEST + 1)
        except OSError:
            return {}
        found = untrusted.parsed(data, LONGEST)
        if not isinstance(found, dict) or type(found.get("time")) not in (int, float):
            return {}
        return {"time": found["time"], "terms": history.known(found.get("terms"))}
