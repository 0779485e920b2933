"""A watch that lasts: told once of one znode, also after a connection that was lost."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Optional

from kazoo import exceptions as kazoo_errors

if TYPE_CHECKING:
    # A release begins sooner without kazoo's client (wire.py).
    from kazoo.client import KazooClient

log = logging.getLogger(__name__)


class Watch:
    """A watch on one znode that outlives reconnects: requests made while disconnected wait for the connection.

    token: the znode's czxid, where another one of the same name is none. changed: the future, where several watches
    share one.
    """

    def __init__(
        self, client: KazooClient, path: str, token: Optional[int] = None, changed: "Optional[Future[str]]" = None
    ) -> None:
        self.changed: "Future[str]" = changed or Future()
        self._token = token
        self._client = client
        self.path = path

    def end(self, why: Optional[str]) -> None:
        if why is None:
            self.changed.cancel()
        elif not self.changed.done():
            self._fire(why)

    def seen(self, event: Any) -> None:
        """Called by the client with a change of the znode, or with type NONE when the connection was lost."""
        if self.changed.done():
            return
        if event.type != "NONE":
            self._fire(f"{self.path} {event.type.lower()}")
        else:
            self._arm()

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
