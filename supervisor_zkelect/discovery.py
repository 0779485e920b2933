"""Who is primary, for the clients of a service: followed by one session with ZooKeeper, for threads and for asyncio.

    from supervisor_zkelect.discovery import Primary

    with Primary("zk1:2181,zk2:2181", "orders") as primary:
        known = primary.wait(10)                      # until somebody is primary
        print(known.address, known.token)             # '10.0.0.5:8080', and the fencing token of its term

docs/discovery.md says more, and what a client should do with the token. How ack and holder are read so that they belong together
is in `core/sighting.py`, how they are followed in `zookeeper/discovery.py`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from typing import AsyncIterator, Callable, Iterator, Optional, Sequence, Set, Union

from supervisor_zkelect.core.sighting import Known
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments, connect
from supervisor_zkelect.zookeeper import tls as tls_options
from supervisor_zkelect.zookeeper.discovery import LOOKS, Follower
from supervisor_zkelect.zookeeper.errors import BadArgument, NotConnected, TimedOut

__all__ = ["AsyncPrimary", "Known", "Primary"]

log = logging.getLogger(__name__)

#: Seconds for which `close` waits for a callback that runs.
_CALLBACK_TIME = 10.0

_CLOSED = "this discovery is closed; make another one"


class _Followed:
    """What both faces are made with, and tell at once.

    changed: called with a `Known` for the first one and for each change, also where nobody is primary any more, one call at a
    time: what changes during a call comes as one change, the latest. What it raises goes to the log.
    servers: "host:port,host:port", with the chroot behind them if there is one, or a list. election: its name.
    root: where elections stand; election_znode, election_ack, election_state: paths, where they do not stand there.
    session_timeout: seconds; ZooKeeper is asked three times in it where nothing changes, in the place of a ping.
    digest: "user:password" of ZooKeeper's digest scheme.
    tls: encrypt the connection, by the authorities of the system; tls_ca: by those in this PEM file. tls_cert, tls_key: PEM files
    of this client, tls_key by default in the former; tls_key_password: of that key.

    Raises BadArgument, also for files that cannot be used. ZooKeeper need not be there yet.
    """

    def __init__(
        self, servers: Union[str, Sequence[str]], election: str, changed: Optional[Callable[[Known], object]] = None, *,
        root: str = "/zkelect", election_znode: Optional[str] = None, election_ack: Optional[str] = None,
        election_state: Optional[str] = None, session_timeout: float = 10.0, digest: Optional[str] = None, tls: bool = False,
        tls_ca: Optional[str] = None, tls_cert: Optional[str] = None, tls_key: Optional[str] = None,
        tls_key_password: Optional[str] = None,
    ) -> None:
        if changed is not None:
            arguments.function("changed", changed)
        hosts, chroot = arguments.servers(servers)
        place = f"{arguments.text('root', root).rstrip('/')}/{arguments.text('election', election)}"
        if not election or "/" in election:
            raise BadArgument(f"election is {arguments.shown(election)}; give its name, such as orders")
        given = election_znode or f"{place}/election", election_ack or f"{place}/ack"
        where = arguments.places_of(chroot, given[0], "n", given[1], "-", election_state)
        self._where = where._replace(election=chroot + where.election, ack=chroot + where.ack, state=chroot + where.state)
        self._election, self._changed = election, changed
        timeout, identity = arguments.seconds("session_timeout", session_timeout), arguments.digest(digest)
        options = tls_options.options(tls, tls_ca, tls_cert, tls_key, tls_key_password)
        self._make = lambda: connect.make_client(hosts, timeout, identity, **options)
        self._pace = timeout / LOOKS
        self._follower: Optional[Follower] = None
        self._begin()

    def _begin(self) -> None:
        """Called at the end of the making."""

    @property
    def _following(self) -> Follower:
        if self._follower is None:
            raise NotConnected("following has not begun; use `async with`")
        return self._follower

    @property
    def known(self) -> Optional[Known]:
        """Address, token and node, which belong together; None until ZooKeeper has answered for the first time."""
        return self._following.known

    @property
    def address(self) -> Optional[str]:
        """The primary's address, "" where nobody is primary, None until ZooKeeper has answered for the first time."""
        known = self.known
        return None if known is None else known.address

    @property
    def token(self) -> Optional[int]:
        """The fencing token of the term whose address that is; None where there is none."""
        known = self.known
        return None if known is None else known.token

    @property
    def age(self) -> Optional[float]:
        """Seconds since ZooKeeper was asked for what is known; None while nothing is. While ZooKeeper answers it stays below a
        third of the session's timeout; while it does not, it grows, and what is known may be over."""
        return self._following.age

    @property
    def trouble(self) -> str:
        """Why nothing newer is known, in one line; "" while ZooKeeper answers."""
        return self._following.trouble

    def _asked_since(self, max_age: Optional[float]) -> float:
        """Since when what is known must have been asked for; where it was not, it is asked for now. Raises BadArgument."""
        if max_age is None:
            return -math.inf
        since, confirmed = now() - arguments.seconds("max_age", max_age), self._following.confirmed
        if confirmed is not None and confirmed < since:
            self._following.look()
        return since

    def _found(self, after: Optional[Known], since: float) -> Optional[Known]:
        """What is waited for, if it is known. Raises NotConnected where nothing will be any more."""
        follower = self._following
        if follower.closed:
            raise NotConnected(_CLOSED)
        with follower.news:
            known, confirmed = follower.known, follower.confirmed
        if known is None or confirmed is None or confirmed < since:
            return None
        if after is None:
            return known if known.address else None
        return known if known != after else None

    def _tell(self, changed: Callable[[Known], object], known: Known) -> None:
        try:
            changed(known)
        except Exception:
            log.exception("the callback for %s has failed", self._election)

    def _in_vain(self, timeout: float, after: Optional[Known]) -> TimedOut:
        trouble, known = self._following.trouble, self.known
        what = f"no primary of {self._election} is known" if after is None else f"nothing new is known of {self._election}"
        why = trouble or (self._following.vacancy if known is not None and not known.address else "")
        return TimedOut(f"{what} after {timeout:g} s{f': {why}' if why else ''}")


class Primary(_Followed):
    """Who is primary in one election, followed from the making of this until `close`, or to the end of a `with` statement.

    Its callback runs on a thread of its own, `zkelect-primary`, and may block. Any thread may ask and wait; nothing here but
    `wait`, `changes` and `close` waits.
    """

    _caller: Optional[threading.Thread] = None

    def _begin(self) -> None:
        self._follower = Follower(self._make, self._where, self._pace)
        if self._changed is not None:
            self._caller = threading.Thread(target=self._call, args=(self._changed,), name="zkelect-primary", daemon=True)
            self._caller.start()

    def wait(self, timeout: Optional[float] = None, *, after: Optional[Known] = None, max_age: Optional[float] = None) -> Known:
        """Wait until somebody is primary.

        timeout: seconds, None for ever. after: wait until something else than this is known, also that nobody is primary.
        max_age: seconds that what is known may be old when this is called; older is asked for again.
        Raises TimedOut, and NotConnected where this is closed, also meanwhile.
        """
        limit, since = now() + arguments.wait("timeout", timeout), self._asked_since(max_age)
        follower = self._following
        with follower.news:
            while (known := self._found(after, since)) is None:
                left = limit - now()
                if left <= 0:
                    raise self._in_vain(timeout or 0.0, after)
                follower.news.wait(None if left == math.inf else left)
        return known

    def changes(self) -> Iterator[Known]:
        """Who is primary, and then each change, to the end of all days or until this is closed. What changes while the caller
        is busy comes as one change, the latest."""
        last: Optional[Known] = None
        try:
            while True:
                last = self.wait(after=last or _NOTHING)
                yield last
        except NotConnected:
            return

    def close(self) -> None:
        """End the session. No callback begins after that, and one that runs is waited for, 10 s at most, unless it calls this
        itself. Takes a second where ZooKeeper does not answer, two where a resolver does not. A second call does nothing."""
        self._following.close()
        if self._caller is not None and threading.current_thread() is not self._caller:
            self._caller.join(_CALLBACK_TIME)

    def __enter__(self) -> Primary:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, changed: Callable[[Known], object]) -> None:
        """On the callback's thread."""
        for known in self.changes():
            self._tell(changed, known)


class AsyncPrimary(_Followed):
    """The same for asyncio: `async with AsyncPrimary(…) as primary`, which begins to follow, and within that
    `await primary.wait(10)`, or `async for known in primary.changes()`. The callback is called by the event loop, and must not
    block. To be used by one event loop, once."""

    def _begin(self) -> None:
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._waiting: Set[asyncio.Future[None]] = set()
        self._told = _NOTHING

    async def wait(
        self, timeout: Optional[float] = None, *, after: Optional[Known] = None, max_age: Optional[float] = None
    ) -> Known:
        """As `Primary.wait`."""
        limit, since = now() + arguments.wait("timeout", timeout), self._asked_since(max_age)
        while (known := self._found(after, since)) is None:
            left = limit - now()
            if left <= 0:
                raise self._in_vain(timeout or 0.0, after)
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(news)
            try:
                await asyncio.wait([news], timeout=None if left == math.inf else left)
            finally:
                self._waiting.discard(news)
        return known

    async def changes(self) -> AsyncIterator[Known]:
        """As `Primary.changes`."""
        last: Optional[Known] = None
        try:
            while True:
                last = await self.wait(after=last or _NOTHING)
                yield last
        except NotConnected:
            return

    async def close(self) -> None:
        """End the session. Takes a second where ZooKeeper does not answer, two where a resolver does not; the event loop goes on
        meanwhile."""
        if self._follower is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._follower.close)

    async def __aenter__(self) -> AsyncPrimary:
        if self._follower is not None:
            raise NotConnected(_CLOSED)
        self._loop = asyncio.get_running_loop()
        self._follower = Follower(self._make, self._where, self._pace, self._heard)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _heard(self) -> None:
        """On the follower's thread."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._news)
        except RuntimeError:
            # The event loop is closed, and nobody waits.
            pass

    def _news(self) -> None:
        follower = self._following
        known = follower.known
        if self._changed is not None and known is not None and known != self._told and not follower.closed:
            self._told = known
            self._tell(self._changed, known)
        for news in self._waiting:
            if not news.done():
                news.set_result(None)


#: Known before anything is, so that everything differs from it.
_NOTHING = Known("", -1)
