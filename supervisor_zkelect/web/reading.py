"""Reads elections from ZooKeeper as `list`, `history` and `why` tell them, for the pages of `zkelect http`. On a thread that may
wait."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core import control_words, figures
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.elector import ElectionError, Elector
from supervisor_zkelect.operators import overview as tables
from supervisor_zkelect.web.taken import EMPTY, Away
from supervisor_zkelect.zookeeper import connect, kazoo_internals
from supervisor_zkelect.zookeeper.errors import in_short, silent

TERMS = 20
"""Terms of an election that are told, at most."""

TIME = 5.0
"""Seconds that ZooKeeper has to tell of one election."""

_TOGETHER = 8
"""Elections that are asked for at the same time."""

_LONGEST = 500
"""Characters of a line of trouble."""


class ElectionReader:
    """A client of ZooKeeper's, opened when it is needed. settings: gives those of the file, as they are now."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._client: Any = None
        self._of: Optional[Settings] = None
        #: election -> what was told of it last, and what followed from that: a rehearsal takes longer than all the rest
        self._outlooks: Dict[str, Tuple[str, Dict[str, Any]]] = {}

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            connect.stop_client(client)

    def elections(self, seconds: float, former: Mapping[str, Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
        """All elections of the file. seconds: that ZooKeeper has to take a session. former: what was told before, of an election
        that ZooKeeper does not tell. Raises Away."""
        settings = self._settings()
        ended = self._client is not None and kazoo_internals.has_ended(self._client)
        if settings is not self._of or ended:
            # Servers or credentials may be others; and a client that has given up never comes back.
            self.close()
            self._of = settings
        if self._client is None:
            try:
                self._client = connect.open_client(settings, seconds)
            except Exception as error:
                raise Away(printable(error or type(error).__name__, _LONGEST)) from None
        with ThreadPoolExecutor(_TOGETHER) as threads:
            told = threads.map(lambda one: self._told(settings, one, former.get(one.name)), settings.elections)
            return {one.name: document for one, document in zip(settings.elections, told)}

    def _told(self, settings: Settings, one: ElectionSettings, former: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        root = settings.chroot
        elector = Elector(
            self._client, root + one.election_znode, one.election_prefix, root + one.election_ack,
            separator=one.sequence_separator, election_state=root + one.election_state,
            timeout=min(TIME, settings.session_timeout),
        )
        try:
            return self._of_election(one.name, elector)
        except ElectionError as error:
            if silent(error):
                raise Away(printable(in_short(error), _LONGEST)) from None
            known = former or EMPTY
            since = known["unread_since"] or round(1000 * time.time())
            return {**known, "trouble": printable(in_short(error), _LONGEST), "unread_since": since}

    def _of_election(self, name: str, elector: Elector) -> Dict[str, Any]:
        seen, terms, found = elector.overview(), elector.terms(TERMS), elector.read_control()
        listed = tables.listed({name: seen.document()}).document["elections"][name]
        pause = found.paused
        paused = None if pause is None else {
            "says": seen.paused, "node": pause.node or None, "seconds": None if pause.lasts is None else pause.lasts / 1000,
            "resume": bool(pause.resume),
        }
        return {
            **listed, "orders": control_words.told(found, round(1000 * time.time())), "paused": paused,
            "unread_since": None, "terms": terms, "next": self._next(name, {**seen.document(whole=True), "terms": terms}),
        }

    def _next(self, name: str, whole: Dict[str, Any]) -> Dict[str, Any]:
        """Who would lead if the primary's host failed now."""
        key = json.dumps(whole, sort_keys=True)
        known = self._outlooks.get(name)
        if known is None or known[0] != key:
            known = self._outlooks[name] = key, outlook_of(whole)
        return known[1]


def outlook_of(whole: Dict[str, Any]) -> Dict[str, Any]:
    """Who would lead if the primary's host failed now, after how many seconds, and what stands in the way. whole: as
    `outlook.cluster` takes it."""
    # With the machine that decides it takes 2 MiB, and is needed where somebody looks.
    from supervisor_zkelect.core import outlook

    said = outlook.outlook(outlook.cluster(whole), "", (figures.HOST,))
    case = next((one for one in said.cases if one.fault == figures.HOST), None)
    after = case.played.after if case is not None and said.next else None
    lines: List[str] = [printable(line) for line in said.hindrances]
    why = "; ".join(lines) if lines else printable(said.basis)
    return {"node": said.next or None, "seconds": None if after is None else round(after, 1), "why": why}
