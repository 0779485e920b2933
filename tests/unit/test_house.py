"""How the package is laid out: which room may import which, how long anything in it may be, and that no two classes share a name."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Iterator, Tuple

import pytest

from docs import draw_rooms

PACKAGE = Path(__file__).parents[2] / "supervisor_zkelect"
LAB = PACKAGE.parent / "lab"

#: Lines that one may have, with its docstring; the public face of the recipe is to be read as a whole.
LIMITS = {"module": 500, "class": 300, "function": 60}
LIMITS_OF = {"elector": 370}

#: What each room may import beside itself. The modules that users name stand outside of the rooms: `elector.py` is the face of
#: zookeeper/ and counts as of it, the others (`command.py`, `rpcinterface.py`, ...) are the room "".
ARROWS = {
    "core": "",
    "system": "core",
    "supervisord": "core system",
    "zookeeper": "core system",
    "processes": "core system supervisord",
    "checks": "core system processes",
    "config": "core system checks supervisord",
    "loader": "core system guard",
    "guard": "core system supervisord zookeeper processes config",
    "diagnosis": "core system supervisord zookeeper processes checks config guard",
    "listener": "core system supervisord zookeeper processes checks config guard diagnosis",
    "operators": "core system supervisord zookeeper processes checks config guard diagnosis listener demo",
    "web": "core system supervisord zookeeper processes checks config guard operators",
    "demo": "core system supervisord zookeeper processes config guard",
    "": "core system supervisord zookeeper processes guard loader operators web",
}

#: The modules of the standard library that the core may import: none that waits, reads a clock or reaches anything.
PURE = set(
    "__future__ ast base64 bisect collections dataclasses datetime enum fnmatch functools heapq ipaddress itertools json math "
    "operator re string textwrap typing unicodedata".split()
)

#: Packages beside the package, which are not installed with it.
UNINSTALLED = {"lab", "tests", "bench"}


def modules(top: Path = PACKAGE) -> Iterator[Tuple[str, Path, ast.Module]]:
    """The modules in a folder: the name in it, the path, the text."""
    for path in sorted(top.rglob("*.py")):
        name = str(path.relative_to(top))[:-3].replace("/", ".")
        yield name, path, ast.parse(path.read_text())


def room(name: str) -> str:
    first, _, rest = name.partition(".")
    return "zookeeper" if name == "elector" else first if rest else ""


def sizes() -> Iterator[Tuple[str, int]]:
    """What is too long, and how long it is."""
    for name, path, tree in (*modules(), *((f"lab.{name}", *rest) for name, *rest in modules(LAB))):
        lines = len(path.read_text().splitlines())
        if lines > LIMITS_OF.get(name, LIMITS["module"]):
            yield f"module {name}", lines
        yield from ((f"{kind} {name}.{what}", length) for kind, what, length in lengths(tree) if length > LIMITS[kind])


def lengths(tree: ast.Module) -> Iterator[Tuple[str, str, int]]:
    """The classes and functions in a module, those within others as well: the kind, the name, and how many lines each has."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            yield kind, node.name, (node.end_lineno or 0) - node.lineno + 1


def arrows() -> Iterator[Tuple[str, int]]:
    """The imports that point the wrong way."""
    for name, _, tree in modules():
        for mine, other in draw_rooms.imported(tree):
            here = room(name)
            if mine and room(mine) not in (here, *ARROWS[here].split()):
                yield f"import {name} of {mine}", 1
            if other.partition(".")[0] in UNINSTALLED:
                yield f"import {name} of {other}", 1
            if other and here == "core" and other.partition(".")[0] not in PURE:
                yield f"import {name} of {other}", 1


def shared_names() -> Iterator[Tuple[str, int]]:
    """The names of classes that several classes have, and how many."""
    found = Counter(node.name for _, _, tree in modules() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    yield from ((f"name {name}", number) for name, number in found.items() if number > 1)


@pytest.mark.parametrize("found, remedy", [
    (sizes, "split it along a seam"), (arrows, "turn the import round"), (shared_names, "give each a name of its own"),
])
def test_nothing_grows_beyond_what_a_reader_can_hold(found, remedy):
    assert not list(found()), remedy


@pytest.mark.parametrize("text, found", [
    ("def f():\n    pass\n", ("function", "f", 2)), ("async def f():\n    pass\n", ("function", "f", 2)),
    ("class C:\n    async def f(self):\n        pass\n", ("function", "f", 2)), ("class C:\n    a = 1\n\n    b = 2\n", ("class", "C", 4)),
])
def test_every_class_and_function_is_counted(text, found):
    assert found in list(lengths(ast.parse(text)))


def test_no_imports_form_a_circle():
    """Those for types alone count as well: whoever reads follows them all the same."""
    graph = {name: {mine for mine, _ in draw_rooms.imported(tree) if mine} - {name} for name, _, tree in modules()}
    TopologicalSorter(graph).prepare()
