"""The parts of a listener that keep what it knows and holds, and the base of those that decide with them."""

from __future__ import annotations

from typing import NamedTuple

from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.enforcement import Enforcement
from supervisor_zkelect.listener.folder import RuntimeFolder
from supervisor_zkelect.listener.guard_keeper import GuardKeeper
from supervisor_zkelect.listener.lease_keeper import LeaseKeeper
from supervisor_zkelect.listener.leftovers import Leftovers
from supervisor_zkelect.listener.part import Means, Part
from supervisor_zkelect.listener.programs import Programs
from supervisor_zkelect.listener.session_keeper import SessionKeeper


class Keepers(NamedTuple):
    """All of them."""

    candidacies: Candidacies
    folder: RuntimeFolder
    enforcement: Enforcement
    guard: GuardKeeper
    leases: LeaseKeeper
    leftovers: Leftovers
    programs: Programs
    sessions: SessionKeeper


class Decider(Part):
    """A part that is above the keepers."""

    def __init__(self, means: Means, keepers: Keepers) -> None:
        super().__init__(means)
        (
            self._candidacies, self._folder, self._enforcement, self._guard, self._leases, self._leftovers, self._programs,
            self._sessions,
        ) = keepers
