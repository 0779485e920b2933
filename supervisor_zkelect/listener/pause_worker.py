"""Work of an election on ZooKeeper that concerns a pause. As in `election_worker.py`, all of it runs on the election's own
executor, and is given values.
"""

from __future__ import annotations

import logging
import math

from supervisor_zkelect.core import messages, pause_messages
from supervisor_zkelect.core.control import Life, Stamp, Unusable
from supervisor_zkelect.elector import ElectionError, Elector, NotLeader, ProposalGone
from supervisor_zkelect.listener import orders_seen
from supervisor_zkelect.zookeeper.pausing import NotPaused, PauseOver

log = logging.getLogger(__name__)


def consent(elector: Elector, action: pause_messages.Consent, node: str, life: Life) -> messages.Event:
    try:
        done = elector.consent(action.order, node, life)
        lasts = math.inf if done.lasts is None else done.lasts / 1000
        return pause_messages.PauseWritten(action.op, sent=done.sent, lasts=lasts)
    except PauseOver as error:
        return pause_messages.PauseWritten(action.op, str(error), True)
    except (NotPaused, Unusable) as error:
        return pause_messages.PauseWritten(action.op, str(error))
    except (NotLeader, ProposalGone) as error:
        return messages.ProposalLost(str(error))
    except ElectionError as error:
        return pause_messages.PauseWritten(action.op, f"ZooKeeper does not do it: {error}")
    except Exception as error:
        log.exception("a defect")
        return pause_messages.PauseWritten(action.op, f"a defect: {error!r}")


def end(elector: Elector, op: int) -> messages.Event:
    try:
        elector.resume()
        return pause_messages.PauseWritten(op)
    except (NotLeader, ProposalGone) as error:
        return messages.ProposalLost(str(error))
    except (ElectionError, Unusable) as error:
        return pause_messages.PauseWritten(op, str(error))
    except Exception as error:
        log.exception("a defect")
        return pause_messages.PauseWritten(op, f"a defect: {error!r}")


def see_consent(elector: Elector, op: int, node: str, life: Life) -> pause_messages.ConsentRead:
    """Read the control behind a sync."""
    try:
        return pause_messages.ConsentRead(op, orders_seen.orders_for(elector, elector.read_control(), node, life))
    except ElectionError as error:
        log.debug("%s", error)
    except Exception:
        log.exception("a defect")
    return pause_messages.ConsentRead(op, None)


def take_back(elector: Elector, action: pause_messages.TakeBackConsent) -> messages.Released:
    elector.take_back_consent(action.token, action.released)
    return messages.Released(action.op)


def end_in_time(elector: Elector, action: pause_messages.EndPauseInTime) -> None:
    """End a pause whose time is over; what comes of it is seen in the control, and it is tried again."""
    try:
        elector.end_pause_in_time(Stamp(*action.stamp))
    except (ElectionError, Unusable) as error:
        log.info("cannot end the pause, whose time is over: %s", error)
