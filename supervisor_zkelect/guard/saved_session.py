"""The saved session: what a listener needs to go on where another stopped, and a release to give it up.

Blocks of the format of `record.py`, readable by their owner alone, since the first holds the session's password; each
further one holds an election in which the session may have a proposal.
"""

from __future__ import annotations

import os
from typing import List, NamedTuple, Optional

from supervisor_zkelect.guard import record
from supervisor_zkelect.system import reserve


class SavedElection(NamedTuple):
    """One election of the session. znode, ack, state: full paths, with the chroot. stem: what a proposal's name begins with.

    state: "" for the ack's own (`places.state_of`).
    """

    name: str
    group: str
    znode: str
    stem: str
    ack: str
    state: str = ""


UNKNOWN = float("inf")
"""A tick that is not told: as long as the session's timeout lets it be (`lease.effective_tick`)."""


class Saved(NamedTuple):
    """id, password: of the session; the password is hexadecimal. timeout: seconds, as the server granted it.

    node: the node's name. servers: "host:port,..." when neither they nor the znodes ask for
    credentials, else "", as the configuration has what is needed then. tick: the servers' tickTime, seconds.
    """

    id: int
    password: str
    timeout: float
    owner: record.Owner
    node: str
    servers: str
    elections: List[SavedElection]
    tick: float = UNKNOWN


LONGEST_SERVERS = 512
"""Characters; longer lists are left to the configuration, as a block has room for no more."""


class Store:
    """Writes the saved session in a runtime folder. Raises OSError."""

    def __init__(self, folder: str) -> None:
        self._blocks = record.Blocks(os.path.join(folder, record.SESSION), 1, 0o600)

    def save(self, saved: Saved) -> None:
        self._blocks.make_room(1 + len(saved.elections))
        for index, election in enumerate(saved.elections, 1):
            self._blocks.put(index, list(election))
        servers = saved.servers if len(saved.servers) <= LONGEST_SERVERS else ""
        self._blocks.put(0, [
            str(saved.id), saved.password, repr(saved.timeout), saved.node, servers, str(len(saved.elections)),
            *map(str, saved.owner), repr(saved.tick),
        ])

    def forget(self) -> None:
        self._blocks.put(0, [])

    def put_back(self, folder: str) -> None:
        """Write the file anew if it was removed or replaced. folder: where it belongs."""
        self._blocks.put_back(folder)


def load(folder: str, owner: Optional[record.Owner]) -> Optional[Saved]:
    """The saved session; None when there is none that can be read, or it is of another supervisord than `owner`, as in a folder
    that was copied with its host's disk, where the node that it is of may live. owner: None for whosever it is."""
    try:
        return load_surely(folder, owner)
    except OSError:
        return None


def load_surely(folder: str, owner: Optional[record.Owner]) -> Optional[Saved]:
    """The same. Raises OSError where it may be read a moment later, for want of descriptors or memory now."""
    path = os.path.join(folder, record.SESSION)
    try:
        number, password, timeout, node, servers, count, boot, namespace, pid, start, *more = record.read_block(path)
        # An earlier version does not tell the tick.
        tick = float(more[0]) if more else UNKNOWN
        elections = [SavedElection(*record.read_block(path, index)) for index in range(1, int(count) + 1)]
        of = record.Owner(boot, namespace, int(pid), int(start))
        if owner is not None and tuple(of) != tuple(owner):
            return None
        return Saved(int(number), password, float(timeout), of, node, servers, elections, tick)
    except record.RecordError as error:
        reserve.unless_short(error)
        return None
    except (ValueError, TypeError):
        return None
