"""What the journals of services say (service.py): who lived when, and under which fencing token."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple, Union

from supervisor_zkelect.demo import observer

SILENCE = 1.0
"""Seconds without a line in a journal after which its writer stood still; service.py writes every 0.05."""


class Life(NamedTuple):
    """One process by its lines in a journal: under which token, its first and its last line, and whether it said its
    end. `stretches` are those of its lines that are less than SILENCE apart."""

    name: str
    pid: int
    token: int
    start: float
    last: float
    ended: bool
    stretches: Tuple[observer.Stretch, ...]


def lives(journal: Union[str, os.PathLike[str]]) -> List[Life]:
    """The processes that wrote a journal (service.py), in the order of their first lines.

    Lines that are SILENCE or more apart prove no life between them: their writer may have been stopped by a signal.

    Raises OSError when the journal cannot be read, ValueError when a line of it is not a service's.
    """
    found: Dict[Tuple[str, int, int], Life] = {}
    current: Dict[Tuple[str, int], Tuple[str, int, int]] = {}
    for number, line in enumerate(Path(journal).read_text().splitlines(), 1):
        words = line.split(" ", 4)
        if len(words) != 5 or words[1] not in ("start", "beat", "end"):
            raise ValueError(f"{journal}:{number}: not a line of a service's journal: {line!r}")
        at, who, token = float(words[0]), (words[4], int(words[2])), int(words[3])
        if words[1] == "start" or who not in current:
            # A pid is used again some day, and in another pid namespace at once.
            current[who] = (*who, number)
            found[current[who]] = Life(*who, token, at, at, False, ())
        life = found[current[who]]
        if not life.stretches or at - life.last >= SILENCE:
            life = life._replace(stretches=(*life.stretches, observer.Stretch(who, at, at)))
        life.stretches[-1].end = at
        life.stretches[-1].windows.append((at, at))
        found[current[who]] = life._replace(last=at, ended=words[1] == "end")
    return sorted(found.values(), key=lambda life: life.start)


def overlap(journal: Union[str, os.PathLike[str]]) -> observer.Overlap:
    """How the services that wrote a journal lived at once: from their start to their last line.

    A service's death is later than its last line by up to a beat, 0.05 s, so a shorter overlap may be missed. Raises as
    `lives` does.
    """
    return observer.overlap_of([stretch for life in lives(journal) for stretch in life.stretches])


def disorder(journal: Union[str, os.PathLike[str]]) -> List[str]:
    """The mistakes in the order of the fencing tokens in a journal, a line each.

    Whoever starts later has no older token, and two nodes never have the same. Processes without a token do not count.
    Raises as `lives` does.
    """
    problems, newest = [], None
    for life in lives(journal):
        if not life.token:
            continue
        if newest is not None and life.token < newest.token:
            problems.append(f"{life.name} started with token {life.token} after {newest.name} with {newest.token}")
        elif newest is not None and life.token == newest.token and life.name != newest.name:
            problems.append(f"{newest.name} and {life.name} started with the same token {life.token}")
        if newest is None or life.token >= newest.token:
            newest = life
    return problems
