"""Priorities as proposals have them."""

import pytest

from supervisor_zkelect.core import ranks
from supervisor_zkelect.core.ranks import RankedCandidate


@pytest.mark.parametrize("info, priority", [
    ({}, 100), ({"priority": 0}, 0), ({"priority": 1000}, 1000), ({"priority": 1001}, 100), ({"priority": -1}, 100),
    ({"priority": True}, 100), ({"priority": "200"}, 100), ({"priority": 1.5}, 100), ({"priority": None}, 100),
])
def test_what_is_no_priority_is_the_default(info, priority):
    assert ranks.of(info) == priority


def test_the_best_comes_first_and_of_the_same_who_stands_before():
    behind = [RankedCandidate(name, name, 1, number, 0) for name, number in (("a", 100), ("b", 150), ("c", 200), ("d", 150), ("e", 101))]
    assert [one.name for one in ranks.better(behind, 100)] == ["c", "b", "d", "e"]
    assert ranks.better(behind, 200) == []
