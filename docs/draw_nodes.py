"""Draws docs/nodes.svg, the picture of two nodes that README begins with.

    python docs/draw_nodes.py

It has a background of its own, is readable in light and dark, and names no font that a reader may lack.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Tuple

WIDTH, HEIGHT = 760, 400

#: class -> (property, in light, in dark)
_COLOURS = {
    "ground": ("fill", "#ffffff", "#15191e"), "box": ("fill", "#f3f5f7", "#20262d"), "lead": ("fill", "#d8f0dd", "#1d4a2b"),
    "ink": ("fill", "#1c2127", "#e8ecf0"), "faint": ("fill", "#59636e", "#a3adb8"), "tip": ("fill", "#59636e", "#a3adb8"),
    "edge": ("stroke", "#8a949e", "#6f7a86"), "leads": ("stroke", "#1f7a3a", "#58c27a"), "way": ("stroke", "#59636e", "#a3adb8"),
}


def style() -> str:
    """The style sheet."""
    def rules(column: int) -> str:
        return " ".join(f".{name} {{ {colour[0]}: {colour[column]} }}" for name, colour in _COLOURS.items())

    plain = (
        "text { font: 14px sans-serif } .head { font-weight: bold } .small { font-size: 12px } .mono { font-family: monospace }"
    )
    return f"{plain}\n.line {{ fill: none; stroke-width: 1.5 }}\n{rules(1)}\n@media (prefers-color-scheme: dark) {{ {rules(2)} }}"


def box(x: int, y: int, width: int, height: int, fill: str, edge: str = "edge", dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" class="{fill} {edge}" stroke-width="1.5"{dashes}/>'


def words(x: int, y: int, text: str, classes: str = "ink", anchor: str = "start") -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x}" y="{y}" class="{classes}" text-anchor="{anchor}">{escaped}</text>'


def arrow(points: List[Tuple[int, int]], both: bool = False, dashed: bool = False) -> str:
    path = " L ".join(f"{x} {y}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    start = ' marker-start="url(#tip)"' if both else ""
    return f'<path d="M {path}" class="line way"{start}{dashes} marker-end="url(#tip)"/>'


def node(x: int, name: str, leads: bool) -> List[str]:
    """One supervisord with what it runs."""
    role, state = ("primary", "running") if leads else ("standby", "stopped")
    return [
        box(x, 190, 290, 190, "box"),
        words(x + 14, 214, f"node {name}: supervisord", "ink head"),
        words(x + 276, 214, role, "ink head" if leads else "faint", "end"),
        box(x + 14, 228, 262, 50, "ground"),
        words(x + 26, 248, "zkelect listen, and its guard"),
        words(x + 26, 267, "renews the lease, enforces it" if leads else "next in line, watches the one ahead", "faint small"),
        box(x + 14, 294, 262, 70, "lead" if leads else "ground", "leads" if leads else "edge", not leads),
        words(x + 26, 316, 'group "primary"', "ink" if leads else "faint"),
        words(x + 264, 316, state, "ink" if leads else "faint", "end"),
        words(x + 26, 336, "zkelect run -- your service", "ink mono small" if leads else "faint mono small"),
        words(x + 26, 354, f"10.0.0.{1 if leads else 2}:8080", "ink mono small" if leads else "faint mono small"),
    ]


def picture(width: int, height: int, label: str, parts: List[str]) -> str:
    """A whole picture. label: what it shows, for those who do not see it."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' aria-label="{label}">',
        f"<style>{style()}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        '<path d="M 0 0 L 8 4 L 0 8 z" class="tip"/></marker></defs>',
        f'<rect width="{width}" height="{height}" class="ground"/>',
        *parts,
        "</svg>",
    ]) + "\n"


def svg() -> str:
    """The picture."""
    label = (
        "Two nodes, each a supervisord with zkelect, and a ZooKeeper. Node a is primary and runs the service; node b"
        " stands by. The ack znode has the address of node a, and clients go there."
    )
    return picture(WIDTH, HEIGHT, label, [
        box(210, 16, 340, 104, "box"),
        words(224, 40, "ZooKeeper", "ink head"),
        words(224, 64, "/zkelect/orders/election", "ink mono small"),
        words(536, 64, "a, b", "ink mono small", "end"),
        words(224, 84, "/zkelect/orders/ack", "ink mono small"),
        words(536, 84, "10.0.0.1:8080", "ink mono small", "end"),
        words(224, 108, "who stands in the queue, and where the primary is", "faint small"),
        *node(20, "a", True),
        *node(450, "b", False),
        arrow([(165, 190), (165, 150), (290, 150), (290, 120)], both=True),
        words(176, 168, "quorum writes: the lease", "faint small"),
        arrow([(595, 190), (595, 150), (470, 150), (470, 120)], both=True),
        words(586, 168, "proposal, signs of life", "faint small", "end"),
        words(380, 262, "clients", "ink head", "middle"),
        arrow([(380, 244), (380, 120)]),
        words(388, 214, "ask", "faint small"),
        arrow([(380, 272), (380, 329), (296, 329)]),
        words(344, 348, "use", "faint small"),
    ])


if __name__ == "__main__":
    Path(__file__).with_name("nodes.svg").write_text(svg())
