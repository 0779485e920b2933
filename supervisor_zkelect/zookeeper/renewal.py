"""A thread of its own that has the quorum check a proposal again and again, and tells when leading can no longer be proven.

It is given values, and gets at nothing of the elector. What happens comes to it as events: an answer, the proposal's end as
somebody else has learned of it, the order to end.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, Union

from supervisor_zkelect.core.lease import heartbeat_interval
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import proof as proofs

if TYPE_CHECKING:
    from kazoo.client import KazooClient

log = logging.getLogger(__name__)


class _Answered(NamedTuple):
    """A check that was sent at `sent`. verdict: as `proof.verdict` has it."""

    sent: float
    verdict: str


class Renewal:
    """Renews one proposal's lease from the time when it leads. timeout: the session's, in seconds, as granted.

    lost: called once, on this thread, with one line that says why, when the proposal is gone, its session is over, or its
    deadline has passed; not where `end` was called before that. It may block, and may call the elector.
    """

    def __init__(
        self, client: KazooClient, path: str, token: int, session: int, timeout: float, proof: proofs.Proof,
        lost: Optional[Callable[[str], object]],
    ) -> None:
        self.token = token
        #: why leading could no longer be proven; "" while it can
        self.why = ""
        self._client, self._path, self._session, self._proof, self._lost = client, path, session, proof, lost
        self._timeout, self._ended = timeout, False
        #: answers, and why the term ends; "" where its node wants that, so that nobody is told
        self._events: queue.SimpleQueue[Union[_Answered, str]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="zkelect-renewal", daemon=True).start()

    def end(self) -> None:
        self._ended = True
        self._events.put("")

    def gone(self, why: str) -> None:
        self._events.put(why)

    def _run(self) -> None:
        try:
            self.why = self._renew()
        except Exception as error:
            # Whoever runs by this lease must be told, whatever it is.
            log.exception("a defect")
            self.why = "" if self._ended else f"a defect: {error!r}"
        if self.why and self._lost is not None:
            try:
                self._lost(self.why)
            except Exception:
                log.exception("what was to be called when leading is lost failed")

    def _renew(self) -> str:
        """Why leading can no longer be proven, as soon as that is so; "" when told to end."""
        begun = now()
        due, asked = begun, False
        interval = heartbeat_interval(self._timeout)
        while True:
            moment = now()
            deadline = self._proof.deadline(self.token)
            # A first one may take a while, as it counts from an earlier answer; so may one after a silence.
            until = begun + self._timeout if deadline is None or deadline <= begun else deadline
            if moment >= until:
                return f"ZooKeeper has not confirmed {self._path} in time"
            if not asked and moment >= due:
                self._check(moment)
                due, asked = moment + interval, True
            try:
                # The queue's clock stands still while the machine is suspended, so it is looked at now and then.
                event = self._events.get(timeout=max(0.0, min(until - moment, interval if asked else due - moment)))
            except queue.Empty:
                continue
            if isinstance(event, str):
                return event
            asked = False
            if event.verdict == proofs.GONE:
                return f"{self._path} is gone"
            if event.verdict == proofs.STANDS:
                self._proof.checked(self._session, self.token, event.sent, now())

    def _check(self, sent: float) -> None:
        """Send a check, whose answer comes as an event. One at a time."""
        client = self._client

        def answered(seen: Any) -> None:
            # Called after the transaction's answer, as answers come in the order of the requests.
            results = checked.exception if checked.exception is not None else checked.value
            stat = seen.exception if seen.exception is not None else seen.value
            # It may be lost between two looks at it.
            identity = client.client_id
            same = identity is not None and identity[0] == self._session
            verdict = proofs.verdict(results, stat, self.token) if same else proofs.UNKNOWN
            self._events.put(_Answered(sent, verdict))

        transaction = client.transaction()
        transaction.check(self._path, -1)
        checked = transaction.commit_async()
        client.exists_async(self._path).rawlink(answered)
