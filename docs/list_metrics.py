"""The tables of docs/metrics.md: metrics, numbers of roles, and reasons, as the program has them.

    python -m docs.list_metrics            writes them there
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from supervisor_zkelect.core import roles, tally_words
from supervisor_zkelect.web.metrics import METRICS

FILE = Path(__file__).with_name("metrics.md")


def _table(head: str, rows: List[str]) -> str:
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rows]) + "\n"


def tables() -> Dict[str, str]:
    """The tables in Markdown, by their first lines."""
    told = [
        f"| `{one.told}`{'{' + ', '.join(one.labels) + '}' if one.labels else ''} | {one.kind} | {one.text} |" for one in METRICS
    ]
    numbers = [f"| {number} | {name} |" for name, number in roles.NUMBERS.items()]
    words = [f"| {word} | {text} |" for word, text in tally_words.MEANINGS.items()]
    return {head: _table(head, rows) for head, rows in (
        ("| metric | kind | what it tells |", told), ("| number | role |", numbers), ("| reason | the role changed, as |", words),
    )}


def page(text: str) -> str:
    """The text of docs/metrics.md with the tables as they are now."""
    for first, table in tables().items():
        head, _, rest = text.partition(first)
        text = head + table + rest.partition("\n\n")[1][1:] + rest.partition("\n\n")[2]
    return text


if __name__ == "__main__":
    FILE.write_text(page(FILE.read_text()))
