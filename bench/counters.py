"""The counters of the kernel and of ZooKeeper: memory and processor time of processes, packets and watches of sessions."""

from __future__ import annotations

import os
import re
from typing import Dict, List, NamedTuple, Tuple

from lab.zookeeper import ZooKeeper

TICKS = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """Of a process, in KiB. rss: resident. private: resident and nobody else's."""

    rss: int
    private: int


class Session(NamedTuple):
    """A ZooKeeper server's counts for one connection: packets received and sent since it was made."""

    received: int
    sent: int


def memory(pid: int) -> Memory:
    """Raises OSError when there is no such process."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        found = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.MULTILINE)}
    return Memory(found["Rss"], found["Private_Clean"] + found["Private_Dirty"])


def processor(pid: int) -> float:
    """Seconds of processor time that a process has used, all its threads together. Raises OSError."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine() -> Tuple[float, float]:
    """Seconds for which all processors together have worked, and for which they had nothing to do (proc(5))."""
    with open("/proc/stat") as file:
        user, nice, system, idle, waiting, *others = map(int, file.readline().split()[1:])
    # Time of guests is counted as the user's already.
    return (user + nice + system + sum(others[:3])) / TICKS, (idle + waiting) / TICKS


def moves() -> str:
    """The cost of a move into a cgroup here, in a few words."""
    with open("/proc/self/mountinfo") as file:
        ends = [line.partition(" - ")[2].split() for line in file]
    options = [words[2].split(",") for words in ends if words[0] == "cgroup2"]
    if not options:
        return "no cgroup v2"
    return "cgroup v2 with favordynmods" if any("favordynmods" in one for one in options) else "cgroup v2"


def threads(pid: int) -> int:
    """Raises OSError when there is no such process."""
    return len(os.listdir(f"/proc/{pid}/task"))


def sessions(text: str) -> Dict[int, Session]:
    """ZooKeeper's answer to `cons`, by session id. Connections without a session, such as its own, are left out."""
    found = {}
    for line in text.splitlines():
        values = dict(re.findall(r"(\w+)=([^,)\s]+)", line))
        if "sid" in values:
            found[int(values["sid"], 16)] = Session(int(values["recved"]), int(values["sent"]))
    return found


def monitor(text: str) -> Dict[str, float]:
    """The numbers in ZooKeeper's answer to `mntr`."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition("\t")
        try:
            found[name] = float(value)
        except ValueError:
            # A version or a mode.
            continue
    return found


def of_session(zookeeper: ZooKeeper, session: int) -> Session:
    """Raises KeyError when the server has no connection of that session, and OSError."""
    return sessions(zookeeper.four_letters("cons"))[session]


def median(values: List[float]) -> float:
    """Raises ValueError when there are none."""
    if not values:
        raise ValueError("there is no median of nothing")
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
