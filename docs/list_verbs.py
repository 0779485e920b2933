"""The list of verbs in docs/operations.md, as the table of verbs has them.

    python -m docs.list_verbs            writes it there
"""

from __future__ import annotations

from pathlib import Path

from supervisor_zkelect.operators.outcome import OF_A_ROLE
from supervisor_zkelect.operators.verbs import VERBS


def reference() -> str:
    """The list of the verbs, in Markdown."""
    lines = ["| command | does | without ELECTION | exit status |", "|---|---|---|---|"]
    for verb in VERBS.values():
        exits = "[a role's](#exit-statuses)" if verb.statuses is OF_A_ROLE else verb.exits
        words = verb.words.replace("|", "\\|")
        lines.append(f"| `{words}` | {verb.help} | {verb.means or 'takes none: the whole node'} | {exits} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The text of docs/operations.md with the list as it is now."""
    head, _, rest = text.partition("| command | does |")
    return head + reference() + rest.partition("\n\n")[1][1:] + rest.partition("\n\n")[2]


if __name__ == "__main__":
    written = Path(__file__).with_name("operations.md")
    written.write_text(page(written.read_text()))
