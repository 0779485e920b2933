"""The HTTP server: connections and their limits. One thread, one loop.

tornado reads and writes HTTP/1.1. It is asyncio's loop without dependencies, has limits for headers, bodies and idle
connections, TLS and streams, and takes 28 MiB beside kazoo, where aiohttp takes 38 (measured). What is more than this program
wants to carry is refused: a long header or body ends the connection, and of too many connections one goes (`connections.py`).
"""

from __future__ import annotations

import asyncio
import http.client
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Optional

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine

from supervisor_zkelect.web import answers, hosts
from supervisor_zkelect.web.admission import Admission
from supervisor_zkelect.web.answers import Answer
from supervisor_zkelect.web.connections import TOO_MUCH, Connections, close_if_stuck
from supervisor_zkelect.web.lines import lines
from supervisor_zkelect.web.passwords import Passwords
from supervisor_zkelect.web.site import Asked, Request, Route, Site
from supervisor_zkelect.web.streams import Streams

log = logging.getLogger(__name__)

IDLE_TIME = 60.0
"""Seconds within which a whole header must have come on a connection, from its start or from the last answer."""

LONGEST_HEADER, LONGEST_BODY, BODY_TIME = 16 << 10, 1 << 10, 5.0
"""Bytes of a header and of a body, which nobody reads, and seconds that the latter has."""

Prepare = Callable[[Route], Any]
"""Waits for what a route wants to have fresh; returns an awaitable, or None for nothing."""


class Server(HTTPServer):
    """Answers by a site's routes. prepare: see `Prepare`. streams: those that go on."""

    def initialize(self, site: Site, passwords: Passwords, prepare: Prepare, streams: Streams, ssl_options: Any = None) -> None:
        self._site, self._passwords, self._prepare, self._streams = site, passwords, prepare, streams
        self._admission, self._kept = Admission(passwords), Connections()
        self._aside = ThreadPoolExecutor(1, "zkelect-answers")
        self._untaken = streams.untaken
        # Whoever is not let in any more is not told any more.
        passwords.changed = streams.close_all
        super().initialize(
            self._handle, ssl_options=ssl_options, idle_connection_timeout=IDLE_TIME, max_header_size=LONGEST_HEADER,
            max_body_size=LONGEST_BODY, body_timeout=BODY_TIME, chunk_size=16 << 10, max_buffer_size=64 << 10,
        )

    # Connections

    def handle_stream(self, stream: Any, address: Any) -> None:
        self._kept.opened(stream, address)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        self._kept.closed(server_conn.stream)
        super().on_close(server_conn)

    # Requests

    def _handle(self, request: HTTPServerRequest) -> None:
        try:
            self._kept.asked(getattr(request.connection, "stream", None))
            self._route(request)
        except Exception as error:
            self._send(request, _defect(error))

    def _route(self, request: HTTPServerRequest) -> None:
        headers, address = request.headers, str(vars(request)["remote_ip"])
        near = not self._passwords.wanted and hosts.loopback(address)
        # To a name that is no secure origin browsers send no Sec-Fetch-*, and with a request for that same origin no Origin.
        browser = "Origin" in headers or headers.get("User-Agent", "").startswith("Mozilla/")
        browser = browser or any(name.startswith("Sec-Fetch-") for name in headers)
        asked = Request(
            request.method or "", request.uri or "/", headers.get("Host"), headers.get("Authorization"), near, browser
        )
        route, question, answer = self._site.find(asked)
        if route is None:
            self._send(request, answer)
        elif route.probe and not route.reports:
            self._send(request, attempt(partial(route.answer, question)))
        else:
            asyncio.get_running_loop().create_task(self._answer(request, route, question))

    async def _answer(self, request: HTTPServerRequest, route: Route, question: Asked) -> None:
        try:
            await self._told(request, route, question)
        except Exception as error:
            self._send(request, _defect(error))

    async def _told(self, request: HTTPServerRequest, route: Route, question: Asked) -> None:
        users = -1
        while users != self._passwords.changes:
            # The file may change while a password is derived or a picture taken, and streams are closed at once then: whoever was
            # let in by the former one may not begin another.
            users = self._passwords.changes
            refused = await self._refusal(request, route)
            if refused is not None:
                self._send(request, refused)
                return
            awaited = self._prepare(route)
            if awaited is not None:
                await awaited
            if route.stream:
                await self._streams.make()
        if route.stream:
            self._stream(request)
            return
        answer = attempt(partial(route.answer, question))
        if answer.made is not None:
            answer = await asyncio.get_running_loop().run_in_executor(self._aside, attempt, answer.made)
        self._send(request, answer)

    def _stream(self, request: HTTPServerRequest) -> None:
        """Begin a stream, or tell who asks by HEAD what one has."""
        head, begun = request.method == "HEAD", Answer(200, kind=answers.EVENTS)
        why = self._streams.refusal() if head else self._streams.begin(request.connection, _headers(begun))
        if why or head:
            self._send(request, answers.refusal(503, why, {"Retry-After": "10"}) if why else begun)

    async def _refusal(self, request: HTTPServerRequest, route: Route) -> Optional[Answer]:
        if route.probe:
            return None
        return await self._admission.refusal(request.headers.get("Authorization"), str(vars(request)["remote_ip"]))

    def _send(self, request: HTTPServerRequest, answer: Answer) -> None:
        size = len(answer.body) if request.method != "HEAD" else 0
        if not self._untaken.room(size):
            answer = answers.refusal(503, TOO_MUCH, {"Retry-After": "5"})
            size = len(answer.body)
        connection, headers = request.connection, _headers(answer)
        stream = getattr(connection, "stream", None)
        if stream is not None:
            stream.until, stream.again = answer.until, answer.again
        if answer.status != 204 and answer.kind != answers.EVENTS:
            headers["Content-Length"] = str(len(answer.body))
        if request.method == "OPTIONS":
            headers["Allow"] = ", ".join(answers.METHODS)
        body = None if request.method == "HEAD" or answer.status == 204 else answer.body
        line = ResponseStartLine("HTTP/1.1", answer.status, http.client.responses.get(answer.status, ""))
        try:
            if connection is not None:
                sending = connection.write_headers(line, headers, body)
                self._untaken.sends(size, sending)
                close_if_stuck(stream, sending)
                connection.finish()
        except Exception as error:
            # Whoever asked has gone.
            log.debug("cannot answer: %s", error)

    async def finished(self) -> None:
        """Close all that is open."""
        self.stop()
        self._streams.end()
        self._kept.end()
        self._admission.end()
        self._aside.shutdown(wait=False, cancel_futures=True)


def attempt(answer: Callable[[], Answer]) -> Answer:
    """The answer; 500 for a defect, since nobody may wait for ever because of one."""
    try:
        return answer()
    except Exception as error:
        return _defect(error)


def _defect(error: Exception) -> Answer:
    """What is answered for one: strangers are not told where this program fails."""
    lines.defect(error)
    return answers.refusal(500, "a defect; the log of zkelect http tells which")


def _headers(answer: Answer) -> HTTPHeaders:
    headers = {**answers.ALWAYS, **answer.headers}
    if answer.status != 204:
        headers["Content-Type"] = answer.kind
    return HTTPHeaders(headers)
