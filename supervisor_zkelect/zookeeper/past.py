"""What is over in an election: its terms, in the history znode and its pages, and what happened, in the znode of events."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from supervisor_zkelect.core import history, journal, places
from supervisor_zkelect.zookeeper.errors import ElectionError
from supervisor_zkelect.zookeeper.presence import PresenceCalls
from supervisor_zkelect.zookeeper.requests import MISSING, Operation, data_of


class PastCalls(PresenceCalls):
    """The calls of an `Elector` that concern terms which are over."""

    def terms(self, most: int) -> List[Dict[str, Any]]:
        """The latest terms, as `history.read` has them, so many at most."""
        limit = self._zk.limit()
        found = history.read(data_of(self._zk.read("read the history", limit, self.history_znode)))
        if len(found) < most:
            for name in self._pages(limit):
                page = self._zk.read("read a page of the history", limit, f"{self.history_znode}/{name}")
                # A term that was told of late may stand in two places.
                found = history.noted(history.read(data_of(page)), found)
                if len(found) >= most:
                    break
        return found[:most]

    def abandoned(self, terms: Sequence[Dict[str, Any]]) -> bool:
        """Whether no end is told of the latest of these terms though its proposal is gone: its session is over, or its node is
        about to tell its end. Not in a pause, in which it runs on without one, and not where that cannot be told. terms: as
        `terms` has them."""
        if not terms or terms[0].get("ended") or terms[0].get("lost"):
            return False
        try:
            return not self.stands(terms[0]["token"])
        except ElectionError:
            return False

    def stands(self, token: int) -> bool:
        """Whether the proposal of the term with this token stands in the queue, or a pause's barrier, behind which a term goes on
        without one. Raises ElectionError."""
        return any(one.paused or one.token == token for one in self.each_member())

    def page_history(self) -> bool:
        """Move older terms into a page where the znode is full, and delete pages that nobody needs. Returns whether anything was
        moved."""
        limit = self._zk.limit()
        found = self._zk.read("read the history", limit, self.history_znode)
        page = None if found is None else history.page(data_of(found))
        if page is None:
            return False
        operations: List[Operation] = [
            ("create", (f"{self.history_znode}/{page.name}", page.data), {"acl": self._zk.acl}),
            ("set_data", (self.history_znode, page.left, found[1].version), {}),
        ]
        answer = self._zk.transact(self.history_znode, operations)
        # Where another one was quicker nothing is left to do.
        moved = self._zk.committed("move older terms", limit, answer) is True
        for name in history.superfluous(self._pages(limit)):
            self._zk.ask("delete a page", limit, self._client.delete_async, f"{self.history_znode}/{name}", ok=MISSING)
        return moved

    def events(self) -> Dict[str, Any]:
        """What happened in the election, as `journal.document` has it."""
        found = self._zk.read("read the events", self._zk.limit(), places.events_of(self.election_state))
        return journal.document(found[1].czxid if found is not None else 0, data_of(found))

    def note_events(self, node: str, news: Sequence[journal.News]) -> None:
        """Note what happened on a node."""
        path = places.events_of(self.election_state)
        self._amend("the events", path, lambda data: journal.amended(data, node, news), self._zk.limit())

    def _pages(self, limit: float) -> List[str]:
        listed = self._zk.answer("list the pages", limit, self._client.get_children_async(self.history_znode), ok=MISSING)
        return history.pages(listed or [])
