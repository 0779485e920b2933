"""Is the service ready? One probe of it.

    tcp://HOST:PORT      a connection is accepted
    http(s)://…          an answer with an expected status and, if asked for, a text in its body
    exec:COMMAND         the command ends with exit status 0
    none                 nothing is asked beyond supervisord's own states: every member RUNNING

Two rules hold for every kind. A probe ends within its time limit, whatever the other side does: the limit is a point
in time and each step gets what is left until then, so a server that sends a byte now and then wins nothing. And what
could not be found out counts as not healthy. A probe never raises; it says in one line what it saw, without user
names, passwords, query strings or command arguments, because that line is logged and shown.

How probes count, and when the next one comes, is the business of `core/service.py`.
"""

from __future__ import annotations

import base64
import concurrent.futures
import http.client
import io
import ipaddress
import os
import re
import shlex
import socket
import ssl
import struct
import threading
import urllib.parse
from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional, Tuple

from supervisor_zkelect.processes import execution
from supervisor_zkelect.processes.execution import REASON_LENGTH, one_line
from supervisor_zkelect.system.clock import now

BODY_LIMIT = 64 * 1024
"""How many bytes of an HTTP body are searched for the expected text."""

LOOKUP_LIMIT = 8
"""How many host name look-ups may hang at once in this process; the C library gives no way to end one."""

SUCCESS = ((200, 299),)
"""The HTTP statuses that are healthy unless others were asked for."""

FORMS = "tcp://host:port, http://host:port/path, https://host:port/path, exec:COMMAND or none"


# One probe


class Result(NamedTuple):
    """What one probe found.

    ok: whether the service is healthy.
    reason: one printable line that says why, in either case, without secrets.
    seconds: how long the probe took.
    """

    ok: bool
    reason: str
    seconds: float


class _Unhealthy(Exception):
    """Ends a probe; the text is its reason."""


class _Limit:
    """A point in time, and what is being done until then."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.started = now()
        self.end = self.started + seconds
        self.doing = "starting"

    def remaining(self) -> float:
        """Seconds until the end, 0.0 when it has passed."""
        return max(0.0, self.end - now())

    def left(self) -> float:
        """As `remaining`, but raises when nothing remains: a socket timeout of 0 would mean "do not wait at all"."""
        seconds = self.remaining()
        if seconds <= 0:
            raise self.reached()
        return seconds

    def reached(self) -> _Unhealthy:
        return _Unhealthy(f"time limit of {self.seconds:g} s reached while {self.doing}")


class Check:
    """A way to ask a service whether it is ready. Immutable; `parse` makes one."""

    kind = ""

    def probe(self, timeout: float) -> Result:
        """Ask once. Blocks for `timeout` seconds at most; never raises; may be called from any thread.

        A command that has to be killed at the limit may add up to `execution.KILL_LIMIT` seconds when the kernel does not end it.
        """
        limit = _Limit(timeout)
        try:
            ok, reason = True, self._ask(limit)
        except _Unhealthy as error:
            ok, reason = False, str(error)
        except socket.timeout:
            ok, reason = False, str(limit.reached())
        except OSError as error:
            ok, reason = False, f"failed while {limit.doing}: {_os_error(error)}"
        except Exception as error:
            # A fault of this module must look like an unhealthy service and not end the caller's thread. The
            # exception's own text stays out: it may quote a URL.
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            line = place.tb_lineno if place is not None else 0
            ok = False
            reason = f"the check itself failed while {limit.doing}: {type(error).__name__} at line {line}"
        return Result(ok, one_line(reason, REASON_LENGTH * 2), now() - limit.started)

    def _ask(self, limit: _Limit) -> str:
        """The reason for being healthy. Raises _Unhealthy, OSError or socket.timeout otherwise."""
        raise TypeError(f"{type(self).__name__} does not say how to ask")


@dataclass(frozen=True)
class MembersRunning(Check):
    """No check of one's own: the group is ready when supervisord says RUNNING of every member.

    False in a truth test, because there is nothing to probe. A probe says yes at once; the states of the members,
    which every election looks at anyway, decide alone.
    """

    kind = "none"

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "none"

    def _ask(self, limit: _Limit) -> str:
        return "no health check is set; the states of the members decide"


@dataclass(frozen=True)
class Tcp(Check):
    """A connection to host:port is accepted within the limit. Nothing is sent."""

    host: str
    port: int
    kind = "tcp"

    def __str__(self) -> str:
        return f"tcp://{_hostport(self.host, self.port)}"

    def _ask(self, limit: _Limit) -> str:
        _connect(self.host, self.port, limit).close()
        return "connection accepted"


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
    trust: Optional[_Trust] = None

    @property
    def kind(self) -> str:  # type: ignore[override]
        """"http" or "https"."""
        return "http" if self.trust is None else "https"

    def __str__(self) -> str:
        return f"{self.kind}://{self._host_header()}{self.target.partition('?')[0]}"

    def _host_header(self) -> str:
        host = self.host.partition("%")[0]
        return _hostport(host, None if self.port == _DEFAULT_PORTS[self.kind] else self.port)

    def _ask(self, limit: _Limit) -> str:
        context = None
        if self.trust is not None:
            limit.doing = "reading the certificates of the authorities"
            context = self.trust.context()
        sock = _connect(self.host, self.port, limit)
        try:
            if context is not None:
                sock = self._encrypt(sock, context, limit)
            return self._get(sock, limit)
        finally:
            sock.close()

    def _encrypt(self, sock: socket.socket, context: ssl.SSLContext, limit: _Limit) -> ssl.SSLSocket:
        limit.doing = f"agreeing on TLS with {_hostport(self.host, self.port)}"
        sock.settimeout(limit.left())
        name = self.host.partition("%")[0].rstrip(".")
        try:
            # wrap_socket takes the descriptor over from the plain socket.
            secured = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        except ssl.SSLError as error:
            raise _Unhealthy(_tls_error(error)) from None
        try:
            secured.settimeout(limit.left())
            secured.do_handshake()
        except ssl.SSLError as error:
            secured.close()
            raise _Unhealthy(_tls_error(error)) from None
        except BaseException:
            secured.close()
            raise
        return secured

    def _get(self, sock: socket.socket, limit: _Limit) -> str:
        limit.doing = f"waiting for the HTTP answer of {_hostport(self.host, self.port)}"
        headers = {"Host": self._host_header(), "User-Agent": "zkelect", "Accept": "*/*", "Connection": "close"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.sock = _LimitedSocket(sock, limit)  # type: ignore[assignment]
        try:
            connection.request("GET", self.target, headers=headers)
            response = connection.getresponse()
            with response:
                status = response.status
                if not any(low <= status <= high for low, high in self.statuses):
                    hint = "; redirects are not followed" if 300 <= status <= 399 else ""
                    raise _Unhealthy(f"HTTP status {status}, expected {_statuses_text(self.statuses)}{hint}")
                if not self.body:
                    return f"HTTP status {status}"
                limit.doing = f"reading the HTTP body from {_hostport(self.host, self.port)}"
                if _occurs(self.body.encode("utf-8"), response):
                    return f"HTTP status {status}, with the expected text"
                raise _Unhealthy(f"HTTP status {status}, but the expected text is not in the body")
        except http.client.RemoteDisconnected:
            raise _Unhealthy("the connection was closed without an HTTP answer") from None
        except ssl.SSLError as error:
            raise _Unhealthy(_tls_error(error)) from None
        except (http.client.HTTPException, ValueError) as error:
            raise _Unhealthy(f"the answer is not valid HTTP ({type(error).__name__})") from None
        finally:
            connection.close()


@dataclass(frozen=True)
class Exec(Check):
    """A command ends with exit status 0 within the limit. No shell is involved.

    It runs in a session of its own with /dev/null as its input and the environment of `execution.ENVIRONMENT`. What it
    started and left in that session when it ended is killed, and at the limit it is killed together with all its
    descendants. The last line of its output, of both streams, stands in the reason.
    """

    argv: Tuple[str, ...] = field(repr=False)
    kind = "exec"

    def __str__(self) -> str:
        return f"exec:{shlex.quote(self.argv[0])}"

    def _ask(self, limit: _Limit) -> str:
        name = one_line(self.argv[0], REASON_LENGTH)
        limit.doing = f"running {name}"
        limit.left()
        try:
            ended = execution.run(self.argv, limit.end)
        except FileNotFoundError:
            raise _Unhealthy(f"cannot run {name}: the command or its interpreter does not exist") from None
        except OSError as error:
            raise _Unhealthy(f"cannot run {name}: {_os_error(error)}") from None
        said = f": {ended.said}" if ended.said else ""
        pids = ", ".join(map(str, ended.unkillable))
        trouble = f"; not permitted to kill pid {pids}" if pids else ""
        if ended.status is None:
            raise _Unhealthy(f"{limit.reached()}, killed{trouble}{said}")
        if ended.left_over:
            trouble = f" ({ended.left_over} left-over processes killed{trouble})"
        if not ended.ok:
            raise _Unhealthy(f"{ended.status}{trouble}{said}")
        return f"{ended.status}{trouble}{said}"


# Reading a health option


def parse(
    url: Optional[str], status: Optional[str] = None, body: Optional[str] = None, ca: Optional[str] = None
) -> Check:
    """The check that a `health` option asks for.

    url: one of `tcp://HOST:PORT`, `http://[USER:PASSWORD@]HOST[:PORT][/PATH][?QUERY]`, the same with https,
        `exec:COMMAND` (split into words like a shell does, but not run by one), or None, "" or `none`. An IPv6
        address stands in brackets.
    status: the HTTP statuses that are healthy, as `200`, `200-299` or `200,204,301-302`; None or "" for 200-299.
    body: a text that must occur in the first 64 KiB of the HTTP body; None or "" for any.
    ca: path of a PEM file with the only authorities trusted for https; None or "" for those of the system. It is
        read here, and again by a probe when it has changed.

    Raises ValueError with one sentence that says what is wrong and what would be right. The sentence repeats neither
    user name nor password.
    """
    text = (url or "").strip()
    kind, colon, rest = text.partition(":")
    kind = kind.lower()
    extras = [name for name, value in (("status", status), ("body", body), ("ca", ca)) if value]
    if not text or text.lower() == "none":
        _refuse(extras, "there is no health check")
        return MembersRunning()
    if kind == "exec" and colon:
        _refuse(extras, "the health check is a command")
        return Exec(_words(rest))
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError(f"{_shown(text)} contains blanks or control characters; percent-encode them")
    if kind == "tcp" and rest.startswith("//"):
        _refuse(extras, "the health check is a TCP connection")
        return _tcp(text)
    if kind in ("http", "https") and rest.startswith("//"):
        if kind == "http" and ca:
            raise ValueError("ca has no effect because the health check is not https; remove it")
        return _http(kind, text, status or "", body or "", ca or "")
    raise ValueError(f"{_shown(text)} is not a known kind of health check; use {FORMS}")


_DEFAULT_PORTS = {"http": 80, "https": 443}


def _refuse(extras: List[str], why: str) -> None:
    if extras:
        verb = "has" if len(extras) == 1 else "have"
        it = "it" if len(extras) == 1 else "them"
        raise ValueError(f"{', '.join(extras)} {verb} no effect because {why}; remove {it}, or use an http or https check")


def _shown(url: str) -> str:
    """A URL that may be malformed, fit for a message: whatever could be a password is left out.

    A user or password with an unescaped / # or ? makes the usual split put parts of it elsewhere, so everything up
    to the last @ goes, and so does a query.
    """
    kind, _, rest = url.partition("//")
    if "@" in url:
        url = f"{kind if '@' not in kind and rest else ''}//***@{url.rpartition('@')[2]}"
    head, mark, _ = url.partition("?")
    return repr(one_line(head + ("?…" if mark else ""), 100))


def _words(command: str) -> Tuple[str, ...]:
    if "\0" in command:
        raise ValueError("exec: the command contains a NUL byte; remove it")
    try:
        words = tuple(shlex.split(command))
    except ValueError:
        raise ValueError("exec: the command has an unclosed quotation mark or a backslash at its end") from None
    if not words or not words[0]:
        raise ValueError("exec: the command is empty; use exec:COMMAND, or none")
    if re.match(r"[A-Za-z_][A-Za-z0-9_]*=", words[0]):
        raise ValueError("exec: the command runs without a shell, so it cannot begin with a variable; "
                         "use exec:env NAME=value COMMAND")
    return words


def _tcp(text: str) -> Tcp:
    host, port, parts = _split(text)
    if "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        raise ValueError(f"{_shown(text)} has more than a host and a port; use tcp://host:port")
    if port is None:
        raise ValueError(f"{_shown(text)} has no port; use tcp://host:port")
    return Tcp(host, port)


def _http(kind: str, text: str, status: str, body: str, ca: str) -> Http:
    host, port, parts = _split(text)
    if "@" in f"{parts.path}{parts.query}":
        # It may as well be the end of a password with a slash in it, which would then be shown as a path.
        raise ValueError(f"{_shown(text)} has an @ after the host; percent-encode it, and / ? # @ in a password too")
    if "#" in text:
        raise ValueError(f"{_shown(text)} has a fragment, which is never sent; remove it, or percent-encode the #")
    target = urllib.parse.quote(parts.path or "/", safe="%/:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + urllib.parse.quote(parts.query, safe="%/?:@!$&'()*+,;=~-._[]")
    authorization = ""
    if "@" in parts.netloc:
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        pair = b":".join(urllib.parse.unquote_to_bytes(part) for part in (user, password))
        authorization = "Basic " + base64.b64encode(pair).decode("ascii")
    if len(body.encode("utf-8", "surrogateescape")) > BODY_LIMIT:
        raise ValueError(f"body is longer than the {BODY_LIMIT} bytes that are searched for it; shorten it")
    return Http(
        host=host,
        port=port or _DEFAULT_PORTS[kind],
        target=target,
        statuses=_statuses(status),
        body=body,
        authorization=authorization,
        trust=_Trust(ca) if kind == "https" else None,
    )


def _split(text: str) -> Tuple[str, Optional[int], urllib.parse.SplitResult]:
    """Host (ASCII, without brackets), port or None, and all parts of a URL. Raises ValueError."""
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        raise ValueError(f"{_shown(text)} is not a URL; write an IPv6 address as [::1]") from None
    hostport = parts.netloc.rpartition("@")[2]
    match = re.fullmatch(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^\[\]:]*))(?::(?P<port>.*))?", hostport)
    if match is None or (match["port"] and ":" in match["port"]):
        raise ValueError(f"{_shown(text)} has no valid host; write an IPv6 address as [::1]")
    port = None
    if match["port"] is not None:
        digits = match["port"]
        if not re.fullmatch(r"[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65535:
            hint = "; percent-encode / ? # and @ in a user name or password" if "@" in text else ""
            raise ValueError(f"{_shown(text)} has no valid port; it must be a number from 1 to 65535{hint}")
        port = int(digits)
    if match["six"] is not None:
        address, percent, zone = match["six"].partition("%")
        if zone.startswith("25"):
            # RFC 6874: the percent sign before a zone is itself escaped.
            zone = zone[2:]
        try:
            host = str(ipaddress.IPv6Address(address))
        except ValueError:
            raise ValueError(f"{_shown(text)} has no valid IPv6 address in its brackets") from None
        return (f"{host}%{zone}" if percent and zone else host), port, parts
    if not match["host"]:
        raise ValueError(f"{_shown(text)} has no host; use {FORMS}")
    try:
        return match["host"].encode("idna").decode("ascii"), port, parts
    except UnicodeError:
        raise ValueError(f"{_shown(text)} has no valid host name") from None


def _statuses(text: str) -> Tuple[Tuple[int, int], ...]:
    if not text.strip():
        return SUCCESS
    ranges = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*([1-5][0-9]{2})\s*(?:-\s*([1-5][0-9]{2})\s*)?", item)
        if match is None or int(match[1]) > int(match[2] or match[1]):
            raise ValueError(f"status {one_line(text, 60)!r} is not understood; use 200, 200-299 or 200,204,301-302")
        ranges.append((int(match[1]), int(match[2] or match[1])))
    return tuple(ranges)


def _statuses_text(statuses: Tuple[Tuple[int, int], ...]) -> str:
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in statuses)


# Network


class _Trust:
    """The authorities that an https check trusts.

    The context is kept, because reading the system's authorities takes longer than a whole probe, and made anew when
    the file changed.
    """

    def __init__(self, ca: str):
        self._ca = ca
        self._lock = threading.Lock()
        self._seen: Optional[Tuple[int, ...]] = None
        self._context: Optional[ssl.SSLContext] = None
        if ca:
            try:
                self.context()
            except _Unhealthy as error:
                raise ValueError(f"{error}; ca must name a readable file of PEM certificates") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Trust) and self._ca == other._ca

    def __hash__(self) -> int:
        return hash(self._ca)

    def __repr__(self) -> str:
        return f"_Trust({self._ca!r})"

    def context(self) -> ssl.SSLContext:
        with self._lock:
            try:
                seen = self._version()
                if self._context is None or seen != self._seen:
                    context = ssl.create_default_context(cafile=self._ca or None)
                    context.minimum_version = ssl.TLSVersion.TLSv1_2
                    self._context, self._seen = context, seen
            except ssl.SSLError:
                raise _Unhealthy(f"ca file {self._ca!r} holds no usable PEM certificate") from None
            except (OSError, ValueError) as error:
                text = _os_error(error) if isinstance(error, OSError) else "not a valid path"
                raise _Unhealthy(f"ca file {self._ca!r} cannot be read: {text}") from None
            return self._context

    def _version(self) -> Tuple[int, ...]:
        if not self._ca:
            return ()
        found = os.stat(self._ca)
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class _Lookups:
    """Host name look-ups that can be waited for with a limit.

    getaddrinfo(3) cannot be interrupted, so it runs in a thread that is left alone when the limit is reached. One
    thread per name: a later probe waits for the look-up that is under way. Never more than `most` threads: beyond
    them a look-up fails at once.
    """

    def __init__(self, most: int):
        self._most = most
        self._lock = threading.Lock()
        self._pending: Dict[Tuple[str, int], concurrent.futures.Future] = {}

    def addresses(self, host: str, port: int, limit: _Limit) -> List[tuple]:
        """As getaddrinfo gives them, at least one. Raises _Unhealthy."""
        limit.doing = f"resolving host name {host}"
        try:
            # An address needs no look-up, and this flag keeps the C library from making one.
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        future = self._begin(host, port)
        try:
            return future.result(limit.left())
        except concurrent.futures.TimeoutError:
            raise limit.reached() from None
        except socket.gaierror as error:
            raise _Unhealthy(f"host name {host} cannot be resolved: {_os_error(error)}") from None
        except UnicodeError:
            raise _Unhealthy(f"{host} is not a valid host name") from None

    def _begin(self, host: str, port: int) -> concurrent.futures.Future:
        key = (host, port)
        with self._lock:
            future = self._pending.get(key)
            if future is not None:
                return future
            if len(self._pending) >= self._most:
                raise _Unhealthy(f"host name {host} is not looked up: {self._most} look-ups hang already")
            future = concurrent.futures.Future()
            thread = threading.Thread(target=self._look_up, args=(key, future), name=f"resolve {host}", daemon=True)
            self._pending[key] = future
            try:
                thread.start()
            except RuntimeError:
                del self._pending[key]
                raise _Unhealthy(f"host name {host} is not looked up: no thread can be started") from None
        return future

    def _look_up(self, key: Tuple[str, int], future: concurrent.futures.Future) -> None:
        outcome: List[tuple] = []
        failure: Optional[Exception] = None
        try:
            outcome = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
        except Exception as error:
            # Whatever it is, it belongs to the one who waits.
            failure = error
        with self._lock:
            del self._pending[key]
        if failure is None:
            future.set_result(outcome)
        else:
            future.set_exception(failure)


_lookups = _Lookups(LOOKUP_LIMIT)


def addresses_of(host: str, seconds: float) -> List[str]:
    """The IP addresses of a host name, within so many seconds, or the address that it is itself. Raises ValueError: why not."""
    try:
        found = _lookups.addresses(host, 0, _Limit(seconds))
    except _Unhealthy as error:
        raise ValueError(str(error)) from None
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _connect(host: str, port: int, limit: _Limit) -> socket.socket:
    """A connected socket, which the caller closes. Raises _Unhealthy.

    The addresses of a name are tried in the resolver's order, each with an equal share of the time that is left, so
    that one that swallows packets does not hide the next.
    """
    found = _lookups.addresses(host, port, limit)
    where = _hostport(host, port)
    limit.doing = f"connecting to {where}"
    trouble = "no address"
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        share = limit.left() / (len(found) - tried)
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(share)
            sock.connect(address)
            if not _is_own_reflection(sock):
                return sock
            # Reset, so that the service finds its port free and not in TIME_WAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            trouble = "nothing listens there"
        except socket.timeout:
            trouble = f"no answer within {share:.3g} s"
        except OSError as error:
            trouble = _os_error(error)
        if sock is not None:
            sock.close()
    if limit.remaining() <= 0:
        raise limit.reached()
    raise _Unhealthy(f"cannot connect to {where}: {trouble}")


def _is_own_reflection(sock: socket.socket) -> bool:
    """Whether a socket is connected to itself.

    Linux may pick, as the source port of a connection to a local port where nobody listens, that very port, and TCP's
    simultaneous open then succeeds (RFC 9293, 3.5): a dead service would look alive.
    """
    return sock.getsockname() == sock.getpeername()


class _LimitedSocket:
    """As much of a socket as http.client needs, each step bounded by what is left of the limit.

    A timeout of the socket itself would start anew with every byte that arrives. Closing is left to the owner.
    """

    def __init__(self, sock: socket.socket, limit: _Limit):
        self._sock = sock
        self._limit = limit

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._limit.left())
            view = view[self._sock.send(view):]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_LimitedReader(self._sock, self._limit))

    def close(self) -> None:
        """Nothing: the response may still have to be read."""


class _LimitedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, limit: _Limit):
        super().__init__()
        self._sock = sock
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[override]
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


# Texts


def _hostport(host: str, port: Optional[int]) -> str:
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def _os_error(error: OSError) -> str:
    return one_line(error.strerror or type(error).__name__, REASON_LENGTH)


def _tls_error(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate is refused: {one_line(error.verify_message, REASON_LENGTH)}"
    return f"TLS failed: {one_line(error.reason or type(error).__name__, REASON_LENGTH)}"
