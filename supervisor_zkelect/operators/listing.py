"""What `zkelect` can tell from any host: elections below a znode, read from ZooKeeper without a node's file."""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Mapping, Optional, Sequence

from supervisor_zkelect.core import history
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import remote, unread
from supervisor_zkelect.operators.outcome import UNKNOWN, USAGE, CommandOutcome, Trouble
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.table import Screen
from supervisor_zkelect.operators.verbs import Reply, Verb
from supervisor_zkelect.operators.view import View

LEAST_TIME = 0.1
"""Seconds that ZooKeeper has for a question at least, whatever is left of the time that was said."""

#: Elections that are looked at together: what waits for one answer leaves the connection to the others.
_TOGETHER = 12

NOWHERE = View(False, "ZooKeeper was asked, and no node", None, 0.0, {})


class Afar:
    """A client of ZooKeeper's, opened when it is needed, for as long as somebody looks. One election, or all below the root. Each
    look as a whole has the time that the words say; where they say none, each question has `remote.ZOOKEEPER_TIME`."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Raises Trouble for words that do not go together."""
        self._settings = remote.settings(arguments)
        self._root = remote.root_of(arguments)
        self._election: Optional[str] = arguments.election
        self._limit: Optional[float] = getattr(arguments, "timeout", None)
        self._until = math.inf
        self._client: Any = None

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            remote.end(client)

    def outcome(
        self, verb: Verb, given: Mapping[str, Any], screen: Screen, reader: Optional[Reader] = None
    ) -> CommandOutcome:
        """The outcome of the verb. reader: who looks on, as `Reply` has it. Raises Trouble."""
        verb = verb.chosen(given)
        if self._limit is not None:
            self._until = time.monotonic() + self._limit
        if self._client is None:
            self._client = remote.opened(self._settings, self._seconds)
        root = ("" if self._client.chroot else self._settings.chroot) + self._root
        meant = self._meant(root)
        if meant.left_out and verb.name != "list":
            raise remote.too_many(root)
        answers = self._read(verb.name, root, meant.names, given)
        if answers and not unread.readable(answers):
            name, answer = next(iter(answers.items()))
            raise Trouble(UNKNOWN, f"unknown: {name}: {answer['text']}")
        outcome = verb.show(Reply(NOWHERE, self._election, answers, screen, None, given, reader))
        if not meant.left_out or outcome.error:
            return outcome
        line = f"{meant.left_out} more elections below {printable(root or '/')} are left out; name one to see it"
        return outcome._replace(lines=(*outcome.lines, line), document={**outcome.document, "left_out": meant.left_out})

    @property
    def _seconds(self) -> float:
        """That ZooKeeper has for the next question."""
        return remote.ZOOKEEPER_TIME if self._limit is None else max(LEAST_TIME, self._until - time.monotonic())

    def _meant(self, root: str) -> remote.ElectionNames:
        """The elections that are looked at. Raises Trouble where there is none."""
        if self._election is not None:
            return remote.ElectionNames((remote.named(self._client, root, self._election, self._seconds),))
        found = remote.elections(self._client, root, self._seconds)
        if not found.names:
            raise Trouble(USAGE, f"there is no election below {root or '/'}")
        return found

    def _read(self, verb: str, root: str, names: Sequence[str], given: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
        """What stands in each election, or why that cannot be read."""
        with ThreadPoolExecutor(_TOGETHER) as threads:
            answers = threads.map(lambda one: self._answer(verb, root, one, given), names)
            return dict(zip(names, answers))

    def _answer(self, verb: str, root: str, name: str, given: Mapping[str, Any]) -> Dict[str, Any]:
        from supervisor_zkelect.elector import ElectionError, Elector
        from supervisor_zkelect.zookeeper.errors import in_short

        elector = Elector(self._client, f"{root}/{name}/election", "n", f"{root}/{name}/ack", timeout=self._seconds)
        try:
            if verb == "history":
                terms = elector.terms(history.asked_for(given))
                return {"ok": True, "terms": terms, "abandoned": elector.abandoned(terms)}
            if verb == "events":
                return {"ok": True, **elector.events()}
            if verb == "list":
                return elector.overview().document()
            if verb not in ("why", "simulate"):
                raise KeyError(f"{verb} cannot be asked from any host")
            terms = elector.terms(history.KEPT if given.get("term") else history.LATELY)
            return {**elector.overview(exact=True).document(whole=True), "terms": terms}
        except ElectionError as error:
            return {"ok": False, "exit": UNKNOWN, "text": in_short(error)}
