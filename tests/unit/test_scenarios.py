"""The transcripts in tests/scenarios/ are what the role machine does, line by line.

A line is `TIME NODE EVENT name=value ... -> ACTION ACTION ... | role step`. Log lines are left out.
"""

import ast
from pathlib import Path

import pytest

from supervisor_zkelect.core import role

FOLDER = Path(__file__).parents[1] / "scenarios"
SETTINGS = dict(
    address="h:80", kill_time=0.3, stopwaitsecs=3.0, rise=1, fall=3, health_interval=1.0, promote_timeout=60.0,
    backoff_min=1.0, backoff_max=60.0,
)


def replay(text):
    """The lines with what the machine answers after the arrow."""
    states = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            yield line
            continue
        told = line.partition("->")[0].strip()
        moment, node, name, *words = told.split(" ", 3)
        settings = role.Settings(name="orders", **SETTINGS)
        if name == "begin":
            states[node], actions = role.begin(float(moment))
        else:
            event = make(getattr(role, name), states[node], words[0] if words else "")
            states[node], actions = role.step(settings, states[node], event, float(moment))
        named = " ".join(type(action).__name__ for action in actions if not isinstance(action, role.Log))
        yield f"{told} -> {named} | {states[node].role} {states[node].step}".replace("  ", " ").rstrip()


def make(kind, state, words):
    values = {word.arg: ast.literal_eval(word.value) for word in ast.parse(f"f({commas(words)})").body[0].value.keywords}
    if "op" in kind._fields and "op" not in values:
        values["op"] = {role.Probed: state.probing, role.Looked: state.looking}.get(kind, state.waiting)
    return kind(**values)


def commas(words):
    """`a=1 b='x y'` as arguments of a call."""
    out, quoted = "", False
    for character in words:
        quoted ^= character == "'"
        out += "," if character == " " and not quoted else character
    return out


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_the_transcript_is_what_happens(path):
    text = path.read_text()
    assert "\n".join(replay(text)) + "\n" == text


def test_the_cut_off_group_is_dead_before_the_other_starts():
    lines = (FOLDER / "two-nodes.txt").read_text().splitlines()
    dead = max(number for number, line in enumerate(lines) if " a Dead" in line)
    started = [number for number, line in enumerate(lines) if " b " in line and "StartGroup" in line]
    assert started and dead < min(started)
