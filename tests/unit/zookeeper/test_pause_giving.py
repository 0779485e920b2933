"""Resuming by force: whose life keeps it from that, and what the operator is told, by real electors at a ZooKeeper in memory."""

import pytest

from supervisor_zkelect.core.control import Life
from supervisor_zkelect.zookeeper import following, pause_giving
from supervisor_zkelect.zookeeper.giving import Given
from tests.unit.zookeeper.cluster import STATE, Cluster

LIFE = Life("", "b", "b-4-10-100")
FORCE = Given(pause_giving.FORCE, "", "root@h")


@pytest.fixture
def two():
    """Of a and b, a leads, and has consented to a pause."""
    cluster = Cluster("a", "b")
    order = following.attempt(cluster.tool(), Given(pause_giving.PAUSE, "", "root@h")).id
    cluster.nodes["a"].consent(order, "a", LIFE)
    return cluster


@pytest.mark.parametrize("instance, refused", [(LIFE.instance, True), ("", True), ("b-4-11-200", False)])
def test_only_the_life_that_may_have_consented_keeps_an_operator_from_it(two, instance, refused):
    two.tell("a", state="standby", instance=instance, host="h1", address="a:1")
    facts = following.attempt(two.tool(), FORCE)
    assert not facts.ok and ("its listener lives" in facts.text) is refused
    assert following.attempt(two.tool(), FORCE._replace(node="a")).ok is not refused
    assert ("paused" in two.control()) is refused


def test_what_an_earlier_session_said_tells_of_no_other_life(two):
    two.tell("a", instance="b-4-11-200")
    two.ensemble.znodes[f"{STATE}/nodes/a/live"].ephemeralOwner = 4711
    assert "its listener lives" in following.attempt(two.tool(), FORCE._replace(node="a")).text


@pytest.mark.parametrize("said, told", [
    ({"instance": LIFE.instance, "host": "h1", "address": "a:1"}, "a, on host h1, a:1, runs by the pause"),
    ({"address": "a:1"}, "a, on a host that is not known, a:1, runs by the pause"),
    ({"instance": "b-4-11-200", "host": "h1", "address": "a:1"}, "a, on a host that is not known, runs by the pause"),
])
def test_the_host_is_named_as_far_as_it_is_that_of_the_life_that_has_consented(two, said, told):
    two.tell("a", **said)
    assert told in following.attempt(two.tool(), FORCE).text
