"""The users of `zkelect http`: a file of hashes, and the headers that are held against it.

`config/http_users.py` has the file's form. The derivation takes a
tenth of a second of a processor, so what has been proven is remembered, by a digest under a key of this process, until the file
changes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import re
import secrets
from typing import Callable, Dict, Optional, Set, Tuple

from supervisor_zkelect.config import http_users
from supervisor_zkelect.web.certificate import stamp

log = logging.getLogger(__name__)

ROUNDS = 600_000
"""Rounds of the derivation: OWASP's for PBKDF2 with SHA-256."""

_REMEMBERED = 100
"""Proven headers that are remembered."""


def line(user: str, password: str) -> str:
    """A line of a password file. Raises ValueError for a name that cannot stand in one."""
    if not re.fullmatch(r"[^:\s]{1,100}", user) or not user.isprintable():
        raise ValueError(f"{user!r} is not a user's name; leave out blanks and colons")
    salt = secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)
    return f"{user}:pbkdf2-sha256${ROUNDS}${salt.hex()}${digest.hex()}"


class Passwords:
    """The users of one file, read again when it changes. path: None where everybody is told everything."""

    def __init__(self, path: Optional[str]) -> None:
        self._path = path
        self._key = os.urandom(16)
        self._seen: Tuple[int, ...] = ()
        #: the users, and the headers that were proven by them; replaced together, as another thread may hold both
        self._users: Tuple[Dict[str, Tuple[int, bytes, bytes]], Set[bytes]] = {}, set()
        self.trouble = ""
        #: how often the file has changed, and what is to be called then
        self.changes = 0
        self.changed: Callable[[], None] = _nothing
        self.refresh()

    @property
    def wanted(self) -> bool:
        """Whether a password is asked for."""
        return self._path is not None

    def refresh(self) -> None:
        """Read the file if it has changed. While it cannot be used nobody is let in."""
        if self._path is None:
            return
        seen = stamp(self._path)
        if seen and seen == self._seen:
            return
        if seen == self._seen and self.trouble:
            return
        self._seen, former = seen, self.trouble
        try:
            self._users, self.trouble = (http_users.load(self._path), set()), ""
        except ValueError as error:
            self._users, self.trouble = ({}, set()), f"{self._path} {error}"
        if self.trouble and self.trouble != former:
            log.error("%s; until then nobody is let in", self.trouble)
        self.changes += 1
        self.changed()

    def known(self, header: Optional[str]) -> bool:
        """Whether this Authorization header was proven before."""
        return header is not None and self._digest(header) in self._users[1]

    def _digest(self, header: str) -> bytes:
        return hashlib.blake2b(header.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()

    def prove(self, header: Optional[str]) -> bool:
        """Whether this Authorization header has a user's password. Takes a tenth of a second, on any thread."""
        user, password = credentials(header)
        # The file may change meanwhile, and what was proven by the former one counts no more.
        users, proven = self._users
        # An unknown user takes as long as a known one.
        rounds, salt, digest = users.get(user, (ROUNDS, bytes(16), b""))
        found = hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "replace"), salt, rounds)
        if not hmac.compare_digest(found, digest):
            return False
        if len(proven) >= _REMEMBERED:
            proven.clear()
        proven.add(self._digest(header or ""))
        return True


def _nothing() -> None:
    pass


def credentials(header: Optional[str]) -> Tuple[str, str]:
    """User and password of an Authorization header of the scheme Basic; empty where it has none."""
    scheme, _, coded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic" or len(coded) > http_users.LONGEST:
        return "", ""
    try:
        user, _, password = base64.b64decode(coded.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        return "", ""
    return user, password
