"""The list of verbs in docs/operations.md, as the table of verbs has them.

    python -m docs.list_verbs
"""

from __future__ import annotations

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


if __name__ == "__main__":
    print(reference(), end="")
