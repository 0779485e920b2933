"""The judge of the polls that the fault suite makes."""

import pytest

from lab.web import Heard, overlaps


def heard(*answers):
    """Answers as (node, asked, told, status)."""
    return [Heard(*one, {}) for one in answers]


@pytest.mark.parametrize("answers, two", [
    # One after the other, with and without a moment at which both were asked.
    ([("a", 0, 1, 200), ("a", 2, 3, 200), ("b", 4, 5, 200)], 0), ([("a", 0, 9, 200), ("b", 4, 5, 200)], 0),
    ([("a", 0, 1, 200), ("a", 4, 9, 200), ("b", 5, 6, 200)], 0),
    # a was primary from 1 to 8 at least, and b at some moment between 3 and 4.
    ([("a", 0, 1, 200), ("a", 8, 9, 200), ("b", 3, 4, 200)], 1), ([("a", 0, 1, 200), ("a", 8, 9, 200), ("b", 3, 4, 503)], 0),
    ([("a", 0, 1, 200), ("a", 8, 9, 200), ("b", 7, 7.5, 200), ("b", 20, 21, 200)], 1),
    # Back and forth: what a said in between ends its row.
    ([("a", 0, 1, 200), ("a", 2, 3, 503), ("b", 4, 5, 200), ("b", 5, 6, 503), ("a", 8, 9, 200)], 0),
    ([("a", 0, 1, 200), ("a", 2, 3, 0), ("b", 4, 5, 200), ("a", 8, 9, 200)], 1),
])
def test_two_at_once_are_found(answers, two):
    assert len(overlaps(heard(*answers))) == two
