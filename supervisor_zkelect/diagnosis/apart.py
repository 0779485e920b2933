"""Whether each election has its queue, its ack and its state for itself, as `check` asks. Writes nothing."""

from __future__ import annotations

from typing import Any, List

from supervisor_zkelect.config.options import ELECTION
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.elector import ElectionError, Elector


def problems(client: Any, settings: Settings, election: ElectionSettings, timeout: float) -> List[str]:
    """One line for each problem of an election that has its znodes.

    client: a started one, without chroot. timeout: seconds for each request.
    """
    section = f"{settings.file}: [{ELECTION}{election.name}]"
    try:
        return [f"{section} {line}" for line in _of(client, settings.chroot, election, timeout)]
    except ElectionError as error:
        return [f"{section} ZooKeeper: {error}"]


def _of(client: Any, root: str, election: ElectionSettings, timeout: float) -> List[str]:
    root = "" if getattr(client, "chroot", "") else root
    elector = Elector(
        client, root + election.election_znode, election.election_prefix, root + election.election_ack,
        separator=election.sequence_separator, timeout=timeout, election_state=root + election.election_state,
    )
    try:
        lines = [elector.look_at_queue().trouble, elector.taken_by()]
        # In this order: with a holder that was there before, the ack is of its term or of a later one.
        before, ack, after = elector.holder(), elector.read_ack(), elector.holder()
        first = next(elector.each_member(), None)
    finally:
        elector.close()
    noted = before.address.encode("utf-8") if before is not None and before.node else b""
    # Another program's leader notes no holder; one of this plugin does before it writes the ack.
    if before == after and first and first.node and ack not in (b"", noted):
        address = ack[:100].decode("utf-8", "backslashreplace")
        lines.append(
            f"election_ack = {elector.election_ack} holds {address!r}, which {first.node}, who leads, has not written; if it "
            "is another election's, too, give each election an election_ack of its own"
        )
    return [line for line in lines if line]
