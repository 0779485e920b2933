"""The saved session: what a listener needs to go on where another stopped, and a release to give it up.

One block of the format of `record.py`, readable by its owner alone, since it holds the session's password.
"""

from __future__ import annotations

import os
from typing import Any, Dict, NamedTuple, Optional

from supervisor_zkelect import record


class Saved(NamedTuple):
    """id, password: of the session; the password is hexadecimal. timeout: seconds, as the server granted it.

    owner: as `record.Owner`. servers: as configured. elections: name -> path of this node's proposal.
    """

    id: int
    password: str
    timeout: float
    owner: Any
    servers: str


class Store:
    """Writes the saved session in a runtime folder. Raises OSError."""

    def __init__(self, folder: str) -> None:
        self._blocks = record.Blocks(os.path.join(folder, record.SESSION), 1, 0o600)

    def save(self, saved: Saved) -> None:
        self._blocks.put(0, saved._asdict())

    def forget(self) -> None:
        self._blocks.put(0, {})


def load(folder: str) -> Optional[Saved]:
    """The saved session; None when there is none that can be read."""
    try:
        value: Dict[str, Any] = record.read_block(os.path.join(folder, record.SESSION))
        return Saved(**value) if value else None
    except (record.RecordError, TypeError):
        return None
