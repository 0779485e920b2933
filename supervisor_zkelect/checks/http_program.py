"""Whether `zkelect http` answers, asked from this host."""

from __future__ import annotations

import http.client
import json
import ssl

TIME = 1.0
"""Seconds that it has to answer."""

_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def trouble(place: str, tls: bool, seconds: float = TIME) -> str:
    """Why `zkelect http` does not answer, in one line; "" where it does. place: host:port, where it listens. tls: whether it
    speaks TLS; whose certificate it has does not matter here."""
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    host = _ALL.get(host, host)
    connection: http.client.HTTPConnection
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, int(port), timeout=seconds, context=context)
    else:
        connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
    try:
        connection.request("GET", "/live")
        answer = connection.getresponse()
        found = json.loads(answer.read(1000))
        if answer.status == 200 and isinstance(found, dict) and found.get("live") is True:
            return ""
        return f"another program answers at {place}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"zkelect http does not answer at {place} ({why}); a load balancer sees no primary here"
    finally:
        connection.close()
