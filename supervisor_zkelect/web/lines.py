"""Lines of the log that whoever connects can cause: one line each, and paced, so that no stranger fills the log."""

from __future__ import annotations

import logging
import threading
import traceback

from supervisor_zkelect.core.paced import Paced
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.system import clock

log = logging.getLogger(__name__)

AT_ONCE, PACE = 3, 20.0
"""Lines of a kind that may come together, and seconds after which one more may."""

_LONGEST = 300


class StrangerLines:
    """Paced warnings. May be used on any thread."""

    def __init__(self) -> None:
        self._paced, self._lock = Paced(AT_ONCE, PACE), threading.Lock()

    def warn(self, text: str, kind: str) -> None:
        """Log a line, unless too many of its kind came lately. The next one tells how many were left out."""
        with self._lock:
            line = self._paced.line(text, kind, clock.now())
        if line:
            log.warning("%s", line)

    def defect(self, error: BaseException) -> None:
        """Log in one line what went wrong, and where."""
        places = traceback.extract_tb(error.__traceback__)
        where = f" at {places[-1].filename.rpartition('/')[2]}:{places[-1].lineno}" if places else ""
        self.warn(f"a defect{where}: {printable(repr(error), _LONGEST)}", f"defect{where}")


lines = StrangerLines()


class OneLine(logging.Filter):
    """Makes one paced line of what a library tells with a traceback. It lets nothing through itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            lines.defect(record.exc_info[1])
        else:
            lines.warn(printable(record.getMessage(), _LONGEST), record.name)
        return False
