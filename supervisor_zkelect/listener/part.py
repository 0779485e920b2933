"""What the parts of a listener have in common. On its deciding thread."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.delivery import Delivery
from supervisor_zkelect.listener.host import Host
from supervisor_zkelect.listener.paced_log import PacedLog
from supervisor_zkelect.listener.workers import EventExecutor


class Means(NamedTuple):
    """What each part works with. post: queues an event. work: where supervisord and ZooKeeper are waited for."""

    host: Host
    post: Callable[[Any], None]
    work: EventExecutor
    log: PacedLog
    delivery: Delivery


class Part:
    """One part of a listener."""

    def __init__(self, means: Means) -> None:
        self._host, self._post, self._work, self._log, self._delivery = means

    def handlers(self) -> events.Handlers:
        """The events that it takes."""
        return {}

    def actions(self) -> events.Actions:
        """The actions of role machines that it carries out."""
        return {}
