"""Reads the health options of an election into a check."""

from __future__ import annotations

import base64
import ipaddress
import re
import shlex
import urllib.parse
from typing import List, Optional, Tuple

from supervisor_zkelect.checks.command import Exec
from supervisor_zkelect.checks.health import Check
from supervisor_zkelect.checks.tcp import Tcp
from supervisor_zkelect.processes.execution import one_line

FORMS = "tcp://host:port, http://host:port/path, https://host:port/path, exec:COMMAND or none"


def parse(
    url: Optional[str], status: Optional[str] = None, body: Optional[str] = None, ca: Optional[str] = None
) -> Optional[Check]:
    """The check that the health options of an election describe; None where supervisord's states of the programs decide alone.

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
        return None
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


def _http(kind: str, text: str, status: str, body: str, ca: str) -> Check:
    # A listener without such a check saves 1.2 MiB: http.client imports a parser of mail for the headers.
    from supervisor_zkelect.checks.http import BODY_LIMIT, DEFAULT_PORTS, SUCCESS, Http, Trust

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
        port=port or DEFAULT_PORTS[kind],
        target=target,
        statuses=_statuses(status) if status.strip() else SUCCESS,
        body=body,
        authorization=authorization,
        trust=Trust(ca) if kind == "https" else None,
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
    ranges = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*([1-5][0-9]{2})\s*(?:-\s*([1-5][0-9]{2})\s*)?", item)
        if match is None or int(match[1]) > int(match[2] or match[1]):
            raise ValueError(f"status {one_line(text, 60)!r} is not understood; use 200, 200-299 or 200,204,301-302")
        ranges.append((int(match[1]), int(match[2] or match[1])))
    return tuple(ranges)
