"""Draws docs/rooms.svg: the rooms of the package, and which imports which, as its imports are.

    python -m docs.draw_rooms

A room stands above all that it imports. An arrow that follows from others is left out: who imports guard, which imports core, has
no arrow to core of its own.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Set, Tuple

from docs.draw_nodes import arrow, box, picture, words

PACKAGE = Path(__file__).parents[1] / "supervisor_zkelect"

#: The room of each module that users name and that stands outside of the rooms; the others count as of "users' files".
OUTSIDE = {"elector": "zookeeper"}
FACES = "rpcinterface, controllerplugin, command"

WIDTH, BOX, ROW, MARGIN = 1000, 58, 112, 24


def room_of(module: str) -> str:
    """The room of a module, named within the package: "core.lease" is of "core"."""
    first, _, rest = module.partition(".")
    return OUTSIDE.get(module) or (first if rest else FACES)


def imported(tree: ast.Module) -> Iterator[Tuple[str, str]]:
    """The modules of the package, by their names in it, and those of others, that a module imports anywhere in its text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                mine = one.name.startswith(f"{PACKAGE.name}.")
                yield (one.name.partition(".")[2], "") if mine else ("", one.name)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports go by whole names"
            if (node.module or "").partition(".")[0] != PACKAGE.name:
                yield "", node.module or ""
                continue
            base = (node.module or "").partition(".")[2]
            for one in node.names:
                path = PACKAGE.joinpath(*base.split("."), one.name)
                whole = f"{base}.{one.name}".lstrip(".")
                yield (whole if path.with_suffix(".py").exists() or path.is_dir() else base, "")


def imports() -> Dict[str, Set[str]]:
    """The rooms that each room imports."""
    found: Dict[str, Set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if module != "__init__":
            here = room_of(module)
            # The package itself has its version, and nothing that it imports.
            others = {room_of(mine) for mine, _ in imported(ast.parse(path.read_text())) if mine}
            found.setdefault(here, set()).update(others - {here})
    return found


def reach(rooms: Dict[str, Set[str]], begin: str, seen: FrozenSet[str] = frozenset()) -> Set[str]:
    """All rooms that one imports, directly or by others. Raises ValueError for a circle."""
    if begin in seen:
        raise ValueError(f"a circle of imports through {begin}")
    return set().union(*({room} | reach(rooms, room, seen | {begin}) for room in rooms[begin]))


def levels(rooms: Dict[str, Set[str]]) -> List[List[str]]:
    """The rooms in rows, the lowest first; each imports only from rows below its own."""
    def level(room: str) -> int:
        return 1 + max((level(other) for other in rooms[room]), default=-1)

    rows: List[List[str]] = [[] for _ in range(1 + max(map(level, rooms)))]
    for room in sorted(rooms):
        rows[level(room)].append(room)
    return rows


def purpose(room: str) -> str:
    """The first sentence of a room's docstring."""
    if room == FACES:
        return "The names that users' files have."
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())) or ""
    return text.split("\n")[0].split(". ")[0].rstrip(".")


def svg() -> str:
    """The picture."""
    rooms = imports()
    rows = levels({room: reach(rooms, room) for room in rooms})
    height = MARGIN * 2 + ROW * (len(rows) - 1) + BOX
    places: Dict[str, Tuple[int, int, int]] = {}
    for number, row in enumerate(rows):
        width = min(380, (WIDTH - MARGIN * (len(row) + 1)) // len(row))
        left = (WIDTH - width * len(row) - MARGIN * (len(row) - 1)) // 2
        for place, room in enumerate(row):
            places[room] = (left + place * (width + MARGIN), height - MARGIN - BOX - number * ROW, width)
    parts: List[str] = []
    for room, (x, y, width) in sorted(places.items()):
        direct = rooms[room] - set().union(*(reach(rooms, other) for other in rooms[room]))
        for other in sorted(direct):
            there, top, size = places[other]
            parts.append(arrow([(x + width // 2, y + BOX), (there + size // 2, top)]))
    for room, (x, y, width) in sorted(places.items()):
        parts += [box(x, y, width, BOX, "lead" if room == "core" else "box", "leads" if room == "core" else "edge"),
                  words(x + 12, y + 22, room, "ink head"), *lines(x + 12, y + 38, purpose(room), width - 20)]
    return picture(WIDTH, height, "The rooms of the package, each above those that it imports.", parts)


def lines(x: int, y: int, text: str, width: int) -> List[str]:
    """A text in at most two lines of small letters, which take less than seven units each."""
    first, rest = "", text.split()
    while rest and len(first) + len(rest[0]) < width // 7:
        first += rest.pop(0) + " "
    return [words(x, y, first.strip(), "faint small"), words(x, y + 14, " ".join(rest), "faint small")]


if __name__ == "__main__":
    Path(__file__).with_name("rooms.svg").write_text(svg())
