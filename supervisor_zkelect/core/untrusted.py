"""What is believed of what others have written: names, addresses, numbers and documents from ZooKeeper. Pure.

Holder, ack, proposals and history are written by whoever may write to ZooKeeper, and a server may say what it likes. So
names and addresses must be such as the configuration takes, by the same functions; sizes are looked at before anything is
parsed; and what breaks a rule is as if it were not there: the node is unknown, and the election goes on.

`printable` is the one way for a foreign text into a log, onto a terminal, or into the environment of a command.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, Optional

LONGEST_ADDRESS = 1024
"""Bytes."""

LONGEST_DOCUMENT = 64 << 10
"""Bytes of a JSON document that is parsed."""

LONGEST_PROPOSAL = 4 << 10
"""Bytes of a proposal's data: a name and an address, with room for what JSON writes as escapes."""

LARGEST = (1 << 63) - 1
"""The largest number that ZooKeeper has for anything."""

LATEST = 4e9
"""Seconds since 1970; what is later (2096) is no time."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:@-]{0,254}")


def node_name(text: str) -> str:
    """The text, if it may be the name of a node. Raises ValueError: what is wrong, and what would be right."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            "is not a valid node name; use letters, digits and . _ : @ -, at most 255, beginning with a"
            " letter or digit"
        )
    return text


def address(text: str) -> str:
    """The text, if it may be an address: one line that is no option of a command. Raises ValueError as `node_name` does."""
    if not text.isprintable():
        raise ValueError(
            "contains a line break or another control character; write it in one line of plain text"
        )
    if len(text.encode("utf-8")) > LONGEST_ADDRESS:
        raise ValueError(f"is too long; {LONGEST_ADDRESS} bytes at most")
    if text.startswith("-"):
        raise ValueError("begins with a dash, which a command would take for an option; begin it with the host")
    if text != text.strip():
        raise ValueError("begins or ends with a blank; leave that out")
    return text


def known_name(value: Any) -> str:
    """The value, if it may be the name of a node, else ""."""
    return _known(value, node_name)


def known_address(value: Any) -> str:
    """The value, text or the bytes of a znode, if it may be an address, else ""."""
    if isinstance(value, bytes):
        try:
            value = value[:LONGEST_ADDRESS + 1].decode("utf-8")
        except UnicodeDecodeError:
            return ""
    return _known(value, address)


def _known(value: Any, rule: Callable[[str], str]) -> str:
    try:
        return rule(value) if isinstance(value, str) else ""
    except ValueError:
        return ""


def number(value: Any) -> int:
    """The value, if it is a whole number that ZooKeeper may have counted to, else 0."""
    return value if type(value) is int and 0 < value <= LARGEST else 0


def moment(value: Any) -> Optional[float]:
    """The value, if it may be seconds since 1970, else None."""
    return value if type(value) in (int, float) and 0 <= value < LATEST else None


def lasting(owner: int) -> bool:
    """Whether a znode with this ephemeralOwner, a signed number of 64 bits, goes with nobody's session: a usual one, a
    container, or one with a TTL, whose owner begins with the bytes ff 00 00. A session's id begins with ff as well where the
    server's own id is 255; two zero bytes of its time follow for some hours in decades."""
    return owner in (0, -1 << 63) or owner >> 40 & 0xffffff == 0xff0000


def parsed(data: Optional[bytes], longest: int = LONGEST_DOCUMENT) -> Any:
    """The JSON value in a znode's data; None when there is none that can be read. longest: bytes that are looked at."""
    if not data or len(data) > longest:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def document(data: Optional[bytes]) -> Dict[str, Any]:
    """The JSON object in a znode's data; {} when there is none that can be read."""
    value = parsed(data)
    return value if isinstance(value, dict) else {}


def cut(text: str, most: int) -> str:
    """The text; one of more than `most` characters ends there, with an ellipsis."""
    return text if len(text) <= most else text[:most] + "…"


def printable(value: Any, most: int = 0) -> str:
    """A value as text in one line: what is not printable is written as an escape, so control characters, escapes for
    terminals, marks that turn the direction of text, and lone surrogates.

    most: characters that are looked at, if not 0; a longer text is cut there, and ends with an ellipsis.
    """
    text = cut(str(value), most) if most else str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
