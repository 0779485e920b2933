"""Priorities, as the Elector takes part in them, against a real ZooKeeper."""

import json

import pytest

from supervisor_zkelect.core import control, history, nodes
from supervisor_zkelect.core.control import Order, Switchover
from supervisor_zkelect.elector import Barred, NotBegun, ProposalGone, Stays
from supervisor_zkelect.zookeeper import giving
from supervisor_zkelect.zookeeper.given import Given
from tests.system.test_elector_orders import hand

__all__ = ["hand"]


def candidate(join, node, priority=None, knows=True):
    more = {**({} if priority is None else {"priority": priority}), **({"orders": 1} if knows else {})}
    one = join(data=json.dumps({"v": 1, "node": node, "address": f"{node}:1", **more}).encode())
    one.prepare()
    one.create_proposal()
    return one


@pytest.fixture
def three(join):
    """a leads and is acked; b is next; c stands last and has the highest priority."""
    found = {name: candidate(join, name, priority) for name, priority in (("a", None), ("b", 50), ("c", 200))}
    assert found["a"].try_be_leader(claiming=True).leads
    found["a"].claim("a", "a:1")
    found["a"].ack_leader("a:1")
    return found


def order_of(one):
    return [member.node for member in one.members()]


def test_who_is_better_is_told_by_the_proposals(three, join):
    assert [(one.node, one.priority) for one in three["b"].better(50)] == [("c", 200)]
    assert three["b"].better(200) == [] and three["c"].better(0) == []
    candidate(join, "old", knows=False)
    assert [one.node for one in three["b"].better(50)] == ["c", "old"]


def test_a_queue_that_is_the_same_costs_one_small_read(three, monkeypatch):
    one = three["b"]
    one.better(50)
    asked = []
    for name in ("get_async", "get_children_async", "exists_async"):
        real = getattr(one._client, name)
        monkeypatch.setattr(one._client, name, lambda path, *more, real=real, name=name, **words: (asked.append(name), real(path, *more, **words))[1])
    assert [found.node for found in one.better(50)] == ["c"] and asked == ["exists_async"]
    one.try_be_leader()
    asked.clear()
    assert [found.node for found in one.better(50)] == ["c"] and asked == []


def test_a_step_is_one_exchange(three):
    one, former = three["b"], three["b"].token
    name, term = one.step_behind(three["c"].proposal, "b")
    assert name == one.proposal and one.token > former and order_of(one) == ["a", "c", "b"]
    assert term == three["a"].token and not one.found
    assert one.read_ack() == b"a:1" and one.holder().node == "a"


def test_nobody_steps_behind_who_is_gone(three):
    better = three["c"].proposal
    three["c"].withdraw()
    with pytest.raises(Stays, match="any more"):
        three["b"].step_behind(better, "b")
    assert order_of(three["b"]) == ["a", "b"]


@pytest.mark.parametrize("order", [Switchover(Order("s"), "b"), Switchover(Order("s"), "", None, 7, "{b}")])
def test_who_is_to_lead_by_order_keeps_its_place(three, hand, order):
    hand(control.order_switchover(order._replace(target=order.target.format(b=three["b"].proposal))))
    with pytest.raises(Stays, match="by order"):
        three["b"].step_behind(three["c"].proposal, "b")
    assert order_of(three["b"]) == ["a", "b", "c"]


def test_who_is_in_maintenance_is_let_pass_by_nobody(three, hand):
    three["b"].better(50)
    hand(control.begin_maintenance("c", Order("m")))
    with pytest.raises(Stays, match="maintenance"):
        three["b"].step_behind(three["c"].proposal, "b")
    with pytest.raises(Barred, match="maintenance"):
        three["c"].step_behind(three["b"].proposal, "c")


def test_an_order_that_comes_in_between_is_seen(three, hand, monkeypatch):
    one = three["b"]
    real, orders = one._transact, [control.order_switchover(Switchover(Order("s"), "b"))]

    def transact(operations):
        if orders:
            hand(orders.pop())
        return real(operations)

    monkeypatch.setattr(one, "_transact", transact)
    with pytest.raises(Stays, match="by order"):
        one.step_behind(three["c"].proposal, "b")


def test_its_own_holder_goes_with_the_step(three):
    """The answer to its claim was lost, and it steps behind others since."""
    three["a"].release()
    one = three["b"]
    assert one.try_be_leader(claiming=True).leads
    one.claim("b", "b:1")
    one.step_behind(three["c"].proposal, "b")
    assert one.holder() is None and three["c"].try_be_leader(claiming=True).leads
    assert three["c"].claim("c", "c:1") is None


def test_without_a_proposal_there_is_nothing_to_exchange(three):
    three["b"].withdraw()
    with pytest.raises(ProposalGone):
        three["b"].step_behind(three["c"].proposal, "b")


def test_what_was_found_is_told(join, three):
    assert not three["b"].found
    three["b"].create_proposal()
    assert three["b"].found and three["b"].term_in_progress() == three["a"].token


# Failback


def handed_back(three, **changes):
    given = {"own": 100, "stood": 0.0, "healthy": 60.0, **changes}
    found, _ = three["a"].hand_back_to(**given)
    return "" if found is None else found.node


def test_a_primary_hands_back_to_who_is_better(three):
    assert handed_back(three) == "c" and handed_back(three, own=200) == ""
    assert handed_back(three, stood=3600.0) == ""


@pytest.mark.parametrize("change", [
    control.begin_maintenance("c", Order("m")), control.order_switchover(Switchover(Order("s"), "b", 1 << 50)),
])
def test_it_does_not_against_an_order(three, hand, change):
    hand(change)
    assert handed_back(three) == ""


def test_it_does_not_to_who_is_not_fit(three):
    three["c"].tell_of_node("c", nodes.NodeEntry(unfit="no disk"))
    assert handed_back(three) == ""
    three["c"].tell_of_node("c", nodes.NodeEntry())
    assert handed_back(three) == "c"
    # What another session has said does not count, and what this one says is not known.
    three["b"].tell_of_node("c", nodes.NodeEntry())
    assert handed_back(three) == ""


def test_it_does_not_to_whose_last_term_failed_until_that_is_forgiven(three, hand):
    failed = {"token": 1, "node": "c", "ended": {"noticed": 1.0, "why": "sick", "failed": True}}
    three["a"].amend_history(lambda data: history.amended(data, [failed]), 5.0)
    assert handed_back(three) == ""
    served = {"token": 2, "node": "c", "begun": {"acked": 10.0}, "ended": {"noticed": 70.0, "why": "resigned"}}
    three["a"].amend_history(lambda data: history.amended(data, [served]), 5.0)
    assert handed_back(three) == "c" and handed_back(three, healthy=61.0) == ""
    given = giving.give(three["a"], Given("maintenance on", "c", id="m"))
    assert given.id, given.text
    assert giving.give(three["a"], Given("maintenance off", "c")).id
    assert hand.read()["nodes"] == {"c": {"cleared": three["a"].token}} and handed_back(three, healthy=61.0) == "c"


def test_it_does_not_out_of_a_term_that_an_order_began(three, hand):
    hand(control.order_switchover(Switchover(Order("s", at=three["a"].server_time()), "b")))
    target = three["a"].begin(control.SWITCHOVER, "s", "a")
    three["a"].release(successor=target)
    one = three["b"]
    assert one.try_be_leader(claiming=True).leads
    one.claim("b", "b:1")
    assert one.hand_back_to(50, 0.0, 60.0).to is None
    # Nor after another listener has gone on with it.
    one.claim("b", "b:2", adopting=True)
    assert one.hand_back_to(50, 0.0, 60.0).to is None


def test_a_handover_to_the_better_one_is_begun_past_those_before_it(three):
    target = three["a"].begin(control.FAILBACK, three["c"].proposal, "a")
    assert target == three["c"].proposal
    three["a"].release(successor=target)
    assert order_of(three["c"]) == ["c"]


def test_it_is_not_begun_where_that_is_gone_or_something_was_ordered(three, hand):
    with pytest.raises(NotBegun, match="any more"):
        three["a"].begin(control.FAILBACK, "n-0000009999", "a")
    hand(control.order_switchover(Switchover(Order("s"), "b", 1 << 50)))
    with pytest.raises(NotBegun, match="ordered"):
        three["a"].begin(control.FAILBACK, three["c"].proposal, "a")


@pytest.mark.parametrize("kind", [control.RESIGNATION, control.SWITCHOVER])
def test_whoever_is_next_is_who_has_the_highest_priority(three, hand, kind):
    if kind == control.SWITCHOVER:
        hand(control.order_switchover(Switchover(Order("s", at=three["a"].server_time()))))
    assert three["a"].begin(kind, "s", "a") == three["c"].proposal


def test_nobody_is_taken_past_one_that_knows_no_orders(join):
    one = candidate(join, "a")
    old, _ = candidate(join, "old", knows=False), candidate(join, "c", 200)
    assert one.try_be_leader(claiming=True).leads
    one.claim("a", "a:1")
    assert one.begin(control.RESIGNATION, "", "a") == old.proposal


# Fit


def test_who_serves_is_told_by_ack_holder_and_queue(three):
    token = three["a"].token
    assert three["b"].serving() == token and three["a"].serving() == 0
    three["a"].clear_ack()
    assert three["b"].serving() == 0
    three["a"].ack_leader("a:1")
    assert three["b"].serving() == token
    # Its proposal is gone, and its ack stays.
    three["a"].withdraw()
    assert three["c"].serving() == 0


def test_a_switchover_to_one_that_is_not_fit_wants_force(three, hand):
    three["c"].tell_of_node("c", nodes.NodeEntry(unfit="no disk"))
    refused = giving.give(three["b"], Given("switchover", "c"))
    assert not refused.ok and "not fit to lead: no disk" in refused.text and "--force" in refused.text
    assert giving.give(three["b"], Given("switchover", "c", id="s", force=True)).id == "s"
    assert three["a"].begin(control.SWITCHOVER, "s", "a") == three["c"].proposal


def test_one_that_was_ordered_before_is_not_begun(three, hand):
    hand(control.order_switchover(Switchover(Order("s", at=three["a"].server_time()), "c")))
    three["c"].tell_of_node("c", nodes.NodeEntry(unfit="no disk"))
    with pytest.raises(NotBegun, match="not fit to lead: no disk"):
        three["a"].begin(control.SWITCHOVER, "s", "a")


@pytest.mark.parametrize("entry, told", [
    (nodes.NodeEntry(unfit="no disk"), "(not fit: no disk)"), (nodes.NodeEntry(priority=0), "(priority = 0 in its file, so it never leads)"),
])
def test_why_a_node_stands_in_no_queue_is_told(three, entry, told):
    three["c"].withdraw()
    three["c"].tell_of_node("c", entry)
    refused = giving.give(three["b"], Given("switchover", "c"))
    assert not refused.ok and f"does not stand in the queue {told}" in refused.text
