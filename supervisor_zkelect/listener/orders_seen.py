"""What the control znode means for a node, as the role machine is told it. Times are those of this node's clock.

Off the deciding thread, on the one that has read the znode: it is given values and returns an event.
"""

from __future__ import annotations

import math
from typing import Optional

from supervisor_zkelect.core import messages
from supervisor_zkelect.core.control import Control, Life, RestartSeen, said
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.listener import lives


def orders_for(elector: Elector, found: Control, node: str, life: Life) -> messages.ControlSeen:
    """What the control means for a node, in this life of it."""
    timed = [one.until for one in found.maintenance.values() if one.until is not None]
    timed += [one.due for one in (found.switchover, found.restart) if one is not None and one.due is not None]
    bar = found.barred(node, elector.server_time() if timed else None)
    seen = messages.ControlSeen(pause=lives.pause_of(found, node, life))
    if bar is not None:
        until = bar.order.until if bar.order is not None else None
        seen = seen._replace(
            bar=bar.why, until=math.inf if until is None else elector.here(until), bar_id=bar.order.id if bar.order else "",
            forced=bar.order is not None and bar.order.force,
        )
    order = found.switchover
    if order is not None:
        due = _due(elector, order.due)
        seen = seen._replace(
            order=order.order.id, due=due, to=order.to, begun=order.begun, target=order.target, said=said(order.order),
            missed=order.missed_by(node),
        )
    restart = found.restart
    if restart is not None:
        due = _due(elector, restart.due)
        seen = seen._replace(restart=RestartSeen(restart.order.id, due, restart.begun, restart.term, said(restart.order)))
    return seen


def _due(elector: Elector, moment: Optional[int]) -> float:
    return -math.inf if moment is None else elector.here(moment)
