"""Looking on: a table that is drawn again in place, and lines that come as they happen. Until Ctrl-C.

Drawn by the few sequences that every terminal knows (cursor home, clear to the end of the line and of the screen): a library
would be one more thing to install beside supervisord for two of them. What cannot be told for a while is said in a line below
what was told last, and asked for again.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Sequence

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import streams, table, times
from supervisor_zkelect.operators.outcome import DONE, USAGE, CommandOutcome, Trouble, failure
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.view import as_dict, as_dicts

PACE = 1.0
"""Seconds between two looks."""

_HOME, _LINE_END, _SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"

Ask = Callable[[Reader], CommandOutcome]
Print = Callable[[Sequence[str]], str]


def looks_on(given: Mapping[str, Any]) -> bool:
    """Whether what was said with a verb means to go on looking."""
    return bool(given.get("watch") or given.get("follow"))


def run(
    ask: Ask, given: Mapping[str, Any], as_json: bool, stream: Any, pause: Callable[[float], Any] = threading.Event().wait
) -> CommandOutcome:
    """Look on until Ctrl-C, or until nobody reads any more. Returns the outcome of the command, of which all is printed then.

    ask: is handed what was shown already; may raise Trouble. pause: waits for so many seconds.
    """
    reader = Reader()
    view = _Lines(as_json, stream, reader) if given.get("follow") else _Picture(as_json, stream)
    try:
        while True:
            outcome = _asked(ask, reader)
            if outcome.error and outcome.exit == USAGE and not view.shown:
                return outcome
            if view.show(outcome):
                return CommandOutcome(DONE, (), {})
            if not outcome.error:
                reader.saw(outcome.document)
            pause(PACE)
    except KeyboardInterrupt:
        streams.write(stream, [] if as_json or not view.shown else [""])
        return CommandOutcome(DONE, (), {})


def _asked(ask: Ask, reader: Reader) -> CommandOutcome:
    try:
        return ask(reader)
    except Trouble as trouble:
        return failure(trouble.status, "; ".join(trouble.lines))


class _View:
    """shown: whether anything was."""

    def __init__(self, as_json: bool, stream: Any) -> None:
        self._as_json, self._stream = as_json, stream
        self.shown = False
        self._silent_since = 0.0

    def show(self, outcome: CommandOutcome) -> bool:
        """Show what has changed. True where nobody reads any more."""
        raise NotImplementedError

    def _away(self, outcome: CommandOutcome) -> str:
        """A line on what is not told, and since when; "" where all is."""
        if not outcome.error:
            self._silent_since = 0.0
            return ""
        self._silent_since = self._silent_since or time.time()
        return f"since {times.moment(self._silent_since)}: {printable(outcome.error)}; trying again"


class _Picture(_View):
    """A table that is drawn again in place; one after the other where this is no terminal, or JSON."""

    def __init__(self, as_json: bool, stream: Any) -> None:
        super().__init__(as_json, stream)
        self._lines: List[str] = []
        self._last = ""
        #: when the lines were told
        self._told_at = 0.0

    def show(self, outcome: CommandOutcome) -> bool:
        away, self.shown = self._away(outcome), True
        if self._as_json:
            return self._unless_same(json.dumps(outcome.document))
        if not away:
            self._lines, self._told_at = list(outcome.lines), time.time()
        screen = streams.screen(self._stream)
        lines = self._lines
        if away and lines:
            # What is past is no green light.
            lines = [f"this picture is of {times.with_age(self._told_at, time.time())}", *map(table.colourless, lines)]
            if screen.width is None:
                lines = lines[1:]
        lines = [*lines, *([screen.paint(away, table.BAD)] if away else [])]
        if screen.width is None:
            return self._unless_same("\n".join([*lines, ""]))
        size = shutil.get_terminal_size()
        lines = lines if away and self._lines else [times.moment(time.time()), *lines]
        if len(lines) >= size.lines:
            left = len(lines) - size.lines + 2
            lines = [*lines[:max(1, size.lines - 2)], f"… {left} more lines; use a larger terminal, or name an election"]
        return bool(_written(self._stream, _HOME + "".join(f"{line}{_LINE_END}\n" for line in lines) + _SCREEN_END))

    def _unless_same(self, text: str) -> bool:
        if text == self._last:
            return False
        self._last = text
        return bool(_written(self._stream, f"{text}\n"))


class _Lines(_View):
    """Lines as they come. A command that is told what was shown tells the news only."""

    def __init__(self, as_json: bool, stream: Any, reader: Reader) -> None:
        super().__init__(as_json, stream)
        self._reader = reader
        self._away_told = ""

    def show(self, outcome: CommandOutcome) -> bool:
        away = self._away(outcome)
        lines: Sequence[str]
        if away:
            told = away if not self._away_told else ""
            self._away_told, lines = away, [json.dumps(outcome.document) if self._as_json else told] if told else []
        else:
            self._away_told, lines = "", self._news(outcome)
        self.shown = True
        return bool(lines) and bool(_written(self._stream, "".join(f"{line}\n" for line in lines)))

    def _news(self, outcome: CommandOutcome) -> Sequence[str]:
        if not self._as_json:
            return outcome.lines
        elections = as_dict(outcome.document.get("elections"))
        fresh = [json.dumps({"election": name, **one}) for name, found in elections.items() for one in self._fresh(name, found)]
        unread = self._reader.unknown(as_dict(outcome.document.get("unread")))
        return [*fresh, *(json.dumps({"election": name, "unread": why}) for name, why in unread.items())]

    def _fresh(self, election: str, found: Any) -> List[Dict[str, Any]]:
        """What is shown of an election, in its order: its terms, as far as they have changed, or its events, which are all new,
        behind what was missed of them."""
        if isinstance(found, list):
            return [term for term in as_dicts(found)[::-1] if not self._reader.knows(election, term)]
        known = as_dict(found)
        missed = {name: known[name] for name in ("missed", "anew") if known.get(name)}
        return [*[missed] * bool(missed), *as_dicts(known.get("events"))]


def _written(stream: Any, text: str) -> str:
    """Write it; why nobody reads any more, or "" where somebody may."""
    try:
        stream.write(streams.encodable(stream, text))
        stream.flush()
        return ""
    except (OSError, ValueError) as error:
        streams.hush(stream)
        return str(error) or "closed"
