"""Tells an elector that its client's session is over.

Both may come and go by themselves: a client may last longer than its electors, of which some are made for one question, and keeps
what it calls until its state changes next.
"""

from __future__ import annotations

import weakref
from typing import Any, Callable, Optional

from kazoo.protocol.states import KazooState

Listener = Callable[[str], Optional[bool]]


def tell(client: Any, elector: object, forget: Callable[[], object]) -> Listener:
    """Have `forget`, a method of the elector, called whenever a session of the client is over, as long as somebody has the
    elector. Returns the client's listener, which whoever ends the elector removes. It is called on a thread of the client."""
    weak = weakref.WeakMethod(forget)

    def told(state: str) -> Optional[bool]:
        method = weak()
        if method is None:
            # Asks kazoo not to call this again.
            return True
        if state == KazooState.LOST:
            method()
        return None

    client.add_listener(told)
    weakref.finalize(elector, client.remove_listener, told).atexit = False  # type: ignore[misc]
    return told
