"""Give up the session of a listener that is gone: the program that a guard runs when every group is proven dead.

    python -m supervisor_zkelect.release RUNTIME_FOLDER CONFIGURATION_FILE ENDED

It inherits the session's lock, attaches to the saved session, empties the ack, removes the holder and deletes the
proposal of every election that it leads, notes the end in the history of terms, and closes the session. ENDED is JSON,
as `guard.Hands.release` has it. Ends with 0 when the session is given up, or surely
over; with 1 when ZooKeeper could not be asked and the session may live.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from supervisor_zkelect import history, logs, saved, wire
from supervisor_zkelect.clock import now
from supervisor_zkelect.elector import ElectionError, Elector

log = logging.getLogger(__name__)

CONNECT_TIME = 5.0
"""Seconds for one attempt to reach ZooKeeper."""


class Attached:
    """A client that is attached to the saved session, or finds that it is over. Raises ElectionError.

    Without credentials the client is one that begins fast; with them it is kazoo's, by the configuration, which may be
    read only by this node's user, unlike what is saved.
    """

    def __init__(self, former: saved.Saved, configuration: str) -> None:
        identity = former.id, bytes.fromhex(former.password)
        self.acl = None
        if former.servers:
            self.client: Any = wire.Client(former.servers, identity, former.timeout)
            self.client.start(CONNECT_TIME)
            return
        from supervisor_zkelect import config, session

        try:
            settings = config.load(configuration)
        except config.ConfigError as error:
            raise ElectionError(str(error)) from None
        self.acl = session.acl_of(settings.acl)
        self.client = session.client_for(settings, identity, former.timeout)
        try:
            session.start_client(self.client, CONNECT_TIME)
        except BaseException:
            session.stop_client(self.client)
            raise

    def close(self) -> None:
        """Close the session."""
        if isinstance(self.client, wire.Client):
            self.client.close(CONNECT_TIME)
        else:
            from supervisor_zkelect import session

            session.stop_client(self.client)


def release(
    folder: str, ended: Dict[str, Dict[str, Any]], attach: Callable[[saved.Saved], Any]
) -> None:
    """ended: as `guard.Hands.release` has it. attach: as `Attached`. Raises ElectionError when ZooKeeper cannot be asked."""
    former = saved.load(folder)
    if former is None:
        log.info("no session is saved, so none is released")
        return
    attached = attach(former)
    try:
        client = attached.client
        if client.client_id[0] == former.id:
            left = [one for one in (_leave(client, one, attached.acl) for one in former.elections) if one is not None]
            # When the next node is at work already.
            for elector, election, released in left:
                _note(elector, former.node, ended.get(election.group, {}), released)
        else:
            log.info("the session is over already")
    finally:
        attached.close()
    saved.Store(folder).forget()


def _leave(client: Any, election: saved.Election, acl: Any) -> Optional[Tuple[Elector, saved.Election, float]]:
    try:
        elector = leave(client, election, acl, CONNECT_TIME)
    except ElectionError as error:
        # The end of the session gives up the proposal; the holder stays, and tells of a dirty end.
        log.warning("%s: %s", election.name, error)
        return None
    if elector is None:
        return None
    log.info("%s: released", election.name)
    return elector, election, now()


def leave(client: Any, election: saved.Election, acl: Any, timeout: float) -> Optional[Elector]:
    """Release the proposal that the client's session owns in an election; None when there was none.

    Raises ElectionError.
    """
    elector = Elector(client, election.znode, election.stem, election.ack, separator="", acl=acl, timeout=timeout)
    if elector.adopt_proposal() is None:
        return None
    elector.try_be_leader()
    elector.release()
    return elector


def _note(elector: Elector, node: str, ended: Dict[str, Any], released: float) -> None:
    """Note the end of a term in the history; released: seconds of CLOCK_BOOTTIME."""
    if not ended:
        return
    moments = {name: ended[name] for name in ("noticed", "dead", "why") if ended.get(name)}
    term = {
        "v": 1, "token": ended["token"], "node": node,
        "ended": history.dated({**moments, "released": released}, time.time() - now()),
    }
    try:
        elector.amend_history(lambda data: history.amended(data, term))
    except ElectionError as error:
        log.warning("the history of terms could not be written: %s", error)


def main(words: List[str]) -> int:
    folder, path, ended = words
    begun = now()
    logs.begin("release")
    # kazoo tells each attempt; why the last one failed is told once, by what start_client raises.
    kazoo = logging.getLogger("supervisor_zkelect.kazoo")
    kazoo.addHandler(logging.NullHandler())
    kazoo.propagate = False
    try:
        release(folder, json.loads(ended), lambda former: Attached(former, path))
    except (ElectionError, OSError) as error:
        log.warning("%s", str(error).replace("\n", "; "))
        return 1
    log.info("done after %.3f s", now() - begun)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
