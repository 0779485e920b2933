"""A log that stays readable whatever repeats."""

from __future__ import annotations

import logging
import re
from typing import Callable

from supervisor_zkelect.core import paced

log = logging.getLogger(__name__)

#: Seconds between two lines about the same trouble.
REPEAT = 60.0
#: Steps of an election of one kind that are told at once, and seconds after which one more is.
STEPS, STEPS_PACE = 30, 5.0
#: Changes of the link to ZooKeeper that are told at once, and seconds after which one more is.
LINKS, LINK_PACE = 12, 10.0


class PacedLog:
    """Logs lines of one kind at a pace."""

    def __init__(self, now: Callable[[], float]) -> None:
        """now: seconds of CLOCK_BOOTTIME."""
        self._now = now
        self._warnings = paced.Paced(1, REPEAT)
        self._steps = paced.Paced(STEPS, STEPS_PACE)
        self._links = paced.Paced(LINKS, LINK_PACE)

    def warn(self, subject: str, trouble: str, kind: str = "") -> None:
        """A line about trouble, once a minute for the same, or for the same kind."""
        line = f"{subject}: {trouble}"
        line = self._warnings.line(line, kind or line, self._now())
        if line:
            log.warning("%s", line)

    def step(self, election: str, text: str, kind: str) -> None:
        """A line about a step of an election. kind: of the line, where others have a hand in its text; else ""."""
        text = f"{election}: {text}"
        # Times and numbers differ in what is said again and again, when somebody changes ack or queue all the time.
        line = self._steps.line(text, f"{election}: {kind}" if kind else re.sub("[0-9]+", "#", text), self._now())
        if line:
            log.info("%s", line)

    def link(self, text: str, level: int) -> None:
        """A line about the link to ZooKeeper; one that breaks again and again does not fill the log."""
        line = self._links.line(f"ZooKeeper: {text}", "", self._now())
        if line:
            log.log(level, "%s", line)
