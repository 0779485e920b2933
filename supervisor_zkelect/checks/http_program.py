"""Whether `zkelect http` answers, asked from this host. Without http.client, which the listener has no other use for."""

from __future__ import annotations

import json
import socket
import ssl

TIME = 1.0
"""Seconds that it has for each step of its answer."""

_LONGEST = 4096
"""Bytes of an answer that are read."""

_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def trouble(place: str, tls: bool, seconds: float = TIME) -> str:
    """Why `zkelect http` does not answer, in one line; "" where it does. place: host:port, where it listens. tls: whether it
    speaks TLS; whose certificate it has does not matter here."""
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((_ALL.get(host, host), int(port)), seconds) as link:
            answer = _asked(_wrapped(link) if tls else link)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"zkelect http does not answer at {place} ({why}); a load balancer sees no primary here"
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if head.split(None, 2)[1:2] == [b"200"] and isinstance(found, dict) and found.get("live") is True:
        return ""
    return f"another program than zkelect http answers at {place}; a load balancer sees no primary here"


def _wrapped(link: socket.socket) -> socket.socket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(link)


def _asked(link: socket.socket) -> bytes:
    """The answer. Raises OSError, and ValueError where there is none."""
    with link:
        link.sendall(b"GET /live HTTP/1.0\r\n\r\n")
        answer = b""
        while len(answer) < _LONGEST:
            more = link.recv(_LONGEST)
            if not more:
                break
            answer += more
    if not answer:
        raise ValueError("it hangs up")
    return answer
