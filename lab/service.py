"""The demo's service with what tests need: a journal of its own life, a word on its health, and ways to be a nuisance.

    python lab/service.py --listen 127.0.0.1:8080 --journal journal --name a

The journal gets a line at the start, every TURN seconds while the process lives, and at an orderly end: when, in seconds of
CLOCK_BOOTTIME, what, the pid, the fencing token (0 without one) and the node.

    12345.678901 start 4711 8589934596 a

There is one thread, so that a line of the journal also says that the service was able to answer.
"""

import argparse
import os
import signal
import sys
import time
from typing import Optional

from supervisor_zkelect.demo import service

JOURNALS = "ZKELECT_LAB_JOURNALS"
"""Environment variable: the folder of the journals, one per program group, where --journal is not given."""

HEALTH_FILE = "ZKELECT_LAB_HEALTH_FILE"
"""Environment variable that stands in for --health-file."""

TOKEN = "ZKELECT_TOKEN"
"""Environment variable: the fencing token, which `zkelect run` sets."""


class Service(service.Service):
    """options: those of the command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options.listen, options.name)
        self.options = options
        self.journal = -1
        if options.journal:
            self.journal = os.open(options.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.note("start")

    def note(self, what: str) -> None:
        """Append a line to the journal, in one write, so that several services can share the file."""
        if self.journal >= 0:
            line = f"{service.now():.6f} {what} {os.getpid()} {self.options.token} {self.name}\n"
            os.write(self.journal, line.encode())

    def end(self, *about: object) -> None:
        if not (self.options.ignore_term and signal.SIGTERM in about):
            self.note("end")
            super().end()

    def run(self) -> None:
        # A service that needs its time to be ready: the time itself is what a test asks for.
        while (left := self.started + self.options.ready_after - service.now()) > 0:
            time.sleep(min(left, service.TURN))
            self.note("beat")
        super().run()

    def turn(self) -> None:
        self.note("beat")
        super().turn()

    def health(self) -> bytes:
        if self.options.health_file and os.path.exists(self.options.health_file):
            return service.response("503 Service Unavailable", "sick\n")
        return super().health()


def default_journal() -> Optional[str]:
    folder = os.environ.get(JOURNALS)
    return os.path.join(folder, os.environ.get("SUPERVISOR_GROUP_NAME", "service")) if folder else None


def main() -> int:
    parser = service.words()
    parser.add_argument("--ready-after", type=float, default=0.0, metavar="SECONDS", help="listen only then")
    parser.add_argument("--journal", default=default_journal(), metavar="FILE", help="append the lines of a life to it")
    parser.add_argument(
        "--token", type=int, default=int(os.environ.get(TOKEN) or 0), help="for the journal, if not ZKELECT_TOKEN"
    )
    parser.add_argument("--ignore-term", action="store_true", help="SIGTERM does not end it")
    parser.add_argument(
        "--health-file", default=os.environ.get(HEALTH_FILE), metavar="FILE", help="while it exists, /health answers 503"
    )
    options = parser.parse_args()
    try:
        one = Service(options)
    except OSError as problem:
        print(f"cannot serve at {options.listen}: {problem}", file=sys.stderr)
        return 1
    return service.serve(one)


if __name__ == "__main__":
    sys.exit(main())
