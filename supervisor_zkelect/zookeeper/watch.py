"""A watch that lasts: told once of one znode, also after a connection that was lost."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Optional, Set
from weakref import WeakValueDictionary

from kazoo import exceptions as kazoo_errors

if TYPE_CHECKING:
    # A release begins sooner without kazoo's client (attached.py).
    from kazoo.client import KazooClient

log = logging.getLogger(__name__)


class _Callback:
    """Called by the client with news of one znode, for all watches on it. The client keeps whatever it was given
    until the znode changes, and an ack may stay the same for months."""

    def __init__(self) -> None:
        self.watches: Set[Watch] = set()

    @classmethod
    def of(cls, client: KazooClient, path: str) -> _Callback:
        """The one that the client has already, or another."""
        known: WeakValueDictionary[str, _Callback] = vars(client).setdefault("zkelect_callbacks", WeakValueDictionary())
        return known.setdefault(path, cls())

    def __call__(self, event: Any) -> None:
        """A change of the znode, or type NONE when the connection was lost. The client does not keep this any more.

        A watch that has just been asked for may hear of a change that came before; then there is one question more.
        """
        for watch in list(self.watches):
            watch.heard(event)


class Watch:
    """A watch on one znode that outlives reconnects: requests made while disconnected wait for the connection.

    token: the znode's czxid, where another one of the same name is none. changed: the future, where several watches
    share one.
    """

    def __init__(
        self, client: KazooClient, path: str, token: Optional[int] = None, changed: Optional[Future[str]] = None
    ) -> None:
        self.changed: Future[str] = changed or Future()
        self._token = token
        self._client = client
        self._callback: Optional[_Callback] = None
        self.path = path

    @property
    def seen(self) -> _Callback:
        """The callback to give the client with a request that sets the watch."""
        self._callback = _Callback.of(self._client, self.path)
        self._callback.watches.add(self)
        return self._callback

    def end(self, why: Optional[str]) -> None:
        self._leave()
        if why is None:
            self.changed.cancel()
        elif not self.changed.done():
            self._fire(why)

    def heard(self, event: Any) -> None:
        """As the callback is called."""
        self._leave()
        if self.changed.done():
            return
        if event.type != "NONE":
            self._fire(f"{self.path} {event.type.lower()}")
        else:
            self._arm()

    def _leave(self) -> None:
        if self._callback is not None:
            self._callback.watches.discard(self)

    def _arm(self) -> None:
        self._client.exists_async(self.path, watch=self.seen).rawlink(self._armed)

    def _armed(self, answer: Any) -> None:
        if self.changed.done():
            return
        if isinstance(answer.exception, kazoo_errors.ConnectionLoss):
            self._arm()
        elif answer.exception is not None:
            self._fire(f"{self.path} cannot be watched: {type(answer.exception).__name__}")
        elif answer.value is None or self._token not in (None, answer.value.czxid):
            self._fire(f"{self.path} deleted")

    def _fire(self, why: str) -> None:
        # Two threads of the client may come here at once; the first one counts.
        try:
            self.changed.set_result(why)
        except Exception as error:
            log.debug("a watch fired twice: %s", error)
