"""Work of an election on ZooKeeper that concerns what operators have ordered. As in `election_worker.py`, all of it runs on the
election's own executor, and is given values.
"""

from __future__ import annotations

import logging
import os

from supervisor_zkelect.core import messages, order_log, outcomes
from supervisor_zkelect.core.control import RESTART, Life, Order, Unusable
from supervisor_zkelect.elector import AccessDenied, ElectionError, Elector, NotBegun, NotLeader, ProposalGone
from supervisor_zkelect.listener import events, orders_seen
from supervisor_zkelect.listener.election_worker import Post, plainly, watch
from supervisor_zkelect.zookeeper import following
from supervisor_zkelect.zookeeper.given import Given, OrderAnswer
from supervisor_zkelect.zookeeper.permit import Permit

log = logging.getLogger(__name__)


def read_control(elector: Elector, name: str, node: str, post: Post, life: Life) -> events.ControlRead:
    """Read the control, and post when it may have changed."""
    try:
        found, changed = elector.watch_control()
        watch(changed, lambda reason: post(events.ControlChanged(name)))
        return events.ControlRead(name, orders_seen.orders_for(elector, found, node, life), tuple(found.stamp))
    except AccessDenied as error:
        return events.ControlRead(name, messages.ControlSeen(f"what operators have ordered cannot be read: {error}", unread=True))
    except ElectionError as error:
        log.debug("%s: %s", name, error)
        return events.ControlRead(name, None)


def give_order(elector: Elector, ticket: str, given: Given, permit: Permit, post: Post) -> None:
    """Write an order, or take one back, and post what came of that."""
    try:
        answer = following.attempt(elector, given, permit)
        post(events.OrderSeen(ticket, answer.id, answer))
    except Exception as error:
        log.exception("a defect")
        post(events.OrderSeen(ticket, "", OrderAnswer(False, 4, f"a defect: {error!r}")))


def look_after_order(
    elector: Elector, ticket: str, given: Given, order: str, term: int, last: bool, post: Post
) -> None:
    """Look what became of an order, and post that; whoever waits for it is told of no trouble on the way. last: he waits no
    longer, and is told what it waits for."""
    answer = None
    try:
        answer = following.came_of(elector, given, order, term)
    except ElectionError as error:
        log.debug("%s", error)
    except Exception:
        log.exception("a defect")
    if answer is None and last:
        answer = following.waited_enough(elector, given, order)
    post(events.OrderSeen(ticket, order, answer))


def begin(elector: Elector, action: messages.Begin, node: str) -> messages.Event:
    """See who can take over, and mark a switchover or a restart begun. Where the quorum finds no proposal of this node, that is
    told."""
    try:
        if action.kind == RESTART:
            elector.begin_restart(action.order)
            return messages.Begun(action.op, "")
        return messages.Begun(action.op, elector.begin(action.kind, action.order, node))
    except (NotBegun, Unusable) as error:
        return messages.OrderNotBegun(action.op, str(error))
    except (NotLeader, ProposalGone) as error:
        return messages.ProposalLost(plainly(error))
    except ElectionError as error:
        return messages.OrderNotBegun(action.op, str(error), known=False)
    except Exception as error:
        # Whoever waits for a handover must not wait for ever because of a defect here.
        log.exception("a defect")
        return messages.OrderNotBegun(action.op, f"a defect: {error!r}", known=False)


def tell_outcome(elector: Elector, action: messages.TellOutcome, node: str, address: str) -> None:
    """Write what became of an order; who waits for it finds out without it, too, but later."""
    try:
        elector.tell_outcome(outcomes.Outcome(action.order, action.ok, action.text, node, address))
    except (ElectionError, Unusable) as error:
        log.warning("cannot write what became of an order (%s): %s", action.text, error)


def note_resignation(elector: Elector, action: messages.AnswerOperator, order: Order, node: str, took: float) -> None:
    """Write a resignation into the log of orders, with what became of it. order: id, who gave it, why. took: seconds from the
    order to its answer. He who gave it is answered without it, too."""
    try:
        shown, name = elector.server_time(), order.id or os.urandom(16).hex()
        noted = order_log.Noted(name, order_log.RESIGN, node, order.by, order.reason, shown - round(1000 * took))
        elector.note_order(noted, outcomes.Outcome(name, action.ok, action.text, action.node, action.address, shown))
    except (ElectionError, Unusable) as error:
        by = f" by order of {order.by}" if order.by else ""
        log.warning("a resignation%s does not stand in the log of orders: %s", by, error)
