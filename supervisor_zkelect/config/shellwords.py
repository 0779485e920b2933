"""Finds shell syntax in a command that runs without a shell. Pure.

A command of the configuration is split into words as a shell splits them, and executed: `>` is then one more argument, and
`$HOME` stays as it is. Quoted text was meant literally, except within double quotes, where a shell still expands.
"""

from __future__ import annotations

import re

_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_LITERAL = re.compile(r"""\\.|'[^']*'""", re.DOTALL)

#: What stands where a word begins, or ends one. A `&` or `;` within a word may be a URL's, and a `*` behind a host's name or
#: before a colon is an address.
_WORDS = re.compile(
    r"(?:^|(?<=\s))(?P<word>\|\|?|&&|&(?=\s|$)|;|\d*>>?|\d*<<?|~(?=[\w.-]*(?:/|\s|$))|(?:[./~]\S*)?\*(?!:))"
    r"|(?P<end>;)(?=\s|$)"
)
_REPLACED = re.compile(r"\$(?=[({A-Za-z_0-9?@*#!$])|`")

_SHELLS = re.compile(r"(?:^|[\s/])(?:sh|bash|dash|ash|ksh|zsh|fish|busybox)(?=\s|$)")


def first(command: str) -> str:
    """The first thing in a command that only a shell understands, such as ">" or "$"; "" when there is none.

    Nothing of the command beside it is returned: its words may be secrets.
    """
    bare = _QUOTED.sub("_", command)
    # What a shell is given in double quotes is its own to replace.
    open_to_a_shell = bare if _SHELLS.search(bare) else _LITERAL.sub("_", command)
    found = _WORDS.search(bare)
    if found is not None:
        text = found["word"] or found["end"]
        return "*" if text.endswith("*") else text
    replaced = _REPLACED.search(open_to_a_shell)
    return replaced[0] if replaced is not None else ""
