"""Encodes the document of `/status`: an election once for each picture, as that of hundreds takes a good part of a second."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Tuple

LARGE = 20
"""Elections from which on a document is encoded on another thread than that of the probes."""


class Encoder:
    """Remembers of each election what it encoded last. On one thread at a time is best; on two nothing breaks."""

    def __init__(self) -> None:
        #: election -> the values that were encoded, and how
        self._known: Dict[str, Tuple[Dict[str, Any], str]] = {}

    def encode(self, document: Mapping[str, Any]) -> bytes:
        """The document as JSON. What is in its elections is not changed afterwards by anybody, but for `here`."""
        head = json.dumps({name: value for name, value in document.items() if name != "elections"})
        elections = ", ".join(f"{json.dumps(name)}: {self._election(name, one)}" for name, one in document["elections"].items())
        for gone in set(self._known) - set(document["elections"]):
            self._known.pop(gone, None)
        return f'{head[:-1]}{", " if len(head) > 2 else ""}"elections": {{{elections}}}}}'.encode()

    def _election(self, name: str, one: Mapping[str, Any]) -> str:
        rest = {key: value for key, value in one.items() if key != "here"}
        known, text = self._known.get(name, ({}, ""))
        if known.keys() != rest.keys() or any(known[key] is not value for key, value in rest.items()):
            text = json.dumps(rest)[1:-1]
            self._known[name] = rest, text
        here = f'"here": {json.dumps(one["here"])}' if "here" in one else ""
        return f"{{{text}{', ' if text and here else ''}{here}}}"
