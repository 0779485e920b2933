"""Whether `zkelect http` answers, asked from this host. Without http.client, which the listener has no other use for."""

from __future__ import annotations

import json
import socket
import ssl
import time

from supervisor_zkelect.system.deadline import connect, left

TIME = 1.0
"""Seconds that it has from the first packet to the last, once its name is resolved, which has no limit of time."""

_LONGEST = 4096
"""Bytes of an answer that are read."""

_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def trouble(place: str, tls: bool, seconds: float = TIME) -> str:
    """Why `zkelect http` does not answer, in one line; "" where it does. place: host:port, where it listens. tls: whether it
    speaks TLS; whose certificate it has does not matter here. seconds: for the whole, as `TIME`."""
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(_ALL.get(host, host), int(port), 0, socket.SOCK_STREAM)
        deadline = time.monotonic() + seconds
        _, link = connect([(one[0], one[4]) for one in found], deadline)
        with link:
            link.settimeout(left(deadline))
            answer = _asked(_wrapped(link) if tls else link, deadline)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"zkelect http does not answer at {place} ({why}); a load balancer sees no primary here"
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if head.split(None, 2)[1:2] == [b"200"] and isinstance(told, dict) and told.get("live") is True:
        return ""
    return f"another program than zkelect http answers at {place}; a load balancer sees no primary here"


def _wrapped(link: socket.socket) -> socket.socket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(link)


def _asked(link: socket.socket, deadline: float) -> bytes:
    """The answer. deadline: a time.monotonic(). Raises OSError, and ValueError where there is none."""
    with link:
        link.settimeout(left(deadline))
        link.sendall(b"GET /live HTTP/1.0\r\n\r\n")
        answer = b""
        while len(answer) < _LONGEST:
            # For the whole, as an answer may come byte by byte.
            link.settimeout(left(deadline))
            more = link.recv(_LONGEST)
            if not more:
                break
            answer += more
    if not answer:
        raise ValueError("it hangs up")
    return answer
