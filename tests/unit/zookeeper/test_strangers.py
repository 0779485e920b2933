"""Candidates of other programs: told from this election's own, and who leads by whose rule."""

import pytest

from supervisor_zkelect.zookeeper import strangers
from supervisor_zkelect.zookeeper.strangers import CURATOR, KAZOO, NONE, OTHER, Stranger

OWN = "n-0000000005"
LOCK = "0123456789abcdef0123456789abcdef__lock__0000000007"
READ_LOCK = "0123456789abcdef0123456789abcdef__rlock__0000000007"
LATCH = "_c_6ba7b810-9dad-11d1-80b4-00c04fd430c8-latch-0000000007"

MUTEX = LATCH.replace("latch-", "lock-")


@pytest.mark.parametrize("name, kind", [
    ("a-0000000007", OTHER), ("n0000000007", OTHER), ("n-00000000080000000007", OTHER), ("n_0000000007", OTHER),
    ("0000000007", OTHER), (LOCK, KAZOO), (READ_LOCK, KAZOO), (LATCH, CURATOR), ("lock-0000000007", CURATOR),
    ("latch-0000000007", CURATOR), ("readme", NONE), ("n-000000007", NONE), ("n-000000000٧", NONE),
])
def test_strangers_are_known_by_their_names(name, kind):
    assert strangers.found([OWN, name, "n-0000000006"], "n-") == [Stranger(name, kind)]


@pytest.mark.parametrize("name, leads", [
    # The Go elector sorts whole names.
    ("a0000000007", True), ("x0000000007", False), ("n0000000007", False), ("m-0000000007", True),
    # Whoever does not see this election's candidates leads beside them.
    (LOCK, True), ("f" + LOCK[1:], True), (LATCH, True), ("readme", False), ("aaa", False),
])
def test_who_leads_by_another_rule(name, leads):
    one = strangers.found([name], "n-")[0]
    assert strangers.leads_over(one, OWN) is leads


@pytest.mark.parametrize("name, remedy", [
    ("n0000000007", "election_prefix = n and sequence_separator = (nothing)"),
    ("a-0000000007", "election_prefix = a and sequence_separator = -"),
    (LOCK, "kazoo's Lock or Election"), (LATCH, "Curator's LeaderLatch"), ("readme", "remove it"),
])
def test_all_are_told_with_a_remedy(name, remedy):
    line = strangers.told(strangers.found([OWN, name], "n-"), "n-", "/e")
    assert line.startswith(f"/e: {name[:60]}") and remedy in line and "\n" not in line


@pytest.mark.parametrize("stem, name, agrees", [
    ("x__lock__", LOCK, True), ("x__lock__", READ_LOCK, False), ("x__lock__", LATCH, False),
    ("latch-", LATCH, True), ("latch-", MUTEX, False), ("lock-", MUTEX, True), ("latch-", LOCK, False), ("n-", LOCK, False),
])
def test_with_names_that_end_like_theirs_the_orders_agree(stem, name, agrees):
    assert (strangers.found([name], stem) == []) is agrees


def test_names_of_strangers_are_told_in_one_line():
    line = strangers.told(strangers.found(["\x1b[2J\n" + "a" * 500 + "0000000007", "readme"], "n-"), "n-", "/e")
    assert line.isprintable() and " and 1 more" in line and len(line) < 900


def test_one_beginning_is_no_trouble():
    assert strangers.told(strangers.found(["x0000000001", "x0000000002"], "x"), "x", "/e") == ""
    assert strangers.told(strangers.found(["0000000001"], ""), "", "/e") == ""
