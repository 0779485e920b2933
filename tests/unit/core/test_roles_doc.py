"""docs/roles.md and docs/roles.svg are drawn from the table by which the role machine goes."""

import importlib
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from supervisor_zkelect.core import messages

DOCS = Path(__file__).parents[3] / "docs"
MADE = ("supervisor_zkelect.core.transitions", "docs.draw_roles")


@pytest.fixture(scope="module")
def drawing():
    """The module that draws them, and the table, made anew here: what makes it is tried as well."""
    former = {name: sys.modules.pop(name, None) for name in MADE}
    core = importlib.import_module("supervisor_zkelect.core")
    try:
        yield vars(importlib.import_module("docs.draw_roles"))
    finally:
        for name, module in former.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        if former[MADE[0]] is not None:
            core.transitions = former[MADE[0]]


def test_page_and_picture_are_current(drawing):
    assert (DOCS / "roles.md").read_text() == drawing["page"]() and (DOCS / "roles.svg").read_text() == drawing["svg"]()


def test_each_pair_has_somebody_who_handles_it_or_a_reason(drawing):
    pairs, move = drawing["PAIRS"], drawing["Move"]
    assert all(callable(one.handler) if isinstance(one, move) else one for one in pairs.values())
    assert pairs["withdrawn", messages.Tick] == "a node that has withdrawn stands for no election any more"
    assert pairs["clearing", messages.Acked] == "it answers a request of a former step"


def test_each_step_stands_in_the_picture(drawing):
    texts = {element.text for element in xml.fromstring(drawing["svg"]()).iter("{http://www.w3.org/2000/svg}text")}
    assert texts >= {step for steps in drawing["STEPS"].values() for step in steps}


def test_nothing_leaves_the_picture(drawing):
    for element in xml.fromstring(drawing["svg"]()).iter("{http://www.w3.org/2000/svg}text"):
        # Of 14 or 12 px; no usual font has wider letters on the average.
        width, x = (7 if "small" in element.get("class") else 9) * len(element.text), int(element.get("x"))
        left = {"start": x, "middle": x - width // 2, "end": x - width}[element.get("text-anchor")]
        assert left >= 0 and left + width <= drawing["WIDTH"] and 0 < int(element.get("y")) <= drawing["HEIGHT"]
