"""Clients of kazoo's: made by options or by the settings of a file, started, and stopped."""

from __future__ import annotations

import logging
import ssl
import threading
from contextlib import suppress
from typing import Any, Callable, Dict, List, Optional, Tuple

from kazoo.client import KazooClient
from kazoo.security import ACL, CREATOR_ALL_ACL, READ_ACL_UNSAFE

from supervisor_zkelect.core import untrusted
from supervisor_zkelect.zookeeper import kazoo_internals, replies, tls
from supervisor_zkelect.zookeeper.errors import BadArgument, NotConnected

#: Reconnect delays in seconds. kazoo's own grow to an hour.
RECONNECT = {"max_tries": -1, "delay": 0.05, "backoff": 2, "max_delay": 0.2, "ignore_expire": True}

#: Characters of what is told of a connection's trouble.
_LONGEST_TROUBLE = 500


def split_hosts(servers: str) -> Tuple[str, str]:
    """"h1:2181,h2:2181/app" as ("h1:2181,h2:2181", "/app")."""
    hosts, slash, chroot = servers.partition("/")
    return hosts, slash + chroot.rstrip("/") if chroot.strip("/") else ""


def acl_of(name: str) -> Optional[List[ACL]]:
    """kazoo's ACL for "open", "creator" (all to the creator, nothing to others) and "creator+read"; None for "open".

    Raises BadArgument for another name.
    """
    if name == "creator":
        return list(CREATOR_ALL_ACL)
    if name == "creator+read":
        return list(CREATOR_ALL_ACL) + list(READ_ACL_UNSAFE)
    if name == "open":
        return None
    raise BadArgument(f"acl is {name!r}; give open, creator or creator+read")


def make_client(
    hosts: str, timeout: float, digest: Optional[str] = None, pace: Optional[replies.ReconnectPace] = None,
    limits: Callable[[], Tuple[int, float]] = lambda: (replies.LONGEST, replies.USUAL_TICK), **options: Any,
) -> KazooClient:
    """A client that is not started. hosts: without chroot. timeout: session timeout in seconds. options: kazoo's.

    pace: of its connections, where that began before this client. limits: bytes of a reply that are read, and the servers'
    tickTime in seconds, as they are now.
    """
    client = KazooClient(
        hosts=hosts,
        timeout=timeout,
        auth_data=[("digest", digest)] if digest else None,
        connection_retry=RECONNECT,
        command_retry={"max_tries": 0},
        logger=logging.getLogger("supervisor_zkelect.kazoo"),
        **options,
    )
    kazoo_internals.harden(client, pace or replies.ReconnectPace(), limits)
    return client


def client_for(
    settings: Any, attach: Optional[Tuple[int, bytes]] = None, timeout: Optional[float] = None,
    pace: Optional[replies.ReconnectPace] = None, limits: Optional[Callable[[], Tuple[int, float]]] = None,
) -> KazooClient:
    """The client that the settings of a file (`settings.Settings`) describe, not started.

    attach: id and password of a session to go on with. timeout: what to ask for, by default the settings'; a session
    that is attached takes what is asked, so it must be asked for what it has. pace, limits: as `make_client` takes them; the
    latter are by default the settings'.
    """
    options: Dict[str, Any] = {"client_id": attach} if attach else {}
    if settings.tls:
        options.update(
            use_ssl=True,
            ca=settings.tls_ca,
            certfile=settings.tls_cert,
            keyfile=settings.tls_key,
            keyfile_password=_key_password(settings),
            verify_certs=True,
            check_hostname=settings.tls_verify_hostname,
        )
    sasl = settings.sasl_options()
    if sasl is not None:
        options["sasl_options"] = sasl
    return make_client(
        ",".join(settings.servers),
        timeout or settings.session_timeout,
        digest=settings.digest.reveal() if settings.digest else None,
        pace=pace,
        limits=limits or (lambda: (settings.reply_max, settings.tick_time)),
        **options,
    )


def tls_context(settings: Any) -> Optional[ssl.SSLContext]:
    """The TLS context that the settings of a file ask for; None without TLS.

    Raises what `tls.context` raises.
    """
    if not settings.tls:
        return None
    return tls.context(
        settings.tls_ca, settings.tls_cert, settings.tls_key, _key_password(settings), settings.tls_verify_hostname
    )


def _key_password(settings: Any) -> str:
    """The key file's password; "" where none is set, because without one OpenSSL would ask on the terminal, and wait."""
    return str(settings.tls_key_password.reveal()) if settings.tls_key_password else ""


def start_client(client: KazooClient, limit: float) -> None:
    """Start and wait for the connection. Raises `errors.NotConnected` after `limit` seconds."""
    warning = LastWarning()
    client.logger.addHandler(warning)
    try:
        connected = client.start_async().wait(limit)
    finally:
        client.logger.removeHandler(warning)
    if not connected:
        hosts = ",".join(f"{host}:{port}" for host, port in client.hosts)
        why = warning.text or "no answer"
        raise NotConnected(f"cannot reach ZooKeeper at {hosts}: {why}; see that a server runs there and can be reached")


def stop_client(client: KazooClient) -> None:
    """Close the session and the client. Takes seconds when ZooKeeper cannot be reached, and as long as a resolver that is
    waited for."""
    client.stop()
    client.close()


def stop_in_time(client: KazooClient, limit: float) -> None:
    """The same within `limit` seconds. What takes longer goes on beside everything else, and keeps no process from ending."""
    errors: List[Exception] = []

    def stop() -> None:
        try:
            stop_client(client)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=stop, name="zkelect-stop", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # There is no thread to be had.
        stop_client(client)
        return
    thread.join(limit)
    if errors:
        raise errors[0]


def end_client(client: KazooClient, limit: float) -> None:
    """End a client of which nothing is wanted any more, within `limit` seconds: no trouble with that, as of a session that is
    lost just then, is to cost what is known by it."""
    with suppress(Exception):
        stop_in_time(client, limit)


def open_client(
    settings: Any, limit: float, attach: Optional[Tuple[int, bytes]] = None, timeout: Optional[float] = None
) -> KazooClient:
    """A started client by the settings; `stop_client` ends it. attach, timeout: as for `client_for`. Raises
    `errors.NotConnected` after `limit` seconds."""
    client = client_for(settings, attach, timeout)
    try:
        start_client(client, limit)
    except BaseException:
        stop_client(client)
        raise
    return client


class LastWarning(logging.Handler):
    """Keeps what kazoo said last of why it has no connection."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]!r}"
        if text.startswith(("Cannot resolve", "Connection dropped", "Connection time-out", "Unhandled exception")):
            self.text = untrusted.printable(text.replace("\n", " "), _LONGEST_TROUBLE)
