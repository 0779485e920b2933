"""Give up the session of a listener that is gone: the program that a guard runs when every group is proven dead.

    python -m supervisor_zkelect.release RUNTIME_FOLDER CONFIGURATION_FILE

It inherits the session's lock, attaches to the saved session, empties the ack, removes the holder and deletes the
proposal of every election that it leads, and closes the session. Ends with 0 when the session is given up, or surely
over; with 1 when ZooKeeper could not be asked and the session may live.
"""

from __future__ import annotations

import logging
import sys
from typing import List

from supervisor_zkelect import config, logs, saved, session
from supervisor_zkelect.clock import now
from supervisor_zkelect.elector import ElectionError, Elector

log = logging.getLogger(__name__)

CONNECT_TIME = 5.0
"""Seconds for one attempt to reach ZooKeeper."""


def release(folder: str, settings: config.Settings) -> None:
    """Raises ElectionError when ZooKeeper cannot be asked."""
    former = saved.load(folder)
    if former is None:
        log.info("no session is saved, so none is released")
        return
    client = session.client_for(settings, (former.id, bytes.fromhex(former.password)), former.timeout)
    try:
        session.start_client(client, CONNECT_TIME)
        if client.client_id[0] == former.id:
            for election in former.elections:
                _leave(client, settings, election)
        else:
            log.info("the session is over already")
    finally:
        session.stop_client(client)
    saved.Store(folder).forget()


def _leave(client, settings: config.Settings, election: saved.Election) -> None:
    try:
        if leave(client, election, session.acl_of(settings.acl), CONNECT_TIME):
            log.info("%s: released", election.name)
    except ElectionError as error:
        # The end of the session gives up the proposal; the holder stays, and tells of a dirty end.
        log.warning("%s: %s", election.name, error)


def leave(client, election: saved.Election, acl, timeout: float) -> bool:
    """Release the proposal that the client's session owns in an election. Whether there was one. Raises ElectionError."""
    elector = Elector(client, election.znode, election.stem, election.ack, separator="", acl=acl, timeout=timeout)
    if elector.adopt_proposal() is None:
        return False
    elector.try_be_leader()
    elector.release()
    return True


def main(words: List[str]) -> int:
    folder, path = words
    begun = now()
    logs.begin("release")
    # kazoo tells each attempt; why the last one failed is told once, by what start_client raises.
    kazoo = logging.getLogger("supervisor_zkelect.kazoo")
    kazoo.addHandler(logging.NullHandler())
    kazoo.propagate = False
    try:
        release(folder, config.load(path))
    except (config.ConfigError, ElectionError, OSError) as error:
        log.warning("%s", str(error).replace("\n", "; "))
        return 1
    log.info("done after %.3f s", now() - begun)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
