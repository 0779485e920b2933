"""Whether ZooKeeper takes this node, tried before anything depends on it: a session by its settings, and the right to propose.

Nothing is written: what a node would write is tried in transactions that cannot succeed.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from kazoo import exceptions as kazoo_errors

from supervisor_zkelect import session
from supervisor_zkelect.errors import ElectionError

NEVER = 2**31 - 1
"""A version that no znode has, so that the transaction which checks it fails."""


def trouble(settings: Any, timeout: float = 5.0, then: Callable[[Any], None] = lambda client: None) -> Optional[str]:
    """None when ZooKeeper answers within `timeout` seconds and lets this node propose, else one line that says why not.

    settings: those of a file (`config.Settings`). then: what else is to be done by the client (kazoo's), where it reaches a
    server.
    """
    try:
        client = session.open_client(settings, timeout)
    except (ElectionError, OSError, kazoo_errors.KazooException) as error:
        return f"ZooKeeper: {error or type(error).__name__}"
    try:
        for election in settings.elections:
            path = settings.chroot + election.election_znode
            transaction = client.transaction()
            transaction.create(f"{path}/{election.election_prefix}", ephemeral=True, sequence=True)
            transaction.check(path, NEVER)
            if isinstance(transaction.commit_async().get(timeout=timeout)[0], kazoo_errors.NoAuthError):
                return (
                    f"ZooKeeper: [election:{election.name}] election_znode = {path}: its ACL does not let this node "
                    "propose; correct the credentials in [zkelect], or the ACL"
                )
        then(client)
    except (client.handler.timeout_exception, kazoo_errors.KazooException) as error:
        return f"ZooKeeper: {error or type(error).__name__}"
    finally:
        session.stop_client(client)
    return None
