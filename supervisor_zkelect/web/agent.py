"""HAProxy's agent-check: one TCP port at which a line with the name of an election is answered by a line for this node.

Rules
-----
1.  Who is primary, by the verdict of `/primary`, is `ready up`. Always both words: HAProxy keeps a server in the state of a
    former `maint` or `drain` until it hears `ready`.
2.  Who was primary and is not any more is `drain` until its group is proven dead, or to be killed at the latest. No connection is
    sent there, and those that are open may end what they do. So is whose promotion fails before its ack: of a grant that was
    revoked the record does not tell whether it was acked.
3.  Who does not lead is `maint`: a standby is no failure, and HAProxy need not tell of it as one. So is who leads and is not
    acked yet: HAProxy does not check a server in MAINT, and takes it for well when it hears `ready`. In DRAIN it would find that
    nobody listens there, and leave the new primary out until its next check.
4.  Where nothing is believed, by the rules of `verdict.py`, or there is no such election, it is `down #` and why, in closed
    words: whoever connects is told.

HAProxy does not change a server's state where the agent cannot be reached. So a restart of this program is no handover.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import Callable, List, NamedTuple, Optional

from supervisor_zkelect.system import clock
from supervisor_zkelect.web.connections import crowding, holder
from supervisor_zkelect.web.lines import lines
from supervisor_zkelect.web.verdict import LATE, RecordRead, granted, judge, timely

READY, DRAIN, MAINT = "ready up", "drain", "maint"

MOST_CONNECTIONS = 64
"""Connections that are open at once; of more the oldest goes of the host that holds most."""

LONGEST_LINE, LINE_TIME = 512, 2.0
"""Bytes of a question, and seconds within which it must have come."""

class AgentReply(NamedTuple):
    """line: for this node in an election, without its end. until: before which it is to be told, or not at all."""

    line: str
    until: float = math.inf


_NOTHING = AgentReply("", -math.inf)
"""By a record that took too long to read. HAProxy leaves a server as it is where it hears nothing."""


def answer(seen: RecordRead, election: str, elections: List[str], now: float) -> AgentReply:
    """elections: those of the file. now: read after the record was."""
    if election not in elections and election not in granted(seen):
        return _down("no such election" if election else "which election? set agent-send")
    verdict = judge(seen, election, now)
    if verdict.why == LATE:
        return _NOTHING
    if verdict.primary:
        return AgentReply(READY, verdict.until)
    if seen.record is None or not verdict.guarded:
        return _down("unknown: the record of the guard" if seen.record is None else "the guard is silent")
    was = [one for one in seen.record.entries if one.election == election and (one.acked or not one.granted)]
    ends = [one.lease.kills_at if one.granted else one.lease.kill_at for one in was]
    return AgentReply(DRAIN if any(now < end for end in ends) else MAINT)


def _down(why: str) -> AgentReply:
    return AgentReply(f"down #{why}")


class Agent:
    """The port. look: reads the record. elections: gives their names. now: the clock."""

    def __init__(
        self, look: Callable[[], RecordRead], elections: Callable[[], List[str]], now: Callable[[], float] = clock.now
    ) -> None:
        self._look, self._elections, self._now = look, elections, now
        self._server: Optional[asyncio.AbstractServer] = None
        #: those that are open, the oldest first
        self._open: OrderedDict[_Question, None] = OrderedDict()

    async def listen(self, host: str, port: int) -> int:
        """Begin to answer. Returns the port, where that is 0 one that is free. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Question(self), host, port, backlog=1024)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def close(self) -> None:
        """End all that is open."""
        if self._server is not None:
            self._server.close()
        for question in list(self._open):
            question.end()

    # For its connections

    def opened(self, question: _Question) -> None:
        while len(self._open) >= MOST_CONNECTIONS:
            crowding({one: one.host for one in self._open}).end()
        self._open[question] = None

    def ended(self, question: _Question) -> None:
        self._open.pop(question, None)

    def told(self, line: bytes, tell: Callable[[bytes], object]) -> None:
        """Answer a line. tell: sends at once. Nothing is sent where the answer does not count any more."""
        name = line.decode("utf-8", "backslashreplace").strip()
        try:
            found = timely(
                self._look, lambda seen: answer(seen, name, self._elections(), self._now()), lambda one: one is _NOTHING
            )
        except Exception as error:
            lines.defect(error)
            found = _down("a defect; the log of zkelect http tells which")
        data = found.line.encode("ascii") + b"\n"
        if self._now() < found.until:
            tell(data)


class _Question(asyncio.Protocol):
    """One connection: a line, its answer, the end."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._line, self.host = b"", ""
        self._transport: Optional[asyncio.Transport] = None
        self._late: Optional[asyncio.TimerHandle] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.host = transport, holder(transport.get_extra_info("peername"))
        self._late = asyncio.get_running_loop().call_later(LINE_TIME, self.end)
        self._agent.opened(self)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._line += data
        line, end, _ = self._line.partition(b"\n")
        if len(line) > LONGEST_LINE:
            self.end()
        elif end:
            self._agent.told(line, transport.write)
            transport.close()

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._transport = None
        if self._late is not None:
            self._late.cancel()
        self._agent.ended(self)

    def end(self) -> None:
        """Close it, whatever was not sent yet."""
        self._agent.ended(self)
        if self._transport is not None:
            self._transport.abort()
