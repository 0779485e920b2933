"""Readers of single values. Each takes the expanded text of an option and returns its value, or raises ValueError with "what is
wrong; what would be right"."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
from typing import Callable, Dict, Tuple

from supervisor_zkelect.core import nodes, places, untrusted

LONGEST = 3600.0
"""The longest time that may be configured, in seconds. ZooKeeper packs a session timeout into 32 bits of milliseconds; an hour is
far beyond any use and far below that."""

NAME_RULE = "letters, digits and . _ - in NAME, at most 100, beginning with a letter or digit"
"""The rule of `is_election_name`, in words."""

NOT_ASCII = "has letters beyond ASCII, which cut off supervisord's answers; rename it with plain letters"
"""supervisor 4 announces the length of what it sends in characters, and sends bytes."""

_SHOWN = 120
"""Characters of a value that are repeated in a message."""

#: What supervisord takes for true and for false (supervisor.datatypes.boolean).
_TRUE, _FALSE = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


class Secret:
    """A text that shows itself as *** wherever it is printed; `reveal()` returns the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, to be handed to what needs it and nowhere else."""
        return self._text

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def shown(text: str) -> str:
    """A foreign text as it may stand in a message: printable, and not too long."""
    return untrusted.cut(untrusted.printable(text), _SHOWN)


def text(given: str) -> str:
    if not given.isprintable():
        raise ValueError("contains a line break or another control character; write it in one line of plain text")
    return given


def seconds(low: float) -> Callable[[str], float]:
    """A reader of times from `low` to LONGEST seconds."""

    def read(text: str) -> float:
        # float() takes more than a person means: 1_0, infinity, nan, digits of other scripts.
        if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", text, re.ASCII):
            raise ValueError("is not a number of seconds; write one such as 10 or 0.5")
        return float(_ranged(float(text), low, LONGEST, " seconds"))

    return read


def count(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            raise ValueError(f"is not a whole number; write one such as {low}")
        return int(_ranged(int(text), low, high, ""))

    return read


def _ranged(number: float, low: float, high: float, unit: str) -> float:
    if not low <= number <= high:
        side = "small" if number < low else "large"
        raise ValueError(f"is too {side}; use {_plain(low)} to {_plain(high)}{unit}")
    return number


def _plain(number: float) -> str:
    """Without an exponent, which `:g` writes for millions."""
    return str(int(number)) if number == int(number) else f"{number:g}"


def boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError("is neither true nor false; write true or false")
    return word in _TRUE


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader of one of these words, in any case."""

    def read(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise ValueError(f"is not a known value; use one of: {', '.join(choices)}")

    return read


def is_election_name(text: str) -> bool:
    """Whether [election:TEXT] is a valid section."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", text) is not None


def group_name(text: str) -> str:
    # What supervisord itself refuses (supervisor.datatypes.process_or_group_name), and control characters.
    if re.search(r"[ :/]", text) or not text.isprintable():
        raise ValueError("is not a valid group name; leave out blanks, colons and slashes")
    if not text.isascii():
        raise ValueError(NOT_ASCII)
    return text


def tags(given: str) -> Tuple[str, ...]:
    """The tags of a list with commas, each as KEY:VALUE."""
    found: Dict[str, str] = {}
    for item in filter(None, (item.strip() for item in text(given).split(","))):
        key, colon, value = (part.strip() for part in item.partition(":"))
        if not (key and colon and value):
            raise ValueError(f"{shown(item)!r} is not KEY:VALUE; write tags such as rack:a, zone:2")
        if key in found:
            raise ValueError(f"names {shown(key)} twice; give each key one value")
        if max(len(key), len(value)) > nodes.LONGEST_TAG:
            raise ValueError(f"{shown(item)!r} is too long; {nodes.LONGEST_TAG} characters at most for a key or a value")
        found[key] = value
    if len(found) > nodes.MOST_TAGS:
        raise ValueError(f"has {len(found)} tags; {nodes.MOST_TAGS} at most")
    return tuple(f"{key}:{value}" for key, value in found.items())


def listen(given: str) -> str:
    """An address to listen at, as host:port."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[\w.-]+):(\d{1,5})", text(given), re.ASCII)
    if match is None or not 1 <= int(match[2]) <= 65535:
        raise ValueError("is not host:port; write one such as 127.0.0.1:8787, an IPv6 address in brackets")
    return given


def names(given: str) -> Tuple[str, ...]:
    """The host names of a list with commas, in lower case."""
    found = [item.strip().rstrip(".").lower() for item in text(given).split(",") if item.strip()]
    wrong = next((one for one in found if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?", one)), None)
    if wrong is not None:
        raise ValueError(f"{shown(wrong)!r} is not a host name; write names such as www.example.org, separated by commas")
    return tuple(dict.fromkeys(found))


def chroot(text: str) -> str:
    return places.znode(text) if text not in ("", "/") else ""


def command(given: str) -> Tuple[str, ...]:
    try:
        words = shlex.split(text(given))
    except ValueError as error:
        raise ValueError(f"cannot be split into words ({error}); close the quotation") from None
    if not words:
        raise ValueError("is empty; name a program")
    if shutil.which(words[0]) is None:
        raise ValueError("names no executable program; correct its path, or make it executable")
    return tuple(words)


def digest(given: str) -> str:
    user, _, password = given.partition(":")
    if not (user and password):
        raise ValueError("is not USER:PASSWORD; write both with a colon between them")
    return text(given)


def serverurl(given: str) -> str:
    forms = "use unix:///path/of/supervisor.sock or http://host:port"
    if "@" in given and not given.startswith("unix:"):
        raise ValueError("carries a user or password; set username and password instead")
    # supervisord itself writes unix://PATH for a relative path, too.
    match = re.fullmatch(r"unix://.+|http://(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})/?", text(given))
    if match is None or not 1 <= int(match[1] or 1) <= 65535:
        raise ValueError(f"is not a URL of supervisord; {forms}")
    return given if given.startswith("unix:") else given.rstrip("/")


# Files


def path(given: str) -> str:
    if not text(given).startswith("/"):
        raise ValueError(f"is a relative path; write the full path, or %(here)s/{shown(given)} for this file's folder")
    return given


def pem_file(given: str) -> str:
    """The path of a file that can be read."""
    contents(path(given), 1)
    return given


def contents(path: str, limit: int = -1) -> Tuple[bytes, bool]:
    """The first `limit` bytes of a regular file, by default all, and whether every user may read it. Raises ValueError as a
    reader does."""
    try:
        status = os.stat(path)
        # Another kind could block for ever when opened, or never end when read.
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a regular file; name one")
        with open(path, "rb") as file:
            return file.read(limit), bool(status.st_mode & stat.S_IROTH)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError("does not exist; create it, or correct the path") from None
    except PermissionError:
        raise ValueError(f"cannot be read by this user (uid {os.geteuid()}); grant it read permission") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}); correct the path") from None


def secret_of(data: bytes) -> str:
    """The only line of a file that holds a secret."""
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8; save it as UTF-8") from None
    if not lines or not lines[0].strip():
        raise ValueError("is empty; write the secret into its first line")
    if len(lines) > 1:
        raise ValueError("has more than one line; write only the secret, in one line")
    return lines[0]
