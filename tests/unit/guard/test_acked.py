"""What the record tells load balancers: whether the ack is written in the term that is granted, and that the guard runs."""

import pytest

from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.guard import groups, protocol, record
from supervisor_zkelect.guard.keeper_protocol import TermGone
from tests.unit.guard.parts import GRANT, Node


@pytest.fixture
def node():
    """A node whose service is acked."""
    node = Node().start()
    assert not node.entry.acked
    node.guard.obey(protocol.AckOrder("primary", 7, True))
    assert node.entry.acked
    return node


def test_the_listener_tells_it_and_takes_it_back(node):
    node.guard.obey(protocol.AckOrder("primary", 7, False))
    assert node.entry.granted and not node.entry.acked


@pytest.mark.parametrize("order", [
    protocol.StopOrder("primary", 9, 200.0, GRANT), protocol.KillOrder("primary", 9), protocol.EnsureDeadOrder("primary", 9),
])
def test_each_stop_revokes_it_with_the_grant(node, order):
    node.guard.obey(order)
    assert not node.entry.granted and not node.entry.acked


def test_so_does_the_end_of_the_lease_and_of_the_proposal(node):
    node.now = GRANT.lease.stop_at
    node.guard.keep_time()
    assert not node.entry.granted and not node.entry.acked
    node = Node().start()
    node.guard.obey(protocol.AckOrder("primary", 7, True))
    node.guard.listener_gone()
    node.guard.renewals.begin()
    node.guard.keeper_said(TermGone("primary", 7))
    assert not node.entry.granted and not node.entry.acked


def test_a_group_that_is_proven_dead_has_no_lease(node):
    """Until then an agent-check has its clients drained, for as long as it may run."""
    node.guard.obey(protocol.StopOrder("primary", 9, 200.0, GRANT))
    assert node.entry.lease == GRANT.lease and not node.entry.granted
    node.dead()
    assert node.entry == record.Entry("orders", "primary", "a", 7, False, 1, NO_LEASE)
    # Whoever renews it for a term that is over renews nothing.
    node.extend(1, 7, 112.0, 113.0, 114.0)
    node.guard.obey(protocol.CutOrder(110.0))
    node.guard.listener_gone()
    node.guard.renewals.begin()
    node.kept(7, 124.0)
    assert node.entry.lease == NO_LEASE and node.effects.keeping == ({}, True)
    node.greet("primary")
    node.guard.obey(protocol.StartOrder("primary", 10, GRANT))
    assert node.entry == record.Entry("orders", "primary", "a", 7, True, 1, GRANT.lease)


def test_a_grant_that_could_not_be_revoked_in_the_record_is_doubted_after_the_proof_as_well(node):
    node.book.broken = True
    node.guard.obey(protocol.StopOrder("primary", 9, 200.0, GRANT))
    node.dead()
    assert node.entry.granted and node.guard.groups.misread and node.book.doubted
    node.passes(1.0)
    assert node.entry.granted and node.guard.groups.misread and node.book.doubted
    node.book.broken = False
    node.passes(1.0)
    assert not node.entry.granted and not node.guard.groups.misread and not node.book.doubted


def test_what_is_stopped_after_the_proof_is_killed_and_what_a_guard_finds_of_it_too(node):
    """It runs without a lease."""
    node.guard.obey(protocol.StopOrder("primary", 9, 200.0, GRANT))
    assert node.handle().last("kill", "stop")[0] == "stop"
    node.dead()
    node.guard.obey(protocol.EnsureDeadOrder("primary", 10))
    assert node.handle().last("kill", "stop") == ("kill", 10)
    other = Node([node.entry])
    assert other.handle().last("kill", "stop")[0] == "stop" and other.handle().last("kill", "stop")[2] < node.now


def test_a_start_begins_without_an_ack(node):
    """Also one in the same term, by an order to restart."""
    node.guard.obey(protocol.StopOrder("primary", 9, 200.0, GRANT))
    node.guard.obey(protocol.StartOrder("primary", 10, GRANT))
    assert node.entry.granted and not node.entry.acked


def test_a_word_on_another_term_or_behind_the_revocation_counts_for_nothing(node):
    node.guard.obey(protocol.AckOrder("primary", 6, False))
    assert node.entry.acked
    node.guard.obey(protocol.StopOrder("primary", 9, 200.0, GRANT))
    node.guard.obey(protocol.AckOrder("primary", 7, True))
    assert not node.entry.acked
    node.guard.obey(protocol.AckOrder("other", 7, True))
    assert node.guard.groups.get("other") is None


def test_it_stays_while_the_lease_is_extended_by_whomever(node):
    node.extend(1, 7, 112.0, 113.0, 114.0)
    assert node.entry.acked and node.entry.lease.deadline == 114.0
    node.guard.listener_gone()
    node.guard.renewals.begin()
    node.kept(7, 124.0)
    assert node.entry.acked and node.entry.lease.deadline == 124.0
    node.greet("primary")
    assert node.entry.acked


def test_a_guard_that_takes_over_waits_for_the_listeners_word():
    """The former one may have been unable to write that it revoked the grant."""
    entry = record.Entry("orders", "primary", "a", 7, True, 1, Lease(120.0, 121.0, 122.0), True)
    node = Node([entry])
    assert node.entry == entry._replace(acked=False)
    node.greet("primary")
    node.guard.obey(protocol.AckOrder("primary", 7, True))
    assert node.entry == entry


def test_one_that_knows_of_nothing_is_told_with_the_grant():
    """The record was lost with the old guard."""
    node = Node()
    node.greet("primary")
    node.guard.obey(protocol.AdoptOrder("primary", GRANT._replace(acked=True)))
    assert node.entry.granted and node.entry.acked


def test_the_record_tells_that_the_guard_runs():
    node = Node()
    assert node.book.seen == 100.0
    node.now += groups.BEAT_PACE - 0.01
    node.guard.keep_time()
    assert node.book.seen == 100.0, "not at each turn"
    node.now += 0.01
    node.guard.keep_time()
    assert node.book.seen == node.now


def test_a_record_that_cannot_be_written_shows_no_guard(caplog):
    """It may grant what was revoked since."""
    node = Node().start()
    node.book.broken = True
    for _ in range(5):
        node.now += 1.0
        node.guard.keep_time()
    assert node.book.seen == 100.0 and caplog.text.count("cannot write the record: [Errno 5] Input/output error") == 1
    node.book.broken = False
    node.now += 1.0
    node.guard.keep_time()
    assert node.book.seen == node.now
