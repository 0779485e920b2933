"""One run, and the resources that a node's processes use."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Optional, Tuple

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.observer import Observation
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system import clock

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One fault, as a client of both nodes saw it. Times are seconds.

    back: from the fault until another process answered than the one that served; None when none did.
    silence: the longest time from the fault on without an answer; None when nobody answered any more.
    overlap: for how long two served at once, at the least. endless: they still did when the watch ended.
    node: whose process answered then, "" when the one that served before went on alone.
    deleted: from the fault until ZooKeeper had deleted the proposal of the node that served; None where nobody looked.
    away: for how long the coordinator did not serve, where that depends on the machine.
    """

    back: Optional[float]
    silence: Optional[float]
    overlap: float
    endless: bool
    node: str
    deleted: Optional[float] = None
    away: Optional[float] = None


def judged(verdict: Observation, struck: float, ended: float, served: Tuple[str, int], endless: bool) -> Run:
    """The run whose fault struck at `struck` the process `served`, (name, pid), and which was watched until `ended`.

    verdict: on what was asked from the fault on.
    """
    others = [turn for turn in verdict.turns if (turn.name, turn.pid) != served]
    answers = [moment for turn in verdict.turns for moment in (turn.first, turn.last)]
    silence = max(verdict.gap, min(answers) - struck) if answers else None
    if silence is not None and ended - max(answers) > max(0.5, silence):
        silence = None
    overlap = verdict.overlap.seconds or (0.001 if verdict.overlap else 0.0)
    if not others:
        return Run(None, silence, overlap, endless, "")
    first = min(others, key=lambda turn: turn.first)
    return Run(first.first - struck, silence, overlap, endless, first.name)


def not_installed() -> Optional[str]:
    """Why what would be measured is not what a user has; None when it is."""
    if Path(child.ROOT) != Path(__file__).resolve().parents[1]:
        return None
    return "the package is the one of this folder, which each process compiles anew where no bytecode is written; " \
        "run script/bench"


@dataclass(frozen=True)
class Needs:
    """The resources that processes use while nothing happens. rss, pss: MiB, summed up. cpu: percent of one core."""

    rss: float
    pss: float
    cpu: float
    processes: int


def needs(pids: Iterable[int], seconds: float) -> Needs:
    """Watch processes for so many seconds. Raises OSError when one of them ends meanwhile."""
    pids = sorted(pids)
    begun, before = clock.now(), sum(map(_cpu, pids))
    until(lambda: clock.now() >= begun + seconds, seconds + 30, "the watch to end", 0.05)
    used, took = sum(map(_cpu, pids)) - before, clock.now() - begun
    memory = [_memory(pid) for pid in pids]
    rss, pss = (sum(values) / 1024 for values in zip(*memory))
    return Needs(rss, pss, 100 * used / took, len(pids))


def _cpu(pid: int) -> float:
    """Seconds of CPU that the process has used, and its children that ended (an agent may start a command a second)."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(") ")[2].split()
    # The clock of another process, as clock_getcpuclockid(3) makes it: nanoseconds, where /proc has hundredths.
    return time.clock_gettime((~pid << 3) | 2) + (int(fields[13]) + int(fields[14])) / CLOCK_TICKS


def _memory(pid: int) -> Tuple[int, int]:
    """KiB of resident memory, and of its share of it where pages are shared."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        text = file.read()
    return tuple(int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) for name in ("Rss", "Pss"))
