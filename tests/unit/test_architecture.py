"""docs/architecture.md says what is there: its picture is drawn from the imports, and the files and rooms that it names exist."""

import re
from pathlib import Path

import pytest

from docs import draw_rooms

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
ROOMS = sorted(path.parent.name for path in (ROOT / "supervisor_zkelect").glob("*/__init__.py"))


def test_the_picture_is_drawn_from_the_imports():
    assert (ROOT / "docs" / "rooms.svg").read_text() == draw_rooms.svg(), "run: python -m docs.draw_rooms"


def test_a_circle_of_imports_is_told():
    with pytest.raises(ValueError, match="a circle of imports through a"):
        draw_rooms.reach({"a": {"b"}, "b": {"c"}, "c": {"a"}}, "a")


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_stands_in_the_picture_and_in_the_table(room):
    assert f"| `{room}/` |" in TEXT and f">{room}</text>" in draw_rooms.svg()


def test_each_thread_of_the_package_stands_in_the_tables():
    named = re.compile(r'''\bname="(zkelect-[a-z]+)"|(?:ThreadPoolExecutor|Workers|pool)\(.*?, f?"(zkelect-[a-z]+)''')
    rooms = (path for path in (ROOT / "supervisor_zkelect").rglob("*.py") if "demo" not in path.parts)
    names = {name for path in rooms for pair in named.findall(path.read_text()) for name in pair if name}
    assert len(names) > 20 and sorted(name for name in names if f"`{name}" not in TEXT) == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_files_that_are_named_exist(page):
    names = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.[a-z]+)?)`", (ROOT / page).read_text()))
    missing = [name for name in names if not any((root / name).exists() for root in (ROOT, ROOT / "supervisor_zkelect"))]
    assert names and not missing
