"""Who belongs to one group, as registrations, supervisord's books and the scans have told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, Optional, Set, Tuple

from supervisor_zkelect.processes.census import Census, Found, Look
from supervisor_zkelect.processes.proc import Process

Identities = FrozenSet[Tuple[int, int]]
"""Those of some processes (`Process.identity`)."""

MOST_NAMES = 4096
"""Names of programs that are remembered of a term's registrations. Whoever registers chooses its own."""


@dataclass
class Kin:
    """Belongs to the process manager's thread, save that any thread may read `identities`."""

    group: str
    #: whether the groups have cgroups
    caged: bool = False
    #: whether a start that supervisord carries out late is refused by the chain loader, as the configuration says
    via_loader: bool = False
    #: what the next scan should know of: who belonged, living or dead, and who was named
    known: Set[Process] = field(default_factory=set)
    #: those that belonged by what they carried; the identities of all that belonged
    claimed: Set[Process] = field(default_factory=set)
    identities: Identities = frozenset()
    #: the living children of supervisord, with the names of their programs
    members: Dict[Tuple[int, int], str] = field(default_factory=dict)
    #: process groups of the members
    pgrps: Set[int] = field(default_factory=set)
    #: programs that supervisord has started for this term, and those that came through the chain loader
    programs: FrozenSet[str] = frozenset()
    loaders: Set[str] = field(default_factory=set)
    #: those that registered and live; those that supervisord has named, and that have not
    entered: Set[Tuple[int, int]] = field(default_factory=set)
    unregistered: Set[Tuple[int, int]] = field(default_factory=set)
    #: the last scan found somebody outside the cgroup
    exposed: bool = False
    #: its programs may move out of the cgroup themselves
    leavable: bool = False
    #: some were, since the group was proven dead last; all strangers were read since this process manager began
    strayed: bool = False
    swept: bool = False

    @property
    def registered(self) -> bool:
        """Whether the chain loader was seen before every program. supervisord may tell of a configuration that they do
        not run by yet."""
        return self.via_loader and bool(self.programs) and self.programs <= self.loaders

    @property
    def sheltered(self) -> bool:
        """Whether its processes enter the cgroup before they can fork, as far as was seen."""
        return self.via_loader and self.caged and not self.exposed

    @property
    def all_inside(self) -> bool:
        """Whether nothing of the group can be anywhere but in its cgroup, where its programs are before they run: each has
        registered, whatever the configuration says."""
        return self.sheltered and self.swept and not (self.strayed or self.unregistered or self.leavable)

    def begin_term(self) -> None:
        """The group is about to be started."""
        self.programs, self.loaders = frozenset(), set()

    def register(self, process: Process, program: str, census: Census) -> None:
        """A program has come through the chain loader, and said so itself."""
        self.known.add(process)
        census.told.setdefault(process.identity, self.group)
        if len(self.loaders) < MOST_NAMES:
            # A program whose name is left out counts as one that did not register, of which supervisord is asked.
            self.loaders.add(program)
        self.entered.add(process.identity)
        self.pgrps.add(process.pgrp)
        self.unregistered.discard(process.identity)
        # Until its exec it looks like any fork of supervisord; the other groups need not wait for it.
        census.foreign.add(process.identity)

    def learn(self, infos: Iterable[Dict[str, Any]], census: Census) -> None:
        """Take what supervisord says of the members. A pid that it has not reaped is nobody else's."""
        for info in infos:
            process = self.name(info["pid"], census) if info["pid"] else None
            if process is not None:
                self.known.add(process)
                census.told[process.identity] = self.group

    def name(self, pid: int, census: Census) -> Optional[Process]:
        """supervisord has named a pid: its process, None when it is dead."""
        process = census.claim(pid)
        if process is None:
            # Which one it was nobody can tell any more.
            self.strayed = self.strayed or all(entered != pid for entered, _ in self.entered)
        elif process.identity not in self.entered:
            self.unregistered.add(process.identity)
        return process

    def find(self, within: Set[Process], look: Look, census: Census) -> Found:
        """Who belongs now. within: who is in the group's cgroup."""
        self.known |= within
        found = census.find(self.group, self.known, look, self.claimed, self.swept, self.all_inside)
        self._enroll(within, look, census)
        self.claimed = found.claimed
        self.leavable = census.may_leave(self.group)
        self.swept = self.swept or found.complete
        self.identities = frozenset(process.identity for process in found.living)
        self.exposed = bool(found.living - within)
        self.strayed = self.strayed or self.exposed
        self.known = found.known
        self.pgrps.update(member.pgrp for member in found.members)
        return found

    def _enroll(self, within: Set[Process], look: Look, census: Census) -> None:
        """Take those for registered that can only have come by what they have from a registration, with a guard before this
        one; and forget who is dead, but not that it never registered."""
        self.unregistered -= {one.identity for one in within if census.carries_secret(one, self.group)}
        present = {one.identity for one in look.kin.processes.values()}
        self.entered &= present
        if not self.unregistered <= present:
            self.unregistered &= present
            self.strayed = True

    def rename(self, found: Found, ended: Iterable[Tuple[int, int]]) -> None:
        """Take the names of the members that were found. ended: identities of such as were not, and whose end is not told
        yet."""
        former = self.members
        self.members = {one.identity: name or former.get(one.identity, "") for one, name in found.members.items()}
        self.members.update((identity, former[identity]) for identity in ended if identity in former)

    def end_term(self) -> None:
        """The group is dead."""
        self.strayed = False
        self.unregistered = set()
        self.pgrps = set()
