"""Following who is primary from outside: ack and holder are read together, watched, and looked at again now and then.

A `Follower` has one thread, `zkelect-discovery`. kazoo's threads only wake it, so nothing that anybody does with what it tells
can hold them up.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Optional

from kazoo.protocol.states import KazooState

from supervisor_zkelect.core import places, sighting
from supervisor_zkelect.core.sighting import Known, Znode
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments, connect, kazoo_internals
from supervisor_zkelect.zookeeper.errors import AccessDenied, ElectionError, ZooKeeperFailed, in_short
from supervisor_zkelect.zookeeper.requests import MISSING, ROUNDS, Requests, data_of

log = logging.getLogger(__name__)

#: The parts of a session's timeout that lie between two looks. kazoo sends a ping as often where it has nothing else to send.
LOOKS = 3

#: Seconds that ZooKeeper has to answer a look.
_ANSWER_TIME = 5.0

#: Seconds that closing a session may take before the connection is cut; twice of them and it is not waited for any more.
_CLOSE_TIME = 1.0

#: Seconds after which a client is made anew whose connection has ended for good, or that could not be started.
_REST = 5.0


class Sight:
    """Ack and holder of one election, as a client reads them.

    client: a started one. where: the election's znodes, as the client names them. timeout: seconds that one look may take.
    """

    def __init__(self, client: Any, where: arguments.Places, timeout: float) -> None:
        self._zk, self._client = Requests(client, timeout, None), client
        self._ack, self._holder = where.ack, places.holder_of(where.state)
        self._election = arguments.chroot(client) + where.election

    def look(self, watch: Optional[Callable[[Any], None]] = None, sync: bool = False) -> Optional[Known]:
        """Who is primary; None where there is no ack, so that nobody is or was.

        watch: called by the client when the ack changes; the same one at each look, as kazoo keeps them. sync: have the server
        catch up with the others first. Raises ElectionError.
        """
        limit, before = self._zk.limit(), None
        synced = self._client.sync_async(self._ack) if sync else None
        for _ in range(ROUNDS):
            # Both at once: the answers come in this order, and each is at least as new as the one before it.
            asked = self._client.get_async(self._ack, watch=watch), self._client.get_async(self._holder)
            if synced is not None:
                self._zk.answer("sync the ack", limit, synced)
                synced = None
            ack = _znode(self._zk.answer("read the ack", limit, asked[0], ok=MISSING))
            if ack is None:
                doing = "look at the ack"
                if watch is None or self._zk.ask(doing, limit, self._client.exists_async, self._ack, watch=watch) is None:
                    return None
                continue
            known = sighting.told(ack, self._noted(asked[1], limit), self._election, before)
            if known is not None:
                return known
            before = ack.changed
        raise ZooKeeperFailed(f"{self._ack} changed at every look; ask again")

    def _noted(self, answer: Any, limit: float) -> Optional[Znode]:
        """The holder; None also where this client may not read it, as whoever needs the address alone may read the ack alone."""
        try:
            return _znode(self._zk.answer("read the holder", limit, answer, ok=MISSING))
        except AccessDenied:
            return None


def _znode(found: Any) -> Optional[Znode]:
    return None if found is None else Znode(data_of(found), found[1].mzxid)


def _hang_up(client: Any) -> None:
    """Close the session, unless the server does not answer: it has nothing that anybody waits for, and expires then."""
    cut = threading.Timer(_CLOSE_TIME, kazoo_internals.shut_down_connection, [client])
    cut.daemon = True
    try:
        cut.start()
    except RuntimeError:
        # Without a thread nobody would cut it later.
        kazoo_internals.shut_down_connection(client)
    try:
        connect.stop_in_time(client, 2 * _CLOSE_TIME)
    except Exception as error:
        log.warning("a session could not be closed, and expires: %s", error)
    finally:
        cut.cancel()


class Follower:
    """Follows who is primary, from its making until `close`.

    make: makes a client that is not started. where: the election's znodes. pace: seconds between two looks where nothing changes.
    heard: called on the follower's thread after each look, and each loss of the connection, and where it is closed; it must not
    block.

    What it knows is read and written under `news`, which is notified with each of those.
    """

    def __init__(
        self, make: Callable[[], Any], where: arguments.Places, pace: float, heard: Callable[[], None] = lambda: None
    ) -> None:
        self._make, self._where, self._pace, self._heard = make, where, pace, heard
        self._wake, self._ending = threading.Event(), False
        #: the one that is to be closed, by the follower's thread or by who closes this
        self._client: Any = None
        #: how often there was a connection, and for which of them the server has caught up
        self._connections = self._synced = 0
        self.news = threading.Condition()
        self.known: Optional[Known] = None
        #: when the newest look that was answered was sent
        self.confirmed: Optional[float] = None
        #: why nothing newer is known; "" while ZooKeeper answers
        self.trouble = "ZooKeeper has not answered yet"
        #: why nobody is primary, where nobody is
        self.vacancy = ""
        self.closed = False
        self._thread = threading.Thread(target=self._run, name="zkelect-discovery", daemon=True)
        self._thread.start()

    @property
    def age(self) -> Optional[float]:
        """Seconds since ZooKeeper was asked for what is known; None while nothing is."""
        confirmed = self.confirmed
        return None if confirmed is None else now() - confirmed

    def look(self) -> None:
        """Have ZooKeeper asked now, where it answers, and not only when the next look is due."""
        if not self.trouble:
            self._wake.set()

    def close(self) -> None:
        """End the session and the thread. Takes a second where ZooKeeper does not answer, two where a resolver does
        not. A second call does nothing."""
        with self.news:
            self.closed = True
            self.news.notify_all()
        self._ending = True
        self._wake.set()
        self._heard()
        if threading.current_thread() is not self._thread:
            # The thread may wait for an answer, which ends with the connection.
            self._hang_up()
            self._thread.join()

    def _hang_up(self) -> None:
        with self.news:
            client, self._client = self._client, None
        if client is not None:
            _hang_up(client)

    # On the follower's thread

    def _run(self) -> None:
        try:
            while not self._ending:
                client = self._open()
                if client is not None:
                    try:
                        self._follow(client)
                    finally:
                        self._hang_up()
                self._wake.clear()
                if not self._ending:
                    # It is refused, or there is no thread for it, and somebody may set that right.
                    self._wake.wait(_REST)
        except Exception:
            log.exception("discovery has ended")
            with self.news:
                self.trouble = "an unexpected error, which stands in the log"
        finally:
            with self.news:
                self.closed = True
                self.news.notify_all()
            self._heard()

    def _open(self) -> Any:
        """A client that begins to connect; None where no thread for it is to be had."""
        client = self._make()
        client.add_listener(self._state)
        try:
            client.start_async()
        except RuntimeError as error:
            kazoo_internals.undo_start(client)
            self._tell(None, 0.0, f"no thread to be had: {error}")
            return None
        # Not before: who closes this would stop one that begins thereafter.
        self._client = client
        return client

    def _follow(self, client: Any) -> None:
        """Look again and again, until this is closed or the client has ended."""
        sight = Sight(client, self._where, _ANSWER_TIME)
        while True:
            # Before it is asked whether this is closed, which wakes once.
            self._wake.clear()
            if self._ending or kazoo_internals.has_ended(client):
                return
            self._look(client, sight)
            self._wake.wait(self._pace)

    def _look(self, client: Any, sight: Sight) -> None:
        if not client.connected:
            # What is asked now would be answered at some time.
            self._tell(None, 0.0, "there is no connection to ZooKeeper")
            return
        sent, connection = now(), self._connections
        try:
            known = sight.look(self._changed, connection != self._synced)
        except ElectionError as error:
            self._tell(None, sent, in_short(error))
        else:
            self._synced = connection
            self.vacancy = f"{self._where.ack} does not exist" if known is None else "nobody is primary"
            self._tell(known or Known(""), sent, "")

    def _tell(self, known: Optional[Known], sent: float, trouble: str) -> None:
        with self.news:
            self.trouble = trouble
            if known is not None:
                self.known, self.confirmed = known, sent
            self.news.notify_all()
        self._heard()

    # On kazoo's threads

    def _changed(self, event: Any) -> None:
        self._wake.set()

    def _state(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            self._connections += 1
        self._wake.set()
