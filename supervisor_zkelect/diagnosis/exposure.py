"""Openings for strangers: ACLs and credentials that do not hold, and secrets that programs inherit. Notes, never problems.

A file tells some of it (`of_file`); the environments of supervisord and of the programs tell the rest (`of_processes`).
"""

from __future__ import annotations

import ipaddress
import os
import time
from typing import Any, Iterable, Iterator, List, Mapping, Tuple
from urllib.parse import urlsplit

from supervisor_zkelect.config import http_files
from supervisor_zkelect.core.untrusted import printable

LONGEST_ENVIRONMENT = 1 << 20
"""Bytes of a process's environment that are looked at."""

CLOSED = "let only the nodes reach the servers' ports, or have the servers ask for certificates (tls_cert; ssl.clientAuth=need)"


def of_file(settings: Any) -> List[str]:
    """The openings in the settings of a file (`settings.Settings`), one line each."""
    said = []
    if settings.acl == "open":
        what = "whoever reaches the servers may change these elections, and have any node lead or none"
        said.append(_line(settings, "acl", settings.acl, f"{what}; set digest_file and acl = creator, and {CLOSED}"))
    elif not settings.tls_cert:
        what = (
            "who reaches the servers can end this node's session all the same: its password follows from an id that all may read"
        )
        said.append(_line(settings, "acl", settings.acl, f"{what}; {CLOSED}"))
    afar = [server for server in settings.servers if not is_loopback(server.rpartition(":")[0])]
    if afar and not settings.tls:
        if settings.digest is not None:
            what = f"goes to {afar[0]} as plain text, for everybody to read who sees the network; set tls_ca"
            said.append(_line(settings, "digest", "***", what))
        if settings.sasl_mechanism == "DIGEST-MD5":
            what = f"goes to {afar[0]} without TLS, so that a password can be guessed from what is sent; set tls_ca"
            said.append(_line(settings, "sasl_mechanism", settings.sasl_mechanism, what))
    url = settings.serverurl or ""
    if settings.password is not None and url.startswith("http://") and not is_loopback(urlsplit(url).hostname or ""):
        what = "goes to supervisord as plain text, for everybody to read who sees the network; use its unix socket"
        said.append(_line(settings, "password", "***", what))
    host = (settings.http or "").rpartition(":")[0].strip("[]")
    if host and not is_loopback(host) and not (settings.http_password_file and settings.http_tls_cert):
        what = "whoever reaches it is told of all nodes, orders and failures; set http_password_file and http_tls_cert"
        if settings.http_password_file:
            what = "takes passwords as plain text, for everybody to read who sees the network; set http_tls_cert"
        said.append(_line(settings, "http", settings.http, what))
    said += [_line(settings, option, value, what) for option, value, what in http_files.troubles(settings, time.time())]
    return said


def of_processes(settings: Any, supervisord: int, infos: Iterable[Mapping[str, Any]] = ()) -> List[str]:
    """Secrets of a file in the environment of the process `supervisord`, which its programs inherit, or of a running program of
    an election's group. infos: the items of supervisord's getAllProcessInfo. What may not be read is left out."""
    groups = {election.group for election in settings.elections}
    programs = [(f"program {info['name']}", info["pid"]) for info in infos if info["group"] in groups and info.get("pid")]
    # Who inherits it from supervisord is not named as well.
    told = set()
    said = []
    for who, pid in [("supervisord", supervisord), *programs]:
        for option, variable in found(settings, environment(pid)):
            if (option, variable) not in told:
                told.add((option, variable))
                heirs = ", and each program inherits it" if who == "supervisord" else ""
                what = f"stands in the environment of {who}, as {variable}{heirs}; use {option}_file, and take the variable out"
                said.append(_line(settings, option, "***", what))
    return said


def found(settings: Any, environment: bytes) -> Iterator[Tuple[str, str]]:
    """The options whose secrets are the value of a variable in an environment as /proc has it, with the variable's name."""
    secrets = {}
    for option in ("digest", "tls_key_password", "sasl_password", "password"):
        secret = getattr(settings, option)
        if secret is not None:
            text = secret.reveal()
            secrets[option] = {text.encode(), text.partition(":")[2].encode() if option == "digest" else b""} - {b""}
    for entry in environment.split(b"\0"):
        name, _, value = entry.partition(b"=")
        for option, texts in secrets.items():
            if value in texts:
                yield option, printable(os.fsdecode(name), 100)


def environment(pid: int) -> bytes:
    """The environment with which a process began; b"" when it is not to be had."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read(LONGEST_ENVIRONMENT)
    except OSError:
        return b""


def is_loopback(host: str) -> bool:
    """Whether what is sent to the host stays on this machine, as far as its name tells."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def _line(settings: Any, option: str, value: str, what: str) -> str:
    return f"{printable(settings.file)}: [zkelect] {option} = {value}: {what}"
