"""What is known of one group."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, Optional, Set, Tuple

from supervisor_zkelect.core.proof import Stop
from supervisor_zkelect.processes.kin import Identities, Kin
from supervisor_zkelect.processes.schedule import REST, SOON, SOON_SHELTERED

#: Seconds for which supervisord's word of the members that it has started is taken, as long as no event of it and no end of a
#: process says otherwise: with hundreds of programs it takes some 10 ms for each question.
SAID_AGE = 0.5

States = Dict[str, Tuple[str, int, str]]
"""What supervisord says of each member: {name: (statename, pid, spawnerr)}."""


def states_of(infos: Iterable[Dict[str, Any]]) -> States:
    return {info["name"]: (info["statename"], info["pid"], info["spawnerr"]) for info in infos}


@dataclass
class Start:
    """One start, until it is confirmed or has failed."""

    op: int
    #: whether an earlier start request was still open
    open_before: bool
    #: when supervisord said that it has started them
    answered: float = math.inf


@dataclass
class Attempts:
    """What was tried in one stop beside asking supervisord, and what came of it."""

    #: whether all that was known was killed at once
    struck: bool = False
    #: descendants that were asked to stop; processes that were killed
    asked: Set[Tuple[int, int]] = field(default_factory=set)
    killed: Set[Tuple[int, int]] = field(default_factory=set)
    #: pids of those that this process may not kill
    denied: Tuple[int, ...] = ()
    #: what went wrong last; or ""
    trouble: str = ""
    #: when it was last told that the group is not dead
    stuck_told: float = -math.inf


@dataclass
class GroupState:
    """What the process manager knows of one group. Only its thread changes it."""

    name: str
    kin: Kin
    #: new (nothing is known), starting, started, stopping, dead (proven so)
    mode: str = "new"

    #: when its next scan is wanted, the seconds between the last two, and when the last one was
    scan_at: float = math.inf
    pace: float = REST
    scanned_at: float = -math.inf
    #: supervisord's children at the last scan of a dead group
    children: Optional[FrozenSet[int]] = None

    start: Optional[Start] = None
    #: op of a start that waits until supervisord has answered the stop before it
    waiting: Optional[int] = None
    #: a start request is on its way; one may still be carried out. An earlier listener may have sent one.
    start_flying: bool = False
    start_open: bool = True

    stop: Optional[Stop] = None
    attempts: Attempts = field(default_factory=Attempts)
    #: orders to stop so far
    ordered: int = 0
    stop_flying: bool = False
    stop_sent: float = -math.inf
    #: whether supervisord signals the members' process groups
    as_group: bool = False
    forming_since: float = math.inf

    #: what supervisord said of the members when it had started them, until when that counts, and whether they may have changed
    #: since it was asked to
    said: States = field(default_factory=dict)
    said_until: float = -math.inf
    changed: bool = True
    #: supervisord was asked about a member that an event told of
    learning: bool = False
    #: members that were told to run in a dead group; those outside of the cgroup, as they were told last
    told: Set[Tuple[int, int]] = field(default_factory=set)
    seen: Identities = frozenset()

    @property
    def wanted(self) -> bool:
        """Whether it was started or adopted, and not stopped since."""
        return self.mode in ("starting", "started")

    def change(self) -> None:
        """What supervisord said of the members may not be true any more."""
        self.changed, self.said_until = True, -math.inf

    def scan_by(self, moment: float) -> None:
        """Have a scan then, unless one is wanted before."""
        self.scan_at = min(self.scan_at, moment)

    def scan_soon(self, now: float) -> None:
        """Scan soon, and then ever less often."""
        self.pace = SOON_SHELTERED if self.kin.sheltered else SOON
        self.scan_by(now + self.pace)
