"""Who may give orders: whoever may write the control znode of an election, by its ACL. Notes for `check`."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from kazoo import exceptions as kazoo_errors
from kazoo.security import Permissions

from supervisor_zkelect.core import places, untrusted
from supervisor_zkelect.system.clock import now

_MOST = 10
"""Identities that are named, and elections."""


def of_orders(client: Any, settings: Any, seconds: float) -> List[str]:
    """Who may give orders in the elections of a file (`settings.Settings`), a line for those in which the same may. client:
    kazoo's, started. seconds: for all of them. An election whose control does not exist, or whose ACL may not be
    read, is left out."""
    end = now() + seconds
    elections: Dict[Tuple[str, ...], List[str]] = {}
    for election in settings.elections:
        path = settings.chroot + places.control_of(election.election_state)
        try:
            acl = client.get_acls_async(path).get(timeout=max(0.001, end - now()))[0]
        except (kazoo_errors.KazooException, client.handler.timeout_exception):
            continue
        elections.setdefault(writers(acl), []).append(election.name)
    return [
        f"orders in {_listed(names)} may be given by {_listed(who) or 'nobody'}: whoever may write {places.control_of('…')}"
        for who, names in elections.items()
    ]


def writers(acl: Any) -> Tuple[str, ...]:
    """Who may write a znode with this ACL, as an operator knows them: the user of a digest, never what his password comes to."""
    found = []
    for entry in acl:
        scheme, identity = str(entry.id.scheme), str(entry.id.id)
        if entry.perms & Permissions.WRITE:
            anyone = (scheme, identity) == ("world", "anyone")
            name = identity.partition(":")[0] if scheme == "digest" else identity
            found.append("anyone who reaches ZooKeeper" if anyone else untrusted.printable(f"{scheme}:{name}", 100))
    return tuple(dict.fromkeys(found))


def _listed(names: Any) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
