"""Orders from any host: written into ZooKeeper without a node's file, by the functions by which a node's listener writes them."""

from __future__ import annotations

import argparse
import threading
import time
from typing import Any, Dict, Mapping, Optional, Sequence, Set

from supervisor_zkelect.core import nodes
from supervisor_zkelect.operators import ask, beside, remote, show, table, waiting
from supervisor_zkelect.operators.interrupts import Interrupts
from supervisor_zkelect.operators.outcome import ERROR, INTERRUPTED, UNKNOWN, USAGE, CommandOutcome, Trouble, worst
from supervisor_zkelect.operators.progress import Progress
from supervisor_zkelect.operators.verbs import ALL, ALL_OR_ONE, ONE, VERBS, Verb, unnamed
from supervisor_zkelect.system import clock

_TAKE_BACK_TIME = 2.0
"""Seconds that ZooKeeper has to answer who waits no longer: for what it was asked before, and then for taking that back."""

PACE = 0.1
"""Seconds between two looks at what becomes of an order."""


def afar(arguments: argparse.Namespace, given: Mapping[str, Any], width: Optional[int], progress: Progress) -> CommandOutcome:
    """The outcome of the command. given: what was said with the verb. width: columns that there are. Raises Trouble."""
    from supervisor_zkelect.zookeeper import asked

    try:
        # What is no order needs no session.
        asked.given(arguments.name, given)
    except asked.NoOrder as error:
        raise Trouble(USAGE, str(error)) from None
    settings = remote.settings(arguments)
    client = remote.opened(settings)
    # Ctrl-C is noted only while the client ends, too: the outcome is known by then.
    with Interrupts() as interrupts:
        try:
            root = ("" if client.chroot else settings.chroot) + remote.root_of(arguments)
            desk = RemoteElections(client, root, remote.ZOOKEEPER_TIME)
            return _ordered(desk, arguments, given, interrupts, table.Screen(width), progress)
        finally:
            remote.end(client)


def _ordered(
    desk: RemoteElections, arguments: argparse.Namespace, given: Mapping[str, Any], interrupts: Interrupts, screen: table.Screen,
    progress: Progress,
) -> CommandOutcome:
    """What comes of the order in each of the elections that are meant, one after the other. Raises Trouble."""
    from supervisor_zkelect.zookeeper import asked
    from supervisor_zkelect.zookeeper.permit import Permit

    verb = VERBS[arguments.name]
    deadline = time.monotonic() + (getattr(arguments, "timeout", None) or verb.wait)
    answers: Dict[str, waiting.Document] = {}
    meant = desk.meant(verb, arguments.election, given)
    for name, unread in meant.items():
        try:
            if unread is not None:
                raise unread
            elector = desk.elector(name)
        except Trouble as trouble:
            if len(meant) == 1:
                raise
            # It keeps nothing from being ordered in the others.
            answers[name] = {"ok": False, "exit": trouble.status, "text": str(trouble)}
            continue
        left = max(0.0, deadline - time.monotonic())
        permit = Permit(clock.now() + max(left, ask.ANSWER_TIME))
        way = ZooKeeperWay(elector, asked.given(verb.name, {**given, **ask.signed()}), interrupts, permit)
        try:
            interrupts.check()
        except KeyboardInterrupt:
            answers[name] = waiting.interrupted(waiting.NOTHING_ORDERED)
            break
        answers[name] = waiting.follow(way, left, progress, ask.writes(verb, given))
        if answers[name].get("exit") == INTERRUPTED:
            break
    return show.orders(waiting.with_all(answers, list(meant)), screen)


class RemoteElections:
    """The elections below a znode, as a tool sees them. client: with a session. seconds: that ZooKeeper has for one thing."""

    def __init__(self, client: Any, root: str, seconds: float) -> None:
        self._client, self._root, self._seconds = client, root, seconds

    def meant(self, verb: Verb, election: Optional[str], given: Mapping[str, Any]) -> Dict[str, Optional[Trouble]]:
        """The elections that a verb means, each with why it cannot be known whether it does, if so. Raises Trouble where it is
        known of none."""
        every = given.get("all") is True
        if every and election is not None:
            raise Trouble(USAGE, ALL_OR_ONE)
        if election is not None:
            return {remote.named(self._client, self._root, election, self._seconds): None}
        listed = remote.elections(self._client, self._root, self._seconds)
        if verb.means == ONE and len(listed.names) != 1 and not (every and listed.names):
            raise Trouble(USAGE, unnamed(verb.name, listed.told()))
        if listed.left_out:
            raise remote.too_many(self._root)
        if not listed.names:
            raise Trouble(USAGE, f"there is no election below {self._root or '/'}")
        node = given.get("node")
        return self._that_know(node, listed.names) if verb.means == ALL and node else dict.fromkeys(listed.names)

    def _that_know(self, node: str, names: Sequence[str]) -> Dict[str, Optional[Trouble]]:
        """Those of these elections that know the node, or may, as they cannot be read. Raises Trouble where none does."""
        known: Dict[str, Set[str]] = {}
        unread: Dict[str, Trouble] = {}
        for name in names:
            try:
                known[name] = self._known(name)
            except Trouble as trouble:
                unread[name] = trouble
        if any(node in found for found in known.values()):
            return {name: unread.get(name) for name in names if name in unread or node in known[name]}
        lines = [f"{name}: {trouble}" for name, trouble in unread.items()]
        if known:
            lines.insert(0, nodes.unknown(node, ", ".join(known), sorted(set().union(*known.values()))))
        raise Trouble(worst(trouble.status for trouble in unread.values()) if unread else USAGE, "; ".join(lines))

    def _known(self, name: str) -> Set[str]:
        """The nodes of an election. Raises Trouble."""
        from supervisor_zkelect.elector import ElectionError

        elector = self.elector(name)
        try:
            members = {one.node for one in elector.members() if one.node}
            return {*elector.known_nodes(), *members, *elector.read_control().maintenance}
        except ElectionError as error:
            raise Trouble(UNKNOWN, f"unknown: {error}") from None

    def elector(self, name: str) -> Any:
        """An elector that stands in no queue. What it makes is for whom the election's own znode is for. Raises Trouble where it
        is not known that a node would see that."""
        from supervisor_zkelect.elector import Elector

        place = f"{self._root}/{name}"
        self._see_that_nodes_look_there(f"{place}/ack-state")
        return Elector(
            self._client, f"{place}/election", "n", f"{place}/ack", acl=self._acl(f"{place}/election"), timeout=self._seconds
        )

    def _see_that_nodes_look_there(self, state: str) -> None:
        """The nodes may keep their state elsewhere, or none: an order here would be obeyed by nobody, and told as given. Raises
        Trouble."""
        asked = [self._client.exists_async(f"{state}/{name}") for name in ("control", "nodes")]
        if all([self._answered(answer) is None for answer in asked]):
            raise Trouble(ERROR, f"no node keeps its state at {state}; give the order on a node")

    def _acl(self, path: str) -> Any:
        from kazoo import exceptions

        try:
            acl = self._answered(self._client.get_acls_async(path))[0]
        except exceptions.NoAuthError:
            raise Trouble(ERROR, f"ZooKeeper does not let this user read the ACL of {path}; see --digest-file and acl") from None
        if any(entry.id.scheme == "digest" and entry.id.id.endswith(":x") for entry in acl):
            self._see_that_it_is_whole(path.rpartition("/")[0])
        return acl

    def _answered(self, answer: Any) -> Any:
        """An answer of ZooKeeper. Raises Trouble where there is none, and kazoo's NoAuthError."""
        from kazoo import exceptions

        try:
            return answer.get(timeout=self._seconds)
        except exceptions.NoAuthError:
            raise
        except (exceptions.KazooException, self._client.handler.timeout_exception) as error:
            raise Trouble(UNKNOWN, f"unknown: ZooKeeper does not answer: {error or type(error).__name__}") from None

    def _see_that_it_is_whole(self, place: str) -> None:
        """Where ZooKeeper hides whom an ACL is for, as it does from those who may not change it, nothing that lasts may be made
        with it: the nodes would be shut out. Raises Trouble where something is missing."""
        for path in (f"{place}/ack", f"{place}/ack-state", f"{place}/ack-state/control", f"{place}/ack-state/outcomes"):
            if self._answered(self._client.exists_async(path)) is None:
                raise Trouble(ERROR, f"{path} is missing, and would be made for nobody; give the first order on a node")


class ZooKeeperWay:
    """The way of an order by ZooKeeper alone (`waiting.Way`)."""

    def __init__(self, elector: Any, given: Any, interrupts: Interrupts, permit: Any = None) -> None:
        """interrupts: to be asked while somebody waits. permit: a `permit.Permit`: until when the order may be written; None for
        as long as that takes."""
        from supervisor_zkelect.zookeeper import following
        from supervisor_zkelect.zookeeper.given import TAKE_BACK
        from supervisor_zkelect.zookeeper.permit import Permit

        self._following, self._take_back = following, TAKE_BACK
        self._elector, self._given, self._interrupts = elector, given, interrupts
        self._permit: Permit = permit or Permit()
        self._attempt: Optional[beside.Errand[Any]] = None
        #: Of the order that is awaited, "" until it is known: the one that was given, or one that stands already and is the same.
        self._order = ""

    def give(self, seconds: float) -> waiting.Document:
        self._attempt = beside.Errand(lambda: self._following.attempt(self._elector, self._given, self._permit))
        answer = self._attempt.outcome(self._interrupts.check)
        assert answer is not None
        self._order = answer.id
        if not answer.id:
            return dict(answer.document())
        return {**answer.document(), **self._awaited(answer.id, answer.term, seconds)}

    def look(self, answer: waiting.Document, seconds: float) -> waiting.Document:
        return self._awaited(answer["id"], answer["term"], seconds)

    def take_back(self) -> waiting.Document:
        # Who waits for one that stood already has sent nothing.
        if self._permit.withdraw() and not self._order or self._attempt is None:
            return {"ok": False, "exit": INTERRUPTED, "text": "interrupted; nothing was ordered, and nothing will be"}
        # An elector does one thing at a time. And what takes several steps, as forgetting a node, is not to be left half done.
        given = answer = self._attempt.outcome(self._interrupts.check, _TAKE_BACK_TIME)
        if given is not None:
            back = self._given._replace(kind=self._take_back, id=given.id or self._given.id)
            answer = beside.done(lambda: self._following.attempt(self._elector, back), self._interrupts.check, _TAKE_BACK_TIME)
        if answer is None:
            return {"ok": False, "exit": UNKNOWN, "text": "ZooKeeper does not answer"}
        return dict(answer.document())

    def _awaited(self, order: str, term: int, seconds: float) -> Dict[str, Any]:
        from supervisor_zkelect.elector import ElectionError

        deadline, never = time.monotonic() + seconds, threading.Event()
        while True:
            self._interrupts.check()
            try:
                answer = beside.done(
                    lambda: self._following.came_of(self._elector, self._given, order, term), self._interrupts.check
                )
            except ElectionError:
                # Whoever waits is told of no trouble on the way.
                answer = None
            if answer is not None:
                return {"id": order, **answer.document()}
            left = deadline - time.monotonic()
            if left <= 0:
                return {"id": order, "term": term, **self._following.waited_enough(self._elector, self._given, order).document()}
            never.wait(min(PACE, left))
