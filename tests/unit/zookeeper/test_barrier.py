"""The barrier of a pause by the rules of all programs that may stand in its queue, and what is told of those that it does not bar."""

import pytest
from kazoo.recipe.lock import Lock

from supervisor_zkelect.core import control, places
from supervisor_zkelect.zookeeper import following, pause_giving, queue
from supervisor_zkelect.zookeeper.given import Given
from tests.unit.zookeeper.cluster import Cluster

STEMS = ["n-", "n", "x__lock__", "latch-", "a-latch-", "lock-", "0000000005-"]


def names(stem):
    """The proposals of who leads and of who stands behind, and the barrier between them."""
    first, second = f"{stem}0000000005", f"{stem}0000000006"
    return first, places.barrier_of(first), second


class Children:
    """The client of a kazoo lock, as far as it looks for who is before it. found: the children of its path."""

    handler = type("Handler", (), {name: staticmethod(lambda *_: None) for name in ("event_object", "lock_object", "sleep_func")})

    def __init__(self, found):
        self.found = found

    def get_children(self, path):
        return self.found


@pytest.mark.parametrize("stem", STEMS)
def test_it_stands_directly_behind_the_proposal_by_this_plugins_rule_and_by_whole_names(stem):
    first, barrier, second = names(stem)
    assert sorted([second, barrier, first], key=queue.order) == sorted([second, barrier, first]) == [first, barrier, second]


@pytest.mark.parametrize("stem, mark", [("latch-", "latch-"), ("a-latch-", "latch-"), ("lock-", "lock-")])
def test_and_by_curators_which_sorts_what_follows_its_mark(stem, mark):
    first, barrier, second = names(stem)
    assert sorted([second, barrier, first], key=lambda name: name[name.rindex(mark) + len(mark):]) == [first, barrier, second]


def test_and_by_kazoos_which_sees_only_what_ends_in_its_mark_and_ten_digits():
    first, barrier, _ = names("x__lock__")
    lock = Lock(Children([]), "/e")
    mine = f"{lock.prefix}0000000006"
    lock.client.found = [first, barrier, mine]
    assert lock._get_predecessor(mine) in (first, barrier)
    lock.client.found = [barrier, mine]
    assert lock._get_predecessor(mine) == barrier, "the proposal is gone, and nobody leads"


@pytest.mark.parametrize("stem", STEMS)
def test_it_is_known_by_its_name(stem):
    first, barrier, second = names(stem)
    assert places.barred_by(barrier) == first and places.is_barrier(barrier)
    assert not places.is_barrier(first) and not places.is_barrier(second)


@pytest.mark.parametrize("name", [
    "", "0000000005", "00000000050000000005", "n-00000000050000000006", "x__lock__00000000050000000005", "n-" + 20 * "٠",
])
def test_others_are_none(name):
    assert not places.is_barrier(name)


@pytest.mark.parametrize("stranger, told", [
    ("", "the barrier alone keeps b from leading"),
    ("0123456789abcdef0123456789abcdef__lock__", "nothing keeps 0123456789abcdef0123456789abcdef__lock__0000000002 from leading"),
    ("a", "nothing keeps a0000000002 from leading"), ("z", "the barrier alone keeps b, z0000000002 from leading"),
])
def test_the_barrier_is_said_to_bar_only_whom_it_bars(stranger, told):
    three = Cluster("a")
    three.join("b", knows=False)
    if stranger:
        three.ensemble._made(f"{three.nodes['a'].election_znode}/{stranger}0000000002", b"", 99)
    given = Given(pause_giving.PAUSE, "", "root@h")
    order = following.attempt(three.tool(), given).id
    three.nodes["a"].consent(order, "a", control.Life("m", "b", "i"))
    three.tell("a", state="primary", paused=order)
    answer = pause_giving.came_of(three.tool(), given, order)
    assert answer.ok and told in answer.text, answer


@pytest.mark.parametrize("stem", STEMS)
def test_a_tool_goes_by_the_names_of_who_has_consented(stem):
    """It reads no node's file, so its own are any."""
    first, barrier, second = names(stem)
    assert Cluster("a").tool().unbarred([first, barrier, second]) == []
