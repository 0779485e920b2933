"""Draws docs/roles.svg and writes docs/roles.md, both from the role machine's transition table.

    python -m docs.draw_roles

The picture has a background of its own, is readable in light and dark, and names no font that a reader may lack.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Tuple

from docs.draw_nodes import picture, words
from supervisor_zkelect.core.roles import STEPS
from supervisor_zkelect.core.transitions import PAIRS, TABLE, Move

WIDTH, HEIGHT = 1080, 580
_BOX, _TALL = 190, 42

#: Of each step, the left upper corner of its box.
PLACES: Dict[str, Tuple[int, int]] = {
    "clearing": (60, 70), "waiting": (60, 220), "proposing": (60, 390), "withdrawn": (60, 510),
    "maintenance": (330, 150), "asking": (330, 390), "watching": (330, 510), "stepping": (330, 280),
    "claiming": (600, 390), "fencing": (600, 510), "leasing": (600, 310), "starting": (600, 230), "probing": (600, 150),
    "acking": (600, 70), "primary": (870, 70), "restarting": (870, 145), "stopping": (870, 220), "releasing": (870, 390),
    "closing": (870, 510),
}
#: Where a node ends up when a term, a proposal or a session ends: written in the boxes, as many events lead there.
_ENDS = ("stopping", "releasing", "waiting")
_USUAL = {("clearing", "waiting"), ("stopping", "releasing")}


def ways() -> Dict[Tuple[str, str], List[str]]:
    """(step, step after it) -> the events that lead there."""
    found: Dict[Tuple[str, str], List[str]] = {}
    for (step, kind), move in PAIRS.items():
        for to in move.to.split() if isinstance(move, Move) else ():
            found.setdefault((step, to), []).append(kind.__name__)
    return found


def ends(one: str, other: str) -> Tuple[int, int, int, int]:
    """Where the way between two boxes begins and ends."""
    (x, y), (u, v) = PLACES[one], PLACES[other]
    if x == u:
        # Beside the way that comes back.
        off = -14 if v > y else 14
        return x + _BOX // 2 + off, y + (_TALL if v > y else 0), u + _BOX // 2 + off, v + (0 if v > y else _TALL)
    return x + (_BOX if u > x else 0), y + _TALL // 2, u + (0 if u > x else _BOX), v + _TALL // 2


def way(one: str, other: str, events: List[str]) -> List[str]:
    """An arrow, with the events beside it where they are few."""
    a, b, c, d = ends(one, other)
    around = a == c and any(x == PLACES[one][0] and min(b, d) < y < max(b, d) for x, y in PLACES.values())
    if around:
        # Of the boxes between.
        left = a < WIDTH // 4
        a = c = PLACES[one][0] + (0 if left else _BOX)
        b, d = PLACES[one][1] + _TALL // 2, PLACES[other][1] + _TALL // 2
        bend = abs(b - d) // (-4 if left else 4)
        path, x, y = f"M {a} {b} C {a + bend} {b} {c + bend} {d} {c} {d}", a + bend * 3 // 4, (b + d) // 2
    else:
        bend = 0 if a == c else (c - a) // 2
        path, x, y = f"M {a} {b} C {a + bend} {b} {c - bend} {d} {c} {d}", (a + c) // 2, (b + d) // 2
    drawn = [f'<path d="{path}" class="line way" marker-end="url(#tip)"/>']
    if len(events) <= 3:
        anchor = "middle" if b == d else "end" if a == c and d > b and not around else "start"
        shift = 0 if anchor == "middle" else -6 if anchor == "end" else 6
        drawn += [
            words(x + shift, y + (-6 if anchor == "middle" else 4) - 12 * number, event, "faint small", anchor)
            for number, event in enumerate(reversed(events))
        ]
    return drawn


def svg() -> str:
    """The picture."""
    found = ways()
    boxes = []
    for role, steps in STEPS.items():
        x, y = min((PLACES[step] for step in steps), key=lambda place: place[1])
        if role not in steps:
            boxes.append(words(x + _BOX // 2, y - 14, role, "faint", "middle"))
        for step in steps:
            x, y = PLACES[step]
            fill = "lead" if step == "primary" else "box"
            boxes.append(f'<rect x="{x}" y="{y}" width="{_BOX}" height="{_TALL}" rx="6" class="{fill} edge" stroke-width="1.5"/>')
            ended = [to for to in _ENDS if (step, to) in found and (step, to) not in _USUAL]
            boxes.append(words(x + _BOX // 2, y + (18 if ended else 26), step, "ink head" if role in steps else "ink", "middle"))
            if ended:
                boxes.append(words(x + _BOX // 2, y + 34, f"or: {', '.join(ended)}", "faint small", "middle"))
    label = "The steps of a node in an election, from detached by way of standby and promoting to primary, and back."
    return picture(WIDTH, HEIGHT, label, [
        words(WIDTH // 2, 26, "or: where a node is when its term, proposal or session has ended", "faint small", "middle"),
        *(
            line for (one, other), events in sorted(found.items()) if other not in _ENDS or (one, other) in _USUAL
            for line in way(one, other, events)
        ),
        *boxes,
    ])


def page() -> str:
    """The text."""
    code = "../supervisor_zkelect/core"
    lines = [
        "# Roles and steps",
        "",
        "A node goes through these steps in each election. Written by `python -m docs.draw_roles` from the table by which the",
        f"program goes ([transitions.py]({code}/transitions.py)). The rules behind it stand in [role.py]({code}/role.py), and",
        f"what each event says in [messages.py]({code}/messages.py) and the modules that it names.",
        "",
        "![The steps of a node, and the events that lead from one to another](roles.svg)",
        "",
        "| role | steps |",
        "|---|---|",
        *(f"| {role} | {', '.join(steps) if role not in steps else ''} |" for role, steps in STEPS.items()),
        "",
        "An event counts in the steps that stand beside it, and may lead to those behind the arrow; without an arrow the node",
        "stays in its step. Time passes with each event, so what `Tick` leads to may follow at once. Once withdrawn, a node does",
        "nothing more.",
        "",
        "| event | counts in | elsewhere ignored, because |",
        "|---|---|---|",
    ]
    for kind, row in TABLE.items():
        counts = "<br>".join(
            (", ".join(move.steps.split()) if row.otherwise or len(row.moves) > 1 else "every step")
            + (f" → {', '.join(move.to.split())}" if move.to else "")
            for move in row.moves
        )
        lines.append(f"| `{kind.__name__}` | {counts} | {row.otherwise} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("roles.svg").write_text(svg())
    Path(__file__).with_name("roles.md").write_text(page())
