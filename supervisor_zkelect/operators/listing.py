"""What `zkelect` can tell from any host: elections below a znode, read from ZooKeeper without a node's file."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Mapping, Optional

from supervisor_zkelect.core import history
from supervisor_zkelect.operators import remote
from supervisor_zkelect.operators.outcome import UNKNOWN, USAGE, Outcome, Trouble
from supervisor_zkelect.operators.table import Screen
from supervisor_zkelect.operators.verbs import Reply, Verb
from supervisor_zkelect.operators.view import View

#: Elections that are looked at together: what waits for one answer leaves the connection to the others.
_TOGETHER = 12

NOWHERE = View(False, "ZooKeeper was asked, and no node", None, 0.0, {})


class Afar:
    """A client of ZooKeeper's, opened when it is needed, for as long as somebody looks. One election, or all below the root."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Raises Trouble for words that do not go together."""
        self._settings = remote.settings(arguments)
        self._root = remote.root_of(arguments)
        self._election: Optional[str] = arguments.election
        self._client: Any = None

    def close(self) -> None:
        from supervisor_zkelect.zookeeper import connect

        client, self._client = self._client, None
        if client is not None:
            connect.stop_client(client)

    def outcome(self, verb: Verb, given: Mapping[str, Any], screen: Screen) -> Outcome:
        """The outcome of the verb. Raises Trouble."""
        verb = verb.chosen(given)
        if self._client is None:
            self._client = remote.opened(self._settings)
        return verb.show(Reply(NOWHERE, self._election, self._read(verb.name, given), screen, None, given))

    def _read(self, verb: str, given: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
        """What stands in each election."""
        root = ("" if self._client.chroot else self._settings.chroot) + self._root
        found, name = remote.elections(self._client, root, remote.ZOOKEEPER_TIME), self._election
        if name is not None and name not in found:
            raise Trouble(USAGE, f"there is no election {name} below {root}; there are: {', '.join(found) or 'none'}")
        if not found:
            raise Trouble(USAGE, f"there is no election below {root or '/'}")
        names: List[str] = found if name is None else [name]
        with ThreadPoolExecutor(_TOGETHER) as threads:
            answers = threads.map(lambda one: self._answer(verb, root, one, given), names)
            return dict(zip(names, answers))

    def _answer(self, verb: str, root: str, name: str, given: Mapping[str, Any]) -> Dict[str, Any]:
        from supervisor_zkelect.elector import ElectionError, Elector
        from supervisor_zkelect.zookeeper.errors import in_short

        elector = Elector(self._client, f"{root}/{name}/election", "n", f"{root}/{name}/ack", timeout=remote.ZOOKEEPER_TIME)
        try:
            if verb == "history":
                return {"ok": True, "terms": elector.terms(history.asked_for(given))}
            if verb == "events":
                return {"ok": True, **elector.events()}
            if verb == "list":
                return elector.overview().document()
            terms = elector.terms(history.KEPT if given.get("term") else history.LATELY)
            return {**elector.overview().document(whole=True), "terms": terms}
        except ElectionError as error:
            raise Trouble(UNKNOWN, f"unknown: {name}: {in_short(error)}") from None
