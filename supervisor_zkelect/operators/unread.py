"""Elections that cannot be read, beside others that can: what hides one is not to hide the others. Pure."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import show, table
from supervisor_zkelect.operators.outcome import VERSION, CommandOutcome, worst
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.table import BAD, PLAIN, Screen

Answers = Mapping[str, Dict[str, Any]]
"""What was answered, by election."""


def readable(answers: Answers) -> Dict[str, Dict[str, Any]]:
    """The answers that tell something."""
    return {name: answer for name, answer in answers.items() if answer.get("ok") is True}


def refusal(answers: Answers) -> Optional[CommandOutcome]:
    """Why the first cannot be read, where none can; None where one can, or where there is none."""
    if not answers or readable(answers):
        return None
    name, answer = next(iter(answers.items()))
    return show.refused(answer, {**answer, "v": VERSION, "election": name})


def instead(answers: Answers, text: str) -> Optional[CommandOutcome]:
    """The refusal where nothing can be told without the first election that cannot be read; None where all can. text: what it may
    be that is looked for."""
    for name, answer in answers.items():
        if answer.get("ok") is not True:
            why = show.refused(answer, {}).error
            told = {**answer, "text": f"{text} {name}, which cannot be read: {why}"}
            return show.refused(told, {**told, "v": VERSION, "election": name})
    return None


def beside(
    outcome: CommandOutcome, answers: Answers, screen: Screen = PLAIN, reader: Optional[Reader] = None
) -> CommandOutcome:
    """The outcome with the elections that cannot be read: a line each below it, why in the document, and the worst exit status.
    outcome: what was made of the others. reader: who looks on, and is told once; None for who looks once."""
    refused = {name: show.refused(answer, {}) for name, answer in answers.items() if answer.get("ok") is not True}
    if not refused:
        return outcome
    why = {name: one.error for name, one in refused.items()}
    status = worst([outcome.exit, *(one.exit for one in refused.values())])
    news = why if reader is None else reader.unknown(why)
    lines = [
        screen.paint(part, BAD)
        for name, text in news.items() for part in table.wrapped(f"{printable(name)}: unknown: {text}", screen.width)
    ]
    return outcome._replace(
        exit=status, lines=(*outcome.lines, *lines), document={**outcome.document, "exit": status, "unread": why}
    )
