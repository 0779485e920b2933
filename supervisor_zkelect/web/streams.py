"""Server-sent events: the document of `/status` whenever it has changed, to whoever keeps looking. On the server's loop."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, NamedTuple, Optional, Set

from tornado.httputil import HTTPHeaders, ResponseStartLine

from supervisor_zkelect.system import clock
from supervisor_zkelect.web import answers
from supervisor_zkelect.web.connections import STUCK, TOO_MUCH, Untaken
from supervisor_zkelect.web.encoder import LARGE, Encoder
from supervisor_zkelect.web.lines import lines

log = logging.getLogger(__name__)

MOST = 50
"""Streams at a time."""

PACE, CONFIRMED, HEARTBEAT = 1.0, 5.0, 15.0
"""Seconds between two events at least; after which the document is sent though nothing has changed but its age; and between two
signs of life where even that is not sent."""

#: Members that change by the passing of time alone.
_TIMES = ("now", "age")


class Streams:
    """status: makes the document. untaken: what waits to be taken, also of who answers beside this."""

    def __init__(self, status: Callable[[], Dict[str, Any]]) -> None:
        self._status, self.untaken = status, Untaken()
        self._open: Set[_Stream] = set()
        self._task: Optional[asyncio.Task[None]] = None
        self._encoder, self._threads = Encoder(), ThreadPoolExecutor(1, "zkelect-events")
        #: the event that was made last, the document in it without its times, and when
        self._event = StatusEvent(b"", b"")
        self._made_at = self._sent_at = -float("inf")
        #: what was told last to all who read
        self._sent = b""
        self._making: Optional[asyncio.Task[None]] = None

    def __len__(self) -> int:
        return len(self._open)

    def refusal(self) -> str:
        """Why none may begin, by what `make` has made; "" where one may."""
        if len(self._open) >= MOST:
            return "too many streams are open; close one"
        return "" if self.untaken.room(len(self._event.text)) else TOO_MUCH

    def begin(self, connection: Any, headers: HTTPHeaders) -> str:
        """Begin a stream, by what `make` has made. Returns why not, "" where it has begun. Whoever has gone meanwhile has
        none."""
        if connection.stream.closed():
            return ""
        why = self.refusal()
        if why:
            return why
        one = _Stream(connection, self.untaken)
        self._open.add(one)
        connection.set_close_callback(lambda: self._open.discard(one))
        one.start(headers, b"retry: 2000\n\n" + self._event.text)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return ""

    def close_all(self) -> None:
        """Close those that are open; whoever may begins one anew."""
        for one in list(self._open):
            one.close()
        self._open.clear()

    def end(self) -> None:
        for task in (self._task, self._making):
            if task is not None:
                task.cancel()
        self._open.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        """Send what has changed, for as long as somebody looks."""
        try:
            while self._open:
                await asyncio.sleep(PACE)
                try:
                    await self._send()
                except Exception as error:
                    lines.defect(error)
        finally:
            self._task = None

    async def _send(self) -> None:
        moment = clock.now()
        await self.make()
        # Not whether this made another: whoever begins has one made as well.
        due = self._event.still != self._sent or moment - self._sent_at >= CONFIRMED
        if due:
            self._sent, self._sent_at = self._event.still, moment
        for one in list(self._open):
            if one.send(self._event.text if due else b"", moment):
                self._open.discard(one)

    async def make(self) -> None:
        """Have the event be of this moment, or nearly. However many begin, one is made at a time."""
        if clock.now() - self._made_at < PACE / 2:
            return
        if self._making is None or self._making.done():
            self._making = asyncio.get_running_loop().create_task(self._made())
        await asyncio.shield(self._making)

    async def _made(self) -> None:
        document = {"v": answers.VERSION, **self._status()}
        made_at = clock.now()
        if len(document["elections"]) < LARGE:
            self._event = event_of(self._encoder, document)
        else:
            # No probe is to wait for it.
            loop = asyncio.get_running_loop()
            self._event = await loop.run_in_executor(self._threads, event_of, self._encoder, document)
        self._made_at = made_at


class StatusEvent(NamedTuple):
    """text: as it is sent. still: what it tells, without the members that change by the passing of time alone."""

    text: bytes
    still: bytes


def event_of(encoder: Encoder, document: Dict[str, Any]) -> StatusEvent:
    still = {name: value for name, value in document.items() if name not in _TIMES}
    still["elections"] = {
        name: {**one, "here": {**one["here"], "lease": one["here"]["lease"] is not None}}
        for name, one in document["elections"].items()
    }
    return StatusEvent(b"event: status\ndata: " + encoder.encode(document) + b"\n\n", encoder.encode(still))


class _Stream:
    """One reader. untaken: as of `Streams`."""

    def __init__(self, connection: Any, untaken: Untaken) -> None:
        self._connection, self._untaken = connection, untaken
        self._sending: Any = None
        self._sent_at = clock.now()

    def start(self, headers: HTTPHeaders, text: bytes) -> None:
        self._sending = self._connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers, text)
        self._untaken.sends(len(text), self._sending)

    def close(self) -> None:
        self._connection.stream.close()

    def send(self, text: bytes, moment: float) -> bool:
        """Send it, or a sign of life where that is due. True where the stream is over."""
        if self._connection.stream.closed():
            return True
        if self._sending is not None and not self._sending.done():
            # It reads slowly, and gets what there is when it has read.
            if moment - self._sent_at > STUCK:
                self._connection.stream.close()
                return True
            return False
        if not self._untaken.room(len(text)):
            # It gets what there is when others have read.
            text = b""
        if not text and moment - self._sent_at >= HEARTBEAT:
            text = b": alive\n\n"
        if text:
            self._sent_at = moment
            try:
                self._sending = self._connection.write(text)
                self._untaken.sends(len(text), self._sending)
            except Exception as error:
                log.debug("a stream has ended: %s", error)
                return True
        return False
