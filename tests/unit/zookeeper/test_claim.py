"""A claim, and what operators order meanwhile."""

import pytest

from supervisor_zkelect.elector import Barred
from supervisor_zkelect.zookeeper import following
from supervisor_zkelect.zookeeper.given import Given
from tests.unit.zookeeper.cluster import CONTROL, Cluster


def paused():
    """The data of a control by which nobody is promoted."""
    cluster = Cluster("a", leads=False)
    assert following.attempt(cluster.tool(), Given("pause", force=True, by="root@h")).ok
    return cluster.ensemble.znodes[CONTROL].data


@pytest.fixture
def one():
    """A node that leads. replaces: what the control is made anew with before its next claim arrives, at most `times`."""
    cluster = Cluster("a", leads=False)
    one = cluster.one = cluster.nodes["a"]
    assert one.try_be_leader()
    cluster.replaces, cluster.times, transact = None, 1, one._transact

    def transacted(operations):
        if cluster.times and cluster.replaces is not None:
            cluster.times -= 1
            cluster.ensemble.delete(CONTROL)
            cluster.ensemble.create(CONTROL, cluster.replaces)
        return transact(operations)

    one._transact = transacted
    assert cluster.ensemble.znodes[CONTROL].version == 0
    return cluster


def test_a_pause_that_was_made_in_the_place_of_what_was_read_is_heeded(one):
    one.replaces = paused()
    with pytest.raises(Barred, match="so nobody is promoted"):
        one.one.claim("a", "a:1")


def test_orders_that_were_made_in_the_place_of_what_was_read_and_keep_nobody_are_no_hindrance(one):
    one.replaces = b""
    assert one.one.claim("a", "a:1") is None and one.times == 0
    assert one.one.holder().node == "a"


def test_a_term_that_was_claimed_before_goes_on_in_a_pause(one):
    one.one.claim("a", "a:1")
    one.ensemble.set(CONTROL, paused())
    assert one.one.claim("a", "a:1") is None


@pytest.mark.parametrize("adopting", [True, False])
def test_a_term_that_is_gone_on_with_is_so_whatever_stands_there(one, adopting):
    one.one.claim("a", "a:1")
    one.replaces = paused()
    if adopting:
        assert one.one.claim("a", "a:1", adopting=True) is None
    else:
        with pytest.raises(Barred):
            one.one.claim("a", "a:1")


@pytest.mark.parametrize("begun", [True, False], ids=["begun", "not begun"])
def test_who_may_not_write_the_control_leads_all_the_same(begun):
    """An order that stands there and nobody may take out would keep every node from leading."""
    cluster = Cluster("a", "b", "c")
    given = following.attempt(cluster.tool(), Given("switchover", "b" if begun else "", by="root@h"))
    assert given.ok
    one, order = cluster.nodes["a"], cluster.control()["switchover"]["id"]
    target = one.begin("switchover", order, "a") if begun else ""
    cluster.ensemble.denied = {("write", CONTROL)}
    one.release(successor=target) if begun else cluster.end("a")
    other = cluster.nodes["b"]
    assert other.try_be_leader().leads
    other.claim("b", "b:1")
    assert other.led_to.order.id == order and other.holder().node == "b" and cluster.control()["switchover"]["id"] == order
