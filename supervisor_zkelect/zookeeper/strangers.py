"""Candidates that are not named as this election's are, and who leads by whose rule. Pure.

Whoever puts a child into an election znode counts as a candidate there, but programs do not agree on the order:

    this plugin               the trailing ten digits of every child; the lowest leads
    the Go elector            the whole names of all children; the first leads, whatever its digits say
    kazoo's Lock, Election    the digits of the names with `__lock__` in them; it does not see the others
    Curator's LeaderLatch     what follows `latch-` (`lock-` for its mutex), and other names whole: a digit stands before any
                              letter, so it does not see the others either

With one beginning for all names the first two agree, and with names of this plugin that end like theirs, `__lock__` and ten
digits, or `latch-` and ten digits, so do the others. Otherwise the same queue may have two leaders, or none. So a node that
leads by its own rule still gives way to a *rival*: a living candidate that leads by another rule, or may. It goes behind it,
where all rules agree.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple, Sequence

from supervisor_zkelect.core.places import KAZOO_MARK, barred_by
from supervisor_zkelect.core.untrusted import printable

DIGITS = re.compile(r"\d{10}\Z", re.ASCII)

_KAZOO = re.compile(r"__r?lock__-?\d{10}\Z", re.ASCII)
_CURATOR = re.compile(r"(_c_[0-9a-fA-F-]{36}-.*|(latch|lock)-)\d{10}\Z", re.ASCII | re.DOTALL)

OTHER, KAZOO, CURATOR, NONE = "other", "kazoo", "curator", "none"

_SHOWN = 60
"""Characters of a stranger's name that are repeated."""


class Stranger(NamedTuple):
    """A child that this election's own candidates do not look like. kind: one of OTHER, KAZOO, CURATOR, NONE."""

    name: str
    kind: str


def is_own(name: str, stem: str) -> bool:
    """Whether the name is that of a candidate of this election. stem: what those begin with, up to the digits."""
    # Of thousands, faster than a pattern.
    digits = name[-10:]
    return len(name) == len(stem) + 10 and name.startswith(stem) and digits.isdigit() and digits.isascii()


def _is_barrier(name: str, stem: str) -> bool:
    """Whether the name is that of the barrier of a pause, behind a candidate of this election."""
    return is_own(barred_by(name), stem)


def found(names: Sequence[str], stem: str) -> List[Stranger]:
    """The strangers among an election znode's children, in the order of their names."""
    foreign = (name for name in names if not is_own(name, stem) and not _is_barrier(name, stem))
    others = [Stranger(name, _kind(name)) for name in sorted(foreign)]
    return [one for one in others if not _agrees(one, stem)]


def _agrees(one: Stranger, stem: str) -> bool:
    """Whether by its rule this election's candidates have the same order as by their own."""
    marks = {KAZOO: (KAZOO_MARK,), CURATOR: ("latch-", "lock-")}.get(one.kind, ())
    return any(stem.endswith(mark) and one.name[:-10].endswith(mark) for mark in marks)


def _kind(name: str) -> str:
    if not DIGITS.search(name):
        return NONE
    if _KAZOO.search(name):
        return KAZOO
    return CURATOR if _CURATOR.match(name) else OTHER


def leads_over(stranger: Stranger, own: str) -> bool:
    """Whether by the stranger's own rule, as far as it is known, not the candidate `own` leads but the stranger may."""
    if stranger.kind == OTHER:
        return stranger.name < own
    return stranger.kind != NONE


def unbarred(names: Sequence[str], stem: str, barrier: str) -> List[str]:
    """Of these candidates those that may lead while this barrier stands, since they go by a rule of their own."""
    return [one.name for one in found(names, stem) if one.kind != OTHER or one.name < barrier]


def told(strangers: Sequence[Stranger], stem: str, znode: str) -> str:
    """One line on the strangers in an election znode, with the remedy; "" when there are none."""
    if not strangers:
        return ""
    one = min(strangers, key=lambda stranger: (OTHER, KAZOO, CURATOR, NONE).index(stranger.kind))
    more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
    return f"{znode}: {printable(one.name, _SHOWN)}{more}: {_remedy(one, stem)}"


def _remedy(one: Stranger, stem: str) -> str:
    here = f"this election's are named {printable(stem, _SHOWN)}0000000000"
    if one.kind == NONE:
        return f"no candidate, as its name does not end in ten digits; remove it, since only proposals may stand here ({here})"
    if one.kind in (KAZOO, CURATOR):
        whose, mark = "kazoo's Lock or Election", "sequence_separator = __lock__"
        if one.kind == CURATOR:
            latch = "latch" if one.name[:-10].endswith("latch-") else "lock"
            whose, mark = "Curator's LeaderLatch or mutex", f"election_prefix = {latch} and sequence_separator = -"
        return (f"a candidate of {whose}, which counts only its own kind and so leads beside this election's: two leaders or "
                f"none ({here}); give that program an election znode of its own, or all members here {mark}")
    beginning = one.name[:-10]
    separator = beginning[-1:] if beginning[-1:] in ("-", "_", ".") else ""
    prefix = beginning[:len(beginning) - len(separator)]
    same = f"election_prefix = {printable(prefix, _SHOWN)} and sequence_separator = {separator or '(nothing)'}"
    return (f"a candidate with another beginning ({here}); the Go elector sorts by whole names and this plugin by the digits, "
            f"so there may be two leaders or none; give all members the same names, here with {same}, or election znodes of "
            "their own")
