"""Who is beside this node in its elections: candidates that claim its name or its address, and others that use the election's own
znodes. For `check`. Writes nothing."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import Any, Iterable, Iterator, List, Optional

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

    client: a started one. timeout: seconds for each request. session: the id of the session of this node's listener; None where
    that is not known.
    """
    try:
        with _elector(client, settings, election, timeout) as elector:
            lines = told(islice(elector.each_member(), MOST), settings.node_name, election.address, session)
    except ElectionError:
        # Who may not look at the queue is told by what else is asked.
        lines = []
    return [f"{settings.file}: [{ELECTION}{election.name}] {line}" for line in lines]


def elections(client: Any, settings: Settings, election: ElectionSettings, timeout: float) -> List[str]:
    """One line for each sign that an election has not its queue, its ack and its state for itself. The arguments are those of
    `problems`."""
    try:
        with _elector(client, settings, election, timeout) as elector:
            lines = _shared(elector)
    except ElectionError as error:
        lines = [f"ZooKeeper: {error}"]
    return [f"{settings.file}: [{ELECTION}{election.name}] {line}" for line in lines]


@contextmanager
def _elector(client: Any, settings: Settings, election: ElectionSettings, timeout: float) -> Iterator[Elector]:
    root = "" if getattr(client, "chroot", "") else settings.chroot
    elector = Elector(
        client, root + election.election_znode, election.election_prefix, root + election.election_ack,
        separator=election.sequence_separator, timeout=timeout, election_state=root + election.election_state,
    )
    try:
        yield elector
    finally:
        elector.close()


def _shared(elector: Elector) -> List[str]:
    lines = [elector.look_at_queue().trouble, elector.taken_by()]
    # In this order: with a holder that was there before, the ack is of its term or of a later one.
    before, ack, after = elector.holder(), elector.read_ack(), elector.holder()
    first = next(elector.each_member(), None)
    noted = before.address.encode("utf-8") if before is not None and before.node else b""
    # Another program's leader notes no holder; one of this plugin does before it writes the ack.
    if before == after and first and first.node and ack not in (b"", noted):
        address = ack[:100].decode("utf-8", "backslashreplace")
        lines.append(
            f"election_ack = {elector.election_ack} holds {address!r}, which {first.node}, who leads, has not written; if it "
            "is another election's, too, give each election an election_ack of its own"
        )
    return [line for line in lines if line]


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
