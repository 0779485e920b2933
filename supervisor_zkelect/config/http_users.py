"""The file of users of `zkelect http`: a line USER:HASH for each; HASH is `pbkdf2-sha256$ROUNDS$SALT$DIGEST`, salt and digest in
hexadecimal digits."""

from __future__ import annotations

import re
from typing import Dict, Tuple

from supervisor_zkelect.config import values

_MOST_ROUNDS = 10_000_000

LONGEST = 64 << 10
"""Bytes of a password file."""

_LINE = re.compile(r"([^:\s]{1,100}):pbkdf2-sha256\$(\d{1,8})\$([0-9a-f]{16,128})\$([0-9a-f]{64})")


def parse(text: str) -> Dict[str, Tuple[int, bytes, bytes]]:
    """Users with rounds, salt and digest. Empty lines and those that begin with # are skipped. Raises ValueError."""
    users = {}
    for number, one in enumerate(text.splitlines(), 1):
        if not one.strip() or one.startswith("#"):
            continue
        match = _LINE.fullmatch(one.strip())
        if match is None or not 1 <= int(match[2]) <= _MOST_ROUNDS:
            raise ValueError(f"line {number} is not USER:HASH; `zkelect http --hash USER` prints one")
        if match[1] in users:
            raise ValueError(f"line {number} names {match[1]} again; give each user one line")
        users[match[1]] = int(match[2]), bytes.fromhex(match[3]), bytes.fromhex(match[4])
    if not users:
        raise ValueError("names no user; `zkelect http --hash USER` prints a line for it")
    return users


def load(path: str) -> Dict[str, Tuple[int, bytes, bytes]]:
    """The users in a file. Raises ValueError: what is wrong with it, and what would be right."""
    data = values.contents(path, LONGEST + 1)[0]
    if len(data) > LONGEST:
        raise ValueError("is too long; a password file has a line for each user")
    try:
        return parse(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8; save it as UTF-8") from None
