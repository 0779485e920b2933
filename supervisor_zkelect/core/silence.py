"""Whether a guard stands still, by what it echoes to its listener. Pure.

A listener extends no lease while its guard stands still, and replaces one that does so for long. Only time in which the listener
ran itself counts. All times are seconds of one clock; durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Within how long of the listener's running time a guard must echo what it is told, else it is replaced: usually, and when a
#: group should be killed by now.
LONGEST, HASTE = 0.4, 0.06

#: Time between two turns of the listener, which has something to do each second, that tells of its having stood still.
STOOD_STILL = 2.0


@dataclass(frozen=True)
class Silence:
    """turned_at: when the listener took its turn last. quiet: for how long it has run since it told the guard something that
    is not echoed. patient_until: until when nobody is replaced, as the listener itself stood still just before."""

    turned_at: float
    quiet: float = 0.0
    patient_until: float = -float("inf")

    def turned(self, now: float, awaited: bool) -> Silence:
        """The listener takes a turn. awaited: an echo is."""
        # If it stood still, so did the guard, maybe, and now all of the node want the processor. A guard that runs kills at
        # once; another takes longer to begin than this one may need to come to its turn.
        patient_until = now + LONGEST if self._stood_still(now) else self.patient_until
        passed = min(now - self.turned_at, HASTE / 3)
        return Silence(now, self.quiet + passed if awaited else 0.0, patient_until)

    def echoed(self) -> Silence:
        return replace(self, quiet=0.0)

    @property
    def short(self) -> bool:
        """Whether a lease may be extended on the guard's account."""
        return self.quiet <= HASTE

    def too_long(self, now: float, late: bool) -> bool:
        """Whether the guard is to be replaced. late: a group should be killed by now."""
        return not self.short and now >= self.patient_until and (late or self.quiet > LONGEST)

    def excuses(self, now: float) -> bool:
        """Whether an echo that comes late may be so because the whole node stood still."""
        return now < self.patient_until or self._stood_still(now)

    def _stood_still(self, now: float) -> bool:
        return now - self.turned_at > STOOD_STILL
