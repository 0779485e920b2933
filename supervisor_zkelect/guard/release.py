"""Give up the session of a listener that is gone: what the keeper does when all groups are proven dead (`keeper.py`).

It attaches to the saved session, empties the ack, removes the holder and deletes the proposal of every election that it
leads, notes the end in the history of terms, and closes the session.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Dict, NamedTuple, Optional

from supervisor_zkelect.core import history
from supervisor_zkelect.elector import ElectionError, Elector
from supervisor_zkelect.guard import record, saved_session
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper.attached import AttachedClient

log = logging.getLogger(__name__)

CONNECT_TIME = 5.0
"""Seconds for one attempt to reach ZooKeeper."""

LEAVE_TIME = 15.0
"""Seconds for all elections; those that are not left by then the session's end gives up."""

NOTE_TIME = 1.0
"""Seconds for what nobody waits for: the history of terms."""


class Attached:
    """A client that is attached to the saved session, or finds that it is over. Raises ElectionError and OSError.

    What credentials are needed stands in the configuration that was kept in the folder, as the session belongs to that,
    whatever became of the file since; without a copy it is the file's. For SASL the client is kazoo's, which can end a
    session, and cannot leave it.
    """

    def __init__(self, former: saved_session.Saved, folder: str, configuration: str, keeping: bool = False) -> None:
        """keeping: whether the session may have to be left, which is refused with SASL."""
        identity = former.id, bytes.fromhex(former.password)
        self.acl = None
        #: the session's timeout as granted to this connection, in seconds
        self.granted = former.timeout
        if former.servers:
            self.client: Any = AttachedClient(former.servers, identity, former.timeout)
            self._start()
            return
        from supervisor_zkelect.config import load
        from supervisor_zkelect.config.problems import ConfigError
        from supervisor_zkelect.guard import kept_config
        from supervisor_zkelect.zookeeper import connect

        try:
            settings = kept_config.load(folder)
        except kept_config.NoCopy as problem:
            try:
                settings = load.from_file(configuration)
            except ConfigError as error:
                raise ElectionError(f"{problem}; {error}") from None
        self.acl = connect.acl_of(settings.acl)
        if settings.sasl_mechanism is None:
            digest = settings.digest.reveal() if settings.digest else None
            servers = ",".join(settings.servers)
            self.client = AttachedClient(
                servers, identity, former.timeout, digest, connect.tls_context(settings), settings.reply_max
            )
            self._start()
            return
        if keeping:
            raise ElectionError("with SASL a session is not kept while there is no listener; its leases end as they stand")
        self.client = connect.open_client(settings, CONNECT_TIME, identity, former.timeout)

    def _start(self) -> None:
        self.client.start(CONNECT_TIME)
        self.granted = min(self.granted, self.client.granted or self.granted)

    def close(self) -> None:
        """Close the session. Raises ElectionError when it may live."""
        if isinstance(self.client, AttachedClient):
            self.client.close(CONNECT_TIME)
        else:
            from supervisor_zkelect.zookeeper import connect

            connect.stop_client(self.client)

    def drop(self) -> None:
        """Leave a session, which lives on, or is over."""
        if isinstance(self.client, AttachedClient):
            self.client.drop()
        else:
            self.close()


def release(
    folder: str, owner: Optional[record.Owner], ended: Dict[str, Dict[str, Any]], attach: Callable[[saved_session.Saved], Any]
) -> None:
    """owner: the supervisord whose session it may be, None for any. ended: as `GuardEffects.release` has it. attach: as
    `Attached`. Raises ElectionError when ZooKeeper cannot be asked, and OSError where the session cannot be read just now."""
    former = saved_session.load_surely(folder, owner)
    if former is None:
        log.info("no saved session to release")
        return
    attached = attach(former)
    if attached.client.client_id[0] != former.id:
        log.info("the session is already over")
        attached.drop()
    else:
        by = now() + LEAVE_TIME
        tried = [_leave(attached.client, one, attached.acl, by) for one in former.elections]
        noted = [left for left in tried if left is not None]
        if len(noted) == len(tried):
            # A request to end the session may arrive late, and nobody is to go on in it then.
            saved_session.Store(folder).forget()
            # When the next nodes are at work already. Where one was not released, only the session's end does that.
            by = now() + NOTE_TIME
            for election, left in zip(former.elections, noted):
                _note(left, former.node, ended.get(election.group, {}), by)
        attached.close()
    saved_session.Store(folder).forget()


class Left(NamedTuple):
    """An election that was left: token of the proposal, None when there was none; released: seconds since the epoch."""

    elector: Elector
    token: Optional[int]
    released: float


def _leave(client: Any, election: saved_session.SavedElection, acl: Any, by: float) -> Optional[Left]:
    """by: seconds of CLOCK_BOOTTIME. None when it could not be left: the session's end gives up the proposal then, and a holder
    tells of a dirty end."""
    try:
        left = leave(client, election, acl, max(0.1, min(CONNECT_TIME, by - now())))
    except ElectionError as error:
        log.warning("%s: %s", election.name, error)
        return None
    except Exception:
        # One election must not cost the others their release.
        log.exception("%s: a defect", election.name)
        return None
    if left.token is not None:
        log.info("%s: released", election.name)
    return left


def elector_of(client: Any, election: saved_session.SavedElection, acl: Any, timeout: float) -> Elector:
    """An elector for an election of the session that the client is attached to. timeout: seconds for each call."""
    return Elector(client, election.znode, election.stem, election.ack, separator="", acl=acl, timeout=timeout,
                   election_state=election.state or None)


def leave(client: Any, election: saved_session.SavedElection, acl: Any, timeout: float) -> Left:
    """Release the proposal that the client's session owns in an election. Raises ElectionError."""
    elector = elector_of(client, election, acl, timeout)
    try:
        if elector.adopt_proposal() is None:
            return Left(elector, None, 0.0)
        token = elector.token
        elector.release()
    except BaseException:
        # It is tried again by another one.
        elector.close()
        raise
    return Left(elector, token, time.time())


def _note(left: Left, node: str, ended: Dict[str, Any], by: float) -> None:
    """Note the end of the term in the history. by: seconds of CLOCK_BOOTTIME."""
    if left.token is None or ended.get("token") != left.token or now() >= by:
        return
    moments = {name: ended[name] for name in ("noticed", "dead", "why") if ended.get(name)}
    term = {"v": 1, "token": left.token, "node": node, "ended": {**moments, "released": left.released}}
    try:
        left.elector.amend_history(lambda data: history.amended(data, [term]), by - now())
    except ElectionError as error:
        log.warning("cannot write the history of terms: %s", error)
