"""Whether ZooKeeper takes this node, tried before anything depends on it: a session by its settings, and the right to propose.

Nothing is written: what a node would write is tried in transactions that cannot succeed.
"""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Tuple

from kazoo import exceptions as kazoo_errors

from supervisor_zkelect.zookeeper import connect, kazoo_internals
from supervisor_zkelect.zookeeper.errors import ElectionError

NEVER = 2**31 - 1
"""A version that no znode has, so that the transaction which checks it fails."""

Work = Callable[[Any, float], None]


def trouble(settings: Any, timeout: float = 5.0) -> Optional[str]:
    """None when ZooKeeper answers within `timeout` seconds and lets this node propose, else one line that says why not.

    settings: those of a file (`settings.Settings`).
    """
    said: List[Optional[str]] = []
    return by_client(settings, timeout, lambda client, granted: said.append(refusal(client, settings, timeout))) or said[0]


def by_client(
    settings: Any, timeout: float, work: Work, asked: Optional[float] = None,
    limits: Optional[Callable[[], Tuple[int, float]]] = None,
) -> Optional[str]:
    """Do work by a client of its own; None when that was done, else one line that says why ZooKeeper did not let it.

    timeout: seconds in which a server has to answer. work: is given the client, kazoo's, and the session timeout that was
    granted, in seconds. asked: the session timeout to ask for, by default the settings'. limits: as `connect.client_for` has
    them.
    """
    client, granted = connect.client_for(settings, timeout=asked, limits=limits), [0.0]

    def note(sent: float, seconds: float, identity: int, password: bytes) -> None:
        granted[0] = seconds

    kazoo_internals.on_connect(client, note)
    try:
        connect.start_client(client, timeout)
        work(client, granted[0])
    except (client.handler.timeout_exception, ElectionError, OSError, kazoo_errors.KazooException) as error:
        return f"ZooKeeper: {error or type(error).__name__}"
    finally:
        connect.end_client(client, timeout)
    return None


def refusal(client: Any, settings: Any, timeout: float) -> Optional[str]:
    """One line on the first thing that ZooKeeper would not let this node do, None when there is none.

    client: a started one, without chroot. timeout: seconds for each request. Raises kazoo's exceptions.
    """
    for election in settings.elections:
        places = {"election_znode": election.election_znode, "election_ack": election.election_ack,
                  "election_state": election.election_state}
        for option, place in places.items():
            path = settings.chroot + place
            there = _there(client, path, timeout)
            transaction = client.transaction()
            if there == path and option == "election_ack":
                transaction.set_data(path, b"")
            elif there == path:
                transaction.create(f"{path}/{election.election_prefix}", ephemeral=True, sequence=True)
            else:
                transaction.create(_next(there, path))
            transaction.check("/", NEVER)
            if isinstance(transaction.commit_async().get(timeout=timeout)[0], kazoo_errors.NoAuthError):
                return _refused(settings, election, option, path, there)
    return None


def _there(client: Any, path: str, timeout: float) -> str:
    """The path, or the nearest one above it that exists."""
    while path != "/" and client.exists_async(path).get(timeout=timeout) is None:
        path = path.rpartition("/")[0] or "/"
    return path


def _next(above: str, path: str) -> str:
    """The first znode to make below `above` on the way to `path`."""
    start = len(above.rstrip("/")) + 1
    return path[:start] + path[start:].partition("/")[0]


def _refused(settings: Any, election: Any, option: str, path: str, there: str) -> str:
    remedy = "correct the credentials in [zkelect], or the ACL"
    if there != path and len(there) < len(settings.chroot):
        made = _next(there, path)
        where = f"ZooKeeper: [zkelect] chroot = {settings.chroot}"
        return f"{where}: the ACL of {there} does not let this node create {made}; {remedy}"
    what = {"election_znode": "propose", "election_ack": "write it", "election_state": "create znodes below it"}[option]
    if there != path:
        what = f"create {_next(there, path)}"
    whose = "its ACL" if there == path else f"the ACL of {there}"
    return f"ZooKeeper: [election:{election.name}] {option} = {path}: {whose} does not let this node {what}; {remedy}"
