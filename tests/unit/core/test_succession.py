"""Who of a queue is to lead after the primary."""

import pytest

from supervisor_zkelect.core import succession
from supervisor_zkelect.core.control import Control, Order
from supervisor_zkelect.core.succession import Candidate, Next

NOTHING = Control()
ASIDE = Control(maintenance={"b": Order("m", until=100)})
UNUSABLE = Control(trouble="control holds no orders that can be read")


def one(node, priority=100, orders=True, session=1, name=None):
    info = {"node": node, "priority": priority, **({"orders": 1} if orders else {})}
    return Candidate(name or f"n-{node}", node, session, info)


B, C, D = one("b"), one("c"), one("d")
STRANGER, ZNODE = one("s", orders=False), one("", orders=False, session=0, name="n-z")


def place(others, found=NOTHING, to="", force=False, shown=50):
    following = succession.of(others, found, to, force, shown)
    assert (following.place is None) == bool(following.kind) == bool(following.why)
    return following.place if following.place is not None else following.kind


@pytest.mark.parametrize("others, expected", [
    ([B, C], 0), ([one("b", 50), C, D], 1), ([B, one("c", 200), one("d", 200)], 1), ([one("b", 0), one("c", 0)], 0),
    ([one("b", priority="high"), one("c", 101)], 1),
    # Nobody is let pass by one that knows no orders, and would propose anew by rules of its own.
    ([STRANGER, one("c", 200)], 0), ([B, STRANGER, one("d", 200)], 0), ([one("b", 50), one("c", 200), STRANGER], 1),
    ([], succession.NOBODY), ([ZNODE], succession.NOBODY), ([ZNODE, B], succession.STAYS), ([B, ZNODE], 0),
    ([B, ZNODE, one("c", 200)], succession.STAYS),
])
def test_the_best_is_next_who_stands_before_others_with_the_same(others, expected):
    assert place(others) == expected


@pytest.mark.parametrize("others, unfit, expected", [
    ([B, C], "b", 1), ([B, C, D], "bc", 2), ([B, C], "bc", 0), ([C, B], "b", 0), ([B, one("c", 50), D], "b", 2), ([B, C, STRANGER], "b", 1),
    # By force only, or after a hand has deleted what stands before it.
    ([B, STRANGER], "b", 0), ([B, STRANGER, C], "b", 0), ([B, ZNODE, C], "b", 0), ([B, C, ZNODE, D], "b", 1), ([B, one("z", session=0), C], "b", 0), ([STRANGER, B, C], "b", 0),
])
def test_who_is_not_fit_is_passed_over_for_who_says_it_is_and_can_be_reached(others, unfit, expected):
    following = succession.of(others, NOTHING, "", False, 50, [f"n-{name}" for name in unfit])
    assert following == Next(expected)


@pytest.mark.parametrize("others, to, expected", [
    ([B, C, D], "d", 2), ([B, C], "c", 1), ([one("b", 200), C], "c", 1), ([B, C], "e", succession.ABSENT),
    ([B, STRANGER, C], "c", succession.STRANGE), ([B, STRANGER, C], "b", 0), ([B, STRANGER], "s", succession.STRANGE),
    ([B, ZNODE, C], "c", succession.STAYS), ([ZNODE, STRANGER, C], "c", succession.STRANGE),
])
def test_who_is_wanted_leads_wherever_he_stands(others, to, expected):
    assert place(others, to=to) == expected


def test_force_passes_over_who_knows_no_orders_and_over_nothing_else():
    assert place([B, STRANGER, C], to="c", force=True) == 2 and place([STRANGER], to="s", force=True) == 0
    assert place([B, ZNODE, C], to="c", force=True) == succession.STAYS
    assert place([C, B], ASIDE, "b", force=True) == succession.ASIDE
    assert place([B], to="c", force=True) == succession.ABSENT


def test_nobody_leads_who_is_in_maintenance_as_long_as_that_stands():
    assert place([B, C], ASIDE) == 1 and place([B], ASIDE) == succession.NOBODY and place([B, C], ASIDE, "b") == succession.ASIDE
    assert place([B, C], ASIDE, shown=100) == 0 and place([B, C], ASIDE, "b", shown=100) == 0
    assert place([B, C], ASIDE, shown=None) == 1, "where the time is not known it stands"


def test_by_a_control_that_cannot_be_used_only_who_knows_none_leads():
    assert place([B, STRANGER, C], UNUSABLE) == 1 and place([B, C], UNUSABLE) == succession.UNUSABLE
    assert place([B, C], UNUSABLE, "c") == succession.UNUSABLE


@pytest.mark.parametrize("others, found, to, expected", [
    ([B], Control(), "c", Next(None, "absent", "c does not stand in the queue")),
    ([B], ASIDE, "b", Next(None, "aside", "b is in maintenance")),
    ([STRANGER, C], Control(), "c", Next(None, "strange", "n-s stands before c, or is its own, and knows no orders")),
    ([B], ASIDE, "", Next(None, "nobody", "all other candidates are in maintenance")),
    ([ZNODE], Control(), "", Next(None, "nobody", "no other candidate stands in the queue")),
    ([ZNODE, C], Control(), "c", Next(None, "stays", "n-z stands before c and goes with nobody's session; delete it")),
    ([B, ZNODE._replace(node="z")], Control(), "z", Next(None, "stays", "n-z goes with nobody's session; delete it")),
    ([ZNODE, STRANGER._replace(node="")], Control(), "",
     Next(None, "stays", "n-z stands before n-s and goes with nobody's session; delete it")),
    ([B], UNUSABLE, "", Next(None, "unusable", "control holds no orders that can be read")),
    ([B], Control(), "", Next(0)),
])
def test_why_nobody_is_next_is_told(others, found, to, expected):
    assert succession.of(others, found, to, False, 50) == expected
