"""The check that an HTTP server gives an expected answer.

The exchange is that of the standard library's http.client, over a socket that gives each step what is left of the limit: a
timeout of its own starts anew with each byte, so that a server which sends 80 bytes, one each half second, keeps a client with a
timeout of 1 s for 43 s. It takes 1.2 of the 30 MiB of a listener (RSS), so `parse` imports this module only for such a check.
"""

from __future__ import annotations

import functools
import http.client
import io
import os
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any, Optional, Tuple

from supervisor_zkelect.checks.health import Check, Limit, Unhealthy, hostport, os_error
from supervisor_zkelect.checks.tcp import connect
from supervisor_zkelect.processes.execution import REASON_LENGTH, one_line

BODY_LIMIT = 64 * 1024
"""How many bytes of an HTTP body are searched for the expected text."""

SUCCESS = ((200, 299),)
"""The HTTP statuses that are healthy unless others were asked for."""

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Http(Check):
    """GET of a URL gives an expected status and, when `body` is set, that text within the first 64 KiB.

    Redirects are not followed: another place's health says nothing about this one. Environment variables for proxies
    are not looked at. The body is not read when no text is asked for.
    """

    host: str
    port: int
    target: str = field(repr=False)
    statuses: Tuple[Tuple[int, int], ...] = SUCCESS
    body: str = ""
    authorization: str = field(default="", repr=False)
    trust: Optional[Trust] = None

    @property
    def kind(self) -> str:
        """"http" or "https"."""
        return "http" if self.trust is None else "https"

    def __str__(self) -> str:
        return f"{self.kind}://{self._host_header()}{self.target.partition('?')[0]}"

    def _host_header(self) -> str:
        host = self.host.partition("%")[0]
        return hostport(host, None if self.port == DEFAULT_PORTS[self.kind] else self.port)

    @property
    def place(self) -> Tuple[str, int]:
        return self.host, self.port

    def ask(self, limit: Limit) -> str:
        context = None
        if self.trust is not None:
            limit.doing = "reading the certificates of the authorities"
            context = self.trust.context()
        sock = connect(self.host, self.port, limit)
        try:
            if context is not None:
                sock = self._encrypt(sock, context, limit)
            return self._get(sock, limit)
        finally:
            sock.close()

    def _encrypt(self, sock: socket.socket, context: ssl.SSLContext, limit: Limit) -> ssl.SSLSocket:
        limit.doing = f"agreeing on TLS with {hostport(self.host, self.port)}"
        sock.settimeout(limit.left())
        name = self.host.partition("%")[0].rstrip(".")
        try:
            # wrap_socket takes the descriptor over from the plain socket.
            secured = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        except ssl.SSLError as error:
            raise Unhealthy(_tls_error(error)) from None
        try:
            secured.settimeout(limit.left())
            secured.do_handshake()
        except ssl.SSLError as error:
            secured.close()
            raise Unhealthy(_tls_error(error)) from None
        except BaseException:
            secured.close()
            raise
        return secured

    def _get(self, sock: socket.socket, limit: Limit) -> str:
        limit.doing = f"waiting for the HTTP answer of {hostport(self.host, self.port)}"
        headers = {"Host": self._host_header(), "User-Agent": "zkelect", "Accept": "*/*", "Connection": "close"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.sock = _BoundedSocket(sock, limit)
        try:
            connection.request("GET", self.target, headers=headers)
            response = connection.getresponse()
            with response:
                status = response.status
                if not any(low <= status <= high for low, high in self.statuses):
                    hint = "; redirects are not followed" if 300 <= status <= 399 else ""
                    raise Unhealthy(f"HTTP status {status}, expected {_statuses_text(self.statuses)}{hint}")
                if not self.body:
                    return f"HTTP status {status}"
                limit.doing = f"reading the HTTP body from {hostport(self.host, self.port)}"
                if _occurs(self.body.encode("utf-8"), response):
                    return f"HTTP status {status}, with the expected text"
                raise Unhealthy(f"HTTP status {status}, but the expected text is not in the body")
        except http.client.RemoteDisconnected:
            raise Unhealthy("the connection was closed without an HTTP answer") from None
        except ssl.SSLError as error:
            raise Unhealthy(_tls_error(error)) from None
        except (http.client.HTTPException, ValueError) as error:
            raise Unhealthy(f"the answer is not valid HTTP ({type(error).__name__})") from None
        finally:
            connection.close()


@dataclass(frozen=True)
class Trust:
    """The authorities that an https check trusts: those in the PEM file `ca`, or with "" those of the system. Raises ValueError
    for a file that cannot be used."""

    ca: str

    def __post_init__(self) -> None:
        if self.ca:
            try:
                self.context()
            except Unhealthy as error:
                raise ValueError(f"{error}; ca must name a readable file of PEM certificates") from None

    def context(self) -> ssl.SSLContext:
        """The context for a connection; a new one when the file has changed. Raises Unhealthy."""
        try:
            found = os.stat(self.ca) if self.ca else None
            version = found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            return _context(self.ca, version)
        except ssl.SSLError:
            raise Unhealthy(f"ca file {self.ca!r} contains no usable PEM certificate") from None
        except (OSError, ValueError) as error:
            text = os_error(error) if isinstance(error, OSError) else "not a valid path"
            raise Unhealthy(f"ca file {self.ca!r} cannot be read: {text}") from None


@functools.lru_cache(maxsize=32)
def _context(ca: str, version: Optional[Tuple[int, ...]]) -> ssl.SSLContext:
    """Kept, because reading the system's authorities takes longer than a whole probe."""
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _BoundedSocket:
    """As much of a socket as http.client needs, each step bounded by what is left of the limit. Closing it is left to the owner.
    """

    def __init__(self, sock: socket.socket, limit: Limit) -> None:
        self._sock = sock
        self._limit = limit

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._limit.left())
            view = view[self._sock.send(view):]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._limit))

    def close(self) -> None:
        """Nothing: the response may still have to be read."""


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, limit: Limit) -> None:
        super().__init__()
        self._sock = sock
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._limit.left())
        return self._sock.recv_into(buffer)


def _occurs(wanted: bytes, response: http.client.HTTPResponse) -> bool:
    """Whether the text occurs in the first BODY_LIMIT bytes. Stops reading where it was found, so that an endless
    body is no obstacle."""
    # Older releases of http.client do not count what read1 took, and would wait for more on a connection kept open.
    most = BODY_LIMIT if response.length is None else min(response.length, BODY_LIMIT)
    body = bytearray()
    while len(body) < most:
        part = response.read1(most - len(body))
        if not part:
            break
        start = max(0, len(body) - len(wanted) + 1)
        body += part
        if body.find(wanted, start) >= 0:
            return True
    return False


def _statuses_text(statuses: Tuple[Tuple[int, int], ...]) -> str:
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in statuses)


def _tls_error(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate is refused: {one_line(error.verify_message, REASON_LENGTH)}"
    return f"TLS failed: {one_line(error.reason or type(error).__name__, REASON_LENGTH)}"
