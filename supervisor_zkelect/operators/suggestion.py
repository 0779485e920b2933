"""What somebody who mistyped a word may have meant. Pure."""

from __future__ import annotations

from typing import Iterable

#: How alike two words are, of 1, to be taken for each other, and how many are named.
_ALIKE, _MOST = 0.6, 2


def suggestion(word: str, known: Iterable[str]) -> str:
    """A question to follow what is wrong with the word, beginning with a blank; "" where nothing known is like it."""
    # Of no use where nothing is wrong, and supervisorctl is started often.
    import difflib

    # Nobody means one of these by a word of many pages, which would take long to compare.
    found = difflib.get_close_matches(word[:40].lower(), list(known), _MOST, _ALIKE)
    return f" did you mean {' or '.join(found)}?" if found else ""
