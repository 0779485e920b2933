"""TLS to ZooKeeper: the context of a client, and its arguments, checked before anything is begun.

kazoo would meet a file that cannot be used on its connection's thread only, where each connection ends and nobody is told why.
"""

from __future__ import annotations

import os
import ssl
from typing import Any, Dict, Optional

from supervisor_zkelect.zookeeper import arguments
from supervisor_zkelect.zookeeper.errors import BadArgument


def context(ca: Optional[str], cert: Optional[str], key: Optional[str], password: str, verify_hostname: bool) -> ssl.SSLContext:
    """A client's context. ca: its authorities beside the system's. cert, key: its own certificate, where both are given.
    password: of the key, "" without one, because OpenSSL would ask for it on the terminal, and wait.

    Raises OSError for a file that cannot be read, and ssl.SSLError, an OSError, for one that is no certificate or key, or has
    another password; ValueError for a password that is too long.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_default_certs(ssl.Purpose.SERVER_AUTH)
    made.check_hostname = verify_hostname
    if ca:
        made.load_verify_locations(ca)
    if cert and key:
        made.load_cert_chain(cert, key, password)
    return made


def options(tls: object, ca: object, cert: object, key: object, password: object) -> Dict[str, Any]:
    """kazoo's options for the arguments `tls`, `tls_ca`, `tls_cert`, `tls_key` and `tls_key_password`; {} where none asks for
    TLS. Raises BadArgument."""
    wanted = arguments.flag("tls", tls)
    if password is not None and not isinstance(password, str):
        # The message must not repeat a secret.
        raise BadArgument(f"tls_key_password is of the type {type(password).__name__}; give text")
    for name, value in (("tls_key", key), ("tls_key_password", password)):
        if value is not None and cert is None:
            raise BadArgument(f"{name} has no effect without tls_cert; give that too, or leave it out")
    authorities, own, secret = _file("tls_ca", ca), _file("tls_cert", cert), _file("tls_key", key)
    if not wanted and authorities is None and own is None:
        return {}
    try:
        context(authorities, None, None, "", True)
    except (OSError, ValueError):
        what = "it has no certificate, or cannot be read; give the path of a PEM file with those of the authorities"
        raise BadArgument(f"tls_ca is {arguments.shown(ca)}: {what}") from None
    try:
        context(None, own, secret or own, password or "", True)
    except (OSError, ValueError):
        pair = "its key" if secret is None else f"tls_key, {arguments.shown(key)},"
        what = "they cannot be read, are not PEM, are not a pair, or the wrong tls_key_password was given; correct one of them"
        raise BadArgument(f"tls_cert, {arguments.shown(cert)}, and {pair} cannot be used: {what}") from None
    return {
        "use_ssl": True, "ca": authorities, "certfile": own, "keyfile": secret or own, "keyfile_password": password or "",
        "verify_certs": True, "check_hostname": True,
    }


def _file(name: str, value: object) -> Optional[str]:
    """The path of a regular file, as another kind could block for ever when opened; None where none is given."""
    if value is None:
        return None
    path = arguments.text(name, value)
    if not os.path.isfile(path):
        raise BadArgument(f"{name} is {arguments.shown(path)}: there is no such file; give the path of a PEM file")
    return path
