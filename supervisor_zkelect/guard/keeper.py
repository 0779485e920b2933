"""Keep the node's session and leases alive while there is no listener, and give them up: the guard's client of ZooKeeper.

    python -m supervisor_zkelect.guard.keeper RUNTIME_FOLDER CONFIGURATION_FILE yes|no OWNER

A process of its own that the guard starts beforehand, so that at the moment when it is needed nothing has to be started,
imported or found. It does nothing until the guard tells it to, on a socket that is its standard input (`keeper_protocol.py`).

Attaching to a session takes it from whoever is attached: a server refuses what a client writes whose session has moved. So
the keeper attaches only while there is no listener ("attach"), goes on for a listener that has come until that has attached
itself, and leaves the session alone as soon as something it asks is refused for that reason. It needs no lock for this: what
it proves about the session and the proposals is true whoever else asks, and all it may change is that a second proposal of
the session in one election goes, as it does whoever of the session looks for its own.

The third word tells whether the session needs credentials, whose client takes longer to import; the last one whose session may
be kept and released, a `record.Owner` in JSON.
"""

from __future__ import annotations

import json
import logging
import select
import signal
import socket
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional

if __name__ == "__main__":
    # kazoo has hashlib imported for digests that nothing here makes, and that OpenSSL: 3.5 of 19 MiB of this process. Without
    # it hashlib does by itself.
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]

from kazoo import exceptions as kazoo_errors

from supervisor_zkelect.core import lease
from supervisor_zkelect.elector import ElectionError
from supervisor_zkelect.guard import keeper_protocol, record, release, saved_session
from supervisor_zkelect.guard.codec import handlers
from supervisor_zkelect.system import logs
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper.attached import keep_thread

log = logging.getLogger(__name__)

ATTACH_FIRST, ATTACH_MOST = 0.05, 1.0
"""Seconds between two tries to attach to the session: the first, and what they grow to."""

NEVER = float("inf")

#: What is raised where there is no thread to be had for a client that needs some is a RuntimeError.
_UNREACHED = (ElectionError, OSError, RuntimeError)

Tell = Callable[[Any], None]


class _Term(NamedTuple):
    """A term whose lease is renewed: its group, token, and the full path of its proposal."""

    group: str
    token: int
    path: str


class Keeper:
    """Renews leases and releases, when it is told to. One thread calls all methods.

    folder: the runtime folder. owner: the supervisord whose session it may be, None for any. attach: makes a client of a
    `saved_session.Saved`, and of whether it may have to leave the session (`release.Attached`). tell: takes the answers for the
    guard.
    """

    def __init__(
        self, folder: str, owner: Optional[record.Owner], attach: Callable[[saved_session.Saved, bool], Any], tell: Tell
    ) -> None:
        self._folder, self._owner = folder, owner
        self._attach = attach
        self._tell = tell
        self._wanted: Dict[str, int] = {}
        self._may_attach = False
        self._attached: Any = None
        #: by which the deadlines are counted
        self.clock = lease.SessionClock(0.0, 0.0, -NEVER)
        self._session = 0
        self._terms: List[_Term] = []
        self._due = NEVER
        self._delay, self._trouble = 0.0, ""

    def keep(self, terms: Dict[str, int], attach: bool) -> None:
        """Renew the leases of these terms from now on; see the module's text."""
        # What was attached before a listener came may have been taken by that since.
        again = attach and not self._may_attach
        self._wanted, self._may_attach = terms, attach
        if not terms:
            self._leave()
        elif attach and (again or self._attached is None):
            self._drop()
            self._due = now()

    def next_wakeup(self) -> float:
        return self._due

    def keep_time(self) -> None:
        """Do what is due. Takes as long as ZooKeeper does to answer: CONNECT_TIME of `release` at most to attach, and a
        fraction of the session's timeout for each question."""
        if now() < self._due:
            return
        try:
            if self._attached is None:
                self._begin()
            if self._attached is not None:
                self._beat()
        except kazoo_errors.SessionMovedError:
            log.info("another client has taken the session")
            self._leave()
        except kazoo_errors.SessionExpiredError:
            self._over()
        except (*_UNREACHED, kazoo_errors.KazooException) as error:
            self._lost(error)

    def release(self, ended: Dict[str, Dict[str, Any]]) -> int:
        """Give up the session, as `release.release`. Returns the exit status of a release."""
        begun, attached, former = now(), self._attached, saved_session.load(self._folder, self._owner)
        self._attached, self._wanted, self._due = None, {}, NEVER
        if attached is not None and former is not None and attached.client.client_id[0] != former.id:
            attached.drop()
            attached = None
        if attached is not None:
            try:
                release.release(self._folder, self._owner, ended, lambda former: attached)
                log.info("released after %.3f s", now() - begun)
                return 0
            except _UNREACHED:
                # Its connection may be lost, and another may not be.
                attached.drop()
        try:
            release.release(self._folder, self._owner, ended, lambda former: self._attach(former, False))
        except _UNREACHED as error:
            log.warning("%s", str(error).replace("\n", "; "))
            return 1
        log.info("released after %.3f s", now() - begun)
        return 0

    # The session

    def _begin(self) -> None:
        """Attach to the saved session, and find the proposals in it. Raises ElectionError or OSError."""
        former = saved_session.load(self._folder, self._owner) if self._may_attach else None
        if former is None:
            # The file may be made anew.
            self._due = now() + ATTACH_MOST if self._may_attach else NEVER
            return
        self._due = NEVER
        sent = now()
        attached = self._attached = self._attach(former, True)
        if attached.client.client_id[0] != former.id:
            self._over()
            return
        if (self._session, self.clock.timeout) == (former.id, attached.granted):
            # The listener may have been told another tick meanwhile.
            self.clock = self.clock.reconnected(sent)._replace(tick=former.tick)
        else:
            self._session, self.clock = former.id, lease.SessionClock(attached.granted, former.tick, sent)
        if attached.granted < former.timeout:
            self._tell(keeper_protocol.KeptSessionCut(lease.lasts_until(sent, attached.granted)))
        self._terms = []
        for one in former.elections:
            if one.group in self._wanted:
                elector = release.elector_of(attached.client, one, attached.acl, self._patience())
                try:
                    elector.adopt_proposal()
                finally:
                    # Whoever leaves the election by this client has the proposal then.
                    elector.close()
                if elector.token == self._wanted[one.group]:
                    self._terms.append(_Term(one.group, elector.token, str(elector.proposal_path)))
                else:
                    self._tell(keeper_protocol.TermGone(one.group, self._wanted[one.group]))

    def _patience(self) -> float:
        """Seconds that an answer is waited for before the connection is given up."""
        return lease.drop_after(self.clock.timeout)

    def _beat(self) -> None:
        """Ask the quorum to check the proposals. Raises the errors of the client."""
        terms = [one for one in self._terms if self._wanted.get(one.group) == one.token]
        if not terms:
            self._leave()
            return
        client, sent = self._attached.client, now()
        self._due = sent + lease.heartbeat_interval(self.clock.timeout)
        looks = [client.exists_async(one.path) for one in terms]
        transaction = client.transaction()
        for one in terms:
            transaction.check(one.path, -1)
        results = transaction.commit_async().get(self._patience())
        seen = [look.get(self._patience()) for look in looks]
        self.clock = self.clock.answered(sent, now())
        if client.client_id[0] != self._session:
            # The client has begun a session of its own meanwhile.
            self._over()
            return
        gone = [
            one for one, result, stat in zip(terms, results, seen)
            if isinstance(result, kazoo_errors.NoNodeError) or stat is None or stat.czxid != one.token
        ]
        failed = [result for result in results if isinstance(result, Exception)]
        for one in gone:
            self._tell(keeper_protocol.TermGone(one.group, one.token))
        self._terms = [one for one in terms if one not in gone]
        if gone:
            # One that is missing fails the check of all others.
            self._due = sent
        elif failed:
            raise failed[0]
        else:
            self._delay, self._trouble = 0.0, ""
            deadline = self.clock.deadline(sent)
            for one in terms:
                self._tell(keeper_protocol.TermKept(one.group, one.token, deadline))

    def _lost(self, error: Exception) -> None:
        trouble = str(error).replace("\n", "; ") or type(error).__name__
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("cannot keep the session for now: %s", trouble)
        self._drop()
        self._delay = min(ATTACH_MOST, 2 * self._delay or ATTACH_FIRST)
        self._due = now() + self._delay if self._may_attach else NEVER

    def _over(self) -> None:
        log.warning("the session is over")
        self._tell(keeper_protocol.KeptSessionOver())
        self._leave()

    def _leave(self) -> None:
        """Leave the session alone; it lives on."""
        self._drop()
        self._due = NEVER
        self._terms = []

    def _drop(self) -> None:
        if self._attached is not None:
            self._attached.drop()
            self._attached = None


class _Process:
    """The process of a keeper. It ends with the connection to its guard."""

    def __init__(self, folder: str, configuration: str, owner: Optional[record.Owner], link: socket.socket) -> None:
        self._link = link
        self._received = b""
        self._locks: List[int] = []
        self._keeper = Keeper(
            folder, owner, lambda former, keeping: release.Attached(former, folder, configuration, keeping), self.tell
        )
        self._handlers = handlers(keeper_protocol.TO_KEEPER.kinds, {
            keeper_protocol.KeepTerms: self._keep, keeper_protocol.ReleaseSession: self._release,
        })

    def run(self) -> None:
        while True:
            wait = self._keeper.next_wakeup() - now()
            # epoll's and select's clock stands still in a suspend, in which leases go on.
            if select.select([self._link], [], [], min(max(wait, 0.0), 1.0))[0] and not self._take():
                return
            self._keeper.keep_time()

    def _take(self) -> bool:
        """Take what the guard says; False when there is none any more."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._link, 65536, 1)
        except OSError:
            return False
        self._locks += descriptors
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = keeper_protocol.TO_KEEPER.decode(json.loads(line))
            self._handlers[type(message)](message)
        return bool(data)

    def _keep(self, message: keeper_protocol.KeepTerms) -> None:
        self._keeper.keep(message.terms, message.attach)

    def _release(self, message: keeper_protocol.ReleaseSession) -> None:
        status = self._keeper.release(message.ended)
        # What holds it is the session's lock, which nobody is to have before the release is over.
        for lock in self._locks:
            socket.close(lock)
        self._locks = []
        self.tell(keeper_protocol.SessionReleased(status))

    def tell(self, message: Any) -> None:
        try:
            self._link.sendall(keeper_protocol.ANSWERS.encode(message))
        except OSError:
            # The guard is gone, which the next look at the connection tells.
            return


def main(words: List[str]) -> int:
    # A guard of an earlier version does not tell the owner.
    folder, configuration, credentials, *owner = words
    handler = logs.begin("keeper")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # It ends with the guard, which is needed for as long as it says.
        signal.signal(number, signal.SIG_IGN)
    # kazoo tells each attempt; why the last one failed is told once.
    kazoo = logging.getLogger("supervisor_zkelect.kazoo")
    kazoo.addHandler(logging.NullHandler())
    kazoo.propagate = False
    # What the first look-up of a name imports, and where it is made.
    "".encode("idna")
    keep_thread()
    if credentials == "yes":
        from supervisor_zkelect.config import load  # noqa: F401
        from supervisor_zkelect.zookeeper import connect  # noqa: F401
    whose = record.Owner(*json.loads(owner[0])) if owner else None
    process = _Process(folder, configuration, whose, socket.socket(fileno=0))
    handler.otherwise = lambda line: process.tell(keeper_protocol.KeeperSaid(line))
    process.run()
    return 0


if __name__ == "__main__":
    logs.end(main(sys.argv[1:]))
