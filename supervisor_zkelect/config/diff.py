"""The differences between two configurations, and the effect of each while the listener runs."""

from __future__ import annotations

from typing import Any, List, NamedTuple

from supervisor_zkelect.config.options import ELECTION, ELECTION_OPTIONS, LIVE, MAIN, MAIN_OPTIONS, TERM
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core import places


class Change(NamedTuple):
    """One difference. option: "" for a whole section. effect: one of LIVE, RESTART, TERM, SESSION."""

    section: str
    option: str
    effect: str

    def __str__(self) -> str:
        return f"[{self.section}] {self.option}".rstrip()


def changes(old: Settings, new: Settings) -> List[Change]:
    """The changes from `old` to `new`, in the order of the table."""
    found = [
        Change(MAIN, name, LIVE if _same_secret(name, old, new) else option.change)
        for name, option in MAIN_OPTIONS.items() if _main_value(old, name) != _main_value(new, name)
    ]
    for one in old.elections:
        other, section = new.election(one.name), ELECTION + one.name
        if other is None:
            found.append(Change(section, "", TERM))
        else:
            found += [
                Change(section, name, option.change)
                for name, option in ELECTION_OPTIONS.items() if _value(one, name) != _value(other, name)
            ]
    return found + [Change(ELECTION + one.name, "", TERM) for one in new.elections if old.election(one.name) is None]


def _main_value(settings: Settings, name: str) -> Any:
    """The value of an option; that of a share of the session timeout changes with the option that sets it."""
    configured = {"heartbeat_interval": settings.interval_configured, "ride_through": settings.ride_through_configured}
    return getattr(settings, name) if configured.get(name, True) else None


def _value(election: ElectionSettings, name: str) -> Any:
    """The value of an option; a state that goes with the ack changes with that option."""
    value = getattr(election, name)
    return None if name == "election_state" and value == places.state_of(election.election_ack) else value


def _same_secret(name: str, old: Settings, new: Settings) -> bool:
    """Whether the option names a file that holds the same secret as before."""
    secret = MAIN_OPTIONS.get(name[:-len("_file")]) if name.endswith("_file") else None
    return secret is not None and getattr(old, secret.name) == getattr(new, secret.name)
