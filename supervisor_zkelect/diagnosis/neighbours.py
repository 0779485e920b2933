"""Candidates of an election that claim what is this node's: its name, its address. For `check`. Writes nothing."""

from __future__ import annotations

from itertools import islice
from typing import Any, Iterable, List, Optional

from supervisor_zkelect.config.options import ELECTION
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core import untrusted
from supervisor_zkelect.elector import ElectionError, Elector, Member

MOST = 2000
"""Candidates of an election that are looked at."""


def problems(
    client: Any, settings: Settings, election: ElectionSettings, timeout: float, session: Optional[int]
) -> List[str]:
    """One line for each that claims what is this node's, in an election that has its znodes.

    client: a started one, without chroot. timeout: seconds for each request. session: the id of the session of this node's
    listener; None where that is not known.
    """
    elector = Elector(
        client, settings.chroot + election.election_znode, election.election_prefix, settings.chroot + election.election_ack,
        separator=election.sequence_separator, timeout=timeout, election_state=settings.chroot + election.election_state,
    )
    try:
        lines = told(islice(elector.each_member(), MOST), settings.node_name, election.address, session)
    except ElectionError:
        # Who may not look at the queue is told by what else is asked.
        lines = []
    finally:
        elector.close()
    return [f"{settings.file}: [{ELECTION}{election.name}] {line}" for line in lines]


def told(members: Iterable[Member], node: str, address: str, session: Optional[int]) -> List[str]:
    """Conflicts among the members of a queue, seen by the node of this name with this address; without it where its own
    proposal is. Pure."""
    lines: List[str] = []
    own: List[Member] = []
    for one in members:
        if untrusted.lasting(one.session):
            continue
        if one.node == node:
            own.append(one)
        elif one.node and one.address == address:
            what = f"address = {untrusted.printable(address)}: the node {one.node} proposes the same one ({_shown(one.name)})"
            lines.append(f"{what}, so clients cannot tell which of the two leads; give each node an address of its own")
    foreign = [one for one in own if session is not None and one.session != session]
    if session is None and len({one.session for one in own}) > 1:
        foreign = own[1:]
    for one in foreign:
        other = f"0x{one.session & (1 << 64) - 1:x}"
        what = f"the proposal {_shown(one.name)} has the name of this node, {node}, and is of another session ({other})"
        remedy = (
            "give each node a node_name of its own, unless it is left from before a restart of the machine: then it goes by "
            "itself"
        )
        lines.append(f"{what}; {remedy}")
    return lines


def _shown(name: str) -> str:
    return untrusted.printable(name, 100)
