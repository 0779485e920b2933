"""The list of the mutants that survive, and why that is no fault of the tests.

A mutant is told by what it changes, as the numbers in its name change with everything around it.
"""

from __future__ import annotations

import difflib
import functools
import textwrap
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Set, Tuple

FOLDER = Path(__file__).parents[2]
FILE = "tests/mutants/survivors.txt"
UNJUDGED = "tests/mutants/unjudged.txt"


class Mutant(NamedTuple):
    """where: module and function, as "core.lease Lease.until". old, new: the lines that differ, without their indentation."""

    where: str
    old: Tuple[str, ...]
    new: Tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"    {self.where}", *(f"        - {one}" for one in self.old), *(f"        + {one}" for one in self.new)])


def function_of(name: str) -> str:
    """The function of a mutant, by the name that mutmut gives the mutant."""
    return name.rpartition(".")[2].partition("__mutmut_")[0].replace("x_", "", 1).replace("xǁ", "", 1).replace("ǁ", ".")


def mutant(name: str) -> Mutant:
    """By the name that mutmut gives it."""
    module, _, mangled = name.rpartition(".")
    spans = _spans(f"{module.replace('.', '/')}.py")
    original = f"{mangled.partition('__mutmut_')[0]}__mutmut_orig"
    old, new = (_lines(text) for text in spans.read_function_sources([original, mangled]))
    changes = [line for line in difflib.unified_diff(old[1:], new[1:], n=0, lineterm="") if not line.startswith(("---", "+++", "@@"))]
    return Mutant(
        f"{module.partition('.')[2]} {function_of(name)}", *(tuple(line[1:].strip() for line in changes if line[0] == sign) for sign in "-+")
    )


@functools.cache
def _spans(path: str) -> Any:
    """Where the functions of a file and their mutants stand. mutmut is not needed for the list alone."""
    from mutmut.mutation.data import MutantLineSpans

    spans = MutantLineSpans.load(path)
    assert spans is not None
    return spans


def _lines(text: str) -> List[str]:
    """Those of a function from its name on, which differs between the original and a mutant."""
    lines = textwrap.dedent(text).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(("def ", "async def ")))
    # A default that is mutated stands in the line of the name.
    lines[at] = "def" + lines[at][lines[at].find("("):]
    return ["", *lines[at:]]


def listed() -> Dict[Mutant, str]:
    """Those of the list, and the reason for each. Raises ValueError for a line that is no part of it."""
    reasons: List[List[str]] = []
    changes: List[Tuple[str, List[str], int]] = []
    fresh = True
    for number, line in enumerate((FOLDER / FILE).read_text().splitlines(), 1):
        depth, text = len(line) - len(line.lstrip()), line.strip()
        if not text:
            continue
        if depth == 0:
            if fresh:
                reasons.append([])
            reasons[-1].append(text)
            fresh = False
        elif depth == 4 and reasons:
            changes.append((text, [], len(reasons) - 1))
            fresh = True
        elif depth == 8 and fresh and text[0] in "-+":
            changes[-1][1].append(text)
        else:
            raise ValueError(f"{FILE}, line {number}: {line!r}")
    return {
        Mutant(where, *(tuple(line[2:] for line in lines if line[0] == sign) for sign in "-+")): " ".join(reasons[at])
        for where, lines, at in changes
    }


def unjudged() -> Set[str]:
    """The functions of which not all mutants were judged yet, as "core.lease Lease.until". Whoever has judged those of one, and
    has tests or reasons for all of them, takes it out of the file."""
    found: Set[str] = set()
    module = ""
    for word in (FOLDER / UNJUDGED).read_text().split():
        if word.endswith(":"):
            module = word[:-1]
        else:
            found.add(f"{module} {word}")
    return found
