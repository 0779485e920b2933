"""Whether `tick_time` may be less than the servers' tickTime, by which a lease would last too long. Notes for `check`."""

from __future__ import annotations

import math
from typing import Any, List

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.zookeeper import admission, replies


def notes(settings: Any, seconds: float) -> List[str]:
    """Ask for a session that is as short as two ticks, which is the least that servers grant unless their minSessionTimeout says
    otherwise (ZooKeeper administrator's guide): where they grant a longer one, their tick may be longer.

    settings: of a file (`settings.Settings`). seconds: that a server has to answer. Nothing is told where none does.
    """
    asked, found = max(2 * settings.tick_time, replies.SHORTEST_TIMEOUT), [0.0]
    # Whatever is granted is worth knowing here.
    limits = (settings.reply_max, math.inf)
    admission.by_client(settings, seconds, lambda client, granted: found.append(granted), asked, lambda: limits)
    return told(settings, asked, found[-1])


def told(settings: Any, asked: float, granted: float) -> List[str]:
    """What the granted session says of the tick. Pure; all in seconds."""
    if granted < asked + 0.001:
        return []
    head = f"{printable(settings.file)}: [zkelect] tick_time = {settings.tick_time:g}"
    return [
        f"{head}: the servers grant no session that is shorter than {granted:g} s, as with tickTime={500 * granted:.0f} in their "
        f"zoo.cfg; if that is what they have, set tick_time = {granted / 2:g}, as with less two nodes may run the group at once; "
        "if their minSessionTimeout is set, all may be well"
    ]
