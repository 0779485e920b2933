"""The options that must be the same on all nodes of an election, and a digest of them.

Each node writes them into what it says of itself, where others see who differs. None of them is a secret, or may contain one:
credentials are not compared, since whoever may read a digest of them could try passwords against it. Nodes with other credentials
are refused by ZooKeeper where that matters.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Dict, Mapping

from supervisor_zkelect.config.options import ELECTION_OPTIONS, MAIN_OPTIONS
from supervisor_zkelect.config.settings import ElectionSettings, Settings

MAIN = ("session_timeout", "tick_time", "heartbeat_interval", "ride_through", "kill_time", "acl")
"""Options of [zkelect]. What a lease is made of, and who may change what a node has made."""

ELECTION = ("election_znode", "election_prefix", "sequence_separator", "election_ack", "election_state", "fence_failed")
"""Options of [election:NAME]. Where the election stands, and by which names."""

WHETHER_SET = ("fence",)
"""Options of [election:NAME] of which only counts whether they are set: the commands may be each node's own."""

_DIGITS = 16


def options(settings: Settings, election: ElectionSettings) -> Dict[str, str]:
    """The values of these options as they are in force, as texts. Paths have the chroot in front of them."""
    found: Dict[str, Any] = {name: getattr(settings, name) for name in MAIN}
    found.update((name, getattr(election, name)) for name in ELECTION)
    for name in ("election_znode", "election_ack", "election_state"):
        found[name] = settings.chroot + found[name]
    texts = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in found.items()}
    return {**texts, **{name: "set" if getattr(election, name) else "not set" for name in WHETHER_SET}}


def digest(values: Mapping[str, str]) -> str:
    """A short digest of these values: two nodes with the same one agree."""
    return hashlib.sha256(json.dumps(sorted(values.items())).encode("utf-8")).hexdigest()[:_DIGITS]


_SECRET = [name for name in (*MAIN, *ELECTION) if (MAIN_OPTIONS.get(name) or ELECTION_OPTIONS[name]).secret]
if _SECRET:
    raise TypeError(f"a digest of {', '.join(_SECRET)} would help to guess it")
