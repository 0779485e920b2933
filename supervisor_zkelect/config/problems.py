"""One line for each problem of a configuration:

    FILE: [section] option = value: what is wrong; what would be right

A value that is secret, or may be, is shown as ***.
"""

from __future__ import annotations

import difflib
import re
from typing import Iterable, List, Optional

from supervisor_zkelect.config.options import CHECKS, ELECTION_OPTIONS, MAIN_OPTIONS
from supervisor_zkelect.config.values import shown
from supervisor_zkelect.core import untrusted


class ConfigError(Exception):
    """The configuration cannot be used. problems: all that is wrong, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def line(file: str, what: str, section: str = "", option: str = "", value: Optional[str] = None) -> str:
    """One line of a message. value: as it may be shown (`masked`)."""
    head = untrusted.printable(file) + ":"
    if section:
        head += f" [{shown(section)}]"
        if option:
            head += f" {shown(option)}" if value is None else f" {shown(option)} = {shown(value)}"
        head += ":"
    return f"{head} {what}"


def masked(name: str, value: str) -> str:
    """The value of an option as it may be shown. The option need not exist: a misspelt secret is a secret too."""
    table = {**ELECTION_OPTIONS, **MAIN_OPTIONS}
    option = table.get(name) or table.get(closest(name, list(table)) or "")
    if option is not None and option.secret:
        return "***"
    if option is None and re.search("pass|pwd|secret|digest|cred|token|auth", name):
        return "***"
    if value.lower().startswith("exec:"):
        return "exec:…"
    if option is not None and option.type == "command":
        return value.split(" ")[0] + (" …" if " " in value else "")
    value = re.sub(r"(://)?[^\n]*@", r"\1***@", value, count=1) if "://" in value else value
    return re.sub(r"\?.*", "?…", value, count=1) if option and option.name in CHECKS else value


def closest(word: str, words: List[str], cutoff: float = 0.6) -> Optional[str]:
    """The word that this one may be a misspelling of. cutoff: how alike they must be, up to 1."""
    return next(iter(difflib.get_close_matches(word, words, 1, cutoff)), None)


def listed(names: List[str]) -> str:
    """Some names, separated by commas."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
