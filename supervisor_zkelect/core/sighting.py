"""Who is primary, and by which term, as ack and holder tell a client that reads one after the other. Pure.

The claim of a term notes the holder and empties the ack in one transaction, and the ack is written after that, in a transaction
that finds the holder unchanged. So a holder that is read after the ack, and was written before it, is that of the ack's term:
nobody has claimed another one in between. Any other holder says nothing of this ack. It may be of a term that is over, where a
program that notes none leads now (the Go elector); or the ack was read before a handover, and the holder after it.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from supervisor_zkelect.core import untrusted


class Known(NamedTuple):
    """The primary of an election.

    address: as the ack has it, what is not printable as an escape; "" where nobody is primary. token: the fencing token of the
    term that has written this address; None where nobody is primary, or where the term has noted none. node: its name, "" where
    the token is None.
    """

    address: str
    token: Optional[int] = None
    node: str = ""


class Znode(NamedTuple):
    """A znode as it was read. changed: the transaction (zxid) that has written it last."""

    data: bytes
    changed: int


def told(ack: Optional[Znode], holder: Optional[Znode], election: str, before: Optional[int] = None) -> Optional[Known]:
    """The primary by an ack and a holder that was read after it, None for a znode that is not there.

    election: the election's znode, with its chroot. before: what had changed the ack when it was read before an earlier holder.
    None: they do not belong together, which a handover between the two readings explains: read both again.
    """
    if ack is None or not ack.data:
        return Known("")
    text = ack.data.decode(errors="backslashreplace")
    address = untrusted.printable(text, untrusted.LONGEST_ADDRESS)
    if holder is not None and holder.changed <= ack.changed:
        info = untrusted.document(holder.data)
        node, token = untrusted.known_name(info.get("node")), untrusted.number(info.get("token"))
        if node and token and info.get("address") == text and info.get("election", election) == election:
            return Known(address, token, node)
    # The same ack before and after a holder: that one was read while this ack stood.
    return Known(address) if before == ack.changed else None
