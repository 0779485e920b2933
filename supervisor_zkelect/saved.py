"""The saved session: what a listener needs to go on where another stopped, and a release to give it up.

Blocks of the format of `record.py`, readable by their owner alone, since the first holds the session's password; each
further one holds an election in which the session may have a proposal.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional

from supervisor_zkelect import record


class Election(NamedTuple):
    """One election of the session. znode, ack: full paths, with the chroot. stem: what a proposal's name begins with."""

    name: str
    group: str
    znode: str
    stem: str
    ack: str


class Saved(NamedTuple):
    """id, password: of the session; the password is hexadecimal. timeout: seconds, as the server granted it.

    owner: as `record.Owner`. node: the node's name. servers: "host:port,..." when neither they nor the znodes ask for
    credentials, else "", as the configuration has what is needed then.
    """

    id: int
    password: str
    timeout: float
    owner: Any
    node: str
    servers: str
    elections: List[Election]


class Store:
    """Writes the saved session in a runtime folder. Raises OSError."""

    def __init__(self, folder: str) -> None:
        self._blocks = record.Blocks(os.path.join(folder, record.SESSION), 1, 0o600)

    def save(self, saved: Saved) -> None:
        self._blocks.make_room(1 + len(saved.elections))
        for index, election in enumerate(saved.elections, 1):
            self._blocks.put(index, election._asdict())
        self._blocks.put(0, {**saved._asdict(), "elections": len(saved.elections)})

    def forget(self) -> None:
        self._blocks.put(0, {})


def load(folder: str) -> Optional[Saved]:
    """The saved session; None when there is none that can be read."""
    path = os.path.join(folder, record.SESSION)
    try:
        value: Dict[str, Any] = record.read_block(path)
        if not value:
            return None
        elections = [Election(**record.read_block(path, index)) for index in range(1, value["elections"] + 1)]
        return Saved(**{**value, "elections": elections})
    except (record.RecordError, KeyError, TypeError):
        return None
