"""Defects in ZooKeeper: candidates that never go, znodes that strangers may change. For check and the log.

Nothing is written. What cannot be read is left out: `check` tells of that by other means.
"""

from __future__ import annotations

from typing import Any, Iterator, List, Optional, Tuple

from kazoo import exceptions as kazoo_errors
from kazoo.security import Permissions, make_digest_acl_credential

from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.core import places, untrusted
from supervisor_zkelect.core.state import lasting_trouble
from supervisor_zkelect.diagnosis import neighbours
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper.strangers import DIGITS

MOST = 2000
"""Candidates of an election that are looked at."""

_ANYBODY = ("world", "ip")


def look(client: Any, settings: Any, seconds: float) -> Findings:
    """Look at the znodes of all elections of a file (`settings.Settings`) for so long, by a client of kazoo's that is started.
    Troubles are what keeps an election from having a leader."""
    found = Findings()
    asking = _Asking(client, now() + seconds)
    for election in settings.elections:
        root = settings.chroot + election.election_znode
        if asking.answer(client.exists_async(root)) is not None:
            found.troubles += neighbours.elections(client, settings, election, asking.left)
        for path in _lasting(asking, root):
            if places.is_barrier(path):
                found.notes.append(
                    f"[election:{election.name}] {path} is the barrier of a pause: nobody behind it leads until zkelect resume"
                )
            else:
                found.troubles.append(f"[election:{election.name}] {lasting_trouble(path)}")
        if settings.acl == "open":
            continue
        ack = settings.chroot + election.election_ack
        state = settings.chroot + election.election_state
        for path in (root, ack, state, places.holder_of(state), places.control_of(state)):
            acl = asking.answer(client.get_acls_async(path))
            wider = wider_than(acl[0] if acl else (), settings)
            if wider:
                found.notes.append(
                    f"[election:{election.name}] {path}: its ACL is wider than acl = {settings.acl} asks: {', '.join(wider)}; "
                    "znodes that exist keep theirs, so set it by hand (zkCli.sh: setAcl)"
                )
    return found


class _Asking:
    """Waits for answers until one moment, in seconds of CLOCK_BOOTTIME."""

    def __init__(self, client: Any, end: float) -> None:
        self._client = client
        self._end = end

    @property
    def left(self) -> float:
        """Seconds; some at least, in which nothing can be answered."""
        return max(0.001, self._end - now())

    def answer(self, asked: Any) -> Any:
        """asked: the client's answer to be. None for whatever is not answered."""
        try:
            return asked.get(timeout=self.left)
        except (kazoo_errors.KazooException, self._client.handler.timeout_exception):
            return None


def _lasting(asking: _Asking, root: str) -> Iterator[str]:
    """The candidates that are no ephemeral znodes."""
    client = asking._client
    names = [name for name in asking.answer(client.get_children_async(root)) or () if DIGITS.search(name)]
    paths = [f"{root}/{name}" for name in sorted(names, key=lambda name: name[-10:])[:MOST]]
    answers = [client.exists_async(path) for path in paths]
    for path, asked in zip(paths, answers):
        stat = asking.answer(asked)
        if stat is not None and untrusted.lasting(stat.ephemeralOwner):
            yield path


def wider_than(acl: Any, settings: Any) -> List[str]:
    """The entries of an ACL that let somebody do more than the settings' `acl` says, as zkCli.sh writes them."""
    anybody = Permissions.READ if settings.acl == "creator+read" else 0
    own = _own_digest(settings)
    wider = []
    for entry in acl:
        scheme, identity = entry.id.scheme, entry.id.id
        more = entry.perms & ~anybody
        if scheme in _ANYBODY and more or own is not None and scheme == "digest" and identity != own and more:
            wider.append(f"{scheme}:{identity}:{_letters(entry.perms)}")
    return wider


def _own_digest(settings: Any) -> Optional[str]:
    """This node's identity in ACLs, where that is its digest alone."""
    if settings.digest is None or settings.tls_cert or settings.sasl_mechanism:
        return None
    user, _, password = settings.digest.reveal().partition(":")
    return make_digest_acl_credential(user, password)


_LETTERS: Tuple[Tuple[str, int], ...] = (
    ("c", Permissions.CREATE), ("d", Permissions.DELETE), ("r", Permissions.READ), ("w", Permissions.WRITE),
    ("a", Permissions.ADMIN),
)


def _letters(permissions: int) -> str:
    return "".join(letter for letter, bit in _LETTERS if permissions & bit)
