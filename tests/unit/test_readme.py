"""README and docs: the picture is the one that its script draws, and links lead somewhere."""

import re
import runpy
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def drawing():
    return runpy.run_path(str(ROOT / "docs" / "draw_nodes.py"))


def test_the_picture_is_what_the_script_draws(drawing):
    assert (ROOT / "docs" / "nodes.svg").read_text() == drawing["svg"]()


def test_the_picture_needs_nothing_else(drawing):
    """Neither a font nor a file, and every class that is used has a colour in both themes."""
    text = drawing["svg"]()
    picture = xml.fromstring(text)
    # The name of the name space is the only address.
    assert text.count("://") == 1 and "@import" not in text and "@font-face" not in text
    used = {name for element in picture.iter() for name in element.get("class", "").split()}
    light, dark = text.split("prefers-color-scheme: dark")
    for name in used - {"line", "head", "small", "mono"}:
        assert f".{name} {{" in light and f".{name} {{" in dark.partition("</style>")[0]


def test_no_text_of_the_picture_leaves_it(drawing):
    for element in xml.fromstring(drawing["svg"]()).iter("{http://www.w3.org/2000/svg}text"):
        # Of 14 or 12 px; no usual font has wider letters on the average.
        width, x = (8 if "small" in element.get("class") else 9) * len(element.text), int(element.get("x"))
        left = {"start": x, "middle": x - width // 2, "end": x - width}[element.get("text-anchor")]
        assert left >= 0 and left + width <= drawing["WIDTH"] and 0 < int(element.get("y")) <= drawing["HEIGHT"]


def anchors(path):
    """Those of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            there = (page.parent / path) if path else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


def test_readme_is_read_in_five_minutes():
    assert len((ROOT / "README.md").read_text().split()) < 1300
