"""Waiting for an order, by whichever way it was given: what is shown meanwhile, and what Ctrl-C does."""

from __future__ import annotations

import time
from typing import Any, Dict, Protocol, Sequence

from supervisor_zkelect.operators.outcome import INTERRUPTED, UNDER_WAY
from supervisor_zkelect.operators.progress import Progress

Document = Dict[str, Any]
"""An answer, as `given.OrderAnswer.document` has it, with "id" and "term" where something is awaited."""

SLICE = 1.0
"""Seconds between two looks at what is awaited, where that is shown."""

LONGEST_SLICE = 300.0
"""Seconds between two looks where nothing is shown: supervisord forgets a question that is older than `mailbox.KEEP_TIME`."""

_KEPT = ("checked", "warning")
"""What only the first answer has."""

_STANDS = "interrupted; the order may stand: see zkelect orders and zkelect list"
NOTHING_ORDERED = "interrupted; nothing was ordered"
_NOT_COME_TO = "not ordered"


class Way(Protocol):
    """How an order gets to ZooKeeper. seconds: how long it may take until it is answered, done or not."""

    def give(self, seconds: float) -> Document: ...

    def look(self, answer: Document, seconds: float) -> Document:
        """What has become of the order since that answer."""

    def take_back(self) -> Document:
        """Have the order not be written any more; take it back, where that can be, or say that it stands, or is done."""


def follow(way: Way, seconds: float, progress: Progress, writes: bool = True) -> Document:
    """Give an order, and wait until it is done, or the time is over. Ctrl-C has it not be written, or takes it back where it has
    not begun.

    writes: whether anything is to be written, and not only looked at.
    """
    begun = time.monotonic()
    try:
        answer = way.give(_slice(progress, seconds))
        kept = {name: answer[name] for name in _KEPT if name in answer}
        while _goes_on(answer):
            waited = time.monotonic() - begun
            if waited >= seconds:
                break
            what = f"for {answer['awaited']}" if isinstance(answer.get("awaited"), str) else "until it is done"
            progress.tell(f"waiting {what}", waited)
            answer = {**kept, **way.look(answer, _slice(progress, seconds - waited))}
        return answer
    except KeyboardInterrupt:
        progress.end()
        if not writes:
            return interrupted(NOTHING_ORDERED)
        try:
            answer = way.take_back()
        except KeyboardInterrupt:
            return interrupted(_STANDS)
        return {**answer, "exit": INTERRUPTED, "text": answer["text"] if answer.get("exit") == INTERRUPTED else (
            f"{_STANDS} ({answer.get('text')})"
        )}
    finally:
        progress.end()


def _goes_on(answer: Document) -> bool:
    """Whether something is awaited: the order is under way, or has failed, and it is not known yet who leads instead."""
    waits = answer.get("exit") == UNDER_WAY or isinstance(answer.get("awaited"), str)
    return waits and type(answer.get("term")) is int and bool(answer.get("id"))


def interrupted(text: str) -> Document:
    """The answer for an election in which Ctrl-C came."""
    return {"ok": False, "exit": INTERRUPTED, "text": text}


def with_all(answers: Dict[str, Document], names: Sequence[str]) -> Dict[str, Document]:
    """The answers, with one for each election that was not come to, since Ctrl-C came before. names: of all that were meant."""
    return {**answers, **{name: interrupted(_NOT_COME_TO) for name in names if name not in answers}}


def _slice(progress: Progress, left: float) -> float:
    return min(SLICE if progress.wanted else LONGEST_SLICE, left)
