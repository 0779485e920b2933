"""docs/options.md: the table of options in Markdown."""

from __future__ import annotations

from supervisor_zkelect.config.options import ELECTION_OPTIONS, MAIN_OPTIONS

_CHANGES = """\
`zkelect init NAME --program COMMAND --address HOST:PORT --servers HOST:PORT,…` writes a file with what most services need; any
option may be added to it. `zkelect check -c FILE` lists what is wrong in a file.

`zkelect reload` takes a changed file while the service runs. The last column is the effect of a change:
**at once**: it counts from then on, in the same term; **restart**: a new listener takes over, in the same term;
**new term**: the election's group is stopped and the term released, as when an election is added or removed; **new
session**: the same for all elections of the node. The last two need `--yes`.
"""


def text() -> str:
    """The reference of all options, one part for each section."""
    parts = [_CHANGES]
    for table in (MAIN_OPTIONS, ELECTION_OPTIONS):
        section = next(iter(table.values())).section
        lines = [
            f"## [{section}]",
            "",
            "| option | meaning | type | unit | default | required | effect of a change |",
            "|---|---|---|---|---|---|---|",
        ]
        for option in table.values():
            default = option.computed or option.variable or option.default
            if default and not option.computed:
                default = f"`{default}`"
            required = "yes" if option.required else "no"
            cells = (f"`{option.name}`", option.meaning, option.type, option.unit, default or "", required, option.change)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
