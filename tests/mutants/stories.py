"""The stories, played in the process of the tests, so that a mutant can be judged by them. They are run by `judge.py` only."""

from pathlib import Path

import pytest

from tests.simulation import node
from tests.stories import script

FOLDER = Path(script.__file__).parent


@pytest.mark.parametrize("story", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_a_story_goes_as_it_is_written(story, monkeypatch):
    node.install(monkeypatch.setattr)
    text = story.read_text()
    assert script.replay(text) == text
