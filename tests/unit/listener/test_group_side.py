"""The guard's events about groups."""

import math

import pytest

from supervisor_zkelect.core import messages
from supervisor_zkelect.listener.enforcement import Enforcement
from supervisor_zkelect.listener.group_side import GroupSide
from supervisor_zkelect.listener.leftovers import Leftovers
from supervisor_zkelect.processes import group_events
from tests.unit.listener.parts import Host, candidacies, candidacy, keepers, means


@pytest.fixture
def one():
    """A candidacy that has ordered the guard to end its group, as number 7."""
    one = candidacy(Host())
    one.group.ensure_dead(7, math.inf, -math.inf)
    return one


@pytest.fixture
def hear(one):
    given, ones = means(Host()), candidacies(one)
    left, enforcement = Leftovers(given, ones, None), Enforcement(given, ones)
    side = GroupSide(given, keepers(one, leftovers=left, enforcement=enforcement), None)
    return lambda event: side.handlers()[type(event)](event)


def repeated(one):
    """How often a new guard is given the order."""
    before = len(one.guard)
    one.group.repeat()
    return len(one.guard) - before


def test_an_order_is_repeated_until_it_is_answered(one, hear):
    assert one.group.busy and repeated(one) == 1
    hear(group_events.GroupStuck("primary", 7, (), "it cannot be killed"))
    hear(group_events.GroupDead("primary", 6, 0.1))
    assert one.group.busy and repeated(one) == 1
    hear(group_events.GroupDead("primary", 7, 0.1))
    assert not one.group.busy and repeated(one) == 0 and one.group.kill_at == math.inf


def test_events_of_groups_that_no_election_has_are_passed_over(hear):
    hear(group_events.GroupDead("another", 7, 0.1))
    hear(group_events.Members("another", 7, {}, ""))


def test_the_cause_is_told_of_a_program_that_does_not_run(one, hear):
    heard = []
    one.decide = heard.append
    one.group.ends["orders"] = "it was killed by SIGKILL"
    hear(group_events.Members("primary", 9, {"orders": ("BACKOFF", 0, "")}, ""))
    assert heard == [messages.Probed(9, False, "orders is BACKOFF: it was killed by SIGKILL")]
    hear(group_events.Members("primary", 10, {"orders": ("RUNNING", 77, "")}, ""))
    assert heard[1].ok and one.group.running == {77}
