"""How much there may be of what is kept in one block of a file (`guard/record.py`, `guard/saved_session.py`). Pure.

The configuration is held to it, so that no election is begun of which the record or the saved session has no room.
"""

from __future__ import annotations

ROOM = 1008
"""Bytes of strings that a block has room for, with one between each two."""

NUMBERS = 150
"""Bytes that the numbers of one election take in the record at most."""


def granted(election: str, group: str, address: str) -> int:
    """Bytes at most of what the record has of an election. Its name, its group, the address of this node."""
    return _size(election, group, address) + 1 + NUMBERS


def saved(election: str, group: str, znode: str, stem: str, ack: str, state: str) -> int:
    """Bytes of what the saved session has of an election: as `saved_session.SavedElection`."""
    return _size(election, group, znode, stem, ack, state)


def _size(*strings: str) -> int:
    return len("\0".join(strings).encode())
