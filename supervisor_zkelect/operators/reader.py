"""What somebody who looks on was shown already, so that he is told the news only. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, Dict, Mapping, Optional, Set

from supervisor_zkelect.core import journal
from supervisor_zkelect.operators.view import as_dict, as_dicts, is_number


class Reader:
    """One who looks on (`live.run`), or who looks once and was shown nothing before.

    headed: whether he was shown a heading. numbers: by election that of the last event which he was shown, `journal.NO_LOG` where
    there was no log. copies: by election of when the copy of its history was, in seconds since 1970, where one was shown last in
    its place. unread: by election why it could not be read, as he was told last; none of those that he was told of since.
    """

    def __init__(self) -> None:
        self.headed = False
        self.numbers: Dict[str, str] = {}
        self.copies: Dict[str, float] = {}
        self.unread: Dict[str, str] = {}
        self._terms: Dict[str, Set[str]] = {}
        self._oldest: Dict[str, float] = {}

    def saw(self, document: Mapping[str, Any]) -> None:
        """He was shown all of this document, of `history` or of `events`."""
        self.headed = True
        self.unread = as_dict(document.get("unread"))
        self.copies.update(as_dict(document.get("copied")))
        for name, found in as_dict(document.get("elections")).items():
            terms = as_dicts(found)
            self._terms.setdefault(name, set()).update(map(_key, terms))
            tokens = [term["token"] for term in terms if is_number(term.get("token"))]
            self._oldest.setdefault(name, min(tokens, default=-math.inf))
            last = as_dict(found).get("last")
            if isinstance(last, str):
                self.numbers[name] = last
            elif isinstance(found, dict):
                self.numbers.setdefault(name, str(journal.NO_LOG))

    def unknown(self, unread: Mapping[str, str]) -> Dict[str, str]:
        """Of these elections those of which he was not told that, and why. unread: by election why it cannot be read."""
        return {name: why for name, why in unread.items() if self.unread.get(name) != why}

    def oldest(self, election: str) -> Optional[float]:
        """Token of the first of the terms that he was shown at first, −inf where there was none; None before that."""
        return self._oldest.get(election)

    def knows(self, election: str, term: Mapping[str, Any]) -> bool:
        """Whether he was shown this term, with all that is known of it now."""
        return _key(term) in self._terms.get(election, ())


def _key(term: Mapping[str, Any]) -> str:
    return json.dumps(term, sort_keys=True)
