"""What a node tells of itself, and what it is asked about its elections. All of it runs on the election's own executor, one piece
at a time, and may wait; each function is given values, and gives back an event or has a ticket answered.
"""

from __future__ import annotations

import json
import logging
from itertools import islice
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from supervisor_zkelect.core import history, journal, messages, nodes, untrusted
from supervisor_zkelect.elector import ElectionError, Elector
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.history_copy import HistoryCopy
from supervisor_zkelect.listener.workers import LONGEST_LIST
from supervisor_zkelect.zookeeper import errors

log = logging.getLogger(__name__)

Reply = Callable[[str, Dict[str, Any]], None]
"""Has a ticket answered with a document; any thread may call it."""

#: Candidates in a list: none takes less than a hundred characters.
MOST_MEMBERS = LONGEST_LIST // 100

#: Seconds that writing the history of terms may take.
HISTORY_TIME = 0.5

#: Seconds after which an order is not what an event was about.
_JUST_NOW = 60.0


class More(NamedTuple):
    """What is done beside writing an entry. copy: of the history, None for none. news: what is to be noted. vanished:
    sessions whose proposals are gone, and since when."""

    copy: Optional[HistoryCopy] = None
    news: Sequence[journal.News] = ()
    vanished: Mapping[int, float] = {}


def write_entry(
    elector: Elector, name: str, node: str, entry: nodes.NodeEntry, more: Optional[More] = None
) -> events.EntryWritten:
    """Write what this node says of itself. more: None where nothing else is to be done now; else it is looked how this node
    differs from the primary as well."""
    try:
        elector.tell_of_node(node, entry)
        if more is None:
            return events.EntryWritten(name, "")
        differs = elector.differs(node, entry)
        if more.copy is not None:
            more.copy.keep(elector.terms(history.LATELY))
        news = sorted([*_completed(elector, node, more.news), *_gone(elector, more.vanished)], key=lambda one: one.time)
        if news:
            elector.note_events(node, news)
        return events.EntryWritten(name, "", differs)
    except ElectionError as error:
        return events.EntryWritten(name, str(error))


def _completed(elector: Elector, node: str, news: Sequence[journal.News]) -> List[journal.News]:
    """The news, those that depend on an order with who gave that; the others of them are no news. node: this one's name, as the
    maintenance of others is no news of it."""
    found: List[journal.News] = []
    logged = [one.order for one in elector.order_log()] if any(one.given for one in news) else []
    orders = [order for order in logged if order.node == node or not order.what.startswith("maintenance")]
    for one in news:
        order = next((order for order in reversed(orders) if order.what in one.given), None) if one.given else None
        if order is not None and (elector.server_time() - order.at) / 1000 < _JUST_NOW:
            by, why = f" by {order.by}" * bool(order.by), f": {order.reason}" * bool(order.reason)
            found.append(one._replace(text=f"{one.text}{by}{why}"))
        elif not one.given:
            found.append(one)
    return found


def _gone(elector: Elector, vanished: Mapping[int, float]) -> List[journal.News]:
    """That these nodes are gone, where their sessions are over, and not only their proposals."""
    ended = elector.ended({f"{session:x}" for session in vanished}) if vanished else {}
    times = {f"{session:x}": moment for session, moment in vanished.items()}
    return [
        journal.News(times[session], journal.FAILURE, f"{node} is gone: its session ended") for session, node in ended.items()
    ]


def write_history(
    elector: Elector, name: str, terms: List[Dict[str, Any]], copy: Optional[HistoryCopy] = None
) -> events.HistoryWritten:
    """Add what is new of these terms. copy: as `More` has it."""
    data = b""

    def amended(former: bytes) -> bytes:
        nonlocal data
        data = history.amended(former, terms)
        return data

    try:
        elector.amend_history(amended, HISTORY_TIME)
        if copy is not None:
            copy.keep(history.read(data))
        if len(data) >= history.FULL:
            elector.page_history()
        return events.HistoryWritten(name, terms, "")
    except ElectionError as error:
        return events.HistoryWritten(name, terms, str(error))
    except Exception as error:
        log.exception("a defect")
        return events.HistoryWritten(name, terms, repr(error))


def answer_list(elector: Elector, ticket: str, reply: Reply) -> None:
    """Answer with the nodes of the election."""
    try:
        reply(ticket, _cut(elector.overview().document(), LONGEST_LIST))
    except ElectionError as error:
        reply(ticket, untold(error))


def _cut(found: Dict[str, Any], room: int) -> Dict[str, Any]:
    """The nodes of an election as far as they fit, and how many are left out in all."""
    nodes = fitting(found["nodes"], room)
    return {**found, "nodes": nodes, "left_out": found["left_out"] + len(found["nodes"]) - len(nodes)}


def answer_outlook(elector: Elector, ticket: str, reply: Reply, node: str, arguments: Mapping[str, Any]) -> None:
    """Answer with all that `why` and `simulate` go by. node: this one's name. arguments: term, for one that is over."""
    try:
        found = elector.overview(exact=True).document(whole=True)
        terms = elector.terms(history.KEPT if arguments.get("term") else history.LATELY)
        if arguments.get("term"):
            token = untrusted.number(int(arguments["term"])) if str(arguments["term"]).isdecimal() else 0
            place = next((number for number, one in enumerate(terms) if one["token"] == token), len(terms))
            # One that another followed is told from one that goes on.
            terms = terms[max(0, place - 1):place + 1]
        room = LONGEST_LIST // 2
        reply(ticket, {**_cut(found, room), "here": node, "terms": fitting(terms, room)})
    except ElectionError as error:
        reply(ticket, untold(error))


def answer_history(
    elector: Elector, ticket: str, reply: Reply, arguments: Mapping[str, Any], copy: Optional[HistoryCopy] = None
) -> None:
    """Answer with the history of terms, or, where ZooKeeper does not tell, with this node's copy of it."""
    most = history.asked_for(arguments)
    try:
        terms = elector.terms(most)
        abandoned = elector.abandoned(terms)
    except ElectionError as error:
        refused, why = untold(error), str(error)

        def copied(kept: Dict[str, Any]) -> None:
            terms = fitting(kept["terms"][:most], LONGEST_LIST) if kept else []
            reply(ticket, {"ok": True, "terms": terms, "copied": kept["time"], "why": why} if kept else refused)

        if copy is None:
            copied({})
        else:
            copy.read(copied)
        return
    if copy is not None:
        copy.keep(terms)
    reply(ticket, {"ok": True, "terms": fitting(terms, LONGEST_LIST), "abandoned": abandoned})


def answer_events(elector: Elector, ticket: str, reply: Reply) -> None:
    """Answer with what happened in the election."""
    try:
        reply(ticket, {"ok": True, **elector.events()})
    except ElectionError as error:
        reply(ticket, untold(error))


def answer_failed_resignation(
    elector: Elector, node: str, action: messages.AnswerOperator, term: int, document: Dict[str, Any], reply: Reply
) -> None:
    """Answer with what became of those who could have taken over. They have written why, also of a former term those who did not
    try in this one. node: this one's name. term: token of the term that was given up."""
    terms: List[Dict[str, Any]] = []
    waiting: List[str] = []
    try:
        terms = history.read(elector.history())
        told = {node, *action.tried, *(one.get("node") for one in terms if one["token"] > term)}
        members = islice(elector.each_member(), MOST_MEMBERS)
        waiting = [one.node for one in members if not one.mine and one.node not in told]
    except ElectionError:
        # The answer is not kept back for want of its reasons.
        pass
    text = [*history.failures(terms, term, action.tried), *history.passed(terms, waiting)]
    reply(action.ticket, {**document, "text": "; ".join([action.text, *text])})


def answer_members(elector: Elector, ticket: str, reply: Reply) -> None:
    """Answer with the candidates of the queue, in order."""
    try:
        reply(ticket, _members(elector))
    except ElectionError as error:
        reply(ticket, untold(error))


def _members(elector: Elector) -> Dict[str, Any]:
    holder = elector.holder()
    # A proposal is never written again, so the address of who leads stands in the holder.
    led = {holder.token: holder.address} if holder else {}
    members: List[Dict[str, Any]] = []
    count = 0
    for one in elector.each_member():
        count += 1
        if count <= MOST_MEMBERS:
            members.append({
                "place": count, "node": "(barrier of a pause)" if one.paused else one.node,
                "address": led.get(one.token, one.address), "proposal": one.name, "token": one.token, "mine": one.mine,
                "leads": count == 1 and not one.paused,
            })
    shown = fitting(members, LONGEST_LIST)
    return {"ok": True, "members": shown, "left_out": count - len(shown)}


def untold(error: ElectionError) -> Dict[str, Any]:
    """The answer to who wants to see something that was not read."""
    return {"ok": False, "exit": 4 if errors.silent(error) else 1, "text": errors.in_short(error)}


def fitting(items: List[Any], most: int) -> List[Any]:
    """The first items, as many as fit into `most` characters of JSON."""
    for number, item in enumerate(items):
        most -= len(json.dumps(item)) + 2
        if most < 0:
            return items[:number]
    return items
