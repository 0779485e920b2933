"""The HTTP server: connections and their limits. One thread, one loop.

tornado reads and writes HTTP/1.1. It is asyncio's loop without dependencies, has limits for headers, bodies and idle
connections, TLS and streams, and takes 28 MiB beside kazoo, where aiohttp takes 38 (measured). What is more than this program
wants to carry is refused: a long header or body ends the connection, and where there are too many connections the one goes that
asked least lately, so that whoever opens many and says nothing keeps no load balancer out.
"""

from __future__ import annotations

import asyncio
import errno
import http.client
import logging
import math
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Optional

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine

from supervisor_zkelect.system import clock
from supervisor_zkelect.web import answers
from supervisor_zkelect.web.answers import Answer
from supervisor_zkelect.web.passwords import Passwords
from supervisor_zkelect.web.site import Asked, Request, Route, Site
from supervisor_zkelect.web.streams import Streams

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 256
"""Connections that are kept."""

IDLE_TIME = 60.0
"""Seconds within which a whole header must have come on a connection, from its begin or from the last answer."""

LONGEST_HEADER, LONGEST_BODY, BODY_TIME = 16 << 10, 1 << 10, 5.0
"""Bytes of a header and of a body, which nobody reads, and seconds that the latter has."""

MOST_PROOFS = 8
"""Passwords that wait for their derivation; who comes later is sent away for a moment."""

Prepare = Callable[[Route], Any]
"""Waits for what a route wants to have fresh; returns an awaitable, or None for nothing."""


class Server(HTTPServer):
    """Answers by a site's routes. prepare: see `Prepare`. streams: those that go on."""

    def initialize(self, site: Site, passwords: Passwords, prepare: Prepare, streams: Streams, ssl_options: Any = None) -> None:
        self._site, self._passwords, self._prepare, self._streams = site, passwords, prepare, streams
        self._proofs, self._aside = ThreadPoolExecutor(1, "zkelect-passwords"), ThreadPoolExecutor(1, "zkelect-answers")
        self._proving = 0
        #: stream -> whether it has asked anything; those that asked least lately first
        self._open: OrderedDict[Any, bool] = OrderedDict()
        super().initialize(
            self._handle, ssl_options=ssl_options, idle_connection_timeout=IDLE_TIME, max_header_size=LONGEST_HEADER,
            max_body_size=LONGEST_BODY, body_timeout=BODY_TIME, chunk_size=16 << 10, max_buffer_size=64 << 10,
        )

    # Connections

    def handle_stream(self, stream: Any, address: Any) -> None:
        while len(self._open) >= MOST_CONNECTIONS:
            # First those that never asked anything.
            victim = next((one for one, asked in self._open.items() if not asked), None) or next(iter(self._open))
            self._open.pop(victim)
            victim.close()
        self._open[stream] = False
        _send_in_time(stream)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        stream = server_conn.stream
        self._open.pop(stream, None)
        # It refers to the stream, which is to be freed now and not when Python looks for circles.
        vars(stream).pop("write_to_fd", None)
        super().on_close(server_conn)

    def _asked(self, request: HTTPServerRequest) -> None:
        stream = getattr(request.connection, "stream", None)
        if stream is not None and stream in self._open:
            self._open[stream], stream.until = True, math.inf
            self._open.move_to_end(stream)

    # Requests

    def _handle(self, request: HTTPServerRequest) -> None:
        self._asked(request)
        headers = request.headers
        asked = Request(request.method or "", request.uri or "/", headers.get("Host"), headers.get("Authorization"))
        route, question, answer = self._site.find(asked)
        if route is None:
            self._send(request, answer)
        elif route.probe and not route.reports:
            self._send(request, attempt(partial(route.answer, question)))
        else:
            task = asyncio.get_running_loop().create_task(self._answer(request, route, question, asked.authorization))
            task.add_done_callback(_told)

    async def _answer(
        self, request: HTTPServerRequest, route: Route, question: Asked, authorization: Optional[str]
    ) -> None:
        refused = None if route.probe else await self._refusal(authorization)
        if refused is not None:
            self._send(request, refused)
            return
        awaited = self._prepare(route)
        if awaited is not None:
            await awaited
        if not route.stream or request.method != "GET":
            answer = attempt(partial(route.answer, question))
            if answer.made is not None:
                answer = await asyncio.get_running_loop().run_in_executor(self._aside, attempt, answer.made)
            self._send(request, answer)
        elif not self._streams.begin(request.connection, _headers(Answer(200, kind=answers.EVENTS))):
            self._send(request, answers.refusal(503, "too many streams are open; close one", {"Retry-After": "10"}))

    async def _refusal(self, authorization: Optional[str]) -> Optional[Answer]:
        """Why somebody is not told anything; None where he is."""
        passwords = self._passwords
        if not passwords.wanted:
            return None
        passwords.refresh()
        if passwords.known(authorization):
            return None
        if self._proving >= MOST_PROOFS:
            return answers.refusal(503, "too many passwords wait to be proven; try again", {"Retry-After": "1"})
        proven = False
        if authorization is not None:
            self._proving += 1
            try:
                proven = await asyncio.get_running_loop().run_in_executor(self._proofs, passwords.prove, authorization)
            finally:
                self._proving -= 1
        if proven:
            return None
        return answers.refusal(401, "a user and a password of http_password_file are needed", {
            "WWW-Authenticate": 'Basic realm="zkelect", charset="UTF-8"',
        })

    def _send(self, request: HTTPServerRequest, answer: Answer) -> None:
        connection, headers = request.connection, _headers(answer)
        stream = getattr(connection, "stream", None)
        if stream is not None:
            stream.until, stream.again = answer.until, answer.again
        if answer.status != 204:
            headers["Content-Length"] = str(len(answer.body))
        if request.method == "OPTIONS":
            headers["Allow"] = ", ".join(answers.METHODS)
        body = None if request.method == "HEAD" or answer.status == 204 else answer.body
        line = ResponseStartLine("HTTP/1.1", answer.status, http.client.responses.get(answer.status, ""))
        try:
            if connection is not None:
                connection.write_headers(line, headers, body).add_done_callback(_sent)
                connection.finish()
        except Exception as error:
            # Whoever asked has gone.
            log.debug("cannot answer: %s", error)

    async def finished(self) -> None:
        """Close all that is open."""
        self.stop()
        self._streams.end()
        for stream in list(self._open):
            stream.close()
        self._proofs.shutdown(wait=False)
        self._aside.shutdown(wait=False)


def _send_in_time(stream: Any) -> None:
    """Have the connection closed rather than an answer sent that does not hold any more. The clock is read directly before the
    kernel gets the bytes, wherever this process stood still since it judged; what is late by then is judged again."""
    send, stream.until, stream.again = stream.write_to_fd, math.inf, None

    def write_to_fd(data: memoryview) -> int:
        while clock.now() >= stream.until:
            stream.until = stream.again() if stream.again is not None else -math.inf
            if stream.until == -math.inf:
                raise ConnectionResetError(errno.ECONNRESET, "an answer was late")
        sent: int = send(data)
        return sent

    stream.write_to_fd = write_to_fd


def attempt(answer: Callable[[], Answer]) -> Answer:
    """The answer; 500 for a defect, since nobody may wait for ever because of one."""
    try:
        return answer()
    except Exception as error:
        log.exception("a defect")
        return answers.refusal(500, f"a defect: {error!r}")


def _headers(answer: Answer) -> HTTPHeaders:
    headers = {**answers.ALWAYS, **answer.headers}
    if answer.status != 204:
        headers["Content-Type"] = answer.kind
    return HTTPHeaders(headers)


def _sent(future: Any) -> None:
    """What was not sent, nobody waits for."""
    if not future.cancelled():
        future.exception()


def _told(task: Any) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a defect", exc_info=task.exception())
