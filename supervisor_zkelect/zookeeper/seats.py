"""Which elector has a client's place in an election: a session has one proposal there, and two electors would both lead by it."""

from __future__ import annotations

import weakref
from typing import Any, Dict

from supervisor_zkelect.zookeeper.errors import BadArgument

#: by client and election znode
_TAKEN: weakref.WeakKeyDictionary[Any, Dict[str, weakref.ref[Any]]] = weakref.WeakKeyDictionary()


def take(client: Any, election: str, elector: object) -> None:
    """Take the place. Raises BadArgument while another elector has it."""
    seats = _TAKEN.setdefault(client, {})
    mine = weakref.ref(elector)
    if seats.setdefault(election, mine)() is None:
        seats[election] = mine
    if seats[election]() is not elector:
        raise BadArgument(
            f"another Elector of this client takes part in {election}; one session has one proposal there, so use that Elector, "
            "close() it first, or give this one a client of its own"
        )


def leave(client: Any, election: str, elector: object) -> None:
    seats = _TAKEN.get(client, {})
    mine = seats.get(election)
    if mine is not None and mine() is elector:
        # The client's thread may have left it meanwhile.
        seats.pop(election, None)
