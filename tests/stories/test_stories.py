"""Each story goes as it is written, and faults of timing turn some red.

They are played in a process of their own, because that puts virtual time and model clients into the product's modules.
"""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories.faults import FAULTS

FOLDER = Path(__file__).parent


@functools.cache
def played(*words):
    command = [sys.executable, "-m", "tests.stories", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=FOLDER.parents[1])


@pytest.mark.parametrize("story", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_a_story_goes_as_it_is_written(story):
    done = played()
    assert not done.stderr, done.stderr
    told = [part for part in done.stdout.split("=== ") if part.startswith(f"{story.name}: ")]
    assert not told, f"{told[0]}\nwhere this is right: python -m tests.stories --rewrite {story.relative_to(FOLDER.parents[1])}"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_timing_turns_stories_red(fault):
    done = played("--fault", fault, *(str(FOLDER / f"{name}.txt") for name in FAULTS[fault].stories))
    assert not done.stderr, done.stderr
    red = [line[4:].partition(".txt: ") for line in done.stdout.splitlines() if line.startswith("=== ")]
    assert [name for name, _, what in red] == list(FAULTS[fault].stories), done.stdout
    assert [name for name, _, what in red if "!!!!!" in what] == list(FAULTS[fault].breaks), done.stdout


def test_the_stories_that_are_told_of_are_there():
    told = set(re.findall(r"`((?:\d\d|adopt|end|lease)-[a-z0-9-]+)`", (FOLDER / "README.md").read_text()))
    assert told and told <= {path.stem for path in FOLDER.glob("*.txt")}


@pytest.mark.parametrize("command, told", [
    ("cluster a x=1", "'cluster a x=1': a cluster has nodes, and T, "), ("dance a", "'dance a': a story begins with a cluster"),
    ("cluster a\ndance a", "line 2, 'dance a': unknown command 'dance'"), ("cluster a\ncut z", "'cut z': no node 'z'"),
    ("cluster a\nwait long", "'wait long': it cannot be carried out"), ("cluster a\nuntil a withdrawn", "not a withdrawn within"),
])
def test_a_command_that_cannot_be_carried_out_is_named(tmp_path, command, told):
    (tmp_path / "story.txt").write_text(command + "\n")
    done = played(str(tmp_path / "story.txt"))
    assert done.returncode == 1 and told in done.stdout and not done.stderr, done
