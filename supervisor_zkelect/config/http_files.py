"""The files of `zkelect http`, looked at: its passwords, its certificate and its key."""

from __future__ import annotations

import calendar
import re
import ssl
import time
from typing import Any, Iterator, List, Tuple

from supervisor_zkelect.config import http_users, values

SOON = 14 * 86400.0
"""Seconds before its end from which on a certificate is said to end soon."""

_LONGEST = 1 << 20
_UNIVERSAL, _GENERAL, _SEQUENCE, _VERSION = 0x17, 0x18, 0x30, 0xA0


def tls(certificate: str, key: str) -> ssl.SSLContext:
    """The context of a server. Raises OSError for files that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key, "")
    return context


def troubles(settings: Any, now: float) -> Iterator[Tuple[str, str, str]]:
    """What is wrong: option, its value, and what is to be done. now: seconds since 1970."""
    users, certificate, key = settings.http_password_file, settings.http_tls_cert, settings.http_tls_key
    if users:
        try:
            http_users.load(users)
        except ValueError as error:
            yield "http_password_file", users, f"{error}; until then nobody is let in"
        if _exposed(users):
            yield "http_password_file", users, f"every user may read this file; chmod o-r {users}"
    if certificate:
        for trouble in _of_certificate(certificate, key or certificate, now):
            yield "http_tls_cert", certificate, trouble
        secret = key or certificate
        if _exposed(secret):
            option = "http_tls_key" if key else "http_tls_cert"
            yield option, secret, f"every user may read this file, and the key in it; chmod o-r {secret}"


def _of_certificate(certificate: str, key: str, now: float) -> List[str]:
    try:
        pem = values.contents(certificate, _LONGEST)[0]
        values.contents(key, 1)
    except ValueError as error:
        return [str(error)]
    said = []
    try:
        tls(certificate, key)
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        said.append(f"cannot be used with its key ({why}); correct either")
    try:
        left = not_after(pem) - now
    except ValueError:
        return said
    if left <= 0:
        said.append("has expired; renew it")
    elif left < SOON:
        said.append(f"expires in {left / 86400:.1f} days; renew it")
    return said


def _exposed(path: str) -> bool:
    try:
        return values.contents(path, 1)[1]
    except ValueError:
        return False


def not_after(pem: bytes) -> float:
    """When the first certificate of a PEM file ends, seconds since 1970. Raises ValueError."""
    found = re.search(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    if found is None:
        raise ValueError("has no certificate")
    certificate = _inside(ssl.PEM_cert_to_DER_cert(found[0].decode("ascii")), _SEQUENCE)
    fields = list(_fields(_inside(certificate, _SEQUENCE)))
    # Version (which may be missing), serial number, algorithm, issuer, validity.
    fields = fields[1:] if fields and fields[0][0] == _VERSION else fields
    if len(fields) < 4:
        raise ValueError("is no certificate")
    times = list(_fields(fields[3][1]))
    if len(times) != 2:
        raise ValueError("is no certificate")
    tag, text = times[1][0], times[1][1].decode("ascii")
    if tag not in (_UNIVERSAL, _GENERAL):
        raise ValueError("is no certificate")
    if tag == _UNIVERSAL:
        # RFC 5280: two digits from 50 on are of the last century.
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")))


def _inside(data: bytes, tag: int) -> bytes:
    """The content of the first field, which has this tag."""
    for found, content in _fields(data):
        if found == tag:
            return content
        break
    raise ValueError("is no certificate")


def _fields(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """The fields of DER data, one behind another: tag and content."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("is no certificate")
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at:at + count], "big"), at + count
        if at + size > len(data):
            raise ValueError("is no certificate")
        yield tag, data[at:at + size]
        at += size
